"""Import from MLflow: from its database, from its older store of files, or from the folder of one model.

Files of a version are found where they lie now: on this machine, inside the store, even when the store was moved.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from ...core.redaction import redact_url
from ...core.times import format_milliseconds, format_timestamp
from ...errors import InvalidInput, NotFound
from .. import name_mapping
from ..imported_version import ImportedMetadata, ImportedVersion, clean_line, to_message, to_plain_value
from ..source_tree import SourceTree, lookup_text, resolve_path
from . import mlflow_records
from .file_store import MlflowFiles
from .mlflow_records import LoggedModel, MlflowStore, ModelVersion, RegisteredModel, Run

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_WINDOWS = re.compile(r"/?[A-Za-z]:[\\/]")
_RUNS = re.compile(r"runs:/+([^/]+)/(.+)\Z")
_LOGGED = re.compile(r"models:/+(m-[A-Za-z0-9]+)(/.*)?\Z")
#: The folders in which a tracking server keeps the files of ``mlflow-artifacts:``.
_SERVED = ("mlartifacts", "mlruns", ".")


class ArtifactNotFound(Exception):
    """The files of a version can't be found; the text says why."""


def locate_artifact(tree: SourceTree, store: MlflowStore, version: ModelVersion) -> Path:
    """The folder or file of a version. Raises :class:`ArtifactNotFound`.

    A path that the store names is used as it is, else relative to the store, else by its end: the part of it that is
    found inside the store, provided that it contains the id of the run or of the logged model.
    """
    reasons: list[str] = []
    for location in filter(None, dict.fromkeys((version.location, version.source))):
        try:
            return _find_local(tree, _resolve_location(store, location), version.run)
        except ArtifactNotFound as error:
            reasons.append(str(error))
    raise ArtifactNotFound(reasons[0] if reasons else "it does not say where its files are")


def _resolve_location(store: MlflowStore, location: str) -> str:
    """Resolve ``models:/m-<id>`` and ``runs:/<id>/path`` to the location of their files."""
    if match := _LOGGED.match(location):
        logged = store.logged(match[1])
        if logged is None or not logged.location:
            raise ArtifactNotFound(f"the logged model {match[1]} is not in the store any more")
        return logged.location + (match[2] or "")
    if match := _RUNS.match(location):
        run = store.run(match[1])
        if run is None or not run.artifacts:
            raise ArtifactNotFound(f"the run {match[1][:40]} is not in the store any more")
        return f"{run.artifacts.rstrip('/')}/{match[2]}"
    return location


def _find_local(tree: SourceTree, location: str, run: str) -> Path:
    text, served = _parse_location(location)
    path = PurePosixPath(text)
    for candidate in _candidates(tree, path, served, run):
        if real := tree.inside(candidate):
            return real
    if path.is_absolute() and Path(path).exists():
        raise ArtifactNotFound(f"its files lie outside of the store, at {text[:200]}: name the folder that holds both")
    raise ArtifactNotFound(f"its files are not at {text[:200]}, nor inside the store")


def _parse_location(location: str) -> tuple[str, bool]:
    """The path in a location, and whether it is one of a tracking server."""
    if _WINDOWS.match(location):
        return location.replace("\\", "/"), False
    scheme = _SCHEME.match(location)
    if scheme is None:
        return location, False
    rest = location[scheme.end() :]
    host, path = "", rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        path = slash + path
    if scheme[1] == "file" and host in ("", "localhost", "."):
        return unquote(path), False
    if scheme[1] == "mlflow-artifacts":
        return unquote(path).lstrip("/"), True
    raise ArtifactNotFound(f"its files are elsewhere: {location[:200]}")


def _candidates(tree: SourceTree, path: PurePosixPath, served: bool, run: str) -> list[Path]:
    if ".." in path.parts:
        return []
    if served:
        return [tree.root / folder / path for folder in _SERVED]
    found = [Path(path)] if path.is_absolute() else [tree.root / path]
    parts = path.parts
    for at in range(1, len(parts) - 1):
        rest = parts[at:]
        if any(part == run or part.startswith("m-") for part in rest):
            found += [root / Path(*rest) for root in tree.roots]
    return found


DATABASE = "mlflow.db"
FILES = "mlruns"
#: Tags that MLflow sets itself are not imported: their values are elsewhere, or do not concern the model.
_OWN = "mlflow."
_STAGES = {"Staging": "staging", "Production": "production"}


def read(place: str | Path, *, only: str | None = None, artifacts: Path | None = None) -> Iterator[ImportedVersion]:
    """Read every version in ``place``: a tracking folder, ``mlflow.db``, a folder that has either, or a model's folder.

    Models come by name (or ``only`` one), versions by number. Files are looked for in the folder of the store, and in
    ``artifacts``. Raises :class:`NotFound` and :class:`InvalidInput` before the first one.
    """
    where = resolve_path(Path(place))
    if where.is_dir() and (where / mlflow_records.NAME).is_file():
        yield _import_folder(where, only)
        return
    with contextlib.ExitStack() as stack:  # all is read at once: the database is closed while files are copied
        versions = list(_versions(*_store(where, artifacts, stack), only, place))
    if not versions:
        raise NotFound(
            f"no model is registered in '{place}'", "name the folder of one model, which has a file MLmodel in it"
        )
    yield from versions


