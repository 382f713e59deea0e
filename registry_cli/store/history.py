"""The history of a model: its journal, and what is committed but not in the journal yet.

A writer that died after its commit leaves at most one version and one revision without a line. Readers tell them as
the lines that they will become; the next writer adds just these.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from .. import rules
from ..core.accounts import account_name
from ..core.records import Event, JournalEntry, StageTable
from ..errors import Damaged, NotFound
from . import journal, reader
from .filesystem import files
from .layout import ModelLayout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from ..rules.event_history import EventFilter, PastState
    from ..rules.rollback import StageTimeline
    from ..rules.stages import StageInterval


def pending_entries(
    paths: ModelLayout, table: StageTable, highest: int, last: JournalEntry | None
) -> list[JournalEntry]:
    """The lines that the journal lacks behind ``last``. More than a crash explains raises :class:`Damaged`."""
    known, revision = (last.highest, last.revision) if last else (0, 0)
    versions, revisions = highest - known, table.revision - revision
    if not (0 <= versions <= 1 and 0 <= revisions <= 1):
        raise Damaged(
            f"the journal of {paths.name} and its versions do not fit together "
            f"(journal: version {known}, revision {revision}; here: version {highest}, revision {table.revision})",
            f"registry verify {paths.name} tells more, registry repair {paths.name} mends the journal",
        )
    entries: list[JournalEntry] = []
    if versions:
        event = reader.ModelReader(paths).sealed(highest).event
        entries.append(next_line(paths, last, event, highest, revision))
    if revisions:
        before = entries[-1] if entries else last
        entries.append(next_line(paths, before, table.changed, highest, table.revision, _carrier(paths, table)))
    return entries


def _carrier(paths: ModelLayout, table: StageTable) -> str:
    """The account whose file holds an approval that the journal lacks, if it is not the one that the approval names.

    Who approves writes the claim, so it is theirs, also when somebody else recovers it. A claim or stage table of another
    account that says "bob approved" was not written by bob.
    """
    if table.changed is None or table.changed.action not in rules.approvals.ACTIONS:
        return ""
    try:
        status = os.lstat(paths.claim(table.revision))
    except FileNotFoundError:
        status = os.lstat(paths.stages)
    owner = account_name(status.st_uid)
    return "" if owner == table.changed.by else owner


def next_line(
    paths: ModelLayout,
    last: JournalEntry | None,
    event: Event | None,
    highest: int,
    revision: int,
    carrier: str = "",
) -> JournalEntry:
    """The line of ``event`` behind ``last``, with the seal of the document that it wrote."""
    if event is None:
        raise Damaged(f"{paths.name}: a change without an event", "registry verify tells more")
    return journal.next_entry(last, event, highest, revision, journal.document_digest(paths, event), carrier)


def newest_first(paths: ModelLayout, wanted: EventFilter | None = None) -> Iterator[JournalEntry]:
    """What is wanted of the history, the newest first; only as much of the journal is read as the caller goes on."""
    wanted = wanted or rules.event_history.EventFilter()
    last: JournalEntry | None = None  # what is pending hangs on it, so until it is found every line is looked at
    found = journal.newest_first(paths.history, lambda line: last is None or wanted.may_match(line))
    last = next(found, None)
    newest = (*reversed(_ahead(paths, last)), *([last] if last else ()))
    return (entry for entry in itertools.chain(newest, found) if wanted.fits(entry))


class JournalTail:
    """The newest entry of a history that was reported; at first there is none."""

    def __init__(
        self, paths: ModelLayout, last: JournalEntry | None = None, identity: tuple[int, ...] | None = ()
    ) -> None:
        self.paths, self.last, self._identity = paths, last, identity

    @classmethod
    def from_layout(cls, paths: ModelLayout) -> JournalTail:
        """The tail of the history as it is now: only what comes later is news."""
        identity = files.identity(str(paths.history))  # before reading: what comes meanwhile is looked for again
        return cls(paths, next(newest_first(paths), None), identity)

    def history(self, wanted: EventFilter) -> Iterator[JournalEntry]:
        """What is wanted of the history up to here, the newest first."""
        seq = self.last.seq if self.last else 0
        return itertools.dropwhile(lambda entry: entry.seq > seq, newest_first(self.paths, wanted))

    def news(self) -> list[JournalEntry]:
        """The entries since, the oldest first. A journal that was cut, or begun anew, has none before it goes on."""
        identity = files.identity(str(self.paths.history))
        if identity == self._identity:
            return []
        found: list[JournalEntry] = []
        newest = None
        for entry in newest_first(self.paths):
            newest = newest or entry
            if self.last and (entry.event.id == self.last.event.id or entry.seq < self.last.seq):
                break  # by the id: a line that was pending when it was told may have got another seal and hash
            found.append(entry)
        self.last, self._identity = newest, identity
        return found[::-1]


def stage_timelines(paths: ModelLayout, stages: tuple[str, ...]) -> dict[str, StageTimeline]:
    """What each of ``stages`` held, from the first move to the newest."""
    events = list(_moves(paths))
    return {stage: rules.rollback.build_timeline(events, stage) for stage in stages}


def holdings(paths: ModelLayout, number: int) -> list[StageInterval]:
    """Every stage that a version held, and when."""
    return rules.stages.list_intervals(_moves(paths), number)


def load_past_state(paths: ModelLayout, until: str) -> PastState | None:
    """The model as it was at a time; None when it had no history yet."""
    return rules.event_history.replay(list(_oldest_first(paths)), until)


def _moves(paths: ModelLayout) -> Iterator[Event]:
    """The events that move a stage, or tell what the stages were. Of the other lines only the bytes are looked at."""
    return (entry.event for entry in _oldest_first(paths, b'"stage'))


def _oldest_first(paths: ModelLayout, containing: bytes = b"") -> Iterator[JournalEntry]:
    """The history up to a moment, without a gap: of the journal only lines with these bytes, and what was pending."""
    last = journal.last_entry(paths.history)
    for entry in journal.oldest_first(paths.history, containing):
        if last is None or entry.seq > last.seq:  # written since
            break
        yield entry
    yield from _ahead(paths, last)


def _ahead(paths: ModelLayout, last: JournalEntry | None) -> list[JournalEntry]:
    """What is pending, for a reader; where journal and versions don't fit together, ``verify`` is who tells."""
    table = reader.read_state(paths).table
    try:
        return pending_entries(paths, table, reader.highest(paths, table), last)
    except (Damaged, NotFound):
        return []
