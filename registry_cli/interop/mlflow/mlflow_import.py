"""Import from MLflow: from its database, from its older store of files, or from the folder of one model.

The files of a version are looked for on this machine, also in a store that was moved.
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
from . import mlflow_store
from .mlflow_store import MlflowFiles, MlflowRecord, MlflowStore, RegisteredModel

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_WINDOWS = re.compile(r"/?[A-Za-z]:[\\/]")
_RUNS = re.compile(r"runs:/+([^/]+)/(.+)\Z")
_LOGGED = re.compile(r"models:/+(m-[A-Za-z0-9]+)(/.*)?\Z")
#: The folders in which a tracking server keeps the files of ``mlflow-artifacts:``.
_SERVED = ("mlartifacts", "mlruns", ".")


class ArtifactNotFound(Exception):
    """The files of a version can't be found; the text says why."""


def locate_artifact(tree: SourceTree, store: MlflowStore, version: MlflowRecord) -> Path:
    """The folder or file of a version. Raises :class:`ArtifactNotFound`.

    A path that the store names is used as it is, else relative to the store, else by its end: the part of it that is
    found inside the store, provided that it contains the id of the run or of the logged model.
    """
    reasons: list[str] = []
    for location in filter(None, dict.fromkeys((version.text("storage_location"), version.text("source")))):
        try:
            return _find_local(tree, _resolve_location(store, location), version.text("run_id"))
        except ArtifactNotFound as error:
            reasons.append(str(error))
    raise ArtifactNotFound(reasons[0] if reasons else "it does not record where its files are")


def _resolve_location(store: MlflowStore, location: str) -> str:
    """Resolve ``models:/m-<id>`` and ``runs:/<id>/path`` to the location of their files."""
    if match := _LOGGED.match(location):
        logged = store.logged(match[1])
        if logged is None or not logged.text("artifact_location"):
            raise ArtifactNotFound(f"the logged model {match[1]} is no longer in the store")
        return logged.text("artifact_location") + (match[2] or "")
    if match := _RUNS.match(location):
        run = store.run(match[1])
        if run is None or not run.text("artifact_uri"):
            raise ArtifactNotFound(f"the run {match[1][:40]} is no longer in the store")
        return f"{run.text('artifact_uri').rstrip('/')}/{match[2]}"
    return location


def _find_local(tree: SourceTree, location: str, run: str) -> Path:
    text, served = _parse_location(location)
    path = PurePosixPath(text)
    for candidate in _candidates(tree, path, served, run):
        if real := tree.inside(candidate):
            return real
    if path.is_absolute() and Path(path).exists():
        raise ArtifactNotFound(f"its files are outside the store, at {text[:200]}: give the folder that contains both")
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
    if where.is_dir() and (where / mlflow_store.NAME).is_file():
        yield _import_folder(where, only)
        return
    with contextlib.ExitStack() as stack:  # all is read at once: the database is closed while files are copied
        versions = list(_versions(*_store(where, artifacts, stack), only, place))
    if not versions:
        raise NotFound(
            f"no model is registered in '{place}'", "give the folder of one model, which contains a file MLmodel"
        )
    yield from versions


def _store(where: Path, artifacts: Path | None, stack: contextlib.ExitStack) -> tuple[SourceTree, MlflowStore]:
    others = (artifacts,) if artifacts else ()
    database, root = (where, where.parent) if where.is_file() else (where / DATABASE, where)
    tree = SourceTree(root, *others)
    if where.is_file() or tree.is_file(database):
        from .database_store import MlflowDatabase

        return tree, MlflowDatabase(database, stack)
    for folder in (where, where / FILES):
        experiments = (folder / name / "meta.yaml" for name in tree.names(folder))
        if tree.is_folder(folder / "models") or any(map(tree.is_file, experiments)):
            root = where.parent if folder == where and where.name == FILES else where
            return SourceTree(root, *others), MlflowFiles(tree, folder)
    raise InvalidInput(
        f"'{where}' is not an MLflow store or model", f"it has no {DATABASE}, no {FILES}/ and no {mlflow_store.NAME}"
    )


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
        for error in model.errors:
            yield ImportedVersion(key, name, lost=(error,))
        for number in model.versions:
            yield _VersionImport(tree, store, model, number).make(name)


