"""Objects of the usual frameworks, pickled: what is installed is made, the rest is left out."""
# ruff: noqa: C901, PLR0915, PLW0108
# mypy: ignore-errors

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pickle
import pkgutil
import signal
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: What packages are called whose module has another name.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "_loss": "scikit-learn", "imblearn": "imbalanced-learn", "umap": "umap-learn",
    "category_encoders": "category_encoders", "interpret": "interpret-core", "sklearn_crfsuite": "sklearn-crfsuite",
    "pycrfsuite": "python-crfsuite",
}  # fmt: skip
_SECONDS = 60
Maker = Callable[[], Iterator[tuple[str, Any]]]
_MAKERS: list[Maker] = []


def maker(function: Maker) -> Maker:
    _MAKERS.append(function)
    return function


def every() -> Iterator[tuple[str, bytes]]:
    """Labels and pickles, of every protocol and writer."""
    warnings.simplefilter("ignore")
    for make in _MAKERS:
        try:
            for label, value in make():
                yield from _pickled(label, value)
        except ImportError as error:
            print(f"left out: {make.__name__}: {error}", file=sys.stderr)
        except Exception as error:
            print(f"left out: the rest of {make.__name__}: {type(error).__name__}: {error}", file=sys.stderr)


def _pickled(label: str, value: Any) -> Iterator[tuple[str, bytes]]:
    if isinstance(value, bytes):
        yield label, value
        return
    for protocol in (0, 2, 3, 5):
        try:
            yield f"{label} protocol {protocol}", pickle.dumps(value, protocol)
        except Exception as error:
            if protocol == 5:
                print(f"not pickled: {label}: {error}", file=sys.stderr)
    with contextlib.suppress(Exception):
        import joblib

        buffer = io.BytesIO()
        joblib.dump(value, buffer)
        yield f"{label} joblib", buffer.getvalue()


def _tried(label: str, make: Callable[[], Any]) -> Iterator[tuple[str, Any]]:
    """What ``make`` gives, unless it fails or takes too long."""

    def stop(*_: object) -> None:
        raise TimeoutError("too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        value = make()
    except Exception as error:
        print(f"not made: {label}: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
        return
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    yield label, value


def _all(things: dict[str, Callable[[], Any]]) -> Iterator[tuple[str, Any]]:
    for label, make in things.items():
        yield from _tried(label, make)


@maker
def python() -> Iterator[tuple[str, Any]]:
    import array
    import collections
    import datetime as dt
    import decimal
    import fractions
    import functools
    import ipaddress
    import itertools
    import logging
    import math
    import operator
    import pathlib
    import random
    import re
    import statistics
    import types
    import uuid
    import zoneinfo

    class_methods = {
        f"{kind.__name__}.{name}": getattr(kind, name)
        for kind in (str, bytes, list, dict, set, tuple, int, float)
        for name in dir(kind)
        if not name.startswith("_") and name not in ("format", "format_map", "fromkeys", "maketrans")
        and inspect.ismethoddescriptor(getattr(kind, name))
    }  # fmt: skip
    yield "methods", class_methods
    yield "functions", [hash, len, abs, min, max, sum, sorted, round, any, all, repr, id, ord, chr, bin, hex, oct, pow,
                        divmod, callable, isinstance, issubclass, iter, next, print, ascii]  # fmt: skip
    yield "types", [int, float, str, bytes, list, dict, set, tuple, object, bool, complex, frozenset, bytearray, range,
                    slice, type(None), type(Ellipsis), type(NotImplemented), NotImplemented, Ellipsis, enumerate, zip,
                    reversed, property, memoryview]  # fmt: skip
    yield "math", [value for name, value in vars(math).items() if inspect.isbuiltin(value)]
    yield "operator", [getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pos",
                       "pow", "eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_", "xor", "abs", "contains")]  # fmt: skip
    yield "itemgetter", [operator.itemgetter(0), operator.itemgetter("a", "b"), operator.itemgetter(1, 2)]
    yield (
        "partial",
        [functools.partial(max, 3), functools.partial(sorted, key=len), functools.partial(round, ndigits=2)],
    )
    yield "containers", [
        collections.OrderedDict(a=1, b=[2]), collections.defaultdict(int, a=1), collections.defaultdict(list, a=[1]),
        collections.defaultdict(float), collections.defaultdict(dict), collections.defaultdict(set),
        collections.defaultdict(str), collections.defaultdict(None), collections.defaultdict(collections.Counter),
        collections.Counter("abc"), collections.deque([1, 2]), collections.deque([1], 3), collections.ChainMap({1: 2}),
        collections.UserDict(a=1), collections.UserList([1]), {1, 2}, frozenset([1]), frozenset(), bytearray(b"abc"),
        bytearray(), b"", b"abc", "\xe4\xff\n\\", range(3), slice(1, 2, 3), slice(None), 1j, set(),
        collections.OrderedDict, types.SimpleNamespace(a=1), array.array("d", [1.0]), array.array("i", [1]),
    ]  # fmt: skip
    yield "times", [
        dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc), dt.date(2026, 1, 1), dt.time(1, 2),
        dt.time(1, tzinfo=dt.timezone.utc), dt.timedelta(1, 2, 3), dt.timezone.utc, dt.timezone(dt.timedelta(hours=1)),
        dt.timezone(dt.timedelta(hours=1), "x"), zoneinfo.ZoneInfo("Europe/Berlin"), dt.datetime, dt.date,
        dt.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    ]  # fmt: skip
    yield "others", [
        decimal.Decimal("1.5"), fractions.Fraction(1, 2), uuid.UUID(int=5), pathlib.PurePosixPath("a/b"), pathlib.Path("a"),
        pathlib.PureWindowsPath("a"), re.compile("a+"), re.compile(b"a"), random.Random(1), logging.getLogger("name"),
        ipaddress.ip_address("127.0.0.1"), statistics.NormalDist(), ValueError("x"), KeyError("x"), RuntimeError(),
        uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe), Exception("x"),
    ]  # fmt: skip
    with contextlib.suppress(Exception):
        yield "itertools", [itertools.count(1), itertools.count(2, 3)]


