"""Models are renamed all the time under few names, and processes die over it: each version stays, under one name."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Registry
from registry_cli.core.records import JournalEntry
from registry_cli.operations.context import open_model
from registry_cli.store import codec, creation, journal, registration
from tests.concurrency import renaming
from tests.concurrency.killed import Line, Log, Request
from tests.concurrency.test_killed import run_and_kill


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_models_that_change_their_names(shared: Registry, tmp_path: Path, seconds: int) -> None:
    (tmp_path / "m").write_text("the first")
    shared.register("m0", [tmp_path / "m"])
    kills = run_and_kill(renaming.live, shared.root, tmp_path, seconds)
    lines = [line for path in tmp_path.glob("p*.log") for line in Log(path).lines()]
    failed = [line.content for line in lines if line.what == "failed"]
    assert not failed, failed[0]
    requests: dict[str, Request] = {line.id: line.content for line in lines if line.what == "begin"}
    print(f"{kills} killed, {dict(Counter((line.what, requests[line.id]['verb']) for line in lines))}")
    assert kills
    finished = _finish_renames(shared, lines, requests)
    print(f"{finished} renames finished")
    _require_each_version_once(shared, lines, requests)
    shared.admin.repair()
    _require_known_names(shared, requests)
    _require_former_names_refused(shared, tmp_path)
    shared.admin.gc(age=-1)
    assert shared.admin.verify().problems == ()


def test_a_model_that_is_renamed_while_a_version_comes_in(
    shared: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was meant for it does not become another model under its former name."""
    (tmp_path / "m").write_text("the first")
    shared.register("churn", [tmp_path / "m"])
    make_staging = registration._make_staging

    def renamed_before(*arguments: Any) -> Any:
        monkeypatch.setattr(registration, "_make_staging", make_staging)
        shared.admin.rename("churn", "churn-retail")
        return make_staging(*arguments)

    monkeypatch.setattr(registration, "_make_staging", renamed_before)
    with pytest.raises(Conflict, match="'churn' is a former name of the model 'churn-retail'"):
        shared.register("churn", [tmp_path / "m"])
    assert shared.admin.model_names() == ["churn-retail"]
    assert not (shared.root / "models" / "churn" / "versions").exists()


def test_folders_that_are_taken_away_again_and_again_are_made_again(
    shared: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").write_text("the first")
    make_skeleton, left = creation.make_skeleton, [3]

    def taken_away(*arguments: Any) -> Any:
        made = make_skeleton(*arguments)
        if left[0]:
            left[0] -= 1
            shutil.rmtree(shared.root / "models" / "churn")
        return made

    monkeypatch.setattr(registration, "make_skeleton", taken_away)
    assert shared.register("churn", [tmp_path / "m"]).ref == "churn@1"
    assert left == [0]


def _history(registry: Registry, name: str) -> list[JournalEntry]:
    return list(journal.oldest_first(open_model(registry.context, name).paths.history))


def _content(registry: Registry, ref: str) -> str:
    (file,) = registry.artifacts.get(ref).folder.iterdir()
    return file.read_text()


def _finish_renames(registry: Registry, lines: list[Line], requests: dict[str, Request]) -> int:
    """Run again what was interrupted between the record of a rename and the move of its folder."""
    answered = {line.id for line in lines if line.what != "begin"}
    unanswered = [request for identity, request in requests.items() if identity not in answered]
    finished = 0
    for name in registry.admin.model_names():
        if name not in codec.former_names(open_model(registry.context, name).document()):
            continue
        again = [request for request in unanswered if request["verb"] == "rename" and request["model"] == name]
        registry.admin.repair([name])
        new = [entry.event for entry in _history(registry, name) if entry.event.action == "renamed"][-1].detail["after"]
        assert new in [request["new"] for request in again], f"nobody was renaming {name} to {new}"
        registry.admin.rename(name, new, reuse_name=any(each["reuse"] for each in again if each["new"] == new))
        assert name not in registry.admin.model_names()
        finished += 1
    return finished


def _require_each_version_once(registry: Registry, lines: list[Line], requests: dict[str, Request]) -> None:
    """What was registered is there, in one model; what was refused is not."""
    found: Counter[str] = Counter()
    for version in registry.search(archived=True):
        registry.artifacts.verify_files(version.ref)
        found[_content(registry, version.ref)] += 1
    assert found.pop("the first") == 1
    assert set(found.values()) <= {1}, found
    answers = {line.id: line.what for line in lines}  # the last word on each
    for identity, request in requests.items():
        if request["verb"] != "register":
            continue
        there = found.pop(request["content"], 0)
        assert answers[identity] == "begin" or there == (answers[identity] == "done"), f"{request}: {there}"
    assert not found


def _require_known_names(registry: Registry, requests: dict[str, Request]) -> None:
    """A new model has a name that another one had before only where that was asked for."""
    reused = {request["content"] for request in requests.values() if request["verb"] == "register" and request["reuse"]}
    pasts = {name: [entry.event for entry in _history(registry, name)] for name in registry.admin.model_names()}
    for name, events in pasts.items():
        renames = [event for event in events if event.action == "renamed"]
        first = renames[0].detail["before"] if renames else name
        made = next(event for event in events if event.action == "registered")
        former = [
            (other, event.at)
            for other, past in pasts.items()
            for event in past
            if other != name and event.action == "renamed" and event.detail["before"] == first and event.at < made.at
        ]
        if former and first in codec.former_names(open_model(registry.context, former[-1][0]).document()):
            content = _content(registry, f"{name}@{made.version}")
            assert content in reused, f"{name} was made as {first} at {made.at}, which was a name of {former}"


def _require_former_names_refused(registry: Registry, folder: Path) -> None:
    """Nobody gets another model under a name that one had before, unless it is asked for."""
    names = registry.admin.model_names()
    former = {
        each for name in names for each in codec.former_names(open_model(registry.context, name).document())
    } - set(names)
    assert former
    (folder / "m").write_text("too late")
    for name in former:
        with pytest.raises(Conflict, match="is a former name of the model"):
            registry.register(name, [folder / "m"])
    assert registry.admin.model_names() == names
    chosen = min(former)
    assert registry.register(chosen, [folder / "m"], reuse_name=True).ref == f"{chosen}@1"
