"""Registering: what comes in, under which names and numbers, and what is stored only once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Registry
from registry_cli.store import journal
from tests.support import snapshot

Make = Callable[..., Path]


def stored(registry: Registry, ref: str) -> dict[str, str]:
    """The files of a version as they lie there, by name."""
    root = registry.path(ref)
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_one_file_comes_under_its_own_name(reg: Registry, make_file: Make) -> None:
    outcome = reg.register("churn", [make_file("a model")])
    assert (outcome.ref, outcome.new, outcome.added, outcome.why) == ("churn@1", True, 7, "")
    assert stored(reg, "churn") == {"model.pkl": "a model"}
    assert (outcome.size, outcome.files) == (7, 1)


def test_a_file_can_be_given_another_name(reg: Registry, make_file: Make) -> None:
    reg.register("churn", {"best.pkl": make_file()})
    assert stored(reg, "churn") == {"best.pkl": "a model"}


def test_many_paths_come_under_their_names(reg: Registry, make_file: Make) -> None:
    make_file("1", "folder/a/b/deep")
    make_file("2", "folder/top")
    reg.register("churn", [make_file(), make_file("{}", "config.json"), make_file().parent / "folder"])
    assert stored(reg, "churn") == {
        "model.pkl": "a model",
        "config.json": "{}",
        "folder/a/b/deep": "1",
        "folder/top": "2",
    }


def test_one_folder_gives_its_contents(reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make_file("1", "folder/a/b/deep")
    folder = make_file("2", "folder/top").parent
    (folder / "empty").mkdir()
    reg.register("churn", [folder])
    assert stored(reg, "churn") == {"a/b/deep": "1", "top": "2"}
    monkeypatch.chdir(folder)
    assert reg.register("churn", ["."]).digest == reg.version("churn@1").digest
    assert reg.register("churn", ["../folder/"]).digest == reg.version("churn@1").digest


def test_numbers_go_up_by_one_in_each_model(reg: Registry, make_file: Make) -> None:
    refs = [reg.register(name, [make_file()]).ref for name in ("churn", "churn", "risk/churn", "churn", "risk/churn")]
    assert refs == ["churn@1", "churn@2", "risk/churn@1", "churn@3", "risk/churn@2"]
    assert [version.number for version in reg.versions("churn")] == [3, 2, 1]
    assert reg.admin.model_names() == ["churn", "risk/churn"]


def test_what_is_said_comes_back_as_it_was_said(reg: Registry, make_file: Make) -> None:
    said: dict[str, Any] = {
        "params": {"depth": 6, "lr": 1e-5, "deep": True, "name": "no", "zip": "0123", "none": None, "layers": [1, 2]},
        "metrics": {"auc": 0.93, "n": 100, "tiny": 1e-300},
        "tags": {"team": "crm", "on": "yes", "n": 3},
        "annotations": {"purpose": "Two lines.\n\n  And: #more\n", "ünï": "日本語 😀"},
    }
    reg.register("churn", [make_file()], message="first\nsecond", **said)
    version = Registry.open(reg.root).version("churn")
    assert version.message == "first\nsecond"
    assert said["params"].pop("none") is None
    assert version.params == {**said["params"], "layers": "[1, 2]"}, "what has no value is left out"
    assert (version.metrics, version.annotations) == (said["metrics"], said["annotations"])
    assert version.tags == {"team": "crm", "on": "yes", "n": "3"}
    assert (version.author, version.created) == ("alice", version.event.at if version.event else "")
    assert [type(version.params[name]) for name in ("depth", "lr", "deep")] == [int, float, bool]


def test_standard_input_of_a_process(reg: Registry) -> None:
    program = "import sys; from registry_cli import Registry; print(Registry.open().register('churn', {'m': '-'}).ref)"
    told = subprocess.run(
        [sys.executable, "-c", program], input=b"from a pipe", capture_output=True, check=True,
        env={**os.environ, "REGISTRY_HOME": str(reg.root), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert told.stdout == b"churn@1\n"
    assert stored(reg, "churn") == {"m": "from a pipe"}


@pytest.mark.parametrize("name", [None, "", "a/b", "..", "a\nb"])
def test_standard_input_needs_a_name(reg: Registry, name: str | None) -> None:
    with pytest.raises(InvalidInput):
        reg.register("churn", "-" if name is None else {name: "-"})
    assert reg.admin.model_names() == []


def test_an_unchanged_artifact_is_not_registered_again(reg: Registry, make_file: Make) -> None:
    reg.register("churn", [make_file()])
    before = snapshot(reg.root)
    outcome = reg.register("churn", [make_file()], if_changed=True)
    assert (outcome.ref, outcome.new, outcome.added, outcome.why) == ("churn@1", False, 0, "unchanged")
    assert snapshot(reg.root) == before
    assert reg.register("churn", [make_file("b model")], if_changed=True).ref == "churn@2"
    assert reg.register("churn", [make_file("b model", "other.pkl")], if_changed=True).ref == "churn@3"
    assert reg.register("churn", [make_file("a model")], if_changed=True).ref == "churn@4", "the latest counts, not any"


@pytest.mark.parametrize("size", [7, 3 << 20, 9 << 20])
def test_the_same_content_twice_is_stored_once(reg: Registry, make_file: Make, size: int) -> None:
    """Below and above the sizes from which a file is hashed before it is copied, and by a thread of its own."""
    content = os.urandom(size)
    one = reg.register("churn", [make_file(content)])
    two = reg.register("churn", [make_file(content), make_file(content, "copy.pkl")])
    assert (one.added, two.added) == (size, 0)
    paths = [reg.path("churn@1", "model.pkl"), reg.path("churn@2", "model.pkl"), reg.path("churn@2", "copy.pkl")]
    assert len({path.stat().st_ino for path in paths}) == 1
    assert {path.stat().st_nlink for path in paths} == {4}, "three versions' files and the blob"
    inodes = {path.stat().st_ino: path.stat().st_blocks * 512 for path in reg.root.rglob("*") if path.is_file()}
    assert sum(inodes.values()) < size + (256 << 10)


def test_equal_files_of_one_version_are_one_afterwards(reg: Registry, make_file: Make) -> None:
    make_file("same", "folder/a")
    folder = make_file("same", "folder/b").parent
    reg.register("churn", [folder])
    reg.register("churn", [folder])
    assert reg.path("churn@2", "a").stat().st_ino == reg.path("churn@2", "b").stat().st_ino


def test_a_damaged_blob_is_not_linked_again(reg: Registry, make_file: Make) -> None:
    reg.register("churn", [make_file()])
    victim = reg.path("churn@1", "model.pkl")
    for blob in (reg.root / "models/churn/blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
            blob.write_text("evil!!!")
    assert reg.register("churn", [make_file()]).added == 7
    assert stored(reg, "churn@2") == stored(reg, "churn@1") == {"model.pkl": "a model"}
    assert victim.stat().st_ino != reg.path("churn@2", "model.pkl").stat().st_ino
    reg.admin.gc(age=0)


def test_link_takes_the_file_itself(reg: Registry, make_file: Make) -> None:
    source = make_file()
    outcome = reg.register("churn", [source], how="link")
    assert outcome.added == 0
    assert source.stat().st_ino == reg.path("churn@1", "model.pkl").stat().st_ino
    assert source.stat().st_mode & 0o777 == 0o444, "it must not be changed from now on"


def test_link_gives_the_mode_back_when_nothing_came_of_it(reg: Registry, make_file: Make) -> None:
    source = make_file()
    (source.parent / "again.pkl").hardlink_to(source)
    reg.register("churn", [source.parent])
    source.chmod(0o640)
    assert not reg.register("churn", [source.parent], how="link", if_changed=True).new
    source.touch()
    make_file("b model", "zzz.pkl")
    os.mkfifo(source.parent / "fifo")
    with pytest.raises(Exception, match="a FIFO"):
        reg.register("churn", [source.parent], how="link")
    assert source.stat().st_mode & 0o777 == 0o640
    assert source.stat().st_nlink == 2


def test_move_takes_the_files_away(reg: Registry, make_file: Make) -> None:
    source, other = make_file(), make_file("other", "other.pkl")
    inode = source.stat().st_ino
    reg.register("churn", [source, other], how="move")
    assert not source.exists()
    assert not other.exists()
    assert reg.path("churn@1", "model.pkl").stat().st_ino == inode
    source = make_file()
    make_file("other", "other.pkl")
    assert not reg.register("churn", [source, other], how="move", if_changed=True).new
    assert source.exists(), "what did not become a version stays where it is"


@pytest.mark.parametrize("how", ["clone", "", "Copy", "hardlink"])
def test_any_other_way_is_refused(reg: Registry, make_file: Make, how: str) -> None:
    """It must not be taken for a link: that would change the mode of the user's own file."""
    with pytest.raises(InvalidInput):
        reg.register("churn", [make_file()], how=how)
    assert make_file().stat().st_nlink == 1
    assert reg.admin.model_names() == []


