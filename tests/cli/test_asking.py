"""Questions are asked where somebody can answer, and nowhere else."""

from __future__ import annotations

import pexpect
import pytest

from tests.cli.conftest import Site
from tests.commands import assert_refused, on_terminal, terminal


@pytest.mark.parametrize(("answer", "gone"), [("y", True), ("yes", True), ("n", False), ("", False), ("nope", False)])
def test_delete_asks_and_does_what_it_is_told(answer: str, gone: bool, site: Site) -> None:
    with terminal("delete", "churn@3", root=site.root) as child:
        child.expect_exact("Delete churn@3 permanently? [y/N] ")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == (0 if gone else 2)
        assert "Traceback" not in child.before
    assert (site.root / "models/churn/versions/3").exists() != gone


def test_interrupting_the_question_deletes_nothing(site: Site) -> None:
    for key in ("\x03", "\x04"):  # Ctrl-C, Ctrl-D
        with terminal("delete", "churn@3", root=site.root) as child:
            child.expect_exact("[y/N] ")
            child.send(key)
            child.expect(pexpect.EOF)
            child.wait()
            assert child.exitstatus == (130 if key == "\x03" else 2)
    assert (site.root / "models/churn/versions/3").exists()


def test_what_can_not_be_done_is_refused_before_the_question(site: Site) -> None:
    shown = on_terminal("delete", "churn@1", root=site.root)
    assert shown.code == 4
    assert "permanently" not in shown.out


def test_without_a_terminal_nothing_is_asked(site: Site) -> None:
    answer = site.spawn("delete", "churn@3", stdin=b"y\n")
    assert_refused(answer, 2)
    assert answer.err == "error: this cannot be undone and requires confirmation; add --yes\n"
    assert on_terminal("delete", "churn@3", "--no-input", root=site.root).code == 2
    assert (site.root / "models/churn/versions/3").exists()
    assert site.spawn("delete", "churn@3", "--yes").code == 0
