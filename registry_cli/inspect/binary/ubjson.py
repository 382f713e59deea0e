"""Values of UBJSON, as XGBoost writes it: packed arrays of numbers are skipped, everything else is plain values."""

from __future__ import annotations

import struct
from typing import Any

from .limits import Stopped

#: The most values that are gone through, and how deep they may be nested.
VALUES, DEPTH = 100_000, 32

_NUMBERS = {
    b"i": ">b", b"U": ">B", b"I": ">h", b"u": ">H", b"l": ">i", b"m": ">I", b"L": ">q", b"M": ">Q",
    b"d": ">f", b"D": ">d",
}  # fmt: skip
_LITERALS = {b"Z": None, b"N": None, b"T": True, b"F": False}


class Decoder:
    """Decodes values out of bytes."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at
        self._left = VALUES

    def value(self, depth: int = 0) -> Any:
        """The next value. Raises :class:`Stopped`, or struct.error where the bytes end."""
        return self._value(self._take(1), depth)

    def _value(self, kind: bytes, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > DEPTH:
            raise Stopped("more values than are read, or nested deeper")
        if kind in _NUMBERS:
            return self._number(kind)
        if kind in _LITERALS:
            return _LITERALS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"C":
            return self._take(1).decode("latin-1")
        if kind == b"[":
            return self._array(depth + 1)
        if kind == b"{":
            return self._object(depth + 1)
        raise Stopped(f"a value of type {kind!r}")

    def _take(self, length: int) -> bytes:
        found = self._data[self._at : self._at + length]
        if len(found) < length or length < 0:
            raise Stopped("it is cut short")
        self._at += length
        return found

    def _number(self, kind: bytes) -> Any:
        form = _NUMBERS.get(kind)
        if form is None:
            raise Stopped(f"a number of type {kind!r}")
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _length(self) -> int:
        length = self._number(self._take(1))
        if not isinstance(length, int) or length < 0:
            raise Stopped("a length that is none")
        return length

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8", "replace")

    def _packing(self) -> tuple[bytes, int | None]:
        """The type of all elements, if it is said once, and their number, likewise."""
        kind, count = b"", None
        if self._peek() == b"$":
            self._take(1)
            kind = self._take(1)
        if self._peek() == b"#":
            self._take(1)
            count = self._length()
        if kind and count is None:
            raise Stopped("elements of one type without their number")
        return kind, count

    def _peek(self) -> bytes:
        return self._data[self._at : self._at + 1]

    def _array(self, depth: int) -> list[Any] | None:
        kind, count = self._packing()
        if kind in _NUMBERS and count is not None:
            self._take(count * struct.calcsize(_NUMBERS[kind]))
            return None
        found: list[Any] = []
        while len(found) < count if count is not None else self._peek() != b"]":
            found.append(self._value(kind or self._take(1), depth))
        if count is None:
            self._take(1)
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._packing()
        found: dict[str, Any] = {}
        seen = 0
        while seen < count if count is not None else self._peek() != b"}":
            key = self._text()
            found[key] = self._value(kind or self._take(1), depth)
            seen += 1
        if count is None:
            self._take(1)
        return found
