"""``register --move``: exactly the files that were stored go, and nobody keeps a way to write to what was stored."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry, RegistryError
from registry_cli.operations import inspection
from registry_cli.store import registration, staging
from registry_cli.store.filesystem import removal

Make = Callable[..., Path]


def stored(reg: Registry) -> Path:
    return reg.path("churn@1", "model.pkl")


def test_a_file_is_moved_without_a_copy(reg: Registry, make_file: Make) -> None:
    path = make_file()
    inode = path.stat().st_ino
    reg.register("churn", [path], how="move")
    assert not path.exists()
    assert stored(reg).stat().st_ino == inode
    assert os.listdir(path.parent) == []


def test_a_file_with_another_name_is_copied(reg: Registry, make_file: Make) -> None:
    path = make_file("content")
    other = path.with_name("other.pkl")
    other.hardlink_to(path)
    reg.register("churn", [path], how="move")
    assert not path.exists()
    assert stat.S_IMODE(other.stat().st_mode) & 0o200, "the other name is as it was"
    other.write_text("changed later")
    assert stored(reg).read_text() == "content"
    assert reg.admin.verify().ok


def test_a_file_that_is_open_for_writing_is_copied(reg: Registry, make_file: Make) -> None:
    """By another process: its later writes go to the old file, which has no name any more."""
    path = make_file("content")
    code = "import sys\nwith open(sys.argv[1], 'r+') as f:\n print('open', flush=True); input(); f.write('changed')"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        reg.register("churn", [path], how="move")
        process.communicate(b"\n")
    assert not path.exists()
    assert stored(reg).read_text() == "content"
    assert reg.admin.verify().ok


def test_with_link_a_file_stays_who_could_write_to_it(reg: Registry, make_file: Make) -> None:
    path = make_file("content")
    with path.open("r+"):
        reg.register("churn", [path], how="link")
    assert stored(reg).stat().st_ino == path.stat().st_ino


@pytest.mark.parametrize("how", ["rename", "link", "folder"])
def test_another_file_that_has_its_name_by_then_stays(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Somebody puts a new file there, right after the commit."""
    path = make_file("content", "folder/model.pkl")
    commit = registration.commit

    def late(*args: Any, **options: Any) -> Any:
        outcome = commit(*args, **options)
        if how == "rename":
            path.with_name("new").write_text("new")
            os.rename(path.with_name("new"), path)
        elif how == "link":
            path.unlink()
            path.with_name("new").write_text("new")
            path.symlink_to("new")
        else:
            path.parent.rename(path.parents[1] / "aside")
            (path.parents[1] / "precious").mkdir()
            (path.parents[1] / "precious" / "model.pkl").write_text("new")
            path.parent.symlink_to("precious")
        return outcome

    monkeypatch.setattr(registration, "commit", late)
    reg.register("churn", [path], how="move")
    assert path.read_text() == "new"
    assert stored(reg).read_text() == "content"


def test_one_that_is_exchanged_in_the_last_moment_is_put_back(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file("content")
    rename = os.rename

    def late(source: Any, target: Any, **options: Any) -> None:
        if source == path.name:
            path.unlink()
            path.write_text("new")
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", late)
    reg.register("churn", [path], how="move")
    monkeypatch.undo()
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == [path.name]


def test_a_registration_that_is_given_up_gives_modes_back_to_the_right_file(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, precious = make_file("content"), tmp_path / "precious"
    path.chmod(0o666)
    precious.write_text("mine")
    precious.chmod(0o600)
    fill = staging.fill

    def late(*args: Any) -> None:
        fill(*args)
        path.rename(path.with_name("aside"))
        path.symlink_to(precious)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging, "fill", late)
    with pytest.raises(OSError, match="No space"):
        reg.register("churn", [path], how="move")
    assert stat.S_IMODE(precious.stat().st_mode) == 0o600


def test_what_can_not_be_looked_at_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="another file has its name"):
        removal.remove_exactly(tmp_path / "file", (0, 0))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("change", ["grew", "same size"])
