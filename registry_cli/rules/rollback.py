"""Rollback: what a stage held, as its events tell it, and which of that a rollback can go to. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import dataclass
from ..core.records import Event, StageTable
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, InvalidInput, NotFound, Refused
from .stages import STAGE_ACTIONS

if TYPE_CHECKING:
    from datetime import datetime


#: A second rollback of a stage within so many seconds may be a second person's answer to the same incident.
WINDOW = 600


@dataclass(frozen=True)
class StageTimeline:
    """What a stage held, oldest first, without what was rolled back. ``held`` says whether the last still holds it.

    ``left`` are the versions that held it, too, and were rolled back from, the last holder first. ``rejected`` are those
    of all that somebody rejected for the stage, where that was looked for. ``rollback`` is the newest rollback.
    """

    numbers: tuple[int, ...] = ()
    held: bool = False
    rejected: frozenset[int] = frozenset()
    left: tuple[int, ...] = ()
    rollback: Event | None = None

    @property
    def earlier(self) -> tuple[int, ...]:
        """Where rollbacks go one after another, nearest first."""
        return tuple(reversed(self.numbers[:-1] if self.held else self.numbers))

    @property
    def holders(self) -> tuple[int, ...]:
        """Every version that held the stage, each once: ``earlier``, then those that were rolled back from."""
        return tuple(dict.fromkeys((*self.earlier, *self.left)))


class RecentRollback(Conflict):
    """A second rollback of a stage, shortly after the first; ``current`` is what the stage points to."""

    def __init__(self, message: str, hint: str, current: int | None) -> None:
        super().__init__(message, hint)
        self.current = current


def build_timeline(events: Iterable[Event], stage: str) -> StageTimeline:
    """Replay the moves of ``stage``. A rollback goes back along the chain, or forward again to what was rolled back."""
    numbers: list[int] = []
    undone: list[int] = []
    every: dict[int, None] = {}
    held, newest = False, None
    for event in events:
        if event.action == "repaired":  # the lines before are lost: what it held then is all that is known
            after = event.detail.get("stages", {}).get(stage)
        elif event.action not in STAGE_ACTIONS or event.detail.get("stage") != stage:
            continue
        else:
            after = event.detail.get("after")
        rolled_back = event.action == "rolled-back"
        newest = event if rolled_back else newest
        held = after is not None
        if after is None:
            continue
        every.pop(after, None)
        every[after] = None
        if rolled_back and after in numbers:
            while numbers[-1] != after:
                undone.append(numbers.pop())
        elif rolled_back and after in undone:
            while numbers[-1:] != [after]:
                numbers.append(undone.pop())
        elif numbers[-1:] != [after]:
            numbers.append(after)
            undone.clear()
    left = tuple(number for number in reversed(every) if number not in numbers)
    return StageTimeline(tuple(numbers), held, left=left, rollback=newest)


def check_recent_rollback(line: StageTimeline, model: str, stage: str, current: int | None, now: datetime) -> None:
    """:class:`RecentRollback` if the newest rollback of ``stage`` was less than :data:`WINDOW` ago, by whomever.

    A time that can't be read, or that is still to come (clocks differ), counts as recent.
    """
    from ..core.quantities import parse_epoch, to_epoch

    event = line.rollback
    if event is None:
        return
    at = parse_epoch(event.at)
    age = 0.0 if at is None else to_epoch(now) - at
    if age >= WINDOW:
        return
    before, after = (
        "nothing" if (number := event.detail.get(key)) is None else f"{model}@{number}" for key in ("before", "after")
    )
    ago = f"{int(age) // 60} min ago" if age >= 60 else f"{max(int(age), 0)} s ago"
    raise RecentRollback(
        f"{stage} of {model} was rolled back from {before} to {after} by {event.by} {ago}",
        f"registry rollback {model} {stage} --list shows where it is now; add --again to roll it back once more",
        current,
    )


def list_candidates(
    table: StageTable, stage: str, line: StageTimeline, among: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Of the earlier holders, or of those ``among``, what ``stage`` can go to now: not archived, deleted or rejected."""
    gone, closed = table.archived | table.deleted, {*line.rejected, table.stages.get(stage)}
    wanted = line.earlier if among is None else among
    return tuple(each for each in dict.fromkeys(wanted) if each not in gone and each not in closed)


