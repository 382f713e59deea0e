"""Updating the index: of each model that changed, the versions whose files changed are read and stored again.

Stamps are taken before the documents are read: what changes in between has another stamp the next time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.progress import Progress
from ..core.records import ModelRecord, VersionRecord
from ..core.version_ranges import VersionRanges
from ..errors import NotFound, RegistryError, explain
from ..query.sql_schema import POINTED, list_facts, make_row
from ..store import layout
from ..store.reader import ModelReader, ModelState, is_deleted
from . import file_stamps
from .file_stamps import UNKNOWN

if TYPE_CHECKING:
    from .index import Index

#: After so many seconds the work done so far is committed, so that a build that is stopped need not begin again.
_COMMIT_INTERVAL = 5.0
#: How many metrics a list may show of a version.
_METRICS_SHOWN = 3
#: So many models are compared before their versions are read; so many versions are inserted at once.
_MODELS_AT_ONCE, _VERSIONS_AT_ONCE = 1_000, 1_000

_Stamps = tuple[bytes, bytes]
_encode = json.JSONEncoder(separators=(",", ":")).encode


class _StoredVersion(NamedTuple):
    """A version in the index: the key of its row, and the stamps of its two files."""

    key: int
    stamps: _Stamps


class _Change(NamedTuple):
    """What is to be updated of a model. ``to_read`` has the new stamps of the versions to be read, ``removed`` the rest
    of those that differ. ``stamp`` is the model's, if all of it could be read.
    """

    model: ModelReader
    state: ModelState
    record: ModelRecord | None
    stamp: bytes
    stored: Mapping[int, _StoredVersion]
    to_read: Mapping[int, _Stamps]
    removed: Iterable[int]
    annotated: frozenset[int]


class IndexUpdater:
    """Writes to an open index. ``progress`` counts versions."""

    def __init__(self, index: Index, progress: Progress) -> None:
        self._index, self._database, self._progress = index, index.database, progress
        self._models_folder = str(index.root.models)
        self._fields: dict[str, int] = {}
        self._next_key = 1
        self._rows: list[tuple[Any, ...]] = []
        self._stamps: list[tuple[int, bytes, bytes]] = []
        self._facts: list[tuple[int, int, str, Any]] = []

    def update(self, names: Iterable[str]) -> bool:
        """Read again what changed of these models, and forget those that are gone. Returns whether any is."""
        pending, gone = list(names), False
        while pending:
            with self._index.exclusively():
                self._fields = dict(self._database.execute("SELECT name, id FROM fields"))
                self._next_key = self._database.execute("SELECT coalesce(max(id), 0) + 1 FROM versions").fetchone()[0]
                until = time.monotonic() + _COMMIT_INTERVAL
                while pending and time.monotonic() < until:
                    batch = [pending.pop() for _ in range(min(_MODELS_AT_ONCE, len(pending)))]
                    changes = [change for name in batch if (change := self._compare(name))]
                    gone = gone or len(changes) < len(batch)
                    self._progress.expect(sum(len(change.to_read) for change in changes))
                    for change in changes:
                        self._apply(change)
                self._insert()
        return gone

    def _compare(self, name: str) -> _Change | None:
        """Compare a model file by file. None if it is gone, or can't be read at all."""
        folder = f"{self._models_folder}/{name}"
        looked = time.time_ns()
        stamp = file_stamps.settled(file_stamps.model_stamp(folder), looked)
        self._database.execute("DELETE FROM unreadable WHERE model = ?", (name,))
        try:
            model = ModelReader(self._index.root.model(name))
            state = model.state()
            numbers = model.numbers(state.table)
        except NotFound:
            self._forget(name)
            return None
        except (RegistryError, OSError) as error:
            self._forget(name)
            self._add_unreadable(name, "table", None, error)
            return None
        record = None
        try:
            record = None if is_deleted(model.paths, state.table) else model.record(state)
        except (RegistryError, OSError) as error:
            self._add_unreadable(name, "document", None, error)
            stamp = UNKNOWN
        annotated, uncommitted = _annotated(model, state)
        stored, to_read = self._stored_versions(name), {}
        for number in numbers:
            stamps = file_stamps.version_stamps(folder, number, annotated=number in annotated)
            if number == uncommitted:  # its annotation is not in its place yet
                to_read[number], stamp = (UNKNOWN, UNKNOWN), UNKNOWN
            elif number not in stored or stored[number].stamps != stamps:
                document, annotation = to_read[number] = (
                    file_stamps.settled(stamps[0], looked),
                    file_stamps.settled(stamps[1], looked),
                )
                if not (document and annotation):
                    stamp = UNKNOWN
        removed = stored.keys() - set(numbers)
        return _Change(model, state, record, stamp, stored, to_read, removed, annotated)

    def _stored_versions(self, model: str) -> dict[int, _StoredVersion]:
        rows = self._database.execute(
            "SELECT v.version, v.id, s.document, s.annotation FROM versions v JOIN stamps s ON s.version = v.id"
            " WHERE v.model = ?",
            (model,),
        )
        return {number: _StoredVersion(key, (document, annotation)) for number, key, document, annotation in rows}

    def _apply(self, change: _Change) -> None:
        """Read the versions that changed, and store them and their model."""
        name, stamp = change.model.name, change.stamp
        for number in chain(change.removed, change.to_read):
            if number in change.stored:
                self._delete_version(change.stored[number].key)
        shown = {change.record.latest or 0, *change.record.stages.values()} if change.record else set()
        glances: dict[int, list[Any]] = {}
        for number, stamps in change.to_read.items():
            self._progress(1)
            try:
                version = change.model.version(number, change.state, annotated=number in change.annotated)
            except NotFound:  # it was deleted just now
                continue
            except (RegistryError, OSError) as error:
                self._add_unreadable(name, "version", number, error)
                stamp = UNKNOWN
                continue
            if number in shown:
                glances[number] = [number, version.created, _first(version.metrics)]
            self._add(version, stamps)
        self._update_pointers(change)
        for number in shown - glances.keys():
            if glance := self._stored_glance(change.stored.get(number)):
                glances[number] = glance
        self._store_model(change, stamp, [glances[number] for number in sorted(glances)])

    def _add(self, version: VersionRecord, stamps: _Stamps) -> None:
        key, self._next_key = self._next_key, self._next_key + 1
        self._rows.append((key, *make_row(version, dumps_version(version))))
        self._stamps.append((key, *stamps))
        fields = self._fields
        self._facts += [
            (fields.get(field) or self._field(field), key, kind, value) for field, kind, value in list_facts(version)
        ]
        if len(self._rows) >= _VERSIONS_AT_ONCE:
            self._insert()

    def _insert(self) -> None:
        """Insert the versions that were read so far. Their facts come in the order of the table, which is faster."""
        if self._rows:
            self._database.executemany(f"INSERT INTO versions VALUES (?{', ?' * (len(self._rows[0]) - 1)})", self._rows)
        self._database.executemany("INSERT INTO stamps VALUES (?, ?, ?)", self._stamps)
        self._facts.sort(key=itemgetter(0))  # by field; the keys of versions ascend already
        self._database.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", self._facts)
        self._rows, self._stamps, self._facts = [], [], []

    def _field(self, name: str) -> int:
        if name not in self._fields:
            cursor = self._database.execute("INSERT INTO fields VALUES (NULL, ?)", (name,))
            self._fields[name] = int(cursor.lastrowid or 0)
        return self._fields[name]

    def _delete_version(self, key: int) -> None:
        self._delete_facts(key, self._fields.values())
        self._database.execute("DELETE FROM versions WHERE id = ?", (key,))
        self._database.execute("DELETE FROM stamps WHERE version = ?", (key,))

    def _delete_facts(self, key: int, fields: Iterable[int]) -> None:
        rows = ((field, key) for field in fields)
        self._database.executemany("DELETE FROM facts WHERE field = ? AND version = ?", rows)

    def _update_pointers(self, change: _Change) -> None:
        """Set stages, aliases and archive of the versions that were not read again."""
        name, table = change.model.name, change.state.table
        row = self._database.execute("SELECT pointers FROM models WHERE name = ?", (name,)).fetchone()
        old: dict[str, Any] = json.loads(row[0]) if row else {"stages": {}, "aliases": {}, "archived": ""}
        text = "UPDATE versions SET archived = ? WHERE model = ? AND version BETWEEN ? AND ?"
        was = VersionRanges.parse(old["archived"])
        for archived, numbers in ((0, was - table.archived), (1, table.archived - was)):
            self._database.executemany(text, ((archived, name, low, high) for low, high in numbers.ranges))
        pointed = {*chain(old["stages"].items(), old["aliases"].items())}
        pointed ^= {*chain(table.stages.items(), table.aliases.items())}
        for number in {number for _, number in pointed} & change.stored.keys() - change.to_read.keys():
            if number not in change.removed:
                key = change.stored[number].key
                self._delete_facts(key, [self._field(field) for field in POINTED])
                for field, names in zip(POINTED, (table.stages_of(number), table.aliases_of(number)), strict=True):
                    self._facts += [(self._field(field), key, "t", each) for each in names]

    def _stored_glance(self, stored: _StoredVersion | None) -> list[Any] | None:
        """What a list shows of a version that was not read again: its number, creation time and first metrics."""
        key = stored.key if stored else 0
        row = self._database.execute("SELECT record FROM versions WHERE id = ?", (key,)).fetchone()
        if row is None:
            return None
        values = json.loads(row[0])
        return [values[0], values[1], _first(values[8])]

    def _store_model(self, change: _Change, stamp: bytes, glances: Sequence[Any]) -> None:
        table, record = change.state.table, change.record
        pointers: dict[str, Any] = {
            "stages": dict(table.stages),
            "aliases": dict(table.aliases),
            "archived": str(table.archived),
            "packed": str(table.packed),
        }
        try:
            if deployments := change.model.deployments(change.state):
                pointers["deployments"] = deployments
        except (RegistryError, OSError):  # whoever asks for them reads the file, and gets the error
            pointers["deployments"], stamp = None, UNKNOWN
        latest, listed = (record.latest, json.dumps(list(vars(record).values()))) if record else (None, None)
        row = (change.model.name, stamp, latest, listed, json.dumps(pointers), json.dumps(glances))
        self._database.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?)", row)

    def _forget(self, name: str) -> None:
        """Delete a model with all of its versions."""
        keys = "SELECT id FROM versions WHERE model = ?"
        self._database.execute(f"DELETE FROM facts WHERE version IN ({keys})", (name,))
        self._database.execute(f"DELETE FROM stamps WHERE version IN ({keys})", (name,))
        self._database.execute("DELETE FROM versions WHERE model = ?", (name,))
        self._database.execute("DELETE FROM models WHERE name = ?", (name,))

    def _add_unreadable(self, name: str, what: str, number: int | None, error: RegistryError | OSError) -> None:
        """Store the error of an unreadable document. Its model is compared file by file each time."""
        message, hint = (explain(error), "") if isinstance(error, OSError) else (error.message, error.hint)
        self._database.execute("INSERT INTO unreadable VALUES (?, ?, ?, ?, ?)", (name, what, number, message, hint))


def _annotated(model: ModelReader, state: ModelState) -> tuple[frozenset[int], int | None]:
    """The versions that have an annotation, and the one whose annotation is committed but not in its place yet."""
    uncommitted = _annotation_number(state.redo.path.rpartition("/")[2]) if state.redo else None
    try:
        names = os.listdir(model.paths.annotations)
    except (FileNotFoundError, NotADirectoryError):
        names = []
    numbers = {number for name in names if (number := _annotation_number(name))}
    return frozenset(numbers | {uncommitted} if uncommitted else numbers), uncommitted


def _annotation_number(name: str) -> int | None:
    return layout.version_of(name[:-5]) if name.endswith(".yaml") else None


def _first(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return dict(list(metrics.items())[:_METRICS_SHOWN])


def dumps_version(record: VersionRecord) -> str:
    """A version as the index stores it: without what the pointers of its model determine."""
    return _encode(
        [
            record.number, record.created, record.author, record.digest, record.size, record.files, record.message,
            record.params, record.metrics, record.tags, record.annotations, record.lineage,
            record.event.document() if record.event else None,
        ]
    )  # fmt: skip
