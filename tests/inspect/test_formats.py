"""What is read of files made by the real frameworks is what these say themselves."""

from __future__ import annotations

from typing import Any

import pytest

from registry_cli.inspect.formats import FILES, FOLDERS, gguf, onnx, tensorflow
from registry_cli.inspect.inspection import Inspection, Tensor
from tests.inspect.conftest import ARTIFACTS, DATA, look, primary

NAMES = ("tenure", "calls", "spend", "età")


def tensors(listed: tuple[Tensor, ...]) -> list[tuple[str, str, Any]]:
    return [(each.name, each.type, each.shape) for each in listed]


def made_by(found: Inspection) -> str:
    return f"{found.format} {found.made_by}"


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: str(path.relative_to(DATA)))
def test_every_file_of_a_framework_is_recognised_by_its_content(path: Any) -> None:
    """And is the same under a name that says nothing."""
    found = primary(path)
    assert found.format in {name for row in (*FILES, *FOLDERS) for name in row.names}
    if path.is_dir():
        return
    from registry_cli.inspect.inspector import inspect

    other = inspect({"download": path}).primary
    assert other is not None
    assert other.format == found.format


def test_safetensors(truth: Any) -> None:
    found = primary("safetensors/single.safetensors")
    assert (found.format, found.framework, found.parameters) == (
        "safetensors",
        "torch",
        truth["safetensors"]["parameters"],
    )
    assert found.dtypes == {"float32": 400, "bfloat16": 8, "float16": 3, "int64": 1}
    assert found.details == {"tensors": 4, "metadata": {"format": "pt", "license": "apache-2.0"}}


def test_sharded_safetensors_are_one_model(truth: Any) -> None:
    looked = look("safetensors/sharded")
    assert [each.path for each in looked.found] == [""]
    found = primary("safetensors/sharded")
    assert found.parameters == truth["safetensors"]["parameters"]
    assert found.dtypes == {"float32": 400, "bfloat16": 8, "float16": 3, "int64": 1}
    assert (found.details["shards"], found.details["tensors"]) == (2, 4)


def test_gguf(truth: Any) -> None:
    found = primary("gguf/tiny.gguf")
    assert (found.class_name, found.parameters) == ("llama", truth["gguf"]["parameters"])
    assert found.dtypes == {"float32": 6400, "Q8_0": 4096, "float16": 64}
    assert found.dtypes.keys() == {gguf._TYPES[int(kind)] for kind in (0, 8, 1)}
    said = {
        key: found.details[key]
        for key in ("name", "license", "context_length", "quantization", "vocabulary", "tensors")
    }
    assert said == {"name": "Tiny", "license": "mit", "context_length": 2048, "quantization": "Q8_0",
                    "vocabulary": 1000, "tensors": 3}  # fmt: skip


def test_gguf_knows_the_types_that_the_library_knows(truth: Any) -> None:
    words = {"F32": "float32", "F16": "float16", "F64": "float64", "BF16": "bfloat16",
             **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}}  # fmt: skip
    assert {int(kind): words.get(name, name) for kind, name in truth["gguf"]["all_types"].items()} == gguf._TYPES
    kinds = {int(kind): name.removeprefix("ALL_").removeprefix("MOSTLY_")
             for kind, name in truth["gguf"]["all_file_types"].items() if name != "GUESSED"}  # fmt: skip
    assert kinds == gguf._FILE_TYPES


def test_onnx_of_a_pipeline(truth: Any) -> None:
    found = primary("onnx/pipeline.onnx")
    assert made_by(found) == "onnx sklearn"
    assert found.parameters == truth["onnx"]["pipeline"]
    column = (None, 1)
    assert tensors(found.inputs) == [
        ("spend", "float32", column),
        ("calls", "float32", column),
        ("plan", "string", column),
    ]
    assert tensors(found.outputs) == [
        ("output_label", "int64", (None,)), ("output_probability", "sequence(map(int64, float32))", None),
    ]  # fmt: skip
    opsets = {domain or "ai.onnx": version for domain, version in truth["onnx"]["opsets"].items()}
    assert found.details["opsets"] == opsets
    assert found.details["ir_version"] == truth["onnx"]["ir_version"]
    assert found.details["producer"] == f"skl2onnx {truth['onnx']['versions']['skl2onnx']}"


