"""XML, tag by tag: without entities, without a document type, bounded in size and depth.

The parsers of Python's library expand entities, and need a package of their own to be safe with files of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .files import Malformed

#: The most tags of a document, how deep they may be nested, and the longest tag in characters.
TAGS, DEPTH, TAG = 400_000, 100, 1 << 16

_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_NAME = re.compile(r"/?([A-Za-z_][\w:.-]*)")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_SKIPPED = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"))


class Tag(NamedTuple):
    """The start of an element: its name, its attributes, and the names of the elements around it."""

    name: str
    attributes: dict[str, str]
    parents: tuple[str, ...]


def root(head: bytes) -> Tag | None:
    """The first element of a document that begins with ``head``; None if that is no XML, or it is not in there."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return None
    try:
        return next(tags(head), None)
    except Malformed:
        return None


def tags(data: bytes) -> Iterator[Tag]:
    """The elements of a document in their order.

    Raises:
        Malformed: it is not XML, has a document type, or goes beyond a limit.
    """
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    at, left = 0, TAGS
    parents: list[str] = []
    while (at := text.find("<", at)) >= 0:
        left -= 1
        if left < 0 or len(parents) > DEPTH:
            raise Malformed(f"more than {TAGS:,} tags, or deeper than {DEPTH}")
        skipped = next((end for start, end in _SKIPPED if text.startswith(start, at)), "")
        if skipped:
            at = _find(text, skipped, at) + len(skipped)
            continue
        if text.startswith("<!", at):
            raise Malformed("it has a document type, which is not read")
        end = _end(text, at)
        inside = text[at + 1 : end]
        name = _NAME.match(inside)
        if name is None:
            raise Malformed("it is not XML")
        local = name[1].rpartition(":")[2]
        if inside[0] == "/":
            if not parents or parents.pop() != local:
                raise Malformed("its tags do not match")
        else:
            found = _ATTRIBUTE.findall(inside, name.end())
            yield Tag(local, {key: _unescaped(double or single) for key, double, single in found}, tuple(parents))
            if not inside.endswith("/"):
                parents.append(local)
        at = end + 1
    if parents:
        raise Malformed("it is cut short")


def _find(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    if found < 0:
        raise Malformed("it is cut short")
    return found


def _end(text: str, at: int) -> int:
    """Where a tag ends: a ``>`` may stand in the value of an attribute."""
    end, limit = at, at + TAG
    while True:
        end = _find(text, ">", end + 1)
        inside = text[at:end]
        if end > limit:
            raise Malformed(f"a tag of more than {TAG:,} characters")
        if not (inside.count('"') % 2 or ('"' not in inside and inside.count("'") % 2)):
            return end


def _unescaped(value: str) -> str:
    if "&" in value:
        for escape, plain in _ESCAPES:
            value = value.replace(escape, plain)
    return value
