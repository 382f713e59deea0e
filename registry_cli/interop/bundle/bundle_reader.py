"""Reading a bundle: member by member, as a stream, with nothing taken on trust and nothing held in memory.

A bundle says in its first member all that follows. From there on the next member is known: another name, another size,
a link or a device in its place, or a byte that is not what its sha256 says, ends it. No name is ever taken from the
archive: those of documents are known, those of files are in the manifest, whose digest is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from ...core.progress import SILENT, Progress
from ...errors import Damaged
from ...store import layout
from ...store.filesystem import files
from ...store.packs import compression
from ...store.packs.tarball import Members
from . import bundle_manifest, bundle_parser, bundle_validation
from .bundle_manifest import Document, Part
from .bundle_version import UnpackedVersion, nothing

_MADE = "a bundle is made by registry export"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class _Said:
    """The bytes of the input, of which the first were looked at."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.first = b""
        while len(self.first) < 4 and (block := read(4 - len(self.first))):
            self.first += block

    def read(self, most: int) -> bytes:
        if self.first:
            block, self.first = self.first[:most], self.first[most:]
            return block
        return self._read(most)


def _expanded(read: Callable[[int], bytes], what: str) -> Callable[[int], bytes]:
    """What reads the tar, however it is compressed: that is told by its first bytes, not by its name."""
    said = _Said(read)
    if not said.first:
        raise Damaged(f"{what} is empty", _MADE)
    for mark, kind in ((_GZIP, compression.GZIP), (_ZSTD, compression.ZSTD)):
        if said.first.startswith(mark):
            return compression.Expanded(said.read, kind, what).read
    return said.read


class Unpacking:
    """A bundle that is read to its end. ``read`` gives its next bytes; ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        self.what = what
        self._listing, self._count = hashlib.sha256(), 0
        self.tar = Members(_expanded(read, what), what)
        self._members = iter(self.tar)
        try:
            path, size = self._header()
        except Damaged:
            raise Damaged(f"{what} is no bundle, or was cut off", _MADE) from None
        if path != bundle_manifest.HEAD or size > bundle_manifest.HEAD_LIMIT:
            raise Damaged(f"{what} does not begin as a bundle does", _MADE)
        data = self._bytes(size)
        self._tell(path, hashlib.sha256(data).hexdigest())
        self.contents = bundle_parser.loads(data, what)

    def parts(self) -> Iterator[UnpackedPart]:
        """Each model, in turn. All of one is to be read before the next is asked for."""
        for part in self.contents.parts:
            yield UnpackedPart(self, part)

    def finish(self) -> None:
        """The last member is there, and tells as many members, of the same digests, as there were. Nothing follows."""
        path, size = self._header()
        if path != bundle_manifest.END or size > bundle_manifest.END_LIMIT:
            raise self.damaged(f"'{path}' has no place in it")
        end = bundle_parser.read_json(self._bytes(size), bundle_manifest.END, self.what)
        if (end.get("members"), end.get("digest")) != (self._count, f"sha256:{self._listing.hexdigest()}"):
            raise self.damaged("it is not the one that its end belongs to")
        if next(self._members, None) is not None:
            raise self.damaged("something follows its end")

    def drain(self, progress: Progress = SILENT) -> None:
        """Read all of it to its end, compared, and keep nothing."""
        progress.expect(self.contents.size)
        for part in self.parts():
            part.drain(progress)
        self.finish()

    def expect(self, path: str, size: int) -> None:
        """The next member is this one; its bytes are then read from ``tar``."""
        found, length = self._header()
        if found != path:
            raise self.damaged(f"'{found}' is where '{path}' should be")
        if length != size:
            raise self.damaged(f"'{path}' has {length:,} bytes, not {size:,}")

    def document(self, prefix: str, document: Document) -> bytes:
        """The bytes of a document, compared with its sha256."""
        self.expect(prefix + document.path, document.size)
        data = self._bytes(document.size)
        self.check(prefix + document.path, hashlib.sha256(data).hexdigest(), document.sha256)
        return data

    def copy(self, prefix: str, document: Document, write: Callable[[bytes], object]) -> None:
        """The same for one that may be large, block by block."""
        self.expect(prefix + document.path, document.size)
        hasher = hashlib.sha256()
        while block := self._read():
            hasher.update(block)
            write(block)
        self.check(prefix + document.path, hasher.hexdigest(), document.sha256)

    def check(self, path: str, sha256: str, wanted: str) -> None:
        if sha256 != wanted:
            raise self.damaged(f"'{path}' is not what its sha256 says")
        self._tell(path, sha256)

    def damaged(self, why: str) -> Damaged:
        return Damaged(f"{self.what} is no sound bundle: {why}", "export it again; nothing of it was taken in")

    def _tell(self, path: str, sha256: str) -> None:
        self._listing.update(f"{sha256}  {path}\n".encode())
        self._count += 1

    def _header(self) -> tuple[str, int]:
        try:
            found = next(self._members, None)
        except Damaged as error:
            raise Damaged(error.message, _MADE) from None
        if found is None:
            raise self.damaged("it was cut off")
        return found

    def _bytes(self, size: int) -> bytes:
        data = bytearray()
        while block := self._read():
            data += block
        if len(data) != size:
            raise self.damaged("it was cut off")
        return bytes(data)

    def _read(self) -> bytes:
        return self.read(files.BLOCK)

    def read(self, most: int, /) -> bytes:
        """The next bytes of the member at hand; empty at its end."""
        try:
            return self.tar.read(most)
        except Damaged as error:
            raise Damaged(error.message, _MADE) from None


class UnpackedPart:
    """What a bundle holds of one model. Its documents come first, then each of its versions."""

    def __init__(self, unpacking: Unpacking, part: Part) -> None:
        self.unpacking, self.part = unpacking, part
        self._packed: set[str] = set()
        self._left = part.packed

    @property
    def prefix(self) -> str:
        return f"{self.part.name}/"

    def copy(self, document: Document, write: Callable[[bytes], object]) -> None:
        """Give each block of a document of the whole model to ``write``; they come in the order of the list."""
        if document.path == layout.HISTORY:  # which the verifier reads, when all of the model is there
            self.unpacking.copy(self.prefix, document, write)
            return
        data = self.unpacking.document(self.prefix, document)
        bundle_validation.check_document(document.path, data, self.part, self.unpacking.what)
        write(data)

    def versions(self) -> Iterator[UnpackedVersion]:
        """Each version, its documents read and found to fit together. Its files are to be read before the next."""
        for version in self.part.versions:
            yield UnpackedVersion(self, version)

    def drain(self, progress: Progress = SILENT) -> None:
        """Read all of it to its end, compared, and keep nothing."""
        for document in self.part.documents:
            self.copy(document, nothing)
        for version in self.versions():
            version.drain(progress)

    def is_new(self, sha256: str, size: int) -> bool:
        """Whether the files so far had not this content: then it is in the bundle here, and from here on known."""
        if sha256 in self._packed:
            return False
        self._packed.add(sha256)
        self.count(size)
        return True

    def count(self, size: int) -> None:
        """So many bytes more are in the bundle."""
        self._left -= size
        if self._left < 0:
            raise self.unpacking.damaged(f"{self.part.name} has more than the {self.part.packed:,} bytes that it tells")


def told(error: Damaged) -> Damaged:
    """What is wrong with a document in a bundle, of which ``verify`` knows nothing."""
    return Damaged(error.message, _MADE) if "verify" in error.hint or not error.hint else error
