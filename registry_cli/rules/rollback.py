"""Rollback: the versions that a stage held, from its events, and to which of them it can be rolled back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import Record, dataclass
from ..core.quantities import parse_epoch, to_epoch
from ..core.records import Event, StageTable
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, InvalidInput, NotFound, Refused
from .stages import ALIAS_ACTIONS, STAGE_ACTIONS, get_pointers_after

if TYPE_CHECKING:
    from datetime import datetime

#: The key of an event that undoes a move: the id of the event that is undone.
UNDOES = "undoes"
#: Seconds in which a second rollback of a stage may be another person's reaction to the same incident.
WINDOW = 600


@dataclass(frozen=True)
class StageTimeline:
    """The versions that a stage held, oldest first, without those that were rolled back.

    ``held`` says whether the last one still holds it. ``left`` are the versions that were rolled back from, the last
    holder first, ``rejected`` those with a rejection for the stage, if that was read; ``rollback`` is the last rollback,
    an undo not counted, and ``moved_since`` whether the stage was moved after it.
    """

    numbers: tuple[int, ...] = ()
    held: bool = False
    rejected: frozenset[int] = frozenset()
    left: tuple[int, ...] = ()
    rollback: Event | None = None
    moved_since: bool = False

    @property
    def earlier(self) -> tuple[int, ...]:
        """The targets of repeated rollbacks, nearest first."""
        return tuple(reversed(self.numbers[:-1] if self.held else self.numbers))

    @property
    def holders(self) -> tuple[int, ...]:
        """Every version that held the stage: ``earlier``, then those that were rolled back from."""
        return tuple(dict.fromkeys((*self.earlier, *self.left)))


class RecentRollback(Conflict):
    """A second rollback of a stage, shortly after the first; ``current`` is the version in the stage."""

    def __init__(self, message: str, hint: str, current: int | None) -> None:
        super().__init__(message, hint)
        self.current = current


def build_timeline(events: Iterable[Event], stage: str) -> StageTimeline:
    """Replay the moves of ``stage``. A rollback goes to an earlier version, or forward to one that was rolled back."""
    numbers: list[int] = []
    undone: list[int] = []
    every: dict[int, None] = {}
    held, newest, moved_since = False, None, False
    for event in events:
        pointers = get_pointers_after(event, (stage,))
        if stage not in pointers:
            continue
        after = pointers[stage]
        rolled_back = event.action == "rolled-back"
        moved_since = True
        if rolled_back and UNDOES not in event.detail:
            newest, moved_since = event, False
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
    return StageTimeline(tuple(numbers), held, left=left, rollback=newest, moved_since=moved_since)


def check_recent_rollback(line: StageTimeline, model: str, stage: str, current: int | None, now: datetime) -> None:
    """Raise :class:`RecentRollback` if ``stage`` was rolled back less than :data:`WINDOW` seconds ago, by anyone.

    A time that can't be parsed, or in the future (clocks differ), counts as recent.
    """
    event = line.rollback
    at = parse_epoch(event.at) if event else None
    age = 0.0 if at is None else to_epoch(now) - at
    if event is None or age >= WINDOW:
        return
    before, after = (
        "nothing" if (number := event.detail.get(key)) is None else f"{model}@{number}" for key in ("before", "after")
    )
    ago = f"{int(age) // 60} min ago" if age >= 60 else f"{max(int(age), 0)} s ago"
    raise RecentRollback(
        f"{stage} of {model} was rolled back from {before} to {after} by {event.by} {ago}",
        f"run 'registry rollback {model} {stage} --list'; add `again` to roll back once more",
        current,
    )


def list_targets(table: StageTable, stage: str, line: StageTimeline) -> list[int]:
    """List the earlier holders that are neither in ``stage`` now nor deleted, the target of a rollback first."""
    current = table.stages.get(stage)
    return [each for each in dict.fromkeys(line.earlier) if each != current and each not in table.deleted]


def list_candidates(
    table: StageTable, stage: str, line: StageTimeline, among: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """List the earlier holders, or those ``among``, that are not in ``stage`` now, archived, deleted or rejected."""
    gone, closed = table.archived | table.deleted, {*line.rejected, table.stages.get(stage)}
    wanted = line.earlier if among is None else among
    return tuple(each for each in dict.fromkeys(wanted) if each not in gone and each not in closed)


def find_rollback_target(table: StageTable, model: str, stage: str, line: StageTimeline, to: int | None = None) -> int:
    """Return the target of a rollback of ``stage``: ``to``, or the nearest earlier holder that is not deleted.

    Raises:
        InvalidInput: ``to`` never held the stage, or holds it now.
        NotFound: the target was deleted, or there is none.
        Conflict: it is archived.
        Refused: it was rejected for the stage.
    """
    current = table.stages.get(stage)
    if to is not None and (to == current or to not in line.holders):
        can = " ".join(f"{model}@{number}" for number in list_candidates(table, stage, line, line.holders)[:10])
        raise InvalidInput(
            f"{stage} of {model} is already {model}@{to}" if to == current else f"{model}@{to} never held {stage}",
            f"possible targets: {can}" if can else "there is no version to roll back to",
        )
    target = to if to is not None else next(iter(list_targets(table, stage, line)), None)
    if target is None:
        raise NotFound(f"no other version has held {stage} of {model}", "there is no version to roll back to")
    message = f"{model}@{target}, which held {stage} before,"
    further = suggest_rollback(table, model, stage, line, target)
    if target in table.deleted:
        raise NotFound(f"{message} was deleted", further)
    if target in table.archived:
        raise Conflict(f"{message} is archived", f"run 'registry restore {model}@{target}' first, or {further}")
    if target in line.rejected:
        raise Refused(f"{message} was rejected for it (see 'registry approvals {model}@{target}')", further)
    return target


def suggest_rollback(table: StageTable, model: str, stage: str, line: StageTimeline, number: int) -> str:
    """A hint for a rollback that can't go to ``number``: the next candidate before it, else another one."""
    earlier = list(dict.fromkeys(line.earlier))
    can = list_candidates(table, stage, line)
    behind = earlier[earlier.index(number) + 1 :] if number in earlier else []
    following = next((each for each in (*behind, *can) if each in can and each != number), None)
    if following is None:
        return "promote another version"
    return f"for the next candidate: registry rollback {model} {stage} --to {following}"


