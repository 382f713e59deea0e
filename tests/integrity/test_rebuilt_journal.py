"""``repair`` and the journal: what versions, tombstones and claims still tell is told again, what is lost is said to be."""

from __future__ import annotations

from pathlib import Path

from registry_cli.core.results import CleanupItem
from tests.integrity.conftest import Store
from tests.integrity.repairing import HISTORY, lines, repaired


def test_a_torn_line(store: Store) -> None:
    """It gets its newline and stays; the event that it should have told is told behind it."""
    before = lines(store)
    words = repaired(
        store, lambda store: store.write(HISTORY, b"".join(before)[:-30]), left={("journal-torn", "warning")}
    )
    assert words[0] == "journal: terminated the incomplete last line"
    assert words[1].startswith("journal: added 'promoted'")
    assert lines(store)[len(before)] == before[-1]


def test_lines_cut_off_the_end(store: Store) -> None:
    """The claims still have their events: they come back, in their order, each line as it was."""
    before = lines(store)
    words = repaired(store, lambda store: store.write(HISTORY, b"".join(before[:-4])))
    assert len(words) == 4
    assert lines(store)[: len(before)] == before


def test_a_journal_that_is_gone_is_rebuilt(store: Store) -> None:
    """Registrations and deletions are known from what they made, the last moves from their claims.

    The moves before are permanently lost; a line says so, and what the stage table is.
    """
    words = repaired(store, lambda store: store.remove(HISTORY))
    assert sum("'registered'" in each for each in words) == 5
    assert sum("'deleted'" in each for each in words) == 1
    assert sum("permanently lost" in each for each in words) == 1
    assert len(words) == 5 + 1 + 1 + 8
    actions = [entry.event.action for entry in store.reg.history("churn")]
    assert actions.count("repaired") == 1
    [mark] = [entry.event for entry in store.reg.history("churn") if entry.event.action == "repaired"]
    assert (mark.by, mark.detail["stages"]) == ("bob", {"production": 2}), (
        "behind the gap, before the moves still known"
    )


def test_after_a_rebuild_a_stage_can_go_back_to_what_it_held_then(store: Store) -> None:
    store.remove(HISTORY)
    store.reg.admin.repair()
    store.reg.promote("churn@1", "production")
    assert store.reg.rollback("churn", "production").after == 2


def test_a_rebuilt_journal_keeps_request_ids(store: Store, tmp_path: Path) -> None:
    """A retry from before the damage still finds its version."""
    (tmp_path / "m").write_text("m")
    first = store.reg.register("churn", [tmp_path / "m"], request_id="nightly-7")
    store.remove(HISTORY)
    store.reg.admin.repair()
    assert store.reg.register("churn", [tmp_path / "m"], request_id="nightly-7").number == first.number


def test_a_short_life_is_rebuilt_in_full(store: Store) -> None:
    """Where every move still has its claim, nothing is lost and no line says so."""
    fraud = store.root / "models/risk/fraud"
    store.reg.promote("risk/fraud@1", "production")
    (fraud / HISTORY).unlink()
    words = [each.what for each in store.reg.admin.repair()]
    assert len(words) == 2
    assert store.found() == set()
    assert [entry.event.action for entry in store.reg.history("risk/fraud")] == ["promoted", "registered"]


def test_an_interrupted_repair_is_gone_on_with(store: Store) -> None:
    """After any of its lines; what it does then is what it would have done."""
    whole = [each.what for each in repair_without_journal(store)]
    data = store.at(HISTORY).read_bytes().splitlines(keepends=True)
    for done in range(len(data)):
        store.write(HISTORY, b"".join(data[:done]))
        assert [each.what for each in store.reg.admin.repair()] == whole[done:]
        assert store.found() == set()


def repair_without_journal(store: Store) -> list[CleanupItem]:
    store.remove(HISTORY)
    return store.reg.admin.repair()


def test_registrations_cut_off_the_end_leave_no_gap(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m").write_text("m")
    for _ in range(3):
        store.reg.register("churn", [tmp_path / "m"])
    before = lines(store)
    words = repaired(store, lambda store: store.write(HISTORY, b"".join(before[:-3])))
    assert ["'registered'" in each for each in words] == [True, True, True]


def test_a_claim_lost_in_between(store: Store) -> None:
    """Two gaps, one line that tells what the table was behind the last of them."""
    revision = store.reg.model("churn").revision

    def hurt(store: Store) -> None:
        store.remove(HISTORY)
        store.remove(f".stages-{revision - 4}")

    words = repaired(store, hurt)
    assert sum("permanently lost" in each for each in words) == 1
    assert len(words) == 5 + 1 + 1 + 7


def test_a_line_lost_in_the_middle_stays_lost(store: Store) -> None:
    """Told at the end, an old move would tell that the pointer went back; so verify goes on naming the gap."""
    before = lines(store)
    at = next(number for number, line in enumerate(before) if b'"reason":"first"' in line)
    store.write(HISTORY, b"".join(before[:at] + before[at + 1 :]))
    assert store.reg.admin.repair() == []
    assert store.found() == {("journal-chain", "error")}
    assert store.reg.version("churn@production").number == 2
