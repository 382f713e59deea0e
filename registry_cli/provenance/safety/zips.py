"""Zip archives, read with eyes of our own: the directory at the end, and each header in front of its data.

Readers differ in which of the two they believe, in whether they look at checksums and flags, and in where they look
for the directory. An archive on which they could differ is told as such, and every member is looked into as each of
them would find it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..pickles.reader import Budget, Stopped, Stream
from .bodies import Body, Piece, straight
from .unpacking import Unpacked

_END, _END64, _LOCATOR, _ENTRY, _LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_TAIL = 22 + 65_535
_DIRECTORY = 64 << 20
STORED, DEFLATED, BZIPPED, LZMAED = 0, 8, 12, 14
_ENCRYPTED, _LATER, _UTF8 = 1, 8, 0x800
_DESCRIPTOR = 24
_ALL = 0xFFFFFFFF


class Member(NamedTuple):
    """One member: its ``data`` as it lies there. ``crc`` is what the directory says of what comes out of it."""

    name: str
    method: int
    size: int
    crc: int
    data: Body

    def opened(self, budget: Budget) -> Stream:
        """What is in it. :class:`Stopped` for a compression that is not known."""
        if self.method == STORED:
            return straight(self.data)
        if self.method == DEFLATED:
            return Unpacked(straight(self.data), "deflate", budget)
        if self.method == BZIPPED:
            return Unpacked(straight(self.data), "bz2", budget)
        if self.method == LZMAED:
            return Unpacked(straight(self.data, 4 + 5), "lzma", budget, _lzma(self.data.at(0, 9)))
        raise Stopped(f"it is packed by method {self.method}, which is not known")


class Zip:
    """An archive. ``odd`` are the places where it is not as an honest writer makes one."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.odd: list[str] = []


def is_zip(body: Body) -> bool:
    """Whether some reader would take it for an archive: by its beginning, or by a directory at its end."""
    return body.at(0, 4) in (_LOCAL, _END) or _end(body) is not None


def read(body: Body) -> Zip:
    """The members, from the directory and beside it. :class:`Stopped` when there is no directory that can be read."""
    found = Zip()
    end = _end(body)
    if end is None:
        for member in _hidden(body, 0, body.size, found):
            found.members.append(member)
        found.odd.append("it has no directory at its end")
        return found
    if end.members > 1_000_000 or end.size > _DIRECTORY:
        raise Stopped("its directory is larger than is looked at", limit=True)
    shift = end.place - end.size - end.offset
    if shift < 0:
        raise Stopped("its directory does not lie where it is said to")
    if shift or body.at(0, 4) not in (_LOCAL, _END):
        found.odd.append("something lies before the archive")
    if _END in end.comment or _LOCAL in end.comment or _ENTRY in end.comment:
        found.odd.append("its comment looks like an archive")
    if end.two:
        found.odd.append("its two directories are not one")
    directory = end.offset + shift
    _follow(body, list(_entries(body.at(directory, end.size), end.members, found)), shift, directory, found)
    return found


class _Directory(NamedTuple):
    """Where the directory is: how many members, its size, where it is said to begin, where it ends; the comment behind.

    ``two`` says that the small and the large record don't agree.
    """

    members: int
    size: int
    offset: int
    place: int
    comment: bytes
    two: bool = False


def _end(body: Body) -> _Directory | None:
    start = max(0, body.size - _TAIL)
    tail = body.at(start, _TAIL)
    at = tail.rfind(_END)
    while at >= 0:
        record = tail[at : at + 22]
        if len(record) == 22:
            count, size, offset, length = struct.unpack("<HIIH", record[10:])
            if at + 22 + length <= len(tail):
                comment = tail[at + 22 :]
                wide = _end64(body, start + at)
                if wide is None:
                    return _Directory(count, size, offset, start + at, comment)
                pairs = zip((count, size, offset), wide, (0xFFFF, _ALL, _ALL), strict=False)
                two = any(small not in (large, most) for small, large, most in pairs)
                return _Directory(*wide, comment, two)
        at = tail.rfind(_END, 0, at)
    return None


def _end64(body: Body, place: int) -> tuple[int, int, int, int] | None:
    """Count, size and offset, and where the directory ends, from the large record in front of the small one."""
    locator = body.at(place - 20, 20) if place >= 20 else b""
    if locator[:4] != _LOCATOR:
        return None
    for start in (place - 20 - 56, int.from_bytes(locator[8:16], "little")):
        record = body.at(start, 56) if start >= 0 else b""
        if record[:4] == _END64 and len(record) == 56:
            count, size, offset = struct.unpack("<QQQ", record[32:56])
            return count, size, offset, start
    return None


