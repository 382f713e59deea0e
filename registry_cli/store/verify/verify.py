"""Checking that everything is there and is what was stored: records without files, and files without records.

Nothing here comes from the modules that write (``writer``, ``staging``, ``journal``, ``manifest``): an error of theirs
is found by code of its own, after ``docs/format.md``. Nothing is changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ...core import names
from ...core.lazy_dataclass import dataclass, replace
from ...core.progress import SILENT, Progress
from ...core.records import Checkpoint, FileEntry, StageTable, VersionRecord
from ...core.results import Verification
from ...errors import Damaged, Refused, RegistryError, explain
from .. import codec, layout, reader
from ..filesystem import files
from ..layout import Layout, ModelLayout
from ..packs import pack_reader
from . import verify_journal
from .verify_journal import ProblemCollector, error_message, read
from .verify_observations import check_observations
from .verify_records import check_document, check_records, iter_files

_LINE = re.compile(rb"([0-9a-f]{64})  ([^\\\x00-\x1f\x7f]+)\Z")


@dataclass(frozen=True)
class HashJob:
    """One file whose digest is to be compared."""

    ref: str
    name: str
    path: Path
    sha256: str
    inode: tuple[int, int] = (0, 0)
    size: int = 0


def verify(
    root: Layout,
    names: Iterable[str],
    *,
    quick: bool,
    progress: Progress,
    workers: int = 2,
    checkpoints: Sequence[Checkpoint] = (),
    only: Mapping[str, Collection[int]] = {},
) -> Verification:
    """Check the models ``names``; with ``quick`` without the digests of files, which ``workers`` threads compute.

    Of a model in ``only`` just these versions, and what concerns the model as a whole. ``checkpoints`` are lines that the histories have to contain; that of a model that is not in ``names`` is lost.
    """
    found = [check_model(root.model(name), quick, progress, workers, only.get(name)) for name in names]
    of = {each.model: each for each in found}
    for group in sorted({root.group(name).name for name in of} - of.keys()):
        if os.path.lexists(path := root.group_document(group)):
            found.append(ProblemCollector(group))
            check_document(path, f"{group}: {layout.GROUP}", found[-1])
    for name in dict.fromkeys(each.model for each in checkpoints):
        if name not in of:
            found.append(ProblemCollector(name))
        known = [each for each in checkpoints if each.model == name]
        verify_journal.check_checkpoints(root.model(name), known, of.get(name, found[-1]))
    return Verification(
        models=len(of),
        versions=sum(each.versions for each in found),
        files=sum(each.files for each in found),
        size=sum(each.size for each in found),
        problems=tuple(problem for each in found for problem in each.problems),
    )


def lost_models(root: Layout) -> Iterator[str]:
    """The names of folders that hold versions but no ``model.yaml``: invisible models, which is damage."""
    for name in sorted(files.list_folder(root.models)):
        folder = root.model(name).root
        inside = sorted(files.list_folder(folder)) if folder.is_dir() and not folder.is_symlink() else []
        for paths in (root.model(name), *(root.model(f"{name}/{child}") for child in inside)):
            if not names.is_model_name(paths.name) or paths.versions.is_symlink() or not paths.versions.is_dir():
                continue
            held = any(layout.version_of(each) for each in files.list_folder(paths.versions))
            if held and not files.exists(paths.model):
                yield paths.name


def check_model(
    paths: ModelLayout, quick: bool, progress: Progress, workers: int, only: Collection[int] | None = None
) -> ProblemCollector:
    """Check one model, or ``only`` some of its versions. A version that is deleted meanwhile is not reported."""
    found = ProblemCollector(paths.name)
    listed = check_records(paths, found, only)
    if listed is None:
        return found
    if not quick:
        check_observations(paths, found)
    if only is not None:
        refs = {f"{paths.name}@{number}" for number in only}
        found.problems = [
            each
            for each in found.problems
            if each.where in refs or (each.where == paths.name and each.severity == "error")
        ]
    table, pending = _table(paths), listed
    for last in (False, False, True):
        part = _check_versions(paths, pending, table, progress, 0 if quick else workers)
        now = _table(paths) if part.problems else table
        gone = {f"{paths.name}@{number}" for number in pending if number in now.deleted}
        # What is packed, or restored, while we look is at neither place where we looked.
        pending = [number for number in pending if not last and (number in now.packed) != (number in table.packed)]
        moved = {f"{paths.name}@{number}" for number in pending}
        found.problems += [problem for problem in part.problems if problem.where not in gone | moved]
        found.versions += part.versions - len(moved)
        found.files += part.files
        found.size += part.size
        if not pending:
            break
        table = now
    return found


def ensure_undamaged(paths: ModelLayout, versions: Iterable[int] | None = None) -> None:
    """Check a model, or some of its ``versions``, as ``verify --quick`` does: all but the bytes of the artifacts.

    Raises:
        Damaged: naming the first error. Warnings are passed over: nothing is lost by them.
    """
    only = None if versions is None else frozenset(versions)
    refs = None if only is None else {f"{paths.name}@{number}" for number in only}
    for problem in check_model(paths, True, SILENT, 1, only).problems:
        if problem.severity == "error" and (refs is None or problem.where in refs):
            raise Damaged(f"{problem.where}: {problem.message}")


def _table(paths: ModelLayout) -> StageTable:
    try:
        return reader.read_state(paths).table
    except (RegistryError, OSError):  # reported already
        return StageTable()


def _check_versions(
    paths: ModelLayout, listed: Iterable[int], table: StageTable, progress: Progress, workers: int
) -> ProblemCollector:
    """Check the documents and files of versions; the bytes too, in so many threads, if there are ``workers``."""
    found = ProblemCollector(paths.name)
    jobs: list[HashJob] = []
    for number in listed:
        try:
            jobs += _check_version(paths, number, number in table.packed, found, progress if workers else None)
        except FileNotFoundError as error:
            found.error("missing-file", f"{paths.name}@{number}", error_message(error))
    if workers:
        _check_digests(jobs, found, progress, workers)
    return found


def _check_version(
    paths: ModelLayout, number: int, packed: bool, found: ProblemCollector, progress: Progress | None
) -> list[HashJob]:
    """Its document, its manifest, and its files by name, kind, mode and total size, or its pack; what is left to hash.

    A pack is read only if there is a ``progress``.
    """
    ref = f"{paths.name}@{number}"
    found.versions += 1
    if paths.version(number).is_symlink() or not paths.version(number).is_dir():
        found.error("version-folder", ref, "is a link or a file, not a folder")
        return []
    if not packed and paths.files(number).is_symlink():
        found.error("version-folder", ref, f"{layout.FILES}/ is a link, but links are never stored")
        return []
    _check_sealed(paths, number, found)
    record = _record(paths, number, found)
    jobs = _check_sidecars(paths, record, found) if record else []
    listed = _manifest(paths, number, record, found)
    if listed is not None and packed and record is not None:
        _check_pack(paths, number, record.size, listed, found, progress)
    if listed is None or packed:
        return jobs
    here = dict(iter_files(paths.files(number)))
    for name in sorted(here.keys() - listed.keys()):
        found.error("extra-file", ref, f"'{name}' is not in the manifest")
    for name, sha256 in listed.items():
        if job := _check_file(here.get(name), HashJob(ref, name, paths.files(number) / name, sha256), found):
            jobs.append(job)
            found.files += 1
            found.size += job.size
    size = sum(status.st_size for status in here.values() if stat.S_ISREG(status.st_mode))
    if record is not None and (len(here), size) != (record.files, record.size):
        problem = f"files: {len(here):,} (recorded {record.files:,}), bytes: {size:,} (recorded {record.size:,})"
        found.error("size", ref, problem)
    return jobs


def _check_sealed(paths: ModelLayout, number: int, found: ProblemCollector) -> None:
    """Check that nothing around the files is writable: the folders, the manifest, the document."""
    folder = paths.version(number)
    below = (Path(path) for path, _, _ in os.walk(paths.files(number)))
    for path in (folder, paths.version_document(number), paths.manifest(number), *below):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue  # reported elsewhere
        if mode & 0o222 and not stat.S_ISLNK(mode):
            name = path.relative_to(folder).as_posix()
            problem = f"{'its folder' if name == '.' else name} is writable"
            found.warning("mode", f"{paths.name}@{number}", problem, repair=True)


def _record(paths: ModelLayout, number: int, found: ProblemCollector) -> VersionRecord | None:
    ref = f"{paths.name}@{number}"
    known = {layout.VERSION, layout.MANIFEST, layout.FILES}
    record = None
    try:
        what = f"{ref}: {layout.VERSION}"
        record = codec.parse_version(codec.load(paths.version_document(number), what), paths.name, number, what)
        known |= codec.sidecar_digests(record.lineage).keys()
    except (RegistryError, OSError) as error:
        found.error("document", ref, error_message(error))
        known |= {layout.ENVIRONMENT, layout.PATCH}  # nobody knows whether it has these
    for name in sorted(set(os.listdir(paths.version(number))) - known):
        found.error("extra-file", ref, f"'{name}' does not belong in a version's folder")
    return record


def _manifest(
    paths: ModelLayout, number: int, record: VersionRecord | None, found: ProblemCollector
) -> dict[str, str] | None:
    """The sha256 of each path in the manifest; None unless it is the sealed one."""
    ref = f"{paths.name}@{number}"
    try:
        data = read(paths.manifest(number))
    except OSError as error:
        found.error("manifest", ref, f"the manifest cannot be read: {explain(error)}")
        return None
    if record is not None and hashlib.sha256(data).hexdigest() != record.digest:
        repaired = (data.replace(b"\r\n", b"\n"), data.rstrip() + b"\n")
        line_ends = any(hashlib.sha256(text).hexdigest() == record.digest for text in repaired)
        hint = ": an editor or file transfer changed its line endings" if line_ends else ""
        found.error("manifest", ref, f"the manifest does not match its sealed digest{hint}")
        return None
    listed: dict[str, str] = {}
    for line in data.split(b"\n")[:-1]:
        match = _LINE.match(line)
        name = match[2].decode("utf-8", "surrogateescape") if match else ""
        if not match or any(part in ("", ".", "..") for part in name.split("/")):
            found.error("manifest", ref, "the manifest has an invalid line")
            return None
        listed[name] = match[1].decode()
    return listed


def _check_file(status: os.stat_result | None, job: HashJob, found: ProblemCollector) -> HashJob | None:
    """Check kind and mode of a file; ``job`` completed, or None for a file that can't be hashed."""
    if status is None:
        found.error("missing-file", job.ref, f"'{job.name}' is missing")
    elif not stat.S_ISREG(status.st_mode):
        found.error("changed-file", job.ref, f"'{job.name}' is no longer a regular file")
    else:
        if status.st_mode & 0o222:
            found.warning("mode", job.ref, f"'{job.name}' is writable", repair=True)
        return replace(job, inode=(status.st_dev, status.st_ino), size=status.st_size)
    return None


