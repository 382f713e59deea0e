"""One command at work: the options that every command shares, the registry it opens, what it prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..core.lazy_dataclass import dataclass, field
from ..errors import Damaged, InvalidInput, RegistryError
from .process import flush, is_terminal, settle, write
from .views.text import safe

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.progress import Progress
    from ..core.records import Event
    from ..errors import Refused
    from ..lifecycle.commands import Commands
    from ..provenance.caller import Caller
    from ..registry import Registry
    from ..verbs.reading import RegistryReader

Item = TypeVar("Item")


class Table(NamedTuple):
    """What a person sees: cells under columns, or a ``text`` instead. None of ``chosen`` columns is left out."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    text: str | None = None
    chosen: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """What a command found, in the four forms in which it can be asked for.

    ``rows`` are plain values for a pipe, one a ``columns``; ``shown`` are the same rows for a person's eyes, where
    they differ; ``refs`` is what ``-q`` prints; ``kind`` and ``body`` make the JSON document. ``text`` replaces the table for a person.
    """

    kind: str
    body: Any
    refs: Iterable[str] = ()
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[Any]] = ()
    shown: Sequence[Sequence[str]] | None = None
    text: str | None = None

    def table(self) -> Table:
        shown = self.shown if self.shown is not None else [[plain_cell(cell) for cell in row] for row in self.rows]
        return Table(self.columns, shown, self.text)


@dataclass(frozen=True, eq=False, repr=False)
class Listed(Generic[Item]):
    """A list, however long: each item is made into the one form that is asked for, and let go of.

    ``refs`` makes it what ``-q`` prints, ``row`` a line for a pipe; ``draw`` makes all of them a
    table for a person, and ``line`` one of them a line, where they come one by one.
    """

    kind: str
    items: Iterable[Item]
    refs: Callable[[Item], str]
    row: Callable[[Item], Sequence[Any]]
    draw: Callable[[list[Item]], Table]
    line: Callable[[Item], str] = str


