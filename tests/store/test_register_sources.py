"""Registering what is no plain file: links, special files, odd names, files that change under our hands."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, Refused, Registry
from registry_cli.core.progress import Progress
from tests.support import everything_imported, snapshot, without_rights

Make = Callable[..., Path]


@pytest.fixture
def folder(make_file: Make) -> Path:
    """A folder with one file in it."""
    return make_file("content", "folder/m").parent


def test_a_link_inside_is_kept_as_the_file_it_leads_to(reg: Registry, folder: Path) -> None:
    (folder / "link").symlink_to("m")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to("../m")
    reg.register("churn", [folder])
    assert {entry.path for entry in reg.artifacts.files("churn")} == {"m", "link", "sub/up"}
    for name in ("link", "sub/up"):
        path = reg.path("churn", name)
        assert not path.is_symlink()
        assert path.read_text() == "content"


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "nowhere", "link", "sub", ".", "..", "/dev/null"])
def test_any_other_link_inside_is_refused(reg: Registry, folder: Path, target: str) -> None:
    (folder.parent / "outside").write_text("a secret")
    (folder / "sub").mkdir()
    (folder / "link").symlink_to(target)
    before = snapshot(reg.root)
    with pytest.raises(Refused, match="symbolic link"):
        reg.register("churn", [folder])
    assert snapshot(reg.root) == before


def test_a_link_that_is_named_is_followed_once(reg: Registry, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "latest.pkl").symlink_to(folder / "m")
    (tmp_path / "latest").symlink_to(folder)
    reg.register("churn", [tmp_path / "latest.pkl"])
    assert [entry.path for entry in reg.artifacts.files("churn")] == ["latest.pkl"]
    reg.register("churn", [tmp_path / "latest"])
    assert [entry.path for entry in reg.artifacts.files("churn")] == ["m"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InvalidInput, match="is a symbolic link to itself"):
        reg.register("churn", [tmp_path / "loop"])


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_file_is_refused_and_nobody_waits(reg: Registry, folder: Path, kind: str, inside: bool) -> None:
    path = folder / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.chdir(folder)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("odd")
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root can make a device")
    before = snapshot(reg.root)
    with pytest.raises(Refused, match="only files can be registered"):
        reg.register("churn", [folder if inside else path])
    assert snapshot(reg.root) == before


def test_a_named_device_is_refused(reg: Registry) -> None:
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(Refused):
            reg.register("churn", [path])


@pytest.mark.parametrize(
    "name", ["-rf", "--help", " lead", "trail ", "*", "$(id)", "ünï😀", "a'b\"c", ".hidden", ".tmp-1", "CON"]
)
def test_an_odd_name_is_kept_to_the_letter(reg: Registry, folder: Path, name: str) -> None:
    (folder / name).write_text("odd")
    reg.register("churn", [folder])
    assert reg.path("churn", name).read_text() == "odd"
    assert reg.artifacts.verify_files("churn").files == 2


@pytest.mark.parametrize("name", [b"a\nb", b"a\\b", b"\x1b[31m", b"\xff\xfe", b"a\x7f", b"\t"])
def test_a_name_that_a_manifest_can_not_hold_is_refused(reg: Registry, folder: Path, name: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text("odd")
    before = snapshot(reg.root)
    with pytest.raises(InvalidInput) as told:
        reg.register("churn", [folder])
    str(told.value).encode()  # the message itself can be printed
    with pytest.raises(InvalidInput):
        reg.register("churn", [os.fsdecode(os.path.join(os.fsencode(folder), name))])
    assert snapshot(reg.root) == before


def test_three_hundred_levels_are_refused_without_going_down_them(reg: Registry, folder: Path) -> None:
    os.chdir(folder)
    for _ in range(300):
        os.mkdir("d" * 20)
        os.chdir("d" * 20)
    Path("m").write_text("deep")
    os.chdir("/")
    with pytest.raises(InvalidInput, match="too long"):
        reg.register("churn", [folder])
    assert reg.admin.model_names() == []


def test_two_files_of_one_name_are_refused(reg: Registry, make_file: Make) -> None:
    with pytest.raises(InvalidInput, match="two files would have the path 'm'"):
        reg.register("churn", [make_file("1", "a/m"), make_file("2", "b/m")])
    with pytest.raises(InvalidInput, match="a file and a folder"):
        reg.register("churn", [make_file("1", "c/x"), make_file("2", "d/x/y").parent])


class Changing(Progress):
    """A progress that changes the source while it is copied; the copying asks nobody else in between."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deed = deed

    def expect(self, count: int) -> None:
        pass

    def __call__(self, count: int) -> None:
        self._deed()
        self._deed = lambda: None


