"""Going back: to the nearest holder or to a named one, and never to what is archived, deleted or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Registry
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
    return [(each.number, each.state) for each in registry.holders("churn", "production")]


def test_to_a_named_holder_and_on_from_there(four: Registry) -> None:
    assert states(four) == [(4, "current"), (3, "next"), (2, "earlier"), (1, "earlier")]
    moved = four.rollback("churn", "production", to=2, reason="3 is bad too")
    assert (moved.before, moved.after, moved.changed) == (4, 2, True)
    assert states(four) == [(2, "current"), (1, "next")]
    with pytest.raises(InvalidInput, match="churn@3 is no earlier holder of production; a rollback can go to churn@1"):
        four.rollback("churn", "production", to=3)
    assert four.rollback("churn", "production").after == 1
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
        (None, Conflict, "--to 1 goes to the next"),
        (3, Conflict, "--to 1 goes to the next"),
        (2, NotFound, "was deleted; registry rollback churn production --to 1"),
        (4, InvalidInput, "is at churn@4 already"),
        (9, InvalidInput, "can go to churn@1"),
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
        with pytest.raises(Damaged, match="registry rollback churn production --to 2 goes to the next"):
            four.rollback("churn", "production", to=to, verify=verify)
    assert four.rollback("churn", "production", to=2, verify=verify).after == 2
    file.write_bytes(content)
    file.chmod(mode)


def test_the_same_request_twice(four: Registry) -> None:
    first = four.rollback("churn", "production", to=2, request_id="r")
    again = four.rollback("churn", "production", to=2, request_id="r")
    assert (again.before, again.after, again.changed) == (first.before, first.after, False)
    assert four.rollback("churn", "production", to=1, expect=2).after == 1
    with pytest.raises(NotFound):
        four.rollback("churn", "production")


def test_an_empty_stage_goes_back_too(four: Registry) -> None:
    four.demote("churn", "production")
    assert states(four)[0] == (4, "next")
    assert four.rollback("churn", "production", to=3).after == 3
