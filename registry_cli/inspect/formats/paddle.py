"""PaddlePaddle: ``.pdmodel`` or ``.json``, a program; ``.pdiparams``, its numbers; ``.pdiparams.info``, a pickle about them."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import FIELDS, ModelFile, unless_stopped
from ..binary.protobuf import Messages, WireField
from ..binary.sources import Cursor
from ..inspection import Inspection, parameter_counts

MAX_PARAMETERS = 20_000

#: Types of tensors, and how many bytes an element has.
_DTYPES = {
    0: ("bool", 1), 1: ("int16", 2), 2: ("int32", 4), 3: ("int64", 8), 4: ("float16", 2), 5: ("float32", 4),
    6: ("float64", 8), 20: ("uint8", 1), 21: ("int8", 1), 22: ("bfloat16", 2), 23: ("complex64", 8),
    24: ("complex128", 16),
}  # fmt: skip
_PROGRAM = re.compile(rb'\s*\{\s*"base_code"\s*:\s*\{[^{}]{0,200}"magic"\s*:\s*"pir"')
#: How a program begins: with a block, and that with its index and that of the block around it.
_BLOCK = re.compile(rb"\n[\x80-\xff]{0,4}[\x00-\x7f]\x08\x00\x10", re.DOTALL)
_MAX_TYPE_SIZE = 1 << 12
_SHOWN = 50
_INFO = {"stop_gradient", "trainable", "structured_name"}
_PIECES = (".pdmodel", ".json", ".pdiparams", ".pdiparams.info")


def read(file: ModelFile) -> Inspection | None:
    """A program is described with the numbers beside it; each of the other files by itself."""
    if _PROGRAM.match(file.head):
        return _program(file, {"program": "pir"})
    if file.head.startswith(bytes(16)):
        return _parameters(file)
    if file.head.startswith(b"\x80"):
        return _info(file)
    if _BLOCK.match(file.head):
        version = _program_version(file)
        return None if version is None else _program(file, {"program": "fluid", "version": version or None})
    return None


def _program(file: ModelFile, details: dict[str, Any]) -> Inspection:
    stem = re.sub(r"\.(pdmodel|json)$", "", file.name)
    weights = f"{stem}.pdiparams"
    dtypes, uncounted = None, "there are no numbers beside it"
    if weights in file.beside:
        dtypes, uncounted = unless_stopped(lambda: _count_sibling(file, weights))
    companions = tuple(path for end in _PIECES if (path := f"{stem}{end}") in file.beside and path != file.name)
    return _describe(dtypes, {**details, "uncounted": uncounted}, companions)


def _count_sibling(file: ModelFile, name: str) -> Counter[str]:
    with file.open_sibling(name) as numbers:
        return _count(numbers)


def _describe(dtypes: Counter[str] | None, details: dict[str, Any], companions: tuple[str, ...] = ()) -> Inspection:
    counts = parameter_counts(dtypes) if dtypes else {}
    return Inspection("paddle", framework="paddle", **counts, details=details, companions=companions)


def _program_version(file: ModelFile) -> str | None:
    """The version of a program, which may be empty; None if the file is not a program, a protocol buffer of blocks."""
    wire, version, blocks, parts = Messages(file, FIELDS), "", 0, Counter[int]()
    try:
        for field in wire.fields(wire.message()):
            if field.number == 1:
                blocks += 1
                if blocks == 1:
                    _block(wire, field, parts)
            elif field.number == 4:
                number = sum(part.value for part in wire.select(field, 1))  # 2006001 is 2.6.1
                version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}" if number else ""
            elif field.number not in (2, 3, 5):
                return None
    except Stopped:
        if parts[1] and parts[3] > 1:  # so far it was one, and no other format has such names in it
            raise
        return None
    return version if blocks and parts[1] and (parts[3] or parts[4]) else None


def _block(wire: Messages, message: WireField, parts: Counter[int]) -> None:
    """Count the parts of a block: an index, variables with a name and a type, operations."""
    for field in wire.fields(message):
        if field.number == 3 and parts[3] < _SHOWN:
            numbers = {part.number for part in wire.fields(field)}
            if not {1, 2} <= numbers <= set(range(1, 10)):
                raise Stopped("a variable of it is broken")
        elif field.number not in range(1, 6):
            raise Stopped("a block of it is broken")
        parts[field.number] += 1


def _parameters(file: ModelFile) -> Inspection | None:
    try:
        return _describe(_count(file), {})
    except Limit as error:
        return _describe(None, {"uncounted": str(error)})
    except Stopped:
        return None


def _count(file: ModelFile) -> Counter[str]:
    """The numbers in all tensors: each is behind two versions, its levels, and a message of its type and shape."""
    wire, cursor, dtypes, found = Messages(file, FIELDS), Cursor(file), Counter[str](), 0
    while cursor.at < file.size:
        found += 1
        if found > MAX_PARAMETERS:
            raise Limit(f"it has more than {MAX_PARAMETERS:,} parameters")
        *zeros, size = cursor.unpack("IQII")
        if any(zeros) or not 0 < size <= _MAX_TYPE_SIZE:
            raise Stopped("its parameters can't be read")
        kind, shape = 0, list[int]()
        for field in wire.fields(WireField(0, 0, cursor.at, cursor.at + size)):
            if field.number == 1:
                kind = field.value
            elif field.number == 2:
                shape += wire.numbers(field)
        if kind not in _DTYPES or any(each < 0 for each in shape):
            raise Stopped("its parameters can't be read")
        name, width = _DTYPES[kind]
        cursor.at += size + prod(shape) * width
        dtypes[name] += prod(shape)
    if cursor.at != file.size:
        raise Stopped("its parameters are cut short")
    return dtypes


def _info(file: ModelFile) -> Inspection | None:
    """The little pickle beside the numbers: a dictionary of notes on each of them, by name."""
    from . import pickles  # most files that are tried as Paddle's are something else

    if file.size > 4 << 20:
        return None
    found = pickles.analyse(file)
    notes = pickles.dict_items(found.values[0]) if len(found.values) == 1 and found.complete else ()
    keys = [{key for key, _ in pickles.dict_items(value)} for _, value in notes]
    if not keys or not all("stop_gradient" in each and each <= _INFO for each in keys):
        return None
    numbers = f"{file.name.removesuffix('.pdiparams.info')}.pdiparams"
    return _describe(
        None, {"uncounted": "these are only notes on parameters"}, (numbers,) if numbers in file.beside else ()
    )
