"""Record metrics of versions in use, and check them against the rules of ``monitor``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..core import names, values
from ..core.lazy_dataclass import Record, RecordList, dataclass, replace
from ..core.names import Reference
from ..core.observations import Observation, fold, format_slice
from ..core.quantities import parse_duration, parse_time, to_epoch
from ..core.records import Event
from ..core.times import format_time
from ..core.values import OneOrMore, as_list
from ..errors import Damaged, InvalidInput, Refused
from ..monitoring import observation_files
from ..monitoring.observation_files import ClosedMonth
from ..rules.event_history import EventFilter
from ..rules.monitor_evaluation import ALERT, OK, STALE, SeriesStatus, evaluate_series, evaluate_staleness
from ..store import history, layout
from ..store.filesystem import files
from ..store.reader import ModelReader, ModelState
from . import settings
from .context import open_model, resolve_version
from .search import list_model_names, raise_error
from .settings import SettingsScope
from .transaction import make_event, transaction

if TYPE_CHECKING:
    from ..monitoring.observation_sources import ObservationRow
    from ..store.layout import ModelLayout
    from .context import RegistryContext
    from .search import OnDamage

#: How far ahead of this machine's clock the time of an observation may be.
SKEW = timedelta(minutes=5)
_SAMPLES = 10**15
_ACTIONS = frozenset({"alerted", "recovered", "observations-closed"})


@dataclass(frozen=True)
class ObservationsRecorded(Record):
    """The outcome of recording observations: of which version, how many, of which metrics, and the times they span.

    ``first`` and ``last`` are ISO 8601 in UTC.
    """

    ref: str
    recorded: int
    metrics: tuple[str, ...]
    first: str
    last: str


def observe(
    context: RegistryContext,
    ref: str | Reference,
    metrics: Mapping[str, object] | None = None,
    *,
    at: str | datetime | None = None,
    samples: int | None = None,
    target: str = "",
    slice: Mapping[str, object] | None = None,
    rows: Iterable[ObservationRow] = (),
    dry_run: bool = False,
    request_id: str | None = None,
) -> ObservationsRecorded:
    """Record metrics that were measured on a version in use.

    The model is not locked. An observation with the same time, metric, target and slice as an earlier one replaces it,
    so repeating a job changes nothing.

    Args:
        ref: The version; ``churn`` alone is refused, since it would mean another version after the next registration.
        metrics: Names to finite numbers.
        at: The time that the values are of: a ``datetime``, or a text like ``2026-11-27``; now by default.
        samples: How many predictions are behind each value; a mean over a window is weighted by it.
        target: Where the version was serving.
        slice: The part of the data: ``{"country": "de"}``.
        rows: More observations, as :func:`~registry_cli.monitoring.observation_sources.read_rows` reads them; ``at``,
            ``samples``, ``target`` and ``slice`` are used where a row has none of its own.
        dry_run: Check everything and record nothing.
        request_id: Is kept with each observation. A repetition is safe with any.

    Returns:
        What was recorded.

    Raises:
        InvalidInput: A value is not a finite number, or a time is in the future.
        NotFound: There is no such version.
        LockTimeout: Another process recorded for too long.
        Indeterminate: The disk failed when it may have been recorded; repeating the call is safe.
    """
    reference = Reference.parse_version(ref)
    now = context.clock()
    default = _Default(_parse_time(at, now) if at is not None else now, samples, target, slice, now)
    given = values.checked(metrics, values.check_metric)
    found = [default.build(context.author, name, value) for name, value in given.items()]
    found += [default.build_row(context.author, row) for row in rows]
    if request_id:
        found = [each._replace(id=names.request_id(request_id)) for each in found]
    if not found:
        raise InvalidInput("no metric is given", "give `metrics`, or `rows`")
    snapshot, number = resolve_version(context, reference)
    if not dry_run:
        observation_files.append(
            snapshot.paths, number, found, now, context.modes, context.lock_timeout, context.on_wait
        )
    times = sorted(each.at for each in found)
    return ObservationsRecorded(
        f"{snapshot.name}@{number}", len(found), tuple(sorted({each.name for each in found})), times[0], times[-1]
    )


class _Default(NamedTuple):
    """What counts for the observations that don't say it themselves."""

    at: datetime
    samples: int | None
    target: str
    slice: Mapping[str, object] | None
    now: datetime

    def build(
        self, by: str, name: str, value: object, at: str = "", samples: object = None, target: str = "", part: str = ""
    ) -> Observation:
        moment = _parse_time(at, self.now) if at else self.at
        if moment > self.now + SKEW:
            raise InvalidInput(
                f"the time {format_time(moment)} of '{name}' is in the future", "write when it was measured"
            )
        count = self.samples if samples is None else samples
        if count is not None and (type(count) is not int or not 1 <= count <= _SAMPLES):
            raise InvalidInput(f"the number of samples of '{name}' is not a whole number from 1", "for example 500")
        parts = _parse_slice(part) if part else {key: str(each) for key, each in (self.slice or {}).items()}
        checked = {values.key(key): _check_part(each, key) for key, each in parts.items()}
        return Observation(
            format_time(moment),
            values.key(name),
            values.check_metric(value, name),
            count,
            values.key(target or self.target) if target or self.target else "",
            format_slice(checked),
            by,
        )

    def build_row(self, by: str, row: ObservationRow) -> Observation:
        try:
            return self.build(by, row.name, row.value, row.at, row.samples, row.target, row.slice)
        except InvalidInput as error:
            raise InvalidInput(f"{row.place}: {error.message}", error.hint) from None


