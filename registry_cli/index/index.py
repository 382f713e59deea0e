"""The index of one registry: an SQLite file in the user's own cache folder, never part of the store.

Before every answer the stamps of the models (see ``file_stamps``) are compared, and what changed is read again. An
index that is missing, damaged, of another format or of another registry is made anew; one that can't be used is done
without.

Many processes may use it at once: whoever changes it holds SQLite's own lock, and the others wait or read the files.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ..core.lazy_dataclass import replace
from ..core.names import Selector
from ..core.progress import SILENT, Progress
from ..core.records import Event, ModelRecord, ModelSummary, VersionRecord, VersionSummary
from ..core.version_ranges import VersionRanges
from ..query.sql_schema import SCHEMA
from ..store.layout import FILES, Layout
from ..store.model_names import iter_model_names
from ..store.reader import pack_size
from . import file_stamps

#: Grows with every change of what is stored: an index of another format is made anew.
FORMAT = 7
#: Bytes in a page of the database: records and facts of many versions are read one after the other.
_PAGE_SIZE = 8_192
#: The files of an index: the database, and what SQLite keeps beside it.
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_APPLICATION_ID = 0x72656769
#: How long to wait for another process that is changing the index, in seconds.
_BUSY_TIMEOUT = 10.0
#: So many models are taken from the database at once.
_MODELS_AT_ONCE = 500
#: ``stamps`` has those of the files of a version, by its id; ``unreadable`` the documents that can't be read.
_OWN_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE models (
    name TEXT PRIMARY KEY, stamp BLOB NOT NULL, latest INTEGER, record TEXT, pointers TEXT NOT NULL,
    glances TEXT NOT NULL
);
CREATE TABLE stamps (version INTEGER PRIMARY KEY, document BLOB NOT NULL, annotation BLOB NOT NULL);
CREATE TABLE unreadable (model TEXT, what TEXT, version INTEGER, message TEXT, hint TEXT);
CREATE INDEX unreadable_of ON unreadable (model);
CREATE UNIQUE INDEX versions_of ON versions (model, version);
"""


class VersionCondition(NamedTuple):
    """Which versions, in which order: texts of SQL about ``versions v``, their parameters, functions they call."""

    where: str = "1"
    parameters: Sequence[Any] = ()
    order: str = "replace(v.model, '/', char(1)), v.version DESC"  # as folders lie: a group before its longer namesake
    order_parameters: Sequence[Any] = ()
    limit: int | None = None
    functions: Mapping[str, Callable[..., Any]] = {}


class UnreadableDocument(NamedTuple):
    """A document that can't be read. ``what`` is ``table`` for a whole model, ``document`` for its ``model.yaml``, or
    ``version``.
    """

    model: str
    what: str
    version: int | None
    message: str
    hint: str


