"""The Prometheus text format, for the textfile collector of the node exporter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..core.quantities import parse_epoch
from ..rules.monitor_evaluation import ALERT, STALE, SeriesStatus

_Value = Callable[[SeriesStatus], "float | None"]
_FAMILIES: tuple[tuple[str, str, _Value], ...] = (
    ("registry_observation_mean", "Mean of a metric of a model version over the newest window.", lambda each: each.value),
    ("registry_observation_samples", "Samples behind the mean.", lambda each: each.samples),
    ("registry_observation_last_timestamp_seconds", "Time of the newest observation.", lambda each: parse_epoch(each.last)),
    ("registry_monitor_lower_bound", "The lowest value that the rule accepts.", lambda each: each.lowest),
    ("registry_monitor_upper_bound", "The highest value that the rule accepts.", lambda each: each.highest),
    ("registry_monitor_alert", "1 while the rule is violated.", lambda each: float(each.outcome in (ALERT, STALE))),
)  # fmt: skip


def format_metrics(statuses: Iterable[SeriesStatus]) -> str:
    """The statuses as families of gauges, each with its help text."""
    return "\n".join(_iter_lines(list(statuses))) + "\n"


def _iter_lines(statuses: list[SeriesStatus]) -> Iterator[str]:
    for family, text, read in _FAMILIES:
        lines = [
            f"{family}{{{_format_labels(each)}}} {float(value)!r}"
            for each in statuses
            if (value := read(each)) is not None
        ]
        if lines:
            yield f"# HELP {family} {text}"
            yield f"# TYPE {family} gauge"
            yield from lines


def _format_labels(status: SeriesStatus) -> str:
    model, _, version = status.ref.rpartition("@")
    labels = {
        "model": model,
        "version": version,
        "metric": status.metric,
        "target": status.target,
        "slice": status.slice,
    }
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
