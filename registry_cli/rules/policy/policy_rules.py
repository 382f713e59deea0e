"""The rules that policies consist of. A rule returns its outcome, in words: passed, failed, or waiting.

An approval counts if it is in force and no rule of the whole policy objects to its author; so two policies joined are
as strict together as each alone. A rejection in force fails every policy, whether it asks for approvals or not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ...core.quantities import to_epoch
from ...core.text import escape_for_message
from ...query.fields import QueryField
from ..approvals import RecordedApproval, select_in_force
from ..metric_directions import HIGHER, LOWER
from ..settings_errors import SettingsSource
from .policy import FAILED, PASSED, WAITING, PolicyInput, PolicyRule, RuleOutcome

if TYPE_CHECKING:
    from fractions import Fraction

    from ...query.query import Query
    from ..monitor_rules import MonitorRule

#: What rules about people need; see ``PolicyRule.needs``.
PEOPLE = "people"
#: The name of the rule that a rejection in force adds to every policy.
REJECTION = "rejection"

#: The comparisons in a bound on a metric.
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
#: Fields of the model that ``fields`` can name, besides the fields of a query.
MODEL_FIELDS = ("description", "owner")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_NAMED = 3


def _outcome(passes: bool, words: str) -> RuleOutcome:
    return RuleOutcome(PASSED if passes else FAILED, words)


def has_held(stages: tuple[str, ...], facts: PolicyInput) -> RuleOutcome:
    """The version holds one of ``stages``, or has held it."""
    if holds := [stage for stage in facts.version.stages if stage in stages]:
        return RuleOutcome(PASSED, f"holds {' and '.join(holds)}")
    if before := dict.fromkeys(each.stage for each in facts.holdings if each.stage in stages):
        return RuleOutcome(PASSED, f"held {' and '.join(before)}")
    return RuleOutcome(FAILED, f"holds {' and '.join(facts.version.stages) or 'no stage'}")


def has_age_in(stages: tuple[str, ...], span: float, facts: PolicyInput) -> RuleOutcome:
    """The version has held one of ``stages`` (if empty: any but the target stage) for ``span`` seconds."""
    counted = [each for each in facts.holdings if (each.stage in stages if stages else each.stage != facts.stage)]
    if not counted:
        return RuleOutcome(FAILED, f"never held {' or '.join(stages) or 'another stage'}")
    now = to_epoch(facts.now)
    lengths = [max(0.0, (now if each.until is None else each.until) - each.since) for each in counted]
    length, stage = max(lengths), counted[lengths.index(max(lengths))].stage
    words = f"{format_age(length)} in {stage}"
    if length >= span:
        return RuleOutcome(PASSED, words)
    return RuleOutcome(WAITING if any(each.until is None for each in counted) else FAILED, words)


def format_age(length: float) -> str:
    """Seconds in the largest possible unit, rounded down: ``14 h``."""
    unit, size = next((each for each in _UNITS if length >= each[1]), ("s", 1))
    return f"{int(length // size)} {unit}"


def has_value(name: str, field: QueryField | None, facts: PolicyInput) -> RuleOutcome:
    """A field of the version (if ``field`` is None: of the model) has a value that is not blank."""
    for value in field.read(facts.version) if field else (facts.model.get(name),):
        if value is not None and format_value(value).strip():
            return RuleOutcome(PASSED, escape_for_message(format_value(value)))
    return RuleOutcome(FAILED, "missing")


def has_tag(name: str, wanted: str, facts: PolicyInput) -> RuleOutcome:
    value = facts.version.tags.get(name)
    if value is None:
        return RuleOutcome(FAILED, "missing")
    return _outcome(value == wanted, escape_for_message(format_value(value)))


def metric_within(name: str, sign: str, bound: Fraction, facts: PolicyInput) -> RuleOutcome:
    value = facts.version.metrics.get(name)
    exact = to_fraction(value)
    if exact is None:
        return RuleOutcome(FAILED, "missing")
    return _outcome(COMPARISONS[sign](exact, bound), format_value(value))


def make_fraction(value: int | str) -> Fraction:
    from fractions import Fraction  # with decimal: only for policies with metrics

    return Fraction(value)


def to_fraction(value: object) -> Fraction | None:
    """The decimal value of a finite number, so that 0.93 - 0.005 is 0.925; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return make_fraction(value)
    return make_fraction(repr(float(value))) if isinstance(value, float) and math.isfinite(value) else None


def has_file(pattern: str, forbidden: bool, facts: PolicyInput) -> RuleOutcome:
    """A file matches ``pattern``, or none does, regardless of case, if that is ``forbidden``."""
    fold = str.casefold if forbidden else str
    fitting = [path for path in facts.files if matches_path(fold(path), fold(pattern))]
    return _outcome(bool(fitting) != forbidden, _format_list(fitting) or ("none" if forbidden else "no such file"))


def matches_path(path: str, pattern: str) -> bool:
    """Whether a path matches; a pattern without a slash is compared with the file name only."""
    return fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


