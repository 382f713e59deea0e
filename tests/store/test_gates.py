"""The gate of a stage, on real files: promote and register go through it, rollback and demote don't."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Refused, Registry
from registry_cli.operations import gate
from tests.conftest import Clock
from tests.support import snapshot

Make = Callable[..., Path]

POLICY = """
policy:
  production:
    from: [staging]
    require:
      metrics: {auc: '>= 0.9'}
      forbid: ['*.csv']
      min_age_in_stage: 2d
    against_current:
      auc: {max_drop: 0.005}
"""


def write(registry: Registry, text: str, model: str = "") -> None:
    """Add ``text`` to the settings of the registry, or to a model's document."""
    path = registry.root / (f"models/{model}/model.yaml" if model else "registry.yaml")
    path.write_text(path.read_text().split("\npolicy:")[0].rstrip() + "\n" + text.lstrip())


@pytest.fixture
def gated(reg: Registry, make_file: Make) -> Registry:
    """``churn`` with versions of auc 0.95, 0.94, 0.8; the first holds staging."""
    for auc in (0.95, 0.94, 0.8):
        reg.register("churn", [make_file(f"auc {auc}")], metrics={"auc": auc})
    reg.promote("churn@1", "staging")
    write(reg, POLICY)
    return reg


def test_promote_is_refused_and_changes_nothing(gated: Registry) -> None:
    before = snapshot(gated.root)
    with pytest.raises(
        Refused, match=r"production refuses churn@3: from, metrics.auc, min_age_in_stage; run 'registry check"
    ):
        gated.promote("churn@3", "production")
    with pytest.raises(Refused):
        gated.promote("churn@3", "production", dry_run=True)
    with pytest.raises(InvalidInput, match="`force` requires a reason"):
        gated.promote("churn@3", "production", force=True)
    assert snapshot(gated.root) == before


def test_time_lets_a_version_in(gated: Registry, clock: Clock) -> None:
    told = {rule.name: rule for rule in gated.policies.check("churn@1", "production").rules}
    assert told["min_age_in_stage"].outcome == "waiting"
    assert told["from"].found == "holds staging"
    with pytest.raises(Refused, match="refuses churn@1: min_age_in_stage;"):
        gated.promote("churn@1", "production")
    clock.moment += timedelta(days=2)
    assert gated.policies.check("churn@1", "production").passed
    gated.promote("churn@1", "production")
    assert gated.promote("churn@1", "production").changed is False
    gated.promote("churn@2", "staging")
    clock.moment += timedelta(days=2)
    with pytest.raises(Refused, match=r"refuses churn@2: against_current.auc;"):  # 0.94 against 0.95
        gated.promote("churn@2", "production")


def test_force_is_recorded_with_the_rules_it_passed_over(gated: Registry, clock: Clock) -> None:
    gated.promote("churn@3", "production", force=True, reason="hotfix")
    told = gated.history("churn", limit=1)[0].event
    assert (told.detail["forced"], told.detail["reason"]) == (True, "hotfix")
    assert told.detail["failed"] == ["from", "metrics.auc", "min_age_in_stage"]
    clock.moment += timedelta(days=2)
    gated.promote("churn@1", "production", force=True, reason="it would not need to be")
    assert "forced" not in gated.history("churn", limit=1)[0].event.detail


def test_a_policy_can_forbid_force(gated: Registry) -> None:
    write(gated, POLICY + "    force: false\n")
    with pytest.raises(Refused, match="forbids `force`"):
        gated.promote("churn@3", "production", force=True, reason="please")
    assert not gated.policies.check("churn@3", "production").forcible


def test_rollback_demote_and_aliases_are_not_gated(gated: Registry, clock: Clock) -> None:
    clock.moment += timedelta(days=3)
    gated.promote("churn@1", "production")
    gated.promote("churn@3", "production", force=True, reason="hotfix")
    write(gated, POLICY.replace("0.9'", "0.99'"))
    assert gated.rollback("churn", "production").after == 1
    assert gated.demote("churn", "production").after is None
    assert gated.alias("churn@3", "champion").after == 3


def test_register_goes_through_the_same_gate(gated: Registry, make_file: Make) -> None:
    with pytest.raises(
        Refused, match=r"churn@4 is registered, but: production refuses churn@4: from, .* run 'registry check"
    ):
        gated.register("churn", [make_file("four")], metrics={"auc": 0.99}, stage="production")
    assert "production" not in gated.model("churn").stages
    write(gated, "policy: {staging: {require: {metrics: {auc: '> 0.9'}}}}\n")
    assert gated.register("churn", [make_file("five")], metrics={"auc": 0.99}, stage="staging").stages == ("staging",)


@pytest.mark.parametrize("model", ["", "churn"])
def test_a_policy_that_cannot_be_read_lets_nothing_in(gated: Registry, make_file: Make, model: str) -> None:
    write(gated, "policy: {production: {require: {metrcs: {auc: '> 0.9'}}}}\n", model)
    before = snapshot(gated.root)
    place = f"models/{model}/model.yaml" if model else "registry.yaml"
    for deed in (
        lambda: gated.promote("churn@1", "production"),
        lambda: gated.promote("churn@1", "staging"),
        lambda: gated.promote("churn@1", "production", force=True, reason="please"),
        lambda: gated.policies.check("churn@1", "staging"),
        lambda: gated.admin.config("churn"),
        lambda: gated.register("churn", [make_file("four")], stage="staging"),
    ):
        with pytest.raises(InvalidInput, match=rf"{place}, line \d+: policy.production.require.metrcs: .*'metrics'"):
            deed()
    assert snapshot(gated.root) == before
    assert gated.model("churn").latest == 3  # what needs no policy works


