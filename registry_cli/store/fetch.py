"""Taking a version out: every byte that leaves is checked against its manifest on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path

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
    kept = set(
        globs.select([entry.path for entry in listed], globs.parse(only, "--only"), globs.parse(exclude, "--exclude"))
    )
    if not kept:
        named = [*(f"--only '{text}'" for text in only), *(f"--exclude '{text}'" for text in exclude)]
        raise NotFound(f"no file of {ref} matches {' '.join(named)}", f"registry show {ref} lists them")
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
    """Copy the artifact, or the ``chosen`` files of it, to the new folder ``target``, checked. It appears under its name
    only when it is whole.

    It takes the place of ``existing``, if that is given. Raises :class:`Conflict` when something else is there.
    """
    if record.packed is None and chosen is None:
        model.check_size(record)
    progress.expect(record.size if chosen is None else 0)
    with atomic_output(target, existing) as temporary:
        temporary.mkdir()
        every = pack_reader.members(model, record) if chosen is None else _chosen(model, record, chosen)
        with contextlib.closing(every) as members:
            for entry, content in members:
                if chosen is not None:
                    progress.expect(content.size)
                _copy(content, temporary / entry.path, "/" in entry.path, progress)


def write(
    model: ModelReader, record: VersionRecord, chosen: Sequence[FileEntry], sink: Callable[[bytes], object]
) -> None:
    """Give the bytes of files to ``sink``, one file after the other, in the order of the manifest."""
    with contextlib.closing(_chosen(model, record, chosen)) as members:
        for _, content in members:
            while block := content.read(files.BLOCK):
                sink(block)


def _chosen(
    model: ModelReader, record: VersionRecord, chosen: Sequence[FileEntry]
) -> Generator[tuple[FileEntry, VerifiedStream], None, None]:
    return pack_reader.chosen_members(model, record, [entry.path for entry in chosen])


@contextlib.contextmanager
def open_files(model: ModelReader, record: VersionRecord) -> Iterator[Path]:
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


def _copy(content: VerifiedStream, target: Path, nested: bool, progress: Progress) -> None:
    if nested:
        target.parent.mkdir(parents=True, exist_ok=True)
    with files.open_descriptor(target, files.CREATE, 0o666) as descriptor:  # the user's own copy: the umask decides
        content.copy(descriptor, progress)
