"""Globals that no model needs, of any package.

A deny-list is never complete. So all of Python's library is denied but for the allow-list and the names here; only the
unlisted globals of other packages are unknown.
"""

from __future__ import annotations

#: Globals of Python's library that may do harm with some arguments, but occur in honest files: not denied, but unknown.
UNCLEAR = frozenset({
    "logging.getLogger", "logging.Logger", "logging.RootLogger",
    "builtins.getattr", "builtins.type", "builtins.reversed", "builtins.zip", "builtins.enumerate", "builtins.property",
    "builtins.NotImplementedType", "builtins.print", "builtins.len", "builtins.sum", "builtins.min", "builtins.max",
    "builtins.abs", "builtins.round", "builtins.sorted", "builtins.memoryview", "io.BytesIO", "_io.BytesIO",
    "io.StringIO", "_io.StringIO", "threading.Lock", "_thread.allocate_lock", "time.struct_time", "ipaddress.IPv4Address",
    "types.MappingProxyType", "types.NoneType", "types.EllipsisType", "types.NotImplementedType", "types.GenericAlias",
    "uuid.UUID", "uuid.SafeUUID", "zoneinfo.ZoneInfo", "random.Random", "random.SystemRandom", "statistics.NormalDist",
    "weakref.WeakKeyDictionary", "weakref.WeakValueDictionary", "weakref.WeakSet",
})  # fmt: skip
#: Modules of Python's library whose globals are such,
UNCLEAR_MODULES = frozenset(str.split(
    "abc collections collections.abc copy dataclasses datetime decimal enum fractions itertools math cmath numbers string "
    "typing heapq bisect textwrap unicodedata calendar _collections_abc"
))  # fmt: skip
#: except for these.
NOT_UNCLEAR = frozenset({
    "dataclasses.make_dataclass", "dataclasses._create_fn", "typing.get_type_hints", "typing.ForwardRef",
    "typing._eval_type", "collections.namedtuple", "copy.copy", "copy.deepcopy", "copy._reconstruct",
    "enum._make_class_unpicklable", "string.Formatter", "statistics.namedtuple", "dataclasses.field", "random._urandom",
    "enum.Enum", "enum.EnumMeta", "enum.EnumType", "abc.ABCMeta", "typing.NewType", "typing.no_type_check",
    "statistics.itemgetter", "statistics.attrgetter", "random._os", "heapq.merge", "typing.NamedTuple", "typing.TypedDict",
})  # fmt: skip

