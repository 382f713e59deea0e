"""TensorFlow Lite (LiteRT): a FlatBuffer of graphs whose constant tensors lie in buffers."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from math import prod

from ..binary.flatbuffers import FlatBuffer, Table, is_rooted
from ..binary.limits import Limit, Stopped
from ..binary.model_files import ModelFile
from ..inspection import Inspection, Tensor, parameter_counts

MAX_LISTED = 1_000

_DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 5: "string", 6: "bool", 7: "int16", 8: "complex64",
    9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 13: "resource", 14: "variant", 15: "uint32", 16: "uint16",
    17: "int4", 18: "bfloat16", 19: "int2", 20: "uint4",
}  # fmt: skip


def read(file: ModelFile) -> Inspection | None:
    """Inputs and outputs of the first graph, and the numbers in constant tensors."""
    if file.head[4:8] != b"TFL3" or not is_rooted(file):
        return None
    buffers = FlatBuffer(file)
    model = buffers.root()
    graphs = list(buffers.tables(model, 2))
    if not graphs:
        raise Stopped("it holds no graph")
    # a buffer has its bytes in it, or behind the model
    holding = [buffers.vector(each, 0)[1] > 0 or buffers.number(each, 1, "<Q") > 1 for each in buffers.tables(model, 4)]
    dtypes: Counter[str] = Counter()
    uncounted, operators = "", 0
    try:
        seen: set[int] = set()
        for graph in graphs:
            operators += buffers.vector(graph, 3)[1]
            for tensor in buffers.tables(graph, 0):
                buffer = buffers.number(tensor, 2, "<L")
                if 0 < buffer < len(holding) and holding[buffer] and buffer not in seen:
                    seen.add(buffer)
                    shape = buffers.numbers(tensor, 0, most=64)
                    if any(each < 0 for each in shape):
                        raise Stopped("the shape of a tensor is broken")
                    dtypes[_DTYPES.get(buffers.number(tensor, 1, "<b"), "other")] += prod(shape)
    except Limit as error:
        uncounted = str(error)
    inputs, outputs = (_tensors(buffers, graphs[0], field) for field in (1, 2))
    return Inspection(
        "tflite",
        framework="tflite",
        class_name=buffers.text(graphs[0], 4),
        **parameter_counts(dtypes, uncounted),
        inputs=inputs,
        outputs=outputs,
        details={
            "description": buffers.text(model, 3),
            "schema_version": buffers.number(model, 0, "<L"),
            "min_runtime_version": _metadata(file, buffers, model),
            "signatures": [buffers.text(each, 2) for each, _ in zip(buffers.tables(model, 7), range(MAX_LISTED), strict=False)],
            "graphs": len(graphs),
            "operators": operators,
            "uncounted": uncounted,
        },
    )  # fmt: skip


def _tensors(buffers: FlatBuffer, graph: Table, field: int) -> tuple[Tensor, ...]:
    """The inputs or outputs of a graph; a dimension of any length is -1 in the shape's signature."""
    wanted = buffers.numbers(graph, field, most=MAX_LISTED)
    tensors = list(buffers.tables(graph, 0))
    found = []
    for index in wanted:
        if not 0 <= index < len(tensors):
            raise Stopped("an input or output of it is missing")
        tensor = tensors[index]
        sizes = buffers.numbers(tensor, 7, most=64) or buffers.numbers(tensor, 0, most=64)
        shape = tuple(size if size >= 0 else None for size in sizes)
        found.append(Tensor(buffers.text(tensor, 3), _DTYPES.get(buffers.number(tensor, 1, "<b"), "other"), shape))
    return tuple(found)


def _metadata(file: ModelFile, buffers: FlatBuffer, model: Table) -> str | None:
    """The oldest runtime that the model needs, where its converter noted that down."""
    for entry in buffers.tables(model, 6):
        if buffers.text(entry, 0) == "min_runtime_version":
            buffer = next(islice(buffers.tables(model, 4), buffers.number(entry, 1, "<L"), None), None)
            if buffer is not None:
                start, length = buffers.vector(buffer, 0)
                return file.read(start, min(length, 32)).split(b"\0")[0].decode("ascii", "replace")
    return None
