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
from ..inspection import Inspection

MAGIC = b"GGUF"
#: The most keys, tensors, and texts in arrays, that are gone through.
KEYS, TENSORS, TEXTS = 10_000, 100_000, 2_000_000
#: The longest name, and the longest text that is kept.
NAME = 1 << 16

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
#: How the parts of a model in several files are called, and the most of them.
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE | re.DOTALL)
PARTS = 1_000
#: Keys that are told, by the end of their name.
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
    return _joined(file, inspection, reader.parts) if reader.parts[1] > 1 else inspection


def _joined(file: ModelFile, inspection: Inspection, part: tuple[int, int]) -> Inspection:
    """The first part with the tensors of all others. Of any other part alone the model is not known."""
    number, count = part
    details = {**inspection.details, "parts": count}
    named = _PART.fullmatch(file.name)
    if number or named is None or int(named[2]) != 1 or int(named[3]) != count or count > PARTS:
        details |= {"part": number + 1, "uncounted": f"it is part {number + 1} of {count}"}
        return replace(inspection, parameters=None, dtypes={}, details=details)
    names = [f"{named[1]}-{at:05}-of-{count:05}.gguf" for at in range(2, count + 1)]
    present = tuple(name for name in names if name in file.beside)
    if missing := [name for name in names if name not in file.beside]:
        details["uncounted"] = (
            f"{len(missing)} of {count} parts are missing, the first: {missing[0].rpartition('/')[2]}"
        )
        return replace(inspection, parameters=None, dtypes={}, details=details, companions=present)
    dtypes, tensors = Counter(inspection.dtypes), inspection.details["tensors"]
    for name in names:
        more, problem = unless_stopped(lambda name=name: _part(file, name))  # type: ignore[misc]
        if more is None:
            details["uncounted"] = f"{name.rpartition('/')[2]}: {problem}"
            return replace(inspection, parameters=None, dtypes={}, details=details, companions=present)
        dtypes.update(more.dtypes)
        tensors += more.details["tensors"]
    details["tensors"] = tensors
    return replace(
        inspection, parameters=sum(dtypes.values()), dtypes=dict(dtypes), details=details, companions=present
    )


def _part(file: ModelFile, name: str) -> Inspection:
    with file.open_sibling(name) as other:
        if not other.head.startswith(MAGIC):
            raise Stopped("it is not GGUF")
        return _Reader(other).run()


class _Reader:
    """Goes through the header once, from the front."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self.at = 0
        self.order = "<"
        self.texts = TEXTS
        self.parts = (0, 1)

    def run(self) -> Inspection:
        self.take(4)
        version = self.number("I")
        if version > 0xFFFF:  # written by a machine with the other order of bytes
            self.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in (2, 3):
            raise Stopped(f"version {version} of GGUF is not read")
        tensors, keys = self.number("Q"), self.number("Q")
        if tensors > TENSORS or keys > KEYS:
            raise Stopped(f"{tensors:,} tensors and {keys:,} keys")
        found = dict(self.pair() for _ in range(keys))
        dtypes = self.tensors(tensors)
        number, count = found.get("split.no"), found.get("split.count")
        if isinstance(number, int) and isinstance(count, int):
            self.parts = (number, count)
        elif named := _PART.fullmatch(self.file.name):
            self.parts = (int(named[2]) - 1, int(named[3]))
        architecture = found.get("general.architecture")
        details = {
            name: value
            for key, name in _DETAIL_KEYS.items()
            if (value := found.get(f"{architecture}{key}" if key.startswith(".") else key)) is not None
        }
        kind = found.get("general.file_type")
        if isinstance(kind, int):
            details["quantization"] = _FILE_TYPES.get(kind, str(kind))
        details |= {"tensors": tensors, "gguf_version": version}
        if isinstance(vocabulary := found.get("tokenizer.ggml.tokens"), _Counted):
            details["vocabulary"] = vocabulary.count
        return Inspection(
            "gguf",
            framework="ggml",
            class_name=architecture if isinstance(architecture, str) else "",
            parameters=sum(dtypes.values()),
            dtypes=dtypes,
            details=details,
        )

    def take(self, length: int) -> bytes:
        """The next bytes."""
        found = self.file.read(self.at, length)
        self.at += length
        return found

    def number(self, kind: str) -> Any:
        form = self.order + kind
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        length = self.number("Q")
        if length > NAME:
            self.skip(length)
            return ""
        return self.take(length).decode("utf-8", "replace")

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > self.file.size:
            raise Stopped("it is cut short")

    def pair(self) -> tuple[str, Any]:
        key = self.text()
        return key, self.value(self.number("I"))

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _ARRAY:
            return self.array()
        if kind not in _NUMBERS:
            raise Stopped(f"a value of type {kind}")
        return self.number(_NUMBERS[kind])

    def array(self) -> _Counted:
        """An array, skipped. One of arrays is refused: nobody writes it, and it could go as deep as it likes."""
        kind, count = self.number("I"), self.number("Q")
        if kind in _NUMBERS:
            self.skip(count * struct.calcsize(f"={_NUMBERS[kind]}"))
        elif kind == _TEXT:
            self.texts -= count
            if self.texts < 0:
                raise Stopped(f"more than {TEXTS:,} texts")
            self.skip_texts(count)
        else:
            raise Stopped(f"an array of type {kind}")
        return _Counted(count)

    def skip_texts(self, count: int) -> None:
        """Go past so many texts: a vocabulary has hundreds of thousands, so their lengths are picked out of large pieces."""
        length_of = struct.Struct(f"{self.order}Q").unpack_from
        while count:
            piece = self.file.read(self.at, min(_PIECE, self.file.size - self.at))
            at = 0
            while count and at + 8 <= len(piece):
                at += 8 + length_of(piece, at)[0]
                count -= 1
            if not at:
                raise Stopped("it is cut short")
            self.skip(at)

    def tensors(self, count: int) -> dict[str, int]:
        dtypes: Counter[str] = Counter()
        for _ in range(count):
            self.text()
            dimensions = self.number("I")
            if dimensions > 8:
                raise Stopped(f"a tensor of {dimensions} dimensions")
            shape = [self.number("Q") for _ in range(dimensions)]
            kind = self.number("I")
            self.number("Q")
            dtypes[_TYPES.get(kind, str(kind))] += prod(shape)
        return dict(dtypes)


class _Counted:
    """An array of which only the length is known."""

    def __init__(self, count: int) -> None:
        self.count = count
