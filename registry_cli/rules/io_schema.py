"""What a model takes and gives, as its lineage tells it, in words that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

#: The parts of ``lineage.contents`` that are the signature.
SIDES = ("inputs", "outputs")
FEATURES = "features"
_ANY = "?"


def extract_signature(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Name to type and shape: ``inputs.row`` to ``float32[?, 4]``, ``features.age`` to ``feature``; and, as ``features``,
    the names in their order. What has no name is named by its place: ``inputs.0``.
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
    """Both signatures: of inputs, outputs and features those that both tell. The order of features is told only where
    their names are the same.
    """
    old, new = extract_signature(before), extract_signature(after)
    common = _known_sides(old) & _known_sides(new)
    if _feature_names(old) != _feature_names(new):
        old.pop(FEATURES, None)
        new.pop(FEATURES, None)
    both = [{name: text for name, text in each.items() if name.partition(".")[0] in common} for each in (old, new)]
    return both[0], both[1]


def remove_sides(lineage: Mapping[str, Any], sides: Collection[str]) -> dict[str, Any]:
    """The lineage without these sides of the signature."""
    contents = lineage.get("contents")
    if not isinstance(contents, Mapping):
        return dict(lineage)
    return {**lineage, "contents": {key: value for key, value in contents.items() if key not in sides}}


def format_tensor(tensor: Mapping[str, Any]) -> str:
    """Type and shape of an input or output: ``float32[?, 4]``; what is not known is left out."""
    shape = tensor.get("shape")
    sizes = ", ".join(_ANY if size is None else str(size) for size in shape) if isinstance(shape, Sequence) else None
    return f"{tensor.get('type') or ''}{'' if sizes is None else f'[{sizes}]'}" or _ANY


def _known_sides(found: Mapping[str, str]) -> set[str]:
    return {name.partition(".")[0] for name in found}


def _feature_names(found: Mapping[str, str]) -> set[str]:
    return {name for name in found if name.startswith(f"{FEATURES}.")}


def _as_sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
