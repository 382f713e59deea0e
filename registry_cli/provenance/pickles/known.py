"""What pickles of the usual frameworks refer to, and which does no harm when it is called with anything.

``EXACT`` are whole names. ``CLASSES`` are packages whose classes are known: a name is taken for a class when it is
spelt like one. ``FUNCTIONS`` are packages whose functions may be referred to, as the score function of a selector is,
but not called by the pickle. ``REEXPORTS`` look like classes of a known package, but come from elsewhere.
"""

from __future__ import annotations


def _of(module: str, names: str) -> set[str]:
    return {f"{module}.{name}" for name in names.split()}


_BUILTINS = (
    "xrange unicode long set frozenset bytearray bytes complex range slice int float bool str list dict tuple object"
)
_NUMBERS = (
    "bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 longdouble float128 complex64 "
    "complex128 clongdouble complex256 str_ bytes_ object_ void datetime64 timedelta64 intc uintc intp uintp longlong "
    "ulonglong int_ uint byte ubyte short ushort half single double csingle cdouble generic number integer floating"
)
_UFUNCS = (
    "absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh deg2rad divide equal exp exp2 "
    "expm1 fabs floor fmax fmin greater hypot isfinite isnan less log log10 log1p log2 logaddexp maximum minimum mod "
    "multiply negative not_equal power rad2deg reciprocal rint sign sin sinh sqrt square subtract tan tanh true_divide "
    "trunc mean median sum std var min max amin amax abs clip nan_to_num"
)
_STORAGES = "Byte Char Short Int Long Half BFloat16 Float Double Bool ComplexFloat ComplexDouble QInt8 QUInt8 QInt32"
_TORCH_TYPES = (
    "float32 float64 float16 bfloat16 float int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex32 complex64 "
    "complex128 double half int short long cfloat cdouble qint8 quint8 qint32 float8_e4m3fn float8_e5m2 "
    "float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu strided sparse_coo sparse_csr contiguous_format channels_last "
    "preserve_format per_tensor_affine per_channel_affine"
)
_REBUILDERS = (
    "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state "
    "_rebuild_sparse_tensor _rebuild_nested_tensor _rebuild_meta_tensor_no_storage _rebuild_qtensor "
    "_rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor"
)
_DATES = "datetime date time timedelta timezone"
_PATHS = "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"

EXACT = frozenset({
    *_of("builtins", _BUILTINS),
    *_of("collections", "OrderedDict defaultdict deque Counter"),
    *_of("copyreg", "_reconstructor __newobj__ __newobj_ex__"),
    *_of("datetime", _DATES), *_of("_datetime", _DATES),
    *_of("pathlib", _PATHS), *_of("pathlib._local", _PATHS),
    "_codecs.encode", "codecs.encode", "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "types.SimpleNamespace",
    "argparse.Namespace", "array.array", "array._array_reconstructor", "re._compile", "random.Random", "_random.Random",
    # numpy
    *_of("numpy", f"ndarray dtype matrix recarray record poly1d {_NUMBERS} {_UFUNCS}"),
    *(f"numpy.{core}.{name}" for core in ("core", "_core") for name in (
        "multiarray._reconstruct", "multiarray.scalar", "_multiarray_umath._reconstruct", "_multiarray_umath.scalar",
        "numeric._frombuffer", "records.recarray", "records.record", "_internal._convert_to_stringdtype_kwargs",
    )),
    *_of("numpy.ma.core", "_mareconstruct MaskedArray MaskedConstant"), "numpy.ma.MaskedArray",
    *_of("numpy.random._pickle", "__randomstate_ctor __bit_generator_ctor __generator_ctor"),
    *_of("numpy.random.mtrand", "__RandomState_ctor RandomState _rand"),
    *_of("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence SeedSequence"),
    "numpy.core._internal._reconstruct", "numpy.random.RandomState", "numpy.random._generator.Generator", "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64", "numpy.random._pcg64.PCG64DXSM", "numpy.random._philox.Philox",
    "numpy.random._sfc64.SFC64", "numpy.matrixlib.defmatrix.matrix",
    # joblib and pandas
    "joblib.numpy_pickle.NumpyArrayWrapper", "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper",
    "pandas.core.frame.DataFrame", "pandas.core.series.Series", "pandas._libs.internals._unpickle_block",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked", "pandas.core.internals.managers.BlockManager",
    "pandas.core.internals.managers.SingleBlockManager", "pandas.core.indexes.base._new_Index",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp", "pandas._libs.tslibs.timestamps.Timestamp",
    "pandas._libs.tslibs.timedeltas._timedelta_unpickle", "pandas._libs.missing.NAType",
    # gradient boosting
    "xgboost.core.Booster", "lightgbm.basic.Booster", "lightgbm.compat._LGBMLabelEncoder",
    "catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor",
    # torch
    *_of("torch", "Size Tensor device dtype Storage UntypedStorage TypedStorage"), *_of("torch", _TORCH_TYPES),
    *(f"torch.{name}Storage" for name in _STORAGES.split()), *(f"torch.cuda.{name}Storage" for name in _STORAGES.split()),
    *_of("torch.storage", "UntypedStorage TypedStorage"),
    *_of("torch._utils", _REBUILDERS), *_of("torch._tensor", "_rebuild_from_type_v2 _rebuild_from_type Tensor"),
    "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.nn.parameter.UninitializedParameter",
    "torch.serialization._get_layout", "torch._C._nn.gelu", "torch._C._nn.softplus", "torch.relu", "torch.sigmoid",
    "torch.tanh", "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist",
    "torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist", "torch.jit._pickle.restore_type_tag",
    "torch.jit._pickle.build_tensor_from_id", "torch.amp.grad_scaler.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler",
    "torch._C.Generator", "torch._C._TensorBase", "torch.torch_version.TorchVersion",
    "torch.distributions.utils.lazy_property", "scipy.interpolate._fitpack2.UnivariateSpline",
})  # fmt: skip

