"""How a pack is compressed: by gzip, which every Python has, or by zstd, faster and smaller, where it is to be had."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

from ...errors import Damaged, InvalidInput, Refused
from ..filesystem import files

GZIP = "gzip"
ZSTD = "zstd"
SUFFIXES = {GZIP: ".tar.gz", ZSTD: ".tar.zst"}

_LEVELS = {GZIP: 6, ZSTD: 9}
_WITH_GZIP_HEADER = 31


class Compressor(Protocol):
    """What takes blocks and gives, now and then, compressed ones."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def compressor(kind: str) -> Compressor:
    """A new one of this kind; the same blocks always give the same bytes. :class:`Refused` where there is no zstd."""
    if kind == GZIP:  # its header has no time and no name
        return zlib.compressobj(_LEVELS[kind], zlib.DEFLATED, _WITH_GZIP_HEADER)
    made: Compressor = _zstd().ZstdCompressor(_LEVELS[kind])
    return made


def check(kind: str) -> None:
    """Say before anything is done that this kind is unknown, or not to be had here."""
    if kind not in SUFFIXES:
        raise InvalidInput(f"'{kind}' is no way to compress", f"use {' or '.join(SUFFIXES)}")
    compressor(kind)


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            raise Refused("this Python has no zstd", "use Python 3.14, or pip install 'registry-cli[zstd]'") from None
    return zstd


class _Gunzip:
    """zlib's way to take input, made like that of the zstd module."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(_WITH_GZIP_HEADER)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, most)


class Expanded:
    """The contents of a compressed file, never more at a time than is asked for. ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], kind: str, what: str) -> None:
        self._read, self._what = read, what
        self._engine: Any = _Gunzip() if kind == GZIP else _zstd().ZstdDecompressor()

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; empty at the end. :class:`Damaged` when it is cut off or garbled."""
        while not self._engine.eof:
            hungry = self._engine.needs_input
            data = self._read(files.BLOCK) if hungry else b""
            if block := self._expand(data, most):
                return block
            if hungry and not data:
                raise Damaged(f"{self._what} was cut off", "registry verify tells more")
        if self._engine.unused_data or self._read(1):
            raise Damaged(f"{self._what} has something behind its end", "registry verify tells more")
        return b""

    def _expand(self, data: bytes, most: int) -> bytes:
        try:
            block: bytes = self._engine.decompress(data, most)
        except OSError:
            raise
        except Exception as error:  # zlib.error or ZstdError, by which module it is
            if type(error).__name__ not in ("error", "ZstdError"):
                raise
            raise Damaged(f"{self._what} is garbled: {error}", "registry verify tells more") from None
        return block
