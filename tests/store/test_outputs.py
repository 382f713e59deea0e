"""Files that are written outside of the registry: none replaces what somebody else put there, or another registry's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Registry
from tests.commands import run
from tests.support import snapshot

Make = Callable[..., Path]


@pytest.fixture
def churn(reg: Registry, make_file: Make) -> Registry:
    """churn with two versions, of which rules archive the first."""
    for number in (1, 2):
        reg.register("churn", [make_file(f"weights {number}")])
    return reg


PLANS = {
    "archive": ["archive", "churn", "--keep", "1"],
    "delete": ["delete", "churn", "--keep", "1", "--older-than", "0s"],
    "prune": ["prune", "churn", "--keep", "1", "--older-than", "0s"],
}


@pytest.mark.parametrize("verb", PLANS)
@pytest.mark.parametrize(
    "there", ["a file", "a link", "a dangling link", "a folder", "JSON", "another registry's plan"]
)
def test_a_plan_replaces_no_file_of_a_user(churn: Registry, tmp_path: Path, verb: str, there: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    target = place / "plan.json"
    if there == "a folder":
        target.mkdir()
    elif there.endswith("link"):
        target.symlink_to("thesis.txt")
        if there == "a link":
            (place / "thesis.txt").write_text("mine")
    else:
        plan = {"schema": 1, "kind": "plans", "registry": "0" * 32, "items": []}
        target.write_text({"JSON": '{"kind": "thesis"}', "a file": "mine"}.get(there, json.dumps(plan)))
    before = snapshot(place)
    answer = run(*PLANS[verb], "--plan", str(target), root=churn.root)
    assert answer.code == 4, answer.err
    assert snapshot(place) == before


@pytest.mark.parametrize("verb", PLANS)
def test_a_plan_replaces_an_earlier_plan(churn: Registry, tmp_path: Path, verb: str) -> None:
    target = tmp_path / "plan.json"
    for _ in range(2):
        answer = run(*PLANS[verb], "--plan", str(target), root=churn.root)
        assert answer.code == 0, answer.err
        assert json.loads(target.read_text())["kind"] == "plans"
    assert run("apply", str(target), "--yes", root=churn.root).code == 0
    assert os.listdir(tmp_path).count("plan.json") == 1
    assert not [name for name in os.listdir(tmp_path) if ".tmp-" in name]


@pytest.mark.parametrize("place", ["registry.yaml", "models/churn/plan.json", "models/plan.json", ".schemas/plan.json"])
def test_a_plan_is_not_written_into_the_registry(churn: Registry, place: str) -> None:
    before = snapshot(churn.root)
    answer = run(*PLANS["archive"], "--plan", str(churn.root / place), root=churn.root)
    assert answer.code == 2, answer.err
    assert "is inside the registry" in answer.err
    assert snapshot(churn.root) == before


INSIDE = [
    "registry.yaml", "models", "models/new", "models/theirs", "models/theirs/versions/2", "models/theirs/versions/1/files",
    "models/theirs/stages/x", "models/theirs/blobs/x", ".schemas/x",
]  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path, churn: Registry) -> Registry:
    """Another registry, whose first version has the files of churn@1: so that a copy of it would count as ours."""
    other = Registry.init(tmp_path / "theirs", author="bob")
    churn.fetch("churn@1", tmp_path / "copy")
    other.register("theirs", [tmp_path / "copy"])
    return other


def outputs(reg: Registry, place: Path) -> Iterator[Callable[[], object]]:
    yield lambda: reg.fetch("churn@2", place, replace=True)
    yield lambda: reg.export("churn@2", place, format="hf", replace=True)
    yield lambda: reg.export("churn@2", place, format="cyclonedx", replace=True)
    yield lambda: reg.artifacts.card("churn@2", place, replace=True)
    yield lambda: reg.export(["churn@2"], place / "x.tar", replace=True)


@pytest.mark.parametrize("inside", INSIDE)
def test_nothing_is_written_into_another_registry(churn: Registry, theirs: Registry, inside: str) -> None:
    before = snapshot(theirs.root)
    for write in outputs(churn, theirs.root / inside):
        with pytest.raises(InvalidInput, match="is inside the registry"):
            write()
        assert snapshot(theirs.root) == before


def test_nothing_is_written_into_the_registry_at_a_second_mount(churn: Registry, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if subprocess.run(["mount", "--bind", churn.root / "models", mounted], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        before = snapshot(churn.root)
        for inside in ("new", "churn/versions/3", "churn/versions/1/files"):
            with pytest.raises(InvalidInput, match="is inside the registry"):
                churn.fetch("churn@1", mounted / inside, replace=True)
        assert snapshot(churn.root) == before
    finally:
        subprocess.run(["umount", mounted], check=True)
