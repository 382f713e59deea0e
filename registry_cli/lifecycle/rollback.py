"""Rollback: what a stage held, as its events tell it, and which of that a rollback can go to. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import Conflict, InvalidInput, NotFound, Refused
from ..numbers import Numbers
from ..records import Event, StageTable
from .stages import STAGE_ACTIONS


@dataclass(frozen=True)
class Chain:
    """What a stage held, oldest first, without what was rolled back. ``held`` says whether the last still holds it.

    ``rejected`` are those of them that somebody rejected for the stage, where that was looked for.
    """

    numbers: tuple[int, ...] = ()
    held: bool = False
    rejected: frozenset[int] = frozenset()

    @property
    def earlier(self) -> tuple[int, ...]:
        """What a rollback can go to, nearest first."""
        return tuple(reversed(self.numbers[:-1] if self.held else self.numbers))


def chain(events: Iterable[Event], stage: str) -> Chain:
    """Replay the moves of ``stage``. A rollback goes back along the chain; going again goes one further."""
    numbers: list[int] = []
    held = False
    for event in events:
        if event.action == "repaired":  # the lines before are lost: what it held then is all that is known
            after = event.detail.get("stages", {}).get(stage)
        elif event.action not in STAGE_ACTIONS or event.detail.get("stage") != stage:
            continue
        else:
            after = event.detail.get("after")
        held = after is not None
        if after is None:
            continue
        if event.action == "rolled-back" and after in numbers:
            while numbers[-1] != after:
                numbers.pop()
        elif not numbers or numbers[-1] != after:
            numbers.append(after)
    return Chain(tuple(numbers), held)


def candidates(table: StageTable, stage: str, line: Chain) -> tuple[int, ...]:
    """The earlier holders that a rollback of ``stage`` can go to now, the nearest first: not archived, deleted or rejected."""
    gone, closed = table.archived | table.deleted, {*line.rejected, table.stages.get(stage)}
    return tuple(each for each in dict.fromkeys(line.earlier) if each not in gone and each not in closed)


def rollback_target(table: StageTable, model: str, stage: str, line: Chain, to: int | None = None) -> int:
    """The version that a rollback of ``stage`` goes to: ``to``, or the nearest earlier holder that is not deleted.

    Raises :class:`InvalidInput` when ``to`` is no earlier holder, :class:`NotFound` when it was deleted or there is
    none, :class:`Conflict` when it is archived, :class:`Refused` when somebody rejected it.
    """
    current = table.stages.get(stage)
    earlier = [number for number in dict.fromkeys(line.earlier) if number != current]
    if to is not None and to not in earlier:
        can = " ".join(f"{model}@{number}" for number in candidates(table, stage, line)[:10])
        raise InvalidInput(
            f"{stage} of {model} is at {model}@{to} already"
            if to == current
            else f"{model}@{to} is no earlier holder of {stage}",
            f"a rollback can go to {can}" if can else "there is no version to roll back to",
        )
    if to is not None and to in table.deleted:
        raise NotFound(f"{model}@{to}, which held {stage} before, was deleted", advice(table, model, stage, line, to))
    target = to if to is not None else next((each for each in earlier if each not in table.deleted), None)
    if target is None:
        raise NotFound(f"nothing held {stage} of {model} before", "there is no version to roll back to")
    if target in table.archived:
        further = advice(table, model, stage, line, target)
        raise Conflict(
            f"{model}@{target}, which held {stage} before, is archived",
            f"registry restore {model}@{target} first, or {further}",
        )
    if target in line.rejected:
        raise Refused(
            f"{model}@{target}, which held {stage} before, was rejected for it: registry approvals {model}@{target}",
            advice(table, model, stage, line, target),
        )
    return target


def advice(table: StageTable, model: str, stage: str, line: Chain, number: int) -> str:
    """What to do when a rollback can't go to ``number``: the next candidate behind it, else another one."""
    earlier = list(dict.fromkeys(line.earlier))
    can = candidates(table, stage, line)
    behind = earlier[earlier.index(number) + 1 :] if number in earlier else []
    following = next((each for each in (*behind, *can) if each in can and each != number), None)
    if following is None:
        return "promote another version"
    return f"registry rollback {model} {stage} --to {following} goes to the next"


@dataclass(frozen=True)
class Holder:
    """A version that held, or holds, a stage. ``state`` is ``current``, ``next`` (where a rollback goes), ``earlier``,
    ``archived``, ``rejected`` or ``deleted``.
    """

    model: str
    number: int
    state: str

    @property
    def ref(self) -> str:
        return f"{self.model}@{self.number}"


def holders(table: StageTable, model: str, stage: str, line: Chain) -> tuple[Holder, ...]:
    """What holds ``stage``, and what held it before, the nearest first, each version once."""
    current = table.stages.get(stage)
    try:
        following = rollback_target(table, model, stage, line)
    except (Conflict, NotFound, Refused):
        following = None
    found = [] if current is None else [Holder(model, current, "current")]
    for number in dict.fromkeys(line.earlier):
        states = {
            "deleted": number in table.deleted,
            "archived": number in table.archived,
            "rejected": number in line.rejected,
            "next": number == following,
        }
        if number != current:
            found.append(Holder(model, number, next((state for state, so in states.items() if so), "earlier")))
    return tuple(found)


def rollback_targets(table: StageTable, numbers: Numbers, chains: Mapping[str, Chain]) -> dict[str, int]:
    """Of ``numbers`` those that a rollback of an occupied stage would go to, by stage."""
    found = {}
    for stage, line in chains.items():
        current = table.stages.get(stage)
        gone = (number for number in line.earlier if number != current and number not in table.deleted)
        target = next(gone, None)
        if target is not None and current is not None and target in numbers and target not in table.archived:
            found[stage] = target
    return found


def refuse_rollback_targets(table: StageTable, model: str, numbers: Numbers, chains: Mapping[str, Chain]) -> None:
    """:class:`Conflict` for the version that a rollback of an occupied stage would go to."""
    for stage, target in rollback_targets(table, numbers, chains).items():
        raise Conflict(
            f"{model}@{target} is what a rollback of {stage} would go to",
            "keep it, or say --force with a --reason",
        )
