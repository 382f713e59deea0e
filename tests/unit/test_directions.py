"""Whether lower or higher is better: declared, listed, or not known; never guessed from what a name looks like."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry_cli.errors import InvalidInput
from registry_cli.rules import metric_directions
from registry_cli.rules.metric_directions import HIGHER, LOWER, NAMES, Directions, listed_direction
from registry_cli.rules.settings_errors import SettingsSource

SOURCE = SettingsSource("model.yaml", lambda: {("metrics",): 4, ("metrics", "drift"): 5})
WORDS = [*NAMES[LOWER], *NAMES[HIGHER], *metric_directions.SPLITS, *metric_directions.AVERAGES]


@pytest.mark.parametrize(
    "name",
    [
        "loss", "rmse", "mae", "mse", "mape", "smape", "wape", "rmsle", "nll", "ppl", "perplexity", "fid", "crps", "aic",
        "bic", "fpr", "fnr", "eer", "deviance", "kl_divergence", "lpips", "wer", "cer", "log_loss", "brier", "duration_s",
        "train_runtime", "latency", "latency_ms", "p95_ms", "val_loss", "val/Loss", "test.rmse", "train_loss", "eval_loss",
        "loss_test", "validation_0-logloss", "binary_logloss", "Mean Absolute Error", "l2", "error", "MAPE",
    ],
)  # fmt: skip
def test_lower_is_better(name: str) -> None:
    assert listed_direction(name) == LOWER


@pytest.mark.parametrize(
    "name",
    [
        "accuracy", "acc", "auc", "roc_auc", "f1", "precision", "recall", "r2", "map", "ndcg", "mrr", "bleu", "rouge",
        "rougeL", "val_accuracy", "test/auc", "macro avg.f1-score", "test.weighted avg.recall", "precision@5", "ndcg@10",
        "neg_mean_squared_error", "negative_log_loss", "val_neg_root_mean_squared_error", "auc_holdout", "R2", "hits@1",
        "eval_samples_per_second",
    ],
)  # fmt: skip
def test_higher_is_better(name: str) -> None:
    assert listed_direction(name) == HIGHER


@pytest.mark.parametrize(
    "name",
    [
        "", "drift", "score", "lossless", "loss_improvement", "accuracy_drop", "error_budget_left", "glossary", "power",
        "trainLoss", "my_loss", "loss_weight", "auc_loss", "neg_auc", "delta.rmse", "epoch", "support", "0.f1-score",
        "val_", "val", "@5", "loss@5", "precision@", "precision@k", "val_val_loss", "n", "cost", "wertung",
    ],
)  # fmt: skip
def test_what_is_not_listed_is_not_known(name: str) -> None:
    assert listed_direction(name) is None


@given(st.text())
def test_any_text_has_an_answer(name: str) -> None:
    assert listed_direction(name) in (LOWER, HIGHER, None)


@given(st.text(string.ascii_lowercase, min_size=1), st.sampled_from(WORDS), st.sampled_from(["", "_", ".", "/", "-"]))
def test_a_listed_word_in_a_name_says_nothing(more: str, word: str, mark: str) -> None:
    """Neither as its beginning nor as its end."""
    assume(more not in (*metric_directions.SPLITS, "neg", "negative"))
    for name in (more + mark + word, word + mark + more):
        normal = name.replace("-", "_")
        if not re.fullmatch(rf"(({'|'.join(map(re.escape, WORDS))}|neg|negative)[_./:]?)+", normal):
            assert listed_direction(name) is None


def test_no_name_has_two_directions() -> None:
    assert not set(NAMES[LOWER]) & set(NAMES[HIGHER])
    for names in NAMES.values():
        assert len(names) == len(set(names))
        assert all(name == name.lower() and not re.search("[- ]", name) for name in names), "or it is never found"
    for name in (*NAMES[LOWER], *NAMES[HIGHER]):
        for split in metric_directions.SPLITS:
            assert listed_direction(f"{split}_{name}") == listed_direction(f"{name}/{split}") == listed_direction(name)


def test_declarations() -> None:
    own = Directions.parse({"drift": "lower", "auc": "lower"}, SOURCE)
    both = own.over(Directions.parse({"drift": "higher", "cost": "lower"}, SettingsSource("registry.yaml")))
    assert [both.direction(name) for name in ("drift", "cost", "auc", "f1", "x")] == [LOWER, LOWER, LOWER, HIGHER, None]
    assert Directions.parse(None, SOURCE).direction("auc") == HIGHER
    assert [both.better("drift", *pair) for pair in ((1, 2), (2, 1), (1, 1), (None, 1), (1, None))] == [
        False, True, None, None, None,
    ]  # fmt: skip
    assert both.better("x", 1, 2) is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"drift": "down"}, "model.yaml, line 5: metrics.drift: 'down' is not a direction; use lower or higher"),
        ({"drift": None}, "line 5: metrics.drift: 'None' is not a direction"),
        ({"drift": True}, "line 5"),
        ({"drift": ["lower"]}, "line 5"),
        ({"a=b": "lower"}, "line 4: metrics.a=b: invalid name 'a=b'"),
        (["drift"], "line 4: metrics: is not a mapping"),
        ("lower", "line 4"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(said: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(words)):
        Directions.parse(said, SOURCE)


def test_the_list_is_documented() -> None:
    page = Path(__file__).parents[2].joinpath("docs/reference/metrics.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([^`]+)`", re.sub("```.*?```", "", page, flags=re.DOTALL)))
    assert {*NAMES[LOWER], *NAMES[HIGHER], *metric_directions.SPLITS} <= told
