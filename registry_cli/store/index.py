"""The index: a private cache of what the documents of a registry say, for questions that concern many of them.

It is an SQLite file in the user's own cache folder, never part of the store, and nobody depends on it: before every
answer the marks of the files (see ``marks``) are compared, and what changed is read anew. An index that is missing,
damaged, of another format or of another registry is made anew; one that can't be used is done without.

Many processes may use it at once: who changes it holds SQLite's own lock, and the others wait or read the files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..core.lazy_dataclass import replace
from ..core.names import Selector
from ..core.progress import SILENT, Progress
from ..core.records import Event, Glance, ModelRecord, Overview, VersionRecord
from ..core.version_ranges import Numbers
from ..lifecycle.facts import SCHEMA
from . import marks
from .layout import Layout
from .marks import Marks

if TYPE_CHECKING:
    from .sweep import Sweep

_T = TypeVar("_T")

#: Grows with every change of what is stored: an index of another format is made anew.
FORMAT = 5
#: Bytes in a page of the database: marks, records and facts of many versions are read one after the other.
_PAGE = 8_192
#: The files of an index: the database, and what SQLite keeps beside it.
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_APPLICATION = 0x72656769
#: How long to wait for another process that is changing the index, in seconds.
_PATIENCE = 10.0
#: Which versions of a model :meth:`Index.current` compares: all, those of which a list shows something, or none.
EVERY, SHOWN, NONE = "keys, items", "shown_keys, shown_items", "x'', x''"
#: So many models are taken from the database at once.
_AT_ONCE = 500
_OWN_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE models (
    name TEXT PRIMARY KEY, head BLOB, latest INTEGER, record TEXT, pointers TEXT, shown TEXT,
    shown_keys BLOB, shown_items BLOB, keys BLOB, items BLOB
);
CREATE TABLE troubles (model TEXT, what TEXT, version INTEGER, message TEXT, hint TEXT);
CREATE INDEX troubles_of ON troubles (model);
CREATE UNIQUE INDEX versions_of ON versions (model, version);
"""


class Condition(NamedTuple):
    """Which versions, in which order: texts of SQL about ``versions v``, their parameters, functions they call."""

    where: str = "1"
    parameters: Sequence[Any] = ()
    order: str = "replace(v.model, '/', char(1)), v.version DESC"  # as folders lie: a group before its longer namesake
    order_parameters: Sequence[Any] = ()
    limit: int | None = None
    functions: Mapping[str, Callable[..., Any]] = {}


class Trouble(NamedTuple):
    """A document that can't be read. ``what`` it is: the ``table`` of a model, its ``document``, or a ``version``."""

    model: str
    what: str
    version: int | None
    message: str
    hint: str


def place(folder: Path, root: Path) -> Path:
    """Where in the cache ``folder`` the index of the registry in ``root`` lies."""
    return folder / f"{hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]}.sqlite"


