"""Filling a staging folder: steps 2 and 3 of a registration, before the lock is taken.

A staging folder is a sibling of the versions, mode 0700 while it is filled, with a random name. When :func:`fill`
returns, every file and folder in ``files/`` has its final mode and is on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..core.lazy_dataclass import dataclass, field
from ..core.progress import SILENT, Progress
from ..core.records import FileEntry
from ..errors import Damaged, InvalidInput, Refused
from . import layout
from .filesystem import copying, files, removal
from .filesystem.files import Modes
from .layout import ModelLayout
from .source_files import SourceFile

HOW = ("copy", "link", "move")

#: From so many files on, one sync of the file system is cheaper than one of each file.
_MANY = 48
#: From this size on, a file that the newest version seems to hold is hashed before it is copied.
_HASH_FIRST = 1 << 20


@dataclass
class StagingFolder:
    """A staging folder and what is in it, in the registry ``below``.

    ``first`` says that there was no model yet when it was made, ``complete`` that only the commit is left to be done.
    ``added`` are the bytes that are stored anew, not linked; ``sources`` are the user's files that were stored, with
    their state when they were read; ``linked`` those that were linked, with their mode before.
    """

    folder: Path
    inode: removal.Identity
    below: Path
    first: bool = False
    complete: bool = False
    entries: list[FileEntry] = field(default_factory=list)
    size: int = 0
    added: int = 0
    sources: list[tuple[Path, copying.FileState]] = field(default_factory=list)
    linked: list[tuple[Path, removal.Identity, int]] = field(default_factory=list)

    @classmethod
    def make(cls, paths: ModelLayout, *, first: bool = False) -> StagingFolder:
        folder = paths.versions / layout.temporary_name()
        os.mkdir(folder, 0o700)
        return cls(folder, removal.identity(os.lstat(folder)), paths.registry, first)

    @property
    def files(self) -> Path:
        return self.folder / layout.FILES

    def keep(self, name: str, data: bytes, modes: Modes) -> None:
        """Write a file beside ``version.yaml``, which has its digest; on the disk when this returns."""
        files.write_new(self.folder / name, data, modes.sealed_file)

    def is_there(self) -> bool | None:
        """Whether the folder still has its temporary name: it did not become a version. None when the disk doesn't say."""
        return removal.is_at(self.folder, self.inode)

    def abandon(self) -> None:
        """Remove the folder and give files that were linked into it their old mode back."""
        for origin, identity, mode in reversed(self.linked):  # the second time that one was taken it was sealed already
            with contextlib.suppress(OSError):
                removal.change_mode(origin, origin.parent, mode, expected=identity)
        removal.discard(self.folder, self.below, expected=self.inode)


@dataclass(frozen=True, eq=False, repr=False)
class CopyOptions:
    """How files are copied: where equal contents may be already, the modes of the copies, how to report progress."""

    paths: ModelLayout
    modes: Modes
    newest: Path | None = None
    how: str = "copy"
    progress: Progress = SILENT


def fill(staging: StagingFolder, sources: Sequence[SourceFile], intake: CopyOptions) -> None:
    """Bring ``sources`` into the staging folder, hashed, with their final modes, and on the disk."""
    if intake.how == "copy":
        needed = sum(source.size for source in sources if _candidate(source, intake) is None)
        ensure_free(intake.paths.versions, needed, "make room, or register with `how='link'`")
    intake.progress.expect(sum(source.size for source in sources))
    many = len(sources) > _MANY
    os.mkdir(staging.files, 0o700)
    made: dict[str, Path] = {}
    for source in sources:
        make_parents(staging.files, source.path, made)
    folders = list(made.values())
    for source in sources:
        entry, size, added = _FileIngest(staging, source, intake, sync=not many).run()
        staging.entries.append(entry)
        staging.size += size
        staging.added += added
    if not staging.size:
        raise InvalidInput("nothing to register: standard input is empty", "the file may be incomplete")
    for folder in (*reversed(folders), staging.files):
        removal.change_mode(folder, staging.below, intake.modes.sealed_folder)
    sync(staging, folders, written=not many)


def sync(staging: StagingFolder, folders: Sequence[Path], *, written: bool = False) -> None:
    """Bring all that is staged to the disk; the files too, unless each was synced when it was ``written``."""
    if len(staging.entries) > _MANY and files.sync_file_system(staging.folder):
        return
    for entry in staging.entries if not written else ():
        sync_file(staging.files / entry.path)
    for folder in (*reversed(folders), staging.files):
        files.fsync_folder(folder)


def sync_file(path: Path) -> None:
    with files.open_descriptor(path, files.READ) as descriptor:
        os.fsync(descriptor)


def ensure_free(folder: Path, size: int, hint: str = "free some space") -> None:
    """Raise :class:`Refused` when the disk has no room for ``size`` bytes in ``folder``."""
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if size > free:
        raise Refused(f"{size:,} bytes to store, but only {free:,} are free", hint)