#: Denied modules of other packages, with everything in and below them.
MODULES = frozenset({
    # unpickling, or code by value
    "dill", "cloudpickle", "jsonpickle", "joblib.externals.cloudpickle", "joblib.externals.loky", "joblib.parallel",
    "joblib.func_inspect", "joblib.hashing", "joblib._multiprocessing_helpers", "sklearn.externals",
    "pandas.io", "pandas.compat.pickle_compat", "pandas.core.computation", "numpy.lib.npyio", "numpy.lib._npyio_impl", "numpy.lib._datasource", "numpy.lib.utils",
    "torch.serialization", "torch.package", "torch.hub", "torch.jit", "torch.fx", "torch._dynamo", "torch._inductor",
    "torch._export", "torch.utils", "torch.multiprocessing", "torch.distributed", "torch.testing", "torch._lazy",
    "torch.onnx", "torch._appdirs", "torch._weights_only_unpickler", "torch.storage._load_from_bytes", "torch.classes",
    "torch.ops", "torch.backends", "torch.cuda._memory_viz", "torch.library", "torch._C._import_ir_module",
    # building, testing, or starting programs
    "numpy.testing", "numpy.f2py", "numpy.distutils", "numpy.ctypeslib", "numpy.compat", "numpy.core.tests",
    "numpy._core.tests", "scipy.weave", "scipy._lib", "scipy.io", "sklearn.datasets", "sklearn.utils._testing",
    "sklearn.conftest", "xgboost.testing", "xgboost.tracker", "xgboost.spark", "xgboost.dask", "xgboost.collective",
    "lightgbm.dask", "pip", "setuptools", "_distutils_hack", "pkg_resources", "wheel", "nose", "pytest", "_pytest",
    "py", "IPython", "ipykernel", "jupyter_client", "notebook", "cffi", "pycparser", "test.support", "cython", "Cython", "pyximport",
    "numba.core.serialize", "psutil", "pexpect", "ptyprocess", "sh", "plumbum", "invoke", "fabric", "paramiko", "docker",
    # fetching or writing
    "requests", "urllib2", "urllib3", "httpx", "httplib", "httplib2", "aiohttp", "websocket", "websockets", "boto",
    "boto3", "botocore", "s3fs", "gcsfs", "fsspec", "smart_open", "huggingface_hub", "gdown", "wget", "pycurl", "git",
    # modules of model libraries that run commands, or load objects and code from files and addresses
    "mlflow.projects", "mlflow.utils", "mlflow.pyfunc", "mlflow.models", "mlflow.tracking", "mlflow.store", "mlflow.server",
    "mlflow.recipes", "mlflow.gateway", "mlflow.deployments", "mlflow.sagemaker", "mlflow.artifacts", "mlflow.cli", "nltk.data",
    "nltk.downloader", "nltk.app", "statsmodels.iolib.smpickle", "statsmodels.datasets", "fastai.learner", "fastai.imports",
    "fastcore.xtras", "fastcore.parallel", "lightning.fabric.utilities.cloud_io", "pytorch_lightning.core.saving",
    "lightning.pytorch.core.saving", "lightning_fabric.utilities.cloud_io", "lightning.pytorch.cli", "pytorch_lightning.cli",
    "spacy.cli", "weasel", "thinc.util", "triton.runtime", "triton.backends", "triton.compiler", "accelerate.commands",
    "accelerate.launchers", "accelerate.utils", "accelerate.checkpointing", "sympy.parsing", "sympy.utilities", "sympy.core.sympify",
    "sympy.external", "sympy.testing", "sympy.printing.preview", "deepspeed.launcher", "deepspeed.ops.op_builder", "ray.cloudpickle", "ray.worker",
    "ray.scripts", "dask.distributed", "distributed.utils", "distributed.cli", "distributed.protocol", "pyspark.java_gateway",
    "pyspark.serializers", "pyspark.cloudpickle", "hydra.utils", "hydra._internal", "hydra.core.utils", "wandb.sdk.launch", "wandb.util", "wandb.cli", "bentoml", "kedro", "metaflow",
    "prefect", "airflow", "luigi", "dvc", "clearml", "comet_ml", "optuna.storages.RDBStorage", "optuna.storages._rdb", "optuna.storages.journal", "optuna.storages._grpc", "hyperopt.mongoexp", "autogluon.common",
    "paddle.utils", "paddle.distributed", "paddle.framework.io", "paddle.hapi.hub", "mxnet.libinfo", "theano", "pytensor", "aesara",
    "tvm.contrib", "onnxruntime.tools", "openvino.tools", "tensorrt", "gluonts.core.serde", "gluonts.shell", "flair.file_utils",
    "allennlp", "fairseq", "espnet", "nemo", "detectron2", "mmcv", "mmengine", "ultralytics.utils", "ultralytics.hub", "timm.models.helpers",
    "timm.models._helpers", "timm.models._hub", "timm.models._builder", "transformers.utils", "transformers.dynamic_module_utils", "transformers.commands",
    "transformers.pipelines", "transformers.tools", "transformers.agents", "datasets.load", "datasets.utils", "diffusers.utils",
    "peft.utils", "sentence_transformers.util", "gradio", "streamlit", "langchain", "llama_index", "vllm", "pystan",
    "gensim.utils", "gensim.downloader", "gensim.scripts", "kaggle", "h2o", "pycaret", "sktime.base._serialize",
    "tensorflow.python.lib.io", "tensorflow.python.framework.load_library", "tensorflow.python.ops.script_ops", "tensorflow.io", "tensorflow.saved_model",
    "tensorflow.python.saved_model", "tensorflow.keras.models", "keras.utils", "keras.saving", "keras.src.utils", "keras.src.saving",
    "jax.experimental.host_callback", "jax._src.callback", "flax.serialization", "catboost.utils", "polars.io", "pyarrow", "cudf.io",
    "numba.core", "numba.pycc", "numba.experimental", "llvmlite", "cppyy", "pybind11", "torch.cuda.jiterator", "torchvision.io",
    "torchvision.datasets", "torchaudio.io", "torchaudio.datasets", "torchtext.utils", "h5py", "tables", "zarr", "netCDF4",
    "doit", "nox", "tox", "virtualenv", "poetry", "conda", "pipenv", "twine", "build", "flit", "hatch", "hatchling",
    "pyarrow.plasma", "multiprocess", "pathos", "ppft", "billiard", "celery", "rq", "gunicorn", "uvicorn", "werkzeug", "flask", "django",
    "tornado", "twisted", "zmq", "paste", "jedi", "parso", "rope", "pylint", "black", "mypy", "code_object", "mock", "hypothesis",
    # evaluating text
    "yaml", "ruamel", "jinja2", "mako", "simpleeval", "asteval", "numexpr", "js2py", "execjs",
    # Python 2's names
    "__builtin__", "commands", "popen2", "cPickle", "copy_reg", "exceptions", "dl", "imputil", "ihooks", "thread",
    "dummy_thread", "SimpleHTTPServer", "BaseHTTPServer", "SocketServer", "xmlrpclib", "Tkinter", "anydbm", "whichdb",
    "distutils", "imp", "asynchat", "asyncore", "smtpd", "nt", "ntpath", "_winapi", "winreg", "_winreg", "msvcrt",
})  # fmt: skip
#: Denied globals of other packages.
EXACT = frozenset({
    "numpy.load", "numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.fromfile", "numpy.loadtxt",
    "numpy.savetxt", "numpy.genfromtxt", "numpy.memmap", "numpy.DataSource", "numpy.core.memmap.memmap",
    "numpy._core.memmap.memmap", "numpy.frompyfunc", "numpy.apply_along_axis", "numpy.piecewise",
    "numpy.fromregex", "numpy.deprecate", "numpy.test", "pandas.eval", "pandas.read_pickle", "pandas.to_pickle",
    "pandas.read_csv", "pandas.HDFStore", "pandas.ExcelWriter", "joblib.load", "joblib.dump", "joblib.Parallel",
    "joblib.Memory", "joblib.delayed", "joblib.wrap_non_picklable_objects", "joblib.numpy_pickle.load",
    "joblib.numpy_pickle.dump", "joblib.numpy_pickle._unpickle", "joblib.numpy_pickle.NumpyUnpickler",
    "torch.load", "torch.save", "torch.compile", "torch.from_file", "torch.PyTorchFileReader",
    "torch.PyTorchFileWriter", "torch._C.PyTorchFileReader", "torch._C.PyTorchFileWriter", "torch._C._jit_compile",
    "torch._utils_internal.get_source_lines_and_file", "keras.models.load_model", "tensorflow.io.read_file",
    "tensorflow.io.write_file", "tensorflow.py_function", "tensorflow.numpy_function", "tensorflow.load_op_library",
    "tensorflow.python.keras.models.load_model", "keras.src.saving.saving_api.load_model",
    "keras.src.layers.core.lambda_layer.Lambda", "keras.layers.core.lambda_layer.Lambda", "keras.layers.Lambda",
    "paddle.load", "paddle.save", "sympy.sympify", "sympy.lambdify", "sympy.S", "sympy.parse_expr", "timm.models.load_checkpoint",
    "timm.create_model", "fastai.learner.load_learner", "spacy.load", "nltk.download", "mlflow.run", "pytorch_lightning.Trainer",
    "numpy.lib.format.read_array",
    "tensorflow.keras.utils.get_file", "keras.utils.get_file", "transformers.pipeline", "transformers.dynamic_module_utils.get_class_from_dynamic_module", "skops.io.load",
})  # fmt: skip
#: Names that are denied in every package.
NAMES = frozenset(str.split(
    "system popen popen2 spawn exec execfile eval compile runstring exec_command run_command check_output check_call os "
    "subprocess sys builtins importlib __import__ import_module load_module exec_module run_code runcode runsource run_module "
    "run_path read_pickle unpickle pickle_load unsafe_load load_dynamic load_library LoadLibrary get_data_from_url urlretrieve "
    "urlopen rmtree unlink"
))  # fmt: skip

