"""The bytes of a stored version: the only place where a bundle reads them, wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ..records import FileEntry, VersionRecord
from ..store import outgoing
from ..store.reader import ModelReader


def sizes(model: ModelReader, record: VersionRecord, entries: Iterable[FileEntry]) -> tuple[int, ...]:
    """How large each of these files is. :class:`Damaged` when one is missing, or all together are not what was stored."""
    model.check_size(record)
    found = []
    for entry in entries:
        with outgoing.opened(model.paths.files(record.number), entry, record.ref) as descriptor:
            found.append(os.fstat(descriptor).st_size)
    return tuple(found)


def copy(model: ModelReader, record: VersionRecord, entry: FileEntry, write: Callable[[bytes], object]) -> None:
    """Give each block of a file to ``write``. Raises :class:`Damaged` at the end when it is not what was stored."""
    outgoing.check_file(model.paths.files(record.number), entry, record.ref, write)
