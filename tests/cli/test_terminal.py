"""What a person sees: tables on a pseudo-terminal, whatever the terminal can do and whatever was registered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from registry_cli import Registry
from tests.bad_inputs.table import cases
from tests.cli.conftest import Site
from tests.commands import assert_inert, environment, on_terminal, uncoloured

#: Terminals, by what is special about them.
TERMINALS = {
    "80 columns": (80, environment(TERM="xterm-256color")),
    "120 columns": (120, environment(TERM="xterm-256color")),
    "20 columns": (20, environment(TERM="xterm")),
    "no colour": (80, environment(TERM="xterm-256color", NO_COLOR="1")),
    "dumb": (80, environment(TERM="dumb")),
    "LANG=C": (80, environment(TERM="xterm", LANG="C", LC_ALL="C")),
    "POSIX ascii": (80, environment(TERM="xterm", LC_ALL="POSIX", PYTHONIOENCODING="ascii")),
}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every text of the corpus that would act on a terminal, in every place that takes it."""
    folder = tmp_path_factory.mktemp("nasty")
    site = Site(folder)
    for number, case in enumerate(case for case in cases() if case.category == "terminal" and case.text):
        text = str(case.text)
        plain = {"k": text} if text.isprintable() or case.id in ("T-12", "T-13") else {}
        ref = site.reg.register(
            "churn", [site.make("x", str(number))], message=text, annotations={"note": text}, tags=plain, params=plain
        ).ref
        site.reg.promote(ref, "staging", reason=plain.get("k", ""))
    site.reg.register("churn", [site.make("模型.bin", "x")], message="模型 Ünï", tags={"ключ": "значение"})
    yield site


@pytest.mark.parametrize("name", TERMINALS)
def test_tables_show_and_nothing_acts_on_the_terminal(name: str, nasty: Site) -> None:
    columns, variables = TERMINALS[name]
    for words in (("list",), ("versions", "churn"), ("show", "churn@latest"), ("history", "churn"), ("info",)):
        shown = on_terminal(*words, root=nasty.root, columns=columns, env=variables)
        assert shown.code == 0, shown
        assert_inert(uncoloured(shown.out))
        assert "Traceback" not in shown.out
        if "NO_COLOR" in variables or name == "dumb":
            assert not re.search("\x1b\\[[0-9;]*3[0-9]", shown.out)  # bold headings are no colour
        if words[0] in ("list", "versions", "history") and name not in ("20 columns", "POSIX ascii"):
            assert max(cell_len(line) for line in uncoloured(shown.out).splitlines()) <= columns


def test_colour_goes_where_it_is_wanted(still: Site) -> None:
    assert "\x1b[1m" in on_terminal("list", root=still.root).out
    assert "\x1b" not in on_terminal("list", "--no-color", root=still.root).out
    assert "\x1b" not in still.spawn("list").out


def test_the_first_columns_are_whole(still: Site) -> None:
    """What a person copies from a table is never cut: names, numbers, stages."""
    for columns in (80, 120):
        listed = uncoloured(on_terminal("list", root=still.root, columns=columns).out)
        assert "risk/fraud" in listed
        assert "PRODUCTION" in listed
        versions = uncoloured(on_terminal("versions", "churn", "--all", root=still.root, columns=columns).out)
        assert "@champion" in versions
        assert "production" in versions
        assert "archived" in versions
        history = uncoloured(on_terminal("history", "churn", root=still.root, columns=columns).out)
        assert "registered" in history
        assert "production: 2 → 1" in history


def test_talk_and_result_share_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("x")
    assert on_terminal("init", tmp_path / "r").out.startswith("initialized registry in")
    shown = on_terminal("register", "churn", file, root=tmp_path / "r", columns=120)
    assert shown.out == "registered churn@1: 1 file, 1 B\n"  # the reference is for a pipe
    assert Registry(tmp_path / "r").admin.verify().ok


def test_an_empty_registry_says_what_to_do(tmp_path: Path) -> None:
    Registry.init(tmp_path / "r")
    assert "No models yet; add one with" in on_terminal("list", root=tmp_path / "r").out
    assert on_terminal("verify", root=tmp_path / "r").out.startswith("OK: 0 models, ")
