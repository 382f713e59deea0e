"""Hugging Face transformers: a folder with ``config.json``, and weights beside it."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InvalidInput
from ..inspection import Inspection
from . import safetensors
from .files import Folder, unless_malformed

NAME = "config.json"
#: The largest configuration, and the longest front matter of a README, that is read, in bytes.
LIMIT, FRONT = 1 << 20, 1 << 16

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_KEPT = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings",
)  # fmt: skip
_CARD = ("license", "pipeline_tag", "base_model", "language", "library_name")


def read(folder: Folder) -> Inspection | None:
    """Architecture, type, labels; the weights are counted where they are safetensors."""
    config = json.loads(folder.whole(NAME, LIMIT))
    if not isinstance(config, dict) or not ("model_type" in config or "architectures" in config):
        return None  # many things have a config.json
    architectures = config.get("architectures") or []
    weights, problem = unless_malformed(lambda: _weights(folder))
    labels = config.get("id2label")
    return Inspection(
        "transformers",
        framework="transformers",
        framework_version=str(config.get("transformers_version") or ""),
        class_name=str(architectures[0]) if architectures else "",
        parameters=weights.parameters if weights else None,
        dtypes=weights.dtypes if weights else {},
        details={
            **{key: config.get(key) for key in _KEPT},
            "dtype": config.get("dtype") or config.get("torch_dtype"),
            "labels": list(labels.values()) if isinstance(labels, dict) else None,
            "uncounted": problem,
            "own_code": sorted(map(str, config.get("auto_map") or ())),
            **_card(folder),
        },
    )


def _weights(folder: Folder) -> safetensors.Weights | None:
    """What the weights hold; None where there are none of this format."""
    if _INDEX in folder.files:
        return safetensors.weights_of(folder, safetensors.shards_of(folder, _INDEX))
    return safetensors.weights_of(folder, [_WEIGHTS]) if _WEIGHTS in folder.files else None


def _card(folder: Folder) -> dict[str, Any]:
    """What the front matter of the README says of the model; nothing when it can't be read."""
    from ...store import documents

    if "README.md" not in folder.files:
        return {}
    with folder.opened("README.md") as file:
        mark, _, rest = file.beginning(FRONT).decode("utf-8", "replace").partition("---\n")
    matter, end, _ = rest.partition("\n---")
    if mark or not end:
        return {}
    try:
        found = documents.loads(matter.encode(), "README.md", limit=FRONT)
    except InvalidInput:
        return {}
    return {key: found[key] for key in _CARD if found.get(key)} if isinstance(found, dict) else {}
