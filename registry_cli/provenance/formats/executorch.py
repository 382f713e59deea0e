"""ExecuTorch: ``.pte``, a program for devices. It is recognised; its plans are not read."""

from __future__ import annotations

from ..inspection import Inspection
from .files import File
from .flatbuffers import is_rooted


def read(file: File) -> Inspection | None:
    """The version of the layout, which is part of the identifier."""
    if not file.head.startswith(b"ET", 4) or not file.head[6:8].isdigit() or not is_rooted(file):
        return None
    details = {"layout": file.head[4:8].decode(), "uncounted": "programs of ExecuTorch are only recognised"}
    return Inspection("executorch", framework="executorch", details=details)