@maker
def numpy() -> Iterator[tuple[str, Any]]:
    import numpy as np

    kinds = [
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        "g",
        "c8",
        "c16",
        "U3",
        "S3",
        "M8[ns]",
        "M8[D]",
        "m8[s]",
        "V4",
        ">f4",
        ">i8",
    ]
    for kind in kinds:
        with contextlib.suppress(Exception):
            made = np.zeros(3, kind)
            yield f"array {kind}", [made, made[0], made.dtype, np.zeros((2, 2), kind, order="F"), np.zeros((), kind)]
    yield "arrays", [
        np.array([1, "a", None], object), np.array([{"a": 1}], object), np.zeros(2, [("a", "i4"), ("b", "f8", (2,))]),
        np.zeros(2, [("a", "O")]), np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.matrix([[1, 2]]),
        np.ma.masked_array([1, 2], [0, 1]), np.ma.masked, np.array([], float), np.arange(1e4), np.poly1d([1, 2]),
        np.broadcast_to(np.zeros(1), (3,)), np.zeros(2, [("a", "i4"), ("b", "f8")])[0], np.ma.MaskedArray, np.ndarray,
        np.dtype("f8"), np.float64, np.int64, np.iinfo("i4"), np.finfo("f8"), np.char.array(["a"]),
    ]  # fmt: skip
    for name in dir(np):
        value = getattr(np, name, None)
        if isinstance(value, np.ufunc) or (isinstance(value, type) and issubclass(value, np.generic)):
            yield f"numpy.{name}", value
    for name in ["mean", "median", "sum", "std", "var", "min", "max", "amin", "amax", "nanmean", "nanmedian", "nansum", "prod", "argmax", "argmin", "clip", "nan_to_num", "average", "percentile", "quantile", "where", "concatenate", "stack", "hstack", "vstack", "ravel", "round", "cumsum", "diff", "zeros", "ones"]:  # fmt: skip
        with contextlib.suppress(Exception):
            yield f"numpy.{name}", getattr(np, name)
    for name in ["norm", "det", "inv", "pinv", "solve"]:
        yield f"numpy.linalg.{name}", getattr(np.linalg, name)
    for make in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64):
        yield make.__name__, [make(1), np.random.Generator(make(1)), np.random.RandomState(make(1))]
    yield (
        "random",
        [np.random.default_rng(), np.random.RandomState(1), np.random.SeedSequence(1), np.random.mtrand._rand],
    )
    for kind in (np.polynomial.Polynomial, np.polynomial.Chebyshev, np.polynomial.Legendre, np.polynomial.Hermite):
        yield kind.__name__, kind([1, 2])
    with contextlib.suppress(Exception):
        yield "strings", np.array(["a"], np.dtypes.StringDType())


@maker
def scipy() -> Iterator[tuple[str, Any]]:
    import numpy as np
    from scipy import interpolate, optimize, sparse, spatial, special, stats

    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
        for shape in ("matrix", "array"):
            yield f"{kind} {shape}", getattr(sparse, f"{kind}_{shape}")(np.eye(3))
    for name in dir(special):
        if isinstance(getattr(special, name), np.ufunc):
            yield f"special.{name}", getattr(special, name)
    for name in ("expit", "logit", "softmax", "logsumexp"):
        yield name, getattr(special, name)
    x, y = np.arange(8.0), np.arange(8.0) ** 2
    yield from _all({
        "interp1d": lambda: interpolate.interp1d(x, y), "cubic": lambda: interpolate.CubicSpline(x, y),
        "pchip": lambda: interpolate.PchipInterpolator(x, y), "akima": lambda: interpolate.Akima1DInterpolator(x, y),
        "bspline": lambda: interpolate.make_interp_spline(x, y), "univariate": lambda: interpolate.UnivariateSpline(x, y),
        "rbf": lambda: interpolate.RBFInterpolator(x[:, None], y), "ppoly": lambda: interpolate.PPoly(np.ones((2, 2)), x[:3]),
        "grid": lambda: interpolate.RegularGridInterpolator((x, x), np.outer(x, x)),
        "nearest": lambda: interpolate.NearestNDInterpolator(np.random.rand(5, 2), y[:5]),
        "kdtree": lambda: spatial.cKDTree(np.random.rand(9, 2)), "KDTree": lambda: spatial.KDTree(np.random.rand(9, 2)),
        "minimize": lambda: optimize.minimize(lambda v: (v**2).sum(), [1.0, 2.0]),
        "kde": lambda: stats.gaussian_kde(np.random.rand(20)), "rotation": lambda: spatial.transform.Rotation.identity(),
        "linregress": lambda: stats.linregress(x, y), "ttest": lambda: stats.ttest_ind(x, y),
        "curve": lambda: optimize.OptimizeResult(x=x), "bounds": lambda: optimize.Bounds(0, 1),
    })  # fmt: skip
    for name in ("norm", "uniform", "loguniform", "randint", "expon", "beta"):
        yield name, getattr(stats, name)(1, 5)


