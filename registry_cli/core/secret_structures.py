"""Secrets in structured texts: YAML, JSON and XML, and headers, where a value stands behind ``name:`` or in an element."""

from __future__ import annotations

import re

from .secret_names import is_secret_name, is_strong_name
from .secret_patterns import REDACTED
from .secret_values import VALUE, is_not_secret

_COLON = re.compile(
    r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?[ \t]{0,9}:(?!:|//)\s{0,80})((?:\\{1,8})?['\"]|[^\s'\"\\])", re.DOTALL
)
_BLOCK = re.compile(r"^([ \t+-]{0,80})([\w.-]{1,128})(['\"]?[ \t]{0,9}:[ \t]{0,9}(?:![\w!./:-]{0,64}[ \t]{1,9})?[|>][^\n]{0,9})\n", re.MULTILINE)  # fmt: skip
_ITEMS = re.compile(
    r"^([ \t+-]{0,80})([\w.-]{1,128})(['\"]?[ \t]{0,9}:[ \t]{0,9}\n)((?:\1-[ \t]+[^\n]*(?:\n|\Z)){1,200})", re.MULTILINE
)
#: A name and its value as two entries: ``name: DB_PASSWORD`` and ``value: x``, ``key="password" value="x"``.
_APART = re.compile(
    r"((?<![\w.-])(?:name|key)(?:\\{0,8}['\"])?\s{0,9}[:=]\s{0,9}(?:\\{0,8}['\"])?)([\w.:-]{1,128})"
    r"((?:\\{0,8}['\"])?\s{0,9}[,;]?\s{0,80}(?:\\{0,8}['\"])?value(?:\\{0,8}['\"])?\s{0,9}[:=]\s{0,9})" + f"({VALUE})",
    re.DOTALL | re.IGNORECASE,
)
_ELEMENT = re.compile(r"(<([\w.:-]{1,64})(?:\s[^<>]{0,200})?>)([^<>]{1,4096})(?=</\2\s{0,9}>)")
_ELEMENTS = re.compile(r"(<(?:name|key)>\s{0,9}([\w.:-]{1,128})\s{0,9}</(?:name|key)>\s{0,80}<(?:value|string)>)([^<>]{1,4096})", re.IGNORECASE)  # fmt: skip
_HEADER = re.compile(r"((?:proxy-)?authorization|(?:set-)?cookie)", re.IGNORECASE)
_QUOTED = re.compile(
    r"""\\+"(?:(?!\\*").)*\\*"|\\+'(?:(?!\\*').)*\\*'|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.|'')*'?""", re.DOTALL
)


def redact_structures(text: str) -> str:
    """Return a text without the values of secret names in YAML, JSON, XML and headers."""
    text = _without_elements(_APART.sub(_cut_apart, text))
    return _without_colons(_ITEMS.sub(_cut_items, _without_blocks(text)))


def _cut_apart(found: re.Match[str]) -> str:
    cut = is_secret_name(found[2]) and not is_not_secret(found[2], found[4])
    return f"{found[1]}{found[2]}{found[3]}{REDACTED}" if cut else found[0]


def _cut_items(found: re.Match[str]) -> str:
    """YAML: the items of a list that begins in the column of its name."""
    return f"{found[1]}{found[2]}: {REDACTED}\n" if is_strong_name(found[2]) else found[0]


def _without_elements(text: str) -> str:
    """XML: ``<password>x</password>``, ``<name>password</name><value>x</value>``."""
    if "</" not in text:
        return text
    text = _ELEMENTS.sub(
        lambda found: (
            f"{found[1]}{REDACTED}"
            if is_secret_name(found[2]) and not is_not_secret(found[2], found[3].strip())
            else found[0]
        ),
        text,
    )
    return _ELEMENT.sub(
        lambda found: (
            f"{found[1]}{REDACTED}"
            if is_strong_name(found[2]) and not is_not_secret(found[2], found[3].strip())
            else found[0]
        ),
        text,
    )


def _without_blocks(text: str) -> str:
    """YAML: a block of lines (``password: |``) below a secret name is cut whole."""
    found, start = [], 0
    for match in _BLOCK.finditer(text):
        if match.start() < start or not is_secret_name(match[2]):
            continue
        depth = len(match[1].lstrip("+"))
        end = match.end()
        while end < len(text):
            stop = text.find("\n", end)
            line = text[end : stop if stop >= 0 else len(text)]
            bare = line.lstrip("+")
            if bare.strip() and len(bare) - len(bare.lstrip()) <= depth:
                break
            end = stop + 1 if stop >= 0 else len(text)
        found += [text[start : match.start()], match[1], match[2], f": {REDACTED}\n"]
        start = end
    return "".join(found) + text[start:]


def _without_colons(text: str) -> str:
    """``name: value``. A bare value ends with its line, or with the quotes around all of it; a quoted one with its quotes."""
    found, start = [], 0
    at = 0
    while match := _COLON.search(text, at):
        at = match.end(2)
        if not (is_secret_name(match[1]) or _HEADER.search(match[1])):
            continue
        if text.startswith(REDACTED, match.start(3)):
            continue
        end = _end_of_value(text, match)
        if is_not_secret(match[1], text[match.start(3) : end]):
            continue
        if "\n" in match[2] and match[2].rpartition("\n")[2] == "" and match[3][:1] not in "\\'\"":
            continue  # an empty value, and the next line
        found += [text[start : match.start(3)], REDACTED]
        start = at = max(end, match.end(3))
    return "".join(found) + text[start:]


def _end_of_value(text: str, match: re.Match[str]) -> int:
    start = match.start(3)
    is_header = _HEADER.search(match[1]) is not None
    if match[3][-1] in "'\"" and (quoted := _QUOTED.match(text, start)):
        return quoted.end()
    line = text.rfind("\n", 0, match.start()) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    for quote in ('"', "'"):
        if text.count(quote, line, match.start()) % 2:
            inner = text.find(quote, start, stop)
            return inner if inner >= 0 else stop
    if (
        not is_header
        and match[2].rstrip(" \t") == match[2]
        and (bare := re.compile(VALUE, re.DOTALL).match(text, start))
    ):
        return bare.end()
    return stop
