"""The environment a command wakes up in: E-* (signals are in ``signals``)."""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest

from registry_cli import Registry
from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import as_user, assert_refused, environment, public_folder, run, shell, spawn
from tests.support import snapshot


def _masked(mask: int) -> None:
    os.umask(mask)


@scenario("E-03")
def a_user_without_a_name(world: World, case: Case) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with public_folder() as folder:
        (folder / "f").write_text("x")
        os.chown(folder, 12345, 12345)
        assert as_user(12345, "init", folder / "r", root=folder / "r").code == 0
        assert as_user(12345, "register", "m", folder / "f", root=folder / "r").out == "m@1\n"
        assert run("show", "m@1", "--json", root=folder / "r").json["author"] == "uid:12345"


@scenario("E-04")
def a_name_from_the_environment(world: World, case: Case) -> None:
    variables = environment(USER="mallory", LOGNAME="mallory", USERNAME="mallory", SUDO_USER="mallory")
    assert spawn("register", "m", world.file, root=world.root, env=variables).code == 0
    assert spawn("promote", "m@4", "production", root=world.root, env=variables).code == 0
    events = world.done("history", "m", "--json").json["items"][:2]
    import pwd

    assert {event["by"] for event in events} == {pwd.getpwuid(os.getuid()).pw_name}
    assert world.done("show", "m@4", "--json").json["author"] == events[0]["by"]


@scenario("E-05")
def a_broken_registry_variable(world: World, case: Case) -> None:
    """Empty and with a newline: refused. A folder that is no registry, ``/`` or a relative one: not found, exit 3."""
    empty = world.folder / "empty"
    empty.mkdir()
    for value, code in (("", 2), (" ", 2), ("a\nb", 2), ("/", 3), ("nowhere", 3), (".", 3)):
        for command in (("list",), ("register", "m", world.file)):
            answer = spawn(*command, env=environment(REGISTRY_HOME=value), cwd=empty)
            assert_refused(answer, code)
    assert list(empty.iterdir()) == []
    relative = spawn("list", env=environment(REGISTRY_HOME="registry"), cwd=world.root.parent)
    assert relative.out.startswith("m\t")
    world.refused(2, "-C", "", "list")
    world.refused(2, "-C", "a\nb", "list")


@scenario("E-06")
def commands_from_the_environment(world: World, case: Case) -> None:
    trap = world.make("trap", f"#!/bin/sh\ntouch {world.folder}/sprung\n")
    trap.chmod(0o755)
    names = (
        "PAGER",
        "EDITOR",
        "VISUAL",
        "GIT_SSH",
        "GIT_EDITOR",
        "GIT_PAGER",
        "BROWSER",
        "SHELL",
        "MANPAGER",
        "LESSOPEN",
    )
    variables: dict[str, Any] = {**dict.fromkeys(names, str(trap)), "PATH": f"{world.folder}:/usr/bin:/bin"}
    for command in (("history", "m"), ("show", "m@1"), ("register", "m", world.file), ("verify",), ("list", "--help")):
        seen = audited(world, *command, **variables)
        assert seen.code == 0, seen
        assert not seen.ran
    assert not (world.folder / "sprung").exists()


@scenario("E-08")
def a_registry_that_somebody_left_above(world: World, case: Case) -> None:
    """By DESIGN the nearest registry upward is taken. It is data: nothing that it says is ever run or fetched."""
    with (world.root / "registry.yaml").open("a") as stream:
        stream.write("hooks: {post_register: touch sprung}\ninclude: /etc/passwd\nremote: http://localhost:1/\n")
    inside = world.root / "some/where"
    inside.mkdir(parents=True)
    for name in ("registry.toml", ".registryrc", "pyproject.toml", "setup.cfg", "sitecustomize.py", ".env"):
        (inside / name).write_text("raise SystemExit('sprung')\n")
    answer = spawn("list", cwd=inside)
    assert answer.out.startswith("m\t")
    seen = audited(world, "list", cwd=inside)
    assert not seen.ran
    assert not seen.connected
    assert not [path for path in seen.opened if path.startswith((str(inside), "/etc/passwd"))]