_SKLEARN = [
    "_loss",
    "base",
    "calibration",
    "cluster",
    "compose",
    "covariance",
    "cross_decomposition",
    "decomposition",
    "discriminant_analysis",
    "dummy",
    "ensemble",
    "feature_extraction",
    "feature_selection",
    "frozen",
    "gaussian_process",
    "impute",
    "isotonic",
    "kernel_approximation",
    "kernel_ridge",
    "linear_model",
    "manifold",
    "metrics",
    "mixture",
    "model_selection",
    "multiclass",
    "multioutput",
    "naive_bayes",
    "neighbors",
    "neural_network",
    "pipeline",
    "preprocessing",
    "random_projection",
    "semi_supervised",
    "svm",
    "tree",
]

CLASSES = frozenset({
    *(f"sklearn.{name}" for name in _SKLEARN),
    "sklearn.utils._bunch", "sklearn.utils._tags", "sklearn.utils._metadata_requests", "sklearn.utils.deprecation",
    "sklearn.utils._fast_dict", "sklearn._callbacks", "sklearn.utils._set_output", "sklearn.utils._random",
    "imblearn.over_sampling", "imblearn.under_sampling", "imblearn.combine", "imblearn.ensemble", "imblearn.pipeline",
    "category_encoders",
    "xgboost.sklearn", "xgboost.callback", "lightgbm.sklearn", "lightgbm.callback", "catboost.core",
    "scipy.sparse", "scipy.stats._distn_infrastructure", "scipy.stats._continuous_distns",
    "scipy.stats._discrete_distns", "scipy.spatial._ckdtree", "scipy.interpolate", "numpy.polynomial",
    "pandas.core.indexes", "pandas.core.arrays", "pandas.core.dtypes.dtypes", "pandas._libs.tslibs.offsets",
    "pandas._libs.sparse", "pandas._libs.interval",
    "torch.nn.modules", "torch.nn.parameter", "torch.nn.init", "torch.optim", "torch.distributions",
    "torch.ao.nn", "torch.nn.utils.parametrizations",
    "torchvision.models", "torchvision.ops", "torchvision.transforms", "__torch__",
})  # fmt: skip

FUNCTIONS = frozenset({
    *(f"sklearn.{name}" for name in _SKLEARN),
    "scipy.special", "torch.nn.functional", "torch.nn.init", "torch._C._nn", "torch.nn.modules", "torch.optim",
    "numpy.linalg", "__torch__",
})  # fmt: skip

#: What loads a pickle out of bytes: known as long as each call of it is with bytes that were walked themselves.
LOADERS = frozenset({"torch.storage._load_from_bytes"})

#: Functions that unpickle compiled classes: they are called, and check what they get.
UNPICKLERS = ("__pyx_unpickle_", "newObj", "_unpickle_")

REEXPORTS = frozenset(
    [
        "Popen",
        "Path",
        "Thread",
        "Process",
        "Pool",
        "ThreadPool",
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
        "Parallel",
        "Memory",
        "Queue",
        "Pickler",
        "Unpickler",
        "CDLL",
        "ZipFile",
        "TarFile",
        "GzipFile",
        "BZ2File",
        "LZMAFile",
        "FileIO",
        "StringIO",
        "TextIOWrapper",
        "Request",
        "OpenerDirector",
        "TemporaryDirectory",
        "NamedTemporaryFile",
        "SpooledTemporaryFile",
        "DataSource",
        "Template",
        "Environment",
        "ModuleType",
        "FunctionType",
        "CodeType",
        "MethodType",
        "SourceFileLoader",
        "Logger",
        "FileHandler",
        "Connection",
        "HTTPServer",
        "TCPServer",
        "Timer",
        "Repo",
        "HfApi",
    ]
)
