"""Forged approvals and signatures: whoever can write can forge, and it is found; what is forged lets nothing in."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Damaged, Refused, Registry
from registry_cli.core.yaml import documents
from tests.integrity.conftest import Store
from tests.keys import allow, make_key

FORGED = ("unrecorded-approval", "error")
CHANGED = ("changed-document", "error")
POLICY = "policy: {production: {approvals: 1}, staging: {approvals: 1}}\n"


@pytest.fixture
def gated(store: Store) -> Store:
    """churn@5 is approved by carol for production; churn@1 has an annotation and no approval."""
    with (store.root / "registry.yaml").open("a") as stream:
        stream.write(POLICY)
    carol = Registry(store.root, author="carol")
    carol.approvals.approve("churn@5", "production", reason="reviewed")
    return store


def said(store: Store, number: int) -> dict[str, Any]:
    path = store.at(f"annotations/{number}.yaml")
    return documents.loads_mapping(path.read_bytes(), path.name) if path.exists() else {"format": 1}


def put(store: Store, number: int, document: dict[str, Any]) -> None:
    path = f"annotations/{number}.yaml"
    (store.write if store.at(path).exists() else store.put)(path, documents.dumps(document))


def forged(store: Store, number: int, stage: str, **changes: Any) -> None:
    """Carol's approval of churn@5, as if it were this version's, for this stage."""
    event = {**copy.deepcopy(said(store, 5)["approvals"][0]), "version": number, "stage": stage, **changes}
    version = store.at(f"versions/{number}/version.yaml").read_bytes()
    event["record"] = f"sha256:{hashlib.sha256(version).hexdigest()}"
    event["digest"] = documents.loads_mapping(version, "v")["digest"]
    put(store, number, {**said(store, number), "approvals": [event]})


FORGERIES: dict[str, tuple[int, str, Callable[[Store], None]]] = {
    "made up": (1, "production", lambda store: forged(store, 1, "production", id="f" * 32)),
    "for another version": (1, "production", lambda store: forged(store, 1, "production")),
    "copied as it is": (1, "production", lambda store: put(store, 1, {**said(store, 1), "approvals": said(store, 5)["approvals"]})),
    "for another stage": (5, "staging", lambda store: forged(store, 5, "staging")),
    "by another person": (5, "staging", lambda store: forged(store, 5, "staging", by="dave", id="e" * 32)),
    "must be a list": (1, "production", lambda store: put(store, 1, {**said(store, 1), "approvals": {"by": "carol"}})),
    "must be a mapping": (1, "production", lambda store: put(store, 1, {**said(store, 1), "approvals": ["carol"]})),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_approval_counts_for_nothing_and_is_found(name: str, gated: Store) -> None:
    number, stage, forge = FORGERIES[name]
    assert gated.found() == set()
    forge(gated)
    assert {FORGED, CHANGED} <= gated.found()
    assert gated.where("unrecorded-approval") == [f"churn@{number}"]
    with pytest.raises(Refused, match="approvals"):
        gated.reg.promote(f"churn@{number}", stage)


def test_an_approval_that_is_found_even_when_the_seal_was_made_anew(gated: Store) -> None:
    """The forger also writes a true event, so that the journal seals the forged document."""
    forged(gated, 1, "production")
    gated.reg.tag("churn@1", {"a": "b"})
    assert gated.found() == {FORGED}
    with pytest.raises(Refused, match="approvals"):
        gated.reg.promote("churn@1", "production")


def test_a_basis_that_was_changed_in_both_places_breaks_the_chain(gated: Store) -> None:
    gated.reg.log_metric("churn@5", {"auc": 0.1})
    line = next(line for line in gated.at("history.jsonl").read_bytes().splitlines() if b'"approved"' in line)
    event = json.loads(line)
    gated.change("history.jsonl", event["basis"]["metrics"], "sha256:" + "0" * 64)
    assert "journal-torn" in {code for code, _ in gated.found()}
    with pytest.raises(Damaged, match="history of churn is damaged"):
        gated.reg.promote("churn@5", "production")


def test_a_rejection_that_was_taken_out_still_stops_and_is_missed(gated: Store) -> None:
    gated.reg.approvals.approve("churn@5", "production", reject=True, reason="leaks")
    document = said(gated, 5)
    approved = [each for each in document["approvals"] if each["action"] == "approved"]
    put(gated, 5, {**document, "approvals": approved})
    with pytest.raises(Refused, match="rejection"):
        gated.reg.promote("churn@5", "production")
    assert CHANGED in gated.found()


@pytest.fixture
def signed(store: Store, tmp_path: Path) -> Store:
    """bob signed churn@1, and promoted churn@2 with his signature; mallory's key is hers, not his."""
    allow(store.root, ("bob", make_key(tmp_path / "keys", "bob")), ("mallory", make_key(tmp_path / "keys", "mallory")))
    store.reg.approvals.sign("churn@1", tmp_path / "keys/bob")
    store.reg.promote("churn@1", "production", sign=tmp_path / "keys/bob")
    return store


