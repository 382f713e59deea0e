"""What ``torch.export.save`` writes: ``.pt2``, an archive with the graph of a program as JSON, and its weights beside it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from ..binary import zip_members
from ..binary.limits import Stopped
from ..binary.model_files import File, parse_json
from ..inspection import Inspection, Shape, Tensor

#: The largest program that is read, in bytes.
PROGRAM = 8 << 20

_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2",
    31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz",
}  # fmt: skip
_SYMBOL = re.compile(r"Symbol\('([^']*)'[^()]*\)")
_FORMAT, _FIRST = "archive_format", "serialized_exported_program.json"
_WEIGHTS = ("parameter", "buffer", "tensor_constant")


def read(file: File) -> Inspection | None:
    """The inputs and outputs of the program, and its parameters, buffers and constants counted."""
    if not file.head.startswith(zip_members.MAGIC):
        return None
    members = zip_members.members(file)
    name = next((name for name in members if name.rpartition("/")[2] == _FORMAT), None)
    if name is not None and zip_members.read(file, name, 100).strip() == b"pt2":
        folder = name[: -len(_FORMAT)]
        programs = sorted(each for each in members if each.startswith(f"{folder}models/") and each.endswith(".json"))
        version = f"{folder}archive_version"
    elif _FIRST in members and "version" in members:
        programs, version = [_FIRST], "version"
    else:
        return None
    details: dict[str, Any] = {"programs": len(programs)}
    if version in members:
        details["archive_version"] = zip_members.read(file, version, 100).decode("ascii", "replace").strip()
    if not programs:
        details["uncounted"] = "its program is compiled"
        return Inspection("pt2", framework="torch", details=details)
    if members[programs[0]].size > PROGRAM:
        details["uncounted"] = f"its program has more than {PROGRAM:,} bytes"
        return Inspection("pt2", framework="torch", details=details)
    return _described(parse_json(zip_members.read(file, programs[0], PROGRAM)), details)


def _described(document: Any, details: dict[str, Any]) -> Inspection:
    if not isinstance(document, dict) or "graph_module" not in document:
        details["uncounted"] = "its program can't be read"
        return Inspection("pt2", framework="torch", details=details)
    module = document["graph_module"]
    graph = module["graph"]
    signature, values = module["signature"], graph["tensor_values"]
    dtypes: Counter[str] = Counter()
    symbolic = False
    for kind, name in _specs(signature["input_specs"]):
        if kind in _WEIGHTS and name in values:
            shape = _shape(values[name])
            symbolic = symbolic or any(not isinstance(size, int) for size in shape)
            dtypes[_dtype(values[name])] += prod(size for size in shape if isinstance(size, int))
    inputs = [name for kind, name in _specs(signature["input_specs"]) if kind == "user_input"]
    outputs = [name for kind, name in _specs(signature["output_specs"]) if kind == "user_output"]
    versions = document.get("schema_version")
    if isinstance(versions, dict):
        details["schema_version"] = f"{versions.get('major')}.{versions.get('minor')}"
    details |= {"nodes": len(graph["nodes"]), "opsets": document.get("opset_version")}
    if symbolic:
        details["uncounted"] = "the size of a weight is not a number"
    return Inspection(
        "pt2",
        framework="torch",
        framework_version=version if (version := str(document.get("torch_version") or ""))[:1].isdigit() else "",
        parameters=None if symbolic else sum(dtypes.values()),
        dtypes={} if symbolic else dict(dtypes),
        inputs=tuple(_tensor(name, values) for name in inputs),
        outputs=tuple(_tensor(name, values) for name in outputs),
        details=details,
    )


def _specs(listed: Any) -> Iterator[tuple[str, str]]:
    """What each input or output of the graph stands for, and the name of its value."""
    for spec in listed:
        for kind, said in spec.items():
            argument = said.get("arg") if isinstance(said, dict) else None
            if isinstance(argument, dict):
                inner = argument.get("as_tensor", argument)
                if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                    yield kind, inner["name"]


def _tensor(name: str, values: dict[str, Any]) -> Tensor:
    value = values.get(name)
    return Tensor(name, _dtype(value), _shape(value)) if isinstance(value, dict) else Tensor(name)


def _dtype(value: dict[str, Any]) -> str:
    return _DTYPES.get(value.get("dtype", 0), "other")


def _shape(value: dict[str, Any]) -> Shape:
    """The sizes of a value: numbers, or the expression of one that may vary."""
    found: list[int | str | None] = []
    for size in value["sizes"]:
        if isinstance(size.get("as_int"), int):
            if not 0 <= size["as_int"] < 1 << 48:
                raise Stopped("the size of a tensor is broken")
            found.append(size["as_int"])
        else:
            inner = size.get("as_expr") or size.get("as_name")
            found.append(_SYMBOL.sub(r"\1", str(inner.get("expr_str")) if isinstance(inner, dict) else str(inner)))
    return tuple(found)
