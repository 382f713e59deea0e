"""MLflow's stores: their records, the older store of files, and ``MLmodel``. Times are milliseconds since 1970.

A store of files is ``mlruns/`` with its experiments, runs and, under ``models/``, registered models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ...core.lazy_dataclass import dataclass, field
from ...core.times import format_timestamp
from ...errors import RegistryError
from ...inspect.formats import mlflow
from ..imported_version import to_plain_value
from ..source_tree import SourceTree, lookup, lookup_mapping, lookup_text

NAME = mlflow.NAME
_GENERIC = "python_function"
_VALUE_LIMIT = 1 << 20  # the most bytes of a param or tag that are read
_VERSION = re.compile(r"version-([1-9][0-9]{0,8})\Z")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


@dataclass(frozen=True, eq=False, repr=False)
class MlflowRecord:
    """A run, logged model or version of a model. ``fields`` have the names of the columns of MLflow's database.

    ``metrics`` are the latest value of each; ``datasets``, of a run, are documents with ``name``, ``digest``,
    ``source_type``, ``source`` and ``context``.
    """

    fields: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, Any] = field(default_factory=dict)
    datasets: tuple[Mapping[str, Any], ...] = ()

    def text(self, name: str) -> str:
        """A field that is a text; empty if it is not."""
        return lookup_text(self.fields, name)


@dataclass(frozen=True, eq=False, repr=False)
class RegisteredModel:
    """A model with its versions, by number. ``errors`` has a line for each part of it that can't be read."""

    name: str
    versions: Mapping[int, MlflowRecord] = field(default_factory=dict)
    workspace: str = ""
    description: str = ""
    tags: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name, with its workspace unless that is the default one."""
        return self.name if self.workspace in ("", "default") else f"{self.workspace}/{self.name}"


class MlflowStore(Protocol):
    def models(self) -> Iterator[RegisteredModel]: ...
    def run(self, run_id: str) -> MlflowRecord | None: ...
    def logged(self, model_id: str) -> MlflowRecord | None: ...


class MlflowFiles:
    """A folder ``mlruns``."""

    def __init__(self, tree: SourceTree, folder: Path) -> None:
        self._tree, self._folder = tree, folder
        self._experiments = [
            folder / name
            for name in tree.names(folder)
            if name not in ("models", ".trash") and tree.is_file(folder / name / "meta.yaml")
        ]

    def models(self) -> Iterator[RegisteredModel]:
        parent = self._folder / "models"
        for folder in filter(self._tree.is_folder, (parent / name for name in self._tree.names(parent))):
            try:
                yield self._model(folder)
            except RegistryError as error:
                yield RegisteredModel(folder.name, errors=(error.message,))

    def _model(self, folder: Path) -> RegisteredModel:
        meta = self._tree.yaml(folder / "meta.yaml")
        errors: list[str] = []
        versions = {}
        for name in self._tree.names(folder):
            if match := _VERSION.match(name):
                try:
                    versions[int(match[1])] = self._version(folder / name)
                except RegistryError as error:
                    errors.append(f"version {match[1]}: {error.message}")
        aliases = self._texts(folder / "aliases").items()
        return RegisteredModel(
            name=lookup_text(meta, "name") or folder.name,
            workspace=lookup_text(meta, "workspace"),
            description=lookup_text(meta, "description"),
            tags=self._texts(folder / "tags"),
            aliases={name: int(number) for name, number in aliases if number.strip().isdecimal()},
            versions=dict(sorted(versions.items())),
            errors=tuple(errors),
        )

    def _version(self, folder: Path) -> MlflowRecord:
        meta = self._tree.yaml(folder / "meta.yaml")
        meta["creation_time"] = meta.get("creation_timestamp")
        return MlflowRecord(meta, tags=self._texts(folder / "tags"))

    def run(self, run_id: str) -> MlflowRecord | None:
        return self._find(run_id)

    def logged(self, model_id: str) -> MlflowRecord | None:
        return self._find(model_id, "models/")

    def _find(self, name: str, prefix: str = "") -> MlflowRecord | None:
        """The run or logged model with an id, in whichever experiment."""
        for experiment in self._experiments if _ID.match(name) else ():
            folder = experiment / f"{prefix}{name}"
            if self._tree.is_file(folder / "meta.yaml"):
                meta = self._tree.yaml(folder / "meta.yaml")
                if not prefix:
                    status = meta.get("status")
                    meta["status"] = _STATUS.get(status, "") if isinstance(status, int) else status
                    meta |= {"run_id": name, "name": meta.get("run_name")}
                    meta["experiment"] = self._tree.yaml(experiment / "meta.yaml").get("name")
                return MlflowRecord(
                    meta,
                    self._texts(folder / "params"),
                    {key: _latest(text) for key, text in self._texts(folder / "metrics", 64 << 20).items()},
                    self._texts(folder / "tags"),
                    () if prefix else tuple(self._datasets(experiment, folder)),
                )
        return None

    def _texts(self, folder: Path, most: int = _VALUE_LIMIT) -> dict[str, str]:
        """The text of each file below a folder, by its path: a key may have slashes in it."""
        return {path.relative_to(folder).as_posix(): self._tree.text(path, most) for path in self._tree.below(folder)}

    def _datasets(self, experiment: Path, run: Path) -> Iterator[Mapping[str, Any]]:
        for name in self._tree.names(run / "inputs"):
            used = self._tree.yaml(run / "inputs" / name / "meta.yaml")
            key = lookup_text(used, "source_id")
            dataset = experiment / "datasets" / key / "meta.yaml"
            if used.get("source_type") == "DATASET" and _ID.match(key) and self._tree.is_file(dataset):
                yield {**self._tree.yaml(dataset), "context": lookup(used, "tags", "mlflow.data.context")}


def _latest(history: str) -> Any:
    """The value of the highest step, and of these the newest, of lines ``time value step …``.

    None if a line can't be parsed: the value is not to be guessed.
    """
    best: tuple[int, int, float] | None = None
    for line in history.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            when, value, step = int(words[0]), float(words[1]), int(words[2]) if len(words) > 2 else 0
        except (ValueError, IndexError):
            return None
        if best is None or (step, when) >= best[:2]:
            best = (step, when, value)
    return best[2] if best else None


def summarize(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a version keeps of ``MLmodel`` as ``lineage.imported.mlmodel``; specific flavors come before the generic one."""
    flavors = {name: flavor for name, flavor in lookup_mapping(document, "flavors").items() if isinstance(flavor, dict)}
    versions = {
        str(name): lookup_text(flavor, "loader_module") if name == _GENERIC else mlflow.flavor_version(flavor) or "?"
        for name, flavor in flavors.items()
    }
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
