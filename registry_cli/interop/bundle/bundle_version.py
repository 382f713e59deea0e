"""One version of a bundle that is being read: its documents fit together, and its files are taken as the manifest says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...core.progress import SILENT, Progress
from ...core.records import FileEntry, VersionRecord
from ...store import codec, layout, manifest, sidecars
from ...store.filesystem import files
from ...store.packs import pack_reader
from ...store.stream_import import Poured
from . import bundle_manifest, bundle_validation
from .bundle_manifest import Document, Version

if TYPE_CHECKING:
    from .bundle_reader import UnpackedPart

_SAID = frozenset({"format", "metrics", "tags", "annotations"})
_SEALED = _SAID | {"version", "created", "author", "digest", "size", "files", "message", "params", "lineage", "event"}


class UnpackedVersion:
    """One version: ``record`` with what was said of it afterwards, ``documents`` by their paths, those ``beside`` its own
    by their names, ``entries`` its files. ``strange`` are the fields of its documents that this program does not know.
    """

    def __init__(self, part: UnpackedPart, version: Version) -> None:
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
        self.strange = (*sorted(document.keys() - _SEALED), *sorted(said.keys() - _SAID))
        record = codec.overlay(record, said, f"{what}: {path}")
        bundle_validation.check_version(record, what)
        return record

    def _check_beside(self) -> None:
        """The files beside its document are those that its lineage names."""
        named, beside = sidecars.named(self.record.lineage), self.beside
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

    def files(self, keep: Callable[[bytes], object] | None = None) -> Iterator[Poured]:
        """Its files, in order. Whoever takes one reads and compares it before the next; then it is checked off.

        Those of a packed version are unpacked on the way; ``keep`` takes the pack as it is.
        """
        if self.version.pack:
            yield from self._unpacked(self.version.pack, keep or nothing)
            return
        for entry, size in zip(self.entries, self.version.sizes, strict=True):
            if not self._part.is_new(entry.sha256, size):
                yield Poured(entry, size, None)
                continue
            path = f"{self._part.prefix}{self._base}{layout.FILES}/{entry.path}"
            self._unpacking.expect(path, size)
            yield Poured(entry, size, self._unpacking)
            self._unpacking.check(path, entry.sha256, entry.sha256)

    def _unpacked(self, pack: Document, keep: Callable[[bytes], object]) -> Iterator[Poured]:
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
            yield Poured(entry, size, content)
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


def nothing(_: bytes) -> None:
    """What takes blocks that nobody needs."""
