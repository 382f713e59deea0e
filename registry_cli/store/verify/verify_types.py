"""Checking file types: in a model's folder nothing is a link, a fifo or a device, except the links in ``stages/``.

Readers refuse a link in place of a document, but follow one in place of a folder: what it leads to was never stored here.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from .. import layout
from ..layout import ModelLayout

if TYPE_CHECKING:
    from .verify import Findings

_NAMES = {
    stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def check_types(paths: ModelLayout, found: Findings) -> None:
    """Check what no other check of ``verify`` opens: the lock, claims, tombstones, and the folders themselves."""
    for folder in (*paths.folders, paths.packs):
        _check(paths, folder, stat.S_IFDIR, found)
    _check(paths, paths.lock, stat.S_IFREG, found, repair=not is_occupied(paths.lock))
    for name in _listed(paths.root):
        if name.startswith(layout.CLAIM):
            _check(paths, paths.root / name, stat.S_IFREG, found)
    for name in _listed(paths.tombstones):
        _check(paths, paths.tombstones / name, stat.S_IFREG, found)


def is_occupied(path: Path) -> bool:
    """Whether ``path`` is a folder with something in it, which repair does not remove."""
    return bool(_listed(path))


def _listed(path: Path) -> list[str]:
    """The names in a folder; none if it is something else."""
    try:
        return [] if path.is_symlink() else sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _check(paths: ModelLayout, path: Path, wanted: int, found: Findings, *, repair: bool = False) -> None:
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if kind != wanted:
        where = f"{paths.name}/{paths.relative(path)}"
        found.error("file-type", where, f"is {_NAMES[kind]}, not {_NAMES[wanted]}", repair=repair)
