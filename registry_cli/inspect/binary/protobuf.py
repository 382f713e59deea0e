"""Messages of protocol buffers, field by field, out of a body: what is not asked for is not read."""

from __future__ import annotations

from collections.abc import Iterator

from .limits import Stopped
from .sources import Body

#: The most fields that are looked at in one file, and the longest name that is read.
FIELDS = 5_000_000
NAME = 1 << 16
_DEPTH = 200
_NONE = "it is not a message of protocol buffers to its end"


class Fields:
    """The messages of one file."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._left = FIELDS
        self._window, self._start = b"", 0

    def of(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The fields that hold bytes: number, place and length. Groups, which nobody writes any more, are passed over."""
        groups: list[int] = []
        while start < end:
            number, wire, start = self._key(start, end)
            if wire == 3:
                groups.append(number)
                if len(groups) > _DEPTH:
                    raise Stopped("it is nested too deep", limit=True)
            elif wire == 4:
                if not groups or groups.pop() != number:
                    raise Stopped(_NONE)
            elif wire == 0:
                start = self.number(start, end)[1]
            else:
                length, start = self.number(start, end) if wire == 2 else (8 if wire == 1 else 4, start)
                if start + length > end:
                    raise Stopped("it is cut short")
                if wire == 2 and not groups:
                    yield number, start, length
                start += length
        if groups:
            raise Stopped("it is cut short")

    def _key(self, start: int, end: int) -> tuple[int, int, int]:
        self._left -= 1
        if self._left < 0:
            raise Stopped("it has more fields than are looked at", limit=True)
        key, start = self.number(start, end)
        number, wire = key >> 3, key & 7
        if number == 0 or number >= 1 << 29 or wire > 5:
            raise Stopped(_NONE)
        return number, wire, start

    def number(self, at: int, end: int) -> tuple[int, int]:
        """The number at a place, and where it ends."""
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self._byte(at)
            value |= (byte & 127) << shift
            at += 1
            if byte < 128:
                return value & (1 << 64) - 1, at
        raise Stopped("it is cut short")

    def text(self, at: int, length: int) -> str:
        """A name."""
        if length > NAME:
            raise Stopped("a name in it is longer than any honest one", ambiguous=True)
        return self._body.at(at, length).decode("utf-8", "replace")

    def _byte(self, at: int) -> int:
        place = at - self._start
        if not 0 <= place < len(self._window):
            self._window, self._start, place = self._body.at(at, 1024), at, 0
            if not self._window:
                raise Stopped("it is cut short")
        return self._window[place]
