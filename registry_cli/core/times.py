"""The clock, and the format of times in documents: ``2026-11-23T10:00:00.000Z``."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_LATEST = 253_402_300_799  # the last second of the year 9999


def utc_now() -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)


def format_time(moment: datetime) -> str:
    """A moment as every document writes it. A time without zone is taken for UTC."""
    from datetime import timezone

    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_milliseconds(milliseconds: object) -> str:
    """A time in milliseconds since 1970 as documents write it; empty when it is none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return ""
    if not 0 < milliseconds / 1000 <= _LATEST:
        return ""
    from datetime import datetime, timezone

    return format_time(datetime.fromtimestamp(milliseconds / 1000, timezone.utc))


def format_timestamp(text: object) -> str:
    """A time in ISO 8601 (without an offset: in UTC) as documents write it; empty when it is none."""
    from .quantities import parse_timestamp

    moment = parse_timestamp(text.strip()) if isinstance(text, str) else None
    return format_milliseconds(moment.timestamp() * 1000) if moment else ""


def resolve_time(text: str | datetime | None, now: Callable[[], datetime] = utc_now) -> str | None:
    """A time that a person named (an ISO time, ``7d ago``, ``last tuesday``) as documents write it. Raises :class:`InvalidInput`."""
    if text is None:
        return None
    if isinstance(text, str):
        from .quantities import parse_time

        text = parse_time(text, now())
    return format_time(text)
