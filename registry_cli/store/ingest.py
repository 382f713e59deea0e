"""Filling a staging folder: step 2 and 3 of a registration, all of it before the lock is taken.

A staging folder is a sibling of the versions, mode 0700 while it is filled, with a name that nobody can guess. When
:func:`fill` returns, every file and folder in ``files/`` has its final mode and is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import Damaged, InvalidInput, Refused
from ..progress import SILENT, Progress
from ..records import FileEntry
from . import copying, files, layout
from .layout import ModelLayout
from .modes import Modes
from .sources import Source

HOW = ("copy", "link", "move")

_FICLONE = 0x40049409
#: From so many files on, one sync of the file system is cheaper than one of each file.
_MANY = 48
#: From this size on, a file that the newest version seems to hold is hashed before it is copied.
_HASH_FIRST = 1 << 20
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Staging:
    """A staging folder and what is in it. ``added`` are the bytes that are stored anew, not linked; ``first`` says that
    there was no model yet when it was made.
    """

    folder: Path
    inode: tuple[int, int]
    first: bool = False
    entries: list[FileEntry] = field(default_factory=list)
    size: int = 0
    added: int = 0
    _taken: list[tuple[Path, int]] = field(default_factory=list)

    @classmethod
    def make(cls, paths: ModelLayout, *, first: bool = False) -> Staging:
        folder = paths.versions / layout.temporary_name()
        os.mkdir(folder, 0o700)
        status = os.lstat(folder)
        return cls(folder, (status.st_dev, status.st_ino), first)

    @property
    def files(self) -> Path:
        return self.folder / layout.FILES

    def keep(self, name: str, data: bytes, modes: Modes) -> None:
        """Lay a file of that name beside ``version.yaml``, which says its digest; on the disk when this returns."""
        files.write_new(self.folder / name, data, modes.sealed_file)

    def is_there(self) -> bool:
        """Whether the folder still has its temporary name, that is: it did not become a version. May raise OSError."""
        try:
            status = os.lstat(self.folder)
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == self.inode

    def abandon(self) -> None:
        """Remove the folder and give files that were linked into it their old mode back."""
        for origin, mode in reversed(self._taken):  # one that was taken twice was sealed already the second time
            with contextlib.suppress(OSError):
                os.chmod(origin, mode)
        files.discard(self.folder)


@dataclass(frozen=True, eq=False, repr=False)
class Intake:
    """How files come in: where equal contents may lie already, the modes they get, who watches."""

    paths: ModelLayout
    modes: Modes
    newest: Path | None = None
    how: str = "copy"
    progress: Progress = SILENT


def fill(staging: Staging, sources: Sequence[Source], intake: Intake) -> None:
    """Bring ``sources`` into the staging folder, hashed, with their final modes, and on the disk."""
    _refuse_too_large(sources, intake)
    intake.progress.expect(sum(source.size for source in sources))
    many = len(sources) > _MANY
    os.mkdir(staging.files, 0o700)
    folders = _make_folders(staging, sources)
    for source in sources:
        entry, size, added = _Place(staging, source, intake, sync=not many).run()
        staging.entries.append(entry)
        staging.size += size
        staging.added += added
    if not staging.size:
        raise InvalidInput("nothing to register: no byte came in", "was it written to the end?")
    for folder in (*reversed(folders), staging.files):
        os.chmod(folder, intake.modes.sealed_folder)
    sync(staging, folders, written=not many)


def sync(staging: Staging, folders: Sequence[Path], *, written: bool = False) -> None:
    """Bring all that is staged to the disk: the files too, unless they were as they were ``written``."""
    many = len(staging.entries) > _MANY
    if many and files.sync_file_system(staging.folder):
        return
    for entry in staging.entries if not written else ():
        sync_file(staging.files / entry.path)
    for folder in (*reversed(folders), staging.files):
        files.fsync_folder(folder)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, files.READ)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_too_large(sources: Sequence[Source], intake: Intake) -> None:
    """Say before a byte is copied that the disk has no room for it."""
    if intake.how != "copy":
        return
    needed = sum(source.size for source in sources if _candidate(source, intake) is None)
    room = os.statvfs(intake.paths.versions)
    free = room.f_bavail * room.f_frsize
    if needed > free:
        raise Refused(f"{needed:,} bytes to store, but only {free:,} are free", "make room, or register with --link")


def _candidate(source: Source, intake: Intake) -> Path | None:
    """The file of the newest version that looks the same: same path, same size. Worth hashing before copying."""
    if intake.newest is None or source.size < _HASH_FIRST:
        return None
    path = intake.newest / source.path
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return path if stat.S_ISREG(status.st_mode) and status.st_size == source.size else None


def _make_folders(staging: Staging, sources: Sequence[Source]) -> list[Path]:
    """Every folder that a source needs, parents first."""
    made: dict[str, Path] = {}
    for source in sources:
        parts = source.path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            if name not in made:
                made[name] = staging.files / name
                os.mkdir(made[name], 0o700)
    return list(made.values())


@contextlib.contextmanager
def opened(origin: Path) -> Iterator[int]:
    """A descriptor of a user's file. :class:`Refused` when it was made a link or something else meanwhile."""
    try:
        descriptor = os.open(origin, files.READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise Refused(f"'{origin}' is no regular file any more", "register it again") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"'{origin}' is no regular file any more", "register it again")
        yield descriptor
    finally:
        os.close(descriptor)


