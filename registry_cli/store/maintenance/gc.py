"""Garbage collection: leftover staging folders, trash, blobs that no version links to."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from ...core import names
from ...core.records import StageTable
from ...core.results import CleanupItem
from .. import layout, reader
from ..filesystem import files, removal
from ..layout import Layout, ModelLayout

#: A staging folder in which nothing changed for so many seconds has no living writer.
STALE = 24 * 3600.0


def remove_trash(paths: ModelLayout, trash: list[Path]) -> None:
    """Remove folders of :meth:`Writer.move_to_trash`, and the blobs that only they needed. What fails waits for ``gc``."""
    for folder in trash:
        digests = _digests(folder)
        removal.discard(folder, paths.registry)
        _remove_blobs(paths, digests)


def remove_packed(paths: ModelLayout, trash: list[Path], number: int) -> None:
    """Remove what packing or restoring a version moved to the trash, and the blobs that no version needs any more."""
    for each in trash:
        removal.discard(each, paths.registry)
    _remove_blobs(paths, _digests(paths.version(number)))


def _remove_blobs(paths: ModelLayout, digests: Iterable[str]) -> None:
    for digest in digests:
        removal.remove_if_unlinked(paths.blob(digest), paths.registry)


def _digests(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        lines = (folder / layout.MANIFEST).read_bytes().split(b"\n")
        found = (line[:64].decode("ascii", "replace") for line in lines)
        return [digest for digest in found if layout.is_digest(digest)]
    return []


def find_garbage(
    paths: ModelLayout, now: float, age: float = STALE, table: StageTable | None = None
) -> Iterator[CleanupItem]:
    """What can be removed of a model, which is locked. ``now`` is the file server's time, ``age`` the least age, in seconds."""
    table, root = table or reader.read_state(paths).table, paths.registry
    for name in files.list_folder(paths.versions):
        folder = paths.versions / name
        number = layout.version_of(name)
        if layout.is_trash(name) or (number is not None and number in table.deleted):
            yield _freed("deleted version", root, folder)
        elif layout.is_temporary(name) and now - _newest_change(folder) >= age:
            yield _freed("leftover staging folder", root, folder)
    for folder in (paths.root, paths.annotations, paths.tombstones, paths.links):
        for name in files.list_folder(folder):
            if layout.is_temporary(name) and now - _newest_change(folder / name) >= age:
                yield _freed("leftover temporary file", root, folder / name)
    for name in files.list_folder(paths.root):
        revision = layout.revision_of(name)
        if revision is not None and revision <= table.revision - layout.CLAIMS_KEPT:
            yield _freed("old claim", root, paths.root / name)
    yield from _find_packing_leftovers(paths, now, age, table)
    for blob, size in unreferenced_blobs(paths, table.packed):
        yield CleanupItem("blob without a version", str(blob.relative_to(root)), size)


def _find_packing_leftovers(paths: ModelLayout, now: float, age: float, table: StageTable) -> Iterator[CleanupItem]:
    """What interrupted packing, restoring and deleting left; never the only one of files and pack."""
    for name in files.list_folder(paths.packs):
        number = layout.packed_version_of(name)
        old = layout.is_temporary(name) and now - _newest_change(paths.packs / name) >= age
        if old or layout.is_trash(name) or (number is not None and number not in table.packed):
            yield _freed("unused pack", paths.registry, paths.packs / name)
    for number in table.packed:
        if files.exists(paths.files(number)) and reader.pack_path(paths, number):
            yield _freed("files of a packed version", paths.registry, paths.files(number))


def find_abandoned_imports(root: Layout, now: float, age: float) -> Iterator[CleanupItem]:
    """What imports of whole models left that were interrupted."""
    for name in staging_of_models(root):
        if now - _newest_change(root.models / name) >= age:
            yield _freed("leftover staging folder", root.root, root.models / name)


