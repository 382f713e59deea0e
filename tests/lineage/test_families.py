"""Families of versions: ancestors and descendants through all models, cycles, holes, and everything that a terminal can be told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry_cli import InvalidInput, Registry
from registry_cli.core.results import LineageNode
from tests.commands import assert_inert, assert_refused, on_terminal
from tests.lineage.conftest import Lab
from tests.support import taken_out


@pytest.fixture
def family(lab: Lab) -> Registry:
    """base@1 → churn@1 → churn@2 → churn@3, churn@4; churn@2 also from churn@1's sibling; fraud@1 from base@1."""
    reg = lab.reg
    reg.register("base", [lab.model])
    reg.register("churn", [lab.model], lineage={"parents": ["base@1"]})
    reg.register(
        "churn",
        [lab.model],
        lineage={"parents": ["churn@1", "base@1"], "data": [lab.model], "command": "python train.py"},
    )
    reg.register("churn", [lab.model], lineage={"parents": ["churn@2"]})
    reg.register("churn", [lab.model], lineage={"parents": ["churn@2"]})
    reg.register("risk/fraud", [lab.model], lineage={"parents": ["base@1"]})
    reg.promote("churn@2", "production")
    reg.alias("churn@2", "champion")
    return reg


def flat(listed: tuple[LineageNode, ...]) -> list[Any]:
    return [(each.ref, each.note, flat(each.relatives)) if each.note or each.relatives else each.ref for each in listed]


def test_a_family(family: Registry) -> None:
    found = family.lineage("churn@production")
    assert flat(found.parents) == [("churn@1", "", ["base@1"]), "base@1"]
    assert flat(found.children) == ["churn@3", "churn@4"]
    assert flat(family.lineage("base").children) == [
        ("churn@1", "", [("churn@2", "", ["churn@3", "churn@4"])]), ("churn@2", "shown above", []), "risk/fraud@1",
    ]  # fmt: skip
    assert flat(family.lineage("base@1", depth=1).children) == [
        ("churn@1", "more beyond this depth", []), ("churn@2", "more beyond this depth", []), "risk/fraud@1",
    ]  # fmt: skip
    for depth in (0, 201):
        with pytest.raises(InvalidInput):
            family.lineage("base", depth=depth)


def test_holes_and_cycles(lab: Lab) -> None:
    reg = lab.reg
    reg.register("a", [lab.model], lineage={"extra": {"parents": ["b@1", "a@1"]}})
    reg.register(
        "b",
        [lab.model],
        lineage={"extra": {"parents": ["a@1", {"ref": "gone@3"}, "hf:org/model", "b@production", 7, ""]}},
    )
    found = reg.lineage("a@1")
    assert flat(found.parents) == [
        ("b@1", "", [
            ("a@1", "its own ancestor", []), ("gone@3", "model 'gone' not found", []), ("hf:org/model", "in another registry", []),
            ("b@production", "not a fixed version: its target may have moved", []),
        ]),
        ("a@1", "its own ancestor", []),
    ]  # fmt: skip
    assert flat(found.children) == [("a@1", "its own ancestor", []), ("b@1", "", [("a@1", "its own ancestor", [])])]
    reg.register("c", [lab.model], lineage={"parents": ["a@1"]})
    reg.register("d", [lab.model], lineage={"extra": {"parents": [f"c@sha256:{reg.version('c@1').digest}"]}})
    assert flat(reg.lineage("c@1").children) == ["d@1"]
    reg.register("e", [lab.model], lineage={"parents": ["c@1"]})
    reg.archive(["c@1"])
    reg.delete(["c@1"], force=True, reason="room")
    assert "no version" in flat(reg.lineage("d@1").parents)[0][1]
    assert "was deleted" in reg.lineage("e@1").parents[0].note


def test_a_long_line_and_a_thicket_end(lab: Lab) -> None:
    """200 generations, and 2 to the power of 30 ways through 60 versions."""
    reg = lab.reg
    for number in range(1, 31):
        reg.register("x", [lab.model], lineage={"extra": {"parents": [f"x@{number - 1}", f"y@{number - 1}"]}})
        reg.register("y", [lab.model], lineage={"extra": {"parents": [f"x@{number - 1}", f"y@{number - 1}"]}})
    found = reg.lineage("x@30", depth=200)
    assert len(str(found.parents)) < 1_000_000


