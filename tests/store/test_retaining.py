"""Archiving and deleting by rules in a real store: what is freed, plans that are out of date, two at once, policies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from registry_cli import Conflict, Indeterminate, InvalidInput, NotFound, Registry, RegistryError
from registry_cli.core.version_ranges import VersionRanges
from registry_cli.operations import retention as retention_operations
from registry_cli.operations.archive import ensure_no_rollback_targets
from registry_cli.operations.context import RegistryContext
from registry_cli.operations.search import search_versions
from registry_cli.rules.retention import Plan, RetentionDecision
from registry_cli.rules.retention_rules import RetentionRules
from registry_cli.store.packs import pack_writer
from registry_cli.store.reader import ModelSnapshot
from registry_cli.store.writer import Writer
from tests.conftest import Clock
from tests.support import race, snapshot, taken_out

Make = Callable[..., Path]
ALL = RetentionRules.build(older_than="0s")


@pytest.fixture
def six(reg: Registry, make_file: Make) -> Registry:
    """``churn`` with versions 1 to 6; 2 was production, 3 is."""
    for number in range(1, 7):
        reg.register("churn", [make_file(f"content {number}")], metrics={"auc": number})
    reg.promote("churn@2", "production")
    reg.promote("churn@3", "production")
    return reg


def numbers(registry: Registry, *, archived: bool = False) -> list[int]:
    return [version.number for version in registry.versions("churn", archived=archived)]


def write(registry: Registry, text: str, model: str | None = None) -> None:
    path = registry.root / (f"models/{model}/model.yaml" if model else "registry.yaml")
    with path.open("a") as stream:
        stream.write(text)


def test_archiving_is_one_change(six: Registry) -> None:
    before = six.model("churn").revision
    done = six.retention.retain("churn", "archive", RetentionRules.build(keep=1))
    assert (done.action, done.versions, done.changed) == ("archived", (1, 4, 5), True)
    assert six.model("churn").revision == before + 1
    assert six.history("churn", limit=1)[0].event.detail == {"versions": "1, 4-5", "reason": "retention: keep 1"}
    untouched = snapshot(six.root / "models/churn/versions")
    again = six.retention.retain("churn", "archive", RetentionRules.build(keep=1))
    assert (again.versions, again.changed, again.revision) == ((), False, before + 1)
    assert snapshot(six.root / "models/churn/versions") == untouched


def test_deleting_frees_what_was_said(six: Registry, make_file: Make) -> None:
    shared, user = make_file(b"s" * 1000, "shared.bin"), make_file(b"u" * 300, "user.bin")
    six.register("churn", [shared, make_file(b"own", "own.bin")])  # 7
    six.register("churn", [shared, make_file(b"two" * 50, "two.bin")])  # 8
    six.register("churn", [make_file(b"two" * 50, "two.bin")])  # 9
    six.register("churn", [shared])  # 10
    six.register("churn", [user], how="link")  # 11
    six.archive(["churn@7", "churn@8", "churn@9", "churn@11"])
    plan = six.retention.plan("churn", "delete", ALL)
    assert {each.version: each.freed for each in plan.verdicts if each.chosen} == {7: 3, 8: 0, 9: 150, 11: 0}
    assert plan.freed == 153
    six.archive(["churn@10"])
    assert six.retention.plan("churn", "delete", ALL).freed == 1153, "the last one that has it goes too"
    assert user.stat().st_nlink > 1
    done = six.retention.retain("churn", "delete", ALL)
    assert done.versions == (7, 8, 9, 10, 11)
    assert six.admin.gc(age=0) == []


def test_a_plan_is_carried_out_or_nothing(six: Registry) -> None:
    plan = six.retention.plan("churn", "archive", RetentionRules.build(keep=1))
    assert plan.chosen == (1, 4, 5)
    six.tag("churn@6", {"a": "b"})
    before = snapshot(six.root / "models/churn/versions")
    with pytest.raises(Conflict, match="has changed since"):
        six.retention.apply([plan])
    plan = six.retention.plan("churn", "archive", RetentionRules.build(keep=1))
    six.register("churn", [taken_out(six, "churn@1")])
    with pytest.raises(Conflict, match=r"version 6 then, revision \d+ and version 7 now"):
        six.retention.apply([plan])
    plan = six.retention.plan("churn", "archive", RetentionRules.build(keep=1))
    assert numbers(six) == [7, 6, 5, 4, 3, 2, 1]
    assert {name: each for name, each in snapshot(six.root / "models/churn/versions").items() if name in before}.keys() \
        == before.keys()  # fmt: skip
    assert six.retention.apply([plan], dry_run=True)[0].versions == (1, 4, 5, 6)
    assert six.retention.apply([plan])[0].changed
    assert numbers(six) == [7, 3, 2]
    assert not six.retention.apply([plan])[0].changed, "again does nothing more"


def test_a_plan_that_was_interrupted_goes_on(six: Registry) -> None:
    six.archive(["churn@1", "churn@4", "churn@5"])
    plan = six.retention.plan("churn", "delete", ALL)
    part = replace(plan, verdicts=tuple(each for each in plan.verdicts if each.version != 5))
    six.delete([f"churn@{number}" for number in (1, 4)], request_id=plan.request_id)
    six.admin.repair()
    assert part.request_id != plan.request_id
    assert six.history("churn", limit=1)[0].event.detail["versions"] == "1, 4"
    assert six.retention.apply([plan])[0].versions == (1, 4), "what that request was about is done"


def test_a_request_that_was_interrupted_goes_on(six: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    six.archive(["churn@1", "churn@4", "churn@5"])
    plan = six.retention.plan("churn", "delete", ALL)
    bury, calls = Writer.move_to_trash, []

    def dies(self: Writer, number: int) -> Path | None:
        calls.append(number)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return bury(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "move_to_trash", dies)
        with pytest.raises(RegistryError, match="could not be confirmed"):
            six.retention.apply([plan])
    assert numbers(six, archived=True) == [6, 5, 3, 2]
    assert six.retention.apply([plan])[0].versions == (1, 4, 5)
    assert numbers(six, archived=True) == [6, 3, 2]
    six.admin.gc(age=0)  # the folder that was not buried in time,
    six.admin.gc(age=0)  # and then its blob


def test_a_plan_written_by_hand_can_do_no_harm(six: Registry) -> None:
    six.archive(["churn@1"])
    plan = six.retention.plan("churn", "archive", RetentionRules.build(keep=1))
    before = snapshot(six.root / "models/churn/versions")
    for action, number in (
        ("archive", 3),
        ("archive", 2),
        ("archive", 99),
        ("archive", 1),
        ("delete", 4),
        ("delete", 3),
    ):
        forged = replace(plan, action=action, verdicts=(RetentionDecision(number, True, ""),))
        with pytest.raises(Conflict):
            six.retention.apply([forged])
    assert snapshot(six.root / "models/churn/versions") == before
    assert numbers(six) == [6, 5, 4, 3, 2]


def test_parents_of_other_models_are_not_deleted(
    six: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No verb writes a lineage yet; its documents may hold one."""
    six.register("child", [make_file("child")])

    def with_a_lineage(context: RegistryContext, *args: object, **named: object) -> object:
        for each in search_versions(context, archived=True):
            yield replace(each, lineage={"parents": ["churn@4"]}) if each.model == "child" else each

    six.archive(["churn@4", "churn@5"])
    monkeypatch.setattr(retention_operations, "search_versions", with_a_lineage)
    plan = six.retention.plan("churn", "delete", ALL)
    assert plan.chosen == (5,)
    assert next(each.reason for each in plan.verdicts if each.version == 4) == "parent of child@1"


