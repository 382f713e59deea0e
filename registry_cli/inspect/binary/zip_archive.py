"""Zip archives, read from the directory at the end and from the header in front of each member.

Readers differ in which of the two they believe, in whether they check sizes, checksums and flags, and in where they
look for the directory. Everything on which they could differ is listed in ``Zip.ambiguous``; nothing is resolved.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from .decompression import DecompressedStream
from .limits import Budget, Stopped, Stream
from .sources import ByteSlice, ByteSource, straight

_END, _END64, _LOCATOR, _ENTRY, _LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_DESCRIPTOR = b"PK\7\x08"
_TAIL = 22 + 65_535
_DIRECTORY = 64 << 20
_MEMBERS = 200_000
STORED, DEFLATED, BZIPPED, LZMAED = 0, 8, 12, 14
_ENCRYPTED, _LATER, _PATCHED, _STRONG, _UTF8, _MASKED = 1, 8, 0x20, 0x40, 0x800, 0x2000
#: Flags that change how a member is read: the two headers have to agree on them.
_FLAGS = _ENCRYPTED | _LATER | _PATCHED | _STRONG | _MASKED
_ALL, _ALL16 = 0xFFFFFFFF, 0xFFFF
_ZIP64, _UNICODE_PATH = 1, 0x7075


class Member(NamedTuple):
    """One member: its ``data`` as it lies there. ``size`` and ``crc`` are what the directory says of its content.

    ``mode`` is the mode of Unix in the directory, 0 if it has none: programs that unpack archives make links by it.
    """

    name: str
    method: int
    size: int
    crc: int
    data: ByteSource
    mode: int = 0

    def opened(self, budget: Budget) -> Stream:
        """Its content. :class:`Stopped` for a compression that is not known."""
        if self.method == STORED:
            return straight(self.data)
        if self.method == DEFLATED:
            return DecompressedStream(straight(self.data), "deflate", budget, size=self.size)
        if self.method == BZIPPED:
            return DecompressedStream(straight(self.data), "bz2", budget, size=self.size)
        if self.method == LZMAED:
            return DecompressedStream(
                straight(self.data, 4 + 5), "lzma", budget, _lzma(self.data.at(0, 9)), size=self.size
            )
        raise Stopped(f"it is compressed with method {self.method}, which only some readers support", ambiguous=True)


class ZipArchive:
    """An archive.

    ``ambiguous`` are the places that two readers could read differently, ``unreadable`` those that none can read;
    ``prefixed`` is True when something lies before the archive; ``cut`` when its last record is cut short, or something
    lies behind it: then the directory may be that of an archive inside this one.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.ambiguous: list[str] = []
        self.unreadable: list[str] = []
        self.prefixed = self.cut = False


def is_zip(body: ByteSource) -> bool:
    """Whether some reader would take it for an archive: by its beginning, or by a directory at its end."""
    return body.at(0, 4) in (_LOCAL, _END) or _END in _tail(body)[1]


def read_archive(body: ByteSource) -> ZipArchive:
    """The members, from the directory and beside it. :class:`Stopped` when there is no directory that can be read."""
    found = ZipArchive()
    end = find_directory(body, found)
    if end is None:
        found.members.extend(_hidden(body, 0, body.size, found))
        found.unreadable.append("the directory at the end of the archive is missing")
        return found
    if end.members > _MEMBERS or end.size > _DIRECTORY:
        raise Stopped("its directory is larger than is looked at", limit=True)
    found.prefixed = bool(end.shift) or body.at(0, 4) not in (_LOCAL, _END, _END64)
    entries = list(iter_entries(body, end, found))
    _compare_names(entries, found)
    _follow(body, entries, end.shift, end.place - end.size, found)
    if sum(member.data.size for member in found.members) > 2 * body.size:
        raise Stopped("its members lie over one another", ambiguous=True)
    return found


