"""The corpus of bad inputs, played."""

import pytest

_MODULES = [
    "archives",
    "contents",
    "documents",
    "environment",
    "faults",
    "governance",
    "huge",
    "integrity",
    "locks",
    "names",
    "paths",
    "permissions",
    "signals",
    "terminals",
]
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))
