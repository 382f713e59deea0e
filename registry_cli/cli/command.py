"""Commands: functions declared with ``@command``, and the Typer application made of as few as the command line needs."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, Refused
from . import grammar
from .session import Session

Function = Callable[..., None]
#: Options by the names of their parameters: the annotation and the default.
Declarations = dict[str, tuple[Any, Any]]
_EXAMPLES = "\n\nExamples:\n"


def argument(metavar: str, text: str) -> Any:
    """Declare an argument with its help text."""
    return typer.Argument(metavar=metavar, help=text)


def option(names: str, metavar: str, text: str, **more: Any) -> Any:
    """Declare an option with a value; ``names`` are all its spellings, ``metavar`` stands for the value in help."""
    return typer.Option(*names.split(), metavar=metavar, help=text, **more)


def flag(names: str, text: str) -> Any:
    """Declare an option without a value."""
    return typer.Option(*names.split(), help=text)


SHARED: Declarations = {
    "root": (Annotated[str | None, option("--registry -C", "DIR", "The registry folder.")], None),
    "as_json": (Annotated[bool, flag("--json", "Print the result as JSON.")], False),
    "quiet": (Annotated[bool, flag("--quiet -q", "Print references or paths only, one per line.")], False),
    "no_color": (Annotated[bool, flag("--no-color", "Disable color (also $NO_COLOR).")], False),
    "no_pager": (Annotated[bool, flag("--no-pager", "Print long output at once, not in a pager.")], False),
    "no_input": (Annotated[bool, flag("--no-input", "Never prompt.")], False),
    "debug": (Annotated[bool, flag("--debug", "Show the traceback of an error.")], False),
}
DryRun = Annotated[bool, flag("--dry-run -n", "Show what would be done without changing anything.")]
DRY_RUN: Declarations = {"dry_run": (DryRun, False)}
WRITING: Declarations = {
    "lock_timeout": (
        Annotated[float, option("--lock-timeout", "SECONDS", "How long to wait for a lock.", min=0)],
        30.0,
    ),
    "request_id": (
        Annotated[str | None, option("--request-id", "ID", "Idempotency key: retrying with the same ID is safe.")],
        None,
    ),
}
INDEXED: Declarations = {
    "no_index": (Annotated[bool, flag("--no-index", "Read every file instead of using the index.")], False)
}
#: The formats of ``--format``; see output_formats.py.
FORMATS = ("table", "tsv", "csv", "json", "jsonl", "yaml", "markdown")
LISTING: Declarations = {
    "form": (
        Annotated[str | None, option("--format", "FORMAT", "table, tsv, csv, json, jsonl, yaml or markdown.")],
        None,
    ),
    "header": (
        Annotated[
            bool | None,
            flag("--header/--no-header", "Begin tsv, csv and markdown with the names of the columns, or not."),
        ],
        None,
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class VerbCommand:
    """A function that is a command, with its help text."""

    name: str
    function: Function
    verb: grammar.Verb
    help: str
    examples: Sequence[str]
    exits: Sequence[int]

    @property
    def epilog(self) -> str:
        examples = [f"  {example}" for example in self.examples]
        codes = [f"  {code:<3} {grammar.code_of(self.name, code)}" for code in self.exits]
        return "\n".join(["\b", "Examples:", *examples, "", "\b", "Exit codes:", *codes])


def command(
    name: str,
    group: str,
    *,
    exits: Sequence[int],
    writes: bool = False,
    indexed: bool = False,
    dry_run: bool = False,
    lists: bool = False,
    formats: Sequence[str] = (),
) -> Callable[[Function], VerbCommand]:
    """Make a function ``(cx: Session, …)`` the command ``name``.

    Its docstring is the help text and ends with a section of examples. The shared options are added to its own; their
    values reach it in the session. A parameter whose type is a named tuple of options stands for these.

    Args:
        name: The verb.
        group: Its group in the overview.
        exits: The exit codes that it can have.
        writes: It takes a lock timeout and a request id.
        indexed: It may be answered from the index.
        dry_run: It can say what it would do.
        lists: It prints rows, in any format.
        formats: It lists, and has these formats besides.
    """

    def wrap(function: Function) -> VerbCommand:
        text, _, examples = (inspect.getdoc(function) or "").partition(_EXAMPLES)
        home = function.__module__.rpartition(".")[2]
        verb = grammar.Verb(
            group, home, text.partition("\n")[0], writes=writes, indexed=indexed, lists=lists or bool(formats)
        )
        shared = {
            **(DRY_RUN if dry_run else {}),
            **(WRITING if writes else {}),
            **(INDEXED if indexed else {}),
            **(LISTING if verb.lists else {}),
            **SHARED,
        }
        lines = [example.strip() for example in examples.splitlines()]
        return VerbCommand(name, _with_shared(function, shared, writes, (*FORMATS, *formats)), verb, text, lines, exits)

    return wrap


def _with_shared(function: Function, shared: Declarations, writes: bool, formats: Sequence[str]) -> Function:
    """Return what Typer calls for ``function``, with the shared options behind its own."""
    # Not typing.get_type_hints: on Python 3.10 it wraps "Annotated[...] = None" into Optional, which hides the option.
    own = {
        each.name: (each.annotation, each.default)
        for each in inspect.signature(function, eval_str=True).parameters.values()
    }
    own.pop("cx")
    tuples = {name: kind for name, (kind, _) in own.items() if hasattr(kind, "_fields")}
    declared: Declarations = {}
    for name, (kind, default) in own.items():
        if name not in tuples:
            declared[name] = kind, default
            continue
        hints = get_type_hints(kind, include_extras=True)
        declared.update({field: (hints[field], kind._field_defaults[field]) for field in kind._fields})

    def call(ctx: typer.Context, **values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        for name, kind in tuples.items():
            values[name] = kind(*(values.pop(field) for field in kind._fields))
        session = _merge(ctx.obj or {}, given, writes, formats)
        try:
            function(session, **values)
        except Refused as error:
            session.report_refusal(error)
            raise
        finally:
            session.close()

    return _with_signature(call, {**declared, **shared})


def _with_signature(call: Function, declared: Declarations) -> Function:
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in declared.items()
    ]
    call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *parameters)}
    return call


def _merge(before: Mapping[str, Any], given: Mapping[str, Any], writes: bool, formats: Sequence[str]) -> Session:
    """Combine the options before the verb with those behind it. One that takes a value is given once, here or there."""
    if before.get("root") is not None and given["root"] is not None:
        raise _repeated("--registry", 2)
    defaults = {name: default for name, (_, default) in {**DRY_RUN, **WRITING, **INDEXED, **LISTING, **SHARED}.items()}
    behind = {name: value for name, value in given.items() if value != defaults[name]}
    chosen = {**defaults, **before, **behind}
    _check_format(chosen, formats)
    return Session(**chosen, writes=writes)


def _check_format(chosen: dict[str, Any], formats: Sequence[str]) -> None:
    """Refuse an unknown format, or two forms of output; ``--format json`` is ``--json``."""
    form = chosen["form"]
    if form is None:
        return
    if form not in formats:
        raise InvalidInput(f"unknown format '{form}'", f"use {', '.join(formats)}")
    if form == "json":
        chosen["as_json"] = True
    elif chosen["as_json"] or chosen["quiet"]:
        other = "--json" if chosen["as_json"] else "-q"
        raise InvalidInput(f"--format {form} and {other} are two forms of output", "use one of them")


def _repeated(name: str, times: int) -> InvalidInput:
    return InvalidInput(f"{name} takes one value but was given {times} times", f"use {name} once")


def _root(ctx: typer.Context, **values: Any) -> None:
    ctx.obj = values


class _Command(TyperCommand):
    """One verb."""

    def make_parser(self, ctx: Any) -> Any:
        return _refuse_repeated(super().make_parser(ctx))


class _Group(TyperGroup):
    """The options before the verb."""

    def make_parser(self, ctx: Any) -> Any:
        return _refuse_repeated(super().make_parser(ctx))


def _refuse_repeated(parser: Any) -> Any:
    """Make a parser refuse a repeated option that takes one value: only the last would count, silently."""
    parse = parser.parse_args

    def parse_args(args: list[str]) -> Any:
        parsed = parse(args=args)
        given = [parameter for parameter in parsed[2] if takes_one_value(parameter)]
        for each in given:
            if (times := given.count(each)) > 1:
                raise _repeated(max(each.opts, key=len), times)
        return parsed

    parser.parse_args = parse_args
    return parser


def takes_one_value(parameter: Any) -> bool:
    """Whether a parameter of a command is an option with a value of which the last one given would count."""
    return parameter.param_type_name == "option" and not (parameter.multiple or parameter.is_flag)


def build(commands: Iterable[VerbCommand]) -> typer.Typer:
    """Make an application of these commands: no start-up time is spent on those that were not asked for."""
    app = typer.Typer(
        name="registry",
        cls=_Group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_with_signature(_root, SHARED))
    for each in commands:
        app.command(each.name, cls=_Command, help=each.help, epilog=each.epilog)(each.function)
    return app


def find(verb: str) -> VerbCommand:
    return next(each for each in commands_of(grammar.VERBS[verb].home) if each.name == verb)


def commands_of(module: str) -> Iterator[VerbCommand]:
    """Yield the commands that a module of ``registry_cli.cli.commands`` defines."""
    values = vars(import_module(f".commands.{module}", __package__)).values()
    return (each for each in values if isinstance(each, VerbCommand))


@contextlib.contextmanager
def library_warnings(cx: Session) -> Iterator[None]:
    """Show the warnings of the library when the ``with`` is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for each in caught:
        cx.warn(str(each.message))