def test_slips_change_nothing(six: Registry) -> None:
    before = snapshot(six.root / "models/churn/versions")
    with pytest.raises(InvalidInput, match="no version of churn has the metric 'acu'; did you mean 'auc'"):
        six.retention.retain("churn", "archive", RetentionRules.build(best=["acu:3"]))
    with pytest.raises(NotFound):
        six.retention.retain("chrun", "archive", RetentionRules.build(keep=3))
    assert snapshot(six.root / "models/churn/versions") == before


def _retain(root: Path, action: str) -> tuple[int, ...]:
    return Registry(root).retention.retain("churn", action, ALL).versions


def _promote(root: Path, number: int) -> bool:
    try:
        Registry(root).promote(f"churn@{number}", "staging")
    except RegistryError:
        return False
    return True


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_two_at_once(six: Registry, action: str) -> None:
    six.archive(["churn@1", "churn@4"])
    found = race([(_retain, (six.root, action))] * 3)
    assert sorted(found, key=len) == [(), (), (5, 6) if action == "archive" else (1, 4)]
    assert numbers(six, archived=True) == ([6, 5, 4, 3, 2, 1] if action == "archive" else [6, 5, 3, 2])


def test_what_is_promoted_meanwhile_stays(six: Registry) -> None:
    archived, promoted = race([(_retain, (six.root, "archive")), (_promote, (six.root, 6))])
    assert promoted == (6 not in archived)
    assert six.model("churn").stages.get("staging") == (6 if promoted else None)


