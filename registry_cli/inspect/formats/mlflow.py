"""MLflow: a folder with ``MLmodel``, which names the flavors of a model and its signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...core.yaml import documents
from ..binary.limits import Stopped
from ..binary.model_files import CONFIGURATION, ModelFolder
from ..inspection import Inspection, Tensor

NAME = "MLmodel"
#: How the package is called whose flavor has another name.
_PACKAGES = {"pytorch": "torch"}
_KEPT = ("run_id", "model_id", "model_uuid", "mlflow_version", "utc_time_created", "artifact_path")


def read(folder: ModelFolder) -> Inspection | None:
    """Flavors, versions and signature."""
    document = documents.loads_mapping(folder.whole(NAME, CONFIGURATION), NAME, limit=CONFIGURATION)
    flavors = document.get("flavors")
    if not isinstance(flavors, dict):
        raise Stopped("it names no flavors")
    flavor = next((name for name in flavors if name not in ("python_function", "crate")), "")
    signature = document.get("signature") or {}
    generic = flavors.get("python_function") or {}
    return Inspection(
        "mlflow",
        framework=_PACKAGES.get(flavor, flavor),
        framework_version=flavor_version(flavors.get(flavor) or {}),
        inputs=_tensors(signature.get("inputs")),
        outputs=_tensors(signature.get("outputs")),
        details={
            "flavors": list(flavors),
            "python": generic.get("python_version"),
            "loader": generic.get("loader_module"),
            "params": [str(each.get("name")) for each in _load_list(signature.get("params"))],
            **{key: document.get(key) for key in _KEPT},
        },
    )


def flavor_version(flavor: Mapping[str, Any]) -> str:
    """The version of the package of a flavor: the first version that it has."""
    versions = (str(value) for key, value in flavor.items() if key.endswith("_version") and value)
    return next(versions, "")


def _tensors(text: Any) -> tuple[Tensor, ...]:
    """A side of the signature: columns with types, or tensors with shapes."""
    return tuple(_tensor(column, at) for at, column in enumerate(_load_list(text)))


def _load_list(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else []


def _tensor(column: dict[str, Any], at: int) -> Tensor:
    name = str(column.get("name") or ("" if at == 0 else at))
    if spec := column.get("tensor-spec"):
        return Tensor(name, str(spec["dtype"]), tuple(size if size >= 0 else None for size in spec["shape"]))
    kind = column.get("type")
    return Tensor(name, kind if isinstance(kind, str) else "object")
