"""Rules about metrics of versions in use: the key ``monitor`` of ``registry.yaml``, ``group.yaml`` and ``model.yaml``.

monitor:
window: 7d                 # defaults for the rules below
at_least: 500
stale: 2d                  # no observation for so long is an alert
auc: {min: 0.90, for: 3}
rmse: {against: registered+5%}
"psi.*": {max: 0.25}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ..core import values
from ..core.lazy_dataclass import dataclass, replace
from ..core.quantities import parse_duration
from ..core.text import escape_for_message, lazy_pattern, suggest
from ..errors import InvalidInput
from .metric_directions import HIGHER, LOWER, Directions
from .settings_errors import Path, SettingsSource

#: The key of the documents.
KEY = "monitor"
#: Keys that are not names of metrics: defaults for all rules, and the longest time without an observation.
DEFAULT_KEYS = ("window", "at_least", "for", "stale")
RULE_KEYS = ("min", "max", "against", "window", "at_least", "for")
#: What a rule looks at when it does not say it: the last 7 days, in seconds.
WINDOW = 7 * 86_400.0
#: The most windows in a row that a rule may ask for.
MOST_WINDOWS = 100
_SAMPLES = 10**15
_AGAINST = lazy_pattern(r"registered\s*(?:([-+])\s*([0-9]{1,40}(?:\.[0-9]{1,40})?)\s*(%)?)?\s*\Z", re.ASCII)


class Baseline(NamedTuple):
    """A bound relative to the metric of the version when it was registered: ``sign`` is ``-``, ``+`` or empty."""

    sign: str
    amount: float
    percent: bool

    def __str__(self) -> str:
        return f"registered{self.sign}{self.amount:g}{'%' if self.percent else ''}" if self.sign else "registered"


@dataclass(frozen=True)
class MonitorRule:
    """What the mean of a metric over a window of time must satisfy.

    ``pattern`` is the name of the metric, or a glob. ``window`` is in seconds. An alert needs ``windows`` windows in a
    row, each with at least ``at_least`` samples; these three are 0 where the default counts.
    """

    pattern: str
    source: SettingsSource
    path: Path
    minimum: float | None = None
    maximum: float | None = None
    baseline: Baseline | None = None
    window: float = 0
    windows: int = 0
    at_least: int = 0

    @property
    def bounds(self) -> str:
        """What is wanted, in words: ``>= 0.9``, ``registered-0.02``."""
        parts = [f">= {self.minimum:g}"] if self.minimum is not None else []
        parts += [f"<= {self.maximum:g}"] if self.maximum is not None else []
        return ", ".join([*parts, *([str(self.baseline)] if self.baseline else [])])

    def with_defaults(self, window: float = WINDOW, windows: int = 1, at_least: int = 1) -> MonitorRule:
        """The rule with what it does not say itself."""
        return replace(
            self, window=self.window or window, windows=self.windows or windows, at_least=self.at_least or at_least
        )


@dataclass(frozen=True, eq=False, repr=False)
class MonitorRules:
    """The rules of a scope. ``stale`` is in seconds, None for no rule about it."""

    rules: Mapping[str, MonitorRule]
    stale: float | None = None
    stale_at: tuple[SettingsSource, Path] | None = None
    window: float = WINDOW

    def find(self, name: str) -> MonitorRule | None:
        """The rule for a metric: the one of its name, else the first whose glob matches."""
        if name in self.rules:
            return self.rules[name]
        return next((rule for pattern, rule in self.rules.items() if fnmatchcase(name, pattern)), None)


class MonitorSettings(NamedTuple):
    """What one document says: ``defaults`` and ``rules`` by key, None for what it takes away."""

    defaults: Mapping[str, Any]
    rules: Mapping[str, MonitorRule | None]
    stale_at: tuple[SettingsSource, Path] | None = None

    def over(self, wider: MonitorSettings) -> MonitorSettings:
        """These settings with those of a wider document for every key that is not set here."""
        stale_at = self.stale_at if "stale" in self.defaults else wider.stale_at
        rules = {**self.rules, **wider.rules, **self.rules}  # the globs of the nearer document come first
        return MonitorSettings({**wider.defaults, **self.defaults}, rules, stale_at)

    def build(self) -> MonitorRules:
        """The rules with the defaults filled in."""
        window = self.defaults.get("window") or WINDOW
        windows, at_least = self.defaults.get("for") or 1, self.defaults.get("at_least") or 1
        rules = {name: rule.with_defaults(window, windows, at_least) for name, rule in self.rules.items() if rule}
        return MonitorRules(rules, self.defaults.get("stale"), self.stale_at, window)


def parse_monitor(value: Any, source: SettingsSource, directions: Directions) -> MonitorSettings:
    """Read what stands under ``monitor`` in a document.

    Args:
        value: The value of the key; None for a document without it.
        source: The document.
        directions: Whether lower or higher values of a metric are better.

    Raises:
        InvalidInput: Something in it is not understood; with its line.
    """
    if value is None:
        return MonitorSettings({}, {})
    if not isinstance(value, Mapping):
        raise source.error((KEY,), "is not a mapping", "write 'auc: {min: 0.9}' lines below it")
    defaults: dict[str, Any] = {}
    rules: dict[str, MonitorRule | None] = {}
    for key, inner in value.items():
        path: Path = (KEY, str(key))
        if key in DEFAULT_KEYS:
            defaults[key] = None if inner is None else _READERS[key](inner, path, source)
            continue
        try:
            values.key(key)
        except InvalidInput as error:
            raise source.error(path, error.message, error.hint) from None
        rules[key] = None if inner is None else parse_rule(key, inner, path, source, directions)
    return MonitorSettings(defaults, rules, (source, (KEY, "stale")) if "stale" in defaults else None)


def parse_rule(name: str, value: Any, path: Path, source: SettingsSource, directions: Directions) -> MonitorRule:
    """Read the rule for one metric or glob, which stands at ``path``. Raises :class:`InvalidInput` with its line."""
    if not isinstance(value, Mapping):
        hint = suggest(name, DEFAULT_KEYS, 0.7) or f"write '{escape_for_message(name)}: {{min: 0.9}}'"
        raise source.error(path, "is not a mapping", hint)
    for key in value:
        if key not in RULE_KEYS:
            hint = suggest(str(key), RULE_KEYS, 0.6) or f"the keys are {', '.join(RULE_KEYS)}"
            raise source.error((*path, str(key)), f"there is no key '{escape_for_message(str(key))}' here", hint)
    read = {key: _READERS[key](inner, (*path, key), source) for key, inner in value.items()}
    minimum, maximum, baseline = read.get("min"), read.get("max"), read.get("against")
    if minimum is None and maximum is None and baseline is None:
        raise source.error(path, "has no bound", "give it min, max or against")
    if minimum is not None and maximum is not None and minimum > maximum:
        raise source.error(path, f"min {minimum:g} is above max {maximum:g}", "no value would be within both")
    if baseline is not None:
        _check_baseline(name, baseline, (*path, "against"), source, directions)
    return MonitorRule(
        name,
        source,
        path,
        minimum,
        maximum,
        baseline,
        read.get("window", 0.0),
        read.get("for", 0),
        read.get("at_least", 0),
    )


def _check_baseline(name: str, baseline: Baseline, path: Path, source: SettingsSource, directions: Directions) -> None:
    """``registered-0.02`` bounds from below, so it must not be written for a metric of which lower is better."""
    direction = directions.direction(name)
    wrong = {LOWER: "-", HIGHER: "+"}.get(direction or "")
    if direction is None and not baseline.sign:
        raise source.error(path, "it is not known whether lower or higher is better", "declare it under 'metrics'")
    if baseline.sign and baseline.sign == wrong:
        other = "+" if wrong == "-" else "-"
        raise source.error(
            path,
            f"{direction} is better for {escape_for_message(name)}, so every worse value would pass",
            f"write {str(baseline).replace(wrong, other)}",
        )


def format_span(seconds: float) -> str:
    """A length of time in one unit: ``7d``, ``12h``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def _read_duration(value: Any, path: Path, source: SettingsSource) -> float:
    try:
        if not isinstance(value, str):
            raise InvalidInput("is not a duration", "write it as 7d or 12h")
        span = parse_duration(value).total_seconds()
    except InvalidInput as error:
        raise source.error(path, error.message, error.hint) from None
    if span < 1:
        raise source.error(path, "is shorter than a second", "write it as 7d or 12h")
    return span


def _read_count(most: int) -> Any:
    def read(value: Any, path: Path, source: SettingsSource) -> int:
        if type(value) is not int or not 1 <= value <= most:
            raise source.error(path, "is not a whole number", f"write one from 1 to {most:,}")
        return value

    return read


def _read_bound(value: Any, path: Path, source: SettingsSource) -> float:
    try:
        return float(values.check_metric(value, path[-1]))
    except InvalidInput:
        raise source.error(path, "is not a number", "write it as 0.9") from None


def _read_baseline(value: Any, path: Path, source: SettingsSource) -> Baseline:
    match = _AGAINST.match(value) if isinstance(value, str) else None
    if match is None:
        raise source.error(path, "is not understood", "write it as registered-0.02 or registered+5%")
    return Baseline(match[1] or "", float(match[2] or 0), bool(match[3]))


_READERS: Mapping[str, Any] = {
    "min": _read_bound, "max": _read_bound, "against": _read_baseline, "window": _read_duration, "stale": _read_duration,
    "at_least": _read_count(_SAMPLES), "for": _read_count(MOST_WINDOWS),
}  # fmt: skip
