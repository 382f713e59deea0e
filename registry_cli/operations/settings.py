"""The documents that people edit, from the widest to the nearest: ``registry.yaml``, ``group.yaml``, ``model.yaml``.

They are read anew each time, past the index: under the lock it must be what the files say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ..core import names
from ..core.times import format_time
from ..core.values import OneOrMore, as_list
from ..errors import InvalidInput, NotFound
from ..rules.metric_directions import KEY, LISTED, Directions
from ..rules.settings_errors import GROUP_KEYS, MODEL_KEYS, REGISTRY_KEYS, SettingsSource, check_unknown_keys
from ..store import reader, settings
from ..store.layout import MODEL, Layout


class Scope(NamedTuple):
    """Whose settings are meant: those of the registry, of a group, or of a model, with all that is around it."""

    group: str = ""
    model: str = ""

    @classmethod
    def of(cls, layout: Layout, name: str | None) -> Scope:
        """What ``name`` means: a model, a group, or the registry (None). Raises :class:`NotFound`."""
        if name is None:
            return cls()
        if reader.is_model(layout.model(names.model_name(name))):
            return cls.of_model(name)
        folder = layout.model(name).root
        if "/" not in name and folder.is_dir() and not folder.is_symlink():
            return cls(group=name)
        raise NotFound(f"there is no model or group '{name}'", "registry list shows the models that are here")

    @classmethod
    def of_model(cls, name: str) -> Scope:
        return cls(name.rpartition("/")[0], name)

    @classmethod
    def to_be(cls, layout: Layout, name: str) -> Scope:
        """Of a model that may not be there yet: then what its group says is all."""
        scope = cls.of_model(names.model_name(name))
        return scope if reader.is_model(layout.model(name)) else cls(group=scope.group)


class Level(NamedTuple):
    """One document, where its lines are, and the settings that it knows."""

    document: Mapping[str, Any]
    source: SettingsSource
    known: tuple[str, ...]


def levels(layout: Layout, scope: Scope) -> list[Level]:
    """The documents of a scope, the widest first. A group may have none."""
    found = [of_registry(layout)]
    if scope.group and (group := of_group(layout, scope.group)):
        found.append(group)
    if scope.model:
        found.append(of_model(layout, scope.model))
    return found


def directions(layout: Layout, scope: Scope) -> Directions:
    """The directions of metrics in a scope: the nearest document that declares one counts, else the list.

    Raises:
        InvalidInput: A declaration is not valid; with its line.
    """
    found = LISTED
    for level in levels(layout, scope):
        found = Directions.parse(level.document.get(KEY), level.source).over(found)
    return found


def of_registry(layout: Layout) -> Level:
    try:
        return Level(*settings.document_with_lines(layout.config, layout.config.name), REGISTRY_KEYS)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no registry in {layout.root}") from None


def of_group(layout: Layout, name: str) -> Level | None:
    path = layout.group_document(name)
    try:
        document, source = settings.document_with_lines(path, str(path.relative_to(layout.root)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    for key in ("owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise source.error((key,), "is no text", "write it in quotes")
    return _checked(Level(document, source, GROUP_KEYS))


def of_model(layout: Layout, name: str) -> Level:
    """What is committed counts, also where the writer died before it was in its place."""
    paths = layout.model(name)
    redo, what = reader.read_state(paths).redo, str(paths.model.relative_to(layout.root))
    if redo and redo.path == MODEL:
        return _checked(Level(*settings.with_lines(redo.data(), what), MODEL_KEYS))
    try:
        return _checked(Level(*settings.document_with_lines(paths.model, what), MODEL_KEYS))
    except FileNotFoundError:
        raise NotFound(f"there is no model '{name}'", "registry list shows the models that are here") from None


def _checked(level: Level) -> Level:
    check_unknown_keys(level.document, level.known, level.source)
    return level


def create_registry(
    root: str | os.PathLike[str], shared: str, stages: OneOrMore[str], now: Callable[[], datetime]
) -> None:
    """Make the folder ``root`` a registry. Raises :class:`Conflict`, and :class:`InvalidInput` for its stages."""
    from ..store import creation

    chosen = tuple(names.stage_name(stage) for stage in as_list(stages, "stages"))
    if not chosen or len(set(chosen)) != len(chosen):
        raise InvalidInput("a registry has at least one stage, each once", "for example: development, production")
    creation.make_registry(Layout(Path(root).absolute()), shared, chosen, format_time(now()))
