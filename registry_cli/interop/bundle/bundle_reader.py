"""Read a bundle as a stream, member by member. Nothing in it is trusted, and no file is held in memory.

The first member of a bundle lists all that follow. Each further member is compared with that list: another name or size,
a link or a device, or content of another sha256 ends the reading. No path is taken from the archive: those of documents
are known, those of files are in the manifest, whose digest is known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ...core import names, values
from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...errors import Damaged, InvalidInput
from ...store import codec, layout, manifest
from ...store.filesystem import files
from ...store.model_import import StreamedFile
from ...store.packs import pack_format, pack_reader
from ...store.packs.pack_format import TarReader
from . import bundle_manifest
from .bundle_manifest import BundleFile, BundleModel, BundleVersion

_MADE = "create a bundle with 'registry export'"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\Z", re.ASCII)


def _decompressed(read: Callable[[int], bytes], what: str) -> Callable[[int], bytes]:
    """A function that reads the tar; its first bytes, not its name, say how it is compressed."""
    first = b""
    while len(first) < 4 and (block := read(4 - len(first))):
        first += block
    if not first:
        raise Damaged(f"{what} is empty", _MADE)
    magic = first

    def read_from_start(most: int) -> bytes:
        nonlocal first
        if not first:
            return read(most)
        block, first = first[:most], first[most:]
        return block

    for mark, kind in ((_GZIP, pack_format.GZIP), (_ZSTD, pack_format.ZSTD)):
        if magic.startswith(mark):
            return pack_format.DecompressingReader(read_from_start, kind, what).read
    return read_from_start


class BundleReader:
    """A bundle that is read to its end. ``read`` returns its next bytes; ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        self.what = what
        self._listing, self._count = hashlib.sha256(), 0
        self._tar = TarReader(_decompressed(read, what), what)
        self._members = iter(self._tar)
        try:
            path, size = self._header()
        except Damaged:
            raise Damaged(f"{what} is not a bundle or is truncated", _MADE) from None
        if path != bundle_manifest.HEAD or size > bundle_manifest.HEAD_LIMIT:
            raise Damaged(f"{what} is not a bundle", _MADE)
        data = b"".join(self._blocks())
        self.count_member(path, hashlib.sha256(data).hexdigest())
        self.contents = bundle_manifest.loads(data, what)

    def parts(self) -> Iterator[BundleModelReader]:
        """Each model. One must be read completely before the next."""
        for part in self.contents.models:
            yield BundleModelReader(self, part)

    def finish(self) -> None:
        """Compare the last member with the number and digests of all members; nothing may follow it."""
        path, size = self._header()
        if path != bundle_manifest.END or size > bundle_manifest.END_LIMIT:
            raise self.damaged(f"'{path}' is not allowed in it")
        end = bundle_manifest.read_json(b"".join(self._blocks()), bundle_manifest.END, self.what)
        if (end.get("members"), end.get("digest")) != (self._count, f"sha256:{self._listing.hexdigest()}"):
            raise self.damaged("its start and end do not match")
        if next(self._members, None) is not None:
            raise self.damaged("it has data after its end")

    def drain(self, progress: Progress = SILENT) -> None:
        """Read and compare all of it, and keep nothing."""
        progress.expect(self.contents.size)
        for part in self.parts():
            part.drain(progress)
        self.finish()

    def expect(self, path: str, size: int) -> None:
        """Go to the next member, which must be this one."""
        found, length = self._header()
        if found != path:
            raise self.damaged(f"'{found}' is where '{path}' should be")
        if length != size:
            raise self.damaged(f"'{path}' has {length:,} bytes, not {size:,}")

    def copy(self, path: str, document: BundleFile, write: Callable[[bytes], object]) -> None:
        """Give each block of the next member, a document, to ``write``."""
        self.expect(path, document.size)
        hasher = hashlib.sha256()
        for block in self._blocks():
            hasher.update(block)
            write(block)
        self.check(path, hasher.hexdigest(), document.sha256)

    def document(self, path: str, document: BundleFile) -> bytes:
        data = bytearray()
        self.copy(path, document, data.extend)
        return bytes(data)

    def check(self, path: str, sha256: str, expected: str) -> None:
        if sha256 != expected:
            raise self.damaged(f"'{path}' does not match its sha256")
        self.count_member(path, sha256)

    def damaged(self, why: str) -> Damaged:
        return Damaged(f"{self.what} is damaged: {why}", "export it again; nothing was imported")

    def count_member(self, path: str, sha256: str) -> None:
        self._listing.update(f"{sha256}  {path}\n".encode())
        self._count += 1

    def _header(self) -> tuple[str, int]:
        try:
            header = next(self._members, None)
        except Damaged as error:
            raise Damaged(error.message, _MADE) from None
        if header is None:
            raise self.damaged("it is truncated")
        return header

    def _blocks(self) -> Iterator[bytes]:
        return iter(lambda: self.read(files.BLOCK), b"")

    def read(self, most: int, /) -> bytes:
        """The next bytes of the current member; empty at its end."""
        try:
            return self._tar.read(most)
        except Damaged as error:
            raise Damaged(error.message, _MADE) from None


