"""The YAML dumper: quotes whatever a YAML 1.1 or 1.2 reader would take for something else than text.

Reached through :func:`registry_cli.core.yaml.documents.dumps`; every document loads equal to what was dumped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from . import fast_loader as plain

_Emitter = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Emitter):  # type: ignore[misc, valid-type]
    """Emits our plain types only; anything else is a programming error and raises."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class calls it so
        return True


def _is_block(text: str) -> bool:
    """Whether many lines can stand as they are: none of them ends with a space, and nothing in them is invisible."""
    lines = text.split("\n")
    plain = all(line.isprintable() and not line.endswith(" ") for line in lines)
    return plain and bool(lines[0]) and not lines[0].startswith(" ")


def _text(dumper: Any, text: str) -> Any:
    if "\n" in text and _is_block(text):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain.is_word(text) else "'")


def _float(dumper: Any, number: float) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:float", plain.float_text(number))


def _mapping(dumper: Any, mapping: Mapping[str, Any]) -> Any:
    inline = plain.is_short(mapping) and not any("\n" in str(value) for value in mapping.values())
    is_flow = inline and not isinstance(mapping, _Document)
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=is_flow)


class _Document(dict[str, Any]):
    """The outermost mapping of a document: always a block."""


# Only these: whatever else arrives is a programming error, and raises.
_Dumper.yaml_representers = {
    **{kind: _Emitter.yaml_representers[kind] for kind in (type(None), bool, int, list)},
    str: _text, float: _float, dict: _mapping, _Document: _mapping, None: _Emitter.represent_undefined,
}  # fmt: skip
_Dumper.yaml_multi_representers = {}


def _plain(value: Any) -> Any:
    """Read-only mappings and tuples as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def dumps(document: Mapping[str, Any]) -> bytes:
    """``document`` as YAML, in the order given; short flat mappings inside it stand on one line."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 4096}
    return yaml.dump(_Document(_plain(document)), Dumper=_Dumper, encoding="utf-8", **options)  # type: ignore[no-any-return]
