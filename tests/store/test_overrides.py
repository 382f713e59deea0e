"""What ``force`` overrides is named, and a rejection only gives way where the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Refused, Registry
from tests.commands import run
from tests.conftest import Clock

Make = Callable[..., Path]

RULES = "policy: {production: {require: {tags: {reviewed: 'yes'}, metrics: {auc: '>= 0.9'}}%s}}\n"
ALLOWED = ", override_rejections: true"


def write(registry: Registry, text: str, document: str = "registry.yaml") -> None:
    path = registry.root / document
    before = path.read_text() if path.exists() else "format: 1\n"
    path.write_text(before.split("\npolicy:")[0].rstrip() + "\n" + text)


@pytest.fixture
def bob(reg: Registry, clock: Clock) -> Registry:
    return Registry(reg.root, author="bob", now=clock)


@pytest.fixture
def rejected(reg: Registry, bob: Registry, make_file: Make) -> Registry:
    """``risk/churn@1`` fails two rules, and bob rejected it."""
    reg.register("risk/churn", [make_file()], metrics={"auc": 0.5})
    bob.approvals.approve("risk/churn@1", "production", reject=True, reason="worse for patients over 80")
    write(reg, RULES % "")
    return reg


def forced(registry: Registry, *, dry_run: bool = False) -> tuple[str, ...]:
    return registry.promote("risk/churn@1", "production", force=True, reason="hotfix", dry_run=dry_run).overridden


@pytest.mark.parametrize("said", ["", ", override_rejections: false", ", force: true"])
def test_a_rejection_is_not_overridden_unless_the_policy_says_so(rejected: Registry, said: str) -> None:
    write(rejected, RULES % said)
    with pytest.raises(
        Refused, match=r"does not override a rejection .* tags.reviewed, metrics.auc, rejection; .*policy"
    ):
        forced(rejected)
    assert rejected.model("risk/churn").stages == {}
    assert not rejected.policies.check("risk/churn@1", "production").forcible


def test_without_any_policy_a_rejection_holds(rejected: Registry) -> None:
    write(rejected, "")
    with pytest.raises(Refused, match="does not override a rejection"):
        forced(rejected)


def test_all_that_is_overridden_is_named(rejected: Registry) -> None:
    write(rejected, RULES % ALLOWED)
    names = ("tags.reviewed", "metrics.auc", "rejection")
    assert rejected.policies.check("risk/churn@1", "production").forcible
    with pytest.raises(Refused, match="production refuses risk/churn@1"):
        rejected.promote("risk/churn@1", "production")
    assert forced(rejected, dry_run=True) == names
    assert forced(rejected) == names
    told = rejected.history("risk/churn", limit=1)[0].event.detail
    assert (told["forced"], told["failed"], told["reason"]) == (True, list(names), "hotfix")


def test_force_false_forbids_both(rejected: Registry) -> None:
    write(rejected, RULES % f"{ALLOWED}, force: false")
    with pytest.raises(Refused):
        forced(rejected)
    assert not rejected.policies.check("risk/churn@1", "production").forcible


@pytest.mark.parametrize(
    ("registry", "group", "model", "allowed"),
    [
        (True, None, None, True), (True, False, None, False), (True, None, False, False), (True, True, False, False),
        (True, False, True, False), (True, True, True, True), (None, True, None, False), (None, None, True, False),
        (None, True, True, False), (False, True, True, False), (False, None, True, False),
    ],
)  # fmt: skip
def test_the_strictest_of_three_documents_counts(
    rejected: Registry, registry: bool | None, group: bool | None, model: bool | None, allowed: bool
) -> None:
    for document, said in (
        ("registry.yaml", registry), ("models/risk/group.yaml", group), ("models/risk/churn/model.yaml", model)
    ):  # fmt: skip
        if said is not None:
            write(rejected, f"policy: {{production: {{override_rejections: {str(said).lower()}}}}}\n", document)
        elif document == "registry.yaml":
            write(rejected, "")
    assert rejected.policies.check("risk/churn@1", "production").forcible is allowed
    if allowed:
        assert forced(rejected) == ("rejection",)
    else:
        with pytest.raises(Refused):
            forced(rejected)


def test_override_true_takes_the_place_of_what_is_said_above(rejected: Registry) -> None:
    write(
        rejected, "policy: {production: {override: true, override_rejections: true}}\n", "models/risk/churn/model.yaml"
    )
    assert rejected.policies.check("risk/churn@1", "production").forcible
    lines = {line.name: line.wanted for line in rejected.admin.config("risk/churn")}
    assert lines["override_rejections"] == "true"


def test_what_is_no_truth_is_refused_with_its_place(rejected: Registry) -> None:
    write(rejected, "policy: {production: {override_rejections: perhaps}}\n")
    with pytest.raises(InvalidInput, match=r"policy.production.override_rejections: must be true or false"):
        rejected.admin.config()


def test_the_command_names_what_is_overridden(rejected: Registry) -> None:
    write(rejected, RULES % ALLOWED)
    words = ("promote", "risk/churn@1", "production", "--force", "--reason", "hotfix")
    warning = "warning: this overrides the policy of production: tags.reviewed, metrics.auc, rejection\n"
    dry = run(*words, "-n", root=rejected.root)
    assert warning.replace("overrides", "would override") in dry.err
    done = run(*words, "--request-id", "r1", root=rejected.root)
    assert (done.code, done.out) == (0, "risk/churn@1\n")
    assert done.err == f"risk/churn: production -> 1 (was empty)\n{warning}"
    again = run(*words, "--request-id", "r1", "--json", root=rejected.root)
    assert again.json["overridden"] == ["tags.reviewed", "metrics.auc", "rejection"]
    assert "FORCED past tags.reviewed, metrics.auc, rejection" in run("history", "risk/churn", root=rejected.root).out


def test_archive_and_delete_name_the_rollback_target_that_they_take(reg: Registry, make_file: Make) -> None:
    for number in range(1, 5):
        reg.register("churn", [make_file(str(number))])
        reg.promote(f"churn@{number}", "production")
    for verb, number in (("archive", 3), ("delete", 2)):
        safeguard = f"rollback target of production (churn@{number})"
        done = run(
            verb, f"churn@{number}", "--force", "--reason", "x", *(["--yes"] * (verb == "delete")), root=reg.root
        )
        assert (done.code, done.out) == (0, f"churn@{number}\n")
        assert f"warning: this overrides: {safeguard}\n" in done.err
        told = reg.history("churn", limit=1)[0].event.detail
        assert (told["forced"], told["failed"]) == (True, [safeguard])
        reg.restore(["churn@3"]) if verb == "archive" else None
        reg.delete(["churn@3"], force=True, reason="next") if verb == "archive" else None


def test_force_that_overrides_nothing_says_nothing(reg: Registry, make_file: Make) -> None:
    for number in (1, 2):
        reg.register("churn", [make_file(str(number))])
    done = run("archive", "churn@1", "--force", "--reason", "x", "--json", root=reg.root)
    assert (done.json["items"][0]["overridden"], done.err) == ([], "")
    assert "forced" not in reg.history("churn", limit=1)[0].event.detail
    moved = run("promote", "churn@2", "production", "--force", "--reason", "x", "--json", root=reg.root)
    assert (moved.json["overridden"], moved.err) == ([], "")
