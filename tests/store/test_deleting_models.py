"""Whole models are deleted: what is refused, what is left, and what their names mean afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from registry_cli import Conflict, InvalidInput, NotFound, Registry, RegistryError
from registry_cli.core.records import Event
from registry_cli.store import codec
from registry_cli.store.layout import Layout

Make = Callable[..., Path]


@pytest.fixture
def churn(reg: Registry, make_file: Make) -> Registry:
    for content in ("one", "two", "three"):
        reg.register("churn", [make_file(content)])
    return reg


def actions(reg: Registry, name: str) -> list[str]:
    return [entry.event.action for entry in reg.history(name)]


def is_sound(reg: Registry) -> bool:
    return reg.admin.verify().problems == ()


def test_a_deleted_model_is_gone_for_every_reader(churn: Registry) -> None:
    reg = churn
    (done,) = reg.delete("churn", model=True, reason="retired")
    assert (done.model, done.action, done.versions, done.changed) == ("churn", "model-deleted", (1, 2, 3), True)
    assert reg.admin.model_names() == []
    assert not [*reg.list(), *reg.search(archived=True)]
    assert reg.admin.info().models == 0
    asked: list[Callable[[], object]] = [
        lambda: reg.model("churn"), lambda: reg.versions("churn"), lambda: reg.path("churn"), lambda: reg.path("churn@2"),
        lambda: reg.artifacts.show("churn"), lambda: reg.export("churn", reg.root.parent / "out.tar"), lambda: reg.tag("churn@1", {"a": "b"}),
        lambda: reg.promote("churn@1", "staging"), lambda: reg.admin.rename("churn", "other"),
        lambda: reg.delete("churn", model=True), lambda: reg.retention.prune(["churn"]),
    ]  # fmt: skip
    for ask in asked:
        with pytest.raises(NotFound, match=r"deleted on .* by alice: retired"):
            ask()
    assert is_sound(reg)


def test_its_history_and_its_tombstones_stay(churn: Registry) -> None:
    churn.delete("churn", model=True)
    assert actions(churn, "churn") == ["model-deleted", *["deleted"] * 3, *["registered"] * 3]
    assert [each.model for each in churn.iter_history(limit=1)] == ["churn"]
    assert sorted(path.name for path in (churn.root / "models/churn/tombstones").iterdir()) == [
        "1.yaml", "2.yaml", "3.yaml",
    ]  # fmt: skip
    assert [each.model for each in churn.admin.checkpoints()] == ["churn"]
    assert churn.admin.repair() == []
    churn.admin.gc(age=-1)
    assert is_sound(churn)


def test_its_name_is_refused(churn: Registry, make_file: Make, tmp_path: Path) -> None:
    churn.register("other", [make_file("other")])
    churn.export(["churn"], tmp_path / "out.tar")
    churn.delete("churn", model=True)
    asked: list[Callable[[], object]] = [
        lambda: churn.register("churn", [make_file("x")]),
        lambda: churn.admin.describe("churn", owner="crm"),
        lambda: churn.import_(tmp_path / "out.tar"),
        lambda: churn.import_(tmp_path / "out.tar", merge=True),
        lambda: churn.admin.rename("other", "churn"),
        lambda: churn.admin.rename("other", "churn", reuse_name=True),  # its numbers would mean other versions
    ]
    for ask in asked:
        with pytest.raises(Conflict, match="name of a deleted model"):
            ask()
    with pytest.raises(Conflict, match="is a model"):
        churn.register("churn/retail", [make_file("x")])
    assert churn.admin.model_names() == ["other"]
    assert is_sound(churn)


def test_numbers_continue_when_the_name_is_used_again(churn: Registry, make_file: Make) -> None:
    identity = churn.model("churn").id
    churn.delete("churn", model=True)
    assert churn.register("churn", [make_file("four")], reuse_name=True).ref == "churn@4"
    assert churn.register("churn", [make_file("five")]).ref == "churn@5"
    model = churn.model("churn")
    assert (model.versions, model.latest, model.id) == (2, 5, identity)
    with pytest.raises(NotFound, match="churn@2 was deleted"):
        churn.path("churn@2")
    churn.promote("churn@5", "production")
    assert is_sound(churn)
    churn.demote("churn", "production")
    churn.delete("churn", model=True, force=True, reason="again")
    assert churn.register("churn", [make_file("six")], reuse_name=True).ref == "churn@6"
    assert is_sound(churn)


def test_describe_and_import_use_the_name_again(churn: Registry, tmp_path: Path) -> None:
    churn.export(["churn"], tmp_path / "out.tar")
    churn.delete("churn", model=True)
    churn.admin.describe("churn", owner="crm", reuse_name=True)
    assert (churn.model("churn").versions, churn.model("churn").owner) == (0, "crm")
    churn.delete("churn", model=True)
    found = churn.import_(tmp_path / "out.tar", reuse_name=True)
    assert [each.ref for each in found] == ["churn@4", "churn@5", "churn@6"]
    assert is_sound(churn)


def test_what_points_to_a_version_is_in_the_way(churn: Registry, make_file: Make) -> None:
    churn.promote("churn@2", "production")
    churn.alias("churn@3", "champion")
    with pytest.raises(Conflict, match="production and champion point to its versions"):
        churn.delete("churn", model=True)
    churn.demote("churn", "production")
    with pytest.raises(Conflict, match="champion points to its versions"):
        churn.delete("churn", model=True, force=True, reason="x")
    churn.alias("churn", "champion", remove=True)
    with pytest.raises(InvalidInput, match="reason"):
        churn.delete("churn", model=True, force=True)
    (done,) = churn.delete("churn", model=True, dry_run=True)
    assert done.versions == (1, 2, 3)
    assert churn.model("churn").versions == 3
    churn.delete("churn", model=True)


def test_children_are_in_the_way_and_keep_their_parents(churn: Registry, make_file: Make) -> None:
    churn.register("kid", [make_file("kid")], lineage={"parents": ["churn@2"]})
    with pytest.raises(Conflict, match="it is a parent of kid@1"):
        churn.delete("churn", model=True)
    (done,) = churn.delete("churn", model=True, force=True, reason="x")
    assert done.overridden == ("parent of kid@1",)
    (parent,) = churn.lineage("kid@1").parents
    assert parent.ref == "churn@2"
    assert "deleted" in parent.note
    churn.register("churn", [make_file("four")], reuse_name=True)
    assert "deleted" in churn.lineage("kid@1").parents[0].note
    churn.delete(["churn", "kid"], model=True)
    assert churn.admin.model_names() == []


def test_all_are_checked_before_the_first_is_deleted(churn: Registry, make_file: Make) -> None:
    churn.register("other", [make_file("other")], stage="production")
    with pytest.raises(Conflict):
        churn.delete(["churn", "other"], model=True)
    assert churn.model("churn").versions == 3


def test_the_past_is_shown_as_it_was(churn: Registry, make_file: Make) -> None:
    before = churn.history("churn")[0].event.at
    churn.delete("churn", model=True)
    after = churn.history("churn")[0].event.at
    assert [each.name for each in churn.list(as_of=before)] == ["churn"]
    if after != before:
        assert list(churn.list(as_of=after)) == []
        with pytest.raises(NotFound, match="'churn' was deleted"):
            churn.model("churn", as_of=after)


def test_the_index_forgets_it_and_finds_it_again(churn: Registry, make_file: Make, tmp_path: Path) -> None:
    with Registry(churn.root, cache=tmp_path / "cache") as indexed:
        assert [each.name for each in indexed.list()] == ["churn"]
        indexed.delete("churn", model=True)
        assert list(indexed.list()) == [] == list(indexed.search(archived=True))
        with pytest.raises(NotFound, match="deleted"):
            indexed.versions("churn")
        indexed.register("churn", [make_file("four")], reuse_name=True)
        assert [(each.name, each.versions) for each in indexed.list()] == [("churn", 1)]
        assert [each.ref for each in indexed.search()] == ["churn@4"]


def test_a_release_that_does_not_know_it_refuses_the_model(churn: Registry, make_file: Make) -> None:
    """It would register ``churn@4`` without a word, and show an empty model."""
    churn.register("other", [make_file("other")])
    churn.delete("churn", model=True)
    paths = Layout(churn.root).model("churn")
    assert yaml.safe_load(paths.stages.read_text())["format"] == 2
    with pytest.raises(RegistryError, match="knows formats up to 1"):
        codec.load(paths.stages, "stages.yaml")
    churn.admin.describe("churn", owner="crm", reuse_name=True)
    assert codec.load(paths.stages, "stages.yaml")["format"] == 1


def test_a_request_is_carried_out_once(churn: Registry, make_file: Make) -> None:
    first = churn.delete("churn", model=True, request_id="r")
    again = churn.delete("churn", model=True, request_id="r")
    assert [(each.versions, each.changed) for each in (*first, *again)] == [((1, 2, 3), True), ((1, 2, 3), False)]
    churn.register("churn", [make_file("four")], reuse_name=True)
    churn.delete("churn", model=True, request_id="r")
    assert churn.model("churn").versions == 1


def test_what_is_registered_meanwhile_is_refused_or_deleted(churn: Registry, make_file: Make) -> None:
    """The version that came first is deleted with a tombstone; what comes later gets an error, and is not there."""
    acknowledged: list[str] = []
    failed: list[RegistryError] = []
    started = threading.Barrier(3)

    def write(at: int) -> None:
        own = Registry(churn.root, author=f"a{at}")
        started.wait()
        for number in range(8):
            try:
                acknowledged.append(own.register("churn", [make_file(f"{at}-{number}", f"{at}-{number}")]).ref)
            except (Conflict, NotFound) as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(2)]
    for each in threads:
        each.start()
    started.wait()
    (done,) = churn.delete("churn", model=True)
    for each in threads:
        each.join()
    assert {int(ref.rpartition("@")[2]) for ref in acknowledged} <= set(done.versions)
    assert len(acknowledged) + len(failed) == 16
    assert all("deleted" in str(error) for error in failed)
    assert list((churn.root / "models/churn/versions").iterdir()) == []
    assert is_sound(churn)


def test_one_model_that_cannot_be_read_hides_no_other(churn: Registry, make_file: Make, tmp_path: Path) -> None:
    churn.register("other", [make_file("other")])
    churn.delete("churn", model=True)
    stages = Layout(churn.root).model("other").stages
    text = stages.read_bytes()
    stages.unlink()
    stages.symlink_to(tmp_path / "elsewhere")
    assert churn.admin.model_names() == ["other"], "damage is for whoever reads it"
    stages.unlink()
    stages.write_bytes(text)
    stages = Layout(churn.root).model("churn").stages
    text = stages.read_bytes()
    stages.write_bytes(b"format: 2\n")
    with pytest.raises(RegistryError):
        churn.register("churn", [make_file("x")])
    assert not list((churn.root / "models/churn/versions").iterdir())
    stages.write_bytes(text)


def test_a_bundle_of_all_leaves_it_out(churn: Registry, make_file: Make, tmp_path: Path) -> None:
    churn.register("other", [make_file("other")])
    churn.delete("churn", model=True)
    churn.export(None, tmp_path / "all.tar")
    site = Registry.init(tmp_path / "site")
    assert [each.ref for each in site.import_(tmp_path / "all.tar")] == ["other"]


def test_hooks_hear_of_it(churn: Registry) -> None:
    heard: list[tuple[str, str, int | None]] = []

    def hear(model: str, event: Event) -> None:
        heard.append((model, event.action, event.version))

    Registry(churn.root, on_event=hear).delete("churn", model=True)
    assert heard[-1] == ("churn", "model-deleted", None)
    assert [version for _, action, version in heard if action == "deleted"] == [1, 2, 3]


def test_a_table_that_denies_the_deletion_is_damage(churn: Registry) -> None:
    churn.delete("churn", model=True)
    paths = Layout(churn.root).model("churn")
    text = paths.stages.read_text()
    paths.stages.write_text(text.replace("model-deleted", "described").replace("format: 2", "format: 1"))
    assert {each.code for each in churn.admin.verify().problems} == {"pointer-journal", "claim"}
    paths.stages.write_text(text)