@contextlib.contextmanager
def pause_collection() -> Iterator[None]:
    """Pause the collection of cycles, which takes a third of the time while very many objects are made that have none."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def index_path(folder: Path, root: Path) -> Path:
    """Return the path in the cache ``folder`` of the index of the registry in ``root``."""
    return folder / f"{hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]}.sqlite"


def find_distrust(path: Path) -> str:
    """Return why an index at ``path`` can't be trusted: others own it, or can write it; empty if it can be.

    It must be the user's own and writable only by them, and so must its folder (which may be root's). A missing
    file is accepted.
    """
    user = os.geteuid()
    for each, owners in ((path.parent, (user, 0)), *((Path(f"{path}{suffix}"), (user,)) for suffix in _SUFFIXES)):
        try:
            status = os.lstat(each) if each != path.parent else os.stat(each)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if status.st_uid not in owners:
            return f"{each} belongs to another user"
        if status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode):
            return f"{each} can be written by others (chmod go-w)"
    return ""


class Index:
    """An open index. What it can't do raises ``sqlite3.Error``: :func:`delete_index` and try again, or do without."""

    def __init__(self, root: Layout, path: Path) -> None:
        self.root = root
        os.makedirs(path.parent, 0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self.database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self.database.close()
            raise

    def _prepare(self) -> None:
        self.database.execute("PRAGMA cache_size = -8000")
        found = self._format()
        if found == (0, 0):
            self.database.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            self.database.execute("PRAGMA journal_mode = WAL")
            with self.exclusively():
                if self._format() == (0, 0):  # another process may have been faster
                    for statement in (*SCHEMA, *_OWN_SCHEMA.split(";")):
                        self.database.execute(statement)
                    self.database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    self.database.execute(f"PRAGMA user_version = {FORMAT}")
        elif found != (_APPLICATION_ID, FORMAT):
            raise sqlite3.DatabaseError("an index of another format")
        self.database.execute("PRAGMA synchronous = NORMAL")

    def _format(self) -> tuple[int, int]:
        application, version = (
            int(self.database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")
        )
        return application, version

    def close(self) -> None:
        self.database.close()

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """What is done inside is seen whole or not at all."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def settings(self) -> dict[str, Any] | None:
        """The settings in ``registry.yaml``, as they were stored; None if the file changed since."""
        row = self.database.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()
        stored = json.loads(row[0]) if row else {}
        return stored["settings"] if stored.get("stamp") == file_stamps.stamp(str(self.root.config)).hex() else None

    def store_settings(self, settings: Mapping[str, Any], stamp: bytes) -> None:
        """Store the settings that ``registry.yaml`` had with this stamp, if it is not :data:`~file_stamps.UNKNOWN`."""
        if stamp:
            value = json.dumps({"stamp": stamp.hex(), "settings": settings})
            with self.exclusively():
                self.database.execute("INSERT OR REPLACE INTO meta VALUES ('settings', ?)", (value,))

    def refresh(self, only: str | None = None, progress: Progress = SILENT) -> None:
        """Bring the index up to date with the files of all models, or of one. ``progress`` counts versions."""
        models = str(self.root.models)
        rows = "SELECT name, stamp FROM models"
        known = dict(self.database.execute(f"{rows} WHERE name = ?" if only else rows, (only,) if only else ()))
        there = {only} if only else set(iter_model_names(self.root, known))
        changed = (there ^ known.keys()) | set(file_stamps.find_changed(models, known.items()))
        if not changed:
            return
        from .updater import IndexUpdater

        updater = IndexUpdater(self, progress)
        with pause_collection(), progress:
            if (
                updater.update(sorted(changed)) and not only
            ):  # what was a model may be a group by now, with models in it
                names = {name for (name,) in self.database.execute("SELECT name FROM models")}
                updater.update(sorted(set(iter_model_names(self.root, names)) - names))

    def find_version(self, model: str, selector: Selector) -> VersionRecord | None:
        """The selected version, if neither its model nor its own files changed: some ten system calls in all."""
        row = self.database.execute("SELECT stamp, latest, pointers FROM models WHERE name = ?", (model,)).fetchone()
        if row is None:
            return None
        stamp, latest, pointers = row[0], row[1], json.loads(row[2])
        pointed = {**pointers["aliases"], **pointers["stages"]}
        number = latest if selector.latest else selector.number or pointed.get(selector.name)
        if number is None or selector.digest:
            return None
        models = str(self.root.models)
        file_stamps.revalidate(f"{models}/{model}")
        if any(file_stamps.find_changed(models, [(model, stamp)])):
            return None
        stamps = self.database.execute(
            "SELECT document, annotation FROM stamps WHERE version = "
            "(SELECT id FROM versions WHERE model = ? AND version = ?)",
            (model, number),
        ).fetchone()
        if stamps is None:
            return None
        if file_stamps.version_stamps(f"{models}/{model}", number, annotated=True) != stamps:
            self.forget_stamps([model])  # it was edited in place: lists shall compare the model file by file
            return None
        return next(self.versions(VersionCondition("v.model = ? AND v.version = ?", (model, number))), None)

    def forget_stamps(self, models: Sequence[str] | None = None) -> None:
        """Have these models, or all, compared file by file the next time, whether or not their stamps change."""
        text = "UPDATE models SET stamp = x''"
        with self.exclusively():
            if models is None:
                self.database.execute(text)
            else:
                self.database.executemany(f"{text} WHERE name = ?", ((model,) for model in models))

    def overview(self, *, glances: bool = True) -> list[ModelSummary]:
        """Every model, in order, and with ``glances`` something of the versions that a list shows."""
        summaries: list[ModelSummary] = []
        shown = "glances" if glances else "'[]'"
        rows = self.database.execute(
            f"SELECT record, {shown} FROM models WHERE record IS NOT NULL ORDER BY replace(name, '/', char(1))"
        )
        with pause_collection():
            while some := rows.fetchmany(_MODELS_AT_ONCE):
                found = iter(json.loads(f"[{','.join(chain.from_iterable(some))}]"))  # one call: each has a fixed cost
                for fields, seen in zip(found, found, strict=True):
                    fields[-1] = tuple(fields[-1])
                    shown_versions = {number: VersionSummary(created, metrics) for number, created, metrics in seen}
                    summaries.append(ModelSummary(ModelRecord(*fields), shown_versions))
        return summaries

    def versions(self, condition: VersionCondition) -> Iterator[VersionRecord]:
        """The versions that a condition selects, one by one."""
        for name, function in condition.functions.items():
            self.database.create_function(name, 2, function, deterministic=True)
        text = (
            f"SELECT v.model, v.archived, v.record FROM versions v WHERE {condition.where} ORDER BY {condition.order}"
        )
        parameters = [*condition.parameters, *condition.order_parameters]
        if condition.limit is not None:
            text, parameters = f"{text} LIMIT ?", [*parameters, condition.limit]
        pointers: dict[str, Any] = {}
        for model, archived, record in self.database.execute(text, parameters):
            if model not in pointers:
                row = self.database.execute("SELECT pointers FROM models WHERE name = ?", (model,)).fetchone()
                pointers[model] = json.loads(row[0])
                pointers[model]["packed"] = VersionRanges.parse(pointers[model].get("packed", ""))
                pointers[model]["folder"] = str(self.root.model(model).versions)
            found = _loads_version(model, bool(archived), record, pointers[model])
            if found.number in pointers[model]["packed"]:
                found = replace(found, packed=pack_size(self.root.model(model), found.number))
            yield found

    def deployments(self) -> list[tuple[str, Mapping[str, int], Mapping[str, Any] | None]]:
        """The stages and the deployments of every model that has any, in order; None if they can't be read."""
        rows = self.database.execute("SELECT name, pointers FROM models ORDER BY replace(name, '/', char(1))")
        found = ((name, json.loads(text)) for name, text in rows if '"deployments"' in text)
        return [(name, pointers["stages"], pointers["deployments"]) for name, pointers in found]

    def field_names(self) -> list[str]:
        """The names of all params, metrics, tags and the like, also of versions that are gone: ``metrics.auc``."""
        return [name for (name,) in self.database.execute("SELECT name FROM fields")]

    def unreadable(self, model: str | None = None) -> list[UnreadableDocument]:
        """The documents that can't be read: the index holds the rest."""
        where, parameters = (" WHERE model = ?", (model,)) if model else ("", ())
        rows = self.database.execute(f"SELECT * FROM unreadable{where}", parameters)
        return [UnreadableDocument(*row) for row in rows]


def _loads_version(model: str, archived: bool, text: str, pointers: Mapping[str, Any]) -> VersionRecord:
    """The inverse of :func:`.updater.dumps_version`."""
    number, created, author, digest, size, files, message, params, metrics, tags, annotations, lineage, event = (
        json.loads(text)
    )
    return VersionRecord(
        model, number, created, author, digest, size, files, message, params, metrics, tags, annotations, lineage,
        stages=tuple(name for name, at in pointers["stages"].items() if at == number),
        aliases=tuple(sorted(name for name, at in pointers["aliases"].items() if at == number)),
        archived=archived,
        event=Event.parse(event) if event else None,
        folder=f"{pointers['folder']}/{number}/{FILES}",
    )  # fmt: skip


def delete_index(path: Path) -> None:
    """Delete an index. A process that has it open goes on with the old one, and opens the new one the next time."""
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
