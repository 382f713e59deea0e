"""Load the model at a path and score a few patients of the breast-cancer data.

python predict.py "$(registry path cancer@production model.joblib)"
"""

from __future__ import annotations

import sys

import joblib
from sklearn.datasets import load_breast_cancer


def main() -> None:
    model = joblib.load(sys.argv[1])
    features, labels = load_breast_cancer(return_X_y=True)
    for score, label in zip(model.predict_proba(features[17:22])[:, 1], labels[17:22], strict=True):
        print(f"benign with probability {score:.2f} (truth: {'benign' if label else 'malignant'})")


if __name__ == "__main__":
    main()
