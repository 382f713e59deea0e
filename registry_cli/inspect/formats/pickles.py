"""Pickles, also as joblib writes them and compressed: the class of the object and its attributes, or tensors of torch.

Nothing is unpickled: see ``scan.pickle``. Files that torch wrote before it wrote archives are pickles, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple, TypeVar

from ...scan.pickle.opcode_reader import OPCODES
from ...scan.pickle.stack_values import Call, Global, Persistent, SymbolicContainer, attributes, class_of
from ...scan.pickle.stream_analysis import StreamAnalysis, analyse_stream
from ..binary.decompression import DecompressedStream, compression_of, read_beginning
from ..binary.limits import Stopped, Stream, create_pickle_budget
from ..binary.model_files import ModelFile
from ..binary.sources import ByteSource, SequentialReader
from ..inspection import Inspection, parameter_counts

T = TypeVar("T")

_FRAMEWORKS = (
    "sklearn", "xgboost", "lightgbm", "catboost", "torch", "statsmodels", "pandas", "numpy", "scipy", "imblearn",
)  # fmt: skip
_NAMES = 10_000
#: Names that only pickles have, as the scan knows them: one of these may be damaged, and is a pickle all the same.
_NAMED = (".pkl", ".pickle", ".joblib", ".dill", ".cpkl", ".pk", ".p", ".sav", ".ckpt", ".pt", ".pth")


def read(file: ModelFile) -> Inspection | None:
    """What the first object of the file is; of a pipeline its steps, of a search what it found."""
    spent, kind = create_pickle_budget(), compression_of(file.head)

    def open_stream() -> Stream:
        return DecompressedStream(SequentialReader(file), kind, spent) if kind else SequentialReader(file)

    start = read_beginning(open_stream, 1)
    if not start or start[0] not in OPCODES:
        return None
    marked = not kind and file.head[:1] == b"\x80" and file.head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    named = file.name.lower().endswith(_NAMED)
    found = analyse_stream(open_stream, spent)
    if not found.values:
        if not marked:
            return None
        raise Stopped(found.why)
    details: dict[str, Any] = {"compression": kind or None, "protocol": found.protocol or None}
    if found.legacy_torch:
        return describe_tensors(found.values[3], "torch-legacy", details) if len(found.values) > 3 else None
    if not (found.complete or marked or named or (kind and start == b"\x80")):
        return None  # a text that begins by chance as a pickle does
    name = "joblib" if found.arrays or ".joblib" in file.name.lower().rpartition("/")[2] else "pickle"
    if not found.complete:
        details["incomplete"] = found.why
    value = found.values[0]
    return describe_tensors(value, name, details) if _holds_tensors(value) else _describe(found.values, name, details)


def analyse(source: ByteSource, *, lone: bool = False) -> StreamAnalysis:
    """Analyse a pickle within the limits for one file; ``lone``: ignore what follows the first object."""
    return analyse_stream(lambda: SequentialReader(source), create_pickle_budget(), lone=lone)


def dict_items(value: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a dict, or of an object that is one; empty for any other value."""
    items = value.items if isinstance(value, Call) else value
    return list(items.pairs()) if isinstance(items, SymbolicContainer) and items.kind == "dict" else []


def _describe(values: tuple[Any, ...], name: str, details: dict[str, Any]) -> Inspection:
    value = values[0]
    state = attributes(value) if isinstance(value, Call) else {}
    found = [state["best_estimator_"]] if "best_estimator_" in state else []
    found += [model for _, model in _steps(state)]
    found += [model for each in found for _, model in _steps(attributes(each))]
    inner = [value, *(each for each in found if isinstance(each, Call))]
    states = [attributes(each) for each in inner]
    packages = [made.module.partition(".")[0] for each in inner if (made := class_of(each))]
    framework = next((package for package in packages if package in _FRAMEWORKS), "")
    if len(values) > 1:
        details["pickles"] = len(values)
    details |= {
        "steps": [f"{step} {_path(model)}".strip() for step, model in _steps(state)],
        "best": _path(state.get("best_estimator_")) or None,
        "output_count": _first(states, "n_outputs_", _count),
        "classes": list(_texts(state.get("classes_"))) or None,
        "keys": [key for key, _ in dict_items(value) if isinstance(key, str)],
    }
    return Inspection(
        name,
        framework=framework,
        framework_version=(_first(states, "_sklearn_version", _text) or "") if framework == "sklearn" else "",
        class_name=_path(value),
        features=_first(states, "feature_names_in_", _texts) or (),
        feature_count=_first(states, "n_features_in_", _count),
        details={key: value for key, value in details.items() if value is not None},
    )