@scenario("E-09")
def no_temporary_folder(world: World, case: Case) -> None:
    for value in ("/nonexistent", "/proc", str(world.file)):
        variables = environment(TMPDIR=value, TEMP=value, TMP=value)
        answer = spawn("register", "m", "-", "--as", "x", root=world.root, stdin=b"x" * 100_000, env=variables)
        assert answer.code == 0, answer
        assert spawn("verify", root=world.root, env=variables).code == 0


@scenario("E-10")
def umask_000(world: World, case: Case) -> None:
    root = world.folder / "open"
    for command in (
        ("init", root),
        ("register", "risk/m", world.file, "--stage", "staging"),
        ("tag", "risk/m@1", "a=b"),
        ("archive", "risk/m@1", "--force", "--reason", "x"),
        ("register", "risk/m", world.file),
        ("delete", "risk/m@2", "--yes"),
    ):
        where = None if command[0] == "init" else root
        code = spawn(*command, root=where, before=partial(_masked, 0)).code
        assert code == (4 if command[0] == "archive" else 0)
    for path in (root, *root.rglob("*")):
        assert path.is_symlink() or not path.lstat().st_mode & 0o002, path


@scenario("E-11")
def umask_077_in_a_shared_registry(world: World, case: Case) -> None:
    root = world.folder / "shared"
    mask = partial(_masked, 0o077)
    assert spawn("init", root, "--shared", "group", before=mask).code == 0
    assert spawn("register", "risk/m", world.file, root=root, before=mask).code == 0
    assert spawn("tag", "risk/m@1", "a=b", root=root, before=mask).code == 0
    model = root / "models/risk/m"
    for path, mode in {
        root: 0o2775, root / "models": 0o2775, model.parent: 0o2775, model: 0o2775, model / "versions": 0o3775,
        model / "versions/1": 0o555, model / "versions/1/files": 0o555, model / "versions/1/files/f": 0o444,
        model / ".lock": 0o664, model / "stages.yaml": 0o664, model / "history.jsonl": 0o664,
        model / "annotations/1.yaml": 0o664, root / "registry.yaml": 0o664,
    }.items():  # fmt: skip
        assert stat.S_IMODE(path.stat().st_mode) == mode, path


@scenario("E-12")
def closed_descriptors(world: World, case: Case) -> None:
    """A result that can't be told is a failure. A file of the store never gets the number of a closed descriptor."""
    place = f'registry -C "{world.root}"'
    assert shell(f"{place} list >&-").code == 1
    assert shell(f"{place} list 2>&-").out.startswith("m\t")
    assert shell(f"{place} show m@99 2>&-").code == 3
    assert shell(f"{place} list <&-").code == 0
    before = snapshot(world.model)
    assert shell(f"{place} list <&- >&- 2>&-").code == 1
    assert snapshot(world.model) == before
    registered = shell(f'{place} register m "{world.file}" <&- >&- 2>&-')
    assert registered.code == 1  # it is stored, but nobody could be told the number
    assert shell(f'{place} register m "{world.file}" <&- 2>&-').out == "m@5\n"
    for number in (4, 5):
        assert world.done("cat", f"m@{number}").out == "a model"
    refused = shell(f"{place} archive - <&-")
    assert_refused(refused, 2)
    assert_refused(shell(f"{place} register m - --as x <&-"), 2)


@scenario("E-13")
def a_full_output(world: World, case: Case) -> None:
    for command in ("list", "list --json", "list -q", "path m@1", "cat m@1", "--version", "--help", "list --help"):
        answer = shell(
            f'registry -C "{world.root}" {command} >/dev/full'
            if command[0] != "-"
            else f"registry {command} >/dev/full"
        )
        assert answer.code == 1, (command, answer)
        assert "cannot write the result" in answer.err
        assert "Traceback" not in answer.err


