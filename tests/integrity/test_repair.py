"""``repair`` mends what is derived, from what is true; it touches no artifact, and says so when only a backup helps."""

from __future__ import annotations

import os

import pytest

from registry_cli import Damaged
from tests.integrity.conftest import Store
from tests.integrity.repairing import HISTORY, repaired, without_times
from tests.support import snapshot


def test_a_sound_store_needs_none(store: Store) -> None:
    before = without_times(snapshot(store.root))
    assert store.reg.admin.repair() == []
    assert without_times(snapshot(store.root)) == before


@pytest.mark.parametrize("damage", ["missing", "elsewhere", "a file", "of no stage"])
def test_links(store: Store, damage: str) -> None:
    def hurt(store: Store) -> None:
        link = store.at("stages/production")
        if damage == "of no stage":
            store.at("stages/canary").symlink_to("../versions/1")
            return
        link.unlink()
        if damage == "elsewhere":
            link.symlink_to("../versions/1")
        elif damage == "a file":
            link.write_text("2")

    assert repaired(store, hurt) == ["link corrected"]
    assert sorted(os.listdir(store.at("stages"))) == ["development", "production", "staging"]


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "zeros", "older"])
def test_the_stage_table_from_its_newest_claim(store: Store, damage: str) -> None:
    def hurt(store: Store) -> None:
        data = store.at("stages.yaml").read_bytes()
        revision = store.reg.model("churn").revision
        if damage == "missing":
            store.remove("stages.yaml")
        elif damage == "older":
            store.write("stages.yaml", store.at(f".stages-{revision - 3}").read_bytes())
        else:
            store.write("stages.yaml", {"empty": b"", "truncated": data[:60], "zeros": b"\0" * 60}[damage])

    revision = store.reg.model("churn").revision
    words = repaired(store, hurt)
    assert words == [f"stage table restored from the claim of revision {revision}"]


def test_the_stage_table_and_the_journal_both(store: Store) -> None:
    def hurt(store: Store) -> None:
        store.remove("stages.yaml")
        store.remove(HISTORY)

    repaired(store, hurt)


def test_what_the_newest_claim_carries_is_restored_with_it(store: Store) -> None:
    store.reg.tag("churn@5", {"site": "jp"})

    def hurt(store: Store) -> None:
        store.remove("stages.yaml")
        store.remove("annotations/5.yaml")

    repaired(store, hurt)
    assert store.reg.version("churn@5").tags["site"] == "jp"


def test_the_claim_from_the_stage_table(store: Store) -> None:
    revision = store.reg.model("churn").revision
    assert repaired(store, lambda store: store.remove(f".stages-{revision}")) == ["claim recreated from stages.yaml"]


def test_a_stage_table_edited_by_hand_is_left_to_a_person(store: Store) -> None:
    """Which of the two is meant, no program can know."""
    store.change("stages.yaml", "production: 2", "production: 1")
    before = store.at("stages.yaml").read_bytes()
    assert [each.what for each in store.reg.admin.repair()] == ["link corrected"]
    assert store.at("stages.yaml").read_bytes() == before
    assert ("pointer-journal", "error") in store.found()


def test_modes(store: Store) -> None:
    names = ["versions/1", "versions/1/files/model.bin", "versions/1/files/conf", "versions/5/version.yaml"]

    def hurt(store: Store) -> None:
        for name in names:
            store.at(name).chmod(0o775 if store.at(name).is_dir() else 0o664)

    assert len(repaired(store, hurt)) == len(names)
    assert [oct(store.at(name).stat().st_mode & 0o777) for name in names] == ["0o555", "0o444", "0o555", "0o444"]


def test_leftovers(store: Store) -> None:
    def hurt(store: Store) -> None:
        for name, hours in ((".tmp-" + "a" * 32, 25), (".trash-" + "b" * 32, 0)):
            folder = store.at(f"versions/{name}")
            (folder / "sub").mkdir(parents=True)
            for path in (folder / "sub", folder):
                os.utime(path, (path.stat().st_mtime - hours * 3600,) * 2)

    assert sorted(repaired(store, hurt)) == ["deleted version", "leftover staging folder"]


def test_a_living_staging_folder_stays_whatever_the_local_clock_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The age is told by the file server's clock: a machine that is a day ahead must not remove what is being written."""
    import time

    folder = store.at("versions/.tmp-" + "a" * 32)
    folder.mkdir()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 24 * 3600)
    assert store.reg.admin.repair() == []
    assert store.reg.admin.gc() == []
    assert folder.is_dir()


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_only_a_backup_mends(store: Store, dry_run: bool) -> None:
    for path in store.churn.glob(".stages-*"):
        path.unlink()
    store.write("stages.yaml", b"")
    before = without_times(snapshot(store.churn))
    with pytest.raises(Damaged, match=r"no claim is as recent as the journal .*; restore stages.yaml from a backup"):
        store.reg.admin.repair(dry_run=dry_run)
    assert without_times(snapshot(store.churn)) == before


def test_artifacts_stay_as_they_are_and_are_still_named(store: Store) -> None:
    model = "versions/2/files/model.bin"
    store.write(model, b"!" + store.at(model).read_bytes()[1:])
    store.write("versions/1/version.yaml", b"")
    before = without_times(snapshot(store.churn))
    found = store.found()
    assert store.reg.admin.repair() == []
    assert without_times(snapshot(store.churn)) == before
    assert store.found() == found


def test_only_the_models_that_were_named(store: Store) -> None:
    store.at("stages/production").unlink()
    assert store.reg.admin.repair(["risk/fraud"]) == []
    assert len(store.reg.admin.repair(["churn"])) == 1
