"""Packing the artifact of an archived version, and unpacking it, in an order in which it is safe.

To pack: the pack is written under a temporary name, synced, read back whole and compared with the manifest, all of it
before the lock. Under the lock it gets its name and its folder is synced; then comes the commit, the claim whose stage
table says ``packed``; only then the files are renamed out of the version's folder, to be removed after the lock.

To restore: the files are unpacked into a staging folder, compared, sealed and synced before the lock. Under the lock
they are renamed into the version's folder, which is synced; then comes the commit; only then the pack is renamed, to be
removed after the lock.

So a version's bytes are in its folder or in its pack at each moment. While both are there, the stage table shows which
of them is left over, and ``gc`` removes it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ...core.lazy_dataclass import dataclass
from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...errors import Conflict, NotFound, RegistryError
from .. import layout, reader
from .. import staging as ingest
from ..filesystem import files, removal
from ..filesystem.files import Modes
from ..layout import ModelLayout
from ..maintenance import gc
from ..reader import ModelReader
from ..source_files import SourceFile
from ..staging import CopyOptions, StagingFolder
from . import pack_format, pack_reader
from .pack_reader import VerifiedStream

#: The size of a pack is estimated from so many pieces of so many bytes.
_SAMPLES, _SAMPLE = 64, 1 << 17


@dataclass
class Pack:
    """A pack that is written, synced and compared with the manifest, under its temporary name."""

    paths: ModelLayout
    number: int
    temporary: Path
    kind: str
    size: int

    def commit(self) -> None:
        """Rename it, over what an interrupted packing may have left. Under the lock."""
        target = self.paths.pack(self.number, pack_format.SUFFIXES[self.kind])
        removal.rename(self.temporary, target, self.paths.registry)
        files.fsync_folder(self.paths.packs)


def write_pack(model: ModelReader, record: VersionRecord, kind: str, modes: Modes, progress: Progress = SILENT) -> Pack:
    """Pack the files of a version. :class:`Damaged`, with nothing packed, when a file is not what was stored."""
    paths = model.paths
    if files.make_folder(paths.packs, modes.versions):
        files.fsync_folder(paths.root)
    progress.expect(2 * record.size)
    temporary = paths.packs / f"{layout.temporary_name()}{pack_format.SUFFIXES[kind]}"
    try:
        with files.open_descriptor(temporary, files.CREATE_READABLE) as descriptor:
            with contextlib.closing(pack_reader.members(model, record)) as members:
                size = _write(descriptor, pack_format.compressor(kind), members, progress)
            os.fchmod(descriptor, modes.sealed_file)
            os.fsync(descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            entries, read = model.manifest(record), partial(os.read, descriptor)
            for _, content in pack_reader.read_pack(read, temporary.name, entries, record.size, record.ref):
                content.copy(progress=progress)
    except BaseException:
        removal.discard(temporary, paths.registry)
        raise
    return Pack(paths, record.number, temporary, kind, size)


def _write(
    descriptor: int,
    squeeze: pack_format.Compressor,
    members: Iterator[tuple[FileEntry, VerifiedStream]],
    progress: Progress,
) -> int:
    """Write a compressed tar; its size in bytes."""
    written = expanded = 0

    def put(data: bytes, *, last: bool = False) -> None:
        nonlocal written, expanded
        expanded += len(data)
        data = squeeze.compress(data) + (squeeze.flush() if last else b"")
        files.write_all(descriptor, data)
        written += len(data)

    for entry, content in members:
        put(pack_format.file_header(entry.path, content.size))
        while block := content.read(files.BLOCK):
            put(block)
            progress(len(block))
        put(pack_format.file_padding(content.size))
    put(pack_format.end_of_archive(expanded), last=True)
    return written


def ensure_owned(paths: ModelLayout, number: int) -> None:
    """Raise an error, before anything is done, unless this user owns the version: only its owner may move its files."""
    if not is_owned(paths, number):
        raise RegistryError(
            f"{paths.name}@{number} belongs to another user; only the owner can pack or unpack it",
            "ask its owner, or copy a packed version with 'registry fetch'",
        )


def is_owned(paths: ModelLayout, number: int) -> bool:
    try:
        return os.geteuid() in (0, os.stat(paths.version(number)).st_uid)
    except FileNotFoundError:  # deleted just now, which is reported elsewhere
        return True


def unpack(model: ModelReader, record: VersionRecord, modes: Modes, progress: Progress = SILENT) -> StagingFolder:
    """The files of a packed version in a staging folder, compared, sealed and on the disk.

    Contents that the model has already are linked. Raises :class:`Damaged` with nothing left behind.
    """
    entries = model.manifest(record)
    progress.expect(record.size)
    staging = StagingFolder.make(model.paths)
    try:
        with contextlib.closing(pack_reader.members(model, record)) as members:
            sources = [SourceFile(entry.path, None, content=lambda: next(members)[1].raw) for entry in entries]
            ingest.fill(staging, sources, CopyOptions(model.paths, modes, progress=progress))
            for entry, staged in zip(entries, staging.entries, strict=True):
                if entry != staged:
                    raise pack_reader.changed(entry, record.ref)
            for _ in members:  # nothing follows the last
                pass
    except BaseException:
        staging.abandon()
        raise
    return staging


def restore_files(paths: ModelLayout, modes: Modes, number: int, staging: StagingFolder) -> Path | None:
    """Move unpacked files into the folder of their version, on the disk when this returns. Under the lock.

    Returns what an interrupted packing or restoring left there, to be removed.
    """
    trash = move_files_to_trash(paths, modes, number) if files.exists(paths.files(number)) else None
    _move_files(paths, modes, number, staging.files, paths.files(number))
    files.fsync_folder(paths.files(number))
    files.fsync_folder(paths.version(number))
    return trash


def move_files_to_trash(paths: ModelLayout, modes: Modes, number: int) -> Path | None:
    """Move the files of a packed version to the trash; what is returned can be removed without the lock."""
    trash = paths.versions / layout.trash_name()
    try:
        _move_files(paths, modes, number, paths.files(number), trash)
    except OSError:
        return None  # they are gone, or stay for ``gc``: the pack is what counts
    with contextlib.suppress(OSError):
        files.fsync_folder(paths.version(number))
        files.fsync_folder(paths.versions)
    return trash


def _move_files(paths: ModelLayout, modes: Modes, number: int, source: Path, target: Path) -> None:
    """Rename the folder of a version's files; both folders have to be writable, since a move writes ``..`` in it."""
    below, mode = paths.registry, modes.sealed_folder
    with removal.unsealed(paths.version(number), below, mode), removal.unsealed(source, below, mode, target):
        removal.rename(source, target, below)


