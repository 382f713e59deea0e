"""TensorFlow: SavedModel, the index of the checkpoint in it, and TensorFlow.js."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import prod
from posixpath import dirname, join, normpath
from typing import Any

from ..binary.limits import Stopped
from ..binary.model_files import FIELDS, ModelFile, ModelFolder, unless_stopped
from ..binary.protobuf import Messages, WireField
from ..inspection import Inspection, Shape, Tensor, parameter_counts

MAX_LISTED = 1_000
MODEL, FINGERPRINT, VARIABLES = "saved_model.pb", "fingerprint.pb", "variables/variables.index"
_DEFAULT = "serving_default"
_INTERNAL = "__saved_model_init_op"
_REFERENCE = 100  # a reference to a type is the type and so much
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "string", 8: "complex64",
    9: "int64", 10: "bool", 11: "qint8", 12: "quint8", 13: "qint32", 14: "bfloat16", 15: "qint16", 16: "quint16",
    17: "uint16", 18: "complex128", 19: "float16", 20: "resource", 21: "variant", 22: "uint32", 23: "uint64",
    24: "float8_e5m2", 25: "float8_e4m3fn", 29: "int4", 30: "uint4",
}  # fmt: skip
#: The inputs and outputs of one function.
_Signature = dict[str, tuple[Tensor, ...]]


def read_saved_model(folder: ModelFolder) -> Inspection | None:
    """Tags, version, signatures and fingerprint."""
    with folder.opened(MODEL) as file:
        model = _Model(file)
        model.run()
    dtypes, problem = unless_stopped(lambda: _count_variables(folder))
    signatures = model.signatures
    first = _DEFAULT if _DEFAULT in signatures else min(signatures, default="")
    main = signatures.get(first, {})
    others = {
        name: {side: [each.document() for each in tensors] for side, tensors in signature.items()}
        for name, signature in signatures.items()
        if name != first
    }
    return Inspection(
        "saved-model",
        framework="tensorflow",
        framework_version=model.version,
        **(parameter_counts(dtypes) if dtypes else {}),
        inputs=main.get("inputs", ()),
        outputs=main.get("outputs", ()),
        details={
            "signature": first,
            "other_signatures": others,
            "tags": model.tags,
            "uncounted": problem,
            **_read_fingerprint(folder),
        },
    )


class _Model:
    """The parts of one ``saved_model.pb``, collected while its fields are read."""

    def __init__(self, file: ModelFile) -> None:
        self.wire = Messages(file, FIELDS)
        self.tags: list[str] = []
        self.version = ""
        self.signatures: dict[str, _Signature] = {}

    def run(self) -> None:
        graphs = 0
        for graph in self.wire.select(self.wire.message(), 2):
            graphs += 1
            self.graph(graph)
        if not graphs:
            raise Stopped("it contains no graph")

    def graph(self, message: WireField) -> None:
        for field in self.wire.fields(message):
            if field.number == 1:
                self.about(field)
            elif field.number == 5:
                name, value = self.wire.pair(field)
                if name != _INTERNAL and len(self.signatures) < MAX_LISTED:
                    self.signatures[name] = self.signature(value)

    def about(self, message: WireField) -> None:
        for field in self.wire.fields(message):
            if field.number == 4 and len(self.tags) < MAX_LISTED:
                self.tags.append(self.wire.text(field))
            elif field.number == 5:
                self.version = self.wire.text(field)

    def signature(self, message: WireField) -> _Signature:
        inputs: list[Tensor] = []
        outputs: list[Tensor] = []
        for field in self.wire.fields(message):
            if field.number in (1, 2):
                tensors = inputs if field.number == 1 else outputs
                tensors.append(self.tensor(*self.wire.pair(field)))
                if len(tensors) > MAX_LISTED:
                    raise Stopped(f"a signature of more than {MAX_LISTED:,} tensors")
        sides = {"inputs": inputs, "outputs": outputs}
        return {side: tuple(sorted(each, key=lambda tensor: tensor.name)) for side, each in sides.items()}

    def tensor(self, name: str, message: WireField) -> Tensor:
        parts = self.wire.last(message)
        kind = _DTYPES.get(parts[2].value % _REFERENCE, str(parts[2].value)) if 2 in parts else ""
        return Tensor(name, kind, self.shape(parts[3]) if 3 in parts else None)

    def shape(self, message: WireField) -> Shape | None:
        found: list[int | None] = []
        for field in self.wire.fields(message):
            if field.number == 3 and field.value:
                return None
            if field.number == 2:
                size = self.wire.last(field)[1].signed
                found.append(size if size >= 0 else None)
        return tuple(found)


def _count_variables(folder: ModelFolder) -> dict[str, int]:
    dtypes: Counter[str] = Counter()
    if VARIABLES in folder.files:
        with folder.opened(VARIABLES) as file:
            for kind, count in checkpoint_variables(file):
                dtypes[_DTYPES.get(kind, str(kind))] += count
    return dtypes


def _read_fingerprint(folder: ModelFolder) -> dict[str, str]:
    if FINGERPRINT not in folder.files:
        return {}
    with folder.opened(FINGERPRINT) as file:
        wire = Messages(file, FIELDS)
        parts = wire.last(wire.message())
        found = {"fingerprint": f"{parts[1].value:016x}"} if 1 in parts else {}
        return {**found, "uuid": wire.text(parts[7])} if 7 in parts else found


CHECKPOINT_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
MAX_VARIABLES = 200_000

_FOOTER = 48
_TRAILER = 5  # how a block is packed, and its checksum
_KEY = 1 << 12
_VARIABLE = b"/.ATTRIBUTES/VARIABLE_VALUE"
#: The state of optimizers and of random number generators does not belong to the model.
_STATE = (b"optimizer/", b"save_counter/", b"keras_api/")
_SLOT = b"/.OPTIMIZER_SLOT/"
_EXPORTED = b"_all_variables/"  # Keras exports each variable again under a second name, and its state with those
_SEEDS = b"seed_generator"


def checkpoint_variables(file: ModelFile) -> list[tuple[int, int]]:
    """The number of the type, and how many numbers there are, of each variable of the model."""
    wire = Messages(file, FIELDS)
    footer = file.size - _FOOTER
    if file.read(footer + _FOOTER - len(CHECKPOINT_MAGIC), len(CHECKPOINT_MAGIC)) != CHECKPOINT_MAGIC:
        raise Stopped("it is not the index of a checkpoint")
    *_, at = wire.varints(footer, 2)
    offset, size, _ = wire.varints(at, 2)
    found: list[tuple[bool, tuple[int, int]]] = []
    left = MAX_VARIABLES
    for _, place in _entries(wire, offset, size):
        for key, value in _entries(wire, *wire.varints(place.start, 2)[:2]):
            left -= 1
            if left < 0:
                raise Stopped(f"more than {MAX_VARIABLES:,} variables")
            is_state = key.startswith(_STATE) or _SLOT in key or _SEEDS in key
            if key.endswith(_VARIABLE) and not is_state:
                found.append((key.startswith(_EXPORTED), _variable(wire, value)))
    again = any(exported for exported, _ in found)
    return [variable for exported, variable in found if exported or not again]


def _entries(wire: Messages, offset: int, size: int) -> Iterator[tuple[bytes, WireField]]:
    """The keys of a block, each stored as its difference from the one before, and where their values are."""
    if wire.read(offset + size, _TRAILER)[0]:
        raise Stopped("the index of the checkpoint is packed")
    restarts = int.from_bytes(wire.read(offset + size - 4, 4), "little")
    at, end, key = offset, offset + size - 4 - 4 * restarts, b""
    while at < end:
        shared, own, length, at = wire.varints(at, 3)
        if shared > len(key) or shared + own > _KEY:
            raise Stopped("the index of the checkpoint is broken")
        key = key[:shared] + wire.read(at, own)
        at += own
        yield key, WireField(0, 0, at, at + length)
        at += length


def _variable(wire: Messages, message: WireField) -> tuple[int, int]:
    parts = wire.last(message)
    return parts[1].value, prod(wire.last(size)[1].value for size in wire.select(parts[2], 2))


_KEYS = re.compile(rb'"(modelTopology|weightsManifest)"')
_FORMATS = ("layers-model", "graph-model")
_TYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32", "DT_BOOL": "bool", "DT_STRING": "string", "DT_HALF": "float16"}


def read_tfjs(file: ModelFile) -> Inspection | None:
    """Kind, class, the numbers in the manifest, and what converted it."""
    if not _KEYS.search(file.head) and not _KEYS.search(file.ending(1 << 16)):
        return None
    document = file.json()
    if not isinstance(document, dict) or not isinstance(document.get("weightsManifest"), list):
        return None
    kind = document.get("format")
    if kind not in _FORMATS and "modelTopology" not in document:
        return None
    dtypes: Counter[str] = Counter()
    paths: list[str] = []
    for group in document["weightsManifest"]:
        paths += [normpath(join(dirname(file.name), str(path))) for path in group["paths"]]
        for weight in group["weights"]:
            if not all(type(size) is int and 0 <= size < 1 << 48 for size in weight["shape"]):
                raise Stopped("the shape of a weight is broken")
            dtypes[str(weight["dtype"])] += prod(weight["shape"])
    topology = document.get("modelTopology") or {}
    inner = topology.get("model_config") or {}
    missing = [path for path in paths if path not in file.beside]
    return Inspection(
        "tfjs",
        framework="tfjs",
        class_name=str(inner.get("class_name") or ""),
        **parameter_counts(dtypes),
        inputs=_tfjs_signature(document, "inputs"),
        outputs=_tfjs_signature(document, "outputs"),
        details={
            "kind": kind,
            "generated_by": document.get("generatedBy"),
            "converted_by": document.get("convertedBy"),
            "keras_version": topology.get("keras_version"),
            "shards": len(paths),
            "shards_missing": missing,
        },
        companions=tuple(path for path in paths if path in file.beside),
    )


def _tfjs_signature(document: dict[str, Any], side: str) -> tuple[Tensor, ...]:
    signature = document.get("signature") or (document.get("userDefinedMetadata") or {}).get("signature") or {}
    found = []
    for name, tensor in (signature.get(side) or {}).items():
        sizes = [int(each.get("size", -1)) for each in (tensor.get("tensorShape") or {}).get("dim") or []]
        kind = str(tensor.get("dtype", ""))
        found.append(Tensor(str(name), _TYPES.get(kind, kind), tuple(size if size >= 0 else None for size in sizes)))
    return tuple(found)
