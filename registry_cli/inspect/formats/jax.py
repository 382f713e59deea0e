"""JAX: what Flax writes as MessagePack, and checkpoints of Orbax."""

from __future__ import annotations

from collections import Counter
from math import prod

from ..binary.limits import Limit, Stopped
from ..binary.model_files import DOCUMENT, ModelFile, ModelFolder
from ..binary.sources import Cursor
from ..inspection import Inspection, parameter_counts

MAX_VALUES, MAX_DEPTH, MAX_NAME, MAX_KEYS = 300_000, 64, 4096, 50

_ARRAY, _SCALAR = 1, 3
_LENGTHS = {
    0xC4: ("B", "bytes"), 0xC5: ("H", "bytes"), 0xC6: ("L", "bytes"), 0xD9: ("B", "text"), 0xDA: ("H", "text"),
    0xDB: ("L", "text"), 0xDC: ("H", "list"), 0xDD: ("L", "list"), 0xDE: ("H", "map"), 0xDF: ("L", "map"),
    0xC7: ("B", "extension"), 0xC8: ("H", "extension"), 0xC9: ("L", "extension"),
}  # fmt: skip
#: Values of a fixed size: nothing, false, true; numbers.
_FIXED = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4,
    0xD3: 8,
}  # fmt: skip
_INTEGERS = {0xCC: "B", 0xCD: "H", 0xCE: "L", 0xCF: "Q"}
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
        **parameter_counts(walk.dtypes, walk.uncounted),
        details={"arrays": walk.arrays, "keys": walk.keys, "uncounted": walk.uncounted},
    )


class FlaxArrays:
    """Goes over the values of one file; what is in an array is skipped."""

    def __init__(self, file: ModelFile) -> None:
        self.file, self.cursor = file, Cursor(file, order=">")
        self.dtypes: Counter[str] = Counter()
        self.arrays = 0
        self.keys: list[str] = []
        self.uncounted = ""
        self.left = MAX_VALUES

    def run(self) -> bool:
        """Whether the file is one map of names, or began as one for longer than is looked at."""
        try:
            kind, count = self.head()
            if kind != "map":
                return False
            self.values([(count, True)])
        except Limit as error:
            self.uncounted = str(error)
            return self.arrays > 0
        except Stopped:
            if self.arrays:  # no other format has arrays of this kind
                raise
            return False
        return self.cursor.at == self.file.size

    def values(self, pending: list[tuple[int, bool]]) -> None:
        """Go over what is ``pending``: how many values of nested maps and lists."""
        while pending:
            count, is_map = pending.pop()
            if not count:
                continue
            pending.append((count - 1, is_map))
            self.left -= 1
            if self.left < 0 or len(pending) > MAX_DEPTH:
                raise Limit(f"more than {MAX_VALUES:,} values, or deeper than {MAX_DEPTH}")
            if is_map:
                self.key(len(pending) == 1)
            kind, length = self.head()
            if kind in ("map", "list"):
                pending.append((length, kind == "map"))
            elif kind == "extension":
                self.extension(length)
            else:
                self.cursor.skip(length)

    def key(self, top: bool) -> None:
        kind, length = self.head()
        if kind != "text" or length > MAX_NAME:
            raise Stopped("a name in it is not a text")
        if top and len(self.keys) < MAX_KEYS:
            self.keys.append(self.cursor.text(length))
        else:
            self.cursor.at += length

    def head(self) -> tuple[str, int]:
        """The kind of the next value, and its length: of maps and lists in values, of all others in bytes."""
        code = self.cursor.number("B")
        if code < 0x80 or code >= 0xE0:
            return "plain", 0
        if code < 0xC0:
            return ("map", code & 15) if code < 0x90 else ("list", code & 15) if code < 0xA0 else ("text", code & 31)
        if code in _FIXED:
            return "plain", _FIXED[code]
        if 0xD4 <= code <= 0xD8:
            return "extension", 1 << (code - 0xD4)
        if code not in _LENGTHS:
            raise Stopped("it is not MessagePack")
        form, kind = _LENGTHS[code]
        return kind, self.cursor.number(form)

    def extension(self, length: int) -> None:
        kind, start = self.cursor.number("B"), self.cursor.at
        if kind in (_ARRAY, _SCALAR):
            self.array(start + length)
        self.cursor.at = start
        self.cursor.skip(length)

    def array(self, end: int) -> None:
        """An array, or a number of NumPy: a list of its shape, its type, and its bytes."""
        if self.head() != ("list", 3):
            raise Stopped("an array of it is broken")
        kind, rank = self.head()
        shape = [self.integer() for _ in range(rank if kind == "list" and rank <= 32 else 0)]
        kind, size = self.head()
        if kind not in ("text", "bytes") or size > MAX_NAME:
            raise Stopped("an array of it is broken")
        name = self.cursor.text(size)
        kind, size = self.head()
        if kind != "bytes" or self.cursor.at + size > end or (size and size < prod(shape) // 8):
            raise Stopped("an array of it is broken")
        self.arrays += 1
        self.dtypes[name[:40]] += prod(shape)

    def integer(self) -> int:
        code = self.cursor.number("B")
        if code < 0x80:
            return int(code)
        if code not in _INTEGERS:
            raise Stopped("the shape of an array is broken")
        return int(self.cursor.number(_INTEGERS[code]))


STORE, METADATA, CHECKPOINT = "manifest.ocdbt", "_METADATA", "_CHECKPOINT_METADATA"
STORE_MAGIC = b"\x0c\xdb\x3a\x2a"


def read_orbax(folder: ModelFolder) -> Inspection | None:
    """A store with the description of a tree beside it, or either alone if it identifies itself."""
    tree = folder.json(METADATA, DOCUMENT)
    entries = tree.get("tree_metadata") if isinstance(tree, dict) else None
    noted = {"item_handlers", "init_timestamp_nsecs"} & folder.json_object(CHECKPOINT, DOCUMENT).keys()
    if not (isinstance(entries, dict) or noted or (isinstance(tree, dict) and _is_store(folder))):
        return None
    entries = entries if isinstance(entries, dict) else {}
    names = (key.strip("()").split(",") for key in list(entries)[:MAX_KEYS])  # a key is the text of a tuple of names
    return Inspection(
        "orbax",
        framework="orbax",
        details={
            "arrays": len(entries) or None,
            "keys": [".".join(part.strip(" '\"") for part in parts if part.strip()) for parts in names],
            "uncounted": "the sizes of arrays in a checkpoint of Orbax are not read",
        },
    )


def _is_store(folder: ModelFolder) -> bool:
    if STORE not in folder.files:
        return False
    with folder.opened(STORE) as file:
        return file.head.startswith(STORE_MAGIC)
