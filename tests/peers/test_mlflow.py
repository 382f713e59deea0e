"""MLflow's own stores come in, compared field by field with what MLflow says; what goes out, MLflow predicts with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from registry_cli.core import values
from registry_cli.core.times import format_milliseconds
from tests.peers.conftest import DATA, Tools
from tests.support import snapshot

pytestmark = pytest.mark.peers

SCRIPT = DATA / "make_mlflow.py"
STAGES = {"Production": ("production",), "Staging": ("staging",), "Archived": ()}


@pytest.fixture(scope="module", params=["db", "files"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def store(kind: str, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"mlflow-{kind}")
    tools.run("python", SCRIPT, kind, folder)
    return folder


@pytest.fixture(scope="module")
def told(kind: str, store: Path, tools: Tools) -> dict[str, dict[str, Any]]:
    answer: dict[str, dict[str, Any]] = tools.told("python", SCRIPT, "told", kind, store)
    return answer


def test_field_by_field(reg: Registry, store: Path, told: dict[str, dict[str, Any]]) -> None:
    before = snapshot(store)
    done = reg.import_(f"mlflow:{store}", only="Churn Model", stages=True, aliases=True)
    assert [each.ref for each in done] == [f"churn-model@{number}" for number in sorted(told)]
    for number, said in told.items():
        version = reg.version(f"churn-model@{number}")
        assert version.message == (said["description"] or "")
        assert version.created == format_milliseconds(said["created"])
        assert version.params == {name: values.param(text, name) for name, text in said["params"].items()}
        assert version.metrics == {name: float(text) for name, text in said["metrics"].items() if text != "nan"}
        theirs = {name: text for name, text in said["run_tags"].items() if not name.startswith("mlflow.")}
        of_model = {f"model.{name}": text for name, text in said["model_tags"].items()}
        assert version.tags == {**theirs, **said["tags"], **of_model}
        assert version.annotations["model_description"] == said["model_description"]
        assert version.annotations["run_description"] == said["run_tags"]["mlflow.note.content"]
        assert version.stages == STAGES[said["stage"]]
        assert version.archived == (said["stage"] == "Archived")
        assert version.aliases == tuple(alias.lower() for alias in said["aliases"])
        run = version.lineage["run"]
        assert (run["id"], run["name"], run["user"]) == (said["run"], said["run_name"], said["user"])
        assert (run["started"], run["ended"]) == (
            format_milliseconds(said["started"]),
            format_milliseconds(said["ended"]),
        )
        assert run["command"] == said["run_tags"]["mlflow.source.name"]
        assert version.lineage["git"]["commit"] == said["run_tags"]["mlflow.source.git.commit"]
        assert [[each["uri"], each["digest"]] for each in version.lineage["data"]] == [
            [f"code:{name}", f"mlflow:{digest}"] for name, digest in said["datasets"]
        ]
    assert snapshot(store) == before


def test_in_moved_out_and_predicted_with(reg: Registry, store: Path, tools: Tools, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(store, moved)
    done = reg.import_(f"mlflow:{moved}", only="Churn Model", name="churn")
    reg.export(done[2].ref, tmp_path / "model", format="mlflow")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"inputs": [[0.0, 1.0], [3.0, 1.0]]}))
    command = ("mlflow", "models", "predict", "-m", tmp_path / "model", "--env-manager", "local", "-i", rows)
    assert tools.told(*command) == {"predictions": [0, 1]}
