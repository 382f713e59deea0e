"""Texts as loaders decode them, and JSON and YAML as loaders parse them."""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..inspect.binary.limits import Stopped

_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be", codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be",
}  # fmt: skip
_PARTS = 2_000_000
_TAG = re.compile(r"(?:^|(?<=[\s\[\]{},:?-]))!(<[^>\s]{0,500}>|[^\s,\[\]{}]*)", re.MULTILINE)
_TAGS = 200_000
_HANDLE = re.compile(r"^%TAG[ \t]+(!\w*!|!)[ \t]+(\S+)", re.MULTILINE)
_YAML = "tag:yaml.org,2002:"
#: Tags of data in PyYAML's own spelling.
_DATA = frozenset(str.split("none bool str unicode bytes int long float complex list tuple dict"))
_PARSED = 256 << 10
_NESTED = 100


def detect_encoding(head: bytes) -> tuple[str, int]:
    """The encoding of a text that begins so, empty for other data, and the length of its byte order mark."""
    for bom, encoding in _BOMS.items():  # UTF-32 before UTF-16, whose mark it begins with
        if head.startswith(bom):
            return encoding, len(bom)
    zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
    forms = {"x0x0": "utf-16-le", "0x0x": "utf-16-be", "x000": "utf-32-le", "000x": "utf-32-be", "x0": "utf-16-le"}
    return forms.get(zeros, "") if "0" in zeros else "utf-8", 0


def decode_head(head: bytes) -> str:
    """Decode the beginning of a file; empty if it is not text. The last character may be cut."""
    encoding, skip = detect_encoding(head)
    if not encoding:
        return ""
    for cut in range(4):
        try:
            text = head[skip : len(head) - cut].decode(encoding, "surrogatepass")
        except UnicodeDecodeError:
            continue
        strange = sum(not (char.isprintable() or char.isspace()) for char in text)
        return text if strange * 50 <= len(text) and "\0" not in text else ""
    return ""


# JSON


class Json(NamedTuple):
    """A document of JSON. ``twice`` are keys that one object has twice, with two values."""

    document: Any
    twice: list[str]


def parse_json(text: str, *, rest: bool = False) -> Json | None:
    """Parse JSON; None if it is none. With ``rest`` something else may follow."""
    twice: list[str] = []

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: dict[str, Any] = {}
            for key, value in pairs:
                if seen.setdefault(key, value) != value:
                    twice.append(key)
        return found

    def number(_text: str) -> int:  # its value doesn't matter, and a function of Python lets signals through
        return 0

    decoder = json.JSONDecoder(object_pairs_hook=make_object, parse_int=number, parse_float=number)
    try:
        return Json(decoder.raw_decode(text)[0] if rest else decoder.decode(text), twice)
    except (ValueError, RecursionError):
        return None


def iter_mappings(document: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document at any depth, also in documents that are texts in it, as Keras 2 wrote."""
    pending, left = [document], _PARTS
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        left -= 1
        if left < 0:
            raise Stopped("it has more parts than are looked at", limit=True)
        if isinstance(value, (dict, list)):
            if id(value) in seen:  # an alias of YAML
                continue
            seen.add(id(value))
        if isinstance(value, dict):
            yield value
            pending += value.values()
        elif isinstance(value, (list, tuple)):
            pending += value
        elif isinstance(value, str) and "class_name" in value and value.lstrip()[:1] in ("{", "["):
            try:
                pending.append(json.loads(value))
            except (ValueError, RecursionError):
                continue


# YAML


def find_tags(text: str) -> set[str]:
    """All tags that a text could have for a reader of YAML, in full, also those in comments."""
    handles: dict[str, set[str]] = {"!!": {_YAML}, "!": {"!"}}
    for match in _HANDLE.finditer(text):
        handles.setdefault(match[1], set()).add(unquote(match[2]))
    found: set[str] = set()
    for number, match in enumerate(_TAG.finditer(text)):
        if number > _TAGS or len(found) > _TAGS:
            raise Stopped("it has more tags than are looked at", limit=True)
        tag = match[1]
        if tag.startswith("<"):
            found.add(unquote(tag[1:-1]))
        elif tag:
            handle, mark, suffix = tag.rpartition("!")
            prefixes = handles.get(f"!{handle}!" if mark else "!", set()) if handle or not mark else handles["!!"]
            found |= {unquote(prefix + suffix) for prefix in list(prefixes)[:100]}
    return found


def select_tags(found: set[str]) -> tuple[set[str], set[str]]:
    """The tags that make Python objects, and those that some loader may give a meaning."""
    code, other = set(), set()
    for tag in found:
        if tag.startswith(f"{_YAML}python/"):
            if tag[len(_YAML) + 7 :] not in _DATA:
                code.add(tag)
        elif tag.startswith(_YAML):
            continue
        elif re.match(r"!(?:new|name|apply|module|pyclass|py)\b", tag):  # HyperPyYAML
            code.add(tag)
        elif len(tag) > 1:
            other.add(tag)
    return code, other


class Tags(NamedTuple):
    """The tags that PyYAML finds; whether it can parse the ``whole`` text; whether that is too long or too deep to try."""

    tags: set[str]
    whole: bool
    limit: bool = False


def parse_tags(text: str) -> Tags:
    """The tags that PyYAML finds, up to the place where it can't parse the text."""
    if len(text) > _PARSED:
        return Tags(set(), False, True)
    import yaml

    found: set[str] = set()
    depth = 0
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent))
            depth -= isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent))
            if depth > _NESTED:
                return Tags(found, False, True)
            if tag := getattr(event, "tag", None):
                found.add(tag)
    except (yaml.YAMLError, ValueError, RecursionError):
        return Tags(found, False)
    return Tags(found, True)


def parse_yaml(text: str) -> list[Any]:
    """The documents as plain data, without regard to tags, as far as they can be parsed. :class:`Stopped` if too long."""
    if len(text) > _PARSED:
        raise Stopped("it is YAML that is longer than is looked at", limit=True)
    import yaml

    class Plain(yaml.SafeLoader):
        """Makes lists, dictionaries and texts only. Nothing is merged, since that can grow without end."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None: ...

    def plain(loader: Any, _suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        return loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else node.value

    Plain.add_multi_constructor("", plain)
    found: list[Any] = []
    with contextlib.suppress(yaml.YAMLError, ValueError, TypeError, RecursionError):
        found.extend(yaml.load_all(text, Plain))
    return found
