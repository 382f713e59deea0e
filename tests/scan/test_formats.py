"""What is told of the files of scikit-learn, joblib, the boosters and torch, without loading them."""

from __future__ import annotations

from typing import Any

import pytest

from registry_cli import inspect_files
from tests.scan.corpus import DATA, EVIL, cases

inspect = inspect_files
SKLEARN, TORCH = "sklearn", "torch"
LOGISTIC = "sklearn.linear_model._logistic.LogisticRegression"
FOREST = "sklearn.ensemble._forest.RandomForestClassifier"
KEYS = ["0.weight", "0.bias", "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked", "3.weight", "3.bias"]  # fmt: skip


def told(name: str) -> dict[str, Any]:
    found = inspect([DATA / name])
    assert found.primary, name
    assert not found.primary.problem, found.primary.problem
    return found.lineage()


@pytest.mark.parametrize("protocol", range(6))
def test_a_model_at_every_protocol(protocol: int) -> None:
    said = told(f"logistic-p{protocol}.pkl")
    assert said["format"] == "pickle"
    assert said["framework"].startswith("sklearn 1.")
    assert (said["contents"]["class"], said["contents"]["feature_count"]) == (LOGISTIC, 3)
    assert said["contents"].get("protocol", 0) == (protocol if protocol > 1 else 0)


@pytest.mark.parametrize(
    ("name", "compression"),
    [("", None), (".z", "zlib"), (".gz", "gzip"), (".bz2", "bz2"), (".xz", "xz"), (".lzma", "lzma")],
)
def test_joblib_also_compressed(name: str, compression: str | None) -> None:
    said = told(f"forest.joblib{name}")
    assert (said["format"], said["contents"]["class"]) == ("joblib", FOREST)
    assert said["framework"].startswith("sklearn 1.")
    assert said["contents"].get("compression") == compression
    assert (said["contents"]["feature_count"], said["contents"]["output_count"]) == (3, 1)


def test_pipelines_steps_and_names_of_features() -> None:
    said = told("pipeline.joblib")["contents"]
    assert said["class"] == "sklearn.pipeline.Pipeline"
    assert said["features"] == ["age", "tenure", "balance"]
    assert said["steps"] == ["scale sklearn.preprocessing._data.StandardScaler", f"forest {FOREST}"]
    for name in ("mixed.joblib", "mixed.pkl"):
        assert len(told(name)["contents"]["steps"]) == 3
    assert told("search.pkl")["contents"]["best"] == LOGISTIC


def test_boosters() -> None:
    for name, framework, class_name in (
        ("xgboost.pkl", "xgboost", "xgboost.sklearn.XGBClassifier"),
        ("xgboost.joblib", "xgboost", "xgboost.sklearn.XGBClassifier"),
        ("xgboost-booster.pkl", "xgboost", "xgboost.core.Booster"),
        ("lightgbm.joblib", "lightgbm", "lightgbm.sklearn.LGBMClassifier"),
    ):
        said = told(name)
        assert (said["framework"], said["contents"]["class"]) == (framework, class_name)


@pytest.mark.parametrize(
    ("name", "format_", "kind", "dtypes"),
    [
        ("state.pt", "torch", "state_dict", {"float32": 37, "int64": 1}),
        ("half.bin", "torch", "state_dict", {"float16": 37, "int64": 1}),
        ("module.pt", "torch", "module", {"float32": 37, "int64": 1}),
        ("checkpoint.pt", "torch", "checkpoint", {"float32": 37, "int64": 1}),
        ("traced.pt", "torchscript", "torchscript", {"float32": 37, "int64": 1}),
        ("legacy.pt", "torch-legacy", "state_dict", {"float32": 37, "int64": 1}),
        ("legacy-module.pt", "torch-legacy", "module", {"float32": 37, "int64": 1}),
    ],
)
def test_torch_counts_exactly(name: str, format_: str, kind: str, dtypes: dict[str, int]) -> None:
    said = told(name)
    contents = said["contents"]
    assert (said["format"], said["framework"], contents["kind"]) == (format_, TORCH, kind)
    assert (contents["dtypes"], contents["parameters"], contents["tensors"]) == (dtypes, 38, 9)
    if kind == "state_dict":
        assert contents["keys"] == KEYS
    if format_ != "torch-legacy":
        assert contents["byteorder"] == "little"


def test_classes_of_whole_modules() -> None:
    for name in ("module.pt", "legacy-module.pt", "traced.pt"):
        assert told(name)["contents"]["class"] == "torch.nn.modules.container.Sequential"
    assert told("torch-plain.pkl")["framework"] == TORCH


def test_no_trick_of_the_corpus_keeps_a_reader_from_ending(tmp_path: Any) -> None:
    path = tmp_path / "file"
    for case in cases():
        path = tmp_path / case.file
        path.write_bytes(case.data)
        inspect([path])


def test_a_text_is_no_pickle(tmp_path: Any) -> None:
    for name, data in (("a.txt", b"content of no kind"), ("model.pkl", b"content 1"), ("b.csv", b"(a,b)\n1,2\n")):
        (tmp_path / name).write_bytes(data)
        assert inspect([tmp_path / name]).primary is None
    (tmp_path / "c.pkl").write_bytes(EVIL)
    assert inspect([tmp_path / "c.pkl"]).lineage()["format"] == "pickle"
