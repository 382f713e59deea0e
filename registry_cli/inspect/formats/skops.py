"""skops: an archive with ``schema.json``, which tells every object in a scikit-learn model, and arrays beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..binary import zip_members
from ..binary.model_files import ModelFile, iter_objects
from ..inspection import Inspection

#: The largest schema that is read, in bytes, and the most objects in it that are gone through.
SCHEMA = 8 << 20
_NAME = "schema.json"
_PLAIN = ("builtins", "numpy", "scipy", "sklearn")


def read(file: ModelFile) -> Inspection | None:
    """The class of the model, its steps and features, and what packages its objects come from."""
    if not file.head.startswith(zip_members.MAGIC) or _NAME not in zip_members.list_members(file):
        return None
    schema = json.loads(zip_members.read_member(file, _NAME, SCHEMA))
    if "_skops_version" not in schema:
        return None
    modules = _modules(schema)
    attributes = _attributes(schema)
    names = _value(attributes.get("feature_names_in_"))
    count = _value(attributes.get("n_features_in_"))
    steps = [_class(step) for step in _steps(attributes)]
    for step in _steps(attributes):  # a pipeline knows its features by its first step
        first = _attributes(step)
        names = names or _value(first.get("feature_names_in_"))
        count = count if count is not None else _value(first.get("n_features_in_"))
        break
    version = _value(attributes.get("_sklearn_version"))
    return Inspection(
        "skops",
        framework="sklearn" if "sklearn" in modules else "",
        framework_version=str(version or ""),
        class_name=_class(schema),
        features=tuple(map(str, names)) if isinstance(names, list) else (),
        feature_count=count if isinstance(count, int) else None,
        details={
            "steps": steps,
            "modules": modules,
            "other_modules": [name for name in modules if name not in _PLAIN],
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


def _steps(attributes: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The estimators of a pipeline."""
    steps = (attributes.get("steps") or {}).get("content")
    for step in steps if isinstance(steps, list) else ():
        yield step["content"][1]


def _value(node: Any) -> Any:
    """A node that is plain text, a number, or a list of them; None for any other."""
    if not isinstance(node, dict):
        return None
    if node.get("is_json"):
        return json.loads(node["content"])
    if node.get("type") == "json" and isinstance(node.get("content"), list):
        return [_value(each) for each in node["content"]]
    return None


def _modules(schema: Any) -> list[str]:
    """The packages that the objects come from."""
    modules = (node.get("__module__") for node in iter_objects(schema))
    return sorted({module.partition(".")[0] for module in modules if isinstance(module, str)})
