"""The history of one model or of all models, and what stages held before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from ..core.records import Checkpoint, JournalEntry, ModelHistoryEntry
from ..core.times import resolve_time
from ..core.values import OneOrMore, as_list
from ..errors import RegistryError
from ..rules import event_history
from ..rules import stages as rules
from ..store import history, journal
from ..store.history import JournalTail
from ..store.model_names import iter_model_names
from .context import open_model
from .search import list_model_names, raise_error

if TYPE_CHECKING:
    from ..rules.event_history import EventFilter
    from ..rules.rollback import StageHolder
    from .context import RegistryContext
    from .search import OnDamage


def sleep_one_second() -> None:
    """What :meth:`LookingBack.follow` does between two looks."""
    import time

    time.sleep(1)


def list_history(
    context: RegistryContext,
    name: str,
    *,
    limit: int | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    actions: OneOrMore[str] = (),
) -> list[JournalEntry]:
    """The history of a model, the newest entry first, at most ``limit`` of them.

    Only what happened at ``since`` or later, and before ``until``; only these ``actions``, as :class:`Event` has
    them. Raises :class:`InvalidInput` for an action that there is not.
    """
    wanted = _parse_filter(since, until, actions)
    return list(islice(history.newest_first(open_model(context, name).paths, wanted), limit))


def iter_histories(
    context: RegistryContext,
    *,
    limit: int | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    actions: OneOrMore[str] = (),
    on_damage: OnDamage = raise_error,
) -> Iterator[ModelHistoryEntry]:
    """The histories of all models as one, the newest entry first; see :meth:`history`.

    ``on_damage`` is told of each model whose history can't be read; the rest is told.
    """
    wanted = _parse_filter(since, until, actions)
    heads: dict[str, JournalTail] = {}
    for name in iter_model_names(context.layout):
        with _reporting_damage(on_damage):
            heads[name] = JournalTail.from_layout(context.layout.model(name))
    return islice(_iter_newest(heads, wanted), limit)


def follow_history(
    context: RegistryContext,
    name: str | None = None,
    *,
    limit: int | None = 10,
    since: str | datetime | None = None,
    actions: OneOrMore[str] = (),
    pause: Callable[[], object] = sleep_one_second,
    on_damage: OnDamage = raise_error,
) -> Iterator[ModelHistoryEntry]:
    """The newest ``limit`` entries of a model, or of all, the oldest first; then each new one, without an end.

    Between two looks ``pause`` is called. A look costs one system call a model while nothing happens.
    """
    wanted = _parse_filter(since, None, actions)
    heads: dict[str, JournalTail] = {}
    for each in _list_followed(context, name):
        with _reporting_damage(on_damage):
            heads[each] = JournalTail.from_layout(context.layout.model(each))
    yield from reversed(list(islice(_iter_newest(heads, wanted), limit)))
    while True:
        pause()
        new_entries = []
        for each in _list_followed(context, name):
            head = heads.setdefault(each, JournalTail(context.layout.model(each)))
            with _reporting_damage(on_damage):
                new_entries += [ModelHistoryEntry(each, entry) for entry in head.news() if wanted.fits(entry)]
        yield from sorted(new_entries, key=lambda each: each.entry.event.at)


def _list_followed(context: RegistryContext, name: str | None) -> list[str]:
    return list_model_names(context) if name is None else [open_model(context, name).name]


def list_checkpoints(context: RegistryContext, models: OneOrMore[str] | None = None) -> list[Checkpoint]:
    """The last line of the history of each model (all by default), to be kept elsewhere: see :meth:`verify`.

    Only what is in the journal counts: a change whose line a crash held back is not in it before the next change.
    """
    from ..rules import event_history

    found = []
    for name in list_model_names(context) if models is None else as_list(models, "models"):
        last = journal.last_entry(open_model(context, name).paths.history)
        found.append(Checkpoint(name, last.seq if last else 0, last.hash if last else event_history.EMPTY_HASH))
    return found


def list_holders(context: RegistryContext, name: str, stage: str) -> tuple[StageHolder, ...]:
    """What holds ``stage``, what held it before, the nearest first, and what it was rolled back from.

    Each is a version that ``rollback(to=…)`` can go to, unless it is archived, deleted or rejected.
    """
    from .approvals import read_chain

    rules.check_stage(stage, context.stages)
    from ..rules import rollback

    model = open_model(context, name)
    state = model.state()
    return rollback.list_holders(state.table, name, stage, read_chain(model, state, stage))


def list_earlier_holders(context: RegistryContext, name: str, stage: str) -> tuple[int, ...]:
    """The versions that rollbacks of ``stage`` go to one after another, the nearest first; :meth:`holders` has all."""
    rules.check_stage(stage, context.stages)
    return history.stage_timelines(open_model(context, name).paths, (stage,))[stage].earlier


def _parse_filter(since: str | datetime | None, until: str | datetime | None, actions: OneOrMore[str]) -> EventFilter:
    return event_history.parse_event_filter(resolve_time(since), resolve_time(until), as_list(actions, "actions"))


@contextlib.contextmanager
def _reporting_damage(on_damage: OnDamage) -> Iterator[None]:
    """The history of one model that can't be read is told of, and the others go on."""
    try:
        yield
    except RegistryError as error:
        on_damage(error)


def _iter_newest(heads: Mapping[str, JournalTail], wanted: EventFilter) -> Iterator[ModelHistoryEntry]:
    """What is wanted of the histories up to their heads, as one, the newest first."""
    newest = [(head.last.event.at, name) for name, head in heads.items() if head.last]
    return event_history.merge_histories(newest, lambda name: heads[name].history(wanted))
