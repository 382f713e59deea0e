"""The files of a work tree, read and hashed as git hashes them, but without filters, and following no link."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from ..core.lazy_dataclass import dataclass
from .git import GitRepository, GitUnavailable, UnsafeRepository, get_index_path, read_head

#: Git's modes of a symbolic link, a submodule, and of a file that does not exist.
LINK, SUBMODULE, GONE = b"120000", b"160000", b"000000"
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class FileState:
    """A file in a commit or in the work tree: git's mode, and the id of the blob (empty: unknown).

    ``content`` is what git would store, where that is not the content in the work tree (a Git LFS pointer).
    """

    mode: bytes
    id: bytes = b""
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
    """The work tree of a repository. No link is followed, and only regular files are read."""

    def __init__(self, repository: GitRepository, settings: Mapping[str, str]) -> None:
        self._repository = repository
        self._top = os.fsencode(repository.top)
        self._modes = settings.get("core.filemode", "true").lower() != "false"
        self._links = settings.get("core.symlinks", "true").lower() != "false"
        try:
            self._index_time = os.lstat(get_index_path(repository.top)).st_mtime_ns
        except (OSError, UnsafeRepository):
            self._index_time = 0

    def state(self, path: bytes, entry: IndexEntry) -> FileState | None:
        """The state of a file that differs from the index; None if it does not, or is left out of a sparse checkout."""
        if self._looks_the_same(path, entry):
            return None
        if entry.mode == SUBMODULE:
            head = read_head(self._repository.top / os.fsdecode(path)).get("commit", "").encode()
            return FileState(SUBMODULE, head) if head and head != entry.id else None
        mode, identity = self._hashed(path, entry)
        if mode == GONE and entry.skipped:
            return None
        if (mode, identity) == (entry.mode, entry.id) and not entry.intent and entry.stage == 0:
            return None
        return FileState(mode, identity)

    def _looks_the_same(self, path: bytes, entry: IndexEntry) -> bool:
        """Whether size, time and inode are those in the index."""
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
        with _open_beneath(self._top, path) as found:
            if found is None:
                return GONE, b""
            if isinstance(found, bytes):
                return LINK, hash_object(b"blob", found, algorithm)
            status = os.fstat(found)
            hasher = hashlib.new(algorithm, f"blob {status.st_size}\0".encode(), usedforsecurity=False)
            self._update(hasher, found)
            return self._mode(status.st_mode, entry.mode), hasher.hexdigest().encode()

    def _mode(self, mode: int, known: bytes) -> bytes:
        if known == LINK and not self._links:
            return known
        if not self._modes and known in (b"100644", b"100755"):
            return known
        return b"100755" if mode & 0o100 else b"100644"

    def read(self, path: bytes, most: int) -> bytes | None:
        """The content of a file or link; None if it is gone, or larger than ``most``."""
        self._check_time()
        with _open_beneath(self._top, path) as found:
            if found is None or isinstance(found, bytes):
                return found
            blocks, left = [], most + 1
            while left > 0 and (block := os.read(found, min(_BLOCK, left))):
                blocks.append(block)
                left -= len(block)
            return b"".join(blocks) if left > 0 else None

    def digest(self, path: bytes) -> tuple[str, int]:
        """The sha256 and size of a file, as in a Git LFS pointer."""
        hasher, size = hashlib.sha256(), 0
        with _open_beneath(self._top, path) as found:
            if isinstance(found, int):
                size = self._update(hasher, found)
        return hasher.hexdigest(), size

    def _update(self, hasher: hashlib._Hash, descriptor: int) -> int:
        size = 0
        while block := os.read(descriptor, _BLOCK):
            hasher.update(block)
            size += len(block)
            self._check_time()
        return size

    def _check_time(self) -> None:
        if time.monotonic() > self._repository.deadline:
            raise GitUnavailable(f"the files could not be compared within {self._repository.patience:g} seconds")


@contextmanager
def _open_beneath(top: bytes, path: bytes) -> Iterator[int | bytes | None]:
    """Open a path below a folder: a descriptor of a regular file, the target of a link, or None. It follows no link."""
    *folders, name = path.split(b"/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with ExitStack() as stack:

        def keep(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        found: int | bytes | None = None
        with suppress(OSError):
            if not any(part in (b"", b".", b"..", b".git") for part in (*folders, name)):
                parent = keep(os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                for folder in folders:
                    parent = keep(os.open(folder, flags | os.O_DIRECTORY, dir_fd=parent))
                mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    found = os.readlink(name, dir_fd=parent)
                elif stat.S_ISREG(mode):
                    descriptor = keep(os.open(name, flags, dir_fd=parent))
                    found = descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
        yield found


def hash_object(kind: bytes, data: bytes, algorithm: str) -> bytes:
    return hashlib.new(algorithm, b"%s %d\0" % (kind, len(data)) + data, usedforsecurity=False).hexdigest().encode()
