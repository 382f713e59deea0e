"""The history of a model: its journal, and what is committed but not in the journal yet.

A writer that died after its commit leaves at most one version and one revision without a line. Readers compute these
lines; the next writer appends them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator

from .. import rules
from ..core.accounts import account_name
from ..core.records import JournalEntry, StageTable
from ..errors import Damaged, NotFound
from . import journal, reader
from .filesystem import files
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from ..rules.event_history import EventFilter
    from ..rules.rollback import StageTimeline

#: What a line of the journal contains that moves a stage, tells what the stages were, or has a stage in it.
STAGE = b'"stage'


def pending_entries(
    paths: ModelLayout, table: StageTable, highest: int, last: JournalEntry | None
) -> list[JournalEntry]:
    """The lines that the journal lacks after ``last``. :class:`Damaged` for more than one crash can leave."""
    known, revision = (last.highest, last.revision) if last else (0, 0)
    versions, revisions = highest - known, table.revision - revision
    if not (0 <= versions <= 1 and 0 <= revisions <= 1):
        raise Damaged(
            f"the journal of {paths.name} does not match its versions "
            f"(journal: version {known}, revision {revision}; here: version {highest}, revision {table.revision})",
            f"run 'registry verify {paths.name}' for details, 'registry repair {paths.name}' to repair the journal",
        )
    entries: list[JournalEntry] = []
    if versions:
        event = reader.ModelReader(paths).sealed(highest).event
        entries.append(journal.next_entry_of(paths, last, event, highest, revision))
    if revisions:
        before = entries[-1] if entries else last
        carrier = _carrier(paths, table)
        entries.append(journal.next_entry_of(paths, before, table.changed, highest, table.revision, carrier))
    return entries


def _carrier(paths: ModelLayout, table: StageTable) -> str:
    """The owner of the file with a pending approval, if it names another account: that account did not write it."""
    if table.changed is None or table.changed.action not in rules.approvals.ACTIONS:
        return ""
    try:
        status = os.lstat(paths.claim(table.revision))
    except FileNotFoundError:
        status = os.lstat(paths.stages)
    owner = account_name(status.st_uid)
    return "" if owner == table.changed.by else owner


def newest_first(
    paths: ModelLayout, wanted: EventFilter | None = None, *, unbroken: bool = False
) -> Iterator[JournalEntry]:
    """The history without what ``wanted`` excludes, the newest first; read only as far as the caller iterates.

    For a decision, ``unbroken`` reads all of it first: :class:`Damaged` if a line was changed or is missing.
    """
    wanted = wanted or rules.event_history.EventFilter()
    last: JournalEntry | None = None  # pending lines depend on it, so until it is found every line is parsed
    lines = _read_unbroken(paths) if unbroken else None
    found = journal.newest_first(paths.history, lambda line: last is None or wanted.may_match(line), lines)
    last = next(found, None)
    newest = (*reversed(_ahead(paths, reader.read_state(paths).table, last)), *([last] if last else ()))
    return (entry for entry in itertools.chain(newest, found) if wanted.fits(entry))


class JournalTail:
    """The newest entry of a history that was reported; at first there is none."""

    def __init__(
        self, paths: ModelLayout, last: JournalEntry | None = None, identity: tuple[int, ...] | None = ()
    ) -> None:
        self.paths, self.last, self._identity = paths, last, identity

    @classmethod
    def from_layout(cls, paths: ModelLayout) -> JournalTail:
        """The end of the history as it is now: only later entries are news."""
        identity = files.identity(str(paths.history))  # before reading: entries that come meanwhile are read again
        return cls(paths, next(newest_first(paths), None), identity)

    def history(self, wanted: EventFilter) -> Iterator[JournalEntry]:
        """The history up to here without what ``wanted`` excludes, the newest first."""
        seq = self.last.seq if self.last else 0
        return itertools.dropwhile(lambda entry: entry.seq > seq, newest_first(self.paths, wanted))

    def news(self) -> list[JournalEntry]:
        """The entries since, the oldest first; none for a journal that was truncated or replaced, until it grows."""
        identity = files.identity(str(self.paths.history))
        if identity == self._identity:
            return []
        found: list[JournalEntry] = []
        newest = None
        for entry in newest_first(self.paths):
            newest = newest or entry
            if self.last and (entry.event.id == self.last.event.id or entry.seq < self.last.seq):
                break  # by the id: a line that was pending then may have another seal and hash now
            found.append(entry)
        self.last, self._identity = newest, identity
        return found[::-1]


def stage_timelines(entries: list[JournalEntry], stages: Iterable[str]) -> dict[str, StageTimeline]:
    """What each of ``stages`` held, from the first move to the newest."""
    return {stage: rules.rollback.build_timeline((entry.event for entry in entries), stage) for stage in stages}


def read_entries(snapshot: reader.ModelSnapshot, containing: bytes = b"") -> list[JournalEntry]:
    """The history of a model, the oldest entry first, with what is pending; read once for a snapshot.

    Of the journal at least all lines with the bytes ``containing``. Under the lock nothing is pending.
    Raises :class:`Damaged` if a line was changed or removed: what is decided by the rest could be wrong.
    """
    known = snapshot.entries
    if b"" in known:
        return known[b""]
    if containing not in known:
        found, snapshot.last, broken = journal.scan(snapshot.paths.history, containing)
        _check_break(snapshot.paths, broken)
        pending = [] if snapshot.locked else _ahead(snapshot.paths, snapshot.table, snapshot.last)
        known[containing] = found + pending
    return known[containing]


def ensure_unbroken(paths: ModelLayout) -> None:
    """Raise :class:`Damaged` if a line of the journal was changed or is missing before its last one."""
    _read_unbroken(paths)


def _read_unbroken(paths: ModelLayout) -> list[bytes]:
    lines = journal.read_lines(paths.history)
    _check_break(paths, journal.find_break(lines))
    return lines


def _check_break(paths: ModelLayout, line: int) -> None:
    if line:
        raise Damaged(f"history of {paths.name} is damaged at line {line}", f"run 'registry verify {paths.name}'")


def _ahead(paths: ModelLayout, table: StageTable, last: JournalEntry | None) -> list[JournalEntry]:
    """What is pending, for a reader; where journal and versions don't fit together, ``verify`` is who tells."""
    try:
        return pending_entries(paths, table, reader.highest(paths, table, last), last)
    except (Damaged, NotFound):
        return []
