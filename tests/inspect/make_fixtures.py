"""Makes the files in ``data/`` with the real frameworks, and ``truth.json``: what the frameworks themselves say of them.

Run by hand, with the packages of the extra ``frameworks``: ``python tests/inspect/make_fixtures.py tests/inspect/data``.
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


def numpy(to: Path) -> Truth:
    arrays: dict[str, Any] = {
        "weights": RNG.normal(size=(3, 4)).astype(np.float32),
        "layer/bias": np.zeros(5, np.float64),
        "classes": np.array(["stays", "goes"]),
        "steps": np.array(7),
    }
    np.save(to / "weights.npy", arrays["weights"])
    np.savez(to / "model.npz", **arrays)
    np.savez_compressed(to / "packed.npz", **arrays)
    np.save(to / "objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    loaded = np.load(to / "model.npz")
    return {"parameters": sum(int(loaded[name].size) for name in loaded.files), "names": loaded.files}


def tflite(to: Path) -> Truth:
    import tensorflow as library

    library.keras.utils.set_random_seed(1)
    net = library.keras.Sequential(
        [library.keras.Input((4,), name="row"), library.keras.layers.Dense(8, "relu"), library.keras.layers.Dense(2)]
    )
    converter = library.lite.TFLiteConverter.from_keras_model(net)
    (to / "plain.tflite").write_bytes(converter.convert())
    converter = library.lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [library.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in X[:10])
    (to / "quantised.tflite").write_bytes(converter.convert())

    def count(name: str) -> dict[str, int]:
        interpreter = library.lite.Interpreter(str(to / name), experimental_preserve_all_tensors=True)
        written = {int(each) for op in interpreter._get_ops_details() for each in op["outputs"]}
        inputs = {int(each["index"]) for each in interpreter.get_input_details()}
        found: dict[str, int] = {}
        for each in interpreter.get_tensor_details():
            if each["index"] not in written | inputs and each["name"]:
                kind = np.dtype(each["dtype"]).name
                found[kind] = found.get(kind, 0) + int(np.prod(each["shape"]))
        return found

    return {"plain": count("plain.tflite"), "quantised": count("quantised.tflite"), "weights": net.count_params()}


def coreml(to: Path) -> Truth:
    import coremltools as library
    from coremltools.converters.mil import Builder as mb
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    weight = RNG.normal(size=(16, 4)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4))], opset_version=library.target.iOS16)  # type: ignore[untyped-decorator]
    def program(row: Any) -> Any:
        hidden = mb.linear(x=row, weight=weight, bias=np.ones(16, np.float32), name="hidden")
        return mb.softmax(x=hidden, axis=-1, name="scores")

    program_model = library.convert(program, convert_to="mlprogram", minimum_deployment_target=library.target.iOS16)
    program_model.author, program_model.license = "somebody", "MIT"
    program_model.short_description = "scores rows"
    program_model.save(str(to / "program.mlpackage"))
    kinds = datatypes.Array(4), datatypes.Array(2)
    builder = NeuralNetworkBuilder([("row", kinds[0])], [("scores", kinds[1])], disable_rank5_shape_mapping=True)
    builder.add_inner_product("dense", RNG.normal(size=(2, 4)), np.zeros(2), 4, 2, True, "row", "scores")
    library.models.utils.save_spec(builder.spec, str(to / "net.mlmodel"))
    weights = library.optimize.coreml.get_weights_metadata(program_model, weight_threshold=1)
    spec = program_model.get_spec()
    return {
        "parameters": sum(int(np.prod(each.val.shape)) for each in weights.values()),
        "specification": spec.specificationVersion,
        "outputs": [each.name for each in spec.description.output],
    }


def gguf_parts(to: Path) -> Truth:
    import gguf as library

    writer = library.GGUFWriter(to / "tiny.gguf", "llama", split_max_tensors=1)
    writer.add_name("Tiny in parts")
    writer.add_block_count(1)
    for at in range(3):
        writer.add_tensor(f"blk.{at}.weight", RNG.normal(size=(8, at + 2)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    files = sorted(to.glob("*.gguf"))
    folder = to / "parts"
    folder.mkdir()
    for file in files:
        file.rename(folder / file.name)
    counts = [sum(int(each.n_elements) for each in library.GGUFReader(folder / file.name).tensors) for file in files]
    return {"parameters": sum(counts), "files": [file.name for file in files]}


def pt2(to: Path) -> Truth:
    import torch

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(4, 3)
            self.register_buffer("mean", torch.ones(2))
            self.shift = torch.ones(3)

        def forward(self, row: Any) -> Any:
            return self.dense(row) + self.shift

    rows = torch.export.Dim("rows")
    program = torch.export.export(Net(), (torch.randn(2, 4),), dynamic_shapes={"row": {0: rows}})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of the machine
    torch.export.save(program, to / "net.pt2")
    loaded = torch.export.load(to / "net.pt2")
    tensors = [*loaded.state_dict.values(), *(each for each in loaded.constants.values() if hasattr(each, "numel"))]
    return {"parameters": sum(each.numel() for each in tensors)}


def spacy(to: Path) -> Truth:
    import spacy as library

    nlp = library.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PLAN", "pattern": "gold"}])
    nlp.meta["name"] = "plans"
    nlp.to_disk(to / "plans")
    for extra in ("vocab", "tokenizer"):  # large, and not read
        shutil.rmtree(to / "plans" / extra, ignore_errors=True)
        (to / "plans" / extra).unlink(missing_ok=True)
    return {"components": nlp.pipe_names, "name": "en_plans"}


def fasttext(to: Path) -> Truth:
    import fasttext as library

    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text")
        text.write_text("__label__stays gold plan many calls\n__label__goes tin plan no calls\n" * 40)
        model = library.train_supervised(str(text), dim=8, bucket=300, wordNgrams=2, epoch=2, thread=1, verbose=0)
    model.save_model(str(to / "plans.bin"))
    rows = model.get_input_matrix().shape, model.get_output_matrix().shape
    words, labels = len(model.words), len(model.labels)
    model.quantize(qnorm=True)
    model.save_model(str(to / "plans.ftz"))
    return {"parameters": sum(int(np.prod(each)) for each in rows), "words": words, "labels": labels}


def ctranslate2(to: Path) -> Truth:
    import ctranslate2 as library

    spec = library.specs.TransformerSpec.from_config(1, 2)
    size = 8

    def fill(layer: Any) -> None:
        for name, value in vars(layer).items():
            if isinstance(value, library.specs.LayerSpec):
                fill(value)
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, library.specs.LayerSpec):
                        fill(each)
            elif value is None:
                dense = name in ("weight", "encodings") and not isinstance(
                    layer, library.specs.common_spec.LayerNormSpec
                )
                setattr(layer, name, np.ones((size, size) if dense else size, np.float32))

    fill(spec)
    for name in ("source", "target"):
        getattr(spec, f"register_{name}_vocabulary")(["<unk>", "<s>", "</s>", *"abcde"])
    folder = to / "tiny"
    folder.mkdir()
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    variables = spec.variables()
    return {
        "variables": len(variables),
        "parameters": sum(
            int(np.prod(value.shape))
            for name, value in variables.items()
            if getattr(value, "shape", ()) and not name.endswith("_scale")
        ),
        "spec": type(spec).__name__,
    }


def openvino(to: Path) -> Truth:
    import openvino as library
    from openvino import opset13 as ops

    row = ops.parameter([-1, 4], np.float32, name="row")
    weight = ops.constant(RNG.normal(size=(4, 3)).astype(np.float32))
    scores = ops.add(ops.matmul(row, weight, False, False), ops.constant(np.zeros(3, np.float32)))
    model = library.Model([ops.result(scores, name="scores")], [row], "scorer")
    library.save_model(model, to / "net" / "scorer.xml", compress_to_fp16=False)
    loaded = library.Core().read_model(to / "net" / "scorer.xml")
    constants = [each for each in loaded.get_ops() if each.get_type_name() == "Constant"]
    return {"parameters": sum(int(np.prod(list(each.get_output_shape(0)))) for each in constants)}


def pmml(to: Path) -> Truth:
    import pandas
    from nyoka import skl_to_pmml
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    names = ["tenure", "calls", "spend", "age"]
    pipeline = Pipeline([("model", LogisticRegression())]).fit(pandas.DataFrame(X, columns=names), Y)
    skl_to_pmml(pipeline, names, "churned", str(to / "churn.pmml"))
    return {"features": names, "target": "churned"}


def onnx_constants(to: Path) -> Truth:
    """Weights in constants of every form, also in the branches of an ``If``, in a function, and sparse."""
    import onnx as library
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, **attribute: Any) -> Any:
        return helper.make_node("Constant", [], [name], **attribute)

    weight = RNG.normal(size=(4, 8)).astype(np.float32)
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(3, np.float32), "values"), numpy_helper.from_array(np.arange(3)), [4, 8]
    )
    branches = [
        helper.make_graph(
            [constant(f"c{at}", value=numpy_helper.from_array(np.full((8,), at, np.float32)))],
            f"branch{at}", [], [helper.make_tensor_value_info(f"c{at}", TensorProto.FLOAT, [8])],
        )
        for at in range(2)
    ]  # fmt: skip
    nodes = [
        constant("w", value=numpy_helper.from_array(weight)),
        constant("s", sparse_value=sparse),
        constant("floats", value_floats=[0.5, 1.5, 2.5]),
        constant("ints", value_ints=[1, 300, 70000]),
        constant("float", value_float=0.5),
        constant("int", value_int=7),
        constant("texts", value_strings=["stays", "goes"]),
        constant("flag", value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["flag"], ["chosen"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "chosen"], ["sum"]),
        helper.make_node("shifted", ["sum"], ["y"], domain="own"),
    ]
    shifted = helper.make_function(
        "own", "shifted", ["a"], ["b"],
        [constant("k", value=numpy_helper.from_array(np.ones(8, np.float32))), helper.make_node("Add", ["a", "k"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    graph = helper.make_graph(
        nodes, "Model from PaddlePaddle.", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 8])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, producer_name="", opset_imports=opsets, functions=[shifted])
    library.save(model, to / "constants.onnx")

    def numbers(listed: Any) -> int:
        found = 0
        for node in listed:
            for attribute in node.attribute:
                if attribute.g.node:
                    found += numbers(attribute.g.node)
                elif node.op_type == "Constant":
                    value = helper.get_attribute_value(attribute)
                    if attribute.type == library.AttributeProto.SPARSE_TENSOR:
                        found += numpy_helper.to_array(value.values).size
                    elif attribute.type == library.AttributeProto.TENSOR:
                        found += numpy_helper.to_array(value).size
                    else:
                        found += len(value) if isinstance(value, (list, tuple)) else 1
        return found

    return {"parameters": numbers(graph.node) + sum(numbers(each.node) for each in model.functions)}


def _bert(to: Path) -> Any:
    """A tiny BERT with its tokenizer, saved by transformers."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "gold", "tin", "plan", "calls"]
    to.mkdir(parents=True, exist_ok=True)
    (to / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(str(to / "vocab.txt"))
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    model = BertModel(config)
    model.save_pretrained(to)
    tokenizer.save_pretrained(to)
    return model


def sentence_transformers(to: Path) -> Truth:
    from sentence_transformers import SentenceTransformer, models

    with tempfile.TemporaryDirectory() as folder:
        _bert(Path(folder, "bert"))
        transformer = models.Transformer(str(Path(folder, "bert")), max_seq_length=12)
        pooling = models.Pooling(8, pooling_mode="mean")
        dense = models.Dense(8, 4)
        model = SentenceTransformer(modules=[transformer, pooling, dense], device="cpu")
        model.save(str(to / "plans"))
    return {"parameters": sum(each.numel() for each in model.parameters()), "dimension": 4}


def peft(to: Path) -> Truth:
    from peft import LoraConfig, get_peft_model
    from transformers import BertModel

    with tempfile.TemporaryDirectory() as folder:
        _bert(Path(folder, "bert"))
        base = BertModel.from_pretrained(Path(folder, "bert"))
        base.config._name_or_path = base.name_or_path = "example/tiny-bert"
        model = get_peft_model(
            base, LoraConfig(r=2, lora_alpha=4, target_modules=["query", "value"], task_type="FEATURE_EXTRACTION")
        )
        model.peft_config["default"].base_model_name_or_path = "example/tiny-bert"
        model.save_pretrained(to / "adapter")
    return {"parameters": model.get_nb_trainable_parameters()[0]}


def diffusers(to: Path) -> Truth:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=4, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(4,), norm_num_groups=2,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",), attention_head_dim=2, add_attention=False,
    )  # fmt: skip
    pipeline = DDPMPipeline(unet, DDPMScheduler())
    pipeline.save_pretrained(to / "ddpm")
    return {"parameters": unet.num_parameters()}


