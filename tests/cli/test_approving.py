"""``approve``, ``approvals``, ``sign``, ``--sign`` and ``verify --signatures`` as a person or a script sees them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pexpect
import pytest

from registry_cli import Registry
from registry_cli.operations.context import get_account_name
from tests.cli.conftest import Site
from tests.commands import assert_inert, assert_refused, on_terminal, spawn, terminal, uncoloured
from tests.crash.world import fingerprint
from tests.keys import allow, make_key
from tests.lineage.conftest import Repo
from tests.scan.corpus import DATA

FOREST = DATA / "forest.pkl"
POLICY = "policy: {production: {approvals: 1, require: {metrics: {auc: '>= 0.9'}}}}\n"


@pytest.fixture
def gated(site: Site) -> Site:
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write(POLICY)
    return site


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "keys", "k")


def test_approve_and_approvals(gated: Site) -> None:
    answer = gated.run("approve", "churn@2", "production", "--reason", "reviewed")
    assert (answer.code, answer.out, answer.err) == (0, "churn@2\n", "churn@2: approved for production\n")
    again = gated.run("approve", "churn@2", "production", "--reason", "reviewed")
    assert again.err == "churn@2: already approved for production\n"
    who = get_account_name()
    told = gated.run("approvals", "churn@2")
    fields = told.lines[0].split("\t")
    assert fields[:3] + fields[4:] == ["production", who, "approved", "in-force", "", "", "reviewed"]
    (item,) = gated.run("approvals", "churn@2", "--json").json["items"]
    assert {name: item[name] for name in ("ref", "stage", "by", "approved", "state", "signature")} == {
        "ref": "churn@2", "stage": "production", "by": who, "approved": True, "state": "in-force", "signature": None,
    }  # fmt: skip
    assert gated.run("approvals", "churn@2", "-q").lines == [who]
    assert gated.run("promote", "churn@2", "production").code == 0
    gated.run("approve", "churn@2", "production", "--reject", "--reason", "drifts")
    assert gated.run("approvals", "churn@2", "-q").lines == []
    answer = gated.run("check", "churn@2", "production")
    assert answer.code == 5
    assert answer.lines[-1] == f"rejection\tnone\tby {who}: drifts\tfailed"
    shown = gated.run("history", "churn", "--action", "rejected", "--limit", "1").lines[0]
    assert shown.split("\t")[3:] == ["rejected", "churn@2", "production; “drifts”"]


def test_what_waits_for_approval(site: Site) -> None:
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("policy: {production: {not_author: true}}\n")
    who = get_account_name()
    Registry(site.root).register("own", [site.file])
    answer = site.run("approvals", "--pending")
    assert [line.split("\t")[:5] for line in answer.lines] == [
        ["churn@2", "production", "someone other than the author", "0 of 1", "alice"],
        ["own@1", "production", "someone other than the author", "0 of 1", who],
        ["risk/fraud@1", "production", "someone other than the author", "0 of 1", "alice"],
    ]
    assert site.run("approvals", "--pending", "--mine", "-q").lines == ["churn@2", "risk/fraud@1"]
    document = site.run("approvals", "--pending", "--json").json
    assert (document["kind"], document["items"][0]["ref"], document["items"][0]["approved_by"]) == (
        "pending",
        "churn@2",
        [],
    )
    done = site.run("approve", "own@1", "production", "--yes")
    assert done.err == f"own@1: approved for production\nwarning: this approval does not count: {who} is the author\n"
    done = site.run("approve", "own@1", "production", "--yes", "--json")
    assert (done.json["counts"], done.json["reason"]) == (False, "is the author")
    done = site.run("approve", "churn@2", "production", "--yes", "--json")
    assert (done.json["counts"], done.json["reason"]) == (True, None)
    assert site.run("approvals", "--pending", "--mine", "-q").lines == ["risk/fraud@1"]
    for words in ((), ("--mine",), ("churn@2", "--pending"), ("churn@2", "--mine")):
        assert_refused(site.run("approvals", *words), 2)
    assert "registry approvals --pending" in site.run("approvals").err


def test_fewer_than_asked_for_is_waiting_and_refused(gated: Site) -> None:
    answer = gated.run("check", "churn@2", "production")
    assert (answer.code, answer.lines[-1]) == (5, "approvals\tat least 1\t0 of 1\twaiting")
    assert_refused(gated.run("promote", "churn@2", "production"), 5)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("approve", "churn@2", "production"), 2),
        (("approve", "churn@2", "production", "--review"), 2),
        (("approve", "churn@2", "production", "--review", "--reason", "x"), 2),
        (("approve", "churn@2", "production", "--reject"), 2),
        (("approve", "churn@2", "production", "--reject", "--yes"), 2),
        (("approve", "churn@2", "prod", "--yes"), 2),
        (("approve", "churn@9", "production", "--yes"), 3),
        (("approve", "churn@3", "production", "--yes"), 4),
        (("approve", "churn@2", "production", "--yes", "--sign", "nothing"), 3),
        (("approvals", "churn@9"), 3),
        (("approvals", "Churn"), 2),
        (("sign", "churn@2"), 2),
        (("sign", "churn@2", "--key", "/"), 3),
        (("sign", "churn@2", "--key", ""), 3),
        (("sign", "churn@9", "--key", "nothing"), 3),
        (("promote", "churn@2", "staging", "--sign", "nothing"), 0),  # it is there already
        (("demote", "churn", "staging", "--sign", "nothing"), 3),
        (("verify", "--allowed-signers", "nothing"), 3),
    ],
)
def test_what_is_refused_changes_nothing(gated: Site, words: tuple[str, ...], code: int) -> None:
    before = fingerprint(gated.root)
    answer = gated.run(*words)
    if code:
        assert_refused(answer, code)
    assert answer.code == code
    assert fingerprint(gated.root) == before


def test_on_a_terminal_a_reviewer_sees_it_all_and_is_asked(gated: Site) -> None:
    Registry(gated.root, author="bob").approvals.approve("churn@2", "staging", reason="first look")
    with terminal("approve", "churn@2", "production", root=gated.root) as child:
        child.expect_exact("Approve churn@2 for production? [y/N, r to reject] ")
        screen = uncoloured(child.before)
        child.sendline("y")
        child.expect_exact("Why? ")
        child.sendline("no drift since March")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    for words in (
        "churn@2 for production: by alice", "run 2", "at least 1", "0 of 1", "waiting", "passed", "churn@1 → churn@2",
        "0.903333", "0.906667", "earlier decisions", "bob approved it for staging, in force “first look”",
    ):  # fmt: skip
        assert words in screen, words
    assert [each.reason for each in gated.reg.approvals("churn@2")] == ["first look", "no drift since March"]


@pytest.mark.parametrize(
    ("answer", "why", "left"), [("r", "no", "rejected"), ("", None, ""), ("n", None, ""), ("r", "", "")]
)
def test_the_answer_counts(answer: str, why: str | None, left: str, gated: Site) -> None:
    with terminal("approve", "churn@2", "production", root=gated.root) as child:
        child.expect_exact("r to reject] ")
        child.sendline(answer)
        if why is not None:
            child.expect_exact("Why? ")
            child.sendline(why)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == (0 if left else 2)
        assert "Traceback" not in child.before
    assert [each.approved for each in gated.reg.approvals("churn@2")] == ([False] if left else [])


def test_with_a_reason_nothing_is_asked_unless_a_review_is_wanted(gated: Site) -> None:
    assert on_terminal("approve", "churn@2", "production", "--reason", "x", root=gated.root).code == 0
    assert on_terminal("approve", "churn@2", "staging", "-y", root=gated.root).code == 0
    assert on_terminal("approve", "churn@2", "staging", "--no-input", root=gated.root).code == 2
    with terminal(
        "approve", "churn@2", "production", "--reject", "--review", "--reason", "y", root=gated.root
    ) as child:
        child.expect_exact("Reject churn@2 for production? [y/N] ")
        child.send("\x03")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130
    assert gated.reg.approvals("churn@2")[0].approved
    before = fingerprint(gated.root)
    shown = on_terminal("approve", "churn@1", "production", "--review", "-n", root=gated.root)
    assert (shown.code, "churn@1 is in production" in shown.out) == (0, True)
    assert fingerprint(gated.root) == before


def test_a_review_of_hostile_text_acts_on_no_terminal(gated: Site) -> None:
    evil = "\x1b[2J[bold]\u202e"
    gated.reg.tag("churn@2", {"x": "[red]\u202eevil"})
    Registry(gated.root, author="[/x]").approvals.approve("churn@2", "staging", reason="[bold]\u202e")
    shown = on_terminal("approve", "churn@2", "production", "--review", "-n", root=gated.root)
    assert shown.code == 0
    assert_inert(uncoloured(shown.out))
    assert_inert(gated.run("approvals", "churn@2").out)
    assert evil not in shown.out


def test_sign_verify_show_and_history(site: Site, key: Path) -> None:
    allow(site.root, (f"{get_account_name()}@example.com", key))
    answer = site.run("sign", "churn@2", "--key", key)
    assert (answer.code, answer.out, answer.err) == (0, "churn@2\n", "churn@2: signed\n")
    assert site.run("promote", "churn@2", "production", "--sign", key).code == 0
    told = site.run("verify", "churn", "--signatures")
    assert (told.code, told.out) == (0, "")
    assert told.err.splitlines()[-1] == "2 signatures checked; 2 unsigned versions"
    document = site.run("verify", "--signatures", "--json").json
    assert (document["ok"], document["signatures"], document["unsigned"]) == (True, 2, 3)
    assert site.run("verify", "--json").json["signatures"] is None
    assert f"signed\t{get_account_name()}@example.com" in site.run("show", "churn@2").lines
    (signature,) = site.run("show", "churn@2", "--json").json["signatures"]
    assert (signature["principal"], signature["code"]) == (f"{get_account_name()}@example.com", None)
    assert site.run("show", "churn@1", "--json").json["signatures"] == []
    newest = site.run("history", "churn", "--limit", "1").lines[0]
    assert newest.endswith("production: 1 → 2; signed")
    assert site.run("history", "churn", "--limit", "1", "--json").json["items"][0]["signature"].startswith("-----BEGIN")


def test_a_bad_signature_is_6(site: Site, key: Path) -> None:
    site.run("sign", "churn@2", "--key", key)
    answer = site.run("verify", "--signatures")
    assert (answer.code, answer.lines[0].split("\t")[:3]) == (6, ["error", "signature-unknown", "churn@2"])
    assert json.loads(site.run("verify", "--signatures", "--json").out)["problems"][0]["code"] == "signature-unknown"
    kept = site.folder / "kept"
    kept.write_text("")
    assert site.run("verify", "--allowed-signers", kept).code == 6
    shown = site.run("show", "churn@2")
    assert any(line.startswith(f"signed\tby {get_account_name()}, which does not count: ") for line in shown.lines)


def test_a_rejected_version_in_the_list_of_a_rollback(site: Site) -> None:
    site.run("approve", "churn@2", "production", "--reject", "--reason", "leaks")
    assert site.run("rollback", "churn", "production", "--list").lines == ["churn@1\tcurrent", "churn@2\trejected"]
    answer = site.run("rollback", "churn", "production")
    assert_refused(answer, 5)
    assert answer.err == (
        "error: churn@2, which held production before, was rejected for it (see 'registry approvals churn@2'); "
        "promote another version\n"
    )


def test_a_reviewer_is_told_what_matters_of_the_origin(gated: Site, tmp_path: Path) -> None:
    """Format, framework, verdict, commit, what is not committed, data and parents; not whose machine it was."""
    repo = Repo(tmp_path / "repo")
    repo.write("train.py", "print(2)\n")
    data = repo.write("train.csv", "a,b\n1,2\n")
    shutil.copy(FOREST, repo.folder / "forest.pkl")
    words = ["--data", data, "--parent", "churn@1", "--command", "python train.py", "-m", "auc=0.95"]
    assert spawn("register", "churn", "forest.pkl", *words, root=gated.root, cwd=repo.folder).code == 0
    (version,) = Registry(gated.root).versions("churn")[:1]
    assert {"host", "register"} <= version.lineage["run"].keys()
    digest = version.lineage["data"][0]["digest"]
    for shown in (
        on_terminal("approve", version.ref, "production", "--review", "-n", root=gated.root, columns=160),
        on_terminal("show", version.ref, root=gated.root, columns=160),
    ):
        assert shown.code == 0, shown
        text = " ".join(uncoloured(shown.out).replace(":", " ").split())
        for line in (
            "format pickle", "framework sklearn 1.9.1", "scan known-globals", "class sklearn.ensemble._forest.RandomForestClassifier",
            f"commit main {repo.head[:12]} + changes", f"data {version.lineage['data'][0]['path']} {digest.replace(':', ' ')[:19]}…, 8 B", "parents churn@1",
            "command python train.py",
        ):  # fmt: skip
            assert line in text, (line, text)
        for noise in ("run.host", "run.user", "run.folder", "run.register", "started"):
            assert noise not in text, noise
    said = spawn("show", version.ref, root=gated.root).out
    assert "lineage.run.host" in said, "a pipe gets everything"
