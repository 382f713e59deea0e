"""Members of a zip archive, as programs that load it find them: by its directory, and of two with one name the last.

The scanner reports where readers of an archive could differ; inspection only needs what it holds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from .decompression import read_beginning
from .limits import Budget, Limit, Stopped
from .model_files import DOCUMENT, ModelFile
from .sources import ByteSlice, ByteSource, MemorySource
from .zip_archive import STORED, DirectoryEntry, Member, ZipArchive, find_directory, iter_entries

MAGIC = b"PK\x03\x04"
MAX_MEMBERS, MAX_DIRECTORY = 50_000, 8 << 20

_LOCAL = struct.Struct("<4s2B4HL2L2H")
_ENCRYPTED = 1


def list_members(file: ModelFile) -> Mapping[str, DirectoryEntry]:
    """All members by name, none for a file that does not begin as an archive; :class:`Stopped` for a damaged one."""
    return _members(file) if file.head.startswith(MAGIC) else {}


def _members(file: ModelFile) -> Mapping[str, DirectoryEntry]:
    if file.members is None:
        file.members = _read_directory(file)
    return file.members


def _read_directory(file: ModelFile) -> dict[str, DirectoryEntry]:
    archive = ZipArchive()
    directory = find_directory(file, archive)
    if directory is None or archive.cut:
        raise Stopped("it is not a complete zip archive: its directory is missing")
    if directory.members > MAX_MEMBERS or directory.size > MAX_DIRECTORY:
        raise Limit(f"an archive of {directory.members:,} files")
    entries = list(iter_entries(file, directory, archive))
    if len(entries) < directory.members:
        raise Stopped("its directory is broken")
    return {
        each.name.decode("utf-8", "replace"): each._replace(offset=each.offset + directory.shift) for each in entries
    }


def read_member(file: ModelFile, name: str, most: int = DOCUMENT) -> bytes:
    """The content of a member; :class:`Stopped` when that is more than ``most`` bytes, however it is packed."""
    member = _member(file, name)
    if member.size > most:
        raise Stopped(f"{name} has {member.size:,} bytes, more than the {most:,} that are read of such a file")
    data, stream = b"", member.opened(Budget(unpacked=most))
    try:
        while piece := stream.read(member.size + 1 - len(data)):
            data += piece
    except Stopped as error:
        if getattr(stream, "ambiguity", ""):
            raise Stopped(f"{name} does not unpack to its declared content") from error
        raise
    if len(data) != member.size:
        raise Stopped(f"{name} does not unpack to its declared content")
    return data


def first_name(data: bytes) -> str:
    """The name of the first member of an archive that begins with ``data``."""
    if len(data) < _LOCAL.size:
        return ""
    length = _LOCAL.unpack_from(data)[-2]
    return data[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")


def read_member_start(file: ModelFile, name: str, most: int) -> bytes:
    """The first ``most`` bytes of a member of any size."""
    member = _member(file, name)
    return read_beginning(lambda: member.opened(Budget(unpacked=most + (1 << 16))), most)


def open_member(file: ModelFile, name: str, most: int = DOCUMENT) -> ByteSource:
    """The content of a member: in place if it is not compressed, of any size; else as :func:`read_member` returns it."""
    member = _member(file, name)
    return member.data if member.method == STORED else MemorySource(read_member(file, name, most))


def piece_reader(file: ModelFile, name: str) -> Callable[[int, int], bytes]:
    """A function that returns bytes of a member from an offset on, or raises."""
    content = open_member(file, name)

    def piece(offset: int, length: int) -> bytes:
        if len(data := content.at(offset, length)) < length:
            raise Stopped(f"{name} is cut short")
        return data

    return piece


def _member(file: ModelFile, name: str) -> Member:
    entry = _members(file).get(name)
    if entry is None:
        raise Stopped(f"there is no {name} in it")
    header = _LOCAL.unpack(file.read(entry.offset, _LOCAL.size))
    if header[0] != MAGIC or header[3] & _ENCRYPTED:
        raise Stopped(f"{name} can't be read: encrypted, or its place is wrong")
    start = entry.offset + _LOCAL.size + header[-2] + header[-1]
    return Member(name, entry.method, entry.size, entry.crc, ByteSlice(file, start, entry.packed))