def test_prune_follows_the_policy_of_each_model(six: Registry, make_file: Make, clock: Clock) -> None:
    for name in ("risk/fraud", "off"):
        for number in range(4):
            six.register(name, [make_file(f"{name} {number}")])
    write(six, "retention:\n  archive: {keep: 2, best: 'auc:1'}\n  prune: {older_than: 30d}\n")
    six = Registry(six.root, author="alice", now=clock)
    write(six, "retention:\n  archive: {keep: 3}\n", "risk/fraud")
    write(six, "retention:\n  archive: {}\n", "off")
    planned = six.retention.prune_plans()
    done = six.retention.prune()
    assert [(each.model, each.action, each.chosen) for each in planned if each.chosen] == [
        (each.model, each.action.removesuffix("d"), each.versions) for each in done if each.versions
    ]
    assert {each.model: each.versions for each in done if each.changed} == {"churn": (1, 4), "risk/fraud": (1,)}
    assert not any(each.changed for each in six.retention.prune())
    clock.moment += timedelta(days=31)
    assert {each.model: each.versions for each in six.retention.prune() if each.changed} == {
        "churn": (1, 4),
        "risk/fraud": (1,),
    }
    assert numbers(six, archived=True) == [6, 5, 3, 2]


def test_a_plan_of_several_steps_is_carried_out(six: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    six.archive(["churn@1", "churn@4"])
    write(six, "retention:\n  archive: {keep: 1}\n  prune: {older_than: 0s}\n")
    six = Registry(six.root, author="alice", now=clock)
    plans = six.retention.prune_plans()
    assert [(each.action, each.chosen) for each in plans] == [("delete", (1, 4)), ("archive", (5,))]
    with pytest.raises(InvalidInput, match="two plans to archive"):
        six.retention.apply([*plans, plans[1]])

    def dies(context: RegistryContext, snapshot: ModelSnapshot, numbers: VersionRanges) -> None:
        if 5 in numbers:
            raise KeyboardInterrupt
        ensure_no_rollback_targets(context, snapshot, numbers)

    with monkeypatch.context() as patch:
        patch.setattr(retention_operations, "ensure_no_rollback_targets", dies)
        with pytest.raises(Indeterminate, match="the change is committed, completely or in part"):
            six.retention.apply(plans)
    assert numbers(six, archived=True) == [6, 5, 3, 2], "between the two"
    assert [each.changed for each in six.retention.apply(plans)] == [False, True]
    assert numbers(six) == [6, 3, 2]
    assert [each.changed for each in six.retention.apply(plans)] == [False, False]
    six.restore(["churn@5"])
    with pytest.raises(Conflict):
        six.retention.apply([replace(plans[1], highest=5)])


def test_a_slip_in_one_model_leaves_that_one_alone(six: Registry, make_file: Make) -> None:
    for name in ("a", "b", "z"):
        for number in range(3):
            six.register(name, [make_file(f"{name} {number}")])
        write(six, "retention:\n  archive: {keep: 1}\n", name)
    write(six, "  prun: {older_than: 1d}\n", "b")
    write(six, "retention:\n  prune: {older_than: 0s}\n  archive: {best: 'acu:1'}\n", "churn")
    six.archive(["churn@1"])
    errors: list[RegistryError] = []
    done = six.retention.prune(on_error=errors.append)
    assert [(each.model, each.versions) for each in done] == [("a", (1, 2)), ("z", (1, 2))]
    assert [str(error) for error in errors] == [
        "models/b/model.yaml, line 7: retention.prun: unknown key 'prun'; did you mean 'prune'?",
        "no version of churn has the metric 'acu'; did you mean 'auc'?",
    ]
    with pytest.raises(InvalidInput, match="did you mean 'prune'"):
        six.retention.prune()
    write(six, "retention: {keep: 3}\n")
    with pytest.raises(InvalidInput, match=r"registry.yaml, line \d+: retention.keep: unknown key 'keep'"):
        Registry(six.root).retention.prune()


def test_a_named_model_without_a_policy(six: Registry) -> None:
    assert six.retention.prune() == []
    with pytest.raises(InvalidInput, match="churn has no retention policy"):
        six.retention.prune(["churn"])
    six.archive(["churn@1"])
    assert six.retention.prune(["churn"], ALL)[0].versions == (1,)


def test_a_plan_is_named_by_what_it_does() -> None:
    plan = Plan("churn", "archive", "keep 1", 3, 6, (RetentionDecision(1, True, "x"), RetentionDecision(2, False, "y")))
    assert plan.request_id == replace(plan, rules="other").request_id
    assert plan.request_id != replace(plan, revision=4).request_id


def heavy(registry: Registry, make_file: Make, count: int = 4) -> None:
    """``images``: so many versions, each of files that packing makes much smaller."""
    for number in range(1, count + 1):
        registry.register("images", [make_file(f"line {number}\n" * 5000)], metrics={"auc": number})


def packed(registry: Registry, name: str = "images") -> list[int]:
    return [version.number for version in registry.versions(name, archived=True) if version.packed is not None]


def test_a_policy_packs_what_is_archived(reg: Registry, make_file: Make) -> None:
    heavy(reg, make_file)
    reg.archive(["images@1", "images@2"], reason="by hand")
    reg.tag("images@2", {"keep": "yes"})
    write(reg, "retention: {archive: {keep: 1, compress: true}, prune: {older_than: 10y}}\n", "images")
    plans = {plan.action: plan for plan in reg.retention.prune_plans()}
    assert (plans["archive"].chosen, plans["pack"].chosen) == ((3,), (1, 3))
    assert plans["pack"].compress == "gzip"
    assert {each.version: each.reason for each in plans["pack"].verdicts} == {
        3: "archived",
        2: "tag keep=yes",
        1: "archived",
    }
    before = snapshot(reg.root / "models")
    done = reg.retention.prune()
    assert [(each.action, each.versions) for each in done] == [("deleted", ()), ("archived", (3,)), ("packed", (1, 3))]
    assert abs(done[2].freed - plans["pack"].freed) < 200
    assert packed(reg) == [3, 1]
    assert reg.history("images", limit=1)[0].event.detail == {"reason": "retention: keep 1"}
    after = snapshot(reg.root / "models")
    assert before != after
    assert not any(each.changed for each in reg.retention.prune())
    assert snapshot(reg.root / "models") == after, "nothing to do is done quietly"


def test_what_is_deleted_is_not_planned_to_be_packed(reg: Registry, make_file: Make) -> None:
    heavy(reg, make_file)
    reg.archive(["images@1", "images@2"])
    write(reg, "retention: {archive: {keep: 1, compress: zstd}, prune: {older_than: 0s, keep: 1}}\n", "images")
    assert [(plan.action, plan.chosen) for plan in reg.retention.prune_plans()] == [
        ("delete", (1,)), ("archive", (3,)), ("pack", (2, 3)),
    ]  # fmt: skip
    plans = reg.retention.prune_plans()
    assert reg.retention.apply(plans, dry_run=True)[2].freed == plans[2].freed
    assert [(each.action, each.versions) for each in reg.retention.apply(plans)] == [
        ("deleted", (1,)), ("archived", (3,)), ("packed", (2, 3)),
    ]  # fmt: skip
    assert sorted(path.name for path in (reg.root / "models/images/packed").iterdir()) == ["2.tar.zst", "3.tar.zst"]
    assert not any(each.changed for each in reg.retention.apply(plans)), "again does nothing more"


def test_packing_goes_on_after_a_kill(reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy(reg, make_file)
    write(reg, "retention: {archive: {keep: 1, compress: true}}\n", "images")
    wrote, calls = pack_writer.write_pack, []

    def dies(*arguments: object) -> pack_writer.Pack:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return wrote(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pack_writer, "write_pack", dies)
        with pytest.raises(Indeterminate):
            reg.retention.prune(request_id="night")
    assert packed(reg) == [1]
    done = reg.retention.prune(request_id="night")
    assert [(each.action, each.versions, each.changed) for each in done] == [
        ("archived", (1, 2, 3), False), ("packed", (1, 2, 3), True),
    ]  # fmt: skip
    assert packed(reg) == [3, 2, 1]
    ids = [entry.event.id for entry in reg.history("images") if entry.event.action == "packed"]
    assert ids == ["night:packed:3", "night:packed:2", "night:packed:1"]


def test_a_plan_to_pack_fits_or_nothing_is_done(reg: Registry, make_file: Make) -> None:
    heavy(reg, make_file)
    rules = RetentionRules.build(keep=1, compress="gzip")
    plans = [reg.retention.plan("images", "archive", rules), reg.retention.plan("images", "pack", rules)]
    assert plans[1].chosen == (1, 2, 3)
    reg.tag("images@4", {"a": "b"})
    before = snapshot(reg.root)
    with pytest.raises(Conflict, match="has changed since"):
        reg.retention.apply(plans)
    assert snapshot(reg.root) == before
    reg.archive(["images@1"], compress="gzip")
    late = replace(plans[1], revision=reg.model("images").revision)
    with pytest.raises(Conflict, match=r"images: cannot be packed: 1 \(not present and unpacked\)"):
        reg.retention.apply([late])


def test_what_is_shared_is_not_packed_by_rules(reg: Registry, make_file: Make) -> None:
    """Three versions have one large file: packed, it would stand there three times."""
    noise = hashlib.sha256(b"x").digest() * 4000
    large = make_file(bytes(a ^ (at * 7919 >> 5) & 255 for at, a in enumerate(noise)), "large.bin")
    for number in range(1, 4):
        reg.register("churn", [large, make_file(f"small {number}" * 400, "small.txt")])
    reg.archive(["churn@1", "churn@2"])
    rules = RetentionRules.build(keep=1, compress="gzip")
    plan = reg.retention.plan("churn", "pack", rules)
    assert plan.chosen == ()
    assert {each.reason for each in plan.verdicts} == {"packing would save no space"}
    assert not reg.retention.retain("churn", "pack", rules).changed
    done = reg.archive(["churn@1"], compress="gzip")
    assert done[1].freed < 0, "who names it gets it"
    reg.restore(["churn@1"])


def test_packing_everything_that_shares_counts_it_once(reg: Registry, make_file: Make) -> None:
    large = make_file("a line of text\n" * 20_000, "large.txt")
    for number in range(1, 4):
        reg.register("churn", [large, make_file(f"small {number}", "small.txt")])
    reg.archive(["churn@1", "churn@2", "churn@3"])
    plan = reg.retention.plan("churn", "pack", RetentionRules.build(older_than="10y", compress="gzip"))
    assert plan.chosen == (), "two of them would free nothing by themselves, and without them the third neither"
    reg.delete(["churn@1", "churn@2"], reason="r")
    plan = reg.retention.plan("churn", "pack", RetentionRules.build(older_than="10y", compress="gzip"))
    assert plan.chosen == (3,)
    assert plan.freed > 290_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("archive: {compress: true}", "no rule selects versions"),
        (
            "archive: {keep: 1, compress: lzma}",
            "retention.archive.compress: is not valid; use true, false, gzip or zstd",
        ),
        ("archive: {keep: 1, compress: 1}", "retention.archive.compress: is not valid"),
        ("archive: {keep: 1, compres: true}", "did you mean 'compress'"),
        (
            "prune: {older_than: 1d, compress: true}",
            "retention.prune.compress: only applies to archiving; move it below archive:",
        ),
    ],
)
def test_a_slip_about_packing_is_told(reg: Registry, make_file: Make, text: str, words: str) -> None:
    heavy(reg, make_file, 1)
    write(reg, "retention: {" + text + "}\n", "images")
    with pytest.raises(InvalidInput, match=words):
        reg.retention.prune()
