"""``verify REF``: one version, its files and records, and nothing that concerns the others only."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import NotFound, Registry
from tests.integrity.conftest import Store
from tests.keys import make_key, public


def problems(store: Store, *refs: str, quick: bool = False) -> set[tuple[str, str]]:
    return {(each.code, each.where) for each in store.reg.admin.verify(list(refs), quick=quick).problems}


def test_only_that_version_is_checked(store: Store) -> None:
    store.write("versions/5/files/model.bin", b"\0" * 2049)
    assert problems(store, "churn@2") == set() == problems(store, "churn@production", "risk/fraud@1")
    assert problems(store, "churn@5") == {("changed-file", "churn@5")} == problems(store, "churn@staging")
    assert problems(store, "churn@2", "churn") == {("changed-file", "churn@5")}
    found = store.reg.admin.verify(["churn@2", "churn@champion", "churn@4"])
    assert (found.models, found.versions, found.files) == (1, 2, 6)


@pytest.mark.parametrize(
    ("path", "code"),
    [("version.yaml", "changed-document"), ("manifest-sha256.txt", "manifest"), ("files/model.bin", "missing-file")],
)
def test_its_records_are_checked_too(store: Store, path: str, code: str) -> None:
    if code == "missing-file":
        store.remove(f"versions/2/{path}")
    else:
        store.write(f"versions/2/{path}", store.at(f"versions/2/{path}").read_bytes() + b"\n")
    assert (code, "churn@2") in problems(store, "churn@2", quick=True)
    assert problems(store, "churn@1", quick=True) == set()


def test_its_annotation_belongs_to_it(store: Store) -> None:
    store.change("annotations/2.yaml", "0.875", "0.975")
    assert problems(store, "churn@2") == {("changed-document", "churn@2")}
    assert problems(store, "churn@1") == set()


def test_what_concerns_the_whole_model_is_reported(store: Store) -> None:
    """A pointer that was changed by hand leads to a version that is sound in itself."""
    store.change("stages.yaml", "production: 2", "production: 1")
    assert ("pointer-journal", "churn") in problems(store, "churn@production")


def test_a_version_that_the_history_has_is_damage_when_it_is_gone(store: Store) -> None:
    store.remove("versions/1")
    assert problems(store, "churn@1") == {("missing-version", "churn@1")}
    assert problems(store, "churn@2") == set()


@pytest.mark.parametrize("ref", ["churn@99", "churn@3", "nothing@1", "churn@canary"])
def test_what_is_not_there_is_not_found(store: Store, ref: str) -> None:
    with pytest.raises(NotFound):
        store.reg.admin.verify([ref])


def test_signatures_of_that_version_only(store: Store, tmp_path: Path) -> None:
    key = make_key(tmp_path, "key")
    (store.root / "allowed_signers").write_text(f"bob {public(key)}\n")
    reg = Registry(store.root, author="bob")
    reg.approvals.sign("churn@2", key=key)
    for ref, signed, unsigned in (("churn@2", 1, 0), ("churn@1", 0, 1)):
        found = reg.admin.verify([ref], signatures=True)
        assert (found.ok, found.signatures, found.unsigned) == (True, signed, unsigned)
    (store.root / "allowed_signers").write_text("")
    assert not reg.admin.verify(["churn@2"], signatures=True).ok
    assert reg.admin.verify(["churn@1"], signatures=True).ok
