"""The gate of a stage: a policy evaluated on one version. Total: no record makes it raise, what can't be told fails."""

from __future__ import annotations

from ...core.lazy_dataclass import dataclass, replace
from ...core.text import escape_for_message
from ...errors import Refused
from . import policy_rules
from .policy import FAILED, PASSED, Policies, PolicyInput, PolicyRule, RuleOutcome, StagePolicy


@dataclass(frozen=True)
class RuleResult:
    """One rule and what it found. ``outcome`` is passed, failed, or waiting: for time, or for people's approvals.

    ``file`` and ``line`` say where the rule stands, ``line`` being None when that is not known. ``output`` is what the
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
class Evaluation:
    """A policy evaluated on a version: every rule, and whether ``--force`` may override those that don't pass.

    A rejection may be overridden only where the policy says ``override_rejections: true``.
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
class PolicyLine:
    """One line of a policy: which rule of ``stage`` it is, what it asks for, and where it stands.

    Without a ``stage`` it is about the model, or the group, as a whole: ``retention.archive.keep``.
    """

    stage: str
    name: str
    wanted: str
    file: str
    line: int | None = None


def list_policy_lines(policies: Policies) -> tuple[PolicyLine, ...]:
    """Every line of the policies of a registry or a model, stage by stage."""
    found = []
    for stage, policy in policies.items():
        found += [PolicyLine(stage, rule.name, rule.wanted, rule.source.file, rule.line) for rule in policy.rules]
        for name in ("force", "override", "override_rejections"):
            switch = getattr(policy, name)
            if switch is not None:
                line = switch.source.line(switch.path)
                found.append(PolicyLine(stage, name, "true" if switch.on else "false", switch.source.file, line))
    return tuple(found)


def evaluate(policy: StagePolicy, facts: PolicyInput) -> Evaluation:
    """Look at every rule of ``policy``. A rejection that is in force is a rule of its own, which fails, whatever it says."""
    facts = replace(facts, conditions=tuple(rule.who for rule in policy.rules if rule.who))
    annotation = f"models/{facts.version.model}/annotations/{facts.version.number}.yaml"
    judgements = []
    for rule in (*policy.rules, *policy_rules.find_rejection(facts, annotation)):
        found = _apply_rule(rule, facts)
        judgements.append(
            RuleResult(
                rule.name, rule.wanted, found.words, found.outcome, rule.source.file, rule.line, output=found.output
            )
        )
    rejected = any(each.name == policy_rules.REJECTION for each in judgements)
    forcible = policy.rejections_forcible if rejected else policy.forcible
    return Evaluation(facts.version.ref, facts.stage, tuple(judgements), forcible)


def _apply_rule(rule: PolicyRule, facts: PolicyInput) -> RuleOutcome:
    try:
        return rule.look(facts)
    except Exception as error:  # a record that nobody thought of must be refused, not end the program
        return RuleOutcome(FAILED, f"can't be told: {escape_for_message(str(error))}")


class GateRefused(Refused):
    """A policy says no to a version; ``evaluation`` says why."""

    def __init__(self, message: str, hint: str, evaluation: Evaluation) -> None:
        super().__init__(message, hint)
        self.evaluation = evaluation


def check_passed(evaluation: Evaluation, *, force: bool) -> None:
    """Raise :class:`GateRefused` unless every rule passed, or ``force`` may pass over those that did not."""
    if evaluation.passed or (force and evaluation.forcible):
        return
    names = ", ".join(escape_for_message(name) for name in evaluation.failed)
    hint = f"registry check {evaluation.ref} {evaluation.stage} tells more"
    if force and policy_rules.REJECTION in evaluation.failed:
        message = f"--force does not override a rejection for {evaluation.stage}, and {evaluation.ref} fails: {names}"
        hint = f"the policy would have to say 'override_rejections: true' (and not 'force: false'); {hint}"
        raise GateRefused(message, hint, evaluation)
    if force:
        message = f"the policy of {evaluation.stage} forbids --force, and {evaluation.ref} fails: {names}"
        raise GateRefused(message, hint, evaluation)
    raise GateRefused(f"{evaluation.stage} refuses {evaluation.ref}: {names}", hint, evaluation)