@dataclass(frozen=True)
class StageHolder(Record):
    """A version that held, or holds, a stage. ``state`` is ``current``, ``next`` (the target of a rollback),
    ``earlier``, ``rolled-back`` (possible with ``to``), ``archived``, ``rejected`` or ``deleted``.
    """

    model: str
    number: int
    state: str

    @property
    def ref(self) -> str:
        return f"{self.model}@{self.number}"


def list_holders(table: StageTable, model: str, stage: str, line: StageTimeline) -> tuple[StageHolder, ...]:
    """List the holder of ``stage``, the earlier holders, nearest first, and those that were rolled back from."""
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
    """Return the versions among ``numbers`` that a rollback of an occupied stage would go to, by stage."""
    found = {}
    for stage, line in chains.items():
        target = next(iter(list_targets(table, stage, line)), None)
        if target is not None and stage in table.stages and target in numbers and target not in table.archived:
            found[stage] = target
    return found


def check_rollback_targets(
    table: StageTable, model: str, numbers: VersionRanges, chains: Mapping[str, StageTimeline]
) -> None:
    """Raise :class:`Conflict` if ``numbers`` has a version that a rollback of an occupied stage would go to."""
    for stage, target in find_rollback_targets(table, numbers, chains).items():
        message = f"{model}@{target} is the rollback target of {stage}"
        raise Conflict(message, "keep it, or use `force` with a `reason`")


def get_moved_pointer(event: Event) -> tuple[str, str] | None:
    """``stage`` or ``alias`` and its name, if the event moved one."""
    kind = "stage" if event.action in STAGE_ACTIONS else "alias"
    moves = event.action in STAGE_ACTIONS or event.action in ALIAS_ACTIONS
    return (kind, str(event.detail.get(kind))) if moves else None


def find_own_move(newest: Iterable[Event], model: str, author: str) -> Event:
    """Return the last move of a stage or an alias by ``author``; ``newest`` are the events, the newest first.

    Raises:
        Conflict: The pointer was moved since, only others moved one, or it was an undo.
        NotFound: Nothing was moved yet.
    """
    later: dict[tuple[str, str], Event] = {}
    for event in newest:
        if event.action == "repaired":  # the history before it is lost
            break
        if (pointer := get_moved_pointer(event)) is None:
            continue
        if event.by != author:
            later.setdefault(pointer, event)
        elif pointer in later:
            raise Conflict(
                f"your last move in {model} was {_describe_move(event)}, but {later[pointer].by} moved {pointer[1]} since: "
                f"{_describe_move(later[pointer])}",
                f"registry history {model} shows what happened",
            )
        elif UNDOES in event.detail:
            raise Conflict(
                f"your last move in {model} was an undo: {_describe_move(event)}", "to redo it, promote or set it again"
            )
        else:
            return event
    if later:
        last = next(iter(later.values()))
        raise Conflict(
            f"no move in {model} is yours: the last one was {_describe_move(last)}, by {last.by}",
            "only your own last move can be undone; registry rollback rolls a stage back",
        )
    raise NotFound(f"there is no move to undo in {model}", f"registry history {model} shows what happened")


def _describe_move(event: Event) -> str:
    pointer = get_moved_pointer(event)
    before, after = (event.detail.get(key) or "nothing" for key in ("before", "after"))
    return f"{pointer[1] if pointer else ''} {before} -> {after}"
