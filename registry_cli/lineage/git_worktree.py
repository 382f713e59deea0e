"""The files of a work tree, read and hashed as git hashes them, without git: no filter runs and no link is followed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.lazy_dataclass import dataclass
from . import git, git_files

if TYPE_CHECKING:
    from .git import GitRepository

#: How git writes the modes of a symbolic link, of a submodule, and of nothing.
LINK, SUBMODULE, GONE = b"120000", b"160000", b"000000"
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class FileState:
    """A path in a commit, or in the work tree: its mode as git writes it, and the id of its content (empty: unknown)."""

    mode: bytes
    id: bytes = b""
    #: What the content is, where it is not what lies in the work tree (a Git LFS pointer).
    content: bytes | None = None


@dataclass(frozen=True, eq=False, repr=False)
class IndexEntry:
    mode: bytes
    id: bytes
    stage: int
    mtime: tuple[int, int]
    inode: int
    size: int
    intent: bool
    skipped: bool


class WorkTree:
    """The files below the top of a repository. No link is followed, and nothing but regular files is read."""

    def __init__(self, repository: GitRepository, settings: Mapping[str, str]) -> None:
        self._repository = repository
        self._top = os.fsencode(repository.top)
        self._modes = settings.get("core.filemode", "true").lower() != "false"
        self._links = settings.get("core.symlinks", "true").lower() != "false"
        try:
            self._index_time = os.lstat(git_files.index_of(repository.top)).st_mtime_ns
        except (OSError, git_files.UnsafeRepository):
            self._index_time = 0

    def state(self, path: bytes, entry: IndexEntry) -> FileState | None:
        """The state of a path if it is not that of the index; None if it is the same, or left out of a sparse checkout."""
        if self._looks_the_same(path, entry):
            return None
        if entry.mode == SUBMODULE:
            head = git_files.head_of(self._repository.top / os.fsdecode(path)).get("commit", "").encode()
            return FileState(SUBMODULE, head) if head and head != entry.id else None
        mode, identity = self._hashed(path, entry)
        if mode == GONE and entry.skipped:
            return None
        if (mode, identity) == (entry.mode, entry.id) and not entry.intent and entry.stage == 0:
            return None
        return FileState(mode, identity)

    def _looks_the_same(self, path: bytes, entry: IndexEntry) -> bool:
        """Whether the file is the one that git saw last, by size, time and inode."""
        if not self._index_time or entry.mode == SUBMODULE or entry.intent or entry.stage:
            return False
        try:
            status = os.lstat(os.path.join(self._top, path))
        except (OSError, ValueError):
            return False
        seen = entry.mtime[0] * 10**9 + entry.mtime[1]
        executable = b"100755" if status.st_mode & 0o100 else b"100644"
        return (
            (status.st_mtime_ns, status.st_size, status.st_ino & 0xFFFFFFFF) == (seen, entry.size, entry.inode)
            and seen < self._index_time
            and (stat.S_ISLNK(status.st_mode) if entry.mode == LINK else stat.S_ISREG(status.st_mode))
            and (entry.mode == LINK or not self._modes or executable == entry.mode)
        )

    def _hashed(self, path: bytes, entry: IndexEntry) -> tuple[bytes, bytes]:
        algorithm = "sha256" if len(entry.id) == 64 else "sha1"
        with _OpenedPath(self._top, path) as found:
            if found is None:
                return GONE, b""
            if isinstance(found, bytes):
                return LINK, hash_blob(found, algorithm)
            status = os.fstat(found)
            hasher = hashlib.new(algorithm, f"blob {status.st_size}\0".encode(), usedforsecurity=False)
            while block := os.read(found, _BLOCK):
                hasher.update(block)
                self.check_time()
            return self._mode(status.st_mode, entry.mode), hasher.hexdigest().encode()

    def _mode(self, mode: int, known: bytes) -> bytes:
        if known == LINK and not self._links:
            return known
        if not self._modes and known in (b"100644", b"100755"):
            return known
        return b"100755" if mode & 0o100 else b"100644"

    def read(self, path: bytes, most: int) -> bytes | None:
        """The content of a file or link; None if it is gone, or larger than ``most``."""
        self.check_time()
        with _OpenedPath(self._top, path) as found:
            if found is None or isinstance(found, bytes):
                return found
            blocks, left = [], most + 1
            while left > 0 and (block := os.read(found, min(_BLOCK, left))):
                blocks.append(block)
                left -= len(block)
            return b"".join(blocks) if left > 0 else None

    def digest(self, path: bytes) -> tuple[str, int]:
        """The sha256 and size of a file, as Git LFS knows it."""
        hasher, size = hashlib.sha256(), 0
        with _OpenedPath(self._top, path) as found:
            while isinstance(found, int) and (block := os.read(found, _BLOCK)):
                hasher.update(block)
                size += len(block)
                self.check_time()
        return hasher.hexdigest(), size

    def check_time(self) -> None:
        if time.monotonic() > self._repository.deadline:
            raise git.GitUnavailable(f"the files could not be compared within {self._repository.patience:g} seconds")


class _OpenedPath:
    """A path below a folder: a descriptor of a regular file, the text of a link, or None. No link on the way is followed."""

    def __init__(self, top: bytes, path: bytes) -> None:
        self._top, self._path, self._descriptors = top, path, list[int]()

    def __enter__(self) -> int | bytes | None:
        *folders, name = self._path.split(b"/")
        if any(part in (b"", b".", b"..", b".git") for part in (*folders, name)):
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._keep(os.open(self._top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for folder in folders:
                self._keep(os.open(folder, flags | os.O_DIRECTORY, dir_fd=self._descriptors[-1]))
            status = os.stat(name, dir_fd=self._descriptors[-1], follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(name, dir_fd=self._descriptors[-1])
            if not stat.S_ISREG(status.st_mode):
                return None
            descriptor = self._keep(os.open(name, flags, dir_fd=self._descriptors[-1]))
            return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        except OSError:
            return None

    def _keep(self, descriptor: int) -> int:
        self._descriptors.append(descriptor)
        return descriptor

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


def hash_blob(data: bytes, algorithm: str) -> bytes:
    return hashlib.new(algorithm, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest().encode()
