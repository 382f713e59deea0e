"""Tar archives, header by header. Members are slices of the file; nothing is extracted.

Readers differ in which checksums and numbers they accept, in which of several headers they believe, and in where they
see the end. What they could read differently is listed in ``Tar.ambiguous``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .limits import Stopped
from .sources import ByteSlice, ByteSource

_BLOCK = 512
_LONG = 1 << 16
_FILES, _FOLDERS, _LINKS = b"\x0007", b"5", b"12"
#: Numbers as every writer makes them: octal digits, padded with blanks, ended by NUL or a blank.
_PLAIN = re.compile(rb"[ ]*([0-7]+)[ \0]*|\0*")
#: Numbers as readers in C and in Python accept them.
_LENIENT = (re.compile(rb"\s*([0-7]+)"), re.compile(rb"\s*\+?(?:0[oO]_?)?([0-7][0-7_]*)"))
#: The largest size that needs no other header.
_OCTAL = 8 << 30
_ATTRIBUTES = (b"path", b"linkpath", b"size")


class TarMember(NamedTuple):
    """A member: its ``data``; ``link`` is the target of a link, ``special`` means a device or the like."""

    name: str
    data: ByteSource
    link: str = ""
    special: bool = False


class Tar:
    """The members of an archive, in order. ``ambiguous`` grows while they are read."""

    def __init__(self, body: ByteSource) -> None:
        self._body = body
        self.ambiguous: list[str] = []
        #: Where the archive ends; only zeros follow unless something is hidden there.
        self.end = 0

    def members(self) -> Iterator[TarMember]:
        """The members. :class:`Stopped` where the archive can't be read any further."""
        body, at = self._body, 0
        longer: dict[str, str] = {}
        if not any(body.at(0, _BLOCK)):
            self._odd("it begins with the mark of its end")
            at = _BLOCK
        while at + _BLOCK <= body.size:
            header = body.at(at, _BLOCK)
            if not any(header):
                self.end = at + _BLOCK
                return
            if not self._has_valid_checksum(header):
                raise Stopped(f"a header of the archive is damaged at byte {at:,}")
            kind, start = header[156:157], at + _BLOCK
            size = self._size(header)
            if kind in b"LKxgX" and kind:
                if size > _LONG:
                    raise Stopped("a header of the archive is too long", limit=True)
                self._add(longer, kind, body.at(start, size))
                at = _after(start, size)
                continue
            if "size" in longer:
                small, size = size, int(longer["size"])
                if small not in (0, size) and size < _OCTAL:
                    self._odd("a member has two sizes")
            if member := self._member(header, kind, start, size, longer):
                yield member
            longer = {}
            at = _after(start, 0 if kind in _LINKS and kind else size)
        self.end = body.size
        raise Stopped("the end of the archive is missing")

    def _member(self, header: bytes, kind: bytes, start: int, size: int, longer: dict[str, str]) -> TarMember | None:
        name = longer.get("path") or _name(header)
        link = longer.get("linkpath") or _text(header[157:257])
        if any(char < " " for char in name + link):
            self._odd("a name has a control character")
        is_link = bool(kind) and kind in _LINKS
        folder = kind in _FOLDERS or (kind in b"\x000" and name.endswith("/"))
        if (is_link or folder) and size:
            self._odd(f"'{name}' has data, but is not a file")
        if start + size > self._body.size and not is_link:
            raise Stopped("the archive is cut short")
        if folder and not size:
            return None
        special = not is_link and not folder and kind not in _FILES
        if special and size:
            self._odd(f"'{name}' is of type {kind!r}, which not every reader knows")
        return TarMember(name, ByteSlice(self._body, start, size), link if is_link else "", special and not size)

    def _odd(self, what: str) -> None:
        if what not in self.ambiguous and len(self.ambiguous) < 100:
            self.ambiguous.append(what)

    def _has_valid_checksum(self, header: bytes) -> bool:
        accepted, plain = _checksum(header)
        if accepted and not plain:
            self._odd("the checksum of a header is one that only some readers accept")
        return accepted

    def _size(self, header: bytes) -> int:
        numbers = _numbers(header[124:136])
        if not numbers:
            raise Stopped("the size of a member is damaged")
        if len(numbers) > 1 or not _is_plain(header[124:136]):
            self._odd("the size of a member is written as only some readers accept it")
        return max(numbers)

    def _add(self, longer: dict[str, str], kind: bytes, data: bytes) -> None:
        """Add what a header says of the next member: a long name, a long link, or records of pax."""
        if kind in b"LK":
            found = {"path" if kind == b"L" else "linkpath": _text(data)}
            if data.rstrip(b"\0").count(b"\0"):
                self._odd("a long name goes on behind its end")
        else:
            found = self._records(data)
        if kind == b"g" and found:
            self._odd("a header for all members says what each of them is called")
        for key, value in found.items():
            if longer.get(key, value) != value:
                self._odd(f"a member has two values for '{key}'")
            longer[key] = value

    def _records(self, data: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        data = data.rstrip(b"\0")
        while data:
            length, space, _ = data.partition(b" ")
            if not space or not length.isdigit() or not len(length) + 1 < int(length[:8]) <= len(data):
                raise Stopped("a header of the archive is damaged", ambiguous=True)
            record = data[len(length) + 1 : int(length)]
            key, _, value = record[:-1].partition(b"=")
            if not record.endswith(b"\n"):
                self._odd("a record of a header does not end where it says")
            if key.startswith(b"GNU.sparse"):
                self._odd("a member is sparse, which not every reader knows")
            if key in _ATTRIBUTES:
                if key == b"size" and not (value.isdigit() and len(value) < 20):
                    raise Stopped("a header of the archive is damaged", ambiguous=True)
                text = value.decode("utf-8", "replace")
                if found.get(key.decode(), text) != text:
                    self._odd(f"a member has two values for '{key.decode()}'")
                found[key.decode()] = text
            data = data[int(length) :]
        return found


def is_tar(head: bytes) -> bool:
    """Whether some reader accepts it as an archive, by the checksum of a header, also behind a block of zeros."""
    block = head[:_BLOCK] if any(head[:_BLOCK]) else head[_BLOCK : 2 * _BLOCK]
    return len(block) == _BLOCK and any(block[:100]) and _checksum(block)[0]


def _checksum(header: bytes) -> tuple[bool, bool]:
    """Whether some reader accepts the checksum, and whether all do."""
    stated = _numbers(header[148:156])
    rest = header[:148] + header[156:]
    unsigned = sum(rest) + 8 * 32
    signed = unsigned - 256 * sum(byte > 127 for byte in rest)
    accepted = not stated.isdisjoint({unsigned, signed})
    return accepted, stated == {unsigned} and _is_plain(header[148:156])


def _is_plain(field: bytes) -> bool:
    return _PLAIN.fullmatch(field) is not None or (field[:1] == b"\x80" and len(field) == 12)


def _numbers(field: bytes) -> set[int]:
    """The values that different readers see in a field."""
    if field[:1] in (b"\x80", b"\xff"):
        return {int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else 0}
    found: set[int] = set()
    for text in (field.partition(b"\0")[0], field.strip(b" \0"), field):
        if not text.strip(b" \0"):
            found.add(0)
        found.update(int(match[1].replace(b"_", b""), 8) for form in _LENIENT if (match := form.match(text)))
    return found


def _after(start: int, size: int) -> int:
    return start + -(-size // _BLOCK) * _BLOCK


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return f"{prefix}/{name}" if prefix and header[257:263] == b"ustar\0" else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
