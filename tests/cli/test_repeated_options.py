"""An option that takes one value is given once; a second one is never dropped without a word."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from registry_cli.cli import grammar
from registry_cli.cli.command import build, find, takes_one_value
from tests.cli.conftest import Site
from tests.commands import run


def _parameters(wanted: bool) -> list[Any]:
    """Each option of each verb, as a case; ``wanted`` are those that take one value, else flags and lists."""
    group: Any = get_command(build(map(find, grammar.VERBS)))
    return [
        pytest.param(verb, parameter, id=f"{verb}-{parameter.name}")
        for verb, command in group.commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option" and takes_one_value(parameter) is wanted
    ]


def test_options_with_one_value_are_found() -> None:
    found = {(case.values[0], case.values[1].name) for case in _parameters(True)}
    assert {("register", "stage"), ("promote", "expect"), ("fetch", "output"), ("list", "root")} <= found
    assert len(found) > 150


@pytest.mark.parametrize(("verb", "option"), _parameters(True))
def test_a_second_value_is_refused(verb: str, option: Any) -> None:
    name = max(option.opts, key=len)
    for first in option.opts:
        for second in option.opts:
            forms = [[first, "1", second, "2"], [first, "1", second, "1"], [first, "1", "between", second, "2"]]
            if first.startswith("--"):
                forms.append([f"{first}=1", second, "2"])
            else:
                forms += [[f"{first}1", second, "2"], [f"-q{first[1:]}", "1", second, "2"]]
            for words in forms:
                answer = run(verb, *words)
                assert (answer.code, answer.out) == (2, ""), words
                assert answer.err == f"error: {name} takes one value but was given 2 times; use {name} once\n", words


@pytest.mark.parametrize(("verb", "option"), _parameters(False))
def test_flags_and_lists_may_be_repeated(verb: str, option: Any) -> None:
    for name in option.opts:
        words = [name] if option.is_flag else [name, "a=1"]
        assert run(verb, *words, *words, "--help").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["-C", "A", "-C", "B", "list"],
        ["-C", "A", "-CB", "list"],
        ["--registry=A", "-C", "A", "list"],
        ["-C", "A", "list", "-C", "B"],
        ["-C", "A", "list", "--registry=A"],
        ["-q", "-C", "A", "list", "--json", "-CA"],
        ["-C", "A", "path", "churn", "-C", "B"],
        ["path", "churn", "-C", "A", "-C", "A"],
        ["path", "-C", "A", "churn", "--registry=B"],
    ],
)
def test_the_registry_is_named_once(still: Site, words: list[str]) -> None:
    answer = run(*(word.replace("A", str(still.root)).replace("B", "/nowhere") for word in words))
    assert (answer.code, answer.out) == (2, "")
    assert "--registry takes one value but was given 2 times" in answer.err


def test_what_stands_behind_two_dashes_is_no_option(still: Site) -> None:
    assert "takes one value" not in still.run("register", "new", "--stage", "x", "--", "--stage", "--stage").err


def test_nothing_is_registered(site: Site) -> None:
    answer = site.run("register", "churn", site.file, "--alias", "a", "--alias", "b")
    assert (answer.code, answer.out) == (2, "")
    assert site.run("path", "churn@4").code == 3
