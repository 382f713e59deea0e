"""Taking a version out: every byte that leaves is checked against its manifest on the way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..errors import Conflict, Damaged, InvalidInput, NotFound
from ..progress import Progress
from ..records import FileEntry, VersionRecord
from . import copying, files, layout
from .reader import ModelReader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def find_file(entries: Iterable[FileEntry], path: str | None, ref: str) -> FileEntry:
    """The file that was asked for; with no ``path``, the only one there is."""
    listed = list(entries)
    if path is None:
        if len(listed) == 1:
            return listed[0]
        raise InvalidInput(f"{ref} has {len(listed):,} files", f"name one of them: registry show {ref} lists them")
    for entry in listed:
        if entry.path == path:
            return entry
    raise NotFound(f"{ref} has no file '{path}'", f"registry show {ref} lists them")


def check_file(root: Path, entry: FileEntry, ref: str, write: Callable[[bytes], object] | None = None) -> int:
    """Read a file of a version to its end, giving each block to ``write``; its size in bytes.

    Raises :class:`Damaged` when it is missing or its digest is not the one that was sealed.
    """
    import hashlib

    hasher = hashlib.sha256()
    size = 0
    with opened(root, entry, ref) as descriptor:
        while block := os.read(descriptor, files.BLOCK):
            hasher.update(block)
            size += len(block)
            if write:
                write(block)
    if hasher.hexdigest() != entry.sha256:
        raise _changed(entry, ref)
    return size


@contextlib.contextmanager
def opened(root: Path, entry: FileEntry, ref: str) -> Iterator[int]:
    """A file of a version, opened; one that is not there is damage, not a wrong name."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = stack.enter_context(files.opened_beneath(root, entry.path))
        except (NotFound, FileNotFoundError):
            if not files.exists(root.parent):
                raise NotFound(f"{ref} was deleted just now", "its number is not used again") from None
            raise Damaged(f"{ref}: the file '{entry.path}' is missing", "registry verify tells more") from None
        yield descriptor


def _changed(entry: FileEntry, ref: str) -> Damaged:
    return Damaged(
        f"{ref}: '{entry.path}' is not what was stored: its sha256 differs", "do not use it; registry verify tells more"
    )


def fetch(model: ModelReader, record: VersionRecord, target: Path, *, replace: bool, progress: Progress) -> None:
    """Copy the artifact to the new folder ``target``, checked. It appears under its name only when it is whole.

    Raises :class:`Conflict` when ``target`` has something in it, unless ``replace``.
    """
    entries = model.manifest(record)
    model.check_size(record)
    progress.expect(record.size)
    if files.exists(target) and not replace and (target.is_symlink() or not target.is_dir() or any(target.iterdir())):
        raise Conflict(f"'{target}' exists already", "name a new folder with -o, or say --force to replace it")
    with appearing(target, replace=replace) as temporary:
        temporary.mkdir()
        for entry in entries:
            _copy(model.paths.files(record.number), entry, temporary / entry.path, record.ref, progress)


@contextlib.contextmanager
def appearing(target: Path, *, replace: bool) -> Iterator[Path]:
    """A temporary name beside ``target``: what was made there gets its name in the end, or is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}{layout.temporary_name()}")
    try:
        yield temporary
        _put(temporary, target, replace)
    except BaseException:
        files.discard(temporary)
        raise


def _copy(root: Path, entry: FileEntry, target: Path, ref: str, progress: Progress) -> None:
    if "/" in entry.path:
        target.parent.mkdir(parents=True, exist_ok=True)
    with opened(root, entry, ref) as origin:
        size = os.fstat(origin).st_size
        descriptor = os.open(target, _CREATE, 0o666)  # the user's own copy: the umask decides
        try:
            sha256, _ = copying.pump(origin, descriptor, size, progress)
        finally:
            os.close(descriptor)
    if sha256 != entry.sha256:
        raise _changed(entry, ref)


def _put(temporary: Path, target: Path, replace: bool) -> None:
    if not (replace and files.exists(target)):
        os.rename(temporary, target)  # over an empty folder, too
        return
    old = target.with_name(f".{target.name}{layout.trash_name()}")
    os.rename(target, old)
    os.rename(temporary, target)
    files.remove(old)
