"""The policies and retention rules in force for the registry, a group or a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.text import escape_for_message
from ..rules.policy import evaluation, policy, policy_parser
from ..rules.policy.command_checks import CommandCheck
from ..rules.policy.evaluation import PolicyLine
from ..rules.policy.policy import Policies
from ..rules.settings_errors import check_unknown_keys
from ..rules.stages import ARCHIVE, DELETE, PACK
from ..store import codec
from ..store.layout import Layout
from . import settings
from .settings import Scope

if TYPE_CHECKING:
    from pathlib import Path

    from ..rules.policy.command_checks import CommandSet
    from ..rules.policy.policy import Policies
    from ..rules.retention_rules import RetentionPolicy, RetentionRules
    from .context import RegistryContext


class LoadedPolicies(NamedTuple):
    """The policies in force, the stages of the registry, and the document of the model."""

    policies: Policies
    stages: tuple[str, ...]
    model: Mapping[str, Any]


def load_policies(layout: Layout, scope: Scope) -> LoadedPolicies:
    """The policies of the registry, with those of a group and of a model on top, each stricter than what is around it.

    Raises :class:`InvalidInput` for every mistake in them.
    """
    levels = settings.levels(layout, scope)
    stages = codec.parse_settings(levels[0].document, levels[0].source).stages
    found: Policies = {}
    for at, (document, source, _) in enumerate(levels):
        own = policy_parser.parse_policies(
            policy_parser.find_policy(document, source), source, stages, found if at else None
        )
        found = policy.join_policies(found, own, stages)
    policy.check_circular(found, stages)
    ensure_outside_registry(layout, found)
    return LoadedPolicies(found, stages, levels[-1].document if scope.model else {})


def _iter_lines(layout: Layout, scope: Scope) -> Iterator[PolicyLine]:
    """What is in force, a line each, with where it stands: policies, retention, and what a group says of itself."""
    yield from evaluation.list_policy_lines(load_policies(layout, scope).policies)

    for name, value, source, path in RetentionPolicies(layout).of(scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    for name, value, source, path in settings.directions(layout, scope).lines():
        yield PolicyLine("", name, value, source.file, source.line(path))
    if scope.group and not scope.model and (group := settings.of_group(layout, scope.group)):
        for key in ("owner", "description"):
            if said := group.document.get(key):
                yield PolicyLine("", key, said, group.source.file, group.source.line((key,)))


class RetentionPolicies:
    """How long versions stay: of each section the nearest document that speaks of it counts, whole."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        registry = settings.of_registry(layout)
        check_unknown_keys(registry.document, registry.known, registry.source)
        self._wide = {"": _parse_retention(registry)}

    def of(self, scope: settings.Scope) -> RetentionPolicy:
        """The rules for a scope. Raises :class:`InvalidInput` for a slip in one of its documents."""
        if scope.group not in self._wide:
            group = settings.of_group(self._layout, scope.group)
            self._wide[scope.group] = _parse_retention(group).over(self._wide[""]) if group else self._wide[""]
        around = self._wide[scope.group]
        if not scope.model:
            return around
        policy = _parse_retention(settings.of_model(self._layout, scope.model)).over(around)
        if any(rules and rules.best for rules in (policy.archive, policy.prune)):
            policy.check_directions(settings.directions(self._layout, scope))
        return policy


def _parse_retention(level: settings.Level) -> RetentionPolicy:
    from ..rules.retention_rules import RetentionPolicy

    return RetentionPolicy.parse(level.document.get("retention"), level.source)


def ensure_outside_registry(layout: Layout, policies: Policies) -> None:
    """A program inside of the registry's folder is never run: who may write there could change it after it was trusted."""
    for each in policies.values():
        for rule in each.rules:
            for word in rule.check.arguments if rule.check else ():
                if word.startswith("/") and "{" not in word and is_inside(word, layout.root):
                    raise rule.source.error(
                        rule.path,
                        f"'{escape_for_message(word)}' lies inside the registry",
                        "keep programs elsewhere: whoever may write there could change it after it was trusted",
                    )


def is_inside(path: str, root: Path) -> bool:
    real, folder = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([real, folder]) == folder


def list_checks(policies: Policies, stage: str) -> list[CommandCheck]:
    """The checks that a version must pass to enter a stage."""
    policy = policies.get(stage)
    return [rule.check for rule in policy.rules if rule.check] if policy else []


def collect_commands(layout: Layout, registry_id: str, name: str, policies: Policies) -> CommandSet:
    """The commands of ``policies``; ``name`` is the model or group that they are of, empty for the registry."""
    from ..rules.policy.command_checks import CommandSet, iter_commands

    return CommandSet(os.path.realpath(layout.root), registry_id, name, tuple(iter_commands(policies)))


class Step(NamedTuple):
    """One thing to do to a model. ``strict`` is whether a metric that no version has is a slip, ``policy`` whether the
    rules are those of a document: then a metric without a direction keeps every version, and is not an error.
    """

    model: str
    action: str
    rules: RetentionRules
    strict: bool = True
    policy: bool = False


def iter_policy_steps(name: str, policy: RetentionPolicy, own: str) -> Iterator[Step]:
    """A metric that not every model has is no slip in what is said for several: only in ``own``, the model's document."""
    sources = policy.sources
    if policy.prune:
        yield Step(name, DELETE, policy.prune, sources["prune"].file == own, True)
    if policy.archive:
        strict = sources["archive"].file == own
        yield Step(name, ARCHIVE, policy.archive, strict, True)
        if policy.archive.compress:
            yield Step(name, PACK, policy.archive, strict, True)


def list_commands(context: RegistryContext, name: str | None = None) -> CommandSet:
    """The commands of the policies of the registry, or of those that are in force for a model or a group.

    Raises :class:`InvalidInput` for a policy that can't be read, :class:`NotFound`.
    """
    from .settings import Scope

    policies = load_policies(context.layout, Scope.of(context.layout, name)).policies
    return collect_commands(context.layout, context.settings.id, name or "", policies)


def list_policy(context: RegistryContext, name: str | None = None) -> tuple[PolicyLine, ...]:
    """What is in force, line by line: policies of stages, and retention. Of the registry, or of a model or a group
    with what its own documents add.

    Raises :class:`InvalidInput` for what can't be read, :class:`NotFound`.
    """
    from .settings import Scope

    return tuple(_iter_lines(context.layout, Scope.of(context.layout, name)))
