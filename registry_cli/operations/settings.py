"""The documents that people edit, from the widest to the nearest: ``registry.yaml``, ``group.yaml``, ``model.yaml``.

They are read anew each time, past the index: under the lock it must be what the files say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import names
from ..core.text import escape_for_message
from ..core.times import format_time
from ..core.values import OneOrMore, as_list
from ..errors import InvalidInput, NotFound
from ..rules.metric_directions import KEY, LISTED, Directions
from ..rules.settings_errors import GROUP_KEYS, MODEL_KEYS, REGISTRY_KEYS, SettingsSource, check_unknown_keys
from ..store import codec, creation, reader
from ..store.layout import Layout
from ..store.reader import ModelReader, ModelSnapshot

if TYPE_CHECKING:
    from ..rules.monitor_rules import MonitorRules
    from ..rules.policy.policy import Policies
    from ..rules.retention_rules import RetentionPolicy


class SettingsScope(NamedTuple):
    """Whose settings are meant: those of the registry, of a group, or of a model, with all that is around it.

    ``snapshot`` is the model if it was read already.
    """

    group: str = ""
    model: str = ""
    snapshot: ModelSnapshot | None = None

    @classmethod
    def from_name(cls, layout: Layout, name: str | None) -> SettingsScope:
        """Return the scope of a model, a group, or the registry (None). Raises :class:`NotFound`."""
        if name is None:
            return cls()
        if reader.is_model(layout.model(names.model_name(name))):
            return cls.for_model(name)
        folder = layout.model(name).root
        if "/" not in name and folder.is_dir() and not folder.is_symlink():
            return cls(group=name)
        raise NotFound(f"model or group '{name}' not found", "run 'registry list'")

    @classmethod
    def for_model(cls, name: str, snapshot: ModelSnapshot | None = None) -> SettingsScope:
        return cls(name.rpartition("/")[0], name, snapshot)

    @classmethod
    def for_new_model(cls, layout: Layout, name: str) -> SettingsScope:
        """Return the scope of a model that may not exist yet: then that of its group."""
        scope = cls.for_model(names.model_name(name))
        return scope if reader.is_model(layout.model(name)) else cls(group=scope.group)


class SettingsDocument(NamedTuple):
    """One document, where its lines are, and the settings that it knows."""

    document: Mapping[str, Any]
    source: SettingsSource
    known: tuple[str, ...]


def load_documents(layout: Layout, scope: SettingsScope) -> list[SettingsDocument]:
    """The documents of a scope, the widest first. A group may have none."""
    found = [load_registry_document(layout)]
    if scope.group and (group := load_group_document(layout, scope.group)):
        found.append(group)
    if scope.model:
        found.append(load_model_document(layout, scope))
    return found


def load_directions(layout: Layout, scope: SettingsScope) -> Directions:
    """The directions of metrics in a scope. Raises :class:`InvalidInput` for an invalid declaration, with its line."""
    return merge_directions(load_documents(layout, scope))


def merge_directions(levels: Iterable[SettingsDocument]) -> Directions:
    """The directions of metrics: the nearest document that declares one counts, else the list of exact names."""
    found = LISTED
    for level in levels:
        found = Directions.parse(level.document.get(KEY), level.source).over(found)
    return found


def load_monitor_rules(layout: Layout, scope: SettingsScope) -> tuple[MonitorRules, Directions]:
    """The rules about metrics of versions in use, and the directions of metrics in a scope.

    Of each metric the rule of the nearest document counts.

    Raises:
        InvalidInput: A rule is not valid; with its line.
    """
    return merge_monitor_rules(load_documents(layout, scope))


def merge_monitor_rules(levels: Iterable[SettingsDocument]) -> tuple[MonitorRules, Directions]:
    """The same from documents, the widest first."""
    from ..rules import monitor_rules

    directions, found = LISTED, monitor_rules.MonitorSettings({}, {})
    for level in levels:
        directions = Directions.parse(level.document.get(KEY), level.source).over(directions)
        found = monitor_rules.parse_monitor(level.document.get(monitor_rules.KEY), level.source, directions).over(found)
    return found.build(), directions


def load_registry_document(layout: Layout) -> SettingsDocument:
    try:
        return SettingsDocument(*codec.load_with_lines(layout.config, layout.config.name), REGISTRY_KEYS)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no registry in {layout.root}") from None


def load_group_document(layout: Layout, name: str) -> SettingsDocument | None:
    path = layout.group_document(name)
    try:
        document, source = codec.load_with_lines(path, str(path.relative_to(layout.root)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    for key in ("owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise source.error((key,), "must be text", "put it in quotes")
    return _check_keys(SettingsDocument(document, source, GROUP_KEYS))


def load_model_document(layout: Layout, scope: SettingsScope) -> SettingsDocument:
    """Load the committed ``model.yaml``, also if its writer died before it was in place."""
    try:
        snapshot = scope.snapshot or ModelSnapshot(ModelReader(layout.model(scope.model)))
        what = str(snapshot.paths.model.relative_to(layout.root))
        return _check_keys(SettingsDocument(*codec.parse_with_lines(snapshot.text(what), what), MODEL_KEYS))
    except FileNotFoundError:
        raise NotFound(f"model '{scope.model}' not found", "run 'registry list'") from None


def _check_keys(level: SettingsDocument) -> SettingsDocument:
    check_unknown_keys(level.document, level.known, level.source)
    return level


class RetentionPolicies:
    """How long versions stay: of each section the nearest document that speaks of it counts, whole."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        registry = load_registry_document(layout)
        check_unknown_keys(registry.document, registry.known, registry.source)
        self._wide = {"": _parse_retention(registry)}

    def for_scope(self, scope: SettingsScope) -> RetentionPolicy:
        """The rules for a scope. Raises :class:`InvalidInput` for an error in one of its documents."""
        if scope.group not in self._wide:
            group = load_group_document(self._layout, scope.group)
            self._wide[scope.group] = _parse_retention(group).over(self._wide[""]) if group else self._wide[""]
        around = self._wide[scope.group]
        if not scope.model:
            return around
        policy = _parse_retention(load_model_document(self._layout, scope)).over(around)
        if any(rules and rules.best for rules in (policy.archive, policy.prune)):
            policy.check_directions(load_directions(self._layout, scope))
        return policy


