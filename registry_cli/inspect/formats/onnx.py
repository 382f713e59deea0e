"""ONNX: a protocol buffer of a graph, its weights inside or in files beside it."""

from __future__ import annotations

from collections import Counter
from math import prod
from posixpath import dirname, isabs, join, normpath

from ..binary.limits import Limit, Stopped
from ..binary.model_files import FIELDS, ModelFile
from ..binary.protobuf import LastFields, Messages, WireField
from ..inspection import Inspection, Shape, Tensor, parameter_counts

MAX_LISTED, MAX_DEPTH = 10_000, 8

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
#: How many bytes of nodes are searched for constants, and the largest node that is searched at once.
MAX_SEARCHED, MAX_NODE, MAX_GRAPH_DEPTH = 12 << 20, 1 << 16, 16
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
    """The parts of one model, collected while its fields are read."""

    def __init__(self, file: ModelFile) -> None:
        self.file, self.wire, self.inner = file, Messages(file, FIELDS), Messages(file, FIELDS)
        self.searched, self.uncounted, self.counted = 0, "", False
        self.graphs, self.graph_name = 0, ""
        self.opsets: dict[str, int] = {}
        self.properties: dict[str, str] = {}
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.weights: Counter[str] = Counter()
        self.names: set[str] = set()
        self.locations: set[str] = set()

    def run(self) -> Inspection | None:
        single = LastFields()
        for field in self.wire.fields(self.wire.message()):
            single[field.number] = field
            self.part(field)
        version = single[1].value
        if version not in _VERSIONS or self.graphs != 1 or not (self.opsets or version < 3):
            return None
        producer, producer_version = self.wire.text(single[2]), self.wire.text(single[3])
        framework, of_framework = _PRODUCERS.get(producer.lower(), ("", False))
        framework = framework or ("" if producer else _GRAPHS.get(self.graph_name.lower(), ""))
        if not self.counted and not self.uncounted and _CLASSICAL in self.opsets:
            self.uncounted = "numbers in attributes of its nodes are not counted"
        counts = parameter_counts(self.weights, self.uncounted)
        paths = {each: normpath(join(dirname(self.file.name), each)) for each in sorted(self.locations)}
        escaping = [each for each in paths if _escapes(each)]
        return Inspection(
            "onnx",
            framework=framework,
            framework_version=producer_version if of_framework else "",
            class_name=self.graph_name,
            **(counts if self.counted else {}),
            inputs=tuple(each for each in self.inputs if each.name not in self.names),
            outputs=tuple(self.outputs),
            details={
                "producer": f"{producer} {producer_version}".strip(),
                "ir_version": version,
                "opsets": self.opsets,
                "properties": self.properties,
                "external_data": list(paths),
                "external_missing": [
                    each for each, path in paths.items() if each not in escaping and path not in self.file.beside
                ],
                "external_outside": escaping,
                "uncounted": self.uncounted,
            },
            companions=tuple(path for path in paths.values() if path in self.file.beside),
        )

    def part(self, field: WireField) -> None:
        if field.number == 7:
            self.graphs += 1
            self.graph(field)
        elif field.number == 8:
            parts = self.wire.last(field)
            self.opsets[self.wire.text(parts[1]) or _DOMAIN] = parts[2].signed
        elif field.number == 14 and len(self.properties) < MAX_LISTED:
            key, value = self.wire.pair(field)
            self.properties[key] = self.wire.text(value)
        elif field.number == 25:  # a function: its body is a list of nodes
            for node in self.wire.select(field, 7):
                self.node(node, MAX_GRAPH_DEPTH)

    def graph(self, message: WireField) -> None:
        for field in self.wire.fields(message):
            if field.number == 1:
                self.node(field, MAX_GRAPH_DEPTH)
            elif field.number == 2:
                self.graph_name = self.wire.text(field)
            elif field.number in (11, 12):
                (self.inputs if field.number == 11 else self.outputs).append(self.value(field))
                if len(self.inputs) + len(self.outputs) > MAX_LISTED:
                    raise Stopped(f"more than {MAX_LISTED:,} inputs and outputs")
            else:
                self.initializer(field, self.wire)

    def node(self, message: WireField, depth: int) -> None:
        """Count the numbers that a node holds: a constant, or one with graphs inside. Once that takes too long, stop."""
        if self.uncounted:
            return
        try:
            if message.size <= MAX_NODE:
                self.searched += message.size
                if self.searched > MAX_SEARCHED:
                    raise Limit(f"it has more than {MAX_SEARCHED:,} bytes of nodes")
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
        return sum(byte < 128 for byte in self.inner.read(field.start, field.size))

    def subgraph(self, message: WireField, depth: int) -> None:
        if not depth:
            raise Stopped("graphs are nested too deep")
        for field in self.inner.fields(message):
            if field.number == 1:
                self.node(field, depth)
            else:
                self.initializer(field, self.inner)

    def initializer(self, field: WireField, wire: Messages) -> None:
        """Count a field of a graph if it is a tensor, or a sparse one."""
        if field.number == 5:
            self.weight(field, wire)
        elif field.number == 15:
            self.sparse(field, wire)

    def sparse(self, message: WireField, wire: Messages) -> None:
        """Count the values of a sparse tensor."""
        for values in wire.select(message, 1):
            self.weight(values, wire)

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
                if key == "location" and len(self.locations) < MAX_LISTED:
                    self.locations.add(wire.text(value))
        if any(each < 0 for each in shape) or len(shape) > 64:
            raise Stopped("the shape of a weight is broken")
        self.counted = True
        if wire is self.wire:
            self.names.add(name)
        self.weights[_DTYPES.get(kind, str(kind))] += prod(shape)

    def value(self, message: WireField) -> Tensor:
        parts = self.wire.last(message)
        return Tensor(self.wire.text(parts[1]), *self.type(parts[2], MAX_DEPTH))

    def type(self, message: WireField, depth: int) -> tuple[str, Shape | None]:
        """A type, as ``float32`` or ``sequence(map(int64, float32))``, and the shape of a tensor."""
        if not depth:
            raise Stopped("a type is nested too deep")
        for field in self.wire.fields(message):
            if field.number in (1, 8):
                parts = self.wire.last(field)
                shape = tuple(map(self.dimension, self.wire.select(parts[2], 1))) if 2 in parts else None
                return _dtype(parts.get(1)), shape
            if field.number in (4, 9):
                inner = [self.type(part, depth - 1)[0] for part in self.wire.select(field, 1)]
                return f"{'sequence' if field.number == 4 else 'optional'}({', '.join(inner)})", None
            if field.number == 5:
                parts = self.wire.last(field)
                return f"map({_dtype(parts.get(1))}, {self.type(parts[2], depth - 1)[0]})", None
        return "", None

    def dimension(self, message: WireField) -> int | str | None:
        for field in self.wire.fields(message):
            if field.number == 1:
                return field.signed if field.signed >= 0 else None
            if field.number == 2:
                return self.wire.text(field) or None
        return None


def _dtype(field: WireField | None) -> str:
    return _DTYPES.get(field.value, str(field.value)) if field else ""


def _escapes(location: str) -> bool:
    """Whether a path leads out of the folder of the model."""
    return isabs(location) or "\\" in location or normpath(location).split("/")[0] == ".." or not location
