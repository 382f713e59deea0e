"""Pipes that close, descriptors that are gone, environments with nothing in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import Registry
from tests.cli.conftest import Site
from tests.commands import environment, on_terminal, run, shell, spawn


def _place(site: Site) -> str:
    return f'registry -C "{site.root}"'


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """More output than a pipe holds."""
    site = Site(tmp_path_factory.mktemp("long"))
    site.reg.register(
        "churn", [site.make("big", b"x" * 300_000)], annotations={f"n{n}": "x" * 60_000 for n in range(3)}
    )
    return site


@pytest.mark.parametrize(
    "command", ["history churn", "history churn --json", "show churn@latest", "cat churn@4", "show churn@4 --json"]
)
def test_a_pipe_that_closes_ends_silently(command: str, long: Site) -> None:
    answer = shell(f'{_place(long)} {command} | head -c 1 >/dev/null; echo "${{PIPESTATUS[0]}}"')
    assert (answer.out, answer.err) == ("0\n", "")


@pytest.mark.parametrize(
    "command", ["--help", "list --help", "promote -h", "--version", "list", "list -q", "completion bash"]
)
def test_a_reader_that_is_gone_already(command: str, still: Site) -> None:
    """``true`` has ended before the first byte is written."""
    answer = shell(f'{{ sleep 0.5; {_place(still)} {command}; echo "$?" >&2; }} | true')
    if command.startswith("--"):
        answer = shell(f'{{ sleep 0.5; registry {command}; echo "$?" >&2; }} | true')
    assert answer.err == "0\n"


def test_results_and_talk_are_apart(site: Site) -> None:
    answer = shell(f'{_place(site)} register churn "{site.file}" 2>/dev/null')
    assert answer.out == "churn@4\n"
    answer = shell(f"{_place(site)} promote churn@4 staging >/dev/null")
    assert answer.err == "churn: staging -> 4 (was 2)\n"
    assert shell(f"{_place(site)} verify 2>/dev/null").out == ""


def test_an_environment_with_nothing_in_it(site: Site) -> None:
    """As cron has it, and less: no HOME, no PATH, no LANG."""
    for variables in ({}, {"HOME": "/nonexistent"}):
        bare = {"PYTHONPATH": environment()["PYTHONPATH"], **variables}
        assert spawn("list", root=site.root, env=bare).out.startswith("churn\t")
        registered = spawn("register", "churn", site.file, "--message", "Ünï 模型", root=site.root, env=bare)
        assert registered.code == 0, registered
        assert "Ünï 模型" in spawn("show", "churn@latest", root=site.root, env=environment()).out
        assert spawn("verify", root=site.root, env=bare).code == 0
        assert spawn("list", env=bare, cwd="/").code == 3


def test_ascii_output_escapes_what_it_can_not_say(site: Site) -> None:
    site.reg.register("churn", [site.make("x")], message="模型")
    answer = spawn("versions", "churn", root=site.root, env=environment(PYTHONIOENCODING="ascii", LC_ALL="C"))
    assert answer.code == 0
    assert r"\u6a21\u578b" in answer.out
    assert spawn("list", root=site.root, env=environment(PYTHONIOENCODING="latin-1")).code == 0


def test_no_binary_file_reaches_a_terminal(tmp_path: Path) -> None:
    reg = Registry.init(tmp_path / "reg")
    for name, data in (
        ("text.txt", "text, \u00e9\n".encode()),
        ("model.pkl", b"\x80\x04K\x01."),
        ("colour", b"\x1b[31m"),
    ):
        (tmp_path / name).write_bytes(data)
        reg.register(name.partition(".")[0], [tmp_path / name])
    assert on_terminal("cat", "text@1", root=reg.root).out == "text, \u00e9\n"
    for name in ("model", "colour"):
        refused = on_terminal("cat", f"{name}@1", root=reg.root)
        assert (refused.code, "the file is binary; redirect it" in refused.out) == (2, True)
    assert "\x1b[31m" in on_terminal("cat", "colour@1", "--force", root=reg.root).out
    assert run("cat", "colour@1", root=reg.root).out == "\x1b[31m"
