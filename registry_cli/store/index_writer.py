"""Bringing the index up to date: of each model that changed, the versions that changed are read and stored anew.

The marks are taken before the documents are read. What changes in between has other marks the next time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.progress import Progress
from ..core.records import ModelRecord, StageTable
from ..core.version_ranges import Numbers
from ..errors import NotFound, RegistryError
from ..lifecycle.facts import POINTED
from . import layout, marks
from .harvest import Found, Harvest, Task, Trouble
from .marks import Marks
from .reader import ModelReader, State

if TYPE_CHECKING:
    from .index import Index

#: After so many seconds what was done so far is kept, so that a build that is stopped need not begin again.
_KEEP = 5.0
#: How many metrics a list may show of a version.
_SHOWN = 3


#: So many models are looked at before their versions are read; so many versions are stored with one statement.
_BATCH, _AT_ONCE = 1_000, 500


class _Change(NamedTuple):
    """A model that is to be read anew: what it is now, what the index knew, the versions that are gone and ``wanted``."""

    model: ModelReader
    state: State
    record: ModelRecord | None
    known: Marks
    seen: Marks
    old: Mapping[str, Any]
    gone: set[int]
    wanted: Sequence[int]
    fresh: bool

    def task(self) -> Task:
        """What is to be read. Nothing was said of a version that had no annotation when its marks were taken."""
        annotated = {-key for key in self.seen.keys if key < 0}
        if self.state.redo and (number := layout.version_of(self.state.redo.path.rpartition("/")[2][:-5])):
            annotated.add(number)
        return Task(self.model, self.state, self.wanted, frozenset(annotated))


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
                    batch = [pending.pop() for _ in range(min(_BATCH, len(pending)))]
                    gone = not self._update(batch) or gone
        return gone

    def _update(self, names: Sequence[str]) -> bool:
        """Some models at once. Whether all of them are there."""
        changes = [change for name in names if (change := self._changed(name))]
        self.progress.expect(sum(len(change.wanted) for change in changes))
        with Harvest([each.task() for each in changes]) as found:
            for change in changes:
                unreadable = self._put(change, islice(found, len(change.wanted)))
                self._point(change)
                self._remember(change, change.seen.settled(change.known, unreadable))
        return len(changes) == len(names)

    def _changed(self, name: str) -> _Change | None:
        """What there is to be read of a model; None of one that is gone, or can't be read at all."""
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
            return None
        record = None
        try:
            record = model.record(state)
        except (RegistryError, OSError) as error:
            self._trouble(name, "document", None, error)
        known = before or Marks.load(b"", b"", b"")
        old = self._pointers(name)
        changed, gone = seen.changed(known)
        rewritten = {layout.version_of(path.rpartition("/")[2][:-5]) for path in (old["redo"], _redo(state)) if path}
        changed |= {number for number in rewritten if number}
        deleted = state.table.deleted
        gone |= {number for number in changed if number in deleted}
        wanted = sorted(number for number in changed - gone)
        return _Change(model, state, record, known, seen, old, gone, wanted, before is None)

    def _put(self, change: _Change, found: Iterable[Found]) -> set[int]:
        """Store the versions that were read, take away those that are gone. Gives those that could not be read."""
        name, unreadable = change.model.name, set()
        for number in change.gone:
            self._take_away(name, number)
        rows, facts = [], []
        identity = self.database.execute("SELECT coalesce(max(id), 0) FROM versions").fetchone()[0]
        for each in found:
            if not change.fresh:
                self._take_away(name, each.number)
            if isinstance(each, Trouble):
                self._tell(name, "version", each.number, each.message, each.hint)
                unreadable.add(each.number)
            elif each.row is not None:
                identity += 1
                rows.append((identity, *each.row))
                facts += [(self._field(field), identity, kind, value) for field, kind, value in each.facts]
            self.progress(1)
            if len(rows) >= _AT_ONCE:
                self._store(rows, facts)
                rows, facts = [], []
        self._store(rows, facts)
        return unreadable

    def _store(self, rows: Sequence[tuple[Any, ...]], facts: Sequence[tuple[int, int, str, Any]]) -> None:
        if rows:
            self.database.executemany(f"INSERT INTO versions VALUES (?{', ?' * (len(rows[0]) - 1)})", rows)
        self.database.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?, ?)", facts)

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

    def _point(self, change: _Change) -> None:
        """Set stages, aliases and archive of the versions that were not read anew."""
        name, table, old, fresh = change.model.name, change.state.table, change.old, set(change.wanted)
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
                self._store((), [(self._field(field), row[0], *fact) for field, *fact in _pointed(table, number)])

    def _pointers(self, name: str) -> dict[str, Any]:
        row = self.database.execute("SELECT pointers FROM models WHERE name = ?", (name,)).fetchone()
        nothing = {"stages": {}, "aliases": {}, "archived": "", "redo": ""}
        return {**nothing, **json.loads(row[0])} if row else nothing

    def _remember(self, change: _Change, settled: Marks) -> None:
        name, table, record = change.model.name, change.state.table, change.record
        pointers = {
            "stages": dict(table.stages),
            "aliases": dict(table.aliases),
            "archived": str(table.archived),
            "packed": str(table.packed),
            "redo": _redo(change.state),
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
        self._tell(name, what, number, message, hint)

    def _tell(self, name: str, what: str, number: int | None, message: str, hint: str) -> None:
        self.database.execute("INSERT INTO troubles VALUES (?, ?, ?, ?, ?)", (name, what, number, message, hint))


def _redo(state: State) -> str:
    return state.redo.path if state.redo else ""


def _pointed(table: StageTable, number: int) -> Iterator[tuple[str, str, Any]]:
    for field, names in zip(POINTED, (table.stages_of(number), table.aliases_of(number)), strict=True):
        yield from ((field, "t", name) for name in names)
