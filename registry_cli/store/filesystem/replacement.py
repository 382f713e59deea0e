"""Replacing an existing file or folder with a new one, in one step, unless it was changed meanwhile.

The old one is removed afterwards, entry by entry, except files that came, or were changed, in the meantime.
``renameat2`` exchanges the two, where the system and the file system have it; elsewhere the old one is moved aside
first, and back again when the second step fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from ...core.lazy_dataclass import dataclass, field
from ...errors import Conflict, RegistryError, explain
from .. import layout
from . import files, removal
from .removal import uninterrupted

#: Folders with more entries than this are not scanned: no artifact has as many.
LIMIT = 2_000_000

_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})


@dataclass(frozen=True, eq=False, repr=False)
class Existing:
    """What is at a path: a file or a folder, with the status of all that is in it by its path there."""

    path: Path
    status: os.stat_result
    entries: dict[str, os.stat_result] = field(default_factory=dict)

    def holds(self, path: str, status: os.stat_result) -> bool:
        """Whether an entry, itself for the empty path, was there with the same ``status`` when it was scanned."""
        known = self.entries.get(path) if path else self.status
        return known is not None and _mark(known) == _mark(status)

    def is_unchanged(self, path: Path) -> bool:
        """Whether exactly this is at ``path`` now."""
        now = scan_existing(path)
        if now is None or not self.holds("", now.status) or now.entries.keys() != self.entries.keys():
            return False
        return all(self.holds(name, status) for name, status in now.entries.items())


def scan_existing(path: Path) -> Existing | None:
    """What is at a path; None if there is nothing. No link is followed.

    Raises:
        Conflict: It is a folder with more than ``LIMIT`` entries.
        OSError: It could not be read.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    entries: dict[str, os.stat_result] = {}
    if stat.S_ISDIR(status.st_mode):
        start = len(f"{path}/")
        for name, found in files.iter_tree(path):
            entries[name[start:]] = found
            if len(entries) > LIMIT:
                raise Conflict(f"'{path}' has more than {LIMIT:,} entries", "choose a new folder with -o")
    return Existing(path, status, entries)


def publish(made: Path, target: Path, existing: Existing | None) -> str:
    """Rename ``made`` to ``target`` in the same folder; ``existing``, as it was scanned, is replaced, and then removed.

    Returns:
        A warning about an old copy that could not be removed, or not all of it; mostly empty.

    Raises:
        Conflict: Something else is at ``target`` by now. Nothing was changed.
        OSError: It could not be renamed. Nothing was changed.
    """
    with uninterrupted():
        if existing is None:
            return _place(made, target)
        if not existing.is_unchanged(target):
            raise _changed(target)
        new = removal.identity(os.lstat(made))
        old = _replace(made, target)
        if not existing.is_unchanged(old):
            back = _replace(old, target)
            removal.discard(back, back.parent, expected=new)
            raise _changed(target)
        try:
            removal.remove(old, old.parent, check=existing.holds)
        except OSError as error:
            return f"'{target}' was replaced, but not all of its old copy '{old}' could be removed: {explain(error)}"
        return ""


@contextlib.contextmanager
def atomic_output(target: Path, existing: Existing | None = None) -> Iterator[Path]:
    """A temporary name beside ``target``: what is made there is renamed to it in the end, or removed after an error.

    It replaces ``existing``, if that is given. A warning is issued about what could not be removed of that.

    Raises:
        Conflict: Something else is at ``target`` by then. Nothing was changed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}{layout.temporary_name()}")
    try:
        yield temporary
        left = publish(temporary, target, existing)
    except BaseException:
        # what was made; never what was there before, which may have this name after an error
        with uninterrupted(), contextlib.suppress(OSError):
            found = removal.identity(os.lstat(temporary))
            if existing is None or found != removal.identity(existing.status):
                removal.discard(temporary, temporary.parent, expected=found)
        raise
    if left:
        warnings.warn(left, RuntimeWarning, stacklevel=3)


def _place(made: Path, target: Path) -> str:
    """Rename without replacing anything; a warning about what could not be removed."""
    try:
        if _try_renameat2(made, target, _NOREPLACE):
            return ""
        if stat.S_ISDIR(os.lstat(made).st_mode):
            _rename(made, target)  # replaces nothing but an empty folder
            return ""
        return _link(made, target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR):
            raise Conflict(f"'{target}' exists already", "name a new one, or use `replace` to replace it") from None
        raise


def _link(made: Path, target: Path) -> str:
    _done(lambda: files.publish_new(made, target), made, target)
    try:
        os.unlink(made)
    except FileNotFoundError:  # without hard links it was renamed
        return ""
    except OSError as error:
        return f"'{target}' was written, but its temporary name '{made}' could not be removed: {explain(error)}"
    return ""


def _replace(made: Path, target: Path) -> Path:
    """Rename ``made`` to ``target``, and what is there to another name, which is returned."""
    if _try_renameat2(made, target, _EXCHANGE):
        return made
    temporary = target.with_name(f".{target.name}{layout.temporary_name()}")
    _rename(target, temporary)
    try:
        _rename(made, target)
    except BaseException as error:
        try:
            _rename(temporary, target)
        except OSError:
            raise RegistryError(
                f"'{target}' could not be replaced or restored", f"the previous content is at '{temporary}': rename it"
            ) from error
        raise
    return temporary


def _rename(source: Path, target: Path) -> None:
    _done(lambda: os.rename(source, target), source, target)


def _done(step: Callable[[], object], source: Path, target: Path) -> bool:
    """Let ``step`` rename ``source`` to ``target``; False if it returns False.

    After an error the disk is looked at: a network file system may do it, and report an error all the same.
    """
    new = removal.identity(os.lstat(source))
    try:
        return step() is not False
    except OSError:
        if not removal.is_at(target, new):
            raise
        return True


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names in one step. False where that is not possible, with nothing changed."""
    return _try_renameat2(first, second, _EXCHANGE)


def _try_renameat2(source: Path, target: Path, flag: int) -> bool:
    """Rename in one step; False where the system or the file system can't, with nothing changed."""
    try:
        return _done(lambda: renameat2(source, target, flag), source, target)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False


def renameat2(source: Path, target: Path, flag: int) -> bool:
    """The system call of Linux; False on other systems."""
    here = -100  # AT_FDCWD
    names = (here, os.fsencode(source), here, os.fsencode(target))
    return files.call_libc("renameat2", *names, flag, path=source, target=target)


def _mark(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is changed or replaced; of a folder only when it is replaced."""
    kind, where = stat.S_IFMT(status.st_mode), removal.identity(status)
    return (kind, *where) if kind == stat.S_IFDIR else (kind, *where, status.st_size, status.st_mtime_ns)


def _changed(target: Path) -> Conflict:
    return Conflict(f"'{target}' was changed while its replacement was written", "check it and retry")