class BundleModelReader:
    """The part of a bundle for one model: its documents, then each of its versions."""

    def __init__(self, bundle: BundleReader, part: BundleModel) -> None:
        self.bundle, self.part = bundle, part
        self._contents: set[str] = set()
        self._left = part.packed

    def copy(self, document: BundleFile, write: Callable[[bytes], object]) -> None:
        """Give the content of a document of the whole model to ``write``; they are read in the order of the list."""
        path = f"{self.part.name}/{document.path}"
        if document.path == layout.HISTORY:  # the verifier checks it when the whole model has been read
            self.bundle.copy(path, document, write)
            return
        data = self.bundle.document(path, document)
        _check_document(document.path, data, self.part, self.bundle.what)
        write(data)

    def versions(self) -> Iterator[BundleVersionReader]:
        """Each version, its documents read and checked. Its files must be read before the next version."""
        for version in self.part.versions:
            yield BundleVersionReader(self, version)

    def drain(self, progress: Progress = SILENT) -> None:
        for document in self.part.documents:
            self.copy(document, discard)
        for version in self.versions():
            version.drain(progress)

    def is_new(self, sha256: str, size: int) -> bool:
        """Whether this is the first file with this content, which is in the bundle only once."""
        if sha256 in self._contents:
            return False
        self._contents.add(sha256)
        self.count(size)
        return True

    def count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise self.bundle.damaged(f"{self.part.name} has more than the declared {self.part.packed:,} bytes")


def without_repair_hint(error: Damaged) -> Damaged:
    """An error about a document of a bundle, without a hint to run ``verify``, which does not read bundles."""
    return Damaged(error.message, _MADE) if "verify" in error.hint or not error.hint else error


_ANNOTATION_FIELDS = frozenset({"format", "metrics", "tags", "annotations"})
_VERSION_FIELDS = _ANNOTATION_FIELDS.union(
    ("version", "created", "author", "digest", "size", "files", "message", "params", "lineage", "event")
)


