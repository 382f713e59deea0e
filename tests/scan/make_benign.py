"""Writes honest files, made by the libraries themselves, into a folder: ``make_benign.py FOLDER``.

It runs where the libraries are; those that are missing are left out, and it says so. The folders are named for them.
"""
# mypy: ignore-errors

from __future__ import annotations

import bz2
import gzip
import json
import os
import pickle
import random
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LIBRARIES: list[Callable[[Path], None]] = []


def library(function: Callable[[Path], None]) -> Callable[[Path], None]:
    """Makes files of the library that it is named for."""
    _LIBRARIES.append(function)
    return function


def _pickle(folder: Path, name: str, value: Any, protocol: int = 4) -> None:
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol))


def _joblib(folder: Path, name: str, value: Any, compress: Any = 0) -> None:
    import joblib

    joblib.dump(value, folder / f"{name}.joblib", compress=compress)


def _data() -> tuple[Any, Any, Any]:
    import numpy as np

    chance = np.random.default_rng(3)
    x = chance.normal(size=(80, 4))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int), x[:, 0] * 2 + chance.normal(size=80)


def _frame() -> Any:
    import pandas as pd

    x, y, z = _data()
    frame = pd.DataFrame(x, columns=list("abcd"))
    return frame.assign(kind=["u", "v"] * 40, y=y, z=z)


@library
def python(folder: Path) -> None:
    for protocol in range(6):
        _pickle(folder, f"settings-{protocol}", {"a": [1.5, "x", b"y"], "b": {1, 2}, "c": (None, True)}, protocol)
    _pickle(folder, "methods", [re.compile(r"\w+").findall, " ".join, random.Random(1).choice, {"a": 1}.get])
    (folder / "vocabulary.json").write_text(json.dumps({"tokens": {"a": 1, "class_name": 2}}))
    (folder / "settings.yaml").write_text("model:\n  depth: 3\n  !!str name: x\n")
    (folder / "data.pkl.gz").write_bytes(gzip.compress(pickle.dumps(list(range(500)))))
    (folder / "data.pkl.bz2").write_bytes(bz2.compress(pickle.dumps({"a": 1})))


@library
def numpy(folder: Path) -> None:
    import numpy as np

    x, y, _ = _data()
    np.save(folder / "x.npy", x)
    np.save(folder / "words.npy", np.array(["a", {"b": 1}, None], dtype=object), allow_pickle=True)
    np.savez(folder / "xy.npz", x=x, y=y)
    np.savez_compressed(folder / "xy-packed.npz", x=x, y=y)
    _pickle(folder, "array", {"x": x, "n": np.float64(3), "t": np.datetime64("2020-01-01")})
    _pickle(folder, "generator", np.random.default_rng(1), 5)
    _pickle(folder, "state", np.random.RandomState(1), 2)


@library
def scipy(folder: Path) -> None:
    from scipy import sparse, spatial

    x, _, _ = _data()
    _pickle(folder, "matrix", sparse.csr_matrix(x))
    sparse.save_npz(folder / "matrix.npz", sparse.csr_matrix(x))
    _pickle(folder, "tree", spatial.cKDTree(x))


@library
def pandas(folder: Path) -> None:
    frame = _frame()
    frame.to_pickle(folder / "frame.pkl")
    frame.assign(kind=frame.kind.astype("category")).to_pickle(folder / "frame.pkl.gz")
    _pickle(folder, "series", frame.a)


