"""Getting past a policy: G-*, but G-08, which is in ``integrity``."""

from __future__ import annotations

import json

import pytest

from registry_cli import Refused, Registry
from registry_cli.operations.context import get_account_name
from tests.bad_inputs.conftest import World
from tests.bad_inputs.table import Case, scenario
from tests.keys import allow, make_key


def _policy(world: World, production: str) -> None:
    path = world.root / "registry.yaml"
    said = path.read_text().split("\npolicy:")[0]
    path.write_text(f"{said}\npolicy: {{production: {production}}}\n")


def _approve(world: World, ref: str, *arguments: object) -> None:
    world.done("approve", ref, "production", "--reason", "reviewed", *arguments)


def _refused(world: World, case: Case, ref: str, rules: str) -> None:
    """The stage lets it in in no way."""
    answer = world.run("promote", ref, "production")
    assert answer.code == case.exit, answer
    assert answer.out == ""
    assert f"production refuses {ref}: {rules};" in answer.err
    assert world.run("check", ref, "production").code == case.exit
    answer = world.run("promote", ref, "production", "--force", "--reason", "trust me")
    assert answer.code == case.exit, answer
    assert "production" not in Registry(world.root).model("m").stages


def _approved_by(world: World, ref: str) -> list[tuple[str, str]]:
    items = world.done("approvals", ref, "--json").json["items"]
    return [(each["state"], each["why"]) for each in items]


@scenario("G-01")
def the_author_approves(world: World, case: Case) -> None:
    """The author is who was named as that, and also the account that registered it."""
    _policy(world, "{approvals: 1, not_author: true, force: false}")
    world.done("register", "m", world.file)
    _approve(world, "m@4")
    _refused(world, case, "m@4", "approvals, not_author")
    alice = Registry(world.root, author="alice")
    alice.approvals.approve("m@1", "production")
    with pytest.raises(Refused, match="refuses m@1: approvals, not_author"):
        alice.promote("m@1", "production")
    Registry(world.root, author="bob").approvals.approve("m@4", "production")
    world.done("promote", "m@4", "production")


@scenario("G-02")
def one_person_approves_twice(world: World, case: Case) -> None:
    """With two keys, under two principals: both belong to one account."""
    keys = [make_key(world.folder / "keys", name) for name in ("laptop", "desktop")]
    other = make_key(world.folder / "keys", "bob")
    me = get_account_name()
    allow(world.root, (f"{me}@laptop.example", keys[0]), (f"{me}@desktop.example", keys[1]), ("bob", other))
    _policy(world, "{approvals: 2, signed: required, force: false}")
    for key in keys:
        _approve(world, "m@1", "--sign", key)
        _refused(world, case, "m@1", "approvals")
    assert len(world.done("approvals", "m@1", "-q").lines) == 1
    rules = world.run("check", "m@1", "production", "--json").json["rules"]
    assert [each["outcome"] for each in rules if each["rule"] == "approvals"] == ["waiting"]
    Registry(world.root, author="bob").approvals.approve("m@1", "production", sign=other)
    world.done("promote", "m@1", "production")


@scenario("G-03")
def an_approval_of_another_version(world: World, case: Case) -> None:
    """Word for word, and changed so that it names the other version: its signature is about the first."""
    key = make_key(world.folder / "keys", "mine")
    allow(world.root, (get_account_name(), key))
    _policy(world, "{approvals: 1, signed: required, force: false}")
    _approve(world, "m@1", "--sign", key)
    world.done("annotate", "m@2", "note=so that the annotation is there")
    own = (world.model / "annotations/2.yaml").read_text()
    copied = (world.model / "annotations/1.yaml").read_text().removeprefix("format: 1\n")
    version = {number: Registry(world.root).version(f"m@{number}") for number in (1, 2)}
    for approval in (
        copied,
        copied.replace("version: 1\n", "version: 2\n").replace(version[1].digest, version[2].digest),
    ):
        assert "signature" in approval
        world.write("annotations/2.yaml", own + approval)
        _refused(world, case, "m@2", "approvals, signed")
        assert world.done("approvals", "m@2", "-q").lines == []
        answer = world.run("verify", "--signatures")
        assert answer.code == 6
        assert "m@2" in answer.out
    world.write("annotations/2.yaml", own)
    world.done("verify", "--signatures")
    _approve(world, "m@2", "--sign", key)
    world.done("promote", "m@2", "production")


