"""What is inside files, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...provenance.inspection import Inspected, Inspection


def inspected(record: Inspected) -> dict[str, Any]:
    return {
        "files": record.files,
        "unseen": record.unseen,
        "lineage": record.lineage(),
        "items": [inspection(each) for each in record.found],
    }


def inspection(record: Inspection) -> dict[str, Any]:
    return {
        "path": record.path or ".",
        "format": record.format,
        "framework": record.framework or None,
        "framework_version": record.framework_version or None,
        "certain": record.certain,
        "problem": record.problem or None,
        "contents": record.lineage().get("contents", {}),
    }
