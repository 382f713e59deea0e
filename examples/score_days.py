"""Send patients to a scoring server day by day, and write how well it did: python score_days.py ADDRESS OUT.csv

The answers are compared with the diagnoses, and each day becomes a line of OUT.csv: at, accuracy, latency_ms, n. With
--new-device the concavity of the cells is measured six times as high, as by a device with another unit.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of serve_folder.py: http://127.0.0.1:8000")
    parser.add_argument("out", type=Path, help="the CSV file to write")
    parser.add_argument("--first", type=int, default=7, help="the first day: so many days ago")
    parser.add_argument("--last", type=int, default=1, help="the last day")
    parser.add_argument("--new-device", action="store_true")
    options = parser.parse_args()

    data = load_breast_cancer()
    _, patients, _, benign = train_test_split(data.data, data.target, test_size=0.3, random_state=7)
    factor = np.array([6.0 if options.new_device and "concav" in name else 1.0 for name in data.feature_names])
    noise = np.random.default_rng(options.first)
    with options.out.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("at", "accuracy", "latency_ms", "n"))
        for days in range(options.first, options.last - 1, -1):
            rows = patients * factor * noise.normal(1, 0.002, patients.shape)
            started = time.perf_counter()
            answers = np.array(score(options.address, rows.tolist()))
            took = (time.perf_counter() - started) * 1000
            accuracy = float(((answers > 0.5) == benign).mean())
            at = (datetime.now(timezone.utc) - timedelta(days=days)).isoformat(timespec="seconds")
            table.writerow((at, round(accuracy, 4), round(took, 1), len(rows)))


def score(address: str, rows: list[list[float]]) -> list[float]:
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(rows).encode())) as answer:
        found: list[float] = json.load(answer)["benign"]
        return found


if __name__ == "__main__":
    main()