class BundleVersionReader:
    """One version.

    ``record`` includes its annotations, ``documents`` are by path, ``beside`` those of the version's folder by name, and
    ``entries`` its files. ``unknown_fields`` are those of its documents that this program does not know.
    """

    def __init__(self, part: BundleModelReader, version: BundleVersion) -> None:
        self._part, self.version = part, version
        self._bundle = part.bundle
        self._name = part.part.name
        self.ref = f"{self._name}@{version.number}"
        self._base = f"versions/{version.number}/"
        self.documents = {
            each.path: self._bundle.document(f"{self._name}/{each.path}", each) for each in version.documents
        }
        paths = {f"{self._base}{name}": name for name in bundle_manifest.BESIDE}
        self.beside = {paths[path]: data for path, data in self.documents.items() if path in paths}
        self.record = self._parse_record()
        self._check_beside()
        self.entries = self._parse_manifest()

    def _parse_record(self) -> VersionRecord:
        version = self.version
        what = f"{self._bundle.what}: {self.ref}"
        document = codec.loads(self.documents[f"{self._base}{layout.VERSION}"], f"{what}: {layout.VERSION}")
        record = codec.parse_version(document, self._name, version.number, what)
        if (record.digest, record.size, record.files) != (version.digest, version.size, len(version.sizes)):
            raise self._bundle.damaged(f"{self.ref} does not match {bundle_manifest.HEAD}")
        annotations: Mapping[str, Any] = {}
        if data := self.documents.get(path := f"annotations/{version.number}.yaml"):
            annotations = codec.loads(data, f"{what}: {path}")
        unknown = sorted(document.keys() - _VERSION_FIELDS), sorted(annotations.keys() - _ANNOTATION_FIELDS)
        self.unknown_fields = (*unknown[0], *unknown[1])
        record = codec.overlay(record, annotations, f"{what}: {path}")
        _check_version(record, what)
        return record

    def _check_beside(self) -> None:
        """The files beside its document are those that its lineage names."""
        expected = codec.sidecar_digests(self.record.lineage)
        if unexpected := sorted(self.beside.keys() - expected.keys()):
            raise self._bundle.damaged(f"{self.ref} does not list '{unexpected[0]}'")
        for name, sha256 in sorted(expected.items()):
            if name not in self.beside:
                raise self._bundle.damaged(f"{self.ref} lacks '{name}'")
            if hashlib.sha256(self.beside[name]).hexdigest() != sha256:
                raise self._bundle.damaged(f"'{name}' of {self.ref} does not match its sha256")

    def _parse_manifest(self) -> tuple[FileEntry, ...]:
        data = self.documents[f"{self._base}{layout.MANIFEST}"]
        if manifest.digest(data) != self.version.digest:
            raise self._bundle.damaged(f"the manifest of {self.ref} does not match its digest")
        entries = manifest.loads(data, f"{self._bundle.what}: {self.ref}: {layout.MANIFEST}")
        if len(entries) != len(self.version.sizes) or manifest.dumps(entries) != data:
            raise self._bundle.damaged(f"the manifest of {self.ref} is not in order")
        paths = {entry.path for entry in entries}
        for parent in (str(parent) for path in paths for parent in PurePosixPath(path).parents):
            if parent in paths:
                raise self._bundle.damaged(f"'{parent}' of {self.ref} is both a file and a folder")
        return entries

    def files(self, keep: Callable[[bytes], object] | None = None) -> Iterator[StreamedFile]:
        """Its files, in order. Each must be read and compared before the next.

        Those of a packed version are unpacked on the way; ``keep`` gets the bytes of the pack.
        """
        if self.version.pack:
            yield from self._unpack(self.version.pack, keep or discard)
            return
        for entry, size in zip(self.entries, self.version.sizes, strict=True):
            if not self._part.is_new(entry.sha256, size):
                yield StreamedFile(entry, size, None)
                continue
            path = f"{self._name}/{self._base}{layout.FILES}/{entry.path}"
            self._bundle.expect(path, size)
            yield StreamedFile(entry, size, self._bundle)
            self._bundle.count_member(path, entry.sha256)

    def _unpack(self, pack: BundleFile, keep: Callable[[bytes], object]) -> Iterator[StreamedFile]:
        path = f"{self._name}/{pack.path}"
        self._part.count(pack.size)
        self._bundle.expect(path, pack.size)
        hasher = hashlib.sha256()

        def read(most: int) -> bytes:
            block = self._bundle.read(most)
            hasher.update(block)
            keep(block)
            return block

        members = pack_reader.read_pack(read, pack.path, self.entries, self.version.size, self.ref)
        sizes = iter(self.version.sizes)
        for entry, content in members:
            if content.size != (size := next(sizes)):
                raise self._bundle.damaged(f"'{entry.path}' of {self.ref} has {content.size:,} bytes, not {size:,}")
            yield StreamedFile(entry, size, content)
        self._bundle.check(path, hasher.hexdigest(), pack.sha256)

    def drain(self, progress: Progress = SILENT) -> None:
        for each in self.files():
            hasher = hashlib.sha256()
            while each.content and (block := each.content.read(files.BLOCK)):
                hasher.update(block)
                progress(len(block))
            if each.content is None:
                progress(each.size)
            elif hasher.hexdigest() != each.entry.sha256:
                raise self._bundle.damaged(f"'{each.entry.path}' of {self.ref} does not match its sha256")


