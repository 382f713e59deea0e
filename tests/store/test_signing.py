"""Signatures, by the real ``ssh-keygen``: made outside of the lock, checked by allowed_signers, asked for by a policy."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Refused, Registry, RegistryError
from registry_cli.core.records import Event
from registry_cli.trust import signatures
from tests.conftest import Clock
from tests.keys import allow, make_key, public
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    make_key(folder, "alice")
    make_key(folder, "mallory")
    return folder


@pytest.fixture
def two(reg: Registry, make_file: Make, keys: Path) -> Registry:
    """``churn`` with two versions by alice, whose key is allowed."""
    for number in (1, 2):
        reg.register("churn", [make_file(f"content {number}")], metrics={"auc": 0.9})
    allow(reg.root, ("alice@hospital.example", keys / "alice"))
    return reg


def codes(registry: Registry, **options: object) -> list[tuple[str, str]]:
    found = registry.admin.verify(signatures=True, **options)  # type: ignore[arg-type]
    return [(problem.code, problem.where) for problem in found.problems]


def test_a_signed_version(two: Registry, keys: Path) -> None:
    done = two.approvals.sign("churn@1", keys / "alice")
    assert (done.refs, done.action) == (("churn@1",), "signed")
    (signature,) = two.approvals.signatures("churn@1")
    assert (signature.by, signature.principal, signature.code) == ("alice", "alice@hospital.example", "")
    listed = subprocess.run(["ssh-keygen", "-l", "-f", keys / "alice.pub"], capture_output=True, check=True, text=True)
    assert signature.key == listed.stdout.split()[1]
    assert two.approvals.signatures("churn@2") == ()
    found = two.admin.verify(signatures=True)
    assert (found.problems, found.signatures, found.unsigned) == ((), 1, 1)
    assert two.admin.verify().signatures is None
    two.approvals.sign("churn@1", keys / "alice")
    assert len(two.approvals.signatures("churn@1")) == 1, "one a key"
    two.tag("churn@1", {"a": "b"})
    assert len(two.approvals.signatures("churn@1")) == 1


def test_anybody_can_check_it_by_hand(two: Registry, keys: Path, tmp_path: Path) -> None:
    """What ``docs/format.md`` says is enough, without this program."""
    import json

    two.approvals.sign("churn@1", keys / "alice")
    event = json.loads((two.root / "models/churn/history.jsonl").read_bytes().splitlines()[-1])
    for key in ("seq", "prev", "highest", "revision", "sealed", "hash"):
        del event[key]
    (tmp_path / "signature").write_text(event.pop("signature"))
    statement = json.dumps(event, sort_keys=True, separators=(",", ":"))
    words = ["ssh-keygen", "-Y", "verify", "-n", "registry-cli", "-I", "alice@hospital.example"]
    done = subprocess.run(
        [*words, "-f", two.root / "allowed_signers", "-s", tmp_path / "signature"], input=statement.encode(), check=False
    )  # fmt: skip
    assert done.returncode == 0


def test_who_is_not_allowed_or_is_somebody_else_is_told(two: Registry, keys: Path, clock: Clock) -> None:
    two.approvals.sign("churn@1", keys / "mallory")
    assert codes(two) == [("signature-unknown", "churn@1")]
    assert "SHA256:" in two.approvals.signatures("churn@1")[0].problem
    allow(two.root, ("mallory", keys / "mallory"))
    assert codes(two) == [("signature-other", "churn@1")]
    assert two.approvals.signatures("churn@1")[0].problem == "says alice, but is signed by mallory"
    allow(two.root, ("mallory,alice", keys / "mallory"))
    assert codes(two) == []
    other = Registry(two.root, author="alice@corp.example", now=clock)
    other.approvals.sign("churn@2", keys / "alice")
    allow(two.root, ("alice", keys / "mallory"), ("alice@corp.example", keys / "alice"))
    assert codes(two) == []
    allow(two.root, ("alice", keys / "mallory"), ("*@hospital.example", keys / "alice"))
    assert codes(two) == [], "alice@corp.example@hospital.example is one of these"
    allow(two.root, ("*@hospital.example", keys / "mallory"))
    assert two.approvals.signatures("churn@1")[0].principal == "alice@hospital.example"
    unknown = [("signature-unknown", "churn@1"), ("signature-unknown", "churn@2")]
    allow(two.root, ('alice namespaces="git"', keys / "mallory"))
    assert codes(two) == unknown
    (two.root / "allowed_signers").unlink()
    assert codes(two) == unknown
    assert "allowed_signers is missing" in two.approvals.signatures("churn@1")[0].problem


def test_a_key_must_have_been_valid_when_it_signed_and_not_be_revoked(two: Registry, keys: Path, clock: Clock) -> None:
    two.approvals.sign("churn@1", keys / "alice")  # on 2026-03-01, by the clock of the test
    allow(two.root, ('alice valid-before="20260301"', keys / "alice"))
    assert codes(two) == [("signature-unknown", "churn@1")]
    allow(two.root, ('alice valid-after="20260201",valid-before="20260401"', keys / "alice"))
    assert codes(two) == [], "that it is over since does not matter"
    (two.root / "revoked_signers").write_text(f"{public(keys / 'alice')}\n")
    assert codes(two) == [("signature-unknown", "churn@1")]
    (two.root / "revoked_signers").write_text(f"{public(keys / 'mallory')}\n")
    assert codes(two) == []
    (two.root / "revoked_signers").unlink()
    (two.root / "revoked_signers").symlink_to("nowhere")
    assert codes(two) == [("signature-unknown", "churn@1")], "a list that cannot be read revokes all"


def test_by_another_file_than_the_registrys_own(two: Registry, keys: Path, tmp_path: Path) -> None:
    """Whoever can write to the registry can write its allowed_signers."""
    two.approvals.sign("churn@1", keys / "mallory")
    allow(two.root, ("alice", keys / "mallory"))
    assert codes(two) == []
    kept = tmp_path / "kept"
    kept.mkdir()
    allow(kept, ("alice", keys / "alice"))
    assert codes(two, allowed_signers=kept / "allowed_signers") == [("signature-unknown", "churn@1")]
    with pytest.raises(NotFound, match=r"file .* not found"):
        two.admin.verify(signatures=True, allowed_signers=tmp_path / "nothing")


def test_signed_events_of_every_kind(two: Registry, keys: Path) -> None:
    key = keys / "alice"
    two.approvals.approve("churn@1", "production", sign=key)
    for number in (1, 2):
        two.promote(f"churn@{number}", "production", reason="größe ok", sign=key, request_id=f"p{number}")
    two.rollback("churn", "production", sign=key)
    two.demote("churn", "production", sign=key)
    found = two.admin.verify(signatures=True)
    assert (found.problems, found.signatures, found.unsigned) == ((), 5, 2)
    for entry in two.history("churn", actions=("approved", "promoted", "rolled-back", "demoted")):
        assert entry.event.detail["signature"].startswith("-----BEGIN SSH SIGNATURE-----")
        assert entry.event.detail["record"].startswith("sha256:")
    assert two.promote("churn@2", "production", sign=key, request_id="p2").note == "repeated"
    assert two.approvals("churn@1")[0].signature is not None


def test_nothing_is_signed_where_nothing_is_done(two: Registry, keys: Path) -> None:
    two.promote("churn@1", "production")
    before = snapshot(two.root)
    assert two.promote("churn@1", "production", sign=keys / "alice").changed is False
    assert two.promote("churn@2", "production", sign=keys / "nothing there", dry_run=True).changed is True
    assert two.approvals.sign("churn@2", keys / "nothing there", dry_run=True).changed is True
    assert two.approvals.approve("churn@2", "production", sign=keys / "nothing there", dry_run=True).changed is True
    for deed in (
        lambda: two.promote("churn@2", "production", sign=keys / "nothing there"),
        lambda: two.approvals.approve("churn@2", "production", sign=""),
        lambda: two.approvals.sign("churn@2", keys),
    ):
        with pytest.raises(NotFound, match=r"key .* not found"):
            deed()
    with pytest.raises(InvalidInput, match="cannot sign"):
        two.approvals.sign("churn@2", two.root / "registry.yaml")
    with pytest.raises(InvalidInput, match="is locked by a passphrase; add it to an agent first"):
        two.approvals.sign("churn@2", make_key(keys, "locked", "secret"))
    assert snapshot(two.root) == before


def test_the_lock_is_free_while_a_key_waits_and_what_changed_meanwhile_is_a_conflict(
    two: Registry, keys: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = signatures.sign, Registry(two.root, author="bob", now=clock, lock_timeout=0.5)
    meanwhile: list[Callable[[], object]] = []

    def slow(data: bytes, key: str | os.PathLike[str]) -> str:
        meanwhile.pop()()
        return real(data, key)

    monkeypatch.setattr(signatures, "sign", slow)
    two.promote("churn@1", "production")
    meanwhile.append(lambda: other.promote("churn@2", "staging"))
    assert two.promote("churn@2", "production", sign=keys / "alice").before == 1
    meanwhile.append(lambda: other.promote("churn@1", "production"))
    with pytest.raises(Conflict, match="churn was changed during signing"):
        two.demote("churn", "production", sign=keys / "alice")
    meanwhile.append(lambda: other.log_metric("churn@1", {"auc": 0.1}))
    with pytest.raises(Conflict, match="changed during signing"):
        two.approvals.approve("churn@1", "production", sign=keys / "alice")
    meanwhile.append(lambda: other.tag("churn@1", {"a": "b"}))
    two.approvals.sign("churn@1", keys / "alice")
    assert two.version("churn@1").tags == {"a": "b"}, "what was said meanwhile is kept"
    assert codes(two) == []


def test_an_agent_signs_by_the_public_half(two: Registry, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for agent in _agent(monkeypatch):
        subprocess.run(["ssh-add", "-q", keys / "alice"], check=True, capture_output=True)
        (keys / "alice").unlink()
        two.approvals.sign("churn@1", keys / "alice.pub")
        assert codes(two) == []
        agent.terminate()
        agent.wait()
    with pytest.raises(InvalidInput, match="cannot sign"):
        two.approvals.sign("churn@2", keys / "alice.pub")


def _agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="registry-agent-") as folder:
        path = Path(folder, "agent")
        with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent:
            while not path.exists():
                assert agent.poll() is None
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            yield agent


def test_without_openssh_or_with_an_old_one_it_is_said(
    two: Registry, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.approvals.sign("churn@1", keys / "alice")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for deed in (lambda: two.approvals.sign("churn@2", keys / "alice"), lambda: two.admin.verify(signatures=True)):
        with pytest.raises(RegistryError, match=r"ssh-keygen is not installed.*; install OpenSSH 8\.2"):
            deed()
    assert two.approvals.signatures("churn@1")[0].code == "unchecked"
    old = tmp_path / "bin" / "ssh-keygen"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'unknown option -- Y' >&2\necho 'usage: ssh-keygen [-q]' >&2\nexit 1\n")
    old.chmod(0o755)
    with pytest.raises(RegistryError, match="ssh-keygen is too old for signatures; install"):
        two.approvals.sign("churn@2", keys / "alice")


def test_a_policy_asks_for_signatures(two: Registry, keys: Path) -> None:
    with (two.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {require: {signed_by: ['alice@hospital.example']}}}\n")

    def found() -> str:
        return two.policies.check("churn@1", "production").rules[0].found

    assert found() == "not signed"
    two.approvals.sign("churn@1", keys / "mallory")
    assert found() == "no valid signature by them"
    with pytest.raises(Refused, match="refuses churn@1: signed_by"):
        two.promote("churn@1", "production")
    two.approvals.sign("churn@1", keys / "alice")
    two.promote("churn@1", "production")
    kept = (two.root / "allowed_signers").read_text()
    (two.root / "allowed_signers").unlink()
    assert found() == "the registry has no allowed_signers"
    (two.root / "allowed_signers").write_text(kept.replace("alice@", "carol@"))
    assert found() == "no valid signature by them"


def test_a_gate_that_can_not_ask_ssh_keygen_lets_nothing_in(
    two: Registry, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.approvals.sign("churn@1", keys / "alice")
    with (two.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {require: {signed_by: ['alice@hospital.example']}}}\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    rule = two.policies.check("churn@1", "production").rules[0]
    assert rule.outcome == "failed"
    assert "ssh-keygen is not installed" in rule.found


@pytest.mark.parametrize(
    "text", ["", "x", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "\x00" * 99]
)
def test_what_is_no_signature_is_a_bad_one(text: str, two: Registry) -> None:
    event = Event("id", "2026-03-01T00:00:00.000Z", "alice", "host", "signed", 1, {"signature": text})
    trust = signatures.Trust(two.root / "allowed_signers", two.root / "revoked_signers")
    assert (trust.verify(event).code, trust.is_signed_by(event, "alice")) == ("signature-bad", False)
    assert signatures.fingerprint(text) == ""
