"""``MLmodel``: what MLflow writes beside the files of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.times import format_timestamp
from ...inspect.formats import mlflow
from ..imported_metadata import plain
from ..source_tree import Tree, text_of

NAME = mlflow.NAME
_GENERIC = "python_function"


def read(tree: Tree, folder: Path) -> dict[str, Any]:
    """The document of a model's folder. Raises :class:`InvalidInput` for one that is missing or can't be read."""
    return tree.yaml(folder / NAME)


def flavors(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The flavors by name, the ones that say what it is before ``python_function``."""
    given = document.get("flavors")
    found = (
        {str(name): said for name, said in given.items() if isinstance(said, dict)} if isinstance(given, dict) else {}
    )
    return dict(sorted(found.items(), key=lambda item: item[0] == _GENERIC))


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a version keeps of it as ``lineage.imported.mlmodel``: flavors with their versions, who made it, the signature."""
    return plain(  # type: ignore[no-any-return]
        {
            "flavors": {name: _version(name, said) for name, said in flavors(document).items()},
            "model_id": document.get("model_id") or document.get("model_uuid"),
            "run_id": document.get("run_id"),
            "mlflow_version": document.get("mlflow_version"),
            "python": _python(document),
            "created": format_timestamp(document.get("utc_time_created")),
            "signature": document.get("signature"),
        }
    )


def _version(name: str, said: Mapping[str, Any]) -> str:
    """``sklearn_version``, ``xgb_version``, ``pytorch_version`` …: each flavor spells it its own way."""
    if name == _GENERIC:
        return text_of(said.get("loader_module"))
    return mlflow.flavor_version(said) or "?"


def _python(document: Mapping[str, Any]) -> str:
    return text_of(flavors(document).get(_GENERIC, {}).get("python_version"))