@maker
def pandas() -> Iterator[tuple[str, Any]]:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({
        "i": [1, 2, 3], "f": [1.0, np.nan, 3], "s": ["a", "b", None], "b": [True, False, True],
        "c": pd.Categorical(["x", "y", "x"]), "o": pd.Categorical(["x", "y", "x"], ordered=True),
        "t": pd.date_range("2026", periods=3), "z": pd.date_range("2026", periods=3, tz="UTC"),
        "e": pd.date_range("2026", periods=3, tz="Europe/Berlin"), "d": pd.to_timedelta([1, 2, 3], unit="D"),
        "p": pd.period_range("2026-01", periods=3, freq="M"), "v": pd.interval_range(0, 3), "I": pd.array([1, None, 3], "Int64"),
        "F": pd.array([1.5, None, 3], "Float64"), "B": pd.array([True, None, False], "boolean"), "S": pd.array(["a", None, "c"], "string"),
        "sp": pd.arrays.SparseArray([0, 0, 1]), "obj": [{"a": 1}, [1], None], "i8": np.array([1, 2, 3], "i1"),
    })  # fmt: skip
    yield "frame", frame
    for name in frame:
        yield f"series {name}", [frame[name], frame[name].dtype, frame[name].array, pd.Index(frame[name].iloc[:3])]
    yield "empty", [pd.DataFrame(), pd.Series(dtype=float), frame.T.iloc[:2], frame.set_index("i"), frame.iloc[:0]]
    yield "indexes", [
        pd.MultiIndex.from_product([[1, 2], ["a", "b"]]), pd.RangeIndex(3), pd.CategoricalIndex(["a"]), frame.columns,
        pd.DatetimeIndex(["2026-01-01"]), pd.PeriodIndex(["2026-01"], freq="M"), pd.IntervalIndex.from_breaks([0, 1, 2]),
        pd.TimedeltaIndex([pd.Timedelta(1)]), pd.Index([1.5]), pd.date_range("2026", periods=3, freq="MS"), pd.Index(["a"]),
    ]  # fmt: skip
    yield "scalars", [pd.Timestamp("2026"), pd.Timestamp("2026", tz="UTC"), pd.Timedelta("1D"), pd.NA, pd.NaT, pd.Period("2026-01"),
                      pd.Interval(0, 1), pd.CategoricalDtype(["a"]), pd.Int64Dtype(), pd.StringDtype(), pd.Timestamp, pd.Series,
                      pd.DataFrame, pd.Period("2026", freq="D")]  # fmt: skip
    for name in ("Day", "Hour", "Minute", "Second", "MonthEnd", "MonthBegin", "Week", "QuarterEnd", "QuarterBegin", "YearEnd",
                 "YearBegin", "BusinessDay", "BMonthEnd", "BusinessHour", "DateOffset", "Milli", "Nano"):  # fmt: skip
        with contextlib.suppress(Exception):
            yield name, getattr(pd.offsets, name)()
    yield "offset", [pd.DateOffset(days=1), pd.offsets.Week(weekday=1)]
    with contextlib.suppress(Exception):
        yield "arrow", [pd.array(["a"], "string[pyarrow]"), pd.array([1], "int64[pyarrow]")]
    groups = frame.groupby("s")["f"].mean()
    yield "groups", [groups, frame[["i", "f"]].describe(), frame["c"].value_counts()]


def _samples() -> tuple[Any, Any, Any]:
    import numpy as np

    rng = np.random.RandomState(0)
    x = np.abs(rng.randn(60, 4)) + 0.1
    return x, (x[:, 0] + 0.3 * rng.randn(60) > 0.8).astype(int), x @ [1.0, 2.0, 0.5, 1.0] + 0.1


@maker
def sklearn() -> Iterator[tuple[str, Any]]:
    from sklearn.utils import all_estimators

    for name, kind in all_estimators():
        yield from _tried(name, lambda kind=kind: _fitted(kind))  # type: ignore[misc]


