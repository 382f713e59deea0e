"""Hooks: after a change the user's own programs are run and addresses told, and whatever they do, the change stays."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from registry_cli import Indeterminate, Registry
from registry_cli.core.records import Event
from registry_cli.rules import event_history
from registry_cli.trust import hooks
from registry_cli.trust.hooks import ALL, HookLimits
from tests.cli.conftest import Site
from tests.commands import NOBODY, Answer, assert_inert, begin, ended, environment, run, spawn, until
from tests.trust.receiver import CLOSE, DRIP, HANG, Receiver, receiving

Put = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A registry with ``churn@1`` to ``@3`` and ``risk/fraud@1``, made by the library: no hook has heard of that."""
    made = Site(tmp_path)
    yield made
    assert made.reg.admin.verify().problems == ()


def settings() -> Path:
    return Path(os.environ["HOME"]) / ".config/registry-cli"


@pytest.fixture
def put() -> Put:
    """A program of the user's: lines of Python, in ``hooks/``."""

    def make(text: str, name: str = "hook", folder: str = "hooks", mode: int = 0o755) -> Path:
        path = settings() / folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(mode)
        return path

    return make


def configure(text: str, mode: int = 0o600) -> Path:
    settings().mkdir(parents=True, exist_ok=True)
    path = settings() / "hooks.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


#: A hook that keeps what it is given, a line a call.
KEEP = (
    "import json, os, sys\n"
    "said = json.load(sys.stdin)\n"
    "said['env'] = {k: v for k, v in os.environ.items() if k.startswith('REGISTRY_')}\n"
    "open(os.environ['HOME'] + '/told', 'a').write(json.dumps(said) + '\\n')\n"
)


def told() -> list[dict[str, Any]]:
    path = Path(os.environ["HOME"]) / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_program_hears_of_each_change(site: Site, put: Put) -> None:
    put(KEEP)
    for words, action, ref in (
        (("register", "churn", site.file), "registered", "churn@4"),
        (("promote", "churn@1", "staging", "--reason", "nightly"), "promoted", "churn@1"),
        (("rollback", "churn", "staging"), "rolled-back", "churn@2"),
        (("demote", "churn", "staging"), "demoted", "churn@2"),
        (("alias", "churn@1", "best"), "aliased", "churn@1"),
        (("tag", "churn@1", "a=b"), "tagged", "churn@1"),
        (("archive", "churn@4"), "archived", "churn"),
        (("delete", "churn@4", "--yes"), "deleted", "churn@4"),
    ):
        assert site.run(*words).code == 0
        said = told()[-1]
        assert (said["kind"], said["schema"], said["event"]["action"], said["ref"]) == ("hook", 1, action, ref)
        assert said["registry"] == {"id": site.reg.admin.settings.id, "root": str(site.root)}
        assert said["env"] == {
            "REGISTRY_ACTION": action, "REGISTRY_MODEL": "churn", "REGISTRY_REF": ref, "REGISTRY_INSIDE_HOOK": "1",
            "REGISTRY_ROOT": str(site.root), "REGISTRY_HOME": str(site.root),
        }  # fmt: skip
    newest = site.reg.history("churn")
    assert [each["event"]["id"] for each in told()] == [entry.event.id for entry in reversed(newest[: len(told())])]
    promoted = told()[1]["event"]
    assert (promoted["stage"], promoted["before"], promoted["after"], promoted["reason"]) == (
        "staging",
        2,
        1,
        "nightly",
    )


def test_what_changes_nothing_tells_nothing(site: Site, put: Put) -> None:
    put(KEEP)
    for words in (
        ("list",), ("promote", "churn@1", "staging", "--dry-run"), ("promote", "churn@1", "production"),
        ("promote", "churn@9", "staging"), ("verify",), ("check", "churn@1", "staging"),
        ("promote", "churn@1", "staging", "--expect", "1"),
    ):  # fmt: skip
        site.run(*words)
    assert told() == []
    assert site.run("promote", "churn@1", "staging", "--request-id", "r").code == 0
    assert site.run("promote", "churn@1", "staging", "--request-id", "r").code == 0
    assert len(told()) == 1, "a repetition is no change"


