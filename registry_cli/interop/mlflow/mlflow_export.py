"""A version as a model's folder of MLflow: ``MLmodel`` beside the files, for ``mlflow models predict`` and ``pyfunc``.

A version that has a ``MLmodel`` already leaves as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.records import Artifact, ModelRecord, VersionRecord
from .. import exported_files
from ..cards.card_inputs import Known
from ..source_tree import lookup, text_of
from . import mlmodel
from .flavors import Flavored, flavored

_REQUIREMENTS, _ENVIRONMENT = "requirements.txt", "python_env.yaml"
_NUMPY = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}
)


def write(artifact: Artifact, known: Known, target: Path, *, flavor: str | None = None) -> list[str]:
    """Write the folder ``target``; what it has no place for is returned.

    Raises :class:`InvalidInput` when what the files are is not known and no ``flavor`` says it, or MLflow has no way to
    load them.
    """
    version = artifact.version
    if exported_files.has(artifact, mlmodel.NAME):
        exported_files.copy(artifact, target)
        note = f"{mlmodel.NAME} is as it came: nothing that was said here stands in it"
        return [
            *exported_files.lost(version),
            note,
            *([f"--flavor {flavor}: it says itself what it is"] if flavor else []),
        ]
    made = flavored(artifact, flavor)
    exported_files.copy(artifact, target)
    for path, place in made.moved.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / path).rename(target / place)
    for path, text in made.added.items():
        exported_files.write(target / path, text)
    notes = [*made.notes, *_environment(artifact, made, target)]
    exported_files.yaml(target / mlmodel.NAME, _document(artifact, made, known.model))
    return [*exported_files.lost(version, message=True, params=True, metrics=True, tags=True), *notes]


def _environment(artifact: Artifact, made: Flavored, target: Path) -> list[str]:
    """What is needed to load it, as files; what is not known of that."""
    notes = []
    if not exported_files.has(artifact, _REQUIREMENTS):
        exported_files.write(target / _REQUIREMENTS, "".join(f"{line}\n" for line in ("mlflow", *made.packages)))
        loose = [package for package in made.packages if "==" not in package]
        if loose:
            notes.append(f"the release of {', '.join(loose)} is not known: {_REQUIREMENTS} names none")
    python = exported_files.python_release(artifact.version)
    if python and not exported_files.has(artifact, _ENVIRONMENT):
        document = {"python": python, "build_dependencies": ["pip"], "dependencies": [f"-r {_REQUIREMENTS}"]}
        exported_files.yaml(target / _ENVIRONMENT, document)
    elif not python:
        notes.append("which Python made it is not known: run it with --env-manager local")
    return notes


def _document(artifact: Artifact, made: Flavored, model: ModelRecord) -> dict[str, Any]:
    version = artifact.version
    python = exported_files.python_release(version)
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
    if text_of(version.lineage.get("format")) != "onnx" or not sides["inputs"]:
        return {}
    return {**{name: json.dumps(side) if side else None for name, side in sides.items()}, "params": None}


def _tensors(side: Any) -> list[dict[str, Any]]:
    found = []
    for each in side if isinstance(side, (list, tuple)) else ():
        dtype, shape = text_of(lookup(dict(each), "type")), lookup(dict(each), "shape")
        if dtype not in _NUMPY or not isinstance(shape, (list, tuple)):
            return []
        sizes = [size if isinstance(size, int) else -1 for size in shape]
        spec = {"dtype": dtype, "shape": sizes}
        found.append({"name": text_of(each.get("name")), "type": "tensor", "tensor-spec": spec})
    return found
