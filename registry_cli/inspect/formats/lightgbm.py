"""LightGBM: a text whose first lines tell the model, then the trees, then the parameters it was trained with."""

from __future__ import annotations

import re

from ..binary.limits import Stopped
from ..binary.model_files import File
from ..inspection import Inspection

MAGIC = b"tree\nversion="
#: The longest head, and so much of the end.
FRONT, BACK = 4 << 20, 1 << 14

_TREES = re.compile(rb"\r?\n\r?\nTree=0\r?\n")
_PARAMETER = re.compile(r"^\[(\w+): (.*)\]$", re.MULTILINE)
_TOLD = ("boosting", "num_iterations", "learning_rate", "num_leaves", "max_depth", "seed")


def read(file: File) -> Inspection | None:
    """The head, and the parameters at the end."""
    if not file.head.startswith((MAGIC, b"tree\r\nversion=")):
        return None
    head = _head(file)
    given = dict(_PARAMETER.findall(file.ending(BACK).decode("utf-8", "replace")))
    features = tuple(head["feature_names"].split())
    return Inspection(
        "lightgbm",
        framework="lightgbm",
        class_name=given.get("boosting", ""),
        features=features,
        feature_count=int(head["max_feature_idx"]) + 1,
        details={
            "objective": head.get("objective", "").split(" ")[0],
            "trees": len(head["tree_sizes"].split()) if "tree_sizes" in head else None,
            "classes": int(head["num_class"]),
            "text_version": head["version"],
            "trained_with": {name: given[name] for name in _TOLD if name in given and name != "boosting"},
        },
    )


def _head(file: File) -> dict[str, str]:
    """The ``key=value`` lines before the first tree."""
    most = len(file.head)
    while True:
        data = file.beginning(most)
        if (end := _TREES.search(data)) or b"\nend of trees" in data:
            break
        if most >= min(FRONT, file.size):
            raise Stopped("its head has no end")
        most *= 8
    lines = data[: end.start() if end else None].decode("utf-8", "replace").splitlines()
    return {key: value for key, mark, value in (line.partition("=") for line in lines) if mark}
