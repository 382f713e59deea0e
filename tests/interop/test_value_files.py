"""Files of params and metrics, as people, DVC, scikit-learn, Lightning, Keras and Hugging Face write them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_cli import InvalidInput, NotFound
from registry_cli.core import values
from registry_cli.core.normalization import METRIC, PARAM, normalize
from registry_cli.interop import value_files

LIGHTNING = "epoch,step,train_loss,val_acc\n0,9,0.7,\n0,9,,0.81\n1,19,0.5,\n1,19,,0.84\n"
KERAS = "epoch,loss,val_loss\r\n0,0.7,NA\r\n1,0.5,0.6\r\n2,0.4,NA\r\n"
TRAINER = {
    "best_metric": 0.91, "best_model_checkpoint": "out/checkpoint-500", "epoch": 3.0, "global_step": 1500,
    "is_local_process_zero": True, "max_steps": 1500, "trial_name": None, "trial_params": None,
    "log_history": [
        {"loss": 0.7, "learning_rate": 5e-5, "epoch": 1.0, "step": 500}, {"eval_loss": 0.6, "epoch": 1.0, "step": 500},
        {"loss": 0.5, "learning_rate": 0.0, "epoch": 3.0, "step": 1500}, {"train_runtime": 12.5, "epoch": 3.0},
    ],
}  # fmt: skip
REPORT = """\
              precision    recall  f1-score   support

     class 0       0.50      1.00      0.67         1
           1       0.00      0.00      0.00         1

    accuracy                           0.60         5
   macro avg       0.50      0.56      0.49         5
