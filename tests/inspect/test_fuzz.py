"""Whatever bytes a file holds: no reader raises, none takes long, none takes much memory, and what it says can be kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry_cli.core.yaml import dumper
from registry_cli.inspect.binary.model_files import ModelFile, ModelFolder
from registry_cli.inspect.formats import FILES, FOLDERS, Format
from registry_cli.inspect.inspection import Inspected
from registry_cli.inspect.inspector import _read_guarded, inspect
from tests.inspect.conftest import ARTIFACTS, DATA, files_of
from tests.support import memory_below

#: The files that a fixture consists of: each is damaged by itself.
SEEDS = tuple(path for artifact in ARTIFACTS for path in files_of(artifact).values())
#: No fixture has 60 kB; a reader may take so much for one, and for what it says that it holds.
MEMORY = 24 << 20
SECONDS = 5.0

BYTES = {str(path.relative_to(DATA)): path.read_bytes() for path in SEEDS}
HUGE = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 4, b"\0\0\0\0\0\0\0\x80", b"\0\0\0@", b"\x80" * 9 + b"\1")
PIECES = st.one_of(
    st.binary(max_size=16),
    st.sampled_from(
        [*HUGE, b"{" * 4000, b"[" * 4000, b'{"a":' * 2000, b"9" * 5000, b"\0" * 64, b"-1", b"null", b"\xed\xa0\x80"]
    ),
    st.sampled_from(sorted({data[:64] for data in BYTES.values()})),
)


@st.composite
def damaged(draw: Any) -> tuple[str, bytes]:
    """One of the files with some of its bytes flipped, cut, spliced with another's, or replaced by huge lengths."""
    name = draw(st.sampled_from(sorted(BYTES)))
    data = bytearray(BYTES[name])
    for _ in range(draw(st.integers(1, 4))):
        # what tells a format stands at the ends: half of all damage is done there
        ends = st.one_of(st.integers(0, min(200, len(data))), st.integers(max(0, len(data) - 200), len(data)))
        at = draw(st.one_of(st.integers(0, len(data)), ends))
        how = draw(st.sampled_from(("flip", "cut", "put", "splice", "repeat", "drop")))
        if how == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del data[at:]
        elif how == "put":
            piece = draw(PIECES)
            data[at : at + len(piece)] = piece
        elif how == "splice":
            other = BYTES[draw(st.sampled_from(sorted(BYTES)))]
            data[at:] = other[draw(st.integers(0, len(other))) :]
        elif how == "repeat":
            data[at:at] = data[max(0, at - 64) : at] * draw(st.integers(1, 50))
        else:
            del data[at : at + draw(st.integers(1, 40))]
    return name, bytes(data)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def written(place: Path, data: bytes) -> Iterator[Path]:
    """A file of its own for each example: to truncate one again and again makes a busy disk wait."""
    path = place / os.urandom(8).hex()
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink()


def bounded(files: dict[str, Path]) -> Inspected:
    """What an artifact is, within time and memory, and fit to be kept."""
    start = time.process_time()
    with memory_below(MEMORY):
        found = inspect(files)
    assert time.process_time() - start < SECONDS
    said = found.lineage()
    document = dumper.dumps({"lineage": said})
    assert len(document) < 100_000
    return found


MANY = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@MANY
@given(damaged())
def test_a_damaged_file_is_told_as_one(place: Path, made: tuple[str, bytes]) -> None:
    """Under its own name, so that its reader is asked."""
    name, data = made
    with written(place, data) as path:
        bounded({Path(name).name: path})


@MANY
@given(damaged())
def test_a_damaged_file_in_a_folder(place: Path, made: tuple[str, bytes]) -> None:
    """Of artifacts that are folders: one of their files is damaged."""
    name, data = made
    artifact = DATA.joinpath(*Path(name).parts[:2])
    files = files_of(artifact)
    own = str(Path(name).relative_to(artifact.relative_to(DATA))) if artifact.is_dir() else artifact.name
    with written(place, data) as path:
        bounded({**files, own: path})


def readers() -> list[Format]:
    return [*FILES, *FOLDERS]


@pytest.mark.parametrize("row", readers(), ids=lambda row: f"{row.module}{'/' if row.markers else ''}")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(made=damaged())
def test_every_reader_on_every_file(place: Path, row: Format, made: tuple[str, bytes]) -> None:
    """Also on what is none of its own; the guard catches exceptions, so that time and memory are what is tested."""
    with written(place, made[1]) as path:
        start = time.monotonic()
        if row.markers:
            marker = row.markers[0].replace("*", "model")
            _read_guarded(row, ModelFolder("", {marker: path, "model.safetensors": path, "README.md": path}))
        else:
            with ModelFile.opened(path, "model.h5") as file:
                _read_guarded(row, file)
        assert time.monotonic() - start < SECONDS
