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
    flow = all(not isinstance(value, (Mapping, list, tuple)) for value in mapping.values())
    length = sum(len(str(k)) + len(str(v)) + 4 for k, v in mapping.items())
    short = flow and len(mapping) <= plain.FLOW_KEYS and length <= plain.FLOW_LENGTH
    inline = short and not any("\n" in str(value) for value in mapping.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping.items(), flow_style=inline)


class _Document(dict[str, Any]):
    """The outermost mapping of a document: always one key a line or block."""


def _document(dumper: Any, document: _Document) -> Any:
    return dumper.represent_mapping("tag:yaml.org,2002:map", document.items(), flow_style=False)


# Only these: whatever else arrives is a programming error, and raises.
_Dumper.yaml_representers = {kind: _Emitter.yaml_representers[kind] for kind in (type(None), bool, int, list)}
_Dumper.yaml_multi_representers = {}
_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _float)
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(_Document, _document)
_Dumper.add_representer(None, _Emitter.represent_undefined)


def _plain(value: Any) -> Any:
    """Read-only mappings and tuples as the dicts and lists that the dumper knows."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def dumps(document: Mapping[str, Any]) -> bytes:
    """``document`` as YAML, in the order given; short flat mappings inside it stand on one line."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 4096}
    return yaml.dump(_Document(_plain(document)), Dumper=_Dumper, encoding="utf-8", **options)  # type: ignore[no-any-return]
