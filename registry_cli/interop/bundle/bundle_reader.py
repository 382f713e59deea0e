"""Reading a bundle: member by member, as a stream, with nothing taken on trust and nothing held in memory.

A bundle says in its first member all that follows. From there on the next member is known: another name, another size,
a link or a device in its place, or a byte that is not what its sha256 says, ends it. No name is ever taken from the
archive: those of documents are known, those of files are in the manifest, whose digest is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...errors import Damaged
from ...store import codec, layout, manifest
from ...store.filesystem import files
from ...store.packs import pack_format, pack_reader
from ...store.packs.pack_format import TarReader
from ...store.stream_import import StreamedFile
from . import bundle_manifest, bundle_validation
from .bundle_manifest import BundleFile, BundleModel, BundleVersion

_MADE = "a bundle is made by registry export"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class _PeekableReader:
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


def _decompressed(read: Callable[[int], bytes], what: str) -> Callable[[int], bytes]:
    """What reads the tar, however it is compressed: that is told by its first bytes, not by its name."""
    said = _PeekableReader(read)
    if not said.first:
        raise Damaged(f"{what} is empty", _MADE)
    for mark, kind in ((_GZIP, pack_format.GZIP), (_ZSTD, pack_format.ZSTD)):
        if said.first.startswith(mark):
            return pack_format.DecompressingReader(said.read, kind, what).read
    return said.read


class BundleReader:
    """A bundle that is read to its end. ``read`` gives its next bytes; ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        self.what = what
        self._listing, self._count = hashlib.sha256(), 0
        self.tar = TarReader(_decompressed(read, what), what)
        self._members = iter(self.tar)
        try:
            path, size = self._header()
        except Damaged:
            raise Damaged(f"{what} is no bundle, or was cut off", _MADE) from None
        if path != bundle_manifest.HEAD or size > bundle_manifest.HEAD_LIMIT:
            raise Damaged(f"{what} does not begin as a bundle does", _MADE)
        data = self._bytes(size)
        self._tell(path, hashlib.sha256(data).hexdigest())
        self.contents = bundle_manifest.loads(data, what)

    def parts(self) -> Iterator[BundleModelReader]:
        """Each model, in turn. All of one is to be read before the next is asked for."""
        for part in self.contents.parts:
            yield BundleModelReader(self, part)

    def finish(self) -> None:
        """The last member is there, and tells as many members, of the same digests, as there were. Nothing follows."""
        path, size = self._header()
        if path != bundle_manifest.END or size > bundle_manifest.END_LIMIT:
            raise self.damaged(f"'{path}' has no place in it")
        end = bundle_manifest.read_json(self._bytes(size), bundle_manifest.END, self.what)
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

    def document(self, prefix: str, document: BundleFile) -> bytes:
        """The bytes of a document, compared with its sha256."""
        self.expect(prefix + document.path, document.size)
        data = self._bytes(document.size)
        self.check(prefix + document.path, hashlib.sha256(data).hexdigest(), document.sha256)
        return data

    def copy(self, prefix: str, document: BundleFile, write: Callable[[bytes], object]) -> None:
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


class BundleModelReader:
    """What a bundle holds of one model. Its documents come first, then each of its versions."""

    def __init__(self, unpacking: BundleReader, part: BundleModel) -> None:
        self.unpacking, self.part = unpacking, part
        self._packed: set[str] = set()
        self._left = part.packed

    @property
    def prefix(self) -> str:
        return f"{self.part.name}/"

    def copy(self, document: BundleFile, write: Callable[[bytes], object]) -> None:
        """Give each block of a document of the whole model to ``write``; they come in the order of the list."""
        if document.path == layout.HISTORY:  # which the verifier reads, when all of the model is there
            self.unpacking.copy(self.prefix, document, write)
            return
        data = self.unpacking.document(self.prefix, document)
        bundle_validation.check_document(document.path, data, self.part, self.unpacking.what)
        write(data)

    def versions(self) -> Iterator[BundleVersionReader]:
        """Each version, its documents read and found to fit together. Its files are to be read before the next."""
        for version in self.part.versions:
            yield BundleVersionReader(self, version)

    def drain(self, progress: Progress = SILENT) -> None:
        """Read all of it to its end, compared, and keep nothing."""
        for document in self.part.documents:
            self.copy(document, discard)
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


def without_repair_hint(error: Damaged) -> Damaged:
    """What is wrong with a document in a bundle, of which ``verify`` knows nothing."""
    return Damaged(error.message, _MADE) if "verify" in error.hint or not error.hint else error


_ANNOTATED = frozenset({"format", "metrics", "tags", "annotations"})
_SEALED = _ANNOTATED | {
    "version",
    "created",
    "author",
    "digest",
    "size",
    "files",
    "message",
    "params",
    "lineage",
    "event",
}