def flax(to: Path) -> Truth:
    import jax
    from flax import serialization

    tree = {
        "params": {
            "dense": {"kernel": RNG.normal(size=(4, 8)).astype(np.float32), "bias": np.zeros(8, np.float32)},
            "embed": jax.numpy.ones((3, 5), jax.numpy.bfloat16),
        },
        "step": 7,
    }
    (to / "flax_model.msgpack").write_bytes(serialization.to_bytes(tree))
    return {"parameters": sum(int(each.size) for each in jax.tree.leaves(tree["params"]))}


def orbax(to: Path) -> Truth:
    import orbax.checkpoint

    tree = {"params": {"kernel": np.ones((4, 8), np.float32), "bias": np.zeros(8, np.float32)}}
    with orbax.checkpoint.StandardCheckpointer() as checkpointer:
        checkpointer.save((to / "standard").absolute(), tree)
    (to / "standard" / "commit_success.txt").unlink(missing_ok=True)  # a path of the machine
    return {"keys": ["params.bias", "params.kernel"]}


def treelite(to: Path) -> Truth:
    import treelite as library
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=3, max_depth=2, random_state=1).fit(X, Y)
    model = library.sklearn.import_model(forest)
    model.serialize(str(to / "forest.tl"))
    return {"trees": model.num_tree, "features": model.num_feature}


