"""The index of a TensorFlow checkpoint: a sorted table, as LevelDB lays it out, of the variables with type and shape."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ..binary.limits import Stopped
from ..binary.model_files import FIELDS, File
from ..binary.protobuf import Field, Messages

MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
#: The most entries of the table.
ENTRIES = 200_000

_FOOTER = 48
_TRAILER = 5  # how a block is packed, and its checksum
_KEY = 1 << 12
_VARIABLE = b"/.ATTRIBUTES/VARIABLE_VALUE"
_STATE = (b"optimizer/", b"save_counter/", b"keras_api/")
_SLOT = b"/.OPTIMIZER_SLOT/"
_EXPORTED = b"_all_variables/"  # Keras exports each variable again under a second name, and its state with those
_SEEDS = b"seed_generator"


def variables(file: File) -> list[tuple[int, int]]:
    """The type, by its number, and the count of numbers of each variable that belongs to the model."""
    wire = Messages(file, FIELDS)
    footer = file.size - _FOOTER
    if file.read(footer + _FOOTER - len(MAGIC), len(MAGIC)) != MAGIC:
        raise Stopped("it is no index of a checkpoint")
    _, at = _handle(wire, footer)
    index, _ = _handle(wire, at)
    found: list[tuple[bool, tuple[int, int]]] = []
    left = ENTRIES
    for _, place in _entries(wire, *index):
        for key, value in _entries(wire, *_handle(wire, place.start)[0]):
            left -= 1
            if left < 0:
                raise Stopped(f"more than {ENTRIES:,} variables")
            if _counts(key):
                found.append((key.startswith(_EXPORTED), _variable(wire, value)))
    again = any(exported for exported, _ in found)
    return [variable for exported, variable in found if exported or not again]


def _counts(key: bytes) -> bool:
    """Whether an entry is a variable of the model: neither the state of the optimizer nor of what draws at random."""
    return key.endswith(_VARIABLE) and not (key.startswith(_STATE) or _SLOT in key or _SEEDS in key)


def _handle(wire: Messages, at: int) -> tuple[tuple[int, int], int]:
    """Where a block is and how long, and where the next byte is."""
    offset, at = wire.varint(at)
    size, at = wire.varint(at)
    return (offset, size), at


def _entries(wire: Messages, offset: int, size: int) -> Iterator[tuple[bytes, Field]]:
    """The keys of a block, each spelled by what differs from the one before, and where their values are."""
    if wire.read(offset + size, _TRAILER)[0]:
        raise Stopped("the index of the checkpoint is packed")
    restarts = int.from_bytes(wire.read(offset + size - 4, 4), "little")
    at, end, key = offset, offset + size - 4 - 4 * restarts, b""
    while at < end:
        shared, at = wire.varint(at)
        own, at = wire.varint(at)
        length, at = wire.varint(at)
        if shared > len(key) or shared + own > _KEY:
            raise Stopped("the index of the checkpoint is broken")
        key = key[:shared] + wire.read(at, own)
        at += own
        yield key, Field(0, 0, at, at + length)
        at += length


def _variable(wire: Messages, message: Field) -> tuple[int, int]:
    kind = 0
    shape: list[int] = []
    for field in wire.fields(message):
        if field.number == 1:
            kind = field.value
        elif field.number == 2:
            dimensions = (part for part in wire.fields(field) if part.number == 2)
            shape = [sum(size.value for size in wire.fields(part) if size.number == 1) for part in dimensions]
    return kind, prod(shape)
