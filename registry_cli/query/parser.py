"""The words and the grammar of a query. No recursion: brackets are a list of open ones, so that no text can exhaust the stack.

expression := term { and | or term }        and binds closer than or
term       := not term | ( expression ) | FIELD | FIELD test
test       := = != < <= > >= VALUE | [not] ~ like contains VALUE | [not] in ( VALUE, … ) | [not] exists
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ..core.quantities import parse_duration, parse_period, parse_size
from ..core.text import escape_for_message
from ..errors import InvalidInput
from .fields import (
    AGE,
    ANY,
    DIGEST,
    KINDS,
    MEMBERS,
    NUMBER,
    QUOTED,
    SIZE,
    TEXT,
    TIME,
    TRUTH,
    QueryField,
    Scalar,
    limit_integer,
    parse_field,
    unquote,
)
from .patterns import RegexBudget, compile_regex, compile_wildcard
from .predicates import (
    AgePredicate,
    ComparisonPredicate,
    ContainsPredicate,
    Group,
    MembershipPredicate,
    Node,
    Not,
    PatternPredicate,
    PeriodPredicate,
    PrefixPredicate,
    Term,
    ValuePredicate,
)

TEXT_LENGTH = 10_000

_WORD = r"[^\s'\"(),=<>!~]+"
_TOKEN = re.compile(
    rf"(?P<operator><=|>=|!=|==|<>|[=<>~])|(?P<mark>[(),])|(?P<quoted>{QUOTED})"
    rf"|(?P<word>{_WORD}(?:(?<=\.)(?:{QUOTED})(?:{_WORD})?)*)",
    re.DOTALL,
)
_BLANK = re.compile(r"\s*")
_OTHER_OPERATORS = {"<>": "!="}


class Token:
    """One word: ``kind`` is operator, mark, quoted, word or end; ``column`` counts from 1."""

    __slots__ = ("column", "kind", "text")

    def __init__(self, kind: str, text: str, column: int) -> None:
        self.kind = kind
        self.text = text
        self.column = column

    @property
    def keyword(self) -> str:
        """A word in lower case, empty for any other token."""
        return self.text.lower() if self.kind == "word" else ""

    def __str__(self) -> str:
        return f"'{escape_for_message(self.text)}'"


def query_error(message: str, column: int, hint: str = "") -> InvalidInput:
    """The error for what is wrong at a column."""
    return InvalidInput(f"query: {message} at column {column}", hint)


def tokenize(text: str) -> Iterator[Token]:
    """The words of ``text``, and the end. Raises :class:`InvalidInput` for what is no word."""
    if len(text) > TEXT_LENGTH:
        raise InvalidInput(f"query: the text has {len(text):,} characters", f"{TEXT_LENGTH:,} is the most")
    if not text.isascii() and (strange := re.search("[\ud800-\udfff]", text)):
        raise query_error("the text is not valid UTF-8", strange.start() + 1)
    at = 0
    while (at := _skip_blanks(text, at)) < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unknown_token(text, at)
        kind = str(match.lastgroup)
        if kind == "operator" and match[0] in _OTHER_OPERATORS:
            other = _OTHER_OPERATORS[match[0]]
            raise query_error(f"there is no operator '{match[0]}'", at + 1, f"did you mean '{other}'?")
        yield Token(kind, "=" if match[0] == "==" else match[0], at + 1)
        at = match.end()
    yield Token("end", "", at + 1)


def _skip_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _unknown_token(text: str, at: int) -> InvalidInput:
    if text[at] == "!":
        return query_error("there is no operator '!'", at + 1, "use 'not' or '!='")
    return query_error("the quote is not closed", at + 1, f"end it with another {text[at]}")


_T = TypeVar("_T")
ORDER = frozenset({"<", "<=", ">", ">="})
#: What can't be a value without quotes, since it would hide a slip.
RESERVED = frozenset({"and", "or", "not", "in", "like", "contains", "exists"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]{1,400}\Z", re.ASCII)
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]", re.ASCII)
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})\Z", re.ASCII)
_TEXTUAL = frozenset({TEXT, MEMBERS, DIGEST, ANY})
_EXAMPLES = {
    NUMBER: "write it as 0.9, -2 or 1e-3, without quotes",
    SIZE: "write it as 1000, 1.5GB or 1GiB",
    TIME: "write it as 2026-03-03 or 2026-03-03T10:00; for 'in the last 7 days' use age < 7d",
    AGE: "write it as 30d; the units are s, min, h, d, w, y",
    TRUTH: "write true or false",
    DIGEST: "write at least its first 8 hex digits",
}


def check_operator(field: QueryField, sign: str, token: Token) -> None:
    """:class:`InvalidInput` for an operator that makes no sense for a field of this type."""
    if sign in ORDER and field.type in (MEMBERS, TRUTH, DIGEST):
        raise query_error(
            f"'{token.text}' needs an order, and {escape_for_message(field.name)} has none,",
            token.column,
            "use =, != or in",
        )
    if sign in ("~", "like", "contains") and field.type not in _TEXTUAL:
        raise query_error(f"{token} is for text, and {escape_for_message(field.name)} is {field.type},", token.column)


def token_text(token: Token) -> str:
    """The text that a word or a quoted text stands for; :class:`InvalidInput` when it is neither."""
    if token.kind == "quoted":
        return unquote(token.text)
    if token.kind != "word" or token.keyword in RESERVED:
        hint = "put it in quotes" if token.kind == "word" else ""
        raise query_error("expected a value", token.column, hint)
    return token.text


def parse_pattern(sign: str, token: Token, meter: RegexBudget) -> PatternPredicate:
    """The check for ``~``, on whose time ``meter`` looks, and ``like``."""
    text = token_text(token)
    try:
        if sign == "like":
            return PatternPredicate("registry_like", text, compile_wildcard(text))
        return PatternPredicate("registry_regexp", text, meter.timed(compile_regex(text)))
    except InvalidInput as error:
        raise query_error(f"{error.message},", token.column, error.hint) from None


def parse_contains(field: QueryField, token: Token) -> ValuePredicate:
    """The check for ``contains``."""
    text = token_text(token)
    return ComparisonPredicate("t", "=", text) if field.type == MEMBERS else ContainsPredicate(text)


def parse_comparison(field: QueryField, sign: str, token: Token) -> ValuePredicate:
    """The check for ``=`` and the operators of order."""
    text = token_text(token)
    if field.type == TIME:
        start, end = _parse_amount(field, token, lambda: parse_period(text))
        return PeriodPredicate(sign, start / 1e6, end / 1e6)
    if field.type == AGE:
        return AgePredicate(sign, _parse_amount(field, token, lambda: parse_duration(text)).total_seconds())
    if field.type == DIGEST:
        match = _DIGEST.match(text.lower())
        if match is None:
            raise _unexpected_value(field, token)
        return PrefixPredicate(match[1])
    literal = _parse_literal(field, token, text)
    if sign in ORDER and isinstance(literal, bool):
        raise query_error(f"'{sign}' needs an order, and true and false have none,", token.column, "use = or !=")
    if sign in ORDER and field.type == TEXT and token.kind == "word" and _NUMBER.match(text):
        raise query_error(
            f"{escape_for_message(field.name)} is text, not a number,",
            token.column,
            f"to compare texts write '{escape_for_message(text)}' in quotes",
        )
    return ComparisonPredicate(KINDS[type(literal)], sign, literal)


def parse_members(field: QueryField, list_: Sequence[Token]) -> list[ValuePredicate]:
    """The checks of which one holds when a value is in the list."""
    if field.type in (TIME, AGE, DIGEST):
        return [parse_comparison(field, "=", token) for token in list_]
    literals: dict[str, list[Scalar]] = {}
    for token in list_:
        literal = _parse_literal(field, token, token_text(token))
        literals.setdefault(KINDS[type(literal)], []).append(literal)
    return [MembershipPredicate(kind, members) for kind, members in literals.items()]


def _parse_literal(field: QueryField, token: Token, text: str) -> Scalar:
    """The value that a word is for a field; where the field leaves it open, as ``--param k=v`` would read it."""
    if field.type in (TEXT, MEMBERS):
        return text
    word = token.keyword
    number = _parse_number(text) if word else None
    if field.type == SIZE and number is None:
        return _parse_amount(field, token, lambda: parse_size(text))
    if field.type in (NUMBER, SIZE):
        if number is None:
            raise _unexpected_value(field, token)
        return number
    if word in ("true", "false"):
        return word == "true"
    if field.type == TRUTH:
        raise _unexpected_value(field, token)
    return text if number is None or _LEADING_ZERO.match(text) else number


def _parse_number(text: str) -> int | float | None:
    if _INT.match(text):
        return limit_integer(int(text))
    return float(text) if _NUMBER.match(text) else None


def _parse_amount(field: QueryField, token: Token, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except InvalidInput as error:
        raise _unexpected_value(field, token, error) from None


def _unexpected_value(field: QueryField, token: Token, error: InvalidInput | None = None) -> InvalidInput:
    hint = error.hint if error and field.type != TIME else _EXAMPLES[field.type]
    found = error.message if error else f"{escape_for_message(token.text)} is none"
    return query_error(f"expected {field.type}: {found},", token.column, hint)


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

    def _test(self, field: QueryField) -> Node:
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

    def _value(self, field: QueryField) -> Token:
        """The next token, a value of ``field``; what is a name of something is noted."""
        token = self._next()
        if field.name in NAMED and token.kind in ("word", "quoted"):
            self.names.append((field.name, token_text(token)))
        return token

    def _members(self, field: QueryField) -> list[ValuePredicate]:
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
