"""Is everything there, and is it what was stored? Looks at both directions: records without files, files without.

Nothing here comes from the modules that write (``writer``, ``ingest``, ``journal``, ``manifest``): what they might
get wrong is read again with other eyes, straight from ``docs/format.md``. Nothing is changed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RegistryError, explain
from ..records import Problem, StageTable, Verification, VersionRecord
from . import codec, layout, reader
from .layout import Layout, ModelLayout
from .verify_journal import check_journal

Progress = Callable[[int], None]

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\\\x00-\x1f\x7f]+)\Z")
_BLOCK = 1 << 20
#: How long a staging folder may stand before it is called left over, in seconds.
_FRESH = 24 * 3600.0


@dataclass
class Findings:
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


def verify(root: Layout, names: Iterable[str], *, quick: bool, progress: Progress, workers: int = 2) -> Verification:
    """Check the models ``names``. ``quick`` leaves out digests; ``progress`` is told how many more bytes were read."""
    found = [check_model(root.model(name), quick, progress, workers) for name in names]
    return Verification(
        models=len(found),
        versions=sum(each.versions for each in found),
        files=sum(each.files for each in found),
        size=sum(each.size for each in found),
        problems=tuple(problem for each in found for problem in each.problems),
    )


def check_model(paths: ModelLayout, quick: bool, progress: Progress, workers: int) -> Findings:
    """Everything about one model. A version that is taken away while we look is no problem."""
    found = Findings(paths.name)
    try:
        codec.load(paths.model, f"{paths.name}: model.yaml")
    except (RegistryError, OSError) as error:
        found.error("document", paths.name, _words(error))
    try:
        table = reader.read_state(paths).table
    except RegistryError as error:
        found.error("document", f"{paths.name}/{layout.STAGES}", str(error), repair=True)
        return found
    listed = _check_names(paths, table, found)
    jobs: list[_File] = []
    for number in listed:
        jobs += _check_version(paths, number, found)
    if not quick:
        _check_digests(jobs, found, progress, workers)
    _check_pointers(paths, table, listed, found)
    _check_annotations(paths, table, listed, found)
    check_journal(paths, table, listed, found)
    _check_links(paths, table, found)
    _check_blobs(paths, found)
    return found


def _check_names(paths: ModelLayout, table: StageTable, found: Findings) -> list[int]:
    """The numbers of the versions that are here, in order; every other name in ``versions/`` is told."""
    numbers = []
    for name in sorted(os.listdir(paths.versions)) if paths.versions.is_dir() else ():
        where = f"{paths.name}/versions/{name}"
        number = layout.version_of(name)
        if number is not None and number in table.deleted:
            found.warning("leftover", where, "the folder of a deleted version; registry gc removes it", repair=True)
        elif number is not None:
            numbers.append(number)
        elif name.startswith(layout.TRASH):
            found.warning("leftover", where, "what is left of a deleted version; registry gc removes it", repair=True)
        elif name.startswith(layout.TEMPORARY):
            if _age(paths.versions / name) > _FRESH:
                found.warning(
                    "leftover", where, "a staging folder nobody works on; registry gc removes it", repair=True
                )
        else:
            found.warning("unknown-name", where, "not a name that the registry gives; it is ignored")
    for number in table.deleted:
        if not paths.tombstone(number).is_file():
            found.error("tombstone", f"{paths.name}@{number}", "deleted, but its tombstone is missing")
    return sorted(numbers)


def _age(path: Path) -> float:
    import time

    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


@dataclass(frozen=True)
class _File:
    """One file whose digest is to be compared."""

    ref: str
    name: str
    path: Path
    sha256: str
    inode: tuple[int, int]


def _check_version(paths: ModelLayout, number: int, found: Findings) -> list[_File]:
    """Its document, its manifest, its files by name, kind, mode and total size; what is left is to hash them."""
    ref = f"{paths.name}@{number}"
    found.versions += 1
    if paths.version(number).is_symlink() or not paths.version(number).is_dir():
        found.error("version-folder", ref, "is a link or a file, not a folder")
        return []
    record = _record(paths, number, found)
    listed = _manifest(paths, number, record, found)
    if listed is None:
        return []
    here = dict(_walk(paths.files(number)))
    for name in sorted(here.keys() - listed.keys()):
        found.error("extra-file", ref, f"'{name}' is not in the manifest")
    jobs = []
    for name, sha256 in listed.items():
        status = here.get(name)
        if status is None:
            found.error("missing-file", ref, f"'{name}' is missing")
        elif not stat.S_ISREG(status.st_mode):
            found.error("changed-file", ref, f"'{name}' is no regular file any more")
        else:
            found.files += 1
            found.size += status.st_size
            if status.st_mode & 0o222:
                found.warning("mode", ref, f"'{name}' is writable", repair=True)
            jobs.append(_File(ref, name, paths.files(number) / name, sha256, (status.st_dev, status.st_ino)))
    _check_size(record, here, found)
    return jobs


def _check_size(record: VersionRecord | None, here: dict[str, os.stat_result], found: Findings) -> None:
    size = sum(status.st_size for status in here.values() if stat.S_ISREG(status.st_mode))
    if record is not None and (len(here), size) != (record.files, record.size):
        found.error(
            "size",
            record.ref,
            f"{len(here):,} files of {size:,} bytes; {record.files:,} of {record.size:,} were stored",
        )


def _record(paths: ModelLayout, number: int, found: Findings) -> VersionRecord | None:
    ref = f"{paths.name}@{number}"
    known = {layout.VERSION, layout.MANIFEST, layout.FILES}
    for name in sorted(set(os.listdir(paths.version(number))) - known):
        found.error("extra-file", ref, f"'{name}' does not belong into a version's folder")
    try:
        what = f"{ref}: {layout.VERSION}"
        return codec.parse_version(codec.load(paths.version_document(number), what), paths.name, number, what)
    except (RegistryError, OSError) as error:
        found.error("document", ref, _words(error))
        return None


def _manifest(paths: ModelLayout, number: int, record: VersionRecord | None, found: Findings) -> dict[str, str] | None:
    """Path to sha256, as the manifest says; None when there is none that can be believed."""
    ref = f"{paths.name}@{number}"
    try:
        data = _read(paths.manifest(number))
    except OSError as error:
        found.error("manifest", ref, f"the manifest can't be read: {explain(error)}")
        return None
    if record is not None and hashlib.sha256(data).hexdigest() != record.digest:
        hint = _line_ends(data, record.digest)
        found.error("manifest", ref, f"the manifest is not the one that was sealed{hint}")
        return None
    listed: dict[str, str] = {}
    for line in data.split(b"\n")[:-1]:
        match = _LINE.match(line)
        name = match[2].decode("utf-8", "surrogateescape") if match else ""
        if not match or any(part in ("", ".", "..") for part in name.split("/")):
            found.error("manifest", ref, "the manifest has a line that names no file of the artifact")
            return None
        listed[name] = match[1].decode()
    return listed


def _line_ends(data: bytes, digest: str) -> str:
    """A guess at what happened to a manifest: an editor or a file transfer changed its line ends."""
    candidates = (data.replace(b"\r\n", b"\n"), data.rstrip() + b"\n")
    if any(hashlib.sha256(text).hexdigest() == digest for text in candidates):
        return ": an editor or a file transfer changed its line ends"
    return ""


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file", str(path))
        return stream.read()


def _walk(root: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything below ``root`` that is no folder, by its path with slashes."""
    pending = [(root, prefix)]
    while pending:
        folder, name = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), f"{name}{entry.name}/"))
            else:
                yield f"{name}{entry.name}", entry.stat(follow_symlinks=False)


