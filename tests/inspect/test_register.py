"""What is found inside goes into the version that is registered, can be searched for, and is told by diff."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry, inspect_files
from registry_cli.rules.comparison import Difference
from tests.inspect.conftest import DATA

PIPELINE = DATA / "onnx" / "pipeline.onnx"
NET = DATA / "onnx" / "mlp.onnx"


@pytest.fixture
def reg(tmp_path: Path) -> Iterator[Registry]:
    Registry.init(tmp_path / "registry")
    with (tmp_path / "registry" / "registry.yaml").open("a") as stream:
        stream.write("scan: off\n")  # what is inside is looked at alone here
    made = Registry(tmp_path / "registry", author="alice", cache=tmp_path / "cache")
    yield made
    assert made.admin.verify().problems == ()


def test_a_version_says_what_it_is(reg: Registry) -> None:
    lineage = reg.register("churn", [PIPELINE]).lineage
    assert (lineage["format"], lineage["framework"]) == ("onnx", "sklearn")
    assert lineage["contents"]["inputs"][2] == {"name": "plan", "type": "string", "shape": [None, 1]}
    assert lineage == inspect_files([PIPELINE]).lineage() == reg.artifacts.inspect("churn@1").lineage()
    assert Registry(reg.root).version("churn@1").lineage == lineage


def test_a_folder_says_what_it_is_as_a_whole(reg: Registry) -> None:
    lineage = reg.register("churn", [DATA / "mlflow" / "churn"]).lineage
    assert (lineage["format"], lineage["contents"]["also"]) == ("mlflow", ["skops"])
    beside = reg.register("churn", [PIPELINE, DATA / "README.md"]).lineage
    assert beside["contents"]["file"] == "pipeline.onnx"


def test_what_nobody_recognises_says_nothing(reg: Registry, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x01\x02" * 1000)
    assert reg.register("churn", [path]).lineage == {}
    assert b"lineage" not in (reg.path("churn@1").parent / "version.yaml").read_bytes()


def test_a_file_that_is_cut_short_is_registered_and_says_so(reg: Registry, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes((DATA / "gguf" / "tiny.gguf").read_bytes()[:9000])
    lineage = reg.register("churn", [path]).lineage
    assert lineage == {"format": "gguf", "contents": {"problem": "it is cut short"}}


def test_what_was_given_stands_above_what_is_found(reg: Registry) -> None:
    given = {"framework": "our own 1.0", "run": {"id": 7}}
    lineage = reg.register("churn", [NET], lineage={"extra": given}).lineage
    assert (lineage["format"], lineage["framework"], lineage["run"]) == ("onnx", "our own 1.0", {"id": 7})


def test_it_can_be_switched_off(reg: Registry) -> None:
    assert reg.register("churn", [NET], inspect=False).lineage == {}
    assert reg.register("churn", [NET], inspect=False, lineage={"extra": {"a": 1}}).lineage == {"a": 1}


def test_linked_and_moved_files_are_looked_at_too(reg: Registry, tmp_path: Path) -> None:
    for how in ("link", "move"):
        path = tmp_path / f"{how}.onnx"
        shutil.copyfile(NET, path)
        assert reg.register("churn", [path], how=how).lineage["format"] == "onnx"


def test_every_fixture_can_be_registered_and_read_again(reg: Registry) -> None:
    for folder in sorted(DATA.iterdir()):
        if folder.is_dir():
            version = reg.register(folder.name, [folder])
            assert reg.version(version.ref).lineage == version.lineage
            assert version.lineage["format"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("format = 'onnx' and lineage.framework like 'sklearn%'", ["pipeline@1"]),
        ("format = onnx", ["net@1", "pipeline@1"]),
        ("format like 'xgboost%' and lineage.contents.features contains 'spend'", ["boosted@1"]),
        ("lineage.contents.parameters > 80", ["net@1"]),
        ("lineage.contents.class ~ 'Pipeline'", ["pipeline@1"]),
        ("not format exists", ["other@1"]),
    ],
)
def test_versions_are_found_by_what_is_inside(reg: Registry, tmp_path: Path, query: str, found: list[str]) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"else")
    for name, path in (("net", NET), ("pipeline", PIPELINE), ("boosted", DATA / "xgboost/model.ubj"), ("other", other)):
        reg.register(name, [path])
    assert sorted(version.ref for version in reg.search(query)) == found  # by the index
    assert sorted(version.ref for version in Registry(reg.root).search(query)) == found  # by the files


def test_diff_tells_the_signature_apart_from_the_rest(reg: Registry, tmp_path: Path) -> None:
    """The same net with another input: what remains of the lineage is told as before."""
    changed = tmp_path / "mlp.onnx"
    changed.write_bytes(NET.read_bytes().replace(b"batch", b"items"))
    reg.register("churn", [NET])
    reg.register("churn", [changed])
    reg.register("churn", [PIPELINE])
    reg.register("churn", [DATA / "xgboost/model.ubj"])
    found = reg.diff("churn@1", "churn@2")
    assert found.signature == (
        Difference("inputs.x", "float32[batch, 4]", "float32[items, 4]"),
        Difference("outputs.y", "float32[batch, 16]", "float32[items, 16]"),
    )
    assert found.lineage == ()
    other = reg.diff("churn@1", "churn@3")
    assert ("inputs.spend", "added") in [(each.name, each.change) for each in other.signature]
    assert ("inputs.x", "removed") in [(each.name, each.change) for each in other.signature]
    assert not any(each.name.startswith("contents.inputs") for each in other.lineage)
    unlike = reg.diff("churn@1", "churn@4")  # one tells inputs, the other features: neither is a change of the other
    assert unlike.signature == ()
    assert {each.name for each in unlike.lineage} >= {"contents.inputs", "contents.features"}


def test_inspecting_what_is_not_there_is_an_error(reg: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"^file or folder .* not found"):
        inspect_files([tmp_path / "nowhere"])
    with pytest.raises(InvalidInput, match="standard input"):
        inspect_files(["-"])
    with pytest.raises(NotFound):
        reg.artifacts.inspect("churn@1")