class _VersionImport:
    """Makes an :class:`ImportedVersion` of one version."""

    def __init__(self, tree: SourceTree, store: MlflowStore, model: RegisteredModel, number: int) -> None:
        self._tree, self._store, self._model, self._number = tree, store, model, number
        self._version = model.versions[number]
        self._metadata = ImportedMetadata()
        source = self._version.text("source")
        self._model_id = source.removeprefix("models:/") if source.startswith("models:/m-") else ""
        self._run_id = self._version.text("run_id")
        self._created = format_milliseconds(self._version.fields.get("creation_time"))
        self._shown = f"mlflow:{clean_line(model.full_name, 200)}/{number}"
        # With an id, since another store may have a model of that name, too.
        self._key = clean_line(f"{self._shown}:{self._model_id or self._run_id or self._created or '-'}", 400)

    def make(self, name: str) -> ImportedVersion:
        version = self._version
        try:
            logged = self._store.logged(self._model_id) if self._model_id else None
            files, document = self._files()
        except (InvalidInput, ArtifactNotFound) as error:
            why = getattr(error, "message", str(error))
            return ImportedVersion(self._key, name, number=self._number, shown=self._shown, lost=(why,))
        run = self._find_run(self._run_id or (logged.text("source_run_id") if logged else ""))
        self._add_metadata(run, logged)
        return ImportedVersion(
            key=self._key,
            shown=self._shown,
            model=name,
            files=(files,),
            number=self._number,
            author=version.text("user_id") or (run.text("user_id") if run else ""),
            created=self._created,
            message=to_message(version.text("description")),
            lineage=self._lineage(run, document),
            stages=self._stages(),
            aliases=self._aliases(),
            archived=version.text("current_stage") == "Archived",
            **self._metadata.fields(),
        )

    def _find_run(self, run_id: str) -> MlflowRecord | None:
        try:
            run = self._store.run(run_id) if run_id else None
        except InvalidInput as error:
            self._metadata.lose(f"its run: {error.message}")
            return None
        if run_id and run is None:
            self._metadata.lose(f"its run {run_id[:40]} is no longer in the store")
        return run

    def _files(self) -> tuple[Path, dict[str, Any]]:
        """Its file or folder, and the ``MLmodel`` in it."""
        status = self._version.text("status")
        if status not in ("", "READY"):
            raise ArtifactNotFound(f"its MLflow status is {status}, not READY")
        place = locate_artifact(self._tree, self._store, self._version)
        document: dict[str, Any] = {}
        if not (place / mlflow_store.NAME).is_file():
            self._metadata.lose(f"no {mlflow_store.NAME} beside its files: their flavor is unknown")
        else:
            try:
                document = self._tree.yaml(place / mlflow_store.NAME)
            except InvalidInput as error:
                self._metadata.lose(f"its {mlflow_store.NAME} cannot be read: {error.message}")
        other_run = lookup_text(document, "run_id")
        if other_run and self._run_id and other_run != self._run_id:
            raise ArtifactNotFound(f"the files at {place} are of another run, {other_run[:40]}")
        return place, document

    def _add_metadata(self, run: MlflowRecord | None, logged: MlflowRecord | None) -> None:
        """Add what is known of the version first, then of the logged model, of its run, and of the registered model."""
        metadata, model = self._metadata, self._model
        metadata.add_tags(_user_tags(self._version.tags))
        if logged:
            metadata.add_params(logged.params)
            metadata.add_metrics(_logged_metrics(logged, run))
            metadata.add_tags(_user_tags(logged.tags), " of the logged model")
        if run:
            metadata.add_params(run.params, " of the run")
            done = logged.metrics if logged else {}
            metadata.add_metrics({name: value for name, value in run.metrics.items() if name not in done})
            metadata.add_tags(_user_tags(run.tags), " of the run")
            metadata.annotate("run_description", run.tags.get("mlflow.note.content"))
        metadata.add_tags({f"model.{name}": value for name, value in _user_tags(model.tags).items()})
        metadata.annotate("model_description", model.description)

    def _stages(self) -> tuple[str, ...]:
        stage = self._version.text("current_stage")
        if stage in ("", "None", "Archived"):
            return ()
        if stage not in _STAGES:
            self._metadata.lose(f"the stage '{stage}'")
            return ()
        # Of several versions in a stage MLflow serves the highest.
        versions = self._model.versions.items()
        holder = max(number for number, version in versions if version.text("current_stage") == stage)
        if holder != self._number:
            self._metadata.lose(f"the stage {stage}: version {holder} is also in it, and a stage has one version")
            return ()
        return (_STAGES[stage],)

    def _aliases(self) -> tuple[str, ...]:
        aliases: list[str] = []
        for text, number in sorted(self._model.aliases.items()):
            if number != self._number:
                continue
            alias = name_mapping.to_alias(text)
            if alias is None or alias in aliases:
                self._metadata.lose(f"the alias '{text}', which is not valid here")
            else:
                aliases.append(alias)
        return tuple(aliases)

    def _lineage(self, run: MlflowRecord | None, document: Mapping[str, Any]) -> dict[str, Any]:
        imported = {"from": "mlflow", "key": self._key, "name": self._model.full_name, "version": self._number}
        mlmodel = mlflow_store.summarize(document) if document else {}
        origin = _describe_run(run) if run else {}
        return to_plain_value({**origin, "imported": {**imported, "mlmodel": mlmodel}})  # type: ignore[no-any-return]


def _user_tags(tags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tags.items() if not name.startswith(_OWN)}


def _logged_metrics(logged: MlflowRecord, run: MlflowRecord | None) -> dict[str, Any]:
    """The metrics of a logged model. Its table can't hold nan: it has 0 then, and only the run has nan."""
    metrics = dict(logged.metrics)
    for name, value in (run.metrics if run else {}).items():
        if isinstance(value, float) and math.isnan(value) and metrics.get(name) == 0:
            metrics[name] = value
    return metrics


def _describe_run(run: MlflowRecord) -> dict[str, Any]:
    """The parts of a lineage that are known from a run."""
    tags = run.tags
    return {
        "run": {
            "id": run.text("run_id"),
            "name": run.text("name") or tags.get("mlflow.runName"),
            "experiment": run.text("experiment"),
            "user": run.text("user_id") or tags.get("mlflow.user"),
            "command": run.text("source_name") or tags.get("mlflow.source.name"),
            "started": format_milliseconds(run.fields.get("start_time")),
            "ended": format_milliseconds(run.fields.get("end_time")),
            "status": run.text("status"),
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
    document = SourceTree(folder).yaml(folder / mlflow_store.NAME)
    mlmodel = mlflow_store.summarize(document)
    key = f"mlflow:{mlmodel.get('model_id') or clean_line(own, 200)}"
    lineage = {"run": {"id": mlmodel.get("run_id")}, "imported": {"from": "mlflow", "key": key, "mlmodel": mlmodel}}
    return ImportedVersion(
        key=key,
        model=name_mapping.to_model_name(own),
        files=(folder,),
        created=format_timestamp(document.get("utc_time_created")),
        lineage=to_plain_value(lineage),
    )