def test_onnx_of_a_net(truth: Any) -> None:
    found = primary("onnx/mlp.onnx")
    assert made_by(found) == "onnx torch 2.5.1"
    assert (found.parameters, found.dtypes) == (truth["onnx"]["mlp"], {"float32": 80, "int64": 5})
    assert tensors(found.inputs) == [("x", "float32", ("batch", 4))]
    assert tensors(found.outputs) == [("y", "float32", ("batch", 16))]
    assert found.details["properties"] == {"task": "churn", "data": "2026-10"}
    assert not any(found.details[key] for key in ("external_data", "external_missing", "external_outside"))


def test_onnx_knows_the_types_that_the_library_knows(truth: Any) -> None:
    words = {"FLOAT": "float32", "DOUBLE": "float64", "FLOAT16": "float16", "BFLOAT16": "bfloat16"}

    def named(name: str) -> str:
        lower = words.get(name, name.lower())
        return lower.replace("float8e", "float8_e").replace("float4e", "float4_e").replace("float6e", "float6_e")

    known = {int(kind): named(name) for kind, name in truth["onnx"]["types"].items() if name != "UNDEFINED"}
    assert known == onnx._DTYPES


def test_onnx_tells_where_its_weights_are(truth: Any) -> None:
    beside = primary("onnx/external").details
    assert (beside["external_data"], beside["external_missing"], beside["external_outside"]) == (
        ["weights.bin"],
        [],
        [],
    )
    assert primary("onnx/external").parameters == truth["onnx"]["mlp"]
    alone = primary("onnx/external/model.onnx").details
    assert alone["external_missing"] == ["weights.bin"]
    escaping = primary("onnx/escaping.onnx").details
    assert escaping["external_outside"] == ["../../outside/weights.bin"]
    assert escaping["external_missing"] == []


def test_keras(truth: Any) -> None:
    found = primary("keras/mlp.keras")
    assert made_by(found) == f"keras keras {truth['keras']['versions']['keras']}"
    assert (found.class_name, found.parameters) == ("Sequential", truth["keras"]["mlp"])
    assert found.dtypes == {"float32": truth["keras"]["mlp"]}
    assert tensors(found.inputs) == [("row", "float32", (None, 4))]
    assert tensors(found.outputs) == [("dense_1", "", None)]
    assert sum(found.details["layers"].values()) == len(truth["keras"]["layers"])
    assert set(found.details["layers"]) == set(truth["keras"]["layers"])
    assert found.details["lambda_layers"] is None


def test_keras_with_two_inputs(truth: Any) -> None:
    found = primary("keras/functional.keras")
    assert (found.class_name, found.parameters) == ("Functional", truth["keras"]["functional"])
    assert tensors(found.inputs) == [("left", "float32", (None, 4)), ("right", "float16", (None, 2, 3))]
    assert tensors(found.outputs) == [("out", "", None)]


def test_a_lambda_layer_of_keras_is_told() -> None:
    assert primary("keras/lambda.keras").details["lambda_layers"] == 1


def test_keras_in_hdf5(truth: Any) -> None:
    found = primary("keras/mlp.h5")
    assert made_by(found) == f"keras-h5 keras {truth['keras']['versions']['keras']}"
    assert (found.class_name, found.parameters) == ("Sequential", truth["keras"]["mlp"])
    assert tensors(found.inputs) == [("row", "float32", (None, 4))]


def test_saved_model(truth: Any) -> None:
    said = truth["tensorflow"]
    found = primary("tensorflow/scorer")
    assert made_by(found) == f"saved-model tensorflow {said['versions']['tensorflow-cpu']}"
    assert (found.parameters, found.dtypes) == (said["parameters"], {"float32": said["parameters"]})
    assert tensors(found.inputs) == [("row", "float32", (None, 4))]
    assert {each.name: each.type for each in found.outputs} == said["outputs"]
    assert (found.details["tags"], found.details["fingerprint"]) == (["serve"], said["checksum"])
    assert found.details["other_signatures"] == {}


def test_what_keras_exports_counts_its_weights_once(truth: Any) -> None:
    found = primary("tensorflow/exported")
    assert found.parameters == truth["tensorflow"]["exported"]
    assert list(found.details["other_signatures"]) == ["serve"]


def test_saved_model_knows_the_types_that_tensorflow_knows(truth: Any) -> None:
    assert {int(kind): name for kind, name in truth["tensorflow"]["types"].items()} == tensorflow._DTYPES