def test_several_changes_of_one_command(site: Site, put: Put) -> None:
    put(KEEP)
    assert site.run("register", "churn", site.file, "--stage", "staging", "--alias", "new").code == 0
    assert [each["event"]["action"] for each in told()] == ["registered", "promoted", "aliased"]
    assert site.run("delete", "churn@1", "churn@3", "--yes").code == 4
    assert site.run("archive", "churn@3", "risk/fraud@1").code == 0
    assert [each["model"] for each in told()[3:]] == ["risk/fraud"]


def test_a_gate_that_stays_shut(site: Site, put: Put) -> None:
    put(KEEP)
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {staging: {require: {tags: {reviewed: 'yes'}}}}\n")
    assert site.run("check", "churn@1", "staging").code == 5
    assert site.run("promote", "churn@1", "staging", "--dry-run").code == 5
    assert told() == []
    assert site.run("promote", "churn@1", "staging", "--reason", "try").code == 5
    event = told()[0]["event"]
    assert (event["action"], event["version"], event["stage"], event["failed"], event["reason"]) == (
        "gate-refused", 1, "staging", ["tags.reviewed"], "try",
    )  # fmt: skip
    assert "gate-refused" not in {entry.event.action for entry in site.reg.history("churn")}
    assert site.run("register", "churn", site.file, "--stage", "staging").code == 5
    assert [each["event"]["action"] for each in told()] == ["gate-refused", "registered", "gate-refused"]


def test_hooks_of_one_registry(site: Site, put: Put, tmp_path: Path) -> None:
    put(KEEP, folder=f"hooks/{site.reg.admin.settings.id}")
    other = Registry.init(tmp_path / "other")
    assert run("register", "churn", site.file, root=other.root).code == 0
    assert told() == []
    assert site.run("tag", "churn@1", "a=b").code == 0
    assert len(told()) == 1


def test_the_result_is_out_before_the_hook_ends(site: Site, put: Put) -> None:
    put(f"import os, time\nwhile not os.path.exists({str(site.folder / 'go')!r}): time.sleep(0.01)\n" + KEEP)
    process = begin("promote", "churn@1", "staging", root=site.root)
    assert process.stdout is not None
    assert process.stdout.readline() == b"churn@1\n"
    assert told() == []
    (site.folder / "go").touch()
    assert ended(process).code == 0
    assert len(told()) == 1


def test_it_runs_without_the_lock_and_sets_off_no_others(site: Site, put: Put) -> None:
    command = f"subprocess.run([sys.executable, '-m', 'registry_cli', 'tag', 'churn@1', 'seen=yes'], check=True, env={{**os.environ, 'PYTHONPATH': {os.environ.get('PYTHONPATH', str(Path(hooks.__file__).parents[2]))!r}}})"
    put(f"{KEEP}import subprocess\n{command}\n")
    answer = site.spawn("promote", "churn@1", "staging", "--lock-timeout", "5")
    assert (answer.code, answer.out) == (0, "churn@1\n"), answer
    assert "warning" not in answer.err
    assert site.reg.version("churn@1").tags["seen"] == "yes"
    assert len(told()) == 1


def harmless(answer: Answer) -> str:
    """It succeeded as if there were no hooks; what was warned of."""
    assert (answer.code, answer.out) == (0, "churn@1\n"), answer
    assert_inert(answer.err)
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1, answer
    return warnings[0]


