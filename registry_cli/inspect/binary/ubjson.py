"""Values of UBJSON, as XGBoost writes it: packed arrays of numbers are skipped, everything else is plain values."""

from __future__ import annotations

import struct
from typing import Any

from .limits import Stopped
from .sources import Cursor, MemorySource

MAX_VALUES, MAX_DEPTH = 100_000, 32

_NUMBERS = {
    b"i": "b", b"U": "B", b"I": "h", b"u": "H", b"l": "i", b"m": "I", b"L": "q", b"M": "Q", b"d": "f", b"D": "d",
}  # fmt: skip
_LITERALS = {b"Z": None, b"N": None, b"T": True, b"F": False}


class Decoder:
    """Decodes the values in ``data``."""

    def __init__(self, data: bytes) -> None:
        self._data, self._cursor = data, Cursor(MemorySource(data), order=">")
        self._left = MAX_VALUES

    def value(self) -> Any:
        """The next value. Raises :class:`Stopped`, also where the bytes end."""
        return self._value(self._cursor.take(1), 0)

    def _value(self, kind: bytes, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise Stopped("more values than are read, or nested deeper")
        if kind in _NUMBERS:
            return self._cursor.number(_NUMBERS[kind])
        if kind in _LITERALS:
            return _LITERALS[kind]
        if kind == b"S":
            return self._text()
        if kind == b"C":
            return self._cursor.take(1).decode("latin-1")
        if kind in (b"[", b"{"):
            return self._container(kind == b"{", depth + 1)
        raise Stopped(f"a value of type {kind!r}")

    def _length(self) -> int:
        kind = self._cursor.take(1)
        if kind not in _NUMBERS:
            raise Stopped(f"a number of type {kind!r}")
        length = self._cursor.number(_NUMBERS[kind])
        if not isinstance(length, int) or length < 0:
            raise Stopped("a length that is none")
        return length

    def _text(self) -> str:
        return self._cursor.text(self._length())

    def _is_next(self, mark: bytes) -> bool:
        """Whether ``mark`` comes next; then it is consumed."""
        found = self._data[self._cursor.at : self._cursor.at + 1] == mark
        self._cursor.at += found
        return found

    def _container(self, is_object: bool, depth: int) -> dict[str, Any] | list[Any] | None:
        """An object or array. Its elements may be of one type, and their number may be stated."""
        kind = self._cursor.take(1) if self._is_next(b"$") else b""
        count = self._length() if self._is_next(b"#") else None
        if kind and count is None:
            raise Stopped("elements of one type without their number")
        if kind in _NUMBERS and count is not None and not is_object:
            self._cursor.skip(count * struct.calcsize(f">{_NUMBERS[kind]}"))
            return None
        end = b"}" if is_object else b"]"
        keys: list[str] = []
        values: list[Any] = []
        while len(values) < count if count is not None else not self._is_next(end):
            if is_object:
                keys.append(self._text())
            values.append(self._value(kind or self._cursor.take(1), depth))
        return dict(zip(keys, values, strict=True)) if is_object else values
