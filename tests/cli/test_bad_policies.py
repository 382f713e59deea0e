"""Policies, retention, groups and checks that can't be meant: one clear line, with its place, and nothing is let through."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import Site
from tests.commands import assert_inert, assert_refused, begin, ended, until
from tests.crash.world import fingerprint

REGISTRY, GROUP, MODEL = "registry.yaml", "models/risk/group.yaml", "models/risk/fraud/model.yaml"
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class Case(NamedTuple):
    """What stands in a document, and the words of the one line that is said about it; ``{file}`` is the document."""

    text: str
    words: str
    code: int = 2


EVERYWHERE = {
    "unknown stage": Case("policy: {prod: {}}", "policy.prod: unknown stage 'prod'; did you mean 'production'?"),
    "unknown key": Case("policy: {production: {requires: {}}}", "policy.production.requires: unknown key 'requires'; did you mean 'require'?"),
    "unknown key of a check": Case("policy: {production: {checks: [{rn: x}]}}", "policy.production.checks.0.rn: unknown key 'rn'; did you mean 'run'?"),
    "misspelt setting": Case("polcy: {}", "polcy: unknown setting 'polcy'; did you mean 'policy'?"),
    "another word for it": Case("gates: {}", "gates: unknown setting 'gates'; did you mean 'policy'?"),
    "wrong type": Case("policy: {production: {require: [auc]}}", "policy.production.require: must be a mapping"),
    "policy is a list": Case("policy: [production]", "policy: must be a mapping"),
    "a number for a bound": Case("policy: {production: {require: {metrics: {auc: 0.9}}}}", "policy.production.require.metrics.auc: is not a valid bound on a metric"),
    "a truth value for a tag": Case("policy: {production: {require: {tags: {reviewed: yes, ok: true}}}}", "policy.production.require.tags.ok: must be text"),
    "circular": Case("policy: {production: {from: [staging]}, staging: {from: [production]}}", "circular: "),
    "circular by itself": Case("policy: {staging: {from: [staging]}}", "circular: staging is entered from staging"),
    "negative age": Case("policy: {production: {require: {min_age_in_stage: -2d}}}", "policy.production.require.min_age_in_stage: '-2d'"),
    "negative size": Case("policy: {production: {require: {max_size: -1}}}", "policy.production.require.max_size: '-1' is not a valid size"),
    "negative amount": Case("policy: {production: {against_current: {auc: {max_drop: -0.1}}}}", "max_drop: is not a valid amount"),
    "negative time limit": Case("policy: {production: {checks: [{run: x, time_limit: -3s}]}}", "checks.0.time_limit: '-3s'"),
    "broken query": Case("policy: {production: {require: {where: 'metrics.auc >='}}}", "policy.production.require.where: "),
    "unclosed quote in a check": Case("policy: {production: {checks: [\"x 'y\"]}}", "cannot be parsed"),
    "a shell's word in a check": Case("policy: {production: {checks: ['x | y']}}", "contains '|', which only a shell understands"),
    "YAML bomb": Case(BOMB, "anchors and aliases are not allowed", 6),
    "merge key": Case("policy:\n  <<: {production: {}}", "merge keys are not allowed", 6),
    "a key twice": Case("policy:\n  production: {}\n  production: {}", "'production' is repeated", 6),
    "nested too deep": Case(f"policy: {'[' * 200}{']' * 200}", "nested deeper than 32 levels", 6),
    "a Python object": Case("policy: !!python/object/apply:os.system ['touch /tmp/no']", "is not allowed", 6),
    "not valid YAML": Case("policy: {production: {require: {", "line ", 6),
    "an enormous number": Case(f"policy: {{production: {{require: {{max_size: {'9' * 5000}}}}}}}", "a whole number of 5,000 digits", 6),
}  # fmt: skip
#: Registered before; what a document must begin with when it is new.
HEAD = {GROUP: "format: 1\n"}


@pytest.mark.parametrize("place", [REGISTRY, GROUP, MODEL])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_one_line_and_nothing_goes_through(site: Site, place: str, name: str) -> None:
    case = EVERYWHERE[name]
    path = site.root / place
    good = path.read_text() if path.exists() else None
    path.write_text(f"{good or HEAD[place]}{case.text}\n")
    before, begun = fingerprint(site.root), time.monotonic()
    for words in (
        ("promote", "risk/fraud@1", "production"),
        ("promote", "risk/fraud@1", "development"),
        ("promote", "risk/fraud@1", "production", "--force", "--reason", "please"),
        ("check", "risk/fraud@1", "production"),
        ("register", "risk/fraud", site.file, "--stage", "production"),
        ("config", "show", "risk/fraud"),
        ("trust", "risk/fraud", "--yes"),
    ):
        answer = site.run(*words)
        assert_refused(answer, case.code)
        assert case.words in answer.err, answer
        assert f"{place}, line " in answer.err, answer
    assert time.monotonic() - begun < 30
    assert fingerprint(site.root) == before
    assert not (Path.home() / ".config").exists()
    if place == GROUP:
        assert site.run("promote", "churn@1", "development", "--dry-run").code == 0, "another group goes on"
        path.unlink()
    elif good is not None:
        path.write_text(good)


RETENTION = {
    "unknown section": Case("retention: {archiv: {keep: 3}}", "retention.archiv: unknown key 'archiv'; did you mean 'archive'?"),
    "unknown rule": Case("retention: {archive: {older-than: 3d}}", "retention.archive.older-than: unknown key 'older-than'; did you mean 'older_than'?"),
    "wrong type": Case("retention: {archive: {keep: '3'}}", "retention.archive.keep: is not valid; use a number"),
    "negative age": Case("retention: {archive: {older_than: -90d}}", "retention.archive: '-90d'"),
    "negative number": Case("retention: {archive: {keep: -1}}", "retention.archive: 'keep' keeps -1 versions"),
    "deletes with no age": Case("retention: {prune: {keep: 3}}", "retention.prune: has no 'older_than'"),
    "no rule at all": Case("retention: {archive: {keep_holders: 3}}", "retention.archive: no rule selects versions"),
    "broken query": Case("retention: {archive: {where: 'age >'}}", "retention.archive: "),
    "no mapping": Case("retention: 90d", "retention: must be a mapping"),
    "misspelt": Case("retension: {}", "retension: unknown setting 'retension'; did you mean 'retention'?"),
    "YAML bomb": Case(BOMB, "anchors and aliases are not allowed", 6),
}  # fmt: skip


@pytest.mark.parametrize("place", [REGISTRY, GROUP, MODEL])
@pytest.mark.parametrize("name", RETENTION)
def test_retention_that_cannot_be_meant_lets_nothing_go(site: Site, place: str, name: str) -> None:
    case = RETENTION[name]
    path = site.root / place
    good = path.read_text() if path.exists() else None
    path.write_text(f"{good or HEAD[place]}{case.text}\n")
    before = fingerprint(site.root)
    for words in (("prune", "--all", "--yes"), ("prune", "risk/fraud", "--yes"), ("config", "show", "risk/fraud")):
        answer = site.run(*words)
        assert (answer.code, answer.out) == (case.code, ""), answer
        errors = [line for line in answer.err.splitlines() if case.words in line]
        assert len(errors) == 1, answer
        assert f"{place}, line " in errors[0]
        assert_inert(answer.err)
    assert fingerprint(site.root) == before
    if good is None:
        path.unlink()
    else:
        path.write_text(good)


SETTINGS = {
    "a stage twice": Case("stages: [a, b, a]", "stages.2: 'a' is listed twice; list each stage once"),
    "a stage that is no name": Case("stages: [Prod]", "stages.0: invalid stage name 'Prod'"),
    "stages are a text": Case("stages: production", "stages: must be a list of names"),
    "no stage": Case("stages: []", "stages: must be a list of names"),
    "shared with whom": Case("shared: world", "shared: is 'world'; use private or group"),
    "misspelt": Case("stagess: [a]", "stagess: unknown setting 'stagess'; did you mean 'stages'?"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_registry_whose_settings_cannot_be_meant(site: Site, name: str) -> None:
    case = SETTINGS[name]
    path = site.root / REGISTRY
    good = path.read_text()
    key = case.text.partition(":")[0]
    path.write_text(
        "".join(f"{case.text}\n" if line.startswith(f"{key}:") else f"{line}\n" for line in good.splitlines())
    )
    if case.text not in path.read_text():
        path.write_text(f"{good}{case.text}\n")
    line = path.read_text().splitlines().index(case.text) + 1
    for words in (("list",), ("promote", "churn@1", "staging"), ("config", "show")):
        answer = site.run(*words)
        assert_refused(answer, 2)
        assert f"registry.yaml, line {line}: {case.words}" in answer.err
    path.write_text(good)


def test_ctrl_c_ends_a_check_and_moves_nothing(site: Site, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with (site.root / REGISTRY).open("a") as stream:
        stream.write(f"policy: {{staging: {{checks: [[sh, -c, 'echo $$ > {begun}; exec sleep 600']]}}}}\n")
    assert site.run("trust", "--yes").code == 0
    before = fingerprint(site.root)
    process = begin("promote", "churn@1", "staging", root=site.root)
    until(lambda: begun.exists() and begun.read_text().strip(), "the check begins")
    process.send_signal(signal.SIGINT)
    answer = ended(process)
    assert (answer.code, answer.out, answer.err) == (130, "", "error: interrupted\n")
    assert not Path(f"/proc/{begun.read_text().strip()}/cmdline").exists()
    assert fingerprint(site.root) == before


#: Commands that never end, end badly, or say too much: the gate stays shut, and the command ends.
HOSTILE = {
    "never ends": (["sleep", "600"], "timed out after 1s"),
    "ignores SIGTERM": (["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], "timed out after 1s"),
    "prints for ever": (["yes"], "timed out after 1s"),
    "prints 1 GB and fails": (["sh", "-c", "head -c 1000000000 /dev/zero; exit 3"], "exit 3"),
    "leaves a child behind": (["sh", "-c", "sleep 600 & exit 4"], "exit 4"),
    "kills itself": (["sh", "-c", "kill -SEGV $$"], "signal 11"),
    "is not there": (["no-such-program-anywhere"], "cannot be run: no such file"),
    "writes no text": (["sh", "-c", "printf '\\377\\000\\033[2J'; exit 5"], "exit 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_check_that_means_harm(site: Site, name: str) -> None:
    command, words = HOSTILE[name]
    limit = "1s" if "timed out" in words else "60s"
    with (site.root / REGISTRY).open("a") as stream:
        stream.write(f"policy: {{staging: {{checks: [{{run: {command!r}, time_limit: {limit}}}]}}}}\n")
    assert site.run("trust", "--yes").code == 0
    before = fingerprint(site.root)
    for verb in ("promote", "check"):
        begun = time.monotonic()
        answer = site.run(verb, "churn@1", "staging")
        assert time.monotonic() - begun < 60
        assert answer.code == 5
        assert_inert(answer.err)
        assert len(answer.err) < 200_000
    assert words in answer.out
    assert fingerprint(site.root) == before
