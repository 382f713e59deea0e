"""The progress bar: there for a person who has to wait, and for nobody else."""

from __future__ import annotations

import os
import re
import sys
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
        assert f"registered churn@{turn + 4}: 1 file" in shown.out.splitlines()[-2]
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
        "warning: scan verdict for churn@4: unknown-format: large.bin: its format is not known\n"
    )
    dumb = on_terminal("register", "churn", large, root=site.root, env=environment(TERM="dumb"))
    assert "\x1b" not in dumb.out
    assert "━" not in dumb.out
    quiet = on_terminal("register", "churn", large, "-q", "--no-color", root=site.root)
    assert quiet.out == (
        "warning: scan verdict for churn@6: unknown-format: large.bin: its format is not known\nchurn@6\n"
    )


def test_the_bar_of_a_new_index_is_removed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stayed on the screen, and the header of the table stood in its line."""
    for words in (("list",), ("versions", "churn"), ("search",)):
        env = environment(TERM="xterm-256color", XDG_CACHE_HOME=str(site.folder / "-".join(words)))
        code = (
            "import sys; from registry_cli.cli.views import progress_bar as bar; bar._PATIENCE = bar._PAUSE = 0;"
            "from registry_cli.cli.main import run; sys.exit(run(sys.argv[1:]))"
        )
        monkeypatch.setattr("tests.commands.COMMAND", (sys.executable, "-c", code))
        shown = on_terminal(*words, root=site.root, env=env).out
        assert "reading versions" in shown
        *bar, table = re.split(r"\x1b\[\?25h|\r\x1b\[1A\x1b\[2K", shown)  # the cursor is back, the line erased
        assert bar
        assert "reading versions" not in table
        assert "\x1b[2K" in shown
