"""Model cards: what is gathered for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.names import Reference
from ..core.records import VersionRecord
from ..errors import InvalidInput, RegistryError
from ..provenance import cards
from ..provenance.cards import Card, Known
from . import ownership, settings
from .tracing import named

if TYPE_CHECKING:
    from .reading import RegistryReader


def known(registry: RegistryReader, version: VersionRecord, paths: Iterable[str]) -> Known:
    """All that is known of a version for a card. ``paths`` are those of its files."""
    level = settings.of_model(registry._layout, version.model)
    return Known(
        version,
        registry.model(version.model),
        cards.fields(level.document, level.source),
        tuple(paths),
        registry.approvals(version.ref),
        tuple(dict.fromkeys(_bases(registry, version))),
    )


def card(registry: RegistryReader, version: VersionRecord, target: Path | None, *, replace: bool) -> Card:
    """See :meth:`RegistryReader.card`."""
    made = cards.made(known(registry, version, (entry.path for entry in registry.files(version.ref))))
    if target is not None:
        if target.is_dir():
            raise InvalidInput(f"'{target}' is a folder", f"name a file: {target / cards.NAME}")
        ownership.write_file(registry, target, made.text, ownership.is_card, replace=replace)
    return made


def _bases(registry: RegistryReader, version: VersionRecord) -> Iterator[str]:
    """The models of Hugging Face among the parents, by their names there. What is not here is not known to be one."""
    for parent in named(version.lineage):
        try:
            imported = registry.version(Reference.parse(parent)).lineage.get("imported")
        except RegistryError:
            continue
        if isinstance(imported, Mapping) and imported.get("from") == "hf" and "/" in str(imported.get("name")):
            yield str(imported["name"])
