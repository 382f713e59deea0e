"""Retention on the command line: dry runs, plans in files, questions, silence, exit codes."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pexpect
import pytest

from registry_cli import Registry
from tests.cli.conftest import Site
from tests.commands import Answer, assert_refused, begin, ended, on_terminal, terminal
from tests.crash.world import fingerprint


@pytest.fixture
def filled(site: Site) -> Site:
    """``churn`` as it was, and 4 to 6 with it: 4 in use, 5 the best, 6 the newest. 3 is archived."""
    for number, auc in ((4, 0.1), (5, 0.99), (6, 0.2)):
        site.reg.register("churn", [site.make("model.pkl", f"content {number}")], metrics={"auc": auc})
    return site


RULES = ("--older-than", "0s", "--keep", "1", "--best", "auc:1")


def test_a_dry_run_tells_why(filled: Site) -> None:
    before = fingerprint(filled.root)
    answer = filled.run("archive", "churn", *RULES, "--dry-run")
    assert answer.code == 0
    assert answer.err == "would archive 1 version of churn, keep 5; deleting them would free 9 B\n"
    assert answer.lines == [
        "churn@6\tkeep\tthe newest\t0",
        "churn@5\tkeep\tthe best by auc\t0",
        "churn@4\tarchive\tmade more than 0s ago, not one of the newest 1, not one of the best 1 by auc\t9",
        "churn@3\tkeep\talready archived\t0",
        "churn@2\tkeep\tholds staging\t0",
        "churn@1\tkeep\tholds production\t0",
    ]
    (plan,) = filled.run("archive", "churn", *RULES, "-n", "--json").json["items"]
    assert (plan["refs"], plan["freed"], plan["highest"]) == (["churn@4"], 9, 6)
    assert plan["verdicts"][0] == {"version": 6, "chosen": False, "reason": "the newest", "freed": 0}
    assert filled.run("archive", "churn", *RULES, "-n", "-q").lines == ["churn@4"]
    shown = on_terminal("archive", "churn", *RULES, "-n", root=filled.root).out
    assert "would archive 1 version of churn, keep 5" in shown
    assert " @4 " in shown
    assert "made more than 0s ago" in " ".join(shown.split())
    assert fingerprint(filled.root) == before


def test_nothing_to_do_is_quiet(filled: Site) -> None:
    assert filled.run("archive", "churn", *RULES, "-q") == Answer(0, "churn@4\n", "")
    before = fingerprint(filled.root)
    for words in (("archive", "churn", *RULES), ("prune", "--all", "--yes"), ("prune", "--all"),
                  ("delete", "churn", "--older-than", "1d")):  # fmt: skip
        assert filled.run(*words) == Answer(0, "", "nothing to do\n")
        assert filled.run(*words, "-q") == Answer(0, "", "")
    assert filled.run("archive", "churn", *RULES, "-n").err == "nothing to do: all versions are kept\n"
    assert fingerprint(filled.root) == before


def test_a_plan_in_a_file(filled: Site) -> None:
    plan = filled.folder / "plan.json"
    before = fingerprint(filled.root)
    assert filled.run("archive", "churn", *RULES, "--plan", plan, "-q").lines == ["churn@4"]
    assert fingerprint(filled.root) == before
    assert json.loads(plan.read_text()) == filled.run("archive", "churn", *RULES, "-n", "--json").json
    assert filled.run("apply", plan, "--dry-run") == Answer(0, "churn@4\n", "would be archived: churn@4\n")
    assert filled.run("apply", "-", stdin=b"").code == 2
    assert filled.run("apply", "-", stdin=plan.read_bytes()) == Answer(0, "churn@4\n", "archived: churn@4\n")
    after = fingerprint(filled.root)
    assert filled.run("apply", plan).lines == ["churn@4"]
    assert fingerprint(filled.root) == after
    filled.run("delete", "churn", "--older-than", "0s", "--plan", plan, "-q")
    filled.reg.tag("churn@1", {"a": "b"})
    assert_refused(filled.run("apply", plan, "--yes"), 4)


@pytest.mark.parametrize(
    ("text", "code"),
    [("", 2), ("[]", 2), ("{}", 2), ("[" * 100_000, 2), ('{"schema": 1, "kind": "plans", "items": [{}]}', 2),
     ('{"schema": 1, "kind": "plans", "items": [], "registry": "other"}', 4)],
)  # fmt: skip
def test_what_is_no_plan(text: str, code: int, still: Site, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    assert_refused(still.run("apply", path, "--yes"), code)


def test_a_plan_that_was_tampered_with(filled: Site) -> None:
    path = filled.folder / "plan.json"
    filled.run("archive", "churn", *RULES, "--plan", path)
    plan = json.loads(path.read_text())
    before = fingerprint(filled.root)
    for change, code in (({"model": "../churn"}, 2), ({"model": "other"}, 3), ({"action": "destroy"}, 2),
                         ({"revision": "7"}, 2), ({"highest": -1}, 2), ({"verdicts": 3}, 2), ({"action": "delete"}, 4),
                         ({"verdicts": [{"version": 1, "chosen": True, "reason": "", "freed": 0}]}, 4)):  # fmt: skip
        path.write_text(json.dumps({**plan, "items": [{**plan["items"][0], **change}]}))
        assert_refused(filled.run("apply", path, "--yes"), code)
    assert fingerprint(filled.root) == before


def test_deleting_needs_a_yes(filled: Site) -> None:
    before = fingerprint(filled.root)
    plan = filled.folder / "plan.json"
    filled.run("delete", "churn", "--older-than", "0s", "--plan", plan)
    for words in (("delete", "churn", "--older-than", "0s"), ("prune", "churn", "--older-than", "0s"), ("apply", plan)):
        assert_refused(filled.run(*words), 2)
        with terminal(*words, root=filled.root) as child:
            child.expect("Delete churn@3 permanently")
            child.sendline("n")
            child.expect(pexpect.EOF)
    assert fingerprint(filled.root) == before
    with terminal("delete", "churn", "--older-than", "0s", root=filled.root) as child:
        child.expect("Delete churn@3 permanently")
        child.sendline("y")
        child.expect(pexpect.EOF)
    assert filled.run("versions", "churn", "--all", "-q").lines == [f"churn@{n}" for n in (6, 5, 4, 2, 1)]


def test_what_changed_while_the_question_stood_is_not_deleted(filled: Site) -> None:
    filled.reg.archive(["churn@4"])
    with terminal("delete", "churn", "--older-than", "0s", root=filled.root) as child:
        child.expect("permanently")
        filled.reg.restore(["churn@4"])
        child.sendline("y")
        child.expect("has changed since")
        child.expect(pexpect.EOF)
    assert len(filled.run("versions", "churn", "--all", "-q").lines) == 6


@pytest.mark.parametrize(
    "words",
    [
        ("archive", "churn"),
        ("archive", "churn", "--keep-holders", "2"),
        ("archive", "churn", "--plan", "x"),
        ("archive", "churn@4", "--keep", "2"),
        ("archive", "churn", "risk/fraud", "--keep", "2"),
        ("archive", "churn", "--keep", "0"),
        ("archive", "churn", "--keep", "2", "--force", "--reason", "x"),
        ("archive", "churn", "--older-than", "90"),
        ("archive", "churn", "--best", "auc"),
        ("archive", "churn", "--best", "loss:2"),
        ("archive", "churn", "--best", "acu:2"),
        ("archive", "churn", "--where", "nonsense"),
        ("delete", "churn", "--where", "", "--yes"),
        ("prune",),
        ("prune", "churn", "--all"),
        ("prune", "churn", "--keep", "3", "--yes"),
        ("prune", "churn", "--yes"),
        ("prune", "churn@1", "--older-than", "1d", "--yes"),
    ],
)
def test_slips_are_usage_errors(words: tuple[str, ...], still: Site) -> None:
    before = fingerprint(still.root)
    assert_refused(still.run(*words), 2)
    assert fingerprint(still.root) == before


def test_prune_by_policies(filled: Site) -> None:
    with (filled.root / "registry.yaml").open("a") as stream:
        stream.write("retention:\n  archive: {keep: 1, best: [auc:1]}\n  prune: {older_than: 0s}\n")
    with (filled.root / "models/risk/fraud/model.yaml").open("a") as stream:
        stream.write("retention:\n  archive: {kep: 1}\n")
    answer = filled.run("prune", "--all", "--yes")
    assert (answer.code, answer.lines) == (2, ["churn@3", "churn@4"])
    assert answer.err.splitlines()[:2] == ["deleted: churn@3", "archived: churn@4"]
    assert "risk/fraud/model.yaml, line 6: retention.archive.kep: unknown key 'kep'; did you mean" in answer.err
    assert filled.run("prune", "churn", "--dry-run", "-q").lines == ["churn@4"]


def test_a_slip_in_the_settings(still: Site, tmp_path: Path) -> None:
    made = Site(tmp_path, still)
    path = made.root / "registry.yaml"
    text = path.read_text()
    path.write_text(text + "retentoin:\n  archive: {keep: 1}\n")
    assert "did you mean 'retention'" in made.run("list").err
    path.write_text(text + "retention:\n  archive: {keep: 1}\n")
    assert made.run("list").code == 0


def test_a_kill_in_the_middle_is_made_good_by_the_next_run(filled: Site) -> None:
    for number in range(7, 47):
        filled.reg.register("churn", [filled.make("model.pkl", f"content {number}")])
    filled.reg.archive([f"churn@{number}" for number in range(7, 47)])
    words = ("delete", "churn", "--older-than", "0s", "--yes")
    process = begin(*words, root=filled.root)
    deadline = time.monotonic() + 60
    while len(list((filled.root / "models/churn/tombstones").iterdir())) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert ended(process).code in (-signal.SIGKILL, 0)
    assert filled.run(*words).code == 0
    assert filled.run("versions", "churn", "--all", "-q").lines == [f"churn@{n}" for n in (6, 5, 4, 2, 1)]
    for _ in range(2):
        Registry(filled.root).admin.gc(age=0)
    Registry(filled.root).admin.repair()


@pytest.fixture
def texts(site: Site) -> Site:
    """``texts`` with three versions that packing makes much smaller."""
    for number in (1, 2, 3):
        site.reg.register("texts", [site.make("model.txt", f"line {number}\n" * 5000)])
    return site


def test_archive_compress(texts: Site) -> None:
    before = fingerprint(texts.root)
    answer = texts.run("archive", "texts@1", "--compress", "-n")
    assert (answer.code, answer.lines) == (0, ["texts@1"])
    assert re.fullmatch("would be archived: texts@1\nwould be packed: texts@1; about 34.[0-9] kB freed\n", answer.err)
    assert fingerprint(texts.root) == before
    answer = texts.run("archive", "texts@1", "--compress")
    assert (answer.code, answer.lines) == (0, ["texts@1"])
    assert re.fullmatch("archived: texts@1\npacked: texts@1; 34.[0-9] kB freed\n", answer.err)
    assert texts.run("archive", "texts@1", "--compress") == Answer(0, "", "nothing to do\n")
    archived, packed = texts.run("archive", "texts@2", "--zstd", "--json").json["items"]
    assert (archived["action"], packed["action"], packed["refs"]) == ("archived", "packed", ["texts@2"])
    assert packed["freed"] > 34_000
    assert texts.run("restore", "texts@1", "texts@2", "-q") == Answer(0, "texts@1\ntexts@2\n", "")
    assert texts.reg.admin.verify().problems == ()


def test_what_is_packed_is_told(texts: Site) -> None:
    texts.run("archive", "texts@1", "--compress", "-q")
    size = (texts.root / "models/texts/packed/1.tar.gz").stat().st_size
    shown = texts.run("show", "texts@1")
    assert "path\t\n" in shown.out
    assert f"packed\t{size}\n" in shown.out
    document = texts.run("show", "texts@1", "--json").json
    assert (document["packed"], document["path"]) == (size, None)
    assert [each["packed"] for each in texts.run("versions", "texts", "--all", "--json").json["items"]] == [
        None,
        None,
        size,
    ]
    assert texts.run("info", "--json").json["packed_size"] == size
    assert f"packed in {size} B" in on_terminal("info", root=texts.root).out
    assert f"({size} B packed)" in on_terminal("versions", "texts", "--all", root=texts.root).out
    assert f"in {size} B" in on_terminal("show", "texts@1", root=texts.root).out
    assert "packed" in texts.run("history", "texts", "--action", "packed").out
    refused = texts.run("path", "texts@1")
    assert_refused(refused, 4)
    assert "registry restore texts@1" in refused.err
    assert texts.run("cat", "texts@1").out == "line 1\n" * 5000
    assert texts.run("fetch", "texts@1", "-o", texts.folder / "out", "-q").code == 0
    assert texts.run("diff", "texts@1", "texts@2").code == 0


def test_packing_by_rules_and_by_plan(texts: Site) -> None:
    plan = texts.folder / "plan.json"
    answer = texts.run("archive", "texts", "--keep", "1", "--compress", "--plan", plan)
    assert [line.split("\t")[:2] for line in answer.lines] == [
        ["texts@3", "keep"], ["texts@2", "archive"], ["texts@1", "archive"], ["texts@2", "pack"], ["texts@1", "pack"],
    ]  # fmt: skip
    assert "would pack 2 versions of texts; would free about" in answer.err
    document = json.loads(plan.read_text())
    assert [(each["action"], each["compress"]) for each in document["items"]] == [("archive", None), ("pack", "gzip")]
    for item in ({"action": "pack", "compress": None}, {"action": "pack", "compress": "lzma"}, {"action": "zip"}):
        wrong = {**document, "items": [{**document["items"][1], **item}]}
        assert_refused(texts.run("apply", "-", stdin=json.dumps(wrong).encode()), 2)
    applied = texts.run("apply", plan)
    assert applied.lines == ["texts@1", "texts@2"]
    assert applied.err.startswith("archived: texts@1 texts@2\npacked: texts@1 texts@2; ")
    assert texts.run("archive", "texts", "--keep", "1", "--compress") == Answer(0, "", "nothing to do\n")
    assert texts.run("delete", "texts", "--older-than", "0s", "-n").err.startswith("would delete 2 versions of texts")
