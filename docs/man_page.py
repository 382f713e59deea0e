"""The manual page ``registry.1``, made of the commands: ``docs/generate.py`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import registry_cli
from registry_cli.cli import command, grammar, manual, topics


def format_page(commands: Iterable[command.VerbCommand]) -> str:
    """The page in the macros of man(7)."""
    verbs = {each.name: each for each in commands}
    parsed = manual.parse_commands(verbs.values())
    lines = [
        '.\\" Made by docs/generate.py from the code (`make docs`).',
        f'.TH REGISTRY 1 "" "registry {registry_cli.__version__}" "User Commands"',
        *_section("NAME", ["registry \\- model registry in a folder"]),
        *_section("SYNOPSIS", [".B registry", "VERB [ARGUMENTS] [OPTIONS]"]),
        *_section("DESCRIPTION", [_text("A version of a model is named NAME@SELECTOR: churn@7, churn@production, churn@latest. The registry is the folder given with -C, else $REGISTRY_HOME, else the nearest folder upward with a registry.yaml.")]),
        *_section("OPTIONS OF EVERY VERB", _options(manual.list_options(parsed["promote"], command.SHARED))),
        *_item("--version", "Print the version."),
        *_section("OPTIONS OF EVERY VERB THAT WRITES", _options(manual.list_options(parsed["promote"], command.WRITING))),
        *_section("OPTIONS OF EVERY VERB THAT MAY USE THE INDEX", _options(manual.list_options(parsed["list"], command.INDEXED))),
        *_section("OPTIONS OF EVERY VERB THAT LISTS", _options(manual.list_options(parsed["list"], command.LISTING))),
    ]  # fmt: skip
    for group in grammar.GROUPS:
        names = [name for name, each in verbs.items() if each.verb.group == group]
        if names:
            lines.append(f".SH {group.upper()}")
        for name in names:
            lines += _verb(verbs[name], parsed[name])
    lines += _section(
        "EXIT STATUS", [line for code, text in grammar.EXIT_CODES.items() for line in _item(str(code), text)]
    )
    lines += _section(
        "SEE ALSO", [_text("registry help TOPIC, where TOPIC is one of: " + ", ".join(topics.list_topics()))]
    )
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f".SH {title}", *lines]


def _verb(verb: command.VerbCommand, parsed: Any) -> Iterator[str]:
    arguments = manual.list_arguments(parsed)
    yield f".SS {_text(' '.join(['registry', verb.name, *map(manual.format_argument, arguments)]))}"
    paragraphs = [" ".join(part.split()) for part in verb.help.split("\n\n") if part.strip()]
    yield "\n.PP\n".join(map(_text, paragraphs))
    for each in arguments:
        yield from _item(manual.format_argument(each), each.help)
    yield from _options(manual.list_options(parsed))
    yield from (".PP", "Examples:", ".PP", ".nf", ".RS", *map(_text, verb.examples), ".RE", ".fi")


def _options(options: Iterable[Any]) -> Iterator[str]:
    for option in options:
        value = f" {option.metavar}" if option.metavar else ""
        yield from _item(", ".join(manual.sort_names(option)) + value, option.help)


def _item(term: str, text: str) -> list[str]:
    return [".TP", f".B {_text(term)}", _text(text)]


def _text(text: str) -> str:
    """Text without anything that roff would act on."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "").replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = "".join(char if ord(char) < 128 else f"\\[u{ord(char):04X}]" for char in escaped)
    return re.sub(r"^(?=[.'])", r"\\&", escaped, flags=re.MULTILINE)
