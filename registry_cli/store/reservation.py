"""A name that a rename has taken before its folder moves there: nobody else can make a model of it meanwhile.

The reservation is a file in a folder of that name. It holds as long as the rename is unfinished: the model that it names
has its own name among its former ones. Whatever else is left of one is no obstacle, and removed by whoever comes next.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ..errors import Conflict, RegistryError
from . import codec, layout, reader
from .filesystem import files, removal
from .filesystem.modes import Modes
from .layout import Layout, ModelLayout

_LIMIT = 1_000


def holder(root: Layout, paths: ModelLayout) -> str | None:
    """The model that is being renamed to the name of ``paths``; None if there is none."""
    if not files.exists(paths.reservation):
        return None
    with contextlib.suppress(RegistryError, OSError, UnicodeDecodeError):
        name = files.read(paths.reservation, _LIMIT, layout.RESERVATION).decode().strip()
        source = reader.ModelReader(root.model(name))
        return name if name in codec.former_names(source.document()) else None
    return None


def refuse_reserved(root: Layout, paths: ModelLayout) -> None:
    """Raise :class:`Conflict` if the name of ``paths`` is reserved for a model that is being renamed."""
    if name := holder(root, paths):
        raise Conflict(
            f"the name '{paths.name}' is reserved for {name}, whose rename was interrupted",
            f"finish it with 'registry rename {name} {paths.name}', or choose another name",
        )


@contextlib.contextmanager
def reserved(root: Layout, target: ModelLayout, name: str, modes: Modes) -> Iterator[None]:
    """Reserve the name of ``target`` for the model ``name``; what fails inside, before anything is recorded, frees it."""
    made = files.make_folder(target.root, modes.folder)
    removal.remove(target.reservation, root.root)
    files.write_new(target.reservation, f"{name}\n".encode(), modes.file)  # one that is torn reserves nothing
    if made:
        files.fsync_folder(target.root.parent)
    try:
        yield
    finally:
        if files.exists(target.reservation) and not holder(root, target):
            release(root, target)


def release(root: Layout, paths: ModelLayout) -> None:
    """Remove a reservation, and its folder if nothing else is in it."""
    removal.discard(paths.reservation, root.root)
    with contextlib.suppress(OSError):
        os.rmdir(paths.root)