class _Place:
    """One file on its way into the staging folder."""

    def __init__(self, staging: Staging, source: Source, intake: Intake, *, sync: bool) -> None:
        self.staging, self.source, self.intake, self.sync = staging, source, intake, sync
        self.target = staging.files / source.path

    def run(self) -> tuple[FileEntry, int, int]:
        """The file's entry, its size, and how many of its bytes are stored anew."""
        with self._opened() as origin:
            before = copying.identity(origin) if self.source.origin else None
            if self.intake.how != "copy" and self.source.origin and self._linked(origin):
                sha256, size = copying.pump(origin, None, self.source.size, self.intake.progress)
                added = 0
                self._seal_linked()
            else:
                sha256, size, added = self._linked_to_candidate(origin) or self._copied(origin)
            if before is not None:
                copying.refuse_changed(origin, before, self.source.path)
        return FileEntry(self.source.path, sha256), size, added

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.source.origin is None:
            yield self.source.content()
            return
        with opened(self.source.origin) as descriptor:
            yield descriptor

    def _linked(self, origin: int) -> bool:
        """Link the user's own file in, as asked for; with ``move``, copy where a link can't be."""
        assert self.source.origin is not None  # noqa: S101 - told by the caller
        try:
            os.link(self.source.origin, self.target, follow_symlinks=False)
        except OSError as error:
            if error.errno in files.NO_LINKS and self.intake.how == "move":
                return False
            if error.errno == errno.EXDEV:
                raise Refused(f"'{self.source.origin}' is on another file system", "leave out --link") from None
            raise
        status, mine = os.lstat(self.target), os.fstat(origin)
        if (status.st_dev, status.st_ino) != (mine.st_dev, mine.st_ino):
            raise Refused(f"'{self.source.origin}' was replaced while it was linked", "register it again")
        return True

    def _seal_linked(self) -> None:
        assert self.source.origin is not None  # noqa: S101 - told by the caller
        mode = stat.S_IMODE(os.lstat(self.target).st_mode)
        self.staging._taken.append((self.source.origin, mode))
        os.chmod(self.target, self.intake.modes.sealed_file)
        if self.sync:
            sync_file(self.target)

    def _linked_to_candidate(self, origin: int) -> tuple[str, int, int] | None:
        """Hash the file and the one it resembles, both at once; link the latter if they are equal."""
        candidate = _candidate(self.source, self.intake)
        if candidate is None:
            return None
        known: list[str] = []
        thread = threading.Thread(target=lambda: known.extend(_hash_of(candidate)), name="registry-hash", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # this process may start no more threads: copy it, and look for its blob then
            return None
        try:
            sha256, size = copying.pump(origin, None, 0, self.intake.progress)
        finally:
            thread.join()
        if known == [sha256] and self._link_store_file(candidate):
            return sha256, size, 0
        os.lseek(origin, 0, os.SEEK_SET)
        self.intake.progress(-size)
        return None

    def _link_store_file(self, path: Path) -> bool:
        """Link a file of the store; False where the file system (or the kernel's hard-link rule) won't have it."""
        try:
            os.link(path, self.target, follow_symlinks=False)
        except OSError as error:
            if error.errno in files.NO_LINKS or error.errno in (errno.ENOENT, errno.EACCES):
                return False
            raise
        return True

    def _copied(self, origin: int | Any) -> tuple[str, int, int]:
        target = os.open(self.target, _CREATE, 0o600)
        try:
            if self.source.origin and _cloned(origin, target):
                sha256, size = copying.pump(target, None, self.source.size, self.intake.progress)
            else:
                sha256, size = copying.pump(origin, target, self.source.size, self.intake.progress)
            if self._replaced_by_blob(sha256):
                return sha256, size, 0
            os.fchmod(target, self.intake.modes.sealed_file)
            if self.sync:
                os.fsync(target)
        finally:
            os.close(target)
        return sha256, size, size

    def _replaced_by_blob(self, sha256: str) -> bool:
        """Take the blob of that digest in place of the copy, if this model has it and it is what it should be."""
        blob = self.intake.paths.blob(sha256)
        if not files.exists(blob) or _hash_of(blob) != [sha256]:
            return False
        copy = self.target.with_name(layout.temporary_name())
        os.rename(self.target, copy)
        if self._link_store_file(blob):
            os.unlink(copy)
            return True
        os.rename(copy, self.target)
        return False


def _hash_of(path: Path) -> list[str]:
    """The sha256 of a file of the store; empty if it can't be read (then it is not used)."""
    try:
        with files.opened(path, path.name) as descriptor:
            return [copying.pump(descriptor, None, 0)[0]]
    except (OSError, Damaged):
        return []


def _cloned(origin: int, target: int) -> bool:
    """Share the blocks of ``origin``, where the file system can (XFS, Btrfs): no byte is copied."""
    try:
        fcntl.ioctl(target, _FICLONE, origin)
    except OSError:
        return False
    return True
