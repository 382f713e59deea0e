"""The bytes of a version, wherever they lie: as files in its folder, or in its pack.

A pack is one compressed tar beside the versions. It is trusted only as far as the sealed manifest goes: its members
must be exactly the files of the manifest, in that order, regular, together as large as ``version.yaml`` says; each is
hashed when it is read. Nothing is unpacked before it is requested, so no archive can fill the disk or the memory.

A version may be packed, or restored, while it is being read. Its bytes are at one of the two places at each moment:
when one is empty, reading goes on at the other, file by file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, Union

from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...errors import Damaged, NotFound
from .. import reader
from ..filesystem import copying, files
from ..reader import ModelReader
from . import pack_format
from .pack_format import DecompressingReader, TarReader

#: How often a version may move from one place to the other while it is read.
_MOVES = 4


class Readable(Protocol):
    """A stream: at most so many bytes at a time, none at the end."""

    def read(self, most: int, /) -> bytes: ...


#: A descriptor, or a stream.
Raw = Union[int, Readable]


class VerifiedStream:
    """The bytes of one stored file, ``size`` of them; ``raw`` gives them unchecked.

    Reading or copying to the end raises :class:`Damaged` unless they are what was stored.
    """

    def __init__(self, raw: Raw, size: int, entry: FileEntry, ref: str) -> None:
        self.raw, self.size = raw, size
        self._entry, self._ref = entry, ref
        self._hasher = hashlib.sha256()
        self._left = size

    def read(self, most: int = -1) -> bytes:
        """The next bytes, at most ``most``, all that are left by default; empty at the end."""
        if most < 0:
            return b"".join(iter(lambda: self.read(files.BLOCK), b""))
        wanted = min(most, self._left)
        block = os.read(self.raw, wanted) if isinstance(self.raw, int) else self.raw.read(wanted)
        self._hasher.update(block)
        self._left -= len(block)
        if (not self._left or (wanted and not block)) and self._hasher.hexdigest() != self._entry.sha256:
            raise changed(self._entry, self._ref)
        return block

    def copy(self, target: int | None = None, progress: Progress = SILENT) -> int:
        """Write all of it to the descriptor ``target``, if there is one; how many bytes it is."""
        sha256, size = copying.copy_and_hash(self.raw, target, self.size, progress)
        self.check(sha256)
        return size

    def check(self, sha256: str) -> None:
        """Raise :class:`Damaged` unless this is what was stored."""
        if sha256 != self.sha256:
            raise changed(self._entry, self._ref)

    @property
    def sha256(self) -> str:
        """The sha256 of what was stored."""
        return self._entry.sha256


_Files = Generator["tuple[FileEntry, VerifiedStream]", None, None]


def changed(entry: FileEntry, ref: str) -> Damaged:
    return Damaged(
        f"{ref}: '{entry.path}' does not match its sha256", "do not use it; run 'registry verify' for details"
    )


@contextlib.contextmanager
def content(model: ModelReader, record: VersionRecord, entry: FileEntry) -> Iterator[VerifiedStream]:
    """The bytes of one file of a version."""
    with contextlib.closing(members(model, record, {entry.path})) as found:
        yield next(found)[1]


def copy(folder: Path, entry: FileEntry, ref: str, target: int) -> None:
    """Write a file that lies in ``folder`` to the descriptor ``target``, its bytes checked."""
    try:
        with files.open_beneath(folder, entry.path) as descriptor:
            VerifiedStream(descriptor, os.fstat(descriptor).st_size, entry, ref).copy(target)
    except (NotFound, FileNotFoundError):
        raise Damaged(f"{ref}: the file '{entry.path}' is missing", "run 'registry verify' for details") from None


class _Elsewhere(Exception):
    """The version was packed, or restored, just now."""


def members(model: ModelReader, record: VersionRecord, only: Collection[str] | None = None) -> _Files:
    """The files of a version with their bytes, in the order of the manifest. Read each before the next is taken.

    With ``only``, a set of paths, just these; damage to the others is not looked for.

    Raises:
        Damaged: A file is missing, or is not what was stored.
        NotFound: The version was deleted meanwhile.
    """
    entries = model.manifest(record)
    packed, done = record.packed is not None, 0
    for _ in range(_MOVES):
        place: Callable[..., _Files] = _packed if packed else _unpacked
        try:
            for each in place(model, record, entries, done, only):
                yield each
                done += 1
            return
        except _Elsewhere:
            packed = not packed
    raise Damaged(
        f"the files of {record.ref} are neither in its folder nor packed", "run 'registry verify' for details"
    )


def _unpacked(
    model: ModelReader, record: VersionRecord, entries: Sequence[FileEntry], done: int, only: Collection[str] | None
) -> _Files:
    """The files in the version's own folder, but for the first ``done``."""
    for entry in [entry for entry in entries if only is None or entry.path in only][done:]:
        with contextlib.ExitStack() as stack:
            try:
                descriptor = stack.enter_context(files.open_beneath(model.paths.files(record.number), entry.path))
            except (NotFound, FileNotFoundError):
                raise _missing(model, record, entry) from None
            yield entry, VerifiedStream(descriptor, os.fstat(descriptor).st_size, entry, record.ref)


