"""Checks on real files: they run before the lock, once they are trusted, and count for what they were run on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Refused, Registry
from registry_cli.rules.policy.command_checks import CommandSet
from tests.conftest import Clock
from tests.support import snapshot

Make = Callable[..., Path]


def write(registry: Registry, checks: str, place: str = "registry.yaml") -> None:
    path = registry.root / place
    text = path.read_text() if path.exists() else "format: 1\n"
    path.write_text(f"{text.split(chr(10) + 'policy:')[0].rstrip()}\npolicy:\n  production:\n    checks:\n{checks}")


def script(folder: Path, text: str, name: str = "check.py") -> str:
    """A check of somebody's own: a line of a policy that runs these lines of Python."""
    path = folder / name
    path.write_text(text)
    return f"      - ['{sys.executable}', '{path}', '{{path}}', '{{ref}}', '{{stage}}']\n"


@pytest.fixture
def trusting(reg: Registry, make_file: Make, clock: Clock) -> Registry:
    """A registry whose commands are all trusted, with ``churn@1``."""
    reg.register("churn", [make_file("weights", "model.bin")], tags={"reviewed": "yes"})
    return Registry(reg.root, author="alice", now=clock, trust=lambda _: True)


def found(registry: Registry, ref: str = "churn@1") -> list[tuple[str, str, str]]:
    return [(each.name, each.outcome, each.found) for each in registry.policies.check(ref, "production").rules]


def test_a_check_gets_the_artifact_and_says_yes_or_no(trusting: Registry, tmp_path: Path) -> None:
    write(
        trusting,
        script(
            tmp_path,
            "import os, sys\n"
            "path, ref, stage = sys.argv[1:]\n"
            "assert open(f'{path}/model.bin').read() == 'weights'\n"
            "assert os.environ['REGISTRY_PATH'] == path\n"
            "assert os.environ['REGISTRY_ROOT'] == os.environ['REGISTRY_HOME']\n"
            "said = [os.environ[f'REGISTRY_{name}'] for name in ('REF', 'STAGE', 'MODEL', 'VERSION')]\n"
            "assert said == ['churn@1', 'production', 'churn', '1'] and [ref, stage] == said[:2]\n"
            "assert os.environ['REGISTRY_DIGEST'].startswith('sha256:')\n"
            "assert os.listdir() == [] and sys.stdin.read() == ''\n"
            "open('scratch', 'w').write('x')\n"
            "print('all is well')\n",
        ),
    )
    rule = trusting.policies.check("churn@1", "production").rules[0]
    assert (rule.outcome, rule.output) == ("passed", "all is well\n"), rule
    assert trusting.promote("churn@1", "production").after == 1
    write(
        trusting,
        script(tmp_path, "import sys\nprint('one')\nprint('auc is\\x1b[2J 0.1', file=sys.stderr)\nsys.exit(3)\n"),
    )
    rule = trusting.policies.check("churn@1", "production").rules[0]
    assert (rule.outcome, rule.found) == ("failed", "exit 3: auc is\x1b[2J 0.1")
    assert rule.output == "one\nauc is\x1b[2J 0.1\n"
    with pytest.raises(Refused, match=r"production refuses churn@1: checks.python"):
        trusting.promote("churn@1", "production")


def test_nothing_runs_that_is_not_trusted(reg: Registry, make_file: Make, tmp_path: Path) -> None:
    reg.register("churn", [make_file()])
    write(reg, f"      - touch {tmp_path}/ran\n")
    asked: list[CommandSet] = []

    def no(commands: CommandSet) -> bool:
        asked.append(commands)
        return False

    wary = Registry(reg.root, author="alice", trust=no)
    before = snapshot(reg.root)
    for registry in (reg, wary):
        assert found(registry) == [("checks.touch", "failed", "was not run: not trusted (registry trust)")]
        for verify, dry_run in ((True, False), (False, False), (True, True)):
            with pytest.raises(Refused, match=r"not trusted.*review them with 'registry trust churn'"):
                registry.promote("churn@1", "production", verify=verify, dry_run=dry_run)
        for name in ("churn", "fresh"):
            with pytest.raises(Refused, match=rf"not trusted.*review them with 'registry trust {name}'"):
                registry.register(name, [make_file()], stage="production")
    assert not (tmp_path / "ran").exists()
    assert snapshot(reg.root) == before
    assert {each.digest for each in asked} == {reg.policies.commands("churn").digest}
    assert reg.promote("churn@1", "staging").after == 1, "another stage is not concerned"


