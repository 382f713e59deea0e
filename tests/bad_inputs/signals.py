"""Being told to stop: E-20, E-21, E-22."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.commands import Answer, begin, ended, staged, until

#: A command that says when Python itself is ready: what a signal does before is Python's.
_READY = "import sys; from registry_cli.cli.main import run; print('ready', flush=True); sys.exit(run(sys.argv[1:]))"


def _large(world: World) -> Path:
    """So much to copy that a signal comes in the middle. Holes: nothing has to be written first."""
    path = world.make("large.bin", b"x")
    os.truncate(path, 3 << 30)
    return path


def stopped(world: World, *numbers: int) -> Answer:
    """Signals to a process that is copying a large file."""
    process = begin("register", "m", _large(world), root=world.root)
    until(lambda: staged(world.root), "the copy begins")
    for number in numbers:
        process.send_signal(number)
        time.sleep(0.001)
    return ended(process)


def nothing_left(world: World) -> None:
    assert not list((world.model / "versions").glob(".*"))
    assert world.done("register", "m", world.file, "--lock-timeout", "0").code == 0


@scenario("E-20")
def terminated_then_killed(world: World, case: Case) -> None:
    """The exit code of a terminated process is 128 + n, as a shell has it."""
    with world.unchanged(folder_times=False):
        answer = stopped(world, signal.SIGTERM)
    assert (answer.code, answer.out, answer.err) == (143, "", "error: interrupted\n")
    nothing_left(world)
    killed = stopped(world, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    # the lock is free at once; what the dead process left is swept by age
    assert world.done("register", "m", world.file, "--lock-timeout", "0").out == "m@5\n"
    assert len(staged(world.root)) == 1
    assert world.done("gc").out == ""
    assert "staging" in world.done("gc", "--older-than", "0s").out
    assert not staged(world.root)


@scenario("E-21")
def interrupted_twice(world: World, case: Case) -> None:
    """By DESIGN an interrupted command ends with 130. The second signal does not break the clean-up of the first."""
    with world.unchanged(folder_times=False):
        answer = stopped(world, signal.SIGINT, signal.SIGINT, signal.SIGTERM)
    assert (answer.code, answer.out, answer.err) == (130, "", "error: interrupted\n")
    nothing_left(world)
    # at any moment of a promotion: it happened or it didn't, and the answer says which
    for turn in range(12):
        number = turn % 2 + 1
        before = world.done("show", "m", "--json").json["stages"].get("production")
        command = (sys.executable, "-c", _READY)
        process = begin("promote", f"m@{number}", "production", root=world.root, command=command)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(turn * 0.02)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        answer = ended(process)
        now = world.done("show", "m", "--json").json["stages"].get("production")
        assert now == (number if answer.code in (0, 8) else before), answer
        assert answer.code in (0, 8, 130, -2), answer


@scenario("E-22")
def the_line_drops(world: World, case: Case) -> None:
    with world.unchanged(folder_times=False):
        answer = stopped(world, signal.SIGHUP)
    assert (answer.code, answer.out) == (129, "")
    nothing_left(world)
    # under nohup it goes on
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None  # noqa: E731
    process = begin("register", "m", "-", "--as", "x", root=world.root, preexec_fn=ignore)
    assert process.stdin is not None
    process.stdin.write(b"x" * 100_000)
    process.stdin.flush()
    until(lambda: staged(world.root), "the copy begins")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.05)
    assert ended(process).out == "m@5\n"