def _parse_retention(level: SettingsDocument) -> RetentionPolicy:
    from ..rules.retention_rules import RetentionPolicy  # with the query language: only for those that plan retention

    return RetentionPolicy.parse(level.document.get("retention"), level.source)


class LoadedPolicies(NamedTuple):
    """The policies in force, the stages of the registry, and the document of the model."""

    policies: Policies
    stages: tuple[str, ...]
    model: Mapping[str, Any]


def load_policies(layout: Layout, scope: SettingsScope) -> LoadedPolicies:
    """The policies in a scope. Raises :class:`InvalidInput` for every mistake in them."""
    levels = load_documents(layout, scope)
    policies, stages = merge_policies(layout, levels)
    return LoadedPolicies(policies, stages, levels[-1].document if scope.model else {})


def merge_policies(layout: Layout, levels: Sequence[SettingsDocument]) -> tuple[Policies, tuple[str, ...]]:
    """Merge the policies of documents, each stricter than the one around it; return them and the stages."""
    from ..rules.policy import policy, policy_parser

    stages = codec.parse_settings(levels[0].document, levels[0].source).stages
    found: Policies = {}
    for at, (document, source, _) in enumerate(levels):
        own = policy_parser.parse_policies(
            policy_parser.find_policy(document, source), source, stages, found if at else None
        )
        found = policy.join_policies(found, own, stages)
    policy.check_circular(found, stages)
    ensure_outside_registry(layout, found)
    return found, stages


def ensure_outside_registry(layout: Layout, policies: Policies) -> None:
    """Raise for a program inside the registry's folder: who may write there could change it after it was trusted."""
    for each in policies.values():
        for rule in each.rules:
            for word in rule.check.arguments if rule.check else ():
                if word.startswith("/") and "{" not in word and is_inside(word, layout.root):
                    raise rule.source.error(
                        rule.path,
                        f"'{escape_for_message(word)}' is inside the registry",
                        "keep programs elsewhere: anyone who can write there could change it after it was trusted",
                    )


def is_inside(path: str, root: Path) -> bool:
    real, folder = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([real, folder]) == folder


def create_registry(
    root: str | os.PathLike[str], shared: str, stages: OneOrMore[str], now: Callable[[], datetime]
) -> None:
    """Make the folder ``root`` a registry. Raises :class:`Conflict`, and :class:`InvalidInput` for its stages."""
    chosen = tuple(names.stage_name(stage) for stage in as_list(stages, "stages"))
    if not chosen or len(set(chosen)) != len(chosen):
        raise InvalidInput(
            "a registry needs at least one stage and no duplicates", "for example: development, production"
        )
    creation.make_registry(Layout(Path(root).absolute()), shared, chosen, format_time(now()))
