"""Bringing the index up to date: of each model that changed, the versions that changed are read and stored anew.

The marks are taken before the documents are read. What changes in between has other marks the next time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import NotFound, RegistryError
from ..lifecycle.facts import POINTED, facts_of, row_of
from ..numbers import Numbers
from ..progress import Progress
from ..records import ModelRecord, StageTable, VersionRecord
from . import layout, marks
from .index import packed
from .marks import Marks
from .reader import ModelReader, State

if TYPE_CHECKING:
    from .index import Index

#: After so many seconds what was done so far is kept, so that a build that is stopped need not begin again.
_KEEP = 5.0
#: How many metrics a list may show of a version.
_SHOWN = 3


class IndexWriter:
    """Writes to an open index. ``progress`` counts versions."""

    def __init__(self, index: Index, progress: Progress) -> None:
        self.index, self.database, self.progress = index, index.database, progress
        self._fields: dict[str, int] = {}

    def update(self, names: Iterable[str]) -> bool:
        """Read anew what changed of these models; forget those that are gone. Whether any is."""
        pending, gone = list(names), False
        while pending:
            with self.index.exclusively():
                self._fields = dict(self.database.execute("SELECT name, id FROM fields"))
                until = time.monotonic() + _KEEP
                while pending and time.monotonic() < until:
                    gone = not self._update(pending.pop()) or gone
        return gone

    def _update(self, name: str) -> bool:
        before = self.index.known(name)
        seen = marks.look(f"{self.index.root.models}/{name}", before)
        self.database.execute("DELETE FROM troubles WHERE model = ?", (name,))
        try:
            model = ModelReader(self.index.root.model(name))
            state = model.state()
        except (RegistryError, OSError) as error:
            self._forget(name)
            if not isinstance(error, NotFound):
                self._trouble(name, "table", None, error)
            return False
        record = None
        try:
            record = model.record(state)
        except (RegistryError, OSError) as error:
            self._trouble(name, "document", None, error)
        known = before or Marks.load(b"", b"", b"")
        unreadable = self._versions(model, state, *seen.changed(known), fresh=before is None)
        self._remember(name, seen.settled(known, unreadable), state, record)
        return True

    def _versions(
        self, model: ModelReader, state: State, changed: set[int], gone: set[int], *, fresh: bool
    ) -> set[int]:
        """Store the versions that changed, take away those that are gone, set what the pointers say.

        Gives those that could not be read.
        """
        unreadable = set()
        table, name = state.table, model.name
        old = self._pointers(name)
        rewritten = {layout.version_of(path.rpartition("/")[2][:-5]) for path in (old["redo"], _redo(state)) if path}
        changed |= {number for number in rewritten if number}
        for number in gone | {number for number in changed if number in table.deleted}:
            self._take_away(name, number)
        wanted = sorted(number for number in changed - gone if number not in table.deleted)
        self.progress.expect(len(wanted))
        for number in wanted:
            if not fresh:
                self._take_away(name, number)
            try:
                self._put(model.version(number, state))
            except NotFound:
                continue
            except (RegistryError, OSError) as error:
                self._trouble(name, "version", number, error)
                unreadable.add(number)
            self.progress(1)
        self._point(name, table, old, changed)
        return unreadable

    def _put(self, record: VersionRecord) -> None:
        row = row_of(record, packed(record))
        identity = self.database.execute(f"INSERT INTO versions VALUES (NULL{', ?' * len(row)})", row).lastrowid
        self._put_facts(identity, facts_of(record))

    def _put_facts(self, identity: int | None, facts: Iterable[tuple[str, str, Any]]) -> None:
        rows = ((self._field(field), identity, kind, value) for field, kind, value in facts)
        self.database.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", rows)

    def _field(self, name: str) -> int:
        if name not in self._fields:
            cursor = self.database.execute("INSERT INTO fields VALUES (NULL, ?)", (name,))
            self._fields[name] = int(cursor.lastrowid or 0)
        return self._fields[name]

    def _take_away(self, name: str, number: int) -> None:
        for (identity,) in self.database.execute(
            "SELECT id FROM versions WHERE model = ? AND version = ?", (name, number)
        ).fetchall():
            self._drop_facts(identity, self._fields.values())
            self.database.execute("DELETE FROM versions WHERE id = ?", (identity,))

    def _drop_facts(self, identity: int, fields: Iterable[int]) -> None:
        rows = ((field, identity) for field in fields)
        self.database.executemany("DELETE FROM facts WHERE field = ? AND version = ?", rows)

    def _point(self, name: str, table: StageTable, old: dict[str, Any], fresh: set[int]) -> None:
        """Set stages, aliases and archive of the versions that were not read anew."""
        text = "UPDATE versions SET archived = ? WHERE model = ? AND version BETWEEN ? AND ?"
        was = Numbers.parse(old["archived"])
        for archived, numbers in ((0, was - table.archived), (1, table.archived - was)):
            self.database.executemany(text, ((archived, name, low, high) for low, high in numbers.ranges))
        pointed = {*chain(old["stages"].items(), old["aliases"].items())}
        pointed ^= {*chain(table.stages.items(), table.aliases.items())}
        for number in {number for _, number in pointed} - fresh:
            row = self.database.execute(
                "SELECT id FROM versions WHERE model = ? AND version = ?", (name, number)
            ).fetchone()
            if row:
                self._drop_facts(row[0], [self._field(field) for field in POINTED])
                self._put_facts(row[0], _pointed(table, number))

    def _pointers(self, name: str) -> dict[str, Any]:
        row = self.database.execute("SELECT pointers FROM models WHERE name = ?", (name,)).fetchone()
        nothing = {"stages": {}, "aliases": {}, "archived": "", "redo": ""}
        return {**nothing, **json.loads(row[0])} if row else nothing

    def _remember(self, name: str, settled: Marks, state: State, record: ModelRecord | None) -> None:
        table = state.table
        pointers = {
            "stages": dict(table.stages),
            "aliases": dict(table.aliases),
            "archived": str(table.archived),
            "redo": _redo(state),
        }
        listed = (record.latest, json.dumps(list(vars(record).values()))) if record else (None, None)
        shown = self._shown(record) if record else []
        few = settled.of({number for number, *_ in shown})
        every = (settled.keys.tobytes(), settled.items.tobytes())
        row = (name, settled.head.tobytes(), *listed, json.dumps(pointers), json.dumps(shown), *few, *every)
        self.database.execute(f"INSERT OR REPLACE INTO models VALUES (?{', ?' * (len(row) - 1)})", row)

    def _shown(self, record: ModelRecord) -> list[tuple[int, str, dict[str, Any]]]:
        """The versions that a list shows something of: number, when it was made, its first metrics."""
        shown = []
        for number in sorted({record.latest or 0, *record.stages.values()}):
            row = self.database.execute(
                "SELECT record FROM versions WHERE model = ? AND version = ?", (record.name, number)
            ).fetchone()
            if row:
                values = json.loads(row[0])
                shown.append((number, values[1], dict(list(values[8].items())[:_SHOWN])))
        return shown

    def _forget(self, name: str) -> None:
        """Take a model out, with all of its versions."""
        ours = "SELECT id FROM versions WHERE model = ?"
        self.database.execute(f"DELETE FROM facts WHERE version IN ({ours})", (name,))
        self.database.execute("DELETE FROM versions WHERE model = ?", (name,))
        self.database.execute("DELETE FROM models WHERE name = ?", (name,))

    def _trouble(self, name: str, what: str, number: int | None, error: RegistryError | OSError) -> None:
        """Keep what can't be read to be told. A whole model stays without marks: it is looked at each time."""
        if isinstance(error, OSError):
            from ..errors import explain

            message, hint = explain(error), ""
        else:
            message, hint = error.message, error.hint
        self.database.execute("INSERT INTO troubles VALUES (?, ?, ?, ?, ?)", (name, what, number, message, hint))


def _redo(state: State) -> str:
    return state.redo.path if state.redo else ""


def _pointed(table: StageTable, number: int) -> Iterator[tuple[str, str, Any]]:
    for field, names in zip(POINTED, (table.stages_of(number), table.aliases_of(number)), strict=True):
        yield from ((field, "t", name) for name in names)
