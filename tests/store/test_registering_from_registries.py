"""Nothing is registered from inside a registry: neither this one nor another, by whatever path it is reached."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry_cli import Refused, Registry
from registry_cli.store.filesystem.containment import RegistryBoundary
from tests.support import snapshot

Make = Callable[..., Path]
HOW = ["copy", "link", "move"]


@pytest.fixture
def foreign(tmp_path: Path, make_file: Make) -> Registry:
    """Another registry, with a version in production."""
    other = Registry.init(tmp_path / "foreign", author="bob")
    other.register("theirs", [make_file("their model", "theirs/model.bin")], stage="production")
    return other


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("whose", ["own", "foreign"])
@pytest.mark.parametrize(
    "place",
    ["folder", "file", "stage", "model", "models", "blob", "document", "settings", "schemas", "link", "relative"],
)
def test_what_lies_in_a_registry_is_refused(
    reg: Registry, foreign: Registry, make_file: Make, tmp_path: Path, whose: str, place: str, how: str
) -> None:
    reg.register("mine", [make_file()], stage="production")
    source, name = (reg, "mine") if whose == "own" else (foreign, "theirs")
    model = source.root / "models" / name
    (tmp_path / "link").symlink_to(source.path(name))
    os.chdir(source.path(name))
    places: dict[str, str | Path] = {
        "folder": source.path(name),
        "file": source.path(name) / source.artifacts.files(name)[0].path,
        "stage": model / "stages" / "production",
        "model": model,
        "models": source.root / "models",
        "blob": next(path for path in (model / "blobs").rglob("*") if path.is_file()),
        "document": model / "versions" / "1" / "version.yaml",
        "settings": source.root / "registry.yaml",
        "schemas": source.root / ".schemas",
        "link": tmp_path / "link",
        "relative": ".",
    }
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="is inside the registry") as told:
        reg.register("copy", [places[place]], how=how)
    assert str(source.root) in str(told.value)
    assert "registry fetch" in told.value.hint
    assert snapshot(tmp_path) == before
    assert source.artifacts.verify_files(name)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("whose", ["own", "foreign", "top", "nested"])
def test_a_folder_that_a_registry_lies_in_is_refused_by_the_name_of_the_registry(
    reg: Registry, make_file: Make, tmp_path: Path, whose: str, staged: bool, how: str
) -> None:
    project = make_file("a model", "project/model.bin").parent
    place = {"own": project / "r", "foreign": project / "r", "top": project, "nested": project / "a" / "b"}[whose]
    below = Registry.init(place)
    below.register("m", [make_file()], stage="production" if staged else None)
    target = reg if whose == "foreign" else below
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="is a registry" if whose == "top" else "contains the registry") as told:
        target.register("x", [project], how=how)
    assert str(place) in told.value.message
    assert snapshot(tmp_path) == before
    assert below.artifacts.verify_files("m@1")


def test_a_registry_that_is_excluded_is_not_in_the_way(make_file: Make) -> None:
    project = make_file("a model", "project/model.bin").parent
    below = Registry.init(project / "models")
    for _ in range(3):
        done = below.register("m", [project], exclude=["/models/"])
    assert [entry.path for entry in below.artifacts.files("m")] == ["model.bin"]
    assert [each.paths for each in done.excluded] == [("models/",)]
    below.register("m", [project], exclude=["/models/"], include=["*.bin"])
    assert [entry.path for entry in below.artifacts.files("m")] == ["model.bin"], (
        "no walk enters the registry to take files back"
    )
    for included in ("**", "registry.yaml", "version.yaml"):
        with pytest.raises(Refused, match="contains the registry"):
            below.register("m", [project], exclude=["/models/"], include=[included, "models/"])


def test_files_of_a_project_beside_its_registry_are_its_own(make_file: Make) -> None:
    """``registry init .`` in the top folder of a project."""
    project = make_file("a model", "project/build/model.bin").parent.parent
    (project / "single.bin").write_text("another")
    reg = Registry.init(project)
    reg.register("a", [project / "single.bin"])
    reg.register("b", [project / "build"])
    assert reg.admin.verify().ok


def test_a_folder_that_only_looks_like_a_registry_is_taken(reg: Registry, make_file: Make) -> None:
    project = make_file("weights", "project/models/m.bin").parent.parent
    (project / "registry.yaml").write_text("images: [a, b]\n")
    reg.register("m", [project])
    reg.register("n", [project / "models"])
    assert len(reg.artifacts.files("m")) == 2


def test_a_link_to_a_sealed_file_is_refused_where_its_registry_is_excluded(make_file: Make, tmp_path: Path) -> None:
    project = make_file("a model", "project/model.bin").parent
    below = Registry.init(project / "models")
    below.register("m", [project / "model.bin"])
    (project / "linked.bin").symlink_to(below.path("m", "model.bin"))
    with pytest.raises(Refused, match="is inside the registry"):
        below.register("m", [project], exclude=["/models/"], how="move")
    assert below.artifacts.verify_files("m@1")


@pytest.fixture
def mount(reg: Registry, tmp_path: Path) -> Iterator[Path]:
    """The models of the registry at a second place, in a folder of their own."""
    place = tmp_path / "around" / "mounted"
    place.mkdir(parents=True)
    (place.parent / "model.bin").write_text("x")
    if subprocess.run(["mount", "--bind", reg.root / "models", place], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("below", ["", "m/versions/1/files", "m/versions/1/files/model.pkl", ".."])
def test_a_registry_is_known_at_a_second_mount(reg: Registry, make_file: Make, mount: Path, below: str) -> None:
    """It has the same device and inode there, but no ``registry.yaml`` above."""
    reg.register("m", [make_file()])
    with pytest.raises(Refused, match=r"(is inside|contains) the registry"):
        reg.register("x", [mount / below], how="move")
    assert reg.artifacts.verify_files("m@1")


def test_a_folder_is_looked_up_once(reg: Registry, make_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files in a folder cost one look at the folders above."""
    path = make_file()
    boundary = RegistryBoundary(reg.root)
    boundary.refuse_inside(path, "x")
    monkeypatch.setattr(os, "stat", lambda *_: pytest.fail("looked again"))
    boundary.refuse_inside(path.with_name("other"), "y")
