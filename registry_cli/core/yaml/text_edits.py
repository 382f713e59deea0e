"""Changes of single keys in a YAML text that people edit, which keep its comments, order and spelling.

Only lines of the changed keys are replaced. The result is loaded again; if it differs from what was wanted (because of
anchors, flow style, tabs or the like), nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from ...errors import InvalidInput
from . import documents


class _Entry(NamedTuple):
    """A key of a mapping: its first line, the line behind its last, its column, and what it holds."""

    start: int
    end: int
    column: int
    value: yaml.Node


def changed(text: str, wanted: Mapping[str, Any], name: str) -> str:
    """Set the keys of ``wanted`` in ``text``; None removes a key, and a mapping is changed key by key.

    Raises:
        InvalidInput: The text can't be changed without changing more than that.
    """
    before = documents.loads_mapping(text.encode(), name)
    after = _merge_documents(before, wanted)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key, value in wanted.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, dict) and after.get(key):
            lines = _inside(lines, key, {each: value[each] for each in value if old.get(each) != value[each]}, after)
        elif old != after.get(key) or (key in before) != (key in after):
            lines = _put(lines, (key,), after.get(key), gone=key not in after)
    found = "".join(lines)
    if _read(found, name) != after or list(_read(found, name) or ()) != _order(before, after):
        raise InvalidInput(
            f"cannot change {name} without touching text that people wrote", "edit it with 'registry edit'"
        )
    return found


def _merge_documents(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(before)
    for key, value in wanted.items():
        after[key] = _merged(before.get(key), value) if isinstance(value, Mapping) else value
        if after[key] is None:
            del after[key]
    return after


def _merged(old: object, new: Mapping[str, Any]) -> dict[str, Any] | None:
    merged = {**(old if isinstance(old, Mapping) else {}), **new}
    return {name: value for name, value in merged.items() if value is not None} or None


def _order(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [key for key in before if key in after] + [key for key in after if key not in before]


def _read(text: str, name: str) -> dict[str, Any] | None:
    try:
        return documents.loads_mapping(text.encode(), name)
    except InvalidInput:
        return None


def _inside(lines: list[str], key: str, changes: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Change entries of the mapping under ``key``; one in braces is replaced as a whole."""
    entry = _entries(lines, ()).get(key)
    if entry is None or not isinstance(entry.value, yaml.MappingNode) or entry.value.flow_style:
        return _put(lines, (key,), after[key])
    for name, value in changes.items():
        lines = _put(lines, (key, name), value, gone=value is None)
    return lines


def _put(lines: list[str], path: tuple[str, ...], value: Any, *, gone: bool = False) -> list[str]:
    """Replace one key, append it to its mapping, or remove its lines."""
    around = _entries(lines, path[:-1])
    entry = around.get(path[-1])
    if gone:
        return lines if entry is None else lines[: entry.start] + lines[entry.end :]
    column = entry.column if entry else max((each.column for each in around.values()), default=0)
    written = documents.dumps({path[-1]: value}).decode().splitlines(keepends=True)
    written = [" " * column + line if line.strip() else line for line in written]
    if entry is None:
        at = max((each.end for each in around.values()), default=len(lines)) if len(path) > 1 else len(lines)
        return lines[:at] + written + lines[at:]
    if len(written) == 1 and entry.end - entry.start == 1:
        written = [written[0].rstrip("\n") + _remark(lines[entry.start], entry.value) + "\n"]
    return lines[: entry.start] + written + lines[entry.end :]


def _remark(line: str, value: yaml.Node) -> str:
    """The comment behind a value that stands on one line."""
    rest = line[value.end_mark.column :].rstrip("\n")
    return rest if rest.lstrip().startswith("#") else ""


def _entries(lines: list[str], path: tuple[str, ...]) -> dict[str, _Entry]:
    """The keys of the mapping at ``path``, each with its lines; comments behind the last key belong to none."""
    node: Any = yaml.compose("".join(lines), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    end = len(lines)
    for key in path:
        found = _children(lines, node, end)[key]
        node, end = found.value, found.end
    return _children(lines, node, end) if isinstance(node, yaml.MappingNode) else {}


def _children(lines: list[str], node: yaml.MappingNode, end: int) -> dict[str, _Entry]:
    starts = [key.start_mark.line for key, _ in node.value]
    found = {}
    for (key, value), start, following in zip(node.value, starts, [*starts[1:], end], strict=True):
        column = key.start_mark.column
        last = following
        while last > start + 1 and _is_between(lines[last - 1], column):
            last -= 1
        found[key.value] = _Entry(start, last, column, value)
    return found


def _is_between(line: str, column: int) -> bool:
    """Whether a line is empty, or a comment that stands no deeper than the keys: it belongs to what follows."""
    text = line.strip()
    return not text or (text.startswith("#") and len(line) - len(line.lstrip()) <= column)
