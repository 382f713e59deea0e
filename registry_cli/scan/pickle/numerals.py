"""Numbers that a pickle holds as text: how picklers write them, and what the readers take besides."""

from __future__ import annotations

import re
from typing import Any

from .stack_values import NUMBER

_PLAIN = re.compile(rb"-?(0|[1-9][0-9]*)L?\r?|0[01]\r?")
_FLOAT = re.compile(rb"-?(inf|nan|[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?)\r?")
#: What the C library's ``strtol`` reads, though Python's ``int`` does not.
_LONGEST = 4300
_OCTAL = re.compile(rb"\s*[-+]?0[0-7]+\s*")


def is_plain(data: bytes) -> bool:
    """Whether a pickler would have written an integer so."""
    return _PLAIN.fullmatch(data) is not None


def is_plain_float(data: bytes) -> bool:
    """Whether a pickler would have written a floating-point number so."""
    return _FLOAT.fullmatch(data) is not None


def integer(data: bytes, longest: int, base: int = 0) -> Any:
    """The integer, as a symbol when it is a long one. ValueError when no reader takes it for one."""
    data = data.partition(b"\0")[0].rstrip(b"\r")  # where the C library takes the text to end
    if data in (b"00", b"01"):
        return data == b"01"
    if data.endswith(b"L"):
        data = data[:-1]
    if _PLAIN.fullmatch(data):
        return int(data) if len(data) <= longest else NUMBER
    try:
        return int(data[:_LONGEST], base)
    except ValueError:
        if _OCTAL.fullmatch(data) or not data:
            return NUMBER
        raise


def check_float(data: bytes) -> None:
    """ValueError when no reader takes it for a number."""
    float(data.strip(b" \t\r\v\f\0"))
