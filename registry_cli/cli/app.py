"""The Typer application, made of as few commands as the command line needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from . import grammar
from .command import VerbCommand, repeated, root_callback


class _Command(TyperCommand):
    """One verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _check_repeated(self.make_parser(ctx), args)
        return super().parse_args(ctx, args)


class _Group(TyperGroup):
    """The options before the verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _check_repeated(self.make_parser(ctx), args)
        return super().parse_args(ctx, args)


def _check_repeated(parser: Any, args: list[str]) -> None:
    """Refuse an option that takes one value and is given again: only the last value would count, silently."""
    _, _, order = parser.parse_args(args=list(args))
    given = [parameter for parameter in order if takes_one_value(parameter)]
    for option in given:
        if (times := given.count(option)) > 1:
            raise repeated(max(option.opts, key=len), times)


def takes_one_value(parameter: Any) -> bool:
    """Whether a parameter of a command is an option with a value of which the last one given would count."""
    return parameter.param_type_name == "option" and not (parameter.multiple or parameter.is_flag)


def build(verbs: Iterable[str]) -> typer.Typer:
    """An application with these verbs. No start-up time is spent on those that were not asked for."""
    app = typer.Typer(
        name="registry",
        cls=_Group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root_callback())
    for verb in verbs:
        found = find(verb)
        app.command(found.name, cls=_Command, help=found.help, epilog=found.epilog)(found.function)
    return app


def find(verb: str) -> VerbCommand:
    """The command of a verb, from the module that defines it."""
    for command in commands(grammar.VERBS[verb].home):
        if command.name == verb:
            return command
    raise LookupError(f"the table names '{verb}', but no command is called so")


def commands(module: str) -> Iterator[VerbCommand]:
    """The commands that a module of ``registry_cli.cli.commands`` defines."""
    for value in vars(import_module(f".commands.{module}", __package__)).values():
        if isinstance(value, VerbCommand):
            yield value
