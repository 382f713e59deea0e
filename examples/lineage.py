"""Where a model comes from, from end to end: trained twice on data in files, then asked how the second was made.

    REGISTRY_HOME=models-registry python lineage.py OUT

OUT gets the data and the models. The data is the wine set inside scikit-learn: the first model knows half of it, the
second all of it, and goes on from the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
import numpy
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from registry_cli import Registry, VersionRecord

MODEL = "cellar/wine"


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    registry = Registry.open()  # knows this program: its command line, its packages, the repository around it
    features, labels = load_wine(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(features, labels, test_size=0.4, random_state=3)
    model = RandomForestClassifier(10, warm_start=True, random_state=3)
    made: VersionRecord | None = None
    for rows, trees in ((len(train_y) // 2, 10), (len(train_y), 20)):
        data = out / f"train-{rows}.csv"
        numpy.savetxt(data, numpy.column_stack([train_x[:rows], train_y[:rows]]), delimiter=",")
        model.n_estimators = trees
        model.fit(train_x[:rows], train_y[:rows])
        joblib.dump(model, out / "model.joblib")
        done = registry.register(
            MODEL,
            [out / "model.joblib"],
            params={"trees": trees},
            metrics={"accuracy": round(float(model.score(test_x, test_y)), 4)},
            lineage={"parents": [made.ref] if made else [], "data": [data], "command": f"python lineage.py {out}"},
        )
        made = done
    assert made is not None
    family = registry.lineage(made.ref)
    print(f"{made.ref} was made from {', '.join(kin.ref for kin in family.parents)}")
    for each in made.lineage["data"]:
        print(f"with {Path(each['path']).name}, {each['digest'][:19]}…")
    for step in registry.lineage.reproduce(made.ref).steps:
        for command in step.commands:
            print(f"    {command}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
