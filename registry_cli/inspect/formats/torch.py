"""Archives of torch: torch.save and TorchScript, whose pickle has shape and type of every tensor, and torch.export."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from ..binary import zip_members
from ..binary.limits import Stopped
from ..binary.model_files import DOCUMENT, ModelFile, parse_json
from ..inspection import Inspection, Shape, Tensor, parameter_counts
from . import pickles

_PICKLE = 64 << 20


def read_torch(file: ModelFile) -> Inspection | None:
    """Kind, class, tensors by type, byte order."""
    members = zip_members.list_members(file)
    at = next((name for name in members if name == "data.pkl" or name.endswith("/data.pkl")), None)
    if at is None:
        return None
    folder = at[: -len("data.pkl")]
    script = any(name.startswith(f"{folder}code/") for name in members)
    found = pickles.analyse(zip_members.open_member(file, at, _PICKLE), lone=True)
    if not found.values:
        raise Stopped(found.why)
    details = {
        **_read_text(file, f"{folder}byteorder", "byteorder"),
        **_read_text(file, f"{folder}version", "archive_version"),
    }
    return pickles.describe_tensors(found.values[0], "torchscript" if script else "torch", details)


def _read_text(file: ModelFile, member: str, key: str) -> Mapping[str, str]:
    """What a small member says, under ``key``; nothing if there is no such member."""
    if member not in zip_members.list_members(file):
        return {}
    return {key: zip_members.read_member(file, member, 100).decode("ascii", "replace").strip()}


_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2",
    31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz",
}  # fmt: skip
_SYMBOL = re.compile(r"Symbol\('([^']*)'[^()]*\)")
_FORMAT, _FIRST = "archive_format", "serialized_exported_program.json"
_WEIGHTS = ("parameter", "buffer", "tensor_constant")


def read_pt2(file: ModelFile) -> Inspection | None:
    """The inputs and outputs of the program, and its parameters, buffers and constants counted."""
    members = zip_members.list_members(file)
    name = next((name for name in members if name.rpartition("/")[2] == _FORMAT), None)
    if name is not None and zip_members.read_member(file, name, 100).strip() == b"pt2":
        folder = name[: -len(_FORMAT)]
        programs = sorted(each for each in members if each.startswith(f"{folder}models/") and each.endswith(".json"))
        version = f"{folder}archive_version"
    elif _FIRST in members and "version" in members:
        programs, version = [_FIRST], "version"
    else:
        return None
    details = {"programs": len(programs), **_read_text(file, version, "archive_version")}
    if not programs:
        uncounted = "its program is compiled"
    elif members[programs[0]].size > DOCUMENT:
        uncounted = f"its program has more than {DOCUMENT:,} bytes"
    else:
        document = parse_json(zip_members.read_member(file, programs[0]))
        if isinstance(document, dict) and "graph_module" in document:
            return _describe_program(document, details)
        uncounted = "its program can't be read"
    return Inspection("pt2", framework="torch", details={**details, "uncounted": uncounted})


def _describe_program(document: dict[str, Any], details: dict[str, Any]) -> Inspection:
    module = document["graph_module"]
    graph = module["graph"]
    signature, values = module["signature"], graph["tensor_values"]
    dtypes: Counter[str] = Counter()
    symbolic = False
    inputs, outputs = (list(_specs(signature[side])) for side in ("input_specs", "output_specs"))
    for kind, name in inputs:
        if kind in _WEIGHTS and name in values:
            weight = _program_tensor(name, values)
            sizes = [size for size in weight.shape or () if isinstance(size, int)]
            symbolic = symbolic or len(sizes) < len(weight.shape or ())
            dtypes[weight.type] += prod(sizes)
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
        **parameter_counts(dtypes, symbolic),
        inputs=tuple(_program_tensor(name, values) for kind, name in inputs if kind == "user_input"),
        outputs=tuple(_program_tensor(name, values) for kind, name in outputs if kind == "user_output"),
        details=details,
    )


def _specs(listed: Any) -> Iterator[tuple[str, str]]:
    """The kind of each input or output of the graph, and the name of its value."""
    for spec in listed:
        for kind, value in spec.items():
            argument = value.get("arg") if isinstance(value, dict) else None
            if isinstance(argument, dict):
                inner = argument.get("as_tensor", argument)
                if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                    yield kind, inner["name"]


def _program_tensor(name: str, values: dict[str, Any]) -> Tensor:
    value = values.get(name)
    if not isinstance(value, dict):
        return Tensor(name)
    return Tensor(name, _DTYPES.get(value.get("dtype", 0), "other"), _program_shape(value))


def _program_shape(value: dict[str, Any]) -> Shape:
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
