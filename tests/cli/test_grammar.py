"""What completion knows is what the commands declare, and every help text keeps its promises."""

from __future__ import annotations

import inspect
import re
import shlex
from typing import Any, get_args

import pytest
import typer

from registry_cli.cli import command, completion, grammar
from tests.commands import run

VERBS = sorted(grammar.VERBS)


def _declared(verb: str) -> tuple[list[tuple[str, Any]], list[Any]]:
    """The arguments of a command (metavar, type), in order, and its options."""
    arguments, options = [], []
    for parameter in inspect.signature(command.find(verb).function).parameters.values():
        kind, *notes = get_args(parameter.annotation) or (None,)
        for note in notes:
            if isinstance(note, typer.models.ArgumentInfo):
                arguments.append((str(note.metavar), kind))
            elif isinstance(note, typer.models.OptionInfo):
                options.append(note)
    return arguments, options


def _flags(option: Any) -> list[str]:
    """Every spelling of an option: Typer takes the first for a default, until it reads the annotation."""
    spelt = (str(flag) for flag in (option.default, *(option.param_decls or ())))
    return [each for flag in spelt for each in flag.split("/") if each.startswith("-")]


@pytest.mark.parametrize("verb", VERBS)
def test_options_are_those_of_the_table(verb: str) -> None:
    _, options = _declared(verb)
    names = {flag for option in options for flag in _flags(option) if flag.startswith("--")}
    assert names | {"--help"} == set(completion.long_options(verb))
    assert ("--lock-timeout" in names) == grammar.VERBS[verb].writes
    shown = run(verb, "--help").out
    assert all(name in shown for name in names)


@pytest.mark.parametrize("verb", VERBS)
def test_arguments_are_those_of_the_table(verb: str) -> None:
    declared, _ = _declared(verb)
    takes = grammar.VERBS[verb].arguments.split()
    assert len(declared) == len(takes)
    for (metavar, kind), taken in zip(declared, takes, strict=True):
        assert ("list" in str(kind)) == taken.endswith("*"), (metavar, taken)
        expected = {"ref": "REF", "model": "NAME", "stage": "STAGE", "file": "PATH", "dir": "DIR", "alias": "ALIAS",
                    "target": "PATH...|REF", "topic": "VERB|TOPIC"}  # fmt: skip
        assert expected.get(taken.rstrip("*"), "") in metavar


@pytest.mark.parametrize("verb", VERBS)
def test_flags_take_no_value_and_the_others_do(verb: str) -> None:
    """Completion has to know, or it would take a value for an argument."""
    for parameter in inspect.signature(command.find(verb).function).parameters.values():
        kind, *notes = get_args(parameter.annotation) or (None,)
        for note in notes:
            if isinstance(note, typer.models.OptionInfo):
                for flag in _flags(note) or ():
                    assert (kind in (bool, bool | None)) == (completion.options(verb)[flag] == ""), (verb, flag)


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_a_summary_examples_and_exit_codes(verb: str) -> None:
    answer = run(verb, "--help")
    assert (answer.code, answer.err) == (0, "")
    usage, _, rest = answer.out.partition("\n\n")
    assert usage.startswith(f"Usage: registry {verb} ")
    assert rest.startswith(f"  {grammar.VERBS[verb].summary}\n")
    examples, _, codes = answer.out.partition("  Examples:\n")[2].partition("\n\n  Exit codes:\n")
    assert len(examples.splitlines()) >= 1
    listed = [line.split(None, 1) for line in codes.rstrip("\n").splitlines()]
    assert listed == [[str(int(code)), grammar.code_of(verb, int(code))] for code, _ in listed]
    assert {0, 2} <= {int(code) for code, _ in listed}
    assert all(len(line) <= 100 or line.startswith("    ") for line in answer.lines)  # an example stands whole
    assert run(verb, "-h").out == answer.out


def _examples() -> list[str]:
    found = []
    for verb in VERBS:
        epilog = command.find(verb).epilog
        found += re.findall(r"^  (.*registry .*)$", epilog.partition("Exit codes:")[0], re.MULTILINE)
    return found


@pytest.mark.parametrize("example", _examples())
def test_every_example_parses(example: str) -> None:
    """Each ``registry …`` in it, with ``--help`` behind: Typer reads the options, and refuses what it doesn't know."""
    calls = re.findall(r"registry ((?:'[^']*'|\"[^\"]*\"|[^|;>()\"'`])*)", example)
    assert calls
    for call in calls:
        words = [word for word in shlex.split(call) if word != "model.pkl)"]
        verb = next(word for word in words if not word.startswith("-") and not word.startswith("/"))
        assert verb in grammar.VERBS, example
        answer = run(*words, "--help")
        assert answer.code == 0, (words, answer)


def test_the_shared_options_are_those_of_the_table() -> None:
    shared = {flag for annotation, _ in command.SHARED.values() for flag in _flags(get_args(annotation)[1])}
    assert shared | {"--help", "-h"} == completion.options(None).keys()
    writing = {flag for annotation, _ in command.WRITING.values() for flag in _flags(get_args(annotation)[1])}
    assert writing == {text.rstrip("=") for text in grammar.WRITING.split()}


def test_the_overview_is_one_screen_with_every_verb_once() -> None:
    shown = run("--help")
    assert shown == run() == run("-h")
    assert len(shown.lines) <= 24
    assert [line for line in shown.lines if len(line) > 80] == []
    rows = [line.split() for line in shown.lines[2:]]
    everyday = [row[0] for row in rows[: len(grammar.EVERYDAY)]]
    assert everyday == [*grammar.EVERYDAY]
    groups = [row for row in shown.lines if row.strip().startswith(grammar.GROUPS)]
    others = [word for row in groups for word in row[16:].split()]
    assert sorted([*everyday, *others]) == sorted(name for name, verb in grammar.VERBS.items() if verb.group)
    assert "--version" in shown.out
    assert all(f" {option.rpartition(',')[2].partition('=')[0]}" in shown.out for option in grammar.SHARED.split())


def test_every_group_is_one_of_the_overview() -> None:
    assert {verb.group for verb in grammar.VERBS.values()} <= {*grammar.GROUPS, ""}
