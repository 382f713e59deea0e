"""Where the registries of these tests lie, and the figures that they tell at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import wiped


@pytest.fixture
def lab() -> Iterator[Path]:
    """A folder for thousands of small registries: in memory where that can be had, since none needs to last."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="registry-crash-", dir=parent))
    yield folder
    wiped(folder)
    shutil.rmtree(folder, ignore_errors=True)