def _arguments(kind: type) -> dict[str, Any]:
    from sklearn.compose import ColumnTransformer  # noqa: F401
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    regression = "Regress" in kind.__name__ or kind.__name__ in ("TransformedTargetRegressor",)
    one = Ridge() if regression else LogisticRegression()
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            continue
        given |= {
            "estimator": {"estimator": one}, "base_estimator": {"base_estimator": one},
            "estimators": {"estimators": [("a", one), ("b", type(one)())]},
            "steps": {"steps": [("scale", StandardScaler()), ("model", one)]},
            "transformers": {"transformers": [("scale", StandardScaler(), [0, 1]), ("drop", "drop", [2])]},
            "transformer_list": {"transformer_list": [("scale", StandardScaler())]},
            "param_grid": {"param_grid": {"C": [1.0]}}, "param_distributions": {"param_distributions": {"C": [1.0, 2.0]}},
            "threshold": {"threshold": 0.5},
        }.get(name, {})  # fmt: skip
    if "random_state" in inspect.signature(kind).parameters:
        given["random_state"] = 0
    return given


def _fitted(kind: type) -> Any:
    x, labels, values = _samples()
    model = kind(**_arguments(kind))
    texts = ["a b c", "b c d", "c d e"] * 20
    attempts: list[tuple[Any, ...]] = [
        (x, labels),
        (x, values),
        (x,),
        (texts,),
        (texts, labels),
        ([{"a": 1, "b": "x"}] * 60,),
    ]
    if "Multi" in type(model).__name__ or "Chain" in type(model).__name__ or "CCA" in type(model).__name__:
        import numpy as np

        attempts.insert(0, (x, np.c_[labels, 1 - labels]))
    fit: Any = getattr(model, "fit", None)
    for each in attempts:
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError, IndexError):
            fit(*each)
            return [model, kind(**_arguments(kind))]
    return kind(**_arguments(kind))


