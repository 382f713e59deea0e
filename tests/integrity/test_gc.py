"""``gc`` removes what nobody needs, by age and by link count, and tells what that frees."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.integrity.conftest import Store
from tests.support import snapshot

STAGING = "versions/.tmp-" + "a" * 32


def make(store: Store, name: str, size: int, hours: float) -> Path:
    """A folder with one file, nothing of which changed for so many hours."""
    folder = store.at(name)
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "model.bin").write_bytes(b"x" * size)
    age(folder, hours)
    return folder


def age(folder: Path, hours: float) -> None:
    then = time.time() - hours * 3600
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))


@pytest.mark.parametrize(("hours", "goes"), [(24.1, True), (23.9, False), (0, False), (-24, False)])
def test_the_age_of_staging_folders(store: Store, hours: float, goes: bool) -> None:
    folder = make(store, STAGING, 100, hours)
    assert [(freed.what, freed.size) for freed in store.reg.admin.gc()] == [("leftover staging folder", 100)] * goes
    assert folder.exists() is not goes


def test_the_newest_change_counts_however_deep(store: Store) -> None:
    """A copy of 500 GB takes more than a day; the folder itself is old, the file in it grows."""
    folder = make(store, STAGING, 100, 48)
    os.utime(folder / "files" / "model.bin")
    assert store.reg.admin.gc() == []
    assert folder.exists()


def test_age_can_be_chosen(store: Store) -> None:
    make(store, STAGING, 100, 2)
    assert store.reg.admin.gc(age=3 * 3600.0) == []
    assert len(store.reg.admin.gc(age=3600.0)) == 1


def test_dry_run(store: Store) -> None:
    make(store, STAGING, 100, 48)
    make(store, "versions/.trash-" + "b" * 32, 10, 0)
    before = snapshot(store.at("versions"))
    told = store.reg.admin.gc(dry_run=True)
    assert snapshot(store.at("versions")) == before
    assert store.reg.admin.gc() == told
    assert store.reg.admin.gc() == []


def test_only_what_is_freed_counts(store: Store) -> None:
    """A file that another version has too frees nothing; one that only its blob has besides, frees its size once."""
    trash = store.at("versions/.trash-" + "b" * 32)
    trash.mkdir()
    shared = store.at("versions/1/files/conf/params.json")
    os.link(shared, trash / "shared")
    (trash / "own").write_bytes(b"y" * 70)
    os.link(trash / "own", trash / "own-again")
    blob = store.at("blobs/cd")
    blob.mkdir(exist_ok=True)
    os.link(trash / "own", blob / ("cd" * 32))
    assert [freed.size for freed in store.reg.admin.gc()] == [70]
    assert not (blob / ("cd" * 32)).exists(), "its blob goes with it"
    assert store.reg.admin.gc() == []
    assert shared.exists()


def test_leftover_temporary_files(store: Store) -> None:
    for folder in (".", "annotations", "tombstones", "stages"):
        path = store.at(folder) / (".tmp-" + "c" * 32)
        path.write_text("half a document")
        os.utime(path, (1, 1))
    young = store.at(".tmp-" + "d" * 32)
    young.write_text("being written")
    assert [freed.what for freed in store.reg.admin.gc()] == ["leftover temporary file"] * 4
    assert young.exists()


def test_old_claims(store: Store) -> None:
    revision = store.reg.model("churn").revision
    old = store.at(f".stages-{revision - 8}")
    old.write_text("old")
    assert [freed.what for freed in store.reg.admin.gc()] == ["old claim"]
    assert not old.exists()
    assert store.at(f".stages-{revision - 7}").exists()


def test_gc_never_takes_what_a_living_registration_copies(store: Store, tmp_path: Path) -> None:
    """Even with no patience at all: a writer whose folder was taken away registers nothing half."""
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(1 << 22))
    stop = threading.Event()
    other = Registry(store.root, author="alice")

    def collect() -> None:
        while not stop.is_set():
            other.admin.gc(["churn"])

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        numbers = [store.reg.register("churn", [source], metrics={"auc": at / 10}).number for at in range(8)]
    finally:
        stop.set()
        thread.join()
    assert numbers == list(range(6, 14))
    assert store.found() == set()


def test_blobs_of_a_deleted_version_go_with_it(store: Store) -> None:
    """What another version still has, stays."""
    names = {path.name for path in store.at("blobs").rglob("*") if path.is_file()}
    gone = next(entry.sha256 for entry in store.reg.artifacts.files("churn@4") if entry.path == "model.bin")
    store.reg.delete(["churn@4"])
    assert {path.name for path in store.at("blobs").rglob("*") if path.is_file()} == names - {gone}
    assert store.found() == set()
    assert store.reg.admin.gc() == []


@pytest.mark.parametrize(
    "name",
    [
        "versions/.tmp-notes", "versions/.trash-mine", "versions/.tmp-", "versions/.trash-", "versions/.tmp-0.txt", ".tmp-notes",
        "annotations/.tmp-mine", "tombstones/.tmp-mine", "stages/.tmp-mine", "packed/.tmp-mine", "packed/.trash-mine",
        "packed/.tmp-0.zip", "../.tmp-mine", "../group/.tmp-mine", "blobs/ab/notes", "blobs/notes", "blobs/mine/notes",
        "blobs/ab/" + "ab" * 31, "blobs/cd/" + "ab" * 32,
    ],
)  # fmt: skip
def test_what_only_looks_like_garbage_stays(store: Store, name: str) -> None:
    """Names that this program gives end with a number in hexadecimal digits: a file of another name is a person's."""
    path = store.at(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    then = time.time() - 48 * 3600
    os.utime(path, (then, then))
    assert not [freed for freed in store.reg.admin.gc() if path.name in freed.path]
    store.reg.admin.repair()
    store.reg.admin.gc(age=-1)
    assert path.read_text() == "mine"
