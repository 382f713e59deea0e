"""Treelite: trees of any framework in one layout, as ``Model.serialize`` writes them."""

from __future__ import annotations

import struct

from ..inspection import Inspection
from .files import File

_HEADER = struct.Struct("<3i2BQiB?")
_TYPES = {1: "uint32", 2: "float32", 3: "float64"}
_TASKS = {0: "binary", 1: "regressor", 2: "multiclass", 3: "ranker", 4: "isolation forest"}
_MOST = 1 << 24


def read(file: File) -> Inspection | None:
    """Version, types, and how many trees and features."""
    if len(file.head) < _HEADER.size:
        return None
    major, minor, patch, threshold, leaf, trees, features, task, _ = _HEADER.unpack_from(file.head)
    plausible = (
        major in (3, 4) and 0 <= minor < 100 and 0 <= patch < 100 and threshold in (2, 3) and leaf in _TYPES
        and 0 < trees < _MOST and 0 < features < _MOST and task in _TASKS and trees * 16 < file.size
    )  # fmt: skip
    if not plausible:
        return None
    return Inspection(
        "treelite",
        framework="treelite",
        framework_version=f"{major}.{minor}.{patch}",
        class_name=_TASKS[task],
        feature_count=features,
        details={"trees": trees, "threshold": _TYPES[threshold], "uncounted": "the nodes of trees are not counted"},
    )