#: Globals that call their arguments, or return callables: a pickle may call them only as the allow-list permits.
CALLERS = frozenset({
    "functools.*", "_functools.*", "operator.*", "_operator.*", "itertools.*", "types.*", "copyreg.*", "weakref.*", "_weakref.*",
    "builtins.map", "builtins.filter", "builtins.type", "builtins.getattr", "builtins.setattr", "builtins.iter", "builtins.super",
    "builtins.sorted", "builtins.min", "builtins.max", "builtins.apply", "builtins.classmethod", "builtins.staticmethod",
    "builtins.property", "builtins.vars", "builtins.globals", "builtins.locals", "builtins.next", "builtins.sum",
    "torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_wrapper_subclass",
    "numpy.random._pickle.__generator_ctor", "numpy.random._pickle.__randomstate_ctor", "numpy.random._pickle.__bit_generator_ctor",
    "numpy.apply_along_axis", "numpy.apply_over_axes", "numpy.frompyfunc", "numpy.vectorize", "numpy.piecewise",
    "numpy.fromfunction", "numpy.fromiter", "pandas.core.common.pipe", "pandas.core.apply.frame_apply", "toolz.*", "cytoolz.*", "funcy.*",
    "more_itertools.*", "jax.tree_util.*", "tree.*", "optree.*", "dask.utils.*", "tensorflow.map_fn", "tensorflow.while_loop",
    "tensorflow.cond", "tensorflow.py_function", "sklearn.utils.parallel.*", "sklearn.utils.fixes.*", "sklearn.utils.metaestimators.*",
    "sklearn.utils._joblib.*", "joblib.parallel.*", "wrapt.*", "decorator.*", "cachetools.*", "tqdm.contrib.concurrent.*",
    "gensim.utils.call_on_class_only", "pkg_resources.*", "attr._make.*", "pydantic.deprecated.*",
})  # fmt: skip
#: The same by name, in every package.
CALLER_NAMES = frozenset([
    "apply", "partial", "partialmethod", "reduce", "starmap", "attrgetter", "methodcaller", "call", "call_function", "invoke", "run",
    "compose", "pipe", "curry", "tree_map", "map_structure", "_rebuild_from_type", "pool_map", "thread_map", "process_map",
    "run_in_executor", "submit", "apply_async", "call_user_func", "exec_fn", "execute", "launch", "simple_launcher",
    "notebook_launcher", "debug_launcher", "getattr", "_getattr", "resolve_name", "locate", "get_attr", "import_string",
    "import_class", "import_from_string", "load_object", "instantiate", "get_class", "_run_entry_point", "_exec_cmd",
])  # fmt: skip
#: Names, in every package, of functions that load code, or objects from files, or that start programs.
LOADER_NAMES = frozenset([
    "load", "_load", "loads", "_loads", "load_model", "load_learner", "load_pickle", "load_checkpoint", "load_from_checkpoint", "load_state",
    "load_weights", "load_pkl", "load_object", "load_file", "from_pretrained", "from_file", "from_pickle", "from_checkpoint", "open", "fopen", "open_url",
    "read_table", "read_csv", "read_file", "read_text", "write_text", "write_file", "write_bytes", "save", "dump", "download", "download_url",
    "fetch_url", "get_file", "download_and_extract", "hub_download", "hf_hub_download", "snapshot_download", "request", "urlread", "upload",
    "extract_archive", "extractall", "unpack_archive", "make_archive", "copytree", "move", "remove", "removedirs", "rename",
    "Popen", "call_subprocess", "run_cmd", "run_shell", "shell", "shell_exec", "execute_command", "execve", "fork", "spawn_process",
    "_build", "build_extension", "compile_file", "compile_code", "load_inline", "load_op_library", "sympify", "parse_expr", "lambdify", "literal_eval",
    "safe_eval", "eval_expr", "evaluate", "exec_in", "run_script", "run_file", "run_string", "run_main", "main", "getoutput", "getstatusoutput",
    "system_command", "start_process", "create_process", "_get_command_stdout", "interact", "create_function", "make_function",
    "set_trace", "console", "dlopen", "CDLL", "LoadLibraryEx", "ctypes_load", "import_file", "import_path", "import_from_path",
    "import_module_from_file", "load_source", "load_plugin", "load_entry_point", "load_extension", "load_module_from_file_location",
])  # fmt: skip
