"""What the processes of a race do. Each function runs in a process of its own, and gives back plain values."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from registry_cli import Conflict, Damaged, Indeterminate, Refused, Registry, RegistryError


def without_locks() -> None:
    """Make ``flock`` do nothing in this process, as on a file system that says yes and keeps no lock."""
    fcntl.flock = lambda *_: None


def register(root: str, source: str, model: str, count: int, *, locks: bool = True) -> list[tuple[int, str]]:
    """Register ``count`` contents of its own; the number and the content of each that was acknowledged."""
    if not locks:
        without_locks()
    registry = Registry.open(root)
    done = []
    for turn in range(count):
        content = f"{os.getpid()}-{turn}"
        Path(source).write_text(content)
        try:
            done.append((registry.register(model, [source]).number, content))
        except (Conflict, Damaged, Indeterminate):
            if locks:
                raise
    return done


def move_with_expect(root: str, model: str, stage: str, wanted: int, *, locks: bool = True) -> list[tuple[Any, ...]]:
    """Move ``stage`` on ``wanted`` times, each time only from where it was seen; what each acknowledged move was."""
    if not locks:
        without_locks()
    registry = Registry.open(root)
    moves: list[tuple[Any, ...]] = []
    deadline = time.monotonic() + 40
    while len(moves) < wanted and time.monotonic() < deadline:
        current = registry.model(model).stages.get(stage)
        target = (current or 0) % 10 + 1
        try:
            moved = registry.promote(f"{model}@{target}", stage, expect=current, verify=False)
        except Conflict:
            continue
        except (Damaged, Indeterminate):
            if locks:
                raise
            break
        moves.append((moved.before, moved.after, moved.revision))
    return moves


def promote_once(root: str, ref: str, stage: str, expect: int | None) -> str:
    try:
        Registry.open(root).promote(ref, stage, expect=expect)
    except Conflict:
        return "conflict"
    return "done"


def promote_through_gate(root: str, ref: str, stage: str) -> str:
    try:
        Registry.open(root).promote(ref, stage)
    except Refused:
        return "refused"
    return "done"


def register_once(root: str, source: str, model: str) -> str:
    """``name@number``, or the kind of the error."""
    try:
        return Registry.open(root).register(model, [source]).ref
    except RegistryError as error:
        return error.kind


def archive_and_delete(root: str, source: str, model: str, count: int) -> int:
    """Make versions and take them away again."""
    registry = Registry.open(root)
    for turn in range(count):
        Path(source).write_text(f"short-lived {turn}")
        ref = registry.register(model, [source]).ref
        registry.archive([ref])
        registry.delete([ref], reason="only a trial")
    return count


def read_until(root: str, model: str, stop: str) -> int:
    """Look at everything again and again until the file ``stop`` is there; how often. Any error is the test's."""
    registry = Registry.open(root)
    turns = 0
    while not Path(stop).exists() or turns == 0:
        turns += 1
        for row in registry.list():
            assert row.latest is None or row.latest >= 1
        for version in registry.versions(model, archived=True):
            assert version.files == 1
            assert version.size > 0
        for stage in registry.model(model).stages:
            ref = f"{model}@{stage}"
            assert registry.version(ref).digest
            assert [file.name for file in registry.path(ref).iterdir()] == ["m"]
            registry.artifacts.verify_files(ref)
        link = Path(root, "models", model, "stages", "production")
        if link.is_symlink():
            assert (link / "files").is_dir(), "the link for readers without a client leads nowhere"
    return turns


def stop_readers(stop: str, job: Callable[..., Any], *arguments: Any) -> Any:
    """Do ``job``, then let the readers end."""
    try:
        return job(*arguments)
    finally:
        Path(stop).touch()


def promote_slowly(root: str, ref: str, stage: str, inside: str, leave: str, *, committed: bool = False) -> str:
    """Promote, but stop in the middle, holding the lock: touch ``inside``, go on when ``leave`` is there.

    The clock is asked for the event's time under the lock, which is where this waits; with ``committed`` it waits
    just behind the system call that is the commit.
    """

    def wait() -> None:
        Path(inside).touch()
        deadline = time.monotonic() + 60
        while not Path(leave).exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def now() -> datetime:
        if not committed:
            wait()
        return datetime.now(timezone.utc)

    link = os.link

    def link_and_wait(*arguments: Any, **options: Any) -> None:
        link(*arguments, **options)
        if ".stages-" in str(arguments[1]):
            wait()

    if committed:
        os.link = link_and_wait
    try:
        Registry(root, now=now).promote(ref, stage)
    except Conflict:
        return "conflict"
    return "done"
