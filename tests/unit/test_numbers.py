"""Sets of version numbers as ranges: they behave as Python's sets do, and stay short."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.version_ranges import VersionRanges
from registry_cli.errors import InvalidInput

SETS = st.frozensets(st.integers(1, 60))


@given(SETS)
def test_it_reads_back_as_it_is_written(numbers: frozenset[int]) -> None:
    made = VersionRanges.from_numbers(numbers)
    assert VersionRanges.parse(str(made)) == made
    assert list(made) == sorted(numbers)
    assert len(made) == len(numbers)
    assert made.highest == max(numbers, default=0)
    assert bool(made) == bool(numbers)


@given(SETS, SETS)
def test_it_is_a_set(one: frozenset[int], two: frozenset[int]) -> None:
    a, b = VersionRanges.from_numbers(one), VersionRanges.from_numbers(two)
    assert a | b == VersionRanges.from_numbers(one | two)
    assert a - b == VersionRanges.from_numbers(one - two)
    assert [number for number in range(70) if number in a] == sorted(one)
    assert "7" not in a


@given(SETS)
def test_ranges_are_sorted_apart_and_do_not_touch(numbers: frozenset[int]) -> None:
    ranges = VersionRanges.from_numbers(numbers).ranges
    assert all(low <= high for low, high in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))


def test_a_hundred_thousand_versions_are_one_range() -> None:
    assert str(VersionRanges.from_numbers(range(1, 100_001))) == "1-100000"
    assert VersionRanges.parse("1-4, 3-9,10") == VersionRanges(((1, 10),))
    assert VersionRanges.parse(" ") == VersionRanges.parse("") == VersionRanges()


@pytest.mark.parametrize("bad", ["0", "4-1", "a", "1-", "-1", "1 2", "01", "1234567890", "١", "1.5", "None", "1\n-2"])
def test_what_is_no_range_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        VersionRanges.parse(bad)
