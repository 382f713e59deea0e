"""``rollback --list`` and ``--to`` as commands."""

from __future__ import annotations

import re

import pexpect
import pytest

from registry_cli.operations.context import get_account_name
from tests.cli.conftest import Site
from tests.commands import assert_refused, on_terminal, terminal
from tests.crash.world import fingerprint


def test_the_list(site: Site) -> None:
    before = fingerprint(site.root)
    answer = site.run("rollback", "churn", "production", "--list")
    assert (answer.lines, answer.err) == (["churn@1\tcurrent", "churn@2\tnext"], "")
    items = site.run("rollback", "churn", "production", "--list", "--json").json["items"]
    assert items[1] == {"ref": "churn@2", "version": 2, "state": "next"}
    shown = on_terminal("rollback", "churn", "production", "--list", root=site.root).out
    assert re.search(r"^.*@1 +current$", shown, re.MULTILINE)
    assert "next rollback target" in shown
    assert (
        "No version has held development yet."
        in on_terminal("rollback", "churn", "development", "--list", root=site.root).out
    )
    assert fingerprint(site.root) == before


def test_to_a_version(site: Site) -> None:
    site.reg.promote("churn@2", "production")
    site.reg.register("churn", [site.file])
    site.reg.promote("churn@4", "production")
    for spelt in ("1", "v1", "churn@1"):
        answer = site.run("rollback", "churn", "production", "--to", spelt, "--dry-run")
        assert (answer.code, answer.lines) == (0, ["churn@1"])
    answer = site.run("rollback", "churn", "production", "--to", "1", "--reason", "both are bad")
    assert (answer.lines, answer.err) == (["churn@1"], "churn: production -> 1 (was 4)\n")
    assert_refused(site.run("rollback", "churn", "production", "--to", "3", "--again"), 2)
    for bad in ("latest", "0", "", "risk/fraud@1", "-1"):
        assert_refused(site.run("rollback", "churn", "production", f"--to={bad}"), 2)
    assert_refused(site.run("rollback", "churn", "production", "--to", "2", "--list"), 2)
    assert_refused(site.run("rollback", "churn", "nonsense", "--list"), 2)
    assert_refused(site.run("rollback", "other", "production", "--list"), 3)


def test_a_second_rollback_says_who_was_there_before(site: Site) -> None:
    site.reg.register("churn", [site.file])
    site.reg.promote("churn@4", "production")
    assert site.run("rollback", "churn", "production", "--expect", "4").out == "churn@1\n"
    for more in ([], ["--no-input"], ["--expect", "1"], ["--to", "4"], ["--to", "2"], ["-n"]):
        answer = site.run("rollback", "churn", "production", *more)
        assert (answer.code, answer.out) == (4, ""), more
        assert f"production of churn was rolled back from churn@4 to churn@1 by {get_account_name()}" in answer.err
        assert "add --again to roll back once more" in answer.err
    done = site.run("rollback", "churn", "production", "--to", "4", "--again")
    assert (done.out, done.err) == ("churn@4\n", "churn: production -> 4 (was 1)\n")


def test_on_a_terminal_a_second_rollback_is_asked_for(site: Site) -> None:
    site.run("rollback", "churn", "production")
    for reply, code, holds in (("n", 2, "churn@2"), ("", 2, "churn@2"), ("y", 0, "churn@1")):
        with terminal("rollback", "churn", "production", "--to", "1", root=site.root) as child:
            child.expect_exact("Roll it back once more? [y/N] ")
            child.sendline(reply)
            child.expect(pexpect.EOF)
        assert child.exitstatus == code
        assert site.reg.version("churn@production").ref == holds


def test_what_is_asked_about_is_what_is_rolled_back(site: Site) -> None:
    """A third person is faster than the answer."""
    site.run("rollback", "churn", "production")
    with terminal("rollback", "churn", "production", "--to", "1", root=site.root) as child:
        child.expect_exact("Roll it back once more? [y/N] ")
        site.reg.register("churn", [site.file])
        site.reg.promote("churn@4", "production")
        child.sendline("y")
        child.expect_exact("production of churn is at churn@4, not churn@2")
        child.expect(pexpect.EOF)
    assert child.exitstatus == 4


@pytest.mark.parametrize(
    "more", [["--to", "2"], ["--expect", "1"], ["--again"], ["--reason", "x"], ["--no-verify"], ["--sign", "key"]]
)
def test_a_list_takes_no_option_of_a_rollback(site: Site, more: list[str]) -> None:
    answer = site.run("rollback", "churn", "production", "--list", *more)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: {more[0]} has no effect with --list; remove --list or {more[0]}\n"
