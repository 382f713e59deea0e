"""The JSON Schemas of the documents that people edit, as files beside this one. ``make docs`` writes them anew.

May import: errors.
Does not belong here: checking a document; the parsers do that, and ``docs/schemas.py`` asks them for their keys.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from ..errors import InvalidInput

#: One for each document: ``registry.yaml``, ``group.yaml``, ``model.yaml``, ``targets.yaml``.
NAMES = ("registry", "group", "model", "targets")


def path(name: str) -> Path:
    """Where the schema of a document lies. Raises :class:`InvalidInput` for one that there is not."""
    if name not in NAMES:
        near = get_close_matches(name, NAMES, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"available: {', '.join(NAMES)}"
        raise InvalidInput(f"unknown schema '{name[:60]}'", hint)
    return Path(__file__).with_name(f"{name}.json")


def text(name: str) -> str:
    """A schema, as JSON."""
    return path(name).read_text(encoding="utf-8")
