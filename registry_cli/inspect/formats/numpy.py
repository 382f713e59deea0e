"""NumPy: ``.npy``, one array behind a header, and ``.npz``, an archive of such files."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import Any, NamedTuple

from ...core.lazy_dataclass import replace
from ..binary import npy_array, zip_members
from ..binary.decompression import DecompressedStream, compression_of, read_beginning
from ..binary.limits import Budget, Stopped
from ..binary.model_files import ModelFile
from ..binary.npy_array import MAGIC
from ..binary.sources import MemorySource, SequentialReader
from ..inspection import Inspection, Tensor

#: The longest header that is read, in bytes, and the most arrays of an archive.
HEADER, ARRAYS = 1 << 16, 10_000

_TYPE = re.compile(r"[<>|=]?([?biufcmMSUVOe])(\d*)(\[[^\]]*\])?")
_KINDS = {"b": "int", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_OBJECT = "object"
_DIMENSIONS = 64


class Array(NamedTuple):
    """What the header of an array says: type, shape, and how many bytes an element has (None: not known)."""

    type: str
    shape: tuple[int, ...]
    size: int | None

    @property
    def numbers(self) -> int:
        return prod(self.shape)


def read(file: ModelFile) -> Inspection | None:
    """The types and shapes of all arrays."""
    if file.head.startswith(MAGIC):
        array, start = _array(file.beginning(min(HEADER + 12, file.size)))
        if array.size is not None and start + array.numbers * array.size > file.size:
            raise Stopped("it is cut short")
        return _described({"": array}, "array")
    if kind := compression_of(file.head):
        return _compressed(file, kind)
    if not file.head.startswith(zip_members.MAGIC):
        return None
    names = [name for name in zip_members.list_members(file) if not name.endswith("/")]
    if not names or not all(name.endswith(".npy") for name in names):
        return None
    if len(names) > ARRAYS:
        raise Stopped(f"it has {len(names):,} arrays")
    return _described(
        {name[:-4]: _array(zip_members.read_member_start(file, name, HEADER + 12))[0] for name in names}, "archive"
    )


def _compressed(file: ModelFile, kind: str) -> Inspection | None:
    """An array behind a compression; of an archive only that it begins with one."""
    budget = Budget(unpacked=4 * HEADER)
    data = read_beginning(lambda: DecompressedStream(SequentialReader(file), kind, budget), HEADER + 12)
    if data.startswith(MAGIC):
        found = _described({"": _array(data)[0]}, "array")
    elif data.startswith(zip_members.MAGIC) and zip_members.first_name(data).endswith(".npy"):
        found = Inspection("npy-npz", framework="numpy", details={"kind": "archive", "uncounted": "it is compressed"})
    else:
        return None
    return replace(found, details={**found.details, "compression": kind})


def _array(data: bytes) -> tuple[Array, int]:
    """The header of one array, and where its elements start."""
    if not data.startswith(MAGIC):
        raise Stopped("it is not an array of NumPy")
    found = npy_array.read_header(MemorySource(data), 0)
    if len(found.shape) > _DIMENSIONS:
        raise Stopped("an array of too many dimensions")
    name, size = _type(found.descr) if isinstance(found.descr, str) else ("records", None)
    return Array(name, found.shape, size), found.start


def _type(text: str) -> tuple[str, int | None]:
    """``float32`` for ``<f4``, and its size in bytes; arrays of records and of objects have a word."""
    found = _TYPE.fullmatch(text)
    if found is None:
        return "records", None
    kind, size = found[1], int(found[2] or 0)
    if kind == "O":
        return _OBJECT, None
    if kind == "?" or (kind == "b" and size == 1):
        return "bool", 1
    if kind in _KINDS:
        return f"{_KINDS[kind]}{8 * size}", size
    return {"S": "bytes", "U": "string", "m": "timedelta", "M": "datetime", "V": "records"}.get(kind, kind), None


def _described(arrays: dict[str, Array], kind: str) -> Inspection:
    dtypes: Counter[str] = Counter()
    for each in arrays.values():
        dtypes[each.type] += each.numbers
    uncounted = "arrays of objects are pickles, which are not counted" if _OBJECT in dtypes else ""
    details: dict[str, Any] = {"kind": kind, "uncounted": uncounted}
    if kind == "array":
        details["shape"] = list(arrays[""].shape)
    else:
        details |= {"arrays": [Tensor(name, each.type, each.shape).document() for name, each in arrays.items()]}
    return Inspection(
        "npy-npz",
        framework="numpy",
        parameters=None if uncounted else sum(dtypes.values()),
        dtypes={} if uncounted else dict(dtypes),
        details=details,
    )
