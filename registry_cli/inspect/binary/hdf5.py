"""HDF5, as far as Keras writes it: groups of the old layout, shapes and types of datasets, attributes that are texts.

Follows the HDF5 file format specification, version 3.0. Groups of the new layout, and shared messages, are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

from .limits import Stopped

MAGIC = b"\x89HDF\r\n\x1a\n"
#: The most objects, links and messages together, and how deep groups may be nested.
MAX_OBJECTS, MAX_DEPTH = 100_000, 32
MAX_TEXT = 16 << 20

_DATASPACE, _DATATYPE, _ATTRIBUTE, _CONTINUATION, _SYMBOLS = 0x01, 0x03, 0x0C, 0x10, 0x11
_READ_MESSAGES = (_DATASPACE, _DATATYPE, _ATTRIBUTE, _SYMBOLS)
_INTEGER, _FLOAT, _STRING, _VARIABLE = 0, 1, 3, 9
_NOWHERE = 2**64 - 1
#: By version, where the size of addresses, the end of the file and the root group are stated.
_ADDRESSES = {0: (13, 40, 64), 1: (13, 44, 68), 2: (9, 28, 36), 3: (9, 28, 36)}
#: Returns so many bytes from an offset on, or raises.
Read = Callable[[int, int], bytes]


class Dataset(NamedTuple):
    """An array: its path from the root, its type (``float32``), how many numbers it holds."""

    path: str
    type: str
    numbers: int


def read_superblock(read: Read) -> tuple[int, int]:
    """Where the file ends according to its first block, and where that states the address of the root group."""
    if read(0, 8) != MAGIC:
        raise Stopped("it is not HDF5")
    version = read(8, 1)[0]
    if version not in _ADDRESSES:
        raise Stopped(f"version {version} of HDF5 is not read")
    size_at, end_at, root_at = _ADDRESSES[version]
    if read(size_at, 1) != b"\x08":
        raise Stopped("its addresses are not of 8 bytes")
    return int.from_bytes(read(end_at, 8), "little"), root_at


class Hdf5:
    """One file, read through ``read``."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._left = MAX_OBJECTS
        self.root = self._number(read_superblock(read)[1])

    def datasets(self) -> Iterator[Dataset]:
        """All arrays, group by group."""
        pending = [("", self.root, 0)]
        while pending:
            path, address, depth = pending.pop()
            messages = dict(self._messages(address))
            if _SYMBOLS in messages:
                if depth > MAX_DEPTH:
                    raise Stopped("groups are nested too deep")
                pending += [(f"{path}/{name}", at, depth + 1) for name, at in self._links(messages[_SYMBOLS])]
            elif _DATASPACE in messages and _DATATYPE in messages:
                yield Dataset(path, _type(messages[_DATATYPE]), _count(messages[_DATASPACE]))

    def attributes(self) -> dict[str, str]:
        """The attributes of the root that are one text."""
        found = (self._attribute(data) for kind, data in self._messages(self.root) if kind == _ATTRIBUTE)
        return {name: text for name, text in found if text is not None}

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Stopped(f"more than {MAX_OBJECTS:,} objects")

    def _number(self, at: int, size: int = 8) -> int:
        return int.from_bytes(self._read(at, size), "little")

    def _messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        """The kinds and the data of the messages in the header of an object."""
        if self._read(address, 4) == b"OHDR":
            raise Stopped("an object of the new layout")
        version, _, count, _, size = struct.unpack("<2BHLL", self._read(address, 12))
        if version != 1:
            raise Stopped("the header of an object is broken")
        blocks = [(address + 16, size)]
        while blocks and count > 0:
            at, left = blocks.pop(0)
            while left >= 8 and count > 0:
                self._step()
                count -= 1
                kind, length = struct.unpack("<2H", self._read(at, 4))
                if kind == _CONTINUATION:
                    blocks.append(struct.unpack("<2Q", self._read(at + 8, 16)))
                elif kind in _READ_MESSAGES:
                    yield kind, self._read(at + 8, length)
                at, left = at + 8 + length, left - 8 - length

    def _links(self, data: bytes) -> Iterator[tuple[str, int]]:
        """The names in a group and the addresses of their objects: a tree whose leaves list them, and a heap of names."""
        tree, heap = struct.unpack_from("<2Q", data)
        if self._read(heap, 4) != b"HEAP":
            raise Stopped("the names of a group are broken")
        names = self._number(heap + 24)
        pending = [(tree, 0)]
        while pending:
            address, depth = pending.pop()
            self._step()
            mark = self._read(address, 4)
            if mark == b"SNOD":
                for at in range(address + 8, address + 8 + 40 * self._number(address + 6, 2), 40):
                    self._step()
                    name, target = struct.unpack("<2Q", self._read(at, 16))
                    if target != _NOWHERE:
                        yield self._name(names + name), target
            elif mark == b"TREE" and depth < MAX_DEPTH:
                entries = self._number(address + 6, 2)
                keys = self._read(address + 24, (2 * entries + 1) * 8)
                pending += [(child, depth + 1) for child in struct.unpack(f"<{2 * entries + 1}Q", keys)[1::2]]
            else:
                raise Stopped("the tree of a group is broken")

    def _name(self, at: int) -> str:
        data = b""
        while b"\0" not in data and len(data) < 4096:
            data += self._read(at + len(data), 8)  # names are padded to multiples of 8 bytes
        return data.partition(b"\0")[0].decode("utf-8", "replace")

    def _attribute(self, data: bytes) -> tuple[str, str | None]:
        """Name and text; None for an attribute that is not a single text."""
        version, _, *sizes = struct.unpack_from("<2B3H", data)
        at = 9 if version == 3 else 8
        parts = []
        for size in sizes:
            parts.append(data[at : at + size])
            at += size if version > 1 else (size + 7) & ~7
        name = parts[0].partition(b"\0")[0].decode("utf-8", "replace")
        kind = parts[1][0] & 15
        if _count(parts[2]) != 1 or kind not in (_STRING, _VARIABLE):
            return name, None
        if kind == _VARIABLE:
            return name, self._heap_text(data[at : at + 16])
        return name, data[at : at + int.from_bytes(parts[1][4:8], "little")].rstrip(b"\0").decode("utf-8", "replace")

    def _heap_text(self, data: bytes) -> str:
        """A text of any length, which is kept in a separate heap."""
        length, address, index = struct.unpack("<LQL", data)
        if length > MAX_TEXT or self._read(address, 4) != b"GCOL":
            raise Stopped("the text of an attribute is broken")
        end = address + self._number(address + 8)
        at = address + 16
        while at + 16 <= end:
            self._step()
            number, _, _, size = struct.unpack("<2HLQ", self._read(at, 16))
            if number == index:
                return self._read(at + 16, length).decode("utf-8", "replace")
            at += 16 + ((size + 7) & ~7)
        raise Stopped("the text of an attribute is missing")


def _count(dataspace: bytes) -> int:
    version, rank = dataspace[0], dataspace[1]
    at = 8 if version == 1 else 4
    if rank > 32:
        raise Stopped("an array of too many dimensions")
    return prod(struct.unpack_from(f"<{rank}Q", dataspace, at))


def _type(datatype: bytes) -> str:
    """The name of a type of numbers; ``other`` for any other."""
    kind, size = datatype[0] & 15, int.from_bytes(datatype[4:8], "little")
    if kind == _FLOAT:
        exponent = datatype[8 + 5] if len(datatype) > 13 else 0  # bfloat16 has float32's exponent in half the bits
        return "bfloat16" if size == 2 and exponent == 8 else f"float{8 * size}"
    if kind == _INTEGER:
        return f"{'int' if datatype[1] & 8 else 'uint'}{8 * size}"
    return "other"
