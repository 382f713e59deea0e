"""Folders as the libraries of Hugging Face write them, and MLX after them: configurations, cards and weights."""

from __future__ import annotations

from typing import Any

from ...core.lazy_dataclass import replace
from ...core.yaml import documents
from ...errors import InvalidInput
from ..binary.limits import Stopped
from ..binary.model_files import CONFIGURATION, ModelFolder, parse_json, unless_stopped
from ..inspection import Inspection, parameter_counts
from . import weights
from .weights import Counted

CONFIG = "config.json"
#: Where the weights can be, the first of which is counted.
TRANSFORMERS_WEIGHTS = (
    "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin",
    "flax_model.msgpack.index.json", "flax_model.msgpack", "tf_model.h5",
)  # fmt: skip

_CONFIG_KEYS = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings",
)  # fmt: skip
_QUANTIZATION_KEYS = (
    "quant_method", "bits", "group_size", "mode", "w_bit", "bnb_4bit_quant_type", "load_in_4bit", "load_in_8bit",
)  # fmt: skip


def read_transformers(folder: ModelFolder) -> Inspection | None:
    """Architecture, type, labels; the weights are counted. With weights of Flax alone it is a model of Flax."""
    config = parse_json(folder.whole(CONFIG, CONFIGURATION))
    if not _is_transformers_config(config):
        return None
    found = _describe_transformers(folder, config, "transformers")
    if found.details["weights"] == "flax":
        return replace(found, format="flax", framework="flax", framework_version="")
    return found


def _is_transformers_config(config: Any) -> bool:
    """Whether a ``config.json`` is that of a model: many things have one."""
    if not isinstance(config, dict):
        return False
    architectures = config.get("architectures")
    return isinstance(config.get("model_type"), str) or (
        isinstance(architectures, list)
        and bool(architectures)
        and all(isinstance(each, str) and each.isidentifier() and each[:1].isupper() for each in architectures)
    )


def _describe_transformers(folder: ModelFolder, config: dict[str, Any], name: str) -> Inspection:
    architectures = config.get("architectures") or [""]
    counted = weights.count(folder, TRANSFORMERS_WEIGHTS, config)
    labels = config.get("id2label")
    quantization = config.get("quantization_config") or config.get("quantization")
    if isinstance(quantization, dict):
        quantization = {key: each for key in _QUANTIZATION_KEYS if (each := quantization.get(key)) is not None}
    else:
        quantization = None
    return _describe(
        name,
        config.get("transformers_version"),
        str(architectures[0]),
        counted,
        framework="transformers",
        details={
            **{key: config.get(key) for key in _CONFIG_KEYS},
            "dtype": config.get("dtype") or config.get("torch_dtype"),
            "labels": list(labels.values()) if isinstance(labels, dict) else None,
            "weights": counted.kind or None,
            "quantization": quantization,
            "uncounted": counted.uncounted,
            "own_code": sorted(map(str, config.get("auto_map") or ())),
            **_read_card(folder),
        },
    )


def _describe(
    name: str, version: object, class_name: str, counted: Counted, *, details: dict[str, Any], framework: str = ""
) -> Inspection:
    return Inspection(
        name,
        framework=framework or name,
        framework_version=str(version or ""),
        class_name=class_name,
        **parameter_counts(*counted[:2]),
        details=details,
    )


ADAPTER_CONFIG = "adapter_config.json"
PEFT_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_ADAPTER_KEYS = {
    "r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "target_modules": "target_modules",
    "modules_to_save": "modules_to_save", "task_type": "task", "bias": "bias", "use_dora": "dora",
    "use_rslora": "rslora", "num_virtual_tokens": "virtual_tokens", "revision": "base_revision",
}  # fmt: skip


def read_peft(folder: ModelFolder) -> Inspection | None:
    """The kind of the adapter, its base model, and the numbers that it adds."""
    config = folder.json_object(ADAPTER_CONFIG)
    if not isinstance(config.get("peft_type"), str):
        return None
    counted, card = weights.count(folder, PEFT_WEIGHTS), _read_card(folder)
    details = {
        name: sorted(map(str, value)) if isinstance(value, list) else value
        for key, name in _ADAPTER_KEYS.items()
        if (value := config.get(key)) not in (None, False, "none")
    }
    details |= {
        "base_model": config.get("base_model_name_or_path") or card.get("base_model"),
        "weights": counted.kind or None,
        "uncounted": counted.uncounted,
    }
    return _describe("peft", config.get("peft_version"), config["peft_type"], counted, details={**card, **details})


MAX_MODULES = 50

_PACKAGE = "sentence_transformers."
_MODULES_WITHOUT_WEIGHTS = ("Pooling", "Normalize", "Dropout", "Router", "SpladePooling", "BoW")


