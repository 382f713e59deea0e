"""Write a bundle as a stream, a block at a time; the same versions make the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ...core.lazy_dataclass import dataclass
from ...core.progress import Progress
from ...core.records import Checkpoint, VersionRecord
from ...errors import Conflict, InvalidInput, NotFound
from ...store import journal, layout, model_export
from ...store.filesystem import files, replacement
from ...store.filesystem.replacement import Existing
from ...store.model_export import ModelExport, SnapshotFile
from ...store.packs import pack_format
from ...store.verify import verify
from .. import exported_files
from . import bundle_manifest
from .bundle_manifest import BundleFile, BundleModel, BundleVersion, Contents

#: The suffixes of bundles, and how each is compressed; None for not at all.
SUFFIXES = {".tar.gz": pack_format.GZIP, ".tgz": pack_format.GZIP, ".tar.zst": pack_format.ZSTD, ".tar": None}


@dataclass(frozen=True, eq=False, repr=False)
class BundleSelection:
    """What to export of a model: all of it, or the versions with these ``numbers``."""

    snapshot: ModelExport
    whole: bool
    numbers: tuple[int, ...]

    @classmethod
    def all_of(cls, snapshot: ModelExport) -> BundleSelection:
        return cls(snapshot, True, snapshot.numbers)


@dataclass(frozen=True, eq=False, repr=False)
class _PlannedVersion:
    """A version, and all members that it gets but its files; a pack is the last of them."""

    record: VersionRecord
    documents: list[SnapshotFile]
    entry: BundleVersion


@dataclass(frozen=True, eq=False, repr=False)
class BundlePlan:
    """All that goes into a bundle: ``contents`` lists it, ``parts`` has what to write."""

    contents: Contents
    parts: list[tuple[BundleSelection, list[_PlannedVersion]]]


def get_suffix(name: str) -> str:
    """The suffix of the name of a bundle. Raises :class:`InvalidInput` for any other name, such as a reference."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise InvalidInput(
        f"'{name}' is not a valid bundle name", f"use the suffix {', '.join(SUFFIXES)}; '-' is standard output"
    )


def plan_bundle(kind: str, selections: Iterable[BundleSelection], registry: str) -> BundlePlan:
    """Read and check all that is selected.

    Raises:
        Damaged: Something that ``import`` would refuse: a backup that can't be restored must not be written.
    """
    parts, models, newest = [], [], ""
    for each in selections:
        verify.ensure_undamaged(each.snapshot.model.paths, None if each.whole else each.numbers)
        name, last = each.snapshot.model.name, each.snapshot.last
        registrations = journal.oldest_first(each.snapshot.model.paths.history, b'"registered"')
        checkpoints = {entry.event.id: str(Checkpoint(name, entry.seq, entry.hash)) for entry in registrations}
        packed: dict[str, int] = {}
        versions = [_plan_version(each, number, checkpoints, packed) for number in each.numbers]
        own = each.snapshot.documents if each.whole else ()
        head = str(Checkpoint(name, last.seq, last.hash)) if last and each.whole else ""
        entries = tuple(version.entry for version in versions)
        models.append(BundleModel(name, each.whole, sum(packed.values()), head, _list_files(own), entries))
        parts.append((each, versions))
        newest = max(newest, last.event.at if last else "")
    return BundlePlan(Contents(kind, registry, newest, tuple(models)), parts)


def _list_files(documents: Iterable[SnapshotFile]) -> tuple[BundleFile, ...]:
    return tuple(BundleFile(each.path, each.size, each.sha256) for each in documents)


def _plan_version(
    selection: BundleSelection, number: int, checkpoints: dict[str, str], packed: dict[str, int]
) -> _PlannedVersion:
    """Read and check one version. The sizes of what the bundle gets of it are added to ``packed``, by content."""
    model, state = selection.snapshot.model, selection.snapshot.state
    record = model.version(number, state)
    documents = model_export.version_files(model, state, record)
    entries = model.manifest(record)
    pack = model_export.pack_file(model, number) if selection.whole and number in state.table.packed else None
    if record.packed is None:
        model.check_size(record)
    sizes = tuple(content.size for _, content in exported_files.iter_members(model, record))
    if pack:
        packed[pack.path] = pack.size
    else:
        packed.update((entry.sha256, size) for entry, size in zip(entries, sizes, strict=True))
    entry = BundleVersion(
        number, record.digest, sizes, _list_files(documents), record.stages, record.aliases, record.archived,
        checkpoints.get(record.event.id, "") if record.event else "", *_list_files([pack] if pack else []),
    )  # fmt: skip
    return _PlannedVersion(record, [*documents, *([pack] if pack else [])], entry)


