"""A running command: its shared options, the registry it opens, its output."""

from __future__ import annotations

import os
import signal
import sys

from ..core.lazy_dataclass import dataclass, field
from ..core.progress import SILENT, Progress
from ..errors import Damaged, InvalidInput, RegistryError, explain
from ..operations.context import find_root
from ..registry import Registry
from .formatting import escape, format_cell, format_label, name_options
from .process import STOPPING, Terminated, commit_output, flush, install_signal_handlers, is_terminal, write

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..core.records import Event
    from ..core.results import PointerChange
    from ..errors import Refused
    from ..lineage.process_info import Caller
    from ..rules.policy.command_checks import CommandSet


@dataclass(frozen=True, eq=False, repr=False)
class TableView:
    """What a person sees: cells under columns between a title and a footer, or a ``text`` instead.

    Where the terminal is too narrow, texts are cut, or wrapped if ``wrap``; then columns are left out, the ``optional``
    ones in this order, and a last line says which, how many of the ``metrics``, and with a ``hint`` how to see them.
    None of ``chosen`` columns is left out.
    """

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    text: str | None = None
    chosen: bool = False
    wrap: bool = False
    optional: Sequence[int] | None = None
    metrics: range = range(0)
    hint: str = "use --format csv"
    title: str = ""
    footer: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Output:
    """A result in the forms in which it can be asked for. Of iterators only the one that is asked for is read.

    ``kind`` and ``body`` make the JSON document (see ``json_shapes.document``; items of an iterator are written one by
    one), ``refs`` are what ``-q`` prints, ``rows`` the lines for a pipe and for csv, ``names`` (or ``columns``) the names of
    their cells. A person sees ``text``, else what ``draw`` prints or the table that it returns, or ``shown`` (or ``rows``)
    below ``columns``, wrapped if ``wrap``; ``empty`` where that has no rows.
    """

    kind: str
    body: Any
    refs: Iterable[str] = ()
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[Any]] = ()
    shown: Sequence[Sequence[str]] | None = None
    text: str | None = None
    empty: str = ""
    draw: Callable[[], TableView | None] | None = None
    names: Sequence[str] = ()
    wrap: bool = False

    def view(self) -> TableView:
        if self.text is not None:
            return TableView(text=self.text)
        table: TableView | None
        if self.draw is not None:
            table = self.draw()
        else:
            cells = [list(map(format_cell, row)) for row in self.rows] if self.shown is None else self.shown
            table = TableView(self.columns, cells, wrap=self.wrap)
        return table if table and (table.rows or table.text) else TableView(text=self.empty)


class ChangeRecorder:
    """The changes of a command so far, for the user's hooks."""

    def __init__(self) -> None:
        self.registry: Registry | None = None
        self.events: list[tuple[str, Event]] = []

    def add(self, model: str, event: Event) -> None:
        self.events.append((model, event))