def _first(states: list[dict[str, Any]], key: str, parse: Callable[[Any], T | None]) -> T | None:
    return next((found for each in states if (found := parse(each.get(key)))), None)


def _path(value: Any) -> str:
    """The class of a value: ``sklearn.linear_model._logistic.LogisticRegression``."""
    made = class_of(value)
    return made.path.removeprefix("builtins.") if made else ""


def _steps(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and estimators of a pipeline, or of another composite estimator."""
    for key in ("steps", "transformers", "estimators"):
        listed = state.get(key)
        for step in listed.items[:100] if isinstance(listed, SymbolicContainer) else ():
            if isinstance(step, tuple) and len(step) >= 2 and isinstance(step[0], str):
                yield step[0], step[1]


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 40 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of an array of objects, whose state ends with a list of them."""
    state = value.state if isinstance(value, Call) else None
    listed = state[4] if isinstance(state, tuple) and len(state) == 5 else value
    if not isinstance(listed, SymbolicContainer) or listed.kind != "list":
        return ()
    return tuple(each for each in listed.items[:_NAMES] if isinstance(each, str))


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


def describe_tensors(value: Any, name: str, details: Mapping[str, Any]) -> Inspection:
    """What an object of torch is: the tensors in it counted, each once, however often it is referred to."""
    made = class_of(value)
    keys = [key for key, _ in dict_items(value) if isinstance(key, str)]
    kind, model = _find_model(value, name)
    tensors = {tensor.identity: tensor for tensor in _iter_tensors(model)}
    dtypes: Counter[str] = Counter()
    for tensor in tensors.values():
        dtypes[tensor.dtype] += prod(tensor.shape)
    contents = {"kind": kind, "tensors": len(tensors), **details}
    if kind in ("state_dict", "checkpoint") and keys:
        contents["keys"] = keys[:_KEYS]
    return Inspection(
        name,
        framework="torch",
        class_name=made.path.removeprefix("__torch__.") if made and kind in ("module", "torchscript") else "",
        **(parameter_counts(dtypes) if tensors else {}),
        details={key: value for key, value in contents.items() if value is not None},
    )


def _holds_tensors(value: Any) -> bool:
    """Whether a value is an object of torch, or a container with some on its first level."""
    if isinstance(value, Call) and isinstance(value.callee, Global) and value.callee.module.startswith("torch."):
        return True
    return any(next(_iter_tensors(each), None) is not None for _, each in dict_items(value)[:3])


def _find_model(value: Any, name: str) -> tuple[str, Any]:
    """``state_dict``, ``checkpoint``, ``module``, ``torchscript`` or ``tensor``; and the part that is the model."""
    if name == "torchscript":
        return name, value
    pairs = dict_items(value)
    if not pairs:
        return ("tensor" if _tensor(value) else "module"), value
    if all(_tensor(_parameter(each)) for _, each in pairs):
        return "state_dict", value
    for model_key in _MODELS:
        for key, each in pairs:
            if key == model_key and next(_iter_tensors(each), None) is not None:
                return "checkpoint", each
    return "checkpoint", tuple(each for key, each in pairs if not str(key).startswith("optim"))


class _Tensor(NamedTuple):
    """One tensor: where its numbers lie, its shape and type."""

    identity: tuple[Any, ...]
    shape: tuple[int, ...]
    dtype: str


def _iter_tensors(value: Any) -> Iterator[_Tensor]:
    """Every tensor in a value, however deep; each object is gone through once."""
    pending, done, left = [value], set(), _OBJECTS
    while pending:
        each = pending.pop()
        if not isinstance(each, (Call, SymbolicContainer, tuple)) or id(each) in done:
            continue
        done.add(id(each))
        left -= 1
        if left < 0:
            raise Stopped(f"more than {_OBJECTS:,} objects")
        if found := _tensor(each):
            yield found
        elif isinstance(each, Call):
            pending += [part for part in (each.arguments, each.state, each.items) if part is not None]
        else:
            pending += each.items if isinstance(each, SymbolicContainer) else each


def _parameter(value: Any) -> Any:
    callee = value.callee if isinstance(value, Call) else None
    if isinstance(callee, Global) and callee.name.startswith("_rebuild_parameter"):
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
            return _Tensor((storage[2], offset, shape), shape, each.name)
    return _Tensor((storage[2], offset, shape), shape, _TYPES.get(dtype, dtype.lower()))
