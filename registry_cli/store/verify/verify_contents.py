"""Hashing the files of versions: each once, however many versions share it, several at a time. Only reads."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.lazy_dataclass import dataclass
from ...core.progress import Progress
from ...errors import explain

if TYPE_CHECKING:
    from .verify import Findings

_BLOCK = 1 << 20


@dataclass(frozen=True)
class File:
    """One file whose digest is to be compared."""

    ref: str
    name: str
    path: Path
    sha256: str
    inode: tuple[int, int]
    size: int


def check_digests(jobs: list[File], found: Findings, progress: Progress, workers: int) -> None:
    """Hash every file once, however many versions share it; several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    unique = {job.inode: job for job in jobs}
    progress.expect(sum(job.size for job in unique.values()))
    paths = [job.path for job in unique.values()]
    stopped: list[bool] = []
    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="registry-verify") as pool:
            try:
                hashed = list(pool.map(lambda path: _hash(path, progress, stopped), paths))
            except BaseException:
                stopped.append(True)  # or Ctrl-C would wait until the files at hand are read to their ends
                raise
    except RuntimeError:  # this process may start no more threads
        hashed = [_hash(path, progress, []) for path in paths]
    digests = dict(zip(unique, hashed, strict=True))
    for job in jobs:
        digest = digests[job.inode]
        if digest.startswith("!"):
            found.error("missing-file", job.ref, f"'{job.name}' can't be read: {digest[1:]}")
        elif digest != job.sha256:
            found.error("changed-file", job.ref, f"'{job.name}' is not what was stored: its sha256 differs")


def _hash(path: Path, progress: Progress, stopped: list[bool]) -> str:
    hasher = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while not stopped and (block := os.read(descriptor, _BLOCK)):
                hasher.update(block)
                progress(len(block))
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"!{explain(error)}"
    return hasher.hexdigest()


def read(path: Path) -> bytes:
    """All of a regular file; OSError for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(descriptor)
