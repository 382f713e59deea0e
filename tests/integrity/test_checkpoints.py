"""A line of the history, known elsewhere, shows what no look at the registry alone can: that all of it was made anew."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from registry_cli import InvalidInput, NotFound
from registry_cli.core.records import Checkpoint
from registry_cli.store.layout import ModelLayout
from registry_cli.store.verify import verify_journal
from registry_cli.store.verify.verify_journal import ProblemCollector
from tests.integrity.conftest import Store

HISTORY = "history.jsonl"
REWRITTEN = ("journal-rewritten", "error")


def lines(store: Store) -> list[bytes]:
    return store.at(HISTORY).read_bytes().splitlines(keepends=True)


def chained(bodies: Sequence[dict[str, Any]]) -> bytes:
    """A journal of these lines with every hash made anew: a chain without a fault."""
    prev, found = "0" * 64, b""
    for seq, body in enumerate(bodies, 1):
        text = json.dumps({**body, "seq": seq, "prev": prev}, separators=(",", ":")).encode()
        prev = hashlib.sha256(text).hexdigest()
        found += text[:-1] + b',"hash":"' + prev.encode() + b'"}\n'
    return found


def bodies(store: Store) -> list[dict[str, Any]]:
    return [{key: value for key, value in json.loads(line).items() if key != "hash"} for line in lines(store)]


def found(store: Store, *checkpoints: Checkpoint) -> set[tuple[str, str]]:
    return {(each.code, each.severity) for each in store.reg.admin.verify(checkpoints=checkpoints).problems}


def words(store: Store, checkpoint: Checkpoint) -> str:
    problems = store.reg.admin.verify(["churn"], quick=True, checkpoints=[checkpoint]).problems
    [problem] = [each for each in problems if each.code == "journal-rewritten"]
    assert problem.where == "churn"
    assert not problem.repair
    return problem.message


@pytest.fixture
def known(store: Store) -> Checkpoint:
    return store.reg.admin.checkpoints(["churn"])[0]


def test_a_checkpoint_holds_however_the_history_goes_on(store: Store, known: Checkpoint) -> None:
    every = store.reg.admin.checkpoints()
    assert [each.model for each in every] == ["churn", "risk/fraud"]
    assert known == every[0]
    newest = store.reg.history("churn", limit=1)[0]
    assert known == Checkpoint("churn", newest.seq, newest.hash)
    assert found(store, *every) == set()
    store.reg.promote("churn@1", "staging")
    store.reg.tag("churn@1", {"a": "b"})
    assert found(store, *every, *store.reg.admin.checkpoints()) == set()
    assert found(store, Checkpoint("churn", None, known.hash)) == set()


def test_every_line_is_a_checkpoint(store: Store) -> None:
    every = [Checkpoint("churn", entry.seq, entry.hash) for entry in store.reg.history("churn")]
    assert found(store, *every, Checkpoint("churn", 0, "0" * 64)) == set()


def test_a_torn_tail_and_what_is_pending_are_no_rewriting(store: Store, known: Checkpoint) -> None:
    before = lines(store)
    store.write(HISTORY, b"".join(before[:-1]) + before[-1][:40])
    [held] = store.reg.admin.checkpoints(["churn"])
    assert held.seq == len(before) - 1, "what is not in the journal yet is not attested"
    assert REWRITTEN not in found(store, held)
    store.reg.promote("churn@1", "staging")
    assert REWRITTEN not in found(store, held, known), "the line that was torn was told again, as it was"


ATTACKS: dict[str, Callable[[list[dict[str, Any]]], object]] = {
    "another reason": lambda told: told[5].update(reason="never mind"),
    "another author": lambda told: told[0].update(by="mallory"),
    "a change left out": lambda told: told.pop(6),
    "a change put in": lambda told: told.insert(6, dict(told[6], id="f" * 32)),
    "another order": lambda told: told.insert(2, told.pop(1)),
    "another time in the last line": lambda told: told[-1].update(at="2020-01-01T00:00:00.000Z"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_journal_written_anew_with_a_valid_chain(store: Store, known: Checkpoint, attack: str) -> None:
    told = bodies(store)
    ATTACKS[attack](told)
    store.write(HISTORY, chained(told))
    assert "journal-chain" not in {code for code, _ in store.found()} or attack.startswith("another author")
    assert REWRITTEN in found(store, known)
    assert REWRITTEN in found(store, Checkpoint("churn", None, known.hash))


def test_a_forgery_that_nothing_else_shows(store: Store, known: Checkpoint) -> None:
    """The reason of an old promotion is changed, and every hash after it: ``verify`` alone finds a sound registry."""
    told = bodies(store)
    old = next(each for each in told if each.get("reason") == "first")
    old["reason"] = "as the board decided"
    store.write(HISTORY, chained(told))
    assert store.found() == set()
    assert found(store, known) == {REWRITTEN}
    assert "was rewritten" in words(store, known)
    before = Checkpoint("churn", old["seq"] - 1, old["prev"])
    assert found(store, before) == set(), "up to there it is what it was"


@pytest.mark.parametrize("cut", [1, 3, 16])
def test_a_journal_that_was_cut(store: Store, known: Checkpoint, cut: int) -> None:
    before = lines(store)
    store.write(HISTORY, b"".join(before[: len(before) - cut]))
    assert REWRITTEN in found(store, known)
    assert f"the history ends at {max(len(before) - cut, 0)}" in words(store, known)


def test_a_journal_that_was_cut_and_went_on(store: Store, known: Checkpoint) -> None:
    """As long as before, or longer: other lines stand where these stood."""
    told = bodies(store)
    cut = [*told[:-1], *({**told[-1], "id": f"{n:032}", "revision": told[-1]["revision"] + n} for n in range(3))]
    store.write(HISTORY, chained(cut))
    assert "has changed" in words(store, known)


@pytest.mark.parametrize("damage", ["emptied", "removed", "a folder"])
def test_a_journal_that_is_gone(store: Store, known: Checkpoint, damage: str) -> None:
    if damage == "emptied":
        store.write(HISTORY, b"")
    else:
        store.remove(HISTORY)
    if damage == "a folder":
        store.at(HISTORY).mkdir()
    assert REWRITTEN in found(store, known)


def test_a_rebuilt_journal_is_another_one(store: Store, known: Checkpoint) -> None:
    store.remove(HISTORY)
    store.reg.admin.repair()
    assert REWRITTEN in found(store, known)
    assert found(store, *store.reg.admin.checkpoints()) == set()


def test_the_journal_of_another_model(store: Store, known: Checkpoint) -> None:
    other = (store.root / "models/risk/fraud" / HISTORY).read_bytes()
    store.write(HISTORY, other)
    assert REWRITTEN in found(store, known)


def test_the_known_line_kept_behind_lines_made_anew(store: Store, known: Checkpoint) -> None:
    """Who keeps the line that was known can't make the lines before it lead to it."""
    before, told = lines(store), bodies(store)
    told[3]["by"] = "mallory"
    forged = chained(told).splitlines(keepends=True)
    store.write(HISTORY, b"".join([*forged[:-1], before[-1]]))
    assert "but the lines before it were rewritten" in words(store, known)
    store.write(HISTORY, b"".join([*forged, *before]))
    assert ("journal-chain", "error") in found(store, known)


