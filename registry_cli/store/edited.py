"""Reading the documents that people edit, with the line of each word: a mistake in one is told with its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import NotFound, RegistryError
from ..lifecycle.sources import Source
from . import codec, files, layout, marks
from .codec import Settings
from .layout import Layout

#: Among so many models one that was renamed is looked for.
_SEARCHED = 10_000
#: So much of each document is searched for the key of former names before it is parsed.
_SCANNED = 64 << 10


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
    for each, start in islice(_beginnings(str(root.models)), most):
        if each in but or (len(start) < _SCANNED and b"formerly" not in start):
            continue
        with contextlib.suppress(OSError, RegistryError):
            data = files.read(root.model(each).model, files.DOCUMENT_LIMIT, each)
            if name in codec.former_names(codec.loads(data, each)):
                return each
    return None


def _beginnings(root: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """The name of every model and the beginning of its document. All are read whenever a model is made, so each costs
    three system calls, and is parsed only if it may have former names.
    """
    for name in marks.folders(root, prefix, ()):
        folder = f"{root}/{name}"
        try:
            descriptor = os.open(f"{folder}/{layout.MODEL}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            if not prefix:  # a group
                yield from _beginnings(folder, f"{name}/")
            continue
        except OSError:
            continue
        try:
            start = os.read(descriptor, _SCANNED)
        except OSError:
            continue
        finally:
            os.close(descriptor)
        yield f"{prefix}{name}", start
