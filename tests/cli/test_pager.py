"""The pager: for what is longer than a terminal, and only there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import Site
from tests.commands import environment, on_terminal, terminal


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A model with a history longer than the 50 lines of the terminals of these tests."""
    made = Site(tmp_path_factory.mktemp("long"))
    for number in range(60):
        made.reg.tag("churn@1", {"n": str(number)})
    yield made


@pytest.fixture
def pager(tmp_path: Path) -> str:
    """A pager that writes down that it ran, with what, and prints that."""
    path = tmp_path / "my pager"
    path.write_text(f'#!/bin/sh\necho "$1" >"{tmp_path}/ran"\nsed "s/^/P /"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"'{path}' --option"


def shown(site: Site, *words: str, **variables: str | None) -> str:
    answer = on_terminal(*words, root=site.root, env=environment(**{"TERM": "xterm-256color", **variables}))
    assert answer.code == 0, answer
    return answer.out


def test_long_output_goes_through_the_pager(long: Site, pager: str) -> None:
    out = shown(long, "history", "churn", PAGER=pager)
    lines = [line for line in out.splitlines() if line.strip()]
    assert len(lines) > 60
    assert all(line.startswith("P ") for line in lines)
    assert "\x1b[1m" in out  # colours are kept
    assert Path(shlex_first(pager)).with_name("ran").read_text() == "--option\n"


def shlex_first(command: str) -> str:
    return command.split("'")[1]


def test_registry_pager_takes_precedence(long: Site, pager: str) -> None:
    assert "P " in shown(long, "history", "churn", PAGER="false", REGISTRY_PAGER=pager)
    assert "P " not in shown(long, "history", "churn", PAGER=pager, REGISTRY_PAGER="cat")


@pytest.mark.parametrize("value", ["cat", "", "  "])
def test_no_pager(value: str, long: Site) -> None:
    assert "registered" in shown(long, "history", "churn", PAGER=value)


def test_what_is_not_paged(long: Site, pager: str) -> None:
    for words in (("history", "churn", "--limit", "5"), ("--no-pager", "history", "churn"), ("history", "churn", "-q")):
        assert "P " not in shown(long, *words, PAGER=pager)
    assert "P " not in shown(long, "history", "churn", PAGER=pager, TERM="dumb")
    assert "P " not in long.spawn("history", "churn").out


def test_formats_are_paged_too(long: Site, pager: str) -> None:
    assert "P #" not in shown(long, "history", "churn", "--format", "csv", PAGER=pager)
    assert "P seq,time,who" in shown(long, "history", "churn", "--format", "csv", PAGER=pager)


def test_a_pager_that_is_not_there(long: Site) -> None:
    out = shown(long, "history", "churn", PAGER="/nonexistent/pager")
    assert "pager '/nonexistent/pager' not started: No such file or directory" in out
    assert "registered" in out


@pytest.mark.parametrize("command", ["head -1", "true", "sh -c 'exit 3'"])
def test_a_pager_that_is_left_early_is_no_failure(command: str, long: Site) -> None:
    assert "Traceback" not in shown(long, "history", "churn", PAGER=command)


@pytest.mark.skipif(not os.access("/usr/bin/less", os.X_OK), reason="less is not installed")
def test_less_with_ctrl_c_and_q(long: Site) -> None:
    env = environment(TERM="xterm-256color", PAGER=None)
    with terminal("history", "churn", root=long.root, env=env) as child:
        child.expect("DETAILS")
        child.sendintr()  # less stays
        child.send("G")
        child.expect("registered")
        child.send("q")
        child.expect(pexpect.EOF)
        child.wait()
        assert (child.exitstatus, child.signalstatus) == (0, None)
        assert "Traceback" not in child.before
