"""FlatBuffers, table by table: offsets are followed only where they lead into the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from .limits import Limit, Stopped
from .model_files import ModelFile

MAX_PARTS, MAX_ITEMS, MAX_TEXT = 150_000, 100_000, 1 << 16


class Table(NamedTuple):
    """A table: its offset, and those of its fields, relative to it; 0 for a missing field."""

    at: int
    fields: tuple[int, ...]


class FlatBuffer:
    """The tables in one file; fields are counted from 0."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file
        self._left = MAX_PARTS

    def root(self) -> Table:
        return self._table(self._number("<L", 0))

    def text(self, table: Table, field: int) -> str:
        if not (at := self._reference(table, field)):
            return ""
        length = self._number("<L", at)
        if length > MAX_TEXT:
            raise Stopped(f"a text of {length:,} bytes")
        return self._file.read(at + 4, length).decode("utf-8", "replace")

    def number(self, table: Table, field: int, form: str, default: int = 0) -> int:
        """A scalar in a format of ``struct``: ``<i``, ``<b``."""
        at = self._place(table, field)
        return self._number(form, at) if at else default

    def table(self, table: Table, field: int) -> Table | None:
        at = self._reference(table, field)
        return self._table(at) if at else None

    def tables(self, table: Table, field: int) -> Iterator[Table]:
        start, count = self.vector(table, field)
        for index in range(count):
            at = start + 4 * index
            yield self._table(at + self._number("<L", at))

    def numbers(self, table: Table, field: int, form: str = "<i", most: int = MAX_ITEMS) -> tuple[int, ...]:
        start, count = self.vector(table, field)
        if count > most:
            raise Stopped(f"a list of {count:,} numbers")
        size = struct.calcsize(form)
        return struct.unpack(f"<{count}{form[-1]}", self._file.read(start, count * size)) if count else ()

    def vector(self, table: Table, field: int) -> tuple[int, int]:
        """The offset of the items of a vector, and their number."""
        at = self._reference(table, field)
        if not at:
            return 0, 0
        count = self._number("<L", at)
        if at + 4 + count > self._file.size:
            raise Stopped("it is cut short")
        return at + 4, count

    def _table(self, at: int) -> Table:
        self._left -= 1
        if self._left < 0:
            raise Limit(f"it has more than {MAX_PARTS:,} parts")
        start = at - self._number("<i", at)
        size = self._number("<H", start)
        if size < 4 or size % 2 or size > 1024:
            raise Stopped("a table of it is broken")
        return Table(at, struct.unpack(f"<{size // 2 - 2}H", self._file.read(start + 4, size - 4)))

    def _place(self, table: Table, field: int) -> int:
        relative = table.fields[field] if field < len(table.fields) else 0
        return table.at + relative if relative else 0

    def _reference(self, table: Table, field: int) -> int:
        at = self._place(table, field)
        return at + self._number("<L", at) if at else 0

    def _number(self, form: str, at: int) -> Any:
        return struct.unpack(form, self._file.read(at, struct.calcsize(form)))[0]


def is_rooted(file: ModelFile) -> bool:
    """Whether a file can be a FlatBuffer with an identifier: its root is behind that, aligned, and inside the file."""
    root = int.from_bytes(file.head[:4], "little")
    return root % 4 == 0 and 8 <= root <= file.size - 4