def _parse_time(at: str | datetime, now: datetime) -> datetime:
    from ..core.quantities import to_utc

    return to_utc(at) if isinstance(at, datetime) else parse_time(at, now)


def _parse_slice(text: str) -> dict[str, str]:
    return values.pairs((each.strip() for each in text.split(",")), lambda value, _: value)


def _check_part(text: str, name: str) -> str:
    if "," in text or not text:
        raise InvalidInput(f"the slice '{name}' has an empty value or a comma in it", "write country=de")
    return values.line(text, name)


def list_observations(
    context: RegistryContext,
    ref: str | Reference,
    *,
    metrics: OneOrMore[str] = (),
    since: str | datetime | None = None,
    until: str | datetime | None = None,
) -> list[Observation]:
    """List the observations of a version that count, the oldest first.

    Args:
        ref: The version; ``churn`` alone means ``churn@latest``.
        metrics: Only these metrics.
        since: From this time on.
        until: Before this time.

    Raises:
        NotFound: There is no such version.
    """
    snapshot, number = resolve_version(context, ref)
    now, names = context.clock(), set(as_list(metrics, "metrics"))
    first = format_time(_parse_time(since, now)) if since is not None else ""
    last = format_time(_parse_time(until, now)) if until is not None else "~"
    found = observation_files.iter_observations(snapshot.paths, number, first)
    return [each for each in fold(found) if each.at < last and (not names or each.name in names)]


def monitor(
    context: RegistryContext,
    refs: OneOrMore[str | Reference] = (),
    *,
    window: str | timedelta | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
    on_damage: OnDamage = raise_error,
) -> RecordList[SeriesStatus]:
    """Check the observations of versions against the rules, and record each alert that begins or ends.

    Args:
        refs: Versions, or models: of these the version in the last stage, and those with a stage or an alias that have
            observations. All models when none is named.
        window: The length of the windows in place of what the rules say; then nothing is recorded.
        dry_run: Record nothing.
        request_id: Begins the ids of the events. A repetition is safe with any: an alert is recorded once.
        on_damage: Called with the error of each model whose rules or documents are not valid.

    Returns:
        One status for each series of observations, and one for each version with a rule about stale observations.

    Raises:
        InvalidInput: A rule is not valid.
        NotFound: There is no such model or version.
    """
    span = None
    if window is not None:
        span = (parse_duration(window) if isinstance(window, str) else window).total_seconds()
        if span < 1:
            raise InvalidInput("the window is shorter than a second", "for example 7d")
    found: list[SeriesStatus] = []
    for reference in [Reference.coerce(each) for each in as_list(refs, "refs") or list_model_names(context)]:
        try:
            found += _monitor_model(context, reference, span, dry_run or span is not None, request_id)
        except (InvalidInput, Damaged, Refused) as error:
            on_damage(error)
    return RecordList(sorted(found, key=lambda each: each.outcome == ""))  # what no rule is about comes last


def _monitor_model(
    context: RegistryContext, reference: Reference, span: float | None, dry_run: bool, request_id: str | None
) -> list[SeriesStatus]:
    model = open_model(context, reference.model)
    state = model.state()
    numbers = (
        _list_monitored(context, model, state)
        if reference.selector is None
        else [model.resolve(reference.or_latest(), state.table)]
    )
    rules, directions = settings.load_monitor_rules(context.layout, SettingsScope.for_model(model.name))
    now = context.clock()
    found: list[SeriesStatus] = []
    for number in numbers:
        record = model.version(number, state)
        observations = fold(observation_files.iter_observations(model.paths, number))
        statuses = evaluate_series(rules, observations, record.metrics, directions, to_epoch(now), span)
        last = max((each.at for each in observations), default="")
        stale = evaluate_staleness(rules, last, to_epoch(now)) if record.stages else None
        found += [
            replace(each, ref=record.ref, stages=record.stages) for each in (*statuses, *([stale] if stale else []))
        ]
    past = MonitorHistory.load(model.paths)
    compared = [past.compare(each) for each in found]
    closing = [] if dry_run else _list_closing(model.paths, past, now)
    if dry_run or not (closing or any(each.change for each in compared)):
        return compared
    return _record(context, model.name, found, closing, request_id)


