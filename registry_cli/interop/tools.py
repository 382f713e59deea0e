"""Which module reads from, or writes for, another tool. A new one is a row here.

A source has ``read(place: str, *, only: str | None = None) -> Iterator[ImportedVersion]``, where ``only`` is the one model that
is wanted, by its name there; an exporter has ``write(artifact: Artifact, known: CardInput, target: Path) ->
list[str]``, which says what could not be carried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.records import Artifact
from ..errors import InvalidInput
from .cards.card_inputs import CardInput
from .imported_version import ImportedVersion

#: What stands before the colon of a source, and the module of this package that reads it.
SOURCES: dict[str, str] = {
    "mlflow": "mlflow.mlflow_import",
    "bentoml": "bentoml",
    "hf": "huggingface",
    "dvc": "dvc.dvc_import",
}
#: The formats that one version can be exported to, and the module of this package that writes it.
FORMATS: dict[str, str] = {
    "mlflow": "mlflow.mlflow_export",
    "hf": "huggingface",
    "bentoml": "bentoml",
    "cyclonedx": "cyclonedx_export",
}
#: The formats that are one file; all others are folders.
FILES = frozenset({"cyclonedx"})
#: The sources whose files may lie in another folder than the records, and the formats that have flavors.
WITH_ARTIFACTS = frozenset({"mlflow"})
WITH_FLAVOR = frozenset({"mlflow"})
#: What ``export`` writes when no format is named.
BUNDLE = "bundle"


def split_source(source: str) -> tuple[str, str]:
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


def read(
    scheme: str, place: str, only: str | None = None, artifacts: str | os.PathLike[str] | None = None
) -> Iterator[ImportedVersion]:
    """What lies at ``place`` of another tool: all of it, or ``only`` one model, by its name there."""
    options: dict[str, Any] = {} if only is None else {"only": only}
    if artifacts is not None:
        if scheme not in WITH_ARTIFACTS:
            raise InvalidInput(f"'{scheme}:' keeps its files where it is", "leave out --artifacts")
        options["artifacts"] = Path(artifacts)
    return _load_module(SOURCES, scheme).read(place, **options)  # type: ignore[no-any-return]


def get_writer(name: str, flavor: str | None = None) -> Callable[[Artifact, CardInput, Path], list[str]]:
    """What writes one version in a format. :class:`InvalidInput` when there is no such format.

    ``flavor`` says what the files are, for a format that can't go without, when that is not known.
    """
    if name not in FORMATS:
        raise InvalidInput(f"there is no format '{name}'", f"there are: {', '.join((BUNDLE, *FORMATS))}")
    write = _load_module(FORMATS, name).write
    if flavor is None:
        return write  # type: ignore[no-any-return]
    if name not in WITH_FLAVOR:
        raise InvalidInput(f"'{name}' has no flavors", "leave out --flavor")
    return partial(write, flavor=flavor)


def _load_module(table: Mapping[str, str], name: str) -> Any:
    return import_module(f".{table[name]}", __package__)
