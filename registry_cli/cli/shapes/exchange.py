"""What comes in from elsewhere and goes out to it, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...outcomes import Exported, Imported


def imported(record: Imported) -> dict[str, Any]:
    return {
        "key": record.key,
        "ref": record.ref or None,
        "status": record.status,
        "why": record.why,
        "size": record.size,
        "versions": record.versions,
        "lost": list(record.lost),
    }


def exported(record: Exported) -> dict[str, Any]:
    return {
        "path": record.path,
        "refs": list(record.refs),
        "size": record.size,
        "lost": list(record.lost),
    }
