"""Import from MLflow: from its database, from its older store of files, or from the folder of one model.

Files of a version are found where they lie now: on this machine, inside the store, even when the store was moved.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from ...core.redaction import redact_url
from ...core.times import format_milliseconds, format_timestamp
from ...errors import InvalidInput, NotFound
from .. import name_mapping
from ..imported_version import ImportedMetadata, ImportedVersion, clean_line, message, to_plain_value
from ..source_tree import SourceTree, resolve_path, text_or_empty
from . import mlflow_records
from .mlflow_records import LoggedModel, MlflowStore, ModelVersion, RegisteredModel, Run

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_WINDOWS = re.compile(r"/?[A-Za-z]:[\\/]")
_RUNS = re.compile(r"runs:/+([^/]+)/(.+)\Z")
_LOGGED = re.compile(r"models:/+(m-[A-Za-z0-9]+)(/.*)?\Z")
#: Where a tracking server keeps what it is handed under ``mlflow-artifacts:``.
_SERVED = ("mlartifacts", "mlruns", ".")


class ArtifactNotFound(Exception):
    """The files are not here; the text says why, in a few words."""


def locate_artifact(tree: SourceTree, store: MlflowStore, version: ModelVersion) -> Path:
    """The folder or file of a version. Raises :class:`ArtifactNotFound`.

    A path that the store names is taken as it stands, else relative to the store, else by its end: the part of it
    that is found inside the store, as long as this has the id of the run or of the logged model in it.
    """
    reasons: list[str] = []
    for location in filter(None, dict.fromkeys((version.location, version.source))):
        try:
            return _find_local(tree, _resolve_location(store, location), version.run)
        except ArtifactNotFound as error:
            reasons.append(str(error))
    raise ArtifactNotFound(reasons[0] if reasons else "it does not say where its files are")


def _resolve_location(store: MlflowStore, location: str) -> str:
    """What ``models:/m-<id>`` and ``runs:/<id>/path`` stand for."""
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
        found = tree.inside(candidate)
        if found is not None:
            return found
    if path.is_absolute() and Path(path).exists():
        raise ArtifactNotFound(f"its files lie outside of the store, at {text[:200]}: name the folder that holds both")
    raise ArtifactNotFound(f"its files are not at {text[:200]}, nor inside the store")


def _parse_location(location: str) -> tuple[str, bool]:
    """The path in a location, and whether a tracking server knows it by that."""
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
#: Tags that MLflow keeps for itself; what they say stands elsewhere, or says nothing of the model.
_OWN = "mlflow."
_STAGES = {"Staging": "staging", "Production": "production"}


def read(place: str | Path, *, only: str | None = None, artifacts: Path | None = None) -> Iterator[ImportedVersion]:
    """Every version in ``place``: a tracking folder, ``mlflow.db``, a folder that holds either, or a model's folder.

    Models come by name (or ``only`` one), versions by number. Files are looked for in the folder of the store, and in
    ``artifacts``.
    Raises :class:`NotFound` and :class:`InvalidInput` before the first one.
    """
    where = resolve_path(Path(place))
    if where.is_dir() and (where / mlflow_records.NAME).is_file():
        yield _import_folder(where, only)
        return
    with contextlib.ExitStack() as stack:  # all is read at once: nothing is held open while files are copied
        found = list(_versions(*_store(where, artifacts, stack), only, place))
    if not found:
        raise NotFound(
            f"no model is registered in '{place}'", "name the folder of one model, which has a file MLmodel in it"
        )
    yield from found


def _store(where: Path, artifacts: Path | None, stack: contextlib.ExitStack) -> tuple[SourceTree, MlflowStore]:
    others = (artifacts,) if artifacts else ()
    if where.is_file():
        return SourceTree(where.parent, *others), _database(where, stack)
    tree = SourceTree(where, *others)
    if tree.is_file(where / DATABASE):
        return tree, _database(where / DATABASE, stack)
    for folder in (where, where / FILES):
        if tree.is_folder(folder / "models") or _has_experiments(tree, folder):
            from .file_store import MlflowFiles

            root = where.parent if folder == where and where.name == FILES else where
            return SourceTree(root, *others), MlflowFiles(tree, folder)
    raise InvalidInput(
        f"'{where}' holds nothing of MLflow", f"it has no {DATABASE}, no {FILES}/ and no {mlflow_records.NAME}"
    )


def _has_experiments(tree: SourceTree, folder: Path) -> bool:
    return any(tree.is_file(folder / name / "meta.yaml") for name in tree.names(folder))


def _database(path: Path, stack: contextlib.ExitStack) -> MlflowStore:
    from .database_store import MlflowDatabase

    return MlflowDatabase(path, stack)


def _versions(tree: SourceTree, store: MlflowStore, only: str | None, place: str | Path) -> Iterator[ImportedVersion]:
    models = sorted(store.models(), key=lambda model: model.full_name)
    wanted = set(name_mapping.select_names((model.full_name for model in models), only, place))
    models = [model for model in models if model.full_name in wanted]
    given = name_mapping.assign_names(model.full_name for model in models)
    for model in models:
        name = given[model.full_name]
        key = f"mlflow:{clean_line(model.full_name, 200)}"
        if name is None:
            yield ImportedVersion(
                key,
                name_mapping.to_model_name(model.full_name),
                (),
                lost=(name_mapping.format_conflict(model.full_name),),
            )
            continue
        for trouble in model.trouble:
            yield ImportedVersion(key, name, (), lost=(trouble,))
        holders = _holders(model)
        for version in model.versions:
            yield _Version(tree, store, model, version, holders).incoming(name)


def _holders(model: RegisteredModel) -> dict[str, int]:
    """The version that a stage is given to here: of several that MLflow has in it, the highest, which it serves too."""
    return {version.stage: version.number for version in sorted(model.versions, key=lambda version: version.number)}


class _Version:
    """One version on its way to an :class:`ImportedVersion`."""

    def __init__(
        self,
        tree: SourceTree,
        store: MlflowStore,
        model: RegisteredModel,
        version: ModelVersion,
        holders: Mapping[str, int],
    ) -> None:
        self._tree, self._store, self._model, self._version = tree, store, model, version
        self._holders = holders
        self._luggage = ImportedMetadata()
        own = version.source.removeprefix("models:/") if version.source.startswith("models:/m-") else version.run
        self._shown = f"mlflow:{clean_line(model.full_name, 200)}/{version.number}"
        # The id belongs to it: another store may have a model of that name, too.
        self._key = clean_line(f"{self._shown}:{own or format_milliseconds(version.created) or '-'}", 400)

    def incoming(self, name: str) -> ImportedVersion:
        version, luggage = self._version, self._luggage
        try:
            logged = self._logged()
            files, document = self._files()
        except (InvalidInput, ArtifactNotFound) as error:
            why = getattr(error, "message", str(error))
            return ImportedVersion(self._key, name, (), number=version.number, shown=self._shown, lost=(why,))
        run = self._run(version.run or (logged.run if logged else ""))
        self._say(run, logged)
        stages = self._stages()
        return ImportedVersion(
            key=self._key,
            shown=self._shown,
            model=name,
            files=files,
            number=version.number,
            author=version.user or (run.user if run else ""),
            created=format_milliseconds(version.created),
            message=message(version.description),
            params=luggage.params,
            metrics=luggage.metrics,
            tags=luggage.tags,
            annotations=luggage.annotations,
            lineage=self._lineage(run, document),
            stages=stages,
            aliases=self._aliases(),
            archived=version.stage == "Archived",
            lost=tuple(luggage.lost),
        )

    def _logged(self) -> LoggedModel | None:
        source = self._version.source
        return self._store.logged(source.removeprefix("models:/")) if source.startswith("models:/m-") else None

    def _run(self, run_id: str) -> Run | None:
        try:
            run = self._store.run(run_id) if run_id else None
        except InvalidInput as error:
            self._luggage.lose(f"its run: {error.message}")
            return None
        if run_id and run is None:
            self._luggage.lose(f"its run {run_id[:40]} is not in the store any more")
        return run

    def _files(self) -> tuple[tuple[Path, ...], dict[str, Any]]:
        version = self._version
        if version.status not in ("", "READY"):
            raise ArtifactNotFound(f"MLflow says that it is {version.status}, not READY")
        place = locate_artifact(self._tree, self._store, version)
        if not (place / mlflow_records.NAME).is_file():
            self._luggage.lose(f"there is no {mlflow_records.NAME} beside its files: what they are is not said")
            return (place,), {}
        try:
            document = mlflow_records.read_mlmodel(self._tree, place)
        except InvalidInput as error:
            self._luggage.lose(f"its {mlflow_records.NAME} can't be read: {error.message}")
            return (place,), {}
        wrong = text_or_empty(document.get("run_id"))
        if wrong and version.run and wrong != version.run:
            raise ArtifactNotFound(f"the files at {place} are of another run, {wrong[:40]}")
        return (place,), document

    def _say(self, run: Run | None, logged: LoggedModel | None) -> None:
        """What is said of the version comes first, then of the logged model, then of its run, then of its name."""
        luggage, model = self._luggage, self._model
        luggage.add_tags(_user_tags(self._version.tags))
        if logged:
            luggage.add_params(logged.said.params)
            luggage.add_metrics(_logged_metrics(logged, run))
            luggage.add_tags(_user_tags(logged.said.tags), " of the logged model")
        if run:
            luggage.add_params(run.said.params, " of the run")
            done = logged.said.metrics if logged else {}
            luggage.add_metrics({name: value for name, value in run.said.metrics.items() if name not in done})
            luggage.add_tags(_user_tags(run.said.tags), " of the run")
            luggage.annotate("run_description", run.said.tags.get("mlflow.note.content"))
        luggage.add_tags({f"model.{name}": value for name, value in _user_tags(model.tags).items()})
        luggage.annotate("model_description", model.description)

    def _stages(self) -> tuple[str, ...]:
        stage = self._version.stage
        if stage in ("", "None", "Archived"):
            return ()
        if stage not in _STAGES:
            self._luggage.lose(f"the stage '{stage}'")
            return ()
        if self._holders[stage] != self._version.number:
            self._luggage.lose(
                f"the stage {stage}: version {self._holders[stage]} is in it too, and a stage holds one version"
            )
            return ()
        return (_STAGES[stage],)

    def _aliases(self) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for text, number in sorted(self._model.aliases.items()):
            if number != self._version.number:
                continue
            alias = name_mapping.to_alias(text)
            if alias is None or alias in found:
                self._luggage.lose(f"the alias '{text}', which can't be one here")
            else:
                found[alias] = text
        return tuple(found)

    def _lineage(self, run: Run | None, document: Mapping[str, Any]) -> dict[str, Any]:
        imported = {"from": "mlflow", "key": self._key, "name": self._model.full_name, "version": self._version.number}
        told = mlflow_records.summarize(document) if document else {}
        found: dict[str, Any] = {"run": _run(run), "git": _git(run), "data": _data(run)} if run else {}
        return to_plain_value({**found, "imported": {**imported, "mlmodel": told}})  # type: ignore[no-any-return]


def _user_tags(tags: Mapping[str, Any]) -> dict[str, Any]:
    """The tags that people set."""
    return {name: value for name, value in tags.items() if not name.startswith(_OWN)}


def _logged_metrics(logged: LoggedModel, run: Run | None) -> dict[str, Any]:
    """The metrics of a logged model; where its table says 0 and the run says nan, it was nan: that table can't hold one."""
    told = dict(logged.said.metrics)
    for name, value in (run.said.metrics if run else {}).items():
        if isinstance(value, float) and math.isnan(value) and told.get(name) == 0:
            told[name] = value
    return told


