"""What is known of an artifact without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Tensor:
    """An input or output: its name, its element type (``float32``), and its shape; None is a dimension of any length."""

    name: str
    type: str = ""
    shape: tuple[int | str | None, ...] | None = None

    def document(self) -> dict[str, Any]:
        said = {"name": self.name, "type": self.type, "shape": None if self.shape is None else list(self.shape)}
        return {key: value for key, value in said.items() if value not in (None, "")}


@dataclass(frozen=True, eq=False)
class Inspection:
    """What one reader of a format found. ``format`` is its short name; ``framework`` is named as its package is
    (``sklearn``, ``xgboost``, ``torch``), empty when that is not known.

    ``parameters`` counts trainable numbers, ``dtypes`` how many of which type; ``details`` is whatever else the format
    tells, as plain values. ``certain`` is False when the format was only recognised by a name or a beginning.
    """

    format: str
    framework: str = ""
    framework_version: str = ""
    class_name: str = ""
    parameters: int | None = None
    dtypes: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    features: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    certain: bool = True

    def lineage(self) -> dict[str, Any]:
        """As a version keeps it: ``format``, ``framework`` (``sklearn 1.5.2``) and ``contents``."""
        contents: dict[str, Any] = {
            "class": self.class_name,
            "parameters": self.parameters,
            "dtypes": dict(self.dtypes),
            "inputs": [each.document() for each in self.inputs],
            "outputs": [each.document() for each in self.outputs],
            "features": list(self.features),
            **self.details,
        }
        said = {
            "format": self.format,
            "framework": f"{self.framework} {self.framework_version}".strip(),
            "contents": {key: value for key, value in contents.items() if value not in (None, "", [], {})},
        }
        return {key: value for key, value in said.items() if value not in ("", {})}