class _Tar:
    """A tar that is written to ``put``; ``listing`` is the digest of the list of its ``members``."""

    def __init__(self, put: Callable[[bytes], object], compressor: pack_format.Compressor | None) -> None:
        self._put, self._compressor = put, compressor
        self._written = self.members = 0
        self.listing = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._written += len(data)
        if self._compressor:
            data = self._compressor.compress(data)
        if data:
            self._put(data)

    @contextlib.contextmanager
    def member(self, path: str, size: int, sha256: str) -> Iterator[None]:
        """Write the member ``path``, whose content is written in the body of the ``with`` statement."""
        self.write(pack_format.file_header(path, size))
        start = self._written
        yield
        if self._written - start != size:
            raise Conflict(f"{path} was changed while it was being packed", "try again")
        self.write(pack_format.file_padding(size))
        self.listing.update(f"{sha256}  {path}\n".encode())
        self.members += 1

    def document(self, path: str, data: bytes) -> None:
        with self.member(path, len(data), hashlib.sha256(data).hexdigest()):
            self.write(data)

    def end(self) -> None:
        self.write(pack_format.end_of_archive(self._written))
        if self._compressor:
            self._put(self._compressor.flush())


def write(
    plan: BundlePlan, put: Callable[[bytes], object], progress: Progress, kind: str | None = pack_format.GZIP
) -> None:
    """Write the bundle, block by block, to ``put``; compressed, unless ``kind`` is None."""
    tar = _Tar(put, pack_format.compressor(kind) if kind else None)
    progress.expect(plan.contents.size)
    tar.document(bundle_manifest.HEAD, bundle_manifest.dumps(plan.contents))
    for selection, versions in plan.parts:
        _write_model(tar, selection, versions, progress)
    end = {"format": bundle_manifest.FORMAT, "members": tar.members, "digest": f"sha256:{tar.listing.hexdigest()}"}
    tar.document(bundle_manifest.END, json.dumps(end, separators=(",", ":")).encode() + b"\n")
    tar.end()


def _write_model(
    tar: _Tar, selection: BundleSelection, versions: Sequence[_PlannedVersion], progress: Progress
) -> None:
    model = selection.snapshot.model
    written: set[str] = set()
    _write_documents(tar, model.name, selection.snapshot.documents if selection.whole else ())
    for version in versions:
        _write_documents(tar, model.name, version.documents)
        if version.entry.pack:
            progress(version.entry.size)
            continue
        folder = f"{model.name}/versions/{version.record.number}/{layout.FILES}"
        with contextlib.closing(exported_files.iter_members(model, version.record)) as members:
            for (entry, content), size in zip(members, version.entry.sizes, strict=True):
                if entry.sha256 in written:
                    progress(size)
                    continue
                written.add(entry.sha256)
                with tar.member(f"{folder}/{entry.path}", size, entry.sha256):
                    while block := content.read(files.BLOCK):
                        tar.write(block)
                        progress(len(block))


def _write_documents(tar: _Tar, name: str, documents: Iterable[SnapshotFile]) -> None:
    for each in documents:
        with tar.member(f"{name}/{each.path}", each.size, each.sha256):
            for block in each.blocks():
                tar.write(block)


def write_file(plan: BundlePlan, target: Path, *, progress: Progress, existing: Existing | None) -> None:
    """Write the bundle to the new file ``target``, or in place of ``existing``; it appears complete and synced."""
    kind = SUFFIXES[get_suffix(target.name)]
    if not target.parent.is_dir():
        raise NotFound(f"folder '{target.parent}' not found", "create it first")
    with replacement.atomic_output(target, existing) as temporary:
        descriptor = os.open(temporary, files.CREATE, 0o666)  # the user's own file: the umask decides
        try:
            write(plan, lambda block: files.write_all(descriptor, block), progress, kind)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    files.fsync_folder(target.parent)
