"""What differs, and what is best: pure rules over records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.cli.views.compare_view import sparkline
from registry_cli.core.names import Reference
from registry_cli.core.records import VersionRecord
from registry_cli.errors import InvalidInput
from registry_cli.rules import comparison as rules
from registry_cli.rules.comparison import Difference, FileDifference, MetricDifference, StoredFile
from registry_cli.rules.metric_directions import Directions
from registry_cli.rules.settings_errors import SettingsSource


def version(number: int = 1, **said: Any) -> VersionRecord:
    return VersionRecord("m", number, "2026-03-01T12:00:00.000Z", "alice", "0" * 64, 1, 1, **said)


NAMES = st.sampled_from(["a", "b", "c.d", "e"])
NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
PARAMS = st.dictionaries(NAMES, st.one_of(NUMBERS, st.booleans(), st.sampled_from(["", "1", "x"])))
TEXTS = st.dictionaries(NAMES, st.sampled_from(["", "x", "y"]))
LINEAGE = st.dictionaries(
    NAMES,
    st.recursive(
        st.one_of(st.booleans(), NUMBERS, st.just("x"), st.just(math.nan)),
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=2)),
        max_leaves=5,
    ),
)
RECORDS = st.builds(
    version,
    number=st.integers(1, 9),
    params=PARAMS,
    metrics=st.dictionaries(NAMES, NUMBERS),
    tags=TEXTS,
    annotations=TEXTS,
    message=st.sampled_from(["", "one", "two"]),
    lineage=LINEAGE,
)


@given(RECORDS)
def test_nothing_differs_from_itself(record: VersionRecord) -> None:
    found = rules.diff(record, record)
    assert found.equal
    assert list(found.sections()) == []


@given(RECORDS, RECORDS)
def test_the_other_way_round_is_the_mirror(one: VersionRecord, other: VersionRecord) -> None:
    there, back = rules.diff(one, other), rules.diff(other, one)
    assert [section for section, _ in there.sections()] == [section for section, _ in back.sections()]
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    for (_, listed), (_, mirrored) in zip(there.sections(), back.sections(), strict=True):
        for each, mirror in zip(listed, mirrored, strict=True):
            assert each.name == mirror.name
            assert each.change == opposite[mirror.change]
            assert rules.same([each.before, each.after], [mirror.after, mirror.before])
            assert each.delta == (None if mirror.delta is None else -mirror.delta)
            if isinstance(each, MetricDifference) and each.percent:
                assert each.delta is not None
                assert (each.percent > 0) == (each.delta > 0)


@given(st.dictionaries(NAMES, NUMBERS), st.dictionaries(NAMES, NUMBERS))
def test_what_is_not_told_is_equal(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    told = {each.name for each in rules.differences(before, after, Difference)}
    for name in before.keys() | after.keys():
        assert (name in told) == (name not in before or name not in after or before[name] != after[name])


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True), (0.1 + 0.2, 0.3, False), (1, "1", False), (1, True, False), (0, False, False), (True, True, True),
        ("a", "a", True), ("", None, False), ([1, {"a": 1}], [1.0, {"a": 1.0}], True), ([1], [True], False),
        ([1], [1, 2], False), ({"a": 1}, {"b": 1}, False), (math.nan, math.nan, True), (2**53 + 1, 2.0**53, False),
    ],
)  # fmt: skip
def test_what_is_equal(one: object, other: object, equal: bool) -> None:
    assert rules.same(one, other) is equal
    assert rules.same(other, one) is equal


def test_delta_and_percent() -> None:
    assert (MetricDifference("a", 2, 3).delta, MetricDifference("a", 2, 3).percent) == (1, 50)
    assert MetricDifference("a", -2, -1).percent == 50, "it grew"
    assert (MetricDifference("a", 0, 3).delta, MetricDifference("a", 0, 3).percent) == (3, None)
    assert MetricDifference("a", None, 3).delta is None
    assert MetricDifference("a", -1e308, 1e308).delta is None
    assert MetricDifference("a", 5e-324, 1.0).percent is None
    assert Difference("a", 2, 3).delta is None
    one, other = StoredFile("0" * 64, 5), StoredFile("1" * 64, 3)
    assert FileDifference("f", one, other).delta == -2
    assert FileDifference("f", None, other).delta is None


def test_lineage_is_told_by_dotted_names() -> None:
    one = version(lineage={"git": {"commit": "abc", "branch": "main"}, "parents": ["m@1"]})
    other = version(lineage={"git": {"commit": "def", "branch": "main"}, "parents": ["m@1", "m@2"]})
    assert [each.name for each in rules.diff(one, other).lineage] == ["git.commit", "parents"]
    twice = version(lineage={"git": {"commit": "abc"}, "git.commit": "abc"})
    assert rules.diff(twice, twice).equal
    assert [each.name for each in rules.diff(twice, version()).lineage] == ["git", "git.commit"]


def test_an_empty_message_is_none() -> None:
    (found,) = rules.diff(version(), version(message="x")).message
    assert (found.name, found.change, found.before) == ("message", "added", None)


def test_the_best_is_marked() -> None:
    assert rules.best([1, 3, 2], False) == (1,)
    assert rules.best([1, 3, 1.0], True) == (0, 2)
    assert rules.best([None, 3, None], False) == ()
    assert rules.best([3, 3.0, None], False) == ()
    assert rules.best([None, 3, 4], False) == (2,)
    assert rules.best([1, 3, 2], None) == (), "no best without a direction"


@given(st.lists(st.one_of(st.none(), NUMBERS), max_size=8))
def test_heights_keep_the_order_of_the_values(values: list[float | None]) -> None:
    heights = rules.heights(values)
    assert len(heights) == len(values)
    assert len(sparkline(heights, unicode=True)) == len(sparkline(heights, unicode=False)) == len(values)
    for value, height in zip(values, heights, strict=True):
        assert (value is None) == (height is None)
        assert height is None or 0 <= height < rules.HEIGHTS
    known = sorted((v, h) for v, h in zip(values, heights, strict=True) if v is not None and h is not None)
    assert [height for _, height in known] == sorted(height for _, height in known)


def test_sparklines() -> None:
    assert sparkline(rules.heights([0, 1, None, 7]), unicode=True) == "▁▂ █"
    assert sparkline(rules.heights([0, 1, None, 7]), unicode=False) == "_. #"
    assert sparkline(rules.heights([2, 2.0]), unicode=True) == "▄▄"
    assert sparkline(rules.heights([-1.7e308, 0, 1.7e308]), unicode=True) == "▁▅█"
    assert rules.heights([]) == ()


def test_side_by_side() -> None:
    versions = [
        version(2, params={"depth": 6, "lr": 0.1}, metrics={"auc": 0.9, "loss": 0.5}, tags={"team": "crm"}),
        version(1, params={"depth": 6.0}, metrics={"auc": 0.8, "loss": 0.4}, tags={"team": "crm"}),
    ]
    found = rules.compare(versions)
    assert found.refs == ("m@2", "m@1")
    assert [(row.section, row.name) for row in found.rows] == [
        ("params", "depth"), ("params", "lr"), ("metrics", "auc"), ("metrics", "loss"), ("tags", "team"),
    ]  # fmt: skip
    assert [row.name for row in found.only_differing().rows] == ["lr", "auc", "loss"]
    lr, auc, loss = found.only_differing().rows
    assert (lr.values, lr.best, lr.lower, lr.heights) == ((0.1, None), (), None, ())
    assert (auc.best, auc.lower, auc.heights) == ((0,), False, (0, 7)), "from the oldest to the newest"
    assert (loss.best, loss.lower) == ((1,), True)
    assert rules.compare(versions[::-1]).rows[2].heights == (0, 7)


def test_better_is_what_the_person_says() -> None:
    versions = [version(2, metrics={"drift": 2, "loss": 2}), version(1, metrics={"drift": 1, "loss": 1})]
    drift, loss = rules.compare(versions, ["drift"], ["loss"]).rows
    assert (drift.best, loss.best) == ((1,), (0,))
    with pytest.raises(InvalidInput, match="none of these versions has the metric 'los'; available: drift, loss"):
        rules.compare(versions, ["los"])
    with pytest.raises(InvalidInput, match="both `lower` and `higher`"):
        rules.compare(versions, ["loss"], ["loss"])
    (drift, _) = rules.compare(versions).rows
    assert (drift.best, drift.lower) == ((), None), "the direction is unknown"
    declared = Directions.parse({"drift": "higher", "loss": "higher"}, SettingsSource("model.yaml"))
    assert [row.best for row in rules.compare(versions, directions=declared).rows] == [(0,), (0,)]
    assert [row.best for row in rules.compare(versions, ["drift"], directions=declared).rows] == [(1,), (0,)]
    assert rules.compare([], ["loss"]).rows == ()
    assert rules.compare([version()]).rows == ()


@pytest.mark.parametrize(
    ("text", "bare", "meant"),
    [
        ("7", True, "churn@7"), ("v7", False, "churn@7"), ("@7", False, "churn@7"), ("@production", False, "churn@production"),
        ("production", True, "churn@production"), ("production", False, "production"), ("churn", True, "churn"),
        ("churn@6", True, "churn@6"), ("churn:6", True, "churn@6"), ("fraud@1", True, "fraud@1"),
        ("sha256:1a2b3c4d", True, "churn@sha256:1a2b3c4d"), ("models:/churn/6", True, "churn@6"),
        ("risk/churn", True, "risk/churn"),
    ],
)  # fmt: skip
def test_a_version_named_beside_another(text: str, bare: bool, meant: str) -> None:
    assert str(rules.beside(Reference.parse("churn@6"), text, bare=bare)) == meant
