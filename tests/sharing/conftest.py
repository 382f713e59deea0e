from __future__ import annotations

from tests.sharing.people import common

__all__ = ["common"]
