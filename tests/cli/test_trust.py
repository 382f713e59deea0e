"""``trust``, and what asks for it: shared settings never run a command on this machine unasked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import NOBODY, Answer, assert_inert, assert_refused, environment, run, spawn, terminal
from tests.crash.world import fingerprint

POLICY = """
policy:
  staging:
    checks:
      - touch {marker}
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def checked(site: Site, marker: Path) -> Site:
    """A registry whose staging runs a command, which leaves a trace."""
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write(POLICY.format(marker=marker))
    return site


def trusted() -> Path:
    return Path(os.environ["HOME"]) / ".config/registry-cli/trusted.jsonl"


def test_without_trust_nothing_runs(checked: Site, marker: Path) -> None:
    before = fingerprint(checked.root)
    for words in (
        ("promote", "churn@1", "staging"),
        ("promote", "churn@1", "staging", "--no-verify"),
        ("promote", "churn@1", "staging", "--dry-run"),
        ("register", "churn", checked.file, "--stage", "staging"),
    ):
        answer = checked.run(*words)
        assert_refused(answer, 5)
        assert "review them with 'registry trust churn'" in answer.err
    answer = checked.run("check", "churn@1", "staging")
    assert (answer.code, answer.lines) == (
        5, [f"checks.touch\ttouch {marker}\twas not run: not trusted (registry trust)\tfailed"],
    )  # fmt: skip
    assert "review them with 'registry trust churn'" in answer.err
    assert not marker.exists()
    assert fingerprint(checked.root) == before
    assert not trusted().parent.exists(), "nothing was written for the user either"


def test_trust_needs_a_yes(checked: Site, marker: Path) -> None:
    answer = checked.run("trust")
    assert (answer.code, answer.out) == (2, "")
    assert f"staging  touch {marker}  (registry.yaml:" in answer.err
    assert answer.err.endswith("error: trusting commands requires confirmation; add --yes\n")
    assert not trusted().exists()
    answer = checked.run("trust", "--yes")
    assert (answer.code, answer.err) == (0, "trusted 1 command\n")
    assert answer.lines[0].split("\t")[:4] == ["staging", "touch", f"touch {marker}", "600.0"]
    assert checked.run("trust").err == "already trusted\n"
    assert trusted().stat().st_mode & 0o777 == 0o600
    assert trusted().parent.stat().st_mode & 0o777 == 0o700
    assert checked.run("check", "churn@1", "staging").code == 0
    assert marker.exists()
    marker.unlink()
    assert checked.run("promote", "churn@1", "staging").code == 0
    assert marker.exists()
    assert checked.run("register", "churn", checked.file, "--stage", "staging").code == 0


def test_what_changes_is_asked_again(checked: Site, marker: Path) -> None:
    config = checked.root / "registry.yaml"
    good = config.read_text()
    assert checked.run("trust", "--yes").code == 0
    config.write_text(good.replace(f"touch {marker}", f"touch {marker} {marker}"))
    assert_refused(checked.run("promote", "churn@1", "staging"), 5)
    config.write_text("# a remark\n" + good)
    assert checked.run("promote", "churn@1", "staging").code == 0, "a remark is not a command"
    with (checked.root / "models/churn/model.yaml").open("a") as stream:
        stream.write("policy: {staging: {checks: ['true']}}\n")
    assert_refused(checked.run("promote", "churn@2", "staging"), 5)
    assert checked.run("promote", "risk/fraud@1", "staging").code == 0
    assert checked.run("trust", "churn", "--yes").code == 0
    assert checked.run("promote", "churn@2", "staging").code == 0


def test_a_copy_elsewhere_is_another_registry(checked: Site, tmp_path: Path) -> None:
    from tests.crash.world import copied

    assert checked.run("trust", "--yes").code == 0
    copy = copied(checked.root, tmp_path / "copy")
    assert run("check", "churn@1", "staging", root=copy).code == 5
    link = tmp_path / "link"
    link.symlink_to(checked.root)
    assert run("check", "churn@1", "staging", root=link).code == 0, "by another way it is the same"


def test_list_and_revoke(checked: Site) -> None:
    assert checked.run("trust", "--list") == Answer(0, "", "")
    assert checked.run("trust", "--revoke").err == "none of them was trusted\n"
    checked.run("trust", "--yes")
    (shown,) = checked.run("trust", "--list", "--json").json["items"]
    assert (shown["root"], shown["name"]) == (str(checked.root), None)
    assert shown["digest"] == f"sha256:{checked.reg.policies.commands().digest}"
    (line,) = checked.run("trust", "--list").lines
    assert line.split("\t")[1:] == [str(checked.root), "", "1", shown["digest"]]
    assert run("trust", "--list", "-q").lines == [shown["digest"]], "it needs no registry"
    answer = checked.run("trust", "--revoke")
    assert (answer.code, answer.err) == (0, "revoked trust in 1 command\n")
    assert checked.run("trust", "--list").lines == []
    assert_refused(checked.run("promote", "churn@1", "staging"), 5)
    checked.run("trust", "churn", "--yes")
    assert checked.run("trust", "risk/fraud", "--revoke").code == 0, "its commands are the same"
    assert_refused(checked.run("promote", "churn@1", "staging"), 5)
    checked.run("trust", "--yes")
    config = checked.root / "registry.yaml"
    config.write_text(config.read_text() + "polcy: {}\n")
    assert_refused(checked.run("trust", "churn", "--revoke"), 2)
    assert_refused(checked.run("trust", "--list", "--yes"), 2)


