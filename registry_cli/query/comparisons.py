"""What a query asks of one value, each as a Python predicate and as an SQL condition with the same answers.

``kind`` is the kind of values that a check applies to (``n`` number, ``t`` text, ``b`` bool); a value of another kind
never passes. The SQL has ``?`` for what comes from the user, always.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .fields import Scalar

Sql = tuple[str, list[Any]]

#: The operators of order and equality. ``!=`` is the negation of ``=`` (see ``query_tree.Term``).
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class ValuePredicate:
    """One question to a value."""

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
