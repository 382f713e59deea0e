"""What torch writes: archives of torch.save and TorchScript, whose pickle tells shape and type of every tensor, and programs of torch.export."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from ...scan.pickle.stack_values import Call, Global, Persistent, SymbolicContainer, class_of
from ...scan.pickle.stream_analysis import analyse_stream
from ..binary import zip_members
from ..binary.limits import Stopped, create_pickle_budget
from ..binary.model_files import ModelFile, parse_json
from ..binary.sources import SequentialReader
from ..inspection import Inspection, Shape, Tensor

_TYPES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Byte": "uint8", "Char": "int8",
    "Short": "int16", "Int": "int32", "Long": "int64", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32",
}  # fmt: skip
_TENSORS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
#: Where checkpoints keep the model; what else is in them is not counted.
_MODELS = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params", "generator", "ema")
_OBJECTS = 2_000_000
_KEYS = 50
_PICKLE = 64 << 20


def read_torch(file: ModelFile) -> Inspection | None:
    """Kind, class, tensors by type, byte order."""
    if not file.head.startswith(zip_members.MAGIC):
        return None
    members = zip_members.list_members(file)
    at = next((name for name in members if name == "data.pkl" or name.endswith("/data.pkl")), None)
    if at is None:
        return None
    folder = at[: -len("data.pkl")]
    script = any(name.startswith(f"{folder}code/") for name in members)
    content = zip_members.open_member(file, at, _PICKLE)
    found = analyse_stream(lambda: SequentialReader(content), create_pickle_budget(), lone=True)
    if not found.values:
        raise Stopped(found.why)
    details: dict[str, Any] = {}
    for name in ("byteorder", "version"):
        if f"{folder}{name}" in members:
            key = "archive_version" if name == "version" else name
            details[key] = zip_members.read_member(file, f"{folder}{name}", 100).decode("ascii", "replace").strip()
    return describe_values(found.values[:1], "torchscript" if script else "torch", details)


def describe_values(values: tuple[Any, ...], name: str, details: Mapping[str, Any]) -> Inspection:
    """What ``values`` are: the tensors in them counted, each once, however often it is referred to."""
    value = values[0]
    made = class_of(value)
    keys = [key for key, _ in _pairs(value) if isinstance(key, str)]
    kind, model = _kind(value, name)
    dtypes: dict[str, int] = {}
    seen = {}
    for tensor in tensors(model):
        seen[tensor.identity] = tensor
    for tensor in seen.values():
        dtypes[tensor.dtype] = dtypes.get(tensor.dtype, 0) + prod(tensor.shape)
    contents = {"kind": kind, "tensors": len(seen), **details}
    if kind in ("state_dict", "checkpoint") and keys:
        contents["keys"] = keys[:_KEYS]
    is_class = made is not None and kind in ("module", "torchscript")
    return Inspection(
        name,
        framework="torch",
        class_name=made.path.removeprefix("__torch__.") if made is not None and is_class else "",
        parameters=sum(dtypes.values()) if seen else None,
        dtypes=dtypes,
        details={key: value for key, value in contents.items() if value is not None},
    )


def holds_tensors(value: Any) -> bool:
    """Whether a value is a tensor of torch, or a container of some, on its first floor."""
    if isinstance(value, Call) and isinstance(value.callee, Global) and value.callee.module.startswith("torch."):
        return True
    return any(next(tensors(each), None) is not None for _, each in _pairs(value)[:3])


def _kind(value: Any, name: str) -> tuple[str, Any]:
    """``state_dict``, ``checkpoint``, ``module``, ``torchscript`` or ``tensor``; and the part that is the model."""
    if name == "torchscript":
        return name, value
    pairs = _pairs(value)
    if not pairs:
        return ("tensor" if _tensor(value) else "module"), value
    if all(_tensor(_parameter(each)) for _, each in pairs):
        return "state_dict", value
    for wanted in _MODELS:
        for key, each in pairs:
            if key == wanted and next(tensors(each), None) is not None:
                return "checkpoint", each
    return "checkpoint", tuple(each for key, each in pairs if not str(key).startswith("optim"))


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a dict, or of an object that is one; not of a module."""
    items = value.items if isinstance(value, Call) else value
    return list(items.pairs()) if isinstance(items, SymbolicContainer) and items.kind == "dict" else []


class _Tensor:
    """One tensor: the place of its numbers, shape and type."""

    def __init__(self, storage: tuple[Any, ...], offset: Any, shape: tuple[int, ...], dtype: str) -> None:
        self.shape, self.dtype = shape, dtype
        self.identity = (storage[2], offset, shape)


