"""What the commands take, for ``registry help``, the reference and the manual page: made of what Typer parses."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer

from .. import __version__
from . import command, grammar, topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The options that several commands share, by what they are for.
_SHARED = {"every": command.SHARED, "writing": command.WRITING, "indexed": command.INDEXED, "listing": command.LISTING}


def run_help(verb: str, arguments: Sequence[str]) -> tuple[str, int]:
    """What a command line with ``--help`` prints, and its exit code."""
    application = command.build([command.find(verb)])
    stdout = sys.stdout
    sys.stdout = text = StringIO()
    try:
        code = application(args=[*arguments], prog_name="registry", standalone_mode=False)
    finally:
        sys.stdout = stdout
    return text.getvalue().rstrip("\n"), code if isinstance(code, int) else 0


def format_all() -> str:
    """Every verb with its summary, by group; then the topics with their titles."""
    sections = {
        group: {name: verb.summary for name, verb in grammar.VERBS.items() if verb.group == group}
        for group in grammar.GROUPS
    }
    sections["Topics"] = {name: topics.read_title(path) for name, path in topics.list_topics().items()}
    lines = []
    for title, rows in sections.items():
        width = max(map(len, grammar.VERBS if title != "Topics" else rows)) + 2
        lines += [f"{title}:", *(f"  {name:<{width}}{text}" for name, text in rows.items()), ""] if rows else []
    return "\n".join(lines[:-1])


def parse_commands(commands: Iterable[command.VerbCommand]) -> dict[str, Any]:
    """These commands as Typer parses them, by their verbs."""
    group: Any = typer.main.get_command(command.build(commands))
    return dict(group.commands)


def describe(verbs: Sequence[str]) -> dict[str, Any]:
    """The document of ``registry help --json``: these verbs, and what all have in common."""
    parsed = parse_commands(map(command.find, {*verbs, "promote", "list"}))  # the last two have all the shared options
    every = [*parsed["promote"].params, *parsed["list"].params]
    return {
        "version": __version__,
        "groups": [each for each in grammar.GROUPS if any(verb.group == each for verb in grammar.VERBS.values())],
        "everyday": [*grammar.EVERYDAY],
        "verbs": [_describe_verb(name, parsed[name]) for name in verbs],
        "options": {
            kind: list({option.name: _describe_option(option) for option in every if option.name in names}.values())
            for kind, names in _SHARED.items()
        },
        "exit_codes": {str(code): meaning for code, meaning in grammar.EXIT_CODES.items()},
        "topics": [{"name": name, "title": topics.read_title(path)} for name, path in topics.list_topics().items()],
    }


def _describe_verb(name: str, parsed: Any) -> dict[str, Any]:
    verb = command.find(name)
    own = [each for each in parsed.params if each.param_type_name == "option" and not is_shared(each)]
    return {
        "verb": name,
        "group": verb.verb.group or None,
        "summary": verb.verb.summary,
        "arguments": [
            {
                "name": format_argument(each),
                "meaning": each.help,
                "required": each.required,
                "repeated": each.nargs == -1,
            }
            for each in list_arguments(parsed)
        ],
        "options": [_describe_option(each) for each in own],
        "writing": verb.verb.writes,
        "indexed": verb.verb.indexed,
        "lists": verb.verb.lists,
        "examples": [*verb.examples],
        "exit_codes": {str(code): grammar.code_of(name, code) for code in verb.exits},
    }


def _describe_option(option: Any) -> dict[str, Any]:
    return {
        "names": sort_names(option),
        "value": option.metavar if not option.is_flag else None,
        "meaning": option.help,
        "repeated": option.multiple,
    }


def is_shared(option: Any) -> bool:
    return any(option.name in names for names in _SHARED.values())


def list_arguments(parsed: Any) -> list[Any]:
    return [each for each in parsed.params if each.param_type_name == "argument"]


def format_argument(argument: Any) -> str:
    return str(argument.metavar or argument.name)


def sort_names(option: Any) -> list[str]:
    """The spellings of an option, the shortest first."""
    return sorted([*option.opts, *option.secondary_opts], key=len)


def list_options(parsed: Any, names: Mapping[str, Any] | None = None) -> list[Any]:
    """The options of a command: its own, or those whose parameters are ``names``."""
    options = [each for each in parsed.params if each.param_type_name == "option"]
    return [each for each in options if (not is_shared(each) if names is None else each.name in names)]
