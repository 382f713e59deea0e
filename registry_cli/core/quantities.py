"""Parsing of durations (``30d``), sizes (``1.5GB``), dates and times (``2026-03-03``).

All are limited, so that no later arithmetic overflows. What can't be parsed raises :class:`InvalidInput`.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from ..errors import InvalidInput
from .text import escape_for_message, lazy_pattern

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


def parse_duration(text: str) -> timedelta:
    """Parse ``30d`` or ``1.5h``; the units are s, min, h, d, w and y (365 days). At most 1,000 years."""
    whole, fraction, unit = _amount(text, "duration", "use a number and s, min, h, d, w or y, as in 30d")
    if unit not in _DURATIONS:
        hint = "write 'min' for minutes" if unit in ("m", "M") else "use s, min, h, d, w or y, as in 30d"
        raise InvalidInput(f"'{escape_for_message(text)}' is no duration", hint)
    span = _scaled(whole, fraction, _DURATIONS[unit])
    if span > LONGEST * _DURATIONS["d"]:
        raise InvalidInput(f"'{escape_for_message(text)}' is too long", "1000y is the longest duration")
    return timedelta(microseconds=span)


def parse_size(text: str) -> int:
    """Parse ``1GB`` (powers of 1000), ``1GiB`` (powers of 1024) or ``1000`` to bytes; fractions of a byte are dropped."""
    hint = "use a number and B, kB, MB, GB, TB or KiB, MiB, GiB, TiB, as in 1.5GB"
    whole, fraction, unit = _amount(text, "size", hint)
    if unit.lower() not in _SIZES:
        raise InvalidInput(f"'{escape_for_message(text)}' is no size", hint)
    size = _scaled(whole, fraction, _SIZES[unit.lower()])
    if size > LARGEST:
        raise InvalidInput(f"'{escape_for_message(text)}' is too large for a size", f"{LARGEST} bytes is the most")
    return size


def parse_time(text: str, now: datetime) -> datetime:
    """Parse ``2026-03-03`` (the start of the day), an ISO time, ``7d ago``, ``now``, ``today`` or ``yesterday``.

    A time without an offset is in UTC, and so is the result.
    """
    now = to_utc(now)
    if text == "now":
        return now
    if text in ("today", "yesterday"):
        return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=text == "yesterday")
    before, mark, rest = text.rpartition(" ago")
    if mark and not rest:
        try:
            return now - parse_duration(before.strip())
        except OverflowError:
            raise InvalidInput(f"'{escape_for_message(text)}' is before the year 1") from None
    start, _ = parse_period(text)
    return EPOCH + timedelta(microseconds=start)


def parse_period(text: str) -> tuple[int, int]:
    """Parse a time as a period: its start and end in microseconds since 1970 in UTC.

    ``2026-03-03`` is the whole day, ``2026-03-03T10:00`` the minute, ``…:07`` the second, ``…:07.25`` the hundredth.
    """
    match = _MOMENT.match(text)
    start = _start(match) if match else None
    if match is None or start is None:
        raise InvalidInput(
            f"'{escape_for_message(text)}' is no date or time",
            "use 2026-03-03, 2026-03-03T10:00 or 2026-03-03T10:00:00Z",
        )
    if match[4] is None:
        return start, start + _DURATIONS["d"]
    if match[6] is None:
        return start, start + _DURATIONS["min"]
    return start, start + 10 ** (6 - len(match[7] or ""))


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
    return (moment - EPOCH) // timedelta(microseconds=1)


def _amount(text: str, what: str, hint: str) -> tuple[str, str, str]:
    match = _AMOUNT.match(text)
    if match is None:
        raise InvalidInput(f"'{escape_for_message(text)}' is no {what}", hint)
    return match[1], match[2] or "", match[3]


def _scaled(whole: str, fraction: str, unit: int) -> int:
    """``whole.fraction`` times ``unit`` in integers: large sizes are exact."""
    return int(whole + fraction) * unit // int(10 ** len(fraction))
