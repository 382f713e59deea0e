"""How a function becomes a command: the shared options, the help text with examples and exit codes."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, Refused
from . import grammar
from .session import Session

Function = Callable[..., None]


def argument(metavar: str, text: str) -> Any:
    """An argument of a command, as Typer takes it, with its help text."""
    return typer.Argument(metavar=metavar, help=text)


def option(names: str, metavar: str, text: str, **more: Any) -> Any:
    """An option with a value; ``names`` are all its spellings, ``metavar`` stands for the value in help."""
    return typer.Option(*names.split(), metavar=metavar, help=text, **more)


def flag(names: str, text: str) -> Any:
    """An option without a value."""
    return typer.Option(*names.split(), help=text)


SHARED: dict[str, tuple[Any, Any]] = {
    "root": (Annotated[str | None, option("--registry -C", "DIR", "The registry's folder.")], None),
    "as_json": (Annotated[bool, flag("--json", "Print the result as JSON.")], False),
    "quiet": (Annotated[bool, flag("--quiet -q", "Print references or paths only, one a line.")], False),
    "no_color": (Annotated[bool, flag("--no-color", "No colour (also $NO_COLOR).")], False),
    "no_input": (Annotated[bool, flag("--no-input", "Never ask anything.")], False),
    "debug": (Annotated[bool, flag("--debug", "Show where an error came from.")], False),
}
WRITING: dict[str, tuple[Any, Any]] = {
    "lock_timeout": (
        Annotated[float, option("--lock-timeout", "SECONDS", "How long to wait for a lock.", min=0)],
        30.0,
    ),
    "request_id": (
        Annotated[str | None, option("--request-id", "ID", "Name this change: repeating it with the same ID is safe.")],
        None,
    ),
}
INDEXED: dict[str, tuple[Any, Any]] = {
    "no_index": (Annotated[bool, flag("--no-index", "Read every file; neither use nor keep an index.")], False)
}


@dataclass(frozen=True, eq=False, repr=False)
class VerbCommand:
    """A function that is a command of the table in ``grammar``."""

    name: str
    function: Function
    help: str
    epilog: str


def command(name: str, *, examples: Sequence[str], exits: Sequence[int]) -> Callable[[Function], VerbCommand]:
    """Make a function ``(cx: Session, …)`` the command ``name``.

    Its docstring says what the summary in ``grammar`` doesn't. The shared options are added to its own; their values
    reach it in the session.
    """
    verb = grammar.VERBS[name]

    def wrap(function: Function) -> VerbCommand:
        details = inspect.getdoc(function) or ""
        codes = [f"  {code:<3} {grammar.code_of(name, code)}" for code in exits]
        epilog = "\n".join(
            ["\b", "Examples:", *(f"  {example}" for example in examples), "", "\b", "Exit codes:", *codes]
        )
        return VerbCommand(name, _with_shared(function, verb), f"{verb.summary}\n\n{details}", epilog)

    return wrap


def _with_shared(function: Function, verb: grammar.Verb) -> Function:
    """``function`` with the shared options behind its own, as Typer reads them."""
    shared = {**(WRITING if verb.writes else {}), **(INDEXED if verb.indexed else {}), **SHARED}

    def call(ctx: typer.Context, **values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        session = _merge(ctx.obj or {}, given, verb.writes)
        try:
            function(session, **values)
        except Refused as error:
            session.report_refusal(error)
            raise
        finally:
            session.close()

    # Not typing.get_type_hints: on Python 3.10 it wraps "Annotated[...] = None" into Optional, which hides the option.
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in shared.items()
    ]
    parameters = [context, *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *extra]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _merge(before: dict[str, Any], given: dict[str, Any], writes: bool) -> Session:
    """The options given before the verb and behind it. One that takes a value is given once, here or there."""
    if before.get("root") is not None and given["root"] is not None:
        raise repeated("--registry", 2)
    defaults = {name: default for name, (_, default) in {**WRITING, **INDEXED, **SHARED}.items()}
    behind = {name: value for name, value in given.items() if value != defaults[name]}
    return Session(**{**defaults, **before, **behind}, writes=writes)


@contextlib.contextmanager
def library_warnings(cx: Session) -> Iterator[None]:
    """Show what the library warns of in the ``with`` when its work is done."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for each in caught:
        cx.warn(str(each.message))


def repeated(option: str, times: int) -> InvalidInput:
    """What to raise for an option that takes one value and was given several."""
    return InvalidInput(f"{option} takes one value, but was given {times} times", f"give {option} once")


def root_callback() -> Function:
    """The options before the verb: ``registry -C DIR list``."""

    def call(ctx: typer.Context, **values: Any) -> None:
        ctx.obj = values

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in SHARED.items()
    ]
    call.__signature__ = inspect.Signature([context, *shared])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *shared)}
    return call
