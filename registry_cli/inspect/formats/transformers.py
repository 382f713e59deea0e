"""Hugging Face transformers: a folder with ``config.json``, and weights beside it."""

from __future__ import annotations

from typing import Any

from ...core.lazy_dataclass import replace
from ..binary.model_files import Folder, parse_json
from ..inspection import Inspection
from . import front_matter, weights

NAME = "config.json"
#: The largest configuration that is read, in bytes.
LIMIT = 1 << 20
#: Where the weights can be, the first of which is counted.
WEIGHTS = (
    "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin",
    "flax_model.msgpack.index.json", "flax_model.msgpack", "tf_model.h5",
)  # fmt: skip

_KEPT = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings",
)  # fmt: skip


def read(folder: Folder) -> Inspection | None:
    """Architecture, type, labels; the weights are counted. With weights of Flax alone it is a model of Flax."""
    config = parse_json(folder.whole(NAME, LIMIT))
    if not is_configuration(config):
        return None
    found = describe(folder, config, "transformers")
    if found.details["weights"] == "flax":
        return replace(found, format="flax", framework="flax", framework_version="")
    return found


def is_configuration(config: Any) -> bool:
    """Whether a ``config.json`` is that of a model: many things have one."""
    if not isinstance(config, dict):
        return False
    architectures = config.get("architectures")
    return isinstance(config.get("model_type"), str) or (
        isinstance(architectures, list)
        and bool(architectures)
        and all(isinstance(each, str) and each.isidentifier() and each[:1].isupper() for each in architectures)
    )


def describe(folder: Folder, config: dict[str, Any], name: str) -> Inspection:
    """A folder with a configuration, as format ``name``."""
    architectures = config.get("architectures") or []
    counted = weights.count(folder, WEIGHTS, config)
    labels = config.get("id2label")
    quantized = config.get("quantization_config") or config.get("quantization")
    return Inspection(
        name,
        framework="transformers",
        framework_version=str(config.get("transformers_version") or ""),
        class_name=str(architectures[0]) if architectures else "",
        parameters=counted.parameters,
        dtypes=counted.dtypes,
        details={
            **{key: config.get(key) for key in _KEPT},
            "dtype": config.get("dtype") or config.get("torch_dtype"),
            "labels": list(labels.values()) if isinstance(labels, dict) else None,
            "weights": counted.kind or None,
            "quantization": _quantization(quantized) if isinstance(quantized, dict) else None,
            "uncounted": counted.uncounted,
            "own_code": sorted(map(str, config.get("auto_map") or ())),
            **front_matter.read(folder),
        },
    )


def _quantization(said: dict[str, Any]) -> dict[str, Any]:
    """How the weights were quantised."""
    kept = (
        "quant_method",
        "bits",
        "group_size",
        "mode",
        "w_bit",
        "bnb_4bit_quant_type",
        "load_in_4bit",
        "load_in_8bit",
    )
    return {key: said[key] for key in kept if said.get(key) is not None}
