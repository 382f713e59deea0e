"""What is read while somebody else changes it: it is as it was, or as it is, and never called damaged."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, NotFound, Registry
from registry_cli.core.times import format_time
from registry_cli.operations import maintenance, transaction
from registry_cli.operations.context import open_model
from registry_cli.store import creation, journal, model_export, staging
from registry_cli.store.filesystem import files
from registry_cli.store.layout import Layout, ModelLayout
from registry_cli.store.maintenance import gc
from tests.conftest import Clock

Make = Callable[..., Path]


@pytest.fixture
def churn(reg: Registry, make_file: Make) -> Registry:
    for number in range(1, 4):
        folder = make_file(pickle.dumps({"weights": [number] * 5000}), "in/model.pkl").parents[1]
        make_file(f"{number}", "other.txt")
        reg.register("churn", [folder])
    reg.promote("churn@3", "production")
    return reg


def test_a_tree_that_goes_away(tmp_path: Path) -> None:
    for name in ("a/1", "b/2", "c/d/3", "4"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    whole = {Path(path).name for path, _ in files.iter_tree(tmp_path / "tree")}
    assert whole == {"a", "b", "c", "d", "1", "2", "3", "4"}
    walk = files.iter_tree(tmp_path / "tree")
    first = Path(next(walk)[0])
    shutil.rmtree(tmp_path / "tree")
    assert {Path(path).parent for path, _ in walk} <= {first.parent}, "nothing below what is gone, and no error"
    assert list(files.iter_tree(tmp_path / "tree")) == []
    assert files.measure(tmp_path / "tree") == (0, 0)


def test_what_a_version_frees_that_is_deleted_just_now(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Layout(churn.root).model("churn")
    walk = files.iter_tree

    def slow(folder: Path) -> object:
        if folder == paths.files(1):
            churn.delete(["churn@1"], force=True, reason="wrong")
        return walk(folder)

    monkeypatch.setattr(files, "iter_tree", slow)
    freed = gc.freed_by(paths, [1, 2])
    assert freed[1] == 0
    assert freed[2] > 0


def test_files_that_somebody_looks_into(churn: Registry) -> None:
    def read(number: int, meanwhile: Callable[[], object]) -> bytes:
        with churn.artifacts.open(f"churn@{number}") as artifact:
            meanwhile()
            return (artifact.folder / "in" / "model.pkl").read_bytes()

    with pytest.raises(NotFound, match="deleted concurrently"):
        read(1, lambda: churn.delete(["churn@1"], force=True, reason="wrong"))
    with pytest.raises(Conflict, match="packed"):
        read(2, lambda: churn.archive(["churn@2"], compress="gzip"))
    with churn.artifacts.open("churn@2") as artifact:
        assert (artifact.folder / "other.txt").read_text() == "2"
        assert churn.root not in artifact.folder.parents
    assert not artifact.folder.exists(), "it was only for the time being"
    with pytest.raises(FileNotFoundError):  # it is no version's
        read(3, lambda: (_ for _ in ()).throw(FileNotFoundError("another file")))


def test_a_file_that_is_lost(churn: Registry) -> None:
    place = churn.path("churn@3", "other.txt")
    place.parent.chmod(0o755)
    kept = place.read_bytes()
    place.unlink()
    with pytest.raises(Damaged, match="files: 1 "):
        churn.artifacts.scan("churn@3")
    with pytest.raises(Damaged, match="files: 1 "):
        churn.artifacts.inspect("churn@3")
    place.write_bytes(kept)
    place.chmod(0o444)
    place.parent.chmod(0o555)
    churn.admin.repair()


def test_a_packed_version_is_looked_into_like_any_other(churn: Registry) -> None:
    def looked() -> list[tuple[str, ...]]:
        scan, inspected = churn.artifacts.scan("churn@1"), churn.artifacts.inspect("churn@1")
        return [
            *((each.path, each.verdict) for each in scan.files),
            *((each.path, each.format) for each in inspected.found),
        ]

    before = looked()
    churn.archive(["churn@1"], compress="gzip")
    assert looked() == before
    assert ("in/model.pkl", "known-globals") in before, "a pickle was looked into"


def test_a_copy_of_a_model_that_changes_under_it(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table and journal are read one after the other: of two changes in between the copy must not know half."""
    last_entry = journal.last_entry

    def slow(path: Path) -> object:
        monkeypatch.setattr(journal, "last_entry", last_entry)
        for ref in ("churn@1", "churn@2"):
            churn.promote(ref, "staging")
        return last_entry(path)

    monkeypatch.setattr(journal, "last_entry", slow)
    taken = model_export.read_model_export(Layout(churn.root).model("churn"))
    assert taken.last is not None
    assert taken.last.revision == taken.state.table.revision == churn.model("churn").revision
    assert taken.state.table.stages == {"production": 3, "staging": 2}


