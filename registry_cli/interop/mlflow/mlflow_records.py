"""The records of an MLflow store, a database or a tree of files, and of ``MLmodel``. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ...core.lazy_dataclass import dataclass, field
from ...core.times import format_timestamp
from ...inspect.formats import mlflow
from ..imported_version import to_plain_value
from ..source_tree import SourceTree, lookup_mapping, lookup_text

NAME = mlflow.NAME
#: The workspace of a store without workspaces.
DEFAULT_WORKSPACE = "default"
_GENERIC = "python_function"


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
    data: RunData
    name: str = ""
    experiment: str = ""
    user: str = ""
    status: str = ""
    source: str = ""
    started: Any = None
    ended: Any = None
    artifacts: str = ""
    datasets: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_row(cls, run_id: str, data: RunData, row: Mapping[str, Any], **values: Any) -> Run:
        """A run from what database and files have under the same names; ``values`` are the other fields."""
        return cls(
            run_id,
            data,
            user=lookup_text(row, "user_id"),
            source=lookup_text(row, "source_name"),
            started=row.get("start_time"),
            ended=row.get("end_time"),
            artifacts=lookup_text(row, "artifact_uri"),
            **values,
        )


@dataclass(frozen=True, eq=False, repr=False)
class LoggedModel:
    """A model that a run of MLflow 3 logged; ``location`` is where its files were."""

    id: str
    data: RunData
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

    @classmethod
    def from_row(cls, number: int, row: Mapping[str, Any], created: Any, tags: Mapping[str, Any]) -> ModelVersion:
        return cls(
            number,
            source=lookup_text(row, "source"),
            location=lookup_text(row, "storage_location"),
            run=lookup_text(row, "run_id"),
            stage=lookup_text(row, "current_stage"),
            status=lookup_text(row, "status"),
            description=lookup_text(row, "description"),
            user=lookup_text(row, "user_id"),
            created=created,
            tags=tags,
        )


@dataclass(frozen=True, eq=False, repr=False)
class RegisteredModel:
    """A name with its versions, by number. ``trouble`` has a line for each part of it that can't be read."""

    name: str
    versions: tuple[ModelVersion, ...] = ()
    workspace: str = ""
    description: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name, with its workspace unless that is the default one."""
        return self.name if self.workspace in ("", DEFAULT_WORKSPACE) else f"{self.workspace}/{self.name}"


class MlflowStore(Protocol):
    """Where registered models, runs and logged models are looked up."""

    def models(self) -> Iterator[RegisteredModel]: ...
    def run(self, run_id: str) -> Run | None: ...
    def logged(self, model_id: str) -> LoggedModel | None: ...


def read_mlmodel(tree: SourceTree, folder: Path) -> dict[str, Any]:
    """The ``MLmodel`` of a folder. Raises :class:`InvalidInput` if it is missing or can't be read."""
    return tree.yaml(folder / NAME)


def summarize(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a version keeps of ``MLmodel`` as ``lineage.imported.mlmodel``; specific flavors come before the generic one."""
    flavors = {name: flavor for name, flavor in lookup_mapping(document, "flavors").items() if isinstance(flavor, dict)}
    versions = {str(name): _flavor_version(str(name), flavor) for name, flavor in flavors.items()}
    return to_plain_value(  # type: ignore[no-any-return]
        {
            "flavors": dict(sorted(versions.items(), key=lambda item: item[0] == _GENERIC)),
            "model_id": document.get("model_id") or document.get("model_uuid"),
            "run_id": document.get("run_id"),
            "mlflow_version": document.get("mlflow_version"),
            "python": lookup_text(flavors, _GENERIC, "python_version"),
            "created": format_timestamp(document.get("utc_time_created")),
            "signature": document.get("signature"),
        }
    )


def _flavor_version(name: str, flavor: Mapping[str, Any]) -> str:
    return lookup_text(flavor, "loader_module") if name == _GENERIC else mlflow.flavor_version(flavor) or "?"
