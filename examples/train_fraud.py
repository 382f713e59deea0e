"""Fraud detection: a classifier of card payments, for `serve.py`.

    python train_fraud.py OUT --rounds 60

The payments are made up here: few are fraud, and these tend to be large, at night, far from home and in a hurry.
OUT gets model.joblib, metrics.json and params.yaml.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import average_precision_score, recall_score
from sklearn.model_selection import train_test_split

FEATURES = ("amount", "hour", "km_from_home", "payments_last_hour")


def payments(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The features of ``count`` payments, and which of them are fraud (about 3 in 100)."""
    chance = np.random.default_rng(seed)
    fraud = chance.random(count) < 0.03
    amount = chance.lognormal(np.where(fraud, 5.2, 3.4), 0.9)
    hour = np.where(fraud, chance.normal(3, 4, count), chance.normal(14, 4, count)) % 24
    distance = chance.exponential(np.where(fraud, 400.0, 15.0))
    hurry = chance.poisson(np.where(fraud, 2.5, 0.3))
    return np.column_stack([amount, hour, distance, hurry]), fraud


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--rounds", type=int, default=60, help="how many trees are added up")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    features, fraud = payments(20_000, options.seed)
    train_x, test_x, train_y, test_y = train_test_split(features, fraud, test_size=0.3, random_state=options.seed)
    model = GradientBoostingClassifier(n_estimators=options.rounds, max_depth=3, random_state=options.seed)
    model.fit(train_x, train_y)
    scores = model.predict_proba(test_x)[:, 1]
    metrics = {
        "average_precision": round(float(average_precision_score(test_y, scores)), 4),
        "recall": round(float(recall_score(test_y, scores > 0.5)), 4),
    }

    options.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, options.out / "model.joblib")
    (options.out / "metrics.json").write_text(json.dumps(metrics) + "\n")
    (options.out / "params.yaml").write_text(f"rounds: {options.rounds}\nseed: {options.seed}\n")


if __name__ == "__main__":
    main()
