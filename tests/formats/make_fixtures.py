"""Makes the files in ``data/`` with the real frameworks, and ``truth.json``: what the frameworks themselves say of them.

Run by hand, with the packages of the extra ``frameworks``: ``python tests/formats/make_fixtures.py tests/formats/data``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1")

import numpy as np  # behind the settings that it must see

Truth = dict[str, Any]
RNG = np.random.default_rng(7)
NAMES = ["tenure", "calls", "spend", "età"]
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 2] > 0).astype(int)


def safetensors(to: Path) -> Truth:
    import ml_dtypes
    from safetensors import safe_open
    from safetensors.numpy import save_file

    tensors = {
        "embed.weight": RNG.normal(size=(50, 8)).astype(np.float32),
        "norm.weight": RNG.normal(size=(8,)).astype(ml_dtypes.bfloat16),
        "head.bias": RNG.normal(size=(3,)).astype(np.float16),
        "steps": np.array(7, dtype=np.int64),
    }
    save_file(tensors, to / "single.safetensors", metadata={"format": "pt", "license": "apache-2.0"})
    shards = to / "sharded"
    shards.mkdir()
    weight_map = {}
    for at, names in enumerate((("embed.weight", "steps"), ("norm.weight", "head.bias")), 1):
        file = f"model-{at:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, shards / file, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(names, file))
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    with safe_open(to / "single.safetensors", "numpy") as file:
        count = sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118
    return {"parameters": count, "total_size": total}


def gguf(to: Path) -> Truth:
    import gguf as library

    path = to / "tiny.gguf"
    writer = library.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_license("mit")
    writer.add_context_length(2048)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_file_type(library.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token{at}" for at in range(1000)])
    writer.add_token_scores([0.5] * 1000)
    writer.add_tensor("token_embd.weight", RNG.normal(size=(100, 64)).astype(np.float32))
    quantised = library.quants.quantize(RNG.normal(size=(64, 64)).astype(np.float32), library.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.attn_q.weight", quantised, raw_dtype=library.GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", np.ones(64, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = library.GGUFReader(path)
    return {
        "parameters": sum(int(tensor.n_elements) for tensor in reader.tensors),
        "types": {tensor.tensor_type.name: int(tensor.n_elements) for tensor in reader.tensors},
        "all_types": {int(kind): kind.name for kind in library.GGMLQuantizationType},
        "all_file_types": {int(kind): kind.name for kind in library.LlamaFileType},
    }


def onnx(to: Path) -> Truth:
    import onnx as library
    import pandas
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pandas.DataFrame({"spend": X[:, 0], "calls": X[:, 1], "plan": ["gold", "tin"] * 30})
    mixed = ColumnTransformer([("n", StandardScaler(), ["spend", "calls"]), ("c", OneHotEncoder(), ["plan"])])
    pipeline = make_pipeline(mixed, LogisticRegression()).fit(frame, Y)
    kinds = [
        ("spend", FloatTensorType([None, 1])),
        ("calls", FloatTensorType([None, 1])),
        ("plan", StringTensorType([None, 1])),
    ]
    made = to_onnx(pipeline, initial_types=kinds, options={"zipmap": True}, target_opset={"": 18, "ai.onnx.ml": 3})
    library.save(made, to / "pipeline.onnx")

    def net(name: str) -> Any:
        weights = [RNG.normal(size=(4, 16)).astype(np.float32), RNG.normal(size=(16,)).astype(np.float32)]
        more = [numpy_helper.from_array(each, f"w{at}") for at, each in enumerate(weights)]
        ids = numpy_helper.from_array(np.arange(5, dtype=np.int64), "ids")
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "w0", "w1"], ["y"])],
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 16])],
            [*more, ids],
        )
        model = helper.make_model(
            graph, producer_name="pytorch", producer_version="2.5.1", opset_imports=[helper.make_opsetid("", 17)]
        )
        helper.set_model_props(model, {"task": "churn", "data": "2026-10"})
        return model

    library.save(net("mlp"), to / "mlp.onnx")
    (to / "external").mkdir()
    library.save(
        net("external"),
        to / "external" / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    escaping = net("escaping")
    library.external_data_helper.convert_model_to_external_data(escaping, location="weights.bin", size_threshold=0)
    for tensor in escaping.graph.initializer:
        tensor.external_data[0].value = "../../outside/weights.bin"
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    (to / "escaping.onnx").write_bytes(escaping.SerializeToString())

    def count(model: Any) -> int:
        return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)

    return {
        "pipeline": count(made),
        "mlp": count(net("x")),
        "ir_version": made.ir_version,
        "opsets": {each.domain: each.version for each in made.opset_import},
        "types": {value: TensorProto.DataType.Name(value) for value in TensorProto.DataType.values()},
    }


def xgboost(to: Path) -> Truth:
    import xgboost as library

    data = library.DMatrix(X, Y, feature_names=NAMES)
    booster = library.train({"objective": "binary:logistic", "max_depth": 2}, data, 5)
    booster.set_attr(best_iteration="4")
    booster.save_model(to / "model.json")
    booster.save_model(to / "model.ubj")
    many = library.train(
        {"objective": "multi:softprob", "num_class": 3, "max_depth": 2}, library.DMatrix(X, Y + (X[:, 1] > 1)), 3
    )
    many.save_model(to / "unnamed.ubj")
    return {"features": booster.num_features(), "trees": len(booster.get_dump()), "many_trees": len(many.get_dump())}


def lightgbm(to: Path) -> Truth:
    import lightgbm as library

    data = library.Dataset(X, Y, feature_name=[*NAMES[:3], "age"])
    booster = library.train({"objective": "binary", "num_leaves": 4, "verbose": -1, "min_data_in_leaf": 5}, data, 6)
    booster.save_model(to / "model.txt")
    return {"trees": booster.num_trees(), "features": booster.feature_name()}


def catboost(to: Path) -> Truth:
    import catboost as library

    names = ["spend", "calls", "tenure", "age"]
    model = library.CatBoostClassifier(iterations=3, depth=2, verbose=False, allow_writing_files=False)
    model.fit(library.Pool(X, Y, feature_names=names))
    model.save_model(str(to / "model.cbm"))
    model.save_model(str(to / "model.json"), format="json")
    return {"trees": model.tree_count_, "features": model.feature_names_}


def keras(to: Path) -> Truth:
    import keras as library

    library.utils.set_random_seed(1)
    mlp = library.Sequential(
        [
            library.Input((4,), name="row"),
            library.layers.Dense(8, activation="relu"),
            library.layers.BatchNormalization(),
            library.layers.Dropout(0.1),
            library.layers.Dense(1),
        ],
        name="churn",
    )
    mlp.compile("adam", "mse")
    mlp.fit(X, Y.astype(np.float32), verbose=0)  # the state of the optimizer is in the file too
    mlp.save(to / "mlp.keras")
    mlp.save(to / "mlp.h5")
    left, right = library.Input((4,), name="left"), library.Input((2, 3), name="right", dtype="float16")
    joined = library.layers.Concatenate()([library.layers.Dense(3)(left), library.layers.Flatten()(right)])
    two = library.Model([left, right], library.layers.Dense(2, name="out")(joined), name="two")
    two.save(to / "functional.keras")
    doubled = library.Sequential(
        [library.Input((4,)), library.layers.Lambda(eval(compile("lambda x: x * 2", "doubled", "eval")))]
    )
    doubled.save(to / "lambda.keras")
    return {
        "mlp": mlp.count_params(),
        "functional": two.count_params(),
        "layers": [type(layer).__name__ for layer in mlp.layers],
    }


def tensorflow(to: Path) -> Truth:
    import tensorflow as library

    class Scorer(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = library.Variable(RNG.normal(size=(4, 2)).astype(np.float32), name="weights")
            self.bias = library.Variable(np.zeros(2, np.float32), name="bias")

        @library.function(  # type: ignore[untyped-decorator]
            input_signature=[library.TensorSpec([None, 4], library.float32, name="row")]
        )
        def score(self, row: Any) -> Any:
            return {"scores": row @ self.weights + self.bias, "best": library.argmax(row @ self.weights, 1)}

    scorer = Scorer()
    folder = to / "scorer"
    library.saved_model.save(scorer, str(folder), signatures={"serving_default": scorer.score})
    loaded = library.saved_model.load(str(folder))
    signature = loaded.signatures["serving_default"]
    fingerprint = library.saved_model.experimental.read_fingerprint(str(folder))
    inputs = library.keras.Input((3,), name="row")
    net = library.keras.Model(
        inputs, library.keras.layers.Dense(2, name="out")(library.keras.layers.Dropout(0.1)(inputs))
    )
    net.compile("adam", "mse")
    net.fit(X[:, :3], X[:, :2], verbose=0)
    net.export(str(to / "exported"))
    return {
        "parameters": sum(int(np.prod(variable.shape)) for variable in scorer.variables),
        "outputs": {name: spec.dtype.name for name, spec in signature.structured_outputs.items()},
        "exported": net.count_params(),
        "checksum": f"{fingerprint.saved_model_checksum:016x}",
        "types": {kind: library.dtypes.as_dtype(kind).name for kind in (*range(1, 24), 24, 25, 29, 30)},
    }


def skops(to: Path) -> Truth:
    import pandas
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pandas.DataFrame(X, columns=NAMES)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, Y)
    skops.io.dump(pipeline, to / "pipeline.skops")
    skops.io.dump(LogisticRegression().fit(X, Y), to / "plain.skops")
    return {"features": list(pipeline.feature_names_in_), "steps": [name for name, _ in pipeline.steps]}


def mlflow(to: Path) -> Truth:
    import mlflow as library
    import mlflow.sklearn
    import pandas
    from mlflow.models import infer_signature
    from sklearn.linear_model import LogisticRegression

    frame = pandas.DataFrame(X, columns=NAMES)
    model = LogisticRegression().fit(frame, Y)
    signature = infer_signature(frame, model.predict(frame))
    library.sklearn.save_model(
        model, to / "churn", signature=signature, pip_requirements=[f"scikit-learn=={version('scikit-learn')}"]
    )
    library.sklearn.save_model(
        model, to / "tensor", signature=infer_signature(X, model.predict_proba(X)), pip_requirements=["scikit-learn"]
    )
    return {"inputs": signature.inputs.to_dict(), "outputs": signature.outputs.to_dict()}


def transformers(to: Path) -> Truth:
    from safetensors.numpy import save_file
    from transformers import BertConfig

    folder = to / "bert"
    config = BertConfig(
        architectures=["BertForSequenceClassification"], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, vocab_size=20, id2label={0: "stays", 1: "goes"}, dtype="bfloat16",
    )  # fmt: skip
    config.save_pretrained(folder)
    weights = {"embeddings.weight": np.zeros((20, 16), np.float32), "classifier.bias": np.zeros(2, np.float32)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "README.md").write_text("---\nlicense: mit\npipeline_tag: text-classification\n---\n\n# Tiny\n")
    return {"parameters": 322}


def torchserve(to: Path) -> Truth:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "weights.pt")
        weights.write_bytes(b"not looked at")
        handler = Path(folder, "answer.py")
        handler.write_text("def handle(data, context):\n    return data\n")
        subprocess.run(
            [
                "torch-model-archiver", "--model-name", "churn", "--version", "1.2", "--handler", handler,
                "--serialized-file", weights, "--export-path", to,
            ],
            check=True, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip
    return {}


MAKERS: dict[str, tuple[Callable[[Path], Truth], tuple[str, ...]]] = {
    "safetensors": (safetensors, ("safetensors", "numpy")),
    "gguf": (gguf, ("gguf",)),
    "onnx": (onnx, ("onnx", "skl2onnx", "scikit-learn")),
    "xgboost": (xgboost, ("xgboost-cpu",)),
    "lightgbm": (lightgbm, ("lightgbm",)),
    "catboost": (catboost, ("catboost",)),
    "skops": (skops, ("skops", "scikit-learn")),
    "mlflow": (mlflow, ("mlflow-skinny", "scikit-learn")),
    "transformers": (transformers, ("transformers",)),
    "torchserve": (torchserve, ("torch-model-archiver",)),
    "keras": (keras, ("keras", "tensorflow-cpu")),
    "tensorflow": (tensorflow, ("tensorflow-cpu",)),
}


def main(target: str, *wanted: str) -> None:
    """Make the files of the ``wanted`` frameworks, or of all."""
    root = Path(target)
    known = root / "truth.json"
    truth = json.loads(known.read_text()) if known.exists() else {}
    for name in wanted or MAKERS:
        make, packages = MAKERS[name]
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        truth[name] = {**make(folder), "versions": {package: version(package) for package in packages}}
        known.write_text(json.dumps(truth, indent=1, ensure_ascii=False, sort_keys=True, default=str) + "\n")
        print(name, "made")


if __name__ == "__main__":
    main(*sys.argv[1:])