def tensors(value: Any) -> Iterator[_Tensor]:
    """Every tensor in a value, however deep; each object is gone through once."""
    pending, done, left = [value], set(), _OBJECTS
    while pending:
        each = pending.pop()
        if isinstance(each, (Call, SymbolicContainer, tuple)):
            if id(each) in done:
                continue
            done.add(id(each))
            left -= 1
            if left < 0:
                raise Stopped(f"more than {_OBJECTS:,} objects")
        if found := _tensor(each):
            yield found
        elif isinstance(each, Call):
            pending += [part for part in (each.arguments, each.state, each.items) if part is not None]
        elif isinstance(each, SymbolicContainer):
            pending += each.items
        elif isinstance(each, tuple):
            pending += each


def _parameter(value: Any) -> Any:
    """The tensor that a parameter wraps."""
    if (
        isinstance(value, Call)
        and isinstance(value.callee, Global)
        and value.callee.name.startswith("_rebuild_parameter")
    ):
        return value.arguments[0] if isinstance(value.arguments, tuple) and value.arguments else None
    return value


def _tensor(value: Any) -> _Tensor | None:
    if not isinstance(value, Call) or not isinstance(value.callee, Global) or value.callee.name not in _TENSORS:
        return None
    arguments = value.arguments
    if not isinstance(arguments, tuple) or len(arguments) < 3 or not isinstance(arguments[0], Persistent):
        return None
    storage, offset, shape = arguments[0].id, arguments[1], arguments[2]
    if not isinstance(shape, tuple) or not all(type(each) is int and 0 <= each < 1 << 48 for each in shape):
        return None
    if not isinstance(storage, tuple) or len(storage) < 5 or not isinstance(storage[1], Global):
        return None
    dtype = storage[1].name.removesuffix("Storage")
    for each in arguments[4:]:  # a storage without a type: it stands among the others
        if dtype == "Untyped" and isinstance(each, Global) and each.module == "torch":
            return _Tensor(storage, offset, shape, each.name)
    return _Tensor(storage, offset, shape, _TYPES.get(dtype, dtype.lower()))


#: The largest program that is read, in bytes.
PROGRAM = 8 << 20

_PROGRAM_DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 9: "complex32",
    10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2",
    31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz",
}  # fmt: skip
_SYMBOL = re.compile(r"Symbol\('([^']*)'[^()]*\)")
_FORMAT, _FIRST = "archive_format", "serialized_exported_program.json"
_WEIGHTS = ("parameter", "buffer", "tensor_constant")


def read_pt2(file: ModelFile) -> Inspection | None:
    """The inputs and outputs of the program, and its parameters, buffers and constants counted."""
    if not file.head.startswith(zip_members.MAGIC):
        return None
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
    details: dict[str, Any] = {"programs": len(programs)}
    if version in members:
        details["archive_version"] = zip_members.read_member(file, version, 100).decode("ascii", "replace").strip()
    if not programs:
        details["uncounted"] = "its program is compiled"
        return Inspection("pt2", framework="torch", details=details)
    if members[programs[0]].size > PROGRAM:
        details["uncounted"] = f"its program has more than {PROGRAM:,} bytes"
        return Inspection("pt2", framework="torch", details=details)
    return _describe_program(parse_json(zip_members.read_member(file, programs[0], PROGRAM)), details)


def _describe_program(document: Any, details: dict[str, Any]) -> Inspection:
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
            shape = _program_shape(values[name])
            symbolic = symbolic or any(not isinstance(size, int) for size in shape)
            dtypes[_program_dtype(values[name])] += prod(size for size in shape if isinstance(size, int))
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
        inputs=tuple(_program_tensor(name, values) for name in inputs),
        outputs=tuple(_program_tensor(name, values) for name in outputs),
        details=details,
    )


def _specs(listed: Any) -> Iterator[tuple[str, str]]:
    """What each input or output of the graph stands for, and the name of its value."""
    for spec in listed:
        for kind, value in spec.items():
            argument = value.get("arg") if isinstance(value, dict) else None
            if isinstance(argument, dict):
                inner = argument.get("as_tensor", argument)
                if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                    yield kind, inner["name"]


def _program_tensor(name: str, values: dict[str, Any]) -> Tensor:
    value = values.get(name)
    return Tensor(name, _program_dtype(value), _program_shape(value)) if isinstance(value, dict) else Tensor(name)


def _program_dtype(value: dict[str, Any]) -> str:
    return _PROGRAM_DTYPES.get(value.get("dtype", 0), "other")


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