def _check_sidecars(paths: ModelLayout, record: VersionRecord, found: ProblemCollector) -> list[HashJob]:
    """The files beside the document that its lineage names."""
    jobs = []
    for name, sha256 in codec.sidecar_digests(record.lineage).items():
        path = paths.version(record.number) / name
        status = os.lstat(path) if files.exists(path) else None
        if job := _check_file(status, HashJob(record.ref, name, path, sha256), found):
            jobs.append(job)
    return jobs


def _check_pack(
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
        found.error("pack", ref, "its pack is not a regular file")
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


def _check_digests(jobs: list[HashJob], found: ProblemCollector, progress: Progress, workers: int) -> None:
    """Hash every file once, however many versions share it; several at a time."""
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
            found.error("missing-file", job.ref, f"'{job.name}' cannot be read: {digest[1:]}")
        elif digest != job.sha256:
            found.error("changed-file", job.ref, f"'{job.name}' does not match its sha256")


def _hash(path: Path, progress: Progress, stopped: list[bool]) -> str:
    hasher = hashlib.sha256()
    try:
        with files.open_descriptor(path, files.READ) as descriptor:
            while not stopped and (block := os.read(descriptor, files.BLOCK)):
                hasher.update(block)
                progress(len(block))
    except OSError as error:
        return f"!{explain(error)}"
    return hasher.hexdigest()