def sentencepiece(to: Path) -> Truth:
    import io

    import sentencepiece as library

    made = io.BytesIO()
    words = [f"{first} plan {second} calls" for first in ("gold", "tin") for second in ("no", "many", "few")]
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(words * 10),
        model_writer=made,
        vocab_size=30,
        model_type="unigram",
        hard_vocab_limit=False,
        normalization_rule_name="identity",
    )
    (to / "words.model").write_bytes(made.getvalue())
    return {"vocabulary": library.SentencePieceProcessor(model_proto=made.getvalue()).vocab_size()}


def onnxruntime(to: Path) -> Truth:
    import onnxruntime as library

    options = library.SessionOptions()
    options.optimized_model_filepath = str(to / "mlp.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    library.InferenceSession(str(Path(__file__).parent / "data" / "onnx" / "mlp.onnx"), options)
    return {}


def nemo(to: Path) -> Truth:
    """A tar archive as ``save_to`` of NeMo makes it: NeMo itself is too large to be installed for this."""
    import io
    import tarfile

    config = b"target: nemo.collections.asr.models.EncDecCTCModel\nnemo_version: 2.4.0\nsample_rate: 16000\n"
    with tarfile.open(to / "asr.nemo", "w") as archive:
        for member, data in (("./model_weights.ckpt", bytes(2000)), ("./model_config.yaml", config)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return {"class": "nemo.collections.asr.models.EncDecCTCModel"}


def tfjs(to: Path) -> Truth:
    """A model as the converter of TensorFlow.js writes it: its package needs a TensorFlow that no longer installs."""
    layers = to / "layers"
    layers.mkdir()
    weights = [
        {"name": "dense/kernel", "shape": [4, 2], "dtype": "float32"},
        {"name": "dense/bias", "shape": [2], "dtype": "float32"},
    ]
    topology = {
        "keras_version": "2.15.0",
        "backend": "tensorflow",
        "model_config": {"class_name": "Sequential", "config": {}},
    }
    document = {
        "format": "layers-model", "generatedBy": "keras v2.15.0", "convertedBy": "TensorFlow.js Converter v4.22.0",
        "modelTopology": topology, "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": weights}],
    }  # fmt: skip
    (layers / "model.json").write_text(json.dumps(document))
    (layers / "group1-shard1of1.bin").write_bytes(bytes(40))
    return {"parameters": 10}


