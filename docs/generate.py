"""Write ``docs/reference/commands.md`` and ``python-api.md`` from the code: `make docs`. A test keeps them equal."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import typer

from registry_cli import Registry
from registry_cli.cli import app, grammar

REFERENCE = Path(__file__).parent / "reference"
_SHARED_OPTIONS = {*grammar.COMMON, *grammar.WRITING}


def commands() -> str:
    """The page of all verbs: usage, arguments, options, examples, exit codes."""
    group = typer.main.get_command(app.build(grammar.VERBS))
    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the code; `registry VERB --help` says the same.",
        "",
        "Every command takes `-C/--registry DIR`, `--json`, `-q/--quiet`, `--no-color`, `--no-input`, `--debug` and",
        "`-h/--help`, before or behind the verb. Every command that writes also takes `--lock-timeout SECONDS` (30) and",
        "`--request-id ID`: repeating a command with the same id gives the result of the first.",
        "",
    ]
    for room in grammar.ROOMS:
        verbs = [name for name, verb in grammar.VERBS.items() if verb.room == room]
        lines.append(f"- {room}: " + ", ".join(f"[{name}](#{name})" for name in verbs))
    for name in grammar.VERBS:
        lines += ["", f"## {name}", "", *_command(name, group.commands[name])]  # type: ignore[attr-defined]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any) -> list[str]:
    verb = grammar.VERBS[name]
    details = command.help.removeprefix(verb.summary).strip()
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each for each in command.params if each.param_type_name == "option" and not _SHARED_OPTIONS & set(each.opts)
    ]
    usage = " ".join([f"registry {name}", *(each.metavar for each in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [verb.summary, "", f"    {usage}", ""]
    if details:
        lines += [details, ""]
    rows = [(f"`{each.metavar}`", each.help) for each in arguments]
    rows += [(f"`{_flags(each)}`", each.help) for each in options]
    if rows:
        lines += [
            "| argument or option | meaning |",
            "|---|---|",
            *(f"| {_cell(left)} | {_cell(right)} |" for left, right in rows),
            "",
        ]
    examples, _, codes = command.epilog.partition("Exit codes:")
    lines += [
        "```console",
        *(f"$ {line.strip()}" for line in examples.splitlines()[2:] if line.strip() not in ("", "\b")),
        "```",
        "",
    ]
    numbers = re.findall(r"^  (\d+)", codes, re.MULTILINE)
    return [*lines, f"Exit codes: {', '.join(numbers)} ([what they mean](exit-codes.md))"]


def _flags(option: Any) -> str:
    names = "/".join(sorted(option.opts, key=len, reverse=True))
    return names if option.is_flag else f"{names} {option.metavar}"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def python_api() -> str:
    """The page of the public methods of :class:`Registry`."""
    lines = [
        "# Python API",
        "",
        "Made by `make docs` from the code. `from registry_cli import Registry`; the package is typed (`py.typed`).",
        "",
        inspect.cleandoc(Registry.__doc__ or ""),
    ]
    for name, method in sorted(inspect.getmembers(Registry, callable)):
        if not name.startswith("_"):
            signature = str(inspect.signature(method)).replace("(self, ", "(").replace("(self)", "()")
            lines += ["", f"## {name}", "", f"    {name}{_plain(signature)}", "", inspect.getdoc(method) or ""]
    return "\n".join(lines).replace(":class:", "").replace(":meth:", "") + "\n"


def _plain(signature: str) -> str:
    """A signature without the quotes of late annotations, and without objects' addresses."""
    return re.sub(r"<([\w.]+)[^>]*>", r"\1", signature.replace("= ''", '= ""').replace("'", "")).replace(
        "Unset.ANY", "ANY"
    )


def main() -> None:
    for name, page in (("commands.md", commands()), ("python-api.md", python_api())):
        (REFERENCE / name).write_text(page, encoding="utf-8")
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()
