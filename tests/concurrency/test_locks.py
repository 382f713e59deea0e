"""The lock of a model: who waits for how long, and what holds when the lock does not."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from registry_cli import LockTimeout, Refused, Registry
from registry_cli.errors import Damaged
from tests.concurrency import workers
from tests.concurrency.conftest import fill
from tests.concurrency.test_many_writers import chained
from tests.support import race, snapshot


class Slow:
    """A process that is in the middle of a promotion, with the lock in its hands."""

    def __init__(self, registry: Registry, folder: Path, ref: str, committed: bool) -> None:
        self.inside, self.leave = folder / "inside", folder / "leave"
        self.results = get_context("spawn").SimpleQueue()
        self.process = get_context("spawn").Process(
            target=_promote_slowly,
            args=(self.results, committed, str(registry.root), ref, "production", str(self.inside), str(self.leave)),
        )
        self.process.start()
        deadline = time.monotonic() + 30
        while not self.inside.exists():
            assert time.monotonic() < deadline, "the process never got to the lock"
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self) -> str:
        self.leave.touch()
        result = str(self.results.get())
        self.process.join()
        return result


def _promote_slowly(results: object, committed: bool, *arguments: str) -> None:
    results.put(workers.promote_slowly(*arguments, committed=committed))  # type: ignore[attr-defined]


@contextmanager
def slow(registry: Registry, folder: Path, ref: str = "churn@1", *, committed: bool = False) -> Iterator[Slow]:
    folder.mkdir(exist_ok=True)
    process = Slow(registry, folder, ref, committed)
    try:
        yield process
    finally:
        if process.process.is_alive():
            process.signal(signal.SIGCONT)
            process.process.kill()
        process.process.join()
        process.process.close()


def test_a_stopped_holder_is_waited_for_so_long_and_told_once(ten: Registry, tmp_path: Path) -> None:
    told: list[str] = []
    impatient = Registry(ten.root, lock_timeout=1.0, on_wait=told.append)
    with slow(ten, tmp_path) as holder:
        holder.signal(signal.SIGSTOP)
        before = snapshot(ten.root)
        start = time.monotonic()
        with pytest.raises(LockTimeout, match="churn is locked by another process"):
            impatient.promote("churn@2", "staging")
        assert 0.9 < time.monotonic() - start < 5
        assert len(told) == 1
        assert snapshot(ten.root) == before, "who did not get the lock has written nothing"
        assert ten.version("churn@2").stages == (), "reading needs no lock"
        holder.signal(signal.SIGCONT)
        assert holder.end() == "done"
    assert impatient.promote("churn@2", "staging").changed
    assert len(told) == 1, "a lock that is free is not worth a word"


def test_who_waits_gets_the_lock_when_it_is_free(ten: Registry, tmp_path: Path) -> None:
    told: list[str] = []

    def let_go(sentence: str) -> None:
        told.append(sentence)
        (tmp_path / "leave").touch()

    patient = Registry(ten.root, lock_timeout=30, on_wait=let_go)
    with slow(ten, tmp_path) as holder:
        assert patient.promote("churn@2", "production").before == 1
        assert len(told) == 1
        assert holder.end() == "done"


def test_a_holder_that_is_killed_lets_go_at_once(ten: Registry, tmp_path: Path) -> None:
    with slow(ten, tmp_path) as holder:
        holder.process.kill()
        holder.process.join()
        assert Registry(ten.root, lock_timeout=1).promote("churn@2", "production").before is None


def test_a_lock_file_deleted_while_it_is_held_loses_no_update(ten: Registry, tmp_path: Path) -> None:
    """A second writer gets in beside the first; of their two changes one is done, the other a clean conflict."""
    with slow(ten, tmp_path) as holder:
        (ten.root / "models" / "churn" / ".lock").unlink()
        assert ten.promote("churn@2", "production").revision == 1
        assert holder.end() == "conflict"
    assert ten.model("churn").stages == {"production": 2}


def test_a_writer_that_slept_through_many_changes_conflicts_too(ten: Registry, tmp_path: Path) -> None:
    """More changes than claims are kept: the claim that would have stopped it is gone, and it must stop all the same."""
    with slow(ten, tmp_path) as holder:
        (ten.root / "models" / "churn" / ".lock").unlink()
        for turn in range(12):
            ten.promote(f"churn@{turn % 3 + 2}", "production")
        assert holder.end() == "conflict"
        assert ten.model("churn").revision == 12
    for turn in range(12):
        ten.promote(f"churn@{turn % 3 + 5}", "staging")
    assert ten.model("churn").stages == {"production": 4, "staging": 7}
    assert ten.model("churn").revision == 24


@pytest.mark.parametrize("others", [1, 3, 12])
def test_a_change_that_others_brought_forward_is_no_conflict(ten: Registry, tmp_path: Path, others: int) -> None:
    """It was committed, another writer past the lock went on from it: to call it a conflict would be a lie."""
    with slow(ten, tmp_path, committed=True) as holder:
        (ten.root / "models" / "churn" / ".lock").unlink()
        for turn in range(others):
            assert ten.promote(f"churn@{turn % 3 + 2}", "production").revision == turn + 2
        assert holder.end() == "done"
    assert ten.model("churn").revision == others + 1
    assert ten.model("churn").stages == {"production": (others - 1) % 3 + 2}
    moves = [entry.event.detail["after"] for entry in ten.history("churn") if entry.event.action == "promoted"]
    assert moves[-1] == 1
    assert len(moves) == others + 1


def test_who_waited_for_a_lock_file_that_was_replaced_waits_for_the_new_one(ten: Registry, tmp_path: Path) -> None:
    """A lock on a file that nobody else looks at any more is none: it must not be content with that."""
    waiting = threading.Event()
    patient = Registry(ten.root, lock_timeout=30, on_wait=lambda _: waiting.set())
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(patient.promote("churn@3", "staging").revision))
    with slow(ten, tmp_path) as first, (tmp_path / "new").open("w") as replacement:
        thread.start()
        assert waiting.wait(30)
        fcntl.flock(replacement, fcntl.LOCK_EX)
        (tmp_path / "new").rename(ten.root / "models" / "churn" / ".lock")
        assert first.end() == "done"
        thread.join(0.5)
        assert not done, "two writers were in at once"
    thread.join(30)
    assert done == [2]


def test_registering_past_a_broken_lock_takes_the_next_number(ten: Registry, tmp_path: Path) -> None:
    with slow(ten, tmp_path) as holder:
        (ten.root / "models" / "churn" / ".lock").unlink()
        assert ten.register("churn", [tmp_path / "m"]).ref == "churn@11"
        holder.signal(signal.SIGKILL)
        holder.process.join()
    assert ten.register("churn", [tmp_path / "m"]).ref == "churn@12"


@pytest.mark.parametrize("kind", ["symlink", "dangling", "folder", "fifo"])
def test_a_lock_that_is_no_file_is_refused(ten: Registry, tmp_path: Path, kind: str) -> None:
    lock = ten.root / "models" / "churn" / ".lock"
    lock.unlink()
    victim = tmp_path / "victim"
    if kind == "symlink":
        victim.write_text("precious")
        lock.symlink_to(victim)
    elif kind == "dangling":
        lock.symlink_to(victim)
    elif kind == "folder":
        lock.mkdir()
    else:
        os.mkfifo(lock)
    with pytest.raises((Refused, Damaged)):
        ten.promote("churn@1", "production")
    assert ten.model("churn").revision == 0
    if kind == "symlink":
        assert victim.read_text() == "precious"
    else:
        assert not victim.exists(), "a link is not followed, not even to make a file"
    assert [problem.code for problem in ten.admin.verify().problems] == ["file-type"]
    ten.admin.repair()


def test_versions_are_neither_lost_nor_doubled_without_any_lock(tmp_path: Path) -> None:
    """``flock`` says yes to everybody: the second line of defence is the rename onto a version that is there."""
    registry = Registry.init(tmp_path / "registry")
    fill(registry, tmp_path)
    root = str(registry.root)
    results = race([(_register_unlocked, (root, str(tmp_path / f"m{n}"))) for n in range(8)])
    done = sorted(pair for result in results for pair in result)
    numbers = [number for number, _ in done]
    assert len(set(numbers)) == len(numbers), "one number was given twice"
    assert numbers
    for number, content in done:
        assert next((registry.root / "models/churn/versions" / str(number) / "files").iterdir()).read_text() == content
    problems = {problem.code for problem in registry.admin.verify().problems}
    assert problems <= {"journal-chain", "journal-torn", "journal-behind", "unrecorded-version", "journal-seal"}


def _register_unlocked(root: str, source: str) -> list[tuple[int, str]]:
    return workers.register(root, source, "churn", 10, locks=False)


def test_no_stage_update_is_lost_without_any_lock(tmp_path: Path) -> None:
    """The claims are: of two that would make the same revision one is done, the other is a conflict."""
    registry = Registry.init(tmp_path / "registry")
    fill(registry, tmp_path)
    results = race([(_move_unlocked, (str(registry.root),))] * 8)
    moves = [move for result in results for move in result]
    assert moves
    revisions = [revision for _, _, revision in moves]
    assert len(set(revisions)) == len(revisions), "two changes were acknowledged as one revision"
    final = registry.model("churn")
    assert final.revision >= max(revisions), "an acknowledged change is gone"
    if len(moves) == final.revision:  # nobody was left in doubt: then the whole chain must link up
        chained(moves)
        assert final.stages["production"] == moves[-1][1]


def _move_unlocked(root: str) -> list[tuple[object, ...]]:
    return workers.move_with_expect(root, "churn", "production", 8, locks=False)