def _format_list(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(escape_for_message(path) for path in paths[:_NAMED]) + more


def no_larger(most: int, facts: PolicyInput) -> RuleOutcome:
    return _outcome(facts.version.size <= most, f"{format_value(facts.version.size)} bytes")


def parse_query(text: str) -> Query:
    from ...query.query import parse  # the query language: only for policies with 'where'

    return parse(text)


def matches_query(query: str, facts: PolicyInput) -> RuleOutcome:
    parsed = parse_query(query)
    with parsed.bounded():
        matches = parsed.matches(facts.version, facts.now)
    return _outcome(matches, "it is so" if matches else "it is not so")


def metric_change_within(
    name: str, direction: str | None, most: Fraction, percent: bool, facts: PolicyInput
) -> RuleOutcome:
    """A metric is at most ``most`` (or percent) lower or higher than that of the version in the stage.

    If ``direction`` is None, the one that counts is that in which the metric gets worse.
    """
    bad = direction or {LOWER: HIGHER, HIGHER: LOWER}.get(facts.directions.direction(name) or "")
    if bad is None:  # which change is for the worse is not guessed
        return RuleOutcome(FAILED, "unknown whether lower or higher is better: declare it under 'metrics'")
    if facts.current is None:
        return RuleOutcome(PASSED, f"{facts.stage} is empty")
    ref = f"@{facts.current.number}"
    new, old = to_fraction(facts.version.metrics.get(name)), to_fraction(facts.current.metrics.get(name))
    if new is None:
        return RuleOutcome(FAILED, "missing")
    if old is None:  # nothing to compare with is no proof that it is not worse
        return RuleOutcome(FAILED, f"missing in {ref}")
    limit = abs(old) * most / 100 if percent else most
    words = f"{format_value(facts.version.metrics[name])}, {ref} has {format_value(facts.current.metrics[name])}"
    return _outcome((old - new if bad == LOWER else new - old) <= limit, words)


def observations_within(rule: MonitorRule, facts: PolicyInput) -> RuleOutcome:
    """Each series of observations of a metric satisfies ``rule``, and there is one."""
    from ..monitor_evaluation import OK, evaluate_series
    from ..monitor_evaluation import WAITING as TOO_FEW
    from ..monitor_rules import MonitorRules

    statuses = evaluate_series(
        MonitorRules({rule.pattern: rule}),
        facts.observations,
        facts.version.metrics,
        facts.directions,
        to_epoch(facts.now),
    )
    checked = [each for each in statuses if each.outcome]
    if not checked:
        return RuleOutcome(WAITING, "nothing was observed")
    worst = next((each for each in checked if each.outcome not in (OK, TOO_FEW)), None)
    worst = worst or next((each for each in checked if each.outcome == TOO_FEW), checked[0])
    words = "nothing in the newest window" if worst.value is None else f"{worst.value:g} of {worst.samples:,} samples"
    parts = " ".join(escape_for_message(part) for part in (worst.metric, worst.target, worst.slice) if part)
    outcome = {OK: PASSED, TOO_FEW: WAITING}.get(worst.outcome, FAILED)
    return RuleOutcome(outcome, f"{parts} {words}")


def format_value(value: object) -> str:
    """A value as text; Python refuses to convert integers of several thousand digits."""
    try:
        return str(value)
    except ValueError:
        return "a very long number"


def objection_unless_among(names: tuple[str, ...], facts: PolicyInput, approval: RecordedApproval) -> str:
    for name in names:
        if facts.people.belongs(approval.by, name[1:]) if name.startswith("@") else approval.by == name:
            return ""
    return "is not an approver"


def objection_to_author(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Object to the author of a version, and to who registered it here: an imported version may have two."""
    if approval.by == facts.version.author:
        return "is the author"
    event = facts.version.event
    return "registered it" if event is not None and approval.by == event.by else ""


def find_objection(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Why an approval does not count by the policy; empty if it does."""
    return next(filter(None, (object_to(facts, approval) for object_to in facts.objections)), "")


def has_approvals(number: int, facts: PolicyInput) -> RuleOutcome:
    """At least ``number`` people approved to whom no rule of the policy objects."""
    given = select_in_force(facts.people.approvals, facts.stage, rejects=False)
    against = {each.by: find_objection(facts, each) for each in given}
    counted = [by for by, why in against.items() if not why]
    if len(counted) >= number:
        return RuleOutcome(PASSED, _format_list(counted))
    notes = [f"{escape_for_message(by)} {why}" for by, why in against.items() if why]
    notes += [
        f"lapsed: {escape_for_message(each.by)}, {each.lapsed}"
        for each in facts.people.approvals
        if each.stage == facts.stage and each.lapsed and not each.rejects
    ]
    have = f"{len(counted)} of {number}" + (f": {_format_list(counted)}" if counted else "")
    return RuleOutcome(WAITING, "; ".join([have, *notes[:_NAMED]]))


def is_signed(principal: str, facts: PolicyInput) -> RuleOutcome:
    why = facts.people.unsigned(principal)
    return _outcome(not why, why or "signed")


def find_rejection(facts: PolicyInput, file: str) -> list[PolicyRule]:
    """The rule that every policy has while a rejection for the stage is in force: it fails."""
    found = select_in_force(facts.people.approvals, facts.stage, rejects=True)
    words = "; ".join(
        f"by {escape_for_message(each.by)}: {escape_for_message(str(each.event.detail.get('reason', '')))}"
        for each in found[:_NAMED]
    )
    outcome = RuleOutcome(FAILED, words)
    return [PolicyRule((), REJECTION, "none", SettingsSource(file), lambda _: outcome)] if found else []
