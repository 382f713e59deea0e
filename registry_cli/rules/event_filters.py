"""Which events are wanted, and the histories of several models as one."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..core.records import JournalEntry, ModelHistoryEntry
from ..errors import InvalidInput

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
        at, name, begun, entry = due.pop()
        if entry is not None:
            yield ModelHistoryEntry(name, entry)
        going = begun if begun is not None else history(name)
        following = next(going, None)
        if following is not None:
            insort(due, (min(at, following.event.at), name, going, following))