class _Entry(NamedTuple):
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def _entries(data: bytes, count: int, found: Zip) -> Iterator[_Entry]:
    at = 0
    for _ in range(count):
        head = data[at : at + 46]
        if head[:4] != _ENTRY or len(head) < 46:
            found.odd.append("its directory is cut short")
            return
        flags, method, _, _, crc, packed, size, names, extras, comment = struct.unpack("<HHHHIIIHHH", head[8:34])
        offset = struct.unpack("<I", head[42:46])[0]
        name = data[at + 46 : at + 46 + names]
        extra = data[at + 46 + names : at + 46 + names + extras]
        size, packed, offset = _wide(extra, size, packed, offset)
        yield _Entry(name, flags, method, crc, packed, size, offset)
        at += 46 + names + extras + comment
    if data[at : at + 4] == _ENTRY:
        found.odd.append("its directory has more members than it counts")


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three numbers, those that are too large for their fields from the extra field."""
    at, values = 0, [size, packed, offset]
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        if kind == 1:
            data = extra[at + 4 : at + 4 + length]
            for place, value in enumerate(values):
                if value == _ALL and len(data) >= 8:
                    values[place] = int.from_bytes(data[:8], "little")
                    data = data[8:]
            break
        at += 4 + length
    return values[0], values[1], values[2]


def _follow(body: Body, entries: list[_Entry], shift: int, end: int, found: Zip) -> None:
    """Each entry to its data; what lies between the members is looked at, too."""
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        found.odd.append("two members have one name")
    reached = shift
    for entry in sorted(entries, key=lambda each: each.offset):
        place = entry.offset + shift
        header = body.at(place, 30)
        if header[:4] != _LOCAL or len(header) < 30 or place >= end:
            found.odd.append(f"'{_text(entry.name)}' is not where the directory says")
            continue
        if place < reached:
            found.odd.append(f"'{_text(entry.name)}' lies over another member")
        elif place - reached > _DESCRIPTOR:
            found.members.extend(_hidden(body, reached, place, found))
            found.odd.append("something lies between its members")
        flags, method, _, _, crc, packed, size, length, extras = struct.unpack("<HHHHIIIHH", header[6:30])
        name = body.at(place + 30, length)
        size, packed, _ = _wide(body.at(place + 30 + length, extras), size, packed, 0)
        start = place + 30 + length + extras
        _compare(entry, name, method, (crc, packed, size), flags, found)
        data = Piece(body, start, entry.packed)
        if data.size < entry.packed or start + entry.packed > end:
            found.odd.append(f"'{_text(entry.name)}' is cut short")
        found.members.append(Member(_text(entry.name), entry.method, entry.size, entry.crc, data))
        if method != entry.method or (name != entry.name and not flags & _LATER):
            packed = packed or entry.packed
            found.members.append(Member(_text(name), method, size, crc, Piece(body, start, packed)))
        reached = max(reached, start + entry.packed)
    if end - reached > _DESCRIPTOR and entries:
        found.members.extend(_hidden(body, reached, end, found))
        found.odd.append("something lies between its members and the directory")


def _compare(entry: _Entry, name: bytes, method: int, sizes: tuple[int, int, int], flags: int, found: Zip) -> None:
    shown = _text(entry.name)
    if name != entry.name:
        found.odd.append(f"'{shown}' is called '{_text(name)}' in front of its data")
    if method != entry.method:
        found.odd.append(f"'{shown}' is packed otherwise than the directory says")
    if (flags | entry.flags) & _ENCRYPTED:
        found.odd.append(f"'{shown}' is said to be encrypted")
    if not flags & _LATER and sizes != (entry.crc, entry.packed, entry.size):
        found.odd.append(f"'{shown}' has another size or checksum in front of its data")
    if entry.method == STORED and entry.packed != entry.size:
        found.odd.append(f"'{shown}' is not packed, but has two sizes")


def _hidden(body: Body, start: int, end: int, found: Zip) -> Iterator[Member]:
    """Members that the directory doesn't know, from headers between two places; up to a megabyte is searched."""
    data = body.at(start, min(end - start, 1 << 20))
    at = data.find(_LOCAL)
    for _ in range(100):
        if at < 0 or at + 30 > len(data):
            return
        _, method, _, _, crc, packed, size, length, extras = struct.unpack("<HHHHIIIHH", data[at + 6 : at + 30])
        name = _text(data[at + 30 : at + 30 + length])
        place = start + at + 30 + length + extras
        found.odd.append(f"'{name}' is not in the directory")
        yield Member(name, method, size, crc, Piece(body, place, packed or end - place))
        at = data.find(_LOCAL, at + 4)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437")


def _lzma(properties: bytes) -> Any:
    """The decompressor for a member: its properties stand before the data."""
    import lzma

    if len(properties) < 9:
        raise Stopped("it is cut short")
    byte, dictionary = properties[4], int.from_bytes(properties[5:9], "little")
    if byte >= 225 or dictionary > 256 << 20:
        raise Stopped("its compression (lzma) is damaged")
    chain = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": byte % 9, "lp": byte // 9 % 5, "pb": byte // 45}]
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
    except (lzma.LZMAError, ValueError) as error:
        raise Stopped("its compression (lzma) is damaged") from error


def checksum(opened: Stream, most: int) -> int | None:
    """The CRC of all that comes; None when it is more than ``most`` bytes."""
    import zlib

    found = 0
    while piece := opened.read(1 << 16):
        most -= len(piece)
        if most < 0:
            return None
        found = zlib.crc32(piece, found)
    return found


def kind_of(names: set[str]) -> str:
    """What an archive with members of these names is, in a word."""
    if any(name.endswith("data.pkl") for name in names):
        return "torchscript" if any("/code/" in f"/{name}" for name in names) else "torch"
    if "schema.json" in names:
        return "skops"
    if {"metadata.json", "config.json"} <= names:
        return "keras"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"
