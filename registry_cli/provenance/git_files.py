"""What can be read of a repository without git: where it is, and which commit is checked out."""

from __future__ import annotations

import os
import re
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)
_REF = re.compile(r"ref: (refs/[^\x00-\x20\x7f~^:?*\[\\]+)\Z")
_MOST = 1 << 20


def top_of(folder: str) -> Path | None:
    """The nearest folder upward with a ``.git`` in it."""
    here = Path(folder)
    for each in (here, *here.parents):
        try:
            os.lstat(each / ".git")
        except OSError:
            continue
        return each
    return None


def head_of(top: Path) -> dict[str, str]:
    """``commit`` and ``branch`` as the files say; what they don't say is left out."""
    folder = _folder(top)
    if folder is None:
        return {}
    head = _read(folder / "HEAD").strip()
    if _ID.match(head):
        return {"commit": head}
    ref = _REF.match(head)
    if ref is None or ".." in ref[1] or ref[1].endswith("/.invalid"):
        return {}
    common = folder / (_read(folder / "commondir").strip() or ".")
    found = {"branch": ref[1].removeprefix("refs/heads/")}
    commit = _read(common / ref[1]).strip() or _packed(common, ref[1])
    return {"commit": commit, **found} if _ID.match(commit) else found


def _folder(top: Path) -> Path | None:
    """The folder of the repository: ``.git``, or where the file ``.git`` of a worktree or submodule says."""
    place = top / ".git"
    if place.is_dir():
        return place
    words = _read(place).strip()
    return top / words.removeprefix("gitdir: ") if words.startswith("gitdir: ") else None


def _packed(common: Path, ref: str) -> str:
    for line in _read(common / "packed-refs", 64 * _MOST).splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return ""


def _read(path: Path, most: int = _MOST) -> str:
    """The beginning of a small file; empty if it is none, or can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(most).decode("utf-8", "backslashreplace")
    except OSError:
        return ""
