"""The words of a query: where each begins, and what kind it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..core.text import escape_for_message
from ..errors import InvalidInput
from .fields import QUOTED

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
