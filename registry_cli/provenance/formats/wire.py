"""Protocol buffers, field by field, out of a file: what is skipped is not read, so that weights cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .files import File, Limit, Malformed

#: The most fields that are looked at in one file.
FIELDS = 300_000
#: The longest text that is taken from one.
TEXT = 1 << 16

_LONGEST = 10  # bytes of a varint
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK = 2**64 - 1


class Field(NamedTuple):
    """One field: its number; its value, if it is a number; where its bytes are, if it has any."""

    number: int
    value: int = 0
    start: int = 0
    end: int = 0

    @property
    def signed(self) -> int:
        """The value as an ``int64``."""
        return self.value - 2**64 if self.value >= 2**63 else self.value

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


class Wire:
    """The messages in one file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._left = FIELDS

    def message(self) -> Field:
        """The whole file as a message."""
        return Field(0, 0, 0, self._file.size)

    def fields(self, message: Field) -> Iterator[Field]:
        """The fields of a message, in order. Raises :class:`Malformed` at the first byte that can't be one."""
        at = message.start
        while at < message.end:
            self._left -= 1
            if self._left < 0:
                raise Limit(f"it has more than {FIELDS:,} fields")
            key, at = self.varint(at)
            number, kind = key >> 3, key & 7
            if kind == _VARINT:
                value, at = self.varint(at)
                field = Field(number, value)
            elif kind == _BYTES:
                length, start = self.varint(at)
                at = start + length
                field = Field(number, 0, start, at)
            elif kind in (_FIXED64, _FIXED32):
                start, at = at, at + (8 if kind == _FIXED64 else 4)
                field = Field(number, 0, start, at)
            else:
                raise Malformed("it is no protocol buffer")
            if number == 0 or at > message.end:
                raise Malformed("it is cut short, or no protocol buffer")
            yield field

    def text(self, field: Field) -> str:
        """The field as text."""
        return self.raw(field).decode("utf-8", "replace")

    def raw(self, field: Field) -> bytes:
        """The bytes of the field; :class:`Malformed` for more than ``TEXT``."""
        if field.size > TEXT:
            raise Malformed(f"a text of {field.size:,} bytes")
        return self._file.read(field.start, field.size)

    def numbers(self, field: Field) -> list[int]:
        """A repeated ``int64``, packed or not: the values that this field adds."""
        if not field.end:
            return [field.signed]
        found: list[int] = []
        at = field.start
        while at < field.end and len(found) < 64:
            value, at = self.varint(at)
            found.append(Field(0, value).signed)
        return found

    def pair(self, entry: Field) -> tuple[str, Field]:
        """An entry of a map: its key, and its value as a field."""
        key, value = "", Field(2)
        for field in self.fields(entry):
            if field.number == 1:
                key = self.text(field)
            elif field.number == 2:
                value = field
        return key, value

    def read(self, at: int, length: int) -> bytes:
        """Bytes that are no message."""
        return self._file.read(at, length)

    def varint(self, at: int) -> tuple[int, int]:
        """The number at ``at``, and where the next byte is."""
        value = shift = 0
        for byte in self._file.read(at, max(min(_LONGEST, self._file.size - at), 0)):
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value & _MASK, at + shift // 7
        raise Malformed("it is cut short, or no protocol buffer")
