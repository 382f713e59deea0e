"""The clock, and the format of times in documents: ``2026-11-23T10:00:00.000Z``."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from datetime import datetime


def utc_now() -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)


def to_utc(moment: datetime) -> datetime:
    """Convert a time to UTC; one without an offset is in UTC."""
    from datetime import timezone

    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def format_time(moment: datetime) -> str:
    """Format a time as every document has it; one without an offset is in UTC."""
    return to_utc(moment).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def resolve_time(text: str | datetime | None) -> str | None:
    """Resolve a time that a person gave (a date, an ISO time, ``7d ago``) to the form that documents have.

    Raises:
        InvalidInput: It can't be parsed.
    """
    if text is None:
        return None
    if isinstance(text, str):
        from .quantities import parse_time

        text = parse_time(text, utc_now())
    return format_time(text)
