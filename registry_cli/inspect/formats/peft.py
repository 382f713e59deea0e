"""PEFT: a folder with ``adapter_config.json``, which names the model that the adapter is for, and its weights."""

from __future__ import annotations

from ..binary.model_files import Folder
from ..inspection import Inspection
from . import front_matter, weights

NAME = "adapter_config.json"
#: The largest configuration that is read, in bytes.
LIMIT = 1 << 20
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_KEPT = {
    "r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules",
    "modules_to_save": "modules_to_save", "task_type": "task", "bias": "bias", "use_dora": "dora",
    "use_rslora": "rslora", "num_virtual_tokens": "virtual_tokens", "revision": "base_revision",
}  # fmt: skip


def read(folder: Folder) -> Inspection | None:
    """The kind of the adapter, its base model, and the numbers that it adds."""
    config = folder.json(NAME, LIMIT)
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        return None
    counted = weights.count(folder, WEIGHTS)
    details = {
        name: sorted(map(str, value)) if isinstance(value, list) else value
        for key, name in _KEPT.items()
        if (value := config.get(key)) not in (None, False, "none")
    }
    card = front_matter.read(folder)
    return Inspection(
        "peft",
        framework="peft",
        framework_version=str(config.get("peft_version") or ""),
        class_name=config["peft_type"],
        parameters=counted.parameters,
        dtypes=counted.dtypes,
        details={
            **card,
            **details,
            "base_model": config.get("base_model_name_or_path") or card.get("base_model"),
            "weights": counted.kind or None,
            "uncounted": counted.uncounted,
        },
    )