def _missing(model: ModelReader, record: VersionRecord, entry: FileEntry) -> Exception:
    """Why a file is not there: its version was packed or deleted just now, or it is damage."""
    if not files.exists(model.paths.version(record.number)):
        return NotFound(f"{record.ref} was deleted concurrently", "version numbers are never reused")
    if record.number in model.state().table.packed and reader.pack_path(model.paths, record.number):
        return _Elsewhere()
    return Damaged(f"{record.ref}: the file '{entry.path}' is missing", "run 'registry verify' for details")


def _packed(
    model: ModelReader, record: VersionRecord, entries: Sequence[FileEntry], done: int, only: Collection[str] | None
) -> _Files:
    """The files in the version's pack, but for the first ``done``; of some, no further than the last of them."""
    with contextlib.ExitStack() as stack:
        try:
            pack = reader.pack_path(model.paths, record.number)
            if pack is None:
                raise FileNotFoundError
            descriptor = stack.enter_context(files.open_file(pack, f"the pack of {record.ref}"))
        except FileNotFoundError:
            if files.exists(model.paths.files(record.number)):
                raise _Elsewhere from None
            model.refuse_deleted(record.number)
            raise Damaged(f"the pack of {record.ref} is missing", "run 'registry verify' for details") from None
        at = 0
        for each in read_pack(partial(os.read, descriptor), pack.name, entries, record.size, record.ref):
            if only is not None and each[0].path not in only:
                continue
            at += 1
            if at > done:
                yield each
            if only is not None and at == len(only):
                return


def read_pack(read: Callable[[int], bytes], name: str, entries: Sequence[FileEntry], size: int, ref: str) -> _Files:
    """The files of a pack called ``name``, whose next bytes, at most so many, ``read`` gives.

    Raises :class:`Damaged` unless they are exactly ``entries``, ``size`` bytes together.
    """
    what = f"the pack of {ref}"
    kind = next(kind for kind, suffix in pack_format.SUFFIXES.items() if name.endswith(suffix))
    tar = TarReader(DecompressingReader(read, kind, what).read, what)
    left, expected = size, iter(entries)
    for path, length in tar:
        entry = next(expected, None)
        if entry is None or path != entry.path:
            raise Damaged(
                f"{what} has '{path}', which is not in the manifest at this position",
                "run 'registry verify' for details",
            )
        left -= length
        if left < 0:
            raise Damaged(f"{what} has more than the recorded {size:,} bytes", "run 'registry verify' for details")
        yield entry, VerifiedStream(tar, length, entry, ref)
    if missing := next(expected, None):
        raise Damaged(f"{what} lacks '{missing.path}'", "run 'registry verify' for details")
    if left:
        raise Damaged(f"{what} has fewer than the recorded {size:,} bytes", "run 'registry verify' for details")
