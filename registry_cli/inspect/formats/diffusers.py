"""diffusers: a pipeline, a folder whose ``model_index.json`` lists its parts; or one part, by its ``config.json``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..binary.model_files import Folder
from ..inspection import Inspection
from . import front_matter, transformers, weights

NAME, CONFIG = "model_index.json", "config.json"
#: The largest document that is read, in bytes, and the most parts.
LIMIT, PARTS = 1 << 20, 100

_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = ("", ".fp16", ".bf16", ".non_ema")
WEIGHTS = (
    *(f"{stem}.safetensors.index{variant}.json" for variant in _VARIANTS for stem in _STEMS),
    *(f"{stem}{variant}.safetensors" for variant in _VARIANTS for stem in _STEMS),
    *(f"{stem}{variant}.bin" for variant in _VARIANTS for stem in ("diffusion_pytorch_model", "pytorch_model")),
)
#: Ends of the names of classes that have no weights.
_WITHOUT_WEIGHTS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "Extractor", "ImageProcessorFast")


def read(folder: Folder) -> Inspection | None:
    """The class, the version, the parts and the weights of all of them together."""
    if NAME in folder.files:
        index = folder.json(NAME, LIMIT)
        return _pipeline(folder, index) if _is_ours(index) else None
    config = folder.json(CONFIG, LIMIT)
    if not _is_ours(config) or transformers.is_configuration(config):
        return None
    counted = weights.count(folder, WEIGHTS, config)
    return Inspection(
        "diffusers",
        framework="diffusers",
        framework_version=str(config["_diffusers_version"]),
        class_name=str(config["_class_name"]),
        parameters=counted.parameters,
        dtypes=counted.dtypes,
        details={**front_matter.read(folder), "uncounted": counted.uncounted},
    )


def _is_ours(document: Any) -> bool:
    return (
        isinstance(document, dict) and isinstance(document.get("_class_name"), str) and "_diffusers_version" in document
    )


def _pipeline(folder: Folder, index: dict[str, Any]) -> Inspection:
    parts = {
        name: str(value[1])
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    }
    dtypes: Counter[str] = Counter()
    uncounted = "" if parts else "it lists no parts"
    for name, class_name in list(parts.items())[:PARTS]:
        if class_name.endswith(_WITHOUT_WEIGHTS):
            continue
        part = folder.subfolder(name)
        config = part.json(CONFIG, LIMIT)
        counted = weights.count(part, WEIGHTS, config if isinstance(config, dict) else None)
        uncounted = uncounted or (f"{name}: {counted.uncounted}" if counted.uncounted else "")
        dtypes.update(counted.dtypes)
    return Inspection(
        "diffusers",
        framework="diffusers",
        framework_version=str(index["_diffusers_version"]),
        class_name=str(index["_class_name"]),
        parameters=None if uncounted else sum(dtypes.values()),
        dtypes={} if uncounted else dict(dtypes),
        details={**front_matter.read(folder), "parts": parts, "uncounted": uncounted},
    )
