"""The records of an MLflow store, a database or a tree of files, and of ``MLmodel``. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ...core.lazy_dataclass import dataclass, field
from ...core.times import format_timestamp
from ...inspect.formats import mlflow
from ..imported_version import to_plain_value
from ..source_tree import SourceTree, text_or_empty

#: The workspace that a store without workspaces has.
DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True, eq=False, repr=False)
class RunData:
    """Params, metrics (the latest value of each) and tags of a run or of a logged model."""

    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One run. ``datasets`` are documents with ``name``, ``digest``, ``source_type``, ``source`` and ``context``."""

    id: str
    said: RunData
    name: str = ""
    experiment: str = ""
    user: str = ""
    status: str = ""
    source: str = ""
    started: Any = None
    ended: Any = None
    artifacts: str = ""
    datasets: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class LoggedModel:
    """A model that a run of MLflow 3 logged; ``location`` is where its files were."""

    id: str
    said: RunData
    location: str = ""
    run: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class ModelVersion:
    number: int
    source: str = ""
    location: str = ""
    run: str = ""
    stage: str = ""
    status: str = ""
    description: str = ""
    user: str = ""
    created: Any = None
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class RegisteredModel:
    """A name with its versions, by number. ``trouble`` says, one line each, what of it can't be read."""

    name: str
    versions: tuple[ModelVersion, ...] = ()
    workspace: str = ""
    description: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name, behind its workspace if it has one of its own."""
        return self.name if self.workspace in ("", DEFAULT_WORKSPACE) else f"{self.workspace}/{self.name}"


class MlflowStore(Protocol):
    """Where registered models, runs and logged models are looked up."""

    def models(self) -> Iterator[RegisteredModel]: ...
    def run(self, run_id: str) -> Run | None: ...
    def logged(self, model_id: str) -> LoggedModel | None: ...


NAME = mlflow.NAME
_GENERIC = "python_function"


def read_mlmodel(tree: SourceTree, folder: Path) -> dict[str, Any]:
    """The document of a model's folder. Raises :class:`InvalidInput` for one that is missing or can't be read."""
    return tree.yaml(folder / NAME)


def get_flavors(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The flavors by name, the ones that say what it is before ``python_function``."""
    given = document.get("flavors")
    found = (
        {str(name): said for name, said in given.items() if isinstance(said, dict)} if isinstance(given, dict) else {}
    )
    return dict(sorted(found.items(), key=lambda item: item[0] == _GENERIC))


def summarize(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a version keeps of it as ``lineage.imported.mlmodel``: flavors with their versions, who made it, the signature."""
    return to_plain_value(  # type: ignore[no-any-return]
        {
            "flavors": {name: _flavor_version(name, said) for name, said in get_flavors(document).items()},
            "model_id": document.get("model_id") or document.get("model_uuid"),
            "run_id": document.get("run_id"),
            "mlflow_version": document.get("mlflow_version"),
            "python": _python_version(document),
            "created": format_timestamp(document.get("utc_time_created")),
            "signature": document.get("signature"),
        }
    )


def _flavor_version(name: str, said: Mapping[str, Any]) -> str:
    """``sklearn_version``, ``xgb_version``, ``pytorch_version`` …: each flavor spells it its own way."""
    if name == _GENERIC:
        return text_or_empty(said.get("loader_module"))
    return mlflow.flavor_version(said) or "?"


def _python_version(document: Mapping[str, Any]) -> str:
    return text_or_empty(get_flavors(document).get(_GENERIC, {}).get("python_version"))