def _list_monitored(context: RegistryContext, model: ModelReader, state: ModelState) -> list[int]:
    table = state.table
    held = {*table.stages.values(), *table.aliases.values()}
    live = {table.stages[context.stages[-1]]} if context.stages[-1] in table.stages else set()
    return sorted(live | {number for number in held if observation_files.has_observations(model.paths, number)})


class MonitorHistory(NamedTuple):
    """What the history has of monitoring: the newest event of each series, and the months that are closed."""

    alerts: Mapping[tuple[object, ...], Event]
    closed: frozenset[tuple[int, str]]

    @classmethod
    def load(cls, paths: ModelLayout) -> MonitorHistory:
        alerts: dict[tuple[object, ...], Event] = {}
        closed = set()
        for entry in history.newest_first(paths, EventFilter(actions=_ACTIONS), unbroken=True):
            event = entry.event
            if event.action == "observations-closed":
                closed.add((event.version or 0, str(event.detail.get("month"))))
            else:
                key = (event.version, *(event.detail.get(name, "") for name in ("metric", "target", "slice")))
                alerts.setdefault(key, event)
        return cls(alerts, frozenset(closed))

    def compare(self, status: SeriesStatus) -> SeriesStatus:
        """The status with what it changes. An alert ends only when the series is within its bounds again."""
        event = self.alerts.get((Reference.parse(status.ref).or_latest().number, *status.key))
        alerting = event is not None and event.action == "alerted"
        if status.outcome in (ALERT, STALE):
            return replace(status, since=event.at) if alerting and event else replace(status, change="alerted")
        if alerting and event:
            if status.outcome == OK:
                return replace(status, change="recovered")
            return replace(status, outcome=STALE if status.metric == "stale" else ALERT, since=event.at)
        return status


def _list_closing(paths: ModelLayout, past: MonitorHistory, now: datetime) -> list[tuple[int, str]]:
    """The months that are over and not in the history yet."""
    try:
        numbers = [layout.version_of(name) for name in files.list_folder(paths.observations(1).parent)]
    except NotADirectoryError:
        return []
    return [
        (number, month)
        for number in sorted(filter(None, numbers))
        for month in observation_files.list_months(paths, number)
        if observation_files.is_over(month, now) and (number, month) not in past.closed
    ]


def _record(
    context: RegistryContext,
    name: str,
    found: Sequence[SeriesStatus],
    closing: Sequence[tuple[int, str]],
    request_id: str | None,
) -> list[SeriesStatus]:
    """Record what changed. Another process may have recorded it meanwhile: it is compared again under the lock."""
    with transaction(context, name, None, "alerted") as (writer, _):
        past = MonitorHistory.load(writer.paths)
        done = []
        for each in map(past.compare, found):
            event = _make_event(context, each, request_id) if each.change else None
            if event:
                writer.move(writer.table, event)
            done.append(replace(each, since=event.at) if event and event.action == "alerted" else each)
        for number, month in closing:
            if (number, month) not in past.closed:
                closed = observation_files.close_month(
                    writer.paths, number, month, context.modes, context.lock_timeout, context.on_wait
                )
                writer.move(writer.table, _make_closing_event(context, number, closed, request_id))
    return done


def _make_event(context: RegistryContext, status: SeriesStatus, request_id: str | None) -> Event:
    number = Reference.parse(status.ref).or_latest().number
    # Of several events of one request each has an id of its own, and one of another state of the series another one.
    what = [status.ref, *status.key, status.change, status.last]
    identity = f"{request_id}:{hashlib.sha256(repr(what).encode()).hexdigest()[:16]}" if request_id else None
    return make_event(
        context, status.change, number, identity, metric=status.metric, target=status.target, slice=status.slice,
        value=status.value, n=status.samples or None, wanted=status.wanted, last=status.last,
    )  # fmt: skip


def _make_closing_event(context: RegistryContext, number: int, closed: ClosedMonth, request_id: str | None) -> Event:
    identity = f"{request_id}:{number}:{closed.month}" if request_id else None
    return make_event(
        context, "observations-closed", number, identity, month=closed.month, size=closed.size, sha256=closed.sha256
    )
