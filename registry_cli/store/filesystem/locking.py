"""The lock of a model: an exclusive ``flock`` on its ``.lock``, through filelock.

The lock file is never written, unlinked or stolen; the lock of a process that dies is released at once. Commits are
safe also on a file system that does not keep locks (see ``writer``), and ``doctor`` reports it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import Damaged, LockTimeout, Refused
from .. import layout
from . import files, removal

#: How often a waiting process asks again, in seconds: well below the time that a registration holds the lock.
_POLL = 0.01
_QUIET = 0.3


@contextlib.contextmanager
def exclusive(path: Path, what: str, mode: int, timeout: float, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at ``path``, which is made if it is missing; ``what`` names it in messages.

    ``on_wait`` is called once, with a sentence, when another process holds it. ``timeout`` is in seconds.

    Raises:
        LockTimeout: Another process held it too long.
        Refused: The lock file is a symbolic link.
        Damaged: The lock file is something else than a regular file.
    """
    from filelock import BaseFileLock, Timeout, UnixFileLock

    # Never fall back to a marker file, never remove the lock file: options that older releases don't know.
    known = BaseFileLock.__init__.__kwdefaults__ or {}
    strict: dict[str, Any] = {"fallback_to_soft": False, "preserve_lock_file": True}
    options = {name: value for name, value in strict.items() if name in known}
    deadline = time.monotonic() + timeout
    notified = False
    while True:
        before = _identity(path, what, mode)
        lock = UnixFileLock(path, mode=mode, thread_local=False, **options)
        wait = max(0.0, deadline - time.monotonic())
        try:
            lock.acquire(timeout=wait if notified else min(wait, _QUIET), poll_interval=_POLL)
        except Timeout:
            if notified or wait <= _QUIET:
                raise LockTimeout(
                    f"{what} is locked by another process{_holder(before)}; waited {timeout:g} s",
                    "try again later, or raise `lock_timeout`",
                ) from None
            notified = True
            on_wait(f"waiting for {what}, locked by another process{_holder(before)} …")
            continue
        except FileExistsError:  # its folder was moved away, and is made anew, in this very moment
            continue
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _link(what) from None
            raise
        try:
            # Somebody may have removed the lock file while we waited: then another process can hold a new one.
            if _identity(path, what, mode) != before:
                continue
            yield
            return
        finally:
            lock.release()


def remove_unusable(path: Path, below: Path, *, dry_run: bool) -> bool:
    """Remove a link, a FIFO or an empty folder in the place of a lock, which can never be held. Return whether there was one.

    A regular file is never removed, nor a folder with something in it.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISREG(mode) or dry_run:
        return not stat.S_ISREG(mode)
    if stat.S_ISDIR(mode):
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise Damaged(f"'{path}' is a non-empty folder", "move it away, then repair again") from None
        return True
    temporary = path.with_name(layout.temporary_name())
    removal.rename(path, temporary, below)
    if stat.S_ISREG(os.lstat(temporary).st_mode):  # another repair was faster, and somebody has its lock by now
        removal.rename(temporary, path, below)
        return False
    removal.remove(temporary, below)
    return True


def _identity(path: Path, what: str, mode: int) -> removal.Identity:
    """Device and inode of the lock file, which is made here if it is missing."""
    with contextlib.suppress(FileExistsError), files.open_descriptor(path, files.CREATE_READABLE) as descriptor:
        os.fchmod(descriptor, mode)
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise _link(what)
    if not stat.S_ISREG(status.st_mode):
        raise Damaged(f"the lock of {what} is not a regular file: {path}", "run 'registry repair'")
    return removal.identity(status)


def _link(what: str) -> Refused:
    return Refused(
        f"the lock of {what} is a symbolic link, which is not followed", "run 'registry repair' to remove it"
    )


def _holder(identity: tuple[int, int]) -> str:
    """Who holds the lock, where the kernel tells: `` (process 4711)``, or nothing."""
    wanted = f":{identity[1]} "
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "FLOCK" in fields and "->" not in fields and wanted in line:
                return f" (process {fields[4]})"
    return ""
