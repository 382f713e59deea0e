"""Names that don't belong, and what is left over: told, ignored, collected by age."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from registry_cli import NotFound
from tests.integrity.conftest import Store


@pytest.mark.parametrize("name", [".nfs0001", "lost+found", "Thumbs.db", "000001", "01", "1.bak", "v1", "１"])
def test_unknown_names_among_the_versions_are_ignored(store: Store, tmp_path: Path, name: str) -> None:
    """Also 000001 beside 1: only the canonical spelling counts."""
    store.at(f"versions/{name}").mkdir()
    assert store.found() == {("unknown-name", "warning")}
    assert [record.number for record in store.reg.versions("churn", archived=True)] == [5, 4, 2, 1]
    (tmp_path / "m").write_text("m")
    assert store.reg.register("churn", [tmp_path / "m"]).number == 6


@pytest.mark.parametrize("name", ["Thumbs.db", "ab/Thumbs.db", ".DS_Store"])
def test_unknown_names_among_the_blobs_are_ignored(store: Store, name: str) -> None:
    path = store.at(f"blobs/{name}")
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    os.link(path, store.root / "another-name")
    assert store.found() == {("unknown-name", "warning")}
    assert store.reg.admin.gc() == []
    assert store.reg.admin.repair() == []


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "lost+found", "Upper", "a b", "notes"])
def test_unknown_names_among_the_models_are_ignored(store: Store, name: str) -> None:
    for folder in ("models", "models/risk", "models/churn", "models/churn/annotations", "models/churn/tombstones"):
        (store.root / folder / name).write_text("x")
    assert store.reg.admin.model_names() == ["churn", "risk/fraud"]
    assert store.found() == set()
    assert store.reg.admin.gc() == []


@pytest.mark.parametrize("name", [".stages-²", ".stages-１", ".stages-x", ".stages-"])
def test_unknown_names_that_look_like_claims_are_ignored(store: Store, name: str) -> None:
    """'²' is a digit for ``str.isdigit``, but no number."""
    store.put(name)
    assert store.found() == set()
    assert store.reg.admin.gc() == []
    assert store.reg.admin.repair() == []


def test_a_lone_blob(store: Store) -> None:
    store.at("blobs/ab").mkdir(exist_ok=True)
    blob = store.put("blobs/ab/" + "ab" * 32)
    assert store.found() == {("leftover", "warning")}
    assert [freed.size for freed in store.reg.admin.gc()] == [1]
    assert not blob.exists()
    assert store.found() == set()


def test_a_lost_blob_is_only_a_lost_chance(store: Store) -> None:
    for path in store.at("blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    assert store.found() == set()


def aged(path: Path, hours: float) -> None:
    then = time.time() - hours * 3600
    for folder, _, names in os.walk(path, topdown=False):
        for name in names:
            os.utime(os.path.join(folder, name), (then, then))
        os.utime(folder, (then, then))


@pytest.mark.parametrize(("hours", "codes"), [(25, {("leftover", "warning")}), (1, set())])
def test_leftover_staging_folders(store: Store, hours: float, codes: set[tuple[str, str]]) -> None:
    folder = store.at("versions/.tmp-" + "a" * 32)
    folder.mkdir()
    (folder / "x").write_text("x")
    aged(folder, hours)
    assert store.found() == codes
    assert len(store.reg.admin.gc()) == len(codes)
    assert folder.exists() == (not codes)


def test_trash_is_always_a_leftover(store: Store) -> None:
    store.at("versions/.trash-" + "a" * 32).mkdir()
    assert store.found() == {("leftover", "warning")}
    assert [freed.what for freed in store.reg.admin.gc()] == ["deleted version"]
    assert store.found() == set()


def test_the_folder_of_a_deleted_version_that_came_back(store: Store) -> None:
    """A backup put it back, or the delete was interrupted: its number stays dead."""
    store.at("versions/3").mkdir()
    assert store.found() == {("leftover", "warning")}
    with pytest.raises(NotFound, match="was deleted"):
        store.reg.version("churn@3")
    store.reg.admin.gc()
    assert not store.at("versions/3").exists()
