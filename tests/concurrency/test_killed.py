"""Processes are killed at any moment, and others take their place: what was answered lasts, and nothing is done twice."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from registry_cli.core.records import Event
from registry_cli.operations.context import open_model
from registry_cli.store import journal
from tests.concurrency import killed
from tests.concurrency.killed import MODELS, Line, Log, Request
from tests.concurrency.test_at_random import is_what_the_history_tells

PROCESSES = 5


def _bundles(folder: Path) -> None:
    """Versions to be merged, and a whole model."""
    origin = Registry.init(folder / "origin")
    for number in (1, 2):
        (folder / "m").write_text(f"from elsewhere {number}")
        origin.register("there", [folder / "m"])
    origin.promote("there@1", "production")
    origin.export(["there@1", "there@2"], folder / "merge.tar")
    origin.export(["there"], folder / "whole.tar")


def run_and_kill(live: Callable[[str, str, str, float], None], root: Path, folder: Path, seconds: float) -> int:
    """Let processes work, kill one every now and then and start another with its log; how many were killed."""
    context, dice = get_context("spawn"), random.Random()
    end = time.monotonic() + seconds

    def start(name: str) -> Any:
        rest = max(0.0, end - time.monotonic())
        process = context.Process(target=live, args=(str(root), str(folder), name, rest))
        process.start()
        return process

    running = {f"p{number}": start(f"p{number}") for number in range(PROCESSES)}
    kills = 0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.1, 0.5))
        name = dice.choice(list(running))
        log = folder / f"{name}.log"
        if not log.exists() or time.monotonic() > end - 1:
            continue
        running[name].kill()
        running[name].join()
        running[name].close()
        kills += 1
        running[name] = start(name)
    for process in running.values():
        process.join()
        process.close()
    return kills


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_what_was_answered_lasts(shared: Registry, tmp_path: Path, seconds: int) -> None:
    _bundles(tmp_path)
    for model in MODELS:
        for number in range(6):
            (tmp_path / "m").write_text(f"content of {number} " * 100)
            shared.register(model, [tmp_path / "m"])
    kills = run_and_kill(killed.live, shared.root, tmp_path, seconds)
    logs = {path.stem: Log(path).lines() for path in tmp_path.glob("p*.log")}
    lines = [line for each in logs.values() for line in each]
    failed = [line.content for line in lines if line.what == "failed"]
    assert not failed, failed[0]
    assert not [line for line in lines if line.what == "indeterminate"], "no disk failed here"
    told = Counter((line.what, kind) for line in lines if (kind := _verbs(lines)[line.id]))
    print(f"{kills} killed, {dict(told)}")
    assert kills
    events: dict[str, list[tuple[str, Event]]] = defaultdict(list)
    for name in shared.admin.model_names():
        reader = open_model(shared.context, name)
        shared.admin.repair([name])  # a process that died may have committed what is not in the journal yet
        entries = list(journal.oldest_first(reader.paths.history))
        is_what_the_history_tells(reader, entries)
        for entry in entries:
            events[entry.event.id].append((name, entry.event))
    repeated = _judge(shared, lines, events)
    assert repeated or seconds < 20, "some were repeated"
    for version in shared.search(archived=True):
        shared.artifacts.verify_files(version.ref)
    shared.admin.gc(age=-1)
    assert shared.admin.verify().problems == ()


def _verbs(lines: list[Line]) -> dict[str, str]:
    return {line.id: line.content["verb"] for line in lines if line.what == "begin"}


def _judge(registry: Registry, lines: list[Line], events: dict[str, list[tuple[str, Event]]]) -> int:
    """Each request was carried out once at most, as it was answered, and whenever it was answered the same.

    Returns how many were answered more than once.
    """
    requests = {line.id: line.content for line in lines if line.what == "begin"}
    answers: dict[str, list[Any]] = defaultdict(list)
    for line in lines:
        if line.what == "done" and line.content is not None:
            answers[line.id].append(line.content)
    refused = {line.id for line in lines if line.what == "refused"} - answers.keys()
    registered = {
        (name, each.version) for found in events.values() for name, each in found if each.action == "registered"
    }
    repeated = 0
    for identity, given in answers.items():
        assert all(_agree(answer, given[0]) for answer in given), f"{requests[identity]}: {given}"
        repeated += len(given) > 1
        request, answer = requests[identity], given[0]
        if request["verb"] == "whole":
            assert registry.model(request["model"]).latest == 2
            continue
        made = [each for each in events if each.partition(":")[0] == identity]  # also of its parts
        assert {name for each in made for name, _ in events[each]} <= {request["model"]}
        if request["verb"] == "merge":  # what another import took in already is not taken in again
            there = {(request["model"], int(ref.partition("@")[2])) for _, ref in answer if ref}
            assert {(name, event.version) for each in made for name, event in events[each]} <= there <= registered
            continue
        assert made, f"{request} was answered with {answer}, and is not recorded"
        _fits(request, answer, events[made[0]][0][1])
    assert not [identity for identity in refused if identity in events and not _dead(identity, lines)]
    asked = [identity for identity in events if identity.partition(":")[0] in requests]
    assert all(len(events[identity]) == 1 for identity in asked), "a request was carried out twice"
    assert not [line for line in lines if line.what == "done" and line.id in refused and line.content]
    return repeated


def _agree(answer: Any, first: Any) -> bool:
    """Whether two answers say the same; a version that came in and was deleted has no reference any more."""
    if isinstance(answer[0], list):
        answer = [[key, ref or earlier] for (key, ref), (_, earlier) in zip(answer, first, strict=True)]
        first = [[key, ref or later] for (key, ref), (_, later) in zip(first, answer, strict=True)]
    return bool(answer == first)


def _fits(request: Request, answer: Any, event: Event) -> None:
    """What is recorded is what was expected and answered."""
    if "expect" in request:
        assert event.detail["before"] == request["expect"], f"{request} moved from {event.detail['before']}"
        assert answer[1:] == [event.detail["before"], event.detail["after"]]
    if request["verb"] == "register":
        assert answer[0] == f"{request['model']}@{event.version}"


def _dead(identity: str, lines: list[Line]) -> bool:
    """Whether a process died before it was answered."""
    own = [line.what for line in lines if line.id == identity]
    return own.count("begin") > len(own) - own.count("begin")
