"""Which module reads from, or writes for, another tool. A new one is a row here.

A source has ``read(place: str) -> Iterator[Incoming]``; an exporter has
``write(artifact: Artifact, model: ModelRecord, target: Path) -> list[str]``, which says what could not be carried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from ..records import Artifact, ModelRecord
from .records import Incoming

#: What stands before the colon of a source, and the module of this package that reads it.
SOURCES: dict[str, str] = {}
#: The formats that one version can be exported to, and the module of this package that writes it.
FORMATS: dict[str, str] = {}
#: What ``export`` writes when no format is named.
BUNDLE = "bundle"


def split(source: str) -> tuple[str, str]:
    """A source as its scheme and its place; the scheme is empty for a bundle, which is a file, or ``-``.

    A file whose name begins like a scheme is named with its folder: ``./mlflow:x``.
    """
    scheme, mark, place = source.partition(":")
    if not mark or not scheme.isalnum():
        return "", source
    if scheme in SOURCES:
        if not place or "\0" in place:
            raise InvalidInput(f"'{source}' names no place", f"write {scheme}:PATH")
        return scheme, place
    if Path(source).exists():
        return "", source
    known = ", ".join(f"{name}:PATH" for name in SOURCES)
    raise InvalidInput(
        f"there is no source '{scheme}:'", f"a source is a bundle file, '-'{', ' if known else ''}{known}"
    )


def read(scheme: str, place: str) -> Iterator[Incoming]:
    """What lies at ``place`` of another tool."""
    return _found(SOURCES, scheme).read(place)  # type: ignore[no-any-return]


def writer(name: str) -> Callable[[Artifact, ModelRecord, Path], list[str]]:
    """What writes one version in a format. :class:`InvalidInput` when there is no such format."""
    if name not in FORMATS:
        raise InvalidInput(f"there is no format '{name}'", f"there are: {', '.join((BUNDLE, *FORMATS))}")
    return _found(FORMATS, name).write  # type: ignore[no-any-return]


def _found(table: Mapping[str, str], name: str) -> Any:
    return import_module(f".{table[name]}", __package__)