def move_packs_to_trash(paths: ModelLayout, number: int) -> list[Path]:
    """Move the pack of a version that was restored or deleted to the trash, to be removed without the lock."""
    taken = []
    while pack := reader.pack_path(paths, number):
        trash = paths.packs / layout.trash_name()
        try:
            removal.rename(pack, trash, paths.registry)
        except OSError:
            break  # it stays for ``gc``
        taken.append(trash)
    return taken


def move_garbage_to_trash(paths: ModelLayout, modes: Modes, path: Path) -> Path:
    """Move a piece of garbage to the trash, under the lock; what is returned can be removed without it.

    Only for the names that may be used again as soon as the lock is free: those of a pack, and of a version's files.
    """
    if path.name == layout.FILES:
        return move_files_to_trash(paths, modes, int(path.parent.name)) or path.with_name(layout.trash_name())
    if path.parent == paths.packs and not layout.is_trash(path.name):
        trash = path.with_name(layout.trash_name())
        removal.rename(path, trash, paths.registry)
        return trash
    return path


def estimate_savings(model: ModelReader, number: int) -> int:
    """About how many bytes packing a version frees; negative if it takes more: shared files stay, and are packed too."""
    return gc.freed_by(model.paths, [number])[number] - _estimate(model, number)


def select_worthwhile(model: ModelReader, numbers: Iterable[int]) -> dict[int, int]:
    """The versions that packing frees space of, and about how many bytes each.

    A file that several of them share counts with the last one, as long as all of them are packed.
    """
    estimates = {}
    for number in numbers:
        with contextlib.suppress(Conflict, NotFound):  # it was packed, or deleted, just now
            estimates[number] = _estimate(model, number)
    while True:
        freed = gc.freed_by(model.paths, estimates)
        found = {number: freed[number] - size for number, size in estimates.items()}
        if all(saved > 0 for saved in found.values()):
            return found
        estimates = {number: size for number, size in estimates.items() if found[number] > 0}


def _estimate(model: ModelReader, number: int) -> int:
    """About how large a gzip pack of a version would be, estimated from at most 8 MiB of it."""
    record = model.sealed(number)
    model.check_size(record)
    try:
        return _sampled(model, record)
    except (FileNotFoundError, NotFound):
        model.check_size(record)  # raises the right error if it was packed, or deleted, just now
        raise


def _sampled(model: ModelReader, record: VersionRecord) -> int:
    entries = model.manifest(record)
    folder = model.paths.files(record.number)
    sizes = [os.lstat(folder / entry.path).st_size for entry in entries]
    total = sum(sizes)
    heads, data = (pack_format.compressor(pack_format.GZIP) for _ in range(2))
    gap = max(0, total // _SAMPLES - _SAMPLE)
    headers = packed = sampled = at = due = 0
    for entry, size in zip(entries, sizes, strict=True):
        headers += len(heads.compress(pack_format.file_header(entry.path, size)))
        while due < at + size:
            with files.open_beneath(folder, entry.path) as descriptor:
                block = os.pread(descriptor, _SAMPLE, due - at)
            packed, sampled = packed + len(data.compress(block)), sampled + len(block)
            due += gap + max(len(block), 1)
        at += size
    packed += len(data.flush())
    return headers + len(heads.flush()) + (packed * total // sampled if sampled else 0)