def test_what_is_trusted_is_just_these_commands(reg: Registry, make_file: Make, clock: Clock) -> None:
    reg.register("churn", [make_file()])
    write(reg, "      - 'true'\n")
    digest = reg.policies.commands().digest
    assert reg.policies.commands("churn").digest == digest, "a model that adds none has the registry's"
    careful = Registry(reg.root, author="alice", now=clock, trust=lambda commands: commands.digest == digest)
    assert careful.policies.check("churn@1", "production").passed
    write(reg, "      - [env, 'true']\n")
    assert not careful.policies.check("churn@1", "production").passed
    write(reg, "      - 'true'\n")
    assert careful.promote("churn@1", "production").after == 1
    write(reg, "      - [env, 'true']\n", "models/churn/model.yaml")
    assert not careful.policies.check("churn@1", "production").passed, "with what the model adds it is others"
    assert reg.policies.commands("churn").items[1].file == "models/churn/model.yaml"


def test_force_passes_over_a_check_and_runs_none_unasked(trusting: Registry, clock: Clock, tmp_path: Path) -> None:
    write(trusting, "      - 'false'\n")
    trusting.promote("churn@1", "production", force=True, reason="hotfix")
    assert trusting.history("churn", limit=1)[0].event.detail["failed"] == ["checks.false"]
    wary = Registry(trusting.root, author="alice", now=clock)
    wary.demote("churn", "production")
    write(trusting, f"      - touch {tmp_path}/ran\n")
    wary.promote("churn@1", "production", force=True, reason="hotfix")
    assert wary.history("churn", limit=1)[0].event.detail["failed"] == ["checks.touch"]
    write(trusting, f"      - touch {tmp_path}/ran\n    force: false\n")
    wary.demote("churn", "production")
    with pytest.raises(Refused, match="not trusted"):
        wary.promote("churn@1", "production", force=True, reason="please")
    assert not (tmp_path / "ran").exists()


def test_a_check_is_not_run_for_what_is_refused_anyway(trusting: Registry, tmp_path: Path) -> None:
    write(trusting, f"      - touch {tmp_path}/ran\n    require: {{tags: {{reviewed: 'no'}}}}\n")
    with pytest.raises(Refused, match=r"refuses churn@1: tags.reviewed;"):
        trusting.promote("churn@1", "production")
    assert not (tmp_path / "ran").exists()
    assert [outcome for _, outcome, _ in found(trusting)] == ["failed", "passed"], "'check' tells of all of them"
    assert (tmp_path / "ran").exists()


def test_others_go_on_while_a_check_runs(trusting: Registry, clock: Clock, tmp_path: Path) -> None:
    """It holds no lock: from within it the very model is changed."""
    write(
        trusting,
        script(
            tmp_path,
            "from registry_cli import Registry\n"
            "reg = Registry.open(author='bob', lock_timeout=5.0)\n"
            "reg.tag('churn@1', {'seen': 'yes'})\n",
        ),
    )
    assert trusting.promote("churn@1", "production").after == 1
    assert trusting.version("churn@1").tags["seen"] == "yes"


@pytest.mark.parametrize("verify", [True, False])
def test_a_policy_that_changes_while_checks_run(trusting: Registry, tmp_path: Path, verify: bool) -> None:
    config = trusting.root / "registry.yaml"
    write(trusting, script(tmp_path, f"path = {str(config)!r}\ntext = open(path).read()\n"
                                     "open(path, 'w').write(text + '      - [\"true\"]\\n')\n"))  # fmt: skip
    with pytest.raises(Conflict, match="the policy commands of production changed while they ran"):
        trusting.promote("churn@1", "production", verify=verify)
    assert "production" not in trusting.model("churn").stages


def test_other_rules_are_looked_at_again_under_the_lock(trusting: Registry, tmp_path: Path) -> None:
    line = script(
        tmp_path, "from registry_cli import Registry\nRegistry.open(author='bob').tag('churn@1', {'reviewed': 'no'})\n"
    )
    write(trusting, line + "    require: {tags: {reviewed: 'yes'}}\n")
    with pytest.raises(Refused, match=r"refuses churn@1: tags.reviewed"):
        trusting.promote("churn@1", "production")


