"""Reading the documents that people edit, with the line of each word: a mistake in one is told with its place."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import NotFound, RegistryError
from ..lifecycle.sources import Source
from . import codec, files, marks
from .codec import Settings
from .layout import Layout

#: Among so many models one that was renamed is looked for.
_SEARCHED = 10_000


def open_settings(root: Layout) -> Settings:
    """``registry.yaml``. :class:`NotFound` when the folder is no registry."""
    try:
        document, source = document_with_lines(root.config, str(root.config))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no registry in {root.root}", "make one: registry init DIR") from None
    return codec.parse_settings(document, source)


def document_with_lines(path: Path, what: str) -> tuple[dict[str, Any], Source]:
    """A document that people edit, and where its lines are; ``what`` is what messages call it."""
    return with_lines(files.read(path, files.DOCUMENT_LIMIT, what), what)


def with_lines(data: bytes, what: str) -> tuple[dict[str, Any], Source]:
    """The same for the bytes of such a document."""

    def lines() -> Mapping[tuple[str, ...], int]:
        from . import documents

        return documents.lines(data)

    return codec.loads(data, what), Source(what, lines)


def renamed(root: Layout, name: str, *, most: int | None = _SEARCHED, but: Collection[str] = ()) -> str | None:
    """The model, none of ``but``, that was called ``name`` before; looked for among the first ``most`` models."""
    for each, _ in islice(marks.models(str(root.models)), most):
        if each in but:
            continue
        with contextlib.suppress(OSError, RegistryError):
            data = files.read(root.model(each).model, files.DOCUMENT_LIMIT, each)
            if b"formerly" in data and name in codec.former_names(codec.loads(data, each)):
                return each
    return None
