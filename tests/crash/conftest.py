"""Where the registries of these tests lie, and the figures that they tell at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli.store import staging
from registry_cli.store.verify import verify_records
from tests.crash.world import MANY, wiped


@pytest.fixture(autouse=True)
def _few_files_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many files on all are synced at once: each of them is a dozen more calls that may fail."""
    monkeypatch.setattr(staging, "_MANY", MANY - 1)


@pytest.fixture(autouse=True)
def _nobody_writes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier looks again after a pause at what may be a write under way; here there is none to wait for."""
    monkeypatch.setattr(verify_records, "_PAUSES", tuple(0.0 for _ in verify_records._PAUSES))


@pytest.fixture
def lab() -> Iterator[Path]:
    """A folder for thousands of small registries: in memory where that can be had, since none needs to last."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="registry-crash-", dir=parent))
    yield folder
    wiped(folder)
    shutil.rmtree(folder, ignore_errors=True)
