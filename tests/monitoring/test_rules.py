"""Rules about metrics of versions in use: what they accept, and what they say of a series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, Observation, Registry
from registry_cli.core.quantities import to_epoch
from registry_cli.core.times import format_time
from registry_cli.rules.metric_directions import LISTED
from registry_cli.rules.monitor_evaluation import (
    ALERT,
    OK,
    PENDING,
    STALE,
    UNCHECKED,
    WAITING,
    compute_means,
    evaluate_series,
    evaluate_staleness,
)
from registry_cli.rules.monitor_rules import MonitorRules, MonitorSettings, parse_monitor
from registry_cli.rules.settings_errors import SettingsSource

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
SOURCE = SettingsSource("registry.yaml")


def rules(document: Mapping[str, Any] | None, *wider: Mapping[str, Any]) -> MonitorRules:
    """The rules of a document over ``wider`` ones, the nearest first."""
    found = MonitorSettings({}, {})
    for each in (*reversed(wider), document):
        found = parse_monitor(each, SOURCE, LISTED).over(found)
    return found.build()


def points(*values: tuple[float, float, int | None], name: str = "auc", **more: str) -> list[Observation]:
    """Observations as (days ago, value, samples)."""
    return [Observation(format_time(NOW - timedelta(days=days)), name, value, n, **more) for days, value, n in values]


def outcome(document: Mapping[str, Any], *values: tuple[float, float, int | None], registered: float = 0.93) -> str:
    (status,) = evaluate_series(rules(document), points(*values)[::-1], {"auc": registered}, LISTED, to_epoch(NOW))
    return status.outcome


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ({"min": 0.9}, [(1, 0.91, None)], OK),
        ({"min": 0.9}, [(1, 0.9, None)], OK),
        ({"min": 0.9}, [(1, 0.89, None)], ALERT),
        ({"max": 0.9}, [(1, 0.91, None)], ALERT),
        ({"min": 0.8, "max": 0.9}, [(1, 0.85, None)], OK),
        ({"min": 0.9}, [(1, 0.8, 10), (2, 0.95, 1000)], OK),  # weighted by samples
        ({"min": 0.9, "at_least": 500}, [(1, 0.8, 499)], WAITING),
        ({"min": 0.9, "at_least": 500}, [(1, 0.8, 500)], ALERT),
        ({"min": 0.9, "at_least": 2}, [(1, 0.8, None), (2, 0.8, None)], ALERT),  # one sample each
        ({"min": 0.9, "window": "1d"}, [(0.5, 0.95, None), (1.5, 0.1, None)], OK),
        ({"min": 0.9, "window": "1d"}, [(1.5, 0.1, None)], WAITING),  # nothing in the newest window
        ({"min": 0.9, "window": "1d", "for": 2}, [(0.5, 0.1, None), (1.5, 0.95, None)], PENDING),
        ({"min": 0.9, "window": "1d", "for": 2}, [(0.5, 0.1, None)], PENDING),  # nothing before is no violation
        ({"min": 0.9, "window": "1d", "for": 2}, [(0.5, 0.1, None), (1.5, 0.1, None)], ALERT),
        ({"min": 0.9, "window": "1d", "for": 2}, [(0.5, 0.95, None), (1.5, 0.1, None)], OK),
        ({"against": "registered-0.02"}, [(1, 0.911, None)], OK),
        ({"against": "registered-0.02"}, [(1, 0.909, None)], ALERT),
        ({"against": "registered-10%"}, [(1, 0.84, None)], OK),
        ({"against": "registered-10%"}, [(1, 0.83, None)], ALERT),
        ({"against": "registered"}, [(1, 0.92, None)], ALERT),  # higher is better for auc
        ({"against": "registered", "min": 0.99}, [(1, 0.95, None)], ALERT),  # both count
    ],
)
def test_outcomes(rule: dict[str, Any], values: list[tuple[float, float, int | None]], expected: str) -> None:
    assert outcome({"auc": rule}, *values) == expected


def test_of_a_metric_that_is_lower_is_better_the_baseline_is_an_upper_bound() -> None:
    found = rules({"rmse": {"against": "registered"}})
    (status,) = evaluate_series(found, points((1, 3.1, None), name="rmse"), {"rmse": 3.0}, LISTED, to_epoch(NOW))
    assert (status.outcome, status.lowest, status.highest) == (ALERT, None, 3.0)


def test_a_version_without_the_metric_has_no_baseline() -> None:
    found = rules({"auc": {"against": "registered-0.02"}})
    (status,) = evaluate_series(found, points((1, 0.1, None)), {}, LISTED, to_epoch(NOW))
    assert (status.outcome, status.lowest, status.wanted) == (WAITING, None, "registered-0.02")


def test_targets_and_slices_are_series_of_their_own() -> None:
    every = points((1, 0.95, None)) + points((1, 0.5, None), slice="country=de") + points((1, 0.8, None), target="eu")
    found = evaluate_series(rules({"auc": {"min": 0.9}}), every, {}, LISTED, to_epoch(NOW))
    assert [(each.target, each.slice, each.outcome) for each in found] == [
        ("", "", OK),
        ("", "country=de", ALERT),
        ("eu", "", ALERT),
    ]


def test_a_name_wins_over_a_glob_and_the_nearest_document_over_the_others() -> None:
    wide, near = {"psi.*": {"max": 0.25}, "auc": {"min": 0.9}}, {"psi.age": {"max": 0.5}, "*": {"max": 1}}
    found = rules(near, wide)
    assert [found.find(name) and found.find(name).maximum for name in ("psi.age", "psi.x", "other")] == [0.5, 1, 1]  # type: ignore[union-attr]
    assert rules({"auc": None}, wide).find("auc") is None
    assert rules({"auc": {"max": 1}}, wide).find("auc").minimum is None  # type: ignore[union-attr]


def test_defaults_count_for_the_rules_that_say_nothing() -> None:
    found = rules(
        {"window": "1d", "at_least": 5, "for": 3, "auc": {"min": 0}, "f1": {"min": 0, "window": "2d", "for": 1}}
    )
    assert [(each.window, each.at_least, each.windows) for each in found.rules.values()] == [
        (86_400, 5, 3),
        (172_800, 5, 1),
    ]


@pytest.mark.parametrize(
    ("last", "expected"), [("", STALE), (format_time(NOW - timedelta(days=3)), STALE), (format_time(NOW), OK)]
)
def test_staleness(last: str, expected: str) -> None:
    status = evaluate_staleness(rules({"stale": "2d"}), last, to_epoch(NOW))
    assert status is not None
    assert status.outcome == expected
    assert evaluate_staleness(rules({}), last, to_epoch(NOW)) is None


def test_without_a_rule_nothing_is_said() -> None:
    (status,) = evaluate_series(rules(None), points((1, 0.5, None)), {}, LISTED, to_epoch(NOW))
    assert (status.outcome, status.value) == (UNCHECKED, 0.5)


def test_windows_do_not_overlap_and_leave_nothing_out() -> None:
    every = points(*((day / 4, float(day), 1) for day in range(40)))[::-1]
    means = compute_means(every, to_epoch(NOW), 86_400.0, 10)
    assert sum(each.samples for each in means) == 40
    assert means[-1].value == (0 + 1 + 2 + 3) / 4
    assert [each.until for each in means] == sorted(each.until for each in means)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("auc: 0.9", "monitor.auc: is not a mapping"),
        ("auc: {}", "has no bound"),
        ("auc: {mim: 0.9}", "did you mean 'min'?"),
        ("auc: {min: high}", "monitor.auc.min: is not a number"),
        ("auc: {min: true}", "is not a number"),
        ("auc: {min: .nan}", "is not a number"),
        ("auc: {min: 1, max: 0}", "is above max"),
        ("auc: {min: 1, window: 7}", "is not a duration"),
        ("auc: {min: 1, window: 0s}", "shorter than a second"),
        ("auc: {min: 1, at_least: 0}", "is not a whole number"),
        ("auc: {min: 1, for: 1000}", "is not a whole number"),
        ("auc: {against: production-0.02}", "is not understood"),
        ("auc: {against: registered+0.02}", "higher is better for auc"),
        ("rmse: {against: registered-0.02}", "write registered+0.02"),
        ("unheard_of: {against: registered}", "declare it under 'metrics'"),
        ("stale: soon", "monitor.stale"),
        ("stail: 2d", "did you mean 'stale'?"),
        ("[1]", "is not a mapping"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(reg: Registry, document: str, words: str) -> None:
    path = Path(reg.root) / "registry.yaml"
    text = path.read_text()
    path.write_text(f"{text}\nmonitor:\n  {document}\n")
    reg.monitoring.observe(register(reg), {"auc": 0.9})
    with pytest.raises(InvalidInput, match=r"registry.yaml, line \d+: monitor") as caught:
        reg.monitoring.monitor("churn")
    assert words in str(caught.value) or words in f"{caught.value} {caught.value.hint}"
    path.write_text(text)


def register(reg: Registry) -> str:
    work = Path("model.bin")
    work.write_bytes(b"x")
    return reg.register("churn", [work], metrics={"auc": 0.93}).ref
