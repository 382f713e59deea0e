"""Observations on disk: ``observations/N/YYYY-MM.jsonl``, one file for each month in which they were recorded.

Appending never takes the model's lock: a job that records a metric does not wait for a promotion. The folder of each
version has a lock of its own. Lines are only added, in one ``write``, and are on the disk when :func:`append` returns;
an observation with the key of an earlier one replaces it when the files are read, so a job may be repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ..core.observations import Observation
from ..core.text import lazy_pattern
from ..errors import Damaged, Indeterminate, NotFound, explain
from ..store.filesystem import files, locking
from ..store.filesystem.files import Modes
from ..store.filesystem.removal import uninterrupted
from ..store.layout import LOCK, ModelLayout

SUFFIX = ".jsonl"
#: How long after its end a month is closed, so that a machine whose clock is behind can still record in it.
GRACE = timedelta(days=1)
_MONTH = lazy_pattern(r"[0-9]{4}-(0[1-9]|1[0-2])\Z", re.ASCII)
_CLOSED_MODE = 0o444
_APPEND = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class ClosedMonth(NamedTuple):
    """A file of observations to which nothing is added any more: ``month`` is ``2026-11``, ``size`` in bytes."""

    month: str
    size: int
    sha256: str


def append(
    paths: ModelLayout,
    number: int,
    observations: Sequence[Observation],
    now: datetime,
    modes: Modes,
    timeout: float,
    on_wait: Callable[[str], None],
) -> Path:
    """Add observations of version ``number``.

    Args:
        paths: The model.
        number: The version.
        observations: What to add.
        now: The time of recording, in UTC. It chooses the file.
        modes: The file modes of the registry.
        timeout: How long to wait for another process that appends, in seconds.
        on_wait: Called with a sentence when there is one.

    Returns:
        The file that they were added to.

    Raises:
        LockTimeout: Another process held the lock of the folder for too long.
        Indeterminate: The file system failed when the lines may have been written. Repeating the call is safe.
    """
    folder = make_folders(paths, number, modes)
    data = b"".join(each.encode() + b"\n" for each in observations)
    committed = False
    try:
        with _locked(paths, number, modes, timeout, on_wait), uninterrupted():
            path = _choose_file(folder, now)
            with _opened(path, modes.file) as descriptor:
                _append(descriptor, data, path.name)
                committed = True
    except BaseException as error:
        if committed:
            raise _unsettled(path.name, error) from error
        raise
    return path


def _unsettled(name: str, error: BaseException) -> Indeterminate:
    """What to raise when lines may be in the file ``name`` although the call failed."""
    why = explain(error) if isinstance(error, OSError) else "it was interrupted"
    return Indeterminate(
        f"observations may have been recorded in {name}: {why}",
        "run it again: an observation that is there already is replaced",
    )


def make_folders(paths: ModelLayout, number: int, modes: Modes) -> Path:
    """Make the folder of a version's observations, and return it.

    Raises:
        Damaged: Something else is in its place.
    """
    folder = paths.observations(number)
    for each in (folder.parent, folder):
        try:
            if files.make_folder(each, modes.folder):
                files.fsync_folder(each.parent)
        except FileExistsError:
            raise Damaged(f"{each} is a symbolic link or a file, where a folder should be") from None
    return folder


def _locked(
    paths: ModelLayout, number: int, modes: Modes, timeout: float, on_wait: Callable[[str], None]
) -> AbstractContextManager[None]:
    what = f"the observations of {paths.name}@{number}"
    return locking.exclusive(paths.observations(number) / LOCK, what, modes.file, timeout, on_wait)


def _choose_file(folder: Path, now: datetime) -> Path:
    """The file of this month; of the next one where it is closed, since a clock is behind."""
    month = now.strftime("%Y-%m")
    while _is_closed(path := folder / f"{month}{SUFFIX}"):
        month = _next_month(month)
    return path


def _is_closed(path: Path) -> bool:
    try:
        return not os.lstat(path).st_mode & stat.S_IWUSR
    except FileNotFoundError:
        return False


def _next_month(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


@contextlib.contextmanager
def _opened(path: Path, mode: int) -> Iterator[int]:
    """A descriptor for adding to a file, which is made, with its name on the disk, if it is not there."""
    created = not files.exists(path)
    descriptor = os.open(path, _APPEND | (os.O_CREAT | os.O_EXCL if created else 0), 0o600)
    try:
        if created:
            os.fchmod(descriptor, mode)
            files.fsync_folder(path.parent)
        yield descriptor
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes, name: str) -> None:
    """Add lines to an open file and sync them; where that fails, the file is cut to what it was."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        data = b"\n" + data  # a torn line keeps its bytes
    try:
        files.write_all(descriptor, data)
        os.fdatasync(descriptor)
    except BaseException as error:
        try:
            os.ftruncate(descriptor, end)
            os.fdatasync(descriptor)
        except OSError:
            raise _unsettled(name, error) from error
        raise


def list_months(paths: ModelLayout, number: int) -> list[str]:
    """The months in which observations of a version were recorded, sorted."""
    try:
        names = files.list_folder(paths.observations(number))
    except (FileNotFoundError, NotADirectoryError, NotFound):
        return []
    months = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(month for month in months if _MONTH.match(month))


def has_observations(paths: ModelLayout, number: int) -> bool:
    """Whether anything was recorded of a version."""
    return bool(list_months(paths, number))


def iter_observations(paths: ModelLayout, number: int, since: str = "") -> Iterator[Observation]:
    """Observations as they were recorded, the oldest file first, torn lines left out.

    Args:
        paths: The model.
        number: The version.
        since: A time in ISO 8601; files of months before it are not read: nothing is recorded before it is measured.
    """
    for month in list_months(paths, number):
        if month < since[:7]:
            continue
        path = paths.observations(number) / f"{month}{SUFFIX}"
        try:
            with files.open_file(path, path.name) as descriptor, os.fdopen(os.dup(descriptor), "rb") as stream:
                for line in stream:
                    if (found := Observation.decode(line)) is not None and found.at >= since:
                        yield found
        except FileNotFoundError:  # its version was deleted meanwhile
            return


def is_over(month: str, now: datetime) -> bool:
    """Whether a month is closed for recording."""
    return (now - GRACE).strftime("%Y-%m") > month


def close_month(
    paths: ModelLayout, number: int, month: str, modes: Modes, timeout: float, on_wait: Callable[[str], None]
) -> ClosedMonth:
    """Make the file of a month read-only, and return its digest for the history. May be repeated."""
    path = paths.observations(number) / f"{month}{SUFFIX}"
    with _locked(paths, number, modes, timeout, on_wait), files.open_file(path, path.name) as descriptor:
        with contextlib.suppress(PermissionError):  # a teammate's file: the digest covers what it has now
            os.fchmod(descriptor, _CLOSED_MODE)
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
        return ClosedMonth(month, size, _hash(descriptor, size))


def is_intact(paths: ModelLayout, number: int, closed: ClosedMonth) -> bool:
    """Whether the file of a closed month still begins with what it had when it was closed."""
    path = paths.observations(number) / f"{closed.month}{SUFFIX}"
    try:
        with files.open_file(path, path.name) as descriptor:
            return _hash(descriptor, closed.size) == closed.sha256
    except FileNotFoundError:
        return False


def _hash(descriptor: int, size: int) -> str:
    """The sha256 of the first ``size`` bytes, or of all if there are fewer."""
    found = hashlib.sha256()
    position = 0
    while block := os.pread(descriptor, min(files.BLOCK, size - position), position):
        found.update(block)
        position += len(block)
    return found.hexdigest()