def test_a_reference_that_means_another_version_meanwhile(trusting: Registry, tmp_path: Path, make_file: Make) -> None:
    new = make_file("more", "more.bin")
    write(trusting, script(tmp_path, "from registry_cli import Registry\n"
                                     f"Registry.open(author='bob').register('churn', [{str(new)!r}])\n"))  # fmt: skip
    with pytest.raises(Conflict, match="churn@latest changed to churn@2 concurrently"):
        trusting.promote("churn@latest", "production")


def test_a_check_that_never_ends_and_will_not_hear(trusting: Registry, tmp_path: Path) -> None:
    """It ignores SIGTERM, and so does the child that it starts: both are gone when the time is over."""
    text = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        f"open({str(tmp_path)!r} + f'/pid-{{os.getpid()}}', 'w').close()\n"
        "print('begun', flush=True)\n"
        "time.sleep(600)\n"
    )
    line = script(tmp_path, text).strip().removeprefix("- ")
    write(trusting, f"      - {{run: {line}, time_limit: 1s, name: stuck}}\n")
    begun = time.monotonic()
    rule = trusting.policies.check("churn@1", "production").rules[0]
    assert time.monotonic() - begun < 60
    assert (rule.outcome, rule.found) == ("failed", "timed out after 1s")
    assert rule.output.startswith("begun")
    pids = [int(path.name.removeprefix("pid-")) for path in tmp_path.glob("pid-*")]
    assert len(pids) == 2
    for pid in pids:
        assert not _lives(pid), f"{pid} is still there"


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # nobody reaps orphans in some containers


def test_a_check_that_prints_a_gigabyte(trusting: Registry, tmp_path: Path) -> None:
    write(trusting, script(tmp_path, "import sys\nblock = b'x' * (1 << 20)\n"
                                     "for _ in range(1024): sys.stdout.buffer.write(block)\n"))  # fmt: skip
    rule = trusting.policies.check("churn@1", "production").rules[0]
    assert rule.outcome == "passed"
    assert 60_000 < len(rule.output) < 200_000
    assert rule.output.endswith("(cut)")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no-such-program-anywhere", "cannot be run: no such file or folder: no-such-program-anywhere"),
        ("/etc/passwd", "cannot be run: permission denied"),
        ("sh -c 'kill -9 $$'", "signal 9"),
        ("sh -c 'exit 1'", "exit 1"),
    ],
)
def test_a_check_that_ends_badly(trusting: Registry, line: str, words: str) -> None:
    write(trusting, f'      - "{line}"\n')
    ((_, outcome, said),) = found(trusting)
    assert outcome == "failed"
    assert said.startswith(words)


def test_a_program_inside_of_the_registry_is_refused(trusting: Registry, tmp_path: Path) -> None:
    inside = trusting.root / "smoke.sh"
    inside.write_text("#!/bin/sh\n")
    inside.chmod(0o755)
    link = tmp_path / "link.sh"
    os.symlink(inside, link)
    for command in (f"{inside}", f"sh {inside}", f"{link} {{path}}", f"sh {trusting.root}/models/../smoke.sh"):
        write(trusting, f"      - '{command}'\n")
        for deed in (
            lambda: trusting.policies.check("churn@1", "production"),
            trusting.admin.config,
            trusting.policies.commands,
        ):
            with pytest.raises(InvalidInput, match=r"registry.yaml, line \d+: .*is inside the registry"):
                deed()


def test_a_program_inside_of_the_registry_is_not_found_on_the_path(
    trusting: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = trusting.root / "smoke"
    inside.write_text("#!/bin/sh\n")
    inside.chmod(0o755)
    monkeypatch.setenv("PATH", f"{trusting.root}:{os.environ['PATH']}")
    write(trusting, "      - smoke {path}\n")
    assert found(trusting) == [("checks.smoke", "failed", f"was not run: {str(inside)[:60]}… is inside the registry")]


def test_commands_of_what_is_not_there(trusting: Registry) -> None:
    with pytest.raises(NotFound, match="model or group 'other' not found"):
        trusting.policies.commands("other")
    assert trusting.policies.commands().items == ()


def test_a_version_is_compared_before_anything_is_run_on_it(trusting: Registry, tmp_path: Path) -> None:
    from registry_cli import Damaged

    write(trusting, f"      - touch {tmp_path}/ran\n")
    path = trusting.path("churn@1") / "model.bin"
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[::-1])
    with pytest.raises(Damaged):
        trusting.promote("churn@1", "production")
    assert not (tmp_path / "ran").exists()
    path.write_bytes(content)
    path.chmod(0o444)