def read_sentence_transformers(folder: ModelFolder) -> Inspection | None:
    """The modules, how the sentences come out, and the weights of all modules together."""
    modules = folder.json("modules.json")
    if not isinstance(modules, list) or not 0 < len(modules) <= MAX_MODULES:
        return None
    if not all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in modules):
        return None
    if not any(each["type"].startswith(_PACKAGE) for each in modules):
        return None
    details: dict[str, Any] = {"modules": [each["type"].rpartition(".")[2] for each in modules]}
    class_name, counts = "", []
    for kind, each in zip(details["modules"], modules, strict=True):
        path = str(each.get("path") or "")
        part = folder.subfolder(path) if path else folder
        config = part.json_object(CONFIG)
        if kind == "Pooling" and config:
            prefix = "pooling_mode_"
            modes = [key.removeprefix(prefix) for key, on in config.items() if key.startswith(prefix) and on is True]
            details["pooling"] = modes or config.get("pooling_mode")
            details["dimension"] = config.get("word_embedding_dimension") or config.get("embedding_dimension")
        if kind in _MODULES_WITHOUT_WEIGHTS:
            continue
        if _is_transformers_config(config):
            class_name = class_name or str((config.get("architectures") or [""])[0])
            details.setdefault("model_type", config.get("model_type"))
        elif kind == "Dense" and isinstance(config.get("out_features"), int):
            details["dimension"] = config["out_features"]
        counts.append((kind, weights.count(part, TRANSFORMERS_WEIGHTS, config)))
        if length := part.json_object("sentence_bert_config.json").get("max_seq_length"):
            details["max_seq_length"] = length
    counted = weights.add_up(counts)
    settings = folder.json_object("config_sentence_transformers.json")
    versions = settings.get("__version__")
    return Inspection(
        "sentence-transformers",
        framework="sentence-transformers",
        framework_version=str(versions.get("sentence_transformers", "")) if isinstance(versions, dict) else "",
        class_name=class_name,
        **(parameter_counts(counted.dtypes) if counted.dtypes else {}),
        details={
            **_read_card(folder),
            **details,
            "weights": counted.kind or None,
            "similarity": settings.get("similarity_fn_name"),
            "prompts": settings.get("prompts") or None,
            "uncounted": counted.uncounted,
        },
    )


PIPELINE = "model_index.json"
MAX_PARTS = 100

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
    is_pipeline = PIPELINE in folder.files
    config = folder.json_object(PIPELINE if is_pipeline else CONFIG)
    if not isinstance(config.get("_class_name"), str) or "_diffusers_version" not in config:
        return None
    if is_pipeline:
        parts = {
            name: str(value[1])
            for name, value in config.items()
            if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
        }
        counted = _count_parts(folder, parts) if parts else Counted(uncounted="it lists no parts")
        details = {**_read_card(folder), "parts": parts, "uncounted": counted.uncounted}
    elif _is_transformers_config(config):
        return None
    else:
        counted = weights.count(folder, DIFFUSERS_WEIGHTS, config)
        details = {**_read_card(folder), "uncounted": counted.uncounted}
    version = str(config["_diffusers_version"])
    return _describe("diffusers", version, config["_class_name"], counted, details=details)


def _count_parts(folder: ModelFolder, parts: dict[str, str]) -> Counted:
    counts = []
    for name, class_name in list(parts.items())[:MAX_PARTS]:
        if not class_name.endswith(_PARTS_WITHOUT_WEIGHTS):
            part = folder.subfolder(name)
            config = part.json_object(CONFIG)
            counts.append((name, weights.count(part, DIFFUSERS_WEIGHTS, config)))
    return weights.add_up(counts)


MLX_ADAPTER_WEIGHTS = "adapters.safetensors"


def read_mlx(folder: ModelFolder) -> Inspection | None:
    """The configuration, and the weights as the numbers that they stand for; or an adapter of ``mlx_lm.lora``."""
    if ADAPTER_CONFIG in folder.files and MLX_ADAPTER_WEIGHTS in folder.files:
        return _read_mlx_adapter(folder)
    config = folder.json(CONFIG)
    if not _is_transformers_config(config) or not unless_stopped(lambda: _is_mlx(folder, config))[0]:
        return None
    return replace(_describe_transformers(folder, config, "mlx"), framework="mlx", framework_version="")


def _is_mlx(folder: ModelFolder, config: dict[str, Any]) -> bool:
    """Whether MLX wrote the weights: their metadata says so, or they are packed as only MLX does it."""
    name = next((name for name in TRANSFORMERS_WEIGHTS[:2] if name in folder.files), None)
    if name is None:
        return False
    shards = weights.shards_of(folder, name)[:1] if name.endswith(".json") else [name]
    found = weights.weights_of(folder, shards)
    packed = weights.unpacked(found.listed, {}).uncounted == weights.UNKNOWN_BITS
    return found.framework == "mlx" or (packed and isinstance(config.get("quantization"), dict))


def _read_mlx_adapter(folder: ModelFolder) -> Inspection | None:
    config = folder.json_object(ADAPTER_CONFIG)
    if "peft_type" in config or not ({"fine_tune_type", "lora_parameters"} & config.keys()):
        return None
    counted = weights.count(folder, (MLX_ADAPTER_WEIGHTS,))
    settings = config.get("lora_parameters")
    details = {
        "base_model": config.get("model"),
        "rank": settings.get("rank") if isinstance(settings, dict) else None,
        "uncounted": counted.uncounted,
    }
    return _describe("mlx", "", str(config.get("fine_tune_type") or "lora"), counted, details=details)


CARD = "README.md"
MAX_FRONT_MATTER = 1 << 16

_CARD_KEYS = ("license", "pipeline_tag", "base_model", "language", "library_name")


def _read_card(folder: ModelFolder) -> dict[str, Any]:
    """What the card of a folder says of the model; nothing when there is none, or it can't be read."""
    try:
        with folder.opened(CARD) as file:
            mark, _, rest = file.beginning(MAX_FRONT_MATTER).decode("utf-8", "replace").partition("---\n")
        matter, end, _ = rest.partition("\n---")
        found = {} if mark or not end else documents.loads(matter.encode(), CARD, limit=MAX_FRONT_MATTER)
    except (Stopped, OSError, InvalidInput):
        return {}
    return {key: found[key] for key in _CARD_KEYS if found.get(key)} if isinstance(found, dict) else {}