def _check_digests(jobs: list[_File], found: Findings, progress: Progress, workers: int) -> None:
    """Hash every file once, however many versions share it; several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    unique = {job.inode: job for job in jobs}
    with ThreadPoolExecutor(workers, thread_name_prefix="registry-verify") as pool:
        digests = dict(zip(unique, pool.map(lambda job: _hash(job.path, progress), unique.values()), strict=True))
    for job in jobs:
        digest = digests[job.inode]
        if digest.startswith("!"):
            found.error("missing-file", job.ref, f"'{job.name}' can't be read: {digest[1:]}")
        elif digest != job.sha256:
            found.error("changed-file", job.ref, f"'{job.name}' is not what was stored: its sha256 differs")


def _hash(path: Path, progress: Progress) -> str:
    hasher = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while block := os.read(descriptor, _BLOCK):
                hasher.update(block)
                progress(len(block))
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"!{explain(error)}"
    return hasher.hexdigest()


def _check_pointers(paths: ModelLayout, table: StageTable, listed: list[int], found: Findings) -> None:
    here = set(listed)
    for kind, pointers in (("stage", table.stages), ("alias", table.aliases)):
        for name, number in pointers.items():
            if number not in here:
                found.error("pointer", paths.name, f"{kind} {name} points to version {number}, which is not here")
            elif number in table.archived:
                found.error("pointer", paths.name, f"{kind} {name} points to version {number}, which is archived")
    for number in table.archived:
        if number not in here:
            found.error("missing-version", f"{paths.name}@{number}", "archived, but its folder is gone")


def _check_annotations(paths: ModelLayout, table: StageTable, listed: list[int], found: Findings) -> None:
    """What was said of each version can be read, and belongs to one."""
    for name in sorted(os.listdir(paths.annotations)) if paths.annotations.is_dir() else ():
        number = layout.version_of(name.removesuffix(".yaml"))
        if number is None or number in table.deleted:
            continue
        if number not in listed:
            found.warning("annotation", paths.name, f"annotations/{name} belongs to no version")
        _check_document(paths.annotations / name, f"{paths.name}: annotations/{name}", found)


def _check_document(path: Path, what: str, found: Findings) -> None:
    try:
        codec.load(path, what)
    except (RegistryError, OSError) as error:
        found.error("document", found.model, _words(error))


def _check_links(paths: ModelLayout, table: StageTable, found: Findings) -> None:
    """The links in ``stages/``: derived, but people and programs without this tool follow them."""
    here: dict[str, str] = {}
    if paths.links.is_dir():
        for path in paths.links.iterdir():
            if not path.name.startswith("."):
                here[path.name] = os.readlink(path) if path.is_symlink() else "no link"
    wanted = {stage: f"../versions/{number}" for stage, number in table.stages.items()}
    for name in sorted(here.keys() | wanted.keys()):
        if here.get(name) != wanted.get(name):
            found.warning(
                "link", f"{paths.name}/stages/{name}", "the link does not lead where stages.yaml says", repair=True
            )


def _check_blobs(paths: ModelLayout, found: Findings) -> None:
    if not paths.blobs.is_dir():
        return
    for name, status in _walk(paths.blobs):
        prefix, _, digest = name.partition("/")
        where = f"{paths.name}/blobs/{name}"
        if not (layout.is_digest(digest) and digest.startswith(prefix)) or not stat.S_ISREG(status.st_mode):
            found.warning("unknown-name", where, "not a name that the registry gives; it is ignored")
        elif status.st_nlink == 1:
            found.warning("leftover", where, "no version uses this blob; registry gc removes it", repair=True)


def _words(error: Any) -> str:
    return explain(error) if isinstance(error, OSError) else str(error)
