"""What MLflow needs to know is told by the files: registered as they are, nothing said of them, and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import InvalidInput, Registry
from registry_cli.core.yaml import documents
from registry_cli.interop.source_tree import lookup

TESTS = Path(__file__).parents[1]
SCANNING, FORMATS = TESTS / "scan" / "data", TESTS / "inspect" / "data"

Out = Callable[[Path], tuple[dict[str, Any], Path]]


@pytest.fixture
def out(reg: Registry, tmp_path: Path) -> Out:
    """``MLmodel``, and the folder, of what a file becomes."""

    def exported(path: Path) -> tuple[dict[str, Any], Path]:
        version = reg.register("churn", [path])
        assert version.lineage["scan"]["verdict"] in ("known-globals", "safe-format", "unknown-globals")
        target = tmp_path / f"out-{version.number}"
        reg.export(version.ref, target, format="mlflow")
        return documents.loads_mapping((target / "MLmodel").read_bytes(), "MLmodel"), target

    return exported


@pytest.mark.parametrize(
    ("path", "flavor", "expected"),
    [
        (SCANNING / "forest.pkl", "sklearn", {"pickled_model": "forest.pkl", "serialization_format": "pickle", "sklearn_version": "1.9.1"}),
        (SCANNING / "logistic-p0.pkl", "sklearn", {"pickled_model": "logistic-p0.pkl", "serialization_format": "pickle"}),
        (SCANNING / "logistic.skops", "sklearn", {"pickled_model": "logistic.skops", "serialization_format": "skops"}),
        (SCANNING / "forest.joblib", "python_function", {"loader_module": "joblib_loader", "data": "forest.joblib"}),
        (SCANNING / "forest.joblib.gz", "python_function", {"loader_module": "joblib_loader", "data": "forest.joblib.gz"}),
        (SCANNING / "xgboost.json", "xgboost", {"data": "xgboost.json", "model_format": "json", "xgb_version": "3.2.0"}),
        (SCANNING / "xgboost.ubj", "xgboost", {"data": "xgboost.ubj", "model_format": "ubj", "xgb_version": "3.2.0"}),
        (SCANNING / "xgboost.pkl", "sklearn", {"pickled_model": "xgboost.pkl"}),
        (SCANNING / "lightgbm.txt", "lightgbm", {"data": "lightgbm.txt", "model_class": "lightgbm.basic.Booster"}),
        (SCANNING / "lightgbm.joblib", "python_function", {"loader_module": "joblib_loader"}),
        (FORMATS / "onnx" / "mlp.onnx", "onnx", {"data": "mlp.onnx", "providers": ["CPUExecutionProvider"]}),
        (SCANNING / "module.pt", "pytorch", {"model_data": "data"}),
        (SCANNING / "legacy-module.pt", "pytorch", {"model_data": "data"}),
        (SCANNING / "traced.pt", "pytorch", {"model_data": "data"}),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)  # fmt: skip
def test_the_flavor(path: Path, flavor: str, expected: dict[str, Any], out: Out) -> None:
    document, target = out(path)
    found = document["flavors"][flavor]
    assert {name: found.get(name) for name in expected} == expected
    assert "python_function" in document["flavors"]
    for name in ("data", "pickled_model"):
        if name in found:
            assert (target / found[name]).read_bytes() == path.read_bytes()
    if flavor == "pytorch":
        assert (target / "data" / "model.pth").read_bytes() == path.read_bytes()


def test_the_signature_of_onnx_comes_from_the_file(out: Out) -> None:
    document, _ = out(FORMATS / "onnx" / "mlp.onnx")
    assert lookup(document, "signature", "inputs")
    assert "tensor-spec" in document["signature"]["inputs"]


def test_packages_have_the_release_that_the_file_tells(out: Out) -> None:
    _, target = out(SCANNING / "forest.pkl")
    assert (target / "requirements.txt").read_text() == "mlflow\nscikit-learn==1.9.1\n"
    _, target = out(SCANNING / "xgboost.ubj")
    assert (target / "requirements.txt").read_text() == "mlflow\nxgboost==3.2.0\n"


@pytest.mark.parametrize("name", ["state.pt", "legacy.pt"])
def test_weights_alone_are_no_model(name: str, out: Out) -> None:
    with pytest.raises(InvalidInput, match="contains PyTorch weights"):
        out(SCANNING / name)


def test_what_is_not_known_is_asked_for(out: Out) -> None:
    with pytest.raises(InvalidInput, match="is unknown, so MLflow could not load it"):
        out(SCANNING / "numbers.npy")
