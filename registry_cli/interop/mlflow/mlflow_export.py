"""Export as an MLflow model: ``MLmodel`` beside the files, for ``mlflow models predict`` and ``pyfunc``.

The flavor follows from what is known of the files, and is never guessed. A version that has a ``MLmodel`` already leaves
as it is.
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
from ..source_tree import lookup, text_or_empty
from . import mlflow_records

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
#: What the readers of formats call what MLflow calls so.
_OF_FRAMEWORK = {"sklearn": "sklearn", "xgboost": "xgboost", "lightgbm": "lightgbm", "onnx": "onnx", "torch": "pytorch"}
#: Files that stand beside a model and are none.
_BESIDE = frozenset(
    {"requirements.txt", "config.json", "metrics.json", "params.json", "metadata.json", "input_example.json"}
)
#: The module that loads what ``joblib`` has written: no flavor of MLflow does.
LOADER = "joblib_loader"
LOADER_CODE = '''"""Loads a model that joblib has written, for MLflow's python_function."""

import joblib


def _load_pyfunc(path):
    return joblib.load(path)
'''


@dataclass(frozen=True, eq=False, repr=False)
class FlavorExport:
    """What ``MLmodel`` says of a model: its flavors by name. ``moved`` are files that get another path, ``added`` text files
    that MLflow needs besides, ``packages`` what loads it.
    """

    flavors: dict[str, dict[str, Any]]
    packages: tuple[str, ...]
    moved: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve_flavor(artifact: Artifact, flavor: str | None) -> FlavorExport:
    """The flavor of an artifact: ``flavor``, if given, else what is known of it. :class:`InvalidInput` if that is nothing."""
    if flavor is not None and flavor not in FLAVORS:
        raise InvalidInput(f"there is no flavor '{flavor}'", f"there are: {', '.join(FLAVORS)}")
    name = flavor or _detect_flavor(artifact)
    if not name:
        raise InvalidInput(
            f"what {artifact.version.ref} is made with is not known, so MLflow could not load it",
            f"say it with --flavor: {', '.join(FLAVORS)}",
        )
    return _MAKERS[name](artifact, _main_file(artifact, name))


def _detect_flavor(artifact: Artifact) -> str:
    lineage = artifact.version.lineage
    kind = text_or_empty(lineage.get("format"))
    framework, _ = exported_files.get_framework(artifact.version)
    if kind.startswith("onnx"):
        return "onnx"
    flavor = _OF_FRAMEWORK.get(framework, "")
    if (
        flavor in ("xgboost", "lightgbm")
        and _files(artifact, _SUFFIXES["sklearn"])
        and not _files(artifact, _SUFFIXES[flavor])
    ):
        return "sklearn"  # a wrapper in scikit-learn's manner, pickled: MLflow's sklearn flavor loads it
    return flavor


def _files(artifact: Artifact, suffixes: tuple[str, ...]) -> list[str]:
    return [
        entry.path
        for entry in artifact.files
        if entry.path.lower().endswith(suffixes) and entry.path.rpartition("/")[2] not in _BESIDE
    ]


def _main_file(artifact: Artifact, flavor: str) -> str:
    """The one file that is the model."""
    found = _files(artifact, _SUFFIXES[flavor])
    if len(found) == 1:
        return found[0]
    ref, listed = artifact.version.ref, ", ".join(_SUFFIXES[flavor])
    if not found:
        raise InvalidInput(f"no file of {ref} can be a model of {flavor}", f"its name would end with one of {listed}")
    raise InvalidInput(f"{len(found):,} files of {ref} could be the model: {', '.join(found[:4])}", "only one may be")


def _generic(loader: str, **more: Any) -> dict[str, Any]:
    return {"loader_module": loader, **more}


def _release(artifact: Artifact, framework: str) -> str:
    """The release of a framework, if it is the one that the version was made with."""
    name, release = exported_files.get_framework(artifact.version)
    return release if name == framework else ""


def _package(framework: str, release: str) -> str:
    package = exported_files.PACKAGES[framework]
    return f"{package}=={release}" if release else package


def _sklearn(artifact: Artifact, path: str) -> FlavorExport:
    release = _release(artifact, "sklearn")
    needed = (_package("sklearn", release), *_wrapped(artifact))
    how = _serialization(artifact, path)
    if how == "joblib":
        generic = _generic(LOADER, code="code", data=path)
        note = "joblib has written it: MLflow loads it as python_function, and mlflow.sklearn.load_model can't"
        return FlavorExport(
            {"python_function": generic}, (*needed, "joblib"), added={f"code/{LOADER}.py": LOADER_CODE}, notes=(note,)
        )
    said = {"pickled_model": path, "serialization_format": how, "sklearn_version": release or None, "code": None}
    notes: tuple[str, ...] = ()
    if how == "skops":
        needed = (*needed, "skops")
        trusted = lookup(dict(artifact.version.lineage), "contents", "other_modules")
        if trusted:
            notes = (
                f"skops asks to trust {', '.join(map(str, trusted))}: say so in MLmodel, skops_trusted_types, if you do",
            )
        said["skops_trusted_types"] = None
    generic = _generic("mlflow.sklearn", model_path=path, predict_fn="predict")
    return FlavorExport({"python_function": generic, "sklearn": said}, needed, notes=notes)


def _wrapped(artifact: Artifact) -> tuple[str, ...]:
    """The library whose model is wrapped in scikit-learn's manner, if another is."""
    name, release = exported_files.get_framework(artifact.version)
    return (_package(name, release),) if name in ("xgboost", "lightgbm") else ()


def _serialization(artifact: Artifact, path: str) -> str:
    """How a scikit-learn model was written: ``skops``, ``joblib``, ``cloudpickle`` or ``pickle``."""
    head = exported_files.read_head(artifact, path, 4)
    if head.startswith(b"PK"):
        return "skops"
    plain = head.startswith(b"\x80") or artifact.version.lineage.get("format") == "pickle"  # those of old have no mark
    if not plain or _mentions(artifact, path, b"joblib.numpy_pickle"):
        return "joblib"  # compressed, or with its arrays between the opcodes: pickle alone can't read either
    return "cloudpickle" if _mentions(artifact, path, b"cloudpickle") else "pickle"


def _mentions(artifact: Artifact, path: str, word: bytes) -> bool:
    """Whether a word stands anywhere in a file, read a block at a time."""
    with (artifact.folder / path).open("rb") as stream:
        tail = b""
        while block := stream.read(1 << 20):
            if word in tail + block:
                return True
            tail = block[-len(word) :]
    return False


def _xgboost(artifact: Artifact, path: str) -> FlavorExport:
    release = _release(artifact, "xgboost")
    kind = "json" if exported_files.read_head(artifact, path, 2).lstrip().startswith(b'{"') else "ubj"
    said = {
        "data": path,
        "model_class": "xgboost.core.Booster",
        "model_format": kind,
        "xgb_version": release or None,
        "code": None,
    }
    moved = {path: f"{path}.{kind}"} if not path.endswith((".json", ".ubj")) else {}  # XGBoost goes by the name
    said["data"] = moved.get(path, path)
    flavors = {"python_function": _generic("mlflow.xgboost", data=said["data"]), "xgboost": said}
    return FlavorExport(flavors, (_package("xgboost", release),), moved=moved)


def _lightgbm(artifact: Artifact, path: str) -> FlavorExport:
    release = _release(artifact, "lightgbm")
    said = {"data": path, "model_class": "lightgbm.basic.Booster", "lgb_version": release or None, "code": None}
    flavors = {"python_function": _generic("mlflow.lightgbm", data=path), "lightgbm": said}
    return FlavorExport(flavors, (_package("lightgbm", release),))


def _onnx(artifact: Artifact, path: str) -> FlavorExport:
    if "/" in path:  # MLflow looks for MLmodel beside it
        raise InvalidInput(
            f"'{path}' of {artifact.version.ref} lies in a folder, where MLflow does not find it", "register the folder"
        )
    said = {
        "data": path,
        "onnx_version": None,
        "providers": ["CPUExecutionProvider"],
        "onnx_session_options": None,
        "code": None,
    }
    flavors = {"python_function": _generic("mlflow.onnx", data=path), "onnx": said}
    return FlavorExport(flavors, ("onnx", "onnxruntime"))


def _pytorch(artifact: Artifact, path: str) -> FlavorExport:
    kind = text_or_empty(lookup(dict(artifact.version.lineage), "contents", "kind"))
    words = f"{text_or_empty(artifact.version.lineage.get('format'))} {kind}".lower()
    if path.endswith(".pt2"):
        moved, added = {path: "data/model.pt2"}, {}
    elif any(word in words for word in ("torchscript", "module")):
        moved, added = {path: "data/model.pth"}, {"data/pickle_module_info.txt": "mlflow.pytorch.pickle_module"}
    else:
        raise InvalidInput(
            f"{artifact.version.ref} has the weights of a model of PyTorch, not the code that they belong to",
            "MLflow can load a whole module, TorchScript, or what torch.export has written",
        )
    release = _release(artifact, "torch")
    said = {"model_data": "data", "pytorch_version": release or None, "code": None}
    flavors = {
        "python_function": _generic("mlflow.pytorch", data="data", pickle_module_name="mlflow.pytorch.pickle_module"),
        "pytorch": said,
    }
    return FlavorExport(flavors, (_package("torch", release),), moved=moved, added=added)


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


def write(artifact: Artifact, known: CardInput, target: Path, *, flavor: str | None = None) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned.

    Raises :class:`InvalidInput` when what the files are is not known and no ``flavor`` says it, or MLflow has no way to
    load them.
    """
    version = artifact.version
    if exported_files.has_file(artifact, mlflow_records.NAME):
        exported_files.copy_files(artifact, target)
        note = f"{mlflow_records.NAME} is as it came: nothing that was said here stands in it"
        return [
            *exported_files.list_lost(version),
            note,
            *([f"--flavor {flavor}: it says itself what it is"] if flavor else []),
        ]
    made = resolve_flavor(artifact, flavor)
    exported_files.copy_files(artifact, target)
    for path, place in made.moved.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / path).rename(target / place)
    for path, text in made.added.items():
        exported_files.write_text(target / path, text)
    notes = [*made.notes, *_environment(artifact, made, target)]
    exported_files.write_yaml(target / mlflow_records.NAME, _document(artifact, made, known.model))
    return [*exported_files.list_lost(version, message=True, params=True, metrics=True, tags=True), *notes]


def _environment(artifact: Artifact, made: FlavorExport, target: Path) -> list[str]:
    """What is needed to load it, as files; what is not known of that."""
    notes = []
    if not exported_files.has_file(artifact, _REQUIREMENTS):
        exported_files.write_text(target / _REQUIREMENTS, "".join(f"{line}\n" for line in ("mlflow", *made.packages)))
        loose = [package for package in made.packages if "==" not in package]
        if loose:
            notes.append(f"the release of {', '.join(loose)} is not known: {_REQUIREMENTS} names none")
    python = exported_files.get_python_release(artifact.version)
    if python and not exported_files.has_file(artifact, _ENVIRONMENT):
        document = {"python": python, "build_dependencies": ["pip"], "dependencies": [f"-r {_REQUIREMENTS}"]}
        exported_files.write_yaml(target / _ENVIRONMENT, document)
    elif not python:
        notes.append("which Python made it is not known: run it with --env-manager local")
    return notes


def _document(artifact: Artifact, made: FlavorExport, model: ModelRecord) -> dict[str, Any]:
    version = artifact.version
    python = exported_files.get_python_release(version)
    flavors = {name: dict(said) for name, said in made.flavors.items()}
    generic = flavors["python_function"]
    if python:
        generic |= {"python_version": python, "env": {"virtualenv": _ENVIRONMENT}}
    document: dict[str, Any] = {
        "flavors": flavors,
        "metadata": _metadata(version, model),
        "model_uuid": version.digest[:32],
        "utc_time_created": version.created.replace("T", " ").removesuffix("Z"),
    }
    if signature := _signature(version):
        document["signature"] = signature
    return document


def _metadata(version: VersionRecord, model: ModelRecord) -> dict[str, Any]:
    """What is said of the version here; MLflow keeps it, and gives it back as ``Model.metadata``."""
    said = {
        "registry": {"ref": version.ref, "digest": f"sha256:{version.digest}", "author": version.author},
        "message": version.message,
        "model_description": model.description,
        "params": dict(version.params),
        "metrics": dict(version.metrics),
        "tags": dict(version.tags),
    }
    return {name: value for name, value in said.items() if value}


def _signature(version: VersionRecord) -> dict[str, Any]:
    """Inputs and outputs, where each is a tensor of a known type: MLflow casts what it is given to these."""
    contents = lookup(dict(version.lineage), "contents")
    sides = {name: _tensors(lookup(contents, name)) for name in ("inputs", "outputs")}
    if text_or_empty(version.lineage.get("format")) != "onnx" or not sides["inputs"]:
        return {}
    return {**{name: json.dumps(side) if side else None for name, side in sides.items()}, "params": None}


def _tensors(side: Any) -> list[dict[str, Any]]:
    found = []
    for each in side if isinstance(side, (list, tuple)) else ():
        dtype, shape = text_or_empty(lookup(dict(each), "type")), lookup(dict(each), "shape")
        if dtype not in _NUMPY or not isinstance(shape, (list, tuple)):
            return []
        sizes = [size if isinstance(size, int) else -1 for size in shape]
        spec = {"dtype": dtype, "shape": sizes}
        found.append({"name": text_or_empty(each.get("name")), "type": "tensor", "tensor-spec": spec})
    return found
