"""The numbers in the weights of a folder, in whatever format they are."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    if name.endswith(_INDEX):
        files, name = safetensors.shards_of(folder, name), name.removesuffix(_INDEX)
    if name.endswith(".safetensors"):
        return safetensors.unpacked(safetensors.weights_of(folder, files).listed, config)._replace(kind="safetensors")
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
