"""The lexer and the parser of queries. Open brackets are a list: there is no recursion that a text could exhaust.

expression := term { and | or term }        and binds closer than or
term       := not term | ( expression ) | FIELD | FIELD test
test       := = != < <= > >= VALUE | [not] ~ like contains VALUE | [not] in ( VALUE, … ) | [not] exists
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..core.quantities import parse_duration, parse_period, parse_size
from ..core.text import escape_for_message, find_nearest
from ..core.times import utc_now
from ..errors import InvalidInput
from . import fields, predicates
from .fields import KINDS, QUOTED, QueryField, Scalar, limit_integer, parse_field, unquote
from .predicates import AgePredicate, Group, Node, Not, Predicate, Term, ValuePredicate

if TYPE_CHECKING:
    from .patterns import RegexBudget

TEXT_LENGTH = 10_000

_WORD = r"[^\s'\"(),=<>!~]+"
_TOKEN = re.compile(
    rf"(?:(?P<operator><=|>=|!=|==|<>|[=<>~])|(?P<mark>[(),])|(?P<quoted>{QUOTED})"
    rf"|(?P<word>{_WORD}(?:(?<=\.)(?:{QUOTED})(?:{_WORD})?)*))\s*",
    re.DOTALL,
)


class Token(NamedTuple):
    """One token: ``kind`` is operator, mark, quoted, word or end; ``column`` counts from 1."""

    kind: str
    text: str
    column: int

    @property
    def keyword(self) -> str:
        """A word in lower case, empty for any other token."""
        return self.text.lower() if self.kind == "word" else ""

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.text == mark

    def error(self, message: str, hint: str = "") -> InvalidInput:
        return query_error(message, self.column, hint)

    def __str__(self) -> str:
        return f"'{escape_for_message(self.text)}'"


def query_error(message: str, column: int, hint: str = "") -> InvalidInput:
    return InvalidInput(f"query: {message} at column {column}", hint)


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of ``text``, and the end. Raises :class:`InvalidInput` for what is none."""
    if len(text) > TEXT_LENGTH:
        raise InvalidInput(f"query: {len(text):,} characters", f"the limit is {TEXT_LENGTH:,}")
    if not text.isascii() and (strange := re.search("[\ud800-\udfff]", text)):
        raise query_error("not valid UTF-8", strange.start() + 1)
    at = len(text) - len(text.lstrip())
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] == "!":
                raise query_error("unknown operator '!'", at + 1, "use 'not' or '!='")
            raise query_error("unclosed quote", at + 1, f"add a closing {text[at]}")
        kind = str(match.lastgroup)
        if match[kind] == "<>":
            raise query_error("unknown operator '<>'", at + 1, "did you mean '!='?")
        yield Token(kind, "=" if match[kind] == "==" else match[kind], at + 1)
        at = match.end()
    yield Token("end", "", at + 1)


_T = TypeVar("_T")
ORDER = frozenset({"<", "<=", ">", ">="})
#: Words that can't be a value without quotes, since that would hide a mistake.
RESERVED = frozenset({"and", "or", "not", "in", "like", "contains", "exists"})

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]{1,400}\Z", re.ASCII)
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]", re.ASCII)
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})\Z", re.ASCII)
_TEXTUAL = frozenset({fields.TEXT, fields.MEMBERS, fields.DIGEST, fields.ANY})
_EXAMPLES = {
    fields.NUMBER: "use a form like 0.9, -2 or 1e-3, without quotes",
    fields.SIZE: "use a form like 1000, 1.5GB or 1GiB",
    fields.TIME: "use 2026-03-03, 2026-03-03T10:00, yesterday or 7d ago; for the last 7 days use age < 7d",
    fields.AGE: "use a form like 30d; the units are s, min, h, d, w, y",
    fields.TRUTH: "use true or false",
    fields.DIGEST: "use at least the first 8 hex digits",
}


def check_operator(field: QueryField, sign: str, token: Token) -> None:
    """Raise :class:`InvalidInput` for an operator that a field of this type does not have."""
    name = escape_for_message(field.name)
    if sign in ORDER and field.type in (fields.MEMBERS, fields.TRUTH, fields.DIGEST):
        raise token.error(f"'{token.text}' needs ordered values, but {name} has no order", "use =, != or in")
    if sign in ("~", "like", "contains") and field.type not in _TEXTUAL:
        raise token.error(f"{token} applies to text, but {name} is {field.type}")


def token_text(token: Token) -> str:
    """The text of a value; :class:`InvalidInput` if the token is none."""
    if token.kind == "quoted":
        return unquote(token.text)
    if token.kind != "word" or token.keyword in RESERVED:
        hint = "put it in quotes" if token.kind == "word" else ""
        raise token.error("expected a value", hint)
    return token.text


