"""Checks: how a command is read, what is put into it, and what of it is trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_cli import InvalidInput
from registry_cli.rules.policy import policy_parser
from registry_cli.rules.policy.command_checks import Command, CommandCheck, CommandSet, iter_commands
from registry_cli.rules.policy.policy import Policies
from registry_cli.rules.settings_errors import SettingsSource
from tests.support import merge_policies

STAGES = ("development", "staging", "production")


def parsed(said: Any, common: Policies | None = None) -> Policies:
    source = SettingsSource("model.yaml" if common is not None else "registry.yaml")
    return policy_parser.parse_policies({"production": said}, source, STAGES, common)


def checks(policies: Policies) -> list[CommandCheck]:
    return [rule.check for rule in policies["production"].rules if rule.check]


def test_each_way_to_write_a_command() -> None:
    said = [
        "python /opt/smoke.py 'a b' {path}",
        ["/opt/latency", "--model", "{path}", "$HOME; rm -rf ~"],
        {"run": "pytest -q", "time_limit": "90s", "name": "unit tests"},
        {"run": ["jq", "."], "time_limit": "2h"},
    ]
    assert checks(parsed({"checks": said})) == [
        CommandCheck("python", ("python", "/opt/smoke.py", "a b", "{path}"), 600.0),
        CommandCheck("latency", ("/opt/latency", "--model", "{path}", "$HOME; rm -rf ~"), 600.0),
        CommandCheck("unit tests", ("pytest", "-q"), 90.0),
        CommandCheck("jq", ("jq", "."), 7200.0),
    ]
    wanted = [rule.wanted for rule in parsed({"checks": said})["production"].rules]
    assert wanted == [
        "python /opt/smoke.py 'a b' {path}",
        "/opt/latency --model {path} '$HOME; rm -rf ~'",
        "pytest -q (in 90s)",
        "jq . (in 2h)",
    ]


MISTAKES: list[tuple[Any, str]] = [
    (None, "checks: has no value"),
    ("pytest", "checks: must be a non-empty list"),
    ([], "checks: must be a non-empty list"),
    ({"run": "x"}, "checks: must be a non-empty list"),
    ([3], "checks.0: is not a command"),
    ([""], "checks.0: is not a command"),
    ([[]], "checks.0: is not a command"),
    ([["x", 3]], "checks.0: is not a command"),
    (["pytest 'x"], "checks.0: cannot be parsed: No closing quotation"),
    (["x | y"], "checks.0: contains '|', which only a shell understands"),
    (["x && y"], "contains '&&'"),
    (["x > /tmp/y"], "contains '>'"),
    (["./smoke.sh"], "checks.0: './smoke.sh' is not an absolute path"),
    (["checks/smoke.sh"], "is not an absolute path"),
    (["~/smoke.sh"], "'~/smoke.sh' is not an absolute path"),
    (["{path}/smoke.sh"], "checks.0: must not run a file of the artifact"),
    ([["", "x"]], "must not run a file of the artifact"),
    (["x {paht}"], "checks.0: unknown placeholder {paht}; did you mean 'path'?"),
    ([["sh", "-c", "cat {path}/x"]], "checks.0: inserts text into the code after -c"),
    ([["bash", "-ec", "cat {ref}"]], "inserts text into the code after -ec"),
    ([["python", "-c", "open('{path}')"]], "use the variables REGISTRY_PATH"),
    ([["x", "a\0b"]], "NUL"),
    ([{"rnu": "x"}], "checks.0.rnu: unknown key 'rnu'; did you mean 'run'?"),
    ([{"run": "x", "timelimit": "3s"}], "did you mean 'time_limit'?"),
    ([{"name": "x"}], "checks.0: has no 'run'"),
    ([{"run": None}], "checks.0.run: has no value"),
    ([{"run": "x", "time_limit": 30}], "checks.0.time_limit: must be a duration; for example: 30s"),
    ([{"run": "x", "time_limit": "-3s"}], "checks.0.time_limit: '-3s'"),
    ([{"run": "x", "time_limit": "0s"}], "is out of range"),
    ([{"run": "x", "time_limit": "25h"}], "at most 24h"),
    ([{"run": "x", "name": 3}], "checks.0.name: must be text"),
    ([{"run": "x", "name": "a=b"}], "checks.0.name: invalid name 'a=b'"),
    (["pytest -q", "pytest -v"], "checks.1: duplicate check 'pytest'; give each check its own 'name'"),
    (["x"] * 51, "checks: has 51 checks"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "words"), MISTAKES)
def test_a_mistake_is_told_with_its_place(said: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed({"checks": said})
    assert str(caught.value).startswith("registry.yaml: policy.production.checks")
    assert words in str(caught.value)


def test_what_only_looks_like_a_placeholder_stays() -> None:
    check = checks(parsed({"checks": [["awk", "{print $1}", '{"a": {}}', "{x}", "{}", "{stage}/{ref}"]]}))[0]
    assert check.fill({"path": "/p", "ref": "churn@1", "stage": "production"}) == [
        "awk", "{print $1}", '{"a": {}}', "{x}", "{}", "production/churn@1",
    ]  # fmt: skip


@given(st.lists(st.text(), min_size=1), st.text(), st.text(), st.text())
def test_what_is_put_in_is_never_looked_at_again(words: list[str], path: str, ref: str, stage: str) -> None:
    """Neither taken apart, nor searched for more to put in: the number of arguments is the one that was written."""
    said = {"path": path, "ref": ref, "stage": stage}
    filled = CommandCheck("x", ("x", "{path}", *words, "{path}{ref}{stage}")).fill(said)
    assert len(filled) == len(words) + 3
    assert (filled[1], filled[-1]) == (path, path + ref + stage)


def test_a_nearer_document_adds_and_overrides() -> None:
    common = parsed({"checks": ["pytest -q", {"run": "slow", "time_limit": "1h"}]})
    more = merge_policies(common, parsed({"checks": ["extra", {"run": "slow", "time_limit": "1min"}]}, common), STAGES)
    assert [(each.name, each.seconds) for each in checks(more)] == [("pytest", 600), ("slow", 60), ("extra", 600)]
    nothing: list[str] | None
    for nothing in (None, []):
        less = merge_policies(common, parsed({"override": True, "checks": nothing}, common), STAGES)
        assert checks(less) == []
    other = merge_policies(common, parsed({"override": True, "checks": ["other"]}, common), STAGES)
    assert [each.name for each in checks(other)] == ["other"]


def test_the_digest_changes_with_whatever_would_be_run() -> None:
    one = Command("production", "x", ("x", "{path}"), 600.0, "registry.yaml", 3)
    known = CommandSet("/srv/models", "1" * 32, "", (one, replace(one, name="y")))
    others = [
        replace(known, root="/srv/other"),
        replace(known, id="2" * 32),
        replace(known, items=(one,)),
        *(
            replace(known, items=(each, known.items[1]))
            for each in (
                replace(one, stage="staging"), replace(one, name="z"), replace(one, time_limit=1.0),
                replace(one, arguments=("x", "{path}", "")), replace(one, arguments=("x {path}",)),
            )
        ),
    ]  # fmt: skip
    assert len({each.digest for each in (known, *others)}) == len(others) + 1
    for same in (replace(known, name="churn"), replace(known, items=known.items[::-1])):
        assert same.digest == known.digest, "it is the same commands, for whom ever they were shown, in whichever line"
    moved = replace(known, items=tuple(replace(each, line=99, file="x") for each in known.items))
    assert moved.digest == known.digest


def test_commands_of_policies() -> None:
    policies = merge_policies(parsed({"checks": ["b", "a"], "require": {"tags": {"x": "y"}}}), {}, STAGES)
    assert [(each.stage, each.name) for each in iter_commands(policies)] == [("production", "b"), ("production", "a")]