def test_the_lines_in_another_order(store: Store, known: Checkpoint) -> None:
    before = lines(store)
    store.write(HISTORY, b"".join([before[1], before[0], *before[2:]]))
    assert "but the lines before it were rewritten" in words(store, known)


def test_a_chain_that_begins_in_the_middle(store: Store) -> None:
    text = json.dumps({**bodies(store)[4], "seq": 5, "prev": "0" * 64}, separators=(",", ":")).encode()
    digest = hashlib.sha256(text).hexdigest()
    store.write(HISTORY, text[:-1] + b',"hash":"' + digest.encode() + b'"}\n')
    assert "lines before it are missing" in words(store, Checkpoint("churn", 5, digest))


@pytest.mark.parametrize(
    "line", [b'{"seq":1,"highest":1,"revision":1}', b'{"seq":1,"highest":1,"revision":1,"prev":[]}']
)
def test_a_line_with_a_right_hash_that_leads_nowhere(store: Store, known: Checkpoint, line: bytes) -> None:
    digest = hashlib.sha256(line).hexdigest()
    store.write(HISTORY, line[:-1] + b',"hash":"' + digest.encode() + b'"}\n')
    assert REWRITTEN in found(store, known)
    assert REWRITTEN in found(store, Checkpoint("churn", None, digest))


def test_a_model_that_is_gone_altogether(store: Store) -> None:
    every = store.reg.admin.checkpoints()
    shutil.rmtree(store.root / "models/risk/fraud")
    result = store.reg.admin.verify(checkpoints=every)
    assert [(each.code, each.where) for each in result.problems] == [("journal-rewritten", "risk/fraud")]
    assert result.models == 1
    with pytest.raises(NotFound):
        store.reg.admin.verify(["risk/fraud"], checkpoints=every)


def test_a_model_without_a_checkpoint_is_not_passed_over(store: Store, known: Checkpoint) -> None:
    with pytest.raises(InvalidInput, match="no checkpoint of risk/fraud"):
        store.reg.admin.verify(["risk/fraud"], checkpoints=[known])
    assert store.reg.admin.verify(["churn"], checkpoints=[known]).ok


def test_what_crashes_and_torn_lines_leave_holds(store: Store, known: Checkpoint) -> None:
    """Bytes that are no line may stand anywhere: no reader minds them, and no checkpoint."""
    store.write(HISTORY, b'{"torn\n'.join([b"", *lines(store)]))
    findings = ProblemCollector("churn")
    verify_journal.check_checkpoints(ModelLayout("churn", store.churn), [known], findings)
    assert findings.problems == []