@dataclass(frozen=True, eq=False, repr=False)
class Session:
    """The shared options of a command, and the ways to answer."""

    root: str | None = None
    as_json: bool = False
    quiet: bool = False
    debug: bool = False
    no_color: bool = False
    no_pager: bool = False
    no_input: bool = False
    form: str | None = None
    header: bool | None = None
    lock_timeout: float = 30.0
    request_id: str | None = None
    no_index: bool = False
    dry_run: bool = False
    writes: bool = False
    changes: ChangeRecorder = field(default_factory=ChangeRecorder)
    opened: list[Registry] = field(default_factory=list)

    def reader(self) -> Registry:
        """Open the registry for reading only: nothing that writes is imported."""
        return self._open(index=not self.no_index, progress=self.progress("reading versions", unit="versions"))

    def registry(self) -> Registry:
        """Open the registry for writing."""
        self.changes.registry = self._open(
            lock_timeout=self.lock_timeout, on_wait=self.say, on_event=self.changes.add, index=False
        )
        return self.changes.registry

    def _open(self, **options: Any) -> Registry:
        root = find_root(self.root, os.environ)
        registry = Registry(root, trust=self._is_trusted, caller=self.caller, on_warning=self.warn, **options)
        self.opened.append(registry)
        return self.opened[-1]

    def caller(self) -> Caller:
        """What is known of the calling process; not by which program a model was made."""
        from ..lineage.process_info import Caller

        try:
            folder = os.getcwd()
        except FileNotFoundError:  # it was removed
            folder = ""
        return Caller(folder, dict(os.environ), register=["registry", *sys.argv[1:]])

    def _is_trusted(self, commands: CommandSet) -> bool:
        from .trust_prompt import is_trusted

        return is_trusted(self, commands)

    def report_refusal(self, error: Refused) -> None:
        """Print what the failed checks of a gate printed."""
        if evaluation := getattr(error, "evaluation", None):
            from .trust_prompt import report_outputs

            report_outputs(self, evaluation.rules)

    def close(self) -> None:
        """End the command, however it ended: close the index, run hooks for its changes."""
        for reader in self.opened:
            reader.close()
        if self.changes.events:
            try:
                flush()
            finally:
                _run_hooks(self)

    @property
    def change(self) -> dict[str, Any]:
        """The arguments of every operation that changes something."""
        return {"dry_run": self.dry_run, "request_id": self.request_id}

    @property
    def is_piped(self) -> bool:
        return not is_terminal(sys.stdout)

    @property
    def has_viewer(self) -> bool:
        """Whether the result is shown as for a person, and no other form of it was asked for."""
        return not (self.as_json or self.quiet) and (self.form == "table" or not (self.form or self.is_piped))

    @property
    def has_document(self) -> bool:
        """Whether the JSON document is asked for, in whatever format."""
        return self.as_json or self.form in ("jsonl", "yaml")

    def say(self, text: str) -> None:
        """Print one line on standard error; nothing with ``-q`` and ``--json``."""
        if not (self.quiet or self.as_json):
            print(escape(name_options(text)), file=sys.stderr)

    def warn(self, text: str) -> None:
        """Print one line on standard error, whatever was asked for."""
        print(f"{format_label('warning', no_color=self.no_color)} {escape(name_options(text))}", file=sys.stderr)

    def warn_of(self, error: RegistryError) -> None:
        """Print an error as a warning: the result is incomplete."""
        self.warn("; ".join(filter(None, (error.message, error.hint))))

    def collect_damage(self) -> DamageCollector:
        return DamageCollector(self)

    def show(self, output: Output) -> None:
        """Print the result in the format that was asked for, else a table for a person or tab-separated lines."""
        if self.writes:
            commit_output()
        if self.quiet and not self.as_json:
            _write_lines(escape(ref) for ref in output.refs)
        elif self.no_pager or self.is_piped:
            self._print(output)
        else:
            from .pager import paged

            with paged():
                self._print(output)

    def _print(self, output: Output) -> None:
        if self.as_json:
            self._show_json(output)
        elif self.has_viewer:
            self._draw(output.view())
        elif self.form is None:
            if self.header:
                write("\t".join(output.names or output.columns))
            _write_lines("\t".join(map(format_cell, row)) for row in output.rows)
        else:
            from . import output_formats

            if self.form == "yaml":
                text = output_formats.format_yaml(output.kind, output.body)
                lines: Iterable[str] = [text if self.is_piped else escape(text, lines=True)]
            elif self.form == "jsonl":
                lines = output_formats.iter_items(output.kind, output.body)
            else:
                lines = output_formats.iter_rows(
                    self.form, output.names or output.columns, output.rows, self.header, safe=not self.is_piped
                )
            _write_lines(lines)

    def show_one(self, kind: str, body: Any, name: str, text: str | None = None) -> None:
        """Print a result with one name, a reference or a path; with --json ``body``."""
        self.show(Output(kind, body, [name], rows=[(name,)], text=name if text is None else text, names=["ref"]))

    def show_changed(self, kind: str, body: Any, ref: str) -> None:
        """Print the reference of what was changed, for a script: a person has read what happened on standard error."""
        self.show_one(kind, body, ref, self.text_for_script(ref))

    def text_for_script(self, text: str) -> str:
        """Return the text; nothing if a person has read what happened on standard error."""
        return "" if is_terminal(sys.stderr) else text

    def show_pointer(self, done: PointerChange) -> None:
        """Print where a stage or an alias points now, and on standard error where it pointed before."""
        self.report_pointer(done)
        self.show_changed("moved", done, done.ref)

    def report_pointer(self, done: PointerChange) -> None:
        """Print on standard error where a pointer points now, where it pointed before, and what that overrides."""
        after = "empty" if done.after is None else done.after
        before = "empty" if done.before is None else done.before
        if not done.changed:
            self.say(f"{done.model}: {done.pointer} is already {after}")
        else:
            self.say(f"{done.model}: {'would move ' if self.dry_run else ''}{done.pointer} -> {after} (was {before})")
        if done.overridden:
            would = "would override" if self.dry_run else "overrides" if done.changed else "overrode"
            self.warn(f"this {would} the policy of {done.pointer}: {', '.join(done.overridden)}")

    def _show_json(self, output: Output) -> None:
        """One JSON document, on one line in a pipe; items of an iterator come one by one."""
        from ..core.json_shapes import document, dumps, to_json

        if not hasattr(output.body, "__next__"):
            write(dumps(document(output.kind, output.body), indent=not self.is_piped))
            return
        start, end = dumps(document(output.kind, []), indent=not self.is_piped).rsplit("[]", 1)
        separator, before, after = (", ", "", "") if self.is_piped else (",\n", "\n", "\n  ")
        write(f"{start}[", end=before)
        for at, item in enumerate(output.body):
            text = dumps(to_json(item), indent=not self.is_piped)
            write(
                (separator if at else "") + (text if self.is_piped else "    " + text.replace("\n", "\n    ")), end=""
            )
        write(f"{after}]{end}")

    def draw_rows(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table of whole texts as a part of what a person sees."""
        self._draw(TableView(columns, rows, wrap=True))

    def _draw(self, table: TableView) -> None:
        if table.text is None:
            from .views.tables import draw

            draw(table, no_color=self.no_color)
        elif table.text:
            write(table.text)

    def progress(self, what: str, unit: str = "") -> Progress:
        """A bar on standard error for work that takes over half a second, if a person watches.

        It counts bytes, or whatever ``unit`` says.
        """
        if self.quiet or self.as_json or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            return SILENT
        from .views.progress_bar import Bar

        return Bar(what, unit, no_color=self.no_color)

    @property
    def can_ask(self) -> bool:
        """Whether a person can be asked: both ends are a terminal, without ``--no-input``."""
        return not self.no_input and is_terminal(sys.stdin) and is_terminal(sys.stderr)

    def ask(self, question: str) -> str:
        """Ask, and return the line that is answered; the empty text at the end of input."""
        print(f"{escape(question)} ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip()

    def ask_yes_no(self, question: str) -> bool:
        return self.ask(f"{question} [y/N]").lower() in ("y", "yes")

    def confirm(self, question: str, why: str = "this cannot be undone and requires confirmation") -> None:
        """Ask for confirmation, or require ``--yes`` if there is no terminal."""
        if not self.can_ask:
            raise InvalidInput(why, "add --yes")
        if not self.ask_yes_no(question):
            raise InvalidInput("nothing was changed", "answer y or add --yes")


class DamageCollector:
    """Collects documents that can't be read: the command shows its result, then fails."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[str, RegistryError] = {}

    def __call__(self, error: RegistryError) -> None:
        self._found.setdefault(error.message, error)

    def raise_found(self, *, own_code: bool = False) -> None:
        """Raise for what was found: as damage, or with ``own_code`` as the error with the highest exit code."""
        if not self._found:
            return
        *others, last = self._found.values()
        for error in others:
            if not self._session.as_json:
                self._session.warn(error.message)
        words = f"cannot read {len(self._found)} documents, the last: {last.message}" if others else last.message
        kind = type(max(self._found.values(), key=lambda each: each.exit_code)) if own_code else Damaged
        raise kind(words, last.hint)


def _run_hooks(cx: Session) -> None:
    """Run the user's hooks for the changes. A signal ends the hooks, and the command as it would have ended."""
    from ..core.accounts import HOOK_SETTINGS, HOOKS, config_folder

    folder, registry = config_folder(os.environ), cx.changes.registry
    if registry is None or folder is None or not any(os.path.exists(folder / each) for each in (HOOKS, HOOK_SETTINGS)):
        return
    from ..trust import hooks

    if hooks.INSIDE in os.environ:
        return
    try:
        install_signal_handlers()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        place = hooks.RegistryIdentity(str(registry.root), registry.admin.settings.id)
        hooks.deliver(hooks.load_hooks(folder, place.id, cx.warn), place, cx.changes.events, cx.warn)
    except OSError as error:
        cx.warn(f"hooks did not run: {explain(error)}")
    except Terminated:
        cx.warn("hooks were interrupted; the change itself was made")
    finally:
        commit_output()


def _write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        write(line)
