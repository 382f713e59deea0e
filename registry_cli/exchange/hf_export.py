"""A version as a repository of Hugging Face: its files, and a model card with front matter unless it has one."""

from __future__ import annotations

from pathlib import Path

from ..core.records import Artifact
from ..provenance import cards
from ..provenance.cards import Known
from . import leaving


def write(artifact: Artifact, known: Known, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned."""
    leaving.copy(artifact, target)
    if known.has_card:
        return [*leaving.lost(artifact.version), f"{cards.NAME} is as it came: nothing that was said here stands in it"]
    card = cards.made(known)
    leaving.write(target / cards.NAME, card.text)
    carried = dict.fromkeys(("message", "params", "metrics", "tags", "annotations", "stages", "aliases"), True)
    return leaving.lost(artifact.version, **carried)
