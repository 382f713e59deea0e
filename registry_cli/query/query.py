"""The query language of ``search``, ``list --where``, ``versions --where`` and policies.

    metrics.auc >= 0.9 and stage = production
    (params.depth in (4, 6) or tags.team like 'crm%') and not archived and created >= 2026-11-01
    annotations.purpose contains 'churn' and age < 30d and size > 1.5GB

A field that a version lacks, and a value of another type, is no match: neither ``metrics.auc > 1`` nor
``metrics.auc != 1`` is true of a version without auc. ``not`` is the logical opposite of what follows it. Of the
several values of a stage or an alias one must pass; with ``!=``, ``not in``, ``not like`` and so on, none may.
A time stands for all that it names: ``created = 2026-11-01`` is any time of that day (in UTC), ``>`` is after it.
``digest = ab12cd34`` takes the first hex digits, 8 or more. ``~`` is a regular expression, searched for in the first
10,000 characters; ``like`` has ``%`` and ``_``, is about the whole text, and ignores case.

A query answers in two ways that agree: as a predicate on a record, and as a condition on the index
(``sql_schema.SCHEMA``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.quantities import to_epoch
from ..core.text import escape_for_message
from ..errors import InvalidInput
from .fields import AGE, KINDS, QUOTED, QueryField, Scalar, parse_field, value
from .parser import Parser
from .patterns import RegexBudget, RegexTimeout
from .predicates import Compiler, Group, Node, PatternPredicate, presence_condition

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import VersionRecord

__all__ = ["Ordering", "Query", "QueryField", "Scalar", "parse", "parse_all", "parse_field", "parse_sort", "value"]


class Query:
    """A parsed query: ``text`` as it was given, and the names of the ``fields`` that it is about.

    ``names`` are the stages, aliases, models and groups that it compares with: pairs of field and name.
    """

    __slots__ = ("_meter", "_patterns", "_tree", "fields", "names", "text")

    def __init__(
        self,
        text: str,
        tree: Node,
        fields: Iterable[str],
        patterns: Iterable[PatternPredicate],
        meter: RegexBudget,
        names: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.text = text
        self.fields = frozenset(fields)
        self.names = tuple(names)
        self._tree = tree
        self._patterns = tuple(patterns)
        self._meter = meter

    def matches(self, record: VersionRecord, now: datetime) -> bool:
        """Whether ``record`` matches; ``now`` is what ``age`` counts from."""
        return self._tree.matches(record, to_epoch(now))

    def sql(self, now: datetime) -> tuple[str, list[Any]]:
        """A condition on ``versions v`` of the index, and its parameters. Register :attr:`functions` first."""
        return Compiler(to_epoch(now)).compile(self._tree)

    @property
    def functions(self) -> Mapping[str, Callable[[Any, Any], int]]:
        """The SQL functions, of two arguments, that the condition calls: only those that this query needs."""
        names = {check.function for check in self._patterns}
        return {name: _function(check for check in self._patterns if check.function == name) for name in names}

    def bounded(self) -> RegexTimeout:
        """A context for the evaluation, which ends it with :class:`InvalidInput` when a pattern takes too long.

        Nothing happens for a query without ``~``. See :class:`RegexTimeout` for the limit, and for other threads than the
        main one.
        """
        return RegexTimeout(
            self._meter, [check.pattern for check in self._patterns if check.function == "registry_regexp"]
        )

    def __repr__(self) -> str:
        return f"Query({self.text!r})"


def _function(checks: Iterable[PatternPredicate]) -> Callable[[Any, Any], int]:
    passes = {check.pattern: check.passes for check in checks}

    def function(pattern: Any, subject: Any) -> int:
        # SQLite tests the parts of a condition in any order: this may come before the test of the kind.
        return int(isinstance(subject, str) and passes[pattern](subject))

    return function


def parse(text: str) -> Query:
    """Read a query. :class:`InvalidInput`, with the column and often the nearest name, for what is none.

    The bounds: 10,000 characters, 1,000 terms, 100 open brackets, patterns of 1,000 characters.
    """
    return parse_all([text])


def parse_all(texts: Sequence[str]) -> Query:
    """One query of several, at least one, all of which must hold. Raises as :func:`parse` does."""
    meter = RegexBudget()
    parsers = [Parser(text, meter) for text in texts]
    trees = [parser.parse() for parser in parsers]
    fields = [field for parser in parsers for field in parser.fields]
    patterns = [pattern for parser in parsers for pattern in parser.patterns]
    names = [name for parser in parsers for name in parser.names]
    whole = texts[0] if len(texts) == 1 else " and ".join(f"({text})" for text in texts)
    return Query(whole, trees[0] if len(trees) == 1 else Group("AND", trees), fields, patterns, meter, names)


#: Bounds of an order: characters, and fields.
ORDER_LENGTH = 10_000
FIELDS = 20

_RANKS = {"n": 0, "t": 1, "b": 2}


class Ordering:
    """The order of versions, ``metrics.auc:desc,created``, as a sort of records and as an ORDER BY that agrees with it.

    ``keys`` are the fields to sort by, the first one first, each with whether it is descending (an age: its ``created``).
    What lacks the field comes last in both directions; what is equal is in the order of model and version number. Where
    the values of one field are of several kinds, numbers come before texts before bools (the other way round with
    ``desc``). Of several values (a stage, an alias) the smallest counts.
    """

    __slots__ = ("keys", "text")

    def __init__(self, text: str, keys: Sequence[tuple[QueryField, bool]]) -> None:
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


def _rank(field: QueryField, record: VersionRecord) -> tuple[int, Scalar] | None:
    return min(((_RANKS[KINDS[type(value)]], value) for value in field.read(record)), default=None)


def _smallest_sql(field: QueryField, what: str = "value") -> str:
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
    if len(text) > ORDER_LENGTH:
        raise InvalidInput(f"the order has {len(text):,} characters", f"{ORDER_LENGTH:,} is the most")
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


def _parse_key(part: str) -> tuple[QueryField, bool]:
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
