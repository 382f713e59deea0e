"""Values as text for a terminal or a pipe: escaping, sizes, ages, numbers."""

from __future__ import annotations

import json
import math
import os
import sys
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timezone

from .process import is_terminal

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TextIO

    from ..core.records import VersionRecord

_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_COMBINING_MOST = 3

#: The options of the parameters that messages of the library name, in backquotes.
OPTIONS = {
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "again", "artifacts", "environment", "exclude", "expect", "flavor", "force", "format", "higher", "include",
            "lock_timeout", "lower", "merge", "older_than", "only", "python", "reason", "request_id", "reuse_name",
            "scan", "since", "skip_invalid", "until",
        )
    },
    "columns": "--column", "how='link'": "--link", "how='move'": "--move", "metrics": "KEY=NUMBER", "name": "--as", "replace": "--force",
    "root": "-C DIR", "rows": "--from FILE", "unsafe": "--allow-unsafe --reason TEXT",
}  # fmt: skip


def name_options(text: str) -> str:
    """A message of the library, with options in place of the parameters that it names."""
    if "`" not in text:
        return text
    import re

    return re.sub("`([^`]+)`", lambda match: OPTIONS.get(match[1], match[0]), text)


def escape(text: str, *, lines: bool = False) -> str:
    r"""``text`` with every character made visible that a terminal would act on or hide.

    Control characters (C0, C1, DEL), bidirectional marks, zero-width characters, lone surrogates, and combining marks
    beyond three in a row are written as ``\x1b`` or ``\u202e``. With ``lines``, a newline stays one.
    """
    if text.isascii() and text.isprintable():
        return text
    shown, combining = [], 0
    for char in text:
        combining = combining + 1 if unicodedata.combining(char) else 0
        hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or combining > _COMBINING_MOST
        if not hidden or (lines and char == "\n"):
            shown.append(char)
        else:
            code = ord(char)
            spelt = f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
            shown.append(_ESCAPES.get(char) or spelt)
    return "".join(shown)


def format_size(count: int) -> str:
    """Format bytes as ``1.2 MB`` (powers of 1000)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}" if abs(value) < 99.95 else f"{value:.0f} {unit}"


def format_age(stamp: str, now: datetime | None = None) -> str:
    """Format how long ago a time was as ``3 h`` or ``12 d``; return what is not a past time as it is."""
    try:
        then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return stamp
    seconds = ((now or datetime.now(timezone.utc)) - then).total_seconds()
    if seconds < 0:
        return format_time(stamp)
    for unit, length in (("s", 60), ("min", 60), ("h", 24), ("d", 365)):
        if seconds < length * (2 if unit in ("s", "d") else 1):
            return f"{int(seconds)} {unit}"
        seconds /= length
    return f"{int(seconds)} y"


def format_time(stamp: str, *, utc: bool = False, zone: bool = False) -> str:
    """Format a recorded time for a person, as ``2026-11-23 10:00:07``: local unless ``utc``, with the name of the ``zone`` if asked.

    Return what is not a time as it is.
    """
    try:
        moment = datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(timezone.utc if utc else None)
    except (ValueError, OverflowError, OSError):
        return stamp
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'seconds')}{f' {moment:%Z}' if zone else ''}"


def time_column(name: str = "time", *, utc: bool = False) -> str:
    """The heading of a column of times: it says UTC if they are."""
    return f"{name} (utc)" if utc or datetime.now().astimezone().tzname() == "UTC" else name


#: The significant digits shown of a float, if they suffice to tell it from others.
DIGITS = 6
#: The digits that suffice for every float.
_ALL_DIGITS = 17
_WHOLE_MOST = 1e15


def format_number(value: object, digits: int = DIGITS) -> str:
    """A metric or a param for a table.

    A float is shown with six significant digits, or with as many more as it takes not to look like a whole number that
    it is not: 0.9999999 is never shown as 1.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    if value.is_integer():
        return f"{value:.0f}" if abs(value) < _WHOLE_MOST else repr(value)
    for enough in range(digits, _ALL_DIGITS):
        shown = f"{value:.{enough}g}"
        if not float(shown).is_integer():
            return shown
    return repr(value)


