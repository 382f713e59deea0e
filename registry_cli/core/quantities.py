"""Parsing of durations (``30d``), sizes (``1.5GB``), dates and times (``2026-03-03``, ``yesterday 10:00``).

All are limited, so that no later arithmetic overflows. What can't be parsed raises :class:`InvalidInput`.

ISO dates and times without an offset are in UTC, as the registry writes them. Days by name, times of day and ``Oct 13`` are
in the local time zone. A local time that a clock skips (summer time begins) is as much later as the clock was set
forward; of one that comes twice the first is meant.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

from ..errors import InvalidInput
from .text import escape_for_message, lazy_pattern

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The longest duration, in days of 24 hours: 1,000 years.
LONGEST = 365_000
LARGEST = 2**63 - 1

_AMOUNT = lazy_pattern(r"([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*([A-Za-z]*)\Z", re.ASCII)
_SECOND = 1_000_000
_DURATIONS = {
    "s": _SECOND,
    "min": 60 * _SECOND,
    "h": 3_600 * _SECOND,
    "d": 86_400 * _SECOND,
    "w": 7 * 86_400 * _SECOND,
    "y": 365 * 86_400 * _SECOND,
}
_UNIT_WORDS = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("year", "years"), "y"),
}
_MICROSECOND = timedelta(microseconds=1)
_LETTERS = "kmgtp"
_SIZES = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1_000**power for power, letter in enumerate(_LETTERS, 1)},
    **{f"{letter}ib": 1_024**power for power, letter in enumerate(_LETTERS, 1)},
}
_MOMENT = lazy_pattern(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6})[0-9]{0,3})?)?"
    r"(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?)?\Z",
    re.ASCII,
)
_MONTH_OR_WEEK = lazy_pattern(r"([0-9]{4})-(?:([0-9]{2})|[Ww]([0-9]{2})(?:-([1-7]))?)\Z", re.ASCII)
_DURATION_FORMS = "use a number and s, min, h, d, w or y, as in 30d or '2 weeks'"
_TIME_FORMS = (
    "use 2026-10-13, 2026-10-13T10:40, 2026-10, 2026-W42, '45 days ago', 'yesterday 10:00', 'last tuesday', 10:40 or "
    "'Oct 13'"
)
#: A time of day and an offset at the end of a natural time.
_CLOCK = lazy_pattern(r"(?:\A|\s+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\Z", re.ASCII)
_OFFSET = lazy_pattern(r"(?:(?<=[0-9])|\s+)(?:(utc|z)|([+-])([0-9]{2}):?([0-9]{2}))\Z", re.ASCII)
_MONTHS_AGO = lazy_pattern(r"([0-9]{1,5}) ?months?(?: ago)?\Z", re.ASCII)
_DAY_OF_MONTH = lazy_pattern(
    r"(?:([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?|([0-9]{1,2})(?:st|nd|rd|th)? ([a-z]{3,9})\.?)(?:,? ([0-9]{4}))?\Z",
    re.ASCII,
)
_MONTH_NAMES = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse_duration(text: str) -> timedelta:
    """Parse ``30d``, ``1.5h`` or ``2 weeks``; the units are s, min, h, d, w and y (365 days). At most 1,000 years."""
    whole, fraction, unit = _amount(text, "duration", _DURATION_FORMS)
    unit = _UNIT_WORDS.get(unit.lower(), unit)
    if unit not in _DURATIONS:
        hint = "use 'min' for minutes" if unit in ("m", "M") else _DURATION_FORMS
        raise InvalidInput(f"'{escape_for_message(text)}' is not a valid duration", hint)
    span = _scaled(whole, fraction, _DURATIONS[unit])
    if span > LONGEST * _DURATIONS["d"]:
        raise InvalidInput(f"'{escape_for_message(text)}' is too long", "the longest duration is 1000y")
    return timedelta(microseconds=span)


def parse_size(text: str) -> int:
    """Parse ``1GB`` (powers of 1000), ``1GiB`` (powers of 1024) or ``1000`` to bytes; fractions of a byte are dropped."""
    hint = "use a number and B, kB, MB, GB, TB or KiB, MiB, GiB, TiB, as in 1.5GB"
    whole, fraction, unit = _amount(text, "size", hint)
    if unit.lower() not in _SIZES:
        raise InvalidInput(f"'{escape_for_message(text)}' is not a valid size", hint)
    size = _scaled(whole, fraction, _SIZES[unit.lower()])
    if size > LARGEST:
        raise InvalidInput(f"'{escape_for_message(text)}' is too large for a size", f"the limit is {LARGEST} bytes")
    return size


def parse_time(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Parse a time, as :func:`parse_period` does, to its start in UTC; a duration, as ``45d``, is that long ago."""
    amount = _AMOUNT.match(text.strip())
    if amount and amount[3].lower() in (*_DURATIONS, *_UNIT_WORDS, "m", "month", "months"):
        text = f"{text.strip()} ago"
    return EPOCH + timedelta(microseconds=parse_period(text, now, zone)[0])


