"""Hashing the files of versions: each once, however many versions share it, several at a time. Only reads."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from functools import partial
from pathlib import Path
from typing import Any

from ...core.lazy_dataclass import dataclass, field, replace
from ...core.progress import Progress
from ...core.records import FileEntry, VersionRecord
from ...core.results import Problem
from ...errors import Refused, RegistryError, explain
from .. import codec, reader
from ..filesystem import files
from ..layout import ModelLayout
from ..packs import pack_reader

_BLOCK = 1 << 20


@dataclass
class ProblemCollector:
    """What was found so far of one model, and how much was looked at."""

    model: str
    problems: list[Problem] = field(default_factory=list)
    versions: int = 0
    files: int = 0
    size: int = 0

    def error(self, code: str, where: str, message: str, *, repair: bool = False) -> None:
        self.problems.append(Problem(code, "error", where, message, repair))

    def warning(self, code: str, where: str, message: str, *, repair: bool = False) -> None:
        self.problems.append(Problem(code, "warning", where, message, repair))


@dataclass(frozen=True)
class HashJob:
    """One file whose digest is to be compared."""

    ref: str
    name: str
    path: Path
    sha256: str
    inode: tuple[int, int] = (0, 0)
    size: int = 0


def check_digests(jobs: list[HashJob], found: ProblemCollector, progress: Progress, workers: int) -> None:
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
        with files.open_descriptor(path, files.READ) as descriptor:
            while not stopped and (block := os.read(descriptor, _BLOCK)):
                hasher.update(block)
                progress(len(block))
    except OSError as error:
        return f"!{explain(error)}"
    return hasher.hexdigest()


def read(path: Path) -> bytes:
    """All of a regular file; OSError for anything else."""
    with files.open_descriptor(path, files.READ) as descriptor:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read()


def check_file(status: os.stat_result | None, job: HashJob, found: ProblemCollector) -> HashJob | None:
    """Check kind and mode of a file; ``job`` completed, or None for a file that can't be hashed."""
    if status is None:
        found.error("missing-file", job.ref, f"'{job.name}' is missing")
    elif not stat.S_ISREG(status.st_mode):
        found.error("changed-file", job.ref, f"'{job.name}' is no regular file any more")
    else:
        if status.st_mode & 0o222:
            found.warning("mode", job.ref, f"'{job.name}' is writable", repair=True)
        return replace(job, inode=(status.st_dev, status.st_ino), size=status.st_size)
    return None


def check_sidecars(paths: ModelLayout, record: VersionRecord, found: ProblemCollector) -> list[HashJob]:
    """The files beside the document that its lineage names."""
    jobs = []
    for name, sha256 in codec.sidecar_digests(record.lineage).items():
        path = paths.version(record.number) / name
        status = os.lstat(path) if files.exists(path) else None
        if job := check_file(status, HashJob(record.ref, name, path, sha256), found):
            jobs.append(job)
    return jobs


def check_pack(
    paths: ModelLayout,
    number: int,
    size: int,
    listed: dict[str, str],
    found: ProblemCollector,
    progress: Progress | None,
) -> None:
    """A pack against the manifest of its version; without ``progress`` only that it is there and sealed."""
    ref = f"{paths.name}@{number}"
    pack = reader.pack_path(paths, number)
    if pack is None:
        found.error("missing-pack", ref, "it is packed, but its pack is missing")
        return
    mode = os.lstat(pack).st_mode
    if not stat.S_ISREG(mode):
        found.error("pack", ref, "its pack is no regular file")
        return
    if mode & 0o222:
        found.warning("mode", ref, "its pack is writable", repair=True)
    found.files += len(listed)
    found.size += size
    if progress is None:
        return
    progress.expect(size)
    entries = [FileEntry(path, sha256) for path, sha256 in listed.items()]
    try:
        with (
            files.open_file(pack, f"the pack of {ref}") as descriptor,
            contextlib.closing(
                pack_reader.read_pack(partial(os.read, descriptor), pack.name, entries, size, ref)
            ) as members,
        ):
            for _, content in members:
                content.copy(progress=progress)
    except Refused as error:  # by zstd, which this Python has not: nothing is known to be wrong
        found.warning("pack", ref, f"its pack was not read: {error}")
    except (RegistryError, OSError) as error:
        found.error("pack", ref, error_message(error))


def error_message(error: Any) -> str:
    return explain(error) if isinstance(error, OSError) else str(error)
