"""Which events are wanted, and histories merged by time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.records import Event, JournalEntry
from registry_cli.errors import InvalidInput
from registry_cli.rules import event_history
from registry_cli.store import journal

TIMES = st.integers(0, 59).map(lambda second: f"2026-03-01T12:00:{second:02}.000Z")
ACTIONS = st.sampled_from(event_history.ACTIONS)


def history(moves: list[tuple[str, str]], **detail: str) -> list[JournalEntry]:
    """Entries of these times and actions, oldest first."""
    found: list[JournalEntry] = []
    for number, (at, action) in enumerate(moves, 1):
        event = Event(f"id-{number}", at, '"at":"x', "host", action, number, detail)
        found.append(journal.next_entry(found[-1] if found else None, event, number, 0))
    return found


@given(st.lists(st.tuples(TIMES, ACTIONS), max_size=12), st.just("") | TIMES, st.just("") | TIMES, st.sets(ACTIONS))
def test_bytes_never_refuse_what_fits(moves: list[tuple[str, str]], since: str, until: str, wanted: set[str]) -> None:
    """A look at the bytes and a look at the entry are of one mind, whatever else stands in the line."""
    asked = event_history.EventFilter(since, until, frozenset(wanted))
    for entry in history(moves, reason='"at":"2026-03-01T12:00:30.000Z","action":"tagged"'):
        assert asked.may_match(journal.encode(entry)) == asked.fits(entry)


@given(st.lists(st.tuples(TIMES, ACTIONS), max_size=12), st.sampled_from(["production", "staging"]))
def test_moves_of_one_stage(moves: list[tuple[str, str]], stage: str) -> None:
    asked = event_history.EventFilter(stage=stage)
    for entry in history(moves, stage="production", reason='"stage":"staging"'):
        moved = entry.event.action in ("promoted", "demoted", "rolled-back") and stage == "production"
        assert asked.fits(entry) is moved
        assert asked.may_match(journal.encode(entry)) or not moved


@given(st.dictionaries(st.sampled_from("abcd"), st.lists(TIMES, max_size=8)))
def test_merged_tells_each_entry_once_and_each_model_in_its_order(times: dict[str, list[str]]) -> None:
    """Also where the clock of a writer went back."""
    told = {name: history([(at, "tagged") for at in each])[::-1] for name, each in times.items()}
    newest = [(each[0].event.at, name) for name, each in told.items() if each]
    found = list(event_history.merge_histories(newest, lambda name: iter(told[name])))
    assert {name: [each.entry for each in found if each.model == name] for name in told} == told
    if all(each == sorted(each) for each in times.values()):
        found_times = [each.entry.event.at for each in found]
        assert found_times == sorted(found_times, reverse=True)


def test_merged_opens_no_history_before_it_is_due() -> None:
    opened = []

    def give(name: str) -> Iterator[JournalEntry]:
        opened.append(name)
        return iter(history([(f"2026-03-0{name}T12:00:00.000Z", "tagged")]))

    found = event_history.merge_histories([(f"2026-03-0{day}T12:00:00.000Z", str(day)) for day in range(1, 10)], give)
    assert [next(found).model for _ in range(2)] == ["9", "8"]
    assert opened == ["9", "8"]


def test_an_action_that_there_is_not() -> None:
    with pytest.raises(InvalidInput, match="unknown action 'promote'; did you mean 'promoted'"):
        event_history.parse_event_filter(None, None, ["registered", "promote"])
    with pytest.raises(InvalidInput, match="available: registered, promoted"):
        event_history.parse_event_filter(None, None, ["xyz"])
    with pytest.raises(InvalidInput, match="is before its start"):
        event_history.parse_event_filter("2026-03-02T00:00:00.000Z", "2026-03-01T00:00:00.000Z", [])