@pytest.mark.parametrize("size", [3 << 20, 9 << 20])
@pytest.mark.parametrize("change", ["append", "overwrite", "truncate"])
def test_a_source_that_changes_while_it_is_copied(reg: Registry, make_file: Make, change: str, size: int) -> None:
    source = make_file(b"x" * size)

    def deed() -> None:
        with source.open("r+b") as stream:
            if change == "truncate":
                stream.truncate(size // 2)
            else:
                stream.seek(0, os.SEEK_END if change == "append" else os.SEEK_SET)
                stream.write(b"y")

    with pytest.raises(Conflict, match="changed while it was being copied"):
        reg.register("churn", [source], progress=Changing(deed))
    assert reg.admin.model_names() == []
    assert list((reg.root / "models").iterdir()) == []
    assert reg.register("churn", [source]).ref == "churn@1"


def test_a_source_that_becomes_a_link_is_not_followed(reg: Registry, make_file: Make) -> None:
    first, second = make_file("1" * 100, "folder/a"), make_file("2" * 100, "folder/b")

    def swap() -> None:
        for path in (first, second):
            path.unlink()
            path.symlink_to("/etc/hostname")

    with pytest.raises(Refused, match="no longer a regular file"):
        reg.register("churn", [first.parent], progress=Changing(swap))


def test_a_big_file_is_hashed_by_a_thread_and_is_right(reg: Registry, make_file: Make) -> None:
    import hashlib

    content = os.urandom((20 << 20) + 17)
    outcome = reg.register("churn", [make_file(content, "model.bin")])
    assert outcome.size == len(content)
    assert reg.artifacts.files("churn")[0].sha256 == hashlib.sha256(content).hexdigest()
    assert reg.path("churn", "model.bin").read_bytes() == content
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("registry")]


def test_many_files_go_by_one_sync(reg: Registry, make_file: Make) -> None:
    for number in range(120):
        make_file(str(number), f"folder/{number % 7}/{number}")
    folder = make_file("x", "folder/top").parent
    outcome = reg.register("churn", [folder])
    assert outcome.files == 121
    assert reg.artifacts.verify_files("churn").files == 121
    assert {path.lstat().st_mode & 0o777 for path in reg.path("churn").rglob("*") if path.is_file()} == {0o444}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach: pytest's own is closed to them."""
    with tempfile.TemporaryDirectory(prefix="registry-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_source_without_permission_is_told_and_nothing_is_left(open_folder: Path) -> None:
    everything_imported()
    registry = Registry.init(open_folder / "registry", author="alice")
    source = open_folder / "work" / "m"
    source.parent.mkdir()
    source.write_text("a model")
    closed = open_folder / "closed"
    closed.mkdir()
    (closed / "m").write_text("a model")
    with without_rights(open_folder):
        source.chmod(0)
        closed.chmod(0)
        before = snapshot(registry.root)
        for path in (source, source.parent, closed, closed / "m"):
            with pytest.raises(PermissionError):
                registry.register("churn", [path])
        assert registry.admin.model_names() == []
        assert snapshot(registry.root).keys() == before.keys()
        source.chmod(0o400)
        assert registry.register("churn", [source]).ref == "churn@1"
        closed.chmod(0o700)


def test_the_owner_without_other_rights_can_do_everything(open_folder: Path) -> None:
    """Root can write into sealed folders, so that only this shows whether a rename or an unlink needs a mode."""
    everything_imported()
    registry = Registry.init(open_folder / "registry", author="alice")
    (open_folder / "work" / "sub").mkdir(parents=True)
    (open_folder / "work" / "sub" / "m").write_text("a model")
    with without_rights(open_folder):
        for _ in range(3):
            registry.register("churn", [open_folder / "work"])
        registry.promote("churn@1", "production")
        registry.tag("churn@2", {"a": "b"})
        registry.fetch("churn@1", open_folder / "copy")
        registry.delete(["churn@2"], reason="trial")
        assert registry.admin.gc(age=0) == []
        assert registry.admin.verify().problems == ()
        with pytest.raises(PermissionError):
            (registry.path("churn@1") / "sub" / "new").write_text("x")
        with pytest.raises(PermissionError):
            registry.path("churn@1", "sub/m").write_text("x")


def test_modes_are_sealed_whatever_the_umask(tmp_path: Path) -> None:
    for umask, sealed in ((0o000, (0o555, 0o444)), (0o022, (0o555, 0o444)), (0o077, (0o500, 0o400))):
        before = os.umask(umask)
        try:
            source = tmp_path / "work" / "sub" / "m"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text("a model")
            registry = Registry.init(tmp_path / f"{umask:o}", author="alice")
            registry.register("churn", [tmp_path / "work"])
            registry.promote("churn@1", "production")
            version = registry.root / "models/churn/versions/1"
            assert {path.stat().st_mode & 0o777 for path in (version, *version.rglob("*")) if path.is_dir()} == {
                sealed[0]
            }
            assert {path.stat().st_mode & 0o777 for path in version.rglob("*") if path.is_file()} == {sealed[1]}
            for path in registry.root.rglob("*"):
                assert path.is_symlink() or not path.stat().st_mode & (0o022 | umask), path
            assert registry.admin.verify().problems == ()
        finally:
            os.umask(before)
