"""The rules of stages, aliases, the archive and deletion: from one stage table to the next.

Every function returns the new table or raises; none looks at a file. The caller commits the table.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Union

from ..errors import Conflict, InvalidInput, NotFound, Refused
from ..names import Selector, version_number
from ..numbers import Numbers
from ..records import Event, StageTable

#: What retention may do to versions.
ARCHIVE = "archive"
DELETE = "delete"
PACK = "pack"
#: Actions that change what a stage points to.
STAGE_ACTIONS = frozenset({"promoted", "demoted", "rolled-back"})
#: Those that change what an alias points to.
ALIAS_ACTIONS = frozenset({"aliased", "unaliased"})


class Unset(enum.Enum):
    """The value of ``expect`` when nothing is expected (None means that the pointer must point to nothing)."""

    ANY = "any"


ANY = Unset.ANY
Expected = Union[int, None, Unset]


def check_stage(stage: str, stages: tuple[str, ...]) -> None:
    """Refuse a stage that this registry doesn't have."""
    if stage not in stages:
        raise InvalidInput(f"there is no stage '{stage}'", f"this registry has: {', '.join(stages)}")


def parse_expected(text: str) -> int | None:
    """What ``--expect`` was given: a version number, or ``none`` as None."""
    if text == "none":
        return None
    number = version_number(text)
    if number is None:
        raise InvalidInput(f"'{text}' is no version to expect", "use a number, or 'none' for an empty stage")
    return number


def check_expected(pointers: Mapping[str, int], name: str, model: str, expected: int | None) -> None:
    """Compare-and-swap: :class:`Conflict`, with the current value, unless ``name`` is at ``expected``."""
    current = pointers.get(name)
    if current != expected:
        now = f"at {model}@{current}" if current else "empty"
        wanted = f"{model}@{expected}" if expected else "empty"
        raise Conflict(f"{name} of {model} is {now}, not {wanted}", "somebody was faster: look again, then decide")


def resolve(table: StageTable, model: str, selector: Selector) -> int:
    """The number that a stage, an alias or a number stands for. ``latest`` and digests are the reader's to find."""
    if selector.number is not None:
        return selector.number
    name = str(selector.name)
    for pointers in (table.stages, table.aliases):
        if name in pointers:
            return pointers[name]
    raise NotFound(f"{model} has no version at '{name}'", f"registry show {model} lists its stages and aliases")


def in_use(table: StageTable, model: str, number: int) -> None:
    """Refuse a version that is archived or packed, for what puts a version into use."""
    if number in table.archived or number in table.packed:
        state = "archived" if number in table.archived else "packed"
        raise Conflict(f"{model}@{number} is {state}", f"registry restore {model}@{number} brings it back")


def place(table: StageTable, model: str, stage: str, number: int, *, archive_previous: bool = False) -> StageTable:
    """``stage`` points to ``number``; what held it before stays as it is, or goes to the archive."""
    in_use(table, model, number)
    before = table.stages.get(stage)
    table = table.with_(stages={**table.stages, stage: number})
    if archive_previous and before is not None and before != number:
        table = archive(table, model, Numbers.of([before]))
    return table


def clear(table: StageTable, stage: str) -> StageTable:
    """``stage`` points to nothing."""
    return table.with_(stages={name: at for name, at in table.stages.items() if name != stage})


def set_alias(table: StageTable, model: str, alias: str, number: int) -> StageTable:
    in_use(table, model, number)
    return table.with_(aliases={**table.aliases, alias: number})


def remove_alias(table: StageTable, alias: str) -> StageTable:
    return table.with_(aliases={name: at for name, at in table.aliases.items() if name != alias})


def archive(table: StageTable, model: str, numbers: Numbers) -> StageTable:
    """Take versions out of use. :class:`Conflict` while a stage or alias points to one of them."""
    for number in numbers:
        refuse_pointed(table, model, number, "archived")
    return table.with_(archived=table.archived | numbers)


def restore(table: StageTable, numbers: Numbers) -> StageTable:
    """Bring archived versions back into use; their files lie in their folders."""
    return table.with_(archived=table.archived - numbers, packed=table.packed - numbers)


def pack(table: StageTable, model: str, number: int) -> StageTable:
    """The files of an archived version lie in its pack from now on."""
    if number in table.deleted:
        raise NotFound(f"{model}@{number} was deleted", "its number is not used again")
    if number not in table.archived:
        raise Conflict(f"{model}@{number} is in use", "only what is archived is packed")
    return table.with_(packed=table.packed | Numbers.of([number]))


def delete(table: StageTable, model: str, number: int) -> StageTable:
    """Leave a tombstone for a version. :class:`Conflict` while a stage or alias points to it."""
    refuse_pointed(table, model, number, "deleted")
    one = Numbers.of([number])
    return table.with_(archived=table.archived - one, deleted=table.deleted | one, packed=table.packed - one)


def refuse_pointed(table: StageTable, model: str, number: int, deed: str) -> None:
    pointers = [f"stage {name}" for name in table.stages_of(number)]
    pointers += [f"alias {name}" for name in table.aliases_of(number)]
    if pointers:
        raise Conflict(
            f"{model}@{number} can't be {deed}: {' and '.join(pointers)} point{'s' if len(pointers) == 1 else ''} to it",
            "move or remove that first",
        )


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


class Holding(NamedTuple):
    """That a version held ``stage``, from when until when, in seconds since 1970; ``until`` is None while it does."""

    stage: str
    since: float
    until: float | None = None


def holdings(events: Iterable[Event], number: int) -> list[Holding]:
    """Every stage that version ``number`` held, oldest first. Where the times can't be read, it held it for no time."""
    from .quantities import epoch

    begun: dict[str, float] = {}
    found: list[Holding] = []
    for event in events:
        for stage, after in _moved_by(event, begun).items():
            moment = epoch(event.at)
            if stage in begun and after != number:
                since = begun.pop(stage)
                found.append(Holding(stage, since, since if moment is None else moment))
            elif stage not in begun and after == number:
                begun[stage] = math.inf if moment is None else moment
    return [*found, *(Holding(stage, since) for stage, since in begun.items())]


def _moved_by(event: Event, held: Iterable[str]) -> Mapping[str, object]:
    """What each stage that an event is about points to after it; ``held`` are those that held something before."""
    detail = event.detail
    if event.action == "repaired":  # the lines before are lost: what stages held then is all that is known
        told = detail.get("stages")
        return {**dict.fromkeys(held), **(told if isinstance(told, Mapping) else {})}
    stage = detail.get("stage")
    return {stage: detail.get("after")} if event.action in STAGE_ACTIONS and isinstance(stage, str) else {}


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
