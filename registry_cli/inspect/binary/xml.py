"""XML, tag by tag: without entities, without a document type, bounded in size and depth.

The parsers of the standard library expand entities, and are safe with untrusted files only with another package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .limits import Stopped

MAX_TAGS, MAX_DEPTH, MAX_TAG_LENGTH = 300_000, 100, 1 << 16

_ATTRIBUTE = re.compile(rb"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TAG = re.compile(rb"<[^\"'<>]*(?:\"[^\"]*\"[^\"'<>]*|'[^']*'[^\"'<>]*)*>")
_NAME = re.compile(rb"/?([A-Za-z_][\w:.-]*)")
_ESCAPES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_SKIPPED = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))


class XmlTag(NamedTuple):
    """The start tag of an element, and the names of the elements around it."""

    name: str
    attributes: dict[str, str]
    parents: tuple[str, ...]


def find_root(head: bytes) -> XmlTag | None:
    """The first element of a document that begins with ``head``; None if it is not XML, or ``head`` is too short."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return None
    try:
        return next(iter_tags(head), None)
    except Stopped:
        return None


def iter_tags(data: bytes) -> Iterator[XmlTag]:
    """The elements of a document in UTF-8, in order. :class:`Stopped` if it is not XML, or reaches a limit."""
    at, left = 0, MAX_TAGS
    parents: list[str] = []
    while (at := data.find(b"<", at)) >= 0:
        left -= 1
        if left < 0 or len(parents) > MAX_DEPTH:
            raise Stopped(f"more than {MAX_TAGS:,} tags, or deeper than {MAX_DEPTH}")
        skipped = next((end for start, end in _SKIPPED if data.startswith(start, at)), b"")
        if skipped:
            at = _find(data, skipped, at) + len(skipped)
            continue
        if data.startswith(b"<!", at):
            raise Stopped("it has a document type, which is not read")
        end = _end(data, at)
        inside = data[at + 1 : end]
        name = _NAME.match(inside)
        if name is None:
            raise Stopped("it is not XML")
        local = name[1].decode("ascii", "replace").rpartition(":")[2]
        if inside.startswith(b"/"):
            if not parents or parents.pop() != local:
                raise Stopped("its tags do not match")
        else:
            found = _ATTRIBUTE.findall(inside, name.end())
            attributes = {_text(key): _text(double or single) for key, double, single in found}
            yield XmlTag(local, attributes, tuple(parents))
            if not inside.endswith(b"/"):
                parents.append(local)
        at = end + 1
    if parents:
        raise Stopped("it is cut short")


def _find(data: bytes, mark: bytes, at: int) -> int:
    found = data.find(mark, at)
    if found < 0:
        raise Stopped("it is cut short")
    return found


def _end(data: bytes, at: int) -> int:
    """Where a tag ends: a ``>`` may be in the value of an attribute."""
    found = _TAG.match(data, at, at + MAX_TAG_LENGTH)
    if found is None:
        raise Stopped(f"it is cut short, or has a tag of more than {MAX_TAG_LENGTH:,} bytes")
    return found.end() - 1


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if "&" in text:
        for escape, plain in _ESCAPES:
            text = text.replace(escape, plain)
    return text
