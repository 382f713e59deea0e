"""The Typer application, made of as few rooms as the command line needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module

import typer

from . import grammar
from .command import Command, root_callback


def build(verbs: Iterable[str]) -> typer.Typer:
    """An application with these verbs. No start-up time is spent on those that were not asked for."""
    app = typer.Typer(
        name="registry",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(root_callback())
    for verb in verbs:
        found = find(verb)
        app.command(found.name, help=found.help, epilog=found.epilog)(found.function)
    return app


def find(verb: str) -> Command:
    """The command of a verb, from the module of its room."""
    for command in commands(grammar.VERBS[verb].home):
        if command.name == verb:
            return command
    raise LookupError(f"the table names '{verb}', but no command is called so")


def commands(module: str) -> Iterator[Command]:
    """The commands that a module of ``registry_cli.cli`` defines."""
    for value in vars(import_module(f".{module}", __package__)).values():
        if isinstance(value, Command):
            yield value
