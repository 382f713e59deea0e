"""The format of a pack: a tar, compressed by gzip, which every Python has, or by zstd, faster and smaller.

The tar has regular files one after the other, with a name and a size, and nothing else. A header is 512 bytes, a name
that does not fit comes in a POSIX extended header of a few kilobytes, and everything else that a tar may have is damage.

There is one more tar reader, in ``inspect/binary``, with the opposite task: it accepts what any known reader accepts,
finds where readers would differ, and jumps about in a file that can be read at any place. This one reads a stream of
decompressed bytes once, and accepts what the writer below makes. Python's ``tarfile`` follows what an archive says of
itself (links, devices, sparse files, headers of any length), all of which would have to be refused again.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ...errors import Damaged, InvalidInput, Refused
from ..filesystem import files

GZIP = "gzip"
ZSTD = "zstd"
SUFFIXES = {GZIP: ".tar.gz", ZSTD: ".tar.zst"}

_LEVELS = {GZIP: 6, ZSTD: 9}
_WITH_GZIP_HEADER = 31


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def compressor(kind: str) -> Compressor:
    """A new compressor; the same blocks always give the same bytes. :class:`Refused` where there is no zstd."""
    if kind == GZIP:  # its header has no time and no name
        return zlib.compressobj(_LEVELS[kind], zlib.DEFLATED, _WITH_GZIP_HEADER)
    made: Compressor = _zstd().ZstdCompressor(_LEVELS[kind])
    return made


def ensure_supported(kind: str) -> None:
    """Raise an error for a kind of compression that is unknown, or not available here."""
    if kind not in SUFFIXES:
        raise InvalidInput(f"'{kind}' is not a compression method", f"use {' or '.join(SUFFIXES)}")
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
    """zlib's decompressor with the interface of the zstd module."""

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


class DecompressingReader:
    """The contents of a compressed file, never more at a time than is asked for. ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], kind: str, what: str) -> None:
        self._read, self._what = read, what
        self._engine: Any = _Gunzip() if kind == GZIP else _zstd().ZstdDecompressor()

    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; empty at the end. :class:`Damaged` when it is cut off or garbled."""
        while not self._engine.eof:
            hungry = self._engine.needs_input
            data = self._read(files.BLOCK) if hungry else b""
            try:
                block: bytes = self._engine.decompress(data, most)
            except OSError:
                raise
            except Exception as error:  # zlib.error or ZstdError, by which module it is
                if type(error).__name__ not in ("error", "ZstdError"):
                    raise
                raise Damaged(f"{self._what} is corrupt: {error}", "run 'registry verify' for details") from None
            if block:
                return block
            if hungry and not data:
                raise Damaged(f"{self._what} is truncated", "run 'registry verify' for details")
        if self._engine.unused_data or self._read(1):
            raise Damaged(f"{self._what} has data after its end", "run 'registry verify' for details")
        return b""


TAR_BLOCK = 512
#: The end is padded to a multiple of this: tar writes records of 20 blocks.
TAR_RECORD = 20 * TAR_BLOCK
_NOTHING = bytes(TAR_BLOCK)
_EXTENDED_LIMIT = 8 * TAR_BLOCK
_OCTAL = re.compile(rb"[0-7]{1,11}\Z")
_PAIR = re.compile(rb"([1-9][0-9]{0,4}) (path|size)=")


def file_header(path: str, size: int) -> bytes:
    """The header of a file: no owner, no time, read-only."""
    import tarfile

    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o444
    return member.tobuf(tarfile.PAX_FORMAT)


def file_padding(size: int) -> bytes:
    """The padding behind a file of so many bytes."""
    return bytes(-size % TAR_BLOCK)


def end_of_archive(size: int) -> bytes:
    """The end of a tar of so many bytes."""
    return bytes(2 * TAR_BLOCK + -(size + 2 * TAR_BLOCK) % TAR_RECORD)


class TarReader:
    """The files of a tar, in order. ``read`` gives its next bytes, at most so many; ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        self._source, self._what = read, what
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Path and size of each file; :meth:`read` then gives its bytes. :class:`Damaged` for any other member."""
        while True:
            while self.read(1 << 20):
                pass
            self._exactly(self._padding)
            block = self._exactly(TAR_BLOCK)
            if block == _NOTHING:
                self._end()
                return
            extended: dict[str, str] = {}
            if block[156:157] == b"x":
                extended = self._extended(self._size(block))
                block = self._exactly(TAR_BLOCK)
            path = extended.get("path") or self._text(block[:100].rstrip(b"\0"))
            size = int(extended["size"]) if "size" in extended else self._size(block)
            if block[156:157] != b"0" or block[345:500].strip(b"\0"):
                raise self._damaged(f"'{path}' in it is not a regular file")
            self._left, self._padding = size, len(file_padding(size))
            yield path, size

    def read(self, most: int) -> bytes:
        """The next bytes of the current file, at most so many; empty at its end."""
        if not self._left:
            return b""
        block = self._source(min(most, self._left))
        if not block:
            raise self._damaged("it is truncated")
        self._left -= len(block)
        return block

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self._source(size - len(data))
            if not block:
                raise self._damaged("it is truncated")
            data += block
        return data

    def _size(self, block: bytes) -> int:
        """The size in a header, whose checksum and magic are compared first."""
        total = sum(block) - sum(block[148:156]) + 8 * 32
        if block[257:265] != b"ustar\x0000" or self._octal(block[148:156]) != total:
            raise self._damaged("a header in it is corrupt")
        return self._octal(block[124:136])

    def _octal(self, field: bytes) -> int:
        digits = field.strip(b" \0")
        if not _OCTAL.match(digits):
            raise self._damaged("a header in it is corrupt")
        return int(digits, 8)

    def _extended(self, size: int) -> dict[str, str]:
        """The path and the size in an extended header: ``LENGTH KEY=VALUE`` and a newline each."""
        if size > _EXTENDED_LIMIT:
            raise self._damaged("a header in it is too long")
        data = self._exactly(size)
        self._exactly(len(file_padding(size)))
        fields: dict[str, str] = {}
        while data:
            match = _PAIR.match(data)
            length = int(match[1]) if match else 0
            if match is None or not match.end() < length <= len(data) or data[length - 1 : length] != b"\n":
                raise self._damaged("a header in it has a field other than path or size")
            fields[match[2].decode()] = self._text(data[match.end() : length - 1])
            data = data[length:]
        if not re.fullmatch("[0-9]{1,18}", fields.get("size", "0"), re.ASCII):
            raise self._damaged("a header in it is corrupt")
        return fields

    def _text(self, name: bytes) -> str:
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            raise self._damaged("a name in it is not UTF-8") from None

    def _end(self) -> None:
        """A second block of zeros, the padding of the last record, and nothing more."""
        self._left = 0
        rest = 0
        while block := self._source(TAR_RECORD):
            rest += len(block)
            if block.strip(b"\0") or rest > TAR_RECORD:
                raise self._damaged("it has data after its last file")
        if rest < TAR_BLOCK:
            raise self._damaged("it is truncated")

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"{self._what}: {why}", "run 'registry verify' for details")
