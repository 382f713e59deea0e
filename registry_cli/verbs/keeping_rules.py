"""How long the versions of each model stay, by what registry.yaml, group.yaml and model.yaml say under ``retention``."""

from __future__ import annotations

from ..lifecycle.retention_rules import Policy
from ..lifecycle.sources import refuse_slips
from ..store.layout import Layout
from . import settings


class Retention:
    """How long versions stay: of each section the nearest document that speaks of it counts, whole."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        registry = settings.of_registry(layout)
        refuse_slips(registry.document, registry.known, registry.source)
        self._wide = {"": _policy(registry)}

    def of(self, scope: settings.Scope) -> Policy:
        """The rules for a scope. Raises :class:`InvalidInput` for a slip in one of its documents."""
        if scope.group not in self._wide:
            group = settings.of_group(self._layout, scope.group)
            self._wide[scope.group] = _policy(group).over(self._wide[""]) if group else self._wide[""]
        around = self._wide[scope.group]
        if not scope.model:
            return around
        policy = _policy(settings.of_model(self._layout, scope.model)).over(around)
        if any(rules and rules.best for rules in (policy.archive, policy.prune)):
            policy.check_directions(settings.directions(self._layout, scope))
        return policy


def _policy(level: settings.Level) -> Policy:
    return Policy.parse(level.document.get("retention"), level.source)
