"""Damage to what is said of versions: the stage table, annotations, tombstones, links."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from registry_cli import Damaged, NotFound, Refused, Registry, RegistryError
from tests.integrity.conftest import Store

STAGES = {"production": 2, "staging": 5, "development": 5}


def read(store: Store) -> dict[str, int]:
    return dict(store.reg.model("churn").stages)


@pytest.mark.parametrize("damage", ["truncated", "half", "empty", "missing", "zeros", "a link", "a folder"])
def test_a_stage_table_that_can_not_be_read(store: Store, tmp_path: Path, damage: str) -> None:
    data = store.at("stages.yaml").read_bytes()
    if damage == "missing":
        store.remove("stages.yaml")
    elif damage == "a link":
        store.replace_by_link("stages.yaml", tmp_path / "elsewhere.yaml")
    elif damage == "a folder":
        store.remove("stages.yaml")
        store.at("stages.yaml").mkdir()
    else:
        cut = data.index(b"aliases")
        store.write(
            "stages.yaml", {"truncated": data[:cut], "half": data[:50], "empty": b"", "zeros": b"\0" * 99}[damage]
        )
    assert store.found() == {("document", "error")}
    for verb in (lambda: store.reg.version("churn@production"), lambda: store.reg.promote("churn@1", "staging")):
        with pytest.raises((Damaged, IsADirectoryError)):
            verb()
    assert store.reg.version("risk/fraud@1").number == 1, "the other model works"


@pytest.mark.parametrize("line", range(2, 15))
def test_a_stage_table_cut_at_a_line_end_is_found_or_the_same(store: Store, line: int) -> None:
    """Never is a stage taken for empty because the line that fills it is lost."""
    lines = store.at("stages.yaml").read_bytes().splitlines(keepends=True)
    store.write("stages.yaml", b"".join(lines[:line]))
    assert store.found() != set() or line >= len(lines)
    with contextlib.suppress(Damaged):
        assert read(store) == STAGES


def test_a_stage_table_restored_from_an_older_copy(store: Store) -> None:
    """Readers follow the claims, so the old copy misleads nobody; the next writer brings the table up to date."""
    revision = store.reg.model("churn").revision
    store.write("stages.yaml", store.at(f".stages-{revision - 5}").read_bytes())
    assert store.found() == {("stages-behind", "warning")}
    assert read(store) == STAGES
    store.reg.promote("churn@1", "staging")
    assert store.reg.admin.verify().problems == ()
    assert store.reg.model("churn").revision == revision + 1


def test_a_stage_table_from_before_the_oldest_claim(store: Store) -> None:
    text = store.at("stages.yaml").read_text()
    revision = store.reg.model("churn").revision
    store.write("stages.yaml", text.replace(f"revision: {revision}", "revision: 1").encode())
    assert ("journal-ahead", "error") in store.found()
    with pytest.raises(Damaged, match="does not match its versions"):
        store.reg.promote("churn@1", "staging")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("production: 2", "production: 3", "pointer"),
        ("production: 2", "production: 4", "pointer"),
        ("production: 2", "production: 77", "pointer"),
        ("production: 2", "production: 1", "pointer-journal"),
        ("champion: 2", "champion: 1", "pointer-journal"),
        ("archived: '4'", "archived: ''", "pointer-journal"),
        ("archived: '4'", "archived: '1, 4'", "pointer-journal"),
        ("deleted: '3'", "deleted: ''", "pointer-journal"),
        ("by: alice", "by: bob", "pointer-journal"),
        ("reason: try", "reason: why", "pointer-journal"),
    ],
)
def test_a_stage_table_edited_by_hand(store: Store, old: str, new: str, code: str) -> None:
    store.change("stages.yaml", old, new)
    assert {(code, "error"), ("claim", "warning")} <= store.found()


def test_a_stage_that_points_to_a_deleted_or_archived_version(store: Store) -> None:
    store.change("stages.yaml", "production: 2", "production: 3")
    with pytest.raises(NotFound, match="was deleted on 2026-03-01 by alice: wrong data"):
        store.reg.version("churn@production")
    store.change("stages.yaml", "production: 3", "production: 77")
    with pytest.raises(Damaged, match="points to version 77, which is missing"):
        store.reg.version("churn@production")


@pytest.mark.parametrize("value", ["0", "-1", "'2'", "2.0", "true", "null", "1000000000", "[2]"])
def test_a_stage_that_points_to_no_number(store: Store, value: str) -> None:
    store.change("stages.yaml", "production: 2", f"production: {value}")
    assert store.found() == {("document", "error")}
    with pytest.raises(Damaged):
        store.reg.version("churn@production")


def test_a_stage_table_of_a_newer_format(store: Store) -> None:
    store.change("stages.yaml", "format: 1", "format: 3")
    assert store.found() == {("document", "error")}
    with pytest.raises(Refused, match="upgrade"):
        store.reg.version("churn@1")
    with pytest.raises(Refused, match="upgrade"):
        store.reg.promote("churn@1", "staging")


@pytest.mark.parametrize("damage", ["missing", "empty", "another"])
def test_the_claim_behind_the_stage_table(store: Store, damage: str) -> None:
    """It is the only copy of the table: losing it is told, though everything works."""
    revision = store.reg.model("churn").revision
    claim = f".stages-{revision}"
    if damage == "missing":
        store.remove(claim)
    else:
        store.write(claim, b"" if damage == "empty" else store.at(f".stages-{revision - 1}").read_bytes())
    assert store.found() == {("claim", "warning")}
    assert read(store) == STAGES
    store.reg.promote("churn@1", "staging")
    assert store.reg.admin.verify().problems == ()


def test_a_claim_that_lies_about_its_revision(store: Store) -> None:
    revision = store.reg.model("churn").revision
    (store.at(f".stages-{revision + 1}")).write_bytes(store.at(f".stages-{revision}").read_bytes())
    assert store.found() == {("document", "error")}
    with pytest.raises(Damaged, match="claims to be revision"):
        store.reg.version("churn@1")


@pytest.mark.parametrize("damage", ["a link", "empty", "newer"])
def test_the_document_of_the_model(store: Store, tmp_path: Path, damage: str) -> None:
    if damage == "a link":
        store.replace_by_link("model.yaml", tmp_path / "elsewhere.yaml")
    elif damage == "newer":
        store.change("model.yaml", "format: 1", "format: 9")
    else:
        store.write("model.yaml", b"")
    assert store.found() == {("document", "error")}
    with pytest.raises((Damaged, Refused)):
        store.reg.model("churn")
    assert store.reg.version("churn@production").number == 2, "the versions are not touched by that"


def test_a_model_without_its_document_is_not_overlooked(store: Store, tmp_path: Path) -> None:
    """Nobody can see it, so verify has to."""
    store.remove("model.yaml")
    assert store.reg.admin.model_names() == ["risk/fraud"]
    assert store.found() == {("document", "error")}
    assert store.reg.admin.verify().models == 2
    (tmp_path / "m").write_text("m")
    assert store.reg.register("churn", [tmp_path / "m"]).number == 6, "registering makes it a model again"
    assert store.found() == set()


def test_a_grouped_model_without_its_document(store: Store) -> None:
    (store.root / "models/risk/fraud/model.yaml").unlink()
    assert [problem.where for problem in store.reg.admin.verify().problems] == ["risk/fraud"]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("annotations/1.yaml", "site: eu", "site: us"),
        ("annotations/2.yaml", "calls of 2025", "calls of 2024"),
        ("annotations/2.yaml", "0.875", "0.975"),
        ("tombstones/3.yaml", "wrong data", "right data"),
        ("tombstones/3.yaml", "auc: 0.93", "auc: 0.94"),
    ],
)
def test_what_was_said_later_is_held_to_the_journal_too(store: Store, path: str, old: str, new: str) -> None:
    store.change(path, old, new)
    assert store.found() == {("changed-document", "error")}
    assert path in store.words()


def test_an_annotation_that_is_lost(store: Store) -> None:
    store.remove("annotations/2.yaml")
    assert store.found() == {("changed-document", "error")}
    assert "annotations/2.yaml is missing" in store.words()


def test_an_annotation_that_nobody_wrote(store: Store) -> None:
    store.put("annotations/4.yaml", b"format: 1\ntags: {team: hr}\n")
    assert store.found() == {("changed-document", "error")}


def test_an_annotation_of_no_version(store: Store) -> None:
    store.put("annotations/99.yaml", b"format: 1\ntags: {team: hr}\n")
    assert store.found() == {("annotation", "warning")}


def test_an_annotation_that_can_not_be_read(store: Store) -> None:
    store.write("annotations/2.yaml", b"tags: [")
    assert store.found() == {("document", "error"), ("changed-document", "error")}
    with pytest.raises(Damaged):
        store.reg.version("churn@2")
    assert store.reg.version("churn@1").tags == {"site": "eu"}


def test_a_missing_tombstone(store: Store) -> None:
    store.remove("tombstones/3.yaml")
    assert store.found() == {("tombstone", "error")}
    with pytest.raises(NotFound, match=r"churn@3 was deleted;"):
        store.reg.version("churn@3")


@pytest.mark.parametrize("damage", ["missing", "elsewhere", "a file", "of no stage"])
def test_the_links_of_the_stages(store: Store, damage: str) -> None:
    link = store.at("stages/production")
    if damage == "of no stage":
        store.at("stages/canary").symlink_to("../versions/1")
    else:
        link.unlink()
    if damage == "elsewhere":
        link.symlink_to("../versions/1")
    elif damage == "a file":
        link.write_text("2")
    assert store.found() == {("link", "warning")}
    assert store.reg.version("churn@production").number == 2
    store.reg.admin.repair()
    assert store.found() == set()
    assert os.readlink(link) == "../versions/2"


@pytest.mark.parametrize("damage", ["missing", "newer", "unreadable", "a link"])
def test_the_document_of_the_registry(store: Store, tmp_path: Path, damage: str) -> None:
    path = store.root / "registry.yaml"
    text = path.read_text()
    path.unlink()
    if damage == "newer":
        path.write_text(text.replace("format: 1", "format: 2"))
    elif damage == "unreadable":
        path.write_text(text.replace("[", ""))
    elif damage == "a link":
        (tmp_path / "elsewhere.yaml").write_text(text)
        path.symlink_to(tmp_path / "elsewhere.yaml")
    kind: type[RegistryError] = {"missing": NotFound, "newer": Refused}.get(damage, Damaged)
    with pytest.raises(RegistryError) as caught:
        Registry.open(store.root)
    assert damage == "unreadable" or type(caught.value) is kind