@maker
def sklearn_more() -> Iterator[tuple[str, Any]]:
    import numpy as np
    import pandas as pd
    from scipy import stats
    from sklearn import (
        compose,
        ensemble,
        feature_extraction,
        feature_selection,
        gaussian_process,
        impute,
        linear_model,
        metrics,
        model_selection,
        neighbors,
        pipeline,
        preprocessing,
        svm,
    )

    x, labels, values = _samples()
    frame = pd.DataFrame(x, columns=list("abcd")).assign(c=["u", "v", "w"] * 20)
    columns = compose.ColumnTransformer([
        ("numbers", pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler()), ["a", "b"]),
        ("texts", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["c"]), ("d", "passthrough", ["d"])])  # fmt: skip
    some = pipeline.make_pipeline(columns, linear_model.LogisticRegression())
    kernels = gaussian_process.kernels
    yield from _all({
        "pipeline": lambda: some.fit(frame, labels),
        "selector": lambda: compose.make_column_transformer((preprocessing.StandardScaler(), compose.make_column_selector(dtype_include=float))).fit(frame),
        "grid": lambda: model_selection.GridSearchCV(svm.SVC(), {"C": [1, 2]}, cv=2, scoring="f1").fit(x, labels),
        "grid scorer": lambda: model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [1, 2]}, cv=model_selection.KFold(2), scoring=metrics.make_scorer(metrics.mean_absolute_error, greater_is_better=False)).fit(x, values),
        "random search": lambda: model_selection.RandomizedSearchCV(svm.SVC(), {"C": stats.uniform(1, 5)}, n_iter=2, cv=2).fit(x, labels),
        "function": lambda: [preprocessing.FunctionTransformer(np.log1p, inverse_func=np.expm1).fit(x), preprocessing.FunctionTransformer()],
        "target": lambda: compose.TransformedTargetRegressor(linear_model.Ridge(), func=np.log, inverse_func=np.exp).fit(x, values),
        "tfidf": lambda: feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2), stop_words="english").fit(["a cat", "the dog"]),
        "count": lambda: feature_extraction.text.CountVectorizer(tokenizer=str.split, dtype=np.float32).fit(["a cat", "the dog"]),
        "hashing": lambda: feature_extraction.text.HashingVectorizer(),
        "kbest": lambda: [feature_selection.SelectKBest(each, k=2).fit(x, labels) for each in (feature_selection.chi2, feature_selection.f_classif, feature_selection.mutual_info_classif, feature_selection.f_regression, feature_selection.mutual_info_regression)],
        "kernels": lambda: [gaussian_process.GaussianProcessRegressor(each, alpha=0.5, optimizer=None).fit(x, values) for each in (kernels.RBF() + kernels.WhiteKernel(), kernels.ConstantKernel() * kernels.Matern(), kernels.RationalQuadratic() ** 2, kernels.DotProduct(), kernels.ExpSineSquared(), kernels.CompoundKernel([kernels.RBF()]))],
        "boosting": lambda: [ensemble.HistGradientBoostingRegressor(loss=each).fit(x, values) for each in ("squared_error", "absolute_error", "poisson", "gamma")] + [ensemble.HistGradientBoostingRegressor(loss="quantile", quantile=0.5).fit(x, values), ensemble.HistGradientBoostingClassifier(early_stopping=True).fit(frame.drop(columns="c"), [0, 1, 2] * 20)],
        "gradient": lambda: [ensemble.GradientBoostingRegressor(loss=each, n_estimators=3).fit(x, values) for each in ("squared_error", "absolute_error", "huber", "quantile")] + [ensemble.GradientBoostingClassifier(n_estimators=3).fit(x, [0, 1, 2] * 20), ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=3).fit(x, labels)],
        "glm": lambda: [linear_model.PoissonRegressor().fit(x, labels), linear_model.GammaRegressor().fit(x, values), linear_model.TweedieRegressor(power=1.5).fit(x, values)],
        "sgd": lambda: [linear_model.SGDClassifier(loss=each).fit(x, labels) for each in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive")],
        "sgd regression": lambda: [linear_model.SGDRegressor(loss=each).fit(x, values) for each in ("squared_error", "huber", "epsilon_insensitive")],
        "neighbors": lambda: [neighbors.KNeighborsClassifier(algorithm=a, metric=m).fit(x, labels) for a in ("ball_tree", "kd_tree") for m in ("euclidean", "manhattan", "chebyshev", "minkowski")] + [neighbors.NearestNeighbors(metric="haversine", algorithm="ball_tree").fit(x[:, :2]), neighbors.KernelDensity().fit(x)],
        "metrics trees": lambda: [neighbors.BallTree(x, metric=m) for m in ("canberra", "braycurtis", "hamming", "cosine") if m in neighbors.BallTree.valid_metrics],
        "calibrated": lambda: [__import__("sklearn.calibration").calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), method=m, cv=2).fit(x, labels) for m in ("sigmoid", "isotonic")],
        "stacking": lambda: ensemble.StackingClassifier([("a", svm.SVC()), ("b", linear_model.LogisticRegression())]).fit(x, labels),
        "output": lambda: preprocessing.StandardScaler().set_output(transform="pandas").fit(frame[["a", "b"]]),
        "splits": lambda: [getattr(model_selection, name)(*((2,) if name in ("LeavePOut", "LeavePGroupsOut") else ())) for name in ("KFold", "StratifiedKFold", "GroupKFold", "ShuffleSplit", "StratifiedShuffleSplit", "TimeSeriesSplit", "RepeatedKFold", "RepeatedStratifiedKFold", "LeaveOneOut", "LeavePOut", "GroupShuffleSplit", "LeaveOneGroupOut", "LeavePGroupsOut", "StratifiedGroupKFold")] + [model_selection.PredefinedSplit([0, 1])],
        "scorers": lambda: [metrics.get_scorer(name) for name in metrics.get_scorer_names()],
        "strings": lambda: [preprocessing.LabelEncoder().fit(list("abc")), preprocessing.OrdinalEncoder().fit(frame[["c"]]), preprocessing.LabelBinarizer().fit(list("abc")), preprocessing.OneHotEncoder().fit(frame[["c"]])],
        "transformers": lambda: [preprocessing.QuantileTransformer(n_quantiles=5).fit(x), preprocessing.PowerTransformer().fit(x), preprocessing.SplineTransformer().fit(x), preprocessing.KBinsDiscretizer(2).fit(x)],
    })  # fmt: skip
    yield "metrics", [value for name, value in vars(metrics).items() if inspect.isfunction(value)]
    yield (
        "pairwise",
        [
            value
            for value in vars(metrics.pairwise).values()
            if inspect.isfunction(value) and value.__module__ == "sklearn.metrics.pairwise"
        ],
    )


#: Packages whose classes keep their attributes in a dict, and need no arguments to be made again.
_PLAIN = {
    "sklearn": "sklearn.base.BaseEstimator", "imblearn": "sklearn.base.BaseEstimator",
    "category_encoders": "sklearn.base.BaseEstimator", "lightgbm": "sklearn.base.BaseEstimator",
    "xgboost": "sklearn.base.BaseEstimator", "hmmlearn": "sklearn.base.BaseEstimator", "torch.nn": "torch.nn.Module",
    "torch.optim": "torch.optim.Optimizer", "river": "river.base.Base", "sktime": "skbase.base.BaseObject",
    "hdbscan": "sklearn.base.BaseEstimator", "umap": "sklearn.base.BaseEstimator",
}  # fmt: skip
_LEFT_OUT = ("tests", "externals", "datasets", "conftest", "_testing", "testing", "benchmark", "dask", "spark", "_joblib",
             "parallel", "quantizable", "distributed", "all", "swapping", "backport", "registry", "tagging",
             "networking", "contrib")  # fmt: skip


def defined() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """The estimators and layers that packages define, also those of which no sample was made."""
    for package, path in _PLAIN.items():
        try:
            module, _, name = path.rpartition(".")
            base = getattr(importlib.import_module(module), name)
            top = importlib.import_module(package)
        except (ImportError, AttributeError):
            continue
        for each in _modules(top):
            for kind in vars(each).values():
                if (
                    inspect.isclass(kind)
                    and (issubclass(kind, base) or _is_part(each.__name__))
                    and kind.__module__ == each.__name__
                    and _is_plain(kind)
                ):
                    yield each.__name__, kind.__qualname__, "new", ()
                    yield each.__name__, kind.__qualname__, "state", ("dict",)
                    yield each.__name__, kind.__qualname__, "refer", ()


