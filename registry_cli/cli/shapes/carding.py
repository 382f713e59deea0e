"""Model cards, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...provenance.cards import Card, Item


def card(record: Card) -> dict[str, Any]:
    return {
        "ref": record.ref,
        "text": record.text,
        "front_matter": record.head,
        "lacking": [item.name for item in record.lacking],
        "own": record.own,
    }


def card_item(record: Item) -> dict[str, Any]:
    return {"name": record.name, "required": record.required, "state": record.state, "hint": record.hint}
