"""``register --dry-run``: everything is checked, and nothing is written."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Conflict, InvalidInput, NotFound, Refused, Registry
from tests.crash.world import fingerprint

Make = Callable[..., Path]


class Run:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


@pytest.fixture
def unchanged(reg: Registry, make_file: Make) -> Iterator[Registry]:
    """A registry in which nothing may change after ``churn@1`` was registered."""
    reg.register("churn", [make_file("one")], metrics={"auc": 0.9}, request_id="r")
    before = fingerprint(reg.root)
    yield reg
    assert fingerprint(reg.root) == before


def test_the_version_as_it_would_be(unchanged: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    for name, text in (("a.bin", "new"), ("sub/b.bin", "one"), ("x.log", "x"), (".git/HEAD", "x")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    planned = unchanged.register(
        "churn", folder, exclude="*.log", params={"depth": 6}, metrics={"auc": 1}, tags={"a": "b"}, stage="staging",
        alias="champion", dry_run=True,
    )  # fmt: skip
    version = planned
    assert (planned.ref, planned.new, version.size, version.files) == ("churn@2", True, 6, 2)
    assert planned.added == 3, "what a blob has is not stored again"
    assert [file.path for file in planned.manifest] == ["a.bin", "sub/b.bin"]
    assert {each.pattern for each in planned.excluded} == {"*.log", ".git/"}
    assert [(each.pointer, each.before, each.after) for each in planned.moved] == [
        ("staging", None, 2), ("champion", None, 2),
    ]  # fmt: skip
    assert version.lineage["scan"]["verdict"] == "safe-format"
    same = Registry.init(tmp_path / "other").register("churn", folder, exclude="*.log")
    assert same.digest == version.digest


def test_a_new_model(unchanged: Registry, make_file: Make) -> None:
    assert unchanged.register("risk/fraud", [make_file("one")], dry_run=True).ref == "risk/fraud@1"
    assert not (unchanged.root / "models/risk").exists()


def test_what_is_refused(unchanged: Registry, make_file: Make, tmp_path: Path) -> None:
    good, bad = make_file("x"), tmp_path / "bad.pkl"
    bad.write_bytes(pickle.dumps(Run()))
    (tmp_path / ".env").write_text("KEY=x")
    asked: list[tuple[type[Exception], Callable[[], object]]] = [
        (Refused, lambda: unchanged.register("churn", [bad], dry_run=True)),
        (Refused, lambda: unchanged.register("churn", [tmp_path / ".env"], dry_run=True)),
        (NotFound, lambda: unchanged.register("churn", [tmp_path / "nothing"], dry_run=True)),
        (NotFound, lambda: unchanged.register("churn", [good], lineage={"parents": ["nothing@1"]}, dry_run=True)),
        (Conflict, lambda: unchanged.register("churn/x", [good], dry_run=True)),
        (InvalidInput, lambda: unchanged.register("Churn", [good], dry_run=True)),
        (InvalidInput, lambda: unchanged.register("churn", [good], stage="nothing", dry_run=True)),
        (InvalidInput, lambda: unchanged.register("churn", [good], metrics={"auc": "high"}, dry_run=True)),
        (InvalidInput, lambda: unchanged.register("churn", {"x": "-"}, dry_run=True)),
    ]
    for kind, ask in asked:
        with pytest.raises(kind):
            ask()
    allowed = unchanged.register("churn", [bad], unsafe="reviewed", dry_run=True)
    assert allowed.lineage["scan"]["allowed"] == "reviewed"


def test_a_name_that_is_taken(reg: Registry, make_file: Make) -> None:
    reg.register("beta", [make_file("one")])
    reg.admin.rename("beta", "betb")
    reg.register("old", [make_file("one")])
    reg.delete("old", model=True)
    for name in ("beta", "old"):
        with pytest.raises(Conflict):
            reg.register(name, [make_file("x")], dry_run=True)
    assert reg.register("old", [make_file("x")], reuse_name=True, dry_run=True).ref == "old@2"


def test_files_that_the_latest_version_has(unchanged: Registry, make_file: Make) -> None:
    planned = unchanged.register(
        "churn", [make_file("one")], metrics={"auc": 0.9, "f1": 1}, if_changed=True, update=True, dry_run=True
    )
    assert (planned.ref, planned.new, planned.updated) == ("churn@1", False, ("metrics.f1",))
    assert unchanged.register("churn", [make_file("two")], if_changed=True, dry_run=True).ref == "churn@2"
    assert unchanged.register("churn", [make_file("two")], request_id="r", dry_run=True).ref == "churn@1"


def test_the_policy_of_the_stage(reg: Registry, make_file: Make) -> None:
    with reg.context.layout.config.open("a") as stream:
        stream.write("\npolicy: {staging: {require: {metrics: {auc: '>= 0.9'}, forbid: ['*.csv']}, approvals: 1}}\n")
    reg = Registry(reg.root, author="alice")
    with pytest.raises(Refused) as caught:
        reg.register("churn", [make_file("x", "x.csv")], metrics={"auc": 0.8}, stage="staging", dry_run=True)
    assert len(caught.value.evaluation.failed) == 3  # type: ignore[attr-defined]
    assert reg.admin.model_names() == []