def ncnn(to: Path) -> Truth:
    """Layers in the order and with the counts that ncnn's own tools write."""
    folder = to / "net"
    folder.mkdir()
    lines = ["7767517", "3 3", "Input            in0    0 1 in0", "InnerProduct     dense  1 1 in0 1 0=2 1=1 2=8",
             "Softmax          prob   1 1 1 out0"]  # fmt: skip
    (folder / "net.param").write_text("\n".join(lines) + "\n")
    (folder / "net.bin").write_bytes(bytes(4 + 40))
    return {"layers": 3}


def mlx(to: Path) -> Truth:
    """As mlx_lm quantises: eight numbers of four bits in each uint32, with a scale and an offset for each group."""
    from safetensors.numpy import save_file

    folder = to / "quantised"
    folder.mkdir()
    tensors = {
        "model.embed.weight": np.zeros((32, 8), np.uint32),
        "model.embed.scales": np.zeros((32, 1), np.float16),
        "model.embed.biases": np.zeros((32, 1), np.float16),
        "model.head.weight": np.zeros((4, 16), np.uint32),
        "model.head.scales": np.zeros((4, 1), np.float16),
        "model.head.biases": np.zeros((4, 1), np.float16),
        "model.norm.weight": np.ones(64, np.float16),
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "mlx"})
    bits = {"group_size": 64, "bits": 4, "model.head": {"group_size": 64, "bits": 8}}
    config = {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "quantization": bits,
        "quantization_config": bits,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    adapter = to / "adapter"
    adapter.mkdir()
    save_file({"model.head.lora_a": np.zeros((64, 2), np.float32), "model.head.lora_b": np.zeros((2, 4), np.float32)},
              adapter / "adapters.safetensors", metadata={"format": "mlx"})  # fmt: skip
    settings = {"fine_tune_type": "lora", "model": "example/tiny-qwen", "lora_parameters": {"rank": 2, "scale": 20.0}}
    (adapter / "adapter_config.json").write_text(json.dumps(settings, indent=2))
    return {"parameters": 32 * 64 + 4 * 64 + 64}


def paddle(to: Path) -> Truth:
    """A program in both forms: PIR as JSON, and the older protocol buffer. Run once for each, as a switch decides."""
    script = """
import sys, paddle
paddle.seed(1)
net = paddle.nn.Sequential(paddle.nn.Linear(4, 8), paddle.nn.ReLU(), paddle.nn.Linear(8, 2))
spec = [paddle.static.InputSpec([None, 4], "float32", "row")]
paddle.jit.save(paddle.jit.to_static(net, input_spec=spec), sys.argv[1])
print(sum(int(each.size) for each in net.parameters()))
"""
    counts = {}
    for name, switch in (("pir", "1"), ("fluid", "0")):
        (to / name).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", script, str(to / name / "inference")], check=True, capture_output=True, text=True,
            env={**os.environ, "FLAGS_enable_pir_api": switch},
        )  # fmt: skip
        counts[name] = int(done.stdout.split()[-1])
        for path in (to / name).iterdir():  # paths of the machine, in what is noted of each operation
            prefix = sys.prefix.encode()
            path.write_bytes(path.read_bytes().replace(prefix, b"/" + b"x" * (len(prefix) - 1)))
    return counts


