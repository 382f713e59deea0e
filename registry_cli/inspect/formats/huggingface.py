"""Folders as the libraries of Hugging Face write them, and MLX after them: configurations, cards and weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...core.lazy_dataclass import replace
from ...errors import InvalidInput
from ..binary.limits import Stopped
from ..binary.model_files import ModelFolder, parse_json
from ..inspection import Inspection
from . import safetensors, weights

CONFIG = "config.json"
#: The largest document that is read, in bytes; the most modules of sentence-transformers, and parts of a pipeline.
DOCUMENT_LIMIT = 1 << 20
#: Where the weights can be, the first of which is counted.
TRANSFORMERS_WEIGHTS = (
    "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin",
    "flax_model.msgpack.index.json", "flax_model.msgpack", "tf_model.h5",
)  # fmt: skip

_CONFIG_KEYS = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings",
)  # fmt: skip


def read_transformers(folder: ModelFolder) -> Inspection | None:
    """Architecture, type, labels; the weights are counted. With weights of Flax alone it is a model of Flax."""
    config = parse_json(folder.whole(CONFIG, DOCUMENT_LIMIT))
    if not is_transformers_config(config):
        return None
    found = describe_transformers(folder, config, "transformers")
    if found.details["weights"] == "flax":
        return replace(found, format="flax", framework="flax", framework_version="")
    return found


def is_transformers_config(config: Any) -> bool:
    """Whether a ``config.json`` is that of a model: many things have one."""
    if not isinstance(config, dict):
        return False
    architectures = config.get("architectures")
    return isinstance(config.get("model_type"), str) or (
        isinstance(architectures, list)
        and bool(architectures)
        and all(isinstance(each, str) and each.isidentifier() and each[:1].isupper() for each in architectures)
    )


def describe_transformers(folder: ModelFolder, config: dict[str, Any], name: str) -> Inspection:
    """A folder with a configuration, as format ``name``."""
    architectures = config.get("architectures") or []
    counted = weights.count(folder, TRANSFORMERS_WEIGHTS, config)
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
            **{key: config.get(key) for key in _CONFIG_KEYS},
            "dtype": config.get("dtype") or config.get("torch_dtype"),
            "labels": list(labels.values()) if isinstance(labels, dict) else None,
            "weights": counted.kind or None,
            "quantization": _describe_quantization(quantized) if isinstance(quantized, dict) else None,
            "uncounted": counted.uncounted,
            "own_code": sorted(map(str, config.get("auto_map") or ())),
            **read_card(folder),
        },
    )


def _describe_quantization(quantization: dict[str, Any]) -> dict[str, Any]:
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
    return {key: quantization[key] for key in kept if quantization.get(key) is not None}


ADAPTER_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_ADAPTER_KEYS = {
    "r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules",
    "modules_to_save": "modules_to_save", "task_type": "task", "bias": "bias", "use_dora": "dora",
    "use_rslora": "rslora", "num_virtual_tokens": "virtual_tokens", "revision": "base_revision",
}  # fmt: skip


def read_peft(folder: ModelFolder) -> Inspection | None:
    """The kind of the adapter, its base model, and the numbers that it adds."""
    config = folder.json(ADAPTER_CONFIG, DOCUMENT_LIMIT)
    if not isinstance(config, dict) or not isinstance(config.get("peft_type"), str):
        return None
    counted = weights.count(folder, PEFT_WEIGHTS)
    details = {
        name: sorted(map(str, value)) if isinstance(value, list) else value
        for key, name in _ADAPTER_KEYS.items()
        if (value := config.get(key)) not in (None, False, "none")
    }
    card = read_card(folder)
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


MODULES_FILE, SENTENCE_SETTINGS = "modules.json", "config_sentence_transformers.json"
#: The most modules.
MODULES = 50

_PACKAGE = "sentence_transformers."
_MODULES_WITHOUT_WEIGHTS = ("Pooling", "Normalize", "Dropout", "Router", "SpladePooling", "BoW")


def read_sentence_transformers(folder: ModelFolder) -> Inspection | None:
    """The modules, how the sentences come out, and the weights of all modules together."""
    modules = folder.json(MODULES_FILE, DOCUMENT_LIMIT)
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
        config = part.json("config.json", DOCUMENT_LIMIT)
        if kind == "Pooling" and isinstance(config, dict):
            details |= _describe_pooling(config)
        if kind in _MODULES_WITHOUT_WEIGHTS:
            continue
        if isinstance(config, dict) and is_transformers_config(config):
            class_name = class_name or str((config.get("architectures") or [""])[0])
            details.setdefault("model_type", config.get("model_type"))
        elif kind == "Dense" and isinstance(config, dict) and isinstance(config.get("out_features"), int):
            details["dimension"] = config["out_features"]
        counted = weights.count(part, TRANSFORMERS_WEIGHTS, config if isinstance(config, dict) else None)
        uncounted = uncounted or (f"{kind}: {counted.uncounted}" if counted.uncounted else "")
        dtypes.update(counted.dtypes)
        kinds.add(counted.kind)
        details |= _sentence_length(part)
    settings = folder.json(SENTENCE_SETTINGS, DOCUMENT_LIMIT)
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
            **read_card(folder),
            **details,
            "weights": ", ".join(sorted(kinds - {""})) or None,
            "similarity": settings.get("similarity_fn_name"),
            "prompts": settings.get("prompts") or None,
            "uncounted": uncounted,
        },
    )


def _describe_pooling(config: dict[str, Any]) -> dict[str, Any]:
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


def _sentence_length(part: ModelFolder) -> dict[str, Any]:
    """How many tokens a sentence may have."""
    config = part.json("sentence_bert_config.json", DOCUMENT_LIMIT)
    length = config.get("max_seq_length") if isinstance(config, dict) else None
    return {"max_seq_length": length} if length else {}


PIPELINE = "model_index.json"
#: The most parts.
PARTS = 100

_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = ("", ".fp16", ".bf16", ".non_ema")
DIFFUSERS_WEIGHTS = (
    *(f"{stem}.safetensors.index{variant}.json" for variant in _VARIANTS for stem in _STEMS),
    *(f"{stem}{variant}.safetensors" for variant in _VARIANTS for stem in _STEMS),
    *(f"{stem}{variant}.bin" for variant in _VARIANTS for stem in ("diffusion_pytorch_model", "pytorch_model")),
)
#: Ends of the names of classes that have no weights.
_PARTS_WITHOUT_WEIGHTS = ("Scheduler", "Tokenizer", "TokenizerFast", "Processor", "Extractor", "ImageProcessorFast")


def read_diffusers(folder: ModelFolder) -> Inspection | None:
    """The class, the version, the parts and the weights of all of them together."""
    if PIPELINE in folder.files:
        index = folder.json(PIPELINE, DOCUMENT_LIMIT)
        return _describe_pipeline(folder, index) if _is_diffusers_config(index) else None
    config = folder.json(CONFIG, DOCUMENT_LIMIT)
    if not _is_diffusers_config(config) or is_transformers_config(config):
        return None
    counted = weights.count(folder, DIFFUSERS_WEIGHTS, config)
    return Inspection(
        "diffusers",
        framework="diffusers",
        framework_version=str(config["_diffusers_version"]),
        class_name=str(config["_class_name"]),
        parameters=counted.parameters,
        dtypes=counted.dtypes,
        details={**read_card(folder), "uncounted": counted.uncounted},
    )


def _is_diffusers_config(document: Any) -> bool:
    return (
        isinstance(document, dict) and isinstance(document.get("_class_name"), str) and "_diffusers_version" in document
    )


def _describe_pipeline(folder: ModelFolder, index: dict[str, Any]) -> Inspection:
    parts = {
        name: str(value[1])
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    }
    dtypes: Counter[str] = Counter()
    uncounted = "" if parts else "it lists no parts"
    for name, class_name in list(parts.items())[:PARTS]:
        if class_name.endswith(_PARTS_WITHOUT_WEIGHTS):
            continue
        part = folder.subfolder(name)
        config = part.json(CONFIG, DOCUMENT_LIMIT)
        counted = weights.count(part, DIFFUSERS_WEIGHTS, config if isinstance(config, dict) else None)
        uncounted = uncounted or (f"{name}: {counted.uncounted}" if counted.uncounted else "")
        dtypes.update(counted.dtypes)
    return Inspection(
        "diffusers",
        framework="diffusers",
        framework_version=str(index["_diffusers_version"]),
        class_name=str(index["_class_name"]),
        parameters=None if uncounted else sum(dtypes.values()),
        dtypes={} if uncounted else dict(dtypes),
        details={**read_card(folder), "parts": parts, "uncounted": uncounted},
    )


MLX_ADAPTER_WEIGHTS = "adapters.safetensors"


def read_mlx(folder: ModelFolder) -> Inspection | None:
    """The configuration, and the weights as the numbers that they stand for."""
    if ADAPTER_CONFIG in folder.files and MLX_ADAPTER_WEIGHTS in folder.files:
        return _describe_mlx_adapter(folder)
    config = folder.json(CONFIG, DOCUMENT_LIMIT)
    if not is_transformers_config(config) or not _is_mlx(folder, config):
        return None
    found = describe_transformers(folder, config, "mlx")
    return replace(found, framework="mlx", framework_version="")


def _is_mlx(folder: ModelFolder, config: dict[str, Any]) -> bool:
    """Whether MLX wrote the weights: their metadata says so, or they are packed as only MLX does it."""
    name = next((name for name in TRANSFORMERS_WEIGHTS[:2] if name in folder.files), None)
    if name is None:
        return False
    try:
        files = safetensors.shards_of(folder, name)[:1] if name.endswith(".json") else [name]
        found = safetensors.weights_of(folder, files)
    except Stopped:
        return False
    packed = safetensors.unpacked(found.listed, {}).uncounted == safetensors.UNKNOWN_BITS
    return found.framework == "mlx" or (packed and isinstance(config.get("quantization"), dict))


def _describe_mlx_adapter(folder: ModelFolder) -> Inspection | None:
    """What ``mlx_lm.lora`` trains."""
    config = folder.json(ADAPTER_CONFIG, DOCUMENT_LIMIT)
    if (
        not isinstance(config, dict)
        or "peft_type" in config
        or not ({"fine_tune_type", "lora_parameters"} & config.keys())
    ):
        return None
    counted = weights.count(folder, (MLX_ADAPTER_WEIGHTS,))
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


CARD = "README.md"
#: The longest front matter that is read, in bytes.
CARD_LIMIT = 1 << 16

_CARD_KEYS = ("license", "pipeline_tag", "base_model", "language", "library_name")


def read_card(folder: ModelFolder) -> dict[str, Any]:
    """What the card of a folder says of the model; nothing when there is none, or it can't be read."""
    from ...core.yaml import documents

    if CARD not in folder.files:
        return {}
    try:
        with folder.opened(CARD) as file:
            mark, _, rest = file.beginning(CARD_LIMIT).decode("utf-8", "replace").partition("---\n")
    except (Stopped, OSError):
        return {}
    matter, end, _ = rest.partition("\n---")
    if mark or not end:
        return {}
    try:
        found = documents.loads(matter.encode(), CARD, limit=CARD_LIMIT)
    except InvalidInput:
        return {}
    return {key: found[key] for key in _CARD_KEYS if found.get(key)} if isinstance(found, dict) else {}