def test_what_a_person_sees(family: Registry) -> None:
    shown = on_terminal("lineage", "churn@2", root=family.root, columns=100)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "churn@2  production @champion"
    assert lines[1].startswith("├── created 20")
    assert any(line.startswith("├── run          python train.py") for line in lines)
    assert "├── parent       churn@1" in lines
    assert "│   └── parent       base@1" in lines
    assert lines[-2:] == ["    ├── churn@3", "    └── churn@4"]
    family.register("alone", [taken_out(family, "base@1", "model.pkl")])
    assert on_terminal("lineage", "alone", root=family.root).out.splitlines()[-1] == "└── no recorded lineage"


def test_every_form(family: Registry, lab: Lab) -> None:
    rows = [line.split("\t") for line in lab.run("lineage", "churn@2").lines]
    assert [(row[0], row[2]) for row in rows] == [
        ("data", str(lab.model)), ("run", "python train.py"), ("parent", "churn@1"), ("parent", "base@1"),
        ("parent", "base@1"), ("child", "churn@3"), ("child", "churn@4"), ("stage", "production"), ("alias", "champion"),
    ]  # fmt: skip
    assert lab.run("lineage", "churn@2", "-q").lines == ["churn@2", "churn@1", "base@1", "churn@3", "churn@4"]
    data = lab.run("lineage", "churn@2", "--json").json
    assert data["parents"][0]["kin"][0]["ref"] == "base@1"
    assert lab.run("lineage", "churn@2", "--no-index").out == lab.run("lineage", "churn@2").out
    dot = lab.run("lineage", "churn@2", "--dot").out
    assert dot.startswith("digraph lineage {")
    assert dot.count(" -> ") == 6
    assert lab.run("lineage", "churn@2", "--mermaid").out.count(" --> ") == 6
    for two in (("--dot", "--mermaid"), ("--patch", "-q"), ("--environment", "--patch")):
        assert_refused(lab.run("lineage", "churn@2", *two), 2)
    assert_refused(lab.run("lineage", "churn@9"), 3)
    assert_refused(lab.run("lineage", "churn@2", "--patch"), 3)
    assert_refused(lab.run("lineage", "churn@2", "--depth", "0"), 2)


NASTY = '"];x[\n<script>\x1b[31m\u202e`${a}`\\"'


def test_what_others_wrote_is_text(lab: Lab) -> None:
    lineage = {
        "parents": [NASTY], "data": [{"path": NASTY, "digest": NASTY, "size": "x"}, 3], "code": NASTY, "git": {"remote": NASTY, "commit": 3},
        "environment": {"python": NASTY, "packages": "many", "gpu": [NASTY]}, "run": {"command": NASTY, "folder": [1]}, "imported": {"from": NASTY},
    }  # fmt: skip
    lab.reg.register("churn", [lab.model], lineage={"extra": lineage})
    for words in ((), ("-q",), ("--dot",), ("--mermaid",)):
        answer = lab.run("lineage", "churn@1", *words)
        assert answer.code == 0, answer
        assert_inert(answer.out)
    assert lab.run("lineage", "churn@1", "--json").json["lineage"]["code"] == NASTY
    assert_inert(on_terminal("lineage", "churn@1", root=lab.reg.root).out)
    labels = [
        line.partition("[label=")[2][:-2] for line in lab.run("lineage", "churn@1", "--dot").lines if "[label=" in line
    ]
    assert all(isinstance(json.loads(label), str) for label in labels)
    mermaid = lab.run("lineage", "churn@1", "--mermaid").out
    assert "<script>" not in mermaid
    assert all(line.count('"') in (0, 2) for line in mermaid.splitlines())
    assert lab.run("reproduce", "churn@1").code == 0
    assert lab.run("reproduce", "churn@1", "--check").code == 5
