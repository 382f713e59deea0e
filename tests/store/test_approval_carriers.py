"""An approval counts when the history holds it, and when the file that carried it was its author's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Refused, Registry
from registry_cli.core.accounts import account_name
from registry_cli.store import journal
from tests.keys import allow, make_key

Make = Callable[..., Path]
ME = account_name(os.getuid())


@pytest.fixture
def gated(tmp_path: Path, make_file: Make) -> Registry:
    """``churn@1``, and production, which needs one approval."""
    reg = Registry.init(tmp_path / "reg", author="alice")
    reg.register("churn", [make_file("weights")], metrics={"auc": 0.9})
    write(reg, "{production: {approvals: 1}}")
    return reg


def write(registry: Registry, policy: str) -> None:
    path = registry.root / "registry.yaml"
    said = path.read_text().split("\npolicy:")[0]
    path.write_text(f"{said}\npolicy: {policy}\n")


def person(registry: Registry, name: str) -> Registry:
    return Registry(registry.root, author=name)


def uncommitted(registry: Registry, *, claim: bool) -> None:
    """Take the newest line from the history, as if its writer had died before it; or as if nobody had claimed anything."""
    paths = registry.context.layout.model("churn")
    lines = paths.history.read_bytes().splitlines(keepends=True)
    paths.history.write_bytes(b"".join(lines[:-1]))
    if not claim:
        for path in paths.root.glob(".stages-*"):
            path.unlink()


def states(registry: Registry) -> list[tuple[str, bool, str, str]]:
    return [(each.by, each.approved, each.state, each.why) for each in registry.approvals("churn@1")]


@pytest.mark.parametrize("claim", [True, False])
def test_an_approval_in_the_name_of_another_does_not_get_into_the_history_and_count(
    gated: Registry, claim: bool
) -> None:
    person(gated, "bob").approvals.approve("churn@1", "production")
    uncommitted(gated, claim=claim)
    assert [each[2:] for each in states(gated)] == [("lapsed", f"not given by bob: written by {ME}")]
    with pytest.raises(Refused):
        gated.promote("churn@1", "production")
    gated.tag("churn@1", {"next": "an honest write"})
    gated.tag("churn@1", {}, remove=["next"])
    assert [each[2:] for each in states(gated)] == [("lapsed", f"not given by bob: written by {ME}")]
    with pytest.raises(Refused):
        gated.promote("churn@1", "production")
    told = [entry for entry in journal.oldest_first(gated.context.layout.model("churn").history) if entry.carrier]
    assert [(entry.event.by, entry.carrier) for entry in told] == [("bob", ME)], "it is told, with whose file it was"
    problems = [(each.code, each.severity) for each in gated.admin.verify().problems]
    assert ("foreign-approval", "warning") in problems


def test_an_approval_that_no_history_holds_does_not_count_yet(gated: Registry) -> None:
    me = person(gated, ME)
    me.approvals.approve("churn@1", "production")
    uncommitted(gated, claim=True)
    assert [each[2:] for each in states(gated)] == [("lapsed", "not in the history")]
    assert not gated.policies.check("churn@1", "production").passed
    assert [each.event.action for each in gated.history("churn", limit=1)] == ["approved"], "it is committed"
    gated.promote("churn@1", "production")  # which recovers first: the claim was that of the account that it names
    assert [each[:3] for each in states(gated)] == [(ME, True, "in-force")]
    assert gated.admin.verify().problems == ()


@pytest.mark.root
def test_another_user_completes_an_honest_approval(gated: Registry) -> None:
    """Who approves writes the claim; who recovers it may be somebody else."""
    name = account_name(65534)
    person(gated, name).approvals.approve("churn@1", "production")
    uncommitted(gated, claim=True)
    for path in gated.context.layout.model("churn").root.glob(".stages-*"):
        os.chown(path, 65534, 65534)
    gated.promote("churn@1", "production")
    assert [each[:3] for each in states(gated)] == [(name, True, "in-force")]


def test_a_forged_approval_ends_no_rejection(gated: Registry) -> None:
    bob = person(gated, "bob")
    bob.approvals.approve("churn@1", "production", reject=True, reason="too slow")
    bob.approvals.approve("churn@1", "production")
    uncommitted(gated, claim=True)
    for _ in range(2):
        assert [(by, yes, state) for by, yes, state, _ in states(gated)] == [
            ("bob", False, "in-force"),
            ("bob", True, "lapsed"),
        ]
        gated.admin.describe("churn", description="recovers")


def test_a_rejection_counts_whoever_wrote_it_down(gated: Registry) -> None:
    person(gated, "bob").approvals.approve("churn@1", "production", reject=True, reason="too slow")
    uncommitted(gated, claim=False)
    assert [each[:3] for each in states(gated)] == [("bob", False, "in-force")]


def test_signed_approvals(gated: Registry, tmp_path: Path) -> None:
    """With ``signed: required`` an approval is one only with the signature of its author."""
    write(gated, "{production: {approvals: 2, signed: required}}")
    keys = {name: make_key(tmp_path, name) for name in ("bob", "carol")}
    allow(gated.root, ("bob@example.org", keys["bob"]))
    bob, carol = person(gated, "bob"), person(gated, "carol")
    bob.approvals.approve("churn@1", "production", sign=keys["bob"])
    carol.approvals.approve("churn@1", "production")
    assert [(by, state, why) for by, _, state, why in states(gated)] == [
        ("bob", "in-force", ""), ("carol", "excluded", "did not sign it"),
    ]  # fmt: skip
    rules = {rule.name: (rule.wanted, rule.found) for rule in gated.policies.check("churn@1", "production").rules}
    assert rules["signed"][0] == "signed approvals"
    assert "carol did not sign it" in rules["approvals"][1]
    with pytest.raises(Refused):
        gated.promote("churn@1", "production")
    carol.approvals.approve("churn@1", "production", sign=keys["bob"])  # by a key that is not hers
    assert "is signed by bob@example.org" in states(gated)[-1][3]
    carol.approvals.approve("churn@1", "production", sign=keys["carol"])  # by one that nobody knows
    assert "is not in allowed_signers" in states(gated)[-1][3]
    with pytest.raises(Refused):
        gated.promote("churn@1", "production")
    allow(gated.root, ("bob@example.org", keys["bob"]), ("carol", keys["carol"]))
    gated.promote("churn@1", "production")


def test_an_approval_by_hand_is_none_where_signatures_are_required(gated: Registry) -> None:
    """Anybody can say in Python that he is bob; nobody can sign as bob."""
    write(gated, "{production: {approvals: 1, signed: required}}")
    person(gated, "bob").approvals.approve("churn@1", "production")
    with pytest.raises(Refused):
        gated.promote("churn@1", "production")
