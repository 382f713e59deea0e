"""safetensors: a length, a header in JSON, then the tensors. Many files with an index are one model."""

from __future__ import annotations

import json
from math import prod
from typing import Any

from ..inspection import Inspection
from .files import File, Malformed

#: The largest header that is read, in bytes; one of 10,000 tensors has about a million.
HEADER = 16 << 20
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3", "F8_E8M0": "float8_e8m0",
}  # fmt: skip
#: What ``__metadata__.format`` says of who wrote it.
_FRAMEWORKS = {"pt": "torch", "tf": "tensorflow", "flax": "flax", "mlx": "mlx"}


def read(file: File) -> Inspection | None:
    """The tensors that the header lists, counted by type."""
    if file.head[8:9] != b"{":
        return None
    header = _header(file)
    metadata = header.pop("__metadata__", {})
    dtypes: dict[str, int] = {}
    for tensor in header.values():
        dtype, shape = tensor["dtype"], tensor["shape"]
        count = prod(_dimension(each) for each in shape)
        dtypes[_DTYPES.get(dtype, dtype.lower())] = dtypes.get(_DTYPES.get(dtype, dtype.lower()), 0) + count
    return Inspection(
        "safetensors",
        framework=_FRAMEWORKS.get(metadata.get("format"), ""),
        parameters=sum(dtypes.values()),
        dtypes=dtypes,
        details={"tensors": len(header), "metadata": metadata},
    )


def _header(file: File) -> dict[str, Any]:
    length = int.from_bytes(file.read(0, 8), "little")
    if length > HEADER:
        raise Malformed(f"its header has {length:,} bytes")
    found = json.loads(file.read(8, length))
    if not isinstance(found, dict):
        raise Malformed("its header is no object")
    return found


def _dimension(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise Malformed("a dimension is no number")
    return value
