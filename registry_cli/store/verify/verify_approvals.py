"""Checking what people are said to have said: each approval in an annotation is one that the history tells, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import RegistryError
from .. import codec
from ..layout import ModelLayout

if TYPE_CHECKING:
    from .verify import Findings

#: The actions whose events stand in an annotation in full.
VOICES = frozenset({"approved", "rejected"})
#: What a line of the journal has beside its event.
_PLACE = frozenset({"seq", "prev", "highest", "revision", "sealed", "carrier", "hash"})


def event_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """The event that a line of the journal tells."""
    return {key: value for key, value in line.items() if key not in _PLACE}


def check_approvals(
    paths: ModelLayout, listed: Iterable[int], told: Mapping[str, Mapping[str, Any]], found: Findings
) -> None:
    """``told`` are the events that approve or reject, by their ids. Nobody's voice counts that is not among them."""
    for number in listed:
        name = f"annotations/{number}.yaml"
        try:
            entries = codec.load(paths.annotation(number), name).get("approvals", [])
        except (RegistryError, OSError):
            continue  # there is none, or it is damaged, which is told elsewhere
        for entry in entries if isinstance(entries, list) else [entries]:
            known = told.get(str(entry.get("id"))) if isinstance(entry, Mapping) else None
            if known is None or known != entry or known.get("version") != number:
                who = entry.get("by") if isinstance(entry, Mapping) else None
                problem = f"{name} has an approval by {who!r} that the history does not tell"
                found.error("unrecorded-approval", f"{paths.name}@{number}", problem)