def _store(where: Path, artifacts: Path | None, stack: contextlib.ExitStack) -> tuple[SourceTree, MlflowStore]:
    others = (artifacts,) if artifacts else ()
    if where.is_file():
        return SourceTree(where.parent, *others), _database(where, stack)
    tree = SourceTree(where, *others)
    if tree.is_file(where / DATABASE):
        return tree, _database(where / DATABASE, stack)
    for folder in (where, where / FILES):
        experiments = (folder / name / "meta.yaml" for name in tree.names(folder))
        if tree.is_folder(folder / "models") or any(map(tree.is_file, experiments)):
            root = where.parent if folder == where and where.name == FILES else where
            return SourceTree(root, *others), MlflowFiles(tree, folder)
    raise InvalidInput(
        f"'{where}' holds nothing of MLflow", f"it has no {DATABASE}, no {FILES}/ and no {mlflow_records.NAME}"
    )


def _database(path: Path, stack: contextlib.ExitStack) -> MlflowStore:
    from .database_store import MlflowDatabase

    return MlflowDatabase(path, stack)


def _versions(tree: SourceTree, store: MlflowStore, only: str | None, place: str | Path) -> Iterator[ImportedVersion]:
    models = sorted(store.models(), key=lambda model: model.full_name)
    selected = name_mapping.select_models((model.full_name for model in models), only, place)
    for model in models:
        if model.full_name not in selected:
            continue
        name = selected[model.full_name]
        key = f"mlflow:{clean_line(model.full_name, 200)}"
        if name is None:
            yield ImportedVersion.conflicting(key, model.full_name)
            continue
        for trouble in model.trouble:
            yield ImportedVersion(key, name, lost=(trouble,))
        for version in model.versions:
            yield _VersionImport(tree, store, model, version).run(name)


class _VersionImport:
    """Makes an :class:`ImportedVersion` of one version."""

    def __init__(self, tree: SourceTree, store: MlflowStore, model: RegisteredModel, version: ModelVersion) -> None:
        self._tree, self._store, self._model, self._version = tree, store, model, version
        self._metadata = ImportedMetadata()
        self._model_id = version.source.removeprefix("models:/") if version.source.startswith("models:/m-") else ""
        self._shown = f"mlflow:{clean_line(model.full_name, 200)}/{version.number}"
        # With an id, since another store may have a model of that name, too.
        own = self._model_id or version.run or format_milliseconds(version.created) or "-"
        self._key = clean_line(f"{self._shown}:{own}", 400)

    def run(self, name: str) -> ImportedVersion:
        version = self._version
        try:
            logged = self._store.logged(self._model_id) if self._model_id else None
            files, document = self._files()
        except (InvalidInput, ArtifactNotFound) as error:
            why = getattr(error, "message", str(error))
            return ImportedVersion(self._key, name, number=version.number, shown=self._shown, lost=(why,))
        run = self._run(version.run or (logged.run if logged else ""))
        self._add_metadata(run, logged)
        return ImportedVersion(
            key=self._key,
            shown=self._shown,
            model=name,
            files=(files,),
            number=version.number,
            author=version.user or (run.user if run else ""),
            created=format_milliseconds(version.created),
            message=to_message(version.description),
            lineage=self._lineage(run, document),
            stages=self._stages(),
            aliases=self._aliases(),
            archived=version.stage == "Archived",
            **self._metadata.fields(),
        )

    def _run(self, run_id: str) -> Run | None:
        try:
            run = self._store.run(run_id) if run_id else None
        except InvalidInput as error:
            self._metadata.lose(f"its run: {error.message}")
            return None
        if run_id and run is None:
            self._metadata.lose(f"its run {run_id[:40]} is not in the store any more")
        return run

    def _files(self) -> tuple[Path, dict[str, Any]]:
        """Its files, and the ``MLmodel`` among them."""
        version = self._version
        if version.status not in ("", "READY"):
            raise ArtifactNotFound(f"MLflow says that it is {version.status}, not READY")
        place = locate_artifact(self._tree, self._store, version)
        if not (place / mlflow_records.NAME).is_file():
            self._metadata.lose(f"there is no {mlflow_records.NAME} beside its files: what they are is not said")
            return place, {}
        try:
            document = mlflow_records.read_mlmodel(self._tree, place)
        except InvalidInput as error:
            self._metadata.lose(f"its {mlflow_records.NAME} can't be read: {error.message}")
            return place, {}
        other_run = lookup_text(document, "run_id")
        if other_run and version.run and other_run != version.run:
            raise ArtifactNotFound(f"the files at {place} are of another run, {other_run[:40]}")
        return place, document

    def _add_metadata(self, run: Run | None, logged: LoggedModel | None) -> None:
        """Add what is known of the version first, then of the logged model, of its run, and of the registered model."""
        metadata, model = self._metadata, self._model
        metadata.add_tags(_user_tags(self._version.tags))
        if logged:
            metadata.add_params(logged.data.params)
            metadata.add_metrics(_logged_metrics(logged, run))
            metadata.add_tags(_user_tags(logged.data.tags), " of the logged model")
        if run:
            metadata.add_params(run.data.params, " of the run")
            done = logged.data.metrics if logged else {}
            metadata.add_metrics({name: value for name, value in run.data.metrics.items() if name not in done})
            metadata.add_tags(_user_tags(run.data.tags), " of the run")
            metadata.annotate("run_description", run.data.tags.get("mlflow.note.content"))
        metadata.add_tags({f"model.{name}": value for name, value in _user_tags(model.tags).items()})
        metadata.annotate("model_description", model.description)

    def _stages(self) -> tuple[str, ...]:
        stage = self._version.stage
        if stage in ("", "None", "Archived"):
            return ()
        if stage not in _STAGES:
            self._metadata.lose(f"the stage '{stage}'")
            return ()
        # Of several versions in a stage MLflow serves the highest.
        holder = max(version.number for version in self._model.versions if version.stage == stage)
        if holder != self._version.number:
            self._metadata.lose(f"the stage {stage}: version {holder} is in it too, and a stage holds one version")
            return ()
        return (_STAGES[stage],)

    def _aliases(self) -> tuple[str, ...]:
        aliases: list[str] = []
        for text, number in sorted(self._model.aliases.items()):
            if number != self._version.number:
                continue
            alias = name_mapping.to_alias(text)
            if alias is None or alias in aliases:
                self._metadata.lose(f"the alias '{text}', which can't be one here")
            else:
                aliases.append(alias)
        return tuple(aliases)

    def _lineage(self, run: Run | None, document: Mapping[str, Any]) -> dict[str, Any]:
        imported = {"from": "mlflow", "key": self._key, "name": self._model.full_name, "version": self._version.number}
        mlmodel = mlflow_records.summarize(document) if document else {}
        origin = _describe_run(run) if run else {}
        return to_plain_value({**origin, "imported": {**imported, "mlmodel": mlmodel}})  # type: ignore[no-any-return]