def _is_part(module: str) -> bool:
    """Whether all classes of a module are parts of estimators of scikit-learn."""
    top, _, rest = module.partition(".")
    return top == "sklearn" and rest.partition(".")[0] not in (
        "utils",
        "inspection",
        "externals",
        "datasets",
        "experimental",
        "",
    )


def _is_plain(kind: type) -> bool:
    """Whether objects are pickled as any: their class, and a dict."""
    return (
        kind.__reduce__ is object.__reduce__ and kind.__reduce_ex__ is object.__reduce_ex__
        and not any(hasattr(kind, name) for name in ("__getnewargs__", "__getnewargs_ex__"))
        and kind.__flags__ & (1 << 9) != 0
    )  # fmt: skip


def _modules(top: Any) -> Iterator[Any]:
    yield top
    for found in pkgutil.walk_packages(top.__path__, f"{top.__name__}.", onerror=lambda _: None):
        if any(part in _LEFT_OUT for part in found.name.split(".")):
            continue
        with contextlib.suppress(BaseException):
            yield importlib.import_module(found.name)


@maker
def torch() -> Iterator[tuple[str, Any]]:
    import torch
    from torch import nn

    state = {"weight": torch.zeros(2, 2), "bias": torch.zeros(2, dtype=torch.float16)}
    parts: dict[str, Callable[[], Any]] = {
        "dtypes": lambda: [torch.zeros(2, dtype=each) for each in (torch.float32, torch.float64, torch.float16, torch.bfloat16,
            torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool, torch.complex64, torch.complex128)],
        "values": lambda: [torch.float32, torch.int64, torch.device("cpu"), torch.Size([1]), torch.strided, torch.Tensor,
            torch.channels_last, torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.int32, torch.uint8],
        "sparse": lambda: [torch.eye(2).to_sparse(), torch.eye(2).to_sparse_csr()],
        "quantized": lambda: torch.quantize_per_tensor(torch.rand(2), 0.1, 0, torch.qint8),
        "parameter": lambda: [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1), requires_grad=False)],
        "hooked": lambda: _with_attribute(torch), "meta": lambda: torch.zeros(1, device="meta"),
        "functions": lambda: [nn.functional.relu, nn.functional.gelu, torch.relu, torch.tanh, torch.sigmoid, nn.functional.silu],
        "state": lambda: state, "generator": lambda: torch.Generator().get_state(),
    }  # fmt: skip
    for name, kind in vars(nn).items():
        if inspect.isclass(kind) and issubclass(kind, nn.Module):
            parts[name] = lambda kind=kind: _layer(kind, nn)  # type: ignore[misc]
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    for name, kind in vars(torch.optim).items():
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer):
            parts[name] = lambda kind=kind: [_stepped(kind, model), kind(model.parameters(), lr=0.1).state_dict()]  # type: ignore[misc]
    scheduler = torch.optim.lr_scheduler
    parts["schedules"] = lambda: [scheduler.StepLR(torch.optim.SGD(model.parameters(), lr=0.1), 2).state_dict()]
    for label, make in parts.items():
        for found, value in _tried(label, make):
            with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
                yield from _saved(found, value)


def _with_attribute(torch: Any) -> Any:
    tensor = torch.zeros(1)
    tensor.note = "x"
    return tensor


def _stepped(kind: Any, model: Any) -> Any:
    optimizer = kind(model.parameters(), lr=0.1)
    with contextlib.suppress(Exception):
        model(__import__("torch").rand(2, 4)).sum().backward()
        optimizer.step()
    return optimizer


def _layer(kind: Any, nn: Any) -> Any:
    for given in ((), (4,), (4, 4), (4, 4, 1), (2, 2, 2), ([4],), (nn.TransformerEncoderLayer(4, 2), 1)):
        with contextlib.suppress(Exception):
            return kind(*given)
    raise TypeError("its arguments are not known")


def _saved(label: str, value: Any) -> Iterator[tuple[str, Any]]:
    """As torch saves it, new and old, and as any pickle."""
    import torch

    yield label, value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.pt"
        torch.save(value, path)
        with zipfile.ZipFile(path) as archive:
            yield f"{label} saved", archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
        torch.save(value, path, _use_new_zipfile_serialization=False)
        yield f"{label} saved as once", path.read_bytes()


