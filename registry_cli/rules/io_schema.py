"""The signature of a model (inputs, outputs and features), from its lineage, as texts that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

#: The parts of ``lineage.contents`` that are the signature.
SIDES = ("inputs", "outputs")
FEATURES = "features"
_ANY = "?"


def extract_signature(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Return type and shape by name (``inputs.row``: ``float32[?, 4]``; ``features.age``: ``feature``), and the ordered
    names of the features as ``features``. A tensor without a name is named by its position: ``inputs.0``.
    """
    contents = lineage.get("contents")
    if not isinstance(contents, Mapping):
        return {}
    found = {}
    for side in SIDES:
        for at, tensor in enumerate(_as_sequence(contents.get(side))):
            if isinstance(tensor, Mapping):
                found[f"{side}.{tensor.get('name') or at}"] = format_tensor(tensor)
    names = [str(name) for name in _as_sequence(contents.get(FEATURES))]
    return {**found, **dict.fromkeys((f"{FEATURES}.{name}" for name in names), "feature")} | (
        {FEATURES: ", ".join(names)} if names else {}
    )


def comparable_signatures(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parts of two signatures that both have. The order of features is included if their names are equal."""
    old, new = extract_signature(before), extract_signature(after)
    sides = [{name.partition(".")[0] for name in each} for each in (old, new)]
    features = [{name for name in each if name.startswith(f"{FEATURES}.")} for each in (old, new)]
    common = sides[0] & sides[1]
    for each in (old, new) if features[0] != features[1] else ():
        each.pop(FEATURES, None)
    both = [{name: text for name, text in each.items() if name.partition(".")[0] in common} for each in (old, new)]
    return both[0], both[1]


def remove_sides(lineage: Mapping[str, Any], sides: Collection[str]) -> dict[str, Any]:
    """Return the lineage without these parts of the signature."""
    contents = lineage.get("contents")
    if not isinstance(contents, Mapping):
        return dict(lineage)
    return {**lineage, "contents": {key: value for key, value in contents.items() if key not in sides}}


def format_tensor(tensor: Mapping[str, Any]) -> str:
    """Return type and shape of an input or output, as far as they are known: ``float32[?, 4]``."""
    shape = tensor.get("shape")
    sizes = ", ".join(_ANY if size is None else str(size) for size in shape) if isinstance(shape, Sequence) else None
    return f"{tensor.get('type') or ''}{'' if sizes is None else f'[{sizes}]'}" or _ANY


def _as_sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
