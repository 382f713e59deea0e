"""A model keeps its id under every name, lineages record it, and a name that another model had is not given again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Registry
from registry_cli.operations import models
from registry_cli.rules.retention_rules import RetentionRules
from registry_cli.store import codec, model_names
from registry_cli.store.filesystem import files
from registry_cli.store.layout import Layout
from tests.commands import environment, spawn

Make = Callable[..., Path]


@pytest.fixture
def family(reg: Registry, make_file: Make) -> Registry:
    """``kid@1`` was made from ``beta@1``, which is called ``betb`` now."""
    reg.register("beta", [make_file("one")])
    reg.register("kid", [make_file("two")], lineage={"parents": ["beta@1"]})
    reg.admin.rename("beta", "betb")
    return reg


def parents(reg: Registry, ref: str = "kid@1") -> list[tuple[str, str]]:
    return [(each.ref, each.note) for each in reg.lineage(ref).parents]


def children(reg: Registry, ref: str) -> list[str]:
    return [each.ref for each in reg.lineage(ref).children]


def without_id(reg: Registry, name: str) -> None:
    """The model as an earlier release left it."""
    path = reg.root / f"models/{name}/model.yaml"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("id:")))


def test_a_new_model_has_an_id_that_stays(family: Registry, make_file: Make, tmp_path: Path) -> None:
    identity = family.model("betb").id
    assert len(identity) == 32
    assert identity != family.model("kid").id
    family.admin.rename("betb", "team/betc")
    family.admin.describe("team/betc", description="x")
    assert family.model("team/betc").id == identity
    family.export(["team/betc"], tmp_path / "out.tar")
    other = Registry.init(tmp_path / "other", author="alice")
    other.import_(tmp_path / "out.tar")
    assert other.model("team/betc").id == identity


def test_a_lineage_records_it_and_the_name(family: Registry) -> None:
    lineage = family.version("kid@1").lineage
    assert lineage["parents"] == ["beta@1"]
    assert lineage["parent_models"] == {"beta@1": family.model("betb").id}


def test_a_model_of_an_earlier_release_gets_an_id_with_its_next_change(family: Registry) -> None:
    without_id(family, "kid")
    assert family.model("kid").id == ""
    assert family.version("kid@1").number == 1
    assert family.model("kid").id == "", "reading changes nothing"
    family.tag("kid@1", {"a": "b"}, dry_run=True)
    assert family.model("kid").id == ""
    family.tag("kid@1", {"a": "b"})
    identity = family.model("kid").id
    assert len(identity) == 32
    family.tag("kid@1", {"a": "c"})
    assert family.model("kid").id == identity
    assert family.admin.verify().problems == ()


def test_a_former_name_is_not_given_again(family: Registry, make_file: Make) -> None:
    file = make_file("three")
    before = family.admin.model_names()
    for attempt in (
        lambda: family.register("beta", [file]),
        lambda: family.admin.describe("beta", description="x"),
        lambda: family.admin.rename("kid", "beta"),
    ):
        with pytest.raises(
            Conflict, match="'beta' is a former name of the model 'betb'; use 'betb', or add `reuse_name`"
        ):
            attempt()
    assert family.admin.model_names() == before
    family.register("beta", [file], reuse_name=True)
    family.register("beta", [make_file("four")])
    assert family.model("beta").latest == 2
    assert family.model("beta").id != family.model("betb").id


def test_a_model_that_moves_during_the_search_for_a_former_name_is_found(
    family: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = files.open_descriptor
    moves = iter([("betb", "aa"), ("aa", "zz"), ("zz", "bb")])

    def move_before(path: str, flags: int) -> AbstractContextManager[int]:
        name, new = next(moves, ("", ""))
        if name:
            (family.root / "models" / name).rename(family.root / "models" / new)
        return opened(path, flags)

    monkeypatch.setattr(files, "open_descriptor", move_before)
    assert model_names.find_renamed_model(Layout(family.root), "beta", most=None) in {"aa", "zz", "bb"}


def test_a_rename_to_a_name_that_becomes_a_former_one_is_refused(
    family: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model has the name after the first look, and gives it away before the lock."""
    refuse = models._ensure_same_file_system

    def rename_before(*arguments: Any) -> None:
        monkeypatch.setattr(models, "_ensure_same_file_system", refuse)
        family.admin.rename("betb", "passing")
        family.admin.rename("passing", "gamma")

    monkeypatch.setattr(models, "_ensure_same_file_system", rename_before)
    with pytest.raises(Conflict, match="'passing' is a former name of the model 'gamma'"):
        family.admin.rename("kid", "passing")
    assert "kid" in family.admin.model_names()
    assert not (family.root / "models" / "passing").exists()
    assert family.admin.verify().problems == ()


