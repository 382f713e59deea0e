"""The contents of model files as text, for ``show`` and ``inspect``. They come from files that anybody may have made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...rules.io_schema import format_tensor
from ..formatting import format_number

#: The number of inputs, features and other items shown; ``--json`` has all that are kept.
_SHOWN = 12
#: The names that come first, in this order.
_FIRST = ("class", "parameters", "inputs", "outputs", "features")
#: The names that are part of another line.
_WITHIN = ("dtypes", "feature_count", "features_digest")


def iter_pairs(lineage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """For a pipe: dotted names, lists and what is empty as JSON."""
    for name, value in _flatten("lineage", lineage):
        yield name, value if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False)


def _flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}", inner)
    else:
        yield name, value


def format_lines(lineage: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For a person: a compact block of names and texts."""
    contents = lineage.get("contents")
    contents = contents if isinstance(contents, Mapping) else {}
    texts = {"format": _format_value(lineage.get("format")), "framework": _format_value(lineage.get("framework"))}
    texts |= {
        name: _FORMATTERS[name](contents) if name in _FORMATTERS else _format_value(contents.get(name))
        for name in _FIRST
    }
    texts |= {name: _format_value(value) for name, value in contents.items() if name not in (*_FIRST, *_WITHIN)}
    texts["scan"] = _format_scan(lineage.get("scan"))
    return [(name.replace("_", " "), text) for name, text in texts.items() if text]


def _format_scan(scan: Any) -> str:
    """The verdict, its reason, and why it was let in all the same; nothing for the best one."""
    if not isinstance(scan, Mapping) or scan.get("verdict") == "safe-format":
        return ""
    reasons, names = scan.get("reasons"), scan.get("globals")
    causes = reasons if isinstance(reasons, list) else names if isinstance(names, list) else []
    verdict = ": ".join(
        filter(None, (_format_value(scan.get("verdict")), _join_first([_format_value(each) for each in causes])))
    )
    return f"{verdict}; allowed: {_format_value(scan['allowed'])}" if scan.get("allowed") else verdict


def _format_value(value: Any) -> str:
    """Any value: mappings as ``name value, name value``."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return _join_first([f"{name} {_format_value(inner)}".strip() for name, inner in value.items()])
    if isinstance(value, (list, tuple)):
        return _join_first(
            [
                _format_tensor(each) if isinstance(each, Mapping) and "name" in each else _format_value(each)
                for each in value
            ]
        )
    return format_number(value)


def _join_first(texts: Sequence[str], total: int | None = None) -> str:
    more = (len(texts) if total is None else total) - min(len(texts), _SHOWN)
    return ", ".join(texts[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _format_tensor(tensor: Mapping[str, Any]) -> str:
    """One input or output: ``row float32[?, 4]``."""
    return f"{tensor.get('name', '')} {format_tensor(tensor)}".strip()


def format_tensors(listed: Any) -> str:
    return _join_first([_format_tensor(each) for each in mappings(listed)])


def mappings(listed: Any) -> list[Mapping[str, Any]]:
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, (list, tuple)) else []


def _format_parameters(contents: Mapping[str, Any]) -> str:
    count, dtypes = contents.get("parameters"), contents.get("dtypes")
    if not isinstance(count, int):
        return ""
    kinds = dtypes if isinstance(dtypes, Mapping) else {}
    if len(kinds) == 1:
        return f"{count:,} {next(iter(kinds))}"
    each = ", ".join(f"{value:,} {name}" for name, value in kinds.items() if isinstance(value, int))
    return f"{count:,} ({each})" if each else f"{count:,}"


def _format_features(contents: Mapping[str, Any]) -> str:
    names, count = contents.get("features"), contents.get("feature_count")
    kept = [str(name) for name in names] if isinstance(names, list) else []
    total = count if isinstance(count, int) else len(kept)
    return f"{total:,}: {_join_first(kept, total)}" if kept else f"{total:,}" if total else ""


_FORMATTERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "parameters": _format_parameters,
    "features": _format_features,
    "inputs": lambda contents: format_tensors(contents.get("inputs")),
    "outputs": lambda contents: format_tensors(contents.get("outputs")),
}