@maker
def boosters() -> Iterator[tuple[str, Any]]:
    x, labels, values = _samples()

    def xgb() -> list[Any]:
        import xgboost

        return [xgboost.XGBClassifier(n_estimators=2).fit(x, labels), xgboost.XGBRegressor(n_estimators=2).fit(x, values),
                xgboost.XGBRFClassifier(n_estimators=2).fit(x, labels), xgboost.XGBRFRegressor(n_estimators=2).fit(x, values),
                xgboost.XGBRanker(n_estimators=2).fit(x, labels, group=[30, 30]), xgboost.XGBClassifier(),
                xgboost.train({}, xgboost.DMatrix(x, values), 2), xgboost.XGBClassifier(early_stopping_rounds=2, n_estimators=3).fit(x, labels, eval_set=[(x, labels)])]  # fmt: skip

    def lgb() -> list[Any]:
        import lightgbm

        return [lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, labels), lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(x, values),
                lightgbm.LGBMRanker(n_estimators=2, verbose=-1).fit(x, labels, group=[30, 30]), lightgbm.LGBMClassifier(),
                lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, values), 2),
                lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(x, labels, eval_set=[(x, labels)], callbacks=[lightgbm.early_stopping(2)])]  # fmt: skip

    def cat() -> list[Any]:
        import catboost

        set_up = {"iterations": 2, "verbose": 0, "allow_writing_files": False}
        return [catboost.CatBoostClassifier(**set_up).fit(x, labels), catboost.CatBoostRegressor(**set_up).fit(x, values),
                catboost.CatBoost(set_up).fit(x, values), catboost.CatBoostRanker(**set_up).fit(x, labels, group_id=[0] * 30 + [1] * 30),
                catboost.CatBoostClassifier()]  # fmt: skip

    yield from _all({"xgboost": xgb, "lightgbm": lgb, "catboost": cat})


@maker
def imblearn() -> Iterator[tuple[str, Any]]:
    from imblearn import pipeline
    from imblearn.over_sampling import SMOTE
    from imblearn.utils.testing import all_estimators
    from sklearn.linear_model import LogisticRegression

    for name, kind in all_estimators():
        yield from _tried(name, lambda kind=kind: _resampled(kind))  # type: ignore[misc]
    x, labels, _ = _samples()
    yield "pipeline", pipeline.Pipeline([("s", SMOTE()), ("m", LogisticRegression())]).fit(x, labels)


def _resampled(kind: Any) -> Any:
    x, _, _ = _samples()
    model = kind()
    labels = [0] * 45 + [1] * 15
    with contextlib.suppress(Exception):
        model.fit(x, labels)
    return model


@maker
def category_encoders() -> Iterator[tuple[str, Any]]:
    import category_encoders
    import pandas as pd

    frame = pd.DataFrame({"a": ["u", "v", "w"] * 20, "b": range(60)})
    for name in category_encoders.__all__:
        yield from _tried(name, lambda name=name: getattr(category_encoders, name)(cols=["a"]).fit(frame, [0, 1] * 30))  # type: ignore[misc]


@maker
def statsmodels() -> Iterator[tuple[str, Any]]:
    import pandas as pd
    import statsmodels.api as sm
    import statsmodels.formula.api as smf
    from statsmodels.tsa import api as tsa

    x, labels, values = _samples()
    frame = pd.DataFrame(x, columns=list("abcd")).assign(y=values, l=labels)
    series = pd.Series(values, pd.date_range("2020", periods=60, freq="MS"))
    yield from _all({
        "ols": lambda: sm.OLS(values, sm.add_constant(x)).fit(), "ols frame": lambda: sm.OLS(frame["y"], frame[["a", "b"]]).fit(),
        "logit": lambda: sm.Logit(labels, sm.add_constant(x)).fit(disp=0), "glm": lambda: sm.GLM(labels, x, family=sm.families.Binomial()).fit(),
        "poisson": lambda: sm.GLM(labels, x, family=sm.families.Poisson()).fit(), "wls": lambda: sm.WLS(values, x).fit(),
        "rlm": lambda: sm.RLM(values, x).fit(), "formula": lambda: smf.ols("y ~ a + b", frame).fit(remove_data=True),
        "formula data": lambda: smf.ols("y ~ a + C(l)", frame).fit(), "quantreg": lambda: sm.QuantReg(values, x).fit(),
        "arima": lambda: tsa.ARIMA(series, order=(1, 0, 0)).fit(), "sarimax": lambda: tsa.SARIMAX(series, order=(1, 0, 0)).fit(disp=0),
        "smoothing": lambda: tsa.ExponentialSmoothing(series, trend="add").fit(), "holt": lambda: tsa.Holt(series, initialization_method="estimated").fit(),
        "ets": lambda: tsa.ETSModel(series).fit(disp=0), "var": lambda: tsa.VAR(frame[["a", "b"]]).fit(1), "autoreg": lambda: tsa.AutoReg(series, 1).fit(),
        "seasonal": lambda: tsa.STL(series, period=12).fit(), "probit": lambda: sm.Probit(labels, x).fit(disp=0),
        "mixed": lambda: sm.MixedLM(values, x, groups=labels).fit(), "negative": lambda: sm.GLM(labels, x, family=sm.families.Gaussian()).fit(),
    })  # fmt: skip


