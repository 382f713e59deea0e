"""A hospital risk score that registers itself, and is staged when it is better than what is staged now.

    REGISTRY_HOME=models-registry python train_with_api.py --trees 50

The data is the diabetes set inside scikit-learn: disease progression after a year, here as high or not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from registry_cli import NotFound, Registry

MODEL = "risk/progression"


def train(trees: int, out: Path) -> dict[str, float]:
    """Write the model to ``out``; its metrics on held-out patients."""
    features, progression = load_diabetes(return_X_y=True)
    high = progression > 150
    train_x, test_x, train_y, test_y = train_test_split(features, high, test_size=0.3, random_state=3)
    model = GradientBoostingClassifier(n_estimators=trees, max_depth=2, random_state=3).fit(train_x, train_y)
    scores = model.predict_proba(test_x)[:, 1]
    joblib.dump(model, out)
    return {"auc": float(roc_auc_score(test_y, scores)), "brier": float(brier_score_loss(test_y, scores))}


def staged_auc(registry: Registry) -> float:
    try:
        return float(registry.version(f"{MODEL}@staging").metrics["auc"])
    except NotFound:
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=50)
    trees = parser.parse_args().trees
    registry = Registry.open()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.joblib"
        metrics = train(trees, file)
        done = registry.register(
            MODEL,
            [file],
            params={"trees": trees, "max_depth": 2},
            metrics=metrics,
            tags={"specialty": "endocrinology"},
            annotations={
                "purpose": "ranks outpatients by the risk of fast progression within a year",
                "training_data": "442 patients, ten baseline variables, one centre",
                "special_considerations": "not validated for patients under 18; a clinician decides",
            },
            message=f"{trees} trees",
        )
    print(f"registered {done.ref}: auc {metrics['auc']:.3f}, brier {metrics['brier']:.3f}")
    if metrics["auc"] > staged_auc(registry):
        registry.promote(done.ref, "staging", reason="best auc so far")
        print(f"{done.ref} is staged")


if __name__ == "__main__":
    main()
