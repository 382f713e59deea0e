"""XGBoost, as JSON and as UBJSON: what stands before and after the trees; the trees are not read."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from typing import Any

from ..binary.limits import Stopped
from ..binary.model_files import File
from ..binary.ubjson import Decoder
from ..inspection import Inspection

UBJSON = (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", b"{i\x07learner{", b"{U\x07learner{")
#: So much is read at the front, where the names of features are, and so much at the end.
FRONT, BACK = 1 << 18, 1 << 16

#: How the document begins: with the learner, before which its version may stand, and one of the learner's own parts.
_START = re.compile(
    rb'\s*\{\s*(?:"version"\s*:\s*\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]\s*,\s*)?"learner"\s*:\s*\{\s*'
    rb'"(?:attributes|feature_names|feature_types|gradient_booster|learner_model_param|objective)"\s*:'
)
_MISSING = object()
#: Finds the value of a key: from the front, or from the back of what was read.
Find = Callable[[str, bool], Any]


def read(file: File) -> Inspection | None:
    """Both are written in one order of keys: attributes, features, trees, parameters, objective, version."""
    if file.head.startswith(UBJSON):
        return _told("xgboost-ubj", _ubjson(file))
    if _START.match(file.head):
        return _told("xgboost-json", _json(file))
    return None


def _told(name: str, find: Find) -> Inspection:
    parameters, version = find("learner_model_param", False), find("version", False)
    if parameters is _MISSING or version is _MISSING:
        raise Stopped("it is cut short, or not a model of XGBoost")
    objective, trees = find("objective", False), find("gbtree_model_param", True)
    features, attributes = find("feature_names", True), find("attributes", True)
    booster = find("name", False)
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


def _json(file: File) -> Find:
    front, back = (data.decode("utf-8", "replace") for data in (file.beginning(FRONT), _back(file, b'"learner_model')))
    decoder = json.JSONDecoder()

    def find(key: str, from_front: bool) -> Any:
        text = front if from_front else back
        match = re.search(rf'"{key}"\s*:\s*', text)
        if match is None:
            return _MISSING
        try:
            return decoder.raw_decode(text, match.end())[0]
        except ValueError:  # it goes on behind what was read
            return _MISSING

    return find


def _ubjson(file: File) -> Find:
    front, back = file.beginning(FRONT), _back(file, b"learner_model_param{")

    def find(key: str, from_front: bool) -> Any:
        data = front if from_front else back
        at = data.find(key.encode())
        if at < 0:
            return _MISSING
        try:
            return Decoder(data, at + len(key)).value()
        except (Stopped, struct.error):  # it goes on behind what was read
            return _MISSING

    return find


def _back(file: File, mark: bytes) -> bytes:
    """What stands behind the trees: the name of the booster comes right before ``mark``."""
    data = file.ending(BACK)
    at = data.rfind(mark)
    return data[max(data.rfind(b"name", 0, max(at, 0)) - 1, 0) :] if at >= 0 else data