def parse_comparison(field: QueryField, sign: str, token: Token) -> Predicate:
    """The check for ``=`` and the operators of order."""
    text = token_text(token)
    if field.type == fields.TIME:
        start, end = _parse_amount(field, token, lambda: parse_period(text, utc_now()))
        return predicates.compare_period(sign, start / 1e6, end / 1e6)
    if field.type == fields.AGE:
        return AgePredicate(sign, _parse_amount(field, token, lambda: parse_duration(text)).total_seconds())
    if field.type == fields.DIGEST:
        match = _DIGEST.match(text.lower())
        if match is None:
            raise _unexpected_value(field, token)
        return predicates.has_prefix(match[1])
    literal = _parse_literal(field, token, text)
    if sign in ORDER and isinstance(literal, bool):
        raise token.error(f"'{sign}' needs ordered values, but true and false have no order", "use = or !=")
    if sign in ORDER and field.type == fields.TEXT and token.kind == "word" and _NUMBER.match(text):
        hint = f"to compare text, put '{escape_for_message(text)}' in quotes"
        raise token.error(f"{escape_for_message(field.name)} is text, not a number", hint)
    return predicates.compare(KINDS[type(literal)], sign, literal)


def parse_members(field: QueryField, tokens: Sequence[Token]) -> Sequence[Predicate]:
    """The checks of which one holds when a value is in the list."""
    if field.type in (fields.TIME, fields.AGE, fields.DIGEST):
        return [parse_comparison(field, "=", token) for token in tokens]
    literals: dict[str, list[Scalar]] = {}
    for token in tokens:
        literal = _parse_literal(field, token, token_text(token))
        literals.setdefault(KINDS[type(literal)], []).append(literal)
    return [predicates.is_member(kind, members) for kind, members in literals.items()]


def _parse_literal(field: QueryField, token: Token, text: str) -> Scalar:
    """The value of a token for a field; if the field allows any kind, as ``--param k=v`` would read it."""
    if field.type in (fields.TEXT, fields.MEMBERS):
        return text
    word = token.keyword
    number: int | float | None = None
    if word and _NUMBER.match(text):
        number = limit_integer(int(text)) if _INT.match(text) else float(text)
    if field.type == fields.SIZE and number is None:
        return _parse_amount(field, token, lambda: parse_size(text))
    if field.type in (fields.NUMBER, fields.SIZE):
        if number is None:
            raise _unexpected_value(field, token)
        return number
    if word in ("true", "false"):
        return word == "true"
    if field.type == fields.TRUTH:
        raise _unexpected_value(field, token)
    return text if number is None or _LEADING_ZERO.match(text) else number


