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
    scores = model.predict_proba(features[17:22])[:, 1]
    for number, (score, label) in enumerate(zip(scores, labels[17:22], strict=True), 1):
        predicted, actual = ("benign" if yes else "malignant" for yes in (score >= 0.5, label))
        print(f"patient {number}: predicted {predicted} ({max(score, 1 - score):.0%} sure), actually {actual}")


if __name__ == "__main__":
    main()
