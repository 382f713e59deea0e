"""Removal, replacement, renaming and modes through directory descriptors: the only place that removes anything.

The program removes, replaces and moves nothing that it did not create. A hostile process that exchanges a folder with
a symbolic link, between a check and the next step, must not lead it elsewhere. So every function takes a path together
with the trusted folder ``below`` that it is in. Only that folder may be reached through links. From there on each
component is opened by its name in the descriptor of the one before, no link is followed, and what was opened is
compared with what was checked. File systems that are mounted inside a tree are not entered.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from .. import layout
from . import files

#: How a folder is opened on the way: to name what is in it, which needs no permission to list it.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Deeper trees than this are left alone: an artifact has at most 64 levels, and each takes a descriptor.
_DEPTH = 200

#: Device and inode: what tells one file or folder from every other.
Identity = tuple[int, int]
#: Whether an entry of a tree, by its path in it and its status, may be removed.
Check = Callable[[str, os.stat_result], bool]


def identity(status: os.stat_result) -> Identity:
    """What ``status`` is the status of."""
    return status.st_dev, status.st_ino


def is_at(path: Path, expected: Identity) -> bool | None:
    """Whether a file or folder has the name ``path``; None when the disk doesn't say."""
    try:
        return identity(os.lstat(path)) == expected
    except FileNotFoundError:
        return False
    except OSError:
        return None


def remove(path: Path, below: Path, *, expected: Identity | None = None, check: Check | None = None) -> None:
    """Remove a file or a whole tree, sealed folders included, from the trusted folder ``below``, if it is there.

    With ``expected`` only if this has the name, with ``check`` only the entries that it accepts.

    Raises:
        OSError: Something could not be removed, is mounted there, was exchanged meanwhile, or was not accepted.
    """
    with contextlib.suppress(FileNotFoundError), open_parent(path, below) as parent:
        status = os.lstat(path.name, dir_fd=parent)
        if expected is not None and identity(status) != expected:
            raise _exchanged(path.name)
        _remove(parent, path.name, status, check, "", 0)


def discard(path: Path, below: Path, *, expected: Identity | None = None) -> None:
    """Remove a file or a whole tree that is not needed. What can't be removed stays for ``gc``."""
    with contextlib.suppress(OSError):
        remove(path, below, expected=expected)


def remove_if_unlinked(path: Path, below: Path) -> None:
    """Remove a regular file that has no other name. What can't be removed stays for ``gc``."""
    with contextlib.suppress(OSError), open_parent(path, below) as parent:
        status = os.lstat(path.name, dir_fd=parent)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            os.unlink(path.name, dir_fd=parent)


def remove_exactly(path: Path, expected: Identity, *, check: Callable[[os.stat_result], bool] = lambda _: True) -> None:
    """Remove a user's file if it is ``expected`` and ``check`` accepts its status, also after it was renamed aside."""

    def refuse_other(status: os.stat_result) -> None:
        if identity(status) != expected:
            raise OSError(errno.EBUSY, "another file has its name now", str(path))
        if not check(status):
            raise OSError(errno.EBUSY, "it was changed concurrently", str(path))

    with open_parent(path, path.parent) as parent:
        refuse_other(os.lstat(path.name, dir_fd=parent))
        with uninterrupted():  # a signal must not leave it under another name
            temporary = layout.temporary_name()
            try:
                os.rename(path.name, temporary, src_dir_fd=parent, dst_dir_fd=parent)
                refuse_other(os.lstat(temporary, dir_fd=parent))
                os.unlink(temporary, dir_fd=parent)
            except BaseException:  # where there are other threads, a signal is not held back
                _put_back(parent, temporary, path)
                raise


def _put_back(parent: int, temporary: str, path: Path) -> None:
    """Give what was moved ``temporary``, if it was, its name back, never over what has come there now."""
    try:
        status = os.lstat(temporary, dir_fd=parent)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        with contextlib.suppress(OSError):  # some file systems have no links
            os.link(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
            os.unlink(temporary, dir_fd=parent)
            return
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path.name, dir_fd=parent)
            taken = "it was changed concurrently and another file has its name now; it is at"
            raise OSError(errno.EEXIST, taken, str(path), None, str(path.with_name(temporary)))
    os.rename(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent)


@contextlib.contextmanager
def unsealed(folder: Path, below: Path, mode: int, afterwards: Path | None = None) -> Iterator[None]:
    """Make a folder of mode ``mode`` writable for its owner meanwhile, also if it is moved to ``afterwards``."""
    try:
        change_mode(folder, below, mode | 0o200)
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            change_mode(afterwards if afterwards and files.exists(afterwards) else folder, below, mode)


def rename(source: Path, target: Path, below: Path) -> None:
    """Rename ``source`` to ``target``; both lie in ``below``."""
    with open_parent(source, below) as old, open_parent(target, below) as new:
        os.rename(source.name, target.name, src_dir_fd=old, dst_dir_fd=new)


