"""Export as an MLflow model: ``MLmodel`` beside the files, for ``mlflow models predict`` and ``pyfunc``.

The flavor follows from what is known of the files, and is never guessed. A version that has a ``MLmodel`` already is
exported unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.lazy_dataclass import dataclass, field
from ...core.records import Artifact, ModelRecord, VersionRecord
from ...errors import InvalidInput
from .. import exported_files
from ..cards.card_inputs import CardInput
from ..source_tree import drop_empty, lookup, lookup_list, lookup_text
from . import mlflow_store

FLAVORS = ("sklearn", "xgboost", "lightgbm", "onnx", "pytorch")

_PICKLES = (".pkl", ".pickle", ".joblib", ".skops", ".sav")
_SQUEEZED = (".gz", ".z", ".bz2", ".xz", ".lzma")
_SUFFIXES = {
    "sklearn": (*_PICKLES, *(f"{suffix}{end}" for suffix in (".pkl", ".joblib") for end in _SQUEEZED)),
    "xgboost": (".json", ".ubj", ".xgb", ".bst", ".model"),
    "lightgbm": (".txt", ".lgb", ".model"),
    "onnx": (".onnx",),
    "pytorch": (".pt", ".pth", ".pt2"),
}
#: The flavor of each framework.
_FLAVOR_OF = {"sklearn": "sklearn", "xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnx", "torch": "pytorch"}
#: Files beside a model that are not the model.
_BESIDE = frozenset(
    {"requirements.txt", "config.json", "metrics.json", "params.json", "metadata.json", "input_example.json"}
)
#: The module that loads a model written by ``joblib``, which no flavor of MLflow does.
LOADER = "joblib_loader"
LOADER_CODE = '''"""Loads a model that joblib has written, for MLflow's python_function."""

import joblib


def _load_pyfunc(path):
    return joblib.load(path)
