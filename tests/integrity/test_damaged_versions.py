"""Damage to what is sealed: artifacts, manifests, documents of versions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from registry_cli import Damaged, NotFound, Refused, RegistryError
from tests.integrity.conftest import Store

MODEL = "versions/2/files/model.bin"
DOCUMENT = "versions/2/version.yaml"
MANIFEST = "versions/2/manifest-sha256.txt"


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def assert_not_handed_out(store: Store, tmp_path: Path, ref: str = "churn@2") -> None:
    """Everything that hands out bytes, or relies on them, says that they are damaged; and nothing is left behind."""
    with pytest.raises(Damaged):
        store.reg.artifacts.verify_files(ref)
    with pytest.raises(Damaged):
        store.reg.fetch(ref, tmp_path / "out")
    with pytest.raises(Damaged):
        store.reg.promote(ref, "staging")
    assert not (tmp_path / "out").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".out")] == []
    assert store.reg.version("churn@1").number == 1, "the other versions are as good as before"


def test_the_store_is_sound_before(store: Store) -> None:
    outcome = store.reg.admin.verify()
    assert outcome.problems == ()
    assert (outcome.models, outcome.versions) == (2, 5)
    assert store.reg.admin.verify(quick=True).problems == ()


@pytest.mark.parametrize("bit", [0, 7, 8191, 2048 * 8])
def test_a_flipped_bit_is_found_by_the_full_check_only(store: Store, tmp_path: Path, bit: int) -> None:
    store.write(MODEL, flipped(store.at(MODEL).read_bytes(), bit))
    assert store.found() == {("changed-file", "error")}
    assert store.where("changed-file") == ["churn@2"]
    assert "model.bin" in store.words()
    assert store.found(quick=True) == set()
    assert_not_handed_out(store, tmp_path)
    with pytest.raises(Damaged):
        store.reg.artifacts.cat("churn@2", "model.bin", io.BytesIO())


def test_a_file_in_the_place_of_the_files_is_damage(store: Store, tmp_path: Path) -> None:
    store.remove("versions/2/files")
    store.put("versions/2/files")
    with pytest.raises(Damaged):
        store.reg.path("churn@2")
    assert_not_handed_out(store, tmp_path)


def test_a_shared_file_is_reported_for_every_version_that_has_it(store: Store) -> None:
    shared = "versions/2/files/conf/params.json"
    store.write(shared, b"[" + store.at(shared).read_bytes()[1:])
    assert store.where("changed-file") == ["churn@1", "churn@2", "churn@4", "churn@5"]


def test_a_damaged_blob_is_not_linked_into_a_new_version(store: Store, make_file: object, tmp_path: Path) -> None:
    good = store.at("versions/2/files/conf/params.json").read_bytes()
    store.write("versions/2/files/conf/params.json", b"[" + good[1:])
    (tmp_path / "params.json").write_bytes(good)
    number = store.reg.register("churn", [tmp_path / "params.json"]).number
    assert store.reg.artifacts.verify_files(f"churn@{number}").number == 6
    assert f"churn@{number}" not in store.where("changed-file")


@pytest.mark.parametrize("change", ["truncated", "grown"])
def test_a_wrong_size_is_found_by_both_checks(store: Store, tmp_path: Path, change: str) -> None:
    data = store.at(MODEL).read_bytes()
    store.write(MODEL, data[:-1] if change == "truncated" else data + b"\0")
    assert ("size", "error") in store.found(quick=True)
    assert store.found() == {("size", "error"), ("changed-file", "error")}
    with pytest.raises(Damaged, match="was changed: files"):
        store.reg.path("churn@2")
    assert_not_handed_out(store, tmp_path)


def test_a_missing_file(store: Store, tmp_path: Path) -> None:
    store.remove(MODEL)
    for quick in (False, True):
        assert store.found(quick=quick) == {("missing-file", "error"), ("size", "error")}
    with pytest.raises(Damaged):
        store.reg.path("churn@2")
    assert_not_handed_out(store, tmp_path)


def test_the_last_copy_of_a_missing_file_is_kept(store: Store) -> None:
    """Its blob has no other name left, as garbage has; but it is what the version can be mended with."""
    data = store.at(MODEL).read_bytes()
    store.remove(MODEL)
    assert store.reg.admin.gc() == []
    assert store.reg.admin.repair() == []
    [blob] = [path for path in store.at("blobs").rglob("*") if path.is_file() and path.read_bytes() == data]
    store.linked(blob, MODEL)
    assert store.found() == set()


def test_a_missing_empty_file(store: Store, tmp_path: Path) -> None:
    store.remove("versions/2/files/conf/empty.txt")
    assert store.found(quick=True) == {("missing-file", "error"), ("size", "error")}
    assert_not_handed_out(store, tmp_path)


def test_an_extra_file_among_the_files(store: Store, tmp_path: Path) -> None:
    store.put("versions/2/files/.nfs0001")
    assert store.found() == {("extra-file", "error"), ("size", "error")}
    assert ".nfs0001" in store.words()
    assert_not_handed_out(store, tmp_path)


def test_an_extra_file_beside_the_document(store: Store) -> None:
    store.put("versions/2/notes.txt")
    assert store.found() == {("extra-file", "error")}
    assert store.reg.artifacts.verify_files("churn@2").number == 2


@pytest.mark.parametrize("ends", [b"\r\n", b"\n\n"])
def test_a_manifest_whose_line_ends_were_changed(store: Store, tmp_path: Path, ends: bytes) -> None:
    data = store.at(MANIFEST).read_bytes()
    store.write(MANIFEST, data.replace(b"\n", b"\r\n") if ends == b"\r\n" else data + b"\n")
    assert store.found() == {("manifest", "error")}
    assert "line endings" in store.words()
    assert_not_handed_out(store, tmp_path)


@pytest.mark.parametrize("damage", ["edited", "a line removed", "empty", "lost"])
def test_a_manifest_that_is_not_the_sealed_one(store: Store, tmp_path: Path, damage: str) -> None:
    data = store.at(MANIFEST).read_bytes()
    if damage == "lost":
        store.remove(MANIFEST)
    else:
        lines = data.splitlines(keepends=True)
        store.write(MANIFEST, {"edited": b"0" + data[1:], "a line removed": b"".join(lines[1:]), "empty": b""}[damage])
    assert store.found() == {("manifest", "error")}
    assert store.found(quick=True) == {("manifest", "error")}
    assert_not_handed_out(store, tmp_path)
    with pytest.raises(Damaged):
        store.reg.artifacts.files("churn@2")


def test_a_manifest_that_leads_out_of_the_artifact(store: Store, tmp_path: Path) -> None:
    """Whoever can write a manifest and its digest still names no file outside of it."""
    import hashlib

    secret = tmp_path / "secret"
    secret.write_text("secret")
    line = f"{hashlib.sha256(b'secret').hexdigest()}  ../../../../../../secret\n".encode()
    before = store.reg.version("churn@2").digest
    store.write(MANIFEST, line)
    store.change(DOCUMENT, before, hashlib.sha256(line).hexdigest())
    assert ("manifest", "error") in store.found()
    assert_not_handed_out(store, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("version: 2\n", "version: 7\n", {"document"}),
        ("size: ", "size: 1", {"size", "changed-document"}),
        ("auc: 0.92", "auc: 0.93", {"changed-document"}),
        ("depth: 6", "depth: 7", {"changed-document"}),
        ("message: run 2", "message: run 3", {"changed-document"}),
        ("\nevent:\n", "\nevant:\n", {"document"}),
        ("format: 1\n", "", {"document"}),
        ("author: alice", "author: [alice", {"document"}),
        ("author: alice", "author: &a alice", {"document"}),
        ("author: alice", "author: alice\nauthor: bob", {"document"}),
    ],
)
def test_a_document_that_was_edited(store: Store, old: str, new: str, codes: set[str]) -> None:
    """Down to the last digit of a metric: the journal keeps the sha256 of the document."""
    store.change(DOCUMENT, old, new)
    assert {(code, "error") for code in codes} <= store.found()
    assert {code for code, _ in store.found()} <= {*codes, "changed-document"}
    if "document" in codes:
        with pytest.raises(Damaged):
            store.reg.version("churn@2")
    assert store.reg.version("churn@1").number == 1


def test_a_document_whose_digest_was_edited(store: Store, tmp_path: Path) -> None:
    digest = store.reg.version("churn@2").digest
    store.change(DOCUMENT, digest, digest[::-1])
    assert store.found() == {("manifest", "error"), ("changed-document", "error")}
    assert_not_handed_out(store, tmp_path)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xff\xfe", b"- a\n- b\n", b"a: {b", b"{" * 1000])
def test_a_document_that_is_none(store: Store, data: bytes) -> None:
    store.write(DOCUMENT, data)
    assert ("document", "error") in store.found()
    with pytest.raises(Damaged):
        store.reg.version("churn@2")


def test_a_document_that_is_missing(store: Store) -> None:
    store.remove(DOCUMENT)
    assert store.found() == {("document", "error")}
    with pytest.raises(Damaged, match="missing"):
        store.reg.version("churn@2")


def test_a_document_that_is_a_link(store: Store, tmp_path: Path) -> None:
    store.replace_by_link(DOCUMENT, tmp_path / "elsewhere.yaml")
    assert ("document", "error") in store.found()
    with pytest.raises(Damaged, match="symbolic link"):
        store.reg.version("churn@2")


def test_a_document_of_a_newer_format(store: Store) -> None:
    store.change(DOCUMENT, "format: 1", "format: 2")
    assert ("document", "error") in store.found()
    with pytest.raises(Refused, match=r"format 2.*upgrade"):
        store.reg.version("churn@2")


def test_a_version_that_was_removed_by_hand(store: Store) -> None:
    store.remove("versions/5")
    assert ("missing-version", "error") in store.found()
    assert ("pointer", "error") in store.found(), "staging points to it"
    with pytest.raises(NotFound):
        store.reg.version("churn@5")
    with pytest.raises(Damaged, match="points to version 5, which is missing"):
        store.reg.version("churn@staging")
    with pytest.raises(Damaged):
        store.reg.promote("churn@staging", "production")


def test_the_number_of_a_version_that_was_removed_by_hand_is_not_used_again(store: Store, tmp_path: Path) -> None:
    store.remove("versions/5")
    (tmp_path / "m").write_text("m")
    assert store.reg.register("churn", [tmp_path / "m"]).number == 6


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_version_folder_that_is_none(store: Store, tmp_path: Path, kind: str) -> None:
    if kind == "link":
        store.replace_by_link("versions/2", tmp_path / "elsewhere")
    else:
        store.remove("versions/2")
        store.put("versions/2")
    assert ("version-folder", "error") in store.found()
    for read in (store.reg.version, store.reg.path, store.reg.artifacts.files, store.reg.artifacts.verify_files):
        with pytest.raises(Damaged):
            read("churn@2")
    assert store.reg.version("churn@1").number == 1


@pytest.mark.parametrize("folder", ["versions/2/files", "versions/2/files/conf"])
def test_no_link_on_the_way_to_a_file_is_followed(store: Store, tmp_path: Path, folder: str) -> None:
    """Even when what it leads to has the same files with the same contents."""
    store.replace_by_link(folder, tmp_path / "elsewhere")
    assert any(severity == "error" for _, severity in store.found())
    assert any(severity == "error" for _, severity in store.found(quick=True))
    assert_not_handed_out(store, tmp_path)
    for read in (store.reg.path, store.reg.artifacts.verify_files):
        with pytest.raises(Damaged):
            read("churn@2")
    with pytest.raises(Damaged):
        store.reg.artifacts.cat("churn@2", "conf/params.json", io.BytesIO())


def test_a_file_that_is_a_link_to_the_same_bytes(store: Store, tmp_path: Path) -> None:
    store.replace_by_link(MODEL, tmp_path / "elsewhere.bin")
    assert ("changed-file", "error") in store.found(quick=True)
    assert_not_handed_out(store, tmp_path)


@pytest.mark.parametrize("path", [MODEL, DOCUMENT, MANIFEST, "versions/2", "versions/2/files/conf"])
def test_what_is_sealed_but_writable(store: Store, path: str) -> None:
    target = store.at(path)
    target.chmod(0o755 if target.is_dir() else 0o644)
    assert store.found() == {("mode", "warning")}
    assert store.reg.admin.verify().ok


def test_one_damaged_version_keeps_nothing_else_from_being_checked(store: Store) -> None:
    store.write(DOCUMENT, b"")
    store.write("versions/5/files/model.bin", b"x")
    store.remove("stages/staging")
    assert {"document", "changed-file", "size", "link"} <= {code for code, _ in store.found()}
    assert store.reg.admin.verify().versions == 5


def test_verify_raises_for_a_model_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        store.reg.admin.verify(["nothing"])
    with pytest.raises(RegistryError):
        store.reg.admin.verify(["../etc"])
