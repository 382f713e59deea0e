"""Tar, as packs have it: regular files one after the other, with a name and a size, and nothing else.

The reader is not Python's ``tarfile``: that believes what an archive says of itself (links, devices, sparse files,
headers of any length), and all of it would have to be refused again. Here a header is 512 bytes, a name that does not
fit comes in a POSIX extended header of a few kilobytes, and whatever else there may be in a tar is damage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ...errors import Damaged

BLOCK = 512
#: How much the end may be padded: tar writes records of 20 blocks.
RECORD = 20 * BLOCK
_NOTHING = bytes(BLOCK)
_EXTENDED_LIMIT = 8 * BLOCK
_OCTAL = re.compile(rb"[0-7]{1,11}\Z")
_PAIR = re.compile(rb"([1-9][0-9]{0,4}) (path|size)=")


def header(path: str, size: int) -> bytes:
    """What stands before a file: no owner, no time, read-only."""
    import tarfile

    member = tarfile.TarInfo(path)
    member.size, member.mode = size, 0o444
    return member.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What follows so many bytes of a file, up to the next block."""
    return bytes(-size % BLOCK)


def end(size: int) -> bytes:
    """What ends a tar of so many bytes."""
    return bytes(2 * BLOCK + -(size + 2 * BLOCK) % RECORD)


class Members:
    """The files of a tar, in order. ``read`` gives its next bytes, at most so many; ``what`` names it in errors."""

    def __init__(self, read: Callable[[int], bytes], what: str) -> None:
        self._source, self._what = read, what
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Path and size of each file; :meth:`read` then gives its bytes. :class:`Damaged` for whatever is no such file."""
        while True:
            while self.read(1 << 20):
                pass
            self._exactly(self._padding)
            block = self._exactly(BLOCK)
            if block == _NOTHING:
                self._end()
                return
            said: dict[str, str] = {}
            if block[156:157] == b"x":
                said = self._extended(self._size(block))
                block = self._exactly(BLOCK)
            path = said.get("path") or self._text(block[:100].rstrip(b"\0"))
            size = int(said["size"]) if "size" in said else self._size(block)
            if block[156:157] != b"0" or block[345:500].strip(b"\0"):
                raise self._damaged(f"'{path}' in it is no regular file")
            self._left, self._padding = size, len(padding(size))
            yield path, size

    def read(self, most: int) -> bytes:
        """The next bytes of the file at hand, at most so many; empty at its end."""
        if not self._left:
            return b""
        block = self._source(min(most, self._left))
        if not block:
            raise self._damaged("it was cut off")
        self._left -= len(block)
        return block

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self._source(size - len(data))
            if not block:
                raise self._damaged("it was cut off")
            data += block
        return data

    def _size(self, block: bytes) -> int:
        """The size that a header tells; the header's own sum and mark are checked before anything in it is believed."""
        total = sum(block) - sum(block[148:156]) + 8 * 32
        if block[257:265] != b"ustar\x0000" or self._octal(block[148:156]) != total:
            raise self._damaged("a header in it is garbled")
        return self._octal(block[124:136])

    def _octal(self, field: bytes) -> int:
        digits = field.strip(b" \0")
        if not _OCTAL.match(digits):
            raise self._damaged("a header in it is garbled")
        return int(digits, 8)

    def _extended(self, size: int) -> dict[str, str]:
        """The path and the size that an extended header says: ``LENGTH KEY=VALUE`` and a newline each."""
        if size > _EXTENDED_LIMIT:
            raise self._damaged("a header in it is too long")
        data = self._exactly(size)
        self._exactly(len(padding(size)))
        said: dict[str, str] = {}
        while data:
            match = _PAIR.match(data)
            length = int(match[1]) if match else 0
            if match is None or not match.end() < length <= len(data) or data[length - 1 : length] != b"\n":
                raise self._damaged("a header in it says something else than a path or a size")
            said[match[2].decode()] = self._text(data[match.end() : length - 1])
            data = data[length:]
        if not re.fullmatch("[0-9]{1,18}", said.get("size", "0"), re.ASCII):
            raise self._damaged("a header in it is garbled")
        return said

    def _text(self, name: bytes) -> str:
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            raise self._damaged("a name in it is not UTF-8") from None

    def _end(self) -> None:
        """A second block of zeros, the padding of the last record, and nothing more."""
        self._left = 0
        rest = 0
        while block := self._source(RECORD):
            rest += len(block)
            if block.strip(b"\0") or rest > RECORD:
                raise self._damaged("something follows its last file")
        if rest < BLOCK:
            raise self._damaged("it was cut off")

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"{self._what}: {why}", "registry verify tells more")
