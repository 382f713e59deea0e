"""Documents in the plain form that nearly all of ours have, read and written without a YAML library.

What ``dumper`` writes of numbers, truth values and one-line texts is read here line by line, several times faster than
by a parser of all of YAML, and without importing one. Both functions return None for whatever may be something else:
long texts, other quotes, comments behind a value, another indentation. Then ``loader`` and ``dumper`` do the work. What is
accepted here, both read and write alike, to the byte; a property test verifies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..text import lazy_pattern

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: A flat mapping of at most so many keys, and about so many characters, stands in braces on one line.
FLOW_KEYS, FLOW_LENGTH = 6, 90
#: Longer keys and texts are left to YAML, which folds them.
_KEY_LENGTH, _TEXT_LENGTH = 100, 1_000
_DEPTH = 16

_KEY = r"(?:[A-Za-z_](?:[A-Za-z0-9_./+@%() -]*[A-Za-z0-9_./+@%()-])?|'[^'\\\n]+')"
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_FLOAT = rf"{_INT}\.[0-9]{{1,20}}(?:e[-+][0-9]{{1,3}})?"
_QUOTED = r"'[^'\n]*(?:''[^'\n]*)*'"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_./+@%() -]*(?<! )"
# One line: its indentation with the dash of a list, a key, and the value as a fraction (which most values are), or as it is.
_LINES = lazy_pattern(
    rf"^( *(?:- )?)((?:[A-Za-z_][^:\n]*|'[^'\n]+'):(?: |$))?(?:({_FLOAT})$)?(.*)$", re.ASCII | re.MULTILINE
)
_VALUE = lazy_pattern(rf"(?:({_INT})|({_FLOAT})|({_QUOTED})|{_WORD})\Z", re.ASCII)
_NAME = lazy_pattern(rf"({_KEY}): ?\Z", re.ASCII)
_ENTRY = lazy_pattern(rf"({_KEY}: )({_FLOAT}|{_INT}|{_QUOTED}|{_WORD})(?:, |\Z)", re.ASCII)
_TEXT = lazy_pattern(r"[A-Za-z][A-Za-z0-9_./+@%() -]*(?<! )\Z", re.ASCII)
_NUMERIC = lazy_pattern(r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z", re.ASCII)
_LITERALS = {"null": None, "true": True, "false": False}
_NAMES = {value: name for name, value in _LITERALS.items()}
#: Words that ``loader`` takes for something else than text, or that ``dumper`` quotes, in any case of letters.
_SPECIAL = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
#: Keys that were read before, by their spelling with the colon: most documents have the same ones.
_keys: dict[str, str] = {}
_KEYS_KEPT = 1_000

_Row = tuple[str, str, str, str]


class _Other(Exception):
    """The document is not in the plain form."""


def loads(data: bytes) -> dict[str, Any] | None:
    """The mapping that a document in the plain form holds; None for any other."""
    if not data.isascii() or not data.endswith(b"\n"):
        return None
    text = data[:-1].decode("ascii")
    if not text.replace("\n", "").isprintable():
        return None
    rows = _LINES.findall(text)
    if "#" in text or "\n\n" in text:
        rows = [row for row in rows if any(row) and not (row[3].startswith("#") and not row[1] and "-" not in row[0])]
    try:
        found, end = _mapping(rows, 0, "")
    except _Other:
        return None
    return found if end == len(rows) else None


def _mapping(rows: list[_Row], at: int, indent: str) -> tuple[dict[str, Any], int]:
    """The mapping whose first key is in line ``at`` behind ``indent``, and the index of the line behind it."""
    found: dict[str, Any] = {}
    while at < len(rows):
        lead, name, number, rest = rows[at]
        if lead != indent:
            if len(lead) > len(indent):
                raise _Other
            break
        key = _keys.get(name) or _key(name)
        if key in found:
            raise _Other
        at += 1
        if number:
            found[key] = float(number)
        elif rest:
            found[key] = _value(rest)
        elif name[-1] == ":":
            found[key], at = _nested(rows, at, indent)
        else:
            raise _Other
    if not found:
        raise _Other
    return found, at


def _nested(rows: list[_Row], at: int, indent: str) -> tuple[Any, int]:
    """What stands below a key behind ``indent``: a list or a mapping."""
    if at == len(rows) or len(indent) > 2 * _DEPTH:
        raise _Other
    if rows[at][0] == f"{indent}- ":
        return _list(rows, at, indent)
    return _mapping(rows, at, f"{indent}  ")


def _list(rows: list[_Row], at: int, indent: str) -> tuple[list[Any], int]:
    """The list whose first dash is in line ``at`` behind ``indent``, and the index of the line behind it."""
    found: list[Any] = []
    while at < len(rows) and rows[at][0] == f"{indent}- ":
        _, name, number, rest = rows[at]
        if name:
            rows[at] = (f"{indent}  ", name, number, rest)
            item, at = _mapping(rows, at, f"{indent}  ")
        else:
            item, at = _value(number or rest), at + 1
        found.append(item)
    return found, at


def _key(name: str) -> str:
    """A key without its colon and quotes."""
    match = _NAME.match(name)
    key = match[1].strip("'") if match else ""
    if not 0 < len(key) <= _KEY_LENGTH:
        raise _Other
    if len(_keys) < _KEYS_KEPT:
        _keys[name] = key
    return key


def _value(text: str) -> Any:
    """A value that stands on one line."""
    match = _VALUE.match(text)
    if match is None:
        return _flow(text)
    kind = match.lastindex
    if kind == 1:
        return int(text)
    if kind == 2:
        return float(text)
    if kind == 3:
        return text[1:-1].replace("''", "'")
    if text in _LITERALS:
        return _LITERALS[text]
    if text.lower() in _SPECIAL or _NUMERIC.match(text):
        raise _Other
    return text


def _flow(text: str) -> Any:
    """A flat mapping in braces, or a list of scalars in brackets, as people write the stages."""
    inner, ends = text[1:-1], text[:1] + text[-1:]
    if ends == "[]":
        return [_scalar(each) for each in inner.split(", ")] if inner else []
    if ends != "{}" or inner.endswith(", "):
        raise _Other
    found: dict[str, Any] = {}
    at = 0
    while at < len(inner):
        entry = _ENTRY.match(inner, at)
        if entry is None:
            raise _Other
        name, value = entry.groups()
        key = _keys.get(name) or _key(name)
        if key in found:
            raise _Other
        found[key] = _value(value)
        at = entry.end()
    return found


def _scalar(text: str) -> Any:
    if not _VALUE.match(text):
        raise _Other
    return _value(text)


def dumps(document: Mapping[str, Any]) -> bytes | None:
    """``document`` as ``dumper`` writes it, to the byte; None for one that is not in the plain form."""
    try:
        return "".join(_block(document, "")).encode("ascii")
    except _Other:
        return None


def _block(mapping: Mapping[str, Any], indent: str, first: str | None = None) -> Iterator[str]:
    """The lines of a mapping. ``first`` stands before the first line in place of ``indent``."""
    if not mapping or len(indent) > 2 * _DEPTH:
        raise _Other
    before = indent if first is None else first
    for name, value in mapping.items():
        key = _quote(str(name), _KEY_LENGTH)
        if isinstance(value, Mapping) and not is_short(value):
            yield f"{before}{key}:\n"
            yield from _block(value, f"{indent}  ")
        elif isinstance(value, (list, tuple)) and value:
            yield f"{before}{key}:\n"
            for item in value:
                if isinstance(item, Mapping) and not is_short(item):
                    yield from _block(item, f"{indent}  ", f"{indent}- ")
                else:
                    yield f"{indent}- {_inline(item)}\n"
        else:
            yield f"{before}{key}: {_inline(value)}\n"
        before = indent


def is_short(mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping stands in braces on one line."""
    return all(not isinstance(value, (Mapping, list, tuple)) for value in mapping.values()) and (
        len(mapping) <= FLOW_KEYS and sum(len(str(k)) + len(str(v)) + 4 for k, v in mapping.items()) <= FLOW_LENGTH
    )


def _inline(value: Any) -> str:
    """A value that stands on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_quote(str(key), _KEY_LENGTH)}: {_inline(each)}' for key, each in value.items())}}}"
    if isinstance(value, (list, tuple)) and not value:
        return "[]"
    if isinstance(value, str):
        return _quote(value, _TEXT_LENGTH)
    if value is None or isinstance(value, bool):
        return _NAMES[value]
    if type(value) is int:
        return str(value)
    if type(value) is float and abs(value) < float("inf"):
        return float_text(value)
    raise _Other


def _quote(text: str, most: int) -> str:
    """A text on one line, in quotes where a reader could take it for something else."""
    if len(text) > most or not (text.isascii() and text.isprintable()):
        raise _Other
    return text if is_word(text) else "'" + text.replace("'", "''") + "'"


def is_word(text: str) -> bool:
    """Whether every reader of YAML 1.1 or 1.2 takes ``text`` for text without quotes."""
    return bool(_TEXT.match(text)) and text.lower() not in _SPECIAL


def float_text(number: float) -> str:
    """A float as every reader takes it for one: a YAML 1.1 reader takes 1e-05 for text."""
    text = repr(number)
    return text.replace("e", ".0e", 1) if "." not in text and "e" in text else text