def test_a_request_is_carried_out_once(reg: Registry, make_file: Make) -> None:
    one = reg.register("churn", [make_file()], request_id="ci-7", stage="staging", alias="eu")
    before = snapshot(reg.root)
    two = reg.register("churn", [make_file("another")], request_id="ci-7", stage="staging", alias="eu")
    assert (two.ref, two.new, two.why) == (one.ref, False, "this request was already executed")
    assert snapshot(reg.root) == before
    assert two.stages == ("staging",)
    with pytest.raises(Conflict, match="was already used"):
        reg.tag("churn@1", {"a": "b"}, request_id="ci-7")


def test_a_request_is_finished_by_repeating_it(reg: Registry, make_file: Make) -> None:
    """The version was made, the stage was not: a crash in between, or a stage that somebody locked."""
    reg.register("churn", [make_file()], request_id="ci-7")
    again = reg.register("churn", [make_file()], request_id="ci-7", stage="staging", alias="eu")
    assert (again.ref, again.stages, again.aliases) == ("churn@1", ("staging",), ("eu",))


def test_the_longest_request_id_is_enough_for_all_of_it(reg: Registry, make_file: Make) -> None:
    """What can't be recorded is refused before the version is made, not after."""
    identity = "a" * 128
    try:
        reg.register("churn", [make_file()], request_id=identity, stage="staging", alias="eu")
    except InvalidInput:
        assert reg.admin.model_names() == []
    else:
        assert reg.version("churn").stages == ("staging",)


