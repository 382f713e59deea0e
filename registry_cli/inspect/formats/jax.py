"""JAX: what Flax writes as MessagePack, and checkpoints of Orbax."""

from __future__ import annotations

import struct
from collections import Counter
from math import prod
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import ModelFile, ModelFolder
from ..inspection import Inspection

#: The most values that are gone through, how deep they may be nested, and the longest header of an array in bytes.
VALUES, DEPTH, HEADER = 300_000, 64, 4096

_ARRAY, _SCALAR, _COMPLEX = 1, 3, 2
_LENGTHS = {
    0xC4: (">B", "bytes"), 0xC5: (">H", "bytes"), 0xC6: (">L", "bytes"), 0xD9: (">B", "text"), 0xDA: (">H", "text"),
    0xDB: (">L", "text"), 0xDC: (">H", "list"), 0xDD: (">L", "list"), 0xDE: (">H", "map"), 0xDF: (">L", "map"),
    0xC7: (">B", "extension"), 0xC8: (">H", "extension"), 0xC9: (">L", "extension"),
}  # fmt: skip
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_NONE, _FALSE, _TRUE = 0xC0, 0xC2, 0xC3
#: What Hugging Face calls such a file: under that name one without arrays is one, too.
_NAMES = ("flax_model.msgpack", "flax_model-")


def read_flax(file: ModelFile) -> Inspection | None:
    """The numbers in all arrays, by type."""
    walk = FlaxArrays(file)
    if not walk.run() or not (walk.arrays or (walk.keys and file.name.rpartition("/")[2].startswith(_NAMES))):
        return None
    return Inspection(
        "flax",
        framework="flax",
        parameters=sum(walk.dtypes.values()) if not walk.uncounted else None,
        dtypes=dict(walk.dtypes) if not walk.uncounted else {},
        details={"arrays": walk.arrays, "keys": walk.keys[:50], "uncounted": walk.uncounted},
    )


