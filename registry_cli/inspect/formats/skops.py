"""skops: an archive with ``schema.json``, which describes every object in a scikit-learn model, and its arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..binary import zip_members
from ..binary.model_files import ModelFile, iter_objects
from ..inspection import Inspection

_NAME = "schema.json"
_PLAIN = ("builtins", "numpy", "scipy", "sklearn")


def read(file: ModelFile) -> Inspection | None:
    """The class of the model, its steps and features, and what packages its objects come from."""
    if _NAME not in zip_members.list_members(file):
        return None
    schema = json.loads(zip_members.read_member(file, _NAME))
    if "_skops_version" not in schema:
        return None
    modules = (node.get("__module__") for node in iter_objects(schema))
    packages = sorted({each.partition(".")[0] for each in modules if isinstance(each, str)})
    attributes = _attributes(schema)
    listed = (attributes.get("steps") or {}).get("content")
    steps = [step["content"][1] for step in listed] if isinstance(listed, list) else []
    holders = [attributes, *map(_attributes, steps[:1])]  # a pipeline knows its features by its first step
    names = next((names for each in holders if (names := _value(each.get("feature_names_in_")))), ())
    count = next((count for each in holders if (count := _value(each.get("n_features_in_"))) is not None), None)
    return Inspection(
        "skops",
        framework="sklearn" if "sklearn" in packages else "",
        framework_version=str(_value(attributes.get("_sklearn_version")) or ""),
        class_name=_class(schema),
        features=tuple(map(str, names)) if isinstance(names, list) else (),
        feature_count=count if isinstance(count, int) else None,
        details={
            "steps": [_class(step) for step in steps],
            "modules": packages,
            "other_modules": [name for name in packages if name not in _PLAIN],
            "skops_version": schema.get("_skops_version"),
        },
    )


def _class(node: Mapping[str, Any]) -> str:
    return f"{node.get('__module__', '')}.{node.get('__class__', '')}".strip(".")


def _attributes(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of an object, each a node."""
    inside = node.get("content")
    found = inside.get("content") if isinstance(inside, dict) else None
    return found if isinstance(found, dict) else {}


def _value(node: Any) -> Any:
    """A node that is plain text, a number, or a list of them; None for any other."""
    if not isinstance(node, dict):
        return None
    if node.get("is_json"):
        return json.loads(node["content"])
    if node.get("type") == "json" and isinstance(node.get("content"), list):
        return [_value(each) for each in node["content"]]
    return None
