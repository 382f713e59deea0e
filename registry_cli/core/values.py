"""Params, metrics, tags and annotations of a version: parsed and limited here, not checked again elsewhere.

A param is an int, a float, a bool or a text; a metric is a finite number; a tag is a line of text; an annotation is any
text. The rules are the same for the command line, Python programs and files: see ``docs/reference/metrics.md``. Numbers,
booleans and null are spelled as in the YAML 1.2 core schema.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, Union

from ..errors import InvalidInput
from .conversion import (
    DIGITS,
    INT_BOUND,
    ITEMS,
    Literal,
    class_name,
    format_key,
    parse_number,
    parse_scalar,
    to_plain_value,
)
from .lazy_dataclass import dataclass, field
from .names import Reference
from .text import lazy_pattern

Param = Union[bool, int, float, str]
Metric = Union[int, float]
_T = TypeVar("_T")
#: One item or several; a single text, path or reference is one item.
PathLike = Union[str, "os.PathLike[str]"]
OneOrMore = Union[_T, Iterable[_T]]

KEY_LENGTH = 250
LINE_LENGTH = 8_192
TEXT_LENGTH = 65_536
ENTRIES = 20_000
DEPTH = 32

_NOT_IN_LINE = lazy_pattern("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: Control characters other than tabs and line ends.
_CONTROL_IN_LINES = lazy_pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_UNWRITABLE = lazy_pattern("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from, as far as you state it, and what is captured besides.

    ``parents`` are versions that it was made from; ``data`` and ``code`` are files, folders, ``.dvc`` files, or addresses
    with a digest (``s3://bucket/key#sha256:…``); ``command`` is what made it; ``environment`` is a file that lists
    packages, ``python`` an interpreter or the folder of an environment. ``capture`` are the parts to capture, of ``git``,
    ``patch``, ``run`` and ``environment``: by default those in ``registry.yaml``, and ``()`` for none. ``extra`` are
    further entries of the lineage, which have precedence over all others.
    """

    parents: OneOrMore[str | Reference] = ()
    data: OneOrMore[PathLike] = ()
    code: OneOrMore[PathLike] = ()
    command: str = ""
    environment: PathLike | None = None
    python: PathLike | None = None
    capture: OneOrMore[str] | None = None
    extra: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def coerce(cls, given: Lineage | Mapping[str, Any] | bool) -> Lineage:
        """True captures what the settings say, False nothing; a mapping has the fields as keys."""
        if isinstance(given, bool):
            return cls(capture=None if given else ())
        if isinstance(given, Lineage):
            return given
        if unknown := [str(key) for key in given if key not in cls.__match_args__]:
            raise InvalidInput(
                f"a lineage has no '{unknown[0]}'", f"use {', '.join(cls.__match_args__)}; others belong into 'extra'"
            )
        return cls(**given)


def as_list(given: Any, name: str) -> list[Any]:
    """Return the argument of a parameter ``name`` that takes one item or several as a list.

    Raises:
        InvalidInput: It is a number, None, bytes or a mapping.
    """
    if isinstance(given, (str, os.PathLike, Reference)):
        return [given]
    wrong = isinstance(given, (bytes, bytearray, Mapping)) or not isinstance(given, Iterable)
    found = [] if wrong else list(given)
    if wrong or any(isinstance(each, (bytes, int)) or each is None for each in found):
        raise InvalidInput(f"'{name}' takes text, a path or a reference, or a list of these", f"not {given!r:.60}")
    return found


def pair(text: str) -> tuple[str, str]:
    """Split ``k=v``."""
    name, mark, value = text.partition("=")
    if not mark:
        raise InvalidInput(f"'{text}' has no '='", "use key=value")
    return key(name), value


def pairs(texts: Iterable[str], read: Callable[[str, str], _T]) -> dict[str, _T]:
    """Parse several ``k=v``, each value by ``read(text, name)``; no name may be given twice."""
    found: dict[str, _T] = {}
    for text in texts:
        name, value = pair(text)
        if name in found:
            raise InvalidInput(f"'{name}' is given twice", "use each name once")
        found[name] = read(value, name)
    return found