def test_who_gives_no_request_id_reads_only_the_end_of_the_journal(tmp_path: Path, clock: Any, make_file: Make) -> None:
    """Who gave no request id can't have made the request before: there is nothing to look for in the whole journal."""
    registry = Registry.init(tmp_path / "long", author="alice", now=clock)
    registry.register("churn", [make_file()])
    history = registry.root / "models/churn/history.jsonl"
    last = registry.history("churn")[0]
    with history.open("ab") as stream:
        for number in range(20_000):
            last = journal.next_entry(last, replace(last.event, id=f"id-{number}"), 1, 0)
            stream.write(journal.encode(last) + b"\n")
    before = _bytes_read()
    registry.register("churn", [make_file("b")])
    registry.tag("churn@1", {"a": "b"})
    assert _bytes_read() - before < history.stat().st_size


def _bytes_read() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


@pytest.mark.parametrize("stage", ["nowhere", "Staging", ""])
def test_an_unknown_stage_is_refused_before_anything(reg: Registry, make_file: Make, stage: str) -> None:
    if stage:
        with pytest.raises(InvalidInput):
            reg.register("churn", [make_file()], stage=stage)
        assert reg.admin.model_names() == []
    with pytest.raises(InvalidInput):
        reg.register("churn", [make_file()], alias="latest")


def test_a_model_and_a_group_do_not_share_a_name(reg: Registry, make_file: Make) -> None:
    reg.register("risk/churn", [make_file()])
    reg.register("churn", [make_file()])
    with pytest.raises(Conflict, match="is a group"):
        reg.register("risk", [make_file()])
    with pytest.raises(Conflict, match="is a model"):
        reg.register("churn/eu", [make_file()])
    assert reg.admin.model_names() == ["churn", "risk/churn"]


def test_cat_goes_into_register(reg: Registry, make_file: Make) -> None:
    reg.register("churn", [make_file()])
    stream = io.BytesIO()
    reg.artifacts.cat("churn", None, stream)
    assert stream.getvalue() == b"a model"
    again = make_file(stream.getvalue(), "again/model.pkl")
    assert reg.register("copy", [again]).digest == reg.version("churn").digest


def test_nothing_at_all_is_refused(reg: Registry, tmp_path: Path, make_file: Make) -> None:
    before = snapshot(reg.root)
    (tmp_path / "empty").mkdir()
    for paths in ([], [tmp_path / "empty"], [make_file(b"")]):
        with pytest.raises(InvalidInput):
            reg.register("churn", paths)
    for missing in ("nothing-here", str(tmp_path / "no" / "file"), f"{make_file()}/below"):
        with pytest.raises(NotFound):
            reg.register("churn", [missing])
    Path("precious").write_text("in the folder where the program runs")
    for bad in ("", "a\0b", "file:///etc/passwd", "s3://bucket/key", "x" * 5000):
        with pytest.raises(InvalidInput):
            reg.register("churn", [bad])
    assert snapshot(reg.root) == before
