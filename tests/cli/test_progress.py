"""The progress bar: there for a person who has to wait, and for nobody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import environment, on_terminal


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """200 MB without holes."""
    path = tmp_path / "large.bin"
    block = os.urandom(1 << 20)
    with path.open("wb") as stream:
        for _ in range(200):
            stream.write(block)
    return path


def test_a_large_file_shows_bytes_on_standard_error(site: Site, large: Path) -> None:
    """The bar waits for half a second first. A disk that is faster than that shows none, and is asked for more."""
    for turn in range(5):
        shown = on_terminal("register", "churn", large, root=site.root, columns=120)
        assert shown.code == 0
        assert shown.out.endswith(f"churn@{turn + 4}\n")
        if "registering churn" in shown.out:
            break
        with large.open("ab") as stream:
            stream.write(os.urandom(1 << 20) * 400)
    assert "registering churn" in shown.out
    assert "MB" in shown.out


def test_nothing_is_drawn_where_nobody_watches(site: Site, large: Path) -> None:
    answer = site.spawn("register", "churn", large)
    assert answer.out == "churn@4\n"
    assert answer.err == (
        "registered churn@4: 1 file, 210 MB\n"
        "warning: the scan's verdict on churn@4 is unknown-format: large.bin: its format is not known\n"
    )
    dumb = on_terminal("register", "churn", large, root=site.root, env=environment(TERM="dumb"))
    assert "\x1b" not in dumb.out
    assert "━" not in dumb.out
    quiet = on_terminal("register", "churn", large, "-q", root=site.root)
    assert quiet.out == (
        "warning: the scan's verdict on churn@6 is unknown-format: large.bin: its format is not known\nchurn@6\n"
    )