def test_a_damaged_model_is_told_as_such(churn: Registry, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(churn.root, broken, symlinks=True)
    (broken / "models/churn/history.jsonl").unlink()
    with pytest.raises(Damaged, match="does not match its versions"):
        model_export.read_model_export(Layout(broken).model("churn"))


def test_the_past_of_a_model_that_goes_on(churn: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while the journal is read is not in the answer, unless all before it is."""
    later, scan = format_time(clock()).replace("2026", "2036"), journal.scan
    before = churn.version("churn@production", as_of=later)

    def slow(path: Path, containing: bytes) -> object:
        monkeypatch.setattr(journal, "scan", scan)
        found = scan(path, containing)
        for ref in ("churn@1", "churn@2"):
            churn.promote(ref, "production")
        return found

    monkeypatch.setattr(journal, "scan", slow)
    assert churn.version("churn@production", as_of=later) == before
    assert churn.version("churn@production", as_of=later).number == 2


def test_a_model_that_is_renamed_while_a_version_comes_in(
    churn: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version would be the first of a second model of the old name, which nobody looks at."""
    fill = staging.fill
    source = make_file("another", "another.bin")

    def before(*arguments: Any) -> None:
        churn.admin.rename("churn", "crm")
        fill(*arguments)

    def after(*arguments: Any) -> None:
        fill(*arguments)
        churn.admin.rename("crm", "risk")

    for name, slow in (("churn", before), ("crm", after)):
        monkeypatch.setattr(staging, "fill", slow)
        with pytest.raises(NotFound):
            churn.register(name, [source])
    monkeypatch.setattr(staging, "fill", fill)
    assert churn.admin.model_names() == ["risk"]
    assert [path.name for path in (churn.root / "models").iterdir()] == ["risk"]
    assert churn.register("risk", [source]).ref == "risk@4"
    churn.admin.gc(age=-1)


def test_who_gives_up_takes_nothing_from_who_goes_on(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_wanted, source = creation._is_wanted, make_file()

    def slow(paths: ModelLayout) -> bool:
        monkeypatch.setattr(creation, "_is_wanted", is_wanted)
        reg.register("churn", [source])
        return False

    paths = Layout(reg.root).model("churn")
    monkeypatch.setattr(creation, "_is_wanted", slow)
    creation.remove_skeleton(Layout(reg.root), paths, reg.context.modes)
    assert all(folder.is_dir() for folder in paths.folders)
    assert reg.tag("churn@1", {"a": "b"}).changed


def test_a_copy_that_left_empty_folders_out(churn: Registry, make_file: Make) -> None:
    """So does git, and so do some tools for backups."""
    paths = Layout(churn.root).model("churn")
    for folder in paths.folders:
        if not any(folder.iterdir()):
            folder.rmdir()
    assert not paths.annotations.exists() and not paths.tombstones.exists()
    assert churn.admin.verify().problems == ()
    assert churn.versions("churn")[0].number == 3
    churn.tag("churn@2", {"a": "b"})
    churn.delete(["churn@1"], force=True, reason="wrong")
    assert churn.version("churn@2").tags == {"a": "b"}


def test_all_models_are_tidied_but_the_one_that_was_renamed_just_now(
    churn: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "iter_model_names", lambda _: ["before", "churn"])
        assert churn.admin.gc(age=-1) == churn.admin.repair() == []
    with pytest.raises(NotFound, match="model 'before' not found"):
        churn.admin.gc(["before"])


def test_a_model_that_is_renamed_and_made_again_while_a_version_comes_in(
    churn: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was staged went with the old one: it is not registered, and is not said to be."""
    fill, source = staging.fill, make_file("another", "another.bin")

    def slow(*arguments: Any) -> None:
        monkeypatch.setattr(staging, "fill", fill)
        fill(*arguments)
        churn.admin.rename("churn", "crm")
        with pytest.raises(Conflict, match="former name of the model 'crm'"):  # a reference may mean the other one
            churn.register("churn", [source])
        churn.register("churn", [source], reuse_name=True)

    monkeypatch.setattr(staging, "fill", slow)
    with pytest.raises(Conflict, match="renamed during the registration"):
        churn.register("churn", [make_file("a third", "third.bin")])
    assert (churn.model("churn").latest, churn.model("crm").latest) == (1, 3)
    churn.admin.gc(age=-1)


def test_a_model_that_is_renamed_while_another_rename_looks(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    real = transaction.ensure_not_former_name

    def meanwhile(*args: Any, **options: Any) -> None:
        real(*args, **options)
        monkeypatch.undo()
        Registry(churn.root).admin.rename("churn", "other")

    monkeypatch.setattr("registry_cli.operations.models.ensure_not_former_name", meanwhile)
    with pytest.raises(NotFound, match="model 'churn' not found") as caught:
        churn.admin.rename("churn", "third")
    assert "other" in str(caught.value)


def test_a_group_that_goes_away_while_a_rename_looks(churn: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    group, real = Path(churn.root) / "models/crm", files.exists
    group.mkdir()
    gone: list[Path] = []

    def exists(path: Path) -> bool:
        found = real(path)
        if found and path == group:
            monkeypatch.undo()
            group.rmdir()
            gone.append(path)
        return found

    monkeypatch.setattr(files, "exists", exists)
    assert churn.admin.rename("churn", "crm/churn").changed
    assert len(gone) == 1


def test_a_model_that_is_renamed_while_its_files_are_counted_is_not_damaged(churn: Registry) -> None:
    model = open_model(churn.context, "churn")
    record = model.version(3, model.state())
    churn.admin.rename("churn", "leavers")
    with pytest.raises(NotFound, match="model 'churn' not found"):
        model.check_size(record)
