"""Patterns: regular expressions with a bound on their time, and wildcards that need none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from threading import current_thread, get_ident, main_thread
from time import thread_time
from types import FrameType, TracebackType
from typing import Any, Union

from ..core.text import escape_for_message
from ..errors import InvalidInput

PATTERN_LENGTH = 1_000
SUBJECT_LENGTH = 10_000
#: Seconds of processor time that the regular expressions of one evaluation of a query may take together.
TIME_LIMIT = 2.0
_TICK = 0.1

_Handler = Union[Callable[[int, Union[FrameType, None]], Any], int, None]


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """A function that says whether ``pattern`` (as Python's ``re``) is found in a text's first 10,000 characters."""
    import warnings

    _check_length(pattern)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that may change: nothing that a person who searches can act on
            search = re.compile(pattern).search
    except (re.error, OverflowError) as error:
        raise InvalidInput(
            f"'{escape_for_message(pattern)}' is no regular expression", escape_for_message(str(error))
        ) from None
    except (RecursionError, MemoryError):
        raise InvalidInput(
            f"'{escape_for_message(pattern)}' is no regular expression", "it is nested too deep"
        ) from None
    return lambda text: search(text[:SUBJECT_LENGTH]) is not None


def compile_wildcard(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a text is like ``pattern``: ``%`` any text, ``_`` one character, case ignored.

    A backslash before one of these takes it literally. Each piece between two ``%`` is taken at its first place,
    so that the time grows with the length of text and pattern, and never beyond their product.
    """
    _check_length(pattern)
    pieces = _pieces(pattern.lower())
    if len(pieces) == 1:
        whole = re.compile(pieces[0], re.DOTALL).fullmatch
        return lambda text: whole(text.lower()) is not None
    first, *middle, last = (re.compile(piece, re.DOTALL) for piece in pieces)
    width = _width(pieces[-1])

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
        raise InvalidInput(f"the pattern has {len(pattern):,} characters", f"{PATTERN_LENGTH:,} is the most")


def _pieces(pattern: str) -> list[str]:
    """What stands between the ``%``, each as a regular expression of fixed width."""
    pieces = [""]
    for part in re.findall(r"\\[%_\\]|.", pattern, re.DOTALL):
        if part == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if part == "_" else re.escape(part[-1])
    return pieces


def _width(piece: str) -> int:
    return len(re.findall(r"\\.|.", piece, re.DOTALL))


class RegexBudget:
    """Counts the processor time that the regular expressions of one query take, while a :class:`RegexTimeout` is open."""

    __slots__ = ("_owner", "_started", "_used")

    def __init__(self) -> None:
        self.restart(0)

    def restart(self, owner: int) -> None:
        """Count from zero what the thread ``owner`` does; 0 is no thread."""
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


class RegexTimeout:
    """A context in which the regular expressions of a query may take 2 seconds; then :class:`InvalidInput`.

    That is processor time inside of searches: reading files, or waiting for a busy machine, does not count. In the
    main thread a timer looks after them (``ITIMER_VIRTUAL``: nobody's ``SIGALRM`` is disturbed); on leaving, the
    handler and the timer that were there before are there again. Other threads have no such timer: there, patterns in
    which a repeat or an alternative stands inside a repeat, ``(a+)+``, are refused from the start.
    """

    def __init__(self, meter: RegexBudget, patterns: Iterable[str]) -> None:
        self._meter = meter
        self._patterns = tuple(patterns)
        self._active = self._expired = False
        self._handler: _Handler = None
        self._timer = (0.0, 0.0)

    def __enter__(self) -> None:
        if not self._patterns:
            return
        import signal

        if current_thread() is not main_thread() or signal.getsignal(signal.SIGVTALRM) is None:
            self._refuse_nested()
            return
        self._active = True
        self._meter.restart(get_ident())
        self._handler = signal.signal(signal.SIGVTALRM, self._look)
        self._timer = signal.setitimer(signal.ITIMER_VIRTUAL, _TICK, _TICK)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._active:
            return
        import signal

        self._active = False
        self._meter.restart(0)
        signal.setitimer(signal.ITIMER_VIRTUAL, *self._timer)
        signal.signal(signal.SIGVTALRM, self._handler)
        if self._expired:  # whatever became of the exception: SQLite puts one of its own in its place
            raise self._too_long() from None

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        if self._meter.is_spent():
            self._expired = True
            raise self._too_long()

    def _too_long(self) -> InvalidInput:
        patterns = " or ".join(f"'{escape_for_message(pattern)}'" for pattern in self._patterns[:2])
        return InvalidInput(
            f"query: the pattern takes too long: {patterns}", "avoid a repeat inside a repeat, as in (a+)+"
        )

    def _refuse_nested(self) -> None:
        for pattern in self._patterns:
            if _nested(_tree(pattern), inside=False):
                raise InvalidInput(
                    f"query: the pattern has a repeat inside a repeat: '{escape_for_message(pattern)}'",
                    "outside of the main thread such a pattern can't be stopped",
                )


def _tree(pattern: str) -> Any:
    """The syntax tree of a pattern that compiles."""
    import sys
    import warnings

    parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser.parse(pattern)


def _nested(part: Any, *, inside: bool) -> bool:
    """Whether a repeat of varying length, or an alternative, stands inside a repeat somewhere in a syntax tree."""
    if isinstance(part, (list, tuple)) or type(part).__name__ == "SubPattern":
        items = list(part)
        name = str(items[0]) if items and type(items[0]).__name__ == "_NamedIntConstant" else ""
        if name.endswith("_REPEAT"):
            low, high, body = items[1]
            return (inside and low != high) or _nested(body, inside=inside or int(high) > 1)
        if name == "BRANCH" and inside:
            return True
        return any(_nested(item, inside=inside) for item in items)
    return False
