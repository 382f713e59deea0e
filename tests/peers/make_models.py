"""Makes a model of each framework: ``make_models.py FOLDER``; with ``load`` predicts with what MLflow loads, as JSON."""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
ROWS = [[0.1, 0.2, 0.3], [0.9, 0.5, 0.1]]


def make(folder: Path) -> dict[str, Any]:
    """The models, and what each framework itself predicts."""
    import joblib
    import lightgbm
    import numpy as np
    import onnx
    import skops.io
    import xgboost
    from onnx import TensorProto, helper
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(7)
    x = random.random((60, 3))
    y = (x[:, 0] > 0.5).astype(int)
    forest = RandomForestClassifier(5, random_state=1).fit(x, y)
    line = LogisticRegression().fit(x, y)
    joblib.dump(forest, folder / "forest.joblib")
    joblib.dump(forest, folder / "packed.joblib", compress=3)
    (folder / "line.pkl").write_bytes(pickle.dumps(line))
    skops.io.dump(line, folder / "line.skops")
    trees = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(x, label=y), 3)
    trees.save_model(folder / "trees.json")
    trees.save_model(folder / "trees.ubj")
    leaves = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(x, label=y), 3)
    leaves.save_model(folder / "leaves.txt")
    shape = [None, 3]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])], "twice",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    twice = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(twice, folder / "twice.onnx")
    rows = np.array(ROWS)
    said = {
        "forest.joblib": forest.predict(rows), "packed.joblib": forest.predict(rows), "line.pkl": line.predict(rows),
        "line.skops": line.predict(rows), "trees.json": trees.inplace_predict(rows), "trees.ubj": trees.inplace_predict(rows),
        "leaves.txt": leaves.predict(rows), "twice.onnx": rows * 2,
    }  # fmt: skip
    return {name: np.asarray(values).tolist() for name, values in said.items()}


def load(folder: Path) -> dict[str, Any]:
    """What MLflow predicts with each model's folder."""
    import mlflow
    import numpy as np

    found = {}
    for place in sorted(folder.iterdir()):
        rows = np.array(ROWS, dtype="float32" if place.name.endswith(".onnx") else "float64")
        said = mlflow.pyfunc.load_model(str(place)).predict(rows)
        found[place.name] = np.asarray(said["y"] if isinstance(said, dict) else said).tolist()
    return found


if __name__ == "__main__":
    task = {"make": make, "load": load}[sys.argv[1]]
    print(json.dumps(task(Path(sys.argv[2]))))
