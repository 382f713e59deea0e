"""Damage to the journal. It is derived: readers of versions never miss it, and a chain of hashes shows what was done to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Damaged
from registry_cli.store import layout
from tests.integrity.conftest import Store

HISTORY = "history.jsonl"
WARNED = {("journal-torn", "warning")}
BEHIND = {("journal-behind", "warning")}
CHAIN = {("journal-chain", "error")}


def lines(store: Store) -> list[bytes]:
    return store.at(HISTORY).read_bytes().splitlines(keepends=True)


def rewrite(store: Store, wanted: list[bytes]) -> None:
    store.write(HISTORY, b"".join(wanted))


def is_readable(store: Store) -> None:
    assert store.reg.version("churn@production").number == 2
    assert store.reg.artifacts.verify_files("churn@staging").number == 5


def test_a_torn_tail(store: Store) -> None:
    """What a crash leaves: readers skip it, its bytes stay, the next line starts anew and nothing is missing."""
    before = lines(store)
    rewrite(store, [*before[:-1], before[-1][:40]])
    assert store.found() == WARNED | BEHIND
    is_readable(store)
    assert len(store.reg.history("churn")) == len(before), "the change itself is committed, so it is told"
    store.reg.promote("churn@1", "staging")
    after = lines(store)
    assert after[len(before) - 1] == before[-1][:40] + b"\n"
    assert after[len(before)] == before[-1], "the very line that was torn"
    assert store.found() == WARNED
    assert len(store.reg.history("churn")) == len(before) + 1


def test_a_tail_of_zeros(store: Store) -> None:
    store.write(HISTORY, store.at(HISTORY).read_bytes() + b"\0" * 500)
    assert store.found() == WARNED
    store.reg.promote("churn@1", "staging")
    assert store.found() == WARNED
    assert [entry.event.action for entry in store.reg.history("churn", limit=1)] == ["promoted"]


@pytest.mark.parametrize("old", [b'"by":"alice"', b'"version":2', b'"before":1', b'"highest":5'])
def test_a_line_in_the_middle_that_was_changed(store: Store, old: bytes) -> None:
    data = store.at(HISTORY).read_bytes()
    assert old in data
    store.write(HISTORY, data.replace(old, old[:-1] + b"9", 1))
    assert store.found() >= WARNED | CHAIN
    is_readable(store)


def test_a_line_that_was_changed_with_its_hash(store: Store) -> None:
    """Who computes the hash anew breaks the line after it; who computes all of them anew changes the head."""
    wanted = lines(store)
    at = next(number for number, line in enumerate(wanted) if b'"reason":"first"' in line)
    body = wanted[at].rstrip()[:-75].replace(b"first", b"second") + b"}"
    wanted[at] = body[:-1] + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    rewrite(store, wanted)
    assert store.found() == CHAIN


def test_a_change_of_the_last_line_with_its_hash(store: Store) -> None:
    """The stage table carries the event too, so even the head can't be told another story."""
    wanted = lines(store)
    body = wanted[-1].rstrip()[:-75].replace(b'"reason":"try"', b'"reason":"why"') + b"}"
    wanted[-1] = body[:-1] + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    rewrite(store, wanted)
    assert store.found() == {("pointer-journal", "error")}


@pytest.mark.parametrize("at", [0, 3, 8, -2])
def test_a_line_that_was_removed(store: Store, at: int) -> None:
    wanted = lines(store)
    del wanted[at]
    rewrite(store, wanted)
    assert store.found() >= CHAIN
    is_readable(store)


@pytest.mark.parametrize("at", [0, 4, -2])
def test_two_lines_that_were_swapped(store: Store, at: int) -> None:
    wanted = lines(store)
    wanted[at], wanted[at + 1] = wanted[at + 1], wanted[at]
    rewrite(store, wanted)
    assert store.found() >= CHAIN


def test_a_line_that_stands_there_twice(store: Store) -> None:
    rewrite(store, [*lines(store), lines(store)[4]])
    assert store.found() >= CHAIN


