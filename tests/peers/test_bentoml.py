"""BentoML's own store comes in, and what goes out BentoML lists, resolves and loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry_cli import Registry
from tests.peers.conftest import DATA, Tools
from tests.support import snapshot

pytestmark = pytest.mark.peers

LOAD = "import bentoml, json; print(json.dumps(bentoml.sklearn.load_model('churn:2').predict([[0.0], [1.0]]).tolist()))"


def test_in_and_out(reg: Registry, tools: Tools, tmp_path: Path) -> None:
    home = tmp_path / "bentoml"
    tools.run("python", DATA / "make_bentoml.py", home)
    before = snapshot(home)
    listed = json.loads(tools.run("bentoml", "models", "list", "-o", "json", BENTOML_HOME=str(home)))
    done = reg.import_(f"bentoml:{home}")
    assert {each.key.removeprefix("bentoml:") for each in done} == {each["tag"] for each in listed}
    assert snapshot(home).keys() == before.keys()
    said = json.loads(tools.run("bentoml", "models", "get", "churn:a1", "-o", "json", BENTOML_HOME=str(home)))
    version = reg.version("churn@1")
    assert {"bentoml_version": "a1", **said["labels"]} == version.tags
    assert said["metadata"]["auc"] == version.metrics["auc"]

    other = tmp_path / "other"
    for number in (1, 2):
        reg.export(f"churn@{number}", other / "models" / "churn" / str(number), format="bentoml")
    said = json.loads(tools.run("bentoml", "models", "get", "churn:1", "-o", "json", BENTOML_HOME=str(other)))
    assert (said["name"], said["version"]) == ("churn", "1")
    assert said["labels"] == dict(version.tags)
    assert said["metadata"]["metrics"] == dict(version.metrics)
    listed = json.loads(tools.run("bentoml", "models", "list", "churn", "-o", "json", BENTOML_HOME=str(other)))
    assert {each["tag"] for each in listed} == {"churn:1", "churn:2"}
    where = tools.run("bentoml", "models", "get", "churn:1", "-o", "path", BENTOML_HOME=str(other)).strip()
    assert (Path(where) / "weights.bin").read_bytes() == b"some weights"
    assert tools.told("python", "-c", LOAD, BENTOML_HOME=str(other)) == [0, 1]
