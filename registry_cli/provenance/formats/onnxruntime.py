"""ONNX Runtime's own layout: ``.ort``. It is recognised; of its session the version is read."""

from __future__ import annotations

from ..inspection import Inspection
from .files import File
from .flatbuffers import FlatBuffer, is_rooted

MAGIC = b"ORTM"


def read(file: File) -> Inspection | None:
    """The version of the layout: the first field of the session."""
    if file.head[4:8] != MAGIC or not is_rooted(file):
        return None
    buffers = FlatBuffer(file)
    details = {"layout": buffers.text(buffers.root(), 0), "uncounted": "files of ONNX Runtime are only recognised"}
    return Inspection("ort", framework="onnxruntime", details=details)
