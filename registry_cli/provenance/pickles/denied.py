"""What has no business in a model, whatever package it comes from.

Lists of what is forbidden are never complete. So of Python's own library everything is denied that is neither known
(``known``) nor said here to be harmless; only of other packages what is not listed is called unknown.
"""

from __future__ import annotations

#: Of Python's library: not known to be harmless with any arguments, but met in honest files.
UNCLEAR = frozenset({
    "functools.partial", "operator.itemgetter", "logging.getLogger", "logging.Logger", "logging.RootLogger",
    "builtins.getattr", "builtins.type", "builtins.reversed", "builtins.zip", "builtins.enumerate", "builtins.property",
    "builtins.NotImplementedType", "builtins.print", "builtins.len", "builtins.sum", "builtins.min", "builtins.max",
    "builtins.abs", "builtins.round", "builtins.sorted", "builtins.memoryview", "io.BytesIO", "_io.BytesIO",
    "io.StringIO", "_io.StringIO", "threading.Lock", "_thread.allocate_lock", "time.struct_time", "ipaddress.IPv4Address",
    "types.MappingProxyType", "types.NoneType", "types.EllipsisType", "types.NotImplementedType", "types.GenericAlias",
    "weakref.WeakKeyDictionary", "weakref.WeakValueDictionary", "weakref.WeakSet",
})  # fmt: skip
#: Modules of Python's library of which the same holds.
UNCLEAR_MODULES = frozenset(
    [
        "abc",
        "collections",
        "collections.abc",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "itertools",
        "math",
        "cmath",
        "numbers",
        "random",
        "statistics",
        "string",
        "typing",
        "uuid",
        "zoneinfo",
        "heapq",
        "bisect",
        "textwrap",
        "unicodedata",
        "calendar",
        "_collections_abc",
    ]
)
#: ... but for these.
NOT_UNCLEAR = frozenset({
    "dataclasses.make_dataclass", "dataclasses._create_fn", "typing.get_type_hints", "typing.ForwardRef",
    "typing._eval_type", "collections.namedtuple", "copy.copy", "copy.deepcopy", "copy._reconstruct",
    "enum._make_class_unpicklable", "string.Formatter", "uuid._load_system_functions", "statistics.namedtuple",
})  # fmt: skip

#: Of other packages: modules, with all in and below them.
MODULES = frozenset({
    # what unpickles, or carries code by value
    "dill", "cloudpickle", "jsonpickle", "joblib.externals.cloudpickle", "joblib.externals.loky", "joblib.parallel",
    "joblib.memory", "joblib.func_inspect", "joblib.hashing", "joblib._multiprocessing_helpers", "sklearn.externals",
    "pandas.io", "pandas.compat.pickle_compat", "pandas.core.computation", "numpy.lib.npyio", "numpy.lib._npyio_impl", "numpy.lib._datasource", "numpy.lib.utils",
    "torch.serialization", "torch.package", "torch.hub", "torch.jit", "torch.fx", "torch._dynamo", "torch._inductor",
    "torch._export", "torch.utils", "torch.multiprocessing", "torch.distributed", "torch.testing", "torch._lazy",
    "torch.onnx", "torch._appdirs", "torch._weights_only_unpickler", "torch.storage._load_from_bytes", "torch.classes",
    "torch.ops", "torch.backends", "torch.cuda._memory_viz", "torch.library", "torch._C._import_ir_module",
    # what builds, tests, or starts programs
    "numpy.testing", "numpy.f2py", "numpy.distutils", "numpy.ctypeslib", "numpy.compat", "numpy.core.tests",
    "numpy._core.tests", "scipy.weave", "scipy._lib", "scipy.io", "sklearn.datasets", "sklearn.utils._testing",
    "sklearn.conftest", "xgboost.testing", "xgboost.tracker", "xgboost.spark", "xgboost.dask", "xgboost.collective",
    "lightgbm.dask", "pip", "setuptools", "_distutils_hack", "pkg_resources", "wheel", "nose", "pytest", "_pytest",
    "py", "IPython", "ipykernel", "jupyter_client", "notebook", "cffi", "pycparser", "test.support", "cython", "Cython", "pyximport",
    "numba.core.serialize", "psutil", "pexpect", "ptyprocess", "sh", "plumbum", "invoke", "fabric", "paramiko", "docker",
    # what fetches or writes
    "requests", "urllib2", "urllib3", "httpx", "httplib", "httplib2", "aiohttp", "websocket", "websockets", "boto",
    "boto3", "botocore", "s3fs", "gcsfs", "fsspec", "smart_open", "huggingface_hub", "gdown", "wget", "pycurl", "git",
    # what evaluates text
    "yaml", "ruamel", "jinja2", "mako", "simpleeval", "asteval", "numexpr", "js2py", "execjs",
    # Python 2's names
    "__builtin__", "commands", "popen2", "cPickle", "copy_reg", "exceptions", "dl", "imputil", "ihooks", "thread",
    "dummy_thread", "SimpleHTTPServer", "BaseHTTPServer", "SocketServer", "xmlrpclib", "Tkinter", "anydbm", "whichdb",
    "distutils", "imp", "asynchat", "asyncore", "smtpd", "nt", "ntpath", "_winapi", "winreg", "_winreg", "msvcrt",
})  # fmt: skip
#: Of other packages: whole names.
EXACT = frozenset({
    "numpy.load", "numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.fromfile", "numpy.loadtxt",
    "numpy.savetxt", "numpy.genfromtxt", "numpy.memmap", "numpy.DataSource", "numpy.core.memmap.memmap",
    "numpy._core.memmap.memmap", "numpy.frompyfunc", "numpy.vectorize", "numpy.apply_along_axis", "numpy.piecewise",
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
    "transformers.pipeline", "transformers.dynamic_module_utils.get_class_from_dynamic_module", "skops.io.load",
})  # fmt: skip
#: Last names that say enough, in whatever package they are.
NAMES = frozenset(
    [
        "system",
        "popen",
        "popen2",
        "spawn",
        "exec",
        "execfile",
        "eval",
        "compile",
        "runstring",
        "exec_command",
        "run_command",
        "check_output",
        "check_call",
        "os",
        "subprocess",
        "sys",
        "builtins",
        "importlib",
        "__import__",
        "import_module",
        "load_module",
        "exec_module",
        "run_code",
        "runcode",
        "runsource",
        "run_module",
        "run_path",
        "read_pickle",
        "unpickle",
        "pickle_load",
        "unsafe_load",
        "load_dynamic",
        "load_library",
        "LoadLibrary",
        "get_data_from_url",
        "urlretrieve",
        "urlopen",
        "rmtree",
        "unlink",
    ]
)