def _candidate(source: SourceFile, intake: CopyOptions) -> Path | None:
    """The file of the newest version with the same path and size: worth hashing before copying."""
    if intake.newest is None or source.size < _HASH_FIRST:
        return None
    path = intake.newest / source.path
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return path if stat.S_ISREG(status.st_mode) and status.st_size == source.size else None


def make_parents(root: Path, path: str, made: dict[str, Path]) -> None:
    """Make those folders below ``root`` that the file ``path`` is in and that are not ``made`` yet, parents first."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        name = "/".join(parts[:depth])
        if name not in made:
            os.mkdir(root / name, 0o700)
            made[name] = root / name


@contextlib.contextmanager
def open_source(origin: Path) -> Iterator[int]:
    """A descriptor of a user's file. :class:`Refused` when it was made a link or something else meanwhile."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = stack.enter_context(files.open_descriptor(origin, files.READ))
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            regular = False
        if not regular:
            raise Refused(f"'{origin}' is no longer a regular file", "register it again")
        yield descriptor


class _FileIngest:
    """One file on its way into the staging folder."""

    def __init__(self, staging: StagingFolder, source: SourceFile, intake: CopyOptions, *, sync: bool) -> None:
        self.staging, self.source, self.intake, self.sync = staging, source, intake, sync
        self.target = staging.files / source.path

    def run(self) -> tuple[FileEntry, int, int]:
        """The file's entry, its size, and how many of its bytes are stored anew."""
        opened = (
            open_source(self.source.origin) if self.source.origin else contextlib.nullcontext(self.source.content())
        )
        with opened as origin:
            before = copying.file_state(origin) if self.source.origin else None
            if self.intake.how != "copy" and self.source.origin and self._linked(origin):
                sha256, size = copying.copy_and_hash(origin, None, self.source.size, self.intake.progress)
                added = 0
            else:
                sha256, size, added = self._linked_to_candidate(origin) or self._copied(origin)
            if before is not None and self.source.origin:
                copying.ensure_unchanged(origin, before, self.source.path)
                self.staging.sources.append((self.source.origin, before))
        return FileEntry(self.source.path, sha256), size, added

    def _linked(self, origin: int) -> bool:
        """Link the user's own file; False if it is to be moved and can't be linked."""
        assert self.source.origin is not None  # noqa: S101 - checked by the caller
        mine, moving = os.fstat(origin), self.intake.how == "move"
        if moving and mine.st_nlink > 1:  # it has another name, under which it can be written to
            return False
        try:
            os.link(self.source.origin, self.target, follow_symlinks=False)
        except OSError as error:
            if error.errno in files.NO_LINKS and moving:
                return False
            if error.errno == errno.EXDEV:
                raise Refused(f"'{self.source.origin}' is on another file system", "do not use `how='link'`") from None
            raise
        if removal.identity(os.lstat(self.target)) != removal.identity(mine):
            raise Refused(f"'{self.source.origin}' was replaced during linking", "register it again")
        self.staging.linked.append((self.source.origin, removal.identity(mine), stat.S_IMODE(mine.st_mode)))
        os.fchmod(origin, self.intake.modes.sealed_file)
        if moving and copying.may_be_written(origin):  # by a process that opened it before it was sealed
            os.unlink(self.target)
            os.fchmod(origin, self.staging.linked.pop()[2])
            return False
        if self.sync:
            sync_file(self.target)
        return True

    def _linked_to_candidate(self, origin: int) -> tuple[str, int, int] | None:
        """Hash the file and the candidate, both at once; link the candidate if they are equal."""
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
            sha256, size = copying.copy_and_hash(origin, None, 0, self.intake.progress)
        finally:
            thread.join()
        if known == [sha256] and files.link_if_possible(candidate, self.target):
            return sha256, size, 0
        os.lseek(origin, 0, os.SEEK_SET)
        self.intake.progress(-size)
        return None

    def _copied(self, origin: int | Any) -> tuple[str, int, int]:
        with files.open_descriptor(self.target, files.CREATE_READABLE) as target:
            cloned = self.source.origin and copying.clone(origin, target)
            source, copy = (target, None) if cloned else (origin, target)
            sha256, size = copying.copy_and_hash(source, copy, self.source.size, self.intake.progress)
            if self._replaced_by_blob(sha256):
                return sha256, size, 0
            os.fchmod(target, self.intake.modes.sealed_file)
            if self.sync:
                os.fsync(target)
        return sha256, size, size

    def _replaced_by_blob(self, sha256: str) -> bool:
        """Replace the copy by the blob of that digest, if the model has an undamaged one."""
        blob = self.intake.paths.blob(sha256)
        if not files.exists(blob) or _hash_of(blob) != [sha256]:
            return False
        copy = self.target.with_name(layout.temporary_name())
        os.rename(self.target, copy)
        if files.link_if_possible(blob, self.target):
            os.unlink(copy)
            return True
        os.rename(copy, self.target)
        return False


def _hash_of(path: Path) -> list[str]:
    """The sha256 of a file of the store; empty if it can't be read."""
    try:
        with files.open_file(path, path.name) as descriptor:
            return [copying.copy_and_hash(descriptor, None, 0)[0]]
    except (OSError, Damaged):
        return []