def test_skops(truth: Any) -> None:
    said = truth["skops"]
    found = primary("skops/pipeline.skops")
    assert made_by(found) == f"skops sklearn {said['versions']['scikit-learn']}"
    assert found.class_name == "sklearn.pipeline.Pipeline"
    assert (found.features, found.width) == (tuple(said["features"]), 4)
    assert [step.rpartition(".")[2].lower() for step in found.details["steps"]] == said["steps"]
    assert found.details["skops_version"] == said["versions"]["skops"]
    assert found.details["other_modules"] == []
    plain = primary("skops/plain.skops")
    assert (plain.class_name.rpartition(".")[2], plain.features, plain.width) == ("LogisticRegression", (), 4)


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_xgboost(file: str, truth: Any) -> None:
    said = truth["xgboost"]
    found = primary(f"xgboost/{file}")
    assert made_by(found) == f"xgboost-{file[-4:].lstrip('.')} xgboost {said['versions']['xgboost-cpu']}"
    assert (found.class_name, found.features, found.width) == ("gbtree", NAMES, said["features"])
    assert found.details == {"objective": "binary:logistic", "trees": said["trees"], "classes": None,
                             "attributes": {"best_iteration": "4"}}  # fmt: skip


def test_xgboost_without_names(truth: Any) -> None:
    found = primary("xgboost/unnamed.ubj")
    assert (found.features, found.width) == ((), 4)
    assert (found.details["trees"], found.details["classes"]) == (truth["xgboost"]["many_trees"], 3)


@pytest.mark.parametrize("file", ["model.json", "model.ubj"])
def test_the_trees_of_xgboost_are_not_read(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the front nor the end reaches the other: as with a model of many megabytes."""
    from registry_cli.inspect.formats import gradient_boosting

    whole = primary(f"xgboost/{file}")
    monkeypatch.setattr(gradient_boosting, "XGBOOST_FRONT", 700)
    monkeypatch.setattr(gradient_boosting, "XGBOOST_BACK", 700)
    found = primary(f"xgboost/{file}")
    assert found.lineage() == whole.lineage()


def test_lightgbm(truth: Any) -> None:
    found = primary("lightgbm/model.txt")
    assert (found.class_name, list(found.features)) == ("gbdt", truth["lightgbm"]["features"])
    assert (found.details["trees"], found.details["objective"]) == (truth["lightgbm"]["trees"], "binary")
    assert found.details["trained_with"]["num_leaves"] == "4"


def test_catboost(truth: Any) -> None:
    said = truth["catboost"]
    found = primary("catboost/model.json")
    assert made_by(found) == f"catboost-json catboost {said['versions']['catboost']}"
    assert (list(found.features), found.details["trees"]) == (said["features"], said["trees"])
    assert found.details["objective"] == "Logloss"
    assert made_by(primary("catboost/model.cbm")) == f"catboost catboost {said['versions']['catboost']}"


def test_mlflow(truth: Any) -> None:
    said = truth["mlflow"]
    found = primary("mlflow/churn")
    assert made_by(found) == f"mlflow sklearn {said['versions']['scikit-learn']}"
    assert [(each.name, each.type) for each in found.inputs] == [
        (each["name"], each["type"]) for each in said["inputs"]
    ]
    assert tensors(found.outputs) == [("", "int64", (None,))]
    assert (found.details["flavors"], found.details["mlflow_version"]) == (
        ["python_function", "sklearn"], said["versions"]["mlflow-skinny"],
    )  # fmt: skip
    assert tensors(primary("mlflow/tensor").inputs) == [("", "float32", (None, 4))]


def test_what_mlflow_wraps_tells_the_rest() -> None:
    looked = look("mlflow/churn")
    assert [(each.path, each.format) for each in looked.found] == [("", "mlflow"), ("model.skops", "skops")]
    found = primary("mlflow/churn")
    assert found.class_name.endswith(".LogisticRegression")
    assert found.features == NAMES
    assert looked.lineage()["contents"]["also"] == ["skops"]


def test_transformers(truth: Any) -> None:
    found = primary("transformers/bert")
    assert made_by(found) == f"transformers transformers {truth['transformers']['versions']['transformers']}"
    assert (found.class_name, found.parameters) == (
        "BertForSequenceClassification",
        truth["transformers"]["parameters"],
    )
    said = {key: found.details[key] for key in ("model_type", "dtype", "labels", "license", "pipeline_tag")}
    assert said == {"model_type": "bert", "dtype": "bfloat16", "labels": ["stays", "goes"], "license": "mit",
                    "pipeline_tag": "text-classification"}  # fmt: skip


def test_torchserve(truth: Any) -> None:
    found = primary("torchserve/churn.mar")
    details = {
        key: found.details[key] for key in ("name", "model_version", "handler", "serialized_file", "archiver_version")
    }
    assert details == {"name": "churn", "model_version": "1.2", "handler": "answer.py", "serialized_file": "weights.pt",
                       "archiver_version": truth["torchserve"]["versions"]["torch-model-archiver"]}  # fmt: skip
