"""Make the allow-list of the scan: what pickles of real frameworks refer to, and what they do with it.

Three steps, by hand, when a framework has a new release:

    python make_allow_list.py library /usr/lib/python2.7 /usr/lib/python3.8 …   # folders of old interpreters' libraries
    VENV/bin/python make_allow_list.py collect FOUND.json                       # in an environment with frameworks
    python make_allow_list.py merge FOUND.json …                                # writes registry_cli/scan/pickle/data

``collect`` makes objects, fits small models, pickles them under protocols 2 to 5, with joblib and with torch, and walks the
pickles as the scan does. A name counts only if it is defined in the module that the pickle names, and if what Python calls
when its objects are loaded was looked at: see ``check``. ``merge`` joins what was found in several environments; entries
that are already there stay, so that releases that can't be installed any more remain known.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "registry_cli" / "scan" / "pickle" / "data"

#: Names that are defined elsewhere than in the module that honest pickles name, and why they count all the same.
ELSEWHERE = {
    # compiled by Cython in a module whose name lacks the package, up to scikit-learn 1.8
    "_loss.": "sklearn._loss._loss",
    # functions that numpy writes under the name of the module that uses them
    "numpy.core.multiarray._reconstruct": "numpy", "numpy.core.multiarray.scalar": "numpy",
    "numpy._core.multiarray._reconstruct": "numpy", "numpy._core.multiarray.scalar": "numpy",
    "numpy._core.numeric._frombuffer": "numpy", "numpy.core.numeric._frombuffer": "numpy",
    "pandas._libs.internals._unpickle_block": "pandas",
    "torch._tensor._rebuild_from_type_v2": "torch",
}  # fmt: skip
#: What could run something else when it is loaded.
SUSPICIOUS = re.compile(
    r"\b(exec|eval|compile|__import__|import_module|open|load|loads|system|Popen|partial|from_file|read\w*)\s*\("
    r"|getattr\([^)]*\)\s*\("
)
HOOKS = (
    "__setstate__",
    "__new__",
    "__del__",
    "__setattr__",
    "__hash__",
    "__eq__",
    "__setitem__",
    "append",
    "extend",
    "add",
)
#: Classes whose hooks look suspicious, and were read: what they call is their own, or fixed.
REVIEWED = {
    # __setstate__ hands bytes or text of the state to the reader of the library's own format
    "xgboost.core.Booster", "xgboost.core.DMatrix", "lightgbm.basic.Booster", "catboost.core.CatBoost",
    "catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor", "catboost.core.CatBoostRanker",
    # __setstate__ of what was written before 2018: it puts parts of the state into the tensor
    "torch.Tensor", "torch.nn.parameter.Parameter",
}  # fmt: skip
#: What is never listed, whatever honest pickles do with it.
NEVER = re.compile(
    r"(scipy\.stats\._distn_infrastructure|scipy\.stats\._continuous_distns|scipy\.stats\._discrete_distns|"
    r"joblib\.(externals|memory\.(?!Memory$)|parallel|func_inspect)|sklearn\.externals|cloudpickle|dill|__main__|importlib|"
    r"builtins\.(eval|exec|compile|__import__|open|map|filter|apply)$|tests?\b|.*\btesting\b|numba|llvmlite|"
    r"cmdstanpy\.model|numpy\.vectorize|.*\.__new__$|cython\.|torch\.(jit|fx|hub|package|_dynamo|serialization|utils|distributed)|types\.(Code|Function))"
)


def library(folders: list[str]) -> None:
    """Write the names of all top-level modules of Python's library: of this interpreter, and of the folders of others."""
    path = FOLDER / "library.json"
    known = set(json.loads(path.read_text())["modules"]) if path.exists() else set()
    known |= set(sys.stdlib_module_names)
    for folder in folders:
        for each in [*Path(folder).iterdir(), *Path(folder).glob("lib-dynload/*"), *Path(folder).glob("lib-*/*.py")]:
            name = each.name.partition(".")[0]
            if (each.suffix in (".py", ".so") or (each / "__init__.py").exists()) and name.isidentifier():
                known.add(name)
    known -= {"site", "sitecustomize", "usercustomize"} & set()
    path.write_text(json.dumps({"modules": sorted(known)}, separators=(",", ":")) + "\n")