def test_one_line_cut_off_the_end_is_what_a_crash_leaves(store: Store) -> None:
    before = lines(store)
    rewrite(store, before[:-1])
    assert store.found() == BEHIND
    is_readable(store)
    assert len(store.reg.history("churn")) == len(before)
    store.reg.promote("churn@1", "staging")
    assert lines(store)[: len(before)] == before
    assert store.found() == set()


@pytest.mark.parametrize("cut", [2, 5, 12])
def test_more_lines_cut_off_the_end_no_crash_explains(store: Store, cut: int) -> None:
    rewrite(store, lines(store)[:-cut])
    assert ("journal-behind", "error") in store.found()
    is_readable(store)
    with pytest.raises(Damaged, match="registry repair churn' to repair the journal"):
        store.reg.promote("churn@1", "staging")


@pytest.mark.parametrize("damage", ["deleted", "emptied"])
def test_a_journal_that_is_gone(store: Store, tmp_path: Path, damage: str) -> None:
    """Reading goes on; nothing is written until somebody says 'repair', because then a new chain begins."""
    if damage == "deleted":
        store.remove(HISTORY)
        assert store.found() == {("journal-missing", "error")}
    else:
        rewrite(store, [])
        assert {("journal-behind", "error"), ("unrecorded-version", "error")} <= store.found()
    is_readable(store)
    (tmp_path / "m").write_text("m")
    deeds: list[Callable[[], object]] = [
        lambda: store.reg.promote("churn@1", "staging"),
        lambda: store.reg.register("churn", [tmp_path / "m"]),
        lambda: store.reg.tag("churn@1", {"a": "b"}),
    ]
    for deed in deeds:
        with pytest.raises(Damaged, match="repair"):
            deed()
    assert store.reg.version("churn@latest").number == 5


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_journal_that_is_no_file(store: Store, tmp_path: Path, kind: str) -> None:
    if kind == "link":
        store.replace_by_link(HISTORY, tmp_path / "elsewhere")
    else:
        store.remove(HISTORY)
        store.at(HISTORY).mkdir()
    assert store.found() == {("journal-missing", "error")}
    is_readable(store)
    with pytest.raises((Damaged, OSError)):
        store.reg.promote("churn@1", "staging")


def test_a_journal_of_another_model(store: Store) -> None:
    store.write(HISTORY, (store.root / "models/risk/fraud/history.jsonl").read_bytes())
    assert any(severity == "error" for _, severity in store.found())


@pytest.mark.parametrize("line", [b"{}", b"[]", b'{"a":1}', b'{"seq":1}', b"nul", b"{" * 5000])
def test_lines_with_a_right_hash_but_no_event(store: Store, line: bytes) -> None:
    """Whoever can compute a hash can write anything: it is told, and never a traceback."""
    body = line[:-1]
    hashed = body + b',"hash":"' + hashlib.sha256(line).hexdigest().encode() + b'"}\n'
    store.write(HISTORY, store.at(HISTORY).read_bytes() + hashed)
    assert store.found() != set()
    assert len(store.reg.history("churn")) == len(lines(store)) - 1


def test_every_line_binds_the_document_that_it_wrote(store: Store) -> None:
    sealed = {}
    for line in lines(store):
        entry = json.loads(line)
        if entry["action"] in ("registered", "deleted", *layout.DESCRIBING):
            sealed[entry["action"], entry["version"]] = entry["sealed"]
        else:
            assert "sealed" not in entry
    for (action, number), digest in sealed.items():
        path = {"registered": f"versions/{number}/version.yaml", "deleted": f"tombstones/{number}.yaml"}.get(
            action, f"annotations/{number}.yaml"
        )
        if (action, number) not in {("registered", 3), ("annotated", 2)}:  # deleted; measured once more
            assert hashlib.sha256(store.at(path).read_bytes()).hexdigest() == digest