def foreign(path: Path) -> str:
    """Return why an index at ``path`` is not to be believed: others own it, or can write it; empty if all is well.

    It must be the user's own and writable by nobody else, and so must its folder (which may be root's). A file that is
    not there is no reason.
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
    """An open index. What it can't do raises ``sqlite3.Error``: :func:`discard` it and try again, or do without."""

    def __init__(self, root: Layout, path: Path) -> None:
        self.root = root
        os.makedirs(path.parent, 0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self.database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self.database.close()
            raise

    def _prepare(self) -> None:
        self.database.execute("PRAGMA cache_size = -8000")
        found = self._format()
        if found == (0, 0):
            self.database.execute(f"PRAGMA page_size = {_PAGE}")
            self.database.execute("PRAGMA journal_mode = WAL")
            with self.exclusively():
                if self._format() == (0, 0):  # another process may have been faster
                    for statement in (*SCHEMA, *_OWN_SCHEMA.split(";")):
                        self.database.execute(statement)
                    self.database.execute(f"PRAGMA application_id = {_APPLICATION}")
                    self.database.execute(f"PRAGMA user_version = {FORMAT}")
        elif found != (_APPLICATION, FORMAT):
            raise sqlite3.DatabaseError("an index of another format")
        self.database.execute("PRAGMA synchronous = NORMAL")

    def _format(self) -> tuple[int, int]:
        def one(pragma: str) -> int:
            return int(self.database.execute(f"PRAGMA {pragma}").fetchone()[0])

        return one("application_id"), one("user_version")

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
        """What ``registry.yaml`` says, as it was remembered; None when the file is another by now."""
        row = self.database.execute("SELECT value FROM meta WHERE key = 'settings'").fetchone()
        kept = json.loads(row[0]) if row else {}
        now = list(marks.mark(str(self.root.config)))
        return kept["settings"] if kept.get("mark") == now else None

    def remember_settings(self, settings: Mapping[str, Any], mark: tuple[int, ...] | None) -> None:
        """Keep what ``registry.yaml`` said when it had this settled mark; None is for one that changed a moment ago."""
        if mark:
            value = json.dumps({"mark": mark, "settings": settings})
            with self.exclusively():
                self.database.execute("INSERT OR REPLACE INTO meta VALUES ('settings', ?)", (value,))

    def current(
        self,
        question: Callable[[], _T],
        only: str | None = None,
        progress: Progress = SILENT,
        *,
        versions: str = EVERY,
    ) -> _T:
        """What ``question`` gives when the index is as the files are: the marks of all models, or of one, are compared.

        It is asked while they are, and again when something had to be read anew. ``progress`` counts versions.
        ``versions`` says which of them are compared: :data:`EVERY`, :data:`SHOWN` or :data:`NONE`.
        """
        stale, sweep = self._compared(only, versions)
        if not stale:
            try:
                answer = question()
            except BaseException:
                sweep.abandon()
                raise
            stale = sweep.end()
            if not stale:
                return answer
            del answer  # and with it what it still reads from the database
        else:
            stale |= sweep.end()
        from .index_writer import IndexWriter

        writer = IndexWriter(self, progress)
        if writer.update(sorted(stale)):  # what was a model may be a group by now, with models in it
            stale, sweep = self._compared(only, versions)
            writer.update(sorted(stale | sweep.end()))
        return question()

    def _compared(self, only: str | None, versions: str) -> tuple[set[str], Sweep]:
        """The models that are new or gone, and the comparison of the marks of all others, which has begun."""
        from .sweep import Known, Sweep

        text = f"SELECT name, head, {versions} FROM models"
        rows = self.database.execute(f"{text} WHERE name = ?" if only else text, (only,) if only else ())
        known = list(map(Known._make, rows))
        models, names = str(self.root.models), {each.name for each in known}
        sweep = Sweep(models, known)  # it goes on while the models are listed
        try:
            there = {name for name, _ in marks.models(models, names)} if only is None else {only}
        except BaseException:
            sweep.abandon()
            raise
        return there ^ names, sweep

    def known(self, model: str) -> Marks | None:
        """The stored marks of a model."""
        row = self.database.execute(f"SELECT head, {EVERY} FROM models WHERE name = ?", (model,)).fetchone()
        return Marks.load(*row) if row else None

    def version(self, model: str, selector: Selector) -> VersionRecord | None:
        """The version that is meant, if the index has it as it is now: a few calls, whatever the model's size."""
        row = self.database.execute("SELECT head, latest, pointers FROM models WHERE name = ?", (model,)).fetchone()
        if row is None:
            return None
        pointers = json.loads(row[2])
        pointed = {**pointers["aliases"], **pointers["stages"]}
        number = row[1] if selector.latest else selector.number or pointed.get(selector.name)
        if number is None or selector.digest:
            return None
        base = f"{self.root.models}/{model}"
        marks.ask_server(base)
        keys, items = self._marks_of(model, number)
        if not keys or not marks.same(base, row[0], keys, items):
            return None
        found = self.versions(Condition("v.model = ? AND v.version = ?", (model, number)))
        return next(found, None)

    def _marks_of(self, model: str, number: int) -> tuple[bytes, bytes]:
        """The stored marks of one version and its annotation; those that lists show are found without the others."""
        for which in (SHOWN, EVERY):
            row = self.database.execute(f"SELECT {which} FROM models WHERE name = ?", (model,)).fetchone()
            found = Marks.load(b"", *row).of({number}) if row else (b"", b"")
            if found[0]:
                break
        return found

    def overview(self, *, glances: bool = True) -> Iterator[Overview]:
        """Every model, in order, and with ``glances`` something of the versions that a list shows."""
        shown = "shown" if glances else "'[]'"
        rows = self.database.execute(
            f"SELECT record, {shown} FROM models WHERE record IS NOT NULL ORDER BY replace(name, '/', char(1))"
        )
        while some := rows.fetchmany(_AT_ONCE):
            texts = (text for row in some for text in row)
            found = iter(json.loads(f"[{','.join(texts)}]"))  # in one call: each has its price
            for fields, seen in zip(found, found, strict=True):
                fields[-1] = tuple(fields[-1])
                yield Overview(
                    ModelRecord(*fields),
                    {number: Glance(created, metrics) for number, created, metrics in seen},
                )

    def versions(self, condition: Condition) -> Iterator[VersionRecord]:
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
                pointers[model]["packed"] = Numbers.parse(pointers[model].get("packed", ""))
            found = unpacked(model, bool(archived), record, pointers[model])
            yield self._with_pack(found) if found.number in pointers[model]["packed"] else found

    def _with_pack(self, record: VersionRecord) -> VersionRecord:
        from . import pack_files

        return replace(record, packed=pack_files.size(self.root.model(record.model), record.number))

    def troubles(self, model: str | None = None) -> list[Trouble]:
        """What can't be read: the index holds the rest."""
        where, parameters = (" WHERE model = ?", (model,)) if model else ("", ())
        rows = self.database.execute(f"SELECT * FROM troubles{where}", parameters)
        return [Trouble(*row) for row in rows]


def packed(record: VersionRecord) -> str:
    """A version as the index holds it: all but what the pointers of its model say."""
    return json.dumps(
        [
            record.number, record.created, record.author, record.digest, record.size, record.files, record.message,
            record.params, record.metrics, record.tags, record.annotations, record.lineage,
            record.event.document() if record.event else None,
        ],
        separators=(",", ":"),
    )  # fmt: skip


def unpacked(model: str, archived: bool, text: str, pointers: Mapping[str, Any]) -> VersionRecord:
    """:func:`packed` undone."""
    number, created, author, digest, size, files, message, params, metrics, tags, annotations, lineage, event = (
        json.loads(text)
    )
    return VersionRecord(
        model, number, created, author, digest, size, files, message, params, metrics, tags, annotations, lineage,
        stages=tuple(name for name, at in pointers["stages"].items() if at == number),
        aliases=tuple(sorted(name for name, at in pointers["aliases"].items() if at == number)),
        archived=archived,
        event=Event.parse(event) if event else None,
    )  # fmt: skip


def discard(path: Path) -> None:
    """Remove an index. Who has it open goes on with the old one, and finds the new one the next time."""
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{suffix}")