def test_a_file_that_is_changed_after_it_was_copied_stays(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Its new content is nowhere else: it is the same file, by its inode, and not what was stored."""
    path = make_file("content")
    monkeypatch.setattr(staging._FileIngest, "_linked", lambda *_: False)  # as on another file system
    examine = inspection.ArtifactAnalysis.analyze

    def late(*args: Any) -> None:
        examine(*args)
        with path.open("r+") as stream:
            stream.seek(0, os.SEEK_END if change == "grew" else os.SEEK_SET)
            stream.write("changed")

    monkeypatch.setattr(inspection.ArtifactAnalysis, "analyze", late)
    done = reg.register("churn", [path], how="move")
    assert path.read_text() == ("contentchanged" if change == "grew" else "changed")
    assert any("model.pkl' is stored, but was not removed: it was changed" in line for line in done.warnings)
    assert stored(reg).read_text() == "content"


def test_a_file_that_is_changed_in_the_last_moment_is_put_back(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file("content")
    monkeypatch.setattr(staging._FileIngest, "_linked", lambda *_: False)
    rename = os.rename

    def late(source: Any, target: Any, **options: Any) -> None:
        if source == path.name:
            path.write_text("changed")
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", late)
    done = reg.register("churn", [path], how="move")
    monkeypatch.undo()
    assert path.read_text() == "changed"
    assert os.listdir(path.parent) == [path.name]
    assert len(done.warnings) == 1


@pytest.mark.parametrize("links", [True, False])
def test_what_can_not_be_put_back_is_named(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Changed in the last moment, and something else came to its name as well: both stay, and the user is told where."""
    path = make_file("content")
    monkeypatch.setattr(staging._FileIngest, "_linked", lambda *_: False)
    rename, link = os.rename, os.link

    def late(source: Any, target: Any, **options: Any) -> None:
        moving = source == path.name
        if moving:
            path.write_text("changed")
        rename(source, target, **options)
        if moving:
            path.write_text("another")

    def without_links(source: Any, target: Any, **options: Any) -> None:
        if target == path.name and not links:
            raise OSError(1, "Operation not permitted")
        link(source, target, **options)

    monkeypatch.setattr(os, "rename", late)
    monkeypatch.setattr(os, "link", without_links)
    done = reg.register("churn", [path], how="move")
    monkeypatch.undo()
    assert path.read_text() == "another"
    [aside] = [name for name in os.listdir(path.parent) if name != path.name]
    assert (path.parent / aside).read_text() == "changed"
    assert any(aside in line for line in done.warnings)


def test_one_is_put_back_where_there_are_no_hard_links(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file("content")
    monkeypatch.setattr(staging._FileIngest, "_linked", lambda *_: False)
    rename, link = os.rename, os.link

    def late(source: Any, target: Any, **options: Any) -> None:
        if source == path.name:
            path.write_text("changed")
        rename(source, target, **options)

    def without_links(source: Any, target: Any, **options: Any) -> None:
        if target == path.name:
            raise OSError(1, "Operation not permitted")
        link(source, target, **options)

    monkeypatch.setattr(os, "rename", late)
    monkeypatch.setattr(os, "link", without_links)
    reg.register("churn", [path], how="move")
    monkeypatch.undo()
    assert path.read_text() == "changed"
    assert os.listdir(path.parent) == [path.name]


def test_one_that_can_not_be_removed_is_named(reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_file("content")
    rename = os.rename

    def failing(source: Any, target: Any, **options: Any) -> None:
        if source == path.name:
            raise PermissionError(13, "Permission denied")
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", failing)
    done = reg.register("churn", [path], how="move")
    assert path.exists()
    assert [line for line in done.warnings if "is stored, but was not removed: permission denied" in line.lower()]


def test_a_signal_does_not_leave_a_file_under_another_name(
    reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is at its place, or gone; not aside under a name that nobody knows."""
    path = make_file("content")
    rename = os.rename

    def interrupted(source: Any, target: Any, **options: Any) -> None:
        rename(source, target, **options)
        if source == path.name:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(os, "rename", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored around the tests
    try:
        with pytest.raises((KeyboardInterrupt, RegistryError)):
            reg.register("churn", [path], how="move")
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    assert os.listdir(path.parent) in ([], [path.name])
    assert stored(reg).read_text() == "content"
