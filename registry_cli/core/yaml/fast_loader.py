"""Documents in the plain form that nearly all of ours have, read and written without YAML's machinery.

What ``dumping`` writes of numbers, truth values and one-line texts is read here line by line, several times faster than
by a parser of all of YAML, and without importing one. Both functions give up (None) on whatever is not plainly theirs:
comments, long texts, other ways to quote, an indentation of another width. Then the real loader or dumper is asked; what
is accepted here, both give alike. A property test holds them to each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ..text import lazy_pattern

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: A flat mapping of at most so many keys, and about so many characters, stands in braces on one line.
FLOW_KEYS, FLOW_LENGTH = 6, 90
#: Longer keys and texts are left to YAML, which folds them.
_KEY_LENGTH, _TEXT_LENGTH = 100, 1_000
_DEPTH = 16

_KEY = r"[A-Za-z_](?:[A-Za-z0-9_./+@%() -]*[A-Za-z0-9_./+@%()-])?|'[^'\\\n]+'"
_INT = r"-?(?:0|[1-9][0-9]{0,17})"
_FLOAT = rf"{_INT}\.[0-9]{{1,20}}(?:e[-+][0-9]{{1,3}})?"
_QUOTED = r"'(?:[^'\n]|'')*'"
_WORD = r"[A-Za-z0-9][A-Za-z0-9_./+@%() -]*(?<! )"
# One line of a block, in groups: the indentation, the dash of a list, a key, and the value as one of the kinds it can
# have, the last of which is whatever is none of the others.
_LINES = lazy_pattern(
    rf"^( *)(- )?(?:({_KEY}):(?: (?=[^ \n])|$))?(?:({_INT})|({_FLOAT})|({_QUOTED})|({_WORD})|([{{\[].*[}}\]])|(.*))$",
    re.ASCII | re.MULTILINE,
)
_ENTRY = lazy_pattern(rf"({_KEY}): (?:({_INT})|({_FLOAT})|({_QUOTED})|({_WORD}))(?:, |\Z)", re.ASCII)
_ITEM = lazy_pattern(rf"(?:({_INT})|({_FLOAT})|({_QUOTED})|({_WORD}))\Z", re.ASCII)
_TEXT = lazy_pattern(r"[A-Za-z][A-Za-z0-9_./+@%() -]*(?<! )\Z", re.ASCII)
_NUMERIC = lazy_pattern(r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?\Z", re.ASCII)
_LITERALS = {"null": None, "true": True, "false": False}
_NAMES = {value: name for name, value in _LITERALS.items()}
#: Words that the real loader takes for something else than text, or that its dumper quotes, in any case of letters.
_SPECIAL = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


_Row = tuple[str, ...]


class _Other(Exception):
    """The document is not in the plain form."""


def loads(data: bytes) -> dict[str, Any] | None:
    """The mapping that a document in the plain form holds; None for any other."""
    if not data.isascii() or not data.endswith(b"\n"):
        return None
    rows = _LINES.findall(data[:-1].decode("ascii"))
    if b"#" in data or b"\n\n" in data:
        rows = [row for row in rows if not _is_comment(row)]
    try:
        found, end = _mapping(rows, 0, 0, 0)
    except _Other:
        return None
    return found if end is None else None


def _is_comment(row: _Row) -> bool:
    """Whether a line says nothing: it is empty, or a comment as a whole."""
    rest = row[-1]
    return (rest[:1] == "#" and rest.isprintable() and not (row[1] or row[2])) or not any(row)


def _mapping(rows: Sequence[_Row], at: int, indent: int, depth: int) -> tuple[dict[str, Any], int | None]:
    """The entries from line ``at`` on that stand ``indent`` deep, and the line behind them, None at the end."""
    if depth > _DEPTH:
        raise _Other
    found: dict[str, Any] = {}
    following: int | None = at
    while following is not None and following < len(rows):
        row = rows[following]
        width = len(row[0])
        if width < indent or (row[1] and width == indent and depth):
            break
        if width > indent or row[1]:
            raise _Other
        if row[4] and row[2] not in found:  # most lines of most documents are a number: without a detour
            found[_key(row[2], found)] = float(row[4])
            following += 1
        else:
            following = _entry(found, row, rows, following + 1, indent, depth)
    if not found:
        raise _Other
    return found, following if following is not None and following < len(rows) else None


def _entry(found: dict[str, Any], row: _Row, rows: Sequence[_Row], at: int, indent: int, depth: int) -> int | None:
    """Put what a key holds into ``found``; the line behind it."""
    key = _key(row[2], found)
    if any(row[3:]):
        found[key] = _value(row[3:])
        return at
    if at == len(rows):
        raise _Other
    width, dash = len(rows[at][0]), rows[at][1]
    end: int | None
    if dash and width == indent:
        found[key], end = _list(rows, at, indent, depth + 1)
    elif not dash and width == indent + 2:
        found[key], end = _mapping(rows, at, indent + 2, depth + 1)
    else:
        raise _Other
    return end


def _list(rows: Sequence[_Row], at: int, indent: int, depth: int) -> tuple[list[Any], int | None]:
    """The items of a list whose dashes stand ``indent`` deep, and the line behind them, None at the end."""
    if depth > _DEPTH:
        raise _Other
    found: list[Any] = []
    following: int | None = at
    while following is not None and following < len(rows):
        row = rows[following]
        width = len(row[0])
        if width < indent or (width == indent and not row[1]):
            break
        if width > indent:
            raise _Other
        following += 1
        if not row[2]:
            found.append(_value(row[3:]))
            continue
        item: dict[str, Any] = {}
        following = _entry(item, row, rows, following, indent + 2, depth + 1)
        if following is not None and following < len(rows) and len(rows[following][0]) == indent + 2:
            more, following = _mapping(rows, following, indent + 2, depth + 1)
            if item.keys() & more.keys():
                raise _Other
            item.update(more)
        found.append(item)
    return found, following if following is not None and following < len(rows) else None


def _key(text: str, found: Mapping[str, Any]) -> str:
    """A key as it is meant; one that is there already is for the real loader to tell."""
    key = _checked(text[1:-1]) if text[:1] == "'" else text
    if not key or key in found or len(key) > _KEY_LENGTH:
        raise _Other
    return key


def _value(kinds: _Row) -> Any:
    """A value that stands on one line; one of ``kinds`` is not empty."""
    if kinds[4]:
        return _flow(kinds[4]) if kinds[4][0] == "{" else _words(kinds[4])
    if kinds[5]:
        raise _Other
    return _scalar(*kinds[:4])


def _scalar(integer: str, fraction: str, quoted: str, word: str) -> Any:
    if word:
        if word in _LITERALS:
            return _LITERALS[word]
        if word.lower() in _SPECIAL or _NUMERIC.match(word):
            raise _Other
        return word
    if quoted:
        return _checked(quoted[1:-1].replace("''", "'"))
    if fraction:
        return float(fraction)
    if not integer:
        raise _Other
    return int(integer)


def _checked(text: str) -> str:
    """A quoted text; what could not stand there as it is, is for the real loader to say."""
    if not text.isprintable():
        raise _Other
    return text


def _flow(text: str) -> dict[str, Any]:
    """A flat mapping in braces."""
    found: dict[str, Any] = {}
    at, end = 1, len(text) - 1
    while at < end:
        entry = _ENTRY.match(text, at, end)
        if entry is None:
            raise _Other
        key, *kinds = entry.groups("")
        found[_key(key, found)] = _scalar(*kinds)
        at = entry.end()
    if text[-1] != "}" or text[end - 2 : end] == ", ":
        raise _Other
    return found


def _words(text: str) -> list[Any]:
    """A list of plain values in brackets, as people write the stages."""
    if text == "[]":
        return []
    found = [_ITEM.match(word) for word in text[1:-1].split(", ")]
    if text[-1] != "]":
        raise _Other
    return [_scalar(*word.groups("")) if word else _scalar("", "", "", "") for word in found]


def dumps(document: Mapping[str, Any]) -> bytes | None:
    """``document`` as ``dumping`` writes it, to the last byte; None for what is not plainly so."""
    try:
        return "".join(_block(document, "")).encode("ascii")
    except _Other:
        return None


def _block(mapping: Mapping[str, Any], indent: str, first: str | None = None) -> Iterator[str]:
    """The lines of a mapping, one key a line. ``first`` stands before the first line in place of ``indent``."""
    before = indent if first is None else first
    for name, value in mapping.items():
        key = _written(str(name), _KEY_LENGTH)
        if isinstance(value, Mapping) and not _is_short(value):
            if len(indent) > _DEPTH:
                raise _Other
            yield f"{before}{key}:\n"
            yield from _block(value, f"{indent}  ")
        elif isinstance(value, (list, tuple)) and value:
            yield f"{before}{key}:\n"
            for item in value:
                yield from _item(item, indent)
        else:
            yield f"{before}{key}: {_inline(value)}\n"
        before = indent
    if not mapping:
        raise _Other


def _item(value: Any, indent: str) -> Iterator[str]:
    """An item of a list whose dashes stand at ``indent``."""
    if isinstance(value, Mapping) and not _is_short(value):
        yield from _block(value, f"{indent}  ", f"{indent}- ")
    elif isinstance(value, (list, tuple)):
        raise _Other
    else:
        yield f"{indent}- {_inline(value)}\n"


def _is_short(mapping: Mapping[str, Any]) -> bool:
    """Whether a mapping stands in braces on one line, by the rule of ``dumping``."""
    return all(not isinstance(value, (Mapping, list, tuple)) for value in mapping.values()) and (
        len(mapping) <= FLOW_KEYS and sum(len(str(k)) + len(str(v)) + 4 for k, v in mapping.items()) <= FLOW_LENGTH
    )


def _inline(value: Any) -> str:
    """A value that stands on one line."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_written(str(key), _KEY_LENGTH)}: {_inline(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, (list, tuple)) and not value:
        return "[]"
    if isinstance(value, str):
        return _written(value, _TEXT_LENGTH)
    if value is None or isinstance(value, bool):
        return _NAMES[value]
    return _number(value)


def _number(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if type(value) is float and abs(value) < float("inf"):
        return float_text(value)
    raise _Other


def _written(text: str, most: int) -> str:
    """A text on one line, with quotes where a reader could take it for something else."""
    if len(text) > most or not (text.isascii() and text.isprintable()):
        raise _Other
    return text if is_word(text) else "'" + text.replace("'", "''") + "'"


def is_word(text: str) -> bool:
    """Whether every reader of YAML 1.1 or 1.2 takes ``text`` for text without quotes."""
    return bool(_TEXT.match(text)) and text.lower() not in _SPECIAL


def float_text(number: float) -> str:
    """A fraction as every reader takes it for one: a YAML 1.1 reader takes 1e-05 for text."""
    text = repr(number)
    return text.replace("e", ".0e", 1) if "." not in text and "e" in text else text
