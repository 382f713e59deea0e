"""The tools to import from and the formats to export to. A new one is a row here.

A source has ``read(place, *, only=None) -> Iterator[ImportedVersion]``, where ``only`` is the one model to read, by its
name there; an exporter has ``write(artifact, card, target) -> list[str]``, which returns what is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.records import Artifact
from ..errors import InvalidInput
from .cards.card_inputs import CardInput
from .imported_version import ImportedVersion

#: The schemes of sources, and the module of this package for each.
SOURCES: dict[str, str] = {
    "mlflow": "mlflow.mlflow_import",
    "bentoml": "bentoml",
    "hf": "huggingface",
    "dvc": "dvc.dvc_import",
}
#: The formats that one version can be exported to, and the module of this package for each.
FORMATS: dict[str, str] = {
    "mlflow": "mlflow.mlflow_export",
    "hf": "huggingface",
    "bentoml": "bentoml",
    "cyclonedx": "cyclonedx_export",
}
#: The formats that are one file; all others are folders.
FILES = frozenset({"cyclonedx"})
#: The sources whose files may be in another folder than the records, and the formats that have flavors.
WITH_ARTIFACTS = frozenset({"mlflow"})
WITH_FLAVOR = frozenset({"mlflow"})
#: The default format of ``export``.
BUNDLE = "bundle"


def split_source(source: str) -> tuple[str, str]:
    """Split a source into its scheme and its place; the scheme is empty for a bundle, which is a file, or ``-``.

    A file whose name begins like a scheme is named with its folder: ``./mlflow:x``.
    """
    scheme, mark, place = source.partition(":")
    if not mark or not scheme.isalnum() or (scheme not in SOURCES and Path(source).exists()):
        return "", source
    if scheme not in SOURCES:
        places = ", ".join(f"{name}:PATH" for name in SOURCES)
        raise InvalidInput(f"unknown source '{scheme}:'", f"use a bundle file, '-', {places}")
    if not place or "\0" in place:
        raise InvalidInput(f"'{source}' has no path", f"use {scheme}:PATH")
    return scheme, place


def read(
    scheme: str, place: str, only: str | None = None, artifacts: str | os.PathLike[str] | None = None
) -> Iterator[ImportedVersion]:
    """Read all versions of another tool at ``place``, or of ``only`` one model, by its name there."""
    options: dict[str, Any] = {} if only is None else {"only": only}
    if artifacts is not None:
        if scheme not in WITH_ARTIFACTS:
            raise InvalidInput(f"'{scheme}:' keeps its files where it is", "remove `artifacts`")
        options["artifacts"] = Path(artifacts)
    return import_module(f".{SOURCES[scheme]}", __package__).read(place, **options)  # type: ignore[no-any-return]


def get_writer(name: str, flavor: str | None = None) -> Callable[[Artifact, CardInput, Path], list[str]]:
    """The function that writes one version in a format. ``flavor`` is that of the files, if it is not known.

    Raises:
        InvalidInput: There is no such format, or it has no flavors.
    """
    if name not in FORMATS:
        raise InvalidInput(f"unknown format '{name}'", f"available: {', '.join((BUNDLE, *FORMATS))}")
    write = import_module(f".{FORMATS[name]}", __package__).write
    if flavor is None:
        return write  # type: ignore[no-any-return]
    if name not in WITH_FLAVOR:
        raise InvalidInput(f"'{name}' has no flavors", "remove `flavor`")
    return partial(write, flavor=flavor)
