"""The rules of stages, aliases, archiving and deletion: functions from one stage table to the next.

Each returns the new table, or raises an error. The caller commits the table.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from ..core.lazy_dataclass import dataclass
from ..core.names import Reference, Selector, version_number
from ..core.records import Event, StageTable
from ..core.text import suggest
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, InvalidInput, NotFound

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: The actions of retention.
ARCHIVE, DELETE, PACK = "archive", "delete", "pack"
#: The actions of events that change a stage.
STAGE_ACTIONS = frozenset({"promoted", "demoted", "rolled-back"})
#: The actions of events that change an alias.
ALIAS_ACTIONS = frozenset({"aliased", "unaliased"})


class Unset(enum.Enum):
    """The value of ``expect`` if nothing is expected (None means that the stage must be empty)."""

    ANY = "any"


ANY = Unset.ANY
Expected = int | None | Unset


def check_stage(stage: str, stages: tuple[str, ...]) -> None:
    """Raise :class:`InvalidInput` for a stage that this registry doesn't have."""
    if stage not in stages:
        hint = suggest(stage, stages) or f"available: {', '.join(stages)}"
        raise InvalidInput(f"unknown stage '{stage}'", hint)


def parse_expected(text: str, model: str) -> int | None:
    """Parse the value of ``--expect``: a version of ``model`` as ``6`` or ``churn@6``, or ``none`` as None."""
    if text == "none":
        return None
    number, hint = version_number(text), f"use a number, {model}@NUMBER, or 'none' for an empty stage"
    if number is None and "@" in text:
        reference = Reference.parse(text)
        if reference.model != model:
            raise InvalidInput(f"`expect` {text} is a version of another model, not of {model}", hint)
        number = reference.selector.number if reference.selector else None
    if number is None:
        raise InvalidInput(f"'{text}' is not a valid version for `expect`", hint)
    return number


def check_expected(pointers: Mapping[str, int], name: str, model: str, expected: Expected) -> None:
    """Raise :class:`Conflict`, with the current value, unless ``name`` is at ``expected``, or that is ANY."""
    current = pointers.get(name)
    if expected is not ANY and expected is not None and type(expected) is not int:
        raise InvalidInput(f"invalid `expect`: {expected!r}", "use a version number, or None for empty")
    if expected is not ANY and current != expected:
        now = f"at {model}@{current}" if current else "empty"
        wanted = f"{model}@{expected}" if expected else "empty"
        raise Conflict(f"{name} of {model} is {now}, not {wanted}", "it was changed concurrently; check it and retry")


def resolve_selector(table: StageTable, model: str, selector: Selector) -> int:
    """Return the version of a stage, an alias or a number. ``latest`` and digests are resolved by the reader."""
    if selector.number is not None:
        return selector.number
    name = str(selector.name)
    for pointers in (table.stages, table.aliases):
        if name in pointers:
            return pointers[name]
    hint = suggest(name, [*table.stages, *table.aliases]) or f"run 'registry show {model}' for its stages and aliases"
    raise NotFound(f"{model} has no version in '{name}'", hint)


def check_in_use(table: StageTable, model: str, number: int) -> None:
    """Raise :class:`Conflict` for a version that is archived or packed."""
    if number in table.archived or number in table.packed:
        state = "archived" if number in table.archived else "packed"
        raise Conflict(f"{model}@{number} is {state}", f"restore it with 'registry restore {model}@{number}'")


def set_stage(table: StageTable, model: str, stage: str, number: int, *, archive_previous: bool = False) -> StageTable:
    """Set ``stage`` to ``number``; archive the previous version if ``archive_previous``."""
    check_in_use(table, model, number)
    before = table.stages.get(stage)
    table = table.with_(stages={**table.stages, stage: number})
    if archive_previous and before is not None and before != number:
        table = archive(table, model, VersionRanges.from_numbers([before]))
    return table


def clear_stage(table: StageTable, stage: str) -> StageTable:
    return table.with_(stages={name: at for name, at in table.stages.items() if name != stage})


def set_alias(table: StageTable, model: str, alias: str, number: int) -> StageTable:
    check_in_use(table, model, number)
    return table.with_(aliases={**table.aliases, alias: number})


def remove_alias(table: StageTable, alias: str) -> StageTable:
    return table.with_(aliases={name: at for name, at in table.aliases.items() if name != alias})


def archive(table: StageTable, model: str, numbers: VersionRanges) -> StageTable:
    """Archive versions. Raises :class:`Conflict` while a stage or alias points to one of them."""
    for number in numbers:
        check_unpointed(table, model, number, "archived")
    return table.with_(archived=table.archived | numbers)


def restore(table: StageTable, numbers: VersionRanges) -> StageTable:
    """Bring archived versions back into use, unpacked."""
    return table.with_(archived=table.archived - numbers, packed=table.packed - numbers)


def pack(table: StageTable, model: str, number: int) -> StageTable:
    """Mark an archived version as packed."""
    if number in table.deleted:
        raise NotFound(f"{model}@{number} was deleted", "version numbers are never reused")
    if number not in table.archived:
        raise Conflict(f"{model}@{number} is in use", "only archived versions can be packed")
    return table.with_(packed=table.packed | VersionRanges.from_numbers([number]))


def delete(table: StageTable, model: str, number: int) -> StageTable:
    """Mark a version as deleted. Raises :class:`Conflict` while a stage or alias points to it."""
    check_unpointed(table, model, number, "deleted")
    one = VersionRanges.from_numbers([number])
    return table.with_(archived=table.archived - one, deleted=table.deleted | one, packed=table.packed - one)


def check_unpointed(table: StageTable, model: str, number: int, action: str) -> None:
    pointers = [f"stage {name}" for name in table.stages_of(number)]
    pointers += [f"alias {name}" for name in table.aliases_of(number)]
    if pointers:
        raise Conflict(
            f"{model}@{number} cannot be {action}: {' and '.join(pointers)} point{'s' if len(pointers) == 1 else ''} to it",
            "move or remove them first",
        )


@dataclass(frozen=True)
class StageInterval:
    """The time for which a version held ``stage``, in seconds since 1970; ``until`` is None while it does."""

    stage: str
    since: float
    until: float | None = None


def list_intervals(events: Iterable[Event], number: int) -> list[StageInterval]:
    """List the stages that a version held, oldest first. Where a time can't be parsed, the length is 0."""
    from ..core.quantities import parse_epoch  # with datetime

    held: dict[str, float] = {}
    found: list[StageInterval] = []
    for event in events:
        for stage, after in get_pointers_after(event, held).items():
            moment = parse_epoch(event.at)
            if stage in held and after != number:
                since = held.pop(stage)
                found.append(StageInterval(stage, since, since if moment is None else moment))
            elif stage not in held and after == number:
                held[stage] = float("inf") if moment is None else moment
    return [*found, *(StageInterval(stage, since) for stage, since in held.items())]


def get_pointers_after(event: Event, held: Iterable[str]) -> Mapping[str, Any]:
    """The versions of the stages that an event changes; ``held`` are the stages with a version before it."""
    detail = event.detail
    if event.action == "repaired":  # the history before it is lost
        stages = detail.get("stages")
        return {**dict.fromkeys(held), **(stages if isinstance(stages, Mapping) else {})}
    stage = detail.get("stage")
    return {stage: detail.get("after")} if event.action in STAGE_ACTIONS and isinstance(stage, str) else {}
