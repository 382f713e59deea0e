"""Names and texts under one another, for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .text import number, safe


def aligned(pairs: Iterable[tuple[str, Any]]) -> str:
    """``key  value`` lines; what is empty is left out, further lines of a text stand under its first."""
    kept = [(key, value) for key, value in pairs if value not in ("", None, False)]
    width = max(len(key) for key, _ in kept) + 2
    lines = []
    for key, value in kept:
        text = "yes" if value is True else safe(number(value), lines=True)
        lines.append(f"{safe(key):<{width}}" + ("\n" + " " * width).join(_wrapped(text.rstrip("\n"), width)))
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> Iterable[str]:
    """The lines of a text for a terminal, broken between words only: digests and paths stay whole, to be copied."""
    import shutil
    import textwrap

    room = max(shutil.get_terminal_size().columns - indent, 20)
    for line in text.split("\n"):
        if len(line) <= room:
            yield line
        else:
            yield from textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
