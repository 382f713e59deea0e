"""Escape untrusted text in a Markdown document, so that it can't change the document's structure.

By CommonMark and GitHub's tables: a text makes no heading, no HTML, and no fence that stays open. Emphasis, links, lists,
quotes and complete code blocks at the left margin are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: What may be before the text of a line: spaces, marks of quotes and of lists.
_BEFORE = r"(?P<before>(?:[ \t>*+-]|[0-9]{1,9}[.)](?=[ \t]|$))*)"
_HEADING = re.compile(rf"{_BEFORE}(?P<mark>#)")
_UNDERLINE = re.compile(r"(?P<before>[ \t>]*)(?P<mark>[=-])[=\- \t]*\Z")
_FENCE = re.compile(rf"{_BEFORE}(?P<mark>`{{3}}|~{{3}})")
_DEFINITION = re.compile(rf"{_BEFORE}(?P<mark>\[)(?=[^\]]*\]:)")
_OPEN = re.compile(r"(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})")
_HTML = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
#: Control characters, and those that hide text. The characters that join emoji and letters are kept.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_MARKS = re.compile(r"([\\|`*\[\]~])")


def escape_text(text: str) -> str:
    """Escape a text of any number of lines, as paragraphs."""
    lines = [_UNSEEN.sub(" ", line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(_escape_lines(lines)).strip("\n")


def escape_line(text: object) -> str:
    """Escape a text as one line without mark-up, for a heading, an item or a cell of a table."""
    plain = " ".join(_UNSEEN.sub(" ", str(text)).split())
    plain = _ENTITY.sub("&amp;", _MARKS.sub(r"\\\1", plain))
    plain = _HTML.sub("&lt;", plain)
    return re.sub(r"#+\Z", lambda found: f"\\{found[0]}", plain)


def format_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table, empty if it has no rows; the cells are escaped."""
    titles = list(head)
    lines = [f"| {' | '.join(escape_line(cell) for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(titles)} |", "|" + "---|" * len(titles), *lines]) if lines else ""


def _escape_lines(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        end = _end_of_fence(lines, at)
        yield from lines[at:end]
        at = end
        if at < len(lines):
            yield _escape_markup(lines[at])
            at += 1


def _end_of_fence(lines: list[str], at: int) -> int:
    """The line after the code block that begins at line ``at``; ``at`` if there is none, or it is not closed."""
    opened = _OPEN.match(lines[at])
    if not opened:
        return at
    fence = opened["fence"]
    closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*\Z")
    return next((end + 1 for end in range(at + 1, len(lines)) if closing.match(lines[end])), at)


def _escape_markup(text: str) -> str:
    text = _HTML.sub("&lt;", text)
    for mark in (_UNDERLINE, _HEADING, _FENCE, _DEFINITION):
        if found := mark.match(text):
            return f"{found['before']}\\{text[found.start('mark') :]}"
    return text
