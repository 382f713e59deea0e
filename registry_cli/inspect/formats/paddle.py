"""PaddlePaddle: ``.pdmodel`` or ``.json``, a program; ``.pdiparams``, its numbers; ``.pdiparams.info``, a pickle about them."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import Any

from ..binary.limits import Limit, Stopped, create_pickle_budget
from ..binary.model_files import FIELDS, ModelFile, unless_stopped
from ..binary.protobuf import Messages, WireField
from ..binary.sources import SequentialReader
from ..inspection import Inspection

#: The most parameters that are gone through.
PARAMETERS = 20_000

_DTYPES = {
    0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8", 21: "int8",
    22: "bfloat16", 23: "complex64", 24: "complex128",
}  # fmt: skip
_SIZES = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
_PROGRAM = re.compile(rb'\s*\{\s*"base_code"\s*:\s*\{[^{}]{0,200}"magic"\s*:\s*"pir"')
#: How a program begins: with a block, and that with its index and that of the block around it.
_BLOCK = re.compile(rb"\n[\x80-\xff]{0,4}[\x00-\x7f]\x08\x00\x10", re.DOTALL)
_LARGEST_TYPE = 1 << 12
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
        version = _description(file)
        return None if version is None else _program(file, {"program": "fluid", "version": version or None})
    return None


def _program(file: ModelFile, details: dict[str, Any]) -> Inspection:
    stem = re.sub(r"\.(pdmodel|json)$", "", file.name)
    weights = f"{stem}.pdiparams"
    dtypes: Counter[str] = Counter()
    if weights in file.beside:

        def count() -> Counter[str]:
            with file.open_sibling(weights) as numbers:
                return _count(numbers)

        found, uncounted = unless_stopped(count)
        dtypes = found or dtypes
    else:
        uncounted = "there are no numbers beside it"
    return _described(dtypes, {**details, "uncounted": uncounted}, _companions(file, stem))


def _companions(file: ModelFile, stem: str) -> tuple[str, ...]:
    return tuple(path for end in _PIECES if (path := f"{stem}{end}") in file.beside and path != file.name)


def _described(dtypes: Counter[str], details: dict[str, Any], companions: tuple[str, ...]) -> Inspection:
    counted = bool(dtypes) and not details.get("uncounted")
    return Inspection(
        "paddle",
        framework="paddle",
        parameters=sum(dtypes.values()) if counted else None,
        dtypes=dict(dtypes) if counted else {},
        details=details,
        companions=companions,
    )


def _description(file: ModelFile) -> str | None:
    """The version in a program, empty where it has none; None if the file is no program.

    A program is a protocol buffer of blocks, each with its index, variables and operations.
    """
    wire, version, blocks, parts = Messages(file, FIELDS), "", 0, Counter[int]()
    try:
        for field in wire.fields(wire.message()):
            if field.number == 1:
                blocks += 1
                if blocks == 1:
                    _block(wire, field, parts)
            elif field.number == 4:
                version = _version(wire, field)
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


def _version(wire: Messages, message: WireField) -> str:
    """``2.6.1`` for 2006001."""
    number = sum(field.value for field in wire.fields(message) if field.number == 1)
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}" if number else ""


def _parameters(file: ModelFile) -> Inspection | None:
    try:
        dtypes = _count(file)
    except Limit as error:
        return _described(Counter(), {"uncounted": str(error)}, ())
    except Stopped:
        return None
    return _described(dtypes, {}, ())


def _count(file: ModelFile) -> Counter[str]:
    """The numbers in all tensors: each is behind two versions, its levels, and a message of its type and shape."""
    wire, dtypes, at, found = Messages(file, FIELDS), Counter[str](), 0, 0
    while at < file.size:
        found += 1
        if found > PARAMETERS:
            raise Limit(f"it has more than {PARAMETERS:,} parameters")
        head = file.read(at, 20)
        size = int.from_bytes(head[16:20], "little")
        if any(head[:4]) or any(head[4:12]) or any(head[12:16]) or not 0 < size <= _LARGEST_TYPE:
            raise Stopped("its parameters can't be read")
        kind, shape = 0, list[int]()
        for field in wire.fields(WireField(0, 0, at + 20, at + 20 + size)):
            if field.number == 1:
                kind = field.value
            elif field.number == 2:
                shape += wire.numbers(field)
        if kind not in _SIZES or any(each < 0 for each in shape):
            raise Stopped("its parameters can't be read")
        at += 20 + size + prod(shape) * _SIZES[kind]
        dtypes[_DTYPES[kind]] += prod(shape)
    if at != file.size:
        raise Stopped("its parameters are cut short")
    return dtypes


def _info(file: ModelFile) -> Inspection | None:
    """The little pickle beside the numbers: what is said of each, by its name."""
    from ...scan.pickle.stack_values import SymbolicContainer
    from ...scan.pickle.stream_analysis import analyse_stream

    if file.size > 4 << 20:
        return None
    found = analyse_stream(lambda: SequentialReader(file), create_pickle_budget())
    value = found.values[0] if len(found.values) == 1 and found.complete else None
    if not isinstance(value, SymbolicContainer) or value.kind != "dict":
        return None
    pairs = list(value.pairs())
    for _, each in pairs:
        keys = (
            {key for key, _ in each.pairs()} if isinstance(each, SymbolicContainer) and each.kind == "dict" else set()
        )
        if not keys or not keys <= _INFO or "stop_gradient" not in keys:
            return None
    if not pairs:
        return None
    stem = file.name.removesuffix(".pdiparams.info")
    numbers = f"{stem}.pdiparams"
    return _described(
        Counter(), {"uncounted": "these are only notes on parameters"}, (numbers,) if numbers in file.beside else ()
    )