def codes(store: Store) -> set[tuple[str, str]]:
    problems = store.reg.admin.verify(signatures=True).problems
    return {(problem.code, problem.where) for problem in problems if problem.code.startswith("signature-")}


def resign(store: Store, number: int, **changes: Any) -> None:
    """churn@1's signature, with changes, as that of another version."""
    event = {**said(store, 1)["signatures"][0], **changes}
    put(store, number, {**said(store, number), "signatures": [event]})


def test_a_signature_of_another_version_copied_over(signed: Store) -> None:
    resign(signed, 2)
    assert codes(signed) == {("signature-misplaced", "churn@2")}
    assert signed.reg.approvals.signatures("churn@2")[0].code == "signature-misplaced"
    resign(signed, 2, digest=f"sha256:{signed.reg.version('churn@2').digest}")
    assert codes(signed) == {("signature-bad", "churn@2")}


def test_a_signature_of_another_version_satisfies_no_policy(signed: Store) -> None:
    with (signed.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {staging: {require: {signed_by: [bob]}}}\n")
    resign(signed, 2)
    assert signed.reg.policies.check("churn@2", "staging").rules[0].found == "signed for another version"
    assert signed.reg.policies.check("churn@1", "staging").passed


@pytest.mark.parametrize("change", [{"by": "alice"}, {"at": "2020-01-01T00:00:00.000Z"}, {"more": 1}, {"id": "x"}])
def test_a_statement_that_was_changed(signed: Store, change: dict[str, Any]) -> None:
    resign(signed, 1, **change)
    assert codes(signed) == {("signature-bad", "churn@1")}


def test_a_signature_that_was_changed(signed: Store) -> None:
    text = said(signed, 1)["signatures"][0]["signature"]
    lines = text.split("\n")
    lines[3] = lines[3][:8] + ("A" if lines[3][8] != "A" else "B") + lines[3][9:]
    resign(signed, 1, signature="\n".join(lines))
    assert codes(signed) == {("signature-bad", "churn@1")}


def test_a_signed_event_that_somebody_else_signs_as_if_by_its_author(signed: Store, tmp_path: Path) -> None:
    """The whole chain is made anew, but for the one thing that can't be: bob's key."""
    from registry_cli.core.records import Event
    from registry_cli.trust import signatures

    event = Event.parse({**said(signed, 1)["signatures"][0], "by": "bob"})
    signature = signatures.sign(signatures.signed_bytes(event), tmp_path / "keys/mallory")
    resign(signed, 1, signature=signature)
    assert codes(signed) == {("signature-other", "churn@1")}
    assert signed.reg.approvals.signatures("churn@1")[0].problem == "says bob, but is signed by mallory"


def _chained(lines: list[dict[str, Any]]) -> bytes:
    """A journal made anew with these events: every hash is right."""
    prev, raw = "0" * 64, b""
    for line in lines:
        body = json.dumps({**line, "prev": prev}, separators=(",", ":")).encode()
        prev = hashlib.sha256(body).hexdigest()
        raw += body[:-1] + b',"hash":"' + prev.encode() + b'"}\n'
    return raw


def test_a_chain_that_was_made_anew_is_sound_but_what_was_signed_in_it_is_not(signed: Store) -> None:
    """The attack that a chain of hashes alone can't show: 'production was given to 2, by bob'."""
    path = signed.at("history.jsonl")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        del line["hash"]
    assert _chained(lines) == path.read_bytes()
    newest = lines[-1]
    newest["reason"] = "as agreed with carol"
    signed.write("history.jsonl", _chained(lines))
    table = documents.loads_mapping(signed.at("stages.yaml").read_bytes(), "stages.yaml")
    table["changed"]["reason"] = "as agreed with carol"
    revision = table["revision"]
    for name in ("stages.yaml", f".stages-{revision}"):
        signed.write(name, documents.dumps(table))
    assert signed.found() == set()
    assert codes(signed) == {("signature-bad", "churn@1")}


def test_a_signature_told_of_another_model(signed: Store) -> None:
    fraud = Store(signed.root)
    fraud.churn = signed.root / "models/risk/fraud"
    put(fraud, 1, {"format": 1, "signatures": said(signed, 1)["signatures"]})
    assert codes(fraud) == {("signature-misplaced", "risk/fraud@1")}


def test_a_signed_event_told_in_the_history_of_another_model(signed: Store) -> None:
    """bob's promotion of churn@1, in a chain made anew, as if it had been risk/fraud@1 that he meant."""
    promoted = json.loads(signed.at("history.jsonl").read_bytes().splitlines()[-1])
    fraud = Store(signed.root)
    fraud.churn = signed.root / "models/risk/fraud"
    lines = [json.loads(line) for line in fraud.at("history.jsonl").read_bytes().splitlines()]
    for line in lines:
        del line["hash"]
    del promoted["hash"]
    lines.append({**promoted, "seq": len(lines) + 1, "highest": 1, "revision": 1})
    fraud.write("history.jsonl", _chained(lines))
    assert codes(fraud) == {("signature-misplaced", "risk/fraud@1")}