#: By package, by module, by name: what may be done.
Names = dict[str, dict[str, dict[str, set[str]]]]
#: What is added by hand, since the rest of it is judged by itself, or since no sample could be made.
ADDED = {
    ("copyreg", "_reconstructor"): "call(@,@builtins.object|@builtins.dict|@builtins.list|@builtins.set|@builtins.str|@builtins.tuple|"
    "@builtins.int|@builtins.float,number|dict|dict+|list|list+|tuple|tuple+|text)",
    ("copyreg", "__newobj__"): "call(@)",
    ("functools", "partial"): "call(@) state(tuple)",
    ("operator", "itemgetter"): "call(number|text...)",
    ("collections", "defaultdict"): "call(@) call(=functools.partial)",
    ("collections", "OrderedDict"): "call(list|list+) state(dict)",
    ("collections", "deque"): "call(tuple,number) call(list) call(list,number)",
    ("builtins", "set"): "call(list|list+)", ("builtins", "frozenset"): "call(list|list+)",
    ("builtins", "bytes"): "call(list|bytes) call(text,text)", ("builtins", "type"): "refer",
    ("builtins", "object"): "new call() refer", ("builtins", "list"): "call() items(list)", ("builtins", "dict"): "call() items(dict)",
    ("datetime", "datetime"): "call(bytes) call(bytes,=datetime.timezone|=zoneinfo.ZoneInfo._unpickle|=pytz._UTC|=pytz._p|"
    "=dateutil.tz.tz.tzutc|=dateutil.tz.tz.tzlocal)",
    **{("pathlib" + module, name): "call(text...) refer" for module in ("", "._local") for name in (
        "Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")},
    ("re", "_compile"): "call(text|bytes,number)", ("re", "compile"): "refer", ("uuid", "SafeUUID"): "call(number) refer",
    ("pytz", "_UTC"): "call()", ("argparse", "Namespace"): "new call() state(dict) refer",
    ("torch.storage", "_load_from_bytes"): "call(bytes)",
    ("torch.serialization", "_get_layout"): "call(text)",
    ("torch._utils", "_rebuild_tensor"): "call(=torch.storage._load_from_bytes|persistent,number,tuple,tuple) refer",
    ("torch._tensor", "_rebuild_from_type_v2"): "call(@torch._utils._rebuild_tensor_v2|@torch._utils._rebuild_tensor|"
    "@torch._utils._rebuild_sparse_tensor|@torch._utils._rebuild_qtensor|@torch._utils._rebuild_parameter,"
    "@torch.Tensor|@torch.nn.parameter.Parameter|@torch.nn.parameter.Buffer,tuple+,dict|dict+|tuple|tuple+)",
    **{("torch", name): "refer" for name in ["float32", "float64", "float16", "bfloat16", "float", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "complex32", "complex64", "complex128", "double", "half", "int", "short", "long", "qint8", "quint8", "qint32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "strided", "sparse_coo", "sparse_csr", "contiguous_format", "channels_last", "preserve_format", "per_tensor_affine", "per_channel_affine", "ByteStorage", "CharStorage", "ShortStorage", "IntStorage", "LongStorage", "HalfStorage", "BFloat16Storage", "FloatStorage", "DoubleStorage", "BoolStorage", "ComplexFloatStorage", "ComplexDoubleStorage", "QInt8Storage", "QUInt8Storage", "QInt32Storage", "UntypedStorage", "Tensor", "Size", "device", "relu", "tanh", "sigmoid"]},
    **{("torch.cuda", f"{name}Storage"): "refer" for name in ["Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double", "Bool"]},
    **{("torch.jit._pickle", f"build_{name}list"): "call(list)" for name in ("int", "double", "bool")},
    ("torch.jit._pickle", "build_tensorlist"): "call(list+)", ("torch.jit._pickle", "build_tensor_from_id"): "call(number)",
    ("torch.jit._pickle", "restore_type_tag"): "call(list|list+|dict|dict+,text)",
    ("torch.storage", "UntypedStorage"): "refer", ("torch.storage", "TypedStorage"): "refer",
}  # fmt: skip


# collecting


def collect(target: str) -> None:
    """Walk the pickles of this environment's frameworks, and write down what they do."""
    from tests.scan import honest_pickles

    uses: dict[tuple[str, str], set[tuple[str, tuple[str, ...]]]] = {}
    for label, data in honest_pickles.every():
        for module, name, how, kinds in walked(data):
            uses.setdefault((module, name), set()).add((how, kinds))
        print(label, file=sys.stderr)
    for module, name, how, kinds in honest_pickles.defined():
        uses.setdefault((module, name), set()).add((how, kinds))
    found = []
    for (module, name), done in sorted(uses.items()):
        problem = check(module, name)
        found.append({"module": module, "name": name, "uses": sorted(done), "problem": problem})
        if problem:
            print(f"left out: {module}.{name}: {problem}", file=sys.stderr)
    releases = {each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"]}
    Path(target).write_text(json.dumps({"releases": releases, "found": found}))


def walked(data: bytes) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """What a pickle does with each global."""
    from registry_cli.inspect.binary.limits import Budget
    from registry_cli.inspect.binary.sources import MemorySource, SequentialReader
    from registry_cli.scan.pickle.global_verdicts import rename_global, rename_kind
    from registry_cli.scan.pickle.stream_analysis import analyse_stream

    found = analyse_stream(lambda: SequentialReader(MemorySource(data)), Budget())
    if not found.complete or found.anomalies:
        print("  odd:", found.why, [each.what for each in found.anomalies], file=sys.stderr)
    for use in found.uses:
        yield *rename_global(use.module, use.name), use.how, tuple(map(rename_kind, use.kinds))


def check(module: str, name: str) -> str:
    """Why a name that honest pickles have is not listed all the same; empty if it is."""
    path = f"{module}.{name}"
    if NEVER.match(path) or NEVER.match(module):
        return "never"
    if any(path.startswith(each) if each.endswith(".") else path == each for each in ELSEWHERE):
        return ""
    try:
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except Exception as error:
        return f"{type(error).__name__}"
    if inspect.ismodule(value):
        return "a module"
    home = getattr(value, "__module__", None)
    if home not in (module, None) or getattr(value, "__qualname__", name) != name:
        return f"defined as {home}.{getattr(value, '__qualname__', name)}"
    return check_hooks(value, path) if inspect.isclass(value) else ""


def check_hooks(value: type, path: str) -> str:
    """What among the methods that loading calls looks as if it could run something else."""
    if path in REVIEWED:
        return ""
    for base in value.__mro__:
        if base.__module__ == "builtins":
            continue
        for hook in HOOKS:
            method = vars(base).get(hook)
            if method is None or not hasattr(method, "__code__"):
                continue
            try:
                source = inspect.getsource(method)
            except (OSError, TypeError):
                continue
            body = re.sub(r"\b(super\(\)\.|self\.)?__\w+__\(|getattr\((self|other|cls|super\(\))", "", source)
            if match := SUSPICIOUS.search(body):
                return f"{base.__qualname__}.{hook} calls {match[1]}"
    return ""


# merging


def merge(paths: list[str]) -> None:
    """Join what was found in several environments with what is there, one file for each package."""
    from registry_cli.scan.pickle.allow_list import standard_library

    names: Names = {}
    releases: dict[str, dict[str, set[str]]] = {}
    for path in paths:
        document = json.loads(Path(path).read_text())
        for each in document["found"]:
            if each["problem"]:
                continue
            top = each["module"].partition(".")[0]
            family = "python" if top in standard_library() else top
            uses = names.setdefault(family, {}).setdefault(each["module"], {}).setdefault(each["name"], set())
            if (each["module"], each["name"]) != ("builtins", "getattr"):  # what it gives is a global of its own
                uses |= {_written(how, tuple(kinds)) for how, kinds in each["uses"] if how != "import"}
            distribution = honest_distribution(top)
            if distribution in document["releases"]:
                releases.setdefault(family, {}).setdefault(distribution, set()).add(document["releases"][distribution])
    _add_by_hand(names)
    _gather_small(names, releases)
    for old in FOLDER.glob("*.json"):
        if old.name not in ("library.json",):
            old.unlink()
    for family, modules in sorted(names.items()):
        _write(family, modules, releases.get(family, {}))


def _add_by_hand(names: Names) -> None:
    from registry_cli.scan.pickle.allow_list import standard_library

    for (module, name), written in ADDED.items():
        top = module.partition(".")[0]
        family = "python" if top in standard_library() else top
        uses = names.setdefault(family, {}).setdefault(module, {}).setdefault(name, set())
        if any(use.startswith("call(@") for use in written.split()):
            uses.difference_update([use for use in uses if use.startswith("call(") and use != "call()"])
        uses |= set(written.split())


def _gather_small(names: Names, releases: dict[str, dict[str, set[str]]]) -> None:
    """Packages with few names share a file."""
    small = [family for family, modules in names.items() if sum(map(len, modules.values())) < 12 and family != "python"]
    for family in small:
        names.setdefault("others", {}).update(names.pop(family))
        for name, versions in releases.pop(family, {}).items():
            releases.setdefault("others", {}).setdefault(name, set()).update(versions)


def honest_distribution(top: str) -> str:
    """What the package is called that has this module."""
    from tests.scan import honest_pickles

    return honest_pickles.DISTRIBUTIONS.get(top, top)


def _write(family: str, modules: dict[str, dict[str, set[str]]], releases: dict[str, set[str]]) -> None:
    document: dict[str, Any] = {"releases": {name: sorted(found) for name, found in sorted(releases.items())}}
    document["modules"] = {}
    for module, names in sorted(modules.items()):
        by_use: dict[str, list[str]] = {}
        for name, uses in sorted(names.items()):
            by_use.setdefault(" ".join(_joined(uses)), []).append(name)
        document["modules"][module] = {use: " ".join(found) for use, found in sorted(by_use.items())}
    text = json.dumps(document, indent=0, separators=(",", ":"))
    assert len(text) < 100_000, family
    (FOLDER / f"{family}.json").write_text(text + "\n")


def _written(how: str, kinds: tuple[str, ...]) -> str:
    return f"{how}({','.join(kinds)})" if kinds or how == "call" else how


def _joined(uses: set[str]) -> list[str]:
    """Uses with equally many arguments as one, the kinds at each place joined."""
    places: dict[tuple[str, int], list[set[str]]] = {}
    plain = set()
    for use in uses:
        how, bracket, rest = use.partition("(")
        kinds = rest.removesuffix(")").split(",") if rest != ")" and bracket else []
        if not kinds:
            plain.add(use)
            continue
        known = places.setdefault((how, len(kinds)), [set() for _ in kinds])
        for place, kind in zip(known, kinds, strict=True):
            place |= set(kind.split("|"))
    joined = {
        f"{how}({','.join('|'.join(sorted(_wider(each))) for each in found)})" for (how, _), found in places.items()
    }
    return sorted(plain | joined)


def _wider(kinds: set[str]) -> set[str]:
    """What stands at one place."""
    return kinds


if __name__ == "__main__":
    step, *rest = sys.argv[1:]
    if step == "collect":
        collect(rest[0])
    else:
        {"library": library, "merge": merge}[step](rest)
