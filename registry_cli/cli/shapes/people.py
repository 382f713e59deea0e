"""What people said of versions, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...core.results import Approval, Signature


def approval(record: Approval) -> dict[str, Any]:
    return {
        "ref": record.ref,
        "stage": record.stage,
        "by": record.by,
        "at": record.at,
        "approved": record.approved,
        "reason": record.reason,
        "state": record.state,
        "why": record.why,
        "signature": signature(record.signature) if record.signature else None,
    }


def signature(record: Signature) -> dict[str, Any]:
    return {
        "by": record.by,
        "at": record.at,
        "key": record.key,
        "principal": record.principal or None,
        "code": record.code or None,
        "problem": record.problem,
    }
