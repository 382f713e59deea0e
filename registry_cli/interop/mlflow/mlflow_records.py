"""What an MLflow store says, whether it is a database or a tree of files. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ...core.lazy_dataclass import dataclass, field

#: The workspace that a store without workspaces has.
DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True, eq=False, repr=False)
class Said:
    """Params, metrics (the latest value of each) and tags of a run or of a logged model."""

    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One run. ``datasets`` are documents with ``name``, ``digest``, ``source_type``, ``source`` and ``context``."""

    id: str
    said: Said
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
    said: Said
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
