"""Messages of protocol buffers, field by field, from a byte source: only what is asked for is read.

The reader is strict: it stops at a field that no writer makes. Groups, which no writer uses any more, are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .limits import Limit, Stopped
from .sources import ByteSource, read_exactly

MAX_FIELDS, MAX_TEXT = 5_000_000, 1 << 16
_DEPTH = 200
_VARINT, _FIXED64, _BYTES, _GROUP, _END_GROUP, _FIXED32 = range(6)
_MASK = 2**64 - 1
_NONE = "it is not a message of protocol buffers to its end"


class WireField(NamedTuple):
    """One field: its number; its value, if it is a number; else where its bytes, text or message are (``is_bytes``)."""

    number: int = 0
    value: int = 0
    start: int = 0
    end: int = 0
    is_bytes: bool = False

    @property
    def signed(self) -> int:
        return self.value - 2**64 if self.value >= 2**63 else self.value

    @property
    def size(self) -> int:
        return self.end - self.start


class LastFields(dict[int, WireField]):
    """Fields by their numbers; an empty one for a number that is missing."""

    def __missing__(self, number: int) -> WireField:
        return WireField(number)


class Messages:
    """The messages of one file, of which at most ``most`` fields are read."""

    def __init__(self, body: ByteSource, most: int = MAX_FIELDS) -> None:
        self._body = body
        self._most = self._left = most
        self._window, self._start = b"", 0

    def message(self) -> WireField:
        return WireField(0, 0, 0, self._body.size)

    def fields(self, message: WireField) -> Iterator[WireField]:
        """The fields of a message, in order; :class:`Stopped` at the first byte that can't belong to one."""
        at, end = message.start, message.end
        groups: list[int] = []
        while at < end:
            number, wire, at = self._key(at, end)
            if wire in (_GROUP, _END_GROUP):
                _nest(groups, number, wire)
            elif wire == _VARINT:
                value, at = self._varint(at, end)
                if not groups:
                    yield WireField(number, value)
            else:
                length, start = self._varint(at, end) if wire == _BYTES else (8 if wire == _FIXED64 else 4, at)
                at = start + length
                if at > end:
                    raise Stopped("it is cut short")
                if not groups:
                    yield WireField(number, 0, start, at, wire == _BYTES)
        if groups:
            raise Stopped("it is cut short")

    def last(self, message: WireField) -> LastFields:
        """The last field of each number: the one that counts where a field is not repeated."""
        return LastFields((field.number, field) for field in self.fields(message))

    def select(self, message: WireField, number: int) -> Iterator[WireField]:
        return (field for field in self.fields(message) if field.number == number)

    def text(self, field: WireField) -> str:
        return self.raw(field).decode("utf-8", "replace")

    def raw(self, field: WireField) -> bytes:
        """The bytes of a short field; :class:`Stopped` if there are more than in any name."""
        if field.size > MAX_TEXT:
            raise Stopped(f"a text of {field.size:,} bytes", ambiguous=True)
        return self.read(field.start, field.size)

    def numbers(self, field: WireField) -> list[int]:
        """The values that this field adds to a repeated ``int64``, packed or not; 64 at the most."""
        if not field.is_bytes:
            return [field.signed]
        found, at = list[int](), field.start
        while at < field.end and len(found) < 64:
            value, at = self._varint(at, field.end)
            found.append(WireField(value=value).signed)
        return found

    def pair(self, entry: WireField) -> tuple[str, WireField]:
        """The key and the value of an entry of a map."""
        parts = self.last(entry)
        return self.text(parts[1]), parts[2]

    def read(self, at: int, length: int) -> bytes:
        return read_exactly(self._body, at, length)

    def varints(self, at: int, count: int) -> list[int]:
        """The numbers from ``at`` on, and as the last the offset behind them."""
        found = []
        for _ in range(count):
            value, at = self._varint(at, self._body.size)
            found.append(value)
        return [*found, at]

    def _key(self, at: int, end: int) -> tuple[int, int, int]:
        self._left -= 1
        if self._left < 0:
            raise Limit(f"it has more than {self._most:,} fields")
        key, at = self._varint(at, end)
        number, wire = key >> 3, key & 7
        if number == 0 or number >= 1 << 29 or wire > _FIXED32:
            raise Stopped(_NONE)
        return number, wire, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            if not self._start <= at < self._start + len(self._window):
                self._window, self._start = self._body.at(at, 1024), at
                if not self._window:
                    break
            byte = self._window[at - self._start]
            value |= (byte & 127) << shift
            at += 1
            if byte < 128:
                return value & _MASK, at
        raise Stopped("it is cut short")


def _nest(groups: list[int], number: int, wire: int) -> None:
    """Begin or end a group; ``groups`` are the open ones."""
    if wire == _GROUP:
        groups.append(number)
        if len(groups) > _DEPTH:
            raise Limit("it is nested too deep")
    elif not groups or groups.pop() != number:
        raise Stopped(_NONE)
