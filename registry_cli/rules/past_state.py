"""The past: what the stage table of a model was, told from the events that led to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..core.records import Event, JournalEntry, StageTable
from ..core.version_ranges import VersionRanges
from ..errors import Damaged
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
