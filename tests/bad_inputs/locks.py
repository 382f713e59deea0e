"""Several writers at once, and locks that are held, gone, or not kept: L-*."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from registry_cli.store.maintenance import doctor
from tests.bad_inputs.audit import audited
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import assert_refused, begin, ended, environment, staged, until
from tests.concurrency import workers
from tests.crash.scenarios import die
from tests.support import LOCKING_TRUNCATES, race

HOLDER = """
import fcntl, os, subprocess, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

#: A writer that is killed under the lock, and has started a program there that lives on.
_WITH_CHILD = """
import os, signal, subprocess, sys
from registry_cli import Registry
def now():
    child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
Registry(sys.argv[1], now=now).promote("m@1", "production")
"""

#: Many writers, forked from one process so that they all start at once; half of them are killed if asked for.
_WRITERS = """
import json, os, signal, sys, time
from registry_cli import Registry
root, folder, count, turns, killed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
Registry(root).register("warm", [folder + "/f"])
children = []
for writer in range(count):
    child = os.fork()
    if child == 0:
        registry = Registry(root, lock_timeout=60)
        path = f"{folder}/writer-{writer}"
        with open(f"{path}.log", "w") as log:
            for turn in range(turns):
                open(path, "w").write(f"{writer}-{turn}")
                started = time.monotonic()
                ref = registry.register("m", [path]).ref
                print(ref, f"{writer}-{turn}", time.monotonic() - started, file=log, flush=True)
        os._exit(0)
    children.append(child)
time.sleep(0.7 if killed else 0)
for child in children[:killed]:
    os.kill(child, signal.SIGKILL)
codes = [os.waitpid(child, 0)[1] for child in children[killed:]]
sys.exit(any(codes))
"""


@contextlib.contextmanager
def held(world: World) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock of ``m``."""
    words = [sys.executable, "-c", HOLDER, str(world.model / ".lock")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _writers(world: World, count: int, turns: int, killed: int) -> list[tuple[str, str, float]]:
    """Let many processes register; what was acknowledged: reference, content, seconds."""
    words = [sys.executable, "-c", _WRITERS, str(world.root), str(world.folder), *map(str, (count, turns, killed))]
    subprocess.run(words, env=environment(), check=True, timeout=120)
    acknowledged = []
    for log in world.folder.glob("*.log"):
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                ref, content, seconds = line.split()
                acknowledged.append((ref, content, float(seconds)))
    return acknowledged


@scenario("L-02")
def half_of_the_writers_are_killed(world: World, case: Case) -> None:
    acknowledged = _writers(world, 40, 6, 20)
    assert len(acknowledged) >= 120, "those that live come through"
    assert len({ref for ref, _, _ in acknowledged}) == len(acknowledged), "a number was given twice"
    for ref, content, _ in acknowledged:
        (path,) = world.reg.path(ref).iterdir()
        assert path.read_text() == content
    world.done("register", "m", world.file, "--lock-timeout", "0")
    world.done("repair")  # staging folders of the dead
    world.done("gc", "--older-than", "0s")


@scenario("L-03")
def a_holder_that_is_stopped(world: World, case: Case) -> None:
    with held(world) as holder:
        holder.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        answer = world.run("promote", "m@1", "production", "--lock-timeout", "1")
        assert answer.code == 7
        assert 0.9 < time.monotonic() - started < 10
        told, error = answer.err.splitlines()
        assert told.startswith("waiting for m, locked by another process")
        assert error.startswith("error: m is locked by another process")
        assert f"(process {holder.pid})" in error
        with world.unchanged(folder_times=False):
            assert_refused(world.run("register", "m", world.file, "--lock-timeout", "0"), 7)
        assert world.done("list").out.startswith("m\t")
    world.done("promote", "m@1", "production", "--lock-timeout", "0")


@scenario("L-04")
def a_child_that_lives_on(world: World, case: Case) -> None:
    """Descriptors are close-on-exec: a program started under the lock does not keep it."""
    words = [sys.executable, "-c", _WITH_CHILD, str(world.root)]
    done = subprocess.run(words, env=environment(), stdout=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    child = int(done.stdout)
    try:
        os.kill(child, 0)
        world.done("promote", "m@2", "production", "--lock-timeout", "0")
    finally:
        os.kill(child, signal.SIGKILL)


@scenario("L-05")
def the_lock_file_is_deleted_while_held(world: World, case: Case) -> None:
    """The second writer gets through with a new file; the first finds out by its claim: one update, one conflict."""
    inside, leave = world.folder / "inside", world.folder / "leave"
    code = "import sys; from tests.concurrency.workers import promote_slowly; print(promote_slowly(*sys.argv[1:]))"
    words = [sys.executable, "-c", code, str(world.root), "m@1", "production", str(inside), str(leave)]
    first = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, text=True)
    until(inside.exists, "the first writer has the lock")
    (world.model / ".lock").unlink()
    assert world.done("promote", "m@2", "production", "--lock-timeout", "5").out == "m@2\n"
    leave.touch()
    assert first.communicate(timeout=60)[0] == "conflict\n"
    assert world.done("show", "m", "--json").json["stages"]["production"] == 2
    assert world.done("tag", "m@1", "a=b")


@scenario("L-06", "L-14")
def what_stands_in_a_lock_file(world: World, case: Case) -> None:
    """Nobody believes it: neither a marker of another host's dead process, nor the number of one that lives."""
    for text in ("4711\nanother-host\n", f"{os.getpid()}\n{os.uname().nodename}\n", "1"):
        (world.model / ".lock").write_text(text)
        world.done("tag", "m@1", f"a={len(text)}", "--lock-timeout", "0")
        assert (world.model / ".lock").read_text() == ("" if LOCKING_TRUNCATES else text)
    with held(world):  # and a lock that is held is not broken, whatever stands in it
        world.refused(7, "tag", "m@1", "a=c", "--lock-timeout", "0")