'''


@dataclass(frozen=True, eq=False, repr=False)
class FlavorExport:
    """How a model is exported: the ``flavors`` of its ``MLmodel`` by name, and the ``packages`` that load it.

    ``moved`` are files that get another path, ``added`` the text files that MLflow needs besides.
    """

    flavors: dict[str, dict[str, Any]]
    packages: tuple[str, ...]
    moved: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve_flavor(artifact: Artifact, flavor: str | None) -> FlavorExport:
    """The flavor of an artifact: ``flavor``, or the one that is detected. Raises :class:`InvalidInput` if there is none."""
    if flavor is not None and flavor not in FLAVORS:
        raise InvalidInput(f"unknown flavor '{flavor}'", f"available: {', '.join(FLAVORS)}")
    name = flavor or _detect_flavor(artifact)
    if not name:
        raise InvalidInput(
            f"the framework of {artifact.version.ref} is unknown, so MLflow could not load it",
            f"specify it with `flavor`: {', '.join(FLAVORS)}",
        )
    return _MAKERS[name](artifact, _main_file(artifact, name))


def _detect_flavor(artifact: Artifact) -> str:
    if lookup_text(artifact.version.lineage, "format").startswith("onnx"):
        return "onnx"
    flavor = _FLAVOR_OF.get(exported_files.get_framework(artifact.version)[0], "")
    if flavor in ("xgboost", "lightgbm") and not _files(artifact, flavor) and _files(artifact, "sklearn"):
        return "sklearn"  # a wrapper with scikit-learn's interface, pickled: MLflow's sklearn flavor loads it
    return flavor


def _files(artifact: Artifact, flavor: str) -> list[str]:
    """The files that can be a model of a flavor, by their names."""
    paths = (entry.path for entry in artifact.files if entry.path.rpartition("/")[2] not in _BESIDE)
    return [path for path in paths if path.lower().endswith(_SUFFIXES[flavor])]


def _main_file(artifact: Artifact, flavor: str) -> str:
    """The one file that is the model."""
    found = _files(artifact, flavor)
    if len(found) == 1:
        return found[0]
    ref, listed = artifact.version.ref, ", ".join(_SUFFIXES[flavor])
    if not found:
        raise InvalidInput(f"{ref} has no file that {flavor} can load", f"expected a file name ending in {listed}")
    raise InvalidInput(
        f"{len(found):,} files of {ref} could be the model: {', '.join(found[:4])}", "exactly one is required"
    )


def _release(artifact: Artifact, framework: str) -> str | None:
    """The release of a framework, if it is the one that the version was made with."""
    name, release = exported_files.get_framework(artifact.version)
    return release or None if name == framework else None


def _package(artifact: Artifact, framework: str) -> str:
    package, release = exported_files.PACKAGES[framework], _release(artifact, framework)
    return f"{package}=={release}" if release else package


def _make_export(
    name: str, flavor: dict[str, Any], generic: dict[str, Any], packages: tuple[str, ...], **more: Any
) -> FlavorExport:
    """An export with a flavor of MLflow and the generic one that loads by its module."""
    generic = {"loader_module": f"mlflow.{name}", **generic}
    return FlavorExport({"python_function": generic, name: {**flavor, "code": None}}, packages, **more)


def _sklearn(artifact: Artifact, path: str) -> FlavorExport:
    packages = [_package(artifact, "sklearn")]
    framework, _ = exported_files.get_framework(artifact.version)
    if framework in ("xgboost", "lightgbm"):  # a model that scikit-learn's interface wraps
        packages.append(_package(artifact, framework))
    how = _serialization(artifact, path)
    if how == "joblib":
        generic = {"loader_module": LOADER, "code": "code", "data": path}
        note = "saved with joblib: loadable with mlflow.pyfunc only, not mlflow.sklearn"
        added = {f"code/{LOADER}.py": LOADER_CODE}
        return FlavorExport({"python_function": generic}, (*packages, "joblib"), added=added, notes=(note,))
    flavor: dict[str, Any] = {"pickled_model": path, "serialization_format": how}
    flavor["sklearn_version"] = _release(artifact, "sklearn")
    notes: tuple[str, ...] = ()
    if how == "skops":
        packages.append("skops")
        if trusted := lookup(artifact.version.lineage, "contents", "other_modules"):
            listed = ", ".join(map(str, trusted))
            notes = (f"skops requires trust in {listed}: add them to skops_trusted_types in MLmodel if you trust them",)
        flavor |= {"code": None, "skops_trusted_types": None}
    return _make_export("sklearn", flavor, {"model_path": path, "predict_fn": "predict"}, tuple(packages), notes=notes)


def _serialization(artifact: Artifact, path: str) -> str:
    """How a scikit-learn model was written: ``skops``, ``joblib``, ``cloudpickle`` or ``pickle``."""
    head = exported_files.read_head(artifact, path, 4)
    if head.startswith(b"PK"):
        return "skops"
    # A pickle of protocol 0 or 1 does not begin with \x80.
    is_pickle = head.startswith(b"\x80") or artifact.version.lineage.get("format") == "pickle"
    if not is_pickle or _contains(artifact, path, b"joblib.numpy_pickle"):
        return "joblib"  # compressed, or with its arrays between the opcodes: pickle alone can't read either
    return "cloudpickle" if _contains(artifact, path, b"cloudpickle") else "pickle"


def _contains(artifact: Artifact, path: str, word: bytes) -> bool:
    with (artifact.folder / path).open("rb") as stream:
        tail = b""
        while block := stream.read(1 << 20):
            if word in tail + block:
                return True
            tail = block[-len(word) :]
    return False


def _xgboost(artifact: Artifact, path: str) -> FlavorExport:
    kind = "json" if exported_files.read_head(artifact, path, 2).lstrip().startswith(b'{"') else "ubj"
    moved = (
        {} if path.endswith((".json", ".ubj")) else {path: f"{path}.{kind}"}
    )  # XGBoost detects the format by the suffix
    data = {"data": moved.get(path, path)}
    release = {"xgb_version": _release(artifact, "xgboost")}
    flavor = {**data, "model_class": "xgboost.core.Booster", "model_format": kind, **release}
    return _make_export("xgboost", flavor, data, (_package(artifact, "xgboost"),), moved=moved)


def _lightgbm(artifact: Artifact, path: str) -> FlavorExport:
    release = {"lgb_version": _release(artifact, "lightgbm")}
    flavor = {"data": path, "model_class": "lightgbm.basic.Booster", **release}
    return _make_export("lightgbm", flavor, {"data": path}, (_package(artifact, "lightgbm"),))


def _onnx(artifact: Artifact, path: str) -> FlavorExport:
    if "/" in path:  # MLflow looks for MLmodel beside it
        raise InvalidInput(
            f"'{path}' of {artifact.version.ref} is in a subfolder, where MLflow does not find it",
            "register the folder",
        )
    options = {"onnx_version": None, "providers": ["CPUExecutionProvider"], "onnx_session_options": None}
    return _make_export("onnx", {"data": path, **options}, {"data": path}, ("onnx", "onnxruntime"))


def _pytorch(artifact: Artifact, path: str) -> FlavorExport:
    lineage = artifact.version.lineage
    words = f"{lookup_text(lineage, 'format')} {lookup_text(lineage, 'contents', 'kind')}".lower()
    if path.endswith(".pt2"):
        moved, added = {path: "data/model.pt2"}, {}
    elif any(word in words for word in ("torchscript", "module")):
        moved, added = {path: "data/model.pth"}, {"data/pickle_module_info.txt": "mlflow.pytorch.pickle_module"}
    else:
        raise InvalidInput(
            f"{artifact.version.ref} contains PyTorch weights without the model code",
            "MLflow can load a whole module, TorchScript, or a torch.export file",
        )
    flavor = {"model_data": "data", "pytorch_version": _release(artifact, "torch")}
    generic = {"data": "data", "pickle_module_name": "mlflow.pytorch.pickle_module"}
    return _make_export("pytorch", flavor, generic, (_package(artifact, "torch"),), moved=moved, added=added)


_MAKERS: dict[str, Callable[[Artifact, str], FlavorExport]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "onnx": _onnx,
    "pytorch": _pytorch,
}


_REQUIREMENTS, _ENVIRONMENT = "requirements.txt", "python_env.yaml"
_NUMPY = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)


def write(artifact: Artifact, card: CardInput, target: Path, *, flavor: str | None = None) -> list[str]:
    """Write the folder ``target``. Returns what the format has no place for.

    Raises :class:`InvalidInput` when the flavor is neither known nor given, or MLflow has no way to load the files.
    """
    version = artifact.version
    if exported_files.has_file(artifact, mlflow_store.NAME):
        exported_files.copy_files(artifact, target)
        ignored = [f"flavor {flavor}: the model declares its own"] if flavor else []
        return [*exported_files.list_lost_beside(version, mlflow_store.NAME), *ignored]
    export = resolve_flavor(artifact, flavor)
    exported_files.copy_files(artifact, target)
    for path, place in export.moved.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / path).rename(target / place)
    for path, text in export.added.items():
        exported_files.write_text(target / path, text)
    notes = [*export.notes, *_write_environment(artifact, export, target)]
    exported_files.write_yaml(target / mlflow_store.NAME, _document(version, export, card.model))
    return [*exported_files.list_lost(version, "message", "params", "metrics", "tags"), *notes]


def _write_environment(artifact: Artifact, export: FlavorExport, target: Path) -> list[str]:
    """Write the files that say what loads the model. Returns what is not known of that."""
    notes = []
    if not exported_files.has_file(artifact, _REQUIREMENTS):
        exported_files.write_text(target / _REQUIREMENTS, "".join(f"{line}\n" for line in ("mlflow", *export.packages)))
        if loose := [package for package in export.packages if "==" not in package]:
            notes.append(f"the version of {', '.join(loose)} is unknown: {_REQUIREMENTS} does not pin it")
    python = exported_files.get_python_release(artifact.version)
    if python and not exported_files.has_file(artifact, _ENVIRONMENT):
        document = {"python": python, "build_dependencies": ["pip"], "dependencies": [f"-r {_REQUIREMENTS}"]}
        exported_files.write_yaml(target / _ENVIRONMENT, document)
    elif not python:
        notes.append("the Python version is unknown: run it with --env-manager local")
    return notes


def _document(version: VersionRecord, export: FlavorExport, model: ModelRecord) -> dict[str, Any]:
    if python := exported_files.get_python_release(version):
        export.flavors["python_function"] |= {"python_version": python, "env": {"virtualenv": _ENVIRONMENT}}
    metadata = {
        "registry": {"ref": version.ref, "digest": f"sha256:{version.digest}", "author": version.author},
        "message": version.message,
        "model_description": model.description,
        "params": dict(version.params),
        "metrics": dict(version.metrics),
        "tags": dict(version.tags),
    }
    return drop_empty(
        {
            "flavors": export.flavors,
            "metadata": drop_empty(metadata),
            "model_uuid": version.digest[:32],
            "utc_time_created": version.created.replace("T", " ").removesuffix("Z"),
            "signature": _signature(version),
        }
    )


def _signature(version: VersionRecord) -> dict[str, Any]:
    """Inputs and outputs, if each is a tensor of a known type: MLflow casts its input to these types."""
    sides = {name: _tensors(lookup_list(version.lineage, "contents", name)) for name in ("inputs", "outputs")}
    if lookup_text(version.lineage, "format") != "onnx" or not sides["inputs"]:
        return {}
    return {**{name: json.dumps(side) if side else None for name, side in sides.items()}, "params": None}


def _tensors(side: list[Any]) -> list[dict[str, Any]]:
    found = []
    for each in side:
        dtype, shape = lookup_text(each, "type"), lookup(each, "shape")
        if dtype not in _NUMPY or not isinstance(shape, (list, tuple)):
            return []
        sizes = [size if isinstance(size, int) else -1 for size in shape]
        spec = {"dtype": dtype, "shape": sizes}
        found.append({"name": lookup_text(each, "name"), "type": "tensor", "tensor-spec": spec})
    return found
