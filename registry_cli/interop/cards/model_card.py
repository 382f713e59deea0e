"""Model cards: Markdown with the front matter of Hugging Face, and what a card lacks. Records go in, text comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.lazy_dataclass import dataclass
from ...core.yaml import documents
from . import card_body, card_front_matter
from .card_inputs import NAME, Known, fields

__all__ = ["NAME", "Card", "Item", "Known", "fields", "made"]

PRESENT, MISSING, WRONG = "present", "missing", "wrong"


@dataclass(frozen=True, eq=False, repr=False)
class Item:
    """One of the things that a card should tell. ``state`` is ``present``, ``missing``, or ``wrong`` when what is said
    does not hold; ``hint`` is what there is of it, or where to say it.
    """

    name: str
    required: bool
    state: str
    hint: str

    @property
    def lacking(self) -> bool:
        return self.required and self.state != PRESENT


@dataclass(frozen=True, eq=False, repr=False)
class Card:
    """A card: ``text`` is all of it, ``head`` its front matter. ``own`` is whether the version has one among its files."""

    ref: str
    text: str
    head: dict[str, Any]
    items: tuple[Item, ...]
    own: bool

    @property
    def lacking(self) -> tuple[Item, ...]:
        """What is required and missing, or wrong."""
        return tuple(item for item in self.items if item.lacking)


def made(known: Known) -> Card:
    """The card of a version."""
    head = card_front_matter.front_matter(known)
    front = f"---\n{documents.dumps(head).decode()}---\n\n" if head else ""
    return Card(known.version.ref, front + card_body.body(known), head, tuple(_items(known, head)), known.has_card)


def _items(known: Known, head: dict[str, Any]) -> Iterator[Item]:
    """The list by which a card is judged: what is required first."""
    field = "{} in model.yaml"
    yield _item("description", True, known.description, field.format("description"))
    yield _licence(known)
    for name in ("intended_use", "limitations"):
        yield _item(name, True, known.said(name), f"{field.format(name)}, or registry annotate {known.version.ref}")
    data = known.said("data") or known.version.lineage.get("data")
    yield _item("data", True, data, f"{field.format('data')}, or registry register --data")
    yield _item("ethics", False, known.said("ethics"), field.format("ethics"))
    metrics = ", ".join(sorted(known.version.metrics))
    yield _item("metrics", False, metrics, f"registry log-metric {known.version.ref} NAME=VALUE")
    tag = f"registry tag {known.version.ref} {{}}"
    yield _item("pipeline_tag", False, card_front_matter.task(known), tag.format("pipeline_tag=tabular-classification"))
    named = known.version.tags.get("datasets") or card_front_matter.dataset(known)
    yield _item("datasets", False, named, tag.format("datasets=NAME") + ": Hugging Face shows no metrics without")
    yield _item("language", False, known.version.tags.get("language"), tag.format("language=en"))
    yield _item("library_name", False, head.get("library_name"), tag.format("library_name=NAME"))


def _item(name: str, required: bool, found: Any, hint: str) -> Item:
    shown = found if isinstance(found, str) else ""
    return Item(name, required, PRESENT if found else MISSING, shown if found else hint)


def _licence(known: Known) -> Item:
    licence = known.licence
    if licence is None:
        return Item("licence", True, MISSING, "licence in model.yaml: an SPDX identifier, as Apache-2.0")
    if licence.known:
        return Item("licence", True, PRESENT, licence.spdx or licence.word)
    near = f"did you mean {licence.near}?" if licence.near else "write LicenseRef-NAME for one of your own"
    return Item("licence", True, WRONG, f"'{licence.text}' is no SPDX identifier; {near}")