def test_a_misspelt_key_is_refused(gated: Registry) -> None:
    write(gated, "polices: {production: {}}\n", "churn")
    with pytest.raises(InvalidInput, match="did you mean 'policy'"):
        gated.promote("churn@1", "production")


def test_a_model_makes_it_stricter_or_overrides(gated: Registry, clock: Clock) -> None:
    clock.moment += timedelta(days=2)
    write(gated, "policy: {production: {require: {metrics: {auc: '>= 0.96'}}}}\n", "churn")
    assert gated.policies.check("churn@1", "production").failed == ("metrics.auc",)
    write(
        gated,
        "policy: {production: {override: true, require: {metrics: {auc: '>= 0.5'}, min_age_in_stage: 0s}}}\n",
        "churn",
    )
    gated.promote("churn@3", "staging")
    assert gated.policies.check("churn@3", "production").passed
    lines = {(line.name, line.wanted): (line.file, line.line) for line in gated.admin.config("churn")}
    assert lines["from", "holds or held staging"][0] == "registry.yaml"
    assert lines["metrics.auc", ">= 0.5"][0] == "models/churn/model.yaml"
    assert lines["override", "true"][0] == "models/churn/model.yaml"
    assert [line.file for line in gated.admin.config()] == ["registry.yaml"] * 5


def test_the_files_of_the_artifact_are_looked_at(gated: Registry, make_file: Make) -> None:
    write(gated, "policy: {production: {require: {files: ['*.pkl'], forbid: ['*.csv']}}}\n")
    ref = gated.register("churn", [make_file("rows", "data.csv")]).ref
    assert [rule.found for rule in gated.policies.check(ref, "production").rules] == ["no such file", "data.csv"]
    assert gated.policies.check("churn@1", "production").passed


def test_a_policy_is_read_anew_each_time(gated: Registry) -> None:
    """Also by a registry that was opened before it was changed, and past the index."""
    opened = Registry.open(gated.root, author="alice")
    write(gated, "policy: {production: {require: {metrics: {auc: '> 2'}}}}\n")
    with pytest.raises(Refused, match=r"metrics.auc"):
        opened.promote("churn@1", "production")
    write(gated, "policy: {}\n")
    opened.promote("churn@1", "production")


def test_the_gate_comes_before_expect_and_a_stage_without_policy_is_open(gated: Registry) -> None:
    with pytest.raises(Refused):
        gated.promote("churn@3", "production", expect=2)
    with pytest.raises(Conflict):
        gated.promote("churn@3", "staging", expect=2)
    assert gated.policies.check("churn@3", "development").rules == ()


def test_a_stage_that_was_renamed_meanwhile_is_no_open_door(gated: Registry) -> None:
    path = gated.root / "registry.yaml"
    text = path.read_text()
    path.write_text(text.split("\npolicy:")[0].replace("production]", "live]"))
    for verify in (True, False):
        with pytest.raises(InvalidInput, match="unknown stage 'production'"):
            gated.promote("churn@1", "production", verify=verify)
    path.write_text(text)


@pytest.mark.parametrize("verify", [True, False])
def test_without_comparing_bytes_the_gate_is_the_same(gated: Registry, verify: bool) -> None:
    with pytest.raises(Refused, match="refuses churn@3"):
        gated.promote("churn@3", "production", verify=verify)


def test_a_repeated_request_is_not_asked_again(gated: Registry) -> None:
    gated.promote("churn@3", "staging", request_id="r")
    write(gated, "policy: {staging: {require: {metrics: {auc: '> 2'}}}}\n")
    assert gated.promote("churn@3", "staging", request_id="r").note == "repeated"


def test_what_check_refuses_like_promote(gated: Registry) -> None:
    gated.archive(["churn@3"])
    with pytest.raises(Conflict, match="archived"):
        gated.policies.check("churn@3", "production")
    with pytest.raises(NotFound):
        gated.policies.check("churn@9", "production")
    with pytest.raises(InvalidInput):
        gated.policies.check("churn@1", "prod")


def test_damage_below_a_rule_is_damage(gated: Registry) -> None:
    path = gated.root / "models/churn/versions/1/manifest-sha256.txt"
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(content + b"0" * 64 + b"  more\n")
    with pytest.raises(Damaged):
        gated.policies.check("churn@1", "production")
    path.write_bytes(content)
    path.chmod(mode)


MEANWHILE: dict[str, tuple[Callable[[Registry], object], str]] = {
    "a metric": (lambda reg: reg.log_metric("churn@1", {"auc": 0.1}), r"refuses churn@1: metrics.auc"),
    "a rejection": (
        lambda reg: reg.approvals.approve("churn@1", "production", reject=True, reason="drifts"),
        r"refuses churn@1: ",
    ),
    "a hand-edited policy": (lambda reg: write(reg, POLICY.replace("0.9'", "0.99'")), r"refuses churn@1: metrics.auc"),
    "a hand-edited model": (
        lambda reg: write(reg, "policy:\n  production:\n    require:\n      tags: {owner: crm}\n", "churn"),
        r"refuses churn@1: tags",
    ),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_what_changes_before_the_lock_is_taken_counts(
    gated: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """What was read before the lock is used under it only if nothing was committed since."""
    clock.moment += timedelta(days=2)
    change, refusal = MEANWHILE[what]
    prepare = gate.prepare_promotion

    def prepare_and_change(*arguments: Any) -> gate.CheckResults:
        monkeypatch.setattr(gate, "prepare_promotion", prepare)
        found = prepare(*arguments)
        change(gated)
        return found

    monkeypatch.setattr(gate, "prepare_promotion", prepare_and_change)
    with pytest.raises(Refused, match=refusal):
        gated.promote("churn@1", "production")
    assert "production" not in gated.model("churn").stages
