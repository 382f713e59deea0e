"""Going back: to the nearest holder or to a named one, and never to what is archived, deleted or damaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Refused, Registry
from tests.conftest import Clock
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def four(reg: Registry, make_file: Make) -> Registry:
    """``production`` went from 1 to 4."""
    for number in range(1, 5):
        reg.register("churn", [make_file(f"content {number}")])
        reg.promote(f"churn@{number}", "production")
    return reg


def states(registry: Registry) -> list[tuple[int, str]]:
    return [(each.number, each.state) for each in registry.admin.holders("churn", "production")]


def test_to_a_named_holder_and_on_from_there(four: Registry) -> None:
    assert states(four) == [(4, "current"), (3, "next"), (2, "earlier"), (1, "earlier")]
    moved = four.rollback("churn", "production", to=2, reason="3 is bad too")
    assert (moved.before, moved.after, moved.changed) == (4, 2, True)
    assert states(four) == [(2, "current"), (1, "next"), (4, "rolled-back"), (3, "rolled-back")]
    assert four.rollback("churn", "production", again=True).after == 1
    told = four.history("churn", limit=2)[1].event
    assert (told.action, told.detail["before"], told.detail["after"]) == ("rolled-back", 4, 2)


def test_a_dry_run_and_a_list_change_nothing(four: Registry) -> None:
    before = snapshot(four.root)
    assert four.rollback("churn", "production", to=1, dry_run=True).after == 1
    states(four)
    assert snapshot(four.root) == before


def test_a_refused_rollback_changes_nothing(four: Registry) -> None:
    four.archive(["churn@3"], force=True, reason="space")
    four.delete(["churn@2"], force=True, reason="space")
    before = snapshot(four.root)
    for to, error, words in (
        (None, Conflict, "for the next candidate: registry rollback churn production --to 1"),
        (3, Conflict, "for the next candidate: registry rollback churn production --to 1"),
        (2, NotFound, "was deleted; for the next candidate: registry rollback churn production --to 1"),
        (4, InvalidInput, "is already churn@4"),
        (9, InvalidInput, "churn@9 never held production; possible targets: churn@1"),
    ):
        with pytest.raises(error, match=words):
            four.rollback("churn", "production", to=to)
    assert snapshot(four.root) == before
    assert states(four) == [(4, "current"), (3, "archived"), (2, "deleted"), (1, "earlier")]
    assert four.rollback("churn", "production", to=1).after == 1


@pytest.mark.parametrize("verify", [True, False])
def test_what_is_damaged_is_not_gone_back_to(four: Registry, verify: bool) -> None:
    """With ``verify`` by the digest; without it by the size."""
    file = four.path("churn@3") / "model.pkl"
    mode, content = file.stat().st_mode, file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(b"x" * (len(content) + (not verify)))
    for to in (None, 3):
        with pytest.raises(Damaged, match="for the next candidate: registry rollback churn production --to 2"):
            four.rollback("churn", "production", to=to, verify=verify)
    assert four.rollback("churn", "production", to=2, verify=verify).after == 2
    file.write_bytes(content)
    file.chmod(mode)


def test_the_same_request_twice(four: Registry) -> None:
    first = four.rollback("churn", "production", to=2, request_id="r")
    again = four.rollback("churn", "production", to=2, request_id="r")
    assert (again.before, again.after, again.changed) == (first.before, first.after, False)
    assert four.rollback("churn", "production", to=1, expect=2, again=True).after == 1
    with pytest.raises(NotFound):
        four.rollback("churn", "production")


def test_an_empty_stage_goes_back_too(four: Registry) -> None:
    four.demote("churn", "production")
    assert states(four)[0] == (4, "next")
    assert four.rollback("churn", "production", to=3).after == 3


def line(registry: Registry) -> list[int]:
    """What holds the stage, and where rollbacks go from there, one after another."""
    return [registry.model("churn").stages["production"], *registry.admin.earlier_holders("churn", "production")]


def test_a_rollback_is_undone(four: Registry) -> None:
    four.rollback("churn", "production")
    assert four.rollback("churn", "production", to=4, again=True).after == 4
    assert line(four) == [4, 3, 2, 1], "as if nothing had happened"
    assert states(four) == [(4, "current"), (3, "next"), (2, "earlier"), (1, "earlier")]


@pytest.mark.parametrize(("to", "then"), [(2, [2, 1]), (3, [3, 2, 1]), (4, [4, 3, 2, 1])])
def test_after_several_rollbacks_it_goes_forward_to_each_of_them(four: Registry, to: int, then: list[int]) -> None:
    for _ in range(3):
        four.rollback("churn", "production", again=True)
    assert states(four) == [(1, "current"), (2, "rolled-back"), (3, "rolled-back"), (4, "rolled-back")]
    assert four.rollback("churn", "production", to=to, again=True).before == 1
    assert line(four) == then


def test_what_was_rolled_back_before_a_promotion_can_be_gone_to_as_well(four: Registry, make_file: Make) -> None:
    four.rollback("churn", "production", to=2)
    four.register("churn", [make_file("content 5")])
    four.promote("churn@5", "production")
    assert states(four)[2:] == [(1, "earlier"), (4, "rolled-back"), (3, "rolled-back")]
    assert four.rollback("churn", "production", to=3, again=True).after == 3
    assert line(four) == [3, 5, 2, 1]
    four.demote("churn", "production")
    assert four.rollback("churn", "production", to=4, again=True).after == 4


def test_what_can_not_be_gone_to_is_refused_forward_too(four: Registry) -> None:
    four.rollback("churn", "production", to=1)
    four.archive(["churn@2"])
    four.archive(["churn@3"])
    four.delete(["churn@3"])
    four.approvals.approve("churn@4", "production", reject=True, reason="leaks")
    assert states(four) == [(1, "current"), (4, "rejected"), (3, "deleted"), (2, "archived")]
    for to, error in ((4, Refused), (3, NotFound), (2, Conflict), (1, InvalidInput)):
        with pytest.raises(error):
            four.rollback("churn", "production", to=to, again=True)


def test_the_policy_is_not_asked_on_the_way_forward(four: Registry) -> None:
    four.rollback("churn", "production")
    path = four.root / "registry.yaml"
    path.write_text(path.read_text() + "policy: {production: {require: {tags: {reviewed: 'yes'}}}}\n")
    assert four.rollback("churn", "production", to=4, again=True).after == 4


@pytest.mark.parametrize("options", [{}, {"expect": 3}, {"to": 1}, {"to": 4}, {"dry_run": True}, {"verify": False}])
def test_a_second_rollback_within_ten_minutes_is_refused(four: Registry, clock: Clock, options: dict[str, Any]) -> None:
    bob = Registry(four.root, author="bob", now=clock)
    four.rollback("churn", "production")
    clock.moment += timedelta(minutes=9)
    before = snapshot(four.root)
    words = "production of churn was rolled back from churn@4 to churn@3 by alice 9 min ago; .* add `again`"
    with pytest.raises(Conflict, match=words):
        bob.rollback("churn", "production", **options)
    assert snapshot(four.root) == before
    assert bob.rollback("churn", "production", again=True, **options).changed


def test_after_ten_minutes_a_second_rollback_is_a_first_one(four: Registry, clock: Clock) -> None:
    four.rollback("churn", "production")
    clock.moment += timedelta(minutes=10)
    assert four.rollback("churn", "production").after == 2
    with pytest.raises(Conflict):
        four.rollback("churn", "production")


def test_what_is_no_rollback_of_this_stage_does_not_count(four: Registry) -> None:
    for number in (1, 2, 3):
        four.promote(f"churn@{number}", "staging")
    four.rollback("churn", "staging")
    four.promote("churn@1", "production")
    four.demote("churn", "production")
    four.promote("churn@2", "production")
    assert four.rollback("churn", "production").after == 1


def test_a_promotion_between_two_rollbacks_does_not_make_the_second_a_first_one(four: Registry) -> None:
    four.rollback("churn", "production")
    four.promote("churn@4", "production")
    with pytest.raises(Conflict, match="add `again`"):
        four.rollback("churn", "production")


def test_with_an_expectation_a_version_promoted_since_can_be_rolled_back(four: Registry) -> None:
    four.rollback("churn", "production")
    four.promote("churn@4", "production")
    with pytest.raises(Conflict, match="at churn@4, not churn@3"):
        four.rollback("churn", "production", expect=3)
    assert four.rollback("churn", "production", expect=4).after == 3
    with pytest.raises(Conflict, match="add `again`"):
        four.rollback("churn", "production", expect=3)


def test_an_undo_is_not_a_rollback_that_another_one_repeats(four: Registry) -> None:
    four.promote("churn@1", "production")
    assert four.undo("churn").after == 4
    four.promote("churn@2", "production")
    assert four.rollback("churn", "production").after == 4


def test_what_is_expected_is_a_number(four: Registry) -> None:
    for expect in ("4", "churn@4", True):
        with pytest.raises(InvalidInput, match="`expect`"):
            four.rollback("churn", "production", expect=expect)  # type: ignore[arg-type]


def test_a_version_that_was_returned_is_a_reference(four: Registry) -> None:
    version = four.version("churn@2")
    assert four.promote(version, "staging").ref == "churn@2"  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="invalid reference of type int"):
        four.promote(2, "staging")  # type: ignore[arg-type]


def test_a_rollback_in_the_future_is_recent(four: Registry, clock: Clock) -> None:
    """Another machine's clock is ahead."""
    ahead = Registry(four.root, author="bob", now=lambda: clock() + timedelta(days=1))
    ahead.rollback("churn", "production")
    with pytest.raises(Conflict, match="by bob 0 s ago"):
        four.rollback("churn", "production")


def test_two_people_at_once_go_back_once(four: Registry, clock: Clock) -> None:
    """However they meet: the second decided before the first was done."""
    bob = Registry(four.root, author="bob", now=clock)
    both = threading.Barrier(2)
    outcomes: list[object] = []

    def respond(registry: Registry) -> None:
        both.wait()
        try:
            outcomes.append(registry.rollback("churn", "production").after)
        except Conflict as error:
            outcomes.append(type(error))

    people = [threading.Thread(target=respond, args=(each,)) for each in (four, bob)]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert sorted(map(str, outcomes))[0] == "3"
    assert len(outcomes) == 2
    assert four.model("churn").stages == {"production": 3}


def test_expect_is_told_before_the_time(four: Registry) -> None:
    four.rollback("churn", "production", expect=4)
    with pytest.raises(Conflict, match="production of churn is at churn@3, not churn@4"):
        four.rollback("churn", "production", expect=4)