def parse_period(text: str, now: datetime, zone: tzinfo | None = None) -> tuple[int, int]:
    """Parse a time as a period: its start and end in microseconds since 1970 in UTC.

    ``2026-03-03`` is the whole day, ``2026-03-03T10:00`` the minute, ``…:07`` the second, ``…:07.25`` the hundredth.

    Args:
        text: An ISO date or time, month (``2026-10``) or week (``2026-W42``); ``45 days ago``; or, in the local time zone,
            ``yesterday``, ``last tuesday``, ``Oct 13`` and the like, also with a time of day, and ``10:40``, the last time a
            clock showed it.
        now: The current time.
        zone: The local time zone; that of the system by default.
    """
    try:
        found = _parse_iso(text) or _parse_natural(" ".join(text.lower().split()), to_utc(now), zone)
    except (ValueError, OverflowError, OSError):  # a day that does not exist, or beyond the years 1 to 9999
        found = None
    if found is None:
        raise InvalidInput(f"'{escape_for_message(text)}' is not a valid time", _TIME_FORMS)
    return found


def _parse_iso(text: str) -> tuple[int, int] | None:
    if match := _MOMENT.match(text):
        start = _start(match)
        if start is None:
            return None
        if match[4] is None:
            return start, start + _DURATIONS["d"]
        if match[6] is None:
            return start, start + _DURATIONS["min"]
        return start, start + 10 ** (6 - len(match[7] or ""))
    if (match := _MONTH_OR_WEEK.match(text)) is None:
        return None
    year, month, week, weekday = (int(each or 0) for each in match.groups())
    if match[2]:
        first, days = datetime(year, month, 1), _days_in(year, month)
    else:
        first, days = datetime.fromisocalendar(year, week, weekday or 1), 1 if weekday else 7
    start = (first.replace(tzinfo=timezone.utc) - EPOCH) // _MICROSECOND
    return start, start + days * _DURATIONS["d"]


def _parse_natural(text: str, now: datetime, zone: tzinfo | None) -> tuple[int, int] | None:
    """Parse a time in words, in lower case with single blanks. Raises ValueError for a day that does not exist."""
    moment = _parse_moment(text, now, zone)
    if moment is not None:
        start = (moment - EPOCH) // _MICROSECOND
        return start, start + 1
    if match := _OFFSET.search(text):
        zone, text = _parse_offset(match), text[: match.start()]
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    clock, length = timedelta(), timedelta(days=1)
    if match := _CLOCK.search(text):
        hour, minute, second = (int(each or 0) for each in match.groups())
        at = today.replace(hour=hour, minute=minute, second=second)
        clock, length, text = (
            at - today,
            timedelta(minutes=match[3] is None, seconds=match[3] is not None),
            text[: match.start()],
        )
        if not text:
            return _locate(at if _to_utc(at, zone) <= now else at - timedelta(days=1), length, zone)
    day = _parse_day(text, today)
    return None if day is None else _locate(day + clock, length, zone)


