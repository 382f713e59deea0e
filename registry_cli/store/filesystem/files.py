"""Durable writing and guarded reading.

Nothing here follows a symbolic link in the last component or blocks on a FIFO. Every write goes through a function of
``os``, so that each can be made to fail in a test.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...core.lazy_dataclass import dataclass
from ...core.yaml import DOCUMENT_LIMIT as DOCUMENT_LIMIT  # noqa: PLC0414
from ...errors import Damaged, NotFound

BLOCK = 1 << 20

#: What a file system without hard links answers to ``link``.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})

#: Flags for reading a file of the store, for making a new one, for a folder: no link is followed, nothing is waited for.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CREATE_READABLE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def open_descriptor(
    path: str | os.PathLike[str], flags: int, mode: int = 0o600, *, folder: int | None = None
) -> Iterator[int]:
    """Open a file or folder, and close it in the end; relative to the descriptor ``folder``, if there is one."""
    descriptor = os.open(path, flags, mode, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte: ``write`` may take fewer than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path, data: bytes, mode: int, *, folder: int | None = None) -> None:
    """Create ``path`` with ``data``, on the disk when this returns. FileExistsError if it is there.

    With ``folder``, a descriptor, it is made there, wherever ``path`` leads by now.
    """
    with open_descriptor(path if folder is None else path.name, CREATE, folder=folder) as descriptor:
        write_all(descriptor, data)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def fsync_folder(path: Path) -> None:
    """Bring to the disk what was created, renamed or removed in ``path``."""
    with open_descriptor(path, FOLDER) as descriptor:
        os.fsync(descriptor)


def link_if_possible(source: Path, target: str | Path, *, folder: int | None = None) -> bool:
    """Make a hard link; False where the file system or the kernel allows none, or ``source`` is gone."""
    try:
        os.link(source, target, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS and error.errno not in (errno.ENOENT, errno.EACCES):
            raise
        return False
    return True


def publish_new(temporary: Path, target: Path) -> None:
    """Link the file ``temporary`` to ``target``; FileExistsError if that is taken. Renamed where there are no links."""
    try:
        os.link(temporary, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if exists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(temporary, target)


def make_folder(path: Path, mode: int) -> bool:
    """Make the folder ``path`` with exactly ``mode``; True if it wasn't there. Its parent is not synced."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise
        return False
    with open_descriptor(path, FOLDER) as descriptor:
        os.fchmod(descriptor, mode)
    return True


def read(path: Path, limit: int, what: str) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    FileNotFoundError if it isn't there; :class:`Damaged` if it is a link, no regular file, or too large.
    """
    with open_file(path, what) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > limit:
            raise Damaged(f"{what} has {size:,} bytes, more than {limit:,}")
        data = os.read(descriptor, size + 1)
        while len(data) < size and (block := os.read(descriptor, size + 1 - len(data))):
            data += block
        return data


@contextlib.contextmanager
def open_file(path: Path, what: str) -> Iterator[int]:
    """A descriptor for reading a regular file that is not reached through a link in the last component."""
    try:
        descriptor = os.open(path, READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise Damaged(f"{what} is a symbolic link, which is not followed here") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Damaged(f"{what} is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(path: Path) -> int:
    """A fresh descriptor of a folder: on a network file system this is what makes new entries visible."""
    try:
        return os.open(path, FOLDER)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) or (error.errno == errno.ENOTDIR and path.is_symlink()):
            raise Damaged(f"{path} is a symbolic link, where a folder should be") from None
        raise


def refresh_folder(path: Path) -> None:
    """Open a folder anew; one that is missing is not an error: git, and some copies, leave empty folders out."""
    with contextlib.suppress(FileNotFoundError):
        os.close(open_folder(path))


@contextlib.contextmanager
def open_beneath(root: Path, relative: str) -> Iterator[int]:
    """A descriptor for ``root/relative``, opened one component at a time, following no link anywhere."""
    *folders, name = relative.split("/")
    with contextlib.ExitStack() as stack:
        parent = open_folder(root)
        stack.callback(lambda: os.close(parent))
        try:
            for folder in folders:
                child = os.open(folder, FOLDER, dir_fd=parent)
                os.close(parent)
                parent = child
            descriptor = os.open(name, READ, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise NotFound(f"file '{relative}' not found", "list files with 'registry show REF'") from None
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR):
                raise Damaged(f"'{relative}' leads through a symbolic link") from None
            raise
        stack.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotFound(f"'{relative}' is not a file", "give a file, not a folder")
        yield descriptor


def list_folder(path: Path) -> list[str]:
    """The names in ``path``, through a fresh descriptor; empty if it isn't there."""
    try:
        descriptor = open_folder(path)
    except FileNotFoundError:
        return []
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def iter_tree(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The path of everything in ``folder``, at any depth, with its status; no link is followed.

    What is removed meanwhile, ``folder`` itself included, is left out.
    """
    pending = [str(folder)]
    while pending:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    pending.append(entry.path)
                yield entry.path, status


def measure(folder: Path) -> tuple[int, int]:
    """Count and total size in bytes of the files below ``folder``; what is not a regular file has size 0."""
    sizes = [
        status.st_size if stat.S_ISREG(status.st_mode) else 0
        for _, status in iter_tree(folder)
        if not stat.S_ISDIR(status.st_mode)
    ]
    return len(sizes), sum(sizes)


def exists(path: Path) -> bool:
    """Whether there is anything by that name (a dangling link counts). Errors other than absence are raised."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def identity(path: str) -> tuple[int, int, int, int] | None:
    """Return inode, size, mtime and ctime (in nanoseconds) of whatever is at ``path``; None if it can't be looked at."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def sync_file_system(path: Path) -> bool:
    """Bring the whole file system that holds ``path`` to the disk in one call; False where there is no such call.

    Linux reports write errors from ``syncfs`` since 5.8; before that only ``fsync`` of each file is reliable.
    """
    release = os.uname().release.split(".")
    if os.uname().sysname != "Linux" or (int(release[0]), int(release[1].split("-")[0])) < (5, 8):
        return False
    with open_descriptor(path, FOLDER) as descriptor:
        return call_libc("syncfs", descriptor, path=path)


def call_libc(function: str, *arguments: object, path: Path, target: Path | None = None) -> bool:
    """Call a function of the C library. False where it has none of that name; OSError if the call fails."""
    import ctypes

    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), function)
    except (OSError, AttributeError):
        return False
    if call(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(path), None, str(target) if target else None)
    return True


SHARED = ("private", "group")


@dataclass(frozen=True, eq=False, repr=False)
class Modes:
    """The modes of one registry. Nothing is ever world-writable.

    ``folder`` and ``file`` are for what changes, ``sealed_folder`` and ``sealed_file`` for versions, ``versions`` for
    the folder that holds them: sticky in a group registry, so that a teammate can't rename over a sealed version.
    """

    folder: int
    file: int
    versions: int
    sealed_folder: int
    sealed_file: int

    @classmethod
    def of(cls, shared: str) -> Modes:
        """For a registry with this ``shared`` setting. The umask applies to a private one, but not to its owner."""
        if shared == "group":
            return cls(0o2775, 0o664, 0o3775, 0o555, 0o444)
        mask = os.umask(0o077)
        os.umask(mask)
        allowed = ~mask | 0o700
        return cls(0o755 & allowed, 0o644 & allowed, 0o755 & allowed, 0o555 & allowed, 0o444 & allowed)
