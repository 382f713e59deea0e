"""The files that the real frameworks made, and what the frameworks themselves say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registry_cli.inspect.inspection import Inspected, Inspection
from registry_cli.inspect.inspector import inspect

DATA = Path(__file__).parent / "data"
#: Every artifact in ``data``: a file, or a folder with what is in it.
ARTIFACTS = tuple(
    sorted(
        each for folder in DATA.iterdir() if folder.is_dir() for each in folder.iterdir() if each.name != "__pycache__"
    )
)


def files_of(path: Path) -> dict[str, Path]:
    """The files of an artifact, as ``register`` would name them."""
    if path.is_file():
        return {path.name: path}
    return {each.relative_to(path).as_posix(): each for each in sorted(path.rglob("*")) if each.is_file()}


def made(folder: Path, name: str, data: bytes) -> dict[str, Path]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {name: path}


def inside(folder: str) -> dict[str, Path]:
    """The files of a folder in ``data``."""
    return files_of(DATA / folder)


def look(path: str | Path) -> Inspected:
    return inspect(files_of(DATA / path))


def primary(path: str | Path) -> Inspection:
    """What a file or folder in ``data`` is, for certain."""
    found = look(path).primary
    assert found is not None
    assert found.certain, found.problem
    assert not found.problem
    return found


@pytest.fixture(scope="session")
def truth() -> Any:
    return json.loads((DATA / "truth.json").read_text())
