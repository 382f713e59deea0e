"""The past: what was where at a time, from the journal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from registry_cli import Damaged, NotFound, Registry
from registry_cli.core.times import format_time
from registry_cli.errors import InvalidInput
from tests.conftest import Clock

Make = Callable[..., Path]


@pytest.fixture
def told(reg: Registry, make_file: Make, clock: Clock) -> tuple[Registry, list[tuple[str, object]]]:
    """A model with a history, and after each change: when, and what its list said then."""
    seen: list[tuple[str, object]] = []
    for verb in (
        lambda: reg.register("churn", [make_file("1")]),
        lambda: reg.promote("churn@1", "staging"),
        lambda: reg.promote("churn@1", "production"),
        lambda: reg.register("churn", [make_file("2")]),
        lambda: reg.alias("churn@2", "champion"),
        lambda: reg.demote("churn", "staging"),
        lambda: reg.promote("churn@2", "production", archive_previous=True),
        lambda: reg.register("churn", [make_file("3")], tags={"a": "b"}),
        lambda: reg.tag("churn@3", {"team": "crm"}),
        lambda: reg.archive(["churn@3"]),
        lambda: reg.restore(["churn@1", "churn@3"]),
        lambda: reg.rollback("churn", "production"),
        lambda: reg.alias("churn", "champion", remove=True),
        lambda: reg.register("churn", [make_file("4")]),
    ):
        verb()
        seen.append((format_time(clock.moment), _seen(reg)))
        clock.moment += timedelta(minutes=1)
    return reg, seen


def _seen(reg: Registry, as_of: str | None = None) -> object:
    versions = reg.versions("churn", archived=True, as_of=as_of)
    return (
        reg.model("churn", as_of=as_of),
        [(version.number, version.stages, version.aliases, version.archived) for version in versions],
        [replace(each, revision=0) for each in reg.list(as_of=as_of)],
    )


def test_every_moment_of_it_can_be_asked_for(told: tuple[Registry, list[tuple[str, object]]]) -> None:
    reg, seen = told
    for at, (when, expected) in enumerate(seen):
        assert _seen(reg, when) == expected, at


def test_a_reference_means_what_it_meant_then(told: tuple[Registry, list[tuple[str, object]]]) -> None:
    reg, seen = told
    times = [when for when, _ in seen]
    assert reg.version("churn@production", as_of=times[2]).number == 1
    assert reg.version("churn@production", as_of=times[6]).number == 2
    assert reg.version("churn", as_of=times[9]).number == 2, "3 was archived"
    assert reg.version("churn@latest", as_of=times[8]).number == 3
    assert reg.path("churn@production", as_of=times[6]) == reg.path("churn@2")
    assert reg.version("churn@2", as_of=times[6]).stages == ("production",)
    digest = reg.version("churn@2").digest
    assert reg.artifacts.get(f"churn@sha256:{digest[:12]}", as_of=times[6]).version.number == 2


@pytest.mark.parametrize(
    ("ref", "at", "words"),
    [
        ("churn@2", 2, "did not exist"),
        ("churn@champion", 3, "no version in 'champion'"),
        ("churn@production", 0, "no version in 'production'"),
    ],
)
def test_what_was_not_there_then(
    ref: str, at: int, words: str, told: tuple[Registry, list[tuple[str, object]]]
) -> None:
    reg, seen = told
    with pytest.raises(NotFound, match=words):
        reg.version(ref, as_of=seen[at][0])


def test_before_it_began(told: tuple[Registry, list[tuple[str, object]]]) -> None:
    reg, _ = told
    assert list(reg.list(as_of="2020-01-01")) == []
    assert reg.versions("churn", as_of="2020-01-01") == []
    for ask in (lambda: reg.model("churn", as_of="2020-01-01"), lambda: reg.path("churn", as_of="2020-01-01")):
        with pytest.raises(NotFound, match="model 'churn' did not exist"):
            ask()
    with pytest.raises(InvalidInput):
        reg.model("churn", as_of="the day before the flood")


def test_what_was_deleted_since_is_told_as_such(told: tuple[Registry, list[tuple[str, object]]]) -> None:
    reg, seen = told
    reg.delete(["churn@3"], reason="private data")
    with pytest.raises(NotFound, match="private data"):
        reg.version("churn@3", as_of=seen[8][0])
    assert [version.number for version in reg.versions("churn", as_of=seen[8][0])] == [2]


def test_a_rebuilt_journal_knows_what_it_knows(told: tuple[Registry, list[tuple[str, object]]]) -> None:
    reg, seen = told
    history = reg.root / "models/churn/history.jsonl"
    shutil.copy(history, reg.root.parent / "kept")
    os.unlink(history)
    reg.admin.repair()
    assert _seen(reg, "2100-01-01") == _seen(reg)
    assert reg.version("churn@production", as_of=seen[6][0]).number == 2, "the last changes were in the claims"
    assert [version.number for version in reg.versions("churn", as_of=seen[6][0])] == [2]
    with pytest.raises(Damaged, match="no history before"):
        reg.version("churn@production", as_of=seen[2][0])
