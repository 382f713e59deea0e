"""Text that others wrote, made fit for one line of a message or a document. For a terminal see ``cli/formatting.py``."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, AnyStr

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


if TYPE_CHECKING:

    def lazy_pattern(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]: ...

else:

    class lazy_pattern:
        """A regular expression that is compiled when it is first used: most commands need few of all there are."""

        def __init__(self, pattern: Any, flags: int = 0) -> None:
            self._source = pattern, flags

        def __getattr__(self, name: str) -> Any:
            found = getattr(re.compile(*self._source), name)  # re keeps what it compiled: its methods share one pattern
            setattr(self, name, found)
            return found


def find_nearest(word: str, known: Iterable[str], cutoff: float | None = None) -> str:
    """Return the ``known`` name that is nearest to a misspelt one; empty if none is near.

    That is one that begins with ``word``, or with all but its last letter, else one that is similar to it. With a ``cutoff``, a ratio of difflib, it must
    be as similar as that.
    """
    from difflib import get_close_matches  # slow to import, and only needed for a mistake

    word = word[:60].lower()
    spellings = {each.lower(): each for each in known}
    start = word[:-1] if len(word) > 4 else word
    longer = [each for each in spellings if cutoff is None and len(word) > 2 and each.startswith(start)]
    enough = cutoff or (0.7 if len(word) > 3 else 0.6)
    near = sorted(longer, key=len)[:1] or get_close_matches(word, spellings, 1, enough)
    return "".join(spellings[each] for each in near)


def suggest(word: str, known: Iterable[str], cutoff: float | None = None) -> str:
    """Return a hint with the nearest of the ``known`` names; empty if none is near."""
    near = find_nearest(word, known, cutoff)
    return f"did you mean '{near}'?" if near else ""
