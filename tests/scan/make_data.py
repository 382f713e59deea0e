"""Makes the files in ``data/`` with the frameworks themselves: see ``data/README.md``. Not run by the tests.

python tests/scan/make_data.py [FOLDER]
"""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "data"


def sklearn_models(folder: Path) -> None:
    import joblib
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    random = np.random.RandomState(0)
    x, y = random.rand(60, 3), random.randint(0, 2, 60)
    logistic = LogisticRegression().fit(x, y)
    for protocol in range(6):
        (folder / f"logistic-p{protocol}.pkl").write_bytes(pickle.dumps(logistic, protocol))
    forest = RandomForestClassifier(4, max_depth=3, random_state=0).fit(x, y)
    (folder / "forest.pkl").write_bytes(pickle.dumps(forest))
    joblib.dump(forest, folder / "forest.joblib")
    for name in ("z", "gz", "bz2", "xz", "lzma"):
        joblib.dump(forest, folder / f"forest.joblib.{name}", compress=({"z": "zlib", "gz": "gzip"}.get(name, name), 3))
    named = Pipeline([("scale", StandardScaler()), ("forest", forest)])
    try:
        import pandas as pd

        named.fit(pd.DataFrame(x, columns=["age", "tenure", "balance"]), y)
    except ImportError:
        named.fit(x, y)
    joblib.dump(named, folder / "pipeline.joblib")
    mixed = ColumnTransformer([
        ("number", Pipeline([("scale", MinMaxScaler()), ("log", FunctionTransformer(np.log1p))]), [0, 1]),
        ("words", OneHotEncoder(handle_unknown="ignore"), [2]),
    ])  # fmt: skip
    table = np.column_stack([x[:, :2], random.choice(["a", "b"], 60)]).astype(object)
    table[:, :2] = x[:, :2]
    whole = Pipeline([("mixed", mixed), ("best", SelectKBest(f_classif, k=2)), ("model", LogisticRegression())])
    whole.fit(table, y)
    joblib.dump(whole, folder / "mixed.joblib")
    (folder / "mixed.pkl").write_bytes(pickle.dumps(whole, 5))
    texts = ["the cat sat", "a dog ran", "the dog sat", "a cat ran"]
    words = Pipeline([("words", TfidfVectorizer()), ("model", SGDClassifier(random_state=0))]).fit(texts, [0, 1, 1, 0])
    joblib.dump(words, folder / "text.joblib")
    others: dict[str, Any] = {
        "boosting": GradientBoostingClassifier(n_estimators=3, max_depth=2).fit(x, y),
        "histogram": HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=4).fit(x, x[:, 0]),
        "neighbours": KNeighborsClassifier(algorithm="kd_tree").fit(x, y),
        "svc": SVC(probability=False).fit(x, y),
        "mlp": MLPClassifier((4,), max_iter=5, solver="sgd").fit(x, y),
        "process": GaussianProcessRegressor(RBF()).fit(x[:10], x[:10, 0]),
        "search": GridSearchCV(LogisticRegression(), {"C": [1, 2]}, scoring="f1", cv=2).fit(x, y),
    }
    for name, model in others.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        joblib.dump(model, folder / f"{name}.joblib")
    array = np.array([1, "a", None, [2]], dtype=object)
    np.save(folder / "objects.npy", array)
    np.save(folder / "numbers.npy", x)
    np.savez(folder / "numbers.npz", x=x, y=y)
    np.savez_compressed(folder / "numbers-compressed.npz", x=x, y=y)
    joblib.dump({"a": x, "b": array, "c": np.array(["x", "yy"]), "d": np.zeros(2, [("p", "f4"), ("q", "O")])},
                folder / "arrays.joblib")  # fmt: skip


def skops_model(folder: Path) -> None:
    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression

    x = np.arange(12.0).reshape(6, 2)
    skops.io.dump(LogisticRegression().fit(x, [0, 1, 0, 1, 0, 1]), folder / "logistic.skops")


def boosters(folder: Path) -> None:
    import joblib
    import lightgbm
    import numpy as np
    import xgboost

    random = np.random.RandomState(0)
    x, y = random.rand(60, 3), random.randint(0, 2, 60)
    xgb = xgboost.XGBClassifier(n_estimators=2, max_depth=2).fit(x, y)
    lgb = lightgbm.LGBMClassifier(n_estimators=2, num_leaves=3, verbose=-1, min_child_samples=5).fit(x, y)
    for name, model in (("xgboost", xgb), ("lightgbm", lgb)):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
        joblib.dump(model, folder / f"{name}.joblib")
    (folder / "xgboost-booster.pkl").write_bytes(pickle.dumps(xgb.get_booster()))
    (folder / "lightgbm-booster.pkl").write_bytes(pickle.dumps(lgb.booster_))
    xgb.save_model(folder / "xgboost.json")
    xgb.save_model(folder / "xgboost.ubj")
    lgb.booster_.save_model(folder / "lightgbm.txt")


def torch_models(folder: Path) -> None:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    torch.save(model.state_dict(), folder / "state.pt")
    half = OrderedDict((name, tensor.half() if tensor.is_floating_point() else tensor)
                       for name, tensor in model.state_dict().items())  # fmt: skip
    torch.save(half, folder / "half.bin")
    torch.save(model, folder / "module.pt")
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
                "loss": 0.1}, folder / "checkpoint.pt")  # fmt: skip
    torch.save(model.state_dict(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(model, folder / "legacy-module.pt", _use_new_zipfile_serialization=False)
    try:
        torch.jit.save(torch.jit.trace(model.eval(), torch.rand(5, 3)), folder / "traced.pt")
    except Exception as error:
        print("no TorchScript:", error)
    (folder / "torch-plain.pkl").write_bytes(pickle.dumps(model))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(exist_ok=True)
    for make in (sklearn_models, skops_model, boosters, torch_models):
        make(folder)
    for path in sorted(folder.iterdir()):
        assert path.stat().st_size < 100_000, path


if __name__ == "__main__":
    main()
