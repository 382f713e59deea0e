"""The corpus of bad inputs, played."""

import pytest

_MODULES = [
    "contents",
    "documents",
    "environment",
    "faults",
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
