"""CTranslate2: ``model.bin``, the variables of a model behind the name of its kind, and a folder around it."""

from __future__ import annotations

import re
import struct
from collections import Counter
from math import prod
from typing import Any

from ..binary.limits import Limit, Stopped
from ..binary.model_files import ModelFile, ModelFolder
from ..binary.sources import Cursor
from ..inspection import Inspection, parameter_counts

NAME = "model.bin"
MAX_VERSION, MAX_VARIABLES = 6, 100_000

#: Types, and how many bytes a number has.
_DTYPES = (("float32", 4), ("int8", 1), ("int16", 2), ("int32", 4), ("float16", 2), ("bfloat16", 2))
#: The type that a number of so many bytes has in layouts before version 4.
_OLD_TYPES = {4: 0, 1: 1, 2: 2}
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]{1,60}Spec\0")
_SCALES = ("_scale", "_zero")


def read(thing: ModelFile | ModelFolder) -> Inspection | None:
    """The kind of the model, and its variables counted; of a folder its configuration and vocabularies, too."""
    if isinstance(thing, ModelFile):
        return _read(thing, {})
    with thing.opened(NAME) as file:
        files = [name for name in thing.files if "/" not in name and "vocabulary" in name]
        config = thing.json_object("config.json")
        kept: dict[str, Any] = {key: config[key] for key in ("unk_token", "model_type") if key in config}
        return _read(file, {**kept, "vocabularies": sorted(files)})


def _read(file: ModelFile, details: dict[str, Any]) -> Inspection | None:
    version, length = struct.unpack_from("<LH", file.head.ljust(6, b"\0"))
    name = file.head[6 : 6 + length]
    if not 2 <= version <= 16 or not _NAME.fullmatch(name):
        return None
    details = {"layout": version, **details}
    dtypes: Counter[str] = Counter()
    try:
        if version > MAX_VERSION:
            raise Limit(f"version {version} of its layout is not read")
        cursor = Cursor(file, 6 + length)
        details["revision"] = cursor.number("L")
        details["variables"] = _count(cursor, version, dtypes)
    except Stopped as error:
        details["uncounted"] = str(error)
    return Inspection(
        "ctranslate2",
        framework="ctranslate2",
        class_name=name.rstrip(b"\0").decode(),
        **parameter_counts(dtypes, details.get("uncounted")),
        details=details,
    )


def _count(cursor: Cursor, version: int, dtypes: Counter[str]) -> int:
    """Go over all variables, each a name, a shape, a type, and as many bytes as it says."""
    count: int = cursor.number("L")
    if count > MAX_VARIABLES:
        raise Limit(f"it has {count:,} variables")
    for _ in range(count):
        name = cursor.text(cursor.number("H")).rstrip("\0")
        shape = cursor.unpack(f"{cursor.number('B')}L")
        kind, size = cursor.unpack("BL")
        if version < 4:
            kind, size = _OLD_TYPES.get(kind, len(_DTYPES)), kind * size
        numbers = prod(shape)
        if kind >= len(_DTYPES) or numbers * _DTYPES[kind][1] != size or cursor.at + size > cursor.size:
            raise Stopped("it is cut short, or a variable of it is broken")
        cursor.skip(size)
        if shape and not name.endswith(_SCALES):
            dtypes[_DTYPES[kind][0]] += numbers
    return count
