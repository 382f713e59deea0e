"""The order of versions: ``metrics.auc:desc,created``, as a sort of records and as an ORDER BY that agrees with it.

What lacks the field comes last in both directions; what is equal is in the order of model and version number. Where
the values of one field are of several kinds, numbers come before texts before bools (the other way round with
``desc``). Of several values (a stage, an alias) the smallest counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..core.text import escape_for_message
from ..errors import InvalidInput
from .fields import AGE, KINDS, QUOTED, Field, Scalar, parse_field
from .predicates import presence_condition

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import VersionRecord

TEXT_LENGTH = 10_000
FIELDS = 20

_RANKS = {"n": 0, "t": 1, "b": 2}


class Ordering:
    """The fields to sort by, the first one first, each with whether it is descending (an age: its ``created``)."""

    __slots__ = ("keys", "text")

    def __init__(self, text: str, keys: Sequence[tuple[Field, bool]]) -> None:
        self.text = text
        self.keys = tuple(keys)

    def sorted(self, records: Iterable[VersionRecord], now: datetime) -> list[VersionRecord]:  # noqa: ARG002
        """The records in this order. ``now`` changes nothing: an age sorts as its time of creation does."""
        found = sorted(records, key=lambda record: (record.model, record.number))
        for field, descending in reversed(self.keys):
            ranked = [(_rank(field, record), record) for record in found]
            having = [(rank, record) for rank, record in ranked if rank is not None]
            having.sort(key=lambda pair: pair[0], reverse=descending)
            found = [record for _, record in having] + [record for rank, record in ranked if rank is None]
        return found

    def sql(self, now: datetime) -> tuple[str, list[Any]]:  # noqa: ARG002
        """What stands after ORDER BY in a select from ``versions v`` of the index, and its parameters."""
        terms: list[str] = []
        params: list[Any] = []
        for field, descending in self.keys:
            direction = "DESC" if descending else "ASC"
            if field.column:
                # A bare 1 would mean the first column of the result.
                terms += [f"{there} DESC" for there in [presence_condition(field)] if there != "1"]
                terms += [f"v.{field.column} {direction}"]
                continue
            kind, value = (
                _smallest_sql(field, "CASE kind WHEN 'n' THEN 0 WHEN 't' THEN 1 ELSE 2 END"),
                _smallest_sql(field),
            )
            terms += [f"{kind} IS NULL", f"{kind} {direction}", f"{value} {direction}"]
            params += [field.fact] * 3
        return ", ".join([*terms, "v.model", "v.version"]), params


def _rank(field: Field, record: VersionRecord) -> tuple[int, Scalar] | None:
    return min(((_RANKS[KINDS[type(value)]], value) for value in field.read(record)), default=None)


def _smallest_sql(field: Field, what: str = "value") -> str:
    """The value of a version that sorts first, or something of it: SQLite sorts numbers before texts, too."""
    only = " AND kind = 't' AND value != ''" if field.family == "format" else ""
    return (
        f"(SELECT {what} FROM facts WHERE field = (SELECT id FROM fields WHERE name = ?)"
        f" AND version = v.id{only} ORDER BY value LIMIT 1)"
    )


_MISSPELT = ("ascending", "descending", "up", "down", "dsc", "des", "d", "a", "-", "+")


def parse_sort(text: str) -> Ordering:
    """Fields with a comma between them, each with ``:asc`` (as without) or ``:desc``; at most 20.

    Raises :class:`InvalidInput` for no such field, as :func:`parse_field` does.
    """
    if len(text) > TEXT_LENGTH:
        raise InvalidInput(f"the order has {len(text):,} characters", f"{TEXT_LENGTH:,} is the most")
    parts = [part.strip() for part in split_fields(text)]
    if len(parts) > FIELDS:
        raise InvalidInput(f"the order has {len(parts)} fields", f"{FIELDS} is the most")
    return Ordering(text, [_parse_key(part) for part in parts])


def split_fields(text: str) -> list[str]:
    """The text between commas that stand in no quotes; a quote that is not closed counts as a letter."""
    parts = [""]
    for piece in re.findall(rf"{QUOTED}|.", text, re.DOTALL):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _parse_key(part: str) -> tuple[Field, bool]:
    if not part:
        raise InvalidInput("a field is missing in the order", "write it as metrics.auc:desc,created")
    name, mark, direction = part.rpartition(":")
    if mark and "." in name and direction.strip().lower() in _MISSPELT:  # else it would be a metric of that odd name
        raise InvalidInput(f"'{escape_for_message(direction)}' is no direction", "write :asc or :desc")
    if not mark or direction.strip().lower() not in ("asc", "desc"):
        name, direction = part, "asc"
    field = parse_field(name)
    descending = direction.strip().lower() == "desc"
    return field, descending is not (field.type == AGE)  # the index keeps when it was created: the young come first
