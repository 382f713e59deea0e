"""Pickles, also as joblib writes them and compressed: the class of the object and what its attributes say.

Nothing is unpickled: see ``scan.pickle``. Files that torch wrote before it wrote archives are pickles, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...scan.pickle.opcode_reader import OPCODES
from ...scan.pickle.stack_values import Call, Global, SymbolicContainer, attributes, class_of
from ...scan.pickle.stream_analysis import StreamAnalysis, analyse_stream
from ..binary.decompression import DecompressedStream, compression_of, read_beginning
from ..binary.limits import Stopped, Stream, create_pickle_budget
from ..binary.model_files import ModelFile
from ..binary.sources import SequentialReader
from ..inspection import Inspection

_FRAMEWORKS = (
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "torch",
    "statsmodels",
    "pandas",
    "numpy",
    "scipy",
    "imblearn",
)
_NAMES = 10_000
#: Names that only pickles have, as the scan knows them: one of these may be damaged, and is a pickle all the same.
_NAMED = (".pkl", ".pickle", ".joblib", ".dill", ".cpkl", ".pk", ".p", ".sav", ".ckpt", ".pt", ".pth")


def read(file: ModelFile) -> Inspection | None:
    """What the first object of the file is; of a pipeline its steps, of a search what it found."""
    spent = create_pickle_budget()
    opened: Callable[[], Stream] = lambda: SequentialReader(file)  # noqa: E731
    kind = compression_of(file.head)
    if kind:
        packed = opened
        opened = lambda: DecompressedStream(packed(), kind, spent)  # noqa: E731
    start = read_beginning(opened, 1) if kind else file.head[:1]
    if not start or start[0] not in OPCODES:
        return None
    marked = not kind and file.head[:1] == b"\x80" and file.head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    named = file.name.lower().endswith(_NAMED)
    found = analyse_stream(opened, spent)
    if not found.values:
        if not marked:
            return None
        raise Stopped(found.why)
    details: dict[str, Any] = {"compression": kind or None, "protocol": found.protocol or None}
    if found.legacy_torch:
        from . import torch

        return torch.describe_values(found.values[3:4], "torch-legacy", details) if len(found.values) > 3 else None
    if not (found.complete or marked or named or (kind and start == b"\x80")):
        return None  # a text that begins by chance as a pickle does
    name = "joblib" if found.arrays or ".joblib" in file.name.lower().rpartition("/")[2] else "pickle"
    if not found.complete:
        details["incomplete"] = found.why
    return _describe(found, name, details)


def _describe(found: StreamAnalysis, name: str, details: dict[str, Any]) -> Inspection:
    from . import torch  # most files that begin with an opcode are no pickles

    value = found.values[0]
    made = class_of(value)
    if torch.holds_tensors(value):
        return torch.describe_values((value,), name, details)
    state = attributes(value) if isinstance(value, Call) else {}
    inner = [value, *_inside(state)]
    framework = _framework(made, inner)
    if len(found.values) > 1:
        details["pickles"] = len(found.values)
    first = [attributes(each) for each in inner]
    names = next((names for each in first if (names := _texts(each.get("feature_names_in_")))), ())
    details |= {
        "steps": [f"{step} {_path(model)}".strip() for step, model in _steps(state)],
        "best": _path(state.get("best_estimator_")) or None,
        "output_count": next((count for each in first if (count := _count(each.get("n_outputs_")))), None),
        "classes": list(_texts(state.get("classes_"))) or None,
        "keys": [key for key in _keys(value) if isinstance(key, str)],
    }
    return Inspection(
        name,
        framework=framework,
        framework_version=_version(inner) if framework == "sklearn" else "",
        class_name=_path_of(made),
        features=names,
        feature_count=next((count for each in first if (count := _count(each.get("n_features_in_")))), None),
        details={key: value for key, value in details.items() if value is not None},
    )


def _path_of(made: Global | None) -> str:
    """``sklearn.linear_model._logistic.LogisticRegression``."""
    return made.path.removeprefix("builtins.") if made else ""


def _path(value: Any) -> str:
    return _path_of(class_of(value))


def _keys(value: Any) -> list[Any]:
    """The keys of a dict."""
    if isinstance(value, Call) and value.items is not None:
        value = value.items
    return [key for key, _ in value.pairs()] if isinstance(value, SymbolicContainer) and value.kind == "dict" else []


def _steps(state: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and estimators of a pipeline, or of what is put together of several."""
    for key in ("steps", "transformers", "estimators"):
        listed = state.get(key)
        for step in listed.items[:100] if isinstance(listed, SymbolicContainer) else ():
            if isinstance(step, tuple) and len(step) >= 2 and isinstance(step[0], str):
                yield step[0], step[1]


def _inside(state: dict[str, Any]) -> list[Any]:
    """The estimators within one: what a search found, the steps of a pipeline, and one more floor of these."""
    found = [state["best_estimator_"]] if "best_estimator_" in state else []
    found += [model for _, model in _steps(state)]
    deeper = [model for each in found for _, model in _steps(attributes(each))]
    return [each for each in (*found, *deeper) if isinstance(each, Call)]


def _framework(made: Global | None, inner: list[Any]) -> str:
    for each in (made, *map(class_of, inner)):
        top = each.module.partition(".")[0] if each else ""
        if top in _FRAMEWORKS:
            return top
    return ""


def _version(inner: list[Any]) -> str:
    versions = (attributes(each).get("_sklearn_version") for each in inner)
    return next((version for version in versions if isinstance(version, str)), "")


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 1 << 40 else None


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of an array of objects, whose state ends with a list of them."""
    state = value.state if isinstance(value, Call) else None
    listed = state[4] if isinstance(state, tuple) and len(state) == 5 else value
    if not isinstance(listed, SymbolicContainer) or listed.kind != "list":
        return ()
    return tuple(each for each in listed.items[:_NAMES] if isinstance(each, str))
