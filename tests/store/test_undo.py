"""Undo: one's own last move of a stage or an alias, as long as nobody moved that pointer since."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Refused, Registry
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def three(reg: Registry, make_file: Make) -> Registry:
    """``production`` is at 2, ``champion`` at 1; alice moved them."""
    for number in range(1, 4):
        reg.register("churn", [make_file(f"content {number}")])
    reg.alias("churn@1", "champion")
    reg.promote("churn@2", "production")
    return reg


def as_bob(registry: Registry) -> Registry:
    return Registry(registry.root, author="bob", now=registry.context.clock)


@pytest.mark.parametrize(
    ("move", "pointer", "action", "before", "after"),
    [
        (lambda reg: reg.promote("churn@3", "production"), "production", "rolled-back", 3, 2),
        (lambda reg: reg.promote("churn@3", "staging"), "staging", "demoted", 3, None),
        (lambda reg: reg.demote("churn", "production"), "production", "rolled-back", None, 2),
        (lambda reg: reg.alias("churn@3", "champion"), "champion", "aliased", 3, 1),
        (lambda reg: reg.alias("churn@3", "eu"), "eu", "unaliased", 3, None),
        (lambda reg: reg.alias("churn", "champion", remove=True), "champion", "aliased", None, 1),
    ],
)
def test_each_move_is_undone(
    three: Registry,
    move: Callable[[Registry], object],
    pointer: str,
    action: str,
    before: int | None,
    after: int | None,
) -> None:
    table = three.model("churn")
    move(three)
    moved = three.history("churn", limit=1)[0].event
    assert three.undo("churn", dry_run=True).after == after
    done = three.undo("churn", reason="wrong version")
    assert (done.pointer, done.before, done.after, done.changed) == (pointer, before, after, True)
    now = three.model("churn")
    assert (now.stages, now.aliases) == (table.stages, table.aliases)
    event = three.history("churn", limit=1)[0].event
    assert (event.action, event.detail["undoes"], event.detail["reason"]) == (action, moved.id, "wrong version")
    assert three.admin.verify().problems == ()


def test_a_rollback_is_undone_and_can_be_done_again(three: Registry) -> None:
    three.promote("churn@3", "production")
    three.rollback("churn", "production")
    assert three.undo("churn").after == 3
    assert three.admin.earlier_holders("churn", "production") == (2,)
    assert three.rollback("churn", "production", again=True).after == 2


def test_after_an_undo_a_rollback_goes_to_what_was_before(three: Registry) -> None:
    three.promote("churn@1", "production")
    three.promote("churn@3", "production")
    three.undo("churn")
    assert three.admin.earlier_holders("churn", "production") == (2,)


def test_an_undo_is_not_undone(three: Registry) -> None:
    three.promote("churn@3", "production")
    three.undo("churn")
    before = snapshot(three.root)
    with pytest.raises(Conflict, match="your last move in churn was an undo: production 3 -> 2"):
        three.undo("churn")
    assert snapshot(three.root) == before


def test_only_what_nobody_moved_since(three: Registry) -> None:
    as_bob(three).promote("churn@3", "production")
    before = snapshot(three.root)
    with pytest.raises(
        Conflict, match="your last move in churn was production nothing -> 2, but bob moved production since"
    ):
        three.undo("churn")
    assert snapshot(three.root) == before
    as_bob(three).undo("churn")
    with pytest.raises(Conflict, match="bob moved production since: production 3 -> 2"):
        three.undo("churn")


def test_moves_of_other_pointers_do_not_matter(three: Registry) -> None:
    as_bob(three).promote("churn@3", "staging")
    three.tag("churn@2", {"a": "b"})
    assert three.undo("churn").pointer == "production"


def test_without_a_move_of_ones_own(three: Registry, make_file: Make) -> None:
    with pytest.raises(Conflict, match="no move in churn is yours: the last one was production nothing -> 2, by alice"):
        as_bob(three).undo("churn")
    with pytest.raises(NotFound, match="there is no move by bob to undo"):
        as_bob(three).undo()
    three.register("other", [make_file("x")])
    with pytest.raises(NotFound, match="there is no move to undo in other"):
        three.undo("other")


def test_without_a_name_it_is_the_newest_move_of_all_models(three: Registry, make_file: Make) -> None:
    three.register("other", [make_file("x")])
    three.promote("other@1", "staging")
    as_bob(three).promote("churn@3", "staging")
    assert three.undo().model == "other"
    with pytest.raises(InvalidInput, match="a request id needs the name"):
        three.undo(request_id="r")


def test_where_it_would_go_back_to_must_be_fit_for_it(three: Registry) -> None:
    three.promote("churn@3", "production", archive_previous=True)
    with pytest.raises(Conflict, match="is archived; run 'registry restore churn@2' first"):
        three.undo("churn")
    three.restore(["churn@2"])
    as_bob(three).approvals.approve("churn@2", "production", reject=True, reason="wrong")
    with pytest.raises(Refused, match="was rejected"):
        three.undo("churn")
    as_bob(three).approvals.approve("churn@2", "production")
    (file,) = (three.root / "models/churn/versions/2/files").iterdir()
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(b"x" * len(content))
    with pytest.raises(Damaged):
        three.undo("churn")
    assert three.undo("churn", verify=False, dry_run=True).after == 2
    file.write_bytes(content)
    file.chmod(0o444)
    with pytest.raises(Conflict, match="production of churn is at churn@3, not churn@1"):
        three.undo("churn", expect=1)
    assert three.undo("churn", expect=3).after == 2


def test_a_deleted_version_is_not_brought_back(three: Registry) -> None:
    three.alias("churn@3", "champion")
    three.delete(["churn@1"], force=True, reason="space")
    with pytest.raises(NotFound, match="churn@1"):
        three.undo("churn")


def test_a_request_is_carried_out_once(three: Registry) -> None:
    three.promote("churn@3", "production")
    first = three.undo("churn", request_id="undo-1")
    three.promote("churn@1", "production")
    again = three.undo("churn", request_id="undo-1")
    assert (again.before, again.after, again.changed) == (first.before, first.after, False)
    assert three.model("churn").stages["production"] == 1
    three.tag("churn@1", {"a": "b"}, request_id="tag-1")
    with pytest.raises(Conflict, match="was already used"):
        three.undo("churn", request_id="tag-1")


def test_of_two_at_once_one_wins(three: Registry) -> None:
    three.promote("churn@3", "production")
    barrier, outcomes = threading.Barrier(2), list[str]()

    def go() -> None:
        registry = Registry(three.root, author="alice")
        barrier.wait()
        try:
            outcomes.append(str(registry.undo("churn").after))
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=go) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["2", "conflict"]
