"""BentoML's model store, as BentoML left it, becomes versions here."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_cli import InvalidInput, NotFound, Registry
from registry_cli.interop import bentoml
from tests.interop.stores import unpacked
from tests.support import snapshot


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return unpacked("bentoml", tmp_path)


def test_all_that_bentoml_says_comes_along(home: Path, reg: Registry) -> None:
    before = snapshot(home)
    done = reg.import_(f"bentoml:{home}")
    assert [(each.status, each.ref, each.key) for each in done] == [
        ("imported", "churn@1", "bentoml:churn:a1"),
        ("imported", "churn@2", "bentoml:churn:b2"),
        ("imported", "fraud@1", "bentoml:fraud:c3"),
    ]
    first, second = reg.version("churn@1"), reg.version("churn@2")
    assert first.metrics == {"auc": 0.93, "epochs": 12, "nested.depth": 6}
    assert first.params == {"note": "by hand", "reviewed": True}
    assert first.tags == {"bentoml_version": "a1", "team": "crm"}
    assert first.lineage["framework"] == "sklearn 1.9.1"
    assert second.lineage["imported"]["module"] == "bentoml.sklearn"
    assert second.lineage["imported"]["signatures"]["predict"]["batchable"] is True
    assert first.created < second.created
    assert reg.path("churn@1", "weights.bin").read_bytes() == b"some weights"
    assert snapshot(home) == before


@pytest.mark.parametrize("place", [".", "models", "models/churn/a1"])
def test_places(home: Path, place: str) -> None:
    keys = [each.key for each in bentoml.read(home / place)]
    assert keys[0] == "bentoml:churn:a1"
    assert len(keys) == (1 if place.endswith("a1") else 3)


def test_one_model_alone(home: Path) -> None:
    assert [each.key for each in bentoml.read(home, only="fraud")] == ["bentoml:fraud:c3"]
    with pytest.raises(NotFound, match="no model 'spam'"):
        list(bentoml.read(home, only="spam"))


def test_what_can_not_be_read_is_told(home: Path, tmp_path: Path) -> None:
    (home / "models" / "churn" / "b2" / "model.yaml").write_text("name: [unclosed")
    (home / "models" / "fraud" / "c3" / "model.yaml").write_text("name: 5\nlabels: text\nmetadata: [1]\ncontext: 3\n")
    broken, first, fraud = sorted(bentoml.read(home), key=lambda each: (bool(each.files), each.key))
    assert (broken.key, broken.files) == ("bentoml:churn:b2", ())
    assert "line 1" in broken.lost[0]
    assert first.metrics["auc"] == 0.93
    assert (fraud.model, fraud.metrics) == ("fraud", {})
    with pytest.raises(InvalidInput, match="is not a folder"):
        list(bentoml.read(home / "models" / "churn" / "latest"))
    with pytest.raises(NotFound, match="contains no BentoML model"):
        list(bentoml.read(tmp_path / "bentoml" / "models" / "churn" / "a1" / ".."))


def test_a_model_that_is_a_link_out_of_the_store(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.yaml").write_text("name: churn\nversion: zz\n")
    (home / "models" / "churn" / "zz").symlink_to(outside)
    assert [each.key for each in bentoml.read(home, only="churn")] == ["bentoml:churn:a1", "bentoml:churn:b2"]
