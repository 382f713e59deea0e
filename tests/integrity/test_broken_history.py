"""Decisions by a history with a changed or missing line are refused; torn lines and a repaired history are harmless."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry_cli import Damaged, Registry, RegistryError, RetentionRules
from registry_cli.operations.monitor import MonitorHistory
from tests.commands import run
from tests.integrity.conftest import Store
from tests.support import snapshot

HISTORY = "history.jsonl"


def find_line(store: Store, part: bytes) -> int:
    return next(at for at, line in enumerate(store.at(HISTORY).read_bytes().splitlines()) if part in line)


def damage(store: Store, how: str) -> int:
    """Damage the line of the first promotion; return its number."""
    lines = store.at(HISTORY).read_bytes().splitlines(keepends=True)
    at = find_line(store, b'"reason":"first"')
    changed = {"changed": [lines[at].replace(b"first", b"worst")], "torn": [lines[at][:60] + b"\n"], "deleted": []}[how]
    store.write(HISTORY, b"".join([*lines[:at], *changed, *lines[at + 1 :]]))
    return at + 1


DECISIONS: dict[str, Callable[[Registry], object]] = {
    "rollback": lambda reg: reg.rollback("churn", "production"),
    "rollback-to": lambda reg: reg.rollback("churn", "production", to=1),
    "rollback-dry-run": lambda reg: reg.rollback("churn", "production", dry_run=True),
    "holders": lambda reg: reg.admin.holders("churn", "production"),
    "undo": lambda reg: Registry(reg.root, author="alice").undo("churn"),
    "archive": lambda reg: reg.archive(["churn@1"]),
    "delete": lambda reg: reg.delete(["churn@4"]),
    "prune": lambda reg: reg.retention.prune("churn", RetentionRules(keep=1)),
    "prune-plan": lambda reg: reg.retention.prune_plans("churn", RetentionRules(keep=1)),
    "monitor": lambda reg: MonitorHistory.load(reg.context.layout.model("churn")),
}


@pytest.mark.parametrize("how", ["changed", "torn", "deleted"])
@pytest.mark.parametrize("decide", DECISIONS.values(), ids=DECISIONS)
def test_no_decision_by_a_broken_history(store: Store, how: str, decide: Callable[[Registry], object]) -> None:
    number = damage(store, how)
    before = snapshot(store.churn)
    with pytest.raises(Damaged, match=f"history of churn is damaged at line {number}") as caught:
        decide(store.reg)
    assert caught.value.hint == "run 'registry verify churn'"
    assert snapshot(store.churn) == before


def test_reading_and_promoting_go_on(store: Store) -> None:
    number = damage(store, "changed")
    found: list[RegistryError] = []
    assert len(store.reg.history("churn", on_damage=found.append)) == len(store.reg.history("churn")) > 10
    assert [each.message for each in found] == [f"history of churn is damaged at line {number}"]
    shown = run("history", "churn", root=store.root)
    assert (shown.code, len(shown.out.splitlines())) == (0, len(store.reg.history("churn")))
    assert f"history of churn is damaged at line {number}; run 'registry verify churn'" in shown.err
    refused = run("rollback", "churn", "production", root=store.root)
    assert (refused.code, refused.out) == (6, "")
    assert store.reg.promote("churn@1", "staging").changed
    assert store.reg.version("churn@staging").number == 1


@pytest.mark.parametrize("rest", [b'{"seq":99,"prev"', b"\0" * 300], ids=["torn", "zeros"])
def test_what_a_crash_leaves_is_harmless(store: Store, rest: bytes) -> None:
    whole = store.at(HISTORY).read_bytes()
    store.write(HISTORY, whole + rest)
    assert store.reg.rollback("churn", "production").after == 1
    assert store.reg.rollback("churn", "production", to=2, again=True).after == 2, "the torn line is in the middle now"
    assert store.reg.undo("churn").after == 1


def test_a_torn_last_line_is_known_from_its_claim(store: Store) -> None:
    store.write(HISTORY, store.at(HISTORY).read_bytes()[:-40])
    assert store.reg.rollback("churn", "production").after == 1
    assert store.reg.rollback("churn", "production", to=2, again=True).after == 2


def test_a_repaired_history_decides_again(store: Store) -> None:
    store.remove(HISTORY)
    store.reg.admin.repair()
    store.reg.promote("churn@1", "staging")
    assert store.reg.rollback("churn", "staging").after == 5


@pytest.mark.parametrize("how", ["changed", "deleted"])
@pytest.mark.parametrize("part", [b'"promoted","version":5', b'"revision":0,', b'"action":"measured"', b'"archived"'])
def test_repair_restores_a_line_whose_event_is_known(store: Store, part: bytes, how: str) -> None:
    whole = store.at(HISTORY).read_bytes()
    lines = whole.splitlines(keepends=True)
    at = find_line(store, part)
    store.write(HISTORY, b"".join([*lines[:at], *([lines[at][:90] + b"\n"] * (how == "changed")), *lines[at + 1 :]]))
    told = store.reg.admin.repair(dry_run=True)
    done = store.reg.admin.repair()
    assert [each.what for each in done] == [each.what for each in told] == [f"journal: restored line {at + 1}"]
    assert store.at(HISTORY).read_bytes() == whole
    assert store.found() == set()
    assert store.reg.rollback("churn", "production").after == 1


def test_repair_says_that_it_cannot(store: Store) -> None:
    number = damage(store, "changed")
    answer = run("repair", root=store.root)
    assert (answer.code, answer.out) == (0, "")
    assert (
        f"cannot repair: history of churn is damaged at line {number}; restore history.jsonl from a backup"
        in answer.err
    )
