"""CTranslate2: ``model.bin``, the variables of a model behind the name of its kind, and a folder around it."""

from __future__ import annotations

import re
import struct
from collections import Counter
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import ModelFile, ModelFolder
from ..inspection import Inspection

NAME = "model.bin"
#: The newest version of the layout that is read, and the most variables.
VERSION, VARIABLES = 6, 100_000
#: The largest configuration that is read, in bytes.
CONFIG = 1 << 20

_DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_SIZES = (4, 1, 2, 4, 2, 2)
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]{1,60}Spec\0")
_SCALES = ("_scale", "_zero")


def read(thing: ModelFile | ModelFolder) -> Inspection | None:
    """The kind of the model, and its variables counted; of a folder its configuration and vocabularies, too."""
    if isinstance(thing, ModelFile):
        return _read(thing, {})
    with thing.opened(NAME) as file:
        files = [name for name in thing.files if "/" not in name and "vocabulary" in name]
        config = thing.json("config.json", CONFIG)
        kept = (
            {key: config[key] for key in ("unk_token", "model_type") if key in config}
            if isinstance(config, dict)
            else {}
        )
        return _read(file, {**kept, "vocabularies": sorted(files)})


def _read(file: ModelFile, details: dict[str, Any]) -> Inspection | None:
    version, length = struct.unpack_from("<LH", file.head.ljust(6, b"\0"))
    name = file.head[6 : 6 + length]
    if not 2 <= version <= 16 or not _NAME.fullmatch(name):
        return None
    details = {"layout": version, **details}
    dtypes: Counter[str] = Counter()
    try:
        if version > VERSION:
            raise Limit(f"version {version} of its layout is not read")
        details["revision"] = int.from_bytes(file.read(6 + length, 4), "little")
        details["variables"] = _count(file, 10 + length, version, dtypes)
    except Stopped as error:
        details["uncounted"] = str(error)
        dtypes.clear()
    return Inspection(
        "ctranslate2",
        framework="ctranslate2",
        class_name=name.rstrip(b"\0").decode(),
        parameters=None if "uncounted" in details else sum(dtypes.values()),
        dtypes=dict(dtypes),
        details=details,
    )


def _count(file: ModelFile, at: int, version: int, dtypes: Counter[str]) -> int:
    """Go over all variables, each a name, a shape, a type, and as many bytes as it says."""
    count = int.from_bytes(file.read(at, 4), "little")
    at += 4
    if count > VARIABLES:
        raise Limit(f"it has {count:,} variables")
    for _ in range(count):
        length = int.from_bytes(file.read(at, 2), "little")
        name = file.read(at + 2, length).rstrip(b"\0").decode("utf-8", "replace")
        at += 2 + length
        rank = file.read(at, 1)[0]
        shape = struct.unpack(f"<{rank}L", file.read(at + 1, 4 * rank))
        at += 1 + 4 * rank
        if version >= 4:
            kind, size = struct.unpack("<BL", file.read(at, 5))
            at += 5
        else:
            width, items = struct.unpack("<BL", file.read(at, 5))
            kind, size = {4: 0, 1: 1, 2: 2}.get(width, 255), width * items
            at += 5
        numbers = 1
        for each in shape:
            numbers *= each
        if kind >= len(_DTYPES) or numbers * _SIZES[kind] != size or at + size > file.size:
            raise Stopped("it is cut short, or a variable of it is broken")
        at += size
        if rank and not name.endswith(_SCALES):
            dtypes[_DTYPES[kind]] += numbers
    return count