def format_numbers(values: Sequence[object]) -> list[str]:
    """Format values that stand side by side with as many digits as make different ones look different."""
    shown = [format_number(value) for value in values]
    distinct = {(value, isinstance(value, bool)) for value in values}
    digits = DIGITS
    while len(set(shown)) < len(distinct) and digits < _ALL_DIGITS:
        digits += 1
        shown = [format_number(value, digits) for value in values]
    return shown


def list_pointers(version: VersionRecord) -> list[str]:
    """The stages of a version, the last one first, its aliases with an ``@``, and ``archived``."""
    archived = ["archived"] if version.archived else []
    return [*reversed(version.stages), *(f"@{alias}" for alias in version.aliases), *archived]


def format_metrics(of_each: Sequence[Mapping[str, object]]) -> list[dict[str, str]]:
    """Format the metrics of several versions, those of one name as :func:`format_numbers` does."""
    shown: list[dict[str, str]] = [{} for _ in of_each]
    for name in dict.fromkeys(name for each in of_each for name in each):
        places = [at for at, each in enumerate(of_each) if name in each]
        for at, text in zip(places, format_numbers([of_each[at][name] for at in places]), strict=True):
            shown[at][name] = text
    return shown


def shorten(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def format_value(value: Any, *, exact: bool = False) -> str:
    """Format any value: numbers with six digits unless ``exact``, lists as JSON."""
    if exact and isinstance(value, float):
        return repr(value)
    return format_number(value) if isinstance(value, (str, bool, int, float)) else json.dumps(value, default=str)


def supports_unicode() -> bool:
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def wants_color(stream: TextIO, *, no_color: bool = False) -> bool:
    """Whether to colour what is printed to a stream: as ``--no-color`` and the environment say, else on a terminal."""
    if no_color or os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def format_label(word: str, *, no_color: bool) -> str:
    """``error:`` or ``warning:``, coloured where standard error is."""
    if not wants_color(sys.stderr, no_color=no_color):
        return f"{word}:"
    if word == "error":
        return "\x1b[1;31merror:\x1b[0m"
    # not the yellow of 16-colour themes where there is a darker one: it can't be read on white
    wide = "256color" in os.environ.get("TERM", "") or os.environ.get("COLORTERM")
    return f"\x1b[{'38;5;130' if wide else '33'}m{word}:\x1b[0m"


def align(pairs: Iterable[tuple[str, Any]]) -> str:
    """Format ``key  value`` lines without empty values; further lines of a text stand below its first."""
    import shutil

    kept = [(key, value) for key, value in pairs if value not in ("", None) and value is not False]
    width = max(len(key) for key, _ in kept) + 2
    lines = []
    for key, value in kept:
        text = "yes" if value is True else escape(format_number(value), lines=True)
        if key == "digest" and width + len(text) > shutil.get_terminal_size().columns:
            text = f"{text[:19]}…" if supports_unicode() else text[:19]
        lines.append(f"{escape(key):<{width}}" + ("\n" + " " * width).join(_wrap(text.rstrip("\n"), width)))
    return "\n".join(lines)


def _wrap(text: str, indent: int) -> Iterable[str]:
    """Break the lines of a text between words only: digests and paths stay whole, to be copied."""
    import shutil
    import textwrap

    room = max(shutil.get_terminal_size().columns - indent, 20)
    for line in text.split("\n"):
        if len(line) <= room:
            yield line
        else:
            yield from textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]


def format_cell(cell: Any) -> str:
    """Format a value for a pipe: one line, no tab, empty for None."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Mapping):
        cell = " ".join(f"{name}={value}" for name, value in cell.items())
    elif isinstance(cell, (list, tuple)):
        cell = ",".join(map(str, cell))
    return escape(cell) if isinstance(cell, str) else str(cell)
