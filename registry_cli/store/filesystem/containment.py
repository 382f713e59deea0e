"""Whether a file or folder belongs to a registry, this or another: nothing there is registered, no copy written there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection
from pathlib import Path

from ...errors import Refused
from .. import layout
from . import files, removal

#: What a registry keeps in its folder. A project may have its registry in its own top folder: the rest is the project's.
OWN = frozenset({layout.REGISTRY, layout.MODELS, ".schemas"})
_FORMAT = re.compile(rb"^format\s*:\s*\d", re.MULTILINE)
_SETTINGS_LIMIT = 1 << 20


class RegistryBoundary:
    """Refuses what belongs to a registry. ``root`` is the registry in use; others are recognized by their contents.

    The one in use is compared by device and inode, too: it may be mounted at a second place.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top, self._models = _identity(root), _identity(root / layout.MODELS)
        self._known: dict[Path, Path | None] = {}

    def refuse_inside(self, real: Path, shown: str, *, folder: bool = False) -> None:
        """Raises :class:`Refused` if ``real``, a path without links, is a registry's own file or folder."""
        root = self.registry_of(real if folder else real.parent)
        if root is None and real.name in OWN and self._is_registry(real.parent):
            root = real.parent
        if root is not None:
            raise Refused(
                f"'{shown}' is inside the registry '{root}'",
                "copy the version out with 'registry fetch REF -o DIR' and register DIR",
            )

    def own_entries(self, folder: Path, names: Collection[str]) -> frozenset[str]:
        """Those of the ``names`` in ``folder`` that belong to a registry: none unless this is one, or its ``models``."""
        identity = _identity(folder)
        if identity is not None and identity == self._models:
            return frozenset(names)
        if identity == self._top or (layout.MODELS in names and layout.REGISTRY in names and is_registry(folder)):
            return OWN.intersection(names)
        return frozenset()

    def registry_of(self, folder: Path) -> Path | None:
        """The registry that has ``folder``, a path without links, in its own folders; None if there is none.

        Its top folder is not one of them: that may be a project's.
        """
        if folder in self._known:
            return self._known[folder]
        found, below = None, folder
        while found is None and below != (above := below.parent):
            if (identity := _identity(below)) is not None and identity == self._models:
                found = self._root
            elif below.name in OWN and self._is_registry(above):
                found = above
            below = above
        self._known[folder] = found
        return found

    def _is_registry(self, folder: Path) -> bool:
        return is_registry(folder) or (self._top is not None and _identity(folder) == self._top)


def is_registry(folder: Path) -> bool:
    """Whether there is a registry in ``folder``: its settings, which say a format, and ``models/``."""
    try:
        if not stat.S_ISDIR(os.stat(folder / layout.MODELS).st_mode):
            return False
        with files.open_descriptor(folder / layout.REGISTRY, files.READ & ~os.O_NOFOLLOW) as descriptor:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return regular and bool(_FORMAT.search(os.read(descriptor, _SETTINGS_LIMIT)))
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        return removal.identity(os.stat(path))
    except OSError:
        return None