def _parse_amount(field: QueryField, token: Token, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except InvalidInput as error:
        raise _unexpected_value(field, token, error) from None


def _unexpected_value(field: QueryField, token: Token, error: InvalidInput | None = None) -> InvalidInput:
    hint = error.hint if error and field.type != fields.TIME else _EXAMPLES[field.type]
    found = f": {error.message}" if error else f", not {escape_for_message(token.text)}"
    return token.error(f"expected {field.type}{found},", hint)


DEPTH = 100
TERMS = 1_000

_WORDS = ("like", "contains", "in", "exists", "not", "and", "or")
_HABITS = {"&&": "and", "&": "and", "||": "or", "|": "or", "is": "=", "matches": "~", "has": "contains"}


class _Level(NamedTuple):
    """What stands in one pair of brackets so far: alternatives, each a list of nodes that must all hold."""

    start: Token | None
    negate: bool
    alternatives: list[list[Node]]

    def add(self, node: Node, *, negate: bool) -> None:
        self.alternatives[-1].append(Not(node) if negate else node)

    def node(self) -> Node:
        return join_nodes("OR", [join_nodes("AND", nodes) for nodes in self.alternatives])


def join_nodes(word: str, nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Group(word, nodes)


#: The fields whose values are names of things in the registry.
NAMED = frozenset({"model", "group", "stage", "alias"})


class Parser:
    """Parses texts, and collects the names of their fields, values that are names (by field), and patterns.

    ``meter`` counts the time of the regular expressions; None if there is none.
    """

    def __init__(self) -> None:
        self._tokens: list[Token] = []
        self._at = self._terms = 0
        self.fields: set[str] = set()
        self.names: list[tuple[str, str]] = []
        self.patterns: list[ValuePredicate] = []
        self.meter: RegexBudget | None = None

    def parse(self, tokens: list[Token]) -> Node:
        """The tree of a text, or :class:`InvalidInput` with the column of what is wrong."""
        self._tokens = tokens
        self._at = self._terms = 0
        if self._peek().kind == "end":
            raise InvalidInput("query: empty", "for example: metrics.auc >= 0.9")
        levels = [_Level(None, False, [[]])]
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
            elif token.is_mark("("):
                if len(levels) > DEPTH:
                    raise token.error(f"parentheses are nested deeper than {DEPTH}")
                levels.append(_Level(token, negate, [[]]))
                negate = False
            else:
                levels[-1].add(self._term(token), negate=negate)
                return

    def _after(self, levels: list[_Level]) -> bool:
        """What follows a term: closing brackets, then ``and``, ``or`` or the end (then true)."""
        while True:
            token = self._next()
            if token.is_mark(")") and len(levels) > 1:
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
            return level.start.error("unclosed parenthesis", "add a closing )")
        if token.is_mark(")"):
            return token.error("unmatched ')'")
        before = self._tokens[self._at - 2]
        hint = _suggestion(token) or ("put text of several words in quotes" if before.kind == "word" else "")
        return token.error(f"expected 'and' or 'or' before {token}", hint)

    def _term(self, token: Token) -> Node:
        if token.kind != "word" or token.keyword in RESERVED:
            raise token.error("expected a field", "put the field first, as in metrics.auc >= 0.9")
        try:
            field = parse_field(token.text)
        except InvalidInput as error:
            raise token.error(error.message, error.hint) from None
        self._count(token)
        self.fields.add(field.name)
        operator = self._peek()
        if operator.kind == "end" or operator.text == ")" or operator.keyword in ("and", "or"):
            return Term(field, [predicates.compare("b", "=", True)] if field.type == fields.TRUTH else [])
        return self._test(field)

    def _pattern(self, sign: str, token: Token) -> ValuePredicate:
        """The check for ``like``, and for ``~``, whose time is counted."""
        from .patterns import RegexBudget, compile_regex, compile_wildcard  # only few queries have one

        text = token_text(token)
        try:
            if sign == "like":
                return predicates.matches_pattern("registry_like", text, compile_wildcard(text))
            self.meter = self.meter or RegexBudget()
            return predicates.matches_pattern("registry_regexp", text, self.meter.timed(compile_regex(text)))
        except InvalidInput as error:
            raise token.error(f"{error.message},", error.hint) from None

    def _test(self, field: QueryField) -> Node:
        token = self._next()
        negated = token.keyword == "not"
        if negated:
            token = self._next()
        sign = token.text if token.kind == "operator" else token.keyword
        if negated and (sign in ORDER or sign in ("=", "!=")):
            hint = f"use: not {escape_for_message(field.name)} {sign} …"
            raise token.error(f"'not' cannot precede '{sign}'", hint)
        if sign == "exists":
            return Not(Term(field)) if negated else Term(field)
        check_operator(field, sign, token)
        if sign in ("~", "like"):
            self.patterns.append(self._pattern(sign, self._next()))
            return Term(field, [self.patterns[-1]], negated)
        if sign == "contains":
            text = token_text(self._next())
            return Term(
                field,
                [predicates.compare("t", "=", text) if field.type == fields.MEMBERS else predicates.contains(text)],
                negated,
            )
        if sign == "in":
            return Term(field, self._members(field), negated)
        if token.kind != "operator":
            hint = _suggestion(token) or "use = != < <= > >= ~ like in contains exists"
            raise token.error(f"expected an operator, not {token}" if token.text else "expected an operator", hint)
        unequal = sign == "!="
        return Term(field, [parse_comparison(field, "=" if unequal else sign, self._value(field))], unequal)

    def _value(self, field: QueryField) -> Token:
        """The next value of ``field``; a name is added to the names, a time may have several words (``last tuesday``)."""
        token = self._next()
        if field.name in NAMED and token.kind in ("word", "quoted"):
            self.names.append((field.name, token_text(token)))
        if field.type in (fields.TIME, fields.AGE) and token.kind == "word" and token.keyword not in RESERVED:
            words = [token.text]
            while self._peek().kind == "word" and self._peek().keyword not in RESERVED and not self._starts_term():
                words.append(self._next().text)
            token = token._replace(text=" ".join(words))
        return token

    def _starts_term(self) -> bool:
        following = self._tokens[self._at + 1]
        return following.kind == "operator" or following.keyword in RESERVED - {"and", "or"}

    def _members(self, field: QueryField) -> Sequence[Predicate]:
        start = self._next()
        if not start.is_mark("("):
            raise start.error("expected '('", "use a form like (a, b)")
        found: list[Token] = []
        while True:
            token = self._value(field)
            token_text(token)
            self._count(token)
            found.append(token)
            mark = self._next()
            if mark.is_mark(")"):
                return parse_members(field, found)
            if not mark.is_mark(","):
                raise mark.error("expected ',' or ')'")

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > TERMS:
            raise token.error(f"more than {TERMS:,} terms")

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token


def _suggestion(token: Token) -> str:
    near = _HABITS.get(token.keyword) or find_nearest(token.keyword, _WORDS)
    return f"did you mean '{near}'?" if near else ""
