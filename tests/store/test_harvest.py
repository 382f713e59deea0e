"""Reading versions for the index by children: what is found is the same, whatever becomes of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.store import harvest
from registry_cli.store.harvest import Found, Harvest, Row, Task, Trouble
from tests.support import forks_noted

VERSIONS = 7


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    registry = Registry.init(tmp_path / "registry")
    file = tmp_path / "model.pkl"
    found = []
    for name in ("churn", "risk/score"):
        for at in range(VERSIONS):
            file.write_text(f"{name} {at}")
            registry.register(name, [file], metrics={"auc": at / 7})
        registry.tag(f"{name}@2", {"team": "crm"})
        model = registry._model(name)
        found.append(Task(model, model.state(), range(1, VERSIONS + 2), frozenset({2})))
    broken = registry.root / "models/churn/versions/3/version.yaml"
    broken.chmod(0o644)
    broken.write_text("format: 1\n")
    return found


def all_of(tasks: list[Task]) -> list[Found]:
    with Harvest(tasks) as found:
        return list(found)


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made = forks_noted(monkeypatch)
    monkeypatch.setattr(harvest, "processors", lambda: 3)
    monkeypatch.setattr(harvest, "_WORTH_CHILDREN", 0)
    monkeypatch.setattr(harvest, "_PIECE", 2)
    return made


def test_children_find_what_one_process_finds(
    tasks: list[Task], forks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = all_of(tasks)
    assert len(forks) == 3
    monkeypatch.setattr(harvest, "processors", lambda: 1)
    assert found == all_of(tasks) and len(forks) == 3
    assert [each.number for each in found] == [*range(1, VERSIONS + 2)] * 2
    assert isinstance(found[2], Trouble) and "churn@3" in found[2].message
    assert found[VERSIONS] == Row(VERSIONS + 1, None, [])
    assert isinstance(found[1], Row) and ("tags.team", "t", "crm") in found[1].facts


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0, lambda: os._exit(0)])
def test_a_child_that_dies_is_done_without(
    tasks: list[Task], forks: list[int], monkeypatch: pytest.MonkeyPatch, end: Callable[[], object]
) -> None:
    expected = all_of(tasks)
    read, ours, calls = harvest._read, os.getpid(), []

    def faulty(piece: Task) -> object:
        calls.append(piece)
        if os.getpid() != ours and len(calls) > 1:  # in the middle of its work
            end()
        return read(piece)

    monkeypatch.setattr(harvest, "_read", faulty)
    assert all_of(tasks) == expected
    assert calls, "the parent has read the rest"


def test_no_child_is_left(tasks: list[Task], forks: list[int]) -> None:
    with Harvest(tasks) as found:
        next(found)  # and no more: the others may be waiting to write
    for child in forks:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
