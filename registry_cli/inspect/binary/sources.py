"""Where bytes lie: in a file, in a piece of one, in memory. Each can be read from its beginning again and again."""

from __future__ import annotations

import os
from typing import IO, Protocol

from .limits import Stream

HEAD = 4096


class ByteSource(Protocol):
    """Bytes of a known number that can be read at any place."""

    size: int

    def at(self, offset: int, length: int) -> bytes:
        """So many bytes from there on; less only at the end, and none from before the beginning."""


class FileSource:
    """A file that is open."""

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
    """Some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def at(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + max(length, 0)] if offset >= 0 else b""


class ByteSlice:
    """A part of another body."""

    def __init__(self, whole: ByteSource, start: int, size: int) -> None:
        self._whole, self._start = whole, start
        self.size = max(0, min(size, whole.size - start))

    def at(self, offset: int, length: int) -> bytes:
        if offset < 0:
            return b""
        return self._whole.at(self._start + offset, max(0, min(length, self.size - offset)))


class SequentialReader:
    """A body as a stream. What is skipped is not read."""

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


def straight(body: ByteSource, offset: int = 0) -> Stream:
    return SequentialReader(body, offset)
