"""The commands that policies would run, as what a person trusts or does not: all of them together, or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from ...core.lazy_dataclass import dataclass
from .policy import Policies


@dataclass(frozen=True)
class Command:
    """One command of a stage, and where it stands. ``arguments`` are as written, ``{path}`` and all."""

    stage: str
    name: str
    arguments: tuple[str, ...]
    time_limit: float
    file: str
    line: int | None = None


@dataclass(frozen=True)
class CommandSet:
    """The commands of the policies in force for a registry, a group or a model.

    ``root`` is the real path of the registry's folder and ``id`` its id: the same commands elsewhere are others.
    """

    root: str
    id: str
    name: str
    items: tuple[Command, ...]

    @property
    def digest(self) -> str:
        """What is trusted. It changes with every argument, time limit, name and stage, and with the registry's place."""
        said = [[each.stage, each.name, list(each.arguments), each.time_limit] for each in self.items]
        text = json.dumps([self.root, self.id, sorted(said)], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def iter_commands(policies: Policies) -> Iterator[Command]:
    """Every command of these policies, stage by stage."""
    for stage, policy in policies.items():
        for rule in policy.rules:
            if check := rule.check:
                yield Command(stage, check.name, check.arguments, check.seconds, rule.source.file, rule.line)
