"""Promote, demote, roll back, alias: what moves, what is refused, and what a dry run writes (nothing)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, LockTimeout, NotFound, Registry
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def four(reg: Registry, make_file: Make) -> Registry:
    """The model ``churn`` with versions 1 to 4."""
    for number in range(1, 5):
        reg.register("churn", [make_file(f"content {number}")])
    return reg


def link(registry: Registry, stage: str) -> str:
    return str((registry.root / "models/churn/stages" / stage).readlink())


def test_promote_moves_the_stage_and_its_link(four: Registry) -> None:
    moved = four.promote("churn@1", "production", reason="first")
    assert (moved.before, moved.after, moved.revision, moved.changed, moved.ref) == (None, 1, 1, True, "churn@1")
    moved = four.promote("churn@latest", "production")
    assert (moved.before, moved.after, moved.revision) == (1, 4, 2)
    assert link(four, "production") == "../versions/4"
    assert four.version("churn@production").stages == ("production",)
    told = four.history("churn", limit=1)[0].event
    assert (told.action, told.by, told.version, told.detail["before"], told.detail["after"]) == (
        "promoted",
        "alice",
        4,
        1,
        4,
    )


def test_promoting_what_is_there_already_changes_nothing(four: Registry) -> None:
    four.promote("churn@1", "production")
    before = snapshot(four.root)
    moved = four.promote("churn@1", "production")
    assert (moved.changed, moved.revision) == (False, 1)
    assert snapshot(four.root) == before


def test_expect_is_a_compare_and_swap(four: Registry) -> None:
    four.promote("churn@1", "production", expect=None)
    for wrong in (None, 2):
        with pytest.raises(Conflict, match="production of churn is at churn@1"):
            four.promote("churn@2", "production", expect=wrong)
    four.promote("churn@2", "production", expect=1)
    with pytest.raises(Conflict):
        four.demote("churn", "production", expect=1)
    with pytest.raises(Conflict):
        four.rollback("churn", "production", expect=1)
    four.rollback("churn", "production", expect=2)
    four.demote("churn", "production", expect=1)
    four.alias("churn@1", "eu", expect=None)
    with pytest.raises(Conflict):
        four.alias("churn@2", "eu", expect=3)
    assert (four.model("churn").stages, four.model("churn").aliases) == ({}, {"eu": 1})


def test_the_previous_one_can_be_archived_in_the_same_change(four: Registry) -> None:
    four.promote("churn@1", "production")
    assert four.promote("churn@2", "production", archive_previous=True).revision == 2
    assert four.version("churn@1").archived
    four.promote("churn@2", "staging")
    with pytest.raises(Conflict, match="stage staging points to it"):
        four.promote("churn@3", "production", archive_previous=True)
    assert four.model("churn").stages == {"production": 2, "staging": 2}


def test_demote_empties_the_stage(four: Registry) -> None:
    four.promote("churn@1", "production")
    with pytest.raises(Conflict):
        four.demote("churn@2", "production")
    moved = four.demote("churn@production", "production", reason="broken")
    assert (moved.before, moved.after, moved.ref) == (1, None, "churn")
    assert not (four.root / "models/churn/stages/production").is_symlink()
    assert not four.demote("churn", "production").changed
    with pytest.raises(NotFound):
        four.version("churn@production")


def test_rollback_goes_back_and_again_further_back(four: Registry) -> None:
    for number in (1, 2, 3):
        four.promote(f"churn@{number}", "production")
    assert four.admin.earlier_holders("churn", "production") == (2, 1)
    assert four.rollback("churn", "production").after == 2
    assert four.rollback("churn", "production", reason="worse", again=True).after == 1
    with pytest.raises(NotFound, match="no other version has held production of churn"):
        four.rollback("churn", "production")
    four.demote("churn", "production")
    assert four.rollback("churn", "production", again=True).after == 1, "from empty, back to what it held last"


def test_rollback_works_when_the_journal_was_lost(four: Registry) -> None:
    """Repair tells what is known still; a rollback then goes no further back than that, and never to a wrong version."""
    four.promote("churn@1", "production")
    four.promote("churn@2", "production")
    (four.root / "models/churn/history.jsonl").unlink()
    four.admin.repair()
    four.promote("churn@3", "production")
    assert four.rollback("churn", "production").after == 2


def test_an_archived_target_is_refused(four: Registry) -> None:
    four.promote("churn@1", "production")
    four.promote("churn@2", "production")
    with pytest.raises(Conflict, match="the rollback target of production"):
        four.archive(["churn@1"])
    four.archive(["churn@1"], force=True, reason="space")
    with pytest.raises(Conflict, match="is archived"):
        four.rollback("churn", "production")
    with pytest.raises(Conflict, match="is archived"):
        four.promote("churn@1", "staging")
    with pytest.raises(Conflict, match="is archived"):
        four.alias("churn@1", "eu")


@pytest.mark.parametrize(
    ("ref", "stage", "error"),
    [
        ("churn@9", "production", NotFound), ("churn@staging", "production", NotFound), ("other@1", "production", NotFound),
        ("churn@1", "prod", InvalidInput), ("churn@1", "", InvalidInput), ("churn@0", "production", InvalidInput),
        ("churn@sha256:00000000", "production", NotFound),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(four: Registry, ref: str, stage: str, error: type[Exception]) -> None:
    before = snapshot(four.root)
    with pytest.raises(error):
        four.promote(ref, stage)
    assert snapshot(four.root) == before


@pytest.mark.parametrize("verify", [True, False])
def test_a_damaged_version_is_not_promoted(reg: Registry, make_file: Make, verify: bool) -> None:
    reg.register("churn", [make_file()])
    path = reg.path("churn", "model.pkl")
    path.chmod(0o644)
    path.write_text("b model" if verify else "shorter")
    if not verify:
        path.write_text("short")
    with pytest.raises(Damaged):
        reg.promote("churn@1", "production", verify=verify)
    assert reg.model("churn").stages == {}
    path.write_text("a model")
    path.chmod(0o444)


def test_aliases_are_moved_and_taken_away(four: Registry) -> None:
    assert four.alias("churn@1", "champion").before is None
    moved = four.alias("churn@latest", "champion")
    assert (moved.before, moved.after) == (1, 4)
    assert four.version("churn@champion").aliases == ("champion",)
    assert four.alias("churn", "champion", remove=True).before == 4
    with pytest.raises(NotFound):
        four.alias("churn", "champion", remove=True)
    with pytest.raises(InvalidInput):
        four.alias("churn@1", "production")


def deeds(registry: Registry, **options: Any) -> list[Callable[[], Any]]:
    """Every verb that moves or says something, each a change in the registry of :func:`busy`."""
    return [
        lambda: registry.promote("churn@4", "production", **options),
        lambda: registry.promote("churn@4", "production", archive_previous=True, **options),
        lambda: registry.demote("churn", "production", **options),
        lambda: registry.rollback("churn", "production", **options),
        lambda: registry.alias("churn@4", "champion", **options),
        lambda: registry.alias("churn", "champion", remove=True, **options),
        lambda: registry.tag("churn@1", {"a": "b"}, **options),
        lambda: registry.annotate("churn@1", {"a": "b"}, **options),
        lambda: registry.log_metric("churn@1", {"auc": 0.5}, **options),
        lambda: registry.archive(["churn@4"], **options),
        lambda: registry.restore(["churn@1"], **options),
        lambda: registry.delete(["churn@1"], reason="r", **options),
        lambda: registry.delete(["churn@latest", "churn@4", "churn@1"], reason="r", **options),
    ]


def busy(four: Registry) -> Registry:
    four.promote("churn@2", "production")
    four.promote("churn@3", "production")
    four.alias("churn@2", "champion")
    four.archive(["churn@1"])
    return four


def several(outcome: Any) -> list[Any]:
    return outcome if isinstance(outcome, list) else [outcome]


@pytest.mark.parametrize("which", range(13))
def test_a_dry_run_writes_nothing_and_says_what_it_would(four: Registry, which: int) -> None:
    before = snapshot(busy(four).root)
    told = deeds(four, dry_run=True)[which]()
    assert snapshot(four.root) == before
    did = deeds(four)[which]()
    assert snapshot(four.root) != before
    for one, two in zip(several(told), several(did), strict=True):
        assert (one.model, one.changed, getattr(one, "after", 0)) == (two.model, two.changed, getattr(two, "after", 0))


@pytest.mark.parametrize("which", range(13))
def test_a_request_is_carried_out_once_by_every_verb(four: Registry, which: int) -> None:
    """Repeated, it writes nothing and tells the same story, whatever that has led to meanwhile."""
    busy(four)
    deed = deeds(four, request_id="ci-7")[which]
    first = deed()
    before = snapshot(four.root)
    again = deed()
    assert snapshot(four.root) == before
    for one, two in zip(several(first), several(again), strict=True):
        for name in ("model", "before", "after", "action", "versions", "revision"):
            assert getattr(one, name, None) == getattr(two, name, None), name
        assert (one.changed, two.changed) == (True, False)


def test_a_request_id_is_for_one_request(four: Registry) -> None:
    """The same id for another stage is a slip of a script: to say 'done' would leave that stage where it is."""
    four.promote("churn@1", "staging", request_id="ci-7")
    with pytest.raises(Conflict, match="was already used"):
        four.promote("churn@2", "production", request_id="ci-7")
    with pytest.raises(Conflict, match="was already used"):
        four.demote("churn", "staging", request_id="ci-7")
    assert four.model("churn").stages == {"staging": 1}


def test_a_model_that_did_not_come_to_be_leaves_its_name_free(reg: Registry, make_file: Make) -> None:
    """A registration in a group that fails under the lock leaves at most a folder that nobody takes for a model."""
    import fcntl

    (reg.root / "models/risk").mkdir()
    with (reg.root / "models/risk/.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockTimeout):
            Registry(reg.root, lock_timeout=0.4).register("risk/churn", [make_file()])
    assert reg.admin.model_names() == []
    assert reg.register("risk", [make_file()]).ref == "risk@1"
    with pytest.raises(Conflict, match="is a model"):
        reg.register("risk/churn", [make_file()])


def test_a_foreign_folder_does_not_lock_a_model(reg: Registry, make_file: Make) -> None:
    """What a later release, or a person, puts beside the versions is none of our business."""
    reg.register("churn", [make_file()])
    (reg.root / "models/churn/observations").mkdir()
    (reg.root / "models/churn/notes").mkdir()
    (reg.root / "models/churn/notes/x").write_text("x")
    assert reg.register("churn", [make_file()]).ref == "churn@2"
