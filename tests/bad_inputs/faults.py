"""Disks that fail: F-*. Every single call in which they can is tried in ``tests/crash``; here, what a command says."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from unittest import mock

import pytest

from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import PEAK, Answer, assert_refused, environment, run, spawn
from tests.crash.scenarios import die
from tests.crash.shim import Call, Fault, Shim
from tests.crash.world import copied, wiped


def calls(world: World, command: Sequence[object]) -> list[Call]:
    """The calls with which a command changes the disk, from a rehearsal on a copy."""
    found: list[Call] = []
    twin = copied(world.root, world.folder / "twin")
    with Shim(twin, watcher=lambda call, _: found.append(call)):
        assert run(*command, root=twin).code == 0
    wiped(twin)
    return found


def struck(world: World, command: Sequence[object], name: str, path: str, fault: Fault) -> Answer:
    """A command with a fault at its first call ``name`` on a path that ends with ``path``."""
    at = next(call.number for call in calls(world, command) if call.name == name and call.path.endswith(path))
    with Shim(world.root, Fault(fault.kind, at, fault.errno)) as shim:
        answer = world.run(*command)
    assert shim.struck is not None
    assert shim.struck.name == name
    return answer


def every(world: World, command: Sequence[object], kind: str, number: int, words: str, step: int = 1) -> None:
    """A fault at every call, or every ``step``-th: each time the old state or the new one, and an answer that says which."""
    for call in calls(world, command)[::step]:
        twin = copied(world.root, world.folder / "struck")
        before = _state(twin)
        with Shim(twin, Fault(kind, call.number, number)):
            answer = run(*command, root=twin)
        assert answer.code in (0, 1, 8), (call, answer)
        if answer.code:
            assert "Traceback" not in answer.err
            assert words in answer.err, (call, answer)
            assert len(answer.err.splitlines()) <= 2
        assert (_state(twin) == before) == (answer.code == 1), (call, answer)
        assert run("list", root=twin).code == 0
        assert run("tag", "m@2", "later=yes", root=twin).code == 0
        wiped(twin)


def _state(root: os.PathLike[str]) -> str:
    from pathlib import Path

    return run("versions", "m", "--all", root=Path(root)).out + run("show", "m", root=Path(root)).out


@scenario("F-01")
def a_full_disk(world: World, case: Case) -> None:
    for command in (("promote", "m@1", "production"), ("register", "m", world.file)):
        every(world, command, "error", errno.ENOSPC, "the disk is full", step=2)


@scenario("F-02")
def a_quota_that_forbids_to_clean_up(world: World, case: Case) -> None:
    """From one call on everything fails: what is left behind is swept later, by age."""
    every(world, ("register", "m", world.file), "errors", errno.EDQUOT, "the disk quota is used up", step=2)


@scenario("F-03")
def no_inode_left(world: World, case: Case) -> None:
    folder = world.make("tree/a/b/c").parent.parent.parent
    made = [call for call in calls(world, ("register", "m", folder)) if call.name in ("mkdir", "open")]
    for call in made:
        twin = copied(world.root, world.folder / "struck")
        with Shim(twin, Fault("error", call.number, errno.ENOSPC)):
            answer = run("register", "m", folder, root=twin)
        if answer.code != 8 and not call.path.startswith("models/m/blobs"):
            assert_refused(answer, 1)
            assert "the disk is full" in answer.err
        wiped(twin)


@scenario("F-04")
def a_sync_that_fails_before_the_commit(world: World, case: Case) -> None:
    """Nothing is published. The file is thrown away, not synced again: the second fsync would say yes and be wrong."""
    synced: list[str] = []
    command = ("register", "m", world.file)
    first = next(call for call in calls(world, command) if call.name == "fsync" and call.path.endswith("/files/f"))
    with (
        world.unchanged(folder_times=False),
        Shim(world.root, Fault("error", first.number, errno.EIO), watcher=_paths_of("fsync", synced)),
    ):
        answer = world.run(*command)
    assert_refused(answer, 1)
    assert "input/output error" in answer.err
    assert first.path not in synced


def _paths_of(name: str, paths: list[str]) -> Callable[[Call, object], None]:
    def watch(call: Call, _: object) -> None:
        if call.name == name:
            paths.append(call.path)

    return watch


@scenario("F-05")
def a_sync_that_fails_after_the_commit(world: World, case: Case) -> None:
    answer = struck(world, ("register", "m", world.file), "fsync", "m/versions", Fault("error", 0, errno.EIO))
    assert_refused(answer, 8)
    assert "m@4 is registered, but could not be confirmed" in answer.err
    assert "--request-id" in answer.err
    identity = answer.err.split("--request-id ")[1].strip()
    assert world.done("cat", "m@4").out == "a model"
    assert world.done("register", "m", world.file, "--request-id", identity).out == "m@4\n"


@scenario("F-06")
def a_close_that_fails(world: World, case: Case) -> None:
    """After a good fsync it says nothing about the data: done, or nothing happened."""
    for call in calls(world, ("register", "m", world.file)):
        if call.name == "close":
            twin = copied(world.root, world.folder / "struck")
            with Shim(twin, Fault("error", call.number, errno.EIO)):
                answer = run("register", "m", world.file, root=twin)
            there = run("show", "m@4", root=twin).code == 0
            assert there == (answer.code in (0, 8)), (call, answer)
            assert run("tag", "m@1", "a=b", root=twin).code == 0
            wiped(twin)


@scenario("F-08")
def a_stale_handle(world: World, case: Case) -> None:
    real = os.open
    calls_seen: list[str] = []

    def stale(path: str | os.PathLike[str], flags: int, *arguments: int, **options: int) -> int:
        if os.fspath(path).endswith("versions/1/version.yaml"):
            calls_seen.append(str(path))
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return real(path, flags, *arguments, **options)

    with mock.patch.object(os, "open", stale):
        answer = world.run("show", "m@1")
    assert_refused(answer, 1)
    assert "stale network file handle; try again" in answer.err
    assert len(calls_seen) <= 2, "it tries for ever"
    world.done("show", "m@1")


@scenario("F-09")
def a_disk_that_becomes_read_only(world: World, case: Case) -> None:
    for command in (("register", "m", world.file), ("delete", "m@1", "--yes")):
        every(world, command, "errors", errno.EROFS, "read-only", step=2)


@scenario("F-10", "F-11")
def a_power_cut(world: World, case: Case) -> None:
    """Death at each call of a deed, and again at each call of the recovery: ``tests/crash`` does it for every verb,
    with the disk's write cache lost too; here the next *command* works, and nothing acknowledged is gone.
    """
    deed = lambda reg, _: reg.promote("m@1", "production", request_id="cut")  # noqa: E731
    for name, occurrence in (("link", 1), ("rename", 1), ("fsync", 1), ("fsync", 2), ("write", 2)):
        twin = type(world.reg)(copied(world.root, world.folder / "cut"), author="alice")
        die(twin, world.folder, deed, name, occurrence, "dead after")
        if case.id == "F-11":
            die(twin, world.folder, lambda reg, _: reg.tag("m@1", {"a": "b"}), "write", 1, "dead after")
        assert run("tag", "m@1", "x=y", root=twin.root).code == 0
        assert run("verify", root=twin.root).code == 0
        assert run("show", "m", "--json", root=twin.root).json["stages"]["staging"] == 2
        wiped(twin.root)


@scenario("F-12")
def short_writes(world: World, case: Case) -> None:
    """A write takes as many bytes as it likes; everything is there in the end."""
    real = os.write
    content = os.urandom(5000)
    path = world.make("x", content)
    with mock.patch.object(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:37]))):
        answer = world.run("register", "m", path, "--message", "long " * 50)
    assert answer.out == "m@4\n"
    assert (world.reg.path("m@4") / "x").read_bytes() == content


@scenario("F-13")
def little_memory(world: World, case: Case) -> None:
    """A file much larger than the memory that a process may have."""
    path = world.make("large.bin", b"x")
    os.truncate(path, 400 << 20)
    for command in (("register", "m", path), ("verify",), ("fetch", "m@4", "-o", world.folder / "out")):
        answer = spawn(*command, root=world.root, command=(sys.executable, "-c", PEAK))
        assert answer.code == 0, answer
        assert int(answer.err.splitlines()[-1]) < 100_000, "more than 100 MB"


#: A process that can't start another one, nor a thread.
_ALONE = """
import os, resource, sys
import importlib, pkgutil, registry_cli
for module in pkgutil.walk_packages(registry_cli.__path__, "registry_cli."):  # who it becomes may not read them
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import concurrent.futures.thread, ctypes, filelock, importlib.metadata, platform, pwd, shlex, sqlite3, subprocess
from registry_cli.cli import grammar
from registry_cli.cli.command import build, find
from registry_cli.cli.main import run
build(map(find, grammar.VERBS))
os.setgroups([]); os.setgid(65534); os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    os.fork()
    sys.exit(99)
except BlockingIOError:
    pass
code = run(sys.argv[1:])
sys.stdout.flush()
os._exit(code)
"""


@scenario("F-14")
def no_process_and_no_thread(world: World, case: Case) -> None:
    """No command but ``doctor`` starts a process; threads make it faster, but none is needed."""
    if os.geteuid() != 0:
        pytest.skip("only root can become a user whose processes are counted anew")
    from tests.commands import NOBODY, public_folder

    with public_folder() as folder:
        large, root = folder / "large.bin", folder / "registry"
        large.write_bytes(os.urandom(9 << 20))
        assert run("init", root).code == 0
        for path in (root, *root.rglob("*"), folder):
            os.chown(path, NOBODY, NOBODY)
        for command in (
            ("register", "m", large), ("register", "m", large), ("verify",), ("promote", "m@1", "production"),
            ("fetch", "m@1", "-o", folder / "out"), ("archive", "m@2"), ("delete", "m@2", "--yes"),
        ):  # fmt: skip
            answer = spawn("-C", root, *command, command=(sys.executable, "-c", _ALONE), cwd="/", env=environment())
            assert answer.code == 0, (command, answer)
