"""The history of a model and of all: what is asked for, how much is read, and what comes while somebody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Damaged, InvalidInput, NotFound, Registry
from registry_cli.core.records import ModelHistoryEntry
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def two(reg: Registry, make_file: Make) -> Registry:
    """Two models that were written to in turn; the clock goes on by a second with each change."""
    for number in range(1, 4):
        reg.register("churn", [make_file(f"content {number}")])
        reg.register("risk/fraud", [make_file(f"content {number}")])
        reg.promote(f"churn@{number}", "production")
    return reg


def told(found: Iterator[ModelHistoryEntry] | list[ModelHistoryEntry]) -> list[tuple[str, int]]:
    return [(each.model, each.entry.seq) for each in found]


def test_a_span_of_time_has_its_beginning_and_not_its_end(two: Registry) -> None:
    every = two.history("churn")
    since, until = every[4].event.at, every[1].event.at
    assert two.history("churn", since=since) == every[:5]
    assert two.history("churn", until=until) == every[2:]
    assert two.history("churn", since=since, until=until) == every[2:5]
    assert two.history("churn", since=since, until=until, limit=2) == every[2:4]
    assert two.history("churn", since="2027-01-01") == []
    with pytest.raises(InvalidInput, match="not a valid time"):
        two.history("churn", since="soon")


def test_some_actions_only(two: Registry) -> None:
    assert [each.event.action for each in two.history("churn", actions=["promoted"])] == ["promoted"] * 3
    assert len(two.history("churn", actions=["promoted", "registered"])) == 6
    assert two.history("churn", actions=["deleted"]) == []
    with pytest.raises(InvalidInput, match="did you mean 'rolled-back'"):
        two.history("churn", actions=["rollback"])


def test_all_models_merged_by_time(two: Registry) -> None:
    every = list(two.iter_history())
    times = [each.entry.event.at for each in every]
    assert times == sorted(times, reverse=True)
    assert {each.model for each in every} == {"churn", "risk/fraud"}
    assert len(every) == 9
    assert list(two.iter_history(limit=4)) == every[:4]
    assert (
        list(two.iter_history(actions=["promoted"], limit=2))
        == [each for each in every if each.entry.event.action == "promoted"][:2]
    )
    since = every[3].entry.event.at
    assert list(two.iter_history(since=since)) == every[:4]


def test_a_model_that_is_damaged_is_told_of_and_the_others_go_on(two: Registry) -> None:
    table = two.root / "models/churn/stages.yaml"
    before = table.read_bytes()
    table.write_bytes(b"nonsense: [")
    with pytest.raises(Damaged):
        list(two.iter_history())
    told_of: list[Any] = []
    assert {each.model for each in two.iter_history(on_damage=told_of.append)} == {"risk/fraud"}
    assert len(told_of) == 1
    table.write_bytes(before)


def test_a_limit_reads_the_end_only(two: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(80):
        two.tag("churn@1", {"note": f"{number} " + "x" * 400})
    size = (two.root / "models/churn/history.jsonl").stat().st_size
    assert size > 60_000
    read = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        block = pread(descriptor, length, offset)
        read.append(len(block))
        return block

    monkeypatch.setattr(os, "pread", counted)
    assert len(two.history("churn", limit=5)) == 5
    assert sum(read) < 60_000
    assert len(two.history("churn")) == 86


def test_hundreds_of_histories_need_few_descriptors(reg: Registry, make_file: Make) -> None:
    import resource

    path = make_file()
    for number in range(40):
        reg.register(f"m{number}", [path])
    used = len(os.listdir("/proc/self/fd"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, hard))
    try:
        assert len(list(reg.iter_history())) == 40
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Script:
    """What happens between the looks of a follower, one deed a pause; then it stops."""

    def __init__(self, *deeds: Callable[[], object]) -> None:
        self.deeds = list(deeds)

    def __call__(self) -> None:
        if not self.deeds:
            raise KeyboardInterrupt
        self.deeds.pop(0)()


def followed(
    registry: Registry, *deeds: Callable[[], object], name: str | None = "churn", **wanted: Any
) -> list[ModelHistoryEntry]:
    found = []
    with pytest.raises(KeyboardInterrupt):
        for each in registry.admin.follow(name, pause=Script(*deeds), **wanted):
            found.append(each)  # noqa: PERF402 - it ends by an exception
    return found


def test_following_begins_with_the_newest_and_goes_on(two: Registry, make_file: Make) -> None:
    found = followed(
        two,
        lambda: None,
        lambda: two.promote("churn@1", "production"),
        lambda: None,
        lambda: (two.tag("churn@1", {"a": "b"}), two.register("churn", [make_file("new")])),
        limit=2,
    )
    assert told(found) == [("churn", seq) for seq in (5, 6, 7, 8, 9)]
    assert [each.entry for each in found] == two.history("churn", limit=5)[::-1]


def test_following_some_actions(two: Registry) -> None:
    found = followed(
        two, lambda: two.tag("churn@1", {"a": "b"}), lambda: two.demote("churn", "production"), actions=["demoted"]
    )
    assert [each.entry.event.action for each in found] == ["demoted"]


def test_following_all_finds_new_models(two: Registry, make_file: Make) -> None:
    found = followed(
        two,
        lambda: two.register("new", [make_file("n")]),
        lambda: (two.tag("risk/fraud@1", {"a": "b"}), two.tag("new@1", {"a": "b"})),
        name=None,
        limit=1,
    )
    assert told(found) == [("churn", 6), ("new", 1), ("risk/fraud", 4), ("new", 2)]


def test_following_a_journal_with_a_torn_tail(two: Registry) -> None:
    """Half a line is none; it is told when it is whole, and once."""
    path = two.root / "models/churn/history.jsonl"
    whole = path.read_bytes()
    two.tag("churn@1", {"a": "b"})
    longer = path.read_bytes()
    path.write_bytes(whole)
    (two.root / "models/churn/annotations/1.yaml").rename(two.root / "aside")  # so that its seal is another, too

    found = followed(
        two,
        lambda: path.write_bytes(longer[: len(whole) + 50]),
        lambda: path.write_bytes(longer[: len(longer) - 1]),
        lambda: (path.write_bytes(longer), (two.root / "aside").rename(two.root / "models/churn/annotations/1.yaml")),
        lambda: path.write_bytes(longer + b'{"torn'),
        lambda: two.promote("churn@1", "staging"),
        limit=1,
    )
    path.write_bytes(path.read_bytes().replace(b'{"torn\n', b""))
    assert told(found) == [("churn", 7), ("churn", 8)]


def test_a_journal_that_is_cut_is_no_news(two: Registry) -> None:
    path = two.root / "models/churn/history.jsonl"
    before = path.read_bytes()
    lines = before.splitlines(keepends=True)
    found = followed(
        two, lambda: path.write_bytes(b"".join(lines[:2])), lambda: path.write_bytes(b""), path.unlink, limit=1
    )
    path.write_bytes(before)
    assert told(found) == [("churn", 6)]


def test_a_model_that_is_not_there(two: Registry) -> None:
    with pytest.raises(NotFound):
        two.history("other", actions=["promoted"])
    with pytest.raises(NotFound):
        next(two.admin.follow("other"))


def test_looking_changes_nothing(two: Registry) -> None:
    before = snapshot(two.root)
    list(two.iter_history(since="2026-01-01", limit=3))
    followed(two, lambda: None, name=None)
    assert snapshot(two.root) == before
