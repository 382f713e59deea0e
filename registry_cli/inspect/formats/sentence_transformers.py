"""sentence-transformers: a folder with ``modules.json``, which lists what comes one after another: a transformer, pooling …"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..binary.model_files import Folder
from ..inspection import Inspection
from . import front_matter, transformers, weights

NAME, SETTINGS = "modules.json", "config_sentence_transformers.json"
#: The largest document that is read, in bytes, and the most modules.
LIMIT, MODULES = 1 << 20, 50

_PACKAGE = "sentence_transformers."
_WITHOUT_WEIGHTS = ("Pooling", "Normalize", "Dropout", "Router", "SpladePooling", "BoW")


def read(folder: Folder) -> Inspection | None:
    """The modules, how the sentences come out, and the weights of all modules together."""
    modules = folder.json(NAME, LIMIT)
    if not isinstance(modules, list) or not 0 < len(modules) <= MODULES:
        return None
    if not all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in modules):
        return None
    if not any(each["type"].startswith(_PACKAGE) for each in modules):
        return None
    dtypes: Counter[str] = Counter()
    details: dict[str, Any] = {"modules": [each["type"].rpartition(".")[2] for each in modules]}
    class_name, uncounted, kinds = "", "", set()
    for each in modules:
        path = str(each.get("path") or "")
        part = folder.subfolder(path) if path else folder
        kind = each["type"].rpartition(".")[2]
        config = part.json("config.json", LIMIT)
        if kind == "Pooling" and isinstance(config, dict):
            details |= _pooling(config)
        if kind in _WITHOUT_WEIGHTS:
            continue
        if isinstance(config, dict) and transformers.is_configuration(config):
            class_name = class_name or str((config.get("architectures") or [""])[0])
            details.setdefault("model_type", config.get("model_type"))
        elif kind == "Dense" and isinstance(config, dict) and isinstance(config.get("out_features"), int):
            details["dimension"] = config["out_features"]
        counted = weights.count(part, transformers.WEIGHTS, config if isinstance(config, dict) else None)
        uncounted = uncounted or (f"{kind}: {counted.uncounted}" if counted.uncounted else "")
        dtypes.update(counted.dtypes)
        kinds.add(counted.kind)
        details |= _length(part)
    settings = folder.json(SETTINGS, LIMIT)
    settings = settings if isinstance(settings, dict) else {}
    versions = settings.get("__version__")
    return Inspection(
        "sentence-transformers",
        framework="sentence-transformers",
        framework_version=str(versions.get("sentence_transformers", "")) if isinstance(versions, dict) else "",
        class_name=class_name,
        parameters=None if uncounted or not dtypes else sum(dtypes.values()),
        dtypes={} if uncounted else dict(dtypes),
        details={
            **front_matter.read(folder),
            **details,
            "weights": ", ".join(sorted(kinds - {""})) or None,
            "similarity": settings.get("similarity_fn_name"),
            "prompts": settings.get("prompts") or None,
            "uncounted": uncounted,
        },
    )


def _pooling(config: dict[str, Any]) -> dict[str, Any]:
    modes = [
        key.removeprefix("pooling_mode_")
        for key, on in config.items()
        if key.startswith("pooling_mode_") and on is True
    ]
    mode = config.get("pooling_mode")
    return {
        "pooling": modes or mode,
        "dimension": config.get("word_embedding_dimension") or config.get("embedding_dimension"),
    }


def _length(part: Folder) -> dict[str, Any]:
    """How many tokens a sentence may have."""
    config = part.json("sentence_bert_config.json", LIMIT)
    length = config.get("max_seq_length") if isinstance(config, dict) else None
    return {"max_seq_length": length} if length else {}
