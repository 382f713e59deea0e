"""What comes in from elsewhere and goes out to it, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import moved, skipped, version

if TYPE_CHECKING:
    from ...core.results import ExcludedFiles, Exported, Imported, Registered


def registered(record: Registered) -> dict[str, Any]:
    return {
        **version(record.version),
        "new": record.new,
        "added": record.added,
        "why": record.why,
        "warnings": list(record.warnings),
        "excluded": [_exclusion(each) for each in record.excluded],
        "empty_folders": list(record.empty_folders),
        "not_stored": list(record.not_stored),
        "updated": list(record.updated),
        "moved": [moved(each) for each in record.moved],
        "skipped": [skipped(each) for each in record.skipped],
    }


def _exclusion(record: ExcludedFiles) -> dict[str, Any]:
    return {"pattern": record.pattern, "origin": record.origin, "count": record.count, "paths": list(record.paths)}


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
        "excluded": [_exclusion(each) for each in record.excluded],
        "empty_folders": list(record.empty_folders),
    }


def exported(record: Exported) -> dict[str, Any]:
    return {
        "path": record.path,
        "refs": list(record.refs),
        "size": record.size,
        "lost": list(record.lost),
    }
