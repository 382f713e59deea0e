"""Files that are registered already: what is said with them is stored, or named as not stored; never dropped silently."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, Registry
from tests.commands import run
from tests.support import snapshot

Make = Callable[..., Path]

GIVEN: dict[str, Any] = {
    "params": {"depth": 7, "new": True},
    "metrics": {"auc": 0.99, "recall": 0.5},
    "tags": {"checked": "yes", "team": "crm"},
    "annotations": {"purpose": "other"},
    "message": "second",
}
LATER = ("metrics.auc", "metrics.recall", "tags.checked", "annotations.purpose")
SEALED = ("params.depth", "params.new", "message")


@pytest.fixture
def one(reg: Registry, make_file: Make) -> Registry:
    first: dict[str, Any] = {"params": {"depth": 6}, "metrics": {"auc": 0.9}, "tags": {"team": "crm"}}
    reg.register("churn", [make_file()], message="first", annotations={"purpose": "one"}, **first)
    return reg


def test_what_is_not_stored_is_named(one: Registry, make_file: Make) -> None:
    before = snapshot(one.root)
    done = one.register("churn", [make_file()], if_changed=True, **GIVEN)
    assert (done.ref, done.new, done.updated) == ("churn@1", False, ())
    assert done.not_stored == (*LATER, *SEALED)
    assert snapshot(one.root) == before


def test_what_is_there_already_is_not_named(one: Registry, make_file: Make) -> None:
    given: dict[str, Any] = {"params": {"depth": 6}, "metrics": {"auc": 0.9}, "message": "first"}
    assert one.register("churn", [make_file()], if_changed=True, **given).not_stored == ()
    assert one.register("churn", [make_file()], if_changed=True).not_stored == ()
    assert one.register("churn", [make_file("new")], if_changed=True, **GIVEN).not_stored == ()


def test_update_stores_what_can_be_stored_later(one: Registry, make_file: Make) -> None:
    done = one.register("churn", [make_file()], if_changed=True, update=True, **GIVEN)
    assert (done.updated, done.not_stored) == (LATER, SEALED)
    assert done == one.version("churn@1"), "as it is after the update"
    version = one.version("churn@1")
    assert (dict(version.metrics), dict(version.tags)) == (GIVEN["metrics"], GIVEN["tags"])
    assert (dict(version.annotations), dict(version.params), version.message) == (
        GIVEN["annotations"], {"depth": 6}, "first",
    )  # fmt: skip
    assert [entry.event.action for entry in one.history("churn", limit=3)] == ["annotated", "tagged", "measured"]
    before = snapshot(one.root)
    again = one.register("churn", [make_file()], if_changed=True, update=True, **GIVEN)
    assert (again.updated, again.not_stored) == ((), SEALED)
    assert snapshot(one.root) == before


def test_an_update_is_carried_out_once_by_its_request(one: Registry, make_file: Make) -> None:
    def again() -> Any:
        return one.register("churn", [make_file()], if_changed=True, update=True, request_id="r", **GIVEN)

    assert again().updated == LATER
    one.log_metric("churn@1", {"auc": 0.1})
    late = again()
    assert (late.updated, late.not_stored) == ((), ("metrics.auc", *SEALED)), "the request was carried out before"
    assert one.version("churn@1").metrics["auc"] == 0.1
    assert len(one.history("churn")) == 5


def test_a_stage_is_promoted_with_what_was_updated(one: Registry, make_file: Make) -> None:
    path = one.root / "registry.yaml"
    path.write_text(path.read_text() + "policy: {production: {require: {metrics: {auc: '>= 0.95'}}}}\n")
    one.register("churn", [make_file()], if_changed=True, update=True, metrics={"auc": 0.99}, stage="production")
    assert one.model("churn").stages == {"production": 1}


def test_update_alone_is_refused(one: Registry, make_file: Make) -> None:
    before = snapshot(one.root)
    with pytest.raises(InvalidInput, match="update requires if_changed"):
        one.register("churn", [make_file()], update=True)
    answer = run("register", "churn", make_file(), "--update", root=one.root)
    assert (answer.code, answer.err) == (2, "error: --update requires --if-changed; add --if-changed\n")
    assert snapshot(one.root) == before


def test_a_bool_is_no_number(one: Registry, make_file: Make) -> None:
    one.register("flags", [make_file()], params={"depth": 1})
    done = one.register("flags", [make_file()], if_changed=True, params={"depth": True})
    assert done.not_stored == ("params.depth",)


def test_lineage_that_was_said(one: Registry, make_file: Make) -> None:
    data, code, packages = (make_file(name, name) for name in ("train.csv", "train.py", "requirements.txt"))
    packages.write_text("numpy==2.0\n")
    said: dict[str, Any] = {
        "parents": ["churn@1"], "data": [data], "code": [code], "command": "python train.py", "environment": packages,
    }  # fmt: skip
    names = ("lineage.run", "lineage.data", "lineage.code", "lineage.parents", "lineage.environment")
    done = one.register("churn", [make_file()], if_changed=True, lineage=said)
    assert sorted(done.not_stored) == sorted(names)
    made = one.register("other", [make_file()], lineage={**said, "extra": {"framework": "sklearn 1.5"}})
    assert made.new
    same = one.register("other", [make_file()], if_changed=True, lineage={**said, "extra": {"framework": "sklearn"}})
    assert same.not_stored == ()
    data.write_text("other rows")
    said |= {"command": "python train.py --fast", "parents": []}
    done = one.register("other", [make_file()], if_changed=True, lineage={**said, "extra": {"framework": "xgboost"}})
    assert sorted(done.not_stored) == ["lineage.data", "lineage.framework", "lineage.run.command"]


def test_a_parent_of_a_reused_name_is_another_parent(one: Registry, make_file: Make) -> None:
    one.register("other", [make_file()], lineage={"parents": "churn@1"})
    one.admin.rename("churn", "former")
    one.register("churn", [make_file("another")], reuse_name=True)
    done = one.register("other", [make_file()], lineage={"parents": "churn@1"}, if_changed=True)
    assert done.not_stored == ("lineage.parents",)
    assert one.register("other", [make_file()], lineage={"parents": "former@1"}, if_changed=True).not_stored == (
        "lineage.parents",
    )


def test_the_command_says_so(one: Registry, make_file: Make) -> None:
    words = ["register", "churn", make_file(), "--if-changed", "--no-lineage", "-m", "auc=0.99", "-t", "checked=yes"]
    warning = (
        "warning: not stored (churn@1 already has these files): metrics.auc, tags.checked; "
        "use --update to store metrics, tags and annotations\n"
    )
    answer = run(*words, root=one.root)
    assert (answer.code, answer.out, answer.err) == (
        0,
        "churn@1\n",
        f"unchanged: churn@1 already has these files\n{warning}",
    )
    assert run(*words, "-q", root=one.root).err == warning
    answer = run(*words, "--json", root=one.root)
    assert (answer.json["not_stored"], answer.json["updated"], answer.err) == (
        ["metrics.auc", "tags.checked"],
        [],
        warning,
    )
    answer = run(*words, "--update", "--message", "x", "-p", "depth=8", root=one.root)
    assert answer.err == (
        "unchanged: churn@1 already has these files\nchurn@1: stored metrics.auc, tags.checked\n"
        "warning: not stored (churn@1 already has these files): params.depth, message; "
        "params, message cannot be changed later; register without --if-changed to create a new version\n"
    )
    assert json.loads(run("show", "churn@1", "--json", root=one.root).out)["metrics"]["auc"] == 0.99
