"""Patterns: regular expressions with a bound on their time, and wildcards that need none."""

from __future__ import annotations

import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import current_thread, get_ident, main_thread
from time import thread_time
from types import FrameType
from typing import Any

from ..core.text import escape_for_message
from ..errors import InvalidInput

PATTERN_LENGTH = 1_000
SUBJECT_LENGTH = 10_000
#: Seconds of processor time that the regular expressions of one evaluation of a query may take together.
TIME_LIMIT = 2.0
_TICK = 0.1


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """A function that searches the first 10,000 characters of a text for ``pattern``, a regular expression."""
    _check_length(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about future changes of the syntax, which don't concern a user
            search = re.compile(pattern).search
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        deep = isinstance(error, (RecursionError, MemoryError))
        hint = "it is nested too deeply" if deep else escape_for_message(str(error))
        raise InvalidInput(f"'{escape_for_message(pattern)}' is not a valid regular expression", hint) from None
    return lambda text: search(text[:SUBJECT_LENGTH]) is not None


def compile_wildcard(pattern: str) -> Callable[[str], bool]:
    """A function that matches a text with ``pattern``: ``%`` any text, ``_`` one character, case ignored.

    A backslash before one of these makes it literal. Each piece between two ``%`` is matched at its first place, so that
    the time never exceeds the product of the lengths of text and pattern.
    """
    _check_length(pattern)
    pieces = _pieces(pattern.lower())
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.DOTALL).fullmatch
        return lambda text: whole(text.lower()) is not None
    first, *middle, last = (re.compile(piece, re.DOTALL) for piece in pieces)
    width = len(re.findall(r"\\.|.", pieces[-1], re.DOTALL))

    def like(text: str) -> bool:
        text = text.lower()
        found = first.match(text)
        for piece in middle:
            found = found and piece.search(text, found.end())
        return (
            found is not None and len(text) - width >= found.end() and last.match(text, len(text) - width) is not None
        )

    return like


def _check_length(pattern: str) -> None:
    if len(pattern) > PATTERN_LENGTH:
        raise InvalidInput(f"the pattern has {len(pattern):,} characters", f"the limit is {PATTERN_LENGTH:,}")


def _pieces(pattern: str) -> list[str]:
    """What stands between the ``%``, each as a regular expression of fixed width."""
    pieces = [""]
    for part in re.findall(r"\\[%_\\]|.", pattern, re.DOTALL):
        if part == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if part == "_" else re.escape(part[-1])
    return pieces


class RegexBudget:
    """Counts the processor time that the regular expressions of one query take within :func:`limit_regex_time`."""

    __slots__ = ("_owner", "_started", "_used")

    def __init__(self) -> None:
        self.restart(0)

    def restart(self, owner: int) -> None:
        """Count from zero what the thread ``owner`` does; 0 stands for none."""
        self._used = 0.0
        self._started: float | None = None
        self._owner = owner

    def timed(self, search: Callable[[str], bool]) -> Callable[[str], bool]:
        """``search``, with its time counted."""

        def passes(text: str) -> bool:
            if self._owner != get_ident():
                return search(text)
            self._started = thread_time()
            try:
                return search(text)
            finally:
                started, self._started = self._started, None
                self._used += thread_time() - (started or 0.0)

        return passes

    def is_spent(self) -> bool:
        """Whether a search is under way and, with those before it, over the limit."""
        return self._started is not None and self._used + thread_time() - self._started > TIME_LIMIT


@contextmanager
def limit_regex_time(meter: RegexBudget, patterns: Sequence[str]) -> Iterator[None]:
    """A context in which the regular expressions of a query may take 2 seconds; then :class:`InvalidInput`.

    That is processor time inside of searches: reading files, or waiting for a busy machine, does not count. In the
    main thread a timer checks it (``ITIMER_VIRTUAL``, which leaves ``SIGALRM`` alone); on leaving, the handler and the
    timer that were there before are restored. Other threads have no such timer: there, patterns in which a repeat or an
    alternative stands inside a repeat, ``(a+)+``, are refused from the start.
    """
    if not patterns:
        yield
        return
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGVTALRM) is None:
        _refuse_nested(patterns)
        yield
        return
    shown = " or ".join(f"'{escape_for_message(pattern)}'" for pattern in patterns[:2])
    too_long = InvalidInput(f"query: the pattern takes too long: {shown}", "avoid nested repeats such as (a+)+")
    expired = False

    def check_time(_number: int, _frame: FrameType | None) -> None:
        nonlocal expired
        if meter.is_spent():
            expired = True
            raise too_long

    meter.restart(get_ident())
    handler = signal.signal(signal.SIGVTALRM, check_time)
    timer = signal.setitimer(signal.ITIMER_VIRTUAL, _TICK, _TICK)
    try:
        yield
    finally:
        meter.restart(0)
        signal.setitimer(signal.ITIMER_VIRTUAL, *timer)
        signal.signal(signal.SIGVTALRM, handler)
        if expired:  # whatever became of the exception: SQLite replaces it by one of its own
            raise too_long from None


def _refuse_nested(patterns: Iterable[str]) -> None:
    for pattern in patterns:
        if _is_nested(_parse_tree(pattern), inside=False):
            raise InvalidInput(
                f"query: the pattern has nested repeats:  '{escape_for_message(pattern)}'",
                "outside the main thread such a pattern cannot be interrupted",
            )


def _parse_tree(pattern: str) -> Any:
    """The syntax tree of a pattern that compiles."""
    parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser.parse(pattern)


def _is_nested(part: Any, *, inside: bool) -> bool:
    """Whether a repeat of varying length, or an alternative, stands inside a repeat somewhere in a syntax tree."""
    if isinstance(part, (list, tuple)) or type(part).__name__ == "SubPattern":
        items = list(part)
        name = str(items[0]) if items and type(items[0]).__name__ == "_NamedIntConstant" else ""
        if name.endswith("_REPEAT"):
            low, high, body = items[1]
            return (inside and low != high) or _is_nested(body, inside=inside or int(high) > 1)
        if name == "BRANCH" and inside:
            return True
        return any(_is_nested(item, inside=inside) for item in items)
    return False
