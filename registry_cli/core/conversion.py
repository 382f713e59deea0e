"""Conversion of values to plain Python values, without importing NumPy, PyTorch and the like.

A number that neither an integer nor a double can hold stays as it was written: see :class:`Literal`.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from itertools import islice
from typing import Any

from ..errors import InvalidInput

#: The most digits of a number: to parse more takes quadratic time.
DIGITS = 100
#: The most values of an array.
ITEMS = 10_000
#: Integers of documents and of the index have 64 bits.
INT_BOUND = 2**63

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z", re.ASCII)
FRACTION = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
NUMERIC = frozenset("+-.0123456789")
#: What a plain word of YAML's core schema stands for.
WORDS: Mapping[str, bool | float | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((f"{sign}.{word}" for sign in ("", "+") for word in ("inf", "Inf", "INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}


class Literal(str):
    """A number as it was written, which neither an integer nor a double holds: ``1e-400``."""

    __slots__ = ()


def parse_scalar(value: str) -> object:
    """Parse a plain word of YAML's core schema: a number, a bool, None, else the text itself.

    Raises:
        ValueError: It is a number of too many digits.
    """
    if value in WORDS:
        return WORDS[value]
    if value[:1] in NUMERIC and (INTEGER.match(value) or FRACTION.match(value)):
        return parse_number(value)
    return value


def parse_number(value: str) -> int | float | Literal:
    """Parse a number of YAML or JSON; a :class:`Literal` if a double would round it to infinity or 0.

    Raises:
        ValueError: It has more than 100 digits.
    """
    if len(value) > DIGITS:
        raise ValueError(f"a number of {len(value):,} digits")
    if INTEGER.match(value):
        return int(value)
    found = float(value)
    if math.isfinite(found) and (abs(found) >= sys.float_info.min or _holds(found, value)):
        return found
    return Literal(value)


def _holds(found: float, value: str) -> bool:
    """Whether a double near 0, where they are sparse, is exactly the number that was written."""
    from decimal import Decimal

    try:
        return Decimal(repr(found)) == Decimal(value)
    except ArithmeticError:  # an exponent that even Decimal can't hold
        return False


def to_plain_value(value: object) -> object:
    """Convert a value to None, bool, int, float, str, list or dict; return any other object unchanged.

    Converted are enums, scalars and arrays of NumPy, PyTorch and their like, Decimal, Fraction, paths, dates, times,
    UUIDs, and every sequence, set and mapping.
    """
    if value is None or type(value) in _PLAIN or isinstance(value, _OPAQUE):
        return value
    for read in (_enum, _builtin, _array, _exact, _moment, _converted):
        found = read(value)
        if found is not value:
            return found
    return value


_PLAIN = frozenset((bool, int, float, str, list, dict, Literal))
_OPAQUE = (bytes, bytearray, memoryview, complex, type)


def _enum(value: object) -> object:
    if not isinstance(value, Enum):
        return value
    inner = value.value
    return to_plain_value(inner) if isinstance(inner, (bool, int, float, str)) else value.name


def _builtin(value: object) -> object:
    """A subclass of a built-in type, a mapping, sequence, set or path."""
    for kind, read in _BUILTIN:
        if isinstance(value, kind):
            return read(value)
    return value


_BUILTIN: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),  # the text itself, not what it calls itself
    (float, float),
    (int, int),
    (Mapping, dict),
    (Sequence, list),
    (Set, lambda found: sorted(found, key=repr)),
    (os.PathLike, os.fsdecode),
)


def _array(value: object) -> object:
    """A scalar or an array of NumPy, PyTorch, JAX, TensorFlow, pandas."""
    shape, to_list = getattr(value, "shape", ()), getattr(value, "tolist", None)
    try:
        if len(shape) and callable(to_list):
            if math.prod(shape) > ITEMS:
                raise InvalidInput(f"an array of {math.prod(shape):,} values", f"the limit is {ITEMS:,}")
            return to_list()
        item = getattr(value, "item", None)
        if callable(item) and not len(shape):
            found = item()
            # A scalar that is wider than a double gives itself: it is read as it prints itself.
            return parse_scalar(str(found)) if type(found) is type(value) else to_plain_value(found)
    except (TypeError, ValueError, RuntimeError):
        pass
    return value


def _exact(value: object) -> object:
    """A Decimal or a Fraction as the nearest double; as it is written where a double would be another number."""
    decimal, fractions = sys.modules.get("decimal"), sys.modules.get("fractions")
    if decimal and isinstance(value, decimal.Decimal):
        return (
            parse_scalar(str(value))
            if value.is_finite()
            else math.nan
            if value.is_nan()
            else math.copysign(math.inf, value)
        )
    if fractions and isinstance(value, fractions.Fraction):
        if value.denominator == 1:
            return int(value)
        try:
            near = float(value)
        except OverflowError:
            return Literal(value)
        return near if abs(near) >= sys.float_info.min else Literal(value)
    return value


def _moment(value: object) -> object:
    """A date or a time in ISO 8601, a span of time in seconds, a UUID as text."""
    datetime, uuid = sys.modules.get("datetime"), sys.modules.get("uuid")
    if datetime and isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if datetime and isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return str(value) if uuid and isinstance(value, uuid.UUID) else value


def _converted(value: object) -> object:
    """Any other number, by its ``__index__`` or ``__float__``."""
    try:
        if hasattr(type(value), "__index__"):
            return int(value.__index__())  # type: ignore[attr-defined]
        if hasattr(type(value), "__float__"):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    return value


def limit_value(
    value: object, text: Callable[[object], str | None], *, key: Callable[[str], str], items: int, depth: int
) -> Any:
    """Convert an untrusted value to plain types of limited size.

    Args:
        value: Any object.
        text: Converts a string, or an object of any other type, to text; None omits it.
        key: Converts a key to text; an empty one is omitted.
        items: The most items of a list or a mapping; the rest is omitted.
        depth: The most levels; what is deeper is omitted.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT_BOUND <= value < INT_BOUND else text(str(value)) if value.bit_length() < 1024 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping) and depth:
        pairs = ((key(str(name)), inner) for name, inner in islice(value.items(), items))
        return {name: limit_value(inner, text, key=key, items=items, depth=depth - 1) for name, inner in pairs if name}
    if isinstance(value, (list, tuple)):
        return (
            [limit_value(inner, text, key=key, items=items, depth=depth - 1) for inner in value[:items]]
            if depth
            else None
        )
    return None if isinstance(value, Mapping) else text(value)


def class_name(value: object) -> str:
    """The name of a class or function, or of the class of an object."""
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        module = getattr(value, "__module__", "") or ""
        return value.__qualname__ if module in ("builtins", "__main__", "") else f"{module}.{value.__qualname__}"
    return type(value).__name__


def format_key(name: object) -> str:
    """Format a key of a mapping as JSON does."""
    name = to_plain_value(name)
    if isinstance(name, str):
        return str.__str__(name)
    return json.dumps(name) if name is None or isinstance(name, (bool, int, float)) else str(name)
