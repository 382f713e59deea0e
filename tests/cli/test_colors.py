"""Colours: readable on black and on white, where they are wanted, and nowhere else."""

from __future__ import annotations

import pytest
from rich.style import Style

from registry_cli.cli.views import diff_view, tables
from tests.cli.conftest import Site
from tests.commands import environment, on_terminal, run, spawn

STYLES = [*tables._STYLES.values(), *diff_view._STYLES.values(), tables.CYAN, tables.GREEN]


def _luminance(style: str) -> float | None:
    color = Style.parse(style).color
    if color is None:
        return None
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("style", sorted(set(STYLES)))
def test_a_colour_contrasts_with_black_and_with_white(style: str) -> None:
    """3.5 is between what WCAG asks of large text and of small text."""
    light = _luminance(style)
    if light is not None:
        assert 1.05 / (light + 0.05) >= 3.5
        assert (light + 0.05) / 0.05 >= 3.5


def test_labels_on_a_terminal(still: Site) -> None:
    plain = run("show", "churn@99", root=still.root)
    assert plain.err.startswith("error: ")
    shown = on_terminal("show", "churn@99", root=still.root)
    assert shown.out.startswith("\x1b[1;31merror:\x1b[0m ")
    assert "\x1b" not in on_terminal("show", "churn@99", "--no-color", root=still.root).out
    warned = on_terminal("search", "stage = prod", root=still.root)
    assert warned.out.startswith("\x1b[38;5;130mwarning:\x1b[0m ")


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_in_a_pipe_are_for_those_who_force_them(variables: dict[str, str], colored: bool, still: Site) -> None:
    env = environment(TERM="xterm-256color", **variables)
    shown = spawn("list", "--format", "table", root=still.root, env=env)
    assert ("\x1b[1m" in shown.out) is colored
    assert ("\x1b[1;31merror:" in spawn("show", "churn@99", root=still.root, env=env).err) is colored
    assert "\x1b" not in spawn("list", root=still.root, env=env).out
    assert "\x1b" not in spawn("list", "--format", "table", "--no-color", root=still.root, env=env).out
