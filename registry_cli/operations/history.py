"""The history of one model or of all models, and what stages held before."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from .. import operations
from ..core.lazy_dataclass import RecordList
from ..core.records import Checkpoint, JournalEntry, ModelHistoryEntry
from ..core.times import resolve_time
from ..core.values import OneOrMore, as_list
from ..errors import RegistryError
from ..rules import event_history
from ..rules import stages as rules
from ..store import history, journal
from ..store.history import JournalTail
from ..store.model_names import iter_model_names
from .context import open_model, open_snapshot
from .search import raise_error

if TYPE_CHECKING:
    from ..rules.event_history import EventFilter
    from ..rules.rollback import StageHolder
    from .context import RegistryContext
    from .search import OnDamage


def list_history(
    context: RegistryContext,
    name: str,
    *,
    limit: int | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    actions: OneOrMore[str] = (),
    stage: str | None = None,
    on_damage: OnDamage = lambda _: None,
) -> RecordList[JournalEntry]:
    """Return the history of a model, the newest entry first.

    Args:
        limit: At most so many entries.
        since: Only what happened at this time or later.
        until: Only what happened before this time.
        actions: Only events with these actions, as :class:`Event` has them.
        stage: Only what moved this stage.
        on_damage: Called with the error for a history with a damaged or missing line, unless a ``limit`` is given; the
            other entries are returned.

    Raises:
        InvalidInput: There is no such action or stage.
    """
    wanted = _parse_filter(context, since, until, actions, stage)
    paths = open_model(context, name).paths
    if limit is None:  # a few entries are read from the end
        with _reporting_damage(on_damage):
            history.ensure_unbroken(paths)
    return RecordList(islice(history.newest_first(paths, wanted), limit))


def iter_histories(
    context: RegistryContext,
    *,
    limit: int | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    actions: OneOrMore[str] = (),
    stage: str | None = None,
    on_damage: OnDamage = raise_error,
) -> Iterator[ModelHistoryEntry]:
    """Iterate over the histories of all models as one, the newest entry first; see :meth:`history`."""
    wanted = _parse_filter(context, since, until, actions, stage)
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
    stage: str | None = None,
    pause: Callable[[], object] = lambda: time.sleep(1),
    on_damage: OnDamage = raise_error,
) -> Iterator[ModelHistoryEntry]:
    """Iterate over the newest ``limit`` entries of a model or of all, the oldest first; then over each new one, without end.

    Args:
        pause: Called between two looks; sleeps one second by default. A look is one system call per model.
    """
    wanted = _parse_filter(context, since, None, actions, stage)
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
    return list(iter_model_names(context.layout)) if name is None else [open_model(context, name).name]


def list_checkpoints(context: RegistryContext, models: OneOrMore[str] | None = None) -> list[Checkpoint]:
    """Return the last line of each model's history (all by default), to be kept elsewhere; see :meth:`verify`.

    Only the journal counts: a change whose line a crash held back is in it after the next change.
    """
    found = []
    for name in iter_model_names(context.layout) if models is None else as_list(models, "models"):
        last = journal.last_entry(open_model(context, name).paths.history)
        found.append(Checkpoint(name, last.seq if last else 0, last.hash if last else event_history.EMPTY_HASH))
    return found


def list_holders(context: RegistryContext, name: str, stage: str) -> tuple[StageHolder, ...]:
    """Return what holds a stage, what held it before, the nearest first, and what it was rolled back from.

    Each is a version that :meth:`rollback` can go to, unless it is archived, deleted or rejected.
    """
    from ..rules import rollback

    rules.check_stage(stage, context.stages)
    snapshot = open_snapshot(context, name)
    return rollback.list_holders(snapshot.table, name, stage, operations.approvals.read_chain(snapshot, stage))


def list_earlier_holders(context: RegistryContext, name: str, stage: str) -> tuple[int, ...]:
    """Return the versions that rollbacks of a stage go to one after another, the nearest first."""
    rules.check_stage(stage, context.stages)
    entries = history.read_entries(open_snapshot(context, name), history.STAGE)
    return history.stage_timelines(entries, (stage,))[stage].earlier


def _parse_filter(
    context: RegistryContext,
    since: str | datetime | None,
    until: str | datetime | None,
    actions: OneOrMore[str],
    stage: str | None,
) -> EventFilter:
    if stage is not None:
        rules.check_stage(stage, context.stages)
    begin, end = resolve_time(since, context.clock), resolve_time(until, context.clock)
    return event_history.parse_event_filter(begin, end, as_list(actions, "actions"), stage)


@contextlib.contextmanager
def _reporting_damage(on_damage: OnDamage) -> Iterator[None]:
    """Report the history of a model that can't be read, and go on."""
    try:
        yield
    except RegistryError as error:
        on_damage(error)


def _iter_newest(heads: Mapping[str, JournalTail], wanted: EventFilter) -> Iterator[ModelHistoryEntry]:
    """Merge the histories up to these tails, the newest entry first."""
    newest = [(head.last.event.at, name) for name, head in heads.items() if head.last]
    return event_history.merge_histories(newest, lambda name: heads[name].history(wanted))
