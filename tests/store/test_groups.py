"""``group.yaml``: what is said of all models of a group stands between registry.yaml and model.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Refused, Registry, RegistryError
from tests.conftest import Clock

Make = Callable[..., Path]

POLICY = "policy: {production: {require: {metrics: {auc: '>= 0.8'}, max_size: 1kB}}}\n"


def say(registry: Registry, place: str, text: str) -> None:
    path = registry.root / place
    before = path.read_text() if path.exists() else "format: 1\n"
    path.write_text(f"{before.split(chr(10) + 'policy:')[0].split(chr(10) + 'retention:')[0].rstrip()}\n{text}")


GROUP, MODEL = "models/risk/group.yaml", "models/risk/fraud/model.yaml"


@pytest.fixture
def grouped(reg: Registry, make_file: Make) -> Registry:
    """``churn`` and ``risk/fraud``, with auc 0.85 each, below one policy."""
    for name in ("churn", "risk/fraud"):
        reg.register(name, [make_file()], metrics={"auc": 0.85}, tags={"team": "crm"})
    say(reg, "registry.yaml", POLICY)
    return reg


def test_a_group_is_stricter_for_its_models_and_no_others(grouped: Registry) -> None:
    say(grouped, GROUP, "policy: {production: {require: {metrics: {auc: '>= 0.9'}, tags: {reviewed: 'yes'}}}}\n")
    assert grouped.policies.check("churn@1", "production").passed
    assert set(grouped.policies.check("risk/fraud@1", "production").failed) == {"metrics.auc", "tags.reviewed"}
    with pytest.raises(Refused, match="refuses risk/fraud@1: "):
        grouped.promote("risk/fraud@1", "production")
    assert grouped.promote("churn@1", "production").after == 1


def test_a_group_takes_nothing_away_unless_it_overrides(grouped: Registry) -> None:
    say(grouped, GROUP, "policy: {production: {require: {metrics: {auc: '>= 0.5'}, max_size: 1GB}}}\n")
    told = {(each.name, each.wanted): each.file for each in grouped.admin.config("risk/fraud")}
    assert told == {
        ("metrics.auc", ">= 0.8"): "registry.yaml", ("metrics.auc", ">= 0.5"): GROUP, ("max_size", "at most 1kB"): "registry.yaml",
    }  # fmt: skip
    say(grouped, GROUP, "policy: {production: {override: true, require: {metrics: {auc: '>= 0.5'}}}}\n")
    told = {(each.name, each.wanted): each.file for each in grouped.admin.config("risk/fraud")}
    assert told == {
        ("metrics.auc", ">= 0.5"): GROUP, ("max_size", "at most 1kB"): "registry.yaml", ("override", "true"): GROUP,
    }  # fmt: skip


def test_a_model_comes_on_top_of_its_group(grouped: Registry) -> None:
    say(grouped, GROUP, "policy: {production: {force: false, require: {metrics: {auc: '>= 0.95'}}}}\n")
    say(grouped, MODEL, "policy: {production: {require: {metrics: {auc: '>= 0.1'}}}}\n")
    evaluation = grouped.policies.check("risk/fraud@1", "production")
    assert [(each.wanted, each.outcome) for each in evaluation.rules if each.name == "metrics.auc"] == [
        (">= 0.8", "passed"), (">= 0.95", "failed"), (">= 0.1", "passed"),
    ]  # fmt: skip
    assert not evaluation.forcible
    say(grouped, MODEL, "policy: {production: {override: true, require: {metrics: {auc: '>= 0.1'}}}}\n")
    assert grouped.promote("risk/fraud@1", "production").after == 1


def test_from_is_inherited_through_all_three(grouped: Registry) -> None:
    say(grouped, "registry.yaml", "policy: {production: {from: [staging]}}\n")
    say(grouped, GROUP, "policy: {production: {require: {tags: {team: crm}}}}\n")
    say(grouped, MODEL, "policy: {production: {require: {min_age_in_stage: 0s}}}\n")
    wanted = {each.name: each.wanted for each in grouped.admin.config("risk/fraud")}
    assert wanted["min_age_in_stage"] == "0s in staging"


def test_what_goes_round_in_circles_together_is_refused(grouped: Registry) -> None:
    say(grouped, "registry.yaml", "policy: {production: {from: [staging]}}\n")
    say(grouped, GROUP, "policy: {staging: {from: [production]}}\n")
    with pytest.raises(InvalidInput, match=r"circular: .*is entered from"):
        grouped.policies.check("risk/fraud@1", "production")
    assert not grouped.policies.check("churn@1", "production").passed
    say(grouped, MODEL, "policy: {staging: {override: true, from: null}}\n")
    assert grouped.policies.check("risk/fraud@1", "staging").passed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("polcy: {}\n", r"line 2: polcy: unknown setting 'polcy'; did you mean 'policy'"),
        ("ownr: alice\n", r"line 2: ownr: .*did you mean 'owner'"),
        ("owner: [alice]\n", r"line 2: owner: must be text"),
        ("description: 3\n", r"line 2: description: must be text"),
        ("policy: {production: {requre: {}}}\n", r"line 2: policy.production.requre: .*'require'"),
        ("policy: {prod: {}}\n", r"line 2: policy.prod: unknown stage 'prod'; did you mean 'production'"),
        ("policy: &x {production: {}}\n", r"line 2: anchors and aliases are not allowed"),
        ("[]\n", "line 2: could not find expected ':'"),
    ],
)
def test_a_slip_in_a_group_lets_nothing_in(grouped: Registry, make_file: Make, text: str, words: str) -> None:
    say(grouped, GROUP, text)
    for deed in (
        lambda: grouped.policies.check("risk/fraud@1", "production"),
        lambda: grouped.promote("risk/fraud@1", "production"),
        lambda: grouped.promote("risk/fraud@1", "production", force=True, reason="please"),
        lambda: grouped.register("risk/fraud", [make_file("b")], stage="production"),
        lambda: grouped.register("risk/fresh", [make_file("b")], stage="production"),
        lambda: grouped.admin.config("risk"),
    ):
        with pytest.raises(RegistryError, match=f"models/risk/group.yaml.*{words}"):
            deed()
    assert grouped.admin.model_names() == ["churn", "risk/fraud"]
    assert grouped.model("risk/fraud").latest == 1
    assert grouped.promote("churn@1", "production").after == 1
    (grouped.root / GROUP).unlink()


def test_verify_tells_of_a_group_that_cannot_be_read(grouped: Registry) -> None:
    say(grouped, GROUP, POLICY)
    assert grouped.admin.verify().problems == ()
    (grouped.root / GROUP).write_text("format: 1\n  owner: {")
    problem = grouped.admin.verify(["risk/fraud"]).problems[0]
    assert (problem.code, problem.severity, problem.where) == ("document", "error", "risk")
    assert "risk: group.yaml, line 2" in problem.message
    assert grouped.admin.verify(["churn"]).problems == ()
    (grouped.root / GROUP).write_text("owner: alice\n")
    assert "no valid 'format' line" in grouped.admin.verify().problems[0].message
    (grouped.root / GROUP).unlink()
    (grouped.root / GROUP).symlink_to("/etc/hostname")
    assert [each.code for each in grouped.admin.verify().problems] == ["document"]
    (grouped.root / GROUP).unlink()


def test_a_group_may_be_prepared_before_its_first_model(reg: Registry, make_file: Make) -> None:
    (reg.root / "models/risk").mkdir()
    say(reg, GROUP, "owner: risk-team\npolicy: {staging: {require: {tags: {reviewed: 'yes'}}}}\n")
    with pytest.raises(Conflict, match="'risk' is a group"):
        reg.register("risk", [make_file()])
    with pytest.raises(Refused, match=r"staging refuses risk/fraud@1: tags.reviewed"):
        reg.register("risk/fraud", [make_file()], stage="staging")
    assert reg.register("risk/fraud", [make_file("b")], tags={"reviewed": "yes"}, stage="staging").number == 2
    assert (reg.root / GROUP).read_text().startswith("format: 1\nowner: risk-team\n")


def test_what_is_shown_of_a_group(grouped: Registry) -> None:
    say(grouped, GROUP, "owner: risk-team\ndescription: scores\nretention: {archive: {keep: 2}}\n")
    told = [(each.stage, each.name, each.wanted, each.file, each.line) for each in grouped.admin.config("risk")]
    assert told[2:] == [
        ("", "retention.archive.keep", "2", GROUP, 4), ("", "owner", "risk-team", GROUP, 2),
        ("", "description", "scores", GROUP, 3),
    ]  # fmt: skip
    assert [each[1] for each in told[:2]] == ["metrics.auc", "max_size"]
    with pytest.raises(NotFound, match="model or group 'other' not found"):
        grouped.admin.config("other")
    with pytest.raises(NotFound):
        grouped.admin.config("risk/other")


def test_of_each_section_of_retention_the_nearest_counts(grouped: Registry, make_file: Make, clock: Clock) -> None:
    say(grouped, "registry.yaml", "retention: {archive: {keep: 1}, prune: {older_than: 1d}}\n")
    for number in (2, 3, 4):
        for name in ("churn", "risk/fraud"):
            grouped.register(name, [make_file(f"{name} {number}")])
    say(grouped, GROUP, "retention: {archive: {keep: 2, keep_holders: 0}}\n")
    say(grouped, MODEL, "retention: {prune: {}}\n")
    told = [(each.name, each.wanted, each.file) for each in grouped.admin.config("risk/fraud")]
    assert told == [
        ("retention.archive.keep", "2", GROUP), ("retention.archive.keep_holders", "0", GROUP),
        ("retention.prune", "nothing", MODEL),
    ]  # fmt: skip
    done = {(each.model, each.action): each.versions for each in grouped.retention.prune()}
    assert done == {
        ("churn", "deleted"): (), ("churn", "archived"): (1, 2, 3), ("risk/fraud", "archived"): (1, 2),
    }  # fmt: skip
    say(grouped, GROUP, "retention: {archive: {}}\n")
    assert not any(plan.chosen for plan in grouped.retention.prune_plans(["churn"]) if plan.action == "archive")
    with pytest.raises(InvalidInput, match="risk/fraud has no retention policy"):
        grouped.retention.prune(["risk/fraud"])


def test_a_slip_in_the_retention_of_a_group_stops_its_models_only(grouped: Registry) -> None:
    say(grouped, "registry.yaml", "retention: {archive: {keep: 1}}\n")
    say(grouped, GROUP, "retention: {archive: {kep: 1}}\n")
    errors: list[RegistryError] = []
    done = grouped.retention.prune(on_error=errors.append)
    assert [each.model for each in done] == ["churn"]
    assert [str(each) for each in errors] == [
        "models/risk/group.yaml, line 2: retention.archive.kep: unknown key 'kep'; did you mean 'keep'?"
    ]


def test_a_metric_that_a_model_of_the_group_lacks_is_no_slip(grouped: Registry) -> None:
    say(grouped, GROUP, "retention: {archive: {best: 'f1:3'}}\n")
    assert [each.model for each in grouped.retention.prune()] == ["risk/fraud"]
    say(grouped, MODEL, "retention: {archive: {best: 'f1:3'}}\n")
    with pytest.raises(InvalidInput, match="no version of risk/fraud has the metric 'f1'"):
        grouped.retention.prune()


def test_a_group_whose_folder_is_a_link_has_no_settings(grouped: Registry, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "group.yaml").write_text("format: 1\n")
    (grouped.root / "models/away").symlink_to(outside)
    with pytest.raises(NotFound):
        grouped.admin.config("away")
    (grouped.root / "models/away").unlink()
