"""A parsed query: terms joined by and, or, not. Every condition is two-valued, in SQL too: no NULL under a NOT.

A test of a value is a predicate in Python and an SQL condition with the same answers. The SQL consists of the texts in this
module; user text is passed as parameters.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from .fields import KINDS, TRUTH, QueryField, Scalar

if TYPE_CHECKING:
    from ..core.records import VersionRecord

Sql = tuple[str, list[Any]]

#: The operators of order and equality. ``!=`` is the negation of ``=`` (see :class:`Term`).
COMPARE = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class ValuePredicate(NamedTuple):
    """One test of a value of one kind: ``n`` number, ``t`` text, ``b`` bool. A value of another kind never passes.

    ``condition`` is the same test in SQL, with ``{0}`` for the column. ``function`` is the SQL function that it calls.
    """

    kind: str
    holds: Callable[[Any], bool]
    condition: str
    params: list[Any]
    function: str = ""

    def at(self, _now: float) -> ValuePredicate:
        """The test at a time, in seconds since 1970."""
        return self


class AgePredicate(NamedTuple):
    """``now - created OPERATOR span``, turned into a bound on ``created``, since that is what the index keeps."""

    sign: str
    span: float
    kind: str = "n"

    def at(self, now: float) -> ValuePredicate:
        return compare("n", _MIRRORED[self.sign], now - self.span)


Predicate = Union[ValuePredicate, AgePredicate]


def compare(kind: str, sign: str, literal: Scalar) -> ValuePredicate:
    """``value OPERATOR literal``; texts compare by code point, as UTF-8 does."""
    function = COMPARE[sign]
    return ValuePredicate(kind, lambda value: function(value, literal), f"{{0}} {sign} ?", [literal])


def compare_period(sign: str, start: float, end: float) -> ValuePredicate:
    """``time OPERATOR period``: a day is all of the day, so ``= 2026-03-03`` is any time in it, ``>`` after it."""
    if sign == "=":
        return ValuePredicate("n", lambda value: bool(start <= value < end), "{0} >= ? AND {0} < ?", [start, end])
    bound, other = {"<": ("<", start), "<=": ("<", end), ">": (">=", end), ">=": (">=", start)}[sign]
    return compare("n", bound, other)


def is_member(kind: str, literals: Iterable[Scalar]) -> ValuePredicate:
    found = frozenset(literals)
    return ValuePredicate(kind, found.__contains__, f"{{0}} IN ({', '.join('?' * len(found))})", list(found))


def has_prefix(start: str) -> ValuePredicate:
    return ValuePredicate("t", lambda value: value.startswith(start), f"substr({{0}}, 1, {len(start)}) = ?", [start])


def contains(part: str) -> ValuePredicate:
    return ValuePredicate("t", lambda value: part in value, "instr({0}, ?) > 0", [part])


def matches_pattern(function: str, pattern: str, passes: Callable[[str], bool]) -> ValuePredicate:
    return ValuePredicate("t", passes, f"{function}(?, {{0}})", [pattern], function)


#: SQLite allows expressions 1,000 deep, and its parser a stack of 100; a chain counts as deep as it is long.
_CHAIN = 30
_LEVELS = 6


class Term(NamedTuple):
    """A test of one field: one of its values passes one of the ``checks``.

    With ``negated`` (``!=``, ``not in``) it has a value of their kinds, and none passes. So a missing field never
    matches. Without checks it has a value.
    """

    field: QueryField
    checks: Sequence[Predicate] = ()
    negated: bool = False

    def matches(self, record: VersionRecord, now: float) -> bool:
        values = self.field.read(record)
        if not self.checks:
            return bool(values)
        kinds = {check.kind for check in self.checks}
        found = any(
            check.kind == KINDS[type(value)] and check.at(now).holds(value) for value in values for check in self.checks
        )
        return found is not self.negated and any(KINDS[type(value)] in kinds for value in values)

    def sql(self, now: float) -> Sql:
        column = f"v.{self.field.column}" if self.field.column else ""
        parts, params = [], []
        for check in self.checks:
            test = check.at(now)
            text = test.condition.format(column or "value")
            parts.append(f"({text})" if column else f"(kind = '{test.kind}' AND {text})")
            params += test.params
        passes = join_conditions("OR", parts)
        kinds = sorted({check.kind for check in self.checks})
        present: Sql
        if column:
            present = presence_condition(self.field), []
            passes = f"({' AND '.join(filter(None, [present[0], passes]))})"
        else:
            present = _in_facts(self.field, join_conditions("OR", [f"kind = '{kind}'" for kind in kinds]), [])
            passes, params = _in_facts(self.field, passes, params)
        return (f"({present[0]} AND NOT {passes})", present[1] + params) if self.negated else (passes, params)


class Not(NamedTuple):
    """The logical opposite: a record that lacks the field matches."""

    node: Node

    def matches(self, record: VersionRecord, now: float) -> bool:
        return not self.node.matches(record, now)


class Group(NamedTuple):
    """All of the nodes (``word`` is AND), or any of them (OR)."""

    word: str
    nodes: Sequence[Node]

    def matches(self, record: VersionRecord, now: float) -> bool:
        decides = self.word == "OR"
        for node in self.nodes:  # a loop, not any(): half the frames, and queries nest 100 deep
            if node.matches(record, now) is decides:
                return decides
        return not decides


Node = Union[Term, Not, Group]


def presence_condition(field: QueryField) -> str:
    """The condition that a field that is a column has a value."""
    if field.column == "created":
        return "v.created IS NOT NULL"
    return "1" if field.type == TRUTH or field.column in ("version", "size", "files") else f"v.{field.column} != ''"


def _in_facts(field: QueryField, condition: str, params: list[Any]) -> Sql:
    if field.family == "format":
        condition = f"kind = 't' AND value != ''{condition and f' AND {condition}'}"
    tail = f" AND {condition}" if condition else ""
    text = f"v.id IN (SELECT version FROM facts WHERE field = (SELECT id FROM fields WHERE name = ?){tail})"
    return text, [field.fact, *params]


def join_conditions(word: str, parts: Iterable[str]) -> str:
    """The parts joined by AND or OR, in brackets; many of them in groups, because of SQLite's bounds on depth."""
    parts = list(parts)
    while len(parts) > _CHAIN:
        parts = [f"({f' {word} '.join(parts[at : at + _CHAIN])})" for at in range(0, len(parts), _CHAIN)]
    return f"({f' {word} '.join(parts)})" if len(parts) > 1 else "".join(parts)


def compile_sql(tree: Node, now: float) -> Sql:
    """One SQL condition for a tree. What is nested too deep becomes a named set of versions."""
    named: list[str] = []
    named_params: list[Any] = []

    def visit(node: Node, level: int) -> Sql:
        if isinstance(node, Term):
            return node.sql(now)
        if level == _LEVELS:
            text, params = visit(node, 0)
            name = f"q{len(named)}"
            named.append(f"{name}(id) AS (SELECT v.id FROM versions v WHERE {text})")
            named_params.extend(params)
            return f"v.id IN (SELECT id FROM {name})", []
        if isinstance(node, Not):
            text, params = visit(node.node, level + 1)
            return f"NOT {text}", params
        parts = [visit(each, level + 1) for each in node.nodes]
        return join_conditions(node.word, [text for text, _ in parts]), [each for _, more in parts for each in more]

    text, params = visit(tree, 0)
    if named:
        text = f"v.id IN (WITH {', '.join(named)} SELECT v.id FROM versions v WHERE {text})"
    return text, named_params + params
