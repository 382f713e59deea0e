"""Zip archives, read from the directory at the end and from the header in front of each member.

Readers differ in which of the two they believe, in whether they check sizes, checksums and flags, and in where they
look for the directory. Everything on which they could differ is listed in ``ZipArchive.ambiguous``; nothing is resolved.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .decompression import DecompressedStream
from .limits import Budget, Stopped, Stream
from .sources import ByteSlice, ByteSource, SequentialReader

_END, _END64, _LOCATOR, _ENTRY, _LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_DESCRIPTOR = b"PK\7\x08"
_TAIL = 22 + 65_535
_DIRECTORY = 64 << 20
_MEMBERS = 200_000
STORED, LZMAED = 0, 14
_COMPRESSIONS = {8: "deflate", 12: "bz2", LZMAED: "lzma"}
_ENCRYPTED, _LATER, _PATCHED, _STRONG, _UTF8, _MASKED = 1, 8, 0x20, 0x40, 0x800, 0x2000
#: Flags that change how a member is read: the two headers have to agree on them.
_FLAGS = _ENCRYPTED | _LATER | _PATCHED | _STRONG | _MASKED
_ALL, _ALL16 = 0xFFFFFFFF, 0xFFFF
_ZIP64, _UNICODE_PATH = 1, 0x7075


class Member(NamedTuple):
    """One member: its ``data`` as stored. ``size`` and ``crc`` of its content, and its Unix ``mode``, by which programs
    make links when they unpack it, are those in the directory; ``mode`` is 0 if there is none.
    """

    name: str
    method: int
    size: int
    crc: int
    data: ByteSource
    mode: int = 0

    def opened(self, budget: Budget) -> Stream:
        """Open its content. :class:`Stopped` for an unknown compression."""
        if self.method == STORED:
            return SequentialReader(self.data)
        if self.method not in _COMPRESSIONS:
            raise Stopped(
                f"it is compressed with method {self.method}, which only some readers support", ambiguous=True
            )
        start, engine = (4 + 5, _lzma(self.data.at(0, 9))) if self.method == LZMAED else (0, None)
        source = SequentialReader(self.data, start)
        return DecompressedStream(source, _COMPRESSIONS[self.method], budget, engine, size=self.size)


class ZipArchive:
    """An archive. ``ambiguous`` lists what two readers could read differently, ``unreadable`` what none can read;
    ``prefixed``: something lies before the archive; ``cut``: its last record is cut short, or something follows it, so
    that the directory may be that of an archive inside this one.
    """

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.ambiguous: list[str] = []
        self.unreadable: list[str] = []
        self.prefixed = self.cut = False


def is_zip(body: ByteSource) -> bool:
    """Whether some reader would accept it as an archive: by its beginning, or by a directory at its end."""
    return body.at(0, 4) in (_LOCAL, _END) or _END in _tail(body)[1]


def read_archive(body: ByteSource) -> ZipArchive:
    """The members, in the directory and outside of it. :class:`Stopped` if the directory can't be read."""
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
    """Number of members and size of the directory, its stated ``offset``, and the ``place`` where it really ends."""

    members: int
    size: int
    offset: int
    place: int

    @property
    def shift(self) -> int:
        """How many bytes precede the archive: all offsets in it are too small by this."""
        shift = self.place - self.size - self.offset
        if shift < 0:
            raise Stopped("its directory does not lie where its last record says", ambiguous=True)
        return shift


def _tail(body: ByteSource) -> tuple[int, bytes]:
    start = max(0, body.size - _TAIL)
    return start, body.at(start, _TAIL)