@scenario("E-15")
def a_limit_on_file_sizes(world: World, case: Case) -> None:
    path = world.make("big.bin", os.urandom(3 << 20))
    with world.unchanged(folder_times=False):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # noqa: E731
        answer = spawn("register", "m", path, root=world.root, before=limit)
    assert_refused(answer, 1)
    assert "larger than this process may write" in answer.err


@scenario("E-16")
def few_descriptors(world: World, case: Case) -> None:
    """Files are opened one at a time, so that eight descriptors are enough for a thousand of them."""
    for number in range(1000):
        world.make(f"tree/{number % 10}/{number}", str(number))
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))  # noqa: E731
    answer = spawn("register", "m", world.folder / "tree", root=world.root, before=limit)
    if answer.code:
        assert_refused(answer, 1)
        assert "may not open more files" in answer.err
    assert spawn("register", "m", world.folder / "tree", root=world.root).code == 0


@scenario("E-17")
def a_clock_that_jumps(world: World, case: Case) -> None:
    """Numbers, order and the history's chain come from what is there, not from the clock."""
    for year in (2024, 2100, 1970, 2026):
        registry = Registry(world.root, author="alice", now=partial(datetime, year, 1, 1, tzinfo=timezone.utc))
        ref = registry.register("m", [world.make("model.bin", str(year))]).ref
        registry.promote(ref, "production")
        assert world.done("path", "m@latest").out.endswith(f"/{ref.removeprefix('m@')}/files\n")
    rows = world.done("history", "m").lines
    assert [int(row.split("\t")[0]) for row in rows] == list(range(len(rows), 0, -1))
    assert world.done("rollback", "m", "production").out == "m@6\n"
    assert world.done("versions", "m", "-q").lines == ["m@7", "m@6", "m@5", "m@4", "m@2", "m@1"]
    assert world.done("verify").code == 0


@scenario("E-18")
def strange_time_zones(world: World, case: Case) -> None:
    for zone in ("Pacific/Kiritimati", "America/St_Johns", "XYZ+25:99", "", ":/etc/passwd", "right/UTC"):
        assert spawn("register", "m", world.file, root=world.root, env=environment(TZ=zone)).code == 0
        created = world.done("show", "m@latest", "--json").json["created"]
        moment = datetime.fromisoformat(created.replace("Z", "+00:00"))
        assert abs((datetime.now(timezone.utc) - moment).total_seconds()) < 60
        assert created.endswith("Z")
    late = Registry(world.root, author="alice", now=lambda: datetime(2099, 12, 31, 23, 59, 59, tzinfo=timezone.utc))
    late.register("m", [world.make("x")])
    assert world.done("show", "m@latest", "--json").json["created"] == "2099-12-31T23:59:59.000Z"


@scenario("E-19")
def other_ways_to_run_python(world: World, case: Case) -> None:
    damaged = world.folder / "damaged"
    for number, (flags, seed) in enumerate((((), "0"), (("-O",), "1"), (("-OO",), "2"), (("-W", "error"), "random"))):
        command = (sys.executable, *flags, "-m", "registry_cli")
        variables = environment(PYTHONHASHSEED=seed)
        ref = f"m@{number + 4}"
        steps: Iterator[tuple[int, tuple[object, ...]]] = iter((
            (0, ("register", "m", world.file, "-m", "acc=1")),
            (2, ("register", "m", world.file, "-m", "acc=nan")),
            (0, ("promote", ref, "production")),
            (4, ("delete", ref, "--yes")),
            (0, ("fetch", ref, "-o", damaged / str(number))),
        ))  # fmt: skip
        for code, step in steps:
            answer = spawn(*step, root=world.root, command=command, env=variables)
            assert answer.code == code, (flags, step, answer)
            assert "Warning" not in answer.err
