"""What became of a model as a whole, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...core.results import Described, Renamed


def described(record: Described) -> dict[str, Any]:
    return {
        "model": record.model,
        "keys": list(record.keys),
        "revision": record.revision,
        "changed": record.changed,
    }


def renamed(record: Renamed) -> dict[str, Any]:
    return {"before": record.before, "after": record.after, "changed": record.changed}
