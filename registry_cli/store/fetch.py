"""Reading the files of a version out: every byte is checked against the manifest on the way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from ..core.progress import SILENT, Progress
from ..core.records import FileEntry, VersionRecord
from ..errors import Damaged, NotFound
from . import layout
from .filesystem import files
from .filesystem.replacement import Existing, atomic_output
from .packs import pack_reader
from .packs.pack_reader import VerifiedStream
from .reader import ModelReader


def select(entries: Iterable[FileEntry], only: Sequence[str], exclude: Sequence[str], ref: str) -> list[FileEntry]:
    """The files that a glob of ``only`` matches (all if there is none) and no glob of ``exclude``.

    Raises :class:`NotFound` when there is none, :class:`InvalidInput` for what is not a glob.
    """
    from ..core import globs

    listed = list(entries)
    paths = [entry.path for entry in listed]
    kept = set(globs.select(paths, globs.parse(only, "`only`"), globs.parse(exclude, "`exclude`")))
    if not kept:
        named = [*(f"`only` '{text}'" for text in only), *(f"`exclude` '{text}'" for text in exclude)]
        raise NotFound(f"no file of {ref} matches {' '.join(named)}", f"list its files with 'registry show {ref}'")
    return [entry for entry in listed if entry.path in kept]


def check(model: ModelReader, record: VersionRecord) -> None:
    """Read every byte of a version. :class:`Damaged` unless all is there and as it was stored."""
    if record.packed is None:
        model.check_size(record)
    with contextlib.closing(pack_reader.members(model, record)) as members:
        for _, content in members:
            content.copy()


def fetch(
    model: ModelReader,
    record: VersionRecord,
    target: Path,
    *,
    progress: Progress,
    existing: Existing | None = None,
    chosen: Sequence[FileEntry] | None = None,
) -> None:
    """Copy the artifact, or the ``chosen`` files of it, to the folder ``target``, checked.

    The folder appears under its name only when it is complete, in the place of ``existing`` if that is given. Raises
    :class:`Conflict` when something else is there.
    """
    if record.packed is None and chosen is None:
        model.check_size(record)
    progress.expect(record.size if chosen is None else 0)
    with atomic_output(target, existing) as temporary:
        temporary.mkdir()
        only = None if chosen is None else {entry.path for entry in chosen}
        with contextlib.closing(pack_reader.members(model, record, only)) as members:
            for entry, content in members:
                if chosen is not None:
                    progress.expect(content.size)
                path = temporary / entry.path
                if "/" in entry.path:
                    path.parent.mkdir(parents=True, exist_ok=True)
                with files.open_descriptor(path, files.CREATE, 0o666) as copy:  # the umask decides who can read it
                    content.copy(copy, progress)


def write(
    model: ModelReader, record: VersionRecord, chosen: Sequence[FileEntry], sink: Callable[[bytes], object]
) -> None:
    """Give the bytes of files to ``sink``, one file after the other, in the order of the manifest."""
    with contextlib.closing(pack_reader.members(model, record, {entry.path for entry in chosen})) as members:
        for _, content in members:
            while block := content.read(files.BLOCK):
                sink(block)


def open_file(model: ModelReader, record: VersionRecord, entry: FileEntry) -> BinaryIO:
    """A file of a version, open at its beginning, after all of its bytes were checked; a copy if the version is packed."""
    with contextlib.ExitStack() as stack:
        if record.packed is None:
            with contextlib.suppress(NotFound, FileNotFoundError):  # packed or deleted meanwhile: see below
                descriptor = stack.enter_context(files.open_beneath(model.paths.files(record.number), entry.path))
                stream = VerifiedStream(descriptor, os.fstat(descriptor).st_size, entry, record.ref)
                while stream.read(files.BLOCK):
                    pass
                os.lseek(descriptor, 0, os.SEEK_SET)
                return open(os.dup(descriptor), "rb")
        import tempfile

        copy = tempfile.TemporaryFile()  # noqa: SIM115
        stack.push(lambda kind, *_: copy.close() if kind else None)
        write(model, record, [entry], copy.write)
        copy.seek(0)
        return cast("BinaryIO", copy)


@contextlib.contextmanager
def open_files(model: ModelReader, record: VersionRecord) -> Iterator[Path]:
    """A folder with the files of a version: its own, or a temporary one with checked copies if the version is packed.

    Raises :class:`NotFound` or :class:`Conflict` if the version is deleted or packed meanwhile, :class:`Damaged` for a
    missing file.
    """
    if record.packed is None:
        model.check_size(record)
        try:
            yield model.paths.files(record.number)
        except (FileNotFoundError, Damaged, NotFound):
            model.check_size(record)  # raises the right error if it was deleted or packed meanwhile
            raise
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="registry-") as temporary:
        folder = Path(temporary, layout.FILES)
        fetch(model, record, folder, progress=SILENT)
        yield folder