def _user_tags(tags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tags.items() if not name.startswith(_OWN)}


def _logged_metrics(logged: LoggedModel, run: Run | None) -> dict[str, Any]:
    """The metrics of a logged model. Its table can't hold nan: it has 0 then, and only the run has nan."""
    metrics = dict(logged.data.metrics)
    for name, value in (run.data.metrics if run else {}).items():
        if isinstance(value, float) and math.isnan(value) and metrics.get(name) == 0:
            metrics[name] = value
    return metrics


def _describe_run(run: Run) -> dict[str, Any]:
    """The parts of a lineage that are known from a run."""
    tags = run.data.tags
    return {
        "run": {
            "id": run.id,
            "name": run.name or tags.get("mlflow.runName"),
            "experiment": run.experiment,
            "user": run.user or tags.get("mlflow.user"),
            "command": run.source or tags.get("mlflow.source.name"),
            "started": format_milliseconds(run.started),
            "ended": format_milliseconds(run.ended),
            "status": run.status,
            "parent": tags.get("mlflow.parentRunId"),
        },
        "git": {
            "commit": tags.get("mlflow.source.git.commit"),
            "branch": tags.get("mlflow.source.git.branch") or tags.get("mlflow.gitBranch"),
            "remote": redact_url(
                lookup_text(tags, "mlflow.source.git.repoURL") or lookup_text(tags, "mlflow.gitRepoURL")
            ),
        },
        "data": [
            {
                "uri": f"{lookup_text(each, 'source_type') or 'dataset'}:{lookup_text(each, 'name')}",
                "digest": f"mlflow:{lookup_text(each, 'digest')}",
                "source": redact_url(lookup_text(each, "source")),
                "context": each.get("context"),
            }
            for each in run.datasets
        ],
    }


def _import_folder(folder: Path, only: str | None) -> ImportedVersion:
    """The folder of one model, of which only its ``MLmodel`` is known."""
    own = folder.parent.name if folder.name in ("artifacts", "model") else folder.name
    name_mapping.select_models([own], only, folder)
    document = mlflow_records.read_mlmodel(SourceTree(folder), folder)
    mlmodel = mlflow_records.summarize(document)
    key = f"mlflow:{mlmodel.get('model_id') or clean_line(own, 200)}"
    lineage = {"run": {"id": mlmodel.get("run_id")}, "imported": {"from": "mlflow", "key": key, "mlmodel": mlmodel}}
    return ImportedVersion(
        key=key,
        model=name_mapping.to_model_name(own),
        files=(folder,),
        created=format_timestamp(document.get("utc_time_created")),
        lineage=to_plain_value(lineage),
    )
