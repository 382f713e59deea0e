"""Copying and hashing in one read, in two threads when the file is large."""

from __future__ import annotations

import fcntl
import hashlib
import os
import queue
import signal
import threading
from functools import partial
from typing import Any

from ...core.progress import SILENT, Progress
from ...errors import Conflict
from . import files

#: From this size on, hashing gets a thread of its own (hashlib and read/write both release the interpreter's lock).
_THREADED = 8 << 20
_QUEUED = 8
_FICLONE = 0x40049409
#: ``F_SETSIG`` of ``fcntl``: which signal tells that somebody opens a file on which there is a lease.
_SETSIG = 10


class _Hasher:
    """A sha256 that is computed in a thread of its own.

    Two simple queues, one of them of free slots, rather than a bounded one: that has locks of its own, and a signal
    that is raised at the wrong moment would leave them locked forever.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(_QUEUED):
            self._turns.put(None)
        self._thread = threading.Thread(target=self._run, name="registry-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._hash.update(block)
            self._turns.put(None)

    def update(self, block: bytes) -> None:
        self._turns.get()
        self._blocks.put(block)

    def hexdigest(self) -> str:
        self.stop()
        return self._hash.hexdigest()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._blocks.put(None)
            self._thread.join()


def copy_and_hash(source: int | Any, target: int | None, size: int, progress: Progress = SILENT) -> tuple[str, int]:
    """Read ``source`` to its end, write it to ``target`` if there is one; its sha256 and size in bytes.

    ``source`` is a descriptor or a stream. ``size`` is what is expected: it only decides whether a thread is used.
    """
    if size < _THREADED:
        return _copy_and_hash(source, target, hashlib.sha256(), progress)
    try:
        hasher = _Hasher()
    except RuntimeError:  # this process may start no more threads
        return _copy_and_hash(source, target, hashlib.sha256(), progress)
    try:
        return _copy_and_hash(source, target, hasher, progress)
    finally:
        hasher.stop()


def _copy_and_hash(source: int | Any, target: int | None, hasher: Any, progress: Progress) -> tuple[str, int]:
    done = 0
    read = partial(os.read, source) if isinstance(source, int) else source.read
    while block := read(files.BLOCK):
        hasher.update(block)
        if target is not None:
            files.write_all(target, block)
        done += len(block)
        progress(len(block))
    return hasher.hexdigest(), done


#: Device, inode, size in bytes, modification time in nanoseconds: one of them changes when a file is changed.
FileState = tuple[int, int, int, int]


def file_state(descriptor: int) -> FileState:
    """The state of an open file."""
    return state_of(os.fstat(descriptor))


def state_of(status: os.stat_result) -> FileState:
    """The state of the file that ``status`` is the status of."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def ensure_unchanged(descriptor: int, before: FileState, name: str) -> None:
    """Raise :class:`Conflict` if the file changed while it was read."""
    if file_state(descriptor) != before:
        raise Conflict(
            f"'{name}' changed while it was being copied", "wait until it is completely written, then register again"
        )


def may_be_written(descriptor: int) -> bool:
    """Whether a process may have a file open for writing: the kernel refuses a lease for reading then."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # SIGURG is ignored by default: the default signal of a lease kills the process.
        fcntl.fcntl(descriptor, _SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return True
    return False


def clone(origin: int, target: int) -> bool:
    """Share the blocks of ``origin`` without copying, where the file system can (XFS, Btrfs)."""
    try:
        fcntl.ioctl(target, _FICLONE, origin)
    except OSError:
        return False
    return True
