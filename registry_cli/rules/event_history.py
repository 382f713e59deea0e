"""Histories of events: the state of a model at a time, filters, and checkpoints."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..core.names import model_name
from ..core.records import MODEL_DELETED, Checkpoint, Event, JournalEntry, ModelHistoryEntry, StageTable
from ..core.text import suggest
from ..core.version_ranges import VersionRanges
from ..errors import Damaged, InvalidInput
from .stages import ALIAS_ACTIONS, STAGE_ACTIONS


class PastState(NamedTuple):
    """The state of a model at a time: its stage table, the numbers that had been assigned to versions, its last change."""

    table: StageTable
    given: tuple[int, ...]
    updated: str = ""

    @property
    def highest(self) -> int:
        """The highest number, 0 if there was none."""
        return max(self.given, default=0)

    def latest(self) -> int | None:
        """The highest version that was neither archived nor deleted."""
        gone = self.table.archived | self.table.deleted
        return max((number for number in self.given if number not in gone), default=None)


def replay(entries: Iterable[JournalEntry], until: str) -> PastState | None:
    """Return the state of a model at ``until`` (in the format of events); None if it had no history yet, or was deleted.

    ``entries`` are the oldest first. Clocks of different writers may disagree: all that the journal has before an entry
    of that time counts, whatever its own time. Raises :class:`Damaged` for a time before a repair that rewrote the
    journal: the stages of that time are lost.
    """
    past, later = list(entries), list[JournalEntry]()
    while past and past[-1].event.at > until:
        later.append(past.pop())
    if rebuilt := next((each.event for each in reversed(later) if each.event.action == "repaired"), None):
        message = f"no history before {rebuilt.at}, when the journal was rebuilt"
        raise Damaged(message, "use a later time")
    last = next((each for each in reversed(past) if each.event.action != "passed-over"), None)
    if last is None or last.event.action == MODEL_DELETED:
        return None
    table = StageTable()
    for entry in past:
        table = apply_event(table, entry.event).with_(revision=entry.revision)
    # Entries that a repair rewrote count by their times.
    anew = max((at for at, entry in enumerate(past) if entry.event.action == "repaired"), default=-1)
    registered = [(at, entry.event) for at, entry in enumerate(past) if entry.event.action == "registered"]
    given = tuple(event.version or 0 for at, event in registered if at > anew or event.at <= until)
    return PastState(table, given, past[-1].event.at)


def apply_event(table: StageTable, event: Event) -> StageTable:
    """Return the stage table after an event."""
    detail = event.detail
    if event.action == "repaired":  # the history before it is lost, and it has the whole table
        return table.with_(
            stages=dict(detail["stages"]),
            aliases=dict(detail["aliases"]),
            archived=VersionRanges.parse(detail["archived"]),
            deleted=VersionRanges.parse(detail["deleted"]),
            packed=VersionRanges.parse(detail.get("packed", "")),
        )
    if event.action in ("archived", "packed", "restored", "deleted"):
        return _apply_to_archive(table, event)
    for actions, kind, pointers in ((STAGE_ACTIONS, "stage", "stages"), (ALIAS_ACTIONS, "alias", "aliases")):
        if event.action in actions and isinstance(name := detail.get(kind), str):
            return _apply_to_pointer(table, pointers, name, event)
    return table


def _apply_to_archive(table: StageTable, event: Event) -> StageTable:
    one = VersionRanges.from_numbers([event.version or 0])
    versions, packed = (VersionRanges.parse(event.detail.get(key, "")) for key in ("versions", "packed"))
    if event.action == "archived":
        return table.with_(archived=table.archived | versions)
    if event.action == "packed":
        return table.with_(packed=table.packed | one)
    if event.action == "restored":
        return table.with_(archived=table.archived - versions, packed=table.packed - packed)
    return table.with_(archived=table.archived - one, deleted=table.deleted | one, packed=table.packed - one)


def _apply_to_pointer(table: StageTable, kind: str, name: str, event: Event) -> StageTable:
    pointers = {key: at for key, at in getattr(table, kind).items() if key != name}
    after = event.detail.get("after")
    if after is not None:
        pointers[name] = after
    archived = table.archived | VersionRanges.parse(str(event.detail.get("archived", "")))
    return table.with_(**{kind: pointers}, archived=archived)


#: The hash before the first line of a history: that of a checkpoint of an empty one.
EMPTY_HASH = "0" * 64
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_PARTS = re.compile(r"([^\s:]+)[ \t:]+([0-9]{1,18})[ \t:]+([0-9a-f]{64})\Z", re.ASCII)


def is_entry_hash(text: str) -> bool:
    """Return whether ``text`` is the hash of a line of a history."""
    return bool(_HASH.match(text))


def parse_checkpoint(text: str) -> Checkpoint | None:
    """Parse ``NAME:SEQ:HASH`` or ``NAME SEQ HASH``; None for others. :class:`InvalidInput` for an invalid name."""
    match = _PARTS.match(text)
    return Checkpoint(model_name(match[1]), int(match[2]), match[3]) if match else None


def parse_checkpoint_file(text: str, what: str) -> list[Checkpoint]:
    """Parse a file with one checkpoint per line. Raises :class:`InvalidInput` for an invalid line, and without any."""
    found, hint = [], "create one with 'registry history --all --checkpoint'"
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            checkpoint = parse_checkpoint(line.strip())
            if checkpoint is None:
                raise InvalidInput(f"line {number} of {what} is not a checkpoint", hint)
            found.append(checkpoint)
    if not found:
        raise InvalidInput(f"{what} contains no checkpoint", hint)
    return found


def select_checkpoints(checkpoints: list[Checkpoint], models: list[str]) -> list[Checkpoint]:
    """Select the checkpoints of these models. Raises :class:`InvalidInput` for a model without one."""
    known = {each.model for each in checkpoints}
    for name in models:
        if name not in known:
            raise InvalidInput(f"no checkpoint of {name}", f"available: {', '.join(sorted(known)[:5])}")
    return [each for each in checkpoints if each.model in models]


#: The actions of events.
ACTIONS = (
    "registered", "promoted", "demoted", "rolled-back", "aliased", "unaliased", "archived", "packed", "restored", "deleted",
    "tagged", "annotated", "measured", "approved", "rejected", "signed", "described", "renamed", "repaired", "passed-over",
    "alerted", "recovered", "observations-closed", "profiled", "model-deleted",
    "deploying", "deployed", "deploy-failed", "undeployed", "deployment-changed",
)  # fmt: skip
_AT, _ACTION = b'"at":"', b'"action":"'
_LONGEST = 40


class EventFilter(NamedTuple):
    """Events from ``since`` on and before ``until``, with one of these ``actions``, that move ``stage``; an empty field filters
    nothing.

    Times are in the format of events. They are not in order: clocks of different writers may disagree.
    """

    since: str = ""
    until: str = ""
    actions: frozenset[str] = frozenset()
    stage: str = ""

    def fits(self, entry: JournalEntry) -> bool:
        event = entry.event
        moves = event.action in STAGE_ACTIONS and event.detail.get("stage") == self.stage
        return (
            self._in_time(event.at) and (not self.actions or event.action in self.actions) and (moves or not self.stage)
        )

    def _in_time(self, at: str) -> bool:
        return at >= self.since and (not self.until or at < self.until)

    def may_match(self, line: bytes) -> bool:
        """Return False for a line of a journal that can't match, by its bytes, so that it need not be parsed.

        Quotes in a JSON text are escaped: what is found is the key, or the line is invalid.
        """
        if (self.since or self.until) and not self._in_time(_read_text(line, _AT)):
            return False
        if self.stage and f'"stage":"{self.stage}"'.encode() not in line:
            return False
        return not self.actions or _read_text(line, _ACTION) in self.actions


def _read_text(line: bytes, key: bytes) -> str:
    at = line.find(key) + len(key)
    return line[at : at + _LONGEST].partition(b'"')[0].decode("ascii", "replace")


def parse_event_filter(
    since: str | None, until: str | None, actions: Iterable[str], stage: str | None = None
) -> EventFilter:
    """Check the options of a filter. Raises :class:`InvalidInput` for an unknown action, with the nearest one."""
    asked = frozenset(actions)
    for action in sorted(asked - set(ACTIONS)):
        hint = suggest(action, ACTIONS) or f"available: {', '.join(ACTIONS)}"
        raise InvalidInput(f"unknown action '{action}'", hint)
    if since and until and since >= until:
        raise InvalidInput("the end of the period is before its start", "use a later time for `until` than for `since`")
    return EventFilter(since or "", until or "", asked, stage or "")


def merge_histories(
    newest: Iterable[tuple[str, str]], history: Callable[[str], Iterator[JournalEntry]]
) -> Iterator[ModelHistoryEntry]:
    """Merge the histories of models, the newest entries first.

    ``newest`` are the time of the last event of each model, and its name; ``history`` returns the entries of one, the
    newest first, when they are due. They stay in their order, also where a clock was set back.
    """
    due: list[tuple[str, str, Iterator[JournalEntry] | None, JournalEntry | None]]
    due = [(at, name, None, None) for at, name in sorted(newest)]
    while due:
        at, name, entries, entry = due.pop()
        if entry is not None:
            yield ModelHistoryEntry(name, entry)
        entries = entries if entries is not None else history(name)
        following = next(entries, None)
        if following is not None:
            insort(due, (min(at, following.event.at), name, entries, following))
