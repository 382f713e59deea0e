"""Formats of data: the format of a file by its structure, and where that structure ends.

A magic number alone proves nothing: anything can follow it. A file has one of these formats if its structure can be
followed to its end; the bytes behind that are scanned as a file of their own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from math import prod
from typing import NamedTuple, Union

from ..inspect.binary.limits import Stopped
from ..inspect.binary.sources import ByteSource

_HEADER = 64 << 20
_STEPS = 5_000_000


class DetectedFormat(NamedTuple):
    """A format, where its structure ends in the file, and the chat ``template`` in it, if any."""

    kind: str
    end: int
    template: str = ""


Reader = Callable[[ByteSource], Union[DetectedFormat, None]]


def detect_format(body: ByteSource, head: bytes) -> DetectedFormat | None:
    """The format of a file. None if it is none of these, or does not follow its format."""
    if head[8:9] == b"{" and not any(head[5:8]):
        read: Reader | None = _safetensors
    else:
        read = next((read for magic, read in _MAGICS if head.startswith(magic)), None)
    try:
        return read(body) if read else None
    except (struct.error, ValueError, IndexError, OverflowError, RecursionError):
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


class _Cursor:
    """Reads a body from the front, in windows. ValueError where it ends."""

    def __init__(self, body: ByteSource) -> None:
        self._body, self.at, self._left = body, 0, _STEPS
        self._window, self._start = b"", 0
        self.order = "<"

    def take(self, length: int) -> bytes:
        place = self.at - self._start
        if not 0 <= place <= len(self._window) - length:
            self._window, self._start, place = self._body.at(self.at, max(length, 1 << 18)), self.at, 0
        found = self._window[place : place + length]
        if len(found) < length:
            raise ValueError
        self.at += length
        return found

    def takes(self, mark: bytes) -> bool:
        """Whether the mark of one byte comes next, which then is skipped."""
        found = self.take(1) == mark
        self.at -= not found
        return found

    def number(self, form: str) -> int:
        self.spend_step("keys")
        return int(struct.unpack(self.order + form, self.take(struct.calcsize(form)))[0])

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > self._body.size:
            raise ValueError

    def spend_step(self, what: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise Stopped(f"it has more {what} than are looked at", limit=True)


# GGUF

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
#: For each type of tensors the elements and the bytes of a block.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74),
    18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2),
    26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


def _gguf(body: ByteSource) -> DetectedFormat | None:
    cursor = _Cursor(body)
    cursor.take(4)
    version = cursor.number("I")
    if version > 0xFFFF:
        cursor.order, version = ">", int.from_bytes(struct.pack("<I", version), "big")
    if version not in (2, 3):
        return None
    tensors, keys = cursor.number("Q"), cursor.number("Q")
    alignment, names, template = 32, set(), ""
    for _ in range(keys):
        key = _gguf_text(cursor)
        if key in names:
            raise Stopped(f"readers differ: it has '{key[:50]}' twice", ambiguous=True)
        names.add(key)
        value = _gguf_value(cursor, cursor.number("I"), keep=key.startswith("tokenizer.chat_template"))
        if key == "general.alignment" and isinstance(value, int):
            alignment = max(value, 1)
        elif isinstance(value, str):
            template += value
    end = 0
    for _ in range(tensors):
        _gguf_text(cursor)
        shape = [cursor.number("Q") for _ in range(min(cursor.number("I"), 8))]
        elements, size = _BLOCKS.get(cursor.number("I"), (0, 0))
        if not elements:
            return None
        end = max(end, cursor.number("Q") + -(-prod(shape) // elements) * size)
    end += -(-cursor.at // alignment) * alignment if tensors else cursor.at
    if end > body.size:
        return None
    padding = body.at(end, -end % alignment)
    return DetectedFormat("gguf", end + (0 if padding.strip(b"\0") else len(padding)), template)


def _gguf_text(cursor: _Cursor) -> str:
    length = cursor.number("Q")
    if length > _HEADER:
        raise ValueError
    cursor.spend_step("keys")
    return cursor.take(length).decode("utf-8", "replace")


def _gguf_value(cursor: _Cursor, kind: int, *, keep: bool, depth: int = 0) -> str | int | None:
    if kind == 8:
        found = _gguf_text(cursor)
        return found if keep else None
    if kind in _SIZES:
        cursor.spend_step("keys")
        return int.from_bytes(cursor.take(_SIZES[kind]), "little" if cursor.order == "<" else "big")
    if kind != 9 or depth > 8:
        raise ValueError
    inner, count = cursor.number("I"), cursor.number("Q")
    if inner in _SIZES:
        cursor.skip(count * _SIZES[inner])
        return None
    texts = [_gguf_value(cursor, inner, keep=keep, depth=depth + 1) for _ in range(count)]
    return "".join(str(text) for text in texts) if keep else None


# UBJSON, as XGBoost writes it

_NUMBERS = dict(zip((b"i", b"U", b"I", b"u", b"l", b"m", b"L", b"M", b"d", b"D", b"C"),
                    (1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 1), strict=True))  # fmt: skip


def _ubjson(body: ByteSource) -> DetectedFormat:
    cursor = _Cursor(body)
    _skip_value(cursor, cursor.take(1))
    return DetectedFormat("ubjson", cursor.at)


def _skip_value(cursor: _Cursor, kind: bytes, depth: int = 0) -> None:
    cursor.spend_step("values")
    if depth > 64:
        raise ValueError
    if kind in _NUMBERS:
        cursor.skip(_NUMBERS[kind])
    elif kind == b"S":
        cursor.skip(_ubjson_length(cursor))
    elif kind in (b"[", b"{"):
        _skip_container(cursor, kind, depth)
    elif kind not in (b"Z", b"T", b"F", b"N"):
        raise ValueError


def _skip_container(cursor: _Cursor, kind: bytes, depth: int) -> None:
    inner = cursor.take(1) if cursor.takes(b"$") else b""
    count = _ubjson_length(cursor) if cursor.takes(b"#") else None
    if inner and count is None:
        raise ValueError
    if kind == b"[" and inner in _NUMBERS and count is not None:
        cursor.skip(count * _NUMBERS[inner])
        return
    end = b"]" if kind == b"[" else b"}"
    while count if count is not None else not cursor.takes(end):
        if kind == b"{":
            cursor.skip(_ubjson_length(cursor))
        _skip_value(cursor, inner or cursor.take(1), depth + 1)
        count = count - 1 if count is not None else None


def _ubjson_length(cursor: _Cursor) -> int:
    found = int.from_bytes(cursor.take(_NUMBERS[cursor.take(1)]), "big", signed=True)
    if found < 0:
        raise ValueError
    return found


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


def _ends_with(kind: str, end: bytes) -> Reader:
    def read(body: ByteSource) -> DetectedFormat | None:
        return DetectedFormat(kind, body.size) if body.at(body.size - len(end), len(end)) == end else None

    return read


def _has_length(kind: str, *, even: bool = False) -> Reader:
    """A magic number of four bytes, then the length of the rest."""

    def read(body: ByteSource) -> DetectedFormat | None:
        length = 8 + int.from_bytes(body.at(4, 4), "little")
        end = min(length + (length % 2 if even else 0), body.size)
        return DetectedFormat(kind, end) if length <= body.size else None

    return read


#: "arrow.py_extension_type", also as base64 at each of the three places that it can begin at.
_ARROW_PICKLES = (
    b"arrow.py_extension_type", b"YXJyb3cucHlfZXh0ZW5z", b"Fycm93LnB5X2V4dGVuc2", b"hcnJvdy5weV9leHRlbnNp",
)  # fmt: skip


def _has_footer(kind: str, magic: bytes) -> Reader:
    """A footer with its length, and the magic number again, end the file. Arrow may name types that are kept as pickles."""

    def read(body: ByteSource) -> DetectedFormat | None:
        end = body.size - len(magic)
        length = int.from_bytes(body.at(end - 4, 4), "little")
        if body.at(end, len(magic)) != magic or not 0 < length < end - 4:
            return None
        footer = body.at(end - 4 - length, min(length, 16 << 20)) + body.at(0, 1 << 20)
        if any(mark in footer for mark in _ARROW_PICKLES):
            raise Stopped("it has columns of a type that pyarrow kept as a pickle", ambiguous=True)
        return DetectedFormat(kind, body.size)

    return read


def _sqlite(body: ByteSource) -> DetectedFormat | None:
    page, pages = int.from_bytes(body.at(16, 2), "big"), int.from_bytes(body.at(28, 4), "big")
    page = 65_536 if page == 1 else page
    return DetectedFormat("sqlite", page * pages) if page >= 512 and 0 < page * pages <= body.size else None


def is_checkpoint_index(body: ByteSource) -> bool:
    """Whether it ends as the index of a checkpoint of TensorFlow does."""
    return body.size >= 48 and body.at(body.size - 8, 8) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


# TensorFlow Lite


def list_custom_operations(body: ByteSource) -> list[str] | None:
    """The operations of a model of TensorFlow Lite that are not its own; None for any other file."""

    def number(at: int, size: int = 4, *, signed: bool = False) -> int:
        data = body.at(at, size)
        if len(data) < size:
            raise ValueError
        return int.from_bytes(data, "little", signed=signed)

    def field(table: int, index: int) -> int:
        """Where a field of a table of the flatbuffer lies; 0 if it has its default."""
        layout = table - number(table, signed=True)
        offset = number(layout + 4 + 2 * index, 2) if 4 + 2 * index + 2 <= number(layout, 2) else 0
        return table + offset if offset else 0

    try:
        model = number(0)
        version, codes = field(model, 0), field(model, 1)
        if not version or number(version) != 3 or not codes or not field(model, 2):
            return None
        start = codes + number(codes)
        places = range(start + 4, start + 4 + 4 * min(number(start), 100_000), 4)
        names = [name + number(name) for at in places if (name := field(at + number(at), 1))]
        return [body.at(at + 4, min(number(at), 1000)).decode("utf-8", "replace") for at in names]
    except (ValueError, OverflowError):
        return None


_MAGICS: tuple[tuple[bytes, Reader], ...] = (
    (b"GGUF", _gguf),
    (b"{L\0\0", _ubjson),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _ends_with("jpeg", b"\xff\xd9")),
    (b"GIF87a", _ends_with("gif", b";")),
    (b"GIF89a", _ends_with("gif", b";")),
    (b"RIFF", _has_length("riff", even=True)),
    (b"PAR1", _has_footer("parquet", b"PAR1")),
    (b"ARROW1\0\0", _has_footer("arrow", b"ARROW1")),
    (b"CBM1", _has_length("catboost")),
    (b"SQLite format 3\0", _sqlite),
)
