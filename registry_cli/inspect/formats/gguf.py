"""GGUF: keys with values, then a list of tensors. Long arrays, as those of a tokenizer, are counted and skipped."""

from __future__ import annotations

import re
import struct
from collections import Counter
from math import prod
from typing import Any

from ...core.lazy_dataclass import replace
from ..binary.limits import Stopped
from ..binary.model_files import ModelFile, unless_stopped
from ..binary.sources import Cursor
from ..inspection import Inspection, parameter_counts

MAGIC = b"GGUF"
MAX_KEYS, MAX_TENSORS, MAX_TEXTS = 10_000, 100_000, 2_000_000
MAX_TEXT = 1 << 16

_PIECE = 1 << 18
_TEXT, _ARRAY, _BOOL = 8, 9, 7
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", _BOOL: "?", 10: "Q", 11: "q", 12: "d"}
_TYPES = {
    0: "float32", 1: "float16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "int8", 25: "int16", 26: "int32",
    27: "int64", 28: "float64", 29: "IQ1_M", 30: "bfloat16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
    41: "Q1_0",
}  # fmt: skip
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
    39: "NVFP4", 40: "Q1_0",
}  # fmt: skip
#: The names of the parts of a model in several files.
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE | re.DOTALL)
MAX_PARTS = 1_000
#: The details that are reported, by key, or by the end of a key.
_DETAIL_KEYS = {
    "general.name": "name", "general.license": "license", "general.basename": "basename",
    "general.size_label": "size_label", "general.quantized_by": "quantized_by", "tokenizer.ggml.model": "tokenizer",
    ".context_length": "context_length", ".embedding_length": "embedding_length", ".block_count": "block_count",
    ".attention.head_count": "head_count",
}  # fmt: skip


def read(file: ModelFile) -> Inspection | None:
    """The keys that say what it is, and the tensors counted by type; of a model in several files, those of all."""
    if not file.head.startswith(MAGIC):
        return None
    reader = _Reader(file)
    inspection = reader.run()
    return _join_parts(file, inspection, *reader.part) if reader.part[1] > 1 else inspection


def _join_parts(file: ModelFile, first: Inspection, number: int, count: int) -> Inspection:
    """The first part with the tensors of all others. Of any other part alone the model is not known."""
    named = _PART.fullmatch(file.name)
    if number or named is None or int(named[2]) != 1 or int(named[3]) != count or count > MAX_PARTS:
        details = {"parts": count, "part": number + 1, "uncounted": f"it is part {number + 1} of {count}"}
        return replace(first, parameters=None, dtypes={}, details={**first.details, **details})
    names = [f"{named[1]}-{at:05}-of-{count:05}.gguf" for at in range(2, count + 1)]
    missing = [name for name in names if name not in file.beside]
    dtypes, tensors, uncounted = Counter(first.dtypes), first.details["tensors"], ""
    if missing:
        uncounted = f"{len(missing)} of {count} parts are missing, the first: {missing[0].rpartition('/')[2]}"
    for name in names if not missing else ():
        more, problem = unless_stopped(lambda name=name: _read_part(file, name))  # type: ignore[misc]
        if more is None:
            uncounted = f"{name.rpartition('/')[2]}: {problem}"
            break
        dtypes.update(more.dtypes)
        tensors += more.details["tensors"]
    return replace(
        first,
        **(parameter_counts(dtypes, uncounted) or {"parameters": None, "dtypes": {}}),
        details={
            **first.details,
            "tensors": first.details["tensors"] if uncounted else tensors,
            "parts": count,
            **({"uncounted": uncounted} if uncounted else {}),
        },
        companions=tuple(name for name in names if name not in missing),
    )


def _read_part(file: ModelFile, name: str) -> Inspection:
    with file.open_sibling(name) as other:
        if not other.head.startswith(MAGIC):
            raise Stopped("it is not GGUF")
        return _Reader(other).run()


