"""What torch.save writes: an archive with a pickle in it, and the numbers of each tensor as a member of their own.

The pickle tells the shape and type of every tensor, so that the count of the parameters is exact. TorchScript lies in
archives of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from ...scan.pickle.stack_values import Call, Global, Many, Persistent, class_of
from ...scan.pickle.stream_analysis import walk
from ..binary import zip_members
from ..binary.limits import Stopped
from ..binary.model_files import File
from ..binary.sources import Straight
from ..inspection import Inspection

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


def read(file: File) -> Inspection | None:
    """Kind, class, tensors by type, byte order."""
    from .pickles import budget

    if not file.head.startswith(zip_members.MAGIC):
        return None
    members = zip_members.members(file)
    at = next((name for name in members if name == "data.pkl" or name.endswith("/data.pkl")), None)
    if at is None:
        return None
    folder = at[: -len("data.pkl")]
    script = any(name.startswith(f"{folder}code/") for name in members)
    content = zip_members.body(file, at, _PICKLE)
    found = walk(lambda: Straight(content), budget(), lone=True)
    if not found.values:
        raise Stopped(found.why)
    details: dict[str, Any] = {}
    for name in ("byteorder", "version"):
        if f"{folder}{name}" in members:
            key = "archive_version" if name == "version" else name
            details[key] = zip_members.read(file, f"{folder}{name}", 100).decode("ascii", "replace").strip()
    return described(found.values[:1], "torchscript" if script else "torch", details)


def described(values: tuple[Any, ...], name: str, details: Mapping[str, Any]) -> Inspection:
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
    said = {"kind": kind, "tensors": len(seen), **details}
    if kind in ("state_dict", "checkpoint") and keys:
        said["keys"] = keys[:_KEYS]
    is_class = made is not None and kind in ("module", "torchscript")
    return Inspection(
        name,
        framework="torch",
        class_name=made.path.removeprefix("__torch__.") if made is not None and is_class else "",
        parameters=sum(dtypes.values()) if seen else None,
        dtypes=dtypes,
        details={key: value for key, value in said.items() if value is not None},
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
    return list(items.pairs()) if isinstance(items, Many) and items.kind == "dict" else []


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
        if isinstance(each, (Call, Many, tuple)):
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
        elif isinstance(each, Many):
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