def promoted(site: Site) -> Answer:
    site.run("demote", "churn", "staging")
    return site.run("promote", "churn@1", "staging")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import time; time.sleep(600)", "timed out after 1 s"),
        ("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", "timed out after 1 s"),
        ("import sys\nprint('no\\x1b[2J', file=sys.stderr); sys.exit(3)", "failed with exit code 3: no\\x1b[2J"),
        ("import os; os.abort()", "was killed by signal 6"),
        ("import sys\nfor _ in range(1024): sys.stdout.buffer.write(b'x' * (1 << 20))\nsys.exit(4)", "exit code 4"),
        ("raise SystemExit(1)", "failed with exit code 1"),
    ],
    ids=["hangs", "ignores SIGTERM", "fails", "crashes", "prints 1 GB", "has no value"],
)
def test_a_program_that_fails_is_a_warning(site: Site, put: Put, text: str, words: str) -> None:
    limit = "1s" if "timed out" in words else "60s"
    path = put(text)
    site.run("demote", "churn", "staging")
    configure(f"programs: {{time_limit: {limit}}}\n")
    warning = harmless(site.run("promote", "churn@1", "staging"))
    assert f"hook {path} " in warning
    assert words in warning
    assert "the change 'promoted' was made" in warning
    assert site.reg.model("churn").stages["staging"] == 1


