"""What other tools have comes in as ``register`` takes it: version control and caches left out, secrets refused, nothing
from inside a registry. Bundles are restored as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import InvalidInput, Registry
from tests.commands import run
from tests.support import snapshot

Make = Callable[[Path], str]


def hugging_face(folder: Path) -> str:
    (folder / "config.json").write_text("{}")
    return f"hf:{folder}"


def bentoml(folder: Path) -> str:
    (folder / "model.yaml").write_text("name: tiny\nversion: v1\n")
    return f"bentoml:{folder}"


def mlflow(folder: Path) -> str:
    (folder / "MLmodel").write_text("flavors: {}\n")
    return f"mlflow:{folder}"


def dvc(folder: Path) -> str:
    (folder.parent / "dvc.yaml").write_text(f"artifacts:\n  tiny:\n    path: {folder.name}\n    type: model\n")
    (folder.parent / ".dvc").mkdir()
    return f"dvc:{folder.parent}"


MAKERS = [hugging_face, bentoml, mlflow, dvc]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder, with what does not belong to it."""
    root = tmp_path / "source" / "tiny"
    for name in (".git/HEAD", "__pycache__/a.pyc", "src/__pycache__/b.pyc", "src/code.py", "weights.bin", "run.log"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def stored(reg: Registry, ref: str) -> set[str]:
    return {entry.path for entry in reg.artifacts.files(ref)} - {"config.json", "model.yaml", "MLmodel"}


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_is_left_out(reg: Registry, folder: Path, make: Make) -> None:
    source = make(folder)
    (done,) = reg.import_(source, exclude="*.log")
    assert done.status == "imported", done.why
    assert stored(reg, done.ref) == {"src/code.py", "weights.bin"}
    assert {(each.pattern, each.count) for each in done.excluded} == {(".git/", 1), ("__pycache__/", 2), ("*.log", 1)}


@pytest.mark.parametrize("make", MAKERS)
def test_a_change_of_what_is_left_out_makes_no_new_version(reg: Registry, folder: Path, make: Make) -> None:
    source = make(folder)
    reg.import_(source)
    (folder / ".git" / "index").write_text("new")
    (folder / "__pycache__" / "a.pyc").write_text("new")
    (done,) = reg.import_(source, merge=True)
    assert (done.status, done.why) == ("skipped", "already imported")


@pytest.mark.parametrize("make", MAKERS)
def test_files_are_taken_back(reg: Registry, folder: Path, make: Make) -> None:
    source = make(folder)
    (folder / ".registryignore").write_text("*.log\nsrc/\n!src/code.py\n")
    (done,) = reg.import_(source, include=["*.pyc", "nothing"])
    assert stored(reg, done.ref) == {
        "src/code.py", "weights.bin", "__pycache__/a.pyc", "src/__pycache__/b.pyc", ".registryignore",
    }  # fmt: skip
    assert done.warnings == ("`include` 'nothing' had no effect: no excluded file matches",)


@pytest.mark.parametrize("make", MAKERS)
def test_a_secret_keeps_a_version_out_unless_it_is_included(reg: Registry, folder: Path, make: Make) -> None:
    source = make(folder)
    (folder / "src" / ".env").write_text("TOKEN=x")
    (done,) = reg.import_(source)
    assert (done.status, done.code) == ("failed", 5)
    assert "src/.env" in done.why
    assert reg.admin.model_names() == []
    (done,) = reg.import_(source, include="src/.env")
    assert "src/.env" in stored(reg, done.ref)
    assert any("looks like a secret" in text for text in done.warnings)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("whose", ["own", "foreign"])
def test_nothing_comes_from_inside_a_registry(
    reg: Registry, folder: Path, make: Make, whose: str, tmp_path: Path
) -> None:
    """A version's sealed folder is a source like any other, as far as other tools can tell."""
    make(folder)
    holder = reg if whose == "own" else Registry.init(tmp_path / "foreign")
    holder.register("held", [folder])
    before = snapshot(tmp_path)
    source = make(holder.path("held")) if make is not dvc else None
    if source is None:  # its documents lie beside the folder
        (folder.parent / "sealed").symlink_to(holder.path("held"))
        (folder.parent / "dvc.yaml").write_text("artifacts:\n  tiny:\n    path: sealed\n    type: model\n")
        source = f"dvc:{folder.parent}"
        (done,) = reg.import_(source)
        assert done.status == "failed"
        return
    (done,) = reg.import_(source)
    assert (done.status, done.code) == ("failed", 5)
    assert str(holder.root) in done.why
    assert snapshot(tmp_path).keys() == before.keys()


def test_a_source_that_a_registry_lies_in_is_refused_by_its_name(reg: Registry, folder: Path) -> None:
    source = hugging_face(folder)
    below = Registry.init(folder / "models")
    (done,) = reg.import_(source)
    assert (done.status, done.code) == ("failed", 5)
    assert str(below.root) in done.why
    (done,) = reg.import_(source, exclude="/models/")
    assert done.status == "imported"


def test_a_bundle_is_restored_as_it_is(reg: Registry, folder: Path, tmp_path: Path) -> None:
    (folder / ".env").write_text("TOKEN=x")
    reg.register("tiny", [folder], include=["**"])
    reg.export("tiny", tmp_path / "out.tar.gz")
    reg.export("tiny@1", tmp_path / "one.tar.gz")
    other = Registry.init(tmp_path / "other")
    for bundle, name in (("out.tar.gz", "tiny"), ("one.tar.gz", "copy")):
        (done,) = other.import_(tmp_path / bundle, name=name)
        assert done.status == "imported"
        assert other.artifacts.files(f"{name}@1") == reg.artifacts.files("tiny@1")
    with pytest.raises(InvalidInput, match="only apply to other tools"):
        other.import_(tmp_path / "out.tar.gz", name="third", exclude="*.log")


def test_the_command_says_what_it_left_out(reg: Registry, folder: Path) -> None:
    source = hugging_face(folder)
    done = run("import", source, "--exclude", "*.log", root=reg.root)
    assert done.code == 0
    assert "tiny@1: excluded run.log, .git/, __pycache__/ (2)" in done.err
    item = run("import", source, "--as", "again", "--json", "--dry-run", root=reg.root).json["items"][0]
    assert [each["pattern"] for each in item["excluded"]] == [".git/", "__pycache__/"]
    assert item["empty_folders"] == []
