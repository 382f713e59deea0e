"""Formats of which only the header, or a list of what is inside, is read: one function a format.

They are recognised by more than one mark, as any other format, and state why no numbers are counted.
"""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from itertools import islice
from typing import Any

from ...core.yaml import documents
from ...errors import InvalidInput
from ..binary import zip_members
from ..binary.decompression import DecompressedStream
from ..binary.flatbuffers import FlatBuffer, is_rooted
from ..binary.limits import Budget, Stopped
from ..binary.model_files import CONFIGURATION, ModelFile
from ..binary.sources import SequentialReader
from ..binary.tar_archive import Tar
from ..inspection import Inspection, Tensor

_CRFSUITE = struct.Struct("<4sL4s4L")
_GGML_NAMES = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt", b"algg": "ggla"}
_GGML_SETTINGS = struct.Struct("<4L")
_GGML_MAX_SETTING = 1 << 20
#: How a list of layers begins: a mark, and how many layers and connections there are.
_NCNN_START = re.compile(rb"\s*7767517\s*\n\s*(\d+)[ \t]+\d+\s")
_MAX_NCNN_SIZE = 4 << 20
_NEMO_CONFIG, _NEMO_MAX_MEMBERS, _NEMO_MAX_UNPACKED = "model_config.yaml", 1_000, 64 << 20
_TREELITE = struct.Struct("<3i2BQiB?")
_TREELITE_TYPES = {1: "uint32", 2: "float32", 3: "float64"}
_TREELITE_TASKS = {0: "binary", 1: "regressor", 2: "multiclass", 3: "ranker", 4: "isolation forest"}
_TREELITE_MAX_COUNT = 1 << 24


def _recognized(name: str, framework: str, uncounted: str, **details: Any) -> Inspection:
    return Inspection(name, framework=framework, details={**details, "uncounted": uncounted})


def read_crfsuite(file: ModelFile) -> Inspection | None:
    """CRFsuite, a conditional random field: two marks of four letters, the size of the file, and counts."""
    if len(file.head) < _CRFSUITE.size:
        return None
    magic, size, kind, _, features, labels, attributes = _CRFSUITE.unpack_from(file.head)
    if magic != b"lCRF" or kind != b"FOMC" or size != file.size:
        return None
    return _recognized(
        "crfsuite", "crfsuite", "its features are not read",
        labels_count=labels, attributes_count=attributes, features_count=features or None,
    )  # fmt: skip


def read_executorch(file: ModelFile) -> Inspection | None:
    """ExecuTorch (``.pte``), a program for devices: the version of the layout, which is part of the identifier."""
    if not file.head.startswith(b"ET", 4) or not file.head[6:8].isdigit() or not is_rooted(file):
        return None
    layout = file.head[4:8].decode()
    return _recognized("executorch", "executorch", "programs of ExecuTorch are only recognised", layout=layout)


def read_ggml(file: ModelFile) -> Inspection | None:
    """GGML, which whisper.cpp and llama.cpp wrote before GGUF: four letters, then a version or sizes, as small numbers."""
    name = _GGML_NAMES.get(file.head[:4])
    if name is None or len(file.head) < 4 + _GGML_SETTINGS.size:
        return None
    if not all(0 < each <= _GGML_MAX_SETTING for each in _GGML_SETTINGS.unpack_from(file.head, 4)):
        return None
    return _recognized("ggml", "ggml", "only GGUF says what is in it", layout=name)


def read_ncnn(file: ModelFile) -> Inspection | None:
    """ncnn: ``.param``, the layers and the names of inputs as text, and ``.bin`` of the same name, the numbers."""
    start = _NCNN_START.match(file.head)
    if start is None:
        return None
    lines = file.whole(_MAX_NCNN_SIZE).decode("utf-8", "replace").splitlines()[2:]
    layers = [words for line in lines if len(words := line.split()) >= 4]
    if len(layers) != int(start[1]):
        raise Stopped("it does not have as many layers as it says")
    weights = f"{file.name[: -len('.param')]}.bin" if file.name.lower().endswith(".param") else ""
    return Inspection(
        "ncnn",
        framework="ncnn",
        inputs=tuple(Tensor(name) for kind, name, *_ in layers if kind == "Input"),
        details={
            "layers": dict(Counter(kind for kind, *_ in layers)),
            "weights_missing": weights not in file.beside or None,
            "uncounted": "the sizes of weights are not in the list of layers",
        },
        companions=(weights,) if weights in file.beside else (),
    )


def read_nemo(file: ModelFile) -> Inspection | None:
    """NVIDIA NeMo, a tar archive, packed or not: the class that its configuration names, and the version of NeMo."""
    packed = file.head.startswith(b"\x1f\x8b")
    if not (file.name.lower().endswith(".nemo") if packed else file.head[257:262] == b"ustar"):
        return None
    config = _nemo_config(file, packed)
    if not str(config.get("target", "")).startswith("nemo."):
        return None
    return Inspection(
        "nemo",
        framework="nemo",
        framework_version=str(config.get("nemo_version") or ""),
        class_name=str(config["target"]),
        details={"uncounted": "weights in an archive of NeMo are not counted"},
    )


