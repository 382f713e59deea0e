"""GGML: what whisper.cpp and the first llama.cpp wrote before GGUF. It is recognised."""

from __future__ import annotations

import struct

from ..inspection import Inspection
from .files import File

_NAMES = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt", b"algg": "ggla"}
_SETTINGS = struct.Struct("<4L")
_LARGEST = 1 << 20


def read(file: File) -> Inspection | None:
    """Small numbers follow the four letters: a version, or sizes of the model."""
    name = _NAMES.get(file.head[:4])
    if name is None or len(file.head) < 4 + _SETTINGS.size:
        return None
    if not all(0 < each <= _LARGEST for each in _SETTINGS.unpack_from(file.head, 4)):
        return None
    return Inspection("ggml", framework="ggml", details={"layout": name, "uncounted": "only GGUF says what is in it"})
