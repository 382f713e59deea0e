"""A reader of opcodes and their arguments, byte by byte, with limits."""

from __future__ import annotations

import re

from ...inspect.binary.limits import Budget, Stopped, Stream

#: All opcodes of all protocols: a pickle begins with one.
OPCODES = frozenset(b"().012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu}") | frozenset(range(0x80, 0x99))
_BLOCK = 1 << 16


class OpcodeReader:
    """A stream, byte by byte. ``offset`` is that of the next one."""

    def __init__(self, stream: Stream, budget: Budget) -> None:
        self._stream, self._budget = stream, budget
        self._data = b""
        self._at = 0
        self._before = 0

    @property
    def offset(self) -> int:
        return self._before + self._at

    def peek(self) -> int:
        """The next byte, -1 at the end."""
        if self._at == len(self._data) and not self._refill():
            return -1
        return self._data[self._at]

    def byte(self) -> int:
        """The next byte; :class:`Stopped` at the end."""
        at = self._at
        if at == len(self._data):
            if not self._refill():
                raise Stopped("it is cut short", end=True)
            at = 0
        self._at = at + 1
        return self._data[at]

    def take(self, length: int) -> bytes:
        """So many bytes, for short pieces only; :class:`Stopped` when there are fewer."""
        piece = self._data[self._at : self._at + length]
        self._at += len(piece)
        while len(piece) < length:
            if not self._refill():
                raise Stopped("it is cut short", end=True)
            more = self._data[: length - len(piece)]
            self._at = len(more)
            piece += more
        return piece

    def run_length(self, pattern: re.Pattern[bytes], width: int, end: int) -> int:
        """Skip pieces of ``width`` bytes that match the pattern, from the last byte up to the offset ``end`` (0: no end).

        Returns their number, 0 for a short run.
        """
        start = self._at - 1
        data = self._data
        if start + width >= len(data) or data[start + width] != data[start]:
            return 0
        found = pattern.match(data, start, end - self._before if end else len(data))
        if found is None:
            return 0
        self._at = found.end()
        return (found.end() - start) // width

    def number(self, length: int) -> int:
        """An unsigned number, the lowest byte first."""
        return int.from_bytes(self.take(length), "little")

    def skip(self, length: int) -> None:
        """Skip so many bytes; :class:`Stopped` when there are fewer."""
        here = min(length, len(self._data) - self._at)
        self._at += here
        rest = length - here
        if rest:
            self._before += len(self._data)
            self._data, self._at = b"", 0
            done = self._stream.skip(rest)
            self._before += done
            if done < rest:
                raise Stopped("it is cut short", end=True)

    def line(self, keep: int) -> tuple[bytes, bool]:
        """At most ``keep`` bytes of the line, and whether these are all; beyond the first block it costs ``seeking``."""
        kept, whole = b"", True
        while True:
            end = self._data.find(b"\n", self._at)
            piece = self._data[self._at : end if end >= 0 else len(self._data)]
            whole = whole and len(kept) + len(piece) <= keep
            kept += piece[: keep - len(kept)]
            if end >= 0:
                self._at = end + 1
                return kept, whole
            self._budget.seeking -= len(piece)
            if self._budget.seeking < 0:
                raise Stopped("more is to be searched than is looked at", limit=True)
            if not self._refill():
                raise Stopped("it is cut short", end=True)

    def only_zeros(self) -> bool:
        """Whether nothing but zero bytes follows, a megabyte at most; they are read."""
        for _ in range(16):
            if self._data[self._at :].strip(b"\0"):
                return False
            self._at = len(self._data)
            if not self._refill():
                return True
        return False

    def _refill(self) -> bool:
        self._before += len(self._data)
        self._data, self._at = self._stream.read(_BLOCK), 0
        return bool(self._data)
