"""Reading the documents that people edit, with the line of each word: a mistake in one is told with its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Generator, Iterator, Mapping
from itertools import islice
from pathlib import Path

from ..core import names
from ..errors import Conflict, NotFound, RegistryError
from ..rules.settings_errors import SettingsSource
from . import codec, layout
from .codec import Settings
from .filesystem import files
from .layout import Layout

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: Among so many models one that was renamed is looked for.
_SEARCHED = 10_000
#: So much of each document is searched for the key of former names before it is parsed.
_SCANNED = 64 << 10
#: So many times the models are listed before it is a :class:`Conflict` that they change their names all the time.
_LISTINGS = 1_000


def open_settings(root: Layout) -> Settings:
    """``registry.yaml``. :class:`NotFound` when the folder is no registry."""
    try:
        document, source = document_with_lines(root.config, str(root.config))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no registry in {root.root}", "make one: registry init DIR") from None
    return codec.parse_settings(document, source)


def document_with_lines(path: Path, what: str) -> tuple[dict[str, Any], SettingsSource]:
    """A document that people edit, and where its lines are; ``what`` is what messages call it."""
    return with_lines(files.read(path, files.DOCUMENT_LIMIT, what), what)


def with_lines(data: bytes, what: str) -> tuple[dict[str, Any], SettingsSource]:
    """The same for the bytes of such a document."""

    def lines() -> Mapping[tuple[str, ...], int]:
        from ..core.yaml import documents

        return documents.lines(data)

    return codec.loads(data, what), SettingsSource(what, lines)


def renamed(root: Layout, name: str, *, most: int | None = _SEARCHED, but: Collection[str] = ()) -> str | None:
    """The model, none of ``but``, that was called ``name`` before; looked for among the first ``most`` models."""
    for each, start in islice(_beginnings(root.models), most):
        if each in but or (len(start) < _SCANNED and b"formerly" not in start):
            continue
        with contextlib.suppress(OSError, RegistryError):
            whole = len(start) < _SCANNED
            data = start if whole else files.read(root.model(each).model, files.DOCUMENT_LIMIT, each)
            if name in codec.former_names(codec.loads(data, each)):
                return each
    return None


def _beginnings(models: Path) -> Iterator[tuple[str, bytes]]:
    """The name of every model and the beginning of its document. All are read whenever a model is made, so each costs
    three system calls, and is parsed only if it may have former names.

    A model that is renamed between the listing and the reading would be missed, so the folders are listed again until
    there is none that was not read. A model that was renamed comes a second time.
    """
    read: set[tuple[str, int]] = set()
    for _ in range(_LISTINGS):
        if not (yield from _unread_beginnings(str(models), "", read)):
            return
    raise Conflict("models are being renamed all the time", "try again")


def _unread_beginnings(
    folder: str, prefix: str, read: set[tuple[str, int]]
) -> Generator[tuple[str, bytes], None, bool]:
    """The same for the models that are not in ``read``, which get into it, each by its name and the inode of its folder.

    Returns whether any was read, or renamed since it was listed: then there may be more.
    """
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return True
    more = False
    for name, inode in sorted(found):
        model = f"{prefix}{name}"
        if (model, inode) in read or not names.is_model_name(model):
            continue
        try:
            start = _beginning(f"{folder}/{name}/{layout.MODEL}")
        except FileNotFoundError:
            if prefix:
                more |= not os.path.lexists(f"{folder}/{name}")
            else:  # a group
                more |= yield from _unread_beginnings(f"{folder}/{name}", f"{name}/", read)
            continue
        except OSError:
            start = b""
        read.add((model, inode))
        more = True
        yield model, start
    return more


def _beginning(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _SCANNED)
    finally:
        os.close(descriptor)