def find_rollback_target(table: StageTable, model: str, stage: str, line: StageTimeline, to: int | None = None) -> int:
    """The version that a rollback of ``stage`` goes to: ``to``, or the nearest earlier holder that is not deleted.

    ``to`` is any version that ever held the stage, also one that was rolled back from. Raises :class:`InvalidInput`
    when it never did, :class:`NotFound` when it was deleted or there is
    none, :class:`Conflict` when it is archived, :class:`Refused` when somebody rejected it.
    """
    current = table.stages.get(stage)
    earlier = [number for number in dict.fromkeys(line.earlier) if number != current]
    if to is not None and (to == current or to not in line.holders):
        can = " ".join(f"{model}@{number}" for number in list_candidates(table, stage, line, line.holders)[:10])
        raise InvalidInput(
            f"{stage} of {model} is at {model}@{to} already" if to == current else f"{model}@{to} never held {stage}",
            f"a rollback can go to {can}" if can else "there is no version to roll back to",
        )
    if to is not None and to in table.deleted:
        raise NotFound(
            f"{model}@{to}, which held {stage} before, was deleted", suggest_rollback(table, model, stage, line, to)
        )
    target = to if to is not None else next((each for each in earlier if each not in table.deleted), None)
    if target is None:
        raise NotFound(f"nothing held {stage} of {model} before", "there is no version to roll back to")
    if target in table.archived:
        further = suggest_rollback(table, model, stage, line, target)
        raise Conflict(
            f"{model}@{target}, which held {stage} before, is archived",
            f"registry restore {model}@{target} first, or {further}",
        )
    if target in line.rejected:
        raise Refused(
            f"{model}@{target}, which held {stage} before, was rejected for it: registry approvals {model}@{target}",
            suggest_rollback(table, model, stage, line, target),
        )
    return target


def suggest_rollback(table: StageTable, model: str, stage: str, line: StageTimeline, number: int) -> str:
    """What to do when a rollback can't go to ``number``: the next candidate behind it, else another one."""
    earlier = list(dict.fromkeys(line.earlier))
    can = list_candidates(table, stage, line)
    behind = earlier[earlier.index(number) + 1 :] if number in earlier else []
    following = next((each for each in (*behind, *can) if each in can and each != number), None)
    if following is None:
        return "promote another version"
    return f"registry rollback {model} {stage} --to {following} goes to the next"


@dataclass(frozen=True)
class StageHolder:
    """A version that held, or holds, a stage. ``state`` is ``current``, ``next`` (where a rollback goes), ``earlier``,
    ``rolled-back`` (what it was rolled back from, where ``to`` goes again), ``archived``, ``rejected`` or ``deleted``.
    """

    model: str
    number: int
    state: str

    @property
    def ref(self) -> str:
        return f"{self.model}@{self.number}"


def list_holders(table: StageTable, model: str, stage: str, line: StageTimeline) -> tuple[StageHolder, ...]:
    """What holds ``stage``, what held it before, the nearest first, and what it was rolled back from, each once."""
    current = table.stages.get(stage)
    try:
        following = find_rollback_target(table, model, stage, line)
    except (Conflict, NotFound, Refused):
        following = None
    found = [] if current is None else [StageHolder(model, current, "current")]
    for number in line.holders:
        states = {
            "deleted": number in table.deleted,
            "archived": number in table.archived,
            "rejected": number in line.rejected,
            "next": number == following,
            "rolled-back": number not in line.earlier,
        }
        if number != current:
            found.append(StageHolder(model, number, next((state for state, so in states.items() if so), "earlier")))
    return tuple(found)


def find_rollback_targets(
    table: StageTable, numbers: VersionRanges, chains: Mapping[str, StageTimeline]
) -> dict[str, int]:
    """Of ``numbers`` those that a rollback of an occupied stage would go to, by stage."""
    found = {}
    for stage, line in chains.items():
        current = table.stages.get(stage)
        gone = (number for number in line.earlier if number != current and number not in table.deleted)
        target = next(gone, None)
        if target is not None and current is not None and target in numbers and target not in table.archived:
            found[stage] = target
    return found


def check_rollback_targets(
    table: StageTable, model: str, numbers: VersionRanges, chains: Mapping[str, StageTimeline]
) -> None:
    """:class:`Conflict` for the version that a rollback of an occupied stage would go to."""
    for stage, target in find_rollback_targets(table, numbers, chains).items():
        raise Conflict(
            f"{model}@{target} is what a rollback of {stage} would go to", "keep it, or say --force with a --reason"
        )
