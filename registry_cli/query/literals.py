"""The values of a query: from the words after an operator to the check they ask for, by the type of the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core.quantities import parse_duration, parse_period, parse_size
from ..core.text import escape_for_message
from ..errors import InvalidInput
from .comparisons import (
    AgePredicate,
    ComparisonPredicate,
    ContainsPredicate,
    MembershipPredicate,
    PatternPredicate,
    PeriodPredicate,
    PrefixPredicate,
    ValuePredicate,
)
from .fields import (
    AGE,
    ANY,
    DIGEST,
    KINDS,
    MEMBERS,
    NUMBER,
    SIZE,
    TEXT,
    TIME,
    TRUTH,
    Field,
    Scalar,
    limit_integer,
    unquote,
)
from .lexer import Token, query_error
from .patterns import RegexBudget, compile_regex, compile_wildcard

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


def check_operator(field: Field, sign: str, token: Token) -> None:
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


def parse_contains(field: Field, token: Token) -> ValuePredicate:
    """The check for ``contains``."""
    text = token_text(token)
    return ComparisonPredicate("t", "=", text) if field.type == MEMBERS else ContainsPredicate(text)


def parse_comparison(field: Field, sign: str, token: Token) -> ValuePredicate:
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


def parse_members(field: Field, list_: Sequence[Token]) -> list[ValuePredicate]:
    """The checks of which one holds when a value is in the list."""
    if field.type in (TIME, AGE, DIGEST):
        return [parse_comparison(field, "=", token) for token in list_]
    literals: dict[str, list[Scalar]] = {}
    for token in list_:
        literal = _parse_literal(field, token, token_text(token))
        literals.setdefault(KINDS[type(literal)], []).append(literal)
    return [MembershipPredicate(kind, members) for kind, members in literals.items()]


def _parse_literal(field: Field, token: Token, text: str) -> Scalar:
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


def _parse_amount(field: Field, token: Token, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except InvalidInput as error:
        raise _unexpected_value(field, token, error) from None


def _unexpected_value(field: Field, token: Token, error: InvalidInput | None = None) -> InvalidInput:
    hint = error.hint if error and field.type != TIME else _EXAMPLES[field.type]
    said = error.message if error else f"{escape_for_message(token.text)} is none"
    return query_error(f"expected {field.type}: {said},", token.column, hint)
