"""Reading the documents that people edit, with the line of each word: a mistake in one is told with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import NotFound
from ..lifecycle.sources import Source
from . import codec, files
from .codec import Settings
from .layout import Layout


def open_settings(root: Layout) -> Settings:
    """``registry.yaml``. :class:`NotFound` when the folder is no registry."""
    try:
        document, source = document_with_lines(root.config, str(root.config))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no registry in {root.root}", "make one: registry init DIR") from None
    return codec.parse_settings(document, source)


def document_with_lines(path: Path, what: str) -> tuple[dict[str, Any], Source]:
    """A document that people edit, and where its lines are; ``what`` is what messages call it."""
    data = files.read(path, files.DOCUMENT_LIMIT, what)

    def lines() -> Mapping[tuple[str, ...], int]:
        from . import documents

        return documents.lines(data)

    return codec.loads(data, what), Source(what, lines)
