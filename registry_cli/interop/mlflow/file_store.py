"""An MLflow store of files: ``mlruns/`` with its experiments, runs and, under ``models/``, registered models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import RegistryError
from ..source_tree import SourceTree, lookup, lookup_text
from .mlflow_records import LoggedModel, ModelVersion, RegisteredModel, Run, RunData

_VALUE_LIMIT = 1 << 20  # the most bytes of a param or tag that are read
_VERSION = re.compile(r"version-([1-9][0-9]{0,8})\Z")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


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
                yield RegisteredModel(folder.name, trouble=(error.message,))

    def _model(self, folder: Path) -> RegisteredModel:
        meta = self._tree.yaml(folder / "meta.yaml")
        trouble: list[str] = []
        versions = []
        for name in self._tree.names(folder):
            if match := _VERSION.match(name):
                try:
                    versions.append(self._version(folder / name, int(match[1])))
                except RegistryError as error:
                    trouble.append(f"version {match[1]}: {error.message}")
        aliases = {}
        for name, number in self._texts(folder / "aliases").items():
            if number.strip().isdecimal():
                aliases[name] = int(number)
        return RegisteredModel(
            name=lookup_text(meta, "name") or folder.name,
            workspace=lookup_text(meta, "workspace"),
            description=lookup_text(meta, "description"),
            tags=self._texts(folder / "tags"),
            aliases=aliases,
            versions=tuple(sorted(versions, key=lambda version: version.number)),
            trouble=tuple(trouble),
        )

    def _version(self, folder: Path, number: int) -> ModelVersion:
        meta = self._tree.yaml(folder / "meta.yaml")
        return ModelVersion.from_row(number, meta, meta.get("creation_timestamp"), self._texts(folder / "tags"))

    def run(self, run_id: str) -> Run | None:
        for experiment in self._experiments if _ID.match(run_id) else ():
            folder = experiment / run_id
            if self._tree.is_file(folder / "meta.yaml"):
                meta = self._tree.yaml(folder / "meta.yaml")
                status = meta.get("status")
                return Run.from_row(
                    run_id,
                    self._run_data(folder),
                    meta,
                    name=lookup_text(meta, "run_name"),
                    experiment=lookup_text(self._tree.yaml(experiment / "meta.yaml"), "name"),
                    status=_STATUS.get(status, "") if isinstance(status, int) else lookup_text(status),
                    datasets=tuple(self._datasets(experiment, folder)),
                )
        return None

    def logged(self, model_id: str) -> LoggedModel | None:
        for experiment in self._experiments if _ID.match(model_id) else ():
            folder = experiment / "models" / model_id
            if self._tree.is_file(folder / "meta.yaml"):
                meta = self._tree.yaml(folder / "meta.yaml")
                location, run = lookup_text(meta, "artifact_location"), lookup_text(meta, "source_run_id")
                return LoggedModel(model_id, self._run_data(folder), location, run)
        return None

    def _run_data(self, folder: Path) -> RunData:
        metrics = {name: _latest(text) for name, text in self._texts(folder / "metrics", 64 << 20).items()}
        return RunData(self._texts(folder / "params"), metrics, self._texts(folder / "tags"))

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
