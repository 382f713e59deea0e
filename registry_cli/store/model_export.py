"""A consistent copy of a model's documents as they are committed, made without its lock.

What the next writer would recover is computed: the newest claim is the stage table, its ``redo`` is in its place, the
journal has its last lines. So a history that continues from the copy has the same hashes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..core.lazy_dataclass import dataclass
from ..core.records import JournalEntry, VersionRecord
from ..errors import Conflict, Damaged, NotFound
from . import codec, history, journal, layout, manifest, reader
from .filesystem import files
from .layout import ModelLayout
from .reader import ModelReader, ModelState, ensure_exists

_TRIES = 20


@dataclass(frozen=True, eq=False, repr=False)
class SnapshotFile:
    """A document: ``path`` relative to the model's folder; the first ``length`` bytes of ``origin``, then ``data``."""

    path: str
    size: int
    sha256: str
    origin: Path | None = None
    length: int = 0
    data: bytes = b""

    def blocks(self) -> Iterator[bytes]:
        """The bytes, compared with what they were when the snapshot was taken."""
        hasher = hashlib.sha256()
        with contextlib.suppress(FileNotFoundError):  # it is not complete then
            for block in _blocks(self.origin, self.length, self.data):
                hasher.update(block)
                yield block
        if hasher.hexdigest() != self.sha256:
            raise Conflict(f"{self.path} was changed while it was being copied", "try again")


@dataclass(frozen=True, eq=False, repr=False)
class ModelExport:
    """A model at one moment: its stage table, the numbers of its versions, its own documents, its newest entry."""

    model: ModelReader
    state: ModelState
    numbers: tuple[int, ...]
    documents: tuple[SnapshotFile, ...]
    last: JournalEntry | None


def read_model_export(paths: ModelLayout) -> ModelExport:
    """The model as it is now; read again until it did not change meanwhile."""
    model = ModelReader(paths)
    for _ in range(_TRIES):
        before = _moment(paths)
        try:
            found = _look(model)
        except (Damaged, NotFound, FileNotFoundError) as error:
            if _moment(paths) == before:
                if isinstance(error, FileNotFoundError) and error.filename:
                    name = os.path.relpath(error.filename, paths.root)
                    raise Damaged(f"{paths.name}: {name} is missing", "run 'registry verify' for details") from error
                raise
            continue  # read half before and half after a change
        if _moment(paths) == before:
            return found
    raise Conflict(f"{paths.name} is changing continuously", "try again later")


def _moment(paths: ModelLayout) -> list[tuple[int, ...] | None]:
    """What changes when something of the model is written."""
    places = (paths.root, paths.stages, paths.history, paths.versions, paths.annotations, paths.tombstones)
    return [files.identity(str(path)) for path in places]


def _look(model: ModelReader) -> ModelExport:
    paths, state = model.paths, model.state()
    ensure_exists(paths, state.table)
    numbers = tuple(model.numbers(state.table))
    pending = _pending(paths, state)
    last = pending[-1] if pending else journal.last_entry(paths.history)
    own = [
        _read_document(paths, state, paths.model),
        _file_from_bytes(paths.relative(paths.stages), codec.dump_table(state.table)),
        *_journal(paths, pending),
        *(_read_document(paths, state, paths.tombstone(number)) for number in state.table.deleted),
        *_deployments(paths, state),
    ]
    return ModelExport(model, state, numbers, tuple(own), last)


def _pending(paths: ModelLayout, state: ModelState) -> list[JournalEntry]:
    """The lines that the journal lacks, with the sha256 of the document that the claim will write."""
    last = journal.last_entry(paths.history)
    found = history.pending_entries(paths, state.table, reader.highest(paths, state.table), last)
    if found and state.redo and found[-1].revision == state.table.revision:
        *before, late = found
        sealed = paths.document_of(late.event.action, late.event.version) is not None
        seal = hashlib.sha256(state.redo.data()).hexdigest() if sealed else ""
        previous = before[-1] if before else last
        found = [*before, journal.next_entry(previous, late.event, late.highest, late.revision, seal)]
    return found


