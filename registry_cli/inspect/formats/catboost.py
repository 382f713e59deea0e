"""CatBoost: ``.cbm``, recognised by how it begins, with the little it says as text; and the export as JSON, read."""

from __future__ import annotations

import json
import re
from typing import Any

from ..binary.limits import Stopped
from ..binary.model_files import File
from ..inspection import Inspection

MAGIC = b"CBM1"
#: The largest export that is read, in bytes; and so much of the end of a binary one.
JSON, BACK = 8 << 20, 1 << 16

#: How the export begins: with the first feature, or with the tables of categorical ones.
_START = re.compile(
    rb'\s*\{\s*(?:"ctr_data"\s*:\s*\{|"features_info"\s*:\s*\{\s*"(?:float|categorical|text|embedding)_features"\s*:'
    rb'\s*\[\s*\{\s*"(?:borders|feature_id|feature_index|flat_feature_index)"\s*:)'
)
#: What a binary model names itself, right behind its beginning.
_CORE = b"FlabuffersModel_v"
_RELEASE = re.compile(r"Branch: tags/v([0-9][0-9.]*)|CatBoost release ([0-9][0-9.]*)")
_KINDS = ("float_features", "categorical_features", "text_features", "embedding_features")


def read(file: File) -> Inspection | None:
    """The features, the objective, how many trees."""
    if file.head.startswith(MAGIC):
        return _binary(file) if _CORE in file.head else None
    if not _START.match(file.head):
        return None
    document = json.loads(file.whole(JSON))
    info, trees = document["model_info"], document.get("oblivious_trees", document.get("trees"))
    features = _features(document["features_info"])
    loss = (info.get("params") or {}).get("loss_function") or {}
    return Inspection(
        "catboost-json",
        framework="catboost",
        framework_version=_release(str(info.get("catboost_version_info", ""))),
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


def _binary(file: File) -> Inspection:
    """A table of texts lies at the end; the trees and features before it are not read."""
    length = int.from_bytes(file.read(4, 4), "little")
    if 8 + length > file.size:
        raise Stopped("it is cut short")
    text = file.ending(BACK).decode("utf-8", "replace")
    return Inspection("catboost", framework="catboost", framework_version=_release(text), class_name="CatBoost")


def _release(text: str) -> str:
    found = _RELEASE.search(text)
    return (found[1] or found[2]).rstrip(".") if found else ""


def _features(info: dict[str, Any]) -> list[str]:
    """The names of all features in their order; a feature without a name is empty."""
    listed = [each for kind in _KINDS for each in info.get(kind) or ()]
    listed.sort(key=lambda each: each.get("flat_feature_index", 0))
    return [str(each.get("feature_id") or "") for each in listed]
