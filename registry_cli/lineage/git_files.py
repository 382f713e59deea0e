"""What can be read of a repository without git: where it is, which commit is checked out, whether it keeps to itself.

A repository may come from a stranger, and all that git trusts lies in it. :func:`check_layout` refuses one that leads git
to files elsewhere: then git is not asked at all.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from ..core.text import lazy_pattern

_ID = lazy_pattern(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z", re.ASCII)
_WORKTREE = lazy_pattern(r"^[ \t]*worktree[ \t]*=[ \t]*([^\n#;]+)", re.MULTILINE | re.IGNORECASE)
_REF = lazy_pattern(r"ref: (refs/[^\x00-\x20\x7f~^:?*\[\\]+)\Z")
_MOST = 1 << 20
#: The largest file of settings that is looked at, in bytes.
_SETTINGS_MOST = 1 << 20
#: What of a repository must not be a symbolic link.
_OWN = (
    "HEAD", "config", "config.worktree", "index", "objects", "objects/info", "objects/pack", "refs", "packed-refs", "info",
    "info/exclude", "info/attributes", "commondir", "shallow", "reftable",
)  # fmt: skip
_OBJECTS_MOST = 200_000


class UnsafeRepository(Exception):
    """The repository leads elsewhere; the text says how."""


def check_layout(top: Path) -> None:
    """Refuse a repository whose files lead out of it.

    Args:
        top: the top of the work tree, which holds ``.git``.

    Raises:
        Unsafe: ``.git`` leads to a repository that does not know this work tree, or its objects, settings or index lie
            elsewhere (symbolic links, ``alternates``, ``commondir``, ``include``).
    """
    folder, common = _checked_folders(top)
    for each in {folder, common}:
        for name in _OWN:
            if _is_link(each / name):
                raise UnsafeRepository(f"{name} in its .git is a symbolic link")
    for name in ("alternates", "http-alternates"):
        if _read(common / "objects/info" / name).strip():
            raise UnsafeRepository("it borrows objects from another repository (objects/info/alternates)")
    for path in (common / "config", folder / "config.worktree"):
        _check_settings(path)
    _check_objects(common / "objects")


def _checked_folders(top: Path) -> tuple[Path, Path]:
    """The folder of the repository, and the one with its objects: the same but for a worktree."""
    place = top / ".git"
    mode = os.lstat(place).st_mode
    if stat.S_ISLNK(mode):
        raise UnsafeRepository("its .git is a symbolic link")
    if stat.S_ISDIR(mode):
        if os.path.lexists(place / "commondir"):
            raise UnsafeRepository("it borrows from another repository (commondir)")
        return place, place
    folder = _folder(top)
    if folder is None:
        raise UnsafeRepository("its .git is neither a folder nor a link to one")
    folder = Path(os.path.realpath(folder))
    if folder.parent.name == "worktrees":  # git worktree: it names our .git in turn
        common = folder.parent.parent
        back = folder / _read(folder / "gitdir").strip()
        named = folder / _read(folder / "commondir").strip()
        if _is_same_path(back, place) and _is_same_path(named, common):
            return folder, common
    elif "modules" in folder.parts:  # a submodule: its settings name our work tree
        found = _WORKTREE.findall(_read(folder / "config"))
        if len(found) == 1 and _is_same_path(folder / found[0].strip().strip('"'), top):
            return folder, folder
    raise UnsafeRepository("its .git leads to a repository elsewhere that does not know this folder")


def index_of(top: Path) -> Path:
    """Where the index of a work tree lies. Raises :class:`UnsafeRepository` as :func:`check_layout` does."""
    return _checked_folders(top)[0] / "index"


def _is_same_path(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def _check_settings(path: Path) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode) or status.st_size > _SETTINGS_MOST:
        raise UnsafeRepository(f"its settings ({path.name}) are no file of at most {_SETTINGS_MOST:,} bytes")
    if "[include" in _read(path, _SETTINGS_MOST).lower():
        raise UnsafeRepository("its settings include other files (include.path)")


def _check_objects(folder: Path) -> None:
    """No object may be a link to one of another repository."""
    pending, count = [folder], 0
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_symlink():
                        raise UnsafeRepository("some of its objects are symbolic links")
                    if count > _OBJECTS_MOST:
                        raise UnsafeRepository(
                            f"it has more than {_OBJECTS_MOST:,} unpacked objects; run 'git gc' in it"
                        )
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnsafeRepository(f"its objects cannot be listed: {error.strerror}") from None


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
    try:
        folder, common = _checked_folders(top)
    except (UnsafeRepository, OSError):
        return {}
    head = _read(folder / "HEAD").strip()
    if _ID.match(head):
        return {"commit": head}
    ref = _REF.match(head)
    if ref is None or ".." in ref[1] or ref[1].endswith("/.invalid"):
        return {}
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
