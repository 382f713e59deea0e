"""Product recommendation: learn from who bought what which products to show next.

    python train_recommender.py OUT --factors 12

The purchases are made up here: customers have a few tastes, products serve a few tastes, and one purchase of each
customer is held back. OUT gets model.joblib, metrics.json and params.yaml.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.decomposition import TruncatedSVD

CUSTOMERS, PRODUCTS, TASTES = 2_000, 300, 12
SHOWN = 10


def purchases(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Who bought what (customers × products, 0 or 1), and the product of each customer that is held back."""
    chance = np.random.default_rng(seed)
    wants = chance.dirichlet(np.full(TASTES, 0.08), CUSTOMERS)
    serves = chance.dirichlet(np.full(TASTES, 0.08), PRODUCTS)
    popularity = chance.pareto(6, PRODUCTS) + 0.2
    likely = (wants @ serves.T) * popularity
    likely /= likely.sum(axis=1, keepdims=True)
    bought = np.zeros((CUSTOMERS, PRODUCTS))
    held_back = np.zeros(CUSTOMERS, dtype=int)
    for customer in range(CUSTOMERS):
        basket = chance.choice(PRODUCTS, size=12, replace=False, p=likely[customer] * 0.99 + 0.01 / PRODUCTS)
        held_back[customer], kept = basket[0], basket[1:]
        bought[customer, kept] = 1
    return bought, held_back


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--factors", type=int, default=12, help="how many tastes to look for")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    bought, held_back = purchases(options.seed)
    model = TruncatedSVD(options.factors, random_state=options.seed).fit(bought)
    scores = model.inverse_transform(model.transform(bought))
    scores[bought > 0] = -np.inf  # do not recommend what the user already has
    shown = np.argsort(-scores, axis=1)[:, :SHOWN]
    hits = (shown == held_back[:, None]).any(axis=1)
    metrics = {"recall_at_10": round(float(hits.mean()), 4), "coverage": round(len(np.unique(shown)) / PRODUCTS, 4)}

    options.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, options.out / "model.joblib")
    (options.out / "metrics.json").write_text(json.dumps(metrics) + "\n")
    (options.out / "params.yaml").write_text(f"factors: {options.factors}\nseed: {options.seed}\n")


if __name__ == "__main__":
    main()