class Happened:
    """What a command has changed so far, and where: to be told to the user's hooks when its result is out."""

    def __init__(self) -> None:
        self.registry: Registry | None = None
        self.events: list[tuple[str, Event]] = []

    def add(self, model: str, event: Event) -> None:
        self.events.append((model, event))


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
    no_index: bool = False
    writes: bool = False
    happened: Happened = field(default_factory=Happened)
    opened: list[RegistryReader] = field(default_factory=list)

    def reader(self) -> RegistryReader:
        """The registry, for reading only: nothing that writes is imported."""
        from ..verbs.opened import cache_folder
        from ..verbs.reading import RegistryReader

        root = self._root()
        cache = None if self.no_index else cache_folder(os.environ)
        progress = self.progress("reading versions", unit="versions")
        reader = RegistryReader(root, cache=cache, progress=progress, trust=self._trusts, on_warning=self.warn)
        self.opened.append(reader)
        return reader

    def registry(self, *, tell: bool = False) -> Registry:
        """The registry, for writing. With ``tell`` it may know who calls it, for a lineage."""
        from ..registry import Registry

        root = self._root()
        happened = self.happened
        happened.registry = Registry(
            root,
            lock_timeout=self.lock_timeout,
            on_wait=self.say,
            on_event=happened.add,
            trust=self._trusts,
            on_warning=self.warn,
            caller=self.caller() if tell else None,
        )
        self.opened.append(happened.registry)
        return happened.registry

    def _root(self) -> Path:
        """The registry's folder."""
        from ..automation.own import config_folder
        from ..verbs.opened import HOME_VARIABLE, find_root

        return find_root(self.root, os.environ.get(HOME_VARIABLE), config_folder(os.environ))

    def caller(self) -> Caller:
        """What this command knows of what goes on around it: not by which program a model was made."""
        from ..provenance.caller import Caller

        try:
            folder = os.getcwd()
        except FileNotFoundError:  # it was removed
            folder = ""
        return Caller(folder, dict(os.environ), register=["registry", *sys.argv[1:]])

    def _trusts(self, commands: Commands) -> bool:
        from .commands.trust import trusts

        return trusts(self, commands)

    def refused(self, error: Refused) -> None:
        """What the checks printed that a gate stayed shut for: they may have run for long."""
        if evaluation := getattr(error, "evaluation", None):
            from .commands.trust import tell_outputs

            tell_outputs(self, evaluation.rules)

    def end(self) -> None:
        """The last thing that a command does, however it ended: the index is closed, hooks are run for its changes."""
        for reader in self.opened:
            reader.close()
        if self.happened.events:
            from .hooking import deliver

            try:
                flush()
            finally:
                deliver(self)

    @property
    def plain(self) -> bool:
        """Whether results go to a pipe or a file rather than to a person."""
        return not is_terminal(sys.stdout)

    @property
    def watched(self) -> bool:
        """Whether a person looks at the result, and no other form of it was asked for."""
        return not (self.plain or self.as_json or self.quiet)

    def say(self, text: str) -> None:
        """One line for the person, on standard error; silent with ``-q`` and ``--json``."""
        if not (self.quiet or self.as_json):
            print(safe(text), file=sys.stderr)

    def warn(self, text: str) -> None:
        """One line that must be seen, whatever was asked for."""
        print(f"warning: {safe(text)}", file=sys.stderr)

    def damage(self) -> Damage:
        """A collector of what can't be read, for a list that goes on without it."""
        return Damage(self)

    def show(self, output: Output) -> None:
        """Print the result: JSON, references only, a table for a person, or tab-separated lines."""
        if self.writes:
            settle()
        if self.as_json:
            from .json_shapes import document

            write(json.dumps(document(output.kind, output.body), indent=None if self.plain else 2))
        elif self.quiet:
            _write_each(safe(ref) for ref in output.refs)
        elif self.plain:
            _write_each("\t".join(map(plain_cell, row)) for row in output.rows)
        else:
            self._draw(output.table())

    def show_one(self, kind: str, body: Any, name: str, text: str | None = None) -> None:
        """Print a result with one name, a reference or a path; with --json ``body``, a record or a mapping."""
        self.show(Output(kind, body, [name], (), [(name,)], text=name if text is None else text))

    def list(self, listed: Listed[Item]) -> None:
        """Print a list in the form that was asked for, item by item."""
        if self.as_json:
            self._stream(listed)
        elif self.quiet:
            _write_each(safe(ref) for item in listed.items if (ref := listed.refs(item)))
        elif self.plain:
            _write_each("\t".join(map(plain_cell, listed.row(item))) for item in listed.items)
        else:
            self._draw(listed.draw(list(listed.items)))

    def follow(self, listed: Listed[Item]) -> None:
        """Print what comes in the form that was asked for, a line an item, each as soon as it is there."""
        from .json_shapes import document

        for item in listed.items:
            if self.as_json:
                write(json.dumps(document(listed.kind, item)))
            elif not self.quiet:
                write("\t".join(map(plain_cell, listed.row(item))) if self.plain else listed.line(item))
            elif ref := listed.refs(item):
                write(safe(ref))
            flush()

    def _stream(self, listed: Listed[Item]) -> None:
        """One JSON document, on one line in a pipe, whose items come one by one."""
        from .json_shapes import document, to_json

        empty = json.dumps(document(listed.kind, []), indent=None if self.plain else 2)
        start, end = empty.rsplit("[]", 1)
        separator, before, after = (", ", "", "") if self.plain else (",\n", "\n", "\n  ")
        write(f"{start}[", end=before)
        for at, item in enumerate(listed.items):
            text = json.dumps(to_json(item), indent=None if self.plain else 2)
            write((separator if at else "") + (text if self.plain else _indented(text)), end="")
        write(f"{after}]{end}")

    def _draw(self, table: Table) -> None:
        if table.text is None:
            from .views.tables import draw

            draw(table.columns, table.rows, no_color=self.no_color, whole=table.chosen)
        elif table.text:
            write(table.text)

    def progress(self, what: str, unit: str = "") -> Progress:
        """A bar on standard error for work that takes over half a second, if a person watches.

        It counts bytes, or whatever ``unit`` says.
        """
        from ..core.progress import SILENT

        if self.quiet or self.as_json or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            return SILENT
        from .views.progress_bar import Bar

        return Bar(what, unit, no_color=self.no_color)

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask: both ends are a terminal, and nobody said ``--no-input``."""
        return not self.no_input and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def ask(self, question: str) -> str:
        """What a person answers, on one line; the empty text when there is no more to come."""
        print(f"{safe(question)} ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()

    def agreed(self, question: str) -> bool:
        """Whether somebody says yes."""
        return self.ask(f"{question} [y/N]").lower() in ("y", "yes")

    def confirm(self, question: str, why: str = "this can't be undone and needs a yes") -> None:
        """Ask for a yes. Without a terminal, or with ``--no-input``, nothing is asked: say ``--yes``."""
        if not self.asks:
            raise InvalidInput(why, "add --yes")
        if not self.agreed(question):
            raise InvalidInput("nothing was changed", "answer y, or add --yes")


class Damage:
    """Told of documents that can't be read: each is a warning, and the command fails in the end, its result shown."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: list[RegistryError] = []

    def __call__(self, error: RegistryError) -> None:
        if error.message in (known.message for known in self._found):
            return
        self._found.append(error)

    def end(self) -> None:
        """Raise :class:`Damaged` if there was any."""
        if not self._found:
            return
        *others, last = self._found
        for error in others:
            if not self._session.as_json:
                self._session.warn(error.message)
        total = len(self._found)
        words = f"{total} documents can't be read, the last: {last.message}" if others else last.message
        raise Damaged(words, last.hint)


def _write_each(lines: Iterable[str]) -> None:
    for line in lines:
        write(line)


def _indented(text: str) -> str:
    return "    " + text.replace("\n", "\n    ")


def plain_cell(cell: Any) -> str:
    """A value for a pipe: one line, no tab, the empty text for nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return safe(cell) if isinstance(cell, str) else str(cell)
