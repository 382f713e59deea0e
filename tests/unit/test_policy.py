"""Policies: what is understood, what is refused and with which words, how two are joined, what a gate says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import InvalidInput, Refused
from registry_cli.core.records import Event, VersionRecord
from registry_cli.core.yaml import documents
from registry_cli.rules.approvals import ApprovalInput, RecordedApproval
from registry_cli.rules.policy import evaluation as gate
from registry_cli.rules.policy import policy_parser
from registry_cli.rules.policy.evaluation import Evaluation
from registry_cli.rules.policy.policy import Policies, PolicyInput, StagePolicy, join_policies
from registry_cli.rules.settings_errors import SettingsSource
from registry_cli.rules.stages import StageInterval, list_intervals
from tests.support import merge_policies

STAGES = ("development", "staging", "production")
NOW = datetime(2026, 3, 3, 12, tzinfo=timezone.utc)
DAY = 86_400.0


def parsed(said: Any, common: Policies | None = None) -> dict[str, StagePolicy]:
    return policy_parser.parse_policies(
        said, SettingsSource("model.yaml" if common is not None else "registry.yaml"), STAGES, common
    )


def policy(said: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> StagePolicy:
    """The policy of production, with what a model adds."""
    common = parsed({"production": said})
    return merge_policies(common, parsed({"production": own}, common) if own is not None else {}, STAGES)["production"]


def version(number: int = 7, **said: Any) -> VersionRecord:
    return VersionRecord(
        "churn", number, "2026-03-01T12:00:00.000Z", "alice", "0" * 64, said.pop("size", 1000), 1, **said
    )


def judged(found: StagePolicy, record: VersionRecord | None = None, **more: Any) -> Evaluation:
    facts: dict[str, Any] = {"files": ["model.pkl"], "current": None, "holdings": (), "model": {}, "now": NOW, **more}
    return gate.evaluate(found, PolicyInput("production", record or version(), **facts))


def outcomes(evaluation: Evaluation) -> list[str]:
    return [rule.outcome for rule in evaluation.rules]


MISTAKES: list[tuple[Any, str]] = [
    ([], "policy: must be a mapping"),
    (None, "policy: must be a mapping"),
    ({"prod": {}}, "policy.prod: unknown stage 'prod'; did you mean 'production'"),
    ({"production": None}, "policy.production: must be a mapping"),
    ({"production": {"requires": {}}}, "policy.production.requires: unknown key 'requires'; did you mean 'require'"),
    ({"production": {"metrics": {}}}, "policy.production.metrics: unknown key 'metrics'; it belongs under require"),
    ({"production": {"require": {"from": ["staging"]}}}, "it belongs under the stage"),
    ({"production": {"approvals": 0}}, "policy.production.approvals: is not a valid number of people"),
    ({"production": {"approvals": True}}, "is not a valid number of people"),
    ({"production": {"approvals": "2"}}, "is not a valid number of people; use an integer from 1 to 1,000"),
    ({"production": {"approvals": None}}, "policy.production.approvals: has no value"),
    ({"production": {"approvers": "alice"}}, "policy.production.approvers: must be a non-empty list"),
    ({"production": {"approvers": []}}, "must be a non-empty list"),
    ({"production": {"approvers": ["alice", "risk team"]}}, "policy.production.approvers.1: 'risk team' is not a valid account"),
    ({"production": {"approvers": ["@"]}}, "'@' is not a valid account; use alice, or '@risk-team' for a Unix group"),
    ({"production": {"signed": True}}, "policy.production.signed: must be 'required'"),
    ({"production": {"not_author": "yes"}}, "policy.production.not_author: must be true or false"),
    ({"production": {"require": {"approvals": 2}}}, "it belongs under the stage"),
    ({"production": {"signed_by": ["alice"]}}, "it belongs under require"),
    ({"production": {"require": {"signed_by": ["*@example.com"]}}}, "signed_by.0: '*@example.com' is not a valid principal"),
    ({"production": {"require": {"signed_by": "alice"}}}, "must be a non-empty list"),
    ({"production": {"require": {"checks": []}}}, "unknown key 'checks'; it belongs under the stage"),
    ({"production": {"require": None}}, "policy.production.require: has no value"),
    ({"production": {"override": True}}, "policy.production.override: is only valid in model.yaml and group.yaml"),
    ({"production": {"force": "no"}}, "policy.production.force: must be true or false"),
    ({"production": {"from": "staging"}}, "policy.production.from: must be a non-empty list"),
    ({"production": {"from": []}}, "policy.production.from: must be a non-empty list"),
    ({"production": {"from": ["stagging"]}}, "policy.production.from.0: unknown stage 'stagging'; did you mean 'staging'"),
    ({"production": {"require": {"fields": ["descripton"]}}}, "policy.production.require.fields.0: unknown field"),
    ({"production": {"require": {"fields": ["annotations"]}}}, "requires a name"),
    ({"production": {"require": {"tags": {"reviewed": True}}}}, "policy.production.require.tags.reviewed: must be text"),
    ({"production": {"require": {"tags": {"a=b": "x"}}}}, "invalid name"),
    ({"production": {"require": {"metrics": {"auc": 0.9}}}}, "policy.production.require.metrics.auc: is not a valid bound"),
    ({"production": {"require": {"metrics": {"auc": "=> 0.9"}}}}, "is not a valid bound on a metric"),
    ({"production": {"require": {"metrics": {"auc": ">= nan"}}}}, "is not a valid bound on a metric"),
    ({"production": {"require": {"metrics": {"auc": []}}}}, "is not a valid bound on a metric"),
    ({"production": {"require": {"metrics": {"auc": [">= 0", 1]}}}}, "metrics.auc.1: is not a valid bound on a metric"),
    ({"production": {"require": {"files": ["*" * 1001]}}}, "a pattern of 1,001 characters"),
    ({"production": {"require": {"forbid": [3]}}}, "policy.production.require.forbid.0: must be text"),
    ({"production": {"require": {"max_size": -1}}}, "is not a valid size"),
    ({"production": {"require": {"max_size": True}}}, "must be text"),
    ({"production": {"require": {"max_size": "5 elephants"}}}, "is not a valid size"),
    ({"production": {"require": {"where": "metrics.auc >="}}}, "policy.production.require.where: "),
    ({"production": {"require": {"min_age_in_stage": "-2d"}}}, "policy.production.require.min_age_in_stage: '-2d'"),
    ({"production": {"require": {"min_age_in_stage": 2}}}, "must be text; for example: 2d or 12h"),
    ({"production": {"against_current": {"auc": 0.01}}}, "policy.production.against_current.auc: must be a mapping"),
    ({"production": {"against_current": {"auc": {"max_dorp": 1}}}}, "did you mean 'max_drop'"),
    ({"production": {"against_current": {"auc": {"max_drop": -1}}}}, "is not a valid amount"),
    ({"production": {"against_current": {"auc": {"max_drop": "-1%"}}}}, "is not a valid amount"),
    ({"production": {"against_current": {"auc": {"max_drop": float("nan")}}}}, "is not a valid amount"),
    ({"production": {"against_current": {"auc": {"max_drop": True}}}}, "is not a valid amount"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_place(said: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(said)
    assert str(caught.value).startswith("registry.yaml: policy")
    assert words in str(caught.value)


def test_the_line_is_told_and_that_of_a_list_too() -> None:
    data = b"format: 1\npolicy:\n  production:\n    require:\n      forbid:\n      - '*.csv'\n      - 3\n"
    source = SettingsSource("registry.yaml", lambda: documents.lines(data))
    with pytest.raises(InvalidInput, match=r"^registry.yaml, line 7: policy.production.require.forbid.1: must be text"):
        policy_parser.parse_policies(
            policy_parser.find_policy(documents.loads_mapping(data, "x"), source), source, STAGES
        )
    assert source.line(("policy", "production", "not there")) == 3
    assert source.line(("nothing",)) is None


@pytest.mark.parametrize("key", ["policies", "Policy", "polcy", "gates", "plicy"])
def test_a_misspelt_policy_is_not_none_at_all(key: str) -> None:
    with pytest.raises(InvalidInput, match="did you mean 'policy'"):
        policy_parser.find_policy({key: {}}, SettingsSource("model.yaml"))
    assert policy_parser.find_policy({"owner": "alice", "description": "x"}, SettingsSource("model.yaml")) == {}


@pytest.mark.parametrize(
    ("said", "circular"),
    [
        ({"staging": {"from": ["production"]}, "production": {"from": ["staging"]}}, True),
        ({"production": {"from": ["production"]}}, True),
        ({"staging": {"from": ["production", "development"]}, "production": {"from": ["staging"]}}, False),
        ({"production": {"from": ["staging"]}}, False),
    ],
)
def test_stages_that_wait_for_each_other_are_refused(said: Any, circular: bool) -> None:
    if circular:
        with pytest.raises(InvalidInput, match="circular"):
            merge_policies(parsed(said), {}, STAGES)
    else:
        merge_policies(parsed(said), {}, STAGES)


def test_a_model_can_close_the_circle() -> None:
    common = parsed({"production": {"from": ["staging"]}})
    with pytest.raises(InvalidInput, match=r"model.yaml: policy.staging.from: circular|circular"):
        merge_policies(common, parsed({"staging": {"from": ["production"]}}, common), STAGES)


CASES: list[tuple[Any, Any, str]] = [
    ({"fields": ["description"]}, {}, "failed"),
    ({"fields": ["description"]}, {"model": {"description": "who leaves"}}, "passed"),
    ({"fields": ["message", "annotations.data"]}, {"record": version(message=" ", annotations={"data": "x"})}, "failed passed"),
    ({"tags": {"reviewed": "yes"}}, {"record": version(tags={"reviewed": "no"})}, "failed"),
    ({"tags": {"reviewed": "yes"}}, {"record": version(tags={"reviewed": "yes"})}, "passed"),
    ({"metrics": {"auc": ">= 0.90"}}, {"record": version(metrics={"auc": 0.9})}, "passed"),
    ({"metrics": {"auc": "> 0.90"}}, {"record": version(metrics={"auc": 0.9})}, "failed"),
    ({"metrics": {"auc": [">= 0", "< 1"]}}, {"record": version(metrics={"auc": 1})}, "passed failed"),
    ({"metrics": {"auc": "= 1"}}, {"record": version(metrics={"auc": 1.0})}, "passed"),
    ({"metrics": {"auc": "< 1"}}, {"record": version(metrics={"auc": True})}, "failed"),
    ({"metrics": {"auc": "< 1"}}, {"record": version(metrics={"auc": float("nan")})}, "failed"),
    ({"metrics": {"auc": "< 1"}}, {}, "failed"),
    ({"files": ["model.*"]}, {"files": ["deep/model.pkl"]}, "passed"),
    ({"files": ["deep/*.bin"]}, {"files": ["other/model.bin"]}, "failed"),
    ({"forbid": ["*.csv"]}, {"files": ["model.pkl", "deep/DATA.CSV"]}, "failed"),
    ({"forbid": ["*.csv"]}, {}, "passed"),
    ({"max_size": "1kB"}, {}, "passed"),
    ({"max_size": 999}, {}, "failed"),
    ({"where": "metrics.auc > 0.5 and age < 3d"}, {"record": version(metrics={"auc": 0.6})}, "passed"),
    ({"where": "not archived and author = bob"}, {}, "failed"),
]  # fmt: skip


@pytest.mark.parametrize(("require", "facts", "expected"), CASES)
def test_what_is_required(require: Any, facts: Any, expected: str) -> None:
    facts = dict(facts)
    assert outcomes(judged(policy({"require": require}), facts.pop("record", None), **facts)) == expected.split()


def test_where_it_comes_from() -> None:
    found = policy({"from": ["staging"]})
    assert outcomes(judged(found)) == ["failed"]
    assert outcomes(judged(found, version(stages=("staging",)))) == ["passed"]
    assert outcomes(judged(found, holdings=[StageInterval("staging", 0, 1)])) == ["passed"]
    assert outcomes(judged(found, holdings=[StageInterval("development", 0, 1)])) == ["failed"]


def test_age_counts_the_longest_time_and_waits_while_it_is_held() -> None:
    found = policy({"from": ["staging"], "require": {"min_age_in_stage": "2d"}})
    now = NOW.timestamp()

    def said(*held: StageInterval) -> str:
        return outcomes(judged(found, holdings=held))[1]

    assert said() == "failed"
    assert said(StageInterval("staging", now - 2 * DAY)) == "passed"
    assert said(StageInterval("staging", now - 1.9 * DAY)) == "waiting"
    assert said(StageInterval("staging", now + DAY)) == "waiting"
    assert said(StageInterval("staging", now - 2 * DAY, now - DAY)) == "failed"
    assert said(StageInterval("staging", now - 5 * DAY, now - 3 * DAY)) == "passed"
    assert said(StageInterval("development", now - 5 * DAY)) == "failed"
    assert (
        said(StageInterval("staging", now - 5 * DAY, now - 4 * DAY), StageInterval("staging", now - DAY)) == "waiting"
    )
    assert not judged(found, holdings=[StageInterval("staging", now - DAY)]).passed


def test_a_models_age_counts_where_the_registry_lets_it_come_from() -> None:
    found = policy({"from": ["staging"]}, {"require": {"min_age_in_stage": "1d"}})
    held = [StageInterval("development", 0), StageInterval("staging", NOW.timestamp())]
    assert outcomes(judged(found, holdings=held)) == ["passed", "waiting"]


@pytest.mark.parametrize(
    ("rule", "new", "old", "expected"),
    [
        ({"max_drop": 0.005}, 0.925, 0.93, "passed"),  # 0.93 - 0.005 is less than 0.925 in floats
        ({"max_drop": 0.005}, 0.9249, 0.93, "failed"),
        ({"max_drop": 0}, 0.93, 0.93, "passed"),
        ({"max_drop": "10%"}, 0.9, 1, "passed"),
        ({"max_drop": "10%"}, -1.2, -1, "failed"),
        ({"max_rise": "1%"}, 101, 100, "passed"),
        ({"max_rise": "1%"}, 102, 100, "failed"),
        ({"max_rise": 1}, -5, 100, "passed"),
        ({"max_rise": 1}, None, 100, "failed"),
        ({"max_rise": 1}, 1, None, "failed"),
    ],
)
def test_against_what_holds_the_stage(rule: Any, new: Any, old: Any, expected: str) -> None:
    found = policy({"against_current": {"m": rule}})
    record = version(metrics={} if new is None else {"m": new})
    current = version(6, metrics={} if old is None else {"m": old})
    assert outcomes(judged(found, record, current=current)) == [expected]
    assert outcomes(judged(found, record)) == ["passed"]  # the stage is empty


def test_a_model_adds_and_never_takes_away() -> None:
    common = {"from": ["staging"], "require": {"metrics": {"auc": ">= 0.9"}, "max_size": "5kB", "forbid": ["*.csv"]}}
    found = policy(common, {"require": {"metrics": {"auc": ">= 0.8"}, "max_size": "6kB", "forbid": ["*.csv", "*.txt"]}})
    assert [(rule.name, rule.wanted) for rule in found.rules] == [
        ("from", "holds or held staging"), ("metrics.auc", ">= 0.9"), ("forbid", "no *.csv"), ("max_size", "at most 5kB"),
        ("metrics.auc", ">= 0.8"), ("forbid", "no *.txt"),
    ]  # fmt: skip
    smaller = policy(common, {"require": {"max_size": "4kB"}})
    assert [rule.wanted for rule in smaller.rules if rule.name == "max_size"] == ["at most 4kB"]


def test_override_replaces_what_it_says_and_null_takes_it_away() -> None:
    common = {
        "from": ["staging"],
        "require": {"metrics": {"auc": ">= 0.9", "ms": "< 5"}, "forbid": ["*.csv"]},
        "force": False,
    }
    own = {"override": True, "require": {"metrics": {"auc": ">= 0.8", "ms": None}, "forbid": []}}
    found = policy(common, own)
    assert [(rule.name, rule.wanted) for rule in found.rules] == [
        ("from", "holds or held staging"), ("metrics.auc", ">= 0.8"),
    ]  # fmt: skip
    assert not found.forcible
    assert policy(common, {"override": True, "require": None, "from": None, "force": True}).rules == ()
    assert policy(common, {"override": True, "force": True}).forcible
    assert not policy(common, {"override": False, "force": True}).forcible
    with pytest.raises(InvalidInput, match="has no value"):
        policy(common, {"override": False, "require": None})


def ballot(by: str, action: str = "approved", lapsed: str = "", stage: str = "production") -> RecordedApproval:
    event = Event(
        f"{by}-{action}", "2026-03-01T00:00:00.000Z", by, "host", action, 7, {"stage": stage, "reason": "seen"}
    )
    return RecordedApproval(event, lapsed)


def people(*ballots: RecordedApproval, signed: str = "") -> ApprovalInput:
    """These said something; bob and carol are of the risk team; ``signed`` is who signed."""
    return ApprovalInput(
        ballots,
        lambda account, group: group == "risk-team" and account in ("bob", "carol"),
        lambda principal: "" if principal == signed else "not signed",
    )


VOICES: list[tuple[Any, list[RecordedApproval], str]] = [
    ({"approvals": 1}, [], "waiting"),
    ({"approvals": 1}, [ballot("alice")], "passed"),
    ({"approvals": 2}, [ballot("alice"), ballot("alice")], "waiting"),
    ({"approvals": 2}, [ballot("alice"), ballot("bob")], "passed"),
    ({"approvals": 1}, [ballot("bob", stage="staging")], "waiting"),
    ({"approvals": 1}, [ballot("bob", lapsed="metrics changed")], "waiting"),
    ({"not_author": True}, [ballot("alice")], "waiting"),
    ({"not_author": True}, [ballot("alice"), ballot("bob")], "passed"),
    ({"not_author": False, "approvals": 1}, [ballot("alice")], "passed"),
    ({"approvals": 2, "not_author": True}, [ballot("alice"), ballot("bob")], "waiting passed"),
    ({"approvers": ["bob"]}, [ballot("carol")], "waiting"),
    ({"approvers": ["dave", "@risk-team"]}, [ballot("carol")], "passed"),
    ({"approvals": 2, "approvers": ["@risk-team"]}, [ballot("carol"), ballot("alice")], "waiting passed"),
    ({"approvals": 1}, [ballot("alice"), ballot("bob", "rejected")], "passed failed"),
    ({"approvals": 1}, [ballot("alice"), ballot("bob", "rejected", "tags changed")], "passed"),
    ({"require": {"max_size": "5kB"}}, [ballot("zed", "rejected")], "passed failed"),
    ({}, [ballot("zed", "rejected")], "failed"),
    ({}, [ballot("zed", "rejected", stage="staging")], ""),
]


@pytest.mark.parametrize(("said", "ballots", "expected"), VOICES)
def test_whose_approvals_count_and_how_many(said: Any, ballots: list[RecordedApproval], expected: str) -> None:
    assert outcomes(judged(policy(said), people=people(*ballots))) == expected.split()


@pytest.mark.parametrize(
    "name", ["alice", "uid:1234", "alice@corp.example", r"CORP\alice", "@risk-team", "@domain users", "größe"]
)
def test_an_approver_is_whatever_an_account_or_a_group_can_be(name: str) -> None:
    assert policy({"approvers": [name]}).rules[0].wanted == name


def test_what_is_missing_is_told_with_why() -> None:
    given_ = people(
        ballot("alice"), ballot("bob"), ballot("carol", lapsed="metrics changed"), ballot("eve", "rejected")
    )
    found = judged(policy({"approvals": 2, "not_author": True}), people=given_)
    assert [rule.found for rule in found.rules] == [
        "1 of 2: bob; alice is the author; lapsed: carol, metrics changed", "bob", "by eve: seen",
    ]  # fmt: skip
    assert (found.rules[-1].name, found.rules[-1].file) == ("rejection", "models/churn/annotations/7.yaml")
    assert found.failed == ("approvals", "rejection")


def test_who_must_have_signed() -> None:
    found = policy({"require": {"signed_by": ["alice@example.com", "bob"]}})
    assert outcomes(judged(found)) == ["failed", "failed"]
    assert outcomes(judged(found, people=people(signed="bob"))) == ["failed", "passed"]


def test_of_two_documents_the_larger_number_and_both_lists_count() -> None:
    found = policy({"approvals": 2, "approvers": ["@risk-team"]}, {"approvals": 1, "approvers": ["alice", "bob"]})
    assert [(rule.name, rule.wanted) for rule in found.rules] == [
        ("approvals", "at least 2"), ("approvers", "@risk-team"), ("approvers", "alice or bob"),
    ]  # fmt: skip
    every = people(*(ballot(name) for name in ("alice", "bob", "carol")))
    assert (
        judged(found, people=every).rules[0].found == "1 of 2: bob; alice is not an approver; carol is not an approver"
    )


def test_override_lets_a_model_ask_others_or_nobody() -> None:
    common = {"approvals": 2, "approvers": ["@risk-team"], "not_author": True}
    assert policy(common, {"not_author": False}).rules[-1].name == "not_author"
    own = {"override": True, "approvals": 1, "approvers": [], "not_author": False}
    assert [(rule.name, rule.wanted) for rule in policy(common, own).rules] == [("approvals", "at least 1")]
    assert policy(common, {"override": True, "approvals": None, "approvers": None, "not_author": None}).rules == ()


def test_force_passes_over_a_policy_that_does_not_forbid_it() -> None:
    said = {"require": {"metrics": {"auc": "> 1", "f1": "> 1"}}}
    free, strict = judged(policy(said)), judged(policy({**said, "force": False}))
    gate.check_passed(free, force=True)
    with pytest.raises(
        Refused, match=r"production refuses churn@7: metrics.auc, metrics.f1; run 'registry check churn@7"
    ):
        gate.check_passed(free, force=False)
    with pytest.raises(Refused, match="the policy of production forbids `force`"):
        gate.check_passed(strict, force=True)


def event(action: str, at: str, **detail: Any) -> Event:
    return Event("e", f"2026-03-0{at}T00:00:00.000Z", "alice", "host", action, None, detail)


def test_what_a_version_held_is_read_from_the_history() -> None:
    lines = [
        event("promoted", "1", stage="staging", after=7),
        event("aliased", "1", alias="staging", after=8),
        event("promoted", "2", stage="production", before=6, after=7),
        event("promoted", "3", stage="staging", before=7, after=8),
        event("repaired", "4", stages={"staging": 7}),
        event("demoted", "5", stage="staging", before=7),
        event("promoted", "x", stage="staging", after=7),
    ]
    start = datetime(2026, 3, 1, tzinfo=timezone.utc).timestamp()
    assert list_intervals(lines, 7) == [
        StageInterval("staging", start, start + 2 * DAY),
        StageInterval("production", start + DAY, start + 3 * DAY),
        StageInterval("staging", start + 3 * DAY, start + 4 * DAY),
        StageInterval("staging", float("inf")),
    ]


# Properties

NAMES = st.sampled_from(["auc", "loss", "ms"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.1, 0.5, 0.9, 1.1]))
BOUNDS = st.builds(lambda sign, number: f"{sign} {number}", st.sampled_from([">=", "<=", "<", ">"]), NUMBERS)
REQUIRE = st.fixed_dictionaries(
    {},
    optional={
        "fields": st.lists(st.sampled_from(["message", "description", "tags.a"]), min_size=1, max_size=2),
        "tags": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["yes", "no"]), max_size=2),
        "metrics": st.dictionaries(NAMES, BOUNDS, max_size=2),
        "files": st.lists(st.sampled_from(["*.pkl", "*.bin"]), min_size=1, max_size=2),
        "forbid": st.lists(st.sampled_from(["*.csv", "*.pkl"]), min_size=1, max_size=2),
        "max_size": st.sampled_from([500, "1kB", "5kB"]),
        "where": st.sampled_from(["metrics.auc > 0.5", "size < 900", "not archived"]),
        "min_age_in_stage": st.sampled_from(["1h", "1d", "2d"]),
        "signed_by": st.lists(st.sampled_from(["alice", "bob"]), min_size=1, max_size=2),
    },
)
AGAINST = st.dictionaries(
    NAMES, st.fixed_dictionaries({}, optional={"max_drop": st.sampled_from([0.1, "5%"]), "max_rise": st.just(0)})
)
STAGE = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.sampled_from(["staging", "development"]), min_size=1, max_size=2),
        "require": REQUIRE,
        "against_current": AGAINST,
        "force": st.booleans(),
        "approvals": st.integers(1, 3),
        "approvers": st.lists(st.sampled_from(["alice", "bob", "dave", "@risk-team"]), min_size=1, max_size=3),
        "not_author": st.booleans(),
    },
)
HELD = st.builds(
    lambda stage, days, length: StageInterval(
        stage, NOW.timestamp() - days * DAY, None if length is None else NOW.timestamp() - days * DAY + length * DAY
    ),
    st.sampled_from(STAGES),
    st.floats(0, 4),
    st.none() | st.floats(0, 3),
)
FACTS = st.fixed_dictionaries(
    {
        "record": st.builds(
            version,
            size=st.sampled_from([400, 800, 3000]),
            message=st.sampled_from(["", "x"]),
            metrics=st.dictionaries(NAMES, NUMBERS),
            tags=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["yes", "no"])),
        ),
        "files": st.lists(st.sampled_from(["m.pkl", "m.bin", "m.csv"])),
        "current": st.none() | st.builds(version, st.just(6), metrics=st.dictionaries(NAMES, NUMBERS)),
        "holdings": st.lists(HELD, max_size=3),
        "model": st.dictionaries(st.just("description"), st.sampled_from(["", "x"])),
        "people": st.builds(
            lambda ballots, signed: people(*ballots, signed=signed),
            st.lists(
                st.builds(
                    ballot,
                    st.sampled_from(["alice", "bob", "carol", "dave"]),
                    st.sampled_from(["approved", "approved", "approved", "rejected"]),
                    st.sampled_from(["", "", "tags changed"]),
                ),
                max_size=5,
            ),
            st.sampled_from(["alice", "bob"]),
        ),
    }
)


@given(STAGE, STAGE, FACTS)
def test_a_joined_policy_never_passes_what_one_of_both_refuses(common: Any, own: Any, facts: Any) -> None:
    both = policy(common, own)
    join_policies = judged(both, **facts)
    for alone in (policy(common), policy(own)):
        single = judged(alone, **facts)
        assert single.passed or not join_policies.passed
        assert alone.forcible or not both.forcible


@given(STAGE, STAGE, STAGE, FACTS)
def test_three_joined_never_pass_what_one_of_them_refuses(common: Any, group: Any, own: Any, facts: Any) -> None:
    found: Policies = {}
    for at, said in enumerate((common, group, own)):
        found = join_policies(found, parsed({"production": said}, found if at else None), STAGES)
    together = found["production"]
    for alone in (policy(common), policy(group), policy(own)):
        assert judged(alone, **facts).passed or not judged(together, **facts).passed
        assert alone.forcible or not together.forcible


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MAPPING = st.dictionaries(st.sampled_from(["auc", "a", "b", "training_data"]), ANYTHING)
EVERYTHING: dict[str, Any] = {
    "from": ["staging"],
    "require": {
        "fields": ["description", "message", "annotations.training_data", "params.a", "lineage.a", "stage", "created"],
        "tags": {"a": "yes"},
        "metrics": {"auc": [">= 0.9", "= 1", "< 1e999"]},
        "files": ["[z-a]*", "model.*"],
        "forbid": ["*.csv", "[!"],
        "max_size": "5GB",
        "where": "metrics.auc > 1 or tags.a ~ '(a|b)+' or age < 2d or lineage.a = 1",
        "min_age_in_stage": "2d",
    },
    "against_current": {"auc": {"max_drop": 0.1, "max_rise": "1%"}},
    "approvals": 2,
    "approvers": ["alice", "@risk-team"],
    "not_author": True,
}
EVERYTHING["require"]["signed_by"] = ["alice"]


def nobody_knows(*_: str) -> Any:
    """What asks the system, and the system fails."""
    raise OSError("the directory service does not answer")


@given(
    st.builds(
        version, metrics=MAPPING, tags=MAPPING, annotations=MAPPING, params=MAPPING, lineage=MAPPING,
        message=st.text(max_size=9), size=st.integers(), stages=st.lists(st.text(max_size=3)).map(tuple),
    ),
    st.none() | st.builds(version, metrics=MAPPING),
    st.lists(st.text(max_size=9)),
    st.lists(st.builds(StageInterval, st.sampled_from(STAGES), st.floats(), st.none() | st.floats())),
    st.dictionaries(st.just("description"), ANYTHING),
    st.datetimes(timezones=st.just(timezone.utc)),
    st.lists(st.builds(ballot, st.text(max_size=5), st.sampled_from(["approved", "rejected"]), st.sampled_from(["", "x"]))),
)  # fmt: skip
def test_a_gate_never_raises_and_every_rule_is_told(
    record: VersionRecord,
    current: Any,
    files: Any,
    held: Any,
    model: Any,
    now: datetime,
    ballots: list[RecordedApproval],
) -> None:
    found = policy(EVERYTHING)
    said = ApprovalInput(ballots, nobody_knows, nobody_knows)
    told = judged(found, record, current=current, files=files, holdings=held, model=model, now=now, people=said)
    rejected = [each for each in ballots if each.rejects and not each.lapsed]
    assert [rule.name for rule in told.rules] == [rule.name for rule in found.rules] + ["rejection"] * bool(rejected)
    assert set(outcomes(told)) <= {"passed", "failed", "waiting"}


@given(ANYTHING)
def test_whatever_a_policy_says_is_read_or_refused(said: Any) -> None:
    for whole in (
        said,
        {"production": said},
        {"production": {"require": said}},
        {"production": {"against_current": said}},
        {"production": {"checks": said}},
        {"production": {"checks": [said]}},
    ):
        try:
            merge_policies(parsed(whole), {}, STAGES)
        except InvalidInput as error:
            assert "policy" in str(error)


def test_time_goes_on_after_the_end_of_a_holding() -> None:
    """What was long enough once stays so."""
    found = policy({"require": {"min_age_in_stage": "1d"}})
    held = [StageInterval("staging", 0, DAY)]
    assert all(judged(found, holdings=held, now=NOW + timedelta(days=days)).passed for days in (0, 400))