def _nemo_config(file: ModelFile, packed: bool) -> dict[str, Any]:
    for member in islice(Tar(_Unpacked(file) if packed else file).members(), _NEMO_MAX_MEMBERS):
        if member.name.rpartition("/")[2] == _NEMO_CONFIG and member.data.size <= CONFIGURATION:
            try:
                found = documents.loads(member.data.at(0, CONFIGURATION), _NEMO_CONFIG, limit=CONFIGURATION)
            except InvalidInput as error:
                raise Stopped("its configuration can't be read") from error
            return found if isinstance(found, dict) else {}
    return {}


class _Unpacked:
    """The content of a compressed file as a byte source that is read from front to end, and only the last part again."""

    size = _NEMO_MAX_UNPACKED

    def __init__(self, file: ModelFile) -> None:
        self._stream = DecompressedStream(SequentialReader(file), "gzip", Budget(unpacked=_NEMO_MAX_UNPACKED))
        self._start, self._data = 0, b""

    def at(self, offset: int, length: int) -> bytes:
        if offset != self._start or length > len(self._data):
            self._stream.skip(offset - self._start - len(self._data))
            data = b""
            while len(data) < length and (piece := self._stream.read(length - len(data))):
                data += piece
            self._start, self._data = offset, data
        return self._data[:length]


def read_onnxruntime(file: ModelFile) -> Inspection | None:
    """ONNX Runtime's own layout (``.ort``): its version is the first field of the session."""
    if file.head[4:8] != b"ORTM" or not is_rooted(file):
        return None
    buffers = FlatBuffer(file)
    layout = buffers.text(buffers.root(), 0)
    return _recognized("ort", "onnxruntime", "files of ONNX Runtime are only recognised", layout=layout)


def read_rknn(file: ModelFile) -> Inspection | None:
    """RKNN, a network for Rockchip's accelerators: behind four letters zeros and a small version, else the name agrees."""
    if not file.head.startswith(b"RKNN"):
        return None
    version = int.from_bytes(file.head[8:16], "little")
    plain = len(file.head) >= 16 and not any(file.head[4:8]) and 0 < version < 64
    if not plain and not file.name.lower().endswith(".rknn"):
        return None
    return _recognized("rknn", "rknn", "networks for RKNN are only recognised", layout=version if plain else None)


def read_tensorrt(file: ModelFile) -> Inspection | None:
    """TensorRT, an engine for one kind of device, whose layout is not public: the four letters and the name agree."""
    if not file.head.startswith((b"ftrt", b"ptrt")) or not file.name.lower().endswith((".engine", ".plan", ".trt")):
        return None
    return _recognized("tensorrt", "tensorrt", "engines of TensorRT are only recognised")


def read_torchserve(file: ModelFile) -> Inspection | None:
    """TorchServe (``.mar``), an archive of a model and its handler: the manifest. What is packed with it is listed."""
    name = "MAR-INF/MANIFEST.json"
    if name not in zip_members.list_members(file):
        return None
    manifest = json.loads(zip_members.read_member(file, name, CONFIGURATION))
    model = manifest["model"]
    return Inspection(
        "torchserve",
        framework="torch",
        details={
            "name": model.get("modelName"),
            "model_version": model.get("modelVersion"),
            "handler": model.get("handler"),
            "serialized_file": model.get("serializedFile"),
            "runtime": manifest.get("runtime"),
            "archiver_version": manifest.get("archiverVersion"),
            "created": manifest.get("createdOn"),
            "members": sorted(zip_members.list_members(file)),
        },
    )


def read_treelite(file: ModelFile) -> Inspection | None:
    """Treelite, trees of any framework as ``Model.serialize`` writes them: version, types, how many trees and features."""
    if len(file.head) < _TREELITE.size:
        return None
    major, minor, patch, threshold, leaf, trees, features, task, _ = _TREELITE.unpack_from(file.head)
    plausible = (
        major in (3, 4) and 0 <= minor < 100 and 0 <= patch < 100 and threshold in (2, 3) and leaf in _TREELITE_TYPES
        and 0 < trees < _TREELITE_MAX_COUNT and 0 < features < _TREELITE_MAX_COUNT and task in _TREELITE_TASKS
        and trees * 16 < file.size
    )  # fmt: skip
    if not plausible:
        return None
    return Inspection(
        "treelite",
        framework="treelite",
        framework_version=f"{major}.{minor}.{patch}",
        class_name=_TREELITE_TASKS[task],
        feature_count=features,
        details={
            "trees": trees,
            "threshold": _TREELITE_TYPES[threshold],
            "uncounted": "the nodes of trees are not counted",
        },
    )
