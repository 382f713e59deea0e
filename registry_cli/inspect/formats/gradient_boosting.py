"""Gradient boosting: XGBoost, LightGBM and CatBoost. What precedes and follows the trees is read; the trees are not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ..binary.limits import Stopped
from ..binary.model_files import DOCUMENT, ModelFile
from ..binary.ubjson import Decoder
from ..inspection import Inspection
from . import UBJSON

#: So much is read at the front, where the names of features are, and so much at the end.
XGBOOST_FRONT, XGBOOST_BACK = 1 << 18, 1 << 16

#: How the document begins: with the learner, before which its version may stand, and one of the learner's own parts.
_XGBOOST_START = re.compile(
    rb'\s*\{\s*(?:"version"\s*:\s*\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]\s*,\s*)?"learner"\s*:\s*\{\s*'
    rb'"(?:attributes|feature_names|feature_types|gradient_booster|learner_model_param|objective)"\s*:'
)
_MISSING = object()


class _Encoding(NamedTuple):
    """An encoding of documents of XGBoost: what follows the trees, the pattern of a key, the decoder of its value."""

    mark: bytes
    key: bytes
    decode: Callable[[bytes], Any]


_AS_JSON = _Encoding(
    b'"learner_model', rb'"%b"\s*:\s*', lambda data: json.JSONDecoder().raw_decode(data.decode("utf-8", "replace"))[0]
)
_AS_UBJSON = _Encoding(b"learner_model_param{", b"%b", lambda data: Decoder(data).value())


def read_xgboost(file: ModelFile) -> Inspection | None:
    """Both are written in one order of keys: attributes, features, trees, parameters, objective, version."""
    if file.head.startswith(UBJSON):
        name, encoding = "xgboost-ubj", _AS_UBJSON
    elif _XGBOOST_START.match(file.head):
        name, encoding = "xgboost-json", _AS_JSON
    else:
        return None
    front, back = file.beginning(XGBOOST_FRONT), _read_end(file, encoding.mark)
    parameters, version = _find(encoding, back, b"learner_model_param"), _find(encoding, back, b"version")
    if parameters is _MISSING or version is _MISSING:
        raise Stopped("it is cut short, or not a model of XGBoost")
    objective, trees = _find(encoding, back, b"objective"), _find(encoding, front, b"gbtree_model_param")
    features, attributes = _find(encoding, front, b"feature_names"), _find(encoding, front, b"attributes")
    booster = _find(encoding, back, b"name")
    return Inspection(
        name,
        framework="xgboost",
        framework_version=".".join(map(str, version)),
        class_name=booster if isinstance(booster, str) else "",
        features=tuple(map(str, features)) if isinstance(features, list) else (),
        feature_count=int(parameters["num_feature"]),
        details={
            "objective": objective.get("name") if isinstance(objective, dict) else None,
            "trees": int(trees["num_trees"]) if isinstance(trees, dict) else None,
            "classes": int(parameters.get("num_class", 0)) or None,
            "attributes": attributes if isinstance(attributes, dict) else None,
        },
    )


def _find(encoding: _Encoding, data: bytes, key: bytes) -> Any:
    """The value of the first ``key``; ``_MISSING`` also if it reaches beyond what was read."""
    match = re.search(encoding.key % key, data)
    try:
        return encoding.decode(data[match.end() :]) if match else _MISSING
    except (Stopped, ValueError):
        return _MISSING


def _read_end(file: ModelFile, mark: bytes) -> bytes:
    """What is behind the trees: the name of the booster comes right before ``mark``."""
    data = file.ending(XGBOOST_BACK)
    at = data.rfind(mark)
    return data[max(data.rfind(b"name", 0, max(at, 0)) - 1, 0) :] if at >= 0 else data


LIGHTGBM_FRONT, LIGHTGBM_BACK = 4 << 20, 1 << 14

_TREES = re.compile(rb"\r?\n\r?\nTree=0\r?\n")
_PARAMETER = re.compile(r"^\[(\w+): (.*)\]$", re.MULTILINE)
_TRAINING_PARAMETERS = ("num_iterations", "learning_rate", "num_leaves", "max_depth", "seed")


def read_lightgbm(file: ModelFile) -> Inspection | None:
    """The head, and the parameters at the end."""
    if not file.head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return None
    head = _read_head(file)
    given = dict(_PARAMETER.findall(file.ending(LIGHTGBM_BACK).decode("utf-8", "replace")))
    features = tuple(head["feature_names"].split())
    return Inspection(
        "lightgbm",
        framework="lightgbm",
        class_name=given.get("boosting", ""),
        features=features,
        feature_count=int(head["max_feature_idx"]) + 1,
        details={
            "objective": head.get("objective", "").split(" ")[0],
            "trees": len(head["tree_sizes"].split()) if "tree_sizes" in head else None,
            "classes": int(head["num_class"]),
            "text_version": head["version"],
            "trained_with": {name: given[name] for name in _TRAINING_PARAMETERS if name in given},
        },
    )


def _read_head(file: ModelFile) -> dict[str, str]:
    """The ``key=value`` lines before the first tree."""
    most = len(file.head)
    while True:
        data = file.beginning(most)
        if (end := _TREES.search(data)) or b"\nend of trees" in data:
            break
        if most >= min(LIGHTGBM_FRONT, file.size):
            raise Stopped("its head has no end")
        most *= 8
    lines = data[: end.start() if end else None].decode("utf-8", "replace").splitlines()
    return {key: value for key, mark, value in (line.partition("=") for line in lines) if mark}


CATBOOST_BACK = 1 << 16

#: How the export begins: with the first feature, or with the tables of categorical ones.
_CATBOOST_START = re.compile(
    rb'\s*\{\s*(?:"ctr_data"\s*:\s*\{|"features_info"\s*:\s*\{\s*"(?:float|categorical|text|embedding)_features"\s*:'
    rb'\s*\[\s*\{\s*"(?:borders|feature_id|feature_index|flat_feature_index)"\s*:)'
)
_RELEASE = re.compile(r"Branch: tags/v([0-9][0-9.]*)|CatBoost release ([0-9][0-9.]*)")
_KINDS = ("float_features", "categorical_features", "text_features", "embedding_features")


def read_catboost(file: ModelFile) -> Inspection | None:
    """The features, the objective, how many trees."""
    if file.head.startswith(b"CBM1"):  # a table of texts is at its end; the trees before it are not read
        if b"FlabuffersModel_v" not in file.head:
            return None
        if 8 + int.from_bytes(file.read(4, 4), "little") > file.size:
            raise Stopped("it is cut short")
        release = _find_release(file.ending(CATBOOST_BACK).decode("utf-8", "replace"))
        return Inspection("catboost", framework="catboost", framework_version=release, class_name="CatBoost")
    if not _CATBOOST_START.match(file.head):
        return None
    document = json.loads(file.whole(DOCUMENT))
    info, trees = document["model_info"], document.get("oblivious_trees", document.get("trees"))
    listed = [each for kind in _KINDS for each in document["features_info"].get(kind) or ()]
    listed.sort(key=lambda each: each.get("flat_feature_index", 0))
    features = [str(each.get("feature_id") or "") for each in listed]
    loss = (info.get("params") or {}).get("loss_function") or {}
    return Inspection(
        "catboost-json",
        framework="catboost",
        framework_version=_find_release(str(info.get("catboost_version_info", ""))),
        class_name="CatBoost",
        features=tuple(name for name in features if name),
        feature_count=len(features),
        details={
            "objective": loss.get("type"),
            "trees": len(trees) if isinstance(trees, list) else None,
            "model_guid": info.get("model_guid"),
            "trained": info.get("train_finish_time"),
        },
    )


def _find_release(text: str) -> str:
    found = _RELEASE.search(text)
    return (found[1] or found[2]).rstrip(".") if found else ""
