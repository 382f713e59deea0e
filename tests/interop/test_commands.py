"""``import`` and ``export`` as they are typed, with another tool."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Site
from tests.commands import assert_inert, assert_refused
from tests.crash.world import fingerprint
from tests.interop.conftest import Tiny


def test_four_forms(site: Site, tiny: Tiny) -> None:
    tiny(1, model="new", lost=["its plots"])
    folder = tiny(2, model="new")
    before = fingerprint(site.root)
    dry = site.run("import", f"tiny:{folder}", "--dry-run")
    assert dry.code == 0
    assert "would import 2 versions" in dry.err
    assert fingerprint(site.root) == before
    answer = site.run("import", f"tiny:{folder}")
    assert answer.code == 0
    assert answer.err == "imported 2 versions\n"
    assert [line.split("\t") for line in answer.lines] == [
        ["imported", "tiny:new/1", "new@1", "16", "", "its plots"],
        ["imported", "tiny:new/2", "new@2", "16", "", ""],
    ]
    quiet = site.run("import", f"tiny:{folder}", "-q")
    assert (quiet.code, quiet.lines, quiet.err) == (0, ["new@1", "new@2"], "")
    document = site.run("import", f"tiny:{folder}", "--json").json
    assert (document["kind"], [each["status"] for each in document["items"]]) == ("imported", ["skipped", "skipped"])


def test_exit_codes(site: Site, tiny: Tiny) -> None:
    folder = tiny(1)
    assert_refused(site.run("import", f"tiny:{folder}"), 4)
    assert_refused(site.run("import", "tinier:x"), 2)
    assert_refused(site.run("import", "tiny:"), 2)
    assert_refused(site.run("export", "out"), 2)
    (folder / "churn-001.bin").unlink()
    failed = site.run("import", f"tiny:{folder}", "--merge")
    assert failed.code == 3
    assert failed.out.startswith("failed\ttiny:churn/1\t\t0\t")


def test_export_for_a_tool(site: Site, tiny: Tiny, tmp_path: Path) -> None:
    tiny(1)
    target = tmp_path / "out"
    answer = site.run("export", "churn@2", target, "--format", "tiny")
    assert (answer.code, answer.lines) == (0, [str(target)])
    assert json.loads((target / "about.json").read_text())["ref"] == "churn@2"
    assert_refused(site.run("export", "churn@2", target, "--format", "tiny"), 4)
    assert_refused(site.run("export", "churn@2", "risk/fraud", target, "--format", "tiny"), 2)
    again = site.run("export", "churn@2", target, "--format", "tiny", "--force", "--json")
    assert again.json == {
        "schema": 1,
        "kind": "exported",
        "path": str(target),
        "refs": ["churn@2"],
        "size": 9,
        "lost": ["lineage"],
    }


def test_what_others_say_is_data(site: Site, tiny: Tiny) -> None:
    evil = "\x1b[31mred\u202e"
    folder = tiny(1, model="new", lost=[evil], stages=[evil], tags={evil: "x"})
    answer = site.run("import", f"tiny:{folder}", "--stages")
    assert answer.code == 0
    assert_inert(answer.out)
    assert_inert(answer.err)
