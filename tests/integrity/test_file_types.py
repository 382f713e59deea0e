"""A link, a fifo or a folder where a document belongs, and a file where a folder belongs: ``verify`` names each of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import run
from tests.integrity.conftest import Store

FILES = (
    "model.yaml", "stages.yaml", "history.jsonl", ".lock", ".stages-10", "tombstones/3.yaml", "annotations/2.yaml",
    "versions/2/version.yaml", "versions/2/manifest-sha256.txt", "versions/2/files/model.bin",
)  # fmt: skip
FOLDERS = ("versions", "blobs", "stages", "annotations", "tombstones", "versions/2", "versions/2/files")


def _link(store: Store, path: str) -> None:
    store.replace_by_link(path, store.root.parent / "elsewhere")


def _fifo(store: Store, path: str) -> None:
    store.remove(path)
    store.at(path).parent.chmod(0o755)
    os.mkfifo(store.at(path))


def _folder(store: Store, path: str) -> None:
    store.remove(path)
    store.at(path).parent.chmod(0o755)
    store.at(path).mkdir()


def _file(store: Store, path: str) -> None:
    store.remove(path)
    store.put(path)


def _check(store: Store, path: str, change: Callable[[Store, str], None]) -> None:
    assert store.at(path).exists(), path
    change(store, path)
    signal.alarm(60)  # nothing waits for a fifo
    try:
        answer = run("verify", root=store.root)
        assert answer.code == 6, answer
        assert path.rpartition("/")[2].removesuffix(".yaml") in answer.out + answer.err or "churn@2" in answer.out, (
            answer
        )
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("change", [_link, _fifo, _folder], ids=lambda each: each.__name__.strip("_"))
def test_what_is_not_a_file_is_found(store: Store, path: str, change: Callable[[Store, str], None]) -> None:
    _check(store, path, change)


@pytest.mark.parametrize("path", FOLDERS)
@pytest.mark.parametrize("change", [_link, _fifo, _file], ids=lambda each: each.__name__.strip("_"))
def test_what_is_not_a_folder_is_found(store: Store, path: str, change: Callable[[Store, str], None]) -> None:
    _check(store, path, change)


@pytest.mark.parametrize("change", [_link, _fifo], ids=lambda each: each.__name__.strip("_"))
def test_a_folder_of_packs_that_is_none_does_not_end_the_check(
    store: Store, change: Callable[[Store, str], None]
) -> None:
    store.at("packed").mkdir()
    _check(store, "packed", change)


@pytest.mark.parametrize("change", [_link, _fifo, _folder], ids=lambda each: each.__name__.strip("_"))
def test_repair_replaces_a_lock_that_nobody_can_hold(store: Store, change: Callable[[Store, str], None]) -> None:
    change(store, ".lock")
    assert run("tag", "churn@1", "a=b", root=store.root).code in (5, 6)
    answer = run("repair", root=store.root)
    assert answer.code == 0, answer
    assert ".lock" in answer.out
    assert run("tag", "churn@1", "a=b", root=store.root).code == 0
    assert store.reg.admin.verify().problems == ()


def test_a_lock_that_is_a_folder_with_something_in_it_is_left_to_a_person(store: Store, tmp_path: Path) -> None:
    _folder(store, ".lock")
    (store.at(".lock") / "notes").write_text("mine")
    run("repair", root=store.root)
    assert (store.at(".lock") / "notes").read_text() == "mine"
    assert run("verify", root=store.root).code == 6


@pytest.mark.parametrize("ahead", [1, 2, 7])
def test_a_copy_of_a_claim_ahead_of_the_table_is_found_and_removed(store: Store, ahead: int) -> None:
    revision = store.reg.model("churn").revision
    store.put(f".stages-{revision + ahead}", store.at(f".stages-{revision}").read_bytes())
    if ahead > 1:
        assert run("verify", root=store.root).code == 6
    assert run("repair", root=store.root).code == 0
    for number in range(ahead + 1):
        assert run("tag", "churn@1", f"a={number}", root=store.root).code == 0
    assert store.reg.admin.verify().problems == ()
