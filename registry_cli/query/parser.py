"""The grammar of a query. No recursion: brackets are a list of open ones, so that no text can exhaust the stack.

expression := term { and | or term }        and binds closer than or
term       := not term | ( expression ) | FIELD | FIELD test
test       := = != < <= > >= VALUE | [not] ~ like contains VALUE | [not] in ( VALUE, … ) | [not] exists
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.text import escape_for_message
from ..errors import InvalidInput
from .comparisons import ComparisonPredicate, PatternPredicate, ValuePredicate
from .fields import TRUTH, Field, parse_field
from .lexer import Token, query_error, tokenize
from .literals import (
    ORDER,
    RESERVED,
    check_operator,
    parse_comparison,
    parse_contains,
    parse_members,
    parse_pattern,
    token_text,
)
from .patterns import RegexBudget
from .predicates import Group, Node, Not, Term

DEPTH = 100
TERMS = 1_000

_WORDS = ("like", "contains", "in", "exists", "not", "and", "or")
_HABITS = {"&&": "and", "&": "and", "||": "or", "|": "or", "is": "=", "matches": "~", "has": "contains"}


class _Level:
    """What stands in one pair of brackets so far: alternatives, each a list of what must all hold."""

    __slots__ = ("alternatives", "negate", "start")

    def __init__(self, start: Token | None = None, *, negate: bool = False) -> None:
        self.start = start
        self.negate = negate
        self.alternatives: list[list[Node]] = [[]]

    def add(self, node: Node, *, negate: bool) -> None:
        self.alternatives[-1].append(Not(node) if negate else node)

    def node(self) -> Node:
        groups = [_group("AND", nodes) for nodes in self.alternatives]
        return _group("OR", groups)


def _group(word: str, nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Group(word, nodes)


#: The fields whose values are names that somebody gave: a registry has them, or it does not.
NAMED = frozenset({"model", "group", "stage", "alias"})


class Parser:
    """Reads one text, once. ``fields`` are the names it speaks of, ``names`` values that are names, by their field, ``patterns`` those of ``~`` and ``like``.

    ``meter`` counts the time of these.
    """

    def __init__(self, text: str, meter: RegexBudget | None = None) -> None:
        self._tokens = list(tokenize(text))
        self._at = 0
        self._terms = 0
        self.fields: set[str] = set()
        self.names: list[tuple[str, str]] = []
        self.patterns: list[PatternPredicate] = []
        self.meter = meter or RegexBudget()

    def parse(self) -> Node:
        """The tree of the whole text, or :class:`InvalidInput` that says at which column it went wrong."""
        if self._peek().kind == "end":
            raise InvalidInput("query: there is nothing in it", "write one as in: metrics.auc >= 0.9")
        levels = [_Level()]
        while True:
            self._operand(levels)
            if self._after(levels):
                return levels[0].node()

    def _operand(self, levels: list[_Level]) -> None:
        """Any number of ``not`` and ``(``, then a term."""
        negate = False
        while True:
            token = self._next()
            if token.keyword == "not":
                negate = not negate
            elif token.kind == "mark" and token.text == "(":
                if len(levels) > DEPTH:
                    raise query_error(f"brackets are nested deeper than {DEPTH}", token.column)
                levels.append(_Level(token, negate=negate))
                negate = False
            else:
                levels[-1].add(self._term(token), negate=negate)
                return

    def _after(self, levels: list[_Level]) -> bool:
        """What follows a term: closing brackets, then ``and``, ``or`` or the end (then true)."""
        while True:
            token = self._next()
            if token.kind == "mark" and token.text == ")" and len(levels) > 1:
                level = levels.pop()
                levels[-1].add(level.node(), negate=level.negate)
            elif token.keyword == "and":
                return False
            elif token.keyword == "or":
                levels[-1].alternatives.append([])
                return False
            elif token.kind == "end" and len(levels) == 1:
                return True
            else:
                raise self._unexpected(token, levels[-1])

    def _unexpected(self, token: Token, level: _Level) -> InvalidInput:
        if token.kind == "end" and level.start:
            return query_error("the bracket is not closed", level.start.column, "end it with )")
        if token.kind == "mark" and token.text == ")":
            return query_error("there is no open bracket for ')'", token.column)
        before = self._tokens[self._at - 2]
        hint = _suggestion(token) or ("text of many words goes in quotes" if before.kind == "word" else "")
        return query_error(f"expected 'and' or 'or' before {token}", token.column, hint)

    def _term(self, token: Token) -> Node:
        if token.kind != "word" or token.keyword in RESERVED:
            raise query_error("expected a field", token.column, "put the field first, as in metrics.auc >= 0.9")
        try:
            field = parse_field(token.text)
        except InvalidInput as error:
            raise query_error(error.message, token.column, error.hint) from None
        self._count(token)
        self.fields.add(field.name)
        operator = self._peek()
        if operator.kind == "end" or operator.text == ")" or operator.keyword in ("and", "or"):
            return Term(field, [ComparisonPredicate("b", "=", True)] if field.type == TRUTH else [])
        return self._test(field)

    def _test(self, field: Field) -> Node:
        token = self._next()
        negated = token.keyword == "not"
        if negated:
            token = self._next()
        sign = token.text if token.kind == "operator" else token.keyword
        if negated and (sign in ORDER or sign in ("=", "!=")):
            raise query_error(
                f"'not' can't stand before '{sign}'",
                token.column,
                f"write not {escape_for_message(field.name)} {sign} …",
            )
        if sign == "exists":
            return Not(Term(field)) if negated else Term(field)
        check_operator(field, sign, token)
        if sign in ("~", "like"):
            check = parse_pattern(sign, self._next(), self.meter)
            self.patterns.append(check)
            return Term(field, [check], negated=negated)
        if sign == "contains":
            return Term(field, [parse_contains(field, self._next())], negated=negated)
        if sign == "in":
            return Term(field, self._members(field), negated=negated)
        if token.kind != "operator":
            raise query_error(f"expected an operator, not {token}," if token.text else "expected an operator",
                       token.column, _suggestion(token) or "use = != < <= > >= ~ like in contains exists")  # fmt: skip
        if sign == "!=":
            return Term(field, [parse_comparison(field, "=", self._value(field))], negated=True)
        return Term(field, [parse_comparison(field, sign, self._value(field))])

    def _value(self, field: Field) -> Token:
        """The next token, a value of ``field``; what is a name of something is noted."""
        token = self._next()
        if field.name in NAMED and token.kind in ("word", "quoted"):
            self.names.append((field.name, token_text(token)))
        return token

    def _members(self, field: Field) -> list[ValuePredicate]:
        start = self._next()
        if start.text != "(" or start.kind != "mark":
            raise query_error("expected '('", start.column, "write it as in (a, b)")
        found: list[Token] = []
        while True:
            token = self._value(field)
            token_text(token)
            self._count(token)
            found.append(token)
            mark = self._next()
            if mark.kind == "mark" and mark.text == ")":
                return parse_members(field, found)
            if mark.kind != "mark" or mark.text != ",":
                raise query_error("expected ',' or ')'", mark.column)

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > TERMS:
            raise query_error(f"there are more than {TERMS:,} terms", token.column)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token


def _suggestion(token: Token) -> str:
    from difflib import get_close_matches

    near = [_HABITS[token.keyword]] if token.keyword in _HABITS else get_close_matches(token.keyword[:20], _WORDS, 1)
    return f"did you mean '{near[0]}'?" if near else ""
