"""Restoring missing or damaged files of versions whose bytes the model has elsewhere.

Equal files of a model are stored once and linked from ``blobs/``; a file that was removed or replaced leaves the blob as
it was, and another version may have a copy of its own, as a file or in its pack. Every copy is compared with the sha256
in the manifest, which is sealed by the digest of its version.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ...core.lazy_dataclass import dataclass
from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, StageTable
from ...errors import Damaged, NotFound, RegistryError
from .. import layout
from ..filesystem import copying, files, removal
from ..filesystem.files import Modes
from ..packs import pack_reader
from ..reader import ModelReader, ModelState

#: Errors by which a file can't be restored: another user's folder, or something else in the place of a folder.
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ESTALE})


@dataclass(frozen=True, eq=False, repr=False)
class Restorable:
    """A file of version ``number`` that is missing, or ``damaged``, and can be restored.

    Its bytes are at ``source``, or in the pack of version ``packed``, in which the file is ``member``.
    """

    number: int
    entry: FileEntry
    damaged: bool
    source: Path | None = None
    packed: int = 0
    member: FileEntry | None = None


def find(
    model: ModelReader, table: StageTable, *, quick: bool = False, progress: Progress = SILENT
) -> list[Restorable]:
    """The files of a model that can be restored. All files are read; with ``quick`` none, and only missing ones found."""
    return list(_Search(model, table, quick, progress).found())


def restore(model: ModelReader, wanted: Restorable, modes: Modes) -> bool:
    """Restore a file in one step, with its final mode and on the disk; under the lock. Whether it was done.

    It is not done when its version was packed or deleted meanwhile, when its bytes are gone, or when another user owns
    its folder. Raises OSError when it can't be written.
    """
    paths = model.paths
    if wanted.number in model.state().table.packed or not files.exists(paths.version(wanted.number)):
        return False
    folders = [paths.version(wanted.number), paths.files(wanted.number)]
    for name in wanted.entry.path.split("/")[:-1]:
        folders.append(folders[-1] / name)
    temporary = paths.versions / layout.temporary_name()
    try:
        _bring(model, wanted, temporary, modes)
        with _writable(folders, paths.registry, modes):
            removal.rename(temporary, paths.files(wanted.number) / wanted.entry.path, paths.registry)
            for folder in reversed(folders):
                files.fsync_folder(folder)
    except (Damaged, NotFound):
        return False
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        return False
    finally:
        removal.discard(temporary, paths.registry)
    return True


class _Search:
    def __init__(self, model: ModelReader, table: StageTable, quick: bool, progress: Progress) -> None:
        self.model, self.table, self.quick, self.progress = model, table, quick, progress
        self.hashes: dict[tuple[int, ...], str] = {}
        self.manifests: dict[int, tuple[FileEntry, ...]] = {}
        for number in model.numbers(table):
            with contextlib.suppress(RegistryError, OSError):  # verify reports what can't be read
                self.manifests[number] = model.manifest(model.sealed(number))

    def found(self) -> Iterator[Restorable]:
        lost = []
        for number, entries in self.manifests.items():
            if number not in self.table.packed:
                for entry in entries:
                    state = self._state(self._path(number, entry), entry)
                    lost += [] if state is None else [(number, entry, state)]
        places = self._places({entry.sha256 for _, entry, _ in lost})
        for number, entry, damaged in lost:
            if place := places.get(entry.sha256):
                yield Restorable(number, entry, damaged, *place)

    def _path(self, number: int, entry: FileEntry) -> Path:
        return self.model.paths.files(number) / entry.path

    def _state(self, path: Path, entry: FileEntry) -> bool | None:
        """Whether a file is damaged; None when it is undamaged, False when it is missing."""
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_ISDIR(status.st_mode):
            return None  # somebody's folder is not replaced
        return None if self.quick or self._sha256(path) == entry.sha256 else True

    def _sha256(self, path: Path) -> str:
        """The sha256 of a file, read once however many names it has; empty for what can't be read."""
        with contextlib.suppress(RegistryError, OSError):
            relative = path.relative_to(self.model.paths.registry).as_posix()
            with files.open_beneath(self.model.paths.registry, relative) as descriptor:
                mark = copying.file_state(descriptor)
                if mark not in self.hashes:
                    self.hashes[mark] = copying.copy_and_hash(descriptor, None, mark[2], self.progress)[0]
                return self.hashes[mark]
        return ""

    def _places(self, wanted: set[str]) -> dict[str, tuple[Path | None, int, FileEntry | None]]:
        """Where the bytes of these digests are: the blobs first, the packs last."""
        places: dict[str, tuple[Path | None, int, FileEntry | None]] = {}
        for sha256, path in self._candidates(wanted):
            if sha256 not in places and (files.exists(path) if self.quick else self._sha256(path) == sha256):
                places[sha256] = (path, 0, None)
        for number, entries in self.manifests.items():
            if number in self.table.packed:
                for entry in entries:
                    if entry.sha256 in wanted and entry.sha256 not in places and self._is_in_pack(number, entry):
                        places[entry.sha256] = (None, number, entry)
        return places

    def _candidates(self, wanted: set[str]) -> Iterator[tuple[str, Path]]:
        yield from ((sha256, self.model.paths.blob(sha256)) for sha256 in wanted)
        for number, entries in self.manifests.items():
            if number not in self.table.packed:
                yield from ((entry.sha256, self._path(number, entry)) for entry in entries if entry.sha256 in wanted)

    def _is_in_pack(self, number: int, entry: FileEntry) -> bool:
        if self.quick:
            return True
        with contextlib.suppress(RegistryError, OSError):
            with pack_reader.content(self.model, self.model.version(number, ModelState(self.table)), entry) as content:
                content.copy(progress=self.progress)
            return True
        return False


