"""A parsed query: terms joined by and, or, not. Every condition is two-valued, in SQL too: no NULL under a NOT.

What is asked of one value is a predicate in Python and an SQL condition with the same answers. The SQL is made of texts
that stand here; whatever a person wrote goes along as a parameter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from .fields import KINDS, TRUTH, QueryField, Scalar

if TYPE_CHECKING:
    from ..core.records import VersionRecord

Sql = tuple[str, list[Any]]

#: The operators of order and equality. ``!=`` is the negation of ``=`` (see :class:`Term`).
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class ValuePredicate:
    """One question to a value of one kind: ``n`` number, ``t`` text, ``b`` bool. A value of another kind never passes."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def at(self, now: float) -> ValuePredicate:  # noqa: ARG002
        """The check as it is at a time, in seconds since 1970."""
        return self

    def holds(self, value: Any) -> bool:
        """Whether ``value``, of this check's kind, passes."""
        raise NotImplementedError

    def sql(self, column: str) -> Sql:
        """The condition on ``column``, which holds a value of this check's kind."""
        raise NotImplementedError


class ComparisonPredicate(ValuePredicate):
    """``value OPERATOR literal``; texts compare by code point, as UTF-8 does."""

    __slots__ = ("_compare", "_literal", "_operator")

    def __init__(self, kind: str, sign: str, literal: Scalar) -> None:
        super().__init__(kind)
        self._operator = sign
        self._compare = COMPARE[sign]
        self._literal = literal

    def holds(self, value: Any) -> bool:
        return self._compare(value, self._literal)

    def sql(self, column: str) -> Sql:
        return f"{column} {self._operator} ?", [self._literal]


class AgePredicate(ValuePredicate):
    """``now - created OPERATOR span``, turned into a bound on ``created``, since that is what the index keeps."""

    __slots__ = ("_operator", "_span")

    def __init__(self, sign: str, span: float) -> None:
        super().__init__("n")
        self._operator = _MIRRORED[sign]
        self._span = span

    def at(self, now: float) -> ValuePredicate:
        return ComparisonPredicate("n", self._operator, now - self._span)


class PeriodPredicate(ValuePredicate):
    """``time OPERATOR period``: a day is all of the day, so ``= 2026-03-03`` is any time in it, ``>`` after it."""

    __slots__ = ("_bounds",)

    def __init__(self, sign: str, start: float, end: float) -> None:
        super().__init__("n")
        self._bounds: tuple[tuple[str, float], ...] = {
            "=": ((">=", start), ("<", end)),
            "<": (("<", start),),
            "<=": (("<", end),),
            ">": ((">=", end),),
            ">=": ((">=", start),),
        }[sign]

    def holds(self, value: Any) -> bool:
        return all(COMPARE[sign](value, bound) for sign, bound in self._bounds)

    def sql(self, column: str) -> Sql:
        text = " AND ".join(f"{column} {sign} ?" for sign, _ in self._bounds)
        return text, [bound for _, bound in self._bounds]


class MembershipPredicate(ValuePredicate):
    """``value in (…)``."""

    __slots__ = ("_literals",)

    def __init__(self, kind: str, literals: Iterable[Scalar]) -> None:
        super().__init__(kind)
        self._literals = frozenset(literals)

    def holds(self, value: Any) -> bool:
        return value in self._literals

    def sql(self, column: str) -> Sql:
        return f"{column} IN ({', '.join('?' * len(self._literals))})", list(self._literals)


class PrefixPredicate(ValuePredicate):
    """The text begins with these characters."""

    __slots__ = ("_start",)

    def __init__(self, start: str) -> None:
        super().__init__("t")
        self._start = start

    def holds(self, value: Any) -> bool:
        return str(value).startswith(self._start)

    def sql(self, column: str) -> Sql:
        return f"substr({column}, 1, {len(self._start)}) = ?", [self._start]


class ContainsPredicate(ValuePredicate):
    """The text has this part."""

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        super().__init__("t")
        self._part = part

    def holds(self, value: Any) -> bool:
        return self._part in value

    def sql(self, column: str) -> Sql:
        return f"instr({column}, ?) > 0", [self._part]


class PatternPredicate(ValuePredicate):
    """The text passes a pattern; ``function`` is what SQLite calls for it, with the pattern and the text."""

    __slots__ = ("function", "passes", "pattern")

    def __init__(self, function: str, pattern: str, passes: Callable[[str], bool]) -> None:
        super().__init__("t")
        self.function = function
        self.pattern = pattern
        self.passes = passes

    def holds(self, value: Any) -> bool:
        return self.passes(value)

    def sql(self, column: str) -> Sql:
        return f"{self.function}(?, {column})", [self.pattern]


