"""How a function becomes a command: the shared options, the help text with examples and exit codes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from ..core.lazy_dataclass import dataclass
from ..errors import InvalidInput, Refused
from . import grammar
from .session import Session

Function = Callable[..., None]

SHARED: dict[str, tuple[Any, Any]] = {
    "root": (
        Annotated[str | None, typer.Option("--registry", "-C", metavar="DIR", help="The registry's folder.")],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Print the result as JSON.")], False),
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="Print references or paths only, one a line.")],
        False,
    ),
    "no_color": (Annotated[bool, typer.Option("--no-color", help="No colour (also $NO_COLOR).")], False),
    "no_input": (Annotated[bool, typer.Option("--no-input", help="Never ask anything.")], False),
    "debug": (Annotated[bool, typer.Option("--debug", help="Show where an error came from.")], False),
}
WRITING: dict[str, tuple[Any, Any]] = {
    "lock_timeout": (
        Annotated[float, typer.Option("--lock-timeout", metavar="SECONDS", min=0, help="How long to wait for a lock.")],
        30.0,
    ),
    "request_id": (
        Annotated[
            str | None,
            typer.Option("--request-id", metavar="ID", help="Name this change: repeating it with the same ID is safe."),
        ],
        None,
    ),
}
INDEXED: dict[str, tuple[Any, Any]] = {
    "no_index": (
        Annotated[bool, typer.Option("--no-index", help="Read every file; neither use nor keep an index.")],
        False,
    ),
}


@dataclass(frozen=True, eq=False, repr=False)
class Command:
    """A function that is a command of the table in ``grammar``."""

    name: str
    function: Function
    help: str
    epilog: str


def command(name: str, *, examples: Sequence[str], exits: Sequence[int]) -> Callable[[Function], Command]:
    """Make a function ``(cx: Session, …)`` the command ``name``.

    Its docstring says what the summary in ``grammar`` doesn't. The shared options are added to its own; their values
    reach it in the session.
    """
    verb = grammar.VERBS[name]

    def wrap(function: Function) -> Command:
        details = inspect.getdoc(function) or ""
        codes = [f"  {code:<3} {grammar.code_of(name, code)}" for code in exits]
        epilog = "\n".join(
            ["\b", "Examples:", *(f"  {example}" for example in examples), "", "\b", "Exit codes:", *codes]
        )
        return Command(name, _with_shared(function, verb), f"{verb.summary}\n\n{details}", epilog)

    return wrap


def _with_shared(function: Function, verb: grammar.Verb) -> Function:
    """``function`` with the shared options behind its own, as Typer reads them."""
    shared = {**(WRITING if verb.writes else {}), **(INDEXED if verb.indexed else {}), **SHARED}

    def call(ctx: typer.Context, **values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        session = _merged(ctx.obj or {}, given, verb.writes)
        try:
            function(session, **values)
        except Refused as error:
            session.refused(error)
            raise
        finally:
            session.end()

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


def _merged(before: dict[str, Any], given: dict[str, Any], writes: bool) -> Session:
    """The options given before the verb and behind it. One that takes a value is given once, here or there."""
    if before.get("root") is not None and given["root"] is not None:
        raise repeated("--registry", 2)
    defaults = {name: default for name, (_, default) in {**WRITING, **INDEXED, **SHARED}.items()}
    behind = {name: value for name, value in given.items() if value != defaults[name]}
    return Session(**{**defaults, **before, **behind}, writes=writes)


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
