"""Histories of events: the state of a model at a time, which events are asked for, and checkpoints."""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..core.names import model_name
from ..core.records import Checkpoint, Event, JournalEntry, ModelHistoryEntry, StageTable
from ..core.version_ranges import VersionRanges
from ..errors import Damaged, InvalidInput
from .stages import ALIAS_ACTIONS, STAGE_ACTIONS


class PastState(NamedTuple):
    """A model as it was: its stage table, and the numbers that had been given to versions."""

    table: StageTable
    given: tuple[int, ...]

    @property
    def highest(self) -> int:
        """The highest of them, 0 when there was none."""
        return max(self.given, default=0)

    def latest(self) -> int | None:
        """The highest version that was neither archived nor deleted."""
        gone = self.table.archived | self.table.deleted
        return next((number for number in sorted(self.given, reverse=True) if number not in gone), None)


def replay(entries: Iterable[JournalEntry], until: str) -> PastState | None:
    """The model as it was at ``until`` (as events write times); None when it had no history yet.

    ``entries`` come oldest first. Clocks of different writers may disagree: what the journal has before an entry
    that had happened had happened too, whatever its time says. :class:`Damaged` for a time before a repair that had
    to write the journal anew: where the pointers were then is lost.
    """
    every = list(entries)
    count = len(every)
    while count and every[count - 1].event.at > until:
        count -= 1
    past = every[:count]
    if rebuilt := next((each.event for each in every[count:] if each.event.action == "repaired"), None):
        raise Damaged(
            f"what was at {until} is lost: the journal was written anew at {rebuilt.at}", "ask for a later time"
        )
    if not past:
        return None
    table = StageTable()
    for entry in past:
        table = apply_event(table, entry.event).with_(revision=entry.revision)
    return PastState(table, tuple(_iter_registered(past, until)))


def _iter_registered(past: list[JournalEntry], until: str) -> Iterator[int]:
    """The numbers that were given; of what a repair wrote anew only the times say when that was."""
    anew = max((at for at, entry in enumerate(past) if entry.event.action == "repaired"), default=-1)
    for at, entry in enumerate(past):
        if entry.event.action == "registered" and (at > anew or entry.event.at <= until):
            yield entry.event.version or 0


def apply_event(table: StageTable, event: Event) -> StageTable:
    """The stage table after an event."""
    detail = event.detail
    if event.action == "repaired":  # the lines before are lost: it tells what the table was then
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
    """After what puts versions into the archive, into packs, and out of them."""
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


#: The hash before the first line of a history: what a checkpoint of an empty one says.
EMPTY_HASH = "0" * 64
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_PARTS = re.compile(r"([^\s:]+)[ \t:]+([0-9]{1,18})[ \t:]+([0-9a-f]{64})\Z", re.ASCII)


def is_entry_hash(text: str) -> bool:
    """Whether ``text`` is the hash of a line, and nothing else."""
    return bool(_HASH.match(text))


def parse_checkpoint(text: str) -> Checkpoint | None:
    """``NAME:SEQ:HASH`` or ``NAME SEQ HASH``; None for any other text. :class:`InvalidInput` for a name that can't be."""
    match = _PARTS.match(text)
    return Checkpoint(model_name(match[1]), int(match[2]), match[3]) if match else None


def parse_checkpoint_file(text: str, what: str) -> list[Checkpoint]:
    """The checkpoints of a file, one a line. One that can't be read, and a file without any, is :class:`InvalidInput`:
    silence would be taken for a proof.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        checkpoint = parse_checkpoint(line.strip())
        if checkpoint is None:
            raise InvalidInput(
                f"line {number} of {what} is no checkpoint", "registry history --all --checkpoint writes them"
            )
        found.append(checkpoint)
    if not found:
        raise InvalidInput(f"{what} has no checkpoint in it", "registry history --all --checkpoint writes them")
    return found


def select_checkpoints(checkpoints: list[Checkpoint], models: list[str]) -> list[Checkpoint]:
    """The checkpoints of these models. :class:`InvalidInput` for a model without one."""
    known = {each.model for each in checkpoints}
    for name in models:
        if name not in known:
            raise InvalidInput(f"there is no checkpoint of {name}", f"there are some of {', '.join(sorted(known)[:5])}")
    return [each for each in checkpoints if each.model in models]


#: Every action that an event can tell.
ACTIONS = (
    "registered", "promoted", "demoted", "rolled-back", "aliased", "unaliased", "archived", "packed", "restored", "deleted",
    "tagged", "annotated", "measured", "approved", "rejected", "signed", "described", "renamed", "repaired", "passed-over",
)  # fmt: skip
_AT, _ACTION = b'"at":"', b'"action":"'
_LONGEST = 40


class EventFilter(NamedTuple):
    """Events from ``since`` on and before ``until``, with one of these ``actions``; whatever is empty is not asked for.

    Times are as events write them. Nothing follows from one event about the next: clocks of different writers may
    disagree.
    """

    since: str = ""
    until: str = ""
    actions: frozenset[str] = frozenset()

    def fits(self, entry: JournalEntry) -> bool:
        event = entry.event
        return self._in_time(event.at) and (not self.actions or event.action in self.actions)

    def _in_time(self, at: str) -> bool:
        return at >= self.since and (not self.until or at < self.until)

    def may_match(self, line: bytes) -> bool:
        """Whether a line of a journal can fit, by its bytes alone: hashing and parsing those that can't is in vain.

        A quote inside of a JSON text has a backslash before it, so what is found is the key, or the line is none.
        """
        if self.since or self.until:
            at = line.find(_AT) + len(_AT)
            if not self._in_time(_read_text(line, at)):
                return False
        if self.actions:
            at = line.find(_ACTION) + len(_ACTION)
            return _read_text(line, at) in self.actions
        return True


def _read_text(line: bytes, at: int) -> str:
    """The text that begins at this place of a line: a time, an action."""
    return line[at : at + _LONGEST].partition(b'"')[0].decode("ascii", "replace")


def parse_event_filter(since: str | None, until: str | None, actions: Iterable[str]) -> EventFilter:
    """What is asked for. :class:`InvalidInput` for an action that there is not, with the nearest that there is."""
    asked = frozenset(actions)
    for action in sorted(asked - set(ACTIONS)):
        from difflib import get_close_matches

        near = get_close_matches(action, ACTIONS, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(ACTIONS)}"
        raise InvalidInput(f"there is no action '{action}'", hint)
    if since and until and since >= until:
        raise InvalidInput("the time ends before it begins", "give --until a later time than --since")
    return EventFilter(since or "", until or "", asked)


def merge_histories(
    newest: Iterable[tuple[str, str]], history: Callable[[str], Iterator[JournalEntry]]
) -> Iterator[ModelHistoryEntry]:
    """The histories of models as one, the newest first. ``newest`` are the time of the last event of each, and its name.

    ``history`` gives one, the newest first; it is not asked for before something of it is due. Entries of one model
    stay in the order of their journal: where a clock went back, an entry counts as old as the one behind it.
    """
    due: list[tuple[str, str, Iterator[JournalEntry] | None, JournalEntry | None]]
    due = [(at, name, None, None) for at, name in sorted(newest)]
    while due:
        at, name, open_, entry = due.pop()
        if entry is not None:
            yield ModelHistoryEntry(name, entry)
        going = open_ if open_ is not None else history(name)
        following = next(going, None)
        if following is not None:
            insort(due, (min(at, following.event.at), name, going, following))
