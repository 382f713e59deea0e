"""Whether the metrics of a version in use satisfy the rules: the mean of each series over windows of time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from ..core.lazy_dataclass import Record, dataclass
from ..core.observations import Observation
from ..core.quantities import EPOCH, parse_epoch
from ..core.times import format_time
from .metric_directions import LOWER, Directions
from .monitor_rules import MonitorRule, MonitorRules, format_span

#: Outcomes: within the bounds; outside for fewer windows than the rule asks for; outside; too few samples to tell;
#: nothing recorded for too long; no rule for this metric.
OK, PENDING, ALERT, WAITING, STALE, UNCHECKED = "ok", "pending", "alert", "waiting", "stale", ""
#: How many windows a trend shows.
TREND = 12


class SeriesKey(NamedTuple):
    """Which observations belong together."""

    metric: str
    target: str
    slice: str


class WindowMean(NamedTuple):
    """The mean over one window, weighted by samples; ``value`` is None when nothing was recorded in it.

    ``until`` is where the window ends, in seconds since 1970.
    """

    until: float
    value: float | None
    samples: int


@dataclass(frozen=True)
class SeriesStatus(Record):
    """A series of observations and what its rule says of it.

    ``value`` is the mean over the newest window, ``samples`` how many are behind it; ``last`` is the time of the newest
    observation, ``trend`` the means of the newest windows, the oldest first. ``wanted`` are the bounds in words, and
    ``lowest`` and ``highest`` the same as numbers. ``file`` and ``line`` are where the rule stands. ``since`` is when an
    alert that has not ended was recorded, ``change`` the event that this look records: ``alerted``, ``recovered`` or none.
    """

    metric: str
    target: str
    slice: str
    outcome: str
    value: float | None
    samples: int
    last: str
    wanted: str = ""
    lowest: float | None = None
    highest: float | None = None
    window: float = 0.0
    trend: tuple[float | None, ...] = ()
    file: str = ""
    line: int | None = None
    ref: str = ""
    stages: tuple[str, ...] = ()
    since: str = ""
    change: str = ""

    @property
    def key(self) -> SeriesKey:
        """Which series it is."""
        return SeriesKey(self.metric, self.target, self.slice)


def evaluate_series(
    rules: MonitorRules,
    observations: Iterable[Observation],
    registered: Mapping[str, float],
    directions: Directions,
    now: float,
    window: float | None = None,
) -> list[SeriesStatus]:
    """Evaluate the rules on the observations of a version.

    Args:
        rules: The rules of the model.
        observations: Those that count (see :func:`~registry_cli.core.observations.fold`), sorted by time.
        registered: The metrics that the version was registered with.
        directions: Whether lower or higher values of a metric are better.
        now: Where the newest window ends, in seconds since 1970.
        window: The length of all windows in seconds, in place of what the rules say.

    Returns:
        One status for each series, sorted by metric, target and slice.
    """
    series: dict[SeriesKey, list[Observation]] = {}
    for each in observations:
        series.setdefault(SeriesKey(each.name, each.target, each.slice), []).append(each)
    return [_evaluate(rules, key, series[key], registered, directions, now, window) for key in sorted(series)]


def evaluate_staleness(rules: MonitorRules, last: str, now: float) -> SeriesStatus | None:
    """Whether nothing was recorded of a version for too long; None without a rule about it.

    Args:
        rules: The rules of the model.
        last: The time of the newest observation, empty if there is none.
        now: In seconds since 1970.
    """
    if rules.stale is None:
        return None
    newest = parse_epoch(last) if last else None
    outcome = OK if newest is not None and now - newest <= rules.stale else STALE
    file, line = _place(*rules.stale_at) if rules.stale_at else ("", None)
    return SeriesStatus(
        "stale",
        "",
        "",
        outcome,
        None,
        0,
        last,
        f"within {format_span(rules.stale)}",
        window=rules.stale,
        file=file,
        line=line,
    )


def _evaluate(
    rules: MonitorRules,
    key: SeriesKey,
    points: Sequence[Observation],
    registered: Mapping[str, float],
    directions: Directions,
    now: float,
    window: float | None,
) -> SeriesStatus:
    rule = rules.find(key.metric)
    span = window or (rule.window if rule else rules.window)
    means = compute_means(points, now, span, max(TREND, rule.windows if rule else 0))
    lowest, highest = _bounds(rule, key.metric, registered, directions) if rule else (None, None)
    file, line = _place(rule.source, rule.path) if rule else ("", None)
    return SeriesStatus(
        *key,
        _judge(rule, means, lowest, highest) if rule else UNCHECKED,
        means[-1].value,
        means[-1].samples,
        points[-1].at,
        _format_wanted(rule, lowest, highest) if rule else "",
        _finite(lowest),
        _finite(highest),
        span,
        tuple(each.value for each in means[-TREND:]),
        file,
        line,
    )


def _place(source: object, path: tuple[str, ...]) -> tuple[str, int | None]:
    return source.file, source.line(path)  # type: ignore[attr-defined]


def compute_means(points: Sequence[Observation], now: float, span: float, count: int) -> list[WindowMean]:
    """The means over the newest ``count`` windows, each ``span`` seconds long, the oldest first.

    A window does not include its start, but its end. A value without a number of samples counts as one sample.
    ``points`` are sorted by time.
    """
    times = [each.at for each in points]
    ends = [now - back * span for back in range(count, -1, -1)]
    places = [bisect_right(times, format_time(EPOCH + timedelta(seconds=max(end, 0)))) for end in ends]
    means = []
    for end, start, stop in zip(ends[1:], places, places[1:], strict=False):
        weights = [each.samples or 1 for each in points[start:stop]]
        total = sum(weights)
        values = (each.value * weight for each, weight in zip(points[start:stop], weights, strict=True))
        means.append(WindowMean(end, math.fsum(values) / total if total else None, total))
    return means


def _bounds(
    rule: MonitorRule, metric: str, registered: Mapping[str, float], directions: Directions
) -> tuple[float | None, float | None]:
    """The lowest and the highest value that a rule accepts; NaN for a baseline that the version does not have."""
    lowest, highest = rule.minimum, rule.maximum
    if rule.baseline is not None:
        base = registered.get(metric)
        sign = rule.baseline.sign or ("+" if directions.direction(metric) == LOWER else "-")
        if base is None:
            bound = math.nan
        else:
            amount = abs(base) * rule.baseline.amount / 100 if rule.baseline.percent else rule.baseline.amount
            bound = base - amount if sign == "-" else base + amount
        if sign == "-":
            lowest = bound if lowest is None or not bound < lowest else lowest
        else:
            highest = bound if highest is None or not bound > highest else highest
    return lowest, highest


def _judge(rule: MonitorRule, means: Sequence[WindowMean], lowest: float | None, highest: float | None) -> str:
    if any(bound is not None and math.isnan(bound) for bound in (lowest, highest)):
        return WAITING  # the version was registered without this metric: there is nothing to compare with
    recent = means[-rule.windows :]
    if means[-1].samples < rule.at_least:
        return WAITING
    outside = [_is_outside(each, rule.at_least, lowest, highest) for each in recent]
    if not outside[-1]:
        return OK
    return ALERT if all(outside) else PENDING


def _finite(bound: float | None) -> float | None:
    return bound if bound is not None and math.isfinite(bound) else None


def _is_outside(mean: WindowMean, at_least: int, lowest: float | None, highest: float | None) -> bool:
    if mean.value is None or mean.samples < at_least:
        return False
    return (lowest is not None and mean.value < lowest) or (highest is not None and mean.value > highest)


def _format_wanted(rule: MonitorRule, lowest: float | None, highest: float | None) -> str:
    """The bounds as numbers, with the baseline that one comes from."""
    parts = [f">= {lowest:.6g}"] if _finite(lowest) is not None else []
    parts += [f"<= {highest:.6g}"] if _finite(highest) is not None else []
    words = ", ".join(parts)
    if rule.baseline is not None:
        words = f"{words} ({rule.baseline})" if words else str(rule.baseline)
    return words
