"""TensorFlow SavedModel: a folder with ``saved_model.pb``, which tells signatures, and the variables beside it."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from ..binary.limits import Stopped
from ..binary.model_files import FIELDS, File, Folder, unless_stopped
from ..binary.protobuf import Field, Messages
from ..inspection import Inspection, Shape, Tensor
from . import checkpoint

#: The most graphs, signatures, and inputs or outputs of one.
LISTED = 1_000
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


class Signature(NamedTuple):
    """What one function takes and gives."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def document(self) -> dict[str, Any]:
        return {name: [each.document() for each in getattr(self, name)] for name in self._fields}


def read(folder: Folder) -> Inspection | None:
    """Tags, version, signatures and fingerprint."""
    with folder.opened(MODEL) as file:
        model = _Model(file)
        model.run()
    counted, problem = unless_stopped(lambda: _weights(folder))
    dtypes = counted or {}
    signatures = model.signatures
    first = _DEFAULT if _DEFAULT in signatures else min(signatures, default="")
    main = signatures.get(first, Signature((), ()))
    return Inspection(
        "saved-model",
        framework="tensorflow",
        framework_version=model.version,
        parameters=sum(dtypes.values()) if dtypes else None,
        dtypes=dtypes,
        inputs=main.inputs,
        outputs=main.outputs,
        details={
            "signature": first,
            "other_signatures": {name: each.document() for name, each in signatures.items() if name != first},
            "tags": model.tags,
            "uncounted": problem,
            **_fingerprint(folder),
        },
    )


class _Model:
    """The parts of one ``saved_model.pb``, as they come by."""

    def __init__(self, file: File) -> None:
        self.wire = Messages(file, FIELDS)
        self.tags: list[str] = []
        self.version = ""
        self.signatures: dict[str, Signature] = {}

    def run(self) -> None:
        graphs = 0
        for field in self.wire.fields(self.wire.message()):
            if field.number == 2:
                graphs += 1
                self.graph(field)
        if not graphs:
            raise Stopped("it holds no graph")

    def graph(self, message: Field) -> None:
        for field in self.wire.fields(message):
            if field.number == 1:
                self.about(field)
            elif field.number == 5:
                name, value = self.wire.pair(field)
                if name != _INTERNAL and len(self.signatures) < LISTED:
                    self.signatures[name] = self.signature(value)

    def about(self, message: Field) -> None:
        for field in self.wire.fields(message):
            if field.number == 4 and len(self.tags) < LISTED:
                self.tags.append(self.wire.text(field))
            elif field.number == 5:
                self.version = self.wire.text(field)

    def signature(self, message: Field) -> Signature:
        tensors: dict[int, list[Tensor]] = {1: [], 2: []}
        for field in self.wire.fields(message):
            if field.number in tensors:
                name, value = self.wire.pair(field)
                tensors[field.number].append(self.tensor(name, value))
                if len(tensors[field.number]) > LISTED:
                    raise Stopped(f"a signature of more than {LISTED:,} tensors")
        ordered = (tuple(sorted(each, key=lambda tensor: tensor.name)) for each in tensors.values())
        return Signature(*ordered)

    def tensor(self, name: str, message: Field) -> Tensor:
        kind, shape = "", None
        for field in self.wire.fields(message):
            if field.number == 2:
                kind = _DTYPES.get(field.value % _REFERENCE, str(field.value))
            elif field.number == 3:
                shape = self.shape(field)
        return Tensor(name, kind, shape)

    def shape(self, message: Field) -> Shape | None:
        found: list[int | None] = []
        for field in self.wire.fields(message):
            if field.number == 3 and field.value:
                return None
            if field.number == 2:
                sizes = [part.signed for part in self.wire.fields(field) if part.number == 1]
                size = sizes[0] if sizes else 0
                found.append(size if size >= 0 else None)
        return tuple(found)


def _weights(folder: Folder) -> dict[str, int]:
    """How many numbers of which type the variables hold."""
    dtypes: Counter[str] = Counter()
    if VARIABLES in folder.files:
        with folder.opened(VARIABLES) as file:
            for kind, count in checkpoint.variables(file):
                dtypes[_DTYPES.get(kind, str(kind))] += count
    return dict(dtypes)


def _fingerprint(folder: Folder) -> dict[str, str]:
    """What tells one export from another."""
    if FINGERPRINT not in folder.files:
        return {}
    with folder.opened(FINGERPRINT) as file:
        wire = Messages(file, FIELDS)
        found = {}
        for field in wire.fields(wire.message()):
            if field.number == 1:
                found["fingerprint"] = f"{field.value:016x}"
            elif field.number == 7:
                found["uuid"] = wire.text(field)
    return found
