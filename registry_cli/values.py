"""What is said of a version: params, metrics, tags, annotations. Parsed and bounded here, trusted inside.

A param is an int, a float, a bool or a line of text; a metric is a finite number; a tag is a line of text; an
annotation is any text. Sources of the rules: YAML 1.2 core schema for the spelling of numbers, IEEE 754 for finite.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, Union

from .errors import InvalidInput

Param = Union[bool, int, float, str]
Metric = Union[int, float]
_T = TypeVar("_T")
#: A path, and what takes one thing or several: a single text, path or reference counts as one, never as its characters.
PathLike = Union[str, "os.PathLike[str]"]
OneOrMore = Union[_T, Iterable[_T]]

KEY_LENGTH = 250
LINE_LENGTH = 8_192
TEXT_LENGTH = 65_536
ENTRIES = 20_000
DEPTH = 32

_INT = re.compile(r"-?(0|[1-9][0-9]*)\Z", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z", re.ASCII)
_LEADING_ZERO = re.compile(r"-?0[0-9]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_INT_BOUND = 2**63


def as_list(given: Any, name: str) -> list[Any]:
    """What a parameter that takes one thing or several was given, as a list. ``name`` is the parameter.

    Raises :class:`InvalidInput` for what is neither: a number, None, bytes, a mapping.
    """
    from .names import Reference

    if isinstance(given, (str, os.PathLike, Reference)):
        return [given]
    wrong = isinstance(given, (bytes, bytearray, Mapping)) or not isinstance(given, Iterable)
    found = [] if wrong else list(given)
    if wrong or any(isinstance(each, (bytes, int)) or each is None for each in found):
        raise InvalidInput(f"'{name}' takes text, a path or a reference, or a list of these", f"not {given!r:.60}")
    return found


def pair(text: str) -> tuple[str, str]:
    """``k=v`` as its two halves."""
    name, mark, value = text.partition("=")
    if not mark:
        raise InvalidInput(f"'{text}' has no '='", "write it as key=value")
    return key(name), value


def pairs(texts: Iterable[str], read: Callable[[str, str], _T]) -> dict[str, _T]:
    """Many ``k=v`` as a dict, each value through ``read(text, name)``; a name given twice is refused."""
    found: dict[str, _T] = {}
    for text in texts:
        name, value = pair(text)
        if name in found:
            raise InvalidInput(f"'{name}' is given twice", "give each name once")
        found[name] = read(value, name)
    return found


def key(text: str) -> str:
    """A name of a param, metric, tag or annotation: one line without ``=``, at most 250 characters."""
    if not text or text != text.strip() or "=" in text or len(text) > KEY_LENGTH:
        raise InvalidInput(f"'{text[:60]}' can't be a name", f"use 1 to {KEY_LENGTH} characters without '='")
    if _CONTROL.search(text) or _UNWRITABLE.search(text):
        raise InvalidInput(f"'{text}' can't be a name", "it has a control character or is not valid UTF-8")
    return text


def line(text: str, name: str) -> str:
    """One line of text: a tag, a reason, a param that is text."""
    if _CONTROL.search(text) or _UNWRITABLE.search(text):
        raise InvalidInput(f"the text of '{name}' has a control character or is not valid UTF-8", "use one plain line")
    if len(text) > LINE_LENGTH:
        raise InvalidInput(f"the text of '{name}' has {len(text):,} characters", f"{LINE_LENGTH:,} is the most")
    return text


def text(value: str, name: str) -> str:
    """Free text, of many lines if need be: an annotation, a message."""
    if _UNWRITABLE.search(value):
        raise InvalidInput(f"the text of '{name}' has a NUL character or is not valid UTF-8")
    if len(value) > TEXT_LENGTH:
        raise InvalidInput(f"the text of '{name}' has {len(value):,} characters", f"{TEXT_LENGTH:,} is the most")
    return value


def param(value: str, name: str) -> Param:
    """A param as typed on a command line: ``3`` int, ``1e-5`` float, ``true`` bool, ``007`` and ``nan`` text."""
    if value in ("true", "false"):
        return value == "true"
    number = _number(value)
    return line(value, name) if number is None else number


def metric(value: str, name: str) -> Metric:
    """A metric as typed on a command line: a finite number, or :class:`InvalidInput`."""
    number = _number(value)
    if number is None:
        raise InvalidInput(f"metric '{name}' is '{value}', which is no finite number", "nan and inf can't be compared")
    return number


def _number(value: str) -> Metric | None:
    if _LEADING_ZERO.match(value):
        return None
    if _INT.match(value) and len(value) <= 20 and -_INT_BOUND <= int(value) < _INT_BOUND:
        return int(value)
    if _FLOAT.match(value) and math.isfinite(number := float(value)):
        return number
    return None


def check_param(value: object, name: str) -> Param:
    """A param as a Python program or a YAML file gives it. Null becomes the text ``null``, a list its JSON text."""
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return line(json.dumps(value, ensure_ascii=False, default=str), name)
    value = _plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT_BOUND <= value < _INT_BOUND:
        return line(str(value), name)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return line(value, name)
    raise InvalidInput(f"param '{name}' is a {type(value).__name__}", "use a number, a text, true or false")


def check_metric(value: object, name: str) -> Metric:
    """A metric as a Python program or a YAML file gives it (NumPy scalars included): a finite number."""
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"metric '{name}' is {value!r:.60}, which is no number", "give numbers only")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise InvalidInput(
            f"metric '{name}' is {value!s:.60}, which is no finite number", "nan and inf can't be compared"
        )
    return value if -_INT_BOUND <= value < _INT_BOUND else float(value)


def _plain(value: object) -> object:
    """A scalar of NumPy, an enum or another subclass as the plain Python value it is; anything else unchanged.

    The YAML dumper knows plain types only, and would refuse the others when the files are already copied.
    """
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, (bool, int, float, str)):
        try:
            return item()
        except (TypeError, ValueError):
            return value
    if isinstance(value, str):
        return str.__str__(value)  # the text itself, not what an enum calls itself
    if isinstance(value, float):
        return float(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_line(value: object, name: str) -> str:
    """A tag as a Python program gives it: text, or a number or bool that is written as text."""
    value = _plain(value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    return line(value if isinstance(value, str) else str(value), name)


def check_text(value: object, name: str) -> str:
    """An annotation as a Python program gives it: text."""
    value = _plain(value)
    if not isinstance(value, str):
        raise InvalidInput(f"annotation '{name}' is a {type(value).__name__}", "give text")
    return text(value, name)


def checked(values: Mapping[str, object] | None, check: Callable[[object, str], _T]) -> dict[str, _T]:
    """A mapping with each key and each value checked by ``check(value, name)``."""
    values = values or {}
    if len(values) > ENTRIES:
        raise InvalidInput(f"{len(values):,} values at once", f"{ENTRIES:,} is the most")
    named = {key(str(_plain(name))): value for name, value in values.items()}
    return {name: check(value, name) for name, value in named.items()}


def flatten(tree: Mapping[str, object], prefix: str = "", depth: int = 0) -> dict[str, object]:
    """A nested mapping with dotted names: ``{'train': {'lr': 0.1}}`` becomes ``{'train.lr': 0.1}``."""
    if depth > DEPTH:
        raise InvalidInput(f"'{prefix[:40]}…' is nested deeper than {DEPTH} levels")
    flat: dict[str, object] = {}
    for name, value in tree.items():
        inside = (
            flatten(value, f"{prefix}{name}.", depth + 1) if isinstance(value, Mapping) else {f"{prefix}{name}": value}
        )
        if twice := flat.keys() & inside.keys():
            raise InvalidInput(f"'{min(twice)}' stands there twice, once with a dot and once nested")
        flat.update(inside)
    return flat


def canonical(value: object) -> bytes:
    """A value of a document in the one spelling that is hashed and signed: ``jq -caS`` writes the same.

    JSON in ASCII, keys sorted, no space between tokens. Raises TypeError or ValueError for what JSON can't hold.
    """
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
