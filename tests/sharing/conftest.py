from __future__ import annotations

from .people import common

__all__ = ["common"]
