"""Weights: safetensors, and the numbers in the weights of a folder in whatever format they are.

A safetensors file is a length, a header in JSON, then the tensors; many files with an index are one model. Quantised
weights are counted as the numbers that they stand for.
"""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from ..binary.limits import Stopped
from ..binary.model_files import ModelFile, ModelFolder
from ..inspection import NO_WEIGHTS, Inspection, parameter_counts

#: The largest header that is read, in bytes; one of 10,000 tensors has about a million.
MAX_HEADER = 4 << 20
MAX_SHARDS, MAX_INDEX = 1_000, 16 << 20
INDEX_SUFFIX = ".index.json"

_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
    "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
    "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3", "F8_E8M0": "float8_e8m0",
}  # fmt: skip
#: What ``__metadata__.format`` says of who wrote it.
_FRAMEWORKS = {"pt": "torch", "tf": "tensorflow", "flax": "flax", "mlx": "mlx"}

#: Names of the tensors of an adapter, and keys under which its trainer notes the model that it belongs to.
_LORA = re.compile(r"\.lora_(A|B|down|up|embedding_A)\b|^lora_(unet|te\d?|transformer)_")
_BASES = ("ss_base_model_version", "ss_sd_model_name", "base_model", "modelspec.architecture")
_BLOCKS = {"qweight", "weight_packed"}
#: What belongs to packed weights and is no parameter of the model: scales, offsets, the order of groups.
_BESIDE = {
    "weight": ("scales", "biases"),
    "qweight": ("scales", "qzeros", "g_idx"),
    "weight_packed": ("weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx", "weight_global_scale"),
}
UNKNOWN_BITS = "its weights are packed, and nothing says into how many bits"


class Listed(NamedTuple):
    """One tensor, as the header of a file lists it."""

    name: str
    type: str
    shape: tuple[int, ...]


class Counted(NamedTuple):
    """How many numbers there are of which types, or why that is not known; ``kind`` is the format of the files."""

    dtypes: Mapping[str, int] = {}
    uncounted: str = ""
    kind: str = ""

    @property
    def parameters(self) -> int | None:
        return None if self.uncounted else sum(self.dtypes.values())


class Weights(NamedTuple):
    """What the headers of one or more files list: tensors, and what their writer put there."""

    listed: tuple[Listed, ...]
    metadata: Mapping[str, Any]

    @property
    def framework(self) -> str:
        """The package that wrote the weights; empty if it is not stated."""
        return _FRAMEWORKS.get(str(self.metadata.get("format")), "")


def read_safetensors(thing: ModelFile | ModelFolder) -> Inspection | None:
    """One file, or a folder of shards with their index."""
    details: dict[str, Any] = {}
    if isinstance(thing, ModelFolder):
        shards = shards_of(
            thing, min(name for name in thing.files if "/" not in name and name.endswith(f".safetensors{INDEX_SUFFIX}"))
        )
        weights, details = weights_of(thing, shards), {"shards": len(shards)}
    elif thing.head[8:9] == b"{":
        weights = read_header(thing)
    else:
        return None
    counted = unpacked(weights.listed, {})
    if counted.uncounted:
        details["uncounted"] = counted.uncounted
    details |= {"tensors": len(weights.listed), "metadata": weights.metadata}
    if any(_LORA.search(each.name) for each in weights.listed[:64]):
        details["adapter"] = "lora"
        if base := next((weights.metadata[key] for key in _BASES if weights.metadata.get(key)), None):
            details["base_model"] = base
    return Inspection("safetensors", framework=weights.framework, **parameter_counts(*counted[:2]), details=details)


def shards_of(folder: ModelFolder, index: str) -> list[str]:
    """The files that an index names; :class:`Stopped` when one of them is not in the folder."""
    weight_map = json.loads(folder.whole(index, MAX_INDEX))["weight_map"]
    shards = sorted(set(weight_map.values()))
    if len(shards) > MAX_SHARDS:
        raise Stopped(f"{len(shards):,} shards")
    if missing := [shard for shard in shards if shard not in folder.files]:
        raise Stopped(f"{len(missing)} of {len(shards)} shards are missing, the first: {missing[0]}")
    return shards


def weights_of(folder: ModelFolder, names: Iterable[str]) -> Weights:
    """What several files of a folder hold together."""
    listed: list[Listed] = []
    metadata: dict[str, Any] = {}
    for name in names:
        with folder.opened(name) as file:
            found = read_header(file)
        listed += found.listed
        metadata.update(found.metadata)
    return Weights(tuple(listed), metadata)


def read_header(file: ModelFile) -> Weights:
    """What the header of one file lists; :class:`Stopped` when the tensors don't fill the file as it says."""
    length = int.from_bytes(file.read(0, 8), "little")
    if length > MAX_HEADER:
        raise Stopped(f"its header has {length:,} bytes")
    listed = json.loads(file.read(8, length))
    if not isinstance(listed, dict):
        raise Stopped("its header is not an object")
    metadata = listed.pop("__metadata__", {})
    found: list[Listed] = []
    end = 0
    for name, tensor in listed.items():
        dtype = tensor["dtype"]
        shape = tuple(_dimension(each) for each in tensor["shape"])
        found.append(Listed(name, _DTYPES.get(dtype, dtype.lower()), shape))
        end = max(end, _dimension(tensor["data_offsets"][1]))
    if 8 + length + end > file.size:
        raise Stopped("it is cut short")
    return Weights(tuple(found), metadata if isinstance(metadata, dict) else {})


