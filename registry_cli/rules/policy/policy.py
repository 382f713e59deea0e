"""Policies: the rules that a version must satisfy to enter a stage.

A policy is the conjunction of its rules, so joining two policies (of ``registry.yaml`` and ``model.yaml``) can only
make it stricter, unless the nearer document replaces rules of the other one with ``override: true``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.lazy_dataclass import dataclass, field
from ...core.records import VersionRecord
from ..approvals import NOBODY, ApprovalInput, RecordedApproval
from ..metric_directions import LISTED, Directions
from ..settings_errors import Path, SettingsSource
from ..stages import StageInterval

if TYPE_CHECKING:
    from datetime import datetime

    from ...core.observations import Observation
    from .command_checks import CommandCheck

PASSED, FAILED, WAITING = "passed", "failed", "waiting"
#: The ``needs`` of a rule for which a metric must not get worse than that of the version in the stage.
DIRECTIONS = "directions"
#: What a rule needs that looks at the metrics measured while the version was in use.
OBSERVATIONS = "observations"


@dataclass(frozen=True, eq=False, repr=False)
class PolicyInput:
    """The facts about a version on which its rules decide.

    ``files`` are the paths of the artifact, ``current`` the version in the stage, ``holdings`` the stages that it held,
    ``model`` the document of its model, ``checks`` the outcomes of commands, ``objections`` those of all rules.
    ``observations`` are the metrics measured while the version was in use.
    """

    stage: str
    version: VersionRecord
    files: Sequence[str]
    current: VersionRecord | None
    holdings: Sequence[StageInterval]
    model: Mapping[str, Any]
    now: datetime
    people: ApprovalInput = NOBODY
    objections: Sequence[Callable[[PolicyInput, RecordedApproval], str]] = ()
    checks: Mapping[CommandCheck, RuleOutcome] = field(default_factory=dict)
    directions: Directions = LISTED
    observations: Sequence[Observation] = ()


class RuleOutcome(NamedTuple):
    """Passed, failed or waiting, with the reason in words; ``output`` is what a command printed."""

    outcome: str
    words: str
    output: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class PolicyRule:
    """One rule: its ``path`` in a document, the requirement in words (``wanted``), and ``look``, which decides.

    ``needs`` names what must be read for it, ``check`` the command that must have been run, ``stages`` those in
    ``from``. Of two rules with the same ``scale`` the one of more ``strength`` implies the other. ``objection`` says
    why an approval does not count, empty if it does; it applies to all rules that ask for approvals.
    """

    path: Path
    name: str
    wanted: str
    source: SettingsSource
    look: Callable[[PolicyInput], RuleOutcome]
    needs: str = ""
    stages: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    strength: float = 0
    objection: Callable[[PolicyInput, RecordedApproval], str] | None = None
    check: CommandCheck | None = None

    @property
    def line(self) -> int | None:
        return self.source.line(self.path)


class PolicyFlag(NamedTuple):
    """The value of ``override``, ``force`` or ``override_rejections``, and its place."""

    on: bool
    path: Path
    source: SettingsSource


@dataclass(frozen=True, eq=False, repr=False)
class StagePolicy:
    """The policy of one stage. ``paths`` are those that its document sets, and replaces with ``override``."""

    rules: tuple[PolicyRule, ...] = ()
    force: PolicyFlag | None = None
    override: PolicyFlag | None = None
    override_rejections: PolicyFlag | None = None
    paths: tuple[Path, ...] = field(default=())

    @property
    def forcible(self) -> bool:
        """Whether ``--force`` may override rules that do not pass."""
        return self.force is None or self.force.on

    @property
    def rejections_allowed(self) -> bool:
        """Whether ``--force``, if it is allowed, may override rejections, too."""
        return self.override_rejections is not None and self.override_rejections.on


Policies = Mapping[str, StagePolicy]


def join_policies(common: Policies, own: Policies, stages: Sequence[str]) -> dict[str, StagePolicy]:
    """Join the policies of a wider and a nearer document, in the order of ``stages``."""
    return {
        stage: _join(common.get(stage, StagePolicy()), own.get(stage, StagePolicy()))
        for stage in stages
        if stage in common or stage in own
    }


def _join(common: StagePolicy, own: StagePolicy) -> StagePolicy:
    overrides = own.override is not None and own.override.on
    covered = own.paths if overrides else ()
    kept = [rule for rule in common.rules if not any(rule.path[: len(path)] == path for path in covered)]
    force = own.force or common.force
    if common.force and not overrides and not common.force.on:
        force = common.force
    return StagePolicy(
        tuple(_remove_implied([*kept, *own.rules])),
        force,
        own.override or common.override,
        own.override_rejections or common.override_rejections,
    )


def _remove_implied(rules: Sequence[PolicyRule]) -> list[PolicyRule]:
    """Leave out rules that another one implies, such as a larger ``max_size``."""
    kept: dict[tuple[str, ...], PolicyRule] = {}
    for rule in rules:
        key = rule.scale or (rule.name, rule.wanted)
        if key not in kept or rule.strength > kept[key].strength:
            kept[key] = rule
    return list(kept.values())


def check_circular(policies: Policies, stages: Sequence[str]) -> None:
    """Raise :class:`InvalidInput` for stages that no version can enter, because their ``from`` requires each other."""
    waiting = {stage: [rule for rule in policy.rules if rule.name == "from"] for stage, policy in policies.items()}
    open_ = {stage for stage in stages if not waiting.get(stage)}
    while more := {
        stage
        for stage, rules in waiting.items()
        if stage not in open_ and all(open_.intersection(rule.stages) for rule in rules)
    }:
        open_ |= more
    for stage in stages:
        if stage not in open_:
            rule = next(rule for rule in waiting[stage] if not open_.intersection(rule.stages))
            raise rule.source.error(
                rule.path,
                f"circular: {stage} is entered from {' or '.join(rule.stages)}, which cannot be entered without it",
                "allow one of the stages to be entered from elsewhere",
            )
