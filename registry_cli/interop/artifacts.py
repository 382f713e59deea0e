"""The bytes of a stored version, as a bundle takes them: wherever they lie, each checked on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..core.records import FileEntry, VersionRecord
from ..store.filesystem import files
from ..store.packs import pack_reader
from ..store.packs.pack_reader import Content
from ..store.reader import ModelReader


def sizes(model: ModelReader, record: VersionRecord) -> tuple[int, ...]:
    """How large each file is, in the order of the manifest. :class:`Damaged` when they are not what was stored."""
    if record.packed is None:
        model.check_size(record)
    return tuple(content.size for _, content in members(model, record))


def members(model: ModelReader, record: VersionRecord) -> Iterator[tuple[FileEntry, Content]]:
    """Every file with its bytes, in the order of the manifest; one that is not wanted need not be read."""
    with contextlib.closing(pack_reader.members(model, record)) as found:
        for entry, content in found:
            yield entry, content
            if record.packed is not None:  # what follows in the pack is behind it
                while content.read(files.BLOCK):
                    pass
