"""TensorRT: an engine for one kind of device. It is recognised; its layout is not public."""

from __future__ import annotations

from ..inspection import Inspection
from .files import File

MAGICS = (b"ftrt", b"ptrt")
SUFFIXES = (".engine", ".plan", ".trt")


def read(file: File) -> Inspection | None:
    """Four letters are not enough: the name has to agree."""
    if not file.head.startswith(MAGICS) or not file.name.lower().endswith(SUFFIXES):
        return None
    return Inspection(
        "tensorrt", framework="tensorrt", details={"uncounted": "engines of TensorRT are only recognised"}
    )