@maker
def others() -> Iterator[tuple[str, Any]]:
    x, labels, values = _samples()

    def hmm() -> list[Any]:
        from hmmlearn import hmm as models

        return [models.GaussianHMM(2).fit(x), models.GMMHMM(2).fit(x), models.CategoricalHMM(2).fit(labels[:, None])]

    def gensim() -> list[Any]:
        from gensim import corpora, models

        texts = [["cat", "dog", "bird"], ["dog", "fish", "cat"], ["tree", "leaf"]] * 5
        words = corpora.Dictionary(texts)
        bags = [words.doc2bow(text) for text in texts]
        vectors = models.Word2Vec(texts, vector_size=4, min_count=1)
        return [vectors, vectors.wv, models.FastText(texts, vector_size=4, min_count=1), models.LdaModel(bags, num_topics=2, id2word=words),
                models.TfidfModel(bags), models.LsiModel(bags, num_topics=2, id2word=words), words, models.Phrases(texts),
                models.Doc2Vec([models.doc2vec.TaggedDocument(text, [at]) for at, text in enumerate(texts)], vector_size=4, min_count=1)]  # fmt: skip

    def lifelines() -> list[Any]:
        import lifelines as package
        import pandas as pd

        frame = pd.DataFrame({"t": values, "e": labels, "a": x[:, 0]})
        return [package.KaplanMeierFitter().fit(values, labels), package.CoxPHFitter().fit(frame, "t", "e"),
                package.WeibullAFTFitter().fit(frame, "t", "e"), package.NelsonAalenFitter().fit(values, labels)]  # fmt: skip

    def ngboost() -> list[Any]:
        from ngboost import NGBClassifier, NGBRegressor

        return [
            NGBRegressor(n_estimators=3, verbose=False).fit(x, values),
            NGBClassifier(n_estimators=3, verbose=False).fit(x, labels),
        ]

    def pmdarima() -> Any:
        import pmdarima as package

        return package.ARIMA((1, 0, 0)).fit(values)

    def prophet() -> Any:
        import pandas as pd
        from prophet import Prophet

        return Prophet().fit(pd.DataFrame({"ds": pd.date_range("2026", periods=60), "y": values}))

    def river() -> list[Any]:
        from river import compose, drift, ensemble, forest, linear_model, naive_bayes, preprocessing, stats, tree

        model = compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
        tree_model, bayes, wood = tree.HoeffdingTreeClassifier(), naive_bayes.GaussianNB(), forest.ARFClassifier(seed=1)
        bagging = ensemble.BaggingClassifier(linear_model.LogisticRegression(), seed=1)
        for row, label in zip(x, labels, strict=True):
            given = dict(enumerate(map(float, row)))
            for each in (model, tree_model, bayes, wood, bagging):
                each.learn_one(given, bool(label))
        return [model, tree_model, bayes, wood, bagging, drift.ADWIN(), stats.Mean()]

    def spacy() -> list[Any]:
        import spacy as package

        return [package.blank("en").vocab, package.blank("en")("a text")]

    def thinc() -> Any:
        from thinc.api import Relu, Softmax, chain

        return chain(Relu(4), Softmax(2)).initialize(x.astype("f4"), labels.astype("f4")[:, None]).to_dict()

    def polars() -> list[Any]:
        import polars as package

        frame = package.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        return [frame, frame["a"], package.Int64, package.String()]

    def sktime() -> list[Any]:
        import pandas as pd
        from sktime.forecasting.naive import NaiveForecaster
        from sktime.forecasting.trend import PolynomialTrendForecaster, TrendForecaster

        series = pd.Series(values, pd.period_range("2020-01", periods=60, freq="M"))
        return [
            NaiveForecaster(sp=12).fit(series),
            TrendForecaster().fit(series),
            PolynomialTrendForecaster().fit(series),
        ]

    def umap() -> Any:
        from umap import UMAP

        return UMAP(n_neighbors=5, n_epochs=5).fit(x)

    def hdbscan() -> Any:
        from hdbscan import HDBSCAN

        return HDBSCAN(prediction_data=True).fit(x)

    def pygam() -> list[Any]:
        from pygam import LinearGAM, LogisticGAM

        return [LinearGAM().fit(x, values), LogisticGAM().fit(x, labels)]

    def interpret() -> Any:
        from interpret.glassbox import ExplainableBoostingClassifier

        return ExplainableBoostingClassifier(max_rounds=10, n_jobs=1).fit(x, labels)

    def crf() -> Any:
        from sklearn_crfsuite import CRF

        return CRF(max_iterations=2).fit([[{"a": "b"}]] * 4, [["x"]] * 4)

    def tokenizers() -> Any:
        from tokenizers import Tokenizer, models

        return Tokenizer(models.BPE())

    def shap() -> Any:
        from shap import Explanation, TreeExplainer
        from sklearn.ensemble import RandomForestClassifier

        return [TreeExplainer(RandomForestClassifier(3).fit(x, labels)), Explanation(x)]

    yield from _all({
        "hmmlearn": hmm, "gensim": gensim, "lifelines": lifelines, "ngboost": ngboost, "pmdarima": pmdarima, "prophet": prophet,
        "river": river, "spacy": spacy, "thinc": thinc, "polars": polars, "sktime": sktime, "umap": umap, "hdbscan": hdbscan,
        "pygam": pygam, "interpret": interpret, "crf": crf, "tokenizers": tokenizers, "shap": shap,
    })  # fmt: skip
