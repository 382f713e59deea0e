"""What people want to store, and where they want it to go: P-*, and A-16."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import NOBODY, as_user, assert_refused, public_folder


@scenario("P-02")
def a_link_out_of_the_folder(world: World, case: Case) -> None:
    secret = world.make("id_rsa", "for my eyes only")
    folder = world.make("dir/model.bin").parent
    (folder / "x").symlink_to("../id_rsa")
    answer = world.refused(5, "register", "m", folder)
    assert str(folder / "x") in answer.err
    assert secret.read_text() not in answer.err
    (folder / "x").unlink()
    (folder / "x").symlink_to("nowhere")
    world.refused(5, "register", "m", folder)


@scenario("P-03")
def a_loop_of_links(world: World, case: Case) -> None:
    (world.folder / "a").symlink_to("b")
    (world.folder / "b").symlink_to("a")
    world.refused(2, "register", "m", world.folder / "a")


@scenario("P-04")
def a_folder_inside_itself(world: World, case: Case) -> None:
    folder = world.make("dir/model.bin").parent
    (folder / "again").symlink_to(".")
    world.refused(5, "register", "m", folder)
    (folder / "again").unlink()
    (folder / "up").symlink_to("..")
    world.refused(5, "register", "m", folder)


@scenario("P-05")
def a_fifo(world: World, case: Case) -> None:
    os.mkfifo(world.folder / "pipe")
    started = time.monotonic()
    world.refused(5, "register", "m", world.folder / "pipe")
    world.refused(5, "register", "m", world.folder)
    assert time.monotonic() - started < 5, "it waited for somebody to write"


@scenario("P-07")
def a_socket_and_a_device(world: World, case: Case) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(world.folder)  # the path of a socket may be 107 bytes long
        listener.bind("sock")
        os.chdir(here)
        world.refused(5, "register", "m", world.folder / "sock")
        world.refused(5, "register", "m", world.folder)
    world.refused(5, "register", "m", "/dev/null")
    for device in ("/dev/loop0", "/dev/vda", "/dev/sda"):
        if Path(device).exists():
            world.refused(5, "register", "m", device)


@scenario("P-10")
def replaced_by_a_link_while_it_is_opened(world: World, case: Case) -> None:
    """A race, again and again: what is stored is the file itself, never what the link leads to."""
    secret = world.make("secret", "for my eyes only")
    path, spare = world.make("dir/model.bin", "harmless"), world.folder / "spare"
    stop = world.folder / "stop"
    flipper = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", f'cd "{world.folder}"; until [ -e stop ]; do ln -sfn "{secret}" spare; mv -T spare dir/model.bin;'
         " echo harmless >spare; mv -T spare dir/model.bin; done"],
        os.environ,
    )  # fmt: skip
    try:
        for _ in range(60):
            answer = world.run("register", "m", path.parent, "--if-changed")
            assert answer.code in (0, 2, 3, 4, 5), answer
    finally:
        stop.touch()
        os.waitpid(flipper, 0)
    spare.unlink(missing_ok=True)
    for version in world.reg.versions("m"):
        for entry in world.reg.path(version.ref).iterdir():
            assert entry.read_text() != "for my eyes only"
    # a link that is given by name is followed, as `cp` does
    path.unlink()
    path.symlink_to(secret)
    world.done("register", "m", path)


@scenario("P-12")
def a_terabyte_of_holes(world: World, case: Case) -> None:
    path = world.make("huge.bin", b"x")
    os.truncate(path, 1 << 40)
    with world.unchanged(folder_times=False):
        answer = world.run("register", "m", path)
    assert_refused(answer, 5)
    assert "only" in answer.err
    assert "are free" in answer.err


@scenario("P-13")
def a_file_that_may_not_be_read(world: World, case: Case) -> None:
    if os.geteuid() != 0:
        world.file.chmod(0)
        with world.unchanged(folder_times=False):
            assert_refused(world.run("register", "m", world.file), 1)
        return
    with public_folder() as folder:
        secret = folder / "secret"
        secret.write_text("for my eyes only")
        secret.chmod(0)
        registry = _registry_of(NOBODY, folder / "registry")
        answer = as_user(NOBODY, "register", "m", secret, root=registry)
        assert_refused(answer, 1)
        assert answer.err == f"error: permission denied: {secret}; it belongs to root\n"
        assert Registry(registry).admin.model_names() == []


def _registry_of(user: int, root: Path) -> Path:
    Registry.init(root)
    for path in (root, *root.rglob("*")):
        os.chown(path, user, user)
    return root


@scenario("P-14")
def file_names_that_break_lines(world: World, case: Case) -> None:
    """What would need an escape in a manifest is refused; everything else comes back as it was."""
    for name in ("a\nb", "a\tb", "a\rb", "a\\b", "a\x1b[2J", "a\x7f"):
        path = world.make(f"bad/{name}")
        world.refused(2, "register", "m", path)
        world.refused(2, "register", "m", path.parent)
        path.unlink()
    raw = os.fsencode(world.folder / "bad") + b"/\xff\xfe"
    os.close(os.open(raw, os.O_CREAT))
    assert r"\xff\xfe" in world.refused(2, "register", "m", world.folder / "bad").err
    names = ["a'b", 'a"b', "a b", "-rf", "Ü.bin", "{x}", "$HOME", "[bold]x[bold]", "@7", "*"]
    for name in names:
        world.make(f"good/{name}", name)
    world.done("register", "m", world.folder / "good")
    world.done("fetch", "m@latest", "-o", world.folder / "out")
    assert {path.name: path.read_text() for path in (world.folder / "out").iterdir()} == {name: name for name in names}
    assert {entry["path"] for entry in world.done("show", "m@latest", "--json").json["manifest"]} == set(names)


@scenario("P-16")
def files_called_as_ours(world: World, case: Case) -> None:
    """By DESIGN a user's files lie in ``files/``: none of their names can meet one of ours."""
    for name in ("manifest-sha256.txt", "version.yaml", "stages.yaml", ".lock", "files/x", ".tmp-1", "history.jsonl"):
        world.make(f"dir/{name}", name)
    world.done("register", "m", world.folder / "dir")
    assert world.done("cat", "m@latest", "version.yaml").out == "version.yaml"


