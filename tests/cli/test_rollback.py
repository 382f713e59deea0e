"""``rollback --list`` and ``--to`` as commands."""

from __future__ import annotations

from tests.commands import assert_refused, on_terminal
from tests.crash.world import fingerprint

from .conftest import Site


def test_the_list(site: Site) -> None:
    before = fingerprint(site.root)
    answer = site.run("rollback", "churn", "production", "--list")
    assert (answer.lines, answer.err) == (["churn@1\tcurrent", "churn@2\tnext"], "")
    items = site.run("rollback", "churn", "production", "--list", "--json").json["items"]
    assert items[1] == {"ref": "churn@2", "version": 2, "state": "next"}
    shown = on_terminal("rollback", "churn", "production", "--list", root=site.root).out
    assert "holds it now" in shown
    assert "a rollback goes here" in shown
    assert (
        "nothing held development yet" in on_terminal("rollback", "churn", "development", "--list", root=site.root).out
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
    assert (answer.lines, answer.err) == (["churn@1"], "production of churn is now churn@1 (was churn@4)\n")
    assert_refused(site.run("rollback", "churn", "production", "--to", "3"), 2)
    for bad in ("latest", "0", "", "risk/fraud@1", "-1"):
        assert_refused(site.run("rollback", "churn", "production", f"--to={bad}"), 2)
    assert_refused(site.run("rollback", "churn", "production", "--to", "2", "--list"), 2)
    assert_refused(site.run("rollback", "churn", "nonsense", "--list"), 2)
    assert_refused(site.run("rollback", "other", "production", "--list"), 3)
