"""Members of a zip archive, by its central directory. Nothing is extracted, and no name is trusted.

``zipfile`` reads a central directory of any length into memory, and takes longer to import than most files take to read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ...inspect.binary.limits import Stopped
from .files import File

MAGIC = b"PK\x03\x04"
#: The most members of an archive that is read, and the most bytes of its directory.
MEMBERS, DIRECTORY = 50_000, 8 << 20

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_COMMENT = 1 << 16
_WHOLE = 0xFFFFFFFF
_ENCRYPTED = 1
_STORED, _DEFLATED = 0, 8
_NOTE = "zip members"


class Member(NamedTuple):
    """One file in an archive: where its local header stands, how it is packed, its sizes in bytes."""

    name: str
    method: int
    packed: int
    size: int
    offset: int


def members(file: File) -> Mapping[str, Member]:
    """All members by name; of two with one name the last counts, as it does for those who load the archive.

    Raises :class:`Stopped` for what is no archive, or too large a one.
    """
    found = file.notes.get(_NOTE)
    if found is None:
        found = file.notes[_NOTE] = _members(file)
    assert isinstance(found, dict)  # noqa: S101 - it was put there above
    return found


def read(file: File, name: str, most: int) -> bytes:
    """What a member holds; :class:`Stopped` when that is more than ``most`` bytes, however it is packed."""
    member, start = _found(file, name)
    if member.size > most:
        raise Stopped(f"{name} has {member.size:,} bytes, more than the {most:,} that are read of such a file")
    data = file.read(start, member.packed)
    if member.method == _STORED:
        return data
    if member.method != _DEFLATED:
        raise Stopped(f"{name} is packed in a way that is not read ({member.method})")
    found = _inflated(name, data, member.size + 1)
    if len(found) != member.size:
        raise Stopped(f"{name} unpacks to something else than it says")
    return found


def first_name(data: bytes) -> str:
    """The name of the member that an archive which begins with ``data`` begins with."""
    if len(data) < _LOCAL.size:
        return ""
    length = _LOCAL.unpack_from(data)[-2]
    return data[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")


def beginning(file: File, name: str, most: int) -> bytes:
    """The first bytes of a member, ``most`` at the most, however large it is."""
    member, start = _found(file, name)
    if member.method == _STORED:
        return file.read(start, min(most, member.size))
    if member.method != _DEFLATED:
        raise Stopped(f"{name} is packed in a way that is not read ({member.method})")
    return _inflated(name, file.read(start, min(2 * most, member.packed)), most)


def _inflated(name: str, data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most)
    except zlib.error as error:
        raise Stopped(f"{name} is damaged") from error


def piecewise(file: File, name: str, most: int) -> Callable[[int, int], bytes]:
    """A function that reads bytes of a member from an offset on: in place where it is stored as it is, however large;
    else as :func:`read`.
    """
    member, start = _found(file, name)
    data = b"" if member.method == _STORED else read(file, name, most)

    def piece(offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > member.size:
            raise Stopped(f"{name} is cut short")
        return data[offset : offset + length] if data else file.read(start + offset, length)

    return piece


def _found(file: File, name: str) -> tuple[Member, int]:
    """A member, and where its bytes start."""
    member = members(file).get(name)
    if member is None:
        raise Stopped(f"there is no {name} in it")
    header = _LOCAL.unpack(file.read(member.offset, _LOCAL.size))
    if header[0] != MAGIC or header[3] & _ENCRYPTED:
        raise Stopped(f"{name} can't be read: encrypted, or its place is wrong")
    return member, member.offset + _LOCAL.size + header[-2] + header[-1]


def _members(file: File) -> dict[str, Member]:
    at, count, length, start = _directory(file)
    shift = at - length - start  # what somebody put before the archive: the loaders allow it
    if count > MEMBERS or length > DIRECTORY:
        raise Stopped(f"an archive of {count:,} files")
    data = file.read(at - length, length)
    found, place = {}, 0
    for _ in range(count):
        entry = _ENTRY.unpack_from(data, place)
        if entry[0] != b"PK\x01\x02":
            raise Stopped("its directory is broken")
        names, extra, comment = entry[12:15]
        place += _ENTRY.size
        raw = data[place : place + names]
        more = data[place + names : place + names + extra]
        place += names + extra + comment
        size, packed, offset = _sizes(entry[11], entry[10], entry[18], more)
        name = raw.decode("utf-8", "replace")
        found[name] = Member(name, entry[6], packed, size, offset + shift)
    return found


def _directory(file: File) -> tuple[int, int, int, int]:
    """Where the central directory ends, how many members and bytes it has, and where it says that it starts."""
    tail = file.ending(_END.size + _COMMENT)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END.size:
        raise Stopped("it is no whole zip archive: its directory is missing")
    end = _END.unpack_from(tail, place)
    at = file.size - len(tail) + place
    count, length, start = end[4], end[5], end[6]
    if at >= _LOCATOR.size + _END64.size:  # torch writes the large record, too, however small the archive is
        mark, _, place64, _ = _LOCATOR.unpack(file.read(at - _LOCATOR.size, _LOCATOR.size))
        if mark == b"PK\x06\x07":
            at = at - _LOCATOR.size - _END64.size if place64 > file.size - _END64.size else place64
            end64 = _END64.unpack(file.read(at, _END64.size))
            if end64[0] != b"PK\x06\x06":
                raise Stopped("its directory is broken")
            count, length, start = end64[7], end64[8], end64[9]
    return at, count, length, start


def _sizes(size: int, packed: int, offset: int, extra: bytes) -> tuple[int, int, int]:
    """The sizes and the place, from the field for those beyond 4 GiB where they are not in the entry itself."""
    wanted = [size, packed, offset]
    place = 0
    while _WHOLE in wanted and place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra, place + 4))
            wanted = [next(values, -1) if each == _WHOLE else each for each in wanted]
            break
        place += 4 + length
    return wanted[0], wanted[1], wanted[2]