def refuse_set_and_removed(changed: Iterable[str], removed: Iterable[str]) -> None:
    """Raise :class:`InvalidInput` if a name is both set and removed by one call."""
    if both := sorted(set(changed).intersection(removed)):
        raise InvalidInput(f"'{both[0]}' is both set and removed", "use one of them")


def key(text: str) -> str:
    """Check the name of a param, metric, tag or annotation: one line without ``=``, at most 250 characters."""
    if not text or text != text.strip() or "=" in text or len(text) > KEY_LENGTH:
        raise InvalidInput(f"invalid name '{text[:60]}'", f"use 1 to {KEY_LENGTH} characters without '='")
    if _NOT_IN_LINE.search(text):
        raise InvalidInput(f"invalid name '{text}'", "it has a control character or is not valid UTF-8")
    return text


def line(text: str, name: str) -> str:
    """Check one line of text: a tag or a reason."""
    if _NOT_IN_LINE.search(text):
        raise InvalidInput(
            f"the text of '{name}' has a control character or is not valid UTF-8", "use a single line of plain text"
        )
    if len(text) > LINE_LENGTH:
        raise InvalidInput(f"the text of '{name}' has {len(text):,} characters", f"the limit is {LINE_LENGTH:,}")
    return text


def text(value: str, name: str) -> str:
    """Check text of any number of lines: an annotation or a message."""
    if _UNWRITABLE.search(value):
        raise InvalidInput(f"the text of '{name}' has a NUL character or is not valid UTF-8")
    if len(value) > TEXT_LENGTH:
        raise InvalidInput(f"the text of '{name}' has {len(value):,} characters", f"the limit is {TEXT_LENGTH:,}")
    return value


def lines(value: str, name: str) -> str:
    """Check text of any number of lines without control characters: a param."""
    if _CONTROL_IN_LINES.search(value):
        raise InvalidInput(f"the text of '{name}' has a control character", "only tabs and newlines are allowed")
    return text(value, name)


def param(value: str, name: str) -> Param:
    """Parse a param of a command line: ``3`` int, ``1e-5`` float, ``true`` bool, ``007`` and ``nan`` text."""
    return check_param(typed(value), name)


def metric(value: str, name: str) -> Metric:
    """Parse a metric of a command line, a finite number."""
    return check_metric(typed(value), name)


