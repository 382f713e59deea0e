"""One command at work: the options that every command shares, the registry it opens, what it prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from .process import is_terminal, settle, write
from .text import safe

if TYPE_CHECKING:
    from ..progress import Progress
    from ..registry import Registry
    from ..verbs.reading import RegistryReader


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """What a command found, in the four forms in which it can be asked for.

    ``rows`` are plain values for a pipe, one a ``columns``; ``shown`` are the same rows for a person's eyes, where
    they differ; ``refs`` is what ``-q`` prints; ``data`` the JSON document. ``text`` replaces the table for a person.
    """

    data: dict[str, Any]
    refs: Iterable[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    shown: Sequence[Sequence[str]] | None = None
    text: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Session:
    """The shared options, and the ways to answer."""

    root: str | None = None
    as_json: bool = False
    quiet: bool = False
    debug: bool = False
    no_color: bool = False
    no_input: bool = False
    lock_timeout: float = 30.0
    request_id: str | None = None
    writes: bool = False

    def reader(self) -> RegistryReader:
        """The registry, for reading only: nothing that writes is imported."""
        from ..verbs.reading import HOME_VARIABLE, RegistryReader, find_root

        return RegistryReader(find_root(self.root, os.environ.get(HOME_VARIABLE)))

    def registry(self) -> Registry:
        """The registry, for writing."""
        from ..registry import Registry
        from ..verbs.reading import HOME_VARIABLE, find_root

        root = find_root(self.root, os.environ.get(HOME_VARIABLE))
        return Registry(root, lock_timeout=self.lock_timeout, on_wait=self.say)

    @property
    def plain(self) -> bool:
        """Whether results go to a pipe or a file rather than to a person."""
        return not is_terminal(sys.stdout)

    def say(self, text: str) -> None:
        """One line for the person, on standard error; silent with ``-q`` and ``--json``."""
        if not (self.quiet or self.as_json):
            print(safe(text), file=sys.stderr)

    def warn(self, text: str) -> None:
        """One line that must be seen, whatever was asked for."""
        print(f"warning: {safe(text)}", file=sys.stderr)

    def show(self, output: Output) -> None:
        """Print the result: JSON, references only, a table for a person, or tab-separated lines."""
        if self.writes:
            settle()
        if self.as_json:
            write(json.dumps(output.data, ensure_ascii=True, indent=None if self.plain else 2))
        elif self.quiet:
            for ref in output.refs:
                write(safe(ref))
        elif self.plain:
            for row in output.rows:
                write("\t".join(_plain(cell) for cell in row))
        elif output.text is not None:
            if output.text:
                write(output.text)
        else:
            self._table(output)

    def _table(self, output: Output) -> None:
        from .tables import draw

        shown = output.shown if output.shown is not None else [[_plain(cell) for cell in row] for row in output.rows]
        draw(output.columns, shown, no_color=self.no_color)

    def progress(self, what: str) -> Progress:
        """A bar on standard error for work that takes over half a second, if a person watches."""
        from ..progress import SILENT

        if self.quiet or self.as_json or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            return SILENT
        from .bar import Bar

        return Bar(what, no_color=self.no_color)

    def confirm(self, question: str) -> None:
        """Ask for a yes. Without a terminal, or with ``--no-input``, nothing is asked: say ``--yes``."""
        if self.no_input or not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
            raise InvalidInput("this can't be undone and needs a yes", "add --yes")
        print(f"{safe(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise InvalidInput("nothing was changed", "answer y, or add --yes")


def _plain(cell: Any) -> str:
    """A value for a pipe: one line, no tab, the empty text for nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return safe(cell) if isinstance(cell, str) else str(cell)