def test_a_model_may_have_its_own_name_again(family: Registry) -> None:
    family.admin.rename("betb", "beta")
    assert parents(family) == [("beta@1", "")]


def test_an_import_does_not_take_a_former_name(family: Registry, make_file: Make, tmp_path: Path) -> None:
    other = Registry.init(tmp_path / "other", author="alice")
    other.register("beta", [make_file("theirs")])
    for what in (["beta"], ["beta@1"]):
        bundle = tmp_path / f"{what[0]}.tar"
        other.export(what, bundle)
        with pytest.raises(Conflict, match="former name of the model 'betb'"):
            family.import_(bundle)
    family.import_(tmp_path / "beta.tar", reuse_name=True)
    assert family.model("beta").id == other.model("beta").id


def test_a_bundle_with_both_is_restored(family: Registry, make_file: Make, tmp_path: Path) -> None:
    family.register("beta", [make_file("three")], reuse_name=True)
    family.export(None, tmp_path / "all.tar")
    other = Registry.init(tmp_path / "other", author="alice")
    other.import_(tmp_path / "all.tar")
    assert other.admin.model_names() == family.admin.model_names()
    assert parents(other) == [("betb@1", "")]


def test_a_name_that_is_given_again_changes_no_lineage(family: Registry, make_file: Make) -> None:
    family.register("beta", [make_file("three")], reuse_name=True)
    family.register("late", [make_file("five")], lineage={"parents": ["beta@1"]})
    assert parents(family) == [("betb@1", "")]
    assert parents(family, "late@1") == [("beta@1", "")]
    assert children(family, "betb@1") == ["kid@1"]
    assert children(family, "beta@1") == ["late@1"]


def test_what_is_meant_is_protected(family: Registry, make_file: Make) -> None:
    family.register("beta", [make_file("three")], reuse_name=True)
    for name in ("betb", "beta"):
        family.register(name, [make_file(f"{name} 2")])
        family.archive([f"{name}@1"])
    assert family.retention.plan("betb", "delete", RetentionRules.build(older_than="0s")).chosen == (), (
        "kid was made from it"
    )
    assert family.retention.plan("beta", "delete", RetentionRules.build(older_than="0s")).chosen == (1,), (
        "it only has the name"
    )


def test_a_lineage_of_an_earlier_release_goes_by_time(reg: Registry, make_file: Make, tmp_path: Path) -> None:
    """Without an id in it, a name that was given again later can't be what it means."""
    reg.register("beta", [make_file("one")])
    reg.register("kid", [make_file("two")], lineage={"extra": {"parents": ["beta@1"]}})
    reg.admin.rename("beta", "betb")
    assert parents(reg) == [("betb@1", "")]
    reg.register("beta", [make_file("three")], reuse_name=True)
    assert parents(reg) == [("betb@1", "")]
    assert children(reg, "beta@1") == []


def test_a_parent_whose_model_is_gone_is_not_another_one(family: Registry, make_file: Make) -> None:
    shutil.rmtree(family.root / "models/betb")
    family.register("beta", [make_file("three")])
    assert parents(family) == [("beta@1", "beta is now another model; the original is not in this registry")]


@pytest.mark.parametrize("text", [5, "", ["a"], "a b c d e f g h", "../../../x", "short", None])
def test_ids_that_are_none_are_passed_over(text: object) -> None:
    assert codec.model_id({"id": text}) == ""


def test_on_the_command_line(family: Registry, make_file: Make) -> None:
    file = make_file("three")
    answer = spawn("-C", family.root, "register", "beta", file, env=environment())
    assert answer.code == 4
    assert "'beta' is a former name of the model 'betb'" in answer.err
    assert spawn("-C", family.root, "register", "beta", file, "--reuse-name", env=environment()).code == 0


def test_transfer_is_a_deprecated_rename(reg: Registry, make_file: Make) -> None:
    reg.register("beta", [make_file("one")])
    with pytest.warns(DeprecationWarning, match="use rename"):
        assert reg.admin.transfer("beta", "team").after == "team/beta"
    assert reg.admin.rename("team/beta", "beta").after == "beta"
    assert reg.admin.model_names() == ["beta"]
