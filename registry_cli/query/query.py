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
(``facts.SCHEMA``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.quantities import to_epoch
from .comparisons import PatternPredicate
from .fields import Field, Scalar, parse_field, value
from .parser import Parser
from .patterns import RegexBudget, RegexTimeout
from .predicates import Compiler, Group, Node
from .sorting import Ordering, parse_sort

if TYPE_CHECKING:
    from datetime import datetime

    from ..core.records import VersionRecord

__all__ = ["Field", "Ordering", "Query", "Scalar", "parse", "parse_all", "parse_field", "parse_sort", "value"]


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

        Nothing happens for a query without ``~``. See :class:`Bound` for the limit, and for other threads than the
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
