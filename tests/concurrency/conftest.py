"""A registry that several processes share: nothing but its path goes to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_cli import Registry


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Registry]:
    """A registry with the real clock, verified when the test ends."""
    registry = Registry.init(tmp_path / "registry")
    yield registry
    assert registry.admin.verify().problems == ()


@pytest.fixture
def ten(shared: Registry, tmp_path: Path) -> Registry:
    """The model ``churn`` with ten versions."""
    fill(shared, tmp_path)
    return shared


def fill(registry: Registry, folder: Path) -> None:
    for number in range(1, 11):
        path = folder / "m"
        path.write_text(f"content of {number}")
        registry.register("churn", [path])