def test_without_commands_there_is_nothing_to_trust(site: Site) -> None:
    answer = site.run("trust")
    assert (answer.code, answer.out) == (0, "")
    assert "contain no commands" in answer.err
    assert site.run("trust", "nothing").code == 3
    assert not trusted().exists()


def test_a_file_that_others_could_have_written_trusts_nothing(checked: Site, marker: Path) -> None:
    checked.run("trust", "--yes")
    trusted().chmod(0o666)
    for words in (("promote", "churn@1", "staging"), ("check", "churn@1", "staging"), ("trust", "--list")):
        answer = checked.run(*words)
        assert_refused(answer, 5)
        assert "trusted.jsonl can be written by others; chmod go-w" in answer.err
    assert not marker.exists()
    trusted().chmod(0o600)
    if os.geteuid() == 0:
        os.chown(trusted(), NOBODY, NOBODY)
        assert "belongs to another user" in checked.run("check", "churn@1", "staging").err
        os.chown(trusted(), 0, 0)
    assert checked.run("check", "churn@1", "staging").code == 0


def test_lines_that_cannot_be_read_trust_nothing(checked: Site) -> None:
    checked.run("trust", "--yes")
    good = trusted().read_text()
    for bad in ("", "x\n", "{}\n", "[]\n", '{"digest": 3}\n', good[:40], "\xff\n"):
        trusted().write_text(bad)
        assert checked.run("check", "churn@1", "staging").code == 5, bad
    trusted().write_text(f"x\n{good}")
    assert checked.run("check", "churn@1", "staging").code == 0


def test_where_the_user_has_no_folder(checked: Site) -> None:
    for variables in ({"HOME": None}, {"HOME": "relative"}):
        env = environment(**variables)
        answer = spawn("trust", "--yes", root=checked.root, env=env)
        assert_refused(answer, 3)
        assert spawn("check", "churn@1", "staging", root=checked.root, env=env).code == 5
    other = checked.folder / "settings"
    env = environment(XDG_CONFIG_HOME=str(other))
    assert spawn("trust", "--yes", root=checked.root, env=env).code == 0
    assert (other / "registry-cli/trusted.jsonl").exists()
    assert spawn("check", "churn@1", "staging", root=checked.root, env=env).code == 0
    assert checked.run("check", "churn@1", "staging").code == 5


def test_a_person_is_asked_and_not_twice(checked: Site, marker: Path) -> None:
    with terminal("promote", "churn@1", "staging", root=checked.root, columns=120) as child:
        child.expect_exact("runs these commands on this machine:")
        child.expect_exact(f"staging  touch {marker}  (registry.yaml:")
        child.expect_exact("as you? [y/N] ")
        assert not marker.exists()
        child.sendline("n")
        child.expect_exact("not trusted or changed")
        child.wait()
        assert child.exitstatus == 5
    assert not marker.exists()
    assert not trusted().exists()
    with terminal("promote", "churn@1", "staging", root=checked.root) as child:
        child.expect_exact("[y/N] ")
        child.sendline("y")
        child.expect_exact("churn: staging -> 1")
        child.wait()
        assert child.exitstatus == 0
    assert marker.exists()
    with terminal("check", "churn@2", "staging", root=checked.root) as child:
        child.expect_exact("churn@2 passes the policy of staging")
        child.wait()
    with (checked.root / "registry.yaml").open("a") as stream:
        stream.write("      - 'true'\n")
    with terminal("check", "churn@2", "staging", root=checked.root, columns=120) as child:
        child.expect_exact("(new or changed since you trusted it)")
        child.sendintr()
        child.wait()
        assert child.exitstatus == 130
    with terminal("promote", "churn@2", "staging", "--no-input", root=checked.root, columns=200) as child:
        child.expect_exact("not trusted or changed")
        child.wait()
        assert child.exitstatus == 5


def test_what_a_command_says_is_data(checked: Site) -> None:
    path = checked.root / "registry.yaml"
    path.write_text(
        path.read_text().split("\npolicy:")[0]
        + '\npolicy: {staging: {checks: [[printf, "[/x]\\e[2J\\u202e"], [sh, -c, "printf \'\\\\033[2J[/x]\\\\n\'; exit 1"]]}}\n'
    )
    for words in (
        ("trust", "--yes"),
        ("check", "churn@1", "staging"),
        ("promote", "churn@1", "staging"),
        ("trust", "--list"),
    ):
        answer = checked.run(*words)
        assert_inert(answer.out)
        assert_inert(answer.err)
    answer = checked.run("check", "churn@1", "staging")
    assert "checks.sh printed:\n  \\x1b[2J[/x]\n" in answer.err
    refused = checked.run("promote", "churn@1", "staging")
    assert (refused.code, refused.out) == (5, "")
    assert "\\x1b[2J[/x]" in refused.err, "what was printed is told, not only that it failed"
    document = checked.run("check", "churn@1", "staging", "--json").json
    assert document["rules"][1]["output"] == "\x1b[2J[/x]\n"
    assert document["rules"][0]["outcome"] == "passed"


def test_two_who_trust_at_once(checked: Site) -> None:
    from tests.support import race

    jobs = [(_trust, (str(checked.root), os.environ["HOME"], number)) for number in range(8)]
    race(jobs)
    lines = [json.loads(line) for line in trusted().read_text().splitlines()]
    assert len({each["digest"] for each in lines}) == len(lines) == 8


def _trust(root: str, home: str, number: int) -> None:
    from registry_cli.rules.policy.command_checks import Command, CommandSet
    from registry_cli.trust.trusted_commands import TrustFile

    item = Command("staging", "x", ("x", str(number)), 1.0, "registry.yaml")
    TrustFile(Path(home) / ".config/registry-cli").add(CommandSet(root, "1", "", (item,)), "now")
