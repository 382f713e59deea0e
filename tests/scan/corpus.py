"""Dangerous pickles and archives, made harmlessly: they name what would be called, and nobody ever loads them.

Each case is a file's name, its bytes, and the verdicts that are right for it. Payloads are assembled opcode by opcode,
so that nothing is imported or called when they are made either.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Honest files, made by ``make_data``.
DATA = Path(__file__).parent / "data"
DANGEROUS, UNSCANNABLE, UNKNOWN = "dangerous", "unscannable", "unknown-globals"
BAD = (DANGEROUS,)


@dataclass(frozen=True)
class Case:
    """``name`` says what the trick is, ``file`` how the file is called."""

    name: str
    file: str
    data: bytes
    right: tuple[str, ...] = BAD


# opcodes


def text(value: str) -> bytes:
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data if len(data) < 256 else b"X" + struct.pack("<I", len(data)) + data


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stack_global(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def pickled(body: bytes, protocol: int = 4) -> bytes:
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body + b"."


def evil(module: str = "os", name: str = "system", *arguments: str, protocol: int = 4) -> bytes:
    """A pickle that would call ``module.name`` with texts."""
    given = arguments or ("true",)
    if protocol < 4:
        lines = [f"V{each}\n".encode() for each in given]
        return pickled(call(glob(module, name), *lines), protocol)
    return pickled(call(stack_global(module, name), *map(text, given)), protocol)


EVIL = evil()
GOOD = pickle.dumps({"weights": [1.0, 2.0], "name": "model"}, 4)


def known_tricks() -> Iterator[Case]:
    for protocol in range(6):
        yield Case(f"os.system at protocol {protocol}", "model.pkl", evil(protocol=protocol))
    for module, name in (
        ("posix", "system"), ("nt", "system"), ("os", "execv"), ("os", "popen"), ("subprocess", "Popen"),
        ("subprocess", "check_output"), ("commands", "getoutput"), ("builtins", "eval"), ("builtins", "exec"),
        ("builtins", "compile"), ("builtins", "__import__"), ("builtins", "open"), ("builtins", "getattr"),
        ("__builtin__", "eval"), ("__builtin__", "execfile"), ("importlib", "import_module"),
        ("importlib.util", "spec_from_file_location"), ("runpy", "run_path"), ("runpy", "_run_code"),
        ("operator", "attrgetter"), ("operator", "methodcaller"), ("pkgutil", "resolve_name"), ("pydoc", "locate"),
        ("pydoc", "pipepager"), ("pip", "main"), ("pip._internal", "main"), ("logging.config", "listen"),
        ("logging.config", "dictConfig"), ("ctypes", "CDLL"), ("webbrowser", "open"), ("pty", "spawn"),
        ("code", "InteractiveInterpreter"), ("timeit", "timeit"), ("cProfile", "run"), ("bdb", "Bdb"), ("pdb", "run"),
        ("trace", "Trace"), ("doctest", "debug_script"), ("shutil", "rmtree"), ("socket", "create_connection"),
        ("urllib.request", "urlopen"), ("smtplib", "SMTP"), ("http.client", "HTTPSConnection"), ("pickle", "loads"),
        ("_pickle", "loads"), ("marshal", "loads"), ("types", "CodeType"), ("types", "FunctionType"),
        ("asyncio", "create_subprocess_shell"), ("multiprocessing.util", "spawnv_passfds"), ("threading", "Timer"),
        ("atexit", "register"), ("signal", "signal"), ("tempfile", "mktemp"), ("copyreg", "add_extension"),
        ("idlelib.pyshell", "ModifiedInterpreter"), ("lib2to3.pgen2.pgen", "ParserGenerator"), ("ensurepip", "bootstrap"),
        ("distutils.file_util", "write_file"), ("venv", "create"), ("test.support.script_helper", "assert_python_ok"),
        ("sqlite3", "connect"), ("zipimport", "zipimporter"), ("uuid", "_load_system_functions"), ("io", "open_code"),
        ("_io", "FileIO"), ("linecache", "getlines"), ("fileinput", "FileInput"), ("functools", "reduce"),
        ("builtins", "map"), ("sys", "settrace"), ("gc", "get_objects"), ("inspect", "getattr_static"),
        ("dataclasses", "make_dataclass"), ("typing", "get_type_hints"), ("collections", "namedtuple"),
        ("numpy.testing._private.utils", "runstring"), ("numpy.f2py.crackfortran", "getlincoef"),
        ("numpy.distutils.exec_command", "exec_command"), ("numpy", "memmap"), ("numpy", "load"),
        ("torch.hub", "load"), ("torch.serialization", "load"), ("torch", "load"), ("torch.utils.cpp_extension", "load"),
        ("torch.jit.unsupported_tensor_ops", "execWrapper"), ("torch._inductor.codecache", "compile_file"),
        ("torch.utils._config_module", "load_config"), ("torch.storage", "_load_from_bytes"), ("joblib", "load"),
        ("joblib.numpy_pickle", "load"), ("pandas", "read_pickle"), ("pandas.core.computation.eval", "eval"),
        ("sklearn.datasets", "fetch_openml"), ("sklearn.utils._testing", "SkipTest"), ("scipy.io", "loadmat"),
        ("cloudpickle.cloudpickle", "_make_function"), ("dill._dill", "_create_code"), ("yaml", "unsafe_load"),
        ("requests", "get"), ("keras.models", "load_model"), ("skops.io", "load"), ("some.package", "runstring"),
    ):  # fmt: skip
        yield Case(f"{module}.{name}", "model.pkl", evil(module, name))


def attribute(holder: bytes, name: str) -> bytes:
    return call(stack_global("builtins", "getattr"), holder, text(name))


def _attributes() -> Iterator[Case]:
    """Attributes of objects that the pickle makes: a method is a value as any other, until something reaches further."""
    ours = stack_global("ours.models", "Thing") + b")\x81"
    known = stack_global("sklearn.linear_model._logistic", "LogisticRegression") + b")\x81"
    path = call(stack_global("pathlib", "PosixPath"), text("x"))
    method = attribute(ours, "transform")
    state = b"}" + text("x") + text("y") + b"s"
    for name, body in {
        "a method is called": call(method, text("true")),
        "a method of a known class is called": call(attribute(known, "fit"), b"N"),
        "a method is called by OBJ": b"(" + method + text("true") + b"o",
        "a method is called by NEWOBJ": method + b")\x81",
        "an attribute of an attribute": attribute(method, "config"),
        "an attribute is given a state": method + state + b"b",
        "an attribute is given a state of slots": method + b"N" + state + b"\x86b",
        "an attribute is given items": attribute(known, "_parameter_constraints") + text("x") + text("y") + b"s",
        "an attribute is given elements": attribute(ours, "_registry") + b"(" + text("x") + b"e",
        "an attribute between underscores": attribute(ours, "__class__"),
        "an attribute of a text between underscores": attribute(text("x"), "__class__"),
        "an attribute of a dict between underscores": attribute(b"}", "__init_subclass__"),
        "an attribute with a name to run commands": attribute(ours, "system"),
        "a module behind an object": attribute(ours, "os"),
        "a method that removes files": attribute(path, "unlink"),
        "an attribute with a default": call(stack_global("builtins", "getattr"), ours, text("x"), b"N"),
        "an attribute with a computed name": call(stack_global("builtins", "getattr"), ours,
                                                  call(stack_global("builtins", "str"), text("x"))),
        "an attribute of what a persistent id gives": attribute(text("id") + b"Q", "transform"),
        "an attribute of an extension": attribute(b"\x82\1", "transform"),
        "an attribute of what a function gives": attribute(call(stack_global("ours.tools", "find"), text("os")), "execv"),
        "the function in a partial": attribute(
            call(stack_global("functools", "partial"), stack_global("builtins", "len")), "func"),
        "a partial of a method": call(stack_global("functools", "partial"), method),
        "a method in a place that is called": b"}" + text("__setstate__") + method + b"s",
        "a module, then a function in it": attribute(stack_global("sklearn", "base"), "inspect.os"),
        "a module of a known one": attribute(attribute(stack_global("sklearn", "utils"), "os"), "system"),
        "a function of a known module": attribute(stack_global("sklearn", "base"), "system"),
        "a method of a class is called": call(attribute(stack_global("sklearn.base", "BaseEstimator"), "fit"), b"N"),
        "a class keeps its globals": attribute(stack_global("sklearn.base", "BaseEstimator"), "__init__"),
        "a class is given a state by its attribute": attribute(stack_global("sklearn.base", "BaseEstimator"), "x")
        + state + b"b",
    }.items():  # fmt: skip
        yield Case(f"getattr: {name}", "m.pkl", pickled(body))
        yield Case(
            f"getattr: {name}, in Python 2", "m.pkl", pickled(body.replace(text("builtins"), text("__builtin__")))
        )


def ways_of_calling() -> Iterator[Case]:
    yield Case("INST", "m.pkl", b"(S'true'\nios\nsystem\n.")
    yield Case("OBJ", "m.pkl", b"(" + glob("os", "system") + b"S'true'\no.")
    yield Case("NEWOBJ", "m.pkl", pickled(glob("subprocess", "Popen") + text("true") + b"\x85\x81", 2))
    yield Case("NEWOBJ_EX", "m.pkl", pickled(stack_global("subprocess", "Popen") + text("true") + b"\x85}\x92"))
    yield Case("only a reference", "m.pkl", pickled(stack_global("os", "system")))
    yield Case("a reference in a list", "m.pkl", pickled(b"](" + stack_global("os", "system") + b"K\1e"))
    yield Case("popped at once", "m.pkl", pickled(call(stack_global("os", "system"), text("true")) + b"0N"))
    partial = call(stack_global("functools", "partial"), stack_global("os", "system"), text("true"))
    yield Case("functools.partial", "m.pkl", pickled(call(partial)))
    function = stack_global("sklearn.metrics._classification", "f1_score")
    ctor = call(stack_global("numpy.random._pickle", "__randomstate_ctor"), text("true"), function)
    yield Case("numpy calls what it is given", "m.pkl", pickled(ctor))
    reduced = call(stack_global("numpy._core", "_ufunc_reconstruct"), text("os"), text("system"))
    yield Case("a global by way of numpy", "m.pkl", pickled(call(reduced, text("true"))))
    got = call(stack_global("builtins", "getattr"), stack_global("collections", "OrderedDict"), text("__subclasses__"))
    yield Case("getattr of a dunder", "m.pkl", pickled(call(got)))
    computed = call(stack_global("builtins", "getattr"), call(stack_global("builtins", "dict")), text("get"))
    yield Case("getattr of an object", "m.pkl", pickled(call(computed)))
    yield from _attributes()
    yield Case("a dotted name", "m.pkl", pickled(call(stack_global("torch", "os.system"), text("true"))))
    yield Case(
        "a dotted name in a class", "m.pkl", pickled(call(stack_global("sklearn.base", "BaseEstimator.get_params")))
    )
    yield Case("__builtins__ of a module", "m.pkl", pickled(stack_global("sklearn.base", "__builtins__")))
    yield Case("a module of a known package", "m.pkl", pickled(stack_global("joblib.numpy_pickle", "os")))
    rebuilt = call(stack_global("torch._tensor", "_rebuild_from_type_v2"), stack_global("os", "system"),
                   stack_global("torch", "Tensor"), b"(" + text("true") + b"t", b"}")  # fmt: skip
    yield Case("torch calls what it is given", "m.pkl", pickled(rebuilt))
    inner = b"C" + bytes([len(EVIL)]) + EVIL
    yield Case(
        "a pickle that torch loads", "m.pkl", pickled(call(stack_global("torch.storage", "_load_from_bytes"), inner))
    )
    long = GOOD * 9 + EVIL
    long = b"B" + struct.pack("<I", len(long)) + long
    yield Case(
        "a long one that torch loads", "m.pkl", pickled(call(stack_global("torch.storage", "_load_from_bytes"), long))
    )
    bad = call(stack_global("torch.storage", "_load_from_bytes"), b"C\x04\x80\x04\xff\xff")
    yield Case("a broken one that torch loads", "m.pkl", pickled(bad), (UNSCANNABLE,))
    for name, hidden in (
        ("short", EVIL),
        ("long", GOOD * 9 + EVIL),
        ("with high bytes", GOOD * 9 + b"\x80\4C\1\xff0" + EVIL[2:]),
    ):
        latin = call(glob("_codecs", "encode"), b"X" + _counted(hidden.decode("latin-1").encode()), text("latin1"))
        loaded = call(stack_global("torch.storage", "_load_from_bytes"), latin)
        yield Case(f"one that torch loads as a text, {name}", "m.pkl", pickled(loaded))
    lines = call(glob("_codecs", "encode"), b"V" + b"a" * 70_000 + b"\n", text("latin1"))
    yield Case(
        "a line of text that torch loads",
        "m.pkl",
        pickled(call(stack_global("torch.storage", "_load_from_bytes"), lines)),
    )
    made = call(stack_global("builtins", "bytes"), b"](K\x80K\4e")
    yield Case(
        "a computed one that torch loads",
        "m.pkl",
        pickled(call(stack_global("torch.storage", "_load_from_bytes"), made)),
    )
    yield Case("a pickle in a pickle", "m.pkl", pickled(call(stack_global("pickle", "loads"), inner)))


def _counted(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def hooks() -> Iterator[Case]:
    thing = call(stack_global("argparse", "Namespace"))
    function = stack_global("sklearn.metrics._classification", "f1_score")
    state = b"}" + text("__setstate__") + function + b"s"
    yield Case("BUILD with __setstate__", "m.pkl", pickled(thing + state + b"b" + text("true") + b"b"))
    state = b"}" + text("append") + function + b"s"
    yield Case("BUILD with append", "m.pkl", pickled(thing + state + b"b" + text("true") + b"a"))
    lost = b"}(" + b"".join(text(f"k{number}") + b"N" for number in range(150_000)) + text("extend") + function + b"u"
    yield Case("BUILD with more attributes than are kept", "m.pkl", pickled(thing + lost + b"b](K\1ee"))
    slots = b"N}" + text("__class__") + stack_global("argparse", "Namespace") + b"s\x86"
    yield Case("BUILD with slots", "m.pkl", pickled(thing + slots + b"b"))
    named = b"N}" + b"V\\u005f_setstate__\n" + function + b"s\x86"
    yield Case("BUILD with an escaped name", "m.pkl", pickled(thing + named + b"b"))
    quoted = b"}S'\\x5f_setstate__'\n" + function + b"s"
    yield Case("BUILD with a quoted name", "m.pkl", pickled(thing + quoted + b"b"))
    pairs = call(stack_global("collections", "OrderedDict"), b"](" + text("__setstate__") + function + b"\x86e")
    yield Case("BUILD with a computed state", "m.pkl", pickled(thing + pairs + b"b"))
    yield Case("BUILD of a module's function", "m.pkl", pickled(function + b"}" + text("x") + b"K\1sb"))
    yield Case(
        "SETITEM into a global", "m.pkl", pickled(stack_global("collections", "OrderedDict") + text("x") + b"K\1s")
    )
    yield Case("an extension", "m.pkl", pickled(call(b"\x82\x10", text("true"))), (UNKNOWN,))
    yield Case("a large extension", "m.pkl", pickled(call(b"\x84\x10\0\0\0", text("true"))), (UNKNOWN,))


def memo_games() -> Iterator[Case]:
    stored = text("os") + b"\x94" + text("system") + b"\x94" + b"00h\0h\1\x93"
    yield Case("names from the memo", "m.pkl", pickled(call(stored, text("true"))))
    swapped = (
        text("collections") + b"q\5" + b"0" + text("os") + b"q\5" + b"0" + text("system") + b"q\6" + b"0h\5h\6\x93"
    )
    yield Case("a place of the memo twice", "m.pkl", pickled(call(swapped, text("true"))))
    far = text("os") + b"r\xff\xff\xff\x7f" + text("system") + b"p99\n" + b"00j\xff\xff\xff\x7fg99\n\x93"
    yield Case("far places of the memo", "m.pkl", pickled(call(far, text("true"))))
    doubled = text("os") + b"2" + b"0" + text("system") + b"\x93"
    yield Case("DUP and POP", "m.pkl", pickled(call(doubled, text("true"))))
    marked = b"(" + text("x") + b"1" + stack_global("os", "system")
    yield Case("POP_MARK", "m.pkl", pickled(call(marked, text("true"))))
    joined = call(stack_global("builtins", "str"), text("os"))
    yield Case("a computed module", "m.pkl", pickled(call(joined + text("system") + b"\x93", text("true"))))
    encoded = call(stack_global("_codecs", "encode"), text("bf"), text("rot13"))
    yield Case("a name in rot13", "m.pkl", pickled(call(encoded + text("system") + b"\x93", text("true"))))
    long = b"X" + struct.pack("<I", 300) + b"o" * 300
    yield Case("a name of 300 letters", "m.pkl", pickled(long + text("system") + b"\x93"))
    yield Case("unset memo", "m.pkl", pickled(b"h\7" + stack_global("os", "system")), (UNSCANNABLE,))
    framed = EVIL[:2] + b"\x95" + struct.pack("<Q", len(EVIL) - 2) + EVIL[2:]
    yield Case("in a frame", "m.pkl", framed)
    yield Case("a frame that is too long", "m.pkl", EVIL[:2] + b"\x95" + b"\xff" * 7 + b"\0" + EVIL[2:])
    yield Case("protocol in the middle", "m.pkl", b"N0\x80\x03" + EVIL)


def two_readings() -> Iterator[Case]:
    """What one unpickler takes and another refuses, or reads as something else; with nothing bad in it otherwise."""
    ordered = stack_global("collections", "OrderedDict")
    for name, data in {
        "a protocol twice": b"\x80\x04\x80\x04N.",
        "a protocol in the middle": b"\x80\x04N0\x80\x02N.",
        "protocol 0 that names itself": b"\x80\x00N.",
        "an opcode of a later protocol": b"\x80\x02\x8c\x01a.",
        "an opcode of a later protocol, without a name": b"(lp0\nV1\na\x940\x8c\x01a.",
        "a frame in a frame": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x95\x02\0\0\0\0\0\0\0N.",
        "a frame longer than the pickle": b"\x80\x04\x95\x09\0\0\0\0\0\0\0N.",
        "an opcode across the end of a frame": b"\x80\x04\x95\x02\0\0\0\0\0\0\0\x8c\x01a.",
        "an octal number": b"I010\n.",
        "a hexadecimal number": b"I0x10\n.",
        "a number with an underscore": b"I1_0\n.",
        "a number with blanks": b"I 1\n.",
        "a number that ends early": b"I12\0x\n.",
        "a number with a sign": b"I+1\n.",
        "a number of too many digits": b"L" + b"9" * 5000 + b"L\n.",
        "a float with an underscore": b"F1_0\n.",
        "a place of the memo with a zero in front": b"Np010\n0g10\n.",
        "a place of the memo filled twice": b"\x80\x02K\1q\0K\2q\0.",
        "a far place of the memo": b"\x80\x02K\1r\xff\xff\xff\x7f.",
        "escaped letters in a line": b"V\\u0061\n.",
        "escaped letters between quotes": b"S'\\x61\\142'\n.",
        "an escape that is none": b"S'\\q'\n.",
        "a name that is a number": b"\x80\x04K\1\x8c\x01a\x93.",
        "a name that is bytes": b"\x80\x04C\x02osC\x06system\x93.",
        "a call of a call": pickled(call(call(ordered))),
        "cut behind an import": b"\x80\x04" + ordered,
        "broken behind a call": b"\x80\x04" + call(ordered) + b"\xff",
        "a stack that is empty behind a call": b"\x80\x04" + call(ordered) + b"00N.",
    }.items():
        yield Case(f"two readings: {name}", "m.pkl", data)


def positions() -> Iterator[Case]:
    yield Case("stacked pickles", "m.pkl", GOOD + GOOD + EVIL)
    yield Case("a broken tail", "m.pkl", EVIL[:-1])
    yield Case("cut after the call", "m.pkl", EVIL[:-1] + b"\xff\xff")
    yield Case("a good pickle and garbage", "m.pkl", GOOD + b"\xff\xff garbage", (UNSCANNABLE,))
    yield Case("a good pickle, cut", "m.pkl", GOOD[:-5], (UNSCANNABLE,))
    yield Case("nothing but the magic", "m.pkl", b"\x80\x04", (UNSCANNABLE,))
    yield Case("an unknown call in a text that is cut", "m.csv", b"(V1\niours.models\nrun\nX", BAD)
    for name in (
        "model.txt",
        "model.safetensors",
        "model.onnx",
        "README.md",
        "weights.h5",
        "model",
        "data.json",
        "x.gguf",
    ):
        yield Case(f"renamed to {name}", name, EVIL)
    yield Case("protocol 0 as a text", "notes.txt", evil(protocol=0))
    yield Case("protocol 0 as a csv", "data.csv", b"(cos\nsystem\nS'true'\no.")
    yield Case("a pickle before a zip", "model.pt", EVIL + zipped({"a.txt": b"text"}))
    yield Case("a zip behind garbage", "model.zip", b"garbage " * 9 + zipped({"m.pkl": EVIL}))
    header = b"\x80\x04\x95" + struct.pack("<Q", 0x7B)[:5] + b"{"
    yield Case("a pickle that begins like safetensors", "m.safetensors", header + b"\0\0" + EVIL[2:],
               (DANGEROUS, UNSCANNABLE))  # fmt: skip
    jumbo = b"\x80\x04]\x94(" + b"K\1" * 50_000 + b"e0" + EVIL[2:]
    yield Case("behind 50,000 numbers", "m.pkl", jumbo)
    blob = b"\x80\x04B" + struct.pack("<I", 1 << 20) + bytes(1 << 20) + b"0" + EVIL[2:]
    yield Case("behind a megabyte of bytes", "m.pkl", blob)


# joblib


def array(count: int = 4, extra: bytes = b"") -> bytes:
    """The wrapper of an array of ``count`` float64, as joblib pickles it, and the array's bytes, aligned."""
    dtype = call(stack_global("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
    dtype += b"(K\3" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    return wrapper(dtype, b"K" + bytes([count]) + b"\x85", b"K\x10") + extra + b"\7" + b"\xff" * 7 + bytes(8 * count)


def wrapper(dtype: bytes, shape: bytes, align: bytes) -> bytes:
    made = stack_global("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81"
    state = b"}(" + text("subclass") + stack_global("numpy", "ndarray") + text("shape") + shape + text("order")
    state += text("C") + text("dtype") + dtype + text("allow_mmap") + b"\x88"
    return made + state + text("numpy_array_alignment_bytes") + align + b"ub"


OBJECTS = call(stack_global("numpy", "dtype"), text("O8"), b"\x89", b"\x88")


def joblibs() -> Iterator[Case]:
    after = pickled(array() + b"0" + call(stack_global("os", "system"), text("true")))
    yield Case("joblib: behind an array", "m.joblib", after)
    yield Case("joblib: between arrays", "m.joblib", pickled(array() + b"0" + EVIL[2:-1] + b"0" + array()))
    yield Case("joblib: in an array of objects", "m.joblib", pickled(wrapper(OBJECTS, b"K\1\x85", b"N") + EVIL))
    payload = call(stack_global("os", "system"), text("true"))
    dtype = call(stack_global("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
    alone = wrapper(dtype, b"K\1\x85", b"N") + b"C" + bytes([6 + len(payload)]) + bytes(6) + payload + b"0"
    usual = stack_global("joblib.numpy_pickle", "NumpyArrayWrapper")
    for module, name in (
        ("joblib", "numpy_pickle.NumpyArrayWrapper"),
        ("ours.joblib.numpy_pickle", "NumpyArrayWrapper"),
    ):
        other = alone.replace(usual, stack_global(module, name))
        yield Case(f"joblib: {module}.{name}, whose array hides what follows", "m.joblib", pickled(other))
    dots = b"." * 32
    dotted = array()[:-32] + dots
    yield Case("joblib: dots in an array", "m.joblib", pickled(dotted + b"0" + EVIL[2:-1]))
    dtype = call(stack_global("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
    code = (call(stack_global("os", "system"), text("true")) + b".").ljust(64, b".")
    bare = wrapper(dtype, b"K\x08\x85", b"N") + code
    yield Case("joblib: code as an array's bytes, for pickle.load", "m.joblib", pickled(bare + b"0N"))
    length = wrapper(dtype, b"K\x08\x85", b"K\x10") + b"N0" + bytes(76) + bytes(64)
    hidden = length.replace(b"N0" + bytes(40), (b"N0" + EVIL[2:]).ljust(42, b"\0"))
    yield Case(
        "joblib: code as padding, for pickle.load", "m.joblib", pickled(hidden + b"0N"), (DANGEROUS, UNSCANNABLE)
    )
    inside = array()
    framed = b"\x95" + struct.pack("<Q", len(inside) + 60) + inside + b"0" + EVIL[2:-1]
    yield Case("joblib: an array inside of a frame", "m.joblib", pickled(framed))
    rebuilt = call(stack_global("copyreg", "_reconstructor"), stack_global("joblib.numpy_pickle", "NumpyArrayWrapper"),
                   stack_global("builtins", "object"), b"N")  # fmt: skip
    yield Case("joblib: a wrapper without a state", "m.joblib", pickled(rebuilt + b"}b" + bytes(40) + EVIL[2:-1]))
    for name, pack in (("z", zlib.compress), ("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress),
                       ("lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE))):  # fmt: skip
        yield Case(f"joblib: compressed, {name}", f"m.joblib.{name}", pack(after))
        yield Case(f"compressed, {name}, without its name", "model.bin", pack(EVIL))
    yield Case(
        "joblib: compressed as it was before 0.10",
        "m.pkl",
        b"ZF" + hex(len(EVIL)).ljust(19).encode() + zlib.compress(EVIL),
    )
    yield Case("compressed at protocol 0", "m.gz", gzip.compress(evil(protocol=0)))
    yield Case("compressed twice", "m.gz.xz", lzma.compress(gzip.compress(EVIL)))
    yield Case("in the second of two streams", "m.gz", gzip.compress(GOOD) + gzip.compress(EVIL))
    yield Case("compressed, cut", "m.gz", gzip.compress(after + bytes(999))[:-30], (DANGEROUS, UNSCANNABLE))
    yield Case("compressed, damaged checksum", "m.gz", gzip.compress(GOOD)[:-8] + b"12345678", (UNSCANNABLE,))
    yield Case(
        "a bomb", "m.gz", gzip.compress(gzip.compress(bytes(64 << 20))), (DANGEROUS, UNSCANNABLE, "unknown-format")
    )


# archives


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these members, always the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def torch_archive(data: bytes, root: str = "archive") -> bytes:
    """What torch.save writes: the pickle, and the numbers of one tensor."""
    return zipped({f"{root}/data.pkl": data, f"{root}/data/0": bytes(range(64)), f"{root}/version": b"3\n"})


def _renamed(data: bytes, old: bytes, new: bytes, *, central: bool) -> bytes:
    """A member's name changed, in one of the two places only."""
    at = data.rfind(old) if central else data.find(old)
    return data[:at] + new + data[at + len(old) :]


def zips() -> Iterator[Case]:
    good = torch_archive(EVIL)
    yield Case("torch", "model.pt", good)
    yield Case("torch, another extension", "model.bin", good)
    yield Case("torch, no extension", "pytorch_model", good)
    crc = zlib.crc32(EVIL).to_bytes(4, "little")
    yield Case("torch, bad CRC", "model.pt", good.replace(crc, b"\1\2\3\4"))
    clean = torch_archive(GOOD)
    crc = zlib.crc32(GOOD).to_bytes(4, "little")
    yield Case("a good one, bad CRC", "model.pt", clean.replace(crc, b"\1\2\3\4"), (UNSCANNABLE,))
    yield Case(
        "torch, a member without a name of a pickle", "model.pt", zipped({"archive/data.pkl": GOOD, "archive/x": EVIL})
    )
    yield Case(
        "torch, in the place of a tensor", "model.pt", zipped({"a/data.pkl": GOOD, "a/data/0": EVIL, "a/version": b"3"})
    )
    for method, name in ((zipfile.ZIP_DEFLATED, "deflate"), (zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")):
        yield Case(f"zip, {name}", "m.zip", zipped({"m.pkl": EVIL + bytes(0)}, method))
    yield Case("zip in zip in zip", "m.zip", zipped({"a": zipped({"b": zipped({"c": EVIL})})}))
    yield Case("zip in a packed zip", "m.zip", zipped({"a.dat": zipped({"b.dat": EVIL})}, zipfile.ZIP_DEFLATED))
    deep = EVIL
    for _ in range(9):
        deep = zipped({"x": deep})
    yield Case("nine zips deep", "m.zip", deep, (UNSCANNABLE, DANGEROUS))
    local = _renamed(zipped({"aaaa.txt": EVIL}), b"aaaa.txt", b"data.pkl", central=False)
    yield Case("another name in front of the data", "m.zip", local)
    names = _renamed(zipped({"aaaa.txt": b"some text"}), b"aaaa.txt", b"data.pkl", central=False)
    yield Case("another name, harmless", "m.zip", names)
    flagged = bytearray(zipped({"m.pkl": EVIL}))
    flagged[6] |= 1
    flagged[flagged.rfind(b"PK\1\2") + 8] |= 1
    yield Case("the flag of encryption", "m.zip", bytes(flagged))
    flagged = bytearray(zipped({"m.txt": b"some text"}))
    flagged[6] |= 1
    yield Case("the flag of encryption in one place, harmless", "m.zip", bytes(flagged))
    yield Case("a member beside the directory", "m.zip", _beside())
    yield Case("no directory", "m.pt", zipped({"m.pkl": EVIL})[:-40])
    yield Case("two members of one name", "m.zip", _zip_twice())
    yield Case("a method nobody knows", "m.zip", zipped({"m.pkl": EVIL}).replace(b"\x14\0\0\0\0\0", b"\x14\0\0\0\x63\0"),
               (UNSCANNABLE, DANGEROUS))  # fmt: skip
    yield Case("a path upwards", "m.zip", zipped({"../../.bashrc": b"text"}))
    yield Case("an absolute path", "m.zip", zipped({"/etc/cron.d/x": b"text"}))
    yield Case("npz with a pickle", "m.npz", zipped({"a.npy": npy(EVIL)}))
    yield Case("npz, packed", "m.npz", zipped({"a.npy": npy(EVIL)}, zipfile.ZIP_DEFLATED))
    yield Case("npy of objects", "m.npy", npy(EVIL))
    yield Case("npy of a structure with objects", "m.npy", npy(EVIL, "[('a', '<f4'), ('b', '|O')]"))
    yield Case("npy of objects, cut", "m.npy", npy(EVIL[:-1]))
    yield Case("npy that says numbers", "m.npy", npy(EVIL, "'<f8'"))
    for name, magic in (("7z", b"7z\xbc\xaf\x27\x1c"), ("rar", b"Rar!\x1a\x07\0"), ("zst", b"\x28\xb5\x2f\xfd")):
        yield Case(name, f"m.{name}", magic + bytes(50), (UNSCANNABLE,))


def npy(data: bytes, descr: str = "'|O'") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def _beside() -> bytes:
    """Two members, one of which the directory doesn't name."""
    whole = zipped({"a.txt": b"text", "b.pkl": EVIL})
    start = whole.find(b"PK\1\2")
    second = whole.find(b"PK\1\2", start + 4)
    end = whole.rfind(b"PK\5\6")
    record = bytearray(whole[end:])
    record[8:10] = record[10:12] = b"\1\0"
    record[12:16] = struct.pack("<I", second - start)
    return whole[:second] + bytes(record)


def _zip_twice() -> bytes:
    whole = zipped({"a.pkl": GOOD, "b.pkl": EVIL})
    return whole.replace(b"b.pkl", b"a.pkl")


def tars() -> Iterator[Case]:
    for mode, name in (("w", "m.tar"), ("w:gz", "model.tar.gz"), ("w:xz", "m.tar.xz")):
        yield Case(f"tar {name}", name, _tar({"model/a.txt": b"text", "model/weights": EVIL}, mode))
    yield Case("tar, another name", "model.nemo", _tar({"x/model.ckpt": torch_archive(EVIL)}))
    yield Case("tar in zip", "m.zip", zipped({"inner.tar": _tar({"m.pkl": EVIL})}))
    yield Case("zip in tar.gz", "m.tgz", _tar({"a/b.zip": zipped({"c": EVIL}, zipfile.ZIP_DEFLATED)}, "w:gz"))
    yield Case("tar, a long name", "m.tar", _tar({"x" * 150 + "/m.pkl": EVIL}))
    yield Case("tar, cut", "m.tar", _tar({"a.txt": b"text" * 999})[:2000], (UNSCANNABLE,))
    yield Case("tar, a path upwards", "m.tar", _tar({"../m.txt": b"text"}))
    yield Case("tar, a link outwards", "m.tar", _tar_link())
    for target in ("/etc/passwd", "../../other", "a/../../b", r"..\other", r"C:\Windows"):
        yield Case(f"zip, a link to {target}", "m.zip", _zip_entry(0o120777, target.encode()), (DANGEROUS,))
        yield Case(f"tar, a link to {target}", "m.tar", _tar_link(target), (DANGEROUS,))
    yield Case("zip, a link longer than any path", "m.zip", _zip_entry(0o120777, b"x/" * 40_000), (DANGEROUS,))
    yield Case("zip, a device", "m.zip", _zip_entry(0o020666), (UNSCANNABLE,))
    yield Case("zip, a FIFO", "m.zip", _zip_entry(0o010666), (UNSCANNABLE,))
    yield Case("tar, behind its end", "m.tar", _tar({"a.txt": b"x"}) + _tar({"b.pkl": EVIL}), (UNSCANNABLE, DANGEROUS))


def _tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _tar_link(target: str = "/etc/passwd") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("m.pkl")
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)
    return buffer.getvalue()


def _zip_entry(mode: int, data: bytes = b"") -> bytes:
    """An archive with one member that is not a file, by the mode of Unix in its external attributes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("m.bin")
        info.create_system, info.external_attr = 3, mode << 16
        archive.writestr(info, data)
    return buffer.getvalue()


# other formats


def others() -> Iterator[Case]:
    layer = {
        "class_name": "Functional",
        "config": {"layers": [{"class_name": "Lambda", "config": {"function": "4wEA"}}]},
    }
    config = json.dumps(layer).encode()
    yield Case("Keras: a Lambda layer", "m.keras", zipped({"metadata.json": b"{}", "config.json": config}))
    yield Case(
        "Keras: a Lambda layer, escaped", "m.keras", zipped({"config.json": config.replace(b"Lambda", b"\\u004cambda")})
    )
    yield Case("Keras: a Lambda layer in json", "model.json", config)
    escaped = config.replace(b"class_name", b"class\\u005fname")
    yield Case("Keras: an escaped key", "m.keras", zipped({"metadata.json": b"{}", "config.json": escaped}))
    module = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}
    yield Case("Keras: a function of a module", "m.keras", zipped({"config.json": json.dumps(module).encode()}))
    yield Case("Keras: HDF5", "m.h5", b"\x89HDF\r\n\x1a\n" + bytes(3 << 20) + config)
    yield Case("Keras: HDF5, escaped", "m.h5", b"\x89HDF\r\n\x1a\n" + config.replace(b"Lambda", b"\\u004cambda"))
    yield Case("ONNX: data above", "m.onnx", onnx("../../etc/passwd"))
    yield Case("ONNX: data by an absolute path", "m.onnx", onnx("/etc/passwd"))
    yield Case("ONNX: data in a subgraph", "m.onnx", onnx("..\\x", deep=True))
    node = {"__module__": "operator", "__class__": "methodcaller", "__loader__": "ObjectNode", "content": {}}
    yield Case("skops: a type", "m.skops", zipped({"schema.json": json.dumps({**node, "protocol": 2}).encode()}))
    function = {
        "__class__": "function",
        "__module__": "builtins",
        "content": {"module_path": "os", "function": "system"},
    }
    yield Case("skops: a function", "m.skops", zipped({"schema.json": json.dumps(function).encode()}))
    yield Case("PyTables", "m.h5", b"\x89HDF\r\n\x1a\n" + bytes(99) + b"PYTABLES_FORMAT_VERSION", (UNKNOWN,))
    tensorflow = _field(1, _field(1, b"a") + _field(2, b"WriteFile"))
    saved = b"\x08\x01" + _field(2, _field(2, tensorflow))
    yield Case("TensorFlow: a graph that writes", "saved_model.pb", saved)
    yield Case(
        "jsonpickle: a call",
        "m.json",
        b'{"a": [{"py/reduce": [{"py/function": "posix.system"}, {"py/tuple": ["x"]}]}]}',
    )
    yield Case("jsonpickle: a class", "m.json", b'{"py/object": "ours.models.Churn", "a": 1}', (UNKNOWN,))
    yield Case("jsonpickle: a reduction", "m.json", b'{"py/reduce": [{"py/id": 1}]}', (UNKNOWN,))
    yield Case("jsonpickle: code", "m.json", b'{"py/repr": "os/os.getcwd()"}')
    serialized = b'{"policy_class": {":type:": "x", ":serialized:": "gASVAAAA"}}'
    yield Case("Stable-Baselines3", "m.zip", zipped({"data": serialized}), (UNKNOWN,))
    parent = b'{"auto_mapping": {"base_model_class": "X", "parent_library": "ours"}}'
    yield Case("PEFT: a library", "adapter_config.json", parent, (UNKNOWN,))
    yield Case("YAML", "config.yaml", b"model: !!python/object/apply:os.system ['true']\n")


def _field(number: int, data: bytes) -> bytes:
    length, size = b"", len(data)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return (
        bytes([number << 3 & 127 | 2 | (128 if number > 15 else 0)])
        + (bytes([number >> 4]) if number > 15 else b"")
        + (length + bytes([size]) + data)
    )


def onnx(location: str, *, deep: bool = False) -> bytes:
    entry = _field(1, b"location") + _field(2, location.encode())
    tensor = b"\x08\x04\x10\x01" + _field(8, b"weights") + _field(13, entry)
    graph = _field(5, tensor)
    if deep:
        graph = _field(1, _field(4, b"If") + _field(5, _field(1, b"then") + _field(6, graph)))
    return b"\x08\x09" + _field(2, b"test") + _field(7, graph)


def cases() -> list[Case]:
    makers = (known_tricks, ways_of_calling, hooks, memo_games, two_readings, positions, joblibs, zips, tars, others)
    return [case for make in makers for case in make()]
