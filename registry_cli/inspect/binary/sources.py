"""Byte sources: a file, a part of one, or memory, which can be read at any offset; and readers from front to end."""

from __future__ import annotations

import os
import struct
from typing import IO, Any, Protocol

from .limits import Stopped

HEAD = 4096


class ByteSource(Protocol):
    """Bytes of a known number that can be read at any place."""

    size: int

    def at(self, offset: int, length: int) -> bytes:
        """So many bytes from ``offset`` on; fewer only at the end, none for a negative offset."""


class FileSource:
    """An open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def at(self, offset: int, length: int) -> bytes:
        pieces, left = [], min(length, self.size - offset) if offset >= 0 else 0
        while left > 0:
            piece = os.pread(self._descriptor, left, offset)
            if not piece:
                break
            pieces.append(piece)
            offset, left = offset + len(piece), left - len(piece)
        return b"".join(pieces)


class Spooled:
    """A temporary file without a name, or a buffer in memory."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self.size = stream, size

    def at(self, offset: int, length: int) -> bytes:
        if offset < 0:
            return b""
        self._stream.seek(offset)
        return self._stream.read(max(length, 0))

    def close(self) -> None:
        self._stream.close()


class MemorySource:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + max(length, 0)] if offset >= 0 else b""


class ByteSlice:
    """A part of another source."""

    def __init__(self, whole: ByteSource, start: int, size: int) -> None:
        self._whole, self._start = whole, start
        self.size = max(0, min(size, whole.size - start))

    def at(self, offset: int, length: int) -> bytes:
        if offset < 0:
            return b""
        return self._whole.at(self._start + offset, max(0, min(length, self.size - offset)))


class SequentialReader:
    """A source as a stream. What is skipped is not read."""

    def __init__(self, body: ByteSource, offset: int = 0) -> None:
        self._body, self._offset = body, offset
        self._block = HEAD

    def read(self, length: int) -> bytes:
        piece = self._body.at(self._offset, min(length, self._block))
        self._block = min(self._block * 4, 1 << 20)  # most files end, for us, after a few bytes
        self._offset += len(piece)
        return piece

    def skip(self, length: int) -> int:
        done = min(length, max(0, self._body.size - self._offset))
        self._offset += done
        return done


def read_exactly(source: ByteSource, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset`` on; :class:`Stopped` if the source ends before."""
    data = source.at(offset, length)
    if len(data) < length:
        raise Stopped("it is cut short")
    return data


class Cursor:
    """Reads one binary value after another, from offset ``at`` on; :class:`Stopped` where the source ends."""

    def __init__(self, source: ByteSource, at: int = 0, order: str = "<") -> None:
        self._source, self.at, self.order = source, at, order
        self.size = source.size

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > self.size:
            raise Stopped("it is cut short")

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        start = self.at
        self.skip(length)
        return self._source.at(start, length)

    def unpack(self, form: str) -> tuple[Any, ...]:
        """The next values, in a format of ``struct`` without its byte order."""
        form = self.order + form
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def number(self, form: str) -> Any:
        """The next value."""
        return self.unpack(form)[0]

    def text(self, length: int) -> str:
        """The next ``length`` bytes as UTF-8."""
        return self.take(length).decode("utf-8", "replace")