@scenario("L-08")
def a_mount_without_locks(world: World, case: Case) -> None:
    """``doctor`` reads the mount's options; and when both writers have 'the lock', none of their versions is lost."""
    table = "36 35 0:51 / /data rw,relatime shared:1 - nfs server:/x rw,vers=3,nolock,local_lock=all\n"
    assert doctor.mount_of(Path("/data/registry"), table) == (
        "nfs", frozenset({"rw", "relatime", "vers=3", "nolock", "local_lock=all"}),
    )  # fmt: skip
    sources = [str(world.make(f"source-{number}")) for number in range(2)]
    turns = [(workers.register, (str(world.root), source, "m", 20)) for source in sources]
    results = race([(_without_locks, (job.__name__, *arguments)) for job, arguments in turns])
    acknowledged = [pair for result in results for pair in result]
    assert len({number for number, _ in acknowledged}) == len(acknowledged)
    for number, content in acknowledged:
        (path,) = world.reg.path(f"m@{number}").iterdir()
        assert path.read_text() == content
    world.sound = False  # without any lock the history, which is derived, may have torn lines


def _without_locks(name: str, *arguments: object) -> object:
    return getattr(workers, name)(*arguments, locks=False)


@scenario("L-09")
def two_machines_of_one_name(world: World, case: Case) -> None:
    """To the server they are one client, and both have the lock: claims still let no update get lost."""
    jobs = [(_without_locks, ("move_with_expect", str(world.root), "n", "production", 8)) for _ in range(2)]
    for number in range(10):  # the ten versions between which the workers move
        world.reg.register("n", [world.make("x", str(number))])
    moves = sorted((revision, before, after) for result in race(jobs) for before, after, revision in result)
    revisions = [revision for revision, _, _ in moves]
    assert len(set(revisions)) == len(revisions), "two writers committed one revision"
    for (_, _, after), (_, before, _) in pairwise(moves):
        assert before == after, "an update was lost"
    world.sound = False


