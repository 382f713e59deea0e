"""Durations, sizes, dates and times as a person writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli.core.quantities import parse_duration, parse_epoch, parse_period, parse_size, parse_time, to_epoch
from registry_cli.errors import InvalidInput

NOW = datetime(2026, 11, 23, 10, 30, 15, 250_000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30d", timedelta(days=30)),
        ("90s", timedelta(seconds=90)),
        ("5min", timedelta(minutes=5)),
        ("1.5h", timedelta(minutes=90)),
        ("0.1s", timedelta(milliseconds=100)),
        ("2 w", timedelta(weeks=2)),
        ("1y", timedelta(days=365)),
        ("1000y", timedelta(days=365_000)),
        ("0d", timedelta()),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1e3d", "30 days", "1mo", "1D", "1001y", "9" * 31 + "y", "١d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)


def test_minutes_are_min() -> None:
    with pytest.raises(InvalidInput, match="write 'min' for minutes"):
        parse_duration("30m")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1_000),
        ("1GB", 10**9),
        ("1.1GB", 1_100_000_000),
        ("1 GiB", 2**30),
        ("1.5KiB", 1_536),
        ("2kB", 2_000),
        ("2KB", 2_000),
        ("3mb", 3_000_000),
        ("1TB", 10**12),
        ("1TiB", 2**40),
        ("0.0001kB", 0),
        ("10B", 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1G", "1XB", "1e9", "9223372036854775808", "9" * 30 + "TB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-03", datetime(2026, 3, 3)),
        ("2026-03-03T10:05", datetime(2026, 3, 3, 10, 5)),
        ("2026-03-03 10:05:07", datetime(2026, 3, 3, 10, 5, 7)),
        ("2026-03-03T10:05:07.25Z", datetime(2026, 3, 3, 10, 5, 7, 250_000)),
        ("2026-03-03T10:05:07.123456789Z", datetime(2026, 3, 3, 10, 5, 7, 123_456)),
        ("2026-03-03T10:05+02:00", datetime(2026, 3, 3, 8, 5)),
        ("2026-03-03T10:05-0130", datetime(2026, 3, 3, 11, 35)),
        ("7d ago", datetime(2026, 11, 16, 10, 30, 15, 250_000)),
        ("1.5h ago", datetime(2026, 11, 23, 9, 0, 15, 250_000)),
        ("now", datetime(2026, 11, 23, 10, 30, 15, 250_000)),
        ("today", datetime(2026, 11, 23)),
        ("yesterday", datetime(2026, 11, 22)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    found = parse_time(text, NOW)
    assert found == moment.replace(tzinfo=timezone.utc)
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    "text",
    [
        *("", "ago", " ago", "2026", "2026-3-3", "2026-02-30", "2026-03-03T25:00", "2026-03-03T10", "03/03/2026"),
        *("2026-03-03Z", "2026-03-03T10:00+24:00", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00", "x ago"),
        *("2026-03-03T10:00:60", "0000-01-01", "tomorrow", "２０２６-03-03"),
    ],
)
def test_no_times(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_time(text, NOW)


def test_now_may_be_in_any_zone_and_far_away() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert parse_time("today", east) == datetime(2026, 11, 23, tzinfo=timezone.utc)
    with pytest.raises(InvalidInput, match="before the year 1"):
        parse_time("1000y ago", datetime(900, 1, 1, tzinfo=timezone.utc))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2026-03-03", 86_400_000_000),
        ("2026-03-03T10:05", 60_000_000),
        ("2026-03-03T10:05:07", 1_000_000),
        ("2026-03-03T10:05:07.5", 100_000),
        ("2026-03-03T10:05:07.000", 1_000),
        ("2026-03-03T10:05:07.123456789", 1),
        ("9999-12-31", 86_400_000_000),
        ("0001-01-01", 86_400_000_000),
    ],
)
def test_a_time_lasts_as_long_as_it_is_exact(text: str, span: int) -> None:
    start, end = parse_period(text)
    assert end - start == span


def test_recorded_times() -> None:
    assert parse_epoch("1970-01-02T00:00:00.500Z") == 86_400.5
    assert parse_epoch("2026-11-23T10:30:15.250Z") == to_epoch(NOW)
    assert [parse_epoch(text) for text in ("", "soon", "2026-13-01T00:00:00Z", "2026")] == [None] * 4


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_what_is_recorded_is_read_back(moment: datetime) -> None:
    assert parse_epoch(moment.isoformat().replace("+00:00", "Z")) == to_epoch(moment)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"\A[0-9.]{0,40} ?[a-zA-Z]{0,4}( ago)?\Z"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_duration, parse_size, parse_period, lambda each: parse_time(each, NOW)):
        try:
            read(text)
        except InvalidInput as error:
            assert "\n" not in str(error)