def change_mode(path: Path, below: Path, mode: int, *, expected: Identity | None = None) -> None:
    """Set the mode of a file or folder; of nothing else, and of nothing that a link leads to."""
    with open_parent(path, below) as parent, files.open_descriptor(path.name, files.READ, folder=parent) as descriptor:
        status = os.fstat(descriptor)
        regular = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        if not regular or (expected is not None and identity(status) != expected):
            raise _exchanged(path.name)
        os.fchmod(descriptor, mode)


def replace(path: Path, data: bytes, mode: int, below: Path | None = None) -> None:
    """Put ``data`` in the place of ``path``: a reader sees the old document or the new one, whole.

    No link is followed on the way from the trusted folder ``below`` (by default the one that it is in).
    """
    temporary = path.with_name(layout.temporary_name())
    with open_parent(path, below or path.parent) as folder:
        try:
            files.write_new(temporary, data, mode, folder=folder)
            os.rename(temporary.name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary.name, dir_fd=folder)
            raise
    files.fsync_folder(path.parent)


def refresh_links(folder: Path, wanted: Mapping[str, str], below: Path) -> None:
    """Make exactly the ``wanted`` symbolic links in ``folder``. They are derived: not synced, no failure is reported."""
    with contextlib.suppress(OSError), open_parent(folder / "any", below) as parent:
        for name in files.list_folder(folder):
            if name not in wanted:
                with contextlib.suppress(OSError):
                    os.readlink(name, dir_fd=parent)  # fails for everything else
                    os.unlink(name, dir_fd=parent)
        for name, target in wanted.items():
            with contextlib.suppress(OSError):  # nothing is there, or a file: what a copy without links makes of them
                if os.readlink(name, dir_fd=parent) == target:
                    continue
            with contextlib.suppress(OSError):
                temporary = layout.temporary_name()
                os.symlink(target, temporary, dir_fd=parent)
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)


@contextlib.contextmanager
def open_parent(path: Path, below: Path) -> Iterator[int]:
    """Open the folder that ``path`` is in, from ``below`` downwards; OSError if a folder on the way is a link."""
    *folders, name = path.relative_to(below).parts
    if name == ".." or ".." in folders:
        raise ValueError(f"'{path}' leads out of '{below}'")
    parent = os.open(below, _PASS & ~os.O_NOFOLLOW)
    try:
        for folder in folders:
            child = os.open(folder, _PASS, dir_fd=parent)
            os.close(parent)
            parent = child
        yield parent
    finally:
        os.close(parent)


def _remove(parent: int, name: str, status: os.stat_result, check: Check | None, path: str, depth: int) -> None:
    if check is not None and not check(path, status):
        raise OSError(errno.ENOTEMPTY, "it was not created by this program", path or name)
    if stat.S_ISDIR(status.st_mode):
        _remove_folder(parent, name, status, check, path, depth)
    else:
        os.unlink(name, dir_fd=parent)


def _remove_folder(parent: int, name: str, status: os.stat_result, check: Check | None, path: str, depth: int) -> None:
    if depth > _DEPTH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    if status.st_dev != os.fstat(parent).st_dev:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path or name)
    try:
        os.rmdir(name, dir_fd=parent)
        return
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTDIR, errno.ENOENT):
            raise  # EBUSY: something is mounted there, which must not be entered
    descriptor = _open_folder(parent, name, status)
    failed: OSError | None = None
    try:
        for child in os.listdir(descriptor):
            try:
                found = os.lstat(child, dir_fd=descriptor)
                _remove(descriptor, child, found, check, f"{path}/{child}" if path else child, depth + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                if check is None:
                    raise
                failed = failed or error  # the rest is removed all the same
    finally:
        os.close(descriptor)
    if failed:
        raise failed
    os.rmdir(name, dir_fd=parent)


def _open_folder(parent: int, name: str, status: os.stat_result) -> int:
    """Open the folder with this ``status`` to empty it; a sealed one is made writable."""
    readable = bool(status.st_mode & stat.S_IRUSR) or not hasattr(os, "O_PATH")
    descriptor = os.open(name, files.FOLDER if readable else _PASS, dir_fd=parent)
    try:
        if identity(os.fstat(descriptor)) != identity(status):
            raise _exchanged(name)
        if not readable:  # only its mode keeps it from being opened for reading
            os.chmod(f"/proc/self/fd/{descriptor}", stat.S_IRWXU)
            again = os.open(".", files.FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = again
        elif status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(descriptor, stat.S_IRWXU)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _exchanged(name: str) -> OSError:
    return OSError(errno.ESTALE, "another file has its name now", name)


_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back, for example from just before a commit until its event is in the journal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # a signal that came just before is still raised by the call that holds the next ones back
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
