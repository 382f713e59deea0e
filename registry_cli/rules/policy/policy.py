"""Policies: what a version must satisfy to enter a stage, as rules of which each passes or fails by itself.

A policy is the conjunction of its rules, so joining two policies (``registry.yaml`` and ``model.yaml``) can only make
it stricter; what the nearer of them says with ``override: true`` takes the place of what the other says there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.lazy_dataclass import dataclass, field
from ..approvals import NOBODY
from ..metric_directions import LISTED, Directions
from ..settings_errors import Path, SettingsSource

if TYPE_CHECKING:
    from datetime import datetime

    from ...core.records import VersionRecord
    from ..approvals import ApprovalInput, RecordedApproval
    from ..stages import StageInterval
    from .command_checks import CommandCheck

PASSED, FAILED, WAITING = "passed", "failed", "waiting"
#: What a rule needs that compares with the version in the stage by what is better.
DIRECTIONS = "directions"


@dataclass(frozen=True, eq=False, repr=False)
class PolicyInput:
    """What rules look at. ``files`` are the paths of the artifact, ``current`` is what holds the stage now, ``checks`` what
    commands found that were run before.

    ``conditions`` are those of all rules of the policy: why an approval does not count. ``directions`` are those of the
    model's metrics.
    """

    stage: str
    version: VersionRecord
    files: Sequence[str]
    current: VersionRecord | None
    holdings: Sequence[StageInterval]
    model: Mapping[str, Any]
    now: datetime
    people: ApprovalInput = NOBODY
    conditions: Sequence[Callable[[PolicyInput, RecordedApproval], str]] = ()
    checks: Mapping[CommandCheck, RuleOutcome] = field(default_factory=dict)
    directions: Directions = LISTED


class RuleOutcome(NamedTuple):
    """What a rule found, in a few words; ``output`` is what a command printed."""

    outcome: str
    words: str
    output: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class PolicyRule:
    """One rule. ``path`` is where it stands, ``wanted`` what it asks for, ``needs`` what must be read for it.

    ``stages`` are those that it is about, ``check`` the command that must have been run for it. Of two rules with the
    same ``scale`` the one of more ``strength`` implies the other. ``who`` says why an approval does not count, empty if it
    does: for all rules that ask for approvals.
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
    who: Callable[[PolicyInput, RecordedApproval], str] | None = None
    check: CommandCheck | None = None

    @property
    def line(self) -> int | None:
        return self.source.line(self.path)


class PolicyFlag(NamedTuple):
    """``override``, ``force`` or ``override_rejections``, and where it stands."""

    on: bool
    path: Path
    source: SettingsSource


@dataclass(frozen=True, eq=False, repr=False)
class StagePolicy:
    """The policy of one stage. ``paths`` are the paths that it speaks about, which ``override`` makes its own."""

    rules: tuple[PolicyRule, ...] = ()
    force: PolicyFlag | None = None
    override: PolicyFlag | None = None
    override_rejections: PolicyFlag | None = None
    paths: tuple[Path, ...] = field(default=())

    @property
    def forcible(self) -> bool:
        """Whether ``--force`` may pass over it."""
        return self.force is None or self.force.on

    @property
    def rejections_forcible(self) -> bool:
        """Whether ``--force`` may also override a rejection. Only where the policy says so."""
        return self.forcible and self.rejections_allowed

    @property
    def rejections_allowed(self) -> bool:
        """Whether ``override_rejections`` is true."""
        return self.override_rejections is not None and self.override_rejections.on


Policies = Mapping[str, StagePolicy]


def merge_policies(common: Policies, own: Policies, stages: Sequence[str]) -> dict[str, StagePolicy]:
    """The policies of a registry and of a model as one, in the order of ``stages``.

    Raises :class:`InvalidInput` when no version could ever enter a stage, since each waits for the other.
    """
    policies = join_policies(common, own, stages)
    check_circular(policies, stages)
    return policies


def join_policies(common: Policies, own: Policies, stages: Sequence[str]) -> dict[str, StagePolicy]:
    """The same, of documents that a third one may come on top of: whether it goes round in circles is not asked yet."""
    return {
        stage: _join(common.get(stage, StagePolicy()), own.get(stage, StagePolicy()))
        for stage in stages
        if stage in common or stage in own
    }


def _join(common: StagePolicy, own: StagePolicy) -> StagePolicy:
    overrides = own.override is not None and own.override.on
    kept = [rule for rule in common.rules if not (overrides and _is_covered(rule.path, own.paths))]
    force = own.force or common.force
    if common.force and not overrides and not common.force.on:
        force = common.force
    return StagePolicy(
        tuple(_remove_implied([*kept, *own.rules])),
        force,
        own.override or common.override,
        own.override_rejections or common.override_rejections,
    )


def _is_covered(path: Path, paths: Iterable[Path]) -> bool:
    return any(path[: len(begin)] == begin for begin in paths)


def _remove_implied(rules: Sequence[PolicyRule]) -> list[PolicyRule]:
    """The rules without those that another one implies: the smaller ``max_size`` is all that need be said."""
    kept: dict[tuple[str, ...], PolicyRule] = {}
    for rule in rules:
        key = rule.scale or (rule.name, rule.wanted)
        if key not in kept or rule.strength > kept[key].strength:
            kept[key] = rule
    return list(kept.values())


def check_circular(policies: Policies, stages: Sequence[str]) -> None:
    """Stages are entered from one another: each must be reachable from one that asks for no stage before it."""
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
                f"circular: {stage} is entered from {' or '.join(rule.stages)}, which can't be entered without it",
                "let one of the stages be entered from elsewhere",
            )
