"""MLX: a folder as that of transformers, with weights that MLX wrote, most often packed; or an adapter for one."""

from __future__ import annotations

from typing import Any

from ...core.lazy_dataclass import replace
from ..binary.limits import Stopped
from ..binary.model_files import Folder
from ..inspection import Inspection
from . import safetensors, transformers, weights

CONFIG, ADAPTER, ADAPTER_WEIGHTS = "config.json", "adapter_config.json", "adapters.safetensors"


def read(folder: Folder) -> Inspection | None:
    """The configuration, and the weights as the numbers that they stand for."""
    if ADAPTER in folder.files and ADAPTER_WEIGHTS in folder.files:
        return _adapter(folder)
    config = folder.json(CONFIG, transformers.LIMIT)
    if not transformers.is_configuration(config) or not _is_mlx(folder, config):
        return None
    found = transformers.describe(folder, config, "mlx")
    return replace(found, framework="mlx", framework_version="")


def _is_mlx(folder: Folder, config: dict[str, Any]) -> bool:
    """Whether MLX wrote the weights: their metadata says so, or they are packed as only MLX does it."""
    name = next((name for name in transformers.WEIGHTS[:2] if name in folder.files), None)
    if name is None:
        return False
    try:
        files = safetensors.shards_of(folder, name)[:1] if name.endswith(".json") else [name]
        found = safetensors.weights_of(folder, files)
    except Stopped:
        return False
    packed = weights.unpacked(found.listed, {}).uncounted == weights.UNKNOWN_BITS
    return found.framework == "mlx" or (packed and isinstance(config.get("quantization"), dict))


def _adapter(folder: Folder) -> Inspection | None:
    """What ``mlx_lm.lora`` trains."""
    config = folder.json(ADAPTER, transformers.LIMIT)
    if (
        not isinstance(config, dict)
        or "peft_type" in config
        or not ({"fine_tune_type", "lora_parameters"} & config.keys())
    ):
        return None
    counted = weights.count(folder, (ADAPTER_WEIGHTS,))
    settings = config.get("lora_parameters")
    return Inspection(
        "mlx",
        framework="mlx",
        class_name=str(config.get("fine_tune_type") or "lora"),
        parameters=counted.parameters,
        dtypes=counted.dtypes,
        details={
            "base_model": config.get("model"),
            "rank": settings.get("rank") if isinstance(settings, dict) else None,
            "uncounted": counted.uncounted,
        },
    )
