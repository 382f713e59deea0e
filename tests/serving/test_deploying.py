"""Deploying: the order of steps, what is refused, what servers say, what is protected, two at once."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_cli import Conflict, Damaged, InvalidInput, NotFound, Refused, Registry, RetentionRules, operations
from registry_cli.core.records import Event
from registry_cli.operations.context import open_model
from registry_cli.rules import deployments as rules
from registry_cli.serving import target_folder
from registry_cli.store import codec, journal
from tests.commands import run
from tests.keys import make_key
from tests.serving.conftest import Change, Server

Add = Callable[..., str]
Start = Callable[..., Server]
MODEL = {
    "model.onnx": "graph",
    "saved_model.pb": "graph",
    "model.joblib": "x",
    "handler.py": "pass",
    "predict.py": "pass",
}


def actions(reg: Registry) -> list[str]:
    kinds = ("deploy", "undeploy")
    return [each.event.action for each in reg.history("churn") if each.event.action.startswith(kinds)][::-1]


# -- the record


def test_a_deployment_is_recorded(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain", "follows": "production"})
    add(), add()
    reg.promote("churn@1", "production")
    done = reg.deployments.deploy("churn@production", "t", reason="first")
    assert (done.ref, done.before, done.state, done.path) == (
        "churn@1",
        None,
        "placed",
        str(folder / "churn/releases/1"),
    )
    assert actions(reg) == ["deploying", "deployed"]
    (found,) = reg.deployments()
    assert (found.ref, found.state, found.follows, found.stage_version, found.by) == (
        "churn@1",
        "placed",
        "production",
        1,
        "alice",
    )
    reg.promote("churn@2", "production")
    assert reg.deployments("churn", target="t")[0].state == "behind"
    assert reg.deployments.deploy("churn@2", "t").before == 1
    assert not reg.deployments.deploy("churn@2", "t").changed
    assert actions(reg) == ["deploying", "deployed"] * 2, "what is there already is not recorded again"


def test_a_request_is_carried_out_once(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"}, u={"layout": "plain"})
    ref, other = add(), add()
    assert reg.deployments.deploy(ref, "t", request_id="r1").changed
    reg.deployments.deploy(other, "t")
    again = reg.deployments.deploy(ref, "t", request_id="r1")
    assert (again.ref, again.changed) == (ref, False)
    assert reg.deployments()[0].ref == other
    with pytest.raises(Conflict, match="another target"):
        reg.deployments.deploy(ref, "u", request_id="r1")


def test_expect_and_dry_run(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain"})
    first, second = add(), add()
    with pytest.raises(Conflict, match="empty, not churn@1"):
        reg.deployments.deploy(second, "t", expect=1)
    assert reg.deployments.deploy(first, "t", dry_run=True).changed
    assert list(folder.iterdir()) == []
    reg.deployments.deploy(first, "t", expect=None)
    with pytest.raises(Conflict):
        reg.deployments.deploy(second, "t", expect=None)
    assert reg.deployments.undeploy("churn", "t", dry_run=True).before == 1
    assert len(reg.deployments()) == 1


def test_a_signed_deployment(reg: Registry, targets: Change, add: Add, tmp_path: Path) -> None:
    targets(t={"layout": "plain"})
    reg.deployments.deploy(add(), "t", sign=make_key(tmp_path, "key"))
    assert "signature" in next(each.event for each in reg.history("churn") if each.event.action == "deployed").detail


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_the_record_is_verified_and_repaired(reg: Registry, targets: Change, add: Add, damage: str) -> None:
    targets(t={"layout": "plain"})
    reg.deployments.deploy(add(), "t")
    path = reg.root / "models/churn/deployments.yaml"
    before = path.read_bytes()
    path.unlink() if damage == "missing" else path.write_bytes(before.replace(b"version: 1", b"version: 2"))
    assert "changed-document" in [each.code for each in reg.admin.verify().problems]
    assert "deployments written again from the journal" in [each.what for each in reg.admin.repair()]
    assert path.read_bytes() == before


def test_a_bundle_has_the_deployments(reg: Registry, targets: Change, add: Add, tmp_path: Path) -> None:
    targets(t={"layout": "plain"})
    reg.deployments.deploy(add(), "t")
    reg.export(["churn"], tmp_path / "b.tar")
    other = Registry.init(tmp_path / "other")
    other.import_(tmp_path / "b.tar")
    assert [(each.ref, each.target) for each in other.deployments()] == [("churn@1", "t")]
    assert other.deployments(check=True)[0].state == "unknown", "that target is not here"
    assert other.deployments.undeploy("churn", "t", forget=True).before == 1
    assert other.deployments() == []
    assert other.admin.verify().problems == ()


def test_a_claim_with_deployments_is_refused_by_older_programs(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"})
    reg.deployments.deploy(add(), "t")
    claim = max((reg.root / "models/churn").glob(".stages-*"), key=lambda path: int(path.name[8:]))
    assert claim.read_text().startswith("format: 2\n")
    assert (reg.root / "models/churn/stages.yaml").read_text().startswith("format: 1\n")
    with pytest.raises(Refused, match="format 2"):
        codec.load(claim, "claim")


# -- what is refused, and what is never touched


def test_the_policy_of_the_stage_that_is_followed(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain", "follows": "production"})
    ref = add()
    with (reg.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {require: {tags: {reviewed: 'yes'}}}}\n")
    reg = Registry(reg.root)
    with pytest.raises(Refused, match="tags"):
        reg.deployments.deploy(ref, "t")
    with pytest.raises(InvalidInput, match="reason"):
        reg.deployments.deploy(ref, "t", force=True)
    done = reg.deployments.deploy(ref, "t", force=True, reason="incident")
    assert done.overridden
    assert next(each.event for each in reg.history("churn")).detail["forced"] is True


def test_an_archived_or_damaged_version_is_refused(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain"})
    archived, damaged = add(), add()
    reg.archive([archived])
    with pytest.raises(Conflict, match="archived"):
        reg.deployments.deploy(archived, "t")
    path = reg.root / "models/churn/versions/2/files/model.bin"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"x" * len(content))
    with pytest.raises(Damaged):
        reg.deployments.deploy(damaged, "t")
    assert {each.name for each in folder.iterdir()} == {".registry"}
    path.write_bytes(content)
    path.chmod(0o444)


def test_the_files_of_others_are_not_touched(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain"})
    (folder / "churn").mkdir()
    (folder / "churn/theirs").write_text("theirs")
    with pytest.raises(Conflict, match="was not made by the registry"):
        reg.deployments.deploy(add(), "t")
    (folder / "churn").rename(folder / "other")
    reg.deployments.deploy("churn@1", "t")
    (folder / "churn/releases/2").mkdir()
    with pytest.raises(Conflict, match="was not made by the registry"):
        reg.deployments.deploy(add(), "t")
    reg.deployments.undeploy("churn", "t")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if ".registry" not in path.parts) == [
        "churn", "churn/releases", "churn/releases/2", "other", "other/theirs",
    ]  # fmt: skip


@pytest.mark.parametrize("where", [".registry", "churn", "churn/releases", "churn/releases/2"])
def test_a_link_that_is_planted_leads_nowhere(
    reg: Registry, targets: Change, add: Add, tmp_path: Path, where: str
) -> None:
    folder, elsewhere = targets(t={"layout": "plain"}), tmp_path / "elsewhere"
    reg.deployments.deploy(add(), "t")
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("precious")
    if (folder / where).exists():
        (folder / where).rename(tmp_path / "aside")
    (folder / where).symlink_to(elsewhere)
    add()
    for deed in (
        lambda: reg.deployments.deploy("churn@2", "t"),
        lambda: reg.deployments.undeploy("churn", "t"),
        lambda: reg.deployments(check=True),
    ):
        try:
            deed()
        except (Conflict, Damaged):
            continue
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
    assert (folder / where).is_symlink()


def test_a_name_in_a_target_belongs_to_one_model(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"})
    reg.deployments.deploy(add("risk/churn"), "t")
    with pytest.raises(Conflict, match="is model risk/churn"):
        reg.deployments.deploy(add("risk-churn"), "t")
    reg.admin.rename("risk/churn", "renamed")
    reg.deployments.deploy(add("renamed"), "t")
    (found,) = reg.deployments("renamed", check=True)
    assert (found.state, found.version) == ("ok", 2)


def test_another_host(reg: Registry, targets: Change, add: Add) -> None:
    ref = add()
    targets(t={"layout": "plain", "host": os.uname().nodename})
    reg.deployments.deploy(ref, "t")
    targets(t={"layout": "plain", "host": "elsewhere"})
    before = len(list(reg.history("churn")))
    assert [(each.state, each.why) for each in reg.deployments(check=True)] == [
        ("unknown", "the target is on host elsewhere")
    ]
    assert len(list(reg.history("churn"))) == before
    with pytest.raises(Refused, match="is on host elsewhere"):
        reg.deployments.deploy(ref, "t")
    assert reg.deployments.sync() == []
    reg.deployments.undeploy("churn", "t", forget=True)


# -- protection


def test_a_deployed_version_is_kept(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"})
    refs = [add() for _ in range(3)]
    reg.deployments.deploy(refs[0], "t")
    for deed in (reg.archive, reg.delete):
        with pytest.raises(Conflict, match="it is deployed to t"):
            deed([refs[0]], force=True, reason="x")
    plan = reg.retention.plan("churn", "archive", RetentionRules(keep=1))
    assert {each.version: each.reason for each in plan.verdicts}[1] == "deployed to t"
    assert plan.chosen == (2,)
    reg.deployments.deploy(refs[2], "t")
    assert reg.archive([refs[0]])[0].changed


# -- servers


@pytest.mark.parametrize("layout", ["triton", "mlserver", "torchserve", "fastapi"])
def test_a_server_is_told_and_asked(reg: Registry, targets: Change, add: Add, start: Start, layout: str) -> None:
    folder = targets(t={"layout": layout})
    server = start(layout, folder)
    targets(t={"layout": layout, "probe": server.url, "reload": "api"})
    first, second, third = (add(**{**MODEL, "n": str(n)}) for n in range(3))
    for ref, number in ((first, 1), (second, 2)):
        assert reg.deployments.deploy(ref, "t").state == "running"
        assert server.runs == number
    server.fails = {3}
    with pytest.raises(Refused, match=r"does not run in target t: .*churn@2 is served again"):
        reg.deployments.deploy(third, "t")
    assert (server.look(), server.runs) == (2, 2)
    assert actions(reg)[-2:] == ["deploying", "deploy-failed"]
    (found,) = reg.deployments(check=True)
    assert (found.ref, found.state, found.running) == (second, "ok", (2,))
    server.fails = set()
    assert reg.deployments.deploy(third, "t").ref == third
    reg.deployments.undeploy("churn", "t")
    assert server.runs is None or layout == "fastapi"


@pytest.mark.parametrize("pointer", ["#/version", "#/model/version", ""])
def test_any_server_with_a_pointer(reg: Registry, targets: Change, add: Add, start: Start, pointer: str) -> None:
    server = start("plain", targets(t={"layout": "plain"}))
    targets(t={"layout": "plain", "probe": f"{server.url}/info{pointer}", "wait": "0s"})
    ref = add()
    if pointer:
        with pytest.raises(Refused, match="the server runs nothing"):
            reg.deployments.deploy(ref, "t")
    server.runs = 1
    assert reg.deployments.deploy(ref, "t").state == "running"
    assert reg.deployments(check=True)[0].running == ((1,) if pointer else None)


def test_a_server_that_polls(reg: Registry, targets: Change, add: Add, start: Start) -> None:
    server = start("tf-serving", targets(t={"layout": "tf-serving"}))
    targets(t={"layout": "tf-serving", "probe": server.url})
    for number in (1, 2):
        assert reg.deployments.deploy(add(**{"saved_model.pb": str(number)}), "t").state == "running"
        assert server.runs == number


def test_a_first_version_that_fails_leaves_nothing(reg: Registry, targets: Change, add: Add, start: Start) -> None:
    folder = targets(t={"layout": "triton"})
    server = start("triton", folder)
    targets(t={"layout": "triton", "probe": server.url, "reload": "api", "wait": "0s"})
    server.deaf = True
    ref = add(**MODEL)
    with pytest.raises(Refused, match="the server runs nothing after 0 s"):
        reg.deployments.deploy(ref, "t")
    assert list((folder / "models").iterdir()) == []
    assert reg.deployments() == []
    with pytest.raises(Refused):
        reg.deployments.deploy(ref, "t", keep_failed=True)
    assert [(each.state, each.why) for each in reg.deployments(check=True)] == [
        ("drifted", "the server did not run it when it was deployed")
    ]
    assert reg.deployments.deploy(ref, "t", reload=False).state == "placed"


def test_a_command_has_to_be_trusted(reg: Registry, targets: Change, add: Add, tmp_path: Path) -> None:
    script = tmp_path / "reload.sh"
    script.write_text('#!/bin/sh\necho "$1 $REGISTRY_TARGET" >> "$(dirname "$0")/told"\nexit ${CODE:-0}\n')
    script.chmod(0o755)
    folder = targets(t={"layout": "plain", "reload": [str(script), "{ref}"]})
    ref = add()
    with pytest.raises(Refused, match="is not trusted"):
        reg.deployments.deploy(ref, "t")
    assert not (folder / "churn").exists()
    trusting = Registry(reg.root, trust=lambda commands: commands.name == "target t")
    assert trusting.deployments.deploy(ref, "t").state == "placed"
    assert (tmp_path / "told").read_text() == "churn@1 t\n"
    os.environ["CODE"] = "3"
    try:
        with pytest.raises(Refused, match="its reload command: exit 3"):
            trusting.deployments.deploy(add(), "t")
    finally:
        del os.environ["CODE"]
    assert (tmp_path / "told").read_text().splitlines()[1:] == ["churn@2 t", "churn@1 t"], "and back"


def test_keep(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain", "keep": 2})
    for _ in range(4):
        reg.deployments.deploy(add(), "t")
    assert sorted(each.name for each in (folder / "churn/releases").iterdir()) == ["3", "4"]


# -- two at once


def test_of_two_deployments_at_once_one_wins(
    reg: Registry, targets: Change, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = targets(t={"layout": "plain"})
    add(), add()
    barrier, results = threading.Barrier(2), dict[int, Any]()
    original = target_folder.TargetFolder.lock

    def lock(self: Any, *arguments: Any) -> Any:
        barrier.wait(20)  # both have read the record by now
        return original(self, *arguments)

    monkeypatch.setattr(target_folder.TargetFolder, "lock", lock)

    def deploy(number: int) -> None:
        try:
            results[number] = Registry(reg.root).deployments.deploy(f"churn@{number}", "t")
        except Conflict as error:
            results[number] = error

    threads = [threading.Thread(target=deploy, args=(number,)) for number in (1, 2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    lost = [each for each in results.values() if isinstance(each, Conflict)]
    assert len(results) == 2
    assert len(lost) == 1
    assert "changed meanwhile" in lost[0].message
    (found,) = reg.deployments(check=True)
    assert (found.state, found.folder) == ("ok", found.version)
    assert (folder / "churn/current").resolve().name == str(found.version)


# -- sync and check


def test_sync(reg: Registry, targets: Change, add: Add) -> None:
    targets(
        eu={"layout": "plain", "follows": "production", "models": ["churn"]},
        us={"layout": "plain", "follows": "staging"},
    )
    for name in ("churn", "fraud"):
        add(name)
        reg.promote(f"{name}@1", "production")
    assert [(each.ref, each.target, each.changed) for each in reg.deployments.sync()] == [("churn@1", "eu", True)]
    reg.deployments.deploy("fraud@1", "eu")
    add("fraud")
    reg.promote("fraud@2", "production")
    assert [(each.ref, each.changed) for each in reg.deployments.sync("eu")] == [("churn@1", False), ("fraud@2", True)]
    with pytest.raises(NotFound, match="target 'nowhere' not found"):
        reg.deployments.sync("nowhere")
    targets(eu={"layout": "mlflow", "follows": "production", "models": ["churn"]})
    failed = reg.deployments.sync("eu")
    assert [each.code for each in failed] == [4, 4], "deployed in another layout"


def test_a_check_tells_situations_apart(reg: Registry, targets: Change, add: Add, start: Start) -> None:
    folder = targets(t={"layout": "triton"})
    server = start("triton", folder)
    targets(t={"layout": "triton", "follows": "production", "probe": server.url, "reload": "api"})
    for n in range(2):
        add(**{"model.onnx": f"graph {n}"})
    reg.promote("churn@2", "production")
    reg.deployments.deploy("churn@1", "t")
    reg.deployments.deploy("churn@2", "t")
    config, model = folder / "models/churn/config.pbtxt", folder / "models/churn/2/model.onnx"
    found = []

    def check() -> None:
        found.append((reg.deployments(check=True)[0].state, run("deployments", "--check", root=reg.root).code))

    check()
    server.runs = 1
    check()
    server.runs, text = 2, config.read_text()
    config.write_text(text.replace("[ 2 ]", "[ 1 ]"))
    check()
    config.write_text(text)
    content = model.read_bytes()
    model.write_bytes(b"G" + content[1:])
    check()
    model.write_bytes(content)
    reg.promote("churn@1", "production")
    check()
    reg.promote("churn@2", "production")
    server.close()
    check()
    assert found == [("ok", 0), ("drifted", 5), ("drifted", 5), ("damaged", 6), ("behind", 5), ("unreachable", 1)]
    changes = [each.event.detail for each in reg.history("churn") if each.event.action == "deployment-changed"]
    assert [(each["before"], each["after"]) for each in changes][::-1] == [
        ("ok", "drifted"), ("drifted", "damaged"), ("damaged", "behind"), ("behind", "unreachable"),
    ]  # fmt: skip


def test_an_interrupted_deployment_is_reported(
    reg: Registry, targets: Change, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(t={"layout": "plain", "follows": "production"})
    add(), add()
    reg.promote("churn@2", "production")
    reg.deployments.deploy("churn@1", "t")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(target_folder.TargetFolder, "switch", die)
        with pytest.raises(KeyboardInterrupt):
            reg.deployments.deploy("churn@2", "t")
    assert (reg.deployments()[0].state, reg.deployments()[0].pending) == ("deploying", 2)
    with pytest.raises(Conflict, match="it is deployed to t"):
        reg.delete(["churn@1"])
    assert "was interrupted" in reg.deployments(check=True)[0].why
    assert reg.deployments.sync("t")[0].ref == "churn@2"
    assert reg.deployments(check=True)[0].state == "ok"


# -- at a time


def test_as_of(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"}, u={"layout": "plain"})
    add(), add()
    seen = {}
    for ref, target in (("churn@1", "t"), ("churn@2", "t"), ("churn@1", "u"), ("churn", "t"), ("churn@2", "u")):
        if "@" in ref:
            reg.deployments.deploy(ref, target)
        else:
            reg.deployments.undeploy(ref, target)
        at = next(iter(reg.history("churn"))).event.at
        seen[at] = [(each.ref, each.target, each.state) for each in reg.deployments()]
    for at, expected in seen.items():
        assert [(each.ref, each.target, each.state) for each in reg.deployments(as_of=at)] == expected
    assert reg.deployments(as_of="2020-01-01") == []


_EVENTS = st.lists(
    st.tuples(st.sampled_from(sorted(rules.ACTIONS)), st.sampled_from("tu"), st.integers(1, 4), st.booleans()),
    max_size=25,
)


@given(_EVENTS)
@settings(max_examples=200)
def test_the_record_is_the_replay_of_the_history(steps: list[tuple[str, str, int, bool]]) -> None:
    """At each moment, whatever came before; and it can be written and read."""
    events, now = [], dict[str, Any]()
    for at, (action, target, version, kept) in enumerate(steps):
        detail = {"target": target, "name": "churn", "after": "drifted", **({"state": "failed"} if kept else {})}
        event = Event(str(at), f"2026-01-01T00:00:{at:02}.000Z", "a", "h", action, version, detail)
        if action == "deployment-changed" and target not in now:
            continue  # only what is deployed is checked
        events.append(event)
        now = dict(rules.apply_event(now, event))
        document = codec.deployments_document(now)
        assert codec.parse_deployments(document, "x") == document["targets"] == now
    for count, event in enumerate(events, 1):
        assert rules.replay(events, event.at) == rules.replay(events[:count])


def test_the_record_of_a_registry_is_the_replay_of_its_journal(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "plain"}, u={"layout": "plain"})
    for target in ("t", "u", "t"):
        reg.deployments.deploy(add(), target)
    model = open_model(reg.context, "churn")
    events = [entry.event for entry in journal.oldest_first(model.paths.history)]
    assert rules.replay(events) == model.deployments(model.state())


# -- targets.yaml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: {layout: plain, path: srv}", "line 3: targets.x.path: 'srv' is not an absolute path"),
        ("x: {layout: plain, path: /}", "is not an absolute path"),
        ("x: {layout: plain, path: /srv/../etc}", "not a plain path"),
        ("x: {layout: tritn, path: /srv}", "did you mean 'triton'"),
        ("x: {layout: plain, path: /srv, folow: a}", "unknown key 'folow'"),
        ("x: {layout: plain, path: /srv, keep: 0}", "1 to 1000"),
        ("x: {layout: plain, path: /srv, wait: 5}", "is not a duration"),
        ("x: {layout: plain, path: /srv, probe: 'file:///etc/passwd'}", "is not an HTTP address"),
        ("x: {layout: triton, path: /srv, reload: api}", "needs 'probe'"),
        ("x: {layout: plain, path: /srv, probe: 'http://h', reload: api}", "have no API"),
        ("x: {layout: plain, path: /srv, reload: 'a | b'}", "only a shell understands"),
        ("x: {layout: plain, path: /srv, models: churn}", "is not a list of names"),
        ("X: {layout: plain, path: /srv}", "is not a valid name"),
        ("x: {layout: plain, path: /srv, follows: nowhere}", "there is no stage 'nowhere'"),
        ("x: {layout: plain, path: 'ROOT/x'}", "is inside the registry, or the registry inside it"),
        ("x: {layout: plain, path: 'ROOT/..'}", "is not a plain path"),
        ("x: {layout: plain, path: /srv, reload: 'ROOT/a.sh'}", "is inside the registry"),
    ],
)
def test_a_mistake_is_named_with_its_line(reg: Registry, text: str, words: str) -> None:
    document = f"format: 1\ntargets:\n  {text.replace('ROOT', str(reg.root))}\n"
    with pytest.raises(InvalidInput) as error:
        operations.targets.check_text(reg.context, document)
    assert words in str(error.value)


def test_targets_are_edited(reg: Registry) -> None:
    template = operations.targets.read_text(reg.context)
    operations.targets.check_text(reg.context, template)
    text = "format: 1\ntargets:\n  t: {layout: plain, path: /srv}\n"
    assert operations.targets.edit(reg.context, text, was=template).changed
    assert reg.deployments.target("t").keep == 2
    with pytest.raises(Conflict, match="was changed concurrently"):
        operations.targets.edit(reg.context, text, was=template)


def test_a_path_that_leads_into_the_registry_by_now(reg: Registry, targets: Change, add: Add, tmp_path: Path) -> None:
    targets(t={"layout": "plain", "path": str(tmp_path / "link")})
    (tmp_path / "link").symlink_to(reg.root / "models")
    with pytest.raises(InvalidInput, match="inside the registry"):
        reg.deployments.deploy(add(), "t")


def test_a_target_is_checked(reg: Registry, targets: Change, start: Start, tmp_path: Path) -> None:
    folder = targets(t={"layout": "triton"})
    server = start("triton", folder)
    targets(
        t={"layout": "triton", "follows": "production", "probe": server.url, "reload": "true"},
        u={"layout": "plain", "path": str(tmp_path / "none")},
    )
    states = {each.check: each.status for each in reg.deployments.check_target("t")}
    assert states == {"stage": "ok", "folder": "ok", "server": "ok", "command": "failed"}
    answer = run("target", "check", "u", root=reg.root)
    assert (answer.code, "not found" in answer.out) == (1, True)
    assert json.loads(run("target", "show", "t", "--json", root=reg.root).out)["reload"] == "command"


def test_a_target_is_shown_as_it_is_written(reg: Registry, targets: Change) -> None:
    targets(t={"layout": "plain", "models": ["churn", "risk/*"], "reload": ["touch", "a b"]})
    facts = dict(line.split("\t") for line in run("target", "show", "t", root=reg.root).out.splitlines())
    assert (facts["models"], facts["wait"], facts["command"]) == ("churn, risk/*", "2min", "touch 'a b'")
    shown = json.loads(run("target", "show", "t", "--json", root=reg.root).out)
    assert (shown["models"], shown["wait"]) == (["churn", "risk/*"], 120.0)


def test_a_target_that_does_not_exist_is_not_found(reg: Registry, targets: Change, add: Add) -> None:
    targets(eu_1={"layout": "plain"}, us_1={"layout": "plain"})
    reg.deployments.deploy(add(), "eu-1")
    add("other")
    answer = run("deployments", "--target", "eu1", root=reg.root)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == "error: target 'eu1' not found; did you mean 'eu-1'?\n"
    with pytest.raises(NotFound):
        reg.deployments("churn", target="eu1")
    assert reg.deployments(target="us-1") == []
    targets(us_1={"layout": "plain"})
    for check in (False, True):
        assert [each.ref for each in reg.deployments(target="eu-1", check=check)] == ["churn@1"], "the target is gone"
    assert reg.deployments("other", target="eu-1") == []