def _parse_moment(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    """Parse ``now`` and ``45 days ago``; a month ago is the same day and time of the month before, or its last day."""
    if text == "now":
        return now
    if match := _MONTHS_AGO.match(text):
        local = now.astimezone(zone).replace(tzinfo=None)
        year, month = divmod(local.year * 12 + local.month - 1 - int(match[1]), 12)
        return _to_utc(local.replace(year=year, month=month + 1, day=min(local.day, _days_in(year, month + 1))), zone)
    before, mark, rest = text.rpartition(" ago")
    if not mark or rest:
        return None
    for article in ("a ", "an ", "one "):
        before = f"1 {before.removeprefix(article)}" if before.startswith(article) else before
    return now - parse_duration(before)


def _parse_day(text: str, today: datetime) -> datetime | None:
    """The start of a day, without a time zone."""
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    name = text.removeprefix("last ")
    if (number := _find_name(name, _WEEKDAYS)) is not None:
        return today - timedelta(days=(today.weekday() - number - 1) % 7 + 1)
    if (match := _DAY_OF_MONTH.match(text)) is None or (
        month := _find_name(match[1] or match[4], _MONTH_NAMES)
    ) is None:
        return None
    day = int(match[2] or match[3])
    if match[5]:
        return datetime(int(match[5]), month + 1, day)
    # the last one: of this year, or of one before; 29 February may be eight years away
    years = (year for year in range(today.year, today.year - 9, -1) if day <= _days_in(year, month + 1))
    return next((found for year in years if (found := datetime(year, month + 1, day)) <= today), None)


def _find_name(text: str, names: Sequence[str]) -> int | None:
    """The place of a name, or of its first three letters or more, among names."""
    return next((at for at, name in enumerate(names) if len(text) >= 3 and name.startswith(text)), None)


def _parse_offset(match: re.Match[str]) -> timezone:
    if match[1]:
        return timezone.utc
    return timezone(timedelta(hours=int(match[3]), minutes=int(match[4])) * (1 if match[2] == "+" else -1))


def _locate(start: datetime, length: timedelta, zone: tzinfo | None) -> tuple[int, int]:
    """A local period in microseconds since 1970 in UTC. A day ends where the next begins, if it has 23 hours or 25."""
    end = _to_utc(start + length, zone) if length.days else _to_utc(start, zone) + length
    return (_to_utc(start, zone) - EPOCH) // _MICROSECOND, (end - EPOCH) // _MICROSECOND


def _days_in(year: int, month: int) -> int:
    return 31 if month == 12 else (datetime(year, month + 1, 1) - datetime(year, month, 1)).days


def _to_utc(local: datetime, zone: tzinfo | None) -> datetime:
    if zone is not None:
        return local.replace(tzinfo=zone).astimezone(timezone.utc)
    return datetime.fromtimestamp(local.timestamp(), timezone.utc)  # astimezone() errs where a clock skips an hour


def parse_epoch(text: str) -> float | None:
    """Parse a recorded time to seconds since 1970 in UTC; None if it is invalid."""
    start = _microseconds(text)
    return None if start is None else start / _SECOND


def parse_timestamp(text: str) -> datetime | None:
    """Parse a time in ISO 8601, in UTC unless it has an offset; None if it is invalid."""
    start = _microseconds(text)
    return None if start is None else EPOCH + timedelta(microseconds=start)


def to_epoch(moment: datetime) -> float:
    """Convert a time to seconds since 1970 in UTC."""
    return (to_utc(moment) - EPOCH).total_seconds()


def to_utc(moment: datetime) -> datetime:
    """Convert a time to UTC; one without an offset is in UTC."""
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def _microseconds(text: str) -> int | None:
    match = _MOMENT.match(text)
    return _start(match) if match else None


def _start(match: re.Match[str]) -> int | None:
    """Microseconds since 1970; None for a day or an hour that does not exist (30 February, 25:00)."""
    year, month, day, hour, minute, second = (int(match[n] or 0) for n in range(1, 7))
    micro = int((match[7] or "").ljust(6, "0"))
    away = timedelta()
    if match[9]:
        if int(match[10]) > 23 or int(match[11]) > 59:
            return None
        away = timedelta(hours=int(match[10]), minutes=int(match[11])) * (1 if match[9] == "+" else -1)
    try:
        moment = datetime(year, month, day, hour, minute, second, micro, timezone.utc) - away
    except (ValueError, OverflowError):
        return None
    return (moment - EPOCH) // _MICROSECOND


def _amount(text: str, what: str, hint: str) -> tuple[str, str, str]:
    match = _AMOUNT.match(text)
    if match is None:
        raise InvalidInput(f"'{escape_for_message(text)}' is not a valid {what}", hint)
    return match[1], match[2] or "", match[3]


def _scaled(whole: str, fraction: str, unit: int) -> int:
    """``whole.fraction`` times ``unit`` in integers: large sizes are exact."""
    return int(whole + fraction) * unit // int(10 ** len(fraction))
