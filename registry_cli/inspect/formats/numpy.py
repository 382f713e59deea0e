"""NumPy: ``.npy``, one array behind a header, and ``.npz``, an archive of such files."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

from ...core.lazy_dataclass import replace
from ..binary import zip_members
from ..binary.decompression import DecompressedStream, compression_of, read_beginning
from ..binary.limits import Budget, Stopped
from ..binary.model_files import ModelFile
from ..binary.npy_array import MAGIC, ArrayHeader, read_header
from ..binary.sources import MemorySource, SequentialReader
from ..inspection import Inspection, Tensor, parameter_counts

MAX_HEADER, MAX_ARRAYS = 1 << 16, 10_000

_KINDS = {"b": "int", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_WORDS = {"O": "object", "S": "bytes", "U": "string", "m": "timedelta", "M": "datetime"}
_MAX_DIMENSIONS = 64


def read(file: ModelFile) -> Inspection | None:
    """The types and shapes of all arrays."""
    if file.head.startswith(MAGIC):
        return _describe_array(file.beginning(MAX_HEADER + 12), file.size)
    if kind := compression_of(file.head):
        return _read_compressed(file, kind)
    names = [name for name in zip_members.list_members(file) if not name.endswith("/")]
    if not names or not all(name.endswith(".npy") for name in names):
        return None
    if len(names) > MAX_ARRAYS:
        raise Stopped(f"it has {len(names):,} arrays")
    return _describe([_parse(zip_members.read_member_start(file, name, MAX_HEADER + 12), name[:-4]) for name in names])


def _read_compressed(file: ModelFile, kind: str) -> Inspection | None:
    """An array behind a compression; of an archive only that it begins with one."""
    budget = Budget(unpacked=4 * MAX_HEADER)
    data = read_beginning(lambda: DecompressedStream(SequentialReader(file), kind, budget), MAX_HEADER + 12)
    if data.startswith(MAGIC):
        found = _describe_array(data)
    elif data.startswith(zip_members.MAGIC) and zip_members.first_name(data).endswith(".npy"):
        found = Inspection("npy-npz", framework="numpy", details={"kind": "archive", "uncounted": "it is compressed"})
    else:
        return None
    return replace(found, details={**found.details, "compression": kind})


def _describe_array(data: bytes, size: int | None = None) -> Inspection:
    """One array, whose file has ``size`` bytes if that is known."""
    array, header = _parse(data, "")
    is_number = array.type.startswith(("bool", *_KINDS.values()))
    if size is not None and is_number and header.start + header.size > size:
        raise Stopped("it is cut short")
    return _describe([(array, header)], {"shape": list(header.shape)})


def _parse(data: bytes, name: str) -> tuple[Tensor, ArrayHeader]:
    if not data.startswith(MAGIC):
        raise Stopped("it is not an array of NumPy")
    header = read_header(MemorySource(data), 0)
    if len(header.shape) > _MAX_DIMENSIONS:
        raise Stopped("an array of too many dimensions")
    return Tensor(name, _type_name(header.descr), header.shape), header


def _type_name(descr: Any) -> str:
    """``float32`` for ``<f4``; arrays of texts, records and objects have a word."""
    kind, size = (descr[1], descr[2:].partition("[")[0]) if isinstance(descr, str) else ("V", "")
    if kind == "?" or (kind, size) == ("b", "1"):
        return "bool"
    return f"{_KINDS[kind]}{8 * int(size or 0)}" if kind in _KINDS else _WORDS.get(kind, "records")


def _describe(parsed: list[tuple[Tensor, ArrayHeader]], single: dict[str, Any] | None = None) -> Inspection:
    """The arrays of an archive; or one array, of which ``single`` has the details."""
    dtypes: Counter[str] = Counter()
    for array, header in parsed:
        dtypes[array.type] += prod(header.shape)
    uncounted = "arrays of objects are pickles, which are not counted" if "object" in dtypes else ""
    return Inspection(
        "npy-npz",
        framework="numpy",
        **parameter_counts(dtypes, uncounted),
        details={
            "kind": "array" if single else "archive",
            "uncounted": uncounted,
            **(single or {"arrays": [array.document() for array, _ in parsed]}),
        },
    )
