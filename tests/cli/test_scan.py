"""``scan``, and what ``register`` says of it, as a person or a script sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.commands import assert_refused, run
from tests.crash.world import fingerprint
from tests.scan.corpus import DATA, EVIL, GOOD, evil


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    folder.mkdir()
    for name, data in {"cut.pkl": GOOD[:-5], "evil.txt": EVIL, "good.pkl": GOOD, "notes.md": b"# notes\n",
                       "ours.pkl": evil("ours", "Model")}.items():  # fmt: skip
        (folder / name).write_bytes(data)
    return folder


LINES = [
    "cut.pkl\tunscannable\tpickle\tnot read to the end: it is cut short",
    "evil.txt\tdangerous\tpickle\tos.system: it can run commands or code",
    "good.pkl\tknown-globals\tpickle\t",
    "notes.md\tsafe-format\ttext\t",
    "ours.pkl\tunknown-globals\tpickle\tours.Model: it is called with text",
]


def test_files_in_no_registry(files: Path) -> None:
    answer = run("scan", files)
    assert (answer.code, answer.lines) == (5, LINES)
    assert answer.err == "5 files: 1 dangerous, 1 unscannable, 1 unknown-globals, 1 known-globals, 1 safe-format\n"
    assert run("scan", files, "-q").lines == ["cut.pkl", "evil.txt"]
    assert run("scan", files, "-q", "--strict").lines == ["cut.pkl", "evil.txt", "ours.pkl"]


def test_exit_codes(files: Path, site: Site) -> None:
    for name, code in (("cut.pkl", 5), ("evil.txt", 5), ("good.pkl", 0), ("notes.md", 0), ("ours.pkl", 0)):
        assert run("scan", files / name).code == code, name
    assert run("scan", files / "ours.pkl", "--strict").code == 5
    (files / "weights.bin").write_bytes(bytes(range(200, 256)) * 9)
    assert run("scan", files / "weights.bin").out == "weights.bin\tunknown-format\t\tits format is not known\n"
    assert run("scan", files / "weights.bin").code == 0
    assert run("scan", files / "weights.bin", "--strict").code == 5
    assert run("scan", files / "good.pkl", "--strict").code == 0
    assert run("scan", files / "ours.pkl", "--strict", "--allow", "ours.*").code == 0
    assert_refused(run("scan", files / "ours.pkl", "--allow", "everything"), 2)
    assert_refused(run("scan", files / "none.pkl"), 3)
    assert_refused(run("scan", "-", stdin=EVIL), 2)
    assert_refused(site.run("scan", "churn@99"), 3)
    assert_refused(site.run("scan", "churn@1", "churn@2"), 2)
    assert_refused(run("scan"), 2)


def test_json(files: Path) -> None:
    answer = run("scan", files, "--json")
    assert (answer.code, answer.err) == (5, "")
    document = answer.json
    assert (document["kind"], document["verdict"]) == ("scanned", "dangerous")
    assert document["lineage"]["files"] == dict.fromkeys(
        ("safe-format", "known-globals", "unknown-globals", "unscannable", "dangerous"), 1
    )
    assert document["items"][1] == {
        "path": "evil.txt", "verdict": "dangerous", "kind": "pickle", "globals": 1,
        "limited": False, "uses": None,
        "findings": [{"level": "dangerous", "global": "os.system", "why": "it can run commands or code", "member": None}],
    }  # fmt: skip


def test_a_version_and_the_registry_s_own_allowance(files: Path, site: Site) -> None:
    site.run("register", "new", files / "ours.pkl")
    assert site.run("scan", "new@1").lines == [LINES[4]]
    before = fingerprint(site.root)
    with (site.root / "registry.yaml").open("a") as stream:
        stream.write("scan: {allow: [ours.Model]}\n")
    assert site.run("scan", "new@1").lines == ["ours.pkl\tknown-globals\tpickle\t"]
    assert site.run("scan", files / "ours.pkl").lines == ["ours.pkl\tknown-globals\tpickle\t"]
    assert fingerprint(site.root) != before
    after = fingerprint(site.root)
    site.run("scan", "new@1", "--json")
    assert fingerprint(site.root) == after


def test_register_refuses_warns_and_records(files: Path, site: Site) -> None:
    before = fingerprint(site.root)
    answer = site.run("register", "new", files / "evil.txt")
    assert_refused(answer, 5)
    assert answer.err.startswith("error: scan verdict: dangerous: evil.txt: os.system: it can run commands or code; ")
    assert_refused(site.run("register", "new", files / "ours.pkl", "--scan", "allowlist"), 5)
    assert_refused(site.run("register", "new", files / "good.pkl", "--scan", "off"), 5)
    assert_refused(site.run("register", "new", files / "good.pkl", "--scan", "all"), 2)
    assert_refused(site.run("register", "new", files / "evil.txt", "--allow-unsafe"), 2)
    assert_refused(site.run("register", "new", files / "evil.txt", "--reason", "why"), 2)
    assert fingerprint(site.root) == before
    answer = site.run("register", "new", files / "evil.txt", "--allow-unsafe", "--reason", "reviewed\x1b[1m")
    assert_refused(answer, 2)
    answer = site.run("register", "new", files / "evil.txt", "--allow-unsafe", "--reason", "reviewed")
    assert (answer.code, answer.out) == (0, "new@1\n")
    assert "warning: scan verdict for new@1: dangerous" in answer.err
    assert "reviewed" in site.run("history", "new").out
    assert "lineage.scan.verdict\tdangerous" in site.run("show", "new@1").lines
    answer = site.run("register", "new", files / "cut.pkl")
    assert "warning: scan verdict for new@2: unscannable: cut.pkl: not read to the end" in answer.err
    assert site.run("register", "new", files / "good.pkl").err.count("\n") == 1
    answer = site.run("register", "new", files / "ours.pkl")
    assert answer.err.endswith(
        "warning: scan verdict for new@4: unknown-globals: ours.pkl: ours.Model: it is called with text\n"
    )
    (files / "weights.bin").write_bytes(bytes(range(200, 256)) * 9)
    answer = site.run("register", "new", files / "weights.bin")
    assert answer.err.endswith(
        "warning: scan verdict for new@5: unknown-format: weights.bin: its format is not known\n"
    )


def test_a_hostile_name_does_no_harm_to_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(evil("os\x1b[31m", "system\t\r", protocol=4))
    answer = run("scan", path)
    assert answer.code == 5
    assert "\x1b" not in answer.out
    assert answer.out.count("\t") == 3
    said = run("scan", DATA / "forest.pkl")
    assert said.out == "forest.pkl\tknown-globals\tpickle\t\n"


def test_explain_lists_each_use_of_a_global(files: Path, tmp_path: Path) -> None:
    answer = run("scan", files / "ours.pkl", "--explain")
    assert (answer.code, answer.lines) == (
        0,
        ["ours.pkl\t16\tours.Model\timported\tunknown-globals\tit is imported",
         "ours.pkl\t25\tours.Model\tcalled with text\tunknown-globals\tit is called with text"],
    )  # fmt: skip
    document = run("scan", files / "evil.txt", "--explain", "--json").json
    assert document["items"][0]["uses"][1] == {
        "global": "os.system", "member": None, "offset": 24, "use": "called with text", "level": "dangerous",
        "why": "it can run commands or code",
    }  # fmt: skip
    answer = run("scan", DATA / "state.pt", "--explain")
    assert answer.code == 0
    lines = [line.split("\t") for line in answer.lines]
    assert ["state.pt!state/data.pkl", "torch._utils._rebuild_tensor_v2"] in [[line[0], line[2]] for line in lines]
    assert {line[4:6][0] for line in lines} == {"known-globals"}
    assert {line[5] for line in lines} == {"in the allow-list"}
    assert run("scan", files / "notes.md", "--explain").out == ""
