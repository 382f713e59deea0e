"""Keras: ``.keras``, an archive of a configuration and weights, and ``.h5``, one file of HDF5."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..binary import zip_members
from ..binary.hdf5 import MAGIC, Hdf5
from ..binary.model_files import ModelFile, iter_objects, unless_stopped
from ..inspection import Inspection, Tensor, parameter_counts

_SHAPES = ("batch_shape", "batch_input_shape")
_WEIGHTS = "model.weights.h5"


def read(file: ModelFile) -> Inspection | None:
    """The configuration, with what in it runs code when it is loaded, and the weights, without state of the training."""
    if file.head.startswith(MAGIC):
        return _hdf5(file)
    if not {"config.json", "metadata.json"} <= zip_members.list_members(file).keys():
        return None
    metadata = json.loads(zip_members.read_member(file, "metadata.json"))
    if "keras_version" not in metadata and not file.name.lower().endswith(".keras"):
        return None
    config = json.loads(zip_members.read_member(file, "config.json"))
    dtypes, problem = unless_stopped(lambda: _count(Hdf5(zip_members.piece_reader(file, _WEIGHTS))))
    details = {"saved": metadata.get("date_saved"), "uncounted": problem}
    return _describe(
        "keras", str(metadata.get("keras_version", "")), config, parameter_counts(dtypes or {}, problem), details
    )


def _hdf5(file: ModelFile) -> Inspection:
    """A model, if an attribute says that Keras wrote it; else only HDF5."""
    inside = Hdf5(file.read)
    attributes = inside.attributes()
    if "keras_version" not in attributes:
        return Inspection("hdf5", certain=False)
    config = json.loads(attributes.get("model_config", "{}"))
    counts = parameter_counts(_count(inside))
    return _describe("keras-h5", attributes["keras_version"], config, counts, {"backend": attributes.get("backend")})


def count_weights(file: ModelFile) -> Mapping[str, int]:
    """The numbers in a file of HDF5 that holds only weights, by type."""
    return _count(Hdf5(file.read))


def _count(inside: Hdf5) -> Mapping[str, int]:
    dtypes: Counter[str] = Counter()
    for each in inside.datasets():
        if not each.path.startswith("/optimizer") and "seed_generator" not in each.path:
            dtypes[each.type] += each.numbers
    return dtypes


def _describe(
    name: str, version: str, config: dict[str, Any], counts: dict[str, Any], details: dict[str, Any]
) -> Inspection:
    """Class, inputs, outputs and layers. A shape is as the first layer declares it."""
    inner = config.get("config") or {}
    layers = inner.get("layers") or []
    inputs = [tensor for layer in layers if (tensor := _input(layer))]
    shape = inner.get("build_input_shape") or (config.get("build_config") or {}).get("input_shape")
    if shape and not inputs:
        inputs = [Tensor("", "", tuple(shape))]
    kinds = Counter(str(layer.get("class_name")) for layer in layers)
    kinds.pop("InputLayer", None)
    parts = [part for part in iter_objects(config) if isinstance(part.get("class_name"), str)]
    own = {str(each) for part in parts if (each := part.get("registered_name")) not in (None, "", part["class_name"])}
    return Inspection(
        name,
        framework="keras",
        framework_version=version,
        class_name=str(config.get("class_name", "")),
        **counts,
        inputs=tuple(inputs),
        outputs=tuple(Tensor(name) for name in _outputs(inner, layers)),
        details={
            "name": inner.get("name"),
            "layers": dict(kinds),
            "lambda_layers": sum(part["class_name"] == "Lambda" for part in parts) or None,
            "custom_objects": sorted(own),
            **details,
        },
    )


def _input(layer: dict[str, Any]) -> Tensor | None:
    config = layer.get("config") or {}
    shape = next((config[key] for key in _SHAPES if config.get(key)), None)
    if layer.get("class_name") != "InputLayer" or not isinstance(shape, list):
        return None
    dtype = config.get("dtype")
    return Tensor(str(config.get("name", "")), dtype if isinstance(dtype, str) else "", tuple(shape))


def _outputs(config: dict[str, Any], layers: list[dict[str, Any]]) -> Iterator[str]:
    listed = config.get("output_layers")
    if isinstance(listed, dict):
        listed = list(listed.values())
    if isinstance(listed, list) and listed:
        if isinstance(listed[0], str):  # one output is not put into a list of its own
            listed = [listed]
        yield from (str(each[0]) for each in listed)
    elif layers:
        yield str((layers[-1].get("config") or {}).get("name", ""))
