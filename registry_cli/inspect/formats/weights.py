"""The numbers in the weights of a folder, in whatever format they are, also where quantisation has packed them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from ..binary.limits import Stopped
from ..binary.model_files import ModelFolder
from ..inspection import NO_WEIGHTS

_INDEX = ".index.json"
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
    """How many numbers there are, and of which types; None, and why, when they could not be counted. ``kind`` is the
    format of the files.
    """

    parameters: int | None = None
    dtypes: Mapping[str, int] = {}
    uncounted: str = ""
    kind: str = ""
    metadata: Mapping[str, Any] = {}


def count(folder: ModelFolder, names: Sequence[str], config: Mapping[str, Any] | None = None) -> Counted:
    """Count the first of the files ``names`` that the folder has: a file of weights, or the index of several.

    ``config`` says how the weights were quantised.
    """
    name = next((name for name in names if name in folder.files), None)
    if name is None:
        return Counted(uncounted=NO_WEIGHTS)
    try:
        return _count(folder, name, config or {})
    except Stopped as error:
        return Counted(uncounted=str(error))
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, struct.error):
        return Counted(
            uncounted=f"{name} can't be read: it is damaged"
        )  # the rest of the folder is described all the same


def _count(folder: ModelFolder, name: str, config: Mapping[str, Any]) -> Counted:
    from . import safetensors

    files = [name]
    if name.endswith(_INDEX):
        files, name = safetensors.shards_of(folder, name), name.removesuffix(_INDEX)
    if name.endswith(".safetensors"):
        found = safetensors.weights_of(folder, files)
        return unpacked(found.listed, config)._replace(kind="safetensors", metadata=found.metadata)
    dtypes: Counter[str] = Counter()
    kind = ""
    for each in files:
        kind, more = _one(folder, each)
        dtypes.update(more)
    return Counted(sum(dtypes.values()), dtypes, "", kind)


def _one(folder: ModelFolder, name: str) -> tuple[str, Mapping[str, int]]:
    """The numbers in one file that is not safetensors."""
    with folder.opened(name) as file:
        if name.endswith(".msgpack"):
            from . import jax

            walk = jax.FlaxArrays(file)
            if not walk.run() or walk.uncounted:
                raise Stopped(walk.uncounted or f"{name} is not read")
            return "flax", walk.dtypes
        if name.endswith(".h5"):
            from . import keras

            return "hdf5", keras.weights(file)
        from . import pickles, torch

        found = torch.read_torch(file) or pickles.read(file)
        if found is None or found.parameters is None:
            raise Stopped(f"{name} is not read")
        return "torch", found.dtypes


def unpacked(tensors: Sequence[Listed], config: Mapping[str, Any]) -> Counted:
    """Count tensors as the numbers that they stand for: packed weights by their bits, and nothing that lies beside them."""
    names = {each.name: each for each in tensors}
    left_out: set[str] = set()
    packed: dict[str, tuple[int | None, str]] = {}
    states = {each.name.partition(".weight.")[0] for each in tensors if ".weight." in each.name}
    for each in tensors:
        base, _, last = each.name.rpartition(".")
        if last == "weight" and each.type == "uint32" and f"{base}.scales" in names:
            packed[each.name] = _bits(config, base), "uint"
        elif last in _BLOCKS and (each.type in ("int32", "uint8")) and len(_near(base, last, names)) > 0:
            packed[each.name] = (_bits(config, base) if each.type == "int32" else 4), "uint"
        elif last == "weight" and each.type == "uint8" and base in states:  # bitsandbytes
            packed[each.name] = 4, "uint"
            continue
        elif last.endswith("_blocks") and each.type == "uint8" and f"{each.name[:-7]}_scales" in names:
            packed[each.name] = 4, "float"
            left_out.add(f"{each.name[:-7]}_scales")
            continue
        else:
            continue
        left_out |= {f"{base}.{near}" for near in _near(base, last, names)}
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
    return Counted(sum(dtypes.values()), dtypes)


def _near(base: str, last: str, names: Mapping[str, Listed]) -> list[str]:
    return [near for near in _BESIDE.get(last, ()) if f"{base}.{near}" in names]


def _bits(config: Mapping[str, Any], layer: str) -> int | None:
    """Into how many bits the weights of a layer were packed; a layer may differ from the rest."""
    for key in ("quantization", "quantization_config"):
        quantization = config.get(key)
        if not isinstance(quantization, dict):
            continue
        groups = quantization.get("config_groups")
        inner = (
            [each.get("weights") for each in groups.values() if isinstance(each, dict)]
            if isinstance(groups, dict)
            else []
        )
        for part in (quantization.get(layer), quantization, *inner):
            if not isinstance(part, dict):
                continue
            bits = next((part[name] for name in ("bits", "w_bit", "num_bits") if name in part), None)
            if type(bits) is int:
                return bits
    return None