def find_directory(body: ByteSource, found: ZipArchive) -> Directory | None:
    """Parse the last record of the archive. Another one that also reaches to the end of the file is ambiguous."""
    start, tail = _tail(body)
    at = tail.rfind(_END)
    while at >= 0 and len(tail) - at < 22:
        found.ambiguous.append("the last record of the archive is cut short")
        found.cut = True
        at = tail.rfind(_END, 0, at)
    if at < 0:
        return None
    small = Directory(*_last_record(tail, at, found), start + at)
    large = _end64(body, small.place, found)
    if large is None:
        if _ALL in small[1:3]:
            raise Stopped("the record for large archives is missing", ambiguous=True)
        return small
    if any(a not in (b, most) for a, b, most in zip(small[:3], large[:3], (_ALL16, _ALL, _ALL), strict=True)):
        found.ambiguous.append("its two last records differ")
    return large


def _last_record(tail: bytes, at: int, found: ZipArchive) -> tuple[int, int, int]:
    """Number of members, size and offset of the directory."""
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
    """The record for large archives, which must be where the locator says, and right before the locator."""
    locator = body.at(place - 20, 20) if place >= 20 else b""
    if locator[:4] != _LOCATOR:
        return None
    near, far = place - 76, int.from_bytes(locator[8:16], "little")
    starts = [start for start in (near, far) if 0 <= start <= body.size - 56]
    records = {start: record for start in starts if (record := body.at(start, 56))[:4] == _END64}
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
    return Directory(count, size, offset, start)


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
    """Size, packed size and offset; from the extra field where they are too large, in which case it has to be plain."""
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
        if entry.flags & _UTF8 and shown.encode() != entry.name:
            found.ambiguous.append(f"the name '{shown}' is said to be UTF-8")
        same = normalise_path(shown)
        if same in seen:
            one_path = f"'{_decode_name(seen[same])}' and '{shown}' are one path"
            found.ambiguous.append(f"two members are called '{shown}'" if seen[same] == entry.name else one_path)
        seen.setdefault(same, entry.name)


def normalise_path(name: str) -> str:
    """A path in an archive as the most lenient file system reads it."""
    parts = unicodedata.normalize("NFKC", name).casefold().replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _follow(body: ByteSource, entries: list[DirectoryEntry], shift: int, end: int, found: ZipArchive) -> None:
    """Follow each entry to its data; between the members there may only be what describes them."""
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
            data = ByteSlice(body, start, packed or entry.packed)
            found.members.append(Member(_decode_name(name), method, size, crc, data, entry.mode))
        reached, before = max(reached, start + entry.packed), entry
    if entries:
        _gap(body, reached, end, before, found)


def _gap(body: ByteSource, start: int, end: int, before: DirectoryEntry | None, found: ZipArchive) -> None:
    """Check what lies between two members: nothing, zeros, or the descriptor that the first one announced."""
    if start > end:
        found.ambiguous.append("two members lie over one another")
        return
    if start == end:
        return
    gap, expected = body.at(start, min(end - start, 1 << 20)), [b""]
    if before is not None and before.flags & _LATER:
        forms = ["<IQQ", "<III"] if max(before.packed, before.size) <= _ALL else ["<IQQ"]
        packed = [struct.pack(form, before.crc, before.packed, before.size) for form in forms]
        expected += [mark + each for each in packed for mark in (_DESCRIPTOR, b"")]
    if end - start < 1 << 20 and any(gap.startswith(each) and not gap[len(each) :].strip(b"\0") for each in expected):
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
    """Members that are not in the directory, from headers between two offsets; up to a megabyte is searched."""
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


def _decode_name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("cp437")


def _lzma(properties: bytes) -> Any:
    """The decompressor for a member, whose properties precede the data."""
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
    """The CRC-32 of a stream; None when it has more than ``most`` bytes."""
    found = 0
    while piece := opened.read(1 << 16):
        most -= len(piece)
        if most < 0:
            return None
        found = zlib.crc32(piece, found)
    return found


def kind_of(names: set[str]) -> str:
    """The format of an archive with members of these names."""
    if any(name.endswith("data.pkl") for name in names):
        return "torchscript" if any("/code/" in f"/{name}" for name in names) else "torch"
    if "schema.json" in names:
        return "skops"
    if {"metadata.json", "config.json"} <= names:
        return "keras"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"