def test_a_program_that_cannot_be_run(site: Site, put: Put) -> None:
    site.run("demote", "churn", "staging")
    path = put("", mode=0o644)
    assert f"hook {path} is not executable" in harmless(promoted(site))
    path.chmod(0o755)
    path.write_text("#!/no/such/interpreter\n")
    site.reg.demote("churn", "staging")
    assert "cannot be run: no such file" in harmless(site.run("promote", "churn@1", "staging"))


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_what_others_can_write_is_not_run(site: Site, put: Put, mode: int) -> None:
    path = put(KEEP, mode=mode)
    warning = harmless(site.run("promote", "churn@1", "staging"))
    assert f"hook {path} was not run: {path} can be written by others; chmod go-w {path}" in warning
    path.chmod(0o755)
    path.parent.chmod(mode)
    site.reg.demote("churn", "staging")
    assert f"was not run: {path.parent} can be written by others" in harmless(site.run("promote", "churn@1", "staging"))
    path.parent.chmod(0o755)
    assert told() == []
    assert site.run("demote", "churn", "staging").err.count("warning") == 0
    assert len(told()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_not_run(site: Site, put: Put) -> None:
    path = put(KEEP)
    os.chown(path, NOBODY, NOBODY)
    assert "belongs to another user" in harmless(site.run("promote", "churn@1", "staging"))
    assert told() == []


def test_hidden_files_and_folders_are_no_hooks(site: Site, put: Put) -> None:
    put("raise SystemExit(1)", name=".hidden")
    put("raise SystemExit(1)", name="deep", folder="hooks/another")
    (settings() / "hooks/broken").symlink_to("/no/such/file")
    assert "broken cannot be run: no such file" in harmless(promoted(site))
    (settings() / "hooks/broken").unlink()
    assert "warning" not in site.run("demote", "churn", "staging").err


def test_warnings_are_seen_with_json_and_quiet(site: Site, put: Put) -> None:
    put("raise SystemExit(1)")
    for form in ("--json", "-q"):
        answer = site.run("tag", "churn@1", f"a={form[-1]}", form)
        assert answer.code == 0
        assert answer.err.startswith("warning: hook ")
    refused = site.run("promote", "churn@9", "staging", "--json")
    assert json.loads(refused.err)["error"] == "not-found"


def test_a_signal_ends_the_hooks_and_not_the_change(site: Site, put: Put) -> None:
    begun = site.folder / "begun"
    put(f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)")
    put("open('/dev/null'); raise SystemExit(9)", name="later")
    process = begin("promote", "churn@1", "staging", root=site.root)
    until(begun.exists, "the hook begins")
    process.send_signal(signal.SIGINT)
    answer = ended(process)
    assert (answer.code, answer.out) == (0, "churn@1\n")
    assert answer.err.splitlines()[-1] == "warning: hooks were interrupted; the change itself was made"
    assert "exit code 9" not in answer.err


def test_nothing_in_the_registry_is_a_hook(site: Site, put: Put) -> None:
    for folder in (site.root, site.root / "models", site.root / "models/churn"):
        for place in (folder / "hooks", folder / ".config/registry-cli/hooks"):
            place.mkdir(parents=True)
            (place / "hook").write_text(f"#!{sys.executable}\n{KEEP}")
            (place / "hook").chmod(0o755)
    assert site.run("promote", "churn@1", "staging").code == 0
    assert told() == []


# -- addresses


SECRET = "horse battery staple"


def webhook(receiver: Receiver, **more: object) -> str:
    lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return f"webhooks:\n  - url: {receiver.url}\n{lines}"


def test_an_address_is_told_and_can_tell_who_it_was(site: Site) -> None:
    with receiving() as receiver:
        configure(webhook(receiver, secret=f"'{SECRET}'"))
        answer = site.run("promote", "churn@1", "staging", "--reason", "größe")
    assert (answer.code, "warning" in answer.err) == (0, False)
    (body,), (headers,) = receiver.bodies, receiver.headers
    said = json.loads(body)
    assert (said["ref"], said["event"]["action"], said["event"]["reason"]) == ("churn@1", "promoted", "größe")
    assert said["registry"]["id"] == site.reg.admin.settings.id
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Registry-Signature"] == f"sha256={expected}"
    assert (headers["X-Registry-Event"], headers["X-Registry-Delivery"]) == ("promoted", said["event"]["id"])
    assert headers["Content-Type"] == "application/json"
    assert receiver.paths == ["/hook?token=in-the-address"]


def test_a_secret_in_a_file(site: Site) -> None:
    key = settings() / "key"
    with receiving() as receiver:
        configure(webhook(receiver, secret_file="key"))
        assert "secret_file: no such file" in harmless(site.run("promote", "churn@1", "staging"))
        key.write_text(f"{SECRET}\n")
        key.chmod(0o644)
        site.reg.demote("churn", "staging")
        warning = harmless(site.run("promote", "churn@1", "staging"))
        assert f"{key} contains a secret but can be read by others; chmod go-r {key}" in warning
        assert receiver.bodies == []
        key.chmod(0o600)
        assert site.run("demote", "churn", "staging").code == 0
        expected = hmac.new(SECRET.encode(), receiver.bodies[0], hashlib.sha256).hexdigest()
        assert receiver.headers[0]["X-Registry-Signature"] == f"sha256={expected}"
        key.write_text("\n")
        site.reg.demote("churn", "production")
        assert "is empty" in site.run("tag", "churn@1", "x=y").err


@pytest.mark.parametrize(
    ("answers", "attempts", "words"),
    [
        ([503, 429, 200], 3, ""),
        ([CLOSE, 200], 2, ""),
        ([500, 500, 500], 3, "answered 500 (3 attempts)"),
        ([404], 1, "answered 404;"),
        ([302], 1, "answered 302;"),
        ([307], 1, "answered 307;"),
        ([HANG, HANG, HANG], 3, "within 1 s (3 attempts)"),
        ([DRIP, DRIP, DRIP], 3, "did not respond within 1 s (3 attempts)"),
    ],
)
def test_what_an_address_answers(site: Site, answers: list[int], attempts: int, words: str) -> None:
    with receiving(*answers) as receiver:
        configure(webhook(receiver, secret=f"'{SECRET}'", time_limit="1s", retries=2))
        begun = time.monotonic()
        answer = site.run("promote", "churn@1", "staging")
        assert time.monotonic() - begun < 30
    assert len(receiver.bodies) == attempts
    assert len(set(receiver.bodies)) == 1
    assert all("/hook" in path for path in receiver.paths), "what was meant for one is not handed on"
    assert site.reg.model("churn").stages["staging"] == 1
    if words:
        warning = harmless(answer)
        assert words.split(";", maxsplit=1)[0] in warning or "cannot be reached" in warning
        assert f"hook http://127.0.0.1:{receiver.port}/… " in warning
    else:
        assert "warning" not in answer.err
    assert SECRET not in answer.err + answer.out
    assert "in-the-address" not in answer.err


def test_an_address_that_is_not_there(site: Site) -> None:
    with receiving() as receiver:
        pass
    configure(webhook(receiver, retries=0))
    assert "cannot be reached: Connection refused" in harmless(site.run("promote", "churn@1", "staging"))


def test_who_wants_to_know_what(site: Site, tmp_path: Path) -> None:
    with receiving() as receiver:
        configure(
            webhook(receiver, actions="[promoted, gate-refused]", models="['risk/*', churn]")
            + f"  - url: {receiver.url}2\n    registry: {'0' * 32}\n"
            + f"  - url: {receiver.url}3\n    registry: {site.reg.admin.settings.id}\n    models: [other]\n"
        )
        for words in (
            ("tag", "churn@1", "a=b"),
            ("promote", "churn@1", "staging"),
            ("promote", "risk/fraud@1", "staging"),
        ):
            assert site.run(*words).code == 0
    assert [json.loads(body)["model"] for body in receiver.bodies] == ["churn", "risk/fraud"]


BAD_SETTINGS = {
    "webhook: []": "webhook: unknown key 'webhook'; did you mean 'webhooks'?",
    "webhooks: {url: x}": "webhooks: must be a list",
    "webhooks: [x]": "webhooks.0: must be a mapping",
    "webhooks: [{urll: x}]": "webhooks.0.urll: unknown key 'urll'; did you mean 'url'?",
    "webhooks: [{}]": "webhooks.0.url: must be a URL",
    "webhooks: [{url: 'file:///etc/passwd'}]": "webhooks.0.url: must be a URL",
    "webhooks: [{url: 'ftp://x/y'}]": "webhooks.0.url: must be a URL",
    "webhooks: [{url: 'http://['}]": "webhooks.0.url: cannot be read",
    "webhooks: [{url: 'https://bob:hunter2@x/y'}]": "webhooks.0.url: contains a user name and password",
    "webhooks: [{url: 'https://x', actions: [promotd]}]": "unknown action 'promotd'; did you mean 'promoted'?",
    "webhooks: [{url: 'https://x', actions: promoted}]": "webhooks.0.actions: must be a list of text",
    "webhooks: [{url: 'https://x', models: []}]": "webhooks.0.models: is empty",
    "webhooks: [{url: 'https://x', secret: ''}]": "webhooks.0.secret: must be text",
    "webhooks: [{url: 'https://x', secret: 3}]": "webhooks.0.secret: must be text",
    "webhooks: [{url: 'https://x', secret: hunter2, secret_file: y}]": "webhooks.0.secret: cannot be combined with 'secret_file'",
    "webhooks: [{url: 'https://x', retries: -1}]": "webhooks.0.retries: is not a valid number of retries; 0 to 10",
    "webhooks: [{url: 'https://x', time_limit: -3s}]": "webhooks.0.time_limit: '-3s'",
    "webhooks: [{url: 'https://x', time_limit: 2h}]": "is out of range",
    "webhooks: [{url: 'https://x', registry: 3}]": "webhooks.0.registry: must be text",
    "programs: [x]": "programs: must be a mapping",
    "programs: {retry: 3}": "programs.retry: unknown key 'retry'; did you mean 'retries'?",
    "webhooks: [{url: 'https://x', retry: 3}]": "webhooks.0.retry: unknown key 'retry'; did you mean 'retries'?",
    "a: &a [x]\nb: *a": "anchors and aliases are not allowed",
    "[": "line ",
}


@pytest.mark.parametrize("text", BAD_SETTINGS)
def test_settings_that_cannot_be_meant(site: Site, text: str) -> None:
    path = configure(f"{text}\n")
    warning = harmless(site.run("promote", "churn@1", "staging"))
    assert f"ignoring hooks.yaml: {path}" in warning
    assert BAD_SETTINGS[text] in warning
    assert "hunter2" not in warning


def test_settings_that_others_can_write_or_read(site: Site) -> None:
    with receiving() as receiver:
        path = configure(webhook(receiver), mode=0o666)
        assert f"{path} can be written by others" in harmless(site.run("promote", "churn@1", "staging"))
        configure(webhook(receiver, secret=f"'{SECRET}'"), mode=0o644)
        site.reg.demote("churn", "staging")
        warning = harmless(site.run("promote", "churn@1", "staging"))
        assert "contains a secret but can be read by others" in warning
        assert SECRET not in warning
        assert receiver.bodies == []
        configure(webhook(receiver), mode=0o644)
        assert site.run("demote", "churn", "staging").code == 0
        assert len(receiver.bodies) == 1


def test_a_program_runs_even_if_the_settings_cannot_be_read(site: Site, put: Put) -> None:
    put(KEEP)
    configure("webhook: []\n")
    assert "ignoring hooks.yaml" in harmless(site.run("promote", "churn@1", "staging"))
    assert len(told()) == 1


def test_repetitions_wait_longer_and_longer() -> None:
    waited: list[float] = []
    warned: list[str] = []

    class Failing:
        name, wanted, limits = "x", ALL, HookLimits(1.0, 5)

        def attempt(self, *_: object) -> None:
            raise hooks.HookError("failed")

    event = Event("e", "2026-03-03T10:00:00.000Z", "alice", "host", "promoted", 1)
    hooks.deliver(
        [cast(Any, Failing())], hooks.RegistryIdentity("/r", "1"), [("churn", event)], warned.append, waited.append
    )
    assert waited == [0.5, 1.0, 2.0, 4.0, 4.0]
    assert warned == ["hook x failed (6 attempts); the change 'promoted' was made"]


def test_an_action_that_hooks_can_name() -> None:
    """Each action of the history can be asked for."""
    for action in event_history.ACTIONS:
        configure(f"webhooks: [{{url: 'https://example.org', actions: [{action}]}}]\n")
        from registry_cli.trust.hooks import read_settings

        assert read_settings(settings() / "hooks.yaml").webhooks[0].wanted.actions == {action}


def test_without_a_folder_of_settings(site: Site) -> None:
    answer = spawn("tag", "churn@1", "a=b", root=site.root, env=environment(HOME=None))
    assert (answer.code, answer.err.count("warning")) == (0, 0)


# -- the library


def test_the_library_tells_of_each_change_when_the_lock_is_free(site: Site) -> None:
    heard: list[tuple[str, str]] = []

    def listen(model: str, event: Event) -> None:
        heard.append((model, event.action))
        if event.action == "promoted":
            Registry(site.root, author="bob", lock_timeout=1.0).tag(f"{model}@1", {"seen": "yes"})

    registry = Registry(site.root, author="alice", on_event=listen)
    registry.register("churn", [site.file], stage="staging")
    registry.tag("churn@1", {"a": "b"})
    assert heard == [("churn", "registered"), ("churn", "promoted"), ("churn", "tagged")]


def test_a_listener_that_raises_is_a_warning(site: Site) -> None:
    def fail(model: str, event: Event) -> None:
        raise RuntimeError("no")

    registry = Registry(site.root, author="alice", on_event=fail)
    with pytest.warns(RuntimeWarning, match="on_event failed for 'promoted' of churn: no"):
        assert registry.promote("churn@1", "staging").after == 1


def test_of_several_changes_each_that_was_made_is_told(site: Site) -> None:
    """The first is committed, the second refused, as somebody was faster: the first is told all the same."""
    heard: list[str] = []
    number = Registry(site.root, author="alice").register("churn", [site.file]).number

    def listen(_: str, event: Event) -> None:
        heard.append(event.action)
        Registry(site.root, author="bob").promote(f"churn@{number}", "staging")

    registry = Registry(site.root, author="alice", on_event=listen)
    with pytest.raises(Indeterminate, match="stage staging points to it"):
        registry.archive(["risk/fraud@1", f"churn@{number}"])
    assert heard == ["archived"]
