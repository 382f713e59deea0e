"""Who may do what, and what somebody else prepared: S-*."""

from __future__ import annotations

import os
import stat
import time
from typing import Any

import pytest

from registry_cli import Registry
from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.faults import struck
from tests.bad_inputs.table import Case, scenario
from tests.commands import (
    NOBODY,
    as_user,
    assert_refused,
    begin,
    ended,
    environment,
    public_folder,
    run,
    spawn,
    staged,
    until,
)
from tests.crash.shim import Fault


@scenario("S-01")
def a_lock_that_is_a_link(world: World, case: Case) -> None:
    victim = world.make("bashrc", "precious")
    victim.chmod(0o600)
    lock = world.model / ".lock"
    lock.unlink()
    lock.symlink_to(victim)
    world.refused(5, "promote", "m@1", "production")
    with world.unchanged(folder_times=False):
        assert_refused(world.run("register", "m", world.file), 5)
    lock.unlink()
    lock.symlink_to(world.folder / "made")
    world.refused(5, "tag", "m@1", "a=b")
    assert not (world.folder / "made").exists()
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == ("precious", 0o600)
    lock.unlink()
    world.done("tag", "m@1", "a=b")


@scenario("S-03")
def a_lock_that_is_another_file_too(world: World, case: Case) -> None:
    victim = world.make("bashrc", "precious")
    victim.chmod(0o600)
    lock = world.model / ".lock"
    lock.unlink()
    os.link(victim, lock)
    world.done("register", "m", world.file)
    world.done("promote", "m@4", "production")
    assert (victim.read_text(), stat.S_IMODE(victim.stat().st_mode)) == ("precious", 0o600)


@scenario("S-05")
def a_registry_of_somebody_else(world: World, case: Case) -> None:
    """Reading is safe, for nothing in it is run; ``doctor`` says whose it is."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a registry to another user")
    for path in (world.root, *world.root.rglob("*")):
        os.lchown(path, NOBODY, NOBODY)
    seen = audited(world, "list")
    assert seen.answer.out.startswith("m\t")
    assert not seen.ran
    found = {each["check"]: each["message"] for each in world.run("doctor", "--json").json["items"]}
    assert f"(uid {NOBODY})" in found["owner"]


@scenario("S-06")
def a_command_in_the_settings(world: World, case: Case) -> None:
    """By DESIGN unknown settings are kept; none of them can name a command, so that nothing is run."""
    trap = world.folder / "sprung"
    with (world.root / "registry.yaml").open("a") as stream:
        stream.write(f"hooks: {{post_publish: 'touch {trap}'}}\npager: 'touch {trap}'\n")
    for command in (("register", "m", world.file), ("promote", "m@1", "production"), ("list",), ("verify",)):
        seen = audited(world, *command)
        assert seen.code == 0
        assert not seen.ran
    assert not trap.exists()


@scenario("S-09")
def the_staging_folder(world: World, case: Case) -> None:
    """Its name is 128 random bits, and nobody else can look into it while it is filled."""
    names = set()
    for _ in range(2):
        process = begin("register", "m", "-", "--as", "x", root=world.root)
        assert process.stdin is not None
        process.stdin.write(b"x" * 100_000)
        process.stdin.flush()
        until(lambda: staged(world.root), "the copy begins")
        (folder,) = staged(world.root)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        names.add(folder.name)
        assert ended(process).code == 0
    assert len(names) == 2
    assert all(len(name.removeprefix(".tmp-")) == 32 for name in names)
    # folders that somebody made in advance are nobody's version, and in nobody's way
    (world.model / "versions/.tmp-0").mkdir()
    world.done("register", "m", world.file)
    (world.model / "versions/.tmp-0").rmdir()


@scenario("S-15")
def under_sudo(world: World, case: Case) -> None:
    """There is no user configuration that could be taken from the wrong user; the real user is written down."""
    home = world.folder / "home"
    for name in (".config/registry/config.yaml", ".registryrc", ".registry.yaml"):
        world.make(f"home/{name}", "stages: [hacked]\n")
    variables = environment(HOME=str(home), XDG_CONFIG_HOME=str(home / ".config"), SUDO_UID="65534", SUDO_USER="bob")
    kept: dict[str, Any] = {key: variables[key] for key in ("HOME", "XDG_CONFIG_HOME")}
    seen = audited(world, "register", "m", world.file, **kept)
    assert seen.code == 0
    assert not [path for path in seen.opened if path.startswith(str(home))]
    assert spawn("tag", "m@1", "a=b", root=world.root, env=variables).code == 0
    assert world.done("history", "m", "--json").json["items"][0]["by"] != "bob"


@scenario("S-16")
def a_store_that_may_not_be_written(world: World, case: Case) -> None:
    """As root on an NFS share that squashes root: told at once, in one line, with no try again."""
    started = time.monotonic()
    if os.geteuid() != 0:
        (world.model / "versions").chmod(0o555)
        with world.unchanged():
            assert_refused(world.run("register", "m", world.file), 1)
        (world.model / "versions").chmod(0o755)
        return
    with public_folder() as folder:
        (folder / "f").write_text("x")
        root = folder / "registry"
        run("init", root)
        run("register", "m", folder / "f", root=root)
        for command in (
            ("register", "m", folder / "f"),
            ("register", "new", folder / "f"),
            ("promote", "m@1", "staging"),
        ):
            answer = as_user(NOBODY, *command, root=root)
            assert_refused(answer, 1)
            assert "permission denied" in answer.err
        assert as_user(NOBODY, "path", "m@1", root=root).code == 0
        assert Registry(root).admin.verify().problems == ()
    assert time.monotonic() - started < 25


@scenario("S-20")
def a_version_in_an_image_layer(world: World, case: Case) -> None:
    """overlayfs can't rename a folder of a lower layer. The tombstone is the deletion; the files are swept later."""
    world.done("archive", "m@1")
    answer = struck(world, ("delete", "m@1", "--yes"), "rename", "versions/1", Fault("error", 0, 18))
    assert (answer.code, answer.out) == (0, "m@1\n"), answer
    assert world.run("show", "m@1").code == 3
    assert "leftover" in world.done("verify").out
    assert (world.model / "tombstones/1.yaml").exists()
    world.done("gc")
    world.done("repair")
