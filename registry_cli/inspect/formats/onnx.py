"""ONNX: a protocol buffer of a graph, its weights inside or in files beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from posixpath import dirname, isabs, join, normpath
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import FIELDS, ModelFile
from ..binary.protobuf import Messages, WireField
from ..inspection import Inspection, Shape, Tensor

#: The most weights, inputs and outputs that are listed, and how deep a type may be nested.
LISTED, DEPTH = 10_000, 8

_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1", 24: "float8_e8m0", 25: "uint2", 26: "int2", 27: "float6_e2m3", 28: "float6_e3m2",
}  # fmt: skip
#: The package whose models a producer writes, where its name says so; the second is whether the version is that package's.
_PRODUCERS = {
    "skl2onnx": ("sklearn", False), "pytorch": ("torch", True), "tf2onnx": ("tensorflow", False),
    "keras2onnx": ("keras", False), "paddle2onnx": ("paddle", False), "paddlepaddle": ("paddle", False), "onnx-mxnet": ("mxnet", False),
}  # fmt: skip
#: Graphs that name who wrote them where the producer is empty.
_GRAPHS = {
    "model from paddlepaddle.": "paddle",
    "torch-jit-export": "torch",
    "torch_jit": "torch",
    "tf2onnx": "tensorflow",
}
#: So many bytes of nodes are searched for constants, a node of up to ``NODE`` at once; and so deep are graphs nested.
NODES, NODE, GRAPHS = 12 << 20, 1 << 16, 16
#: Nodes that hold numbers or graphs, by the field that names their operation: all others are skipped.
_HOLDERS = tuple(
    b"\x22" + bytes((len(name),)) + name for name in (b"Constant", b"If", b"Loop", b"Scan", b"SequenceMap")
)
_FLOATS, _STRINGS = 7, 9
#: The values of a constant that are no tensors, by their fields: the type, and whether it is a list.
_VALUES = {
    2: ("float32", False), 3: ("int64", False), 4: ("string", False), 7: ("float32", True), 8: ("int64", True),
    9: ("string", True),
}  # fmt: skip
_VERSIONS = range(1, 200)
_DOMAIN, _CLASSICAL = "ai.onnx", "ai.onnx.ml"


def read(file: ModelFile) -> Inspection | None:
    """What the model says of itself, and the shapes of its weights: initializers, and constants among the nodes."""
    return _Model(file).run()


class _Model:
    """The parts of one model, as they come by."""

    def __init__(self, file: ModelFile) -> None:
        self.file, self.wire, self.inner = file, Messages(file, FIELDS), Messages(file, FIELDS)
        self.searched, self.uncounted, self.counted = 0, "", False
        self.version, self.graphs = 0, 0
        self.texts: dict[int, str] = {}
        self.opsets: dict[str, int] = {}
        self.properties: dict[str, str] = {}
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.weights: Counter[str] = Counter()
        self.names: set[str] = set()
        self.locations: set[str] = set()

    def run(self) -> Inspection | None:
        for field in self.wire.fields(self.wire.message()):
            self.part(field)
        if self.version not in _VERSIONS or self.graphs != 1 or not (self.opsets or self.version < 3):
            return None
        producer, version = self.texts.get(2, ""), self.texts.get(3, "")
        framework, of_framework = _PRODUCERS.get(producer.lower(), ("", False))
        framework = framework or ("" if producer else _GRAPHS.get(self.texts.get(0, "").lower(), ""))
        if not self.counted and not self.uncounted and _CLASSICAL in self.opsets:
            self.uncounted = "numbers in attributes of its nodes are not counted"
        return Inspection(
            "onnx",
            framework=framework,
            framework_version=version if of_framework else "",
            class_name=self.texts.get(0, ""),
            parameters=sum(self.weights.values()) if self.counted and not self.uncounted else None,
            dtypes={} if self.uncounted else dict(self.weights),
            inputs=tuple(each for each in self.inputs if each.name not in self.names),
            outputs=tuple(self.outputs),
            details=self.details(f"{producer} {version}".strip()),
            companions=tuple(
                path
                for each in sorted(self.locations)
                if (path := normpath(join(dirname(self.file.name), each))) in self.file.beside
            ),
        )

    def part(self, field: WireField) -> None:
        if field.number == 1:
            self.version = field.value
        elif field.number in (2, 3):
            self.texts[field.number] = self.wire.text(field)
        elif field.number == 7:
            self.graphs += 1
            self.graph(field)
        elif field.number == 8:
            self.opset(field)
        elif field.number == 14 and len(self.properties) < LISTED:
            key, value = self.wire.pair(field)
            self.properties[key] = self.wire.text(value)
        elif field.number == 25:  # a function: its body is a list of nodes
            for node in self.wire.fields(field):
                if node.number == 7:
                    self.node(node, GRAPHS)

    def details(self, producer: str) -> dict[str, Any]:
        folder = dirname(self.file.name)
        escaping = sorted(each for each in self.locations if _escapes(each))
        inside = self.locations.difference(escaping)
        missing = sorted(each for each in inside if normpath(join(folder, each)) not in self.file.beside)
        return {
            "producer": producer,
            "ir_version": self.version,
            "opsets": self.opsets,
            "properties": self.properties,
            "external_data": sorted(self.locations),
            "external_missing": missing,
            "external_outside": escaping,
            "uncounted": self.uncounted,
        }

    def opset(self, message: WireField) -> None:
        domain, version = "", 0
        for field in self.wire.fields(message):
            if field.number == 1:
                domain = self.wire.text(field)
            elif field.number == 2:
                version = field.signed
        self.opsets[domain or _DOMAIN] = version

    def graph(self, message: WireField) -> None:
        for field in self.wire.fields(message):
            if field.number == 1:
                self.node(field, GRAPHS)
            elif field.number == 2:
                self.texts[0] = self.wire.text(field)
            elif field.number == 5:
                self.weight(field, self.wire)
            elif field.number == 15:
                self.sparse(field, self.wire)
            elif field.number in (11, 12):
                (self.inputs if field.number == 11 else self.outputs).append(self.value(field))
                if len(self.inputs) + len(self.outputs) > LISTED:
                    raise Stopped(f"more than {LISTED:,} inputs and outputs")

    def node(self, message: WireField, depth: int) -> None:
        """Count the numbers that a node holds: a constant, or one with graphs inside. Once that takes too long, no more."""
        if self.uncounted:
            return
        try:
            if message.size <= NODE:
                self.searched += message.size
                if self.searched > NODES:
                    raise Limit(f"it has more than {NODES:,} bytes of nodes")
                data = self.wire.read(message.start, message.size)
                if not any(each in data for each in _HOLDERS):
                    return
            self.attributes(message, depth)
        except Limit as error:
            self.uncounted = str(error)

    def attributes(self, message: WireField, depth: int) -> None:
        constant, attributes = False, []
        for field in self.inner.fields(message):
            if field.number == 4:
                constant = self.inner.text(field) == "Constant"
            elif field.number == 5:
                attributes.append(field)
        for attribute in attributes:
            for field in self.inner.fields(attribute):
                if field.number in (6, 11):
                    self.subgraph(field, depth - 1)
                elif constant:
                    self.constant(field)

    def constant(self, field: WireField) -> None:
        """Count a value of a constant: a tensor, a sparse one, or numbers and texts one by one or as a list."""
        if field.number == 5:
            self.weight(field, self.inner)
        elif field.number == 22:
            self.sparse(field, self.inner)
        elif field.number in _VALUES:
            kind, listed = _VALUES[field.number]
            self.weights[kind] += self.length(field) if listed else 1
            self.counted = True

    def length(self, field: WireField) -> int:
        """How many numbers or texts this field of a repeated one adds."""
        if field.number == _FLOATS:
            return field.size // 4  # one by itself has four bytes, too
        if field.number == _STRINGS or not field.end:
            return 1
        data = self.inner.read(field.start, field.size)
        return sum(byte < 128 for byte in data)

    def subgraph(self, message: WireField, depth: int) -> None:
        """The graph of a branch or loop."""
        if not depth:
            raise Stopped("graphs are nested too deep")
        for field in self.inner.fields(message):
            if field.number == 1:
                self.node(field, depth)
            elif field.number == 5:
                self.weight(field, self.inner)
            elif field.number == 15:
                self.sparse(field, self.inner)

    def sparse(self, message: WireField, wire: Messages) -> None:
        """A sparse tensor: its values count."""
        for part in wire.fields(message):
            if part.number == 1:
                self.weight(part, wire)

    def weight(self, message: WireField, wire: Messages) -> None:
        shape: list[int] = []
        kind, name = 0, ""
        for field in wire.fields(message):
            if field.number == 1:
                shape += wire.numbers(field)
            elif field.number == 2:
                kind = field.value
            elif field.number == 8:
                name = wire.text(field)
            elif field.number == 13:
                key, value = wire.pair(field)
                if key == "location" and len(self.locations) < LISTED:
                    self.locations.add(wire.text(value))
        if any(each < 0 for each in shape) or len(shape) > 64:
            raise Stopped("the shape of a weight is broken")
        self.counted = True
        if wire is self.wire:
            self.names.add(name)
        self.weights[_DTYPES.get(kind, str(kind))] += prod(shape)

    def value(self, message: WireField) -> Tensor:
        """An input or output."""
        name, kind, shape = "", "", None
        for field in self.wire.fields(message):
            if field.number == 1:
                name = self.wire.text(field)
            elif field.number == 2:
                kind, shape = self.type(field, DEPTH)
        return Tensor(name, kind, shape)

    def type(self, message: WireField, depth: int) -> tuple[str, Shape | None]:
        """A type in words: ``float32``, ``sequence(map(int64, float32))``; and the shape of a tensor."""
        if not depth:
            raise Stopped("a type is nested too deep")
        for field in self.wire.fields(message):
            if field.number in (1, 8):
                return self.tensor_type(field)
            if field.number in (4, 9):
                inner = [self.type(part, depth - 1)[0] for part in self.wire.fields(field) if part.number == 1]
                return f"{'sequence' if field.number == 4 else 'optional'}({', '.join(inner)})", None
            if field.number == 5:
                return f"map({', '.join(self.map_types(field, depth - 1))})", None
        return "", None

    def map_types(self, message: WireField, depth: int) -> Iterator[str]:
        for field in self.wire.fields(message):
            if field.number == 1:
                yield _DTYPES.get(field.value, str(field.value))
            elif field.number == 2:
                yield self.type(field, depth)[0]

    def tensor_type(self, message: WireField) -> tuple[str, Shape | None]:
        kind, shape = "", None
        for field in self.wire.fields(message):
            if field.number == 1:
                kind = _DTYPES.get(field.value, str(field.value))
            elif field.number == 2:
                shape = tuple(self.dimension(part) for part in self.wire.fields(field) if part.number == 1)
        return kind, shape

    def dimension(self, message: WireField) -> int | str | None:
        for field in self.wire.fields(message):
            if field.number == 1:
                return field.signed if field.signed >= 0 else None
            if field.number == 2:
                return self.wire.text(field) or None
        return None


def _escapes(location: str) -> bool:
    """Whether a path leads out of the folder of the model."""
    return isabs(location) or "\\" in location or normpath(location).split("/")[0] == ".." or not location
