"""Approving and rejecting, on real files: what it writes, what lapses, what it does to promote and rollback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Refused, Registry
from registry_cli.core.yaml import documents
from tests.conftest import Clock
from tests.support import snapshot

Make = Callable[..., Path]


def write(registry: Registry, policy: str) -> None:
    path = registry.root / "registry.yaml"
    said = path.read_text().split("\npolicy:")[0]  # the comments have the word, too
    path.write_text(f"{said}\npolicy: {policy}\n")


def person(registry: Registry, name: str, clock: Clock) -> Registry:
    return Registry(registry.root, author=name, now=clock)


@pytest.fixture
def three(reg: Registry, make_file: Make) -> Registry:
    """``churn`` with versions 1 to 3 by alice; all of them held production, 3 does."""
    for number in (1, 2, 3):
        reg.register("churn", [make_file(f"content {number}")], metrics={"auc": 0.9}, tags={"team": "crm"})
        reg.promote(f"churn@{number}", "production")
    return reg


@pytest.fixture
def bob(three: Registry, clock: Clock) -> Registry:
    return person(three, "bob", clock)


def states(registry: Registry, ref: str = "churn@2") -> list[tuple[str, bool, str, str]]:
    return [(each.by, each.approved, each.state, each.why) for each in registry.approvals(ref)]


def annotation(registry: Registry, number: int = 2) -> dict[str, Any]:
    path = registry.root / f"models/churn/annotations/{number}.yaml"
    return documents.loads_mapping(path.read_bytes(), path.name)


def test_an_approval_stands_in_the_annotation_and_in_the_history_word_for_word(bob: Registry) -> None:
    done = bob.approvals.approve("churn@2", "production", reason="reviewed: größe ok")
    assert (done.refs, done.action, done.changed) == (("churn@2",), "approved", True)
    event = bob.history("churn", limit=1)[0].event
    assert annotation(bob) == {"format": 1, "approvals": [event.document()]}
    assert (event.by, event.version, event.detail["stage"]) == ("bob", 2, "production")
    assert event.detail["digest"] == f"sha256:{bob.version('churn@2').digest}"
    assert set(event.detail["basis"]) == {"params", "metrics", "tags"}
    assert bob.model("churn").stages == {"production": 3}, "nothing moved"
    assert bob.model("churn", as_of=event.at).stages == {"production": 3}
    assert states(bob) == [("bob", True, "in-force", "")]


def test_to_say_it_again_changes_nothing_and_another_reason_does(bob: Registry) -> None:
    bob.approvals.approve("churn@2", "production", reason="reviewed", request_id="r1")
    before = snapshot(bob.root)
    assert bob.approvals.approve("churn@2", "production", reason="reviewed").changed is False
    assert bob.approvals.approve("churn@2", "production", reason="reviewed", request_id="r1").changed is False
    assert bob.approvals.approve("churn@2", "staging", dry_run=True).changed is True
    assert snapshot(bob.root) == before
    assert bob.approvals.approve("churn@2", "production", reason="and again").changed is True
    assert [each.reason for each in bob.approvals("churn@2")] == ["and again"]
    with pytest.raises(Conflict, match="request r1 was already used"):
        bob.approvals.approve("churn@2", "production", reject=True, reason="no", request_id="r1")


def test_what_is_refused_changes_nothing(bob: Registry) -> None:
    bob.archive(["churn@1"])
    before = snapshot(bob.root)
    for error, words in (
        (NotFound, {"ref": "churn@9"}),
        (NotFound, {"ref": "nothing@1"}),
        (Conflict, {"ref": "churn@1"}),
        (InvalidInput, {"ref": "churn@2", "stage": "prod"}),
        (InvalidInput, {"ref": "churn@2", "reject": True}),
        (InvalidInput, {"ref": "churn@2", "reject": True, "reason": "  "}),
        (InvalidInput, {"ref": "churn@2", "reason": "two\nlines"}),
    ):
        with pytest.raises(error):
            bob.approvals.approve(**{"stage": "production", **words})  # type: ignore[arg-type]
    assert snapshot(bob.root) == before


def test_what_was_looked_at_must_be_so_still(bob: Registry) -> None:
    seen = bob.approvals.review("churn@2", "staging").version
    bob.annotate("churn@2", {"note": "no part of it"})
    bob.approvals.approve(seen.ref, "staging", seen=seen)
    bob.log_metric("churn@2", {"auc": 0.2})
    with pytest.raises(Conflict, match="churn@2 was changed during the review"):
        bob.approvals.approve(seen.ref, "staging", seen=seen, reason="late")


def test_it_lapses_with_metrics_and_tags_and_is_so_again_when_they_are(bob: Registry) -> None:
    bob.approvals.approve("churn@2", "production")
    bob.annotate("churn@2", {"note": "x"})
    assert states(bob) == [("bob", True, "in-force", "")]
    bob.log_metric("churn@2", {"auc": 0.5})
    bob.tag("churn@2", {"team": "risk"})
    assert states(bob) == [("bob", True, "lapsed", "metrics and tags changed")]
    bob.log_metric("churn@2", {"auc": 0.9})
    bob.tag("churn@2", {"team": "crm"})
    assert states(bob) == [("bob", True, "in-force", "")]


def test_tags_and_metrics_keep_it_and_so_does_the_tombstone(bob: Registry) -> None:
    bob.approvals.approve("churn@1", "production")
    bob.tag("churn@1", {"a": "b"})
    bob.annotate("churn@1", {"a": "b"})
    bob.log_metric("churn@1", {"f1": 1})
    kept = annotation(bob, 1)
    assert len(kept["approvals"]) == 1
    bob.approvals.approve("churn@1", "production", reject=True, reason="no")
    assert annotation(bob, 1) == {**kept, "approvals": annotation(bob, 1)["approvals"]}
    bob.delete(["churn@1"], force=True, reason="x")
    tombstone = bob.root / "models/churn/tombstones/1.yaml"
    said = documents.loads_mapping(tombstone.read_bytes(), "t")["said"]
    assert [each["action"] for each in said["approvals"]] == ["rejected"]


def test_four_eyes(bob: Registry, three: Registry, clock: Clock) -> None:
    write(three, "{production: {approvals: 2, not_author: true, approvers: [alice, bob, carol]}}")
    dave, carol = person(three, "dave", clock), person(three, "carol", clock)
    for registry in (three, bob, dave):
        registry.approvals.approve("churn@2", "production")
    assert {each.by: (each.state, each.why) for each in bob.approvals("churn@2")} == {
        "alice": ("excluded", "is the author"), "bob": ("in-force", ""), "dave": ("excluded", "is not an approver"),
    }  # fmt: skip
    rules = {rule.name: rule.outcome for rule in bob.policies.check("churn@2", "production").rules}
    assert rules == {"approvals": "waiting", "approvers": "passed", "not_author": "passed"}
    with pytest.raises(Refused, match="production refuses churn@2: approvals;"):
        bob.promote("churn@2", "production")
    carol.approvals.approve("churn@2", "production")
    bob.promote("churn@2", "production")
    three.log_metric("churn@2", {"auc": 0.91})
    assert not bob.policies.check("churn@2", "production").passed
    with pytest.raises(Refused, match="refuses churn@1: approvals, approvers, not_author"):
        bob.promote("churn@1", "production")
    bob.promote("churn@1", "production", force=True, reason="hotfix")
    assert bob.history("churn", limit=1)[0].event.detail["failed"] == ["approvals", "approvers", "not_author"]


def test_neither_the_author_elsewhere_nor_who_brought_it_here_counts(
    three: Registry, clock: Clock, tmp_path: Path
) -> None:
    """And what people said of it elsewhere does not come along: it is told."""
    three.approvals.approve("churn@2", "production")
    person(three, "carol", clock).approvals.approve("churn@2", "production")
    three.export(["churn@2"], tmp_path / "out.tar")
    site = Registry.init(tmp_path / "site", author="bob", now=clock)
    write(site, "{production: {approvals: 1, not_author: true}}")
    (done,) = site.import_(tmp_path / "out.tar")
    assert "its approvals" in done.lost
    assert (done.ref, site.version("churn@2").author) == ("churn@2", "alice")
    assert site.approvals("churn@2") == ()
    for name in ("alice", "bob"):
        person(site, name, clock).approvals.approve("churn@2", "production")
    assert [(each.by, each.why) for each in site.approvals("churn@2")] == [
        ("alice", "is the author"), ("bob", "registered it"),
    ]  # fmt: skip
    with pytest.raises(Refused, match="approvals, not_author"):
        site.promote("churn@2", "production")
    person(site, "carol", clock).approvals.approve("churn@2", "production")
    site.promote("churn@2", "production")
    assert site.admin.verify().problems == ()


def test_an_approval_is_for_one_version_and_one_stage(bob: Registry, make_file: Make) -> None:
    write(bob, "{production: {approvals: 1}, staging: {approvals: 1}}")
    bob.register("churn", [make_file("content 2")], metrics={"auc": 0.9}, tags={"team": "crm"})
    assert bob.version("churn@4").digest == bob.version("churn@2").digest
    bob.approvals.approve("churn@2", "production")
    bob.promote("churn@2", "production")
    for ref, stage in (("churn@4", "production"), ("churn@2", "staging")):
        with pytest.raises(Refused):
            bob.promote(ref, stage)


def test_a_unix_group_says_who_may(three: Registry, clock: Clock) -> None:
    """The account that runs this, by its primary group; an account that nobody knows is in none."""
    import grp
    import os

    from registry_cli.operations.context import get_account_name

    group = grp.getgrgid(os.getgid()).gr_name
    write(three, f"{{production: {{approvers: ['@{group}']}}}}")
    person(three, "nobody-of-that-name", clock).approvals.approve("churn@2", "production")
    assert [each.why for each in three.approvals("churn@2")] == ["is not an approver"]
    person(three, get_account_name(), clock).approvals.approve("churn@2", "production")
    three.promote("churn@2", "production")


def test_a_rejection_stops_every_stage_it_is_for_until_the_same_person_approves(
    three: Registry, bob: Registry, clock: Clock
) -> None:
    bob.approvals.approve("churn@2", "production", reject=True, reason="worse for patients over 80")
    for registry in (three, bob):
        with pytest.raises(Refused, match="production refuses churn@2: rejection; run 'registry check"):
            registry.promote("churn@2", "production")
    rule = three.policies.check("churn@2", "production").rules[0]
    assert (rule.name, rule.found) == ("rejection", "by bob: worse for patients over 80")
    person(three, "carol", clock).approvals.approve("churn@2", "production")
    with pytest.raises(Refused):
        three.promote("churn@2", "production")
    three.promote("churn@2", "staging")
    bob.approvals.approve("churn@2", "production")
    three.promote("churn@2", "production")


def test_a_rejection_lapses_with_what_it_was_based_on(three: Registry, bob: Registry) -> None:
    bob.approvals.approve("churn@2", "production", reject=True, reason="auc was never measured again")
    three.log_metric("churn@2", {"auc": 0.95})
    assert states(three) == [("bob", False, "lapsed", "metrics changed")]
    three.promote("churn@2", "production")


def test_rollback_does_not_go_to_what_was_rejected(three: Registry, bob: Registry) -> None:
    bob.approvals.approve("churn@2", "production", reject=True, reason="leaks")
    assert [(each.number, each.state) for each in three.admin.holders("churn", "production")] == [
        (3, "current"), (2, "rejected"), (1, "earlier"),
    ]  # fmt: skip
    before = snapshot(three.root)
    for to in (None, 2):
        with pytest.raises(Refused) as caught:
            three.rollback("churn", "production", to=to)
        assert str(caught.value) == (
            "churn@2, which held production before, was rejected for it (see 'registry approvals churn@2'); "
            "for the next candidate: registry rollback churn production --to 1"
        )
    assert snapshot(three.root) == before
    assert three.rollback("churn", "production", to=1).after == 1
    three.promote("churn@3", "production")
    bob.approvals.approve("churn@1", "production", reject=True, reason="old")
    with pytest.raises(Refused, match=r"rejected for it \(see 'registry approvals churn@1'\); promote another version"):
        three.rollback("churn", "production", to=1)
    three.tag("churn@1", {"x": "y"})
    assert three.rollback("churn", "production", to=1, again=True).after == 1


def test_a_rejection_for_another_stage_does_not_stop_a_rollback(three: Registry, bob: Registry) -> None:
    bob.approvals.approve("churn@2", "staging", reject=True, reason="x")
    assert three.rollback("churn", "production").after == 2


def test_a_review_has_it_all(three: Registry, bob: Registry) -> None:
    write(three, "{production: {approvals: 1}}")
    three.log_metric("churn@2", {"auc": 0.8})
    bob.approvals.approve("churn@2", "staging", reason="first look")
    found = bob.approvals.review("churn@2", "production")
    assert (found.version.ref, found.current.ref if found.current else None) == ("churn@2", "churn@3")
    assert [rule.outcome for rule in found.evaluation.rules] == ["waiting"]
    assert found.diff is not None
    assert [each.name for each in found.diff.metrics] == ["auc"]
    assert [each.stage for each in found.approvals] == ["staging"]
    assert bob.approvals.review("churn@3", "production").diff is None
    assert bob.approvals.review("churn@3", "staging").current is None


def test_a_policy_that_can_not_be_read_hides_no_approval(bob: Registry) -> None:
    bob.approvals.approve("churn@2", "production")
    write(bob, "{production: {aprovals: 1}}")
    assert states(bob) == [("bob", True, "in-force", "")]
    write(bob, "{production: {approvals: 1}}")


def test_an_approval_whose_history_is_lost_counts_no_more_and_can_be_given_again(bob: Registry) -> None:
    write(bob, "{production: {approvals: 1}}")
    bob.approvals.approve("churn@2", "production", reason="reviewed")
    for number in range(9):  # until the claims that tell it are pruned
        bob.tag("churn@3", {"n": str(number)})
    (bob.root / "models/churn/history.jsonl").unlink()
    bob.admin.repair()
    assert states(bob) == [("bob", True, "lapsed", "not in the history")]
    with pytest.raises(Refused):
        bob.promote("churn@2", "production")
    assert bob.approvals.approve("churn@2", "production", reason="reviewed").changed is True
    assert states(bob) == [("bob", True, "in-force", "")]
    bob.promote("churn@2", "production")


STRICT = "{staging: {not_author: true}, production: {from: [staging], approvals: 2, not_author: true, approvers: [alice, bob, carol]}}"


def pending(registry: Registry, mine: bool = False) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.ref, each.stage, each.approved_by) for each in registry.approvals.pending(mine=mine)]


@pytest.fixture
def waiting(reg: Registry, make_file: Make, clock: Clock) -> Registry:
    """``churn@4`` by alice waits for production: it is in staging, and production has 3; ``risk/other@1`` by dan for staging."""
    for number in range(1, 5):
        reg.register("churn", [make_file(f"content {number}")])
    reg.promote("churn@3", "production")
    reg.promote("churn@4", "staging")
    person(reg, "dan", clock).register("risk/other", [make_file("other")])
    write(reg, STRICT)
    return reg


def test_pending_is_what_only_approvals_keep_out(waiting: Registry, clock: Clock, make_file: Make) -> None:
    assert pending(waiting) == [("churn@4", "production", ()), ("risk/other@1", "staging", ())]
    (first, _) = waiting.approvals.pending()
    assert (first.wanted, first.found) == (
        ("at least 2", "alice or bob or carol", "someone other than the author"), "0 of 2",
    )  # fmt: skip
    bob = person(waiting, "bob", clock)
    bob.approvals.approve("churn@4", "production")
    assert pending(waiting)[0] == ("churn@4", "production", ("bob",))
    person(waiting, "carol", clock).approvals.approve("churn@4", "production")
    assert pending(waiting) == [("risk/other@1", "staging", ())], "it has both"
    waiting.register("churn", [make_file("content 5")])
    assert ("churn@5", "staging", ()) in pending(waiting)
    assert "churn@5" not in [ref for ref, stage, _ in pending(waiting) if stage == "production"], "not in staging yet"
    bob.approvals.approve("churn@5", "staging", reject=True, reason="no")
    assert "churn@5" not in [ref for ref, _, _ in pending(waiting)], "it is rejected"
    waiting.archive(["risk/other@1"])
    assert pending(waiting) == []


def test_pending_of_mine_is_what_i_may_approve_and_have_not(waiting: Registry, clock: Clock) -> None:
    alice, bob, dan, eve = (person(waiting, name, clock) for name in ("alice", "bob", "dan", "eve"))
    assert pending(alice, mine=True) == [("risk/other@1", "staging", ())], "she is the author of churn"
    assert pending(bob, mine=True) == [("churn@4", "production", ()), ("risk/other@1", "staging", ())]
    assert pending(dan, mine=True) == [], "the author, and not an approver"
    assert pending(eve, mine=True) == [("risk/other@1", "staging", ())], "not an approver for production"
    bob.approvals.approve("churn@4", "production")
    assert pending(bob, mine=True) == [("risk/other@1", "staging", ())]


def test_pending_goes_on_without_a_damaged_model(waiting: Registry) -> None:
    path = waiting.root / "models/churn/stages.yaml"
    sound = path.read_bytes()
    path.write_bytes(b"stages: [")
    told: list[object] = []
    assert [each.ref for each in waiting.approvals.pending(on_damage=told.append)] == ["risk/other@1"]
    assert len(told) == 1
    path.write_bytes(sound)


def test_signed_approvals_can_be_pending_too(waiting: Registry, clock: Clock) -> None:
    write(waiting, "{staging: {signed: required}}")
    assert ("risk/other@1", "staging", ()) in pending(person(waiting, "bob", clock), mine=True)


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_approval_that_does_not_count_says_so(waiting: Registry, clock: Clock, dry_run: bool) -> None:
    def approve(name: str, ref: str = "churn@4", stage: str = "production", **more: Any) -> str:
        return person(waiting, name, clock).approvals.approve(ref, stage, dry_run=dry_run, **more).excluded

    assert approve("alice") == "is the author"
    assert approve("eve") == "is not an approver"
    assert approve("bob") == ""
    assert approve("eve", reject=True, reason="no") == ""
    assert approve("alice", stage="development") == "", "a stage without a policy"
    write(waiting, "{production: {signed: required}}")
    assert approve("bob") == ("" if dry_run else "did not sign it")
    write(waiting, "{production: {approvals: many}}")
    assert approve("carol") == "", "a policy that can't be read refuses every promotion, and no approval"