def _read_document(paths: ModelLayout, state: ModelState, path: Path) -> SnapshotFile:
    """A document as it is, or as the claim will write it."""
    if state.redo and state.redo.path == paths.relative(path):
        return _file_from_bytes(state.redo.path, state.redo.data())
    return file_from_path(paths, path)


def _deployments(paths: ModelLayout, state: ModelState) -> Iterator[SnapshotFile]:
    if files.exists(paths.deployments) or (state.redo and state.redo.path == layout.DEPLOYMENTS):
        yield _read_document(paths, state, paths.deployments)


def _journal(paths: ModelLayout, pending: list[JournalEntry]) -> Iterator[SnapshotFile]:
    size, torn = journal.measure(paths.history)
    data = b"".join(journal.encode(entry) + b"\n" for entry in pending)
    if size or data:
        yield _kept(paths, paths.history, size, b"\n" * torn + data if data else b"")


def version_files(model: ModelReader, state: ModelState, record: VersionRecord) -> list[SnapshotFile]:
    """The documents of a version: its own, its manifest, the files beside them that its lineage names, its annotations.

    :class:`Damaged` for one of these files that is not what was stored.
    """
    paths, number = model.paths, record.number
    try:
        found = [file_from_path(paths, path) for path in (paths.version_document(number), paths.manifest(number))]
        for name, sha256 in sorted(codec.sidecar_digests(record.lineage).items()):
            path, size = paths.version(number) / name, len(model.sidecar(record, name) or b"")
            found.append(SnapshotFile(paths.relative(path), size, sha256, path, size))
        annotation = paths.annotation(number)
        if files.exists(annotation) or (state.redo and state.redo.path == paths.relative(annotation)):
            found.append(_read_document(paths, state, annotation))
        return found
    except FileNotFoundError:
        model.refuse_deleted(number)
        raise NotFound(f"{model.name}@{number} was deleted concurrently", "try again") from None


def pack_file(model: ModelReader, number: int) -> SnapshotFile:
    path = reader.pack_path(model.paths, number)
    with contextlib.suppress(FileNotFoundError):
        if path is not None:
            return _kept(model.paths, path, os.lstat(path).st_size, b"")
    model.refuse_deleted(number)
    if number in model.state().table.packed:
        raise Damaged(f"the pack of {model.name}@{number} is missing", "run 'registry verify' for details")
    raise Conflict(f"{model.name}@{number} was restored concurrently", "try again")


def file_from_path(paths: ModelLayout, path: Path) -> SnapshotFile:
    limit = manifest.LIMIT if path.name == layout.MANIFEST else files.DOCUMENT_LIMIT
    data = files.read(path, limit, f"{paths.name}: {paths.relative(path)}")
    return SnapshotFile(paths.relative(path), len(data), hashlib.sha256(data).hexdigest(), path, len(data))


def _file_from_bytes(path: str, data: bytes) -> SnapshotFile:
    return SnapshotFile(path, len(data), hashlib.sha256(data).hexdigest(), data=data)


def _kept(paths: ModelLayout, path: Path, length: int, data: bytes) -> SnapshotFile:
    hasher = hashlib.sha256()
    for block in _blocks(path if length else None, length, data):
        hasher.update(block)
    return SnapshotFile(
        paths.relative(path), length + len(data), hasher.hexdigest(), path if length else None, length, data
    )


def _blocks(origin: Path | None, length: int, data: bytes) -> Iterator[bytes]:
    if origin is not None:
        with files.open_file(origin, origin.name) as descriptor:
            left = length
            while left and (block := os.read(descriptor, min(left, files.BLOCK))):
                left -= len(block)
                yield block
    if data:
        yield data