class Directory(NamedTuple):
    """Where the directory is: how many members, its size, where it is said to begin, where it ends."""

    members: int
    size: int
    offset: int
    place: int
    wide: bool = False

    @property
    def shift(self) -> int:
        """How much lies before the archive: all places that it states are so much too small."""
        shift = self.place - self.size - self.offset
        if shift < 0:
            raise Stopped("its directory does not lie where its last record says", ambiguous=True)
        return shift


def _tail(body: ByteSource) -> tuple[int, bytes]:
    start = max(0, body.size - _TAIL)
    return start, body.at(start, _TAIL)


def find_directory(body: ByteSource, found: ZipArchive) -> Directory | None:
    """The last record of the archive. Another one that also reaches to the end of the file is ambiguous."""
    start, tail = _tail(body)
    at = tail.rfind(_END)
    while at >= 0 and len(tail) - at < 22:
        found.ambiguous.append("the last record of the archive is cut short")
        found.cut = True
        at = tail.rfind(_END, 0, at)
    if at < 0:
        return None
    count, size, offset = _last_record(tail, at, found)
    place = start + at
    wide = _end64(body, place, found)
    if wide is None:
        if _ALL in (size, offset):
            raise Stopped("the record for large archives is missing", ambiguous=True)
        return Directory(count, size, offset, place)
    pairs = zip((count, size, offset), wide, (_ALL16, _ALL, _ALL), strict=False)
    if any(small not in (large, most) for small, large, most in pairs):
        found.ambiguous.append("its two last records differ")
    return wide


def _last_record(tail: bytes, at: int, found: ZipArchive) -> tuple[int, int, int]:
    """Number of members, size and offset of the directory; and what makes the record ambiguous."""
    disk, first, here, count, size, offset, length = struct.unpack("<HHHHIIH", tail[at + 4 : at + 22])
    rest = tail[at + 22 :]
    if length != len(rest) and rest.strip(b"\0"):
        found.ambiguous.append("something follows the archive")
        found.cut = True
    if any(mark in rest for mark in (_LOCAL, _ENTRY, _LOCATOR, _END64)):
        found.ambiguous.append("its comment looks like an archive")
    other = tail.rfind(_END, 0, at)
    while other >= 0:
        if other + 22 + int.from_bytes(tail[other + 20 : other + 22], "little") == len(tail):
            found.ambiguous.append("it has two last records")
        other = tail.rfind(_END, 0, other)
    if (disk, first) not in ((0, 0), (_ALL16, _ALL16)):
        found.ambiguous.append("it is said to be one of several parts")
    if here != count:
        found.ambiguous.append("its last record has two numbers of members")
    return count, size, offset


def _end64(body: ByteSource, place: int, found: ZipArchive) -> Directory | None:
    """The record for large archives: it has to lie where the locator says, and right before the locator."""
    locator = body.at(place - 20, 20) if place >= 20 else b""
    if locator[:4] != _LOCATOR:
        return None
    near, far = place - 76, int.from_bytes(locator[8:16], "little")
    read_archive = {start: body.at(start, 56) for start in (near, far) if 0 <= start <= body.size - 56}
    records = {start: record for start, record in read_archive.items() if record[:4] == _END64}
    if not records:
        raise Stopped("the record for large archives is missing", ambiguous=True)
    start = near if near in records else far
    count, size, offset = struct.unpack("<QQQ", records[start][32:56])
    shift = start - size - offset  # what lies before the archive moves the record, too
    if set(records) != {near} or (far != near and far + shift != near):
        found.ambiguous.append("the record for large archives is at two places")
    length, _, _, _, _, here = struct.unpack("<QHHIIQ", records[start][4:32])
    if length != 44 or here != count:
        found.ambiguous.append("the record for large archives is not as writers make it")
    return Directory(count, size, offset, start, True)