def discard(_: bytes) -> None:
    pass


def _check_version(record: VersionRecord, ref: str) -> None:
    """Check what a registry checks before it writes a version, with its annotations. Raises :class:`Damaged`."""
    try:
        _check_values(record.params, values.check_param)
        _check_values(record.metrics, values.check_metric)
        _check_values(record.tags, values.check_line)
        _check_values(record.annotations, values.check_text)
        values.text(record.message, "message")
        values.line(record.author, "author")
        if not _TIME.match(record.created):
            raise InvalidInput("its creation time is not valid")
        if record.event is not None:
            names.request_id(record.event.id)
            values.line(record.event.by, "by")
            values.line(record.event.host, "host")
            if record.event.action != "registered":
                raise InvalidInput(f"its first event is '{record.event.action[:40]}'")
    except InvalidInput as error:
        raise Damaged(f"{ref}: {error.message}") from None


def _check_values(given: Mapping[str, Any], check: Callable[[Any, str], Any]) -> None:
    """Each value is valid and in its normal form."""
    checked = values.checked(given, check)
    if checked != given or any(type(checked[name]) is not type(value) for name, value in given.items()):
        raise InvalidInput("it has a value of the wrong type")


def _check_document(path: str, data: bytes, part: BundleModel, what: str) -> None:
    """Check a document of a whole model. Raises :class:`Damaged`."""
    where = f"{what}: {part.name}: {path}"
    document = codec.loads(data, where)
    try:
        if path == layout.MODEL:
            _check_model(document)
        elif path == layout.STAGES:
            _check_stage_table(document, part)
        elif path == layout.DEPLOYMENTS:
            codec.parse_deployments(document, where)
    except InvalidInput as error:
        raise Damaged(f"{where}: {error.message}") from None


def _check_model(document: Mapping[str, Any]) -> None:
    for key in ("created", "owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise InvalidInput(f"'{key}' is not text")
    for key in ("tags", "annotations"):
        texts = document.get(key) or {}
        if not isinstance(texts, dict):
            raise InvalidInput(f"'{key}' is not a mapping")
        _check_values(texts, values.check_text)


def _check_stage_table(document: Mapping[str, Any], part: BundleModel) -> None:
    """Its names become names of files: those of stages are links that other programs follow. It may not name more
    versions than the part has documents for.
    """
    table, redo = codec.parse_table(document, layout.STAGES)
    if redo is not None:
        raise InvalidInput("it is a claim, not a stage table")
    tombstones = sum(each.path.startswith("tombstones/") for each in part.documents)
    if len(table.deleted) > tombstones or len(table.archived) > len(part.versions):
        raise InvalidInput("it lists versions that are missing")
    packed = [version.number for version in part.versions if version.pack]
    if len(table.packed) != len(packed) or list(table.packed) != packed:
        raise InvalidInput("the packed versions differ from its list")
    for stage in table.stages:
        names.stage_name(stage)
    for alias in table.aliases:
        names.alias_name(alias)
