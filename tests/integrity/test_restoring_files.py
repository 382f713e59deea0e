"""``repair --from-blobs``: files that are missing or damaged, where the model still has their bytes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.commands import run
from tests.crash.shim import Death, Fault, Shim
from tests.crash.world import copied
from tests.integrity.conftest import Store
from tests.integrity.test_damaged_versions import MODEL
from tests.support import snapshot

EMPTY = "versions/2/files/conf/empty.txt"


def replaced(store: Store, path: str) -> None:
    """A file of its own with other bytes: the blob is as it was."""
    data = store.at(path).read_bytes()
    store.remove(path)
    store.put(path, data[:-1] + b"?").chmod(0o444)


def linked(store: Store, path: str) -> None:
    store.replace_by_link(path, store.root / "elsewhere")


LOSSES: dict[str, tuple[Callable[[Store], object], list[str]]] = {
    "a file": (lambda store: store.remove(MODEL), [f"missing file restored: {MODEL}"]),
    "an empty file": (lambda store: store.remove(EMPTY), [f"missing file restored: {EMPTY}"]),
    "a folder": (
        lambda store: store.remove("versions/2/files/conf"),
        [f"missing file restored: {EMPTY}", "missing file restored: versions/2/files/conf/params.json"],
    ),
    "all files": (
        lambda store: store.remove("versions/2/files"),
        [
            f"missing file restored: {EMPTY}",
            "missing file restored: versions/2/files/conf/params.json",
            f"missing file restored: {MODEL}",
        ],
    ),
    "another file in its place": (lambda store: replaced(store, MODEL), [f"damaged file restored: {MODEL}"]),
    "a link in its place": (lambda store: linked(store, MODEL), [f"damaged file restored: {MODEL}"]),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_lost_is_restored(store: Store, loss: str) -> None:
    lose, expected = LOSSES[loss]
    sound = {name: (state[0], state[-1]) for name, state in snapshot(store.at("versions")).items()}
    lose(store)
    before = snapshot(store.churn)
    told = store.reg.admin.repair(["churn"], from_blobs=True, dry_run=True)
    assert {name: state[-1] for name, state in snapshot(store.churn).items()} == {
        name: state[-1] for name, state in before.items()
    }
    done = store.reg.admin.repair(["churn"], from_blobs=True)
    assert done == told
    assert [f"{each.what}: {each.path.removeprefix('models/churn/')}" for each in done] == expected
    assert store.found() == set()
    assert {name: (state[0], state[-1]) for name, state in snapshot(store.at("versions")).items()} == sound
    assert store.reg.admin.repair(from_blobs=True) == []
    store.reg.artifacts.verify_files("churn@2")


def test_from_another_version_when_the_blob_is_gone_too(store: Store) -> None:
    """A file that is a file of its own in two versions, as on a file system without hard links."""
    path = "versions/2/files/conf/params.json"
    data = store.at(path).read_bytes()
    for folder in ("versions/1/files/conf", "versions/5/files/conf"):
        store.remove(f"{folder}/params.json")
        store.put(f"{folder}/params.json", data).chmod(0o444)
    [blob] = [each for each in store.at("blobs").rglob("*") if each.is_file() and each.read_bytes() == data]
    blob.unlink()
    store.remove(path)
    assert len(store.reg.admin.repair(["churn"], from_blobs=True)) == 1
    assert store.found() == set()


def test_from_the_pack_of_another_version(store: Store) -> None:
    path = "versions/2/files/conf/params.json"
    store.reg.archive(["churn@4"], compress="gzip")
    data = store.at(path).read_bytes()
    for each in [*store.at("blobs").rglob("*"), *store.at("versions").rglob("params.json")]:
        if each.is_file() and each.read_bytes() == data:
            store.remove(str(each.relative_to(store.churn)))
    done = store.reg.admin.repair(["churn"], from_blobs=True)
    assert len(done) == 3, "versions 1, 2 and 5 had it"
    assert store.found() == set()


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_nothing_is_believed_but_the_sha256(store: Store, mode: int) -> None:
    """The bytes were damaged in place: under all names they are the same file."""
    store.write(MODEL, store.at(MODEL).read_bytes()[:-1] + b"?")
    store.at(MODEL).chmod(mode)
    store.reg.admin.repair()
    before = store.found()
    assert ("changed-file", "error") in before or ("digest", "error") in before
    assert store.reg.admin.repair(from_blobs=True) == []
    store.remove(MODEL)  # the blob is still the damaged one
    assert store.reg.admin.restorable() == 1, "without reading it, it seems to be there"
    assert store.reg.admin.repair(from_blobs=True) == []
    assert not store.at(MODEL).exists()


def test_the_source_is_compared_again_when_it_is_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody changes the blob between the search and the lock."""
    from registry_cli.store.maintenance import restoration

    data = store.at(MODEL).read_bytes()
    store.remove(MODEL)
    [blob] = [each for each in store.at("blobs").rglob("*") if each.is_file() and each.read_bytes() == data]
    find = restoration.find

    def found(*args: object, **options: object) -> list[restoration.Restorable]:
        result = find(*args, **options)  # type: ignore[arg-type]
        blob.chmod(0o644)
        blob.write_bytes(data[:-1] + b"?")
        return result

    monkeypatch.setattr(restoration, "find", found)
    assert store.reg.admin.repair(from_blobs=True) == []
    assert not store.at(MODEL).exists()
    assert [name for name in os.listdir(store.at("versions")) if name.startswith(".")] == []


