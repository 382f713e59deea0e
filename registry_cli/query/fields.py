"""The fields of a version that a query, a column or an order can name, and how each is read from a record.

A field has no value (it is missing), one, or several (stages, aliases, a list in the lineage). A value is a bool, an
int of 64 bits, a float that is not NaN, or a text. Other values of records are converted here, for predicates and the
index alike, so that both give the same results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Union

from ..core.quantities import parse_epoch, to_epoch
from ..core.text import escape_for_message, find_nearest
from ..core.values import DEPTH
from ..errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import VersionRecord

Scalar = Union[bool, int, float, str]

#: The types of fields, as messages call them.
TEXT, MEMBERS, NUMBER, SIZE = "text", "a set of names", "a number", "a size"
TRUTH, TIME, AGE, DIGEST, ANY = "true or false", "a date or time", "a duration", "a digest", "a value"

#: The names of the kinds of values in the index.
KINDS: Mapping[type, str] = {bool: "b", int: "n", float: "n", str: "t"}

#: The fields without a key, and their types.
PLAIN = {
    "model": TEXT, "group": TEXT, "version": NUMBER, "stage": MEMBERS, "alias": MEMBERS, "archived": TRUTH, "author": TEXT,
    "created": TIME, "age": AGE, "size": SIZE, "files": NUMBER, "format": TEXT, "digest": DIGEST, "message": TEXT,
}  # fmt: skip
_KEYED = {"params": ANY, "metrics": NUMBER, "tags": TEXT, "annotations": TEXT, "lineage": ANY}
_COLUMNS = {"group": "grp", "age": "created"} | {
    name: name for name in PLAIN if name not in ("group", "age", "stage", "alias", "format")
}
_FACTS = {"format": "lineage.format"}
_OTHER_WORDS = {
    "name": "model", "user": "author", "owner": "author", "by": "author", "date": "created", "time": "created",
    "status": "stage", "state": "stage", "sha256": "digest", "hash": "digest", "comment": "message", "label": "tags",
    "labels": "tags", "number": "version", "bytes": "size", "note": "annotations", "git": "lineage.git",
}  # fmt: skip
#: A quoted text, as a regular expression (with DOTALL).
QUOTED = r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\""
_QUOTED = re.compile(QUOTED, re.DOTALL)
_INT_BOUND = 2**63


class QueryField:
    """One field: ``name`` without quotes, and the ``type`` of its values (see the constants).

    ``column`` is its column in the index's table of versions, empty for a field that is kept as facts, with the name
    ``fact``. ``family`` and ``key`` are the halves of a dotted name.
    """

    __slots__ = ("column", "fact", "family", "key", "name", "type")

    def __init__(self, family: str, key: str = "") -> None:
        self.family = family
        self.key = key
        self.name = f"{family}.{key}" if key else family
        self.type = _KEYED[family] if key else PLAIN[family]
        self.column = "" if key else _COLUMNS.get(family, "")
        self.fact = _FACTS.get(family, self.name)

    def read(self, record: VersionRecord) -> tuple[Scalar, ...]:
        """The values as they are compared: times as seconds since 1970, an age as its ``created``."""
        if self.key:
            mapping = getattr(record, self.family)
            return _look_up(mapping, self.key) if self.family == "lineage" else to_scalars(mapping.get(self.key))
        return _read_plain(self.family, record)

    def value(self, record: VersionRecord, now: datetime) -> Scalar | list[Scalar] | None:
        """The value for a person: ``created`` as it was recorded, ``age`` in seconds, sets as lists."""
        if self.name == "created":
            return record.created or None
        values = self.read(record)
        if self.type == MEMBERS or len(values) > 1:
            return list(values)
        if not values:
            return None
        return to_epoch(now) - float(values[0]) if self.type == AGE else values[0]


def _read_plain(name: str, record: VersionRecord) -> tuple[Scalar, ...]:
    if name == "format":
        return tuple(text for text in _look_up(record.lineage, "format") if isinstance(text, str) and text)
    if name in ("stage", "alias"):
        return to_scalars(list(record.stages if name == "stage" else record.aliases))
    if name in ("created", "age"):
        moment = parse_epoch(record.created)
        return () if moment is None else (moment,)
    if name == "group":
        return to_scalars(record.model.rpartition("/")[0] or None)
    if name == "version":
        return (record.number,)
    value = getattr(record, name)
    return () if value == "" else to_scalars(value)


def to_scalars(value: object) -> tuple[Scalar, ...]:
    """The values that a value of a record is compared by; for a list its texts and numbers, each once.

    Integers beyond 64 bits become floats, since the index can't hold them. A bool in a list is left out: the index
    could not distinguish it from 1 or 0 in the same list.
    """
    if isinstance(value, (list, tuple)):
        each = (one for item in value if not isinstance(item, (bool, list, tuple)) for one in to_scalars(item))
        return tuple(dict.fromkeys(each))
    if isinstance(value, bool):
        return (value,)
    if isinstance(value, int):
        return (limit_integer(int(value)),)
    if isinstance(value, float):
        return () if value != value else (float(value),)  # noqa: PLR0124 - NaN is what differs from itself
    if isinstance(value, str):
        return (str.__str__(value) if value.isascii() else value.encode("utf-8", "replace").decode(),)
    return ()


def limit_integer(number: int) -> int | float:
    """``number`` itself, as a float beyond 64 bits, as an infinity beyond that."""
    if -_INT_BOUND <= number < _INT_BOUND:
        return number
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _look_up(tree: Mapping[str, object], key: str, depth: int = 0) -> tuple[Scalar, ...]:
    """The first value that :func:`iter_flat` yields for ``key``, without a walk through the whole tree."""
    for name, value in tree.items() if depth <= DEPTH else ():
        found: tuple[Scalar, ...] = ()
        if name == key and not isinstance(value, Mapping):
            found = to_scalars(value)
        elif isinstance(value, Mapping) and isinstance(name, str) and key.startswith(f"{name}."):
            found = _look_up(value, key[len(name) + 1 :], depth + 1)
        if found:
            return found
    return ()


def iter_flat(tree: Mapping[str, object], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, tuple[Scalar, ...]]]:
    """All values in a nested mapping with dotted names, in order; if a name comes twice, the first one counts."""
    for name, value in tree.items() if depth <= DEPTH else ():
        if not isinstance(name, str):
            continue
        if isinstance(value, Mapping):
            yield from iter_flat(value, f"{prefix}{name}.", depth + 1)
        elif found := to_scalars(value):
            yield prefix + name, found


def parse_field(text: str) -> QueryField:
    """Parse the name of a field: ``model``, ``metrics.auc``, ``params.opt.lr``, ``metrics."f1 macro"``.

    Raises:
        InvalidInput: there is no such field; the hint has the nearest name.
    """
    family, _, key = text.strip().partition(".")
    key = _QUOTED.sub(lambda match: unquote(match[0]), key)
    if family in PLAIN and not key:
        return QueryField(family)
    if family in _KEYED and key:
        return QueryField(family, key)
    if family in _KEYED:
        raise InvalidInput(f"'{escape_for_message(text)}' requires a name", f"use {family}.NAME")
    raise InvalidInput(f"unknown field '{escape_for_message(text)}'", _suggestion(family, key))


def _suggestion(family: str, key: str) -> str:
    word = family[:40].lower()
    near = _OTHER_WORDS.get(word) or find_nearest(word, [*PLAIN, *_KEYED])
    if near:
        name = near if near in PLAIN else f"{near}.{key or 'NAME'}"
        return f"did you mean '{escape_for_message(name)}'?"
    if not key and family.isidentifier():
        name = escape_for_message(family)
        return f"use metrics.{name} for a metric, params.{name} for a param, tags.{name} for a tag"
    return f"use {', '.join(PLAIN)}, or one of {', '.join(f'{name}.NAME' for name in _KEYED)}"


def unquote(text: str) -> str:
    r"""A quoted text without its quotes: ``''`` and ``\'`` are a quote, ``\\`` a backslash; others stay."""
    mark = text[0]
    return re.sub(rf"\\([\\{mark}])|{mark}({mark})", lambda match: match[1] or match[2], text[1:-1])


def value(record: VersionRecord, field_text: str, now: datetime) -> Scalar | list[Scalar] | None:
    """The value of the field of that name, see :meth:`QueryField.value`; :class:`InvalidInput` if there is none."""
    return parse_field(field_text).value(record, now)
