"""What every test stands on: real files in temporary folders, and a registry that is verified when the test ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from registry_cli import Registry

# How long an example takes says more of what else the machine does. Tests that bound time measure it themselves.
settings.register_profile("registry", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("registry")


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can reach a registry or a home that is not its own."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("REGISTRY", "XDG_", "_REGISTRY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    # Registries in this process keep no lineage of pytest itself, and read the files; tests of both say so.
    monkeypatch.setattr("registry_cli.registry.this_program", lambda: None)
    monkeypatch.setattr("registry_cli.registry.cache_folder", lambda _: None)


class Clock:
    """A clock that goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reg(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    """An empty registry; whatever the test does to it, ``verify`` finds it sound afterwards."""
    registry = Registry.init(tmp_path / "registry", author="alice", now=clock)
    yield registry
    assert registry.admin.verify().problems == ()


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """A file with some content, outside of the registry."""

    def make(content: str | bytes = "a model", name: str = "model.pkl") -> Path:
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make
