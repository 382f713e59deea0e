"""What each layout places in a target, and what says which version is served."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, Refused, Registry
from registry_cli.core.yaml import documents
from registry_cli.serving.server_layout import get_layout
from registry_cli.serving.target_folder import TargetFolder
from registry_cli.serving.targets import LAYOUTS
from tests.serving.conftest import Change

Add = Callable[..., str]

#: Files that every layout can serve.
ALL = {
    "model.joblib": "weights", "saved_model.pb": "graph", "model.onnx": "graph", "handler.py": "pass", "MLmodel": "flavors: {}",
    "predict.py": "def load(folder): return 2\ndef predict(model, rows): return [model * row for row in rows]\n",
}  # fmt: skip


def tree(folder: Path) -> set[str]:
    found = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()
    }
    return {path for path in found if not path.startswith(".registry")}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_version_is_deployed_replaced_and_ended(reg: Registry, targets: Change, add: Add, layout: str) -> None:
    folder = targets(t={"layout": layout, "keep": 1})
    first, second = add("risk/churn", **ALL), add("risk/churn", **{**ALL, "extra.txt": "x"})
    place = TargetFolder(str(folder), get_layout(layout), "risk-churn")
    for ref, number in ((first, 1), (second, 2), (first, 1)):
        done = reg.deployments.deploy(ref, "t")
        assert (done.ref, done.state, done.changed, place.served()) == (ref, "placed", True, number)
        assert place.numbers() == [number], "keep: 1"
        (found,) = reg.deployments(check=True)
        assert (found.state, found.folder, found.running) == ("ok", number, None)
    assert Path(done.path).exists()
    assert not any(path.is_file() and path.stat().st_nlink > 1 for path in folder.rglob("*")), "nothing is linked"
    reg.deployments.undeploy("risk/churn", "t")
    assert tree(folder) <= {"models.config"}
    assert reg.deployments() == []


def test_plain(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "plain"})
    reg.deployments.deploy(add(**{"a.bin": "a", "deep/b.bin": "b"}), "t")
    assert tree(folder) == {"churn/current", "churn/releases/1/a.bin", "churn/releases/1/deep/b.bin"}
    assert (folder / "churn/current/deep/b.bin").read_text() == "b"
    assert (folder / "churn/current").readlink() == Path("releases/1")


def test_mlflow_needs_its_file(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "mlflow"})
    with pytest.raises(Refused, match="no file MLmodel"):
        reg.deployments.deploy(add(), "t")


def test_tf_serving_has_one_file_for_all_models(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "tf-serving", "server_path": "/models"})
    for name in ("churn", "risk/fraud"):
        reg.deployments.deploy(add(name, **{"model/saved_model.pb": "g", "model/variables/v": "v"}), "t")
    text = (folder / "models.config").read_text()
    assert 'name: "risk-fraud"\n    base_path: "/models/risk-fraud"' in text
    assert text.count("specific { versions: 1 }") == 2
    assert (folder / "churn/1/variables/v").read_text() == "v"
    reg.deployments.undeploy("churn", "t")
    assert "churn" not in (folder / "models.config").read_text()
    assert "risk-fraud" in (folder / "models.config").read_text()


def test_a_models_config_of_people_is_not_touched(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "tf-serving"})
    (folder / "models.config").write_text("model_config_list {}\n")
    with pytest.raises(Conflict, match="was not written by the registry"):
        reg.deployments.deploy(add(**{"saved_model.pb": "g"}), "t")
    assert (folder / "models.config").read_text() == "model_config_list {}\n"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", 'name: "churn"\nbackend: "onnxruntime"\n'),
        ('name: "other"\nbackend: "x"\ninput [ { name: "a" dims: [ 1 ] } ]\nversion_policy: { latest { num_versions: 2 }}\nmax_batch_size: 8\n',
         'name: "churn"\nbackend: "x"\ninput [ { name: "a" dims: [ 1 ] } ]\n\nmax_batch_size: 8\n'),
        ("version_policy {\n  all { }\n}\nplatform: 'y'", 'name: "churn"\nplatform: \'y\'\n'),
    ],
)  # fmt: skip
def test_triton_keeps_the_configuration(reg: Registry, targets: Change, add: Add, own: str, expected: str) -> None:
    folder = targets(t={"layout": "triton"})
    reg.deployments.deploy(add(**{"net.onnx": "x", **({"config.pbtxt": own} if own else {})}), "t")
    text = (folder / "models/churn/config.pbtxt").read_text()
    assert text == expected + "version_policy: { specific { versions: [ 1 ] } }\n"
    assert tree(folder) == {"models/churn/config.pbtxt", f"models/churn/1/{'net' if own else 'model'}.onnx"}


def test_mlserver(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "mlserver"})
    reg.deployments.deploy(add(**{"model.joblib": "x"}), "t")
    settings = json.loads((folder / "churn/model-settings.json").read_text())
    assert settings == {
        "name": "churn", "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./1/model.joblib", "version": "1"},
    }  # fmt: skip
    own = {"name": "x", "implementation": "mine.Model", "parameters": {"uri": "./m.bin", "extra": {"a": 1}}}
    reg.deployments.deploy(add(**{"m.bin": "x", "model-settings.json": json.dumps(own)}), "t")
    settings = json.loads((folder / "churn/model-settings.json").read_text())
    assert settings["implementation"] == "mine.Model"
    assert settings["parameters"] == {"uri": "./2/m.bin", "extra": {"a": 1}, "version": "2"}
    assert not (folder / "churn/2/model-settings.json").exists(), "MLServer would find it"
    with pytest.raises(Refused, match="no runtime of MLServer"):
        reg.deployments.deploy(add(**{"weights.bin": "x"}), "t")


def test_torchserve_archives_are_the_same_each_time(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "torchserve"}, u={"layout": "torchserve"})
    ref = add(**{"handler.py": "pass", "model.pt": "weights"})
    for target in ("t", "u"):
        reg.deployments.deploy(ref, target)
    with zipfile.ZipFile(folder / "churn.mar") as archive:
        assert archive.testzip() is None
        assert archive.read("model.pt") == b"weights"
        model = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]
    assert model == {"modelName": "churn", "modelVersion": "1", "handler": "handler.py", "serializedFile": "model.pt"}
    assert (folder / "churn-1.mar").read_bytes() == (folder.parent / "u/churn-1.mar").read_bytes()
    assert (folder / "churn.mar").readlink() == Path("churn-1.mar")


def test_bentoml(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "bentoml"})
    reg.deployments.deploy(add("risk/churn", **{"saved.pkl": "x"}), "t")
    document = documents.loads_mapping((folder / "models/risk-churn/1/model.yaml").read_bytes(), "model.yaml")
    assert (document["name"], document["version"], document["api_version"]) == ("risk-churn", "1", "v1")
    assert (folder / "models/risk-churn/latest").read_text() == "1"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of FastAPI as ``app.py`` uses."""

    class App:
        def get(self, _: str) -> Any:
            return lambda function: function

        post = get

    fastapi = types.SimpleNamespace(FastAPI=App, HTTPException=type("HTTPException", (Exception,), {}))
    monkeypatch.setitem(sys.modules, "fastapi", fastapi)
    monkeypatch.setitem(sys.modules, "pydantic", types.SimpleNamespace(BaseModel=object))


