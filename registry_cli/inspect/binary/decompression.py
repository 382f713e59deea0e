"""Decompression of streams, never of more than the budget allows, and never of more at once than is asked for."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from typing import Any

from .limits import Budget, Stopped, Stream
from .sources import Spooled

_BLOCK = 1 << 16
#: What must be read at any offset is kept in memory up to this size, beyond it in a temporary file.
_IN_MEMORY = 32 << 20
#: The most memory that an xz stream may need.
_DICTIONARY = 256 << 20

#: How compressed files begin, and the names of the compressions.
MAGICS = (
    (b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"]\x00\x00", "lzma"),
    (b"x\x01", "zlib"), (b"x\x5e", "zlib"), (b"x\x9c", "zlib"), (b"x\xda", "zlib"),
)  # fmt: skip
#: Compressions and archives that Python's library can't open, and whether joblib, which loads pickles, opens them.
CLOSED = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", False),
    (b"Rar!\x1a\x07", "a RAR archive", False),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", False),
    (b"\x04\x22\x4d\x18", "compressed with lz4", True),
    (b"\x1f\x9d", "compressed with compress", False),
    (b"MSCF", "a cabinet archive", False),
)
_MANY = {"gzip", "bz2", "xz", "lzma"}


def compression_of(head: bytes) -> str:
    """The compression of a file that begins with ``head``; empty if it is not compressed."""
    return next((kind for magic, kind in MAGICS if head.startswith(magic)), "")


def _decompressor(kind: str) -> Any:
    """The decompressor of the standard library; bz2 and lzma are large, and optional parts of Python."""
    if kind == "bz2":
        import bz2

        return bz2.BZ2Decompressor()
    if kind in ("xz", "lzma"):
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_DICTIONARY)
    return zlib.decompressobj({"gzip": 31, "zlib": 15, "deflate": -15}[kind])


class DecompressedStream:
    """The content of a compressed stream; :class:`Stopped` if it is damaged or incomplete. ``size`` is the stated size of
    the content, if there is one: readers that believe a wrong one see something else.
    """

    def __init__(
        self, source: Stream, kind: str, budget: Budget, engine: Any = None, *, size: int | None = None
    ) -> None:
        self._source, self._kind, self._budget = source, kind, budget
        self._engine = engine or _decompressor(kind)
        self._left, self._single = size, size is not None
        self._waiting = b""
        self._ended = False
        #: Why readers could get different content; kept for callers whose reader catches the exception.
        self.ambiguity = ""

    def read(self, length: int) -> bytes:
        """Some bytes, at most ``length``; no bytes only at the end."""
        while not self._ended:
            piece = self._step(min(length, _BLOCK))
            self._budget.unpacked -= len(piece)
            if self._budget.unpacked < 0:
                raise Stopped("more comes out of its compression than is looked at", limit=True)
            if self._left is not None:
                self._left -= len(piece)
                if self._left < 0 or (self._ended and self._left):
                    self._differs("its size is not the one that the archive states")
            if piece:
                return piece
        return b""

    def skip(self, length: int) -> int:
        done = 0
        while done < length and (piece := self.read(length - done)):
            done += len(piece)
        return done

    def _differs(self, why: str) -> None:
        self.ambiguity = why
        raise Stopped(why, ambiguous=True)

    def _step(self, length: int) -> bytes:
        if self._engine.eof:
            self._next_stream()
            return b""
        if not self._waiting and getattr(self._engine, "needs_input", True):
            self._waiting = self._source.read(_BLOCK)
            if not self._waiting:  # the engine may still hold something
                if hasattr(self._engine, "flush") and (piece := bytes(self._engine.decompress(b"", length))):
                    return piece
                raise Stopped(f"its compression ({self._kind}) is cut short")
        try:
            piece = bytes(self._engine.decompress(self._waiting, length))
        except Exception as error:  # each engine has errors of its own
            raise Stopped(f"its compression ({self._kind}) is damaged") from error
        self._waiting = getattr(self._engine, "unconsumed_tail", b"")
        return piece

    def _next_stream(self) -> None:
        """Go on with the next stream, which may follow behind zeros; anything else there is an attempt to hide it."""
        rest: bytes = self._engine.unused_data
        while not rest.strip(b"\0"):
            rest = self._source.read(_BLOCK)
            if not rest:
                self._ended = True
                return
        rest = rest.lstrip(b"\0")
        if self._single or self._kind not in _MANY or compression_of(rest) != self._kind:
            self._differs("something follows its compressed data")
        self._engine, self._waiting = _decompressor(self._kind), rest


def decompress(opened: Callable[[], Stream]) -> Spooled:
    """The whole content of a stream, to be read at any offset; the caller closes it."""
    import tempfile

    store = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it is given away
    try:
        stream, size = opened(), 0
        while piece := stream.read(1 << 20):
            size += store.write(piece)
    except BaseException as error:
        store.close()
        if isinstance(error, OSError):
            raise Stopped("there is no room to unpack it", limit=True) from error
        raise
    return Spooled(store, size)


def read_beginning(opened: Callable[[], Stream], most: int) -> bytes:
    """The first bytes, ``most`` at the most; fewer where the stream is damaged."""
    stream, head = opened(), b""
    with contextlib.suppress(Stopped):
        while len(head) < most and (piece := stream.read(most - len(head))):
            head += piece
    return head
