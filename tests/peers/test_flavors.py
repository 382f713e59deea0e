"""Models of the real frameworks, exported for MLflow: MLflow loads each, and predicts what the framework predicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from tests.peers.conftest import Tools

pytestmark = pytest.mark.peers

SCRIPT = Path(__file__).parent / "make_models.py"
FLAVORS = {
    "forest.joblib": "sklearn", "packed.joblib": "sklearn", "line.pkl": "sklearn", "line.skops": "sklearn",
    "trees.json": "xgboost", "trees.ubj": "xgboost", "leaves.txt": "lightgbm", "twice.onnx": "onnx",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("models")
    return folder, tools.told("python", SCRIPT, "make", folder)


def test_mlflow_predicts_what_the_frameworks_do(
    reg: Registry, made: tuple[Path, dict[str, Any]], tools: Tools, tmp_path: Path
) -> None:
    folder, expected = made
    assert expected.keys() == FLAVORS.keys()
    for name, flavor in FLAVORS.items():
        ref = reg.register(name.replace(".", "-"), [folder / name]).ref
        reg.export(ref, tmp_path / "out" / name, format="mlflow", flavor=flavor)
    for name, said in tools.told("python", SCRIPT, "load", tmp_path / "out").items():
        assert _flat(said) == pytest.approx(_flat(expected[name]), rel=1e-6), name


def _flat(rows: list[Any]) -> list[float]:
    return [number for row in rows for number in (row if isinstance(row, list) else [row])]


def test_on_the_command_line(reg: Registry, made: tuple[Path, dict[str, Any]], tools: Tools, tmp_path: Path) -> None:
    """A model that joblib packed: the loader that is written beside it is found by ``mlflow models predict``, too."""
    folder, expected = made
    reg.register(
        "forest",
        [folder / "packed.joblib"],
        lineage={"extra": {"framework": "sklearn", "environment": {"python": "3.11.7"}}},
    )
    reg.export("forest", tmp_path / "model", format="mlflow")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"inputs": [[0.1, 0.2, 0.3], [0.9, 0.5, 0.1]]}))
    command = ("mlflow", "models", "predict", "-m", tmp_path / "model", "--env-manager", "local", "-i", rows)
    assert tools.told(*command) == {"predictions": expected["packed.joblib"]}
