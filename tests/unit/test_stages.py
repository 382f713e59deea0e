"""The rules of stages, aliases, archive and rollback: pure, from one table to the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli.core.names import Selector
from registry_cli.core.records import Event, StageTable
from registry_cli.core.version_ranges import VersionRanges
from registry_cli.errors import Conflict, InvalidInput, NotFound
from registry_cli.rules import rollback
from registry_cli.rules import stages as rules


def move(action: str, after: int | None, stage: str = "production") -> Event:
    return Event("id", "2026-03-01T12:00:00.000Z", "alice", "host", action, after, {"stage": stage, "after": after})


def chain(*moves: int | str | None) -> rollback.StageTimeline:
    """The chain after promotions (7), demotions (None) and rollbacks (``"7"``)."""
    events = []
    for each in moves:
        if isinstance(each, str):
            events.append(move("rolled-back", int(each)))
        else:
            events.append(move("promoted" if each else "demoted", each))
    return rollback.build_timeline(events, "production")


def test_place_moves_one_stage_and_leaves_the_rest() -> None:
    table = StageTable(stages={"staging": 1, "production": 1}, aliases={"champion": 1})
    after = rules.set_stage(table, "m", "staging", 2)
    assert after.stages == {"staging": 2, "production": 1}
    assert after.aliases == {"champion": 1}
    assert table.stages == {"staging": 1, "production": 1}, "the table that was given is not changed"


def test_place_archives_what_was_there_if_asked() -> None:
    table = StageTable(stages={"production": 1})
    assert rules.set_stage(table, "m", "production", 2, archive_previous=True).archived == VersionRanges.from_numbers(
        [1]
    )
    assert rules.set_stage(table, "m", "production", 1, archive_previous=True) == table
    assert rules.set_stage(StageTable(), "m", "production", 1, archive_previous=True).archived == VersionRanges()


def test_place_does_not_archive_what_something_else_points_to() -> None:
    table = StageTable(stages={"production": 1, "staging": 1})
    with pytest.raises(Conflict, match="stage staging points to it"):
        rules.set_stage(table, "m", "production", 2, archive_previous=True)


def test_an_archived_version_is_not_put_into_use() -> None:
    table = StageTable(archived=VersionRanges.from_numbers([1]))
    with pytest.raises(Conflict, match="is archived"):
        rules.set_stage(table, "m", "production", 1)
    with pytest.raises(Conflict, match="is archived"):
        rules.set_alias(table, "m", "champion", 1)


def test_what_is_pointed_to_is_neither_archived_nor_deleted() -> None:
    table = StageTable(stages={"production": 1}, aliases={"champion": 1, "eu": 2})
    with pytest.raises(Conflict, match="stage production and alias champion point to it"):
        rules.archive(table, "m", VersionRanges.from_numbers([1, 3]))
    with pytest.raises(Conflict, match="alias eu points to it"):
        rules.delete(table, "m", 2)
    assert rules.archive(table, "m", VersionRanges.from_numbers([3])).archived == VersionRanges.from_numbers([3])


def test_delete_leaves_a_tombstone_and_empties_the_archive_of_it() -> None:
    table = rules.delete(StageTable(archived=VersionRanges.from_numbers([1, 2])), "m", 1)
    assert (table.archived, table.deleted) == (VersionRanges.from_numbers([2]), VersionRanges.from_numbers([1]))
    assert rules.restore(table, VersionRanges.from_numbers([2])).archived == VersionRanges()


def test_aliases_and_clearing() -> None:
    table = rules.set_alias(StageTable(stages={"production": 1}), "m", "champion", 1)
    assert table.aliases == {"champion": 1}
    assert rules.remove_alias(table, "champion").aliases == {}
    assert rules.clear_stage(table, "production").stages == {}
    assert rules.clear_stage(table, "staging") == table


def test_expectations() -> None:
    rules.check_expected({"production": 1}, "production", "m", 1)
    rules.check_expected({}, "production", "m", None)
    with pytest.raises(Conflict, match="production of m is at m@1, not m@2"):
        rules.check_expected({"production": 1}, "production", "m", 2)
    with pytest.raises(Conflict, match="is at m@1, not empty"):
        rules.check_expected({"production": 1}, "production", "m", None)
    with pytest.raises(Conflict, match="is empty, not m@2"):
        rules.check_expected({}, "production", "m", 2)
    expected = [rules.parse_expected(text, "risk/m") for text in ("none", "7", "v7", "risk/m@7", "risk/m@v7")]
    assert expected == [None, 7, 7, 7, 7]
    with pytest.raises(InvalidInput, match="`expect` m@7 is a version of another model, not of risk/m"):
        rules.parse_expected("m@7", "risk/m")
    for bad in ("", "0", "latest", "production"):
        with pytest.raises(InvalidInput):
            rules.parse_expected(bad, "m")


def test_resolve_prefers_what_it_is_told() -> None:
    table = StageTable(stages={"production": 1}, aliases={"champion": 2})
    assert rules.resolve_selector(table, "m", Selector(number=9)) == 9
    assert rules.resolve_selector(table, "m", Selector(name="production")) == 1
    assert rules.resolve_selector(table, "m", Selector(name="champion")) == 2
    with pytest.raises(NotFound):
        rules.resolve_selector(table, "m", Selector(name="staging"))


def test_an_unknown_stage_is_refused_with_the_nearest_or_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'production'"):
        rules.check_stage("prod", ("staging", "production"))
    with pytest.raises(InvalidInput, match="staging, production"):
        rules.check_stage("live", ("staging", "production"))


@pytest.mark.parametrize(
    ("moves", "earlier"),
    [
        ((), ()),
        ((1,), ()),
        ((1, 2, 3), (2, 1)),
        ((1, 2, 2), (1,)),
        ((1, None), (1,)),
        ((1, 2, None), (2, 1)),
        ((1, 2, None, 2), (1,)),
        ((1, 2, 3, "2"), (1,)),
        ((1, 2, 3, "2", "1"), ()),
        ((1, 2, 3, "2", 4), (2, 1)),
        ((1, 2, 1), (2, 1)),
        ((1, 2, 1, "2"), (1,)),
        ((1, 2, 1, 3, "1"), (2, 1)),
        ((1, 2, None, "2", "1"), ()),
        ((1, 2, 3, "1"), ()),
        (("5",), ()),
    ],
)
def test_the_chain_of_a_stage(moves: tuple[int | str | None, ...], earlier: tuple[int, ...]) -> None:
    assert chain(*moves).earlier == earlier


def test_the_chain_looks_at_its_own_stage_only() -> None:
    events = [move("promoted", 1), move("promoted", 2, "staging"), move("registered", 3), move("promoted", 4)]
    assert rollback.build_timeline(events, "production").earlier == (1,)


@given(st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=12))
def test_rolling_back_to_the_end_always_ends(moves: list[int | None]) -> None:
    """Each rollback goes strictly further back: nobody is led in a circle between two versions."""
    events = [move("promoted" if each else "demoted", each) for each in moves]
    table = StageTable(stages={"production": moves[-1]} if moves and moves[-1] else {})
    for _ in range(len(moves) + 1):
        line = rollback.build_timeline(events, "production")
        try:
            target = rollback.find_rollback_target(table, "m", "production", line)
        except NotFound:
            return
        assert target != table.stages.get("production")
        events.append(move("rolled-back", target))
        table = rules.set_stage(table, "m", "production", target)
        assert len(rollback.build_timeline(events, "production").numbers) <= len(line.numbers)
    raise AssertionError("rollback after rollback never came to an end")


def test_a_rollback_skips_the_deleted_and_stops_at_the_archived() -> None:
    line = chain(1, 2, 3)
    table = StageTable(stages={"production": 3})
    assert rollback.find_rollback_target(table, "m", "production", line) == 2
    assert (
        rollback.find_rollback_target(table.with_(deleted=VersionRanges.from_numbers([2])), "m", "production", line)
        == 1
    )
    with pytest.raises(Conflict, match="m@2, which held production before, is archived"):
        rollback.find_rollback_target(table.with_(archived=VersionRanges.from_numbers([2])), "m", "production", line)
    with pytest.raises(NotFound):
        rollback.find_rollback_target(table.with_(deleted=VersionRanges.from_numbers([1, 2])), "m", "production", line)


def test_what_a_rollback_would_go_to_is_kept() -> None:
    chains = {"production": chain(1, 2, 3), "staging": chain(1, None)}
    table = StageTable(stages={"production": 3})
    with pytest.raises(Conflict, match="m@2 is the rollback target of production"):
        rollback.check_rollback_targets(table, "m", VersionRanges.from_numbers([2]), chains)
    rollback.check_rollback_targets(table, "m", VersionRanges.from_numbers([1]), chains)
    rollback.check_rollback_targets(
        table.with_(archived=VersionRanges.from_numbers([2])), "m", VersionRanges.from_numbers([2]), chains
    )
    rollback.check_rollback_targets(StageTable(), "m", VersionRanges.from_numbers([2]), chains)


def test_a_rollback_to_a_named_holder() -> None:
    line, table = chain(1, 2, 3, 4), StageTable(stages={"production": 4})
    assert [rollback.find_rollback_target(table, "m", "production", line, to) for to in (None, 3, 2, 1)] == [3, 3, 2, 1]
    with pytest.raises(InvalidInput, match="m@9 never held production; possible targets: m@3 m@2 m@1"):
        rollback.find_rollback_target(table, "m", "production", line, 9)
    with pytest.raises(InvalidInput, match="production of m is already m@4; possible targets: m@3"):
        rollback.find_rollback_target(table, "m", "production", line, 4)
    with pytest.raises(InvalidInput, match="there is no version to roll back to"):
        rollback.find_rollback_target(StageTable(), "m", "production", chain(), 1)


@pytest.mark.parametrize(
    ("archived", "deleted", "to", "error", "words"),
    [
        ([3], [], None, Conflict, "m@3, .* is archived; run 'registry restore m@3' first, or .* --to 2"),
        ([3, 2], [], 3, Conflict, "or for the next candidate: registry rollback m production --to 1"),
        ([1], [], 1, Conflict, "--to 3"),  # nothing behind it: the nearest
        ([1, 2, 3], [], 2, Conflict, "first, or promote another version"),
        ([], [2], 2, NotFound, "m@2, .* was deleted; for the next candidate: registry rollback m production --to 1"),
        ([], [1, 2, 3], 2, NotFound, "promote another version"),
    ],
)
def test_a_target_that_is_gone_names_the_next(
    archived: list[int], deleted: list[int], to: int | None, error: type[Exception], words: str
) -> None:
    table = StageTable(
        stages={"production": 4},
        archived=VersionRanges.from_numbers(archived),
        deleted=VersionRanges.from_numbers(deleted),
    )
    with pytest.raises(error, match=words):
        rollback.find_rollback_target(table, "m", "production", chain(1, 2, 3, 4), to)


def test_what_held_a_stage() -> None:
    table = StageTable(
        stages={"production": 6}, archived=VersionRanges.from_numbers([2]), deleted=VersionRanges.from_numbers([5])
    )
    found = rollback.list_holders(table, "m", "production", chain(1, 2, 3, 4, 5, 6))
    assert [(each.number, each.state) for each in found] == [
        (6, "current"), (5, "deleted"), (4, "next"), (3, "earlier"), (2, "archived"), (1, "earlier"),
    ]  # fmt: skip
    assert found[0].ref == "m@6"
    assert [each.state for each in rollback.list_holders(StageTable(), "m", "production", chain(1, 2, None))] == [
        "next",
        "earlier",
    ]
    table = StageTable(stages={"production": 2}, archived=VersionRanges.from_numbers([1]))
    assert [each.state for each in rollback.list_holders(table, "m", "production", chain(1, 2))] == [
        "current",
        "archived",
    ]
    assert rollback.list_holders(StageTable(), "m", "production", chain()) == ()


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 5)), max_size=12),
    st.sets(st.integers(1, 5)),
    st.sets(st.integers(1, 5)),
    st.one_of(st.none(), st.integers(1, 6)),
)
def test_a_rollback_goes_to_a_candidate_or_nowhere(
    moves: list[int | None], archived: set[int], deleted: set[int], to: int | None
) -> None:
    """Whatever happened before: the list, the target and what an error advises are of one mind."""
    current = moves[-1] if moves else None
    line = chain(*moves)
    table = StageTable(
        stages={"production": current} if current else {},
        archived=VersionRanges.from_numbers(archived - deleted - {current}),
        deleted=VersionRanges.from_numbers(deleted - {current}),
    )
    can = rollback.list_candidates(table, "production", line)
    listed = rollback.list_holders(table, "m", "production", line)
    assert {each.number for each in listed if each.state in ("next", "earlier")} == set(can)
    can = rollback.list_candidates(table, "production", line, line.holders)
    assert {each.number for each in listed if each.state in ("next", "earlier", "rolled-back")} == set(can)
    try:
        target = rollback.find_rollback_target(table, "m", "production", line, to)
    except (InvalidInput, Conflict, NotFound) as error:
        assert to not in can
        if "--to" in error.hint:
            assert int(error.hint.partition("--to ")[2].split()[0]) in can
        return
    assert target in can
    assert to in (None, target)
    if to is None:
        assert [each.number for each in listed if each.state == "next"] == [target]
