"""The query language of ``search``, ``list --where``, ``versions --where`` and policies.

    metrics.auc >= 0.9 and stage = production
    (params.depth in (4, 6) or tags.team like 'crm%') and not archived and created >= 2026-11-01
    annotations.purpose contains 'churn' and age < 30d and size > 1.5GB

A missing field and a value of another type don't match: neither ``metrics.auc > 1`` nor ``metrics.auc != 1`` is true of a
version without auc. ``not`` is the logical opposite of what follows it. If a field has several values (stages, aliases),
one of them must pass; with ``!=``, ``not in``, ``not like`` and so on, none may. A date is a period:
``created = 2026-11-01`` is any time of that day (in UTC), ``>`` is after it. ``digest = ab12cd34`` compares the first hex
digits, 8 or more. ``~`` searches for a regular expression in the first 10,000 characters; ``like`` has ``%`` and ``_``,
must match the whole text, and ignores case.

A query can be evaluated as a predicate on a record, and as a condition on the index (``sql_schema.SCHEMA``), with the same
results.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.quantities import to_epoch
from ..core.text import escape_for_message, suggest
from ..errors import InvalidInput
from .fields import AGE, KINDS, QUOTED, QueryField, Scalar, parse_field, value
from .parser import Parser, join_nodes, tokenize
from .predicates import Node, compile_sql, presence_condition

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import VersionRecord

__all__ = ["Ordering", "Query", "QueryField", "Scalar", "parse", "parse_all", "parse_field", "parse_sort", "value"]


class Query:
    """A parsed query: its ``text``, and the names of the ``fields`` in it.

    ``names`` are the stages, aliases, models and groups that it compares with, as pairs of field and name.
    """

    __slots__ = ("_meter", "_patterns", "_tree", "fields", "names", "text")

    def __init__(self, text: str, tree: Node, parser: Parser) -> None:
        self.text = text
        self.fields = frozenset(parser.fields)
        self.names = tuple(parser.names)
        self._tree, self._patterns, self._meter = tree, parser.patterns, parser.meter

    def matches(self, record: VersionRecord, now: datetime) -> bool:
        """Whether ``record`` matches; ``age`` is relative to ``now``."""
        return self._tree.matches(record, to_epoch(now))

    def sql(self, now: datetime) -> tuple[str, list[Any]]:
        """A condition on ``versions v`` of the index, and its parameters. Register :attr:`functions` first."""
        return compile_sql(self._tree, to_epoch(now))

    @property
    def functions(self) -> Mapping[str, Callable[[Any, Any], int]]:
        """The SQL functions, of two arguments, that the condition calls: only those that this query needs."""
        found: dict[str, dict[str, Callable[[str], bool]]] = {}
        for check in self._patterns:
            found.setdefault(check.function, {})[check.params[0]] = check.holds
        return {name: partial(_matches_pattern, passes) for name, passes in found.items()}

    def bounded(self) -> AbstractContextManager[None]:
        """A context for the evaluation; see :func:`.patterns.limit_regex_time`. A query without ``~`` needs none."""
        if self._meter is None:
            return nullcontext()
        from .patterns import limit_regex_time

        patterns = [check.params[0] for check in self._patterns if check.function == "registry_regexp"]
        return limit_regex_time(self._meter, patterns)

    def __repr__(self) -> str:
        return f"Query({self.text!r})"


def _matches_pattern(passes: Mapping[str, Callable[[str], bool]], pattern: Any, subject: Any) -> int:
    # SQLite tests the parts of a condition in any order: this may come before the test of the kind.
    return int(isinstance(subject, str) and passes[pattern](subject))


def parse(text: str) -> Query:
    """Parse a query of at most 10,000 characters, 1,000 terms, 100 open brackets, and patterns of 1,000 characters.

    Raises:
        InvalidInput: it is not a query; the message has the column, and the hint often the nearest name.
    """
    return parse_all([text])


def parse_all(texts: Sequence[str]) -> Query:
    """One query of at least one text, all of which must match. Raises as :func:`parse` does."""
    parser = Parser()
    trees = [parser.parse(tokens) for tokens in [list(tokenize(text)) for text in texts]]
    whole = texts[0] if len(texts) == 1 else " and ".join(f"({text})" for text in texts)
    return Query(whole, join_nodes("AND", trees), parser)


#: Bounds of an order: characters, and fields.
ORDER_LENGTH = 10_000
FIELDS = 20

_RANKS = {"n": 0, "t": 1, "b": 2}


class Ordering:
    """The order of versions, ``metrics.auc:desc,created``, as a sort of records and as an ORDER BY that agrees with it.

    ``keys`` are pairs of a field and whether it is descending (for an age, its ``created``). Versions without the field
    come last in both directions; equal ones are in the order of model and version number. If the values of one field are
    of several kinds, numbers come before texts before bools (the other way round with ``desc``). Of several values (a
    stage, an alias) the smallest counts.
    """

    __slots__ = ("keys", "text")

    def __init__(self, text: str, keys: Sequence[tuple[QueryField, bool]]) -> None:
        self.text = text
        self.keys = tuple(keys)

    def sorted(self, records: Iterable[VersionRecord], now: datetime) -> list[VersionRecord]:  # noqa: ARG002
        """The records in this order. ``now`` has no effect: an age sorts as its time of creation does."""
        found = sorted(records, key=lambda record: (record.model, record.number))
        for field, descending in reversed(self.keys):
            ranked = [(_rank(field, record), record) for record in found]
            having = [(rank, record) for rank, record in ranked if rank is not None]
            having.sort(key=lambda pair: pair[0], reverse=descending)
            found = [record for _, record in having] + [record for rank, record in ranked if rank is None]
        return found

    def sql(self, now: datetime) -> tuple[str, list[Any]]:  # noqa: ARG002
        """The terms after ORDER BY in a select from ``versions v`` of the index, and their parameters."""
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


def _rank(field: QueryField, record: VersionRecord) -> tuple[int, Scalar] | None:
    return min(((_RANKS[KINDS[type(value)]], value) for value in field.read(record)), default=None)


def _smallest_sql(field: QueryField, what: str = "value") -> str:
    """SQL for the value of a version that sorts first, or for a property of it. SQLite too sorts numbers before texts."""
    only = " AND kind = 't' AND value != ''" if field.family == "format" else ""
    return (
        f"(SELECT {what} FROM facts WHERE field = (SELECT id FROM fields WHERE name = ?)"
        f" AND version = v.id{only} ORDER BY value LIMIT 1)"
    )


_MISSPELT = ("ascending", "descending", "up", "down", "dsc", "des", "d", "a", "-", "+")


def parse_sort(text: str) -> Ordering:
    """Parse at most 20 fields, separated by commas, each with ``:asc`` (the default) or ``:desc``.

    Raises:
        InvalidInput: a field or direction does not exist.
    """
    if len(text) > ORDER_LENGTH:
        raise InvalidInput(f"the sort order has {len(text):,} characters", f"the limit is {ORDER_LENGTH:,}")
    parts = [part.strip() for part in split_fields(text)]
    if len(parts) > FIELDS:
        raise InvalidInput(f"the sort order has {len(parts)} fields", f"the limit is {FIELDS}")
    return Ordering(text, [_parse_key(part) for part in parts])


def split_fields(text: str) -> list[str]:
    """Split at commas outside of quotes; a quote that is not closed counts as a letter."""
    parts = [""]
    for piece in re.findall(rf"{QUOTED}|.", text, re.DOTALL):
        if piece == ",":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _parse_key(part: str) -> tuple[QueryField, bool]:
    if not part:
        raise InvalidInput("a field is missing in the sort order", "for example: metrics.auc:desc,created")
    name, mark, direction = part.rpartition(":")
    if mark and "." in name and direction.strip().lower() in _MISSPELT:  # else it would be a metric of that odd name
        raise InvalidInput(f"'{escape_for_message(direction)}' is not a sort direction", "use :asc or :desc")
    if not mark or direction.strip().lower() not in ("asc", "desc"):
        name, direction = part, "asc"
    field = parse_field(name)
    descending = direction.strip().lower() == "desc"
    return field, descending is not (field.type == AGE)  # the index keeps ``created``: the young come first


#: By what models can be sorted, and whether the largest comes first then.
_MODEL_SORTS = {"name": False, "created": True, "updated": True, "versions": True, "owner": False}


def parse_model_sort(text: str) -> tuple[str, bool]:
    """Parse the order of models: the attribute, also with ``:asc`` or ``:desc``, and whether the largest comes first."""
    key, mark, direction = text.partition(":")
    if key not in _MODEL_SORTS or (mark and direction not in ("asc", "desc")):
        hint = suggest(key, _MODEL_SORTS) if key not in _MODEL_SORTS else ""
        raise InvalidInput(
            f"models can't be sorted by '{escape_for_message(text)}'",
            hint or f"use {', '.join(_MODEL_SORTS)}, or one of them with :asc or :desc",
        )
    return key, direction == "desc" if mark else _MODEL_SORTS[key]
