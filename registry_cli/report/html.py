"""Elements of HTML and SVG. Text is escaped wherever it is put; only what these functions return is markup."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from html import escape
from typing import Union

#: Elements without content: those of HTML have no end tag, those of SVG close themselves.
_VOID = frozenset({"meta", "link", "input"})
_SHAPES = frozenset({"circle", "line", "rect", "polyline"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = Union[str, int, None, Iterable["Child"]]


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """One element. Underscores in the names of attributes become dashes (``class_`` is ``class``, ``data_x`` ``data-x``);
    an attribute that is None or False is left out, and True has no value.
    """
    start = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{value if type(value) is int else escape(clean(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _SHAPES and not children:
        return Markup(f"<{name}{start}/>")
    return Markup(f"<{name}{start}>" if name in _VOID else f"<{name}{start}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children as HTML, one after the other: text is escaped, None left out."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(escape(clean(child)))
        elif isinstance(child, int):
            parts.append(str(child))
        elif child is not None:
            parts.append(str(join(*child)))
    return Markup("".join(parts))


def clean(text: str) -> str:
    """The text without what a browser acts on or hides: control characters and marks of direction become visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in "\n\t" or not _is_hidden(char) else f"\\u{ord(char):04x}" for char in text)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
