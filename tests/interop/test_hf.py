"""Snapshots and caches of Hugging Face, as huggingface_hub left them, become versions here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.interop import huggingface
from tests.interop.stores import unpacked
from tests.support import snapshot

OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return unpacked("hf", tmp_path)


@pytest.fixture
def repository(home: Path) -> Path:
    return home / "hub" / "models--acme--tiny"


def test_a_cache_becomes_versions(home: Path, reg: Registry) -> None:
    before = snapshot(home)
    done = reg.import_(f"hf:{home}")
    assert [(each.ref, each.key) for each in done] == [
        ("acme/tiny@1", "hf:acme/tiny@1111111"),
        ("acme/tiny@2", "hf:acme/tiny@2222222"),
    ]
    first, second = reg.version("acme/tiny@1"), reg.version("acme/tiny@2")
    assert first.tags == {
        "license": "apache-2.0",
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "datasets": "reviews",
        "hf_tags": "sentiment, tiny",
        "hf_revision": "v1",
    }
    assert second.tags["hf_revision"] == "main"
    assert first.metrics == {"reviews accuracy": 0.91}
    assert first.annotations == {"card": "# tiny\n\nSays whether a review is friendly."}
    assert first.lineage["imported"]["revision"] == OLD
    assert [entry.path for entry in reg.artifacts.files("acme/tiny@1")] == [
        "README.md",
        "config.json",
        "onnx/model.onnx",
    ]
    assert reg.path("acme/tiny@1", "onnx/model.onnx").read_text() == "old weights"
    assert reg.path("acme/tiny@2", "onnx/model.onnx").read_text() == "new weights"
    assert snapshot(home) == before
    assert [each.status for each in reg.import_(f"hf:{home}")] == ["skipped", "skipped"]


@pytest.mark.parametrize(("place", "revisions"), [("..", 2), (".", 2), (f"snapshots/{NEW}", 1)])
def test_places(repository: Path, place: str, revisions: int) -> None:
    found = list(huggingface.read(repository / place))
    assert len(found) == revisions
    assert found[-1].key == f"hf:acme/tiny:{NEW}"
    assert found[-1].lost == ()


def test_one_model_alone(home: Path) -> None:
    assert len(list(huggingface.read(home, only="acme/tiny"))) == 2
    with pytest.raises(NotFound, match="no model 'acme/huge'"):
        list(huggingface.read(home, only="acme/huge"))


def test_a_folder_without_a_cache(tmp_path: Path, reg: Registry) -> None:
    """What ``git clone`` or ``hf download --local-dir`` leaves; changed, it is another version."""
    folder = tmp_path / "bert"
    for name in (".git/config", ".cache/huggingface/.gitignore", "config.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    (first,) = reg.import_(f"hf:{folder}")
    assert [entry.path for entry in reg.artifacts.files(first.ref)] == ["config.json"]
    assert [each.status for each in reg.import_(f"hf:{folder}")] == ["skipped"]
    (folder / "config.json").write_text("{ }")
    (second,) = reg.import_(f"hf:{folder}", merge=True)
    assert (second.status, second.ref) == ("imported", "bert@2")
    record = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    record.parent.mkdir()
    record.write_text(f"{OLD}\nabc\n1.0\n")
    assert next(huggingface.read(folder)).key == f"hf:bert:{OLD}"


def test_links_are_followed_inside_of_the_model_only(repository: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    snapshots = repository / "snapshots" / NEW
    (snapshots / "key").symlink_to(secret / "key")
    (snapshots / "relative").symlink_to("../../../../../secret/key")
    (snapshots / "all").symlink_to(secret)
    (snapshots / "gone").symlink_to("../../blobs/nothing")
    (snapshots / "loop").symlink_to("loop")
    (snapshots / "again").symlink_to("onnx")
    os.mkfifo(snapshots / "pipe")
    (found,) = huggingface.read(snapshots)
    assert sorted(found.named) == ["README.md", "config.json", "onnx/model.onnx"]
    assert len(found.lost) == 7
    outside = tmp_path / "models--a--b" / "snapshots" / "main"
    outside.parent.mkdir(parents=True)
    outside.symlink_to(secret)
    assert [each.lost for each in huggingface.read(tmp_path / "models--a--b")] == [
        ("no snapshot of it is in the cache",)
    ]


@pytest.mark.parametrize(
    ("card", "lost"),
    [
        ("---\nlicense: &x mit\nother: *x\n---\n# text", "line 1: anchors"),
        ("---\n[1, 2\n---\n", "the head of its card"),
        ("---\n- a list\n---\n", ""),
        ("---\nlicense: [mit, apache-2.0]\ntags: text\nmodel-index: {a: 1}\n---\n", ""),
        (
            "---\nmodel-index: [{results: [{metrics: [{type: f1, value: many}, 3, {value: 1}]}, 7]}, 5]\n---\n",
            "metric 'f1'",
        ),
        ("no front matter", ""),
        ("---\nunclosed: yes\n", ""),
    ],
)
def test_cards_that_are_odd(tmp_path: Path, card: str, lost: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "README.md").write_text(card)
    (found,) = huggingface.read(tmp_path / "model")
    assert found.named
    assert any(lost in text for text in found.lost) if lost else not found.lost


def test_nothing_of_hugging_face(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a Hugging Face model"):
        list(huggingface.read(tmp_path))
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(NotFound, match="no model files"):
        list(huggingface.read(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="is not a folder"):
        list(huggingface.read(tmp_path / "file"))
