"""Approvals as pure rules: what is in force, what lapses, whose voice counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.records import Event, VersionRecord
from registry_cli.core.values import canonical
from registry_cli.rules import approvals
from registry_cli.rules.approvals import (
    RecordedApproval,
    add_approval,
    collect_approvals,
    describe_subject,
    select_in_force,
)

RECORD = "a" * 64
VERSION = VersionRecord(
    "churn", 7, "2026-03-01T12:00:00.000Z", "alice", "0" * 64, 1, 1, params={"depth": 6}, metrics={"auc": 0.9}, tags={"a": "b"}
)  # fmt: skip


def said(by: str = "bob", action: str = "approved", at: str = "1", **changes: Any) -> Event:
    detail = {"stage": "production", **describe_subject(VERSION, RECORD), **changes}
    return Event(f"{by}-{action}-{at}", f"2026-03-0{at}T00:00:00.000Z", by, "host", action, 7, detail)


def told(
    *newest_first: Event, recorded: object = None, version: VersionRecord = VERSION
) -> tuple[RecordedApproval, ...]:
    listed = [event.document() for event in newest_first] if recorded is None else recorded
    return collect_approvals(version, RECORD, newest_first, listed)


def test_an_approval_is_in_force_while_what_it_was_based_on_is_so() -> None:
    assert [each.lapsed for each in told(said())] == [""]
    for changed, why in (
        (replace(VERSION, metrics={"auc": 0.91}), "metrics changed"),
        (replace(VERSION, tags={}, params={}), "params and tags changed"),
        (replace(VERSION, digest="1" * 64), "for another version"),
        (replace(VERSION, annotations={"x": "y"}, stages=("staging",), archived=True), ""),
    ):
        assert [each.lapsed for each in told(said(), version=changed)] == [why]
        assert [each.lapsed for each in told(said(action="rejected"), version=changed)] == [why]
    assert [each.lapsed for each in collect_approvals(VERSION, "b" * 64, [said()], [said().document()])] == [
        "for another version"
    ]


def test_of_each_person_and_stage_the_last_word_counts() -> None:
    both = told(said(action="rejected", at="2"), said(), recorded=[said(action="rejected", at="2").document()])
    assert [(each.rejects, each.lapsed) for each in both] == [(True, "")]
    other = told(said(stage="staging", at="2"), said())
    assert [(each.stage, each.lapsed) for each in other] == [("production", ""), ("staging", "")]
    assert select_in_force(other, "staging", rejects=False)[0].by == "bob"
    replayed = told(said(action="rejected", at="2"), said(), recorded=[said().document()])
    assert [(each.rejects, each.lapsed) for each in replayed] == [(False, "superseded"), (True, "")]


def test_what_only_one_of_both_places_tells_never_makes_it_laxer() -> None:
    assert [each.lapsed for each in told(recorded=[said().document()])] == ["not in the history"]
    assert [each.lapsed for each in told(said(), recorded=[])] == ["not in the annotation"]
    assert [each.lapsed for each in told(said(action="rejected"), recorded=[])] == [""]
    edited = {**said().document(), "by": "carol"}
    assert {each.by: each.lapsed for each in told(said(), recorded=[edited])} == {
        "bob": "not in the annotation", "carol": "not in the history",
    }  # fmt: skip


def test_a_list_keeps_one_voice_of_each_person_and_stage_and_what_it_does_not_know() -> None:
    first = add_approval(["what?", {"by": "x"}], said())
    assert add_approval(first, said(action="rejected", at="2")) == [
        "what?", {"by": "x"}, said(action="rejected", at="2").document(),
    ]  # fmt: skip
    assert len(add_approval(first, said(stage="staging"))) == 4
    assert add_approval({"no": "list"}, said()) == [said().document()]


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        **{key: ANYTHING | st.just("bob") for key in ("id", "at", "by", "host")},
        "action": st.sampled_from(["approved", "rejected", "promoted"]) | ANYTHING,
        **dict.fromkeys(("version", "stage", "digest", "record", "basis"), ANYTHING),
    },
)
EVENTS = st.builds(
    lambda by, action, detail: Event("id", "2026-03-01T00:00:00.000Z", by, "host", action, 7, detail),
    st.sampled_from(["bob", "carol"]),
    st.sampled_from(["approved", "rejected"]),
    st.fixed_dictionaries(
        {},
        optional={
            "stage": st.just("production") | st.text(),
            "record": ANYTHING,
            "digest": ANYTHING,
            "basis": ANYTHING,
        },
    ),
)


@given(st.lists(EVENTS, max_size=4), st.lists(ENTRY | ANYTHING, max_size=4) | ANYTHING)
def test_whatever_stands_there_is_told_and_forged_approvals_never_count(events: Any, recorded: Any) -> None:
    for each in collect_approvals(VERSION, RECORD, events, recorded):
        assert isinstance(each.lapsed, str)
        if not each.rejects and not each.lapsed:
            assert each.event in events
            assert each.event.document() in recorded


@given(st.dictionaries(st.text(), ANYTHING))
def test_the_canonical_spelling_is_one_and_is_read_back(value: Any) -> None:
    try:
        text = canonical(value)
    except ValueError:
        assert any(word in repr(value) for word in ("nan", "inf"))
        return
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical(dict(reversed(value.items()))) == text


@pytest.mark.parametrize("action", sorted(approvals.ACTIONS))
def test_a_basis_that_can_not_be_read_stops_an_approval_and_no_rejection(action: str) -> None:
    event = said(action=action, basis=["no", "mapping"])
    assert told(event)[0].lapsed == ("cannot be evaluated: AttributeError" if action == "approved" else "")
