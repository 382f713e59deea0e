"""Filling the files of a version from a stream, one after the other, each compared with its sha256 on the way."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..core.lazy_dataclass import dataclass, field
from ..core.progress import Progress
from ..core.records import FileEntry
from ..errors import Conflict, Damaged, Refused
from . import staging as ingest
from .filesystem import copying, files, removal
from .filesystem.files import Modes
from .packs.pack_reader import Readable
from .staging import StagingFolder


class StreamedFile(NamedTuple):
    """One file of a version, in the order in which they come; ``content`` is None where equal contents came before."""

    entry: FileEntry
    size: int
    content: Readable | None


@dataclass
class ContentIndex:
    """Where contents lie that came before, in this model, by their sha256: in this bundle, or ``stored`` earlier."""

    fresh: dict[str, Path] = field(default_factory=dict)
    stored: dict[str, Path] = field(default_factory=dict)

    def add_stored(self, folder: Path, entries: Iterable[FileEntry]) -> None:
        """The files of a version that is here already."""
        for entry in entries:
            self.stored.setdefault(entry.sha256, folder / entry.path)

    def path(self, entry: FileEntry) -> Path:
        """A file with this content, which is what it should be."""
        if found := self.fresh.get(entry.sha256):
            return found
        path = self.stored.get(entry.sha256)
        if path is not None:
            with contextlib.suppress(OSError, Damaged), files.open_file(path, path.name) as descriptor:
                if copying.copy_and_hash(descriptor, None, 0)[0] == entry.sha256:
                    return path
        raise Conflict(f"the content of '{entry.path}' is not where it was stored", "registry verify tells more")


def write_stream(
    staging: StagingFolder,
    streamed: Iterable[StreamedFile],
    known: ContentIndex,
    modes: Modes,
    progress: Progress,
    *,
    sync: bool = True,
) -> None:
    """Bring files into the staging folder, with their final modes, and (with ``sync``) on the disk."""
    os.mkdir(staging.files, 0o700)
    folders: dict[str, Path] = {}
    for each in streamed:
        target = staging.files / each.entry.path
        with _one_name(each.entry.path):
            ingest.make_parents(staging.files, each.entry.path, folders)
            if each.content is None:
                same = known.path(each.entry)
                if not files.link_if_possible(same, target):
                    shutil.copyfile(same, target, follow_symlinks=False)
                    removal.change_mode(target, target.parent, modes.sealed_file)
                progress(each.size)
            else:
                _write(each, target, modes, progress)
                staging.added += each.size
        known.fresh.setdefault(each.entry.sha256, target)
        staging.entries.append(each.entry)
        staging.size += each.size
    for folder in (*reversed(folders.values()), staging.files):
        removal.change_mode(folder, staging.below, modes.sealed_folder)
    if sync:
        ingest.sync(staging, list(folders.values()))


@contextlib.contextmanager
def _one_name(path: str) -> Iterator[None]:
    """Two files of one name are told as that: on a file system that takes 'A' for 'a', too."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
            raise Refused(f"'{path}' has the name of another file here", "this file system can't hold both") from None
        raise


def _write(each: StreamedFile, target: Path, modes: Modes, progress: Progress) -> None:
    with files.open_descriptor(target, files.CREATE) as descriptor:
        sha256, _ = copying.copy_and_hash(each.content, descriptor, each.size, progress)
        os.fchmod(descriptor, modes.sealed_file)
    if sha256 != each.entry.sha256:
        raise Damaged(f"'{each.entry.path}' is not what its sha256 says")