@contextlib.contextmanager
def _writable(folders: list[Path], below: Path, modes: Modes) -> Iterator[None]:
    """Make the last of these nested folders writable meanwhile; make those that are missing."""
    with contextlib.ExitStack() as stack:
        for around, folder in pairwise(folders):
            if not files.exists(folder):
                stack.enter_context(removal.unsealed(around, below, modes.sealed_folder))
                files.make_folder(folder, 0o700)
        stack.enter_context(removal.unsealed(folders[-1], below, modes.sealed_folder))
        yield


def _bring(model: ModelReader, wanted: Restorable, target: Path, modes: Modes) -> None:
    """Link or copy the bytes of a file to ``target``, which is new, and compare them."""
    with removal.open_parent(target, model.paths.registry) as folder, _content(model, wanted) as source:
        if wanted.source and isinstance(source, int):
            if copying.copy_and_hash(source, None, 0)[0] != wanted.entry.sha256:
                raise Damaged(f"'{wanted.source}' has changed")
            if _linked(wanted.source, source, folder, target.name, modes):
                return
            os.lseek(source, 0, os.SEEK_SET)
        with files.open_descriptor(target.name, files.CREATE, folder=folder) as descriptor:
            if copying.copy_and_hash(source, descriptor, 0)[0] != wanted.entry.sha256:
                raise Damaged(f"'{wanted.entry.path}' does not match its sha256")
            os.fchmod(descriptor, modes.sealed_file)
            os.fsync(descriptor)


def _linked(path: Path, descriptor: int, folder: int, name: str, modes: Modes) -> bool:
    """Link the file at ``path``, which is open; False where that is not possible, or another file has its name."""
    if not files.link_if_possible(path, name, folder=folder):
        return False
    if removal.identity(os.lstat(name, dir_fd=folder)) != removal.identity(os.fstat(descriptor)):
        os.unlink(name, dir_fd=folder)
        return False
    if os.fstat(descriptor).st_mode & 0o222:
        os.fchmod(descriptor, modes.sealed_file)
    os.fsync(descriptor)
    return True


@contextlib.contextmanager
def _content(model: ModelReader, wanted: Restorable) -> Iterator[int | pack_reader.VerifiedStream]:
    if wanted.source is not None:
        registry = model.paths.registry
        with files.open_beneath(registry, wanted.source.relative_to(registry).as_posix()) as descriptor:
            yield descriptor
        return
    assert wanted.member is not None  # noqa: S101 - one of the two is there
    with pack_reader.content(model, model.version(wanted.packed, model.state()), wanted.member) as content:
        yield content
