"""What the coloured views have in common: a console, values in words, signs that the terminal can show."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from .text import number

if TYPE_CHECKING:
    from rich.console import Console


def console(*, no_color: bool) -> Console:
    """Standard output as rich writes to it; nothing in a text is markup."""
    from rich.console import Console

    plain = no_color or os.environ.get("TERM") == "dumb"
    return Console(markup=False, emoji=False, highlight=False, no_color=True if plain else None)


def speaks_unicode() -> bool:
    """Whether standard output can show more than ASCII."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def said(value: Any, *, exact: bool = False) -> str:
    """A value in words: numbers with six digits unless ``exact``, lists as JSON."""
    if exact and isinstance(value, float):
        return repr(value)
    return number(value) if isinstance(value, (str, bool, int, float)) else json.dumps(value, default=str)
