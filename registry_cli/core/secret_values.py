"""Values of secrets: how far a value reaches, whether it can be one, and the values behind ``name=``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .secret_names import is_secret_name, is_strong_name
from .secret_patterns import REDACTED, is_random

#: A value: quoted pieces, escaped characters and bare ones, in any order, as a shell joins them.
VALUE = (
    r"""(?:\\+"(?:(?!\\*").){0,4096}\\*"|\\+'(?:(?!\\*').){0,4096}\\*'|"(?:[^"\\]|\\.){0,4096}"?"""
    r"""|'(?:[^'\\]|\\.|''){0,4096}'?|\$\([^()\n]{0,4096}\)|`[^`\n]{0,4096}`|\\.|[^\s'"&;|,()\]}\\]|[,)\]}](?=\w)|\((?=\S))+"""
)
_EQUALS = r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?\]?[ \t]{0,9}(?:=>|:=|==|=)[ \t]{0,9})"
_ASSIGNED_NAME = re.compile(_EQUALS)
_ASSIGNED_VALUE = re.compile(VALUE, re.DOTALL)
_CLOSED = re.compile(r"""(['"])(?:(?!\1)[^\\]|\\.){1,4096}\1""", re.DOTALL)
NOT_SECRET = re.compile(
    r"""['"\\]*(?:|\*\*\*|true|false|none|null|yes|no|\$\{?[A-Z_][A-Z0-9_]*\}?|%[sr]|%\([a-z_]+\)s|\{+[ ]?[A-Za-z_.]{0,60}[ ]?\}+|<[A-Za-z_ -]{1,40}>)['"\\,;]*\Z""",
    re.IGNORECASE,
)
_NUMBER_OR_PATH = re.compile(r"['\"]?(?:[-+]?\d{1,5}(?:\.\d*)?|(?:/|\./|\.\./|~/)[\w./@+-]*)['\"]?\Z")
_ITEM_END = re.compile(r'"\s{0,80}(?:[,\]}]|\Z)')


def iter_assignments(text: str) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    """Yield the matches of each secret name and its value in ``name=value``, also inside of another one's value."""
    at, ends = 0, [len(text)]
    while True:
        found = _ASSIGNED_NAME.search(text, at, ends[-1])
        if found is None:
            if len(ends) == 1:
                return
            at = ends.pop()
            continue
        at = found.end()
        value = None
        if is_secret_name(found[1]):
            value = _ASSIGNED_VALUE.match(text, at, _end_of_item(text, found.start(), at, ends[-1]))
        if value is not None and not value[0].startswith("//"):
            at = value.end()
            yield found, value
        elif quoted := _CLOSED.match(text, at, ends[-1]):  # a value inside ends with these quotes
            at += 1
            ends.append(quoted.end() - 1)


def _end_of_item(text: str, start: int, at: int, end: int) -> int:
    """Where a text of JSON ends in which a name stands at ``start``, and its value at ``at``."""
    line = text.rfind("\n", 0, start) + 1
    if text.count('"', line, start) % 2 and text[at : at + 1] != '"':
        closing = text.find('"', at, end)
        if closing >= 0 and _ITEM_END.match(text, closing):
            return closing
    return end


def redact_assignments(text: str) -> str:
    parts, start = [], 0
    for name, value in iter_assignments(text):
        if not is_not_secret(name[1], value[0]):
            parts += [text[start : value.start()], REDACTED]
            start = value.end()
    return "".join(parts) + text[start:]


def is_certain(name: str, value: str) -> bool:
    """Whether a name without ``=`` or ``:`` behind it announces a secret: ``set the token limit`` does not."""
    return is_strong_name(name) or name.isupper() or is_not_word(value)


def is_not_word(value: str) -> bool:
    """Whether a value is not a plain word, as it may stand behind ``password`` in a sentence or a list of names."""
    inner = value.strip("'\"\\,;.!?:)]}")
    if value[:1] in ("'", '"'):
        return bool(inner) and not NOT_SECRET.match(value)
    return (
        inner != REDACTED
        and len(inner) >= 4
        and not inner.replace("-", "").replace("_", "").isalpha()
        and not _NUMBER_OR_PATH.match(inner)
    )


def is_not_secret(name: str, value: str) -> bool:
    """Whether what stands behind a secret name is none: nothing, a variable, a placeholder; a number or path of a key."""
    if NOT_SECRET.match(value):
        return True
    return bool(not is_strong_name(name) and _NUMBER_OR_PATH.match(value) and not is_random(value, 16))
