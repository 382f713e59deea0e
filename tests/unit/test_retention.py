"""Retention: what the planner chooses, and that it never chooses what is protected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import InvalidInput
from registry_cli.core.records import Event, StageTable, VersionRecord
from registry_cli.core.times import format_time
from registry_cli.core.version_ranges import VersionRanges
from registry_cli.rules import retention
from registry_cli.rules.metric_directions import LISTED, LOWER, Directions, listed_direction
from registry_cli.rules.retention import Plan, RetentionDecision, RetentionInput, make_plan
from registry_cli.rules.retention_rules import Best, RetentionPolicy, RetentionRules
from registry_cli.rules.rollback import StageTimeline, build_timeline
from registry_cli.rules.settings_errors import SettingsSource
from registry_cli.rules.stages import ARCHIVE, DELETE, PACK

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


def days_ago(days: float) -> str:
    return format_time(NOW - timedelta(days=days))


def version(number: int, age: float = 100, **said: Any) -> VersionRecord:
    return VersionRecord("churn", number, days_ago(age), "alice", f"{number:064x}", 10, 1, **said)


def known(*versions: VersionRecord, table: StageTable | None = None, **more: Any) -> RetentionInput:
    table = table or StageTable()
    placed = [replace(each, archived=each.number in table.archived) for each in versions]
    return RetentionInput("churn", placed, table, more.pop("chains", {}), highest=len(versions), **more)


def reasons(found: Plan) -> dict[int, str]:
    return {verdict.version: verdict.reason for verdict in found.verdicts if not verdict.chosen}


def moved(number: int | None, stage: str = "production") -> Event:
    return Event("x", days_ago(1), "alice", "host", "promoted", number, {"stage": stage, "after": number})


class TestRules:
    def test_any_rule_keeps(self) -> None:
        models = known(*(version(n, 100 - 10 * n, metrics={"auc": n % 5}) for n in range(1, 10)))
        found = make_plan(models, RetentionRules.build(older_than="25d", keep=1, best=["auc:2"]), NOW)
        assert found.chosen == (1, 2, 3, 5, 6, 7)
        assert reasons(found) == {9: "younger than 25d", 8: "younger than 25d", 4: "one of the best 2 by auc"}
        assert found.verdicts[-1] == RetentionDecision(
            1, True, "made more than 25d ago, not one of the newest 1, not one of the best 2 by auc"
        )

    def test_the_age_itself_is_old_enough(self) -> None:
        models = known(version(1, 30), version(2, 29.999), replace(version(3), created="never"))
        found = make_plan(models, RetentionRules.build(older_than="30d"), NOW)
        assert found.chosen == (1,)
        assert reasons(found) == {2: "younger than 30d", 3: "of unknown age"}

    def test_of_equals_the_newest_are_best(self) -> None:
        models = known(*(version(n, metrics={"loss": 1.0 if n < 4 else 2.0}) for n in range(1, 6)), version(6))
        assert make_plan(models, RetentionRules.build(best=["-loss:2"]), NOW).chosen == (1, 4, 5, 6)
        assert make_plan(models, RetentionRules.build(best=["loss:2:max"]), NOW).chosen == (1, 2, 3, 6)
        assert make_plan(models, RetentionRules.build(best=["loss:1:min", "loss:1:max"]), NOW).chosen == (1, 2, 4, 6)

    def test_what_does_not_fit_is_kept(self) -> None:
        models = known(*(version(n, tags={"n": str(n)}) for n in (1, 2, 3)))
        found = make_plan(models, RetentionRules.build(where="tags.n = '2'"), NOW)
        assert (found.chosen, reasons(found)) == ((2,), {3: "does not match the query", 1: "does not match the query"})

    def test_deleting_chooses_among_the_archived_by_when_they_were(self) -> None:
        table = StageTable(archived=VersionRanges.from_numbers([1, 2, 3]))
        models = known(*(version(n) for n in range(1, 6)), table=table, archived_at={1: days_ago(40), 2: days_ago(3)})
        found = make_plan(models, RetentionRules.build(older_than="30d"), NOW, DELETE)
        assert found.chosen == (1, 3), "without a record of it, its making counts"
        assert reasons(found) == {5: "in use", 4: "in use", 2: "archived less than 30d ago"}
        found = make_plan(models, RetentionRules.build(keep=1), NOW, DELETE)
        assert found.chosen == (1, 2), "one of the archived"
        assert make_plan(models, RetentionRules.build(keep=1), NOW, ARCHIVE).chosen == (4,)


class TestProtected:
    def test_pointers_and_tags(self) -> None:
        table = StageTable(stages={"production": 1}, aliases={"best": 2})
        found = make_plan(known(version(1), version(2), version(3, tags={"keep": "yes"}), version(4, tags={"keep": "no"}),
                           table=table), RetentionRules.build(older_than="1d"), NOW)  # fmt: skip
        assert found.chosen == (4,)
        assert reasons(found) == {3: "tag keep=yes", 2: "alias best", 1: "holds production"}

    def test_the_last_holders(self) -> None:
        table = StageTable(stages={"production": 6}, deleted=VersionRanges.from_numbers([4]))
        models = known(*(version(n) for n in (1, 2, 3, 5, 6, 7)), table=table,
                       chains={"production": StageTimeline((1, 2, 5, 3, 4, 5, 6), True)})  # fmt: skip
        assert reasons(make_plan(models, RetentionRules.build(older_than="1d"), NOW)) == {
            6: "holds production", 5: "rollback target of production", 3: "held production before",
        }  # fmt: skip
        assert make_plan(models, RetentionRules.build(older_than="1d", keep_holders=4), NOW).chosen == (1, 7)
        assert make_plan(models, RetentionRules.build(older_than="1d", keep_holders=0), NOW).chosen == (1, 2, 3, 7)
        empty = replace(models, table=StageTable(), chains={"production": StageTimeline((1, 2, 5, 6), False)})
        assert make_plan(empty, RetentionRules.build(older_than="1d"), NOW).chosen == (1, 3, 7)

    def test_parents_of_what_is_kept(self) -> None:
        made = [version(1), version(2, lineage={"parents": ["churn@1", "other@3", "nonsense@@", 7]}),
                version(3, lineage={"parents": [f"churn@sha256:{2:064x}"]}), version(4)]  # fmt: skip
        rules = RetentionRules.build(older_than="1d", where="version != 3")
        found = make_plan(known(*made), rules, NOW)
        assert (found.chosen, reasons(found)) == (
            (4,), {3: "does not match the query", 2: "parent of churn@3", 1: "parent of churn@2"},
        )  # fmt: skip
        table = StageTable(archived=VersionRanges.from_numbers([1, 2, 4]))
        assert make_plan(known(*made, table=table), rules, NOW, DELETE).chosen == (4,), "3 is in use"
        needed = known(*made, table=table, needed={4: "other@1"})
        assert reasons(make_plan(needed, rules, NOW, DELETE))[4] == "parent of other@1"


@st.composite
def histories(draw: st.DrawFn) -> RetentionInput:
    """A model after a random life."""
    count = draw(st.integers(1, 12))
    number = st.integers(1, count)
    moves = draw(st.lists(st.tuples(st.sampled_from(["staging", "production"]), number), max_size=8))
    events = [moved(at, stage) for stage, at in moves]
    chains = {stage: build_timeline(events, stage) for stage in ("staging", "production")}
    stages = {stage: line.numbers[-1] for stage, line in chains.items() if line.held}
    aliases = draw(st.dictionaries(st.sampled_from(["a", "b"]), number))
    free = [n for n in range(1, count + 1) if n not in {*stages.values(), *aliases.values()}]
    state = draw(st.lists(st.sampled_from(["used", "archived", "deleted"]), min_size=len(free), max_size=len(free)))
    table = StageTable(
        stages=stages, aliases=aliases,
        archived=VersionRanges.from_numbers(n for n, each in zip(free, state, strict=True) if each == "archived"),
        deleted=VersionRanges.from_numbers(n for n, each in zip(free, state, strict=True) if each == "deleted"),
    )  # fmt: skip
    versions = [
        version(
            n, draw(st.floats(0, 10)),
            metrics=draw(st.dictionaries(st.sampled_from(["auc", "f1"]), st.integers(0, 3))),
            tags=draw(st.dictionaries(st.just("keep"), st.sampled_from(["yes", "no"]))),
            lineage={"parents": [f"churn@{at}" for at in draw(st.lists(number, max_size=2))]},
        )
        for n in range(1, count + 1) if n not in table.deleted
    ]  # fmt: skip
    since = {n: days_ago(draw(st.floats(0, 10))) for n in table.archived if draw(st.booleans())}
    needed = dict.fromkeys(draw(st.sets(number, max_size=2)), "other@1")
    packed = draw(st.sets(st.sampled_from(sorted(table.archived)))) if table.archived else set()
    versions = [replace(each, packed=7) if each.number in packed else each for each in versions]
    return known(*versions, table=table, chains=chains, archived_at=since, needed=needed)


RULES = st.fixed_dictionaries(
    {},
    optional={
        "older_than": st.sampled_from(["0s", "1d", "5d"]),
        "keep": st.integers(1, 5),
        "best": st.lists(st.sampled_from(["auc:1", "f1:2:min", "-auc:2"]), min_size=1, max_size=2),
        "where": st.sampled_from(["metrics.auc < 2", "version > 3", "not tags.keep = no"]),
    },
)
ACTIONS = st.sampled_from([ARCHIVE, DELETE])
EVERY_ACTION = st.sampled_from([ARCHIVE, DELETE, PACK])


@given(histories(), RULES.filter(bool), st.integers(0, 4), EVERY_ACTION)
def test_what_is_protected_is_never_chosen(
    model: RetentionInput, said: dict[str, Any], holders: int, action: str
) -> None:
    found = make_plan(model, RetentionRules.build(**said, keep_holders=holders), NOW, action)
    chosen = set(found.chosen)
    table = model.table
    assert not chosen & {*table.stages.values(), *table.aliases.values(), *table.deleted}
    assert not chosen & model.needed.keys(), "a version of another model was made from it"
    archived = set(table.archived)
    if action == PACK:
        assert chosen <= archived | set(
            make_plan(model, RetentionRules.build(**said, keep_holders=holders), NOW, ARCHIVE).chosen
        )
        assert all(each.packed is None for each in model.versions if each.number in chosen)
    else:
        assert all((number in archived) == (action == DELETE) for number in chosen)
    by_number = {each.number: each for each in model.versions}
    assert not any(by_number[number].tags.get("keep") == "yes" for number in chosen)
    for stage, line in model.chains.items():
        last = [n for n in dict.fromkeys(reversed(line.numbers)) if n not in table.deleted]
        assert not chosen & set(last[:holders])
        assert not chosen & set([n for n in last if n != table.stages.get(stage)][:1]), "a rollback goes there"
    others = [each for each in model.versions if action == DELETE or not each.archived]
    others += [each for each in model.versions if action == PACK and each.packed is None]
    for child in (each for each in others if each.number not in chosen):
        for parent in child.lineage["parents"]:
            assert int(parent.partition("@")[2]) not in chosen
    if action != PACK:
        assert {verdict.version for verdict in found.verdicts} == by_number.keys()
    assert all(verdict.reason for verdict in found.verdicts)


@given(histories(), RULES.filter(bool), RULES, ACTIONS)
def test_one_more_rule_never_chooses_more(
    model: RetentionInput, said: dict[str, Any], more: dict[str, Any], action: str
) -> None:
    fewer = set(make_plan(model, RetentionRules.build(**said), NOW, action).chosen)
    added = {**more, **said, "best": [*said.get("best", []), *more.get("best", [])]}
    assert set(make_plan(model, RetentionRules.build(**added), NOW, action).chosen) <= fewer


@given(histories(), RULES.filter(bool), ACTIONS)
def test_what_is_left_is_not_chosen_again(model: RetentionInput, said: dict[str, Any], action: str) -> None:
    """Interrupted anywhere, the next run does what is left of it; after it there is nothing to do."""
    rules = RetentionRules.build(**said)
    chosen = make_plan(model, rules, NOW, action).chosen
    for done in range(len(chosen) + 1):
        gone = VersionRanges.from_numbers(chosen[:done])
        if action == DELETE:
            table = model.table.with_(archived=model.table.archived - gone, deleted=model.table.deleted | gone)
        else:
            table = model.table.with_(archived=model.table.archived | gone)
        left = [
            replace(v, archived=v.number in table.archived) for v in model.versions if v.number not in table.deleted
        ]
        assert make_plan(replace(model, table=table, versions=left), rules, NOW, action).chosen == chosen[done:]


@given(histories(), RULES.filter(bool))
def test_packing_that_was_interrupted_goes_on(model: RetentionInput, said: dict[str, Any]) -> None:
    """After archiving, and after each pack, the next run packs just what is left. Nothing is packed twice."""
    rules = RetentionRules.build(**said)
    first = make_plan(model, rules, NOW, PACK).chosen
    table = model.table.with_(
        archived=model.table.archived | VersionRanges.from_numbers(make_plan(model, rules, NOW, ARCHIVE).chosen)
    )
    for done in range(len(first) + 1):
        now = [
            replace(v, archived=v.number in table.archived, packed=7 if v.number in first[:done] else v.packed)
            for v in model.versions
        ]
        assert make_plan(replace(model, table=table, versions=now), rules, NOW, PACK).chosen == first[done:]


@pytest.mark.parametrize(
    ("text", "best"),
    [("auc:3", Best("auc", 3, None)), ("loss:3", Best("loss", 3, None)), ("auc:3:max", Best("auc", 3, False)), ("-loss:1", Best("loss", 1, True)), ("loss:2:min", Best("loss", 2, True)),
     ("loss:2:max", Best("loss", 2, False)), ("a:b:4", Best("a:b", 4, None))],
)  # fmt: skip
def test_best_is_read(text: str, best: Best) -> None:
    assert Best.parse(text) == best
    directed = [
        each
        for each in (best, Best.parse(str(best)))
        if each.lowest is not None or listed_direction(each.metric) != LOWER
    ]
    assert len({each.directed(LISTED) for each in directed}) <= 1, "what is printed means the same"


def test_the_direction_of_the_best() -> None:
    declared = Directions.parse({"drift": "lower", "loss": "higher"}, SettingsSource("model.yaml"))
    assert Best.parse("auc:3").directed(LISTED) == Best("auc", 3, False)
    assert Best.parse("drift:3").directed(declared) == Best("drift", 3, True)
    assert Best.parse("drift:3:max").directed(declared) == Best("drift", 3, False), "what the rule says counts"
    assert Best.parse("loss:3").directed(declared) == Best("loss", 3, False)
    assert Best.parse("drift:3").directed(LISTED).lowest is None
    with pytest.raises(InvalidInput, match=r"'mape:3' needs to state .*mape:3:min or mape:3:max"):
        Best.parse("mape:3").directed(LISTED)
    assert RetentionRules.build(best=["drift:3", "auc:1"]).directed(LISTED, strict=False).undirected == ("drift",)
    with pytest.raises(InvalidInput, match=r"'drift:3' needs to state .*the direction of this metric is unknown"):
        RetentionRules.build(best=["drift:3"]).directed(LISTED, strict=True)


def test_without_a_direction_all_are_kept() -> None:
    models = known(*(version(number, metrics={"drift": number}) for number in (1, 2, 3)))
    found = make_plan(models, RetentionRules.build(best=["drift:1"]), NOW)
    assert found.chosen == ()
    assert {each.reason for each in found.verdicts} == {"the direction of drift is unknown"}


@pytest.mark.parametrize("text", ["", "auc", "auc:", "auc:0", ":3", "-:3", "-loss:3:max", "auc:3:best", "auc:-1"])
def test_best_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Best.parse(text)


@pytest.mark.parametrize(
    "said",
    [{}, {"keep_holders": 3}, {"older_than": ""}, {"older_than": "90"}, {"keep": 0}, {"keep": -1}, {"where": "x ="},
     {"where": ""}, {"keep": 1, "keep_holders": -1}],
)  # fmt: skip
def test_rules_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        RetentionRules.build(**said)


REGISTRY, MODEL = SettingsSource("registry.yaml"), SettingsSource("model.yaml", lambda: {("retention",): 7})


def test_a_policy_is_read() -> None:
    everyone = RetentionPolicy.parse(
        {"archive": {"keep": 3, "best": "auc:2"}, "prune": {"older_than": "30d"}}, REGISTRY
    )
    assert everyone.archive == RetentionRules.build(keep=3, best=["auc:2"])
    own = RetentionPolicy.parse({"archive": {"best": ["auc:2"], "keep_holders": 1}, "prune": {}}, MODEL)
    both = own.over(everyone)
    assert both.archive == RetentionRules.build(best=["auc:2"], keep_holders=1)
    assert both.prune is None, "it is turned off"
    assert RetentionPolicy.parse(None, MODEL).over(everyone).prune == RetentionRules.build(older_than="30d")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"archiv": {"keep": 3}}, "retention.archiv: unknown key 'archiv'; did you mean 'archive'"),
        ({"archive": {"older-than": "3d"}}, "retention.archive.older-than: .*did you mean 'older_than'"),
        ({"archive": {"xyzzy": 3}}, "available: older_than, keep"),
        ({"archive": {"keep": "3"}}, "retention.archive.keep: is not valid; use a number"),
        ({"archive": {"keep": True}}, "use a number"),
        ({"archive": {"keep": -1}}, "retention.archive: 'keep' keeps -1 versions"),
        ({"archive": {"older_than": "-3d"}}, "retention.archive: '-3d' is not"),
        ({"archive": {"best": 3}}, "retention.archive.best: must be text"),
        ({"archive": {"keep_holders": 3}}, "no rule selects versions"),
        ({"prune": {"keep": 3}}, "retention.prune: has no 'older_than'"),
        ({"prune": [3]}, "retention.prune: must be a mapping"),
        (3, "retention: must be a mapping"),
    ],
)
def test_a_slip_in_a_policy_is_told(document: Any, words: str) -> None:
    with pytest.raises(InvalidInput, match="^model.yaml, line 7: .*" + words.replace("?", r"\?")):
        RetentionPolicy.parse(document, MODEL)


def test_since_when_versions_are_archived() -> None:
    def event(action: str, day: int, **detail: Any) -> Event:
        return Event("x", f"2026-03-{day:02}", "alice", "host", action, detail.pop("version", None), detail)

    events = [
        event("archived", 1, versions="1-3"), event("restored", 2, versions="2"), event("archived", 3, versions="2, 4"),
        event("promoted", 4, stage="production", after=6, archived="5"), event("deleted", 5, version=1),
        event("repaired", 6, stages={}, aliases={}, archived="2-4, 9", deleted="1"),
    ]  # fmt: skip
    assert retention.archived_since(events) == {
        2: "2026-03-03", 3: "2026-03-01", 4: "2026-03-03", 9: "2026-03-06",
    }  # fmt: skip