def test_what_somebody_put_there_is_not_replaced(store: Store) -> None:
    store.remove(MODEL)
    store.put(MODEL).chmod(0o600)
    store.remove(MODEL)
    store._unsealed(store.at(MODEL).parent, lambda: store.at(MODEL).mkdir())
    store.put(f"{MODEL}/mine")
    assert [each.what for each in store.reg.admin.repair(from_blobs=True)] == ["made read-only again"] * 2
    assert store.at(f"{MODEL}/mine").read_bytes() == b"x"


def test_a_plain_repair_says_that_it_is_possible(store: Store) -> None:
    store.remove(MODEL)
    for options in ((), ("--dry-run",)):
        answer = run("repair", *options, root=store.root)
        assert answer.code == 0
        assert "1 missing file can be restored with 'registry repair --from-blobs'" in answer.err
    assert not store.at(MODEL).exists()
    answer = run("repair", "churn", "--from-blobs", root=store.root)
    assert (answer.code, answer.lines) == (0, [f"missing file restored\tmodels/churn/{MODEL}"])
    assert store.found() == set()


@pytest.mark.parametrize("kind", ["error", "dead before", "dead after", "interrupt before", "interrupt after"])
def test_an_interruption_at_any_call_leaves_nothing_half(store: Store, tmp_path: Path, kind: str) -> None:
    store.remove("versions/2/files/conf")
    for at in range(1, 500):
        root = copied(store.root, tmp_path / f"twin-{at}")
        registry = Registry(root, author="bob")
        try:
            with Shim(root, Fault(kind, at)) as shim:
                registry.admin.repair(["churn"], from_blobs=True)
        except (OSError, Death, KeyboardInterrupt):
            pass
        if shim.struck is None:
            assert at > 10
            return
        folder = root / "models/churn/versions/2/files/conf"
        expected = {path.name: path.read_bytes() for path in (root / "models/churn/versions/1/files/conf").iterdir()}
        here = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
        assert here.items() <= expected.items()
        again = Registry(root, author="bob")
        again.admin.repair(["churn"], from_blobs=True)
        again.admin.gc(age=-1)
        assert again.admin.verify().problems == ()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o555


def test_the_wrong_files_are_found_wherever_they_lie(store: Store, tmp_path: Path) -> None:
    """All but the last of many versions, each with one file less."""
    for path in sorted(store.at("versions").glob("*/files/model.bin")):
        store.remove(str(path.relative_to(store.churn)))
    assert store.reg.admin.restorable(["churn"]) == 4
    assert len(store.reg.admin.repair(from_blobs=True)) == 4
    assert store.found() == set()
