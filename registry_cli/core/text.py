"""Text that others wrote, made fit for one line of a message or a document. For a terminal see ``cli/views/text.py``."""

from __future__ import annotations

_MESSAGE = 60


def replace_unprintable(text: str, replacement: str = " ") -> str:
    """``text`` with ``replacement`` for every character that is not printable, ends of lines among them."""
    return text if text.isprintable() else "".join(char if char.isprintable() else replacement for char in text)


def shorten(text: str, most: int) -> str:
    """``text``, or its beginning and an ellipsis: ``most`` characters at most."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escape_for_message(text: str) -> str:
    """``text`` as it can stand in a one-line message: cut, and without control characters."""
    return replace_unprintable(text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}…", "\ufffd")