class DirectoryEntry(NamedTuple):
    """A member as the directory describes it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


def iter_entries(body: ByteSource, end: Directory, found: ZipArchive) -> Iterator[DirectoryEntry]:
    """What the directory says of each member."""
    data, at = body.at(end.place - end.size, end.size), 0
    for _ in range(end.members):
        head = data[at : at + 46]
        if head[:4] != _ENTRY or len(head) < 46:
            found.ambiguous.append("its directory has fewer members than it counts")
            return
        flags, method, _, _, crc, packed, size, names, extras, comment, disk = struct.unpack("<HHHHIIIHHHH", head[8:36])
        attributes, offset = struct.unpack("<II", head[38:46])
        name = data[at + 46 : at + 46 + names]
        extra = data[at + 46 + names : at + 46 + names + extras]
        size, packed, offset = _wide(extra, (size, packed, offset), name, found)
        if disk not in (0, _ALL16):
            found.ambiguous.append(f"'{_decode_name(name)}' is said to lie in another part")
        yield DirectoryEntry(name, flags, method, crc, packed, size, offset, attributes >> 16)
        at += 46 + names + extras + comment
    if at != len(data):
        found.ambiguous.append("its directory has another size than its members")


def _wide(extra: bytes, numbers: tuple[int, int, int], name: bytes, found: ZipArchive) -> tuple[int, int, int]:
    """Size, packed size and offset; those too large for their fields come from the extra field, which has to be plain."""
    at, values, seen = 0, list(numbers), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        data = extra[at + 4 : at + 4 + length]
        if len(data) < length:
            found.ambiguous.append(f"an extra field of '{_decode_name(name)}' is cut short")
        if kind == _UNICODE_PATH and data[5:] != name:
            found.ambiguous.append(f"'{_decode_name(name)}' has another name in an extra field")
        if kind == _ZIP64:
            seen += 1
            large = [int.from_bytes(data[place : place + 8], "little") for place in range(0, len(data) // 8 * 8, 8)]
            plain = _ALL not in numbers
            for place, value in enumerate(values):
                if value == _ALL and large:
                    values[place] = large.pop(0)
                elif plain and large and large.pop(0) != value:
                    found.ambiguous.append(f"'{_decode_name(name)}' has two sizes")
        at += 4 + length
    if seen > 1:
        found.ambiguous.append(f"'{_decode_name(name)}' has two extra fields for large sizes")
    return values[0], values[1], values[2]


def _compare_names(entries: list[DirectoryEntry], found: ZipArchive) -> None:
    """Names that are one on some file system, or that some reader reads otherwise."""
    seen: dict[str, bytes] = {}
    for entry in entries:
        shown = _decode_name(entry.name)
        if any(char < " " or char == "\x7f" for char in shown):
            found.ambiguous.append(f"'{shown}' has a control character in its name")
        if entry.flags & _UTF8 and not _is_utf8(entry.name):
            found.ambiguous.append(f"the name '{shown}' is said to be UTF-8")
        same = normalise_path(shown)
        if same in seen:
            twice = seen[same] == entry.name
            found.ambiguous.append(
                f"two members are called '{shown}'"
                if twice
                else f"'{_decode_name(seen[same])}' and '{shown}' are one path"
            )
        seen.setdefault(same, entry.name)


def normalise_path(name: str) -> str:
    """A path in an archive as the most forgiving file system takes it."""
    parts = unicodedata.normalize("NFKC", name).casefold().replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _follow(body: ByteSource, entries: list[DirectoryEntry], shift: int, end: int, found: ZipArchive) -> None:
    """Each entry to its data; between the members there may only be what describes them."""
    reached, before = shift, None
    for entry in sorted(entries, key=lambda each: each.offset):
        place = entry.offset + shift
        header = body.at(place, 30)
        if header[:4] != _LOCAL or len(header) < 30 or place >= end:
            found.ambiguous.append(f"'{_decode_name(entry.name)}' is not where the directory says")
            continue
        _gap(body, reached, place, before, found)
        flags, method, _, _, crc, packed, size, length, extras = struct.unpack("<HHHHIIIHH", header[6:30])
        name = body.at(place + 30, length)
        size, packed, _ = _wide(body.at(place + 30 + length, extras), (size, packed, 0), name, found)
        start = place + 30 + length + extras
        _compare(entry, name, method, (crc, packed, size), flags, found)
        data = ByteSlice(body, start, entry.packed)
        if data.size < entry.packed or start + entry.packed > end:
            found.ambiguous.append(f"'{_decode_name(entry.name)}' reaches beyond the members")
        found.members.append(Member(_decode_name(entry.name), entry.method, entry.size, entry.crc, data, entry.mode))
        if method != entry.method or name != entry.name:
            packed = packed or entry.packed
            found.members.append(
                Member(_decode_name(name), method, size, crc, ByteSlice(body, start, packed), entry.mode)
            )
        reached, before = max(reached, start + entry.packed), entry
    if entries:
        _gap(body, reached, end, before, found)


def _gap(body: ByteSource, start: int, end: int, before: DirectoryEntry | None, found: ZipArchive) -> None:
    """What lies between two members: nothing, zeros, or the descriptor that the first one announced."""
    if start > end:
        found.ambiguous.append("two members lie over one another")
        return
    if start == end:
        return
    gap = body.at(start, min(end - start, 1 << 20))
    if before is not None and before.flags & _LATER:
        large = struct.pack("<IQQ", before.crc, before.packed, before.size)
        forms = [large]
        if max(before.packed, before.size) <= _ALL:
            forms.append(struct.pack("<III", before.crc, before.packed, before.size))
        for form in forms:
            for described in (_DESCRIPTOR + form, form):
                if gap.startswith(described) and not gap[len(described) :].strip(b"\0") and end - start < 1 << 20:
                    return
    if end - start < 1 << 20 and not gap.strip(b"\0"):
        return
    found.ambiguous.append("something lies between its members")
    found.members.extend(_hidden(body, start, end, found))


def _compare(
    entry: DirectoryEntry, name: bytes, method: int, sizes: tuple[int, int, int], flags: int, found: ZipArchive
) -> None:
    shown = _decode_name(entry.name)
    if name != entry.name:
        found.ambiguous.append(f"'{shown}' is called '{_decode_name(name)}' in front of its data")
    if method != entry.method:
        found.ambiguous.append(f"'{shown}' has two compression methods")
    if (flags ^ entry.flags) & _FLAGS or ((flags ^ entry.flags) & _UTF8 and not name.isascii()):
        found.ambiguous.append(f"'{shown}' has other flags in front of its data")
    elif flags & (_ENCRYPTED | _STRONG | _MASKED | _PATCHED):
        found.unreadable.append(f"'{shown}' is encrypted")
    stated = (entry.crc, entry.packed, entry.size)
    if sizes != stated and not (flags & _LATER and all(a in (0, b) for a, b in zip(sizes, stated, strict=True))):
        found.ambiguous.append(f"'{shown}' has another size or checksum in front of its data")
    if entry.method == STORED and entry.packed != entry.size:
        found.ambiguous.append(f"'{shown}' is not compressed, but has two sizes")


def _hidden(body: ByteSource, start: int, end: int, found: ZipArchive) -> Iterator[Member]:
    """Members that the directory doesn't name, from headers between two places; up to a megabyte is searched."""
    data = body.at(start, min(end - start, 1 << 20))
    at = data.find(_LOCAL)
    for _ in range(100):
        if at < 0 or at + 30 > len(data):
            return
        if len(found.members) > _MEMBERS:
            raise Stopped("it has more members than are looked at", limit=True)
        _, method, _, _, crc, packed, size, length, extras = struct.unpack("<HHHHIIIHH", data[at + 6 : at + 30])
        name = _decode_name(data[at + 30 : at + 30 + length])
        place = start + at + 30 + length + extras
        found.unreadable.append(f"'{name}' is not in the directory")
        yield Member(name, method, size, crc, ByteSlice(body, place, packed or end - place))
        at = data.find(_LOCAL, at + 4)


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_name(name: bytes) -> str:
    return name.decode() if _is_utf8(name) else name.decode("cp437")


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


def compute_checksum(opened: Stream, most: int) -> int | None:
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
