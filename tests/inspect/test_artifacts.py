"""What several files are as a whole."""

from __future__ import annotations

from pathlib import Path

from registry_cli.inspect.inspector import FILES_LIMIT, inspect
from tests.inspect.conftest import DATA, inside, made


def test_so_many_files_are_opened_and_those_first_whose_names_say_something(tmp_path: Path) -> None:
    files: dict[str, Path] = {}
    for at in range(FILES_LIMIT + 20):
        files |= made(tmp_path, f"a{at:03}.txt", b"nothing")
    model = DATA / "onnx" / "mlp.onnx"
    found = inspect({**files, "z/deep/model.onnx": model})
    assert found.unseen == 21
    assert found.primary is not None
    assert (found.primary.path, found.lineage()["contents"]["file"]) == ("z/deep/model.onnx", "z/deep/model.onnx")


def test_the_primary_is_a_folder_then_what_was_read_then_the_largest(tmp_path: Path) -> None:
    small, large = DATA / "onnx" / "mlp.onnx", DATA / "gguf" / "tiny.gguf"
    files = {"small.onnx": small, "large.gguf": large}
    assert inspect(files).lineage()["format"] == "gguf"
    assert inspect(files).lineage()["contents"]["also"] == ["onnx"]
    cut = made(tmp_path, "cut.gguf", large.read_bytes()[:5000])
    assert inspect({"small.onnx": small, **cut}).lineage()["format"] == "onnx"
    assert inspect(cut).lineage() == {"format": "gguf", "contents": {"problem": "it is cut short"}}
    config = DATA / "transformers" / "bert" / "config.json"
    assert inspect({**files, "bert/config.json": config}).lineage()["format"] == "transformers"


def test_a_folder_is_told_by_its_topmost_layout(tmp_path: Path) -> None:
    """What is in it is part of it, unless it wraps; a config.json that is none says nothing."""
    scorer = {f"data/model/{name}": path for name, path in inside("tensorflow/scorer").items()}
    wrapped = inspect({"MLmodel": DATA / "mlflow" / "churn" / "MLmodel", **scorer})
    assert [(each.path, each.format) for each in wrapped.found] == [("", "mlflow"), ("data/model", "saved-model")]
    other = made(tmp_path, "config.json", b'{"learning_rate": 0.1}')
    assert [each.format for each in inspect(other).found] == ["unknown"]
    missing = {name: path for name, path in inside("safetensors/sharded").items() if "00002-of" not in name}
    (found,) = inspect(missing).found
    assert "1 of 2 shards are missing" in found.problem
    assert not found.certain


def test_a_folder_takes_nothing_from_what_lies_beside_it() -> None:
    churn = {f"churn/{name}": path for name, path in inside("mlflow/churn").items()}
    beside = inspect({**churn, "net.onnx": DATA / "onnx" / "mlp.onnx"}).primary
    assert beside is not None
    assert (beside.path, beside.parameters, beside.class_name.rpartition(".")[2]) == (
        "churn",
        None,
        "LogisticRegression",
    )
    bert = {f"bert/{name}": path for name, path in inside("transformers/bert").items() if name != "model.safetensors"}
    config = inspect({**bert, "net.onnx": DATA / "onnx" / "mlp.onnx"}).primary
    assert config is not None
    assert (config.path, config.parameters, config.inputs) == ("bert", None, ())


def test_two_thousand_folders_are_no_more_work_than_sixty(tmp_path: Path) -> None:
    config = made(tmp_path, "config.json", b'{"model_type": "bert"}')["config.json"]
    found = inspect({f"{at}/config.json": config for at in range(2000)})
    assert len([each for each in found.found if each.format == "transformers"]) <= FILES_LIMIT