def _dimension(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise Stopped("a dimension is not a number")
    return value


def unpacked(tensors: Sequence[Listed], config: Mapping[str, Any]) -> Counted:
    """Count tensors as the numbers that they stand for; ``config`` says into how many bits weights were packed."""
    names = {each.name for each in tensors}
    left_out: set[str] = set()
    packed: dict[str, tuple[int | None, str]] = {}
    states = {each.name.partition(".weight.")[0] for each in tensors if ".weight." in each.name}
    for each in tensors:
        base, _, last = each.name.rpartition(".")
        beside = {near for end in _BESIDE.get(last, ()) if (near := f"{base}.{end}") in names}
        if last == "weight" and each.type == "uint32" and f"{base}.scales" in names:
            packed[each.name] = _bits(config, base), "uint"
        elif last in _BLOCKS and each.type in ("int32", "uint8") and beside:
            packed[each.name] = (_bits(config, base) if each.type == "int32" else 4), "uint"
        elif last == "weight" and each.type == "uint8" and base in states:  # bitsandbytes
            packed[each.name], beside = (4, "uint"), set()
        elif last.endswith("_blocks") and each.type == "uint8" and (near := f"{each.name[:-7]}_scales") in names:
            packed[each.name], beside = (4, "float"), {near}
        else:
            continue
        left_out |= beside
    inside = {base for base in states if f"{base}.weight" in packed}
    dtypes: Counter[str] = Counter()
    for each in tensors:
        if each.name in left_out or (".weight." in each.name and each.name.partition(".weight.")[0] in inside):
            continue
        numbers = prod(each.shape)
        if each.name not in packed:
            dtypes[each.type] += numbers
            continue
        bits, kind = packed[each.name]
        width = int("".join(filter(str.isdigit, each.type)))
        if bits is None or not 0 < bits <= width:
            return Counted(uncounted=UNKNOWN_BITS)
        dtypes[f"{kind}{bits}"] += numbers * width // bits
    return Counted(dtypes)


def _bits(config: Mapping[str, Any], layer: str) -> int | None:
    """Into how many bits the weights of a layer were packed; a layer may differ from the rest."""
    for key in ("quantization", "quantization_config"):
        quantization = config.get(key)
        if not isinstance(quantization, dict):
            continue
        groups = quantization.get("config_groups")
        inner = [
            each.get("weights")
            for each in (groups.values() if isinstance(groups, dict) else ())
            if isinstance(each, dict)
        ]
        for part in (quantization.get(layer), quantization, *inner):
            if isinstance(part, dict):
                bits = next((part[name] for name in ("bits", "w_bit", "num_bits") if name in part), None)
                if type(bits) is int:
                    return bits
    return None


def count(folder: ModelFolder, names: Sequence[str], config: Mapping[str, Any] | None = None) -> Counted:
    """Count the first of the files, or indices of files, that the folder has; ``config`` says how they were quantised."""
    name = next((name for name in names if name in folder.files), None)
    if name is None:
        return Counted(uncounted=NO_WEIGHTS)
    try:
        return _count(folder, name, config or {})
    except Stopped as error:
        return Counted(uncounted=str(error))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error):
        # the rest of the folder is described all the same
        return Counted(uncounted=f"{name} can't be read: it is damaged")


def add_up(counts: Iterable[tuple[str, Counted]]) -> Counted:
    """The numbers in all parts of a model, by the names of the parts; why, if one could not be counted."""
    dtypes: Counter[str] = Counter()
    uncounted, kinds = "", set()
    for name, each in counts:
        dtypes.update(each.dtypes)
        uncounted = uncounted or (each.uncounted and f"{name}: {each.uncounted}")
        kinds.add(each.kind)
    return Counted({} if uncounted else dtypes, uncounted, ", ".join(sorted(kinds - {""})))


def _count(folder: ModelFolder, name: str, config: Mapping[str, Any]) -> Counted:
    files = [name]
    if name.endswith(INDEX_SUFFIX):
        files, name = shards_of(folder, name), name.removesuffix(INDEX_SUFFIX)
    if name.endswith(".safetensors"):
        return unpacked(weights_of(folder, files).listed, config)._replace(kind="safetensors")
    return add_up((each, _count_file(folder, each)) for each in files)


def _count_file(folder: ModelFolder, name: str) -> Counted:
    """The numbers in one file that is not safetensors."""
    from . import jax, keras, pickles, torch  # most weights are safetensors

    with folder.opened(name) as file:
        if name.endswith(".msgpack"):
            walk = jax.FlaxArrays(file)
            if not walk.run() or walk.uncounted:
                raise Stopped(walk.uncounted or f"{name} is not read")
            return Counted(walk.dtypes, kind="flax")
        if name.endswith(".h5"):
            return Counted(keras.count_weights(file), kind="hdf5")
        found = torch.read_torch(file) or pickles.read(file)
        if found is None or found.parameters is None:
            raise Stopped(f"{name} is not read")
        return Counted(found.dtypes, kind="torch")