@scenario("P-18")
def a_tree_that_is_too_deep(world: World, case: Case) -> None:
    """300 levels, each of 20 characters: deeper than we take, and longer than a path may be."""
    here = Path.cwd()
    top = world.folder / "deep"
    top.mkdir()
    os.chdir(top)
    for _ in range(300):
        os.mkdir("abcdefghijklmnopqrst")
        os.chdir("abcdefghijklmnopqrst")
    Path("x").write_text("x")
    os.chdir(here)
    world.refused(2, "register", "m", top)
    world.refused(2, "register", "m", "x" * 5000)
    os.system(f"rm -rf {top}")  # shutil gives up at this depth


@scenario("P-22")
def modes_are_not_taken_over(world: World, case: Case) -> None:
    world.make("dir/sub/x").chmod(0o4777)
    world.make("dir/y").chmod(0o666)
    (world.folder / "dir/sub").chmod(0o777)
    world.done("register", "m", world.folder / "dir")
    for path in (world.model / "versions/4").rglob("*"):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o555 if path.is_dir() else 0o444), path


@scenario("P-24")
def hard_links_of_others(world: World, case: Case) -> None:
    """What a user gives is copied: who still holds a link to it can't change what was stored."""
    other = world.folder / "other"
    os.link(world.file, other)
    world.done("register", "m", other)
    stored = world.model / "versions/4/files/other"
    assert stored.stat().st_ino != other.stat().st_ino
    world.file.write_text("changed")
    assert world.done("cat", "m@4").out == "a model"


@scenario("P-25")
def a_target_that_exists(world: World, case: Case) -> None:
    target = world.make("out/mine", "mine").parent
    world.refused(4, "fetch", "m@1", "-o", target)
    world.refused(4, "fetch", "m@1", "-o", world.file)
    world.refused(4, "fetch", "m@1", "-o", target, "--force")
    world.refused(4, "fetch", "m@1", "-o", world.file, "--force")
    assert (target / "mine").read_text() == "mine"
    assert [path.name for path in target.iterdir()] == ["mine"]
    (target / "mine").unlink()
    world.done("fetch", "m@1", "-o", target)
    world.refused(4, "fetch", "m@2", "-o", target)
    world.done("fetch", "m@2", "-o", target, "--force")
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("model.bin", "two")]


@scenario("P-27")
def a_target_inside_the_store(world: World, case: Case) -> None:
    link = world.folder / "link"
    link.symlink_to(world.model)
    for target in (world.model / "versions", world.model / "versions/9", world.root / "models/x", link / "y"):
        world.refused(2, "fetch", "m@1", "-o", target)
        world.refused(2, "fetch", "m@1", "-o", target, "--force")


@scenario("P-28")
def another_file_system(world: World, case: Case) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == world.root.stat().st_dev:
        pytest.skip("there is no second file system here")
    source = memory / f"registry-test-{os.getpid()}"
    try:
        source.write_text("from elsewhere")
        world.done("register", "m", source, "--as", "x")
        assert "another file system" in _unchanged_but_times(world, "register", "m", source, "--link")
        world.done("register", "m", source, "--move", "--as", "y")
        assert not source.exists()
        assert world.done("cat", "m@5").out == "from elsewhere"
    finally:
        source.unlink(missing_ok=True)


def _unchanged_but_times(world: World, *arguments: object) -> str:
    with world.unchanged(folder_times=False):
        answer = world.run(*arguments)
    assert_refused(answer, 5)
    return answer.err


@scenario("P-29")
def an_address(world: World, case: Case) -> None:
    for text in (case.text, "s3://bucket/x", "http://localhost:1/x", "file:/etc/passwd", "gs://x"):
        world.refused(2, "register", "m", text)


@scenario("A-16")
def archives_are_files(world: World, case: Case) -> None:
    import zipfile

    for name in ("x.keras", "x.pt", "x.mar"):
        with zipfile.ZipFile(world.folder / name, "w") as archive:
            archive.writestr("../../escaped", "x")
        with world.unchanged(folder_times=False):
            assert_refused(world.run("register", "m", world.folder / name), 5)
        world.done("register", "m", world.folder / name, "--allow-unsafe", "--reason", "a test")
        assert world.done("show", "m@latest", "--json").json["files"] == 1
    assert not list(world.folder.parent.rglob("escaped"))
