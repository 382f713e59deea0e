"""The numbers in the weights of a folder, in whatever format they are, also where quantisation has packed them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..binary.limits import Stopped
from ..binary.model_files import ModelFolder
from ..inspection import NO_WEIGHTS
from . import safetensors
from .safetensors import Counted

_INDEX = ".index.json"


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
    files = [name]
    if name.endswith(_INDEX):
        files, name = safetensors.shards_of(folder, name), name.removesuffix(_INDEX)
    if name.endswith(".safetensors"):
        found = safetensors.weights_of(folder, files)
        return safetensors.unpacked(found.listed, config)._replace(kind="safetensors", metadata=found.metadata)
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
