"""What is read of files made by further libraries is what these say themselves."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry_cli.inspect.formats import weights
from registry_cli.inspect.formats.weights import Listed
from registry_cli.inspect.inspector import inspect
from tests.inspect.conftest import DATA, inside, look, made, primary
from tests.inspect.test_formats import made_by, tensors


def test_arrays_of_numpy(truth: Any) -> None:
    for name in ("model.npz", "packed.npz"):
        found = primary(f"numpy/{name}")
        assert (found.format, found.framework, found.parameters) == ("npy-npz", "numpy", truth["numpy"]["parameters"])
        assert found.dtypes == {"float32": 12, "float64": 5, "string": 2, "int64": 1}
        assert [each["name"] for each in found.details["arrays"]] == truth["numpy"]["names"]
    array = primary("numpy/weights.npy")
    assert (array.parameters, array.details["shape"], array.details["kind"]) == (12, [3, 4], "array")
    objects = primary("numpy/objects.npy")
    assert (objects.parameters, objects.details["uncounted"]) == (
        None,
        "arrays of objects are pickles, which are not counted",
    )


@pytest.mark.parametrize("name", ["plain", "quantised"])
def test_tflite(name: str, truth: Any) -> None:
    found = primary(f"tflite/{name}.tflite")
    assert (made_by(found), found.dtypes) == ("tflite tflite", truth["tflite"][name])
    assert tensors(found.inputs) == [("serving_default_row:0", "float32", (None, 4))]
    assert [(each.type, each.shape) for each in found.outputs] == [("float32", (None, 2))]
    assert found.details["signatures"] == ["serving_default"]


def test_core_ml(truth: Any) -> None:
    said = truth["coreml"]
    found = primary("coreml/program.mlpackage")
    assert (found.format, found.class_name, found.parameters) == ("coreml", "mlProgram", said["parameters"])
    assert (found.details["specification"], found.details["coremltools"]) == (
        said["specification"],
        said["versions"]["coremltools"],
    )
    assert (found.details["author"], found.details["license"], found.details["description"]) == (
        "somebody",
        "MIT",
        "scores rows",
    )
    assert tensors(found.inputs) == [("row", "float32", (1, 4))]
    assert [each.name for each in found.outputs] == said["outputs"]
    net = primary("coreml/net.mlmodel")
    assert (net.class_name, net.parameters, tensors(net.inputs)) == ("neuralNetwork", None, [("row", "float64", (4,))])
    assert net.details["uncounted"]


def test_the_parts_of_a_gguf_are_one_model(truth: Any, tmp_path: Path) -> None:
    said = truth["gguf-parts"]
    looked = look("gguf-parts/parts")
    assert [each.path for each in looked.found] == [said["files"][0]]
    found = primary("gguf-parts/parts")
    assert (found.parameters, found.details["tensors"], found.details["parts"]) == (said["parameters"], 3, 3)
    files = inside("gguf-parts/parts")
    del files[said["files"][1]]
    missing = inspect(files).primary
    assert missing is not None
    assert (missing.parameters, missing.details["uncounted"]) == (
        None, f"1 of 3 parts are missing, the first: {said['files'][1]}",
    )  # fmt: skip
    for damage in (b"GGUF\3\0\0\0" + b"\xff" * 50, b"something else"):
        damaged = made(tmp_path, "damaged", damage)["damaged"]
        cut = inspect({**inside("gguf-parts/parts"), said["files"][1]: damaged}).primary
        assert cut is not None
        assert (cut.certain, cut.parameters, cut.class_name) == (True, None, "llama")
        assert cut.details["uncounted"].startswith(f"{said['files'][1]}: ")
    alone = inspect({"tiny-00002-of-00003.gguf": files[said["files"][2]]}).primary
    assert alone is not None
    assert (alone.parameters, alone.details["uncounted"]) == (None, "it is part 3 of 3")


def test_programs_of_torch_export(truth: Any) -> None:
    found = primary("pt2/net.pt2")
    assert made_by(found) == f"pt2 torch {truth['pt2']['versions']['torch']}"
    assert found.parameters == truth["pt2"]["parameters"]
    assert [(each.name, each.type, each.shape[1:]) for each in found.inputs if each.shape] == [("row", "float32", (4,))]
    assert found.inputs[0].shape is not None
    assert str(found.inputs[0].shape[0]).isidentifier()


def test_spacy(truth: Any) -> None:
    found = primary("spacy/plans")
    assert made_by(found) == f"spacy spacy {truth['spacy']['versions']['spacy']}"
    assert (found.class_name, found.details["components"]) == (truth["spacy"]["name"], truth["spacy"]["components"])
    assert found.details["labels"] == {"entity_ruler": ["PLAN"]}


def test_fasttext(truth: Any) -> None:
    said = truth["fasttext"]
    found = primary("fasttext/plans.bin")
    assert (made_by(found), found.class_name, found.parameters) == (
        "fasttext fasttext",
        "supervised",
        said["parameters"],
    )
    assert (found.details["words"], found.details["labels_count"]) == (said["words"], said["labels"])
    quantised = primary("fasttext/plans.ftz")
    assert (quantised.parameters, quantised.details["uncounted"]) == (None, "its matrices are quantised")
    assert quantised.details["words"] == said["words"]


def test_ctranslate2(truth: Any) -> None:
    found = primary("ctranslate2/tiny")
    assert (made_by(found), found.class_name) == ("ctranslate2 ctranslate2", truth["ctranslate2"]["spec"])
    assert found.parameters == truth["ctranslate2"]["parameters"]
    assert found.details["vocabularies"] == ["shared_vocabulary.json"]
    alone = inspect({"model.bin": DATA / "ctranslate2" / "tiny" / "model.bin"}).primary
    assert alone is not None
    assert (alone.format, alone.parameters) == ("ctranslate2", found.parameters)


def test_openvino(truth: Any) -> None:
    looked = look("openvino/net")
    assert [each.path for each in looked.found] == ["scorer.xml"]  # the numbers belong to it
    found = primary("openvino/net")
    assert (found.format, found.class_name, found.parameters) == ("openvino", "scorer", truth["openvino"]["parameters"])
    assert (found.details["ir_version"], tensors(found.inputs)) == ("11", [("row", "float32", (None, 4))])
    alone = inspect({"scorer.xml": DATA / "openvino" / "net" / "scorer.xml"}).primary
    assert alone is not None
    assert alone.details["weights_missing"] is True


def test_pmml(truth: Any) -> None:
    found = primary("pmml/churn.pmml")
    assert (found.format, found.class_name, list(found.features)) == (
        "pmml",
        "RegressionModel",
        truth["pmml"]["features"],
    )
    assert [each.name for each in found.outputs] == [truth["pmml"]["target"]]
    assert found.details["producer"] == f"Nyoka {truth['pmml']['versions']['nyoka']}"


def test_sentence_transformers(truth: Any) -> None:
    said = truth["sentence-transformers"]
    looked = look("sentence-transformers/plans")
    assert [(each.path, each.format) for each in looked.found] == [("", "sentence-transformers")]
    found = primary("sentence-transformers/plans")
    assert found.made_by == f"sentence-transformers {said['versions']['sentence-transformers']}"
    assert (found.class_name, found.parameters) == ("BertModel", said["parameters"])
    assert (found.details["modules"], found.details["pooling"]) == (["Transformer", "Pooling", "Dense"], "mean")
    assert found.details["dimension"] == said["dimension"]


def test_an_adapter_of_peft_names_its_base_model(truth: Any) -> None:
    found = primary("peft/adapter")
    assert made_by(found) == f"peft peft {truth['peft']['versions']['peft']}"
    assert (found.class_name, found.parameters) == ("LORA", truth["peft"]["parameters"])
    assert (found.details["base_model"], found.details["rank"], found.details["target_modules"]) == (
        "example/tiny-bert", 2, ["query", "value"],
    )  # fmt: skip


def test_diffusers(truth: Any, tmp_path: Path) -> None:
    found = primary("diffusers/ddpm")
    assert made_by(found) == f"diffusers diffusers {truth['diffusers']['versions']['diffusers']}"
    assert (found.class_name, found.parameters) == ("DDPMPipeline", truth["diffusers"]["parameters"])
    assert found.details["parts"] == {"scheduler": "DDPMScheduler", "unet": "UNet2DModel"}
    part = primary("diffusers/ddpm/unet")
    assert (part.format, part.class_name, part.parameters) == (
        "diffusers",
        "UNet2DModel",
        truth["diffusers"]["parameters"],
    )
    files = {name: path for name, path in inside("diffusers/ddpm").items() if not name.endswith(".safetensors")}
    without = inspect(files).primary
    assert without is not None
    assert (without.parameters, without.details["uncounted"]) == (None, "unet: there are no weights in it")


def test_flax(truth: Any, tmp_path: Path) -> None:
    found = primary("flax/flax_model.msgpack")
    assert (made_by(found), found.parameters) == ("flax flax", truth["flax"]["parameters"])
    assert found.dtypes == {"float32": 40, "bfloat16": 15}
    config = made(tmp_path, "config.json", b'{"model_type": "bert"}')
    beside = inspect({**config, "flax_model.msgpack": DATA / "flax" / "flax_model.msgpack"}).primary
    assert beside is not None
    assert (beside.format, beside.parameters, beside.details["model_type"]) == ("flax", found.parameters, "bert")


def test_orbax(truth: Any) -> None:
    found = primary("orbax/standard")
    assert (made_by(found), sorted(found.details["keys"])) == ("orbax orbax", truth["orbax"]["keys"])


def test_treelite_and_sentencepiece(truth: Any) -> None:
    found = primary("treelite/forest.tl")
    assert made_by(found) == f"treelite treelite {truth['treelite']['versions']['treelite']}"
    assert (found.details["trees"], found.feature_count) == (truth["treelite"]["trees"], truth["treelite"]["features"])
    words = primary("sentencepiece/words.model")
    assert (words.class_name, words.details["vocabulary"]) == ("unigram", truth["sentencepiece"]["vocabulary"])


def test_packed_weights_of_mlx_count_as_what_they_stand_for(truth: Any) -> None:
    found = primary("mlx/quantised")
    assert (found.format, found.framework, found.parameters) == ("mlx", "mlx", truth["mlx"]["parameters"])
    assert found.dtypes == {"uint4": 32 * 64, "uint8": 4 * 64, "float16": 64}
    alone = inspect({"model.safetensors": DATA / "mlx" / "quantised" / "model.safetensors"}).primary
    assert alone is not None
    assert (alone.parameters, alone.details["uncounted"]) == (
        None, "its weights are packed, and nothing says into how many bits",
    )  # fmt: skip
    adapter = primary("mlx/adapter")
    assert (adapter.framework, adapter.details["base_model"], adapter.parameters) == ("mlx", "example/tiny-qwen", 136)


def test_files_beside_a_model_belong_to_it(truth: Any) -> None:
    for folder, count in (("tfjs/layers", 1), ("ncnn/net", 1)):
        looked = look(folder)
        assert len(looked.found) == count
        assert "also" not in looked.lineage()["contents"]
    assert primary("tfjs/layers").parameters == truth["tfjs"]["parameters"]


def test_a_packed_archive_of_nemo(truth: Any, tmp_path: Path) -> None:
    assert primary("nemo/asr.nemo").class_name == truth["nemo"]["class"]
    with tarfile.open(DATA / "nemo" / "asr.nemo") as plain, tarfile.open(tmp_path / "x.nemo", "w:gz") as packed:
        for member in plain:
            packed.addfile(member, io.BytesIO(plain.extractfile(member).read()))  # type: ignore[union-attr]
    found = inspect({"x.nemo": tmp_path / "x.nemo"}).primary
    assert found is not None
    assert (found.format, found.framework_version) == ("nemo", "2.4.0")


def test_weights_in_constants_of_onnx_are_counted(truth: Any) -> None:
    found = primary("onnx-constants/constants.onnx")
    assert found.parameters == truth["onnx-constants"]["parameters"]
    assert made_by(found) == "onnx paddle"  # the producer is empty, the name of the graph tells it


def test_a_folder_is_its_most_specific_layout(tmp_path: Path) -> None:
    """sentence-transformers over transformers, adapters over weights, a pipeline over its parts."""
    shutil.copytree(DATA / "peft" / "adapter", tmp_path / "a")
    shutil.copy(DATA / "transformers" / "bert" / "config.json", tmp_path / "a")
    files = {path.name: path for path in (tmp_path / "a").iterdir()}
    assert inspect(files).lineage()["format"] == "peft"


def test_paddle(truth: Any) -> None:
    for name, version in (("fluid", truth["paddle"]["versions"]["paddlepaddle"]), ("pir", None)):
        looked = look(f"paddle/{name}")
        assert [each.format for each in looked.found] == ["paddle"]  # one model, not three files
        found = primary(f"paddle/{name}")
        assert (found.parameters, found.dtypes) == (truth["paddle"][name], {"float32": truth["paddle"][name]})
        assert (found.details["program"], found.details.get("version")) == (name, version)


def test_programs_of_executorch() -> None:
    assert (made_by(primary("executorch/net.pte")), primary("executorch/net.pte").details["layout"]) == (
        "executorch executorch", "ET12",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["gzip", "xz", "bz2"])
def test_arrays_in_a_compression(kind: str, tmp_path: Path) -> None:
    import bz2
    import gzip
    import lzma

    packers: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
    pack = packers[kind]
    array = inspect(made(tmp_path, "weights.npy.x", pack((DATA / "numpy" / "weights.npy").read_bytes()))).primary
    assert array is not None
    assert (array.format, array.parameters, array.details["compression"]) == ("npy-npz", 12, kind)
    archive = inspect(made(tmp_path, "model.npz.x", pack((DATA / "numpy" / "model.npz").read_bytes()))).primary
    assert archive is not None
    assert (archive.format, archive.parameters, archive.details["uncounted"]) == ("npy-npz", None, "it is compressed")


def test_names_of_parts_say_that_a_gguf_is_one_of_several(tmp_path: Path) -> None:
    """Also where the file does not say so itself."""
    whole = (DATA / "gguf" / "tiny.gguf").read_bytes()
    files = {name: made(tmp_path, name, whole)[name] for name in ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")}
    (found,) = inspect(files).found
    assert found.parameters == 2 * (primary("gguf/tiny.gguf").parameters or 0)
    del files["m-00002-of-00002.gguf"]
    (alone,) = inspect(files).found
    assert (alone.parameters, alone.details["uncounted"]) == (
        None, "1 of 2 parts are missing, the first: m-00002-of-00002.gguf",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "format"),
    [
        ("gguf/tiny.gguf", "gguf"),
        ("onnx/mlp.onnx", "onnx"),
        ("openvino/net/scorer.xml", "openvino"),
        ("tflite/plain.tflite", "tflite"),
    ],
)
def test_beside_a_configuration_what_was_converted_is_the_model(source: str, format: str, tmp_path: Path) -> None:
    """As the folders of Hugging Face have it that hold no weights of their own; with these, the rest lies beside."""
    config = b'{"model_type": "bert", "architectures": ["BertModel"]}'
    files = {**made(tmp_path, "config.json", config), f"onnx/{Path(source).name}": DATA / source}
    lineage = inspect(files).lineage()
    assert (lineage["format"], lineage["contents"]["class"]) == (format, "BertModel")
    assert lineage["contents"]["also"] == ["transformers"]
    assert lineage["contents"]["parameters"] == primary(source).parameters
    whole = {**files, "model.safetensors": DATA / "transformers" / "bert" / "model.safetensors"}
    assert inspect(whole).lineage()["format"] == "transformers"


def tensor(name: str, kind: str, *shape: int) -> Listed:
    return Listed(name, kind, shape)


QUANTISED: dict[str, tuple[list[Listed], dict[str, Any], int | None]] = {
    "gptq": (
        [tensor("q.qweight", "int32", 16, 64), tensor("q.qzeros", "int32", 1, 8), tensor("q.scales", "float16", 1, 64),
         tensor("q.g_idx", "int32", 128), tensor("q.bias", "float16", 64), tensor("norm.weight", "float16", 128)],
        {"quantization_config": {"quant_method": "gptq", "bits": 4}}, 128 * 64 + 64 + 128,
    ),
    "awq": (
        [tensor("q.qweight", "int32", 128, 8), tensor("q.qzeros", "int32", 1, 8), tensor("q.scales", "float16", 1, 64)],
        {"quantization_config": {"quant_method": "awq", "w_bit": 4}}, 128 * 64,
    ),
    "bitsandbytes": (
        [tensor("q.weight", "uint8", 4096, 1), tensor("q.weight.absmax", "uint8", 128), tensor("q.weight.quant_map", "float32", 16),
         tensor("q.weight.quant_state.bitsandbytes__nf4", "uint8", 90), tensor("k.weight", "uint8", 10)],
        {"quantization_config": {"load_in_4bit": True}}, 8192 + 10,
    ),
    "compressed-tensors": (
        [tensor("q.weight_packed", "int32", 64, 16), tensor("q.weight_scale", "bfloat16", 64, 1), tensor("q.weight_shape", "int64", 2)],
        {"quantization_config": {"config_groups": {"group_0": {"weights": {"num_bits": 4}}}}}, 128 * 64,
    ),
    "mxfp4": ([tensor("e.up_proj_blocks", "uint8", 2, 8, 4, 16), tensor("e.up_proj_scales", "uint8", 2, 8, 4)], {}, 2 * 8 * 4 * 32),
    "mlx": ([tensor("q.weight", "uint32", 4, 8), tensor("q.scales", "float16", 4, 1)], {"quantization": {"bits": 8}}, 128),
    "unknown bits": ([tensor("q.qweight", "int32", 16, 64), tensor("q.scales", "float16", 1, 64)], {}, None),
    "bits that are none": ([tensor("q.weight", "uint32", 4, 8), tensor("q.scales", "float16", 4, 1)], {"quantization": {"bits": 99}}, None),
    "not packed": ([tensor("q.weight", "uint8", 4, 8), tensor("ids", "uint32", 7), tensor("q.qweight", "int32", 3)], {}, 32 + 7 + 3),
}  # fmt: skip


@pytest.mark.parametrize("kind", QUANTISED)
def test_packed_weights_count_as_the_numbers_that_they_stand_for(kind: str) -> None:
    listed, config, numbers = QUANTISED[kind]
    found = weights.unpacked(listed, config)
    assert found.parameters == numbers
    assert bool(found.uncounted) == (numbers is None)


@pytest.mark.parametrize("damage", [b"\x10\0\0\0\0\0\0\0{not a header at", b'\x0a\0\0\0\0\0\0\0{"a": {}}  ', b""])
@pytest.mark.parametrize(
    "folder", ["peft/adapter", "diffusers/ddpm", "sentence-transformers/plans", "transformers/bert", "mlx/adapter"]
)
def test_with_damaged_weights_the_rest_of_a_folder_is_described(folder: str, damage: bytes, tmp_path: Path) -> None:
    files = inside(folder)
    name = next(name for name in files if name.endswith(".safetensors"))
    found = inspect({**files, name: made(tmp_path, "damaged", damage)["damaged"]}).primary
    assert found is not None
    assert (found.certain, found.format, found.parameters) == (True, primary(folder).format, None)
    assert found.class_name == primary(folder).class_name
    assert found.details["uncounted"]
