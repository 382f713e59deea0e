"""Where the files of an MLflow version lie now: on this machine, inside the store, even when the store was moved."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ..source_tree import Tree
from .mlflow_records import MlflowStore, ModelVersion

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_WINDOWS = re.compile(r"/?[A-Za-z]:[\\/]")
_RUNS = re.compile(r"runs:/+([^/]+)/(.+)\Z")
_LOGGED = re.compile(r"models:/+(m-[A-Za-z0-9]+)(/.*)?\Z")
#: Where a tracking server keeps what it is handed under ``mlflow-artifacts:``.
_SERVED = ("mlartifacts", "mlruns", ".")


class NotHere(Exception):
    """The files are not here; the text says why, in a few words."""


def find(tree: Tree, store: MlflowStore, version: ModelVersion) -> Path:
    """The folder or file of a version. Raises :class:`NotHere`.

    A path that the store names is taken as it stands, else relative to the store, else by its end: the part of it
    that is found inside the store, as long as this has the id of the run or of the logged model in it.
    """
    reasons: list[str] = []
    for location in filter(None, dict.fromkeys((version.location, version.source))):
        try:
            return _local(tree, _followed(store, location), version.run)
        except NotHere as error:
            reasons.append(str(error))
    raise NotHere(reasons[0] if reasons else "it does not say where its files are")


def _followed(store: MlflowStore, location: str) -> str:
    """What ``models:/m-<id>`` and ``runs:/<id>/path`` stand for."""
    if match := _LOGGED.match(location):
        logged = store.logged(match[1])
        if logged is None or not logged.location:
            raise NotHere(f"the logged model {match[1]} is not in the store any more")
        return logged.location + (match[2] or "")
    if match := _RUNS.match(location):
        run = store.run(match[1])
        if run is None or not run.artifacts:
            raise NotHere(f"the run {match[1][:40]} is not in the store any more")
        return f"{run.artifacts.rstrip('/')}/{match[2]}"
    return location


def _local(tree: Tree, location: str, run: str) -> Path:
    text, served = _path_of(location)
    path = PurePosixPath(text)
    for candidate in _candidates(tree, path, served, run):
        found = tree.inside(candidate)
        if found is not None:
            return found
    if path.is_absolute() and Path(path).exists():
        raise NotHere(f"its files lie outside of the store, at {text[:200]}: name the folder that holds both")
    raise NotHere(f"its files are not at {text[:200]}, nor inside the store")


def _path_of(location: str) -> tuple[str, bool]:
    """The path in a location, and whether a tracking server knows it by that."""
    if _WINDOWS.match(location):
        return location.replace("\\", "/"), False
    scheme = _SCHEME.match(location)
    if scheme is None:
        return location, False
    rest = location[scheme.end() :]
    host, path = "", rest
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        path = slash + path
    if scheme[1] == "file" and host in ("", "localhost", "."):
        return unquote(path), False
    if scheme[1] == "mlflow-artifacts":
        return unquote(path).lstrip("/"), True
    raise NotHere(f"its files are elsewhere: {location[:200]}")


def _candidates(tree: Tree, path: PurePosixPath, served: bool, run: str) -> list[Path]:
    if ".." in path.parts:
        return []
    if served:
        return [tree.root / folder / path for folder in _SERVED]
    found = [Path(path)] if path.is_absolute() else [tree.root / path]
    parts = path.parts
    for at in range(1, len(parts) - 1):
        rest = parts[at:]
        if any(part == run or part.startswith("m-") for part in rest):
            found += [root / Path(*rest) for root in tree.roots]
    return found
