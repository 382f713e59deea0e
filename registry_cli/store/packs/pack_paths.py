"""Where the packs of a model lie, and how large they are."""

from __future__ import annotations

import os
from pathlib import Path

from .. import layout
from ..filesystem import files
from ..layout import ModelLayout


def path(paths: ModelLayout, number: int) -> Path | None:
    """Where the pack of a version lies, None if there is none."""
    packs = (paths.pack(number, suffix) for suffix in layout.PACK_SUFFIXES)
    return next((pack for pack in packs if files.exists(pack)), None)


def size(paths: ModelLayout, number: int) -> int:
    """The bytes of a version's pack, 0 if it is not there (``verify`` says so)."""
    pack = path(paths, number)
    return os.lstat(pack).st_size if pack else 0
