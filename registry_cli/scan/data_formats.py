"""Formats of data: what a file is by its structure, and where that structure ends.

A magic number alone is no evidence: anything can stand behind it. A file counts as one of these formats when its structure
can be followed to its end; what lies behind that is looked at as a file of its own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from math import prod
from typing import ClassVar, NamedTuple

from ..inspect.binary.limits import Stopped
from ..inspect.binary.sources import ByteSource

_HEADER = 64 << 20
_STEPS = 5_000_000


class DetectedFormat(NamedTuple):
    """A format; where its structure ends in the file; and the chat ``template`` in it, if it has one."""

    kind: str
    end: int
    template: str = ""


def detect_format(body: ByteSource, head: bytes) -> DetectedFormat | None:
    """The format of a file. None when it is of none of these, or is not as its format says."""
    for fits, read in _FORMATS:
        if fits(head):
            try:
                return read(body)
            except (struct.error, ValueError, IndexError, OverflowError, RecursionError):
                return None
    return None


# safetensors


def _safetensors(body: ByteSource) -> DetectedFormat | None:
    """A length, a header of JSON, and the tensors, which lie side by side."""
    length = int.from_bytes(body.at(0, 8), "little")
    if length > min(_HEADER, body.size - 8):
        return None
    document = json.loads(body.at(8, length), object_pairs_hook=_unique)
    spans = sorted(tuple(each["data_offsets"]) for name, each in document.items() if name != "__metadata__")
    at = 0
    for start, end in spans:
        if start != at or end < start:
            return None
        at = end
    return DetectedFormat("safetensors", 8 + length + at) if 8 + length + at <= body.size else None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Stopped("readers differ: its header has a name twice", ambiguous=True)
    return found


# GGUF

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
#: Of each type of tensors: how many elements a block has, and how many bytes.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


class _Gguf:
    """Goes through the header from the front."""

    def __init__(self, body: ByteSource) -> None:
        self._body, self._at, self._left = body, 0, _STEPS
        self._window, self._start = b"", 0
        self._order = "<"
        self.template = ""

    def run(self) -> DetectedFormat | None:
        self._take(4)
        version = self._number("I")
        if version > 0xFFFF:
            self._order, version = ">", int.from_bytes(struct.pack("<I", version), "big")
        if version not in (2, 3):
            return None
        tensors, keys = self._number("Q"), self._number("Q")
        alignment, names = 32, set()
        for _ in range(keys):
            key = self._text()
            if key in names:
                raise Stopped(f"readers differ: it has '{key[:50]}' twice", ambiguous=True)
            names.add(key)
            value = self._value(self._number("I"), keep=key.startswith("tokenizer.chat_template"))
            if key == "general.alignment" and isinstance(value, int):
                alignment = max(value, 1)
            elif isinstance(value, str):
                self.template += value
        end = 0
        for _ in range(tensors):
            self._text()
            shape = [self._number("Q") for _ in range(min(self._number("I"), 8))]
            elements, size = _BLOCKS.get(self._number("I"), (0, 0))
            if not elements:
                return None
            end = max(end, self._number("Q") + -(-prod(shape) // elements) * size)
        start = -(-self._at // alignment) * alignment if tensors else self._at
        if start + end > self._body.size:
            return None
        padding = self._body.at(start + end, -(start + end) % alignment)
        return DetectedFormat("gguf", start + end + (0 if padding.strip(b"\0") else len(padding)), self.template)

    def _take(self, length: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise Stopped("it has more keys than are looked at", limit=True)
        place = self._at - self._start
        if place < 0 or place + length > len(self._window):
            self._window, self._start, place = self._body.at(self._at, max(length, 1 << 18)), self._at, 0
        self._at += length
        found = self._window[place : place + length]
        if len(found) < length:
            raise ValueError
        return found

    def _number(self, form: str) -> int:
        return int(struct.unpack(self._order + form, self._take(struct.calcsize(form)))[0])

    def _text(self) -> str:
        length = self._number("Q")
        if length > _HEADER:
            raise ValueError
        return self._take(length).decode("utf-8", "replace")

    def _value(self, kind: int, *, keep: bool, depth: int = 0) -> str | int | None:
        if kind == 8:
            found = self._text()
            return found if keep else None
        if kind in _SIZES:
            data = self._take(_SIZES[kind])
            return int.from_bytes(data, "little" if self._order == "<" else "big")
        if kind != 9 or depth > 8:
            raise ValueError
        inner, count = self._number("I"), self._number("Q")
        if inner in _SIZES:
            self._at += count * _SIZES[inner]
            if self._at > self._body.size:
                raise ValueError
        else:
            texts = [self._value(inner, keep=keep, depth=depth + 1) for _ in range(count)]
            return "".join(str(text) for text in texts) if keep else None
        return None


# UBJSON


class _Ubjson:
    """Goes over one value, as XGBoost writes them."""

    _NUMBERS: ClassVar = {
        b"i": 1,
        b"U": 1,
        b"I": 2,
        b"u": 2,
        b"l": 4,
        b"m": 4,
        b"L": 8,
        b"M": 8,
        b"d": 4,
        b"D": 8,
        b"C": 1,
    }

    def __init__(self, body: ByteSource) -> None:
        self._body, self.at, self._left = body, 0, _STEPS
        self._window, self._start = b"", 0

    def value(self, kind: bytes, depth: int = 0) -> None:
        self._left -= 1
        if self._left < 0:
            raise Stopped("it has more values than are looked at", limit=True)
        if depth > 64:
            raise ValueError
        if kind in self._NUMBERS:
            self._skip(self._NUMBERS[kind])
        elif kind == b"S":
            self._skip(self._length())
        elif kind in (b"[", b"{"):
            self._container(kind, depth)
        elif kind not in (b"Z", b"T", b"F", b"N"):
            raise ValueError

    def _container(self, kind: bytes, depth: int) -> None:
        inner, count = b"", None
        if self._peek() == b"$":
            self._skip(1)
            inner = self.take()
        if self._peek() == b"#":
            self._skip(1)
            count = self._length()
        if inner and count is None:
            raise ValueError
        if kind == b"[" and inner in self._NUMBERS and count is not None:
            self._skip(count * self._NUMBERS[inner])
            return
        end = b"]" if kind == b"[" else b"}"
        while count if count is not None else self._peek() != end:
            if kind == b"{":
                self._skip(self._length())
            self.value(inner or self.take(), depth + 1)
            count = count - 1 if count is not None else None
        if count is None:
            self._skip(1)

    def _length(self) -> int:
        size = self._NUMBERS[self.take()]
        found = int.from_bytes(self._bytes(size), "big", signed=True)
        if found < 0:
            raise ValueError
        return found

    def take(self) -> bytes:
        return self._bytes(1)

    def _peek(self) -> bytes:
        place = self.at - self._start
        if not 0 <= place < len(self._window):
            self._window, self._start, place = self._body.at(self.at, 1 << 16), self.at, 0
        return self._window[place : place + 1]

    def _bytes(self, size: int) -> bytes:
        return b"".join(self._one() for _ in range(size))

    def _one(self) -> bytes:
        found = self._peek()
        self._skip(1)
        return found

    def _skip(self, length: int) -> None:
        self.at += length
        if self.at > self._body.size:
            raise ValueError


def _ubjson(body: ByteSource) -> DetectedFormat | None:
    walker = _Ubjson(body)
    walker.value(walker.take())
    return DetectedFormat("ubjson", walker.at)


# others


def _png(body: ByteSource) -> DetectedFormat | None:
    at = 8
    for _ in range(1_000_000):
        length, kind = struct.unpack(">I4s", body.at(at, 8))
        at += 12 + length
        if at > body.size or not kind.isalpha():
            return None
        if kind == b"IEND":
            return DetectedFormat("png", at)
    return None


def _jpeg(body: ByteSource) -> DetectedFormat | None:
    return DetectedFormat("jpeg", body.size) if body.at(body.size - 2, 2) == b"\xff\xd9" else None


def _gif(body: ByteSource) -> DetectedFormat | None:
    return DetectedFormat("gif", body.size) if body.at(body.size - 1, 1) == b";" else None


def _riff(body: ByteSource) -> DetectedFormat | None:
    length = 8 + int.from_bytes(body.at(4, 4), "little")
    return DetectedFormat("riff", min(length + length % 2, body.size)) if length <= body.size else None


def _parquet(body: ByteSource) -> DetectedFormat | None:
    return _with_footer(body, b"PAR1", "parquet")


def _arrow(body: ByteSource) -> DetectedFormat | None:
    return _with_footer(body, b"ARROW1", "arrow")


def _with_footer(body: ByteSource, magic: bytes, kind: str) -> DetectedFormat | None:
    """A footer with its length, and the magic once more, end the file. Arrow may name types that are kept as pickles."""
    end = body.size - len(magic)
    length = int.from_bytes(body.at(end - 4, 4), "little")
    if body.at(end, len(magic)) != magic or not 0 < length < end - 4:
        return None
    footer = body.at(end - 4 - length, min(length, 16 << 20)) + body.at(0, 1 << 20)
    # "arrow.py_extension_type", also as base64 at each of the three places that it can begin at
    if any(
        mark in footer
        for mark in (
            b"arrow.py_extension_type",
            b"YXJyb3cucHlfZXh0ZW5z",
            b"Fycm93LnB5X2V4dGVuc2",
            b"hcnJvdy5weV9leHRlbnNp",
        )
    ):
        raise Stopped("it has columns of a type that pyarrow kept as a pickle", ambiguous=True)
    return DetectedFormat(kind, body.size)


def _catboost(body: ByteSource) -> DetectedFormat | None:
    length = 8 + int.from_bytes(body.at(4, 4), "little")
    return DetectedFormat("catboost", length) if length <= body.size else None


def _sqlite(body: ByteSource) -> DetectedFormat | None:
    page, pages = int.from_bytes(body.at(16, 2), "big"), int.from_bytes(body.at(28, 4), "big")
    page = 65_536 if page == 1 else page
    return DetectedFormat("sqlite", page * pages) if page >= 512 and 0 < page * pages <= body.size else None


def is_checkpoint_index(body: ByteSource) -> bool:
    """Whether it is the index of a checkpoint of TensorFlow, by how such a table ends."""
    return body.size >= 48 and body.at(body.size - 8, 8) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


# TensorFlow Lite


class Flatbuffer:
    """Tables of a flatbuffer."""

    def __init__(self, body: ByteSource) -> None:
        self._body = body

    def number(self, at: int, size: int = 4, *, signed: bool = False) -> int:
        data = self._body.at(at, size)
        if len(data) < size:
            raise ValueError
        return int.from_bytes(data, "little", signed=signed)

    def field(self, table: int, index: int) -> int:
        """Where a field of a table lies; 0 when it has its default."""
        layout = table - self.number(table, signed=True)
        if 4 + 2 * index + 2 > self.number(layout, 2):
            return 0
        offset = self.number(layout + 4 + 2 * index, 2)
        return table + offset if offset else 0

    def follow(self, at: int) -> int:
        return at + self.number(at)

    def vector(self, at: int) -> range:
        start = self.follow(at)
        return range(start + 4, start + 4 + 4 * min(self.number(start), 100_000), 4)

    def text(self, at: int) -> str:
        start = self.follow(at)
        return self._body.at(start + 4, min(self.number(start), 1000)).decode("utf-8", "replace")


def list_custom_operations(body: ByteSource) -> list[str] | None:
    """The operations of a model of TensorFlow Lite that are not its own; None when it is no such model."""
    buffer = Flatbuffer(body)
    try:
        model = buffer.follow(0)
        version, codes = buffer.field(model, 0), buffer.field(model, 1)
        if not version or buffer.number(version) != 3 or not codes or not buffer.field(model, 2):
            return None
        customs = [buffer.field(buffer.follow(at), 1) for at in buffer.vector(codes)]
        return [buffer.text(at) for at in customs if at]
    except (ValueError, OverflowError):
        return None


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[ByteSource], DetectedFormat | None]], ...] = (
    (lambda head: head[8:9] == b"{" and not any(head[5:8]), _safetensors),
    (lambda head: head.startswith(b"GGUF"), lambda body: _Gguf(body).run()),
    (lambda head: head.startswith(b"{L\0\0"), _ubjson),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda head: head.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda head: head.startswith((b"GIF87a", b"GIF89a")), _gif),
    (lambda head: head.startswith(b"RIFF"), _riff),
    (lambda head: head.startswith(b"PAR1"), _parquet),
    (lambda head: head.startswith(b"ARROW1\0\0"), _arrow),
    (lambda head: head.startswith(b"CBM1"), _catboost),
    (lambda head: head.startswith(b"SQLite format 3\0"), _sqlite),
)