class BundleVersionReader:
    """One version: ``record`` with what was said of it afterwards, ``documents`` by their paths, those ``beside`` its own
    by their names, ``entries`` its files. ``strange`` are the fields of its documents that this program does not know.
    """

    def __init__(self, part: BundleModelReader, version: BundleVersion) -> None:
        self._part, self.version = part, version
        self._unpacking = part.unpacking
        self.ref = f"{part.part.name}@{version.number}"
        self.documents: dict[str, bytes] = {}
        for document in version.documents:
            self.documents[document.path] = self._unpacking.document(part.prefix, document)
        self.record = self._record()
        self._check_beside()
        self.entries = self._manifest()

    @property
    def _base(self) -> str:
        return f"versions/{self.version.number}/"

    def _record(self) -> VersionRecord:
        """The document of the version, which says the same as the head, with what was said afterwards."""
        version = self.version
        what = f"{self._unpacking.what}: {self.ref}"
        document = codec.loads(self.documents[f"{self._base}{layout.VERSION}"], f"{what}: {layout.VERSION}")
        record = codec.parse_version(document, self._part.part.name, version.number, what)
        if (record.digest, record.size, record.files) != (version.digest, version.size, len(version.sizes)):
            raise self._unpacking.damaged(f"{self.ref} says of itself something else than {bundle_manifest.HEAD}")
        said: Mapping[str, Any] = {}
        if data := self.documents.get(path := f"annotations/{version.number}.yaml"):
            said = codec.loads(data, f"{what}: {path}")
        self.strange = (*sorted(document.keys() - _SEALED), *sorted(said.keys() - _ANNOTATED))
        record = codec.overlay(record, said, f"{what}: {path}")
        bundle_validation.check_version(record, what)
        return record

    def _check_beside(self) -> None:
        """The files beside its document are those that its lineage names."""
        named, beside = codec.sidecar_digests(self.record.lineage), self.beside
        if strange := sorted(beside.keys() - named.keys()):
            raise self._unpacking.damaged(f"{self.ref} does not say that it has '{strange[0]}'")
        for name, sha256 in sorted(named.items()):
            if name not in beside:
                raise self._unpacking.damaged(f"{self.ref} lacks '{name}'")
            if hashlib.sha256(beside[name]).hexdigest() != sha256:
                raise self._unpacking.damaged(f"'{name}' of {self.ref} is not what its sha256 says")

    @property
    def beside(self) -> dict[str, bytes]:
        paths = {f"{self._base}{name}": name for name in bundle_manifest.BESIDE}
        return {paths[path]: data for path, data in self.documents.items() if path in paths}

    def _manifest(self) -> tuple[FileEntry, ...]:
        data = self.documents[f"{self._base}{layout.MANIFEST}"]
        if manifest.digest(data) != self.version.digest:
            raise self._unpacking.damaged(f"the manifest of {self.ref} is not what its digest says")
        entries = manifest.loads(data, f"{self._unpacking.what}: {self.ref}: {layout.MANIFEST}")
        if len(entries) != len(self.version.sizes) or manifest.dumps(entries) != data:
            raise self._unpacking.damaged(f"the manifest of {self.ref} is not in order")
        self._refuse_nested(entries)
        return entries

    def _refuse_nested(self, entries: tuple[FileEntry, ...]) -> None:
        """No file is a folder of another one."""
        paths = {entry.path for entry in entries}
        for path in paths:
            parent = path
            while "/" in parent:
                parent = parent.rpartition("/")[0]
                if parent in paths:
                    raise self._unpacking.damaged(f"'{parent}' of {self.ref} is a file and a folder")

    def files(self, keep: Callable[[bytes], object] | None = None) -> Iterator[StreamedFile]:
        """Its files, in order. Whoever takes one reads and compares it before the next; then it is checked off.

        Those of a packed version are unpacked on the way; ``keep`` takes the pack as it is.
        """
        if self.version.pack:
            yield from self._unpacked(self.version.pack, keep or discard)
            return
        for entry, size in zip(self.entries, self.version.sizes, strict=True):
            if not self._part.is_new(entry.sha256, size):
                yield StreamedFile(entry, size, None)
                continue
            path = f"{self._part.prefix}{self._base}{layout.FILES}/{entry.path}"
            self._unpacking.expect(path, size)
            yield StreamedFile(entry, size, self._unpacking)
            self._unpacking.check(path, entry.sha256, entry.sha256)

    def _unpacked(self, pack: BundleFile, keep: Callable[[bytes], object]) -> Iterator[StreamedFile]:
        path = f"{self._part.prefix}{pack.path}"
        self._part.count(pack.size)
        self._unpacking.expect(path, pack.size)
        hasher = hashlib.sha256()

        def read(most: int) -> bytes:
            block = self._unpacking.read(most)
            hasher.update(block)
            keep(block)
            return block

        members = pack_reader.streamed(read, pack.path, self.entries, self.version.size, self.ref)
        sizes = iter(self.version.sizes)
        for entry, content in members:
            if content.size != (size := next(sizes)):
                raise self._unpacking.damaged(f"'{entry.path}' of {self.ref} has {content.size:,} bytes, not {size:,}")
            yield StreamedFile(entry, size, content)
        self._unpacking.check(path, hasher.hexdigest(), pack.sha256)

    def drain(self, progress: Progress = SILENT) -> None:
        """Read its files, compared, and keep nothing."""
        for each in self.files():
            hasher = hashlib.sha256()
            while each.content and (block := each.content.read(files.BLOCK)):
                hasher.update(block)
                progress(len(block))
            if each.content is None:
                progress(each.size)
            elif hasher.hexdigest() != each.entry.sha256:
                raise self._unpacking.damaged(f"'{each.entry.path}' of {self.ref} is not what its sha256 says")


def discard(_: bytes) -> None:
    """What takes blocks that nobody needs."""