def executorch(to: Path) -> Truth:
    import torch
    from executorch.exir import to_edge

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(4, 3)

        def forward(self, row: Any) -> Any:
            return self.dense(row)

    program = to_edge(torch.export.export(Net(), (torch.randn(1, 4),))).to_executorch()
    (to / "net.pte").write_bytes(program.buffer)
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
    "numpy": (numpy, ("numpy",)),
    "tflite": (tflite, ("tensorflow-cpu",)),
    "coreml": (coreml, ("coremltools",)),
    "gguf-parts": (gguf_parts, ("gguf",)),
    "pt2": (pt2, ("torch",)),
    "spacy": (spacy, ("spacy",)),
    "fasttext": (fasttext, ("fasttext-wheel",)),
    "ctranslate2": (ctranslate2, ("ctranslate2",)),
    "openvino": (openvino, ("openvino",)),
    "pmml": (pmml, ("nyoka", "scikit-learn")),
    "sentence-transformers": (sentence_transformers, ("sentence-transformers", "transformers", "torch")),
    "peft": (peft, ("peft", "transformers", "torch")),
    "diffusers": (diffusers, ("diffusers", "torch")),
    "flax": (flax, ("flax", "jax")),
    "orbax": (orbax, ("orbax-checkpoint", "jax")),
    "treelite": (treelite, ("treelite", "scikit-learn")),
    "sentencepiece": (sentencepiece, ("sentencepiece",)),
    "onnxruntime": (onnxruntime, ("onnxruntime",)),
    "paddle": (paddle, ("paddlepaddle",)),
    "executorch": (executorch, ("executorch",)),
    "nemo": (nemo, ()),
    "tfjs": (tfjs, ()),
    "ncnn": (ncnn, ()),
    "mlx": (mlx, ("safetensors",)),
    "onnx-constants": (onnx_constants, ("onnx",)),
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