@library
def sklearn(folder: Path) -> None:
    from sklearn import (
        cluster,
        decomposition,
        ensemble,
        feature_extraction,
        gaussian_process,
        isotonic,
        linear_model,
        mixture,
        model_selection,
        naive_bayes,
        neighbors,
        neural_network,
        preprocessing,
        svm,
        tree,
    )
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline

    x, y, z = _data()
    models = {
        "logistic": linear_model.LogisticRegression(), "ridge": linear_model.RidgeCV(), "lasso": linear_model.Lasso(),
        "sgd": linear_model.SGDClassifier(), "forest": ensemble.RandomForestClassifier(5), "trees": ensemble.ExtraTreesRegressor(5),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=5), "histogram": ensemble.HistGradientBoostingClassifier(max_iter=5),
        "isolation": ensemble.IsolationForest(n_estimators=5), "ada": ensemble.AdaBoostClassifier(n_estimators=3), "svc": svm.SVC(probability=True),
        "linear-svc": svm.LinearSVC(), "knn": neighbors.KNeighborsClassifier(), "tree": tree.DecisionTreeRegressor(max_depth=3),
        "bayes": naive_bayes.GaussianNB(), "mlp": neural_network.MLPClassifier((4,), max_iter=20), "kmeans": cluster.KMeans(2, n_init=1),
        "dbscan": cluster.DBSCAN(), "pca": decomposition.PCA(2), "mixture": mixture.GaussianMixture(2),
        "process": gaussian_process.GaussianProcessRegressor(), "voting": ensemble.VotingClassifier([("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier())]),
        "pipeline": make_pipeline(preprocessing.StandardScaler(), svm.SVC()),
        "search": model_selection.GridSearchCV(tree.DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2),
        "columns": make_pipeline(ColumnTransformer([("s", preprocessing.StandardScaler(), [0, 1])]), linear_model.LogisticRegression()),
        "splines": make_pipeline(preprocessing.SplineTransformer(), linear_model.LogisticRegression()),
        "quantiles": make_pipeline(preprocessing.QuantileTransformer(n_quantiles=10), linear_model.LogisticRegression()),
    }  # fmt: skip
    for number, (name, model) in enumerate(models.items()):
        model.fit(x, z if name in ("ridge", "lasso", "trees", "process", "tree") else y)
        if number % 2:
            _pickle(folder, name, model, 2 + number % 4)
        else:
            _joblib(folder, name, model, (0, 3, ("gzip", 3), ("xz", 2))[number // 2 % 4])
    _pickle(folder, "isotonic", isotonic.IsotonicRegression().fit(x[:, 0], z))
    _joblib(folder, "tfidf", feature_extraction.text.TfidfVectorizer().fit(["a few words", "some more words"]))
    _joblib(folder, "one-hot", preprocessing.OneHotEncoder().fit([["a"], ["b"]]))


@library
def xgboost(folder: Path) -> None:
    import xgboost

    x, y, z = _data()
    model = xgboost.XGBClassifier(n_estimators=3).fit(x, y)
    _pickle(folder, "classifier", model)
    _joblib(folder, "regressor", xgboost.XGBRegressor(n_estimators=3).fit(x, z))
    model.save_model(folder / "model.json")
    model.save_model(folder / "model.ubj")


@library
def lightgbm(folder: Path) -> None:
    import lightgbm

    x, y, z = _data()
    model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(x, y)
    _pickle(folder, "classifier", model)
    _joblib(folder, "regressor", lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(x, z))
    model.booster_.save_model(folder / "model.txt")


@library
def catboost(folder: Path) -> None:
    import catboost

    x, y, _ = _data()
    model = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(x, y)
    _pickle(folder, "classifier", model)
    model.save_model(str(folder / "model.cbm"))
    model.save_model(str(folder / "model.json"), format="json")


@library
def statsmodels(folder: Path) -> None:
    import statsmodels.api as sm
    from statsmodels.formula.api import ols

    x, y, z = _data()
    _pickle(folder, "ols", sm.OLS(z, sm.add_constant(x)).fit())
    _pickle(folder, "logit", sm.GLM(y, x, family=sm.families.Binomial()).fit())
    sm.OLS(z, x).fit().save(folder / "saved.pickle")
    _pickle(folder, "formula", ols("z ~ a + b", _frame()).fit())


@library
def imblearn(folder: Path) -> None:
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline
    from sklearn.linear_model import LogisticRegression

    x, y, _ = _data()
    _joblib(folder, "smote", make_pipeline(SMOTE(), LogisticRegression()).fit(x, y))


@library
def category_encoders(folder: Path) -> None:
    import category_encoders

    frame = _frame()
    _joblib(folder, "target", category_encoders.TargetEncoder(cols=["kind"]).fit(frame[["kind", "a"]], frame.y))
    _pickle(folder, "ordinal", category_encoders.OrdinalEncoder(cols=["kind"]).fit(frame[["kind"]]))


@library
def hmmlearn(folder: Path) -> None:
    from hmmlearn.hmm import GaussianHMM

    _pickle(folder, "gaussian", GaussianHMM(2, n_iter=3).fit(_data()[0]))


@library
def lifelines(folder: Path) -> None:
    import lifelines

    frame = _frame().assign(time=range(1, 81))
    _joblib(folder, "cox", lifelines.CoxPHFitter().fit(frame[["a", "y", "time"]], "time", "y"))
    _joblib(folder, "kaplan-meier", lifelines.KaplanMeierFitter().fit(frame.time, frame.y))


@library
def ngboost(folder: Path) -> None:
    from ngboost import NGBRegressor

    x, _, z = _data()
    _pickle(folder, "regressor", NGBRegressor(n_estimators=3, verbose=False).fit(x, z))


@library
def river(folder: Path) -> None:
    from river import compose, linear_model, preprocessing, tree

    model = compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    trees = tree.HoeffdingTreeClassifier()
    for row, y in zip(_data()[0].tolist(), _data()[1].tolist(), strict=True):
        model.learn_one(dict(enumerate(row)), y)
        trees.learn_one(dict(enumerate(row)), y)
    _pickle(folder, "pipeline", model)
    _pickle(folder, "tree", trees)


@library
def skops(folder: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    x, y, _ = _data()
    skops.io.dump(LogisticRegression().fit(x, y), folder / "logistic.skops")
    skops.io.dump(SVC().fit(x, y), folder / "svc.skops")


@library
def onnx(folder: Path) -> None:
    import numpy as np
    from onnx import helper, numpy_helper, save

    weights = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    inputs = [helper.make_tensor_value_info("x", 1, [None, 4])]
    outputs = [helper.make_tensor_value_info("y", 1, [None, 2])]
    model = helper.make_model(helper.make_graph([node], "g", inputs, outputs, [weights]))
    save(model, folder / "model.onnx")
    save(model, folder / "external.onnx", save_as_external_data=True, location="weights.onnx_data", size_threshold=0)


@library
def skl2onnx(folder: Path) -> None:
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    x, y, _ = _data()
    (folder / "forest.onnx").write_bytes(to_onnx(RandomForestClassifier(3).fit(x, y), x[:1]).SerializeToString())


@library
def safetensors(folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": _data()[0]}, folder / "model.safetensors", metadata={"format": "np"})


@library
def gguf(folder: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(folder / "model.gguf", "llama")
    writer.add_block_count(1)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] | trim }}\n{% endfor %}")
    writer.add_tensor("w", _data()[0].astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@library
def keras(folder: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    (folder / "model.json").write_text(model.to_json())


@library
def h5py(folder: Path) -> None:
    import h5py

    with h5py.File(folder / "weights.h5", "w") as file:
        file["layer/kernel"] = _data()[0]
        file.attrs["classes"] = ["a", "b"]


@library
def torch(folder: Path) -> None:
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    torch.save(model.state_dict(), folder / "state.pt")
    torch.save(model, folder / "module.pth")
    torch.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, folder / "checkpoint.ckpt"
    )
    torch.save(model.state_dict(), folder / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.LSTM(3, 2), folder / "lstm.pt")
    torch.jit.save(torch.jit.trace(model.eval(), torch.ones(1, 4)), folder / "traced.pt")
    _pickle(folder, "plain", model.state_dict())
    _pickle(folder, "plain-2", model.state_dict(), 2)


@library
def gensim(folder: Path) -> None:
    from gensim.models import Word2Vec

    model = Word2Vec([["a", "b", "c"]] * 20, vector_size=5, min_count=1, workers=1)
    model.save(str(folder / "word2vec.model"))
    model.wv.save_word2vec_format(str(folder / "vectors.bin"), binary=True)
    model.wv.save(str(folder / "vectors.kv"))


@library
def networkx(folder: Path) -> None:
    import networkx

    _pickle(folder, "graph", networkx.karate_club_graph())


@library
def nltk(folder: Path) -> None:
    import nltk

    _pickle(folder, "distribution", nltk.FreqDist("abracadabra"))
    _pickle(folder, "bayes", nltk.NaiveBayesClassifier.train([({"a": 1}, "x"), ({"a": 2}, "y")]))


@library
def umap(folder: Path) -> None:
    import umap

    _joblib(folder, "umap", umap.UMAP(n_neighbors=5, n_epochs=5, init="random").fit(_data()[0]))


@library
def pygam(folder: Path) -> None:
    from pygam import LinearGAM

    x, _, z = _data()
    _pickle(folder, "gam", LinearGAM().fit(x, z))


@library
def sktime(folder: Path) -> None:
    import numpy as np
    from sktime.forecasting.naive import NaiveForecaster

    _pickle(folder, "naive", NaiveForecaster().fit(np.arange(30.0)))


@library
def pmdarima(folder: Path) -> None:
    import numpy as np
    import pmdarima

    _joblib(folder, "arima", pmdarima.ARIMA((1, 0, 0)).fit(np.sin(np.arange(50.0))))


@library
def mlxtend(folder: Path) -> None:
    from mlxtend.preprocessing import TransactionEncoder

    _pickle(folder, "transactions", TransactionEncoder().fit([["a", "b"], ["b"]]))


@library
def sksurv(folder: Path) -> None:
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    x, y, _ = _data()
    _joblib(folder, "cox", CoxPHSurvivalAnalysis().fit(x, Surv.from_arrays(y.astype(bool), range(1, 81))))


@library
def polars(folder: Path) -> None:
    import polars

    _pickle(folder, "frame", polars.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


@library
def pyarrow(folder: Path) -> None:
    import pyarrow.feather
    import pyarrow.parquet

    table = pyarrow.table({"a": [1, 2], "b": ["x", "y"]})
    pyarrow.parquet.write_table(table, folder / "table.parquet")
    pyarrow.feather.write_feather(table, folder / "table.feather")


@library
def xarray(folder: Path) -> None:
    import xarray

    _pickle(folder, "dataset", xarray.Dataset({"x": (("i", "j"), _data()[0])}))


@library
def sklearn_crfsuite(folder: Path) -> None:
    import sklearn_crfsuite

    _pickle(folder, "crf", sklearn_crfsuite.CRF(max_iterations=3).fit([[{"a": 1.0}, {"b": 1.0}]] * 3, [["x", "y"]] * 3))


@library
def tokenizers(folder: Path) -> None:
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.save(str(folder / "tokenizer.json"))
    _pickle(folder, "tokenizer", tokenizer)


@library
def feature_engine(folder: Path) -> None:
    from feature_engine.imputation import MeanMedianImputer

    _joblib(folder, "imputer", MeanMedianImputer().fit(_frame()[["a", "b"]]))


@library
def sympy(folder: Path) -> None:
    import sympy

    _pickle(folder, "expression", sympy.sqrt(sympy.Symbol("x")) + 3)


@library
def optuna(folder: Path) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    _joblib(folder, "study", study)


@library
def skopt(folder: Path) -> None:
    import skopt

    _pickle(folder, "space", skopt.space.Space([(0.0, 1.0), (1, 5)]))


@library
def implicit(folder: Path) -> None:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    model = AlternatingLeastSquares(factors=3, iterations=2, num_threads=1)
    model.fit(csr_matrix(_data()[1].reshape(20, 4).astype("float32")), show_progress=False)
    _pickle(folder, "als", model)
    model.save(str(folder / "als.npz"))


def main() -> None:
    warnings.simplefilter("ignore")
    random.seed(3)
    top = Path(sys.argv[1])
    made = files = 0
    for make in _LIBRARIES:
        folder = top / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        try:
            make(folder)
        except Exception as error:
            print(f"left out, or in part: {make.__name__}: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
        count = sum(path.is_file() for path in folder.rglob("*"))
        print(f"{count:5} {make.__name__}")
        made, files = made + (count > 0), files + count
    print(f"{files:5} files of {made} libraries in {top}")


if __name__ == "__main__":
    main()
