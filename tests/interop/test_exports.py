"""Versions as other tools read them. ``tests/peers`` lets the tools themselves read them; here it is what we write."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Conflict, InvalidInput, Registry
from registry_cli.core.yaml import documents
from registry_cli.interop.cards import licenses
from tests.interop.stores import unpacked
from tests.support import snapshot

Make = Callable[..., str]


@pytest.fixture
def make(reg: Registry, tmp_path: Path) -> Make:
    """Registers files, with all that can be said of them; gives the reference."""

    def made(files: dict[str, bytes], name: str = "risk/churn", **lineage: Any) -> str:
        folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return reg.register(
            name, [folder], params={"depth": 6, "solver": "lbfgs"}, metrics={"auc": 0.9, "loss": 1e-7},
            tags={"team": "crm", "license": "Apache-2.0", "pipeline_tag": "tabular-classification", "datasets": "march", "odd key": "ä"},
            annotations={"limitations": "Only | adults", "purpose": "To keep <them>", "note": "a\nb"},
            message="The first", lineage={"extra": lineage},
        ).ref  # fmt: skip

    return made


SKLEARN = {"format": "pickle", "framework": "sklearn 1.5.2", "environment": {"python": "3.11.7"}}


def loaded(path: Path) -> dict[str, Any]:
    return documents.loads_mapping(path.read_bytes(), path.name)


def test_a_pickle_of_scikit_learn_for_mlflow(reg: Registry, make: Make, tmp_path: Path) -> None:
    ref = make({"model.pkl": pickle.dumps({"a": 1})}, **SKLEARN)
    done = reg.export(ref, tmp_path / "out", format="mlflow")
    assert done.lost == ("annotations, lineage",)
    document = loaded(tmp_path / "out" / "MLmodel")
    assert document["flavors"]["sklearn"]["serialization_format"] == "pickle"
    assert document["flavors"]["sklearn"]["sklearn_version"] == "1.5.2"
    assert document["flavors"]["python_function"] == {
        "loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict",
        "python_version": "3.11.7", "env": {"virtualenv": "python_env.yaml"},
    }  # fmt: skip
    assert document["metadata"]["registry"]["ref"] == ref
    assert document["metadata"]["metrics"] == {"auc": 0.9, "loss": 1e-07}
    assert (tmp_path / "out" / "requirements.txt").read_text() == "mlflow\nscikit-learn==1.5.2\n"
    assert (tmp_path / "out" / "model.pkl").read_bytes() == pickle.dumps({"a": 1})


@pytest.mark.parametrize(
    ("name", "data", "lineage", "flavor", "expected"),
    [
        ("m.joblib", b"x\x9c compressed", {"framework": "sklearn 1.5"}, None, {"python_function": {"loader_module": "joblib_loader"}}),
        ("m.joblib", b"\x80\x04 joblib.numpy_pickle", {}, "sklearn", {"python_function": {"code": "code"}}),
        ("m.pkl", b"\x80\x04 cloudpickle.cloudpickle", {}, "sklearn", {"sklearn": {"serialization_format": "cloudpickle"}}),
        ("m.skops", b"PK\x03\x04", {}, "sklearn", {"sklearn": {"serialization_format": "skops"}}),
        ("m.json", b'{"learner":{}}', {"framework": "xgboost 3.2.0"}, None, {"xgboost": {"xgb_version": "3.2.0", "model_format": "json"}}),
        ("m.bst", b"{L\0\0", {}, "xgboost", {"xgboost": {"data": "m.bst.ubj"}}),
        ("m.pkl", b"\x80\x04.", {"framework": "xgboost 3.2.0"}, None, {"sklearn": {"pickled_model": "m.pkl"}}),
        ("m.txt", b"tree\n", {"framework": "lightgbm"}, None, {"lightgbm": {"data": "m.txt"}}),
        ("m.onnx", b"\x08", {"format": "onnx", "framework": "torch 2.0"}, None, {"onnx": {"data": "m.onnx"}}),
        ("m.pt", b"PK", {"framework": "torch 2.1", "contents": {"kind": "module"}}, None, {"pytorch": {"model_data": "data"}}),
        ("m.pt2", b"PK", {"framework": "torch 2.1"}, None, {"pytorch": {"pytorch_version": "2.1"}}),
    ],
)  # fmt: skip
def test_flavors(
    reg: Registry,
    make: Make,
    tmp_path: Path,
    name: str,
    data: bytes,
    lineage: dict[str, Any],
    flavor: str | None,
    expected: Any,
) -> None:
    ref = make({name: data, "notes.md": b"n"}, **lineage)
    reg.export(ref, tmp_path / "out", format="mlflow", flavor=flavor)
    flavors = loaded(tmp_path / "out" / "MLmodel")["flavors"]
    for which, keys in expected.items():
        assert {key: flavors[which][key] for key in keys} == keys
    generic = flavors["python_function"]
    place = generic.get("data") or generic["model_path"]
    assert (tmp_path / "out" / place).exists()
    if "code" in generic:
        assert (tmp_path / "out" / generic["code"] / f"{generic['loader_module']}.py").is_file()


@pytest.mark.parametrize(
    ("files", "lineage", "flavor", "words"),
    [
        ({"model.pkl": b"x"}, {}, None, "is unknown, so MLflow could not load it; specify it with `flavor`"),
        ({"model.pkl": b"x"}, {"framework": "tensorflow 2"}, None, "is unknown"),
        ({"model.pkl": b"x"}, {}, "prophet", "unknown flavor 'prophet'"),
        ({"a.pkl": b"x", "b.pkl": b"y"}, {}, "sklearn", "2 files of .* could be the model: a.pkl, b.pkl"),
        ({"a.bin": b"x"}, {}, "sklearn", "has no file that sklearn"),
        (
            {"a.pt": b"PK"},
            {"framework": "torch 2.0", "contents": {"kind": "state_dict"}},
            None,
            "without the model code",
        ),
        ({"sub/m.onnx": b"x"}, {"format": "onnx"}, None, "is in a subfolder"),
    ],
)
def test_what_mlflow_could_not_load_is_refused(
    reg: Registry, make: Make, tmp_path: Path, files: dict[str, bytes], lineage: dict[str, Any], flavor: str | None, words: str
) -> None:  # fmt: skip
    ref = make(files, **lineage)
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput, match=words):
        reg.export(ref, tmp_path / "out", format="mlflow", flavor=flavor)
    assert snapshot(tmp_path) == before


def test_the_signature_of_onnx(reg: Registry, make: Make, tmp_path: Path) -> None:
    contents = {
        "inputs": [{"name": "x", "type": "float32", "shape": [None, "rows", 3]}],
        "outputs": [{"name": "y", "type": "string"}],
    }
    reg.export(make({"m.onnx": b"\x08"}, format="onnx", contents=contents), tmp_path / "out", format="mlflow")
    signature = loaded(tmp_path / "out" / "MLmodel")["signature"]
    assert json.loads(signature["inputs"]) == [
        {"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, -1, 3]}}
    ]
    assert signature["outputs"] is None


def test_what_came_from_mlflow_leaves_as_it_came(reg: Registry, tmp_path: Path) -> None:
    store = unpacked("mlflow-db", tmp_path)
    done = reg.import_(f"mlflow:{store}", only="Churn Model")
    reg.export(done[0].ref, tmp_path / "out", format="mlflow")
    (source,) = [
        each.parent for each in store.rglob("MLmodel") if each.read_text() == (tmp_path / "out" / "MLmodel").read_text()
    ]
    assert {each.name: each.read_bytes() for each in source.iterdir()} == {
        each.name: each.read_bytes() for each in (tmp_path / "out").iterdir()
    }


def test_a_card_for_hugging_face(reg: Registry, make: Make, tmp_path: Path) -> None:
    ref = make({"config.json": b"{}", "sub/weights.safetensors": b"w"}, framework="torch 2.1", git={"commit": "abc"})
    done = reg.export(ref, tmp_path / "out", format="hf")
    assert done.lost == ("lineage",)
    head, body = hf_export_parts(tmp_path / "out" / "README.md")
    assert head["license"] == "apache-2.0"
    assert (head["library_name"], head["pipeline_tag"], head["datasets"]) == (
        "pytorch",
        "tabular-classification",
        ["march"],
    )
    assert head["metrics"] == ["auc", "loss"]
    assert head["tags"] == ["odd key:ä", "team:crm"]
    assert head["model-index"][0]["results"][0]["metrics"] == [
        {"type": "auc", "value": 0.9},
        {"type": "loss", "value": 1e-07},
    ]
    assert "## Intended use\n\nTo keep &lt;them>\n\n## Limitations\n\nOnly | adults\n\n" in body
    assert body.endswith("## Notes\n\n### Note\n\na\nb\n")
    assert "| depth | 6 |" in body
    assert f"| Version | {ref} |" in body
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["README.md", "config.json", "sub"]


def hf_export_parts(path: Path) -> tuple[dict[str, Any], str]:
    from registry_cli.interop.huggingface import split_front_matter

    head, body = split_front_matter(path.read_text(encoding="utf-8"))
    return documents.loads_mapping(head.encode(), "card"), body


def test_a_card_that_is_there_stays(reg: Registry, make: Make, tmp_path: Path) -> None:
    done = reg.export(make({"README.md": b"mine", "m": b"m"}), tmp_path / "out", format="hf")
    assert (tmp_path / "out" / "README.md").read_text() == "mine"
    assert done.lost[-1] == "README.md is unchanged and does not include the metadata of this registry"


def test_licenses() -> None:
    expected = {"MIT": "mit", "GPL-3.0-only": "gpl-3.0", "Acme EULA": "other", "apache-2.0": "apache-2.0"}
    assert {text: licenses.parse_license(text).word for text in expected} == expected


def test_hugging_face_there_and_back(reg: Registry, make: Make, tmp_path: Path) -> None:
    reg.export(make({"m.bin": b"m"}, framework="sklearn 1.5"), tmp_path / "bert", format="hf")
    (done,) = reg.import_(f"hf:{tmp_path / 'bert'}")
    version = reg.version(done.ref)
    assert version.metrics == {"march auc": 0.9, "march loss": 1e-07}
    assert version.tags["pipeline_tag"] == "tabular-classification"
    assert version.lineage["framework"] == "sklearn"


def test_bentoml_there_and_back(reg: Registry, make: Make, tmp_path: Path) -> None:
    ref = make({"m.bin": b"m"}, **SKLEARN)
    done = reg.export(ref, tmp_path / "out", format="bentoml")
    document = loaded(tmp_path / "out" / "model.yaml")
    assert (document["name"], document["version"]) == ("risk-churn", "1")
    assert document["labels"] == {
        "team": "crm",
        "license": "Apache-2.0",
        "pipeline_tag": "tabular-classification",
        "datasets": "march",
    }
    assert document["metadata"]["tags"] == {"odd key": "ä"}
    assert document["context"]["framework_versions"] == {"scikit-learn": "1.5.2"}
    assert any("path_of" in text for text in done.lost)
    (back,) = reg.import_(f"bentoml:{tmp_path / 'out'}")
    version = reg.version(back.ref)
    assert version.metrics == {"metrics.auc": 0.9, "metrics.loss": 1e-07, "params.depth": 6}


def test_what_came_from_bentoml_keeps_its_module(reg: Registry, tmp_path: Path) -> None:
    home = unpacked("bentoml", tmp_path)
    done = reg.import_(f"bentoml:{home}", only="churn")
    reg.export(done[1].ref, tmp_path / "out", format="bentoml")
    document = loaded(tmp_path / "out" / "model.yaml")
    assert (document["name"], document["version"], document["module"]) == ("churn", "2", "bentoml.sklearn")
    assert document["signatures"]["predict"]["batchable"] is True


def test_a_bill_of_materials(reg: Registry, make: Make, tmp_path: Path) -> None:
    ref = make(
        {"m.bin": b"m", "sub/n": b"n"}, **SKLEARN, parents=["base@3"], git={"commit": "abc", "remote": "https://example.org/x.git"},
        data=[{"path": "march.csv", "digest": f"sha256:{'a' * 64}", "size": 3}, {"uri": "s3://x/y", "digest": "etag:1"}, "odd"],
        contents={"class": "Forest", "inputs": [{"name": "x", "type": "float32", "shape": [None, 3]}]},
    )  # fmt: skip
    done = reg.export(ref, tmp_path / "bom.json", format="cyclonedx")
    assert done.lost == ()
    bom = json.loads((tmp_path / "bom.json").read_text())
    model = bom["metadata"]["component"]
    assert (bom["specVersion"], model["type"], model["group"], model["name"], model["version"]) == (
        "1.6", "machine-learning-model", "risk", "churn", "1",
    )  # fmt: skip
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert model["hashes"] == [{"alg": "SHA-256", "content": reg.version(ref).digest}]
    assert model["pedigree"] == {
        "ancestors": [{"type": "machine-learning-model", "name": "base", "version": "3"}], "commits": [{"uid": "abc"}],
    }  # fmt: skip
    card = model["modelCard"]
    assert card["modelParameters"]["inputs"] == [{"format": "x: float32[?, 3]"}]
    assert card["quantitativeAnalysis"]["performanceMetrics"][0] == {"type": "auc", "value": "0.9"}
    assert card["considerations"] == {"technicalLimitations": ["Only | adults"], "useCases": ["To keep <them>"]}
    files = {each["name"]: each["hashes"][0]["content"] for each in bom["components"] if each["type"] == "file"}
    assert files == {entry.path: entry.sha256 for entry in reg.artifacts.files(ref)}
    assert {"name": "registry:param:depth", "value": "6"} in model["properties"]
    again = reg.export(ref, tmp_path / "again.json", format="cyclonedx")
    assert Path(again.path).read_bytes() == (tmp_path / "bom.json").read_bytes()


@pytest.mark.parametrize("kind", ["mlflow", "hf", "bentoml", "cyclonedx"])
def test_nothing_is_left_of_an_export_that_fails(reg: Registry, make: Make, tmp_path: Path, kind: str) -> None:
    ref = make({"model.pkl": b"\x80\x04."}, **SKLEARN)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(Conflict, match="already exists"):
        reg.export(ref, tmp_path / "out", format=kind)
    if kind != "mlflow":
        with pytest.raises(InvalidInput, match="has no flavors"):
            reg.export(ref, tmp_path / "other", format=kind, flavor="sklearn")
    assert sorted(each.name for each in tmp_path.glob(".*")) == []
    with pytest.raises(
        Conflict, match="is a folder, not a file" if kind == "cyclonedx" else "files from elsewhere: mine;"
    ):
        reg.export(ref, tmp_path / "out", format=kind, replace=True)
    assert (tmp_path / "out" / "mine").read_text() == "mine"
    assert sorted(each.name for each in tmp_path.glob(".*")) == []


def test_a_file_that_was_changed_does_not_leave(reg: Registry, make: Make, tmp_path: Path) -> None:
    from registry_cli import Damaged

    ref = make({"model.pkl": b"\x80\x04."}, **SKLEARN)
    path = reg.path(ref, "model.pkl")
    path.chmod(0o644)
    path.write_bytes(b"\x80\x05.")
    with pytest.raises(Damaged):
        reg.export(ref, tmp_path / "out", format="mlflow")
    assert not (tmp_path / "out").exists()
    path.write_bytes(b"\x80\x04.")
    path.chmod(0o444)


def test_skops_is_told_by_its_beginning(reg: Registry, make: Make, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    ref = make(
        {"m.skops": (tmp_path / "m.skops").read_bytes()},
        framework="sklearn 1.5.2",
        contents={"other_modules": ["mine"]},
    )
    done = reg.export(ref, tmp_path / "out", format="mlflow")
    assert "skops requires trust in mine: add them to skops_trusted_types in MLmodel if you trust them" in done.lost


def test_a_packed_version_goes_out_as_any_other(tmp_path: Path) -> None:
    registry = Registry.init(tmp_path / "registry")
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "bert"}')
    registry.register("churn", [file])
    registry.register("churn", [file])
    registry.export("churn@1", tmp_path / "before", format="hf")
    registry.archive(["churn@1"], compress="gzip")
    assert registry.version("churn@1").packed
    registry.export("churn@1", tmp_path / "after", format="hf")
    assert (tmp_path / "after/config.json").read_bytes() == file.read_bytes()
    assert {each.name for each in (tmp_path / "after").iterdir()} == {
        each.name for each in (tmp_path / "before").iterdir()
    }