@scenario("G-05")
def an_approval_that_lapsed(world: World, case: Case) -> None:
    """It is for what was looked at. When that is changed it holds no more, and counts again when it is as it was."""
    _policy(world, "{approvals: 1, force: false}")
    for change, back in (
        (("log-metric", "m@1", "acc=0.2"), ("log-metric", "m@1", "acc=0.9")),
        (("tag", "m@1", "site=eu"), ("tag", "m@1", "--remove", "site")),
    ):
        _approve(world, "m@1")
        world.done(*change)
        assert [state for state, _ in _approved_by(world, "m@1")] == ["lapsed"]
        _refused(world, case, "m@1", "approvals")
        world.done(*back)
        world.done("promote", "m@1", "production")
        world.done("demote", "m", "production")


@scenario("G-07")
def a_policy_that_a_teammate_changed(world: World, case: Case) -> None:
    """Who may write to the registry may weaken its rules. What this machine runs for them is up to its user."""
    strict = ["python3", "-c", "import sys; sys.exit(1)"]
    ran = world.folder / "ran"
    weak = ["touch", str(ran)]
    _policy(world, f"{{checks: [{{run: {json.dumps(strict)}, name: fair}}], force: false}}")
    world.done("trust", "--yes")
    _refused(world, case, "m@1", "checks.fair")
    _policy(world, f"{{checks: [{{run: {json.dumps(weak)}, name: fair}}], force: false}}")
    assert "was not run: not trusted" in world.run("check", "m@1", "production").out
    for options in ((), ("--force", "--reason", "trust me")):
        answer = world.refused(case.exit, "promote", "m@1", "production", *options)
        assert "contains commands that are not trusted or changed since" in answer.err
    assert not ran.exists()
    # misspelt, so that it would ask for nothing
    _policy(world, "{approvalls: 1, force: true}")
    answer = world.run("promote", "m@1", "production", "--force", "--reason", "trust me")
    assert answer.code not in (0, 1), answer
    assert "approvalls" in answer.err
    assert "production" not in Registry(world.root).model("m").stages
    # what is overridden stands in the history, with its reason
    _policy(world, "{approvals: 2}")
    assert world.run("promote", "m@1", "production", "--force").code == 2
    world.done("promote", "m@1", "production", "--force", "--reason", "trust me")
    (event,) = world.done("history", "m", "--limit", "1", "--json").json["items"]
    assert (event["reason"], event["failed"]) == ("trust me", ["approvals"])


@scenario("G-11")
def back_to_a_version_that_nobody_approved(world: World, case: Case) -> None:
    """``promote`` asks for the same as ever; ``rollback`` goes only to what was in production, and wasn't rejected."""
    _policy(world, "{approvals: 1, force: false}")
    _refused(world, case, "m@2", "approvals")
    world.done("register", "m", world.file)
    for ref in ("m@1", "m@4"):
        _approve(world, ref)
        world.done("promote", ref, "production")
    assert world.run("promote", "m@2", "production").code == case.exit
    assert world.run("rollback", "m", "production", "--to", "2").code not in (0, 1)
    world.done("approve", "m@1", "production", "--reject", "--reason", "it drifts")
    for command in (
        ("rollback", "m", "production"),
        ("rollback", "m", "production", "--to", "1"),
        ("promote", "m@1", "production"),
    ):
        assert world.run(*command).code == case.exit, command
    assert Registry(world.root).model("m").stages["production"] == 4
