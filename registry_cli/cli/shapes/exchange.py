"""What comes in from elsewhere and goes out to it, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import version

if TYPE_CHECKING:
    from ...outcomes import Exported, Imported, Registered


def registered(record: Registered) -> dict[str, Any]:
    return {
        **version(record.version),
        "new": record.new,
        "added": record.added,
        "why": record.why,
        "warnings": list(record.warnings),
        **left_out(record),
    }


def left_out(record: Registered | Imported) -> dict[str, Any]:
    """What was not stored of the given folders: exclusions by pattern, and empty folders."""
    return {
        "excluded": [
            {"pattern": each.pattern, "origin": each.origin, "count": each.count, "paths": list(each.paths)}
            for each in record.excluded
        ],
        "empty_folders": list(record.empty_folders),
    }


def imported(record: Imported) -> dict[str, Any]:
    return {
        "key": record.key,
        "ref": record.ref or None,
        "status": record.status,
        "why": record.why,
        "size": record.size,
        "versions": record.versions,
        "lost": list(record.lost),
        "warnings": list(record.warnings),
        **left_out(record),
    }


def exported(record: Exported) -> dict[str, Any]:
    return {
        "path": record.path,
        "refs": list(record.refs),
        "size": record.size,
        "lost": list(record.lost),
    }
