"""TensorFlow.js: ``model.json``, a graph or the layers of Keras, and a manifest of the weights in the files beside it."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from posixpath import dirname, join, normpath
from typing import Any

from ..binary.limits import Stopped
from ..binary.model_files import File
from ..inspection import Inspection, Tensor

#: The largest model that is read, in bytes.
MODEL = 8 << 20

_KEYS = re.compile(rb'"(modelTopology|weightsManifest)"')
_FORMATS = ("layers-model", "graph-model")
_TYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool", "DT_STRING": "string", "DT_HALF": "float16"}


def read(file: File) -> Inspection | None:
    """Kind, class, the numbers in the manifest, and what converted it."""
    if not _KEYS.search(file.head) and not _KEYS.search(file.ending(1 << 16)):
        return None
    document = file.json(MODEL)
    if not isinstance(document, dict) or not isinstance(document.get("weightsManifest"), list):
        return None
    kind = document.get("format")
    if kind not in _FORMATS and "modelTopology" not in document:
        return None
    dtypes: Counter[str] = Counter()
    paths: list[str] = []
    for group in document["weightsManifest"]:
        paths += [normpath(join(dirname(file.name), str(path))) for path in group["paths"]]
        for weight in group["weights"]:
            if not all(type(size) is int and 0 <= size < 1 << 48 for size in weight["shape"]):
                raise Stopped("the shape of a weight is broken")
            dtypes[str(weight["dtype"])] += prod(weight["shape"])
    topology = document.get("modelTopology") or {}
    inner = topology.get("model_config") or {}
    missing = [path for path in paths if path not in file.beside]
    return Inspection(
        "tfjs",
        framework="tfjs",
        class_name=str(inner.get("class_name") or ""),
        parameters=sum(dtypes.values()),
        dtypes=dict(dtypes),
        inputs=_signature(document, "inputs"),
        outputs=_signature(document, "outputs"),
        details={
            "kind": kind,
            "generated_by": document.get("generatedBy"),
            "converted_by": document.get("convertedBy"),
            "keras_version": topology.get("keras_version"),
            "shards": len(paths),
            "shards_missing": missing,
        },
        companions=tuple(path for path in paths if path in file.beside),
    )


def _signature(document: dict[str, Any], side: str) -> tuple[Tensor, ...]:
    """The inputs or outputs of a graph."""
    signature = document.get("signature") or (document.get("userDefinedMetadata") or {}).get("signature") or {}
    found = []
    for name, said in (signature.get(side) or {}).items():
        sizes = [int(each.get("size", -1)) for each in (said.get("tensorShape") or {}).get("dim") or []]
        kind = str(said.get("dtype", ""))
        found.append(Tensor(str(name), _TYPES.get(kind, kind), tuple(size if size >= 0 else None for size in sizes)))
    return tuple(found)