def staging_of_models(root: Layout) -> Iterator[str]:
    """Temporary names among the models and in groups: models that are being imported, or were to be."""
    for name in files.list_folder(root.models):
        if layout.is_temporary(name):
            yield name
        elif names.is_model_name(name) and not files.exists(root.model(name).model):
            inside = files.list_folder(root.models / name) if (root.models / name).is_dir() else []
            yield from (f"{name}/{child}" for child in inside if layout.is_temporary(child))


def unreferenced_blobs(paths: ModelLayout, packed: Container[int]) -> Iterator[tuple[Path, int]]:
    """Blobs that no version links to and no manifest names, with their size in bytes."""
    lone: list[tuple[Path, int]] = []
    folders = (name for name in files.list_folder(paths.blobs) if stat.S_ISDIR(os.lstat(paths.blobs / name).st_mode))
    for blob in (paths.blobs / prefix / name for prefix in folders for name in files.list_folder(paths.blobs / prefix)):
        if not layout.is_digest(blob.name) or blob != paths.blob(blob.name):
            continue  # a person's
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(blob)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                lone.append((blob, status.st_size))
    named: set[str] = set()  # the blob of a file that is missing is its last copy
    for number in map(layout.version_of, files.list_folder(paths.versions) if lone else ()):
        if number is not None and (number not in packed or not reader.pack_path(paths, number)):
            named.update(_digests(paths.version(number)))
    yield from ((blob, size) for blob, size in lone if blob.name not in named)


def remove_unreferenced_blobs(paths: ModelLayout) -> None:
    """Remove the blobs of files that were just removed. What fails waits for the next time."""
    _remove_blobs(paths, [blob.name for blob, _ in unreferenced_blobs(paths, reader.read_state(paths).table.packed)])


def _freed(what: str, root: Path, path: Path) -> CleanupItem:
    """``path`` with the bytes that removing it frees: a file that is linked from outside of it too does not count."""
    links: dict[int, list[int]] = {}
    with contextlib.suppress(FileNotFoundError, PermissionError):
        status = os.lstat(path)
        inside = files.iter_tree(path) if stat.S_ISDIR(status.st_mode) else ()
        for found in (status, *(each for _, each in inside)):
            if stat.S_ISREG(found.st_mode):
                links.setdefault(found.st_ino, [found.st_nlink, found.st_size])[0] -= 1
    size = sum(size for left, size in links.values() if left <= 1)  # 1: the blob, which is removed too
    return CleanupItem(what, str(path.relative_to(root)), size)


def freed_by(paths: ModelLayout, numbers: Iterable[int]) -> dict[int, int]:
    """The bytes of files that deleting these versions would free, for each.

    A file that several of them share counts with the last one; one that has a link elsewhere (another version, the
    file of a user that was linked into the store) not at all. The blob goes with the last version. A pack counts with
    its version.
    """
    left: dict[int, int] = {}
    freed: dict[int, int] = {}
    for number in numbers:
        blobs = set()
        for digest in _digests(paths.version(number)):
            with contextlib.suppress(FileNotFoundError):
                blobs.add(os.lstat(paths.blob(digest)).st_ino)
        freed[number] = reader.pack_size(paths, number)
        for _, status in files.iter_tree(paths.files(number)):
            if stat.S_ISREG(status.st_mode):
                links = left.get(status.st_ino, status.st_nlink - (status.st_ino in blobs)) - 1
                left[status.st_ino] = links
                freed[number] += status.st_size if links <= 0 else 0
    return freed


def _newest_change(path: Path) -> float:
    """When something in ``path`` last changed, by the file server's clock."""
    newest = 0.0
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        newest = status.st_mtime
        if stat.S_ISDIR(status.st_mode):
            newest = max([newest, *(found.st_mtime for _, found in files.iter_tree(path))])
    return newest


def server_time(folder: Path, *, probe: bool = True) -> float:
    """The file server's time, taken from a file made for it: the local clock may be another.

    Without ``probe`` nothing is written, and the local clock has to do.
    """
    if not probe:
        return time.time()
    path = folder / layout.temporary_name()
    try:
        with files.open_descriptor(path, files.CREATE) as descriptor:
            return os.fstat(descriptor).st_mtime
    finally:
        removal.discard(path, folder)
