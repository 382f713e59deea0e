"""The models of a registry, by name: a folder with a ``model.yaml`` is a model, one without is a group of models."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator

from ..core import names
from . import layout
from .filesystem import files
from .layout import Layout


def iter_model_names(root: Layout, known: Container[str] = ()) -> Iterator[str]:
    """The names of all models, in the order of folders.

    Those in ``known`` are taken for models without a look at them, as long as their folder is there.
    """
    top = str(root.models)
    for name in _list_folders(top, "", known):
        if name in known or files.identity(f"{top}/{name}/{layout.MODEL}"):
            yield name
            continue
        for child in _list_folders(f"{top}/{name}", f"{name}/", known):
            full = f"{name}/{child}"
            if full in known or files.identity(f"{top}/{full}/{layout.MODEL}"):
                yield full


def _list_folders(parent: str, prefix: str, known: Container[str] = ()) -> list[str]:
    """The folders in ``parent`` whose names, after ``prefix``, are names of models or groups, sorted."""
    try:
        with os.scandir(parent) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if prefix + name in known or names.is_model_name(prefix + name))
