"""A version as a repository of Hugging Face: its files, and a model card with front matter unless it has one."""

from __future__ import annotations

from pathlib import Path

from ..core.records import Artifact
from . import exported_files
from .cards import model_card
from .cards.model_card import Known


def write(artifact: Artifact, known: Known, target: Path) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned."""
    exported_files.copy(artifact, target)
    if known.has_card:
        return [
            *exported_files.lost(artifact.version),
            f"{model_card.NAME} is as it came: nothing that was said here stands in it",
        ]
    card = model_card.made(known)
    exported_files.write(target / model_card.NAME, card.text)
    carried = dict.fromkeys(("message", "params", "metrics", "tags", "annotations", "stages", "aliases"), True)
    return exported_files.lost(artifact.version, **carried)
