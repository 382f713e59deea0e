"""Train a classifier on the breast-cancer data that ships inside scikit-learn; write what a training job writes.

    python train.py OUT --depth 3 --trees 20

OUT gets model.joblib, metrics.json and params.yaml.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--depth", type=int, default=3, help="how deep a tree may grow")
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    features, labels = load_breast_cancer(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.3, random_state=options.seed)
    model = RandomForestClassifier(options.trees, max_depth=options.depth, random_state=options.seed)
    model.fit(train_x, train_y)
    scores = model.predict_proba(test_x)[:, 1]
    metrics = {
        "auc": round(float(roc_auc_score(test_y, scores)), 4),
        "accuracy": round(float(accuracy_score(test_y, scores > 0.5)), 4),
    }

    options.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, options.out / "model.joblib")
    (options.out / "metrics.json").write_text(json.dumps(metrics) + "\n")
    (options.out / "params.yaml").write_text(
        f"model:\n  depth: {options.depth}\n  trees: {options.trees}\nseed: {options.seed}\n"
    )


if __name__ == "__main__":
    main()
