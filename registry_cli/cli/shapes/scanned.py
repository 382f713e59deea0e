"""What a scan found, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...provenance.safety.verdicts import FileScan, GlobalUse, Remark, Scan


def scanned(record: Scan, *, explain: bool = False) -> dict[str, Any]:
    return {
        "verdict": record.verdict,
        "lineage": record.lineage(),
        "items": [scanned_file(each, explain=explain) for each in record.files],
    }


def scanned_file(record: FileScan, *, explain: bool = False) -> dict[str, Any]:
    return {
        "path": record.path,
        "verdict": record.verdict,
        "kind": record.kind or None,
        "limited": record.limited,
        "globals": record.globals,
        "findings": [remark(each) for each in record.worst_first()],
        "uses": [global_use(each) for each in record.uses] if explain else None,
    }


def global_use(record: GlobalUse) -> dict[str, Any]:
    return {
        "global": record.name,
        "member": record.member or None,
        "offset": record.offset,
        "use": record.use,
        "level": record.level,
        "why": record.why,
    }


def remark(record: Remark) -> dict[str, Any]:
    return {
        "level": record.level,
        "global": record.name or None,
        "why": record.why or None,
        "member": record.where or None,
    }
