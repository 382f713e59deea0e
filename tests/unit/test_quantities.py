"""Durations, sizes, dates and times as a person writes them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli.core.quantities import parse_duration, parse_epoch, parse_period, parse_size, parse_time, to_epoch
from registry_cli.errors import InvalidInput

NOW = datetime(2026, 11, 23, 10, 30, 15, 250_000, tzinfo=timezone.utc)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


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
        ("30 days", timedelta(days=30)),
        ("1 week", timedelta(weeks=1)),
        ("1.5 Hours", timedelta(minutes=90)),
        ("10 mins", timedelta(minutes=10)),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "d", "30", "-1d", "1e3d", "30 dayz", "1mo", "1 month", "1D", "1001y", "9" * 31 + "y", "١d"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_duration(text)


def test_minutes_are_min() -> None:
    with pytest.raises(InvalidInput, match="use 'min' for minutes"):
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
    found = parse_time(text, NOW, timezone.utc)
    assert found == moment.replace(tzinfo=timezone.utc)
    assert found.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("45d", datetime(2026, 10, 9, 12, 30, 15, 250_000)),
        ("45 days ago", datetime(2026, 10, 9, 12, 30, 15, 250_000)),
        ("2 Weeks", datetime(2026, 11, 9, 11, 30, 15, 250_000)),
        ("a week ago", datetime(2026, 11, 16, 11, 30, 15, 250_000)),
        ("an hour ago", datetime(2026, 11, 23, 10, 30, 15, 250_000)),
        ("3 months ago", datetime(2026, 8, 23, 11, 30, 15, 250_000)),
        ("9 months", datetime(2026, 2, 23, 11, 30, 15, 250_000)),
        ("today", datetime(2026, 11, 23)),
        ("Yesterday  10:00", datetime(2026, 11, 22, 10)),
        ("yesterday 10:00:07", datetime(2026, 11, 22, 10, 0, 7)),
        ("last tuesday", datetime(2026, 11, 17)),
        ("tue 7:05", datetime(2026, 11, 17, 7, 5)),
        ("last monday", datetime(2026, 11, 16)),
        ("sunday", datetime(2026, 11, 22)),
        ("10:40", datetime(2026, 11, 23, 10, 40)),
        ("11:30", datetime(2026, 11, 23, 11, 30)),
        ("11:31", datetime(2026, 11, 22, 11, 31)),
        ("Oct 13", datetime(2026, 10, 13)),
        ("13 october", datetime(2026, 10, 13)),
        ("Sept. 3rd 18:00", datetime(2026, 9, 3, 18)),
        ("Dec 24", datetime(2025, 12, 24)),
        ("Nov 23", datetime(2026, 11, 23)),
        ("Oct 13, 2024", datetime(2024, 10, 13)),
        ("Feb 29", datetime(2024, 2, 29)),
    ],
)
def test_natural_times_are_local(text: str, local: datetime) -> None:
    assert parse_time(text, NOW, BERLIN) == local.replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10", datetime(2026, 10, 1)),
        ("2026-W42", datetime(2026, 10, 12)),
        ("2026-W42-3", datetime(2026, 10, 14)),
        ("2026-10-13", datetime(2026, 10, 13)),
        ("yesterday 10:00 UTC", datetime(2026, 11, 22, 10)),
        ("09:00Z", datetime(2026, 11, 23, 9)),
        ("10:40+02:00", datetime(2026, 11, 23, 8, 40)),
        ("today -0500", datetime(2026, 11, 23, 5)),
    ],
)
def test_iso_times_are_utc_and_an_offset_is_obeyed(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW, BERLIN) == moment.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("Mar 29", datetime(2026, 3, 28, 23), 23),  # summer time begins
        ("Oct 25", datetime(2026, 10, 24, 22), 25),
        ("Mar 29 02:30", datetime(2026, 3, 29, 1, 30), 1 / 60),  # skipped: 03:30 in summer time
        ("Oct 25 02:30", datetime(2026, 10, 25, 0, 30), 1 / 60),  # twice: the first, still in summer time
        ("2026-02", datetime(2026, 2, 1), 28 * 24),
        ("2026-W42", datetime(2026, 10, 12), 7 * 24),
        ("2026-12", datetime(2026, 12, 1), 31 * 24),
        ("yesterday", datetime(2026, 11, 21, 23), 24),
        ("10:40:07", datetime(2026, 11, 23, 9, 40, 7), 1 / 3600),
    ],
)
def test_a_local_day_is_as_long_as_it_was(text: str, start: datetime, hours: float) -> None:
    begin, end = parse_period(text, NOW, BERLIN)
    assert begin == (start - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    assert end - begin == pytest.approx(hours * 3.6e9)


@pytest.fixture
def system_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("system_zone")
@pytest.mark.skipif(not os.path.exists("/usr/share/zoneinfo/America/New_York"), reason="no time zones here")
@pytest.mark.parametrize(
    "text", ["today", "yesterday 10:00", "last tuesday", "10:40", "Oct 13", "Mar 8", "Mar 8 02:30", "Nov 1 01:30"]
)
def test_the_local_zone_is_that_of_the_system(text: str) -> None:
    assert parse_period(text, NOW) == parse_period(text, NOW, NEW_YORK)


@pytest.mark.parametrize(
    "text", ["last blursday", "31 Feb", "2026-13", "Feb 29 2026", "2026-W54", "25:00", "yesterday 10"]
)
def test_nonsense_is_one_error_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"^'{text}' is not a valid time; use 2026-10-13, ") as caught:
        parse_time(text, NOW, BERLIN)
    for form in (
        "2026-10-13",
        "2026-10-13T10:40",
        "2026-10",
        "'45 days ago'",
        "'yesterday 10:00'",
        "'last tuesday'",
        "10:40",
        "'Oct 13'",
    ):
        assert form in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("", "ago", " ago", "2026", "2026-3-3", "2026-02-30", "2026-03-03T25:00", "2026-03-03T10", "03/03/2026"),
        *("2026-03-03Z", "2026-03-03T10:00+24:00", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00", "x ago"),
        *("2026-03-03T10:00:60", "0000-01-01", "tomorrow", "２０２６-03-03", "10:40 yesterday"),
        *(
            "Oct",
            "Oct 0",
            "Oct 32",
            "Oct 13 99",
            "31 Feb",
            "today today",
            "2026-00",
            "2026-W00",
            "1.5 months ago",
            "1000000d",
        ),
        *(
            "10:40+25:00",
            "99999 months ago",
            "yesterday 10:00 10:00",
            "last",
            "last today",
            "0000-12",
            "2026-10-13 UTC",
        ),
    ],
)
def test_no_times(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_time(text, NOW)


def test_now_may_be_in_any_zone_and_far_away() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert parse_time("today", east, timezone.utc) == datetime(2026, 11, 23, tzinfo=timezone.utc)
    with pytest.raises(InvalidInput, match="not a valid time"):
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
    start, end = parse_period(text, NOW)
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
@given(
    st.text()
    | st.from_regex(r"\A[0-9.]{0,40} ?[a-zA-Z]{0,4}( ago)?\Z")
    | st.from_regex(
        r"\A(last )?(tue|oct|feb|yesterday|now|today)? ?[0-9]{0,4}[- ]?(W?[0-9]{1,2})?( [0-9]{2}:[0-9]{2})?( ?UTC)?\Z"
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_duration, parse_size, lambda each: parse_period(each, NOW), lambda each: parse_time(each, NOW)):
        try:
            found = read(text)
        except InvalidInput as error:
            assert "\n" not in str(error)
        else:
            assert not isinstance(found, tuple) or found[0] < found[1]


@settings(deadline=None)
@given(
    st.datetimes(
        datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.sampled_from([timezone.utc, BERLIN, NEW_YORK])
    ),
    st.sampled_from(
        [
            "today",
            "yesterday",
            "last friday",
            "sun",
            "Oct 13",
            "29 Feb",
            "10:40",
            "a month ago",
            "1 month ago",
            "3 weeks",
        ]
    ),
)
def test_a_natural_time_is_not_in_the_future(now: datetime, text: str) -> None:
    zone = now.tzinfo
    start = parse_time(text.replace("a month", "1 month"), now, zone)
    assert start <= now
    assert now - start <= timedelta(days=8 * 366 if "Feb" in text else 367 if "Oct" in text else 32)


@settings(deadline=None)
@given(st.dates(date(1971, 1, 1), date(2098, 12, 31)), st.sampled_from([timezone.utc, BERLIN, NEW_YORK]))
def test_local_days_follow_each_other(day: date, zone: timezone | ZoneInfo) -> None:
    now = datetime(2099, 1, 1, tzinfo=timezone.utc)
    ends, begins = (
        parse_period(f"{each:%b} {each.day} {each.year}", now, zone) for each in (day, day + timedelta(days=1))
    )
    assert ends[1] == begins[0]
