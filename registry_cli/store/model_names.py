"""The models of a registry, by name: a folder with a ``model.yaml`` is a model, one without is a group of models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Container, Generator, Iterator
from itertools import islice
from pathlib import Path

from ..core import names
from ..errors import Conflict, RegistryError
from . import codec, layout
from .filesystem import files
from .layout import Layout

#: Among so many models one that was renamed is looked for.
_SEARCHED = 10_000
#: So much of each document is searched for the key of former names before it is parsed.
_SCANNED = 64 << 10
#: So many times the models are listed before it is a :class:`Conflict` that they change their names all the time.
_LISTINGS = 1_000


def iter_model_names(root: Layout, known: Container[str] = ()) -> Iterator[str]:
    """The names of all models, in the order of folders.

    Those in ``known`` are taken for models without a look at them, as long as their folder is there.
    """
    top = str(root.models)
    for name in _list_folders(top, "", known):
        if name in known or files.identity(f"{top}/{name}/{layout.MODEL}"):
            yield name
            continue
        for child in _list_folders(f"{top}/{name}", f"{name}/", known):
            full = f"{name}/{child}"
            if full in known or files.identity(f"{top}/{full}/{layout.MODEL}"):
                yield full


def _list_folders(parent: str, prefix: str, known: Container[str] = ()) -> list[str]:
    """The folders in ``parent`` whose names, after ``prefix``, are names of models or groups, sorted."""
    try:
        with os.scandir(parent) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if prefix + name in known or names.is_model_name(prefix + name))


def find_renamed_model(
    root: Layout, name: str, *, most: int | None = _SEARCHED, but: Collection[str] = ()
) -> str | None:
    """The model, none of ``but``, that was called ``name`` before; looked for among the first ``most`` models."""
    for each, start in islice(_beginnings(root.models), most):
        if each in but or (len(start) < _SCANNED and b"formerly" not in start):
            continue
        with contextlib.suppress(OSError, RegistryError):
            data = start if len(start) < _SCANNED else files.read(root.model(each).model, files.DOCUMENT_LIMIT, each)
            if name in codec.former_names(codec.loads(data, each)):
                return each
    return None


def _beginnings(models: Path) -> Iterator[tuple[str, bytes]]:
    """The name of every model and the beginning of its document, which the caller parses only if it has to.

    A model that is renamed between listing and reading would be missed, so the folders are listed again until all were
    read. A renamed model comes twice.
    """
    read: set[tuple[str, int]] = set()
    for _ in range(_LISTINGS):
        if not (yield from _unread_beginnings(str(models), "", read)):
            return
    raise Conflict("models are being renamed continuously", "try again")


def _unread_beginnings(
    folder: str, prefix: str, read: set[tuple[str, int]]
) -> Generator[tuple[str, bytes], None, bool]:
    """The same for models that are not in ``read``; whether any was read, or renamed since: then there may be more."""
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
            with files.open_descriptor(f"{folder}/{name}/{layout.MODEL}", files.READ) as descriptor:
                start = os.read(descriptor, _SCANNED)
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
