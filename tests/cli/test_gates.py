"""``check``, ``config show`` and ``promote --force`` as a person or a script sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import assert_inert, assert_refused
from tests.crash.world import fingerprint

POLICY = """
policy:
  production:
    require:
      tags: {reviewed: 'yes'}
      metrics: {auc: '>= 0.905'}
"""


@pytest.fixture
def gated(site: Site) -> Site:
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write(POLICY)
    return site


def test_check_tells_every_rule_and_moves_nothing(gated: Site) -> None:
    before = fingerprint(gated.root)
    answer = gated.run("check", "churn@2", "production")
    assert answer.code == 5
    assert answer.lines == ["tags.reviewed\tyes\tmissing\tfailed", "metrics.auc\t>= 0.905\t0.9066666666666667\tpassed"]
    assert answer.err == "churn@2 does not pass the policy of production: 1 of 2 rules failed\n"
    assert fingerprint(gated.root) == before
    gated.run("tag", "churn@2", "reviewed=yes")
    answer = gated.run("check", "churn@2", "production")
    assert (answer.code, answer.err) == (0, "churn@2 passes the policy of production\n")


def test_check_as_json_and_quiet(gated: Site) -> None:
    answer = gated.run("check", "churn@2", "production", "--json")
    assert (answer.code, answer.err) == (5, "")
    document = answer.json
    line = (gated.root / "registry.yaml").read_text().splitlines().index("      tags: {reviewed: 'yes'}") + 1
    assert {key: document[key] for key in ("kind", "ref", "stage", "passed", "forcible")} == {
        "kind": "evaluation", "ref": "churn@2", "stage": "production", "passed": False, "forcible": True,
    }  # fmt: skip
    assert document["rules"][0] == {
        "rule": "tags.reviewed", "wanted": "yes", "found": "missing", "outcome": "failed", "file": "registry.yaml",
        "line": line, "output": None,
    }  # fmt: skip
    answer = gated.run("check", "churn@2", "production", "-q")
    assert (answer.code, answer.out, answer.err) == (5, "", "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "churn@9", "production"), 3),
        (("check", "nothing", "production"), 3),
        (("check", "churn@3", "production"), 4),
        (("check", "churn@1", "prod"), 2),
        (("check", "Churn", "production"), 2),
        (("config", "set"), 2),
        (("config", "show", "churn@1"), 2),
        (("config", "show", "nothing"), 3),
        (("promote", "churn@2", "production"), 5),
        (("promote", "churn@2", "production", "--dry-run"), 5),
        (("promote", "churn@2", "production", "--force"), 2),
        (("promote", "churn@2", "production", "--force", "--reason", " "), 2),
    ],
)
def test_what_is_refused_changes_nothing(gated: Site, words: tuple[str, ...], code: int) -> None:
    before = fingerprint(gated.root)
    assert_refused(gated.run(*words), code)
    assert fingerprint(gated.root) == before


def test_promote_names_the_rules_and_force_is_told_in_the_history(gated: Site) -> None:
    refused = gated.run("promote", "churn@2", "production", "--json")
    assert refused.code == 5
    error = json.loads(refused.err)
    assert error["message"] == "production refuses churn@2: tags.reviewed"
    assert error["hint"] == "run 'registry check churn@2 production' for details"
    assert gated.run("promote", "churn@2", "production", "--force", "--reason", "hotfix").code == 0
    told = gated.run("history", "churn", "--limit", "1", "--json").json["items"][0]
    assert (told["forced"], told["failed"], told["reason"]) == (True, ["tags.reviewed"], "hotfix")
    assert "FORCED past tags.reviewed; “hotfix”" in gated.run("history", "churn", "--limit", "1").out


@pytest.mark.parametrize(
    "verb", [["check", "churn@2"], ["promote", "churn@2"], ["register", "churn", "FILE", "--stage"]]
)
def test_a_policy_that_cannot_be_read(site: Site, verb: list[str]) -> None:
    with (site.root / "models/churn/model.yaml").open("a") as stream:
        stream.write("policy:\n  production:\n    aprovals: 2\n")
    words: list[object] = [site.file if word == "FILE" else word for word in verb]
    before = fingerprint(site.root)
    answer = site.run(*words, "production")
    assert_refused(answer, 2)
    assert "models/churn/model.yaml, line " in answer.err
    assert "policy.production.aprovals: unknown key 'aprovals'; did you mean 'approvals'?" in answer.err
    assert fingerprint(site.root) == before
    assert site.run("config", "show").code == 0
    assert site.run("config", "show", "churn").code == 2
    assert site.run("list").code == 0


def test_what_a_policy_says_is_data(gated: Site) -> None:
    path = gated.root / "registry.yaml"
    path.write_text(path.read_text().replace("reviewed: 'yes'", "'[bold]re\u202eviewed': '[/x]'"), encoding="utf-8")
    for words in (["check", "churn@2", "production"], ["config", "show"], ["promote", "churn@2", "production"]):
        answer = gated.run(*words)
        assert_inert(answer.out)
        assert_inert(answer.err)
        assert "[bold]re" in answer.out + answer.err


def test_no_policy_is_said(still: Site, tmp_path: Path) -> None:
    answer = still.run("check", "churn@1", "production")
    assert (answer.code, answer.out, answer.err) == (0, "", "churn@1 passes the policy of production\n")
    assert still.run("config", "show", "--json").json["items"] == []
