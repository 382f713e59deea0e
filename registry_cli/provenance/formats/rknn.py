"""RKNN: a network for the accelerators of Rockchip. It is recognised."""

from __future__ import annotations

from ..inspection import Inspection
from .files import File

MAGIC = b"RKNN"


def read(file: File) -> Inspection | None:
    """Behind the four letters there are zeros and a small version; else the name has to agree."""
    if not file.head.startswith(MAGIC):
        return None
    version = int.from_bytes(file.head[8:16], "little")
    plain = len(file.head) >= 16 and not any(file.head[4:8]) and 0 < version < 64
    if not plain and not file.name.lower().endswith(".rknn"):
        return None
    details = {"layout": version if plain else None, "uncounted": "networks for RKNN are only recognised"}
    return Inspection("rknn", framework="rknn", details=details)