@pytest.mark.usefixtures("web")
def test_the_app_runs_and_takes_the_next_version(reg: Registry, targets: Change, add: Add) -> None:
    folder = targets(t={"layout": "fastapi"})
    code = "def load(folder): return {}\ndef predict(model, rows): return [model * row for row in rows]\n"
    reg.deployments.deploy(add(**{"predict.py": code.format(2)}), "t")
    spec = importlib.util.spec_from_file_location("app_of_churn", folder / "churn/current/app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    body = types.SimpleNamespace(instances=[1, 2])
    assert app.predict(body) == {"model": "churn", "version": 1, "predictions": [2, 4]}
    reg.deployments.deploy(add(**{"predict.py": code.format(3)}), "t")
    assert app.predict(body)["version"] == 1
    assert app.reload()["version"] == 2
    assert app.predict(body) == {"model": "churn", "version": 2, "predictions": [3, 6]}
    assert set((folder / "churn/current/requirements.txt").read_text().split()) == {"fastapi", "uvicorn"}


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("name", ["model.skops", "model.joblib", "model.onnx", "model.ubj", "model.cbm"])
def test_the_code_of_each_loader_compiles(reg: Registry, targets: Change, add: Add, name: str) -> None:
    folder = targets(t={"layout": "fastapi"})
    reg.deployments.deploy(add(**{name: "x"}), "t")
    text = (folder / "churn/current/app.py").read_text()
    compile(text, "app.py", "exec")
    assert name in text


def test_fastapi_refuses_what_it_cannot_load(reg: Registry, targets: Change, add: Add) -> None:
    targets(t={"layout": "fastapi"})
    with pytest.raises(Refused, match=r"predict\.py"):
        reg.deployments.deploy(add(**{"model.bin": "x"}), "t")
