"""Many processes do everything at once to one model: its history then tells exactly what is there, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from registry_cli.core.records import Event, JournalEntry, StageTable
from registry_cli.operations.context import open_model
from registry_cli.rules import deployments
from registry_cli.rules.event_history import apply_event, replay
from registry_cli.rules.rollback import build_timeline
from registry_cli.store import codec, journal
from registry_cli.store.reader import ModelReader
from tests.concurrency import at_random
from tests.concurrency.at_random import DEEDS, MODEL, POLICY, STAGES
from tests.support import race

PROCESSES = 8


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_everything_at_once(shared: Registry, tmp_path: Path, seconds: int) -> None:
    with (shared.root / "registry.yaml").open("a") as stream:
        stream.write(POLICY)
    for target in "tu":
        (tmp_path / target).mkdir()
    targets = [f"  {each}: {{layout: plain, path: {tmp_path / each}, follows: production}}\n" for each in "tu"]
    (shared.root / "targets.yaml").write_text("format: 1\ntargets:\n" + "".join(targets))
    for number in range(10):
        path = tmp_path / "m"
        path.write_text(f"content of {number} " * 100)
        shared.register(MODEL, [path], metrics={"auc": number / 10})
    root = str(shared.root)
    jobs = [(at_random.live, (root, str(tmp_path / f"m{n}"), n, seconds)) for n in range(PROCESSES)]
    done: Counter[str] = sum(race(jobs), Counter())
    print(dict(done))
    if seconds >= 60:
        assert set(DEEDS) <= done.keys(), "each came to its end at least once"
    model = open_model(shared.context, MODEL)
    entries = list(journal.oldest_first(model.paths.history))
    is_what_the_history_tells(model, entries)
    _nothing_protected_went(shared, entries)
    assert deployments.replay(entry.event for entry in entries) == model.deployments(model.state())
    found = shared.deployments(check=True)
    assert all(each.state in ("ok", "behind") for each in found), found
    for version in shared.versions(MODEL, archived=True):
        shared.artifacts.verify_files(version.ref)
    assert shared.admin.gc(age=-1) == [], "and nobody left anything behind"


def is_what_the_history_tells(model: ModelReader, entries: list[JournalEntry]) -> None:
    past, table = replay(entries, "9999"), model.state().table
    assert past is not None
    assert past.table == table.with_(changed=None)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    every = [entry.event.version for entry in entries if entry.event.action == "registered"]
    assert every == list(range(1, past.highest + 1))
    assert model.numbers(table) == [number for number in range(1, past.highest + 1) if number not in table.deleted]


def _nothing_protected_went(registry: Registry, entries: list[JournalEntry]) -> None:
    """Line by line: what went by rules was, at that moment, nothing that they may not touch."""
    table, moves, kept = StageTable(), list[Event](), set[int]()
    parents = dict(_parents(registry, entries))
    gone, registered = 0, list[int]()
    deployed: deployments.Deployments = {}
    for event in (entry.event for entry in entries):
        by_rules = str(event.detail.get("reason", "")).startswith("retention: ")
        after = apply_event(table, event)
        if by_rules and event.action in ("archived", "deleted"):
            went = set(after.archived - table.archived) | set(after.deleted - table.deleted)
            gone += len(went)
            assert not went & {*table.stages.values(), *table.aliases.values()}
            assert not went & kept, "tag keep=yes"
            assert not went & deployments.deployed_versions(deployed).keys(), "a target runs it"
            for stage in STAGES:
                line = build_timeline(moves, stage)
                there = [number for number in dict.fromkeys(line.earlier) if number not in table.deleted]
                earlier = [number for number in there if number != table.stages.get(stage)]
                assert not went & set(earlier[: 3 - (stage in table.stages)]), f"held {stage}"
                assert not went & set(earlier[:1]), f"a rollback of {stage} goes there"
            if event.action == "deleted":
                whole = went | set(_left_of(event, table))
                children = [number for number in registered if number not in table.deleted and number not in whole]
                assert not went & {parent for child in children for parent in parents[child]}
        assert event.action != "deleted" or by_rules
        if event.action == "registered" and event.version:
            registered.append(event.version)
            kept |= {event.version} if "keep" in (_sealed(registry, event.version).get("tags") or {}) else set()
        if event.action == "tagged" and event.version and "keep" in event.detail["tags"]:
            kept -= {event.version}
            kept |= {event.version} if event.detail["tags"]["keep"][1] == "yes" else set()
        moves.append(event)
        table, deployed = after, deployments.apply_event(deployed, event)
    assert gone, "something went"


def _left_of(event: Event, table: StageTable) -> Iterator[int]:
    """What the request of a deletion is about to delete besides."""
    from registry_cli.core.version_ranges import VersionRanges

    yield from (number for number in VersionRanges.parse(event.detail["versions"]) if number not in table.deleted)


def _sealed(registry: Registry, number: int) -> dict[str, Any]:
    """What a version said of itself when it was registered, also of one that was deleted."""
    paths = open_model(registry.context, MODEL).paths
    if paths.version(number).exists():
        return codec.load(paths.version_document(number), "version.yaml")
    document: dict[str, Any] = codec.load(paths.tombstone(number), "tombstone")["version"]
    return document


def _parents(registry: Registry, entries: list[JournalEntry]) -> Iterator[tuple[int, set[int]]]:
    for event in (entry.event for entry in entries):
        if event.action == "registered" and event.version:
            lineage = _sealed(registry, event.version).get("lineage") or {}
            yield event.version, {int(ref.partition("@")[2]) for ref in lineage.get("parents", ())}


def test_two_jobs_at_night_meet(shared: Registry, tmp_path: Path) -> None:
    """Each version goes once; what the other one did is no failure."""
    for number in range(1, 13):
        path = tmp_path / "m"
        path.write_text(f"content of {number} " * 3000)
        shared.register(MODEL, [path])
    shared.archive([f"{MODEL}@1", f"{MODEL}@2"])
    with (shared.root / "registry.yaml").open("a") as stream:
        stream.write("retention: {archive: {keep: 3, compress: true}, prune: {older_than: 0s, keep: 1}}\n")
    results = race([(at_random.prune, (str(shared.root),))] * 3)
    assert any(changed for result in results for _, _, changed in result)
    told = Counter((entry.event.action, entry.event.version) for entry in shared.history(MODEL))
    versions = shared.versions(MODEL, archived=True)
    assert [version.number for version in versions if not version.archived] == [12, 11, 10]
    packed = [version.number for version in versions if version.packed is not None]
    assert packed == [version.number for version in versions if version.archived]
    assert all(told["packed", number] == 1 for number in packed)
    assert max(told.values()) == 1 or max(told.items(), key=lambda each: each[1])[0][0] == "archived"
    assert shared.admin.gc(age=-1) == []
    untouched = shared.model(MODEL).revision
    assert not any(changed for _, _, changed in at_random.prune(str(shared.root))[1:])
    assert shared.model(MODEL).revision >= untouched
