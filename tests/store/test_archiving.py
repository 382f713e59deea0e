"""Archive, restore, delete: what is hidden, what is gone, and that a number never comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from registry_cli import Conflict, InvalidInput, NotFound, Registry
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def five(reg: Registry, make_file: Make) -> Registry:
    """The model ``churn`` with versions 1 to 5."""
    for number in range(1, 6):
        reg.register("churn", [make_file(f"content {number}")], tags={"n": number})
    return reg


def numbers(registry: Registry, *, archived: bool = False) -> list[int]:
    return [version.number for version in registry.versions("churn", archived=archived)]


def test_the_archived_are_hidden_and_come_back(five: Registry) -> None:
    (changed,) = five.archive(["churn@5", "churn@2", "churn@5", "churn@latest"], reason="old")
    assert (changed.versions, changed.revision, changed.changed) == ((2, 5), 1, True)
    assert numbers(five) == [4, 3, 1]
    assert numbers(five, archived=True) == [5, 4, 3, 2, 1]
    assert five.version("churn").number == 4, "latest is the highest in use"
    assert five.version("churn@5").archived
    assert five.path("churn@5", "model.pkl").read_text() == "content 5", "kept, and still readable by its number"
    assert not five.archive(["churn@2"])[0].changed
    assert five.restore(["churn@5", "churn@4"])[0].versions == (5,)
    assert numbers(five) == [5, 4, 3, 1]


def test_what_is_pointed_to_stays(five: Registry) -> None:
    five.promote("churn@1", "production")
    five.alias("churn@2", "champion")
    before = snapshot(five.root)
    for refs in (["churn@1"], ["churn@3", "churn@2"]):
        for verb in (five.archive, five.delete):
            with pytest.raises(Conflict, match="point"):
                verb(refs, force=True, reason="r")
    assert snapshot(five.root) == before


def test_a_delete_leaves_a_tombstone_and_no_file(five: Registry) -> None:
    five.tag("churn@2", {"later": "yes"})
    (changed,) = five.delete(["churn@2"], reason="trained on wrong data")
    assert (changed.action, changed.versions) == ("deleted", (2,))
    assert not (five.root / "models/churn/versions/2").exists()
    tombstone = yaml.safe_load((five.root / "models/churn/tombstones/2.yaml").read_text())
    assert tombstone["version"]["tags"] == {"n": "2"}
    assert tombstone["said"]["tags"] == {"later": "yes"}
    assert tombstone["event"]["reason"] == "trained on wrong data"
    with pytest.raises(NotFound, match="churn@2 was deleted on 2026-03-01 by alice: trained on wrong data"):
        five.version("churn@2")
    contents = [path.read_bytes() for path in five.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert b"content 2" not in contents, "the bytes are gone, its blob too"
    assert five.admin.gc(age=0) == []


def test_a_file_that_another_version_shares_is_kept(reg: Registry, make_file: Make) -> None:
    for _ in range(3):
        reg.register("churn", [make_file()])
    reg.delete(["churn@1", "churn@2"], reason="old")
    assert reg.path("churn@3", "model.pkl").read_text() == "a model"
    assert reg.register("churn", [make_file()]).added == 0, "its blob is still known"


def test_numbers_are_never_used_again(five: Registry, make_file: Make) -> None:
    five.delete(["churn@5"], reason="r")
    assert five.register("churn", [make_file("six")]).ref == "churn@6"
    five.delete([f"churn@{number}" for number in (1, 2, 3, 4, 6)], reason="r")
    assert numbers(five, archived=True) == []
    with pytest.raises(NotFound, match="no active version"):
        five.version("churn")
    assert five.register("churn", [make_file("seven")]).ref == "churn@7"
    assert five.model("churn").latest == 7


def test_the_numbers_are_kept_even_without_the_journal(five: Registry, make_file: Make) -> None:
    five.delete(["churn@5"], reason="r")
    (five.root / "models/churn/history.jsonl").unlink()
    five.admin.repair()
    assert five.register("churn", [make_file("six")]).ref == "churn@6"


def test_a_reference_to_delete_names_a_version(five: Registry) -> None:
    for verb in (five.archive, five.restore, five.delete):
        with pytest.raises(InvalidInput, match="is a model; expected a version"):
            verb(["churn"])
    with pytest.raises(InvalidInput, match="requires `reason`"):
        five.delete(["churn@1"], force=True)
    for ref in ("churn@9", "other@1"):
        with pytest.raises(NotFound):
            five.delete([ref, "churn@1"], reason="r")
    assert numbers(five) == [5, 4, 3, 2, 1], "all are looked at before the first is deleted"


def test_several_models_at_once(five: Registry, make_file: Make) -> None:
    five.register("risk/churn", [make_file()])
    assert [changed.model for changed in five.archive(["churn@1", "risk/churn@1", "churn@2"])] == [
        "churn",
        "risk/churn",
    ]
    assert [changed.versions for changed in five.delete(["churn@1", "risk/churn@1"], reason="r")] == [(1,), (1,)]


def test_what_a_rollback_would_go_to_needs_force(five: Registry) -> None:
    five.promote("churn@1", "production")
    five.promote("churn@2", "production")
    with pytest.raises(Conflict, match="the rollback target of production"):
        five.delete(["churn@1"], reason="r")
    five.delete(["churn@1"], force=True, reason="wrong data")
    assert five.history("churn", limit=1)[0].event.detail["forced"] is True
    with pytest.raises(NotFound):
        five.rollback("churn", "production")


@pytest.mark.parametrize("damage", ["version.yaml", "manifest-sha256.txt", "files", "annotation", "all"])
def test_a_damaged_version_can_be_deleted(five: Registry, damage: str) -> None:
    """Whatever is left of it: to be rid of it must not need what is broken."""
    five.tag("churn@2", {"a": "b"})
    folder = five.root / "models/churn/versions/2"
    folder.chmod(0o755)
    (folder / "files").chmod(0o755)
    if damage == "annotation":
        (five.root / "models/churn/annotations/2.yaml").write_text("a: [\x01")
    for name in ("version.yaml", "manifest-sha256.txt", "files/model.pkl"):
        if damage in (name.split("/", maxsplit=1)[0], "all"):
            (folder / name).unlink()
    five.delete(["churn@2"], reason="damaged")
    assert numbers(five) == [5, 4, 3, 1]
    five.admin.gc(age=0)


def test_an_interrupted_request_deletes_what_is_left_and_nothing_else(five: Registry) -> None:
    """Of three one is gone; ``latest`` means another by now, and must not be looked up again."""
    refs = ["churn@latest", "churn@1", "churn@2"]
    five.delete(refs, reason="r", request_id="ci-7")
    assert numbers(five) == [4, 3]
    assert five.delete(refs, reason="r", request_id="ci-7")[0].versions == (1, 2, 5)
    assert numbers(five) == [4, 3]
    with pytest.raises(InvalidInput):
        five.delete(["churn@3", "churn@4"], reason="r", request_id="a" * 128)
    assert numbers(five) == [4, 3]