class _Reader:
    """Goes through the header once, from the front."""

    def __init__(self, file: ModelFile) -> None:
        self.file, self.cursor = file, Cursor(file, len(MAGIC))
        self.texts = MAX_TEXTS
        #: Which part of how many the file is.
        self.part = (0, 1)

    def run(self) -> Inspection:
        version = self.cursor.number("I")
        if version > 0xFFFF:  # written by a machine with the other order of bytes
            self.cursor.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in (2, 3):
            raise Stopped(f"version {version} of GGUF is not read")
        tensors, keys = self.cursor.unpack("QQ")
        if tensors > MAX_TENSORS or keys > MAX_KEYS:
            raise Stopped(f"{tensors:,} tensors and {keys:,} keys")
        found = {self.text(): self.value(self.cursor.number("I")) for _ in range(keys)}
        dtypes: Counter[str] = Counter()
        for _ in range(tensors):
            kind, numbers = self.tensor()
            dtypes[kind] += numbers
        number, count = found.get("split.no"), found.get("split.count")
        if isinstance(number, int) and isinstance(count, int):
            self.part = (number, count)
        elif named := _PART.fullmatch(self.file.name):
            self.part = (int(named[2]) - 1, int(named[3]))
        architecture = found.get("general.architecture")
        details = {
            name: value
            for key, name in _DETAIL_KEYS.items()
            if (value := found.get(f"{architecture}{key}" if key.startswith(".") else key)) is not None
        }
        file_type = found.get("general.file_type")
        if isinstance(file_type, int):
            details["quantization"] = _FILE_TYPES.get(file_type, str(file_type))
        details |= {"tensors": tensors, "gguf_version": version}
        if isinstance(vocabulary := found.get("tokenizer.ggml.tokens"), _SkippedArray):
            details["vocabulary"] = vocabulary.count
        return Inspection(
            "gguf",
            framework="ggml",
            class_name=architecture if isinstance(architecture, str) else "",
            **parameter_counts(dtypes),
            details=details,
        )

    def text(self) -> str:
        length = self.cursor.number("Q")
        if length > MAX_TEXT:
            self.cursor.skip(length)
            return ""
        return self.cursor.text(length)

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _NUMBERS:
            raise Stopped(f"a value of type {kind}")
        return self.cursor.number(_NUMBERS[kind])

    def array(self) -> _SkippedArray:
        """An array. One of arrays is refused: no writer makes it, and it could be nested without end."""
        kind, count = self.cursor.unpack("IQ")
        if kind in _NUMBERS:
            self.cursor.skip(count * struct.calcsize(f"={_NUMBERS[kind]}"))
        elif kind == _TEXT:
            self.texts -= count
            if self.texts < 0:
                raise Stopped(f"more than {MAX_TEXTS:,} texts")
            self.skip_texts(count)
        else:
            raise Stopped(f"an array of type {kind}")
        return _SkippedArray(count)

    def skip_texts(self, count: int) -> None:
        """Skip so many texts: a vocabulary has hundreds of thousands, so their lengths are read from large pieces."""
        length_of = struct.Struct(f"{self.cursor.order}Q").unpack_from
        while count:
            piece = self.file.at(self.cursor.at, _PIECE)
            at = 0
            while count and at + 8 <= len(piece):
                at += 8 + length_of(piece, at)[0]
                count -= 1
            if not at:
                raise Stopped("it is cut short")
            self.cursor.skip(at)

    def tensor(self) -> tuple[str, int]:
        """The type of the next tensor, and how many numbers it has."""
        self.text()
        dimensions = self.cursor.number("I")
        if dimensions > 8:
            raise Stopped(f"a tensor of {dimensions} dimensions")
        *shape, kind, _ = self.cursor.unpack(f"{dimensions}QIQ")
        return _TYPES.get(kind, str(kind)), prod(shape)


class _SkippedArray:
    """An array of which only the length is known."""

    def __init__(self, count: int) -> None:
        self.count = count
