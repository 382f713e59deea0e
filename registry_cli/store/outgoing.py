"""Taking a version out: every byte that leaves is checked against its manifest on the way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import Damaged, InvalidInput, NotFound
from ..progress import SILENT, Progress
from ..records import FileEntry, VersionRecord
from . import files, layout, packs
from .packs import Content
from .reader import ModelReader
from .replacement import Existing, appearing


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


def check(model: ModelReader, record: VersionRecord) -> None:
    """Read every byte of a version. :class:`Damaged` unless all is there and as it was stored."""
    if record.packed is None:
        model.check_size(record)
    with contextlib.closing(packs.members(model, record)) as members:
        for _, content in members:
            content.copy()


def fetch(
    model: ModelReader, record: VersionRecord, target: Path, *, progress: Progress, existing: Existing | None = None
) -> None:
    """Copy the artifact to the new folder ``target``, checked. It appears under its name only when it is whole.

    It takes the place of ``existing``, if that is given. Raises :class:`Conflict` when something else is there.
    """
    if record.packed is None:
        model.check_size(record)
    progress.expect(record.size)
    with appearing(target, existing) as temporary:
        temporary.mkdir()
        with contextlib.closing(packs.members(model, record)) as members:
            for entry, content in members:
                _copy(content, temporary / entry.path, "/" in entry.path, progress)


@contextlib.contextmanager
def laid_out(model: ModelReader, record: VersionRecord) -> Iterator[Path]:
    """A folder with the files of a version, to look into: its own, or one for the time being if it is packed.

    One that is deleted or packed meanwhile raises :class:`NotFound` or :class:`Conflict`, a file that is missing
    :class:`Damaged`. Only what is copied out was checked.
    """
    if record.packed is None:
        model.check_size(record)
        try:
            yield model.paths.files(record.number)
        except (FileNotFoundError, Damaged, NotFound):
            model.check_size(record)  # which says so if it was taken away under the eyes of who looked
            raise
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="registry-") as temporary:
        folder = Path(temporary, layout.FILES)
        fetch(model, record, folder, progress=SILENT)
        yield folder


def _copy(content: Content, target: Path, nested: bool, progress: Progress) -> None:
    if nested:
        target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, files.CREATE, 0o666)  # the user's own copy: the umask decides
    try:
        content.copy(descriptor, progress)
    finally:
        os.close(descriptor)