class FlaxArrays:
    """Goes over the values of one file; what is in an array is skipped."""

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self.dtypes: Counter[str] = Counter()
        self.arrays = 0
        self.keys: list[str] = []
        self.uncounted = ""
        self.left = VALUES

    def run(self) -> bool:
        """Whether the file is one map of names, or began as one for longer than is looked at."""
        try:
            kind, count, at = self.head(0)
            if kind != "map":
                return False
            return self.values([(count, True)], at) == self.file.size
        except Limit as error:
            self.uncounted = str(error)
            return self.arrays > 0
        except Stopped:
            if self.arrays:  # no other format has arrays of this kind
                raise
            return False

    def values(self, pending: list[tuple[int, bool]], at: int) -> int:
        """Go over what is ``pending``: how many values of maps and lists, floor by floor. Returns where it ends."""
        top = True
        while pending:
            count, is_map = pending.pop()
            if not count:
                continue
            pending.append((count - 1, is_map))
            self.left -= 1
            if self.left < 0 or len(pending) > DEPTH:
                raise Limit(f"more than {VALUES:,} values, or deeper than {DEPTH}")
            if is_map:
                top = len(pending) == 1
                at = self.key(at, top)
            kind, length, at = self.head(at)
            if kind in ("map", "list"):
                pending.append((length, kind == "map"))
            elif kind in ("bytes", "text"):
                at += length
            elif kind == "extension":
                self.extension(at, length)
                at += 1 + length
            if at > self.file.size:
                raise Stopped("it is cut short")
        return at

    def key(self, at: int, top: bool) -> int:
        kind, length, at = self.head(at)
        if kind != "text" or length > HEADER:
            raise Stopped("a name in it is not a text")
        if top and len(self.keys) < 50:
            self.keys.append(self.file.read(at, length).decode("utf-8", "replace"))
        return at + length

    def head(self, at: int) -> tuple[str, int, int]:
        """What kind of value is at a place, its length, and where what is in it begins."""
        code = self.file.read(at, 1)[0]
        at += 1
        if code < 0x80 or code >= 0xE0 or code in (_NONE, _FALSE, _TRUE):
            return "plain", 0, at
        if code < 0xC0:
            return (
                ("map", code & 15, at)
                if code < 0x90
                else ("list", code & 15, at)
                if code < 0xA0
                else ("text", code & 31, at)
            )
        if code in _FIXED:
            return "plain", 0, at + _FIXED[code]
        if 0xD4 <= code <= 0xD8:
            return "extension", 1 << (code - 0xD4), at
        if code not in _LENGTHS:
            raise Stopped("it is not MessagePack")
        form, kind = _LENGTHS[code]
        size = struct.calcsize(form)
        return kind, struct.unpack(form, self.file.read(at, size))[0], at + size

    def extension(self, at: int, length: int) -> None:
        """An array, or a number of NumPy: a list of its shape, its type, and its bytes."""
        if self.file.read(at, 1)[0] not in (_ARRAY, _SCALAR):
            return
        kind, items, place = self.head(at + 1)
        if kind != "list" or items != 3:
            raise Stopped("an array of it is broken")
        kind, rank, place = self.head(place)
        shape: list[int] = []
        for _ in range(rank if kind == "list" and rank <= 32 else 0):
            size, place = self.integer(place)
            shape.append(size)
        kind, size, place = self.head(place)
        if kind not in ("text", "bytes") or size > HEADER:
            raise Stopped("an array of it is broken")
        name = self.file.read(place, size).decode("utf-8", "replace")
        kind, size, place = self.head(place + size)
        if kind != "bytes" or place + size > at + 1 + length or (size and size < prod(shape) // 8):
            raise Stopped("an array of it is broken")
        self.arrays += 1
        self.dtypes[name[:40]] += prod(shape)

    def integer(self, at: int) -> tuple[int, int]:
        code = self.file.read(at, 1)[0]
        if code < 0x80:
            return code, at + 1
        form = {0xCC: ">B", 0xCD: ">H", 0xCE: ">L", 0xCF: ">Q"}.get(code)
        if form is None:
            raise Stopped("the shape of an array is broken")
        size = struct.calcsize(form)
        found: Any = struct.unpack(form, self.file.read(at + 1, size))[0]
        return int(found), at + 1 + size


STORE, METADATA, CHECKPOINT = "manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA"
STORE_MAGIC = b"\x0c\xdb\x3a\x2a"
#: The largest description that is read, in bytes, and how many names are kept.
METADATA_LIMIT, KEYS = 8 << 20, 50


def read_orbax(folder: ModelFolder) -> Inspection | None:
    """A store with the description of a tree beside it, or either alone where it says by itself what it is."""
    tree = folder.json(METADATA, METADATA_LIMIT)
    checkpoint = folder.json(CHECKPOINT, METADATA_LIMIT)
    described = isinstance(tree, dict) and isinstance(tree.get("tree_metadata"), dict)
    noted = isinstance(checkpoint, dict) and ("item_handlers" in checkpoint or "init_timestamp_nsecs" in checkpoint)
    if not (described or noted or (isinstance(tree, dict) and _is_store(folder))):
        return None
    entries: dict[str, Any] = tree["tree_metadata"] if described and tree is not None else {}
    return Inspection(
        "orbax",
        framework="orbax",
        details={
            "arrays": len(entries) or None,
            "keys": [_name(key) for key in list(entries)[:KEYS]],
            "uncounted": "the sizes of arrays in a checkpoint of Orbax are not read",
        },
    )


def _is_store(folder: ModelFolder) -> bool:
    if STORE not in folder.files:
        return False
    with folder.opened(STORE) as file:
        return file.head.startswith(STORE_MAGIC)


def _name(key: str) -> str:
    """``params.dense.kernel`` for the text of a tuple of names."""
    return ".".join(part.strip(" '\"") for part in key.strip("()").split(",") if part.strip())