@scenario("L-11")
def another_look_at_the_lock_file(world: World, case: Case) -> None:
    """flock, not a POSIX lock: it stays when the holder opens and closes the file again."""
    descriptor = os.open(world.model / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(os.open(world.model / ".lock", os.O_RDWR))
    process = begin("tag", "m@1", "a=b", "--lock-timeout", "0.5", root=world.root)
    assert ended(process).code == 7
    os.close(descriptor)
    assert ended(begin("tag", "m@1", "a=b", "--lock-timeout", "0", root=world.root)).code == 0


@scenario("L-12")
def a_version_that_is_brand_new(world: World, case: Case) -> None:
    """A network client sees new entries when it opens their folder anew: that comes before a version's documents."""
    for command in ("show", "path", "cat"):
        seen = audited(world, command, "m@2")
        versions = str(world.model / "versions")
        assert versions in seen.order, seen.order
        document = next(path for path in seen.order if path.startswith(f"{versions}/2/"))
        assert seen.order.index(versions) < seen.order.index(document)


@scenario("L-13")
def no_line_without_the_lock(world: World, case: Case) -> None:
    history = world.model / "history.jsonl"
    before = history.read_bytes()
    with held(world):
        commands = (
            ("register", "m", world.file), ("promote", "m@1", "production"), ("demote", "m", "staging"),
            ("tag", "m@1", "a=b"), ("annotate", "m@1", "a=b"), ("log-metric", "m@1", "a=1"), ("alias", "m@1", "best"),
            ("archive", "m@1"), ("restore", "m@1"), ("delete", "m@1", "--yes"), ("repair",), ("gc",),
        )  # fmt: skip
        for command in commands:
            assert world.run(*command, "--lock-timeout", "0").code == 7, command
    assert history.read_bytes() == before


@scenario("L-15")
def a_long_copy_blocks_nobody(world: World, case: Case) -> None:
    """While one registration waits for its input, without end, another process promotes and registers."""
    process = begin("register", "m", "-", "--as", "x", root=world.root)
    assert process.stdin is not None
    process.stdin.write(b"x" * 100_000)
    process.stdin.flush()
    until(lambda: staged(world.root), "the copy begins")
    world.done("promote", "m@1", "production", "--lock-timeout", "0")
    assert world.done("register", "m", world.file, "--lock-timeout", "0").out == "m@4\n"
    assert ended(process).out == "m@5\n"


@scenario("L-16")
def two_with_the_same_expectation(world: World, case: Case) -> None:
    for turn in range(4):
        now = world.done("show", "m", "--json").json["stages"].get("production", "none")
        new = [number for number in (1, 2) if number != now]
        if len(new) == 1:
            new = new * 2
        both = [begin("promote", f"m@{number}", "production", "--expect", now, root=world.root) for number in new]
        codes = sorted(ended(process).code for process in both)
        # two that want the same version may both be told that it is there; else one wins and one conflicts
        assert codes == [0, 4], (turn, codes)
    assert world.reg.model("m").revision == 2 + 4


@scenario("L-17")
def dead_between_commit_and_history(world: World, case: Case) -> None:
    die(
        world.reg,
        world.folder,
        lambda reg, _: reg.promote("m@1", "production", request_id="lost"),
        "link",
        1,
        "dead after",
    )
    assert "lost" not in (world.model / "history.jsonl").read_text()
    world.done("tag", "m@1", "a=b")
    events = [json.loads(line)["id"] for line in (world.model / "history.jsonl").read_text().splitlines()]
    assert events.count("lost") == 1
    assert events.index("lost") == len(events) - 2
    assert world.done("path", "m@production").out == world.done("path", "m@1").out


@scenario("L-18")
def fifty_wait(world: World, case: Case) -> None:
    acknowledged = _writers(world, 50, 2, 0)
    assert len(acknowledged) == 100
    assert max(seconds for *_, seconds in acknowledged) < 60
