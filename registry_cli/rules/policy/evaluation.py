"""The gate of a stage: evaluate its policy on a version. A rule that raises an exception fails; it never passes."""

from __future__ import annotations

from ...core.lazy_dataclass import Record, dataclass, replace
from ...core.text import escape_for_message
from ...errors import Refused
from . import policy_rules
from .policy import FAILED, PASSED, Policies, PolicyInput, PolicyRule, RuleOutcome, StagePolicy


@dataclass(frozen=True)
class RuleResult(Record):
    """One rule and its result. ``outcome`` is passed, failed, or waiting (for time, or for approvals).

    ``file`` and ``line`` are the place of the rule; ``line`` is None where it is not known. ``output`` is what the
    command of a check printed, as far as it was kept.
    """

    name: str
    wanted: str
    found: str
    outcome: str
    file: str
    line: int | None = None
    output: str = ""


@dataclass(frozen=True)
class Evaluation(Record):
    """A policy evaluated on a version. ``forcible`` says whether ``--force`` may override the rules that don't pass; a
    rejection only where the policy has ``override_rejections: true``.
    """

    ref: str
    stage: str
    rules: tuple[RuleResult, ...]
    forcible: bool = True

    @property
    def passed(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the rules that did not pass, each once."""
        return tuple(dict.fromkeys(rule.name for rule in self.rules if rule.outcome != PASSED))


@dataclass(frozen=True)
class PolicyLine(Record):
    """A line of a policy: the rule of ``stage``, its requirement in words, and its place.

    Without a ``stage`` it applies to the whole model, or group: ``retention.archive.keep``.
    """

    stage: str
    name: str
    wanted: str
    file: str
    line: int | None = None


def list_policy_lines(policies: Policies) -> tuple[PolicyLine, ...]:
    """List the rules and flags of the policies of a registry or a model, stage by stage."""
    found = []
    for stage, policy in policies.items():
        found += [PolicyLine(stage, rule.name, rule.wanted, rule.source.file, rule.line) for rule in policy.rules]
        for name in ("force", "override", "override_rejections"):
            if flag := getattr(policy, name):
                line = flag.source.line(flag.path)
                found.append(PolicyLine(stage, name, "true" if flag.on else "false", flag.source.file, line))
    return tuple(found)


def evaluate(policy: StagePolicy, facts: PolicyInput) -> Evaluation:
    """Apply all rules of ``policy``, and one more that fails if a rejection for the stage is in force."""
    facts = replace(facts, objections=tuple(rule.objection for rule in policy.rules if rule.objection))
    annotation = f"models/{facts.version.model}/annotations/{facts.version.number}.yaml"
    rejection = policy_rules.find_rejection(facts, annotation)
    results = tuple(_apply_rule(rule, facts) for rule in (*policy.rules, *rejection))
    forcible = policy.forcible and (policy.rejections_allowed or not rejection)
    return Evaluation(facts.version.ref, facts.stage, results, forcible)


def _apply_rule(rule: PolicyRule, facts: PolicyInput) -> RuleResult:
    try:
        found = rule.look(facts)
    except Exception as error:  # an unforeseen record must be refused, not end the program
        found = RuleOutcome(FAILED, f"cannot be evaluated: {escape_for_message(str(error))}")
    return RuleResult(rule.name, rule.wanted, found.words, found.outcome, rule.source.file, rule.line, found.output)


class GateRefused(Refused):
    """A policy refuses a version; ``evaluation`` has the reasons."""

    def __init__(self, message: str, hint: str, evaluation: Evaluation) -> None:
        super().__init__(message, hint)
        self.evaluation = evaluation


def check_passed(evaluation: Evaluation, *, force: bool) -> None:
    """Raise :class:`GateRefused` unless every rule passed, or ``force`` may override those that did not."""
    if evaluation.passed or (force and evaluation.forcible):
        return
    names = ", ".join(escape_for_message(name) for name in evaluation.failed)
    hint = f"run 'registry check {evaluation.ref} {evaluation.stage}' for details"
    if force and policy_rules.REJECTION in evaluation.failed:
        message = f"`force` does not override a rejection for {evaluation.stage}, and {evaluation.ref} fails: {names}"
        hint = f"this requires 'override_rejections: true' in the policy (and not 'force: false'); {hint}"
    elif force:
        message = f"the policy of {evaluation.stage} forbids `force`, and {evaluation.ref} fails: {names}"
    else:
        message = f"{evaluation.stage} refuses {evaluation.ref}: {names}"
    raise GateRefused(message, hint, evaluation)