#: SQLite allows expressions 1,000 deep, and its parser a stack of 100; a chain counts as deep as it is long.
_CHAIN = 30
_LEVELS = 6


class Term:
    """What is asked of one field: that one of its values passes one of the ``checks``.

    With ``negated`` (``!=``, ``not in``): that it has a value of their kinds, and none passes. So a missing field is
    no match either way. Without checks: that it has a value.
    """

    __slots__ = ("checks", "field", "kinds", "negated")

    def __init__(self, field: QueryField, checks: Sequence[ValuePredicate] = (), *, negated: bool = False) -> None:
        self.field = field
        self.checks = tuple(checks)
        self.negated = negated
        self.kinds = tuple(sorted({check.kind for check in checks}))

    def matches(self, record: VersionRecord, now: float) -> bool:
        values = self.field.read(record)
        if not self.checks:
            return bool(values)
        kinds = [KINDS[type(value)] for value in values]
        found = any(
            check.kind == kind and check.at(now).holds(value)
            for value, kind in zip(values, kinds, strict=True)
            for check in self.checks
        )
        return found is not self.negated and any(kind in self.kinds for kind in kinds)

    def sql(self, now: float) -> Sql:
        passes = self._column(now) if self.field.column else self._facts(now)
        if not self.negated:
            return passes
        present, before = self._present()
        return f"({present} AND NOT {passes[0]})", before + passes[1]

    def _present(self) -> Sql:
        """That the field has a value of the kinds that the checks are about."""
        if self.field.column:
            return presence_condition(self.field), []
        return _in_facts(self.field, join_conditions("OR", [f"kind = '{kind}'" for kind in self.kinds]), [])

    def _column(self, now: float) -> Sql:
        parts, params = [], []
        for check in self.checks:
            text, more = check.at(now).sql(f"v.{self.field.column}")
            parts.append(f"({text})")
            params += more
        conditions = [presence_condition(self.field), *([join_conditions("OR", parts)] if parts else [])]
        return f"({' AND '.join(conditions)})", params

    def _facts(self, now: float) -> Sql:
        parts, params = [], []
        for check in self.checks:
            text, more = check.at(now).sql("value")
            parts.append(f"(kind = '{check.kind}' AND {text})")
            params += more
        return _in_facts(self.field, join_conditions("OR", parts), params)


class Not:
    """The logical opposite: a record that lacks the field matches."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def matches(self, record: VersionRecord, now: float) -> bool:
        return not self.node.matches(record, now)


class Group:
    """All of the nodes (``word`` is AND), or any of them (OR)."""

    __slots__ = ("nodes", "word")

    def __init__(self, word: str, nodes: Sequence[Node]) -> None:
        self.word = word
        self.nodes = tuple(nodes)

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
    """The parts joined by AND or OR, in brackets; many of them in groups, which SQLite's bounds on depth ask for."""
    parts = list(parts)
    while len(parts) > _CHAIN:
        parts = [f"({f' {word} '.join(parts[at : at + _CHAIN])})" for at in range(0, len(parts), _CHAIN)]
    return f"({f' {word} '.join(parts)})" if len(parts) > 1 else "".join(parts)


class Compiler:
    """One SQL condition from a tree. What is nested deep becomes a set of versions of its own, named before."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._named: list[str] = []
        self._params: list[Any] = []

    def compile(self, node: Node) -> Sql:
        text, params = self._node(node, 0)
        if self._named:
            text = f"v.id IN (WITH {', '.join(self._named)} SELECT v.id FROM versions v WHERE {text})"
        return text, self._params + params

    def _node(self, node: Node, level: int) -> Sql:
        if isinstance(node, Term):
            return node.sql(self._now)
        if level == _LEVELS:
            return self._name(node), []
        if isinstance(node, Not):
            text, params = self._node(node.node, level + 1)
            return f"NOT {text}", params
        texts, params = [], []
        for each in node.nodes:
            text, more = self._node(each, level + 1)
            texts.append(text)
            params += more
        return join_conditions(node.word, texts), params

    def _name(self, node: Node) -> str:
        text, params = self._node(node, 0)
        name = f"q{len(self._named)}"
        self._named.append(f"{name}(id) AS (SELECT v.id FROM versions v WHERE {text})")
        self._params += params
        return f"v.id IN (SELECT id FROM {name})"