def typed(value: str) -> object:
    """Parse a word of a command line: a number, a bool, None (``null``, ``None``), a JSON list, else the text."""
    if value == "None":  # what Python prints for it
        return None
    if value.startswith("[") and value.endswith("]") and len(value) <= TEXT_LENGTH:
        try:
            return json.loads(value, parse_int=parse_number, parse_float=parse_number, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            return value
    try:
        return parse_scalar(value)
    except ValueError:  # a number of very many digits
        return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def check_param(value: object, name: str) -> Param:
    """A param in its normal form. A list becomes its JSON text, an object that is not a value the name of its class.

    Raises :class:`InvalidInput` for what has no such form, and for None: a param without a value is left out.
    """
    value = to_plain_value(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT_BOUND <= value < INT_BOUND else lines(_digits(value, name), name)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return lines(str.__str__(value), name)
    if isinstance(value, list):
        return lines(_json(value, name), name)
    if value is None:
        raise InvalidInput(f"param '{name}' has no value", "remove it")
    if isinstance(value, (Mapping, bytes, bytearray, memoryview, complex)):
        raise InvalidInput(f"param '{name}' is a {type(value).__name__}", "use a number, text, true, false or a list")
    return lines(class_name(value), name)


def check_metric(value: object, name: str) -> Metric:
    """A metric in its normal form: a finite number that is exactly the one that was given, or :class:`InvalidInput`."""
    value = to_plain_value(value)
    if isinstance(value, Literal):
        raise InvalidInput(f"metric '{name}' is {value:.60}, which is out of the range of a double")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = "use a decimal point" if isinstance(value, str) and _COMMA.match(value) else ""
        raise InvalidInput(f"metric '{name}' is {_brief(value)}, which is not a number", hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(
            f"metric '{name}' is {value}, which is not a finite number", "nan and inf cannot be compared"
        )
    if -INT_BOUND <= value < INT_BOUND:
        return value
    try:
        if (near := float(value)) == value:
            return near
    except OverflowError:
        pass
    raise InvalidInput(f"metric '{name}' is {_digits(int(value), name):.60}, which a double cannot represent exactly")


_COMMA = lazy_pattern(r"[-+]?[0-9]+,[0-9]+\Z", re.ASCII)


def _digits(value: int, name: str) -> str:
    if value.bit_length() > 4 * DIGITS:
        raise InvalidInput(f"the value of '{name}' has more than {DIGITS} digits")
    return str(value)


def _brief(value: object) -> str:
    if isinstance(value, (list, Mapping)):
        return "a list" if isinstance(value, list) else "a mapping"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"'{value[:60]}'" if isinstance(value, str) else f"a {type(value).__name__}"


def _json(value: object, name: str, depth: int = 0) -> str:
    """A value inside a list as JSON; numbers as they are, objects as their classes are called."""
    if depth > DEPTH:
        raise InvalidInput(f"param '{name}' is nested deeper than {DEPTH} levels")
    value = to_plain_value(value)
    if isinstance(value, Literal):
        return str.__str__(value)
    if isinstance(value, list):
        if len(value) > ITEMS:
            raise InvalidInput(f"param '{name}' is a list of {len(value):,} values", f"the limit is {ITEMS:,}")
        return f"[{', '.join(_json(each, name, depth + 1) for each in value)}]"
    if isinstance(value, Mapping):
        pairs = (
            f"{json.dumps(format_key(key), ensure_ascii=False)}: {_json(each, name, depth + 1)}"
            for key, each in value.items()
        )
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value, name)
    if value is None or isinstance(value, (bool, float, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (bytes, bytearray, memoryview, complex)):
        raise InvalidInput(f"param '{name}' contains a {type(value).__name__}", "use numbers, text, true and false")
    return json.dumps(class_name(value), ensure_ascii=False)


def check_line(value: object, name: str) -> str:
    """Check a tag of a Python program: text; a number or bool becomes text."""
    value = to_plain_value(value)
    if value is None:
        raise InvalidInput(f"tag '{name}' has no value", "remove it")
    if isinstance(value, bool):
        value = "true" if value else "false"
    return line(str.__str__(value) if isinstance(value, str) else str(value), name)


def check_text(value: object, name: str) -> str:
    """Check an annotation of a Python program."""
    value = to_plain_value(value)
    if not isinstance(value, str):
        raise InvalidInput(f"annotation '{name}' is a {type(value).__name__}", "use text")
    return text(str.__str__(value), name)


def checked(values: Mapping[str, object] | None, check: Callable[[object, str], _T]) -> dict[str, _T]:
    """Check each key of a mapping, and each value by ``check(value, name)``."""
    values = values or {}
    if len(values) > ENTRIES:
        raise InvalidInput(f"{len(values):,} values at once", f"the limit is {ENTRIES:,}")
    named = {key(format_key(name)): value for name, value in values.items()}
    return {name: check(value, name) for name, value in named.items()}


def flatten(tree: Mapping[str, object], prefix: str = "", depth: int = 0) -> dict[str, object]:
    """Flatten a nested mapping: ``{'train': {'lr': 0.1}}`` becomes ``{'train.lr': 0.1}``.

    Raises:
        InvalidInput: Two values get the same name.
    """
    if depth > DEPTH:
        raise InvalidInput(f"'{prefix[:40]}…' is nested deeper than {DEPTH} levels")
    flat: dict[str, object] = {}
    for key, value in tree.items():
        name = f"{prefix}{format_key(key)}"
        inside = flatten(value, f"{name}.", depth + 1) if isinstance(value, Mapping) else {name: value}
        if twice := flat.keys() & inside.keys():
            raise InvalidInput(f"'{min(twice)}' occurs twice, once with a dot and once nested")
        flat.update(inside)
    return flat


def canonical(value: object) -> bytes:
    """Encode a value for hashing and signing: JSON in ASCII, keys sorted, without spaces, as ``jq -caS`` writes it.

    Raises:
        TypeError, ValueError: JSON has no such value.
    """
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