def _run(run: Run) -> dict[str, Any]:
    tags = run.said.tags
    return {
        "id": run.id,
        "name": run.name or tags.get("mlflow.runName"),
        "experiment": run.experiment,
        "user": run.user or tags.get("mlflow.user"),
        "command": run.source or tags.get("mlflow.source.name"),
        "started": format_milliseconds(run.started),
        "ended": format_milliseconds(run.ended),
        "status": run.status,
        "parent": tags.get("mlflow.parentRunId"),
    }


def _git(run: Run) -> dict[str, Any]:
    tags = run.said.tags
    remote = tags.get("mlflow.source.git.repoURL") or tags.get("mlflow.gitRepoURL")
    return {
        "commit": tags.get("mlflow.source.git.commit"),
        "branch": tags.get("mlflow.source.git.branch") or tags.get("mlflow.gitBranch"),
        "remote": redact_url(text_or_empty(remote)),
    }


def _data(run: Run) -> Iterable[dict[str, Any]]:
    return [
        {
            "uri": f"{text_or_empty(each.get('source_type')) or 'dataset'}:{text_or_empty(each.get('name'))}",
            "digest": f"mlflow:{text_or_empty(each.get('digest'))}",
            "source": redact_url(text_or_empty(each.get("source"))),
            "context": each.get("context"),
        }
        for each in run.datasets
    ]


def _import_folder(folder: Path, only: str | None) -> ImportedVersion:
    """The folder of one model: what its ``MLmodel`` says is all that is known."""
    own = folder.parent.name if folder.name in ("artifacts", "model") else folder.name
    name_mapping.select_names([own], only, folder)
    document = mlflow_records.read_mlmodel(SourceTree(folder), folder)
    told = mlflow_records.summarize(document)
    key = f"mlflow:{told.get('model_id') or clean_line(own, 200)}"
    run = {"id": told["run_id"]} if told.get("run_id") else None
    lineage = {"run": run, "imported": {"from": "mlflow", "key": key, "mlmodel": told}}
    return ImportedVersion(
        key=key,
        model=name_mapping.to_model_name(own),
        files=(folder,),
        created=format_timestamp(document.get("utc_time_created")),
        lineage=to_plain_value(lineage),
    )