weighted avg       0.70      0.60      0.61         5
"""


def read(folder: Path, name: str, text: str | bytes, kind: str = METRIC) -> Mapping[str, Any]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return values.flatten(value_files.read(str(path), kind))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("metrics.json", '{"auc": 0.9, "train": {"loss": 1}}', {"auc": 0.9, "train.loss": 1}),
        ("metrics.yaml", "auc: 0.9\ntrain:\n  loss: 1\n", {"auc": 0.9, "train.loss": 1}),
        ("metrics.yml", "{auc: 0.9}", {"auc": 0.9}),
        ("metrics", '{"auc": 0.9}', {"auc": 0.9}),
        ("metrics", "{auc: 0.9}", {"auc": 0.9}),
        ("metrics.txt", "auc: 0.9\n", {"auc": 0.9}),
        ("metrics.csv", LIGHTNING, {"epoch": 1, "step": 19, "train_loss": 0.5, "val_acc": 0.84}),
        ("log.csv", KERAS, {"epoch": 2, "loss": 0.4, "val_loss": 0.6}),
        ("log.csv", "a;b\n1;2\n", {"a": 1, "b": 2}),
        ("acc.tsv", "step\tacc\n0\t0.5\n1\t0.7\n", {"step": 1, "acc": 0.7}),
        ("log.csv", '"a, b",c\n"1",2\n', {"a, b": 1, "c": 2}),
        ("log.jsonl", '{"loss": 1}\n\n{"loss": 0.5, "auc": null}\n{"auc": 0.9}\n', {"loss": 0.5, "auc": 0.9}),
        ("log.jsonl", '{"a": {"b": 1, "c": 2}}\n{"a": {"c": 3, "d": null}}\n', {"a.b": 1, "a.c": 3}),
        ("LOG.CSV", "a\n1\n", {"a": 1}), ("acc.TSV", "a\tb\n0\t0.5\n", {"a": 0, "b": 0.5}), ("m.JSON", '{"a": 1}', {"a": 1}),
        ("trainer_state.json", json.dumps({"log_history": [{"a": {"b": 1}}, {"a": {"c": 2}}]}), {"a.b": 1, "a.c": 2}),
        (
            "trainer_state.json", json.dumps(TRAINER),
            {"loss": 0.5, "learning_rate": 0.0, "epoch": 3.0, "eval_loss": 0.6, "train_runtime": 12.5, "best_metric": 0.91,
             "global_step": 1500},
        ),
        ("checkpoint.json", json.dumps({"epoch": 1, "log_history": [{"loss": 2}]}), {"loss": 2, "epoch": 1}),
        ("all_results.json", '{"epoch": 3.0, "eval_accuracy": 0.9}', {"epoch": 3.0, "eval_accuracy": 0.9}),
        (
            "report.txt", REPORT,
            {"class 0.precision": 0.5, "class 0.recall": 1.0, "class 0.f1-score": 0.67, "class 0.support": 1,
             "1.precision": 0.0, "1.recall": 0.0, "1.f1-score": 0.0, "1.support": 1, "accuracy": 0.6,
             "macro avg.precision": 0.5, "macro avg.recall": 0.56, "macro avg.f1-score": 0.49, "macro avg.support": 5,
             "weighted avg.precision": 0.7, "weighted avg.recall": 0.6, "weighted avg.f1-score": 0.61,
             "weighted avg.support": 5},
        ),
    ],
)  # fmt: skip
def test_metrics_of_a_file(tmp_path: Path, name: str, text: str, wanted: Mapping[str, Any]) -> None:
    found = read(tmp_path, name, text)
    assert found == wanted
    assert normalize(METRIC, found).values == wanted
    for encoding in ("utf-8-sig", "utf-16"):
        assert read(tmp_path, name, text.encode(encoding)) == wanted


def test_the_report_of_scikit_learn_as_a_mapping(tmp_path: Path) -> None:
    """As ``classification_report(output_dict=True)`` gives it, through a file and the API."""
    row = {"precision": 0.5, "recall": 1.0, "f1-score": 0.67, "support": 1.0}
    given = {"0": row, "accuracy": 0.6, "macro avg": row}
    wanted = {"0.precision", "accuracy", "macro avg.f1-score", "macro avg.support"}
    assert wanted <= read(tmp_path, "report.json", json.dumps(given)).keys()
    assert wanted <= normalize(METRIC, given).values.keys()


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("params.yaml", "train:\n  lr: 1e-3\n  layers: [64, 32]\n  on: on\nnothing: null\n",
         {"train.lr": 1e-3, "train.layers": "[64, 32]", "train.on": "on"}),
        ("training_args.json", '{"lr": 0.1, "log_history": [1], "chat_template": "{%\\n%}"}',
         {"lr": 0.1, "log_history": "[1]", "chat_template": "{%\n%}"}),
    ],
)  # fmt: skip
def test_params_of_a_file(tmp_path: Path, name: str, text: str, wanted: Mapping[str, Any]) -> None:
    found = {key: value for key, value in read(tmp_path, name, text, PARAM).items() if value is not None}
    assert normalize(PARAM, found).values == wanted


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_toml(tmp_path: Path) -> None:
    text = "lr = 0.1\nsteps = 1_000\nbig = 1e400\nwhen = 2026-01-02T03:04:05\nlow = -inf\n[model]\ndepth = 3\nsizes = [1, 2]\n"
    assert normalize(PARAM, read(tmp_path, "params.toml", text, PARAM)).values == {
        "lr": 0.1, "steps": 1000, "big": "1e400", "when": "2026-01-02T03:04:05", "low": "-inf", "model.depth": 3,
        "model.sizes": "[1, 2]",
    }  # fmt: skip
    with pytest.raises(InvalidInput, match=r"params.toml is not valid TOML: .*line 2"):
        read(tmp_path, "params.toml", "a = 1\nb =\n", PARAM)


def test_toml_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    with pytest.raises(InvalidInput, match=r"TOML is read with Python 3.11 or newer"):
        read(tmp_path, "params.toml", "a = 1\n", PARAM)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", "", "is empty"), ("a.json", " \n", "is empty"), ("a.csv", "", "is empty"),
        ("a.json", "[1]", "does not hold an object"), ("a.json", '{"a": 1, "a": 2}', "the name 'a' occurs twice"),
        ("a.json", '{"a": ', "is not valid JSON"), ("a.json", "[" * 100_000, "is not valid JSON"),
        ("a.json", b'{"a": "\xff"}', "a.json, line 1: not UTF-8 text"), ("a.yaml", "a: 1\n".encode("utf-16-le"), "NUL"),
        ("a.yaml", "- 1\n", "contains no 'key: value' lines"), ("a.yaml", "a: !!python/name:os.system x\n", "line 1"),
        ("a.yaml", "0.93\n", "contains no 'key: value' lines"), ("a.csv", "a,b\n", "has no values below its header"),
        ("a.csv", "a,a\n1,2\n", "two columns have the same name"), ("a.csv", "a\n1,2\n", "line 2: more fields than columns"),
        ("a.csv", 'a\n"1', "is not valid CSV"), ("a.jsonl", '{"a": 1}\n[1]\n', "a.jsonl, line 2: not an object"),
        ("a.jsonl", '{"a": 1}\n{"a"\n', "a.jsonl, line 2 is not valid JSON"), ("a.json", " " * 1_048_577, "1,048,576 bytes"),
        ("a.csv", " " * (16 << 20) + "a", "16,777,216 bytes"), ("a.json", f'{{"a": {"9" * 101}}}', "a number of 101 digits"),
        ("a.yaml", f"a: {'9' * 101}\n", "line 1: .*a number of 101 digits"),
        ("a.txt", REPORT + "what is this\n", "not a line of a classification report: 'what is this'"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_right(tmp_path: Path, name: str, text: str | bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, name, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        value_files.read(str(tmp_path / "none.json"), METRIC)
    with pytest.raises(InvalidInput, match="is a folder"):
        value_files.read(str(tmp_path), METRIC)
    with pytest.raises(InvalidInput, match="params are not read from"):
        read(tmp_path, "a.csv", "a\n1\n", PARAM)


@given(st.binary(max_size=200), st.sampled_from(["json", "yaml", "csv", "tsv", "jsonl", "txt", "toml"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(data)
    for kind in (PARAM, METRIC):
        try:
            found = value_files.read(str(path), kind)
        except InvalidInput:
            continue
        normalize(kind, found, skip_invalid=True)
