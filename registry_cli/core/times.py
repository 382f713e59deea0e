"""Times, as every document writes them."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def stamp(moment: datetime) -> str:
    """A moment as every document writes it: ``2026-11-23T10:00:00.000Z``. A time without zone is taken for UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str | datetime | None) -> str | None:
    """A time that a person named (a date, an ISO time, ``7d ago``) as documents write it. Raises :class:`InvalidInput`."""
    if text is None:
        return None
    if isinstance(text, str):
        from .quantities import parse_time

        text = parse_time(text, utc_now())
    return stamp(text)
