"""What each rule of a policy looks at. A rule finds something, in words, and passes, fails, or waits: for time or people.

An approval counts when it is in force and nothing in the whole policy speaks against the one who gave it: so two
documents joined are as strict together as each alone. A rejection that is in force stops everybody, asked for or not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...core.quantities import to_epoch
from ...core.text import escape_for_message
from ...query.fields import QueryField
from ..approvals import RecordedApproval, select_in_force
from ..metric_directions import HIGHER, LOWER
from ..settings_errors import SettingsSource
from ..stages import StageInterval
from .policy import FAILED, PASSED, WAITING, PolicyInput, PolicyRule, RuleOutcome

if TYPE_CHECKING:
    from fractions import Fraction

Look = Callable[[PolicyInput], RuleOutcome]
#: Why an approval does not count, empty if it does.
Who = Callable[[PolicyInput, RecordedApproval], str]
#: What the rules about people need to be read; see ``policy.Rule``.
PEOPLE = "people"
#: The name of the rule that a rejection in force adds to every policy.
REJECTION = "rejection"

#: The comparisons that a bound on a metric can be, the longer signs first.
SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
#: What ``fields`` can name of the model, besides the fields of a query.
MODEL_FIELDS = ("description", "owner")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_NAMED = 3


def _outcome(passes: bool, words: str) -> RuleOutcome:
    return RuleOutcome(PASSED if passes else FAILED, words)


def has_held(stages: tuple[str, ...]) -> Look:
    """The version holds one of ``stages``, or has held it."""

    def look(facts: PolicyInput) -> RuleOutcome:
        holds = [stage for stage in facts.version.stages if stage in stages]
        if holds:
            return RuleOutcome(PASSED, f"holds {' and '.join(holds)}")
        before = dict.fromkeys(each.stage for each in facts.holdings if each.stage in stages)
        if before:
            return RuleOutcome(PASSED, f"held {' and '.join(before)}")
        others = " and ".join(facts.version.stages)
        return RuleOutcome(FAILED, f"holds {others}" if others else "holds no stage")

    return look


def has_age_in(stages: tuple[str, ...], span: float) -> Look:
    """The version has held one of ``stages`` (of all but the wanted one, when none is named) for ``span`` seconds."""

    def look(facts: PolicyInput) -> RuleOutcome:
        now = to_epoch(facts.now)
        counted = [each for each in facts.holdings if (each.stage in stages if stages else each.stage != facts.stage)]
        if not counted:
            return RuleOutcome(FAILED, f"never held {' or '.join(stages) or 'another stage'}")
        longest = max(counted, key=lambda each: _length(each, now))
        words = f"{format_age(_length(longest, now))} in {longest.stage}"
        if _length(longest, now) >= span:
            return RuleOutcome(PASSED, words)
        return RuleOutcome(WAITING if any(each.until is None for each in counted) else FAILED, words)

    return look


def _length(holding: StageInterval, now: float) -> float:
    return max(0.0, (now if holding.until is None else holding.until) - holding.since)


def format_age(length: float) -> str:
    """A length of time in one unit, rounded down: ``14 h``."""
    for unit, size in _UNITS:
        if length >= size:
            return f"{int(length // size)} {unit}"
    return f"{int(length)} s"


def has_value(name: str, of: QueryField | None) -> Look:
    """Something is said there: of the model when ``of`` is None, else of the version. Blank text is nothing."""

    def look(facts: PolicyInput) -> RuleOutcome:
        values: tuple[object, ...] = of.read(facts.version) if of else (facts.model.get(name),)
        for value in values:
            if value is not None and format_value(value).strip():
                return RuleOutcome(PASSED, escape_for_message(format_value(value)))
        return RuleOutcome(FAILED, "missing")

    return look


def has_tag(name: str, wanted: str) -> Look:
    def look(facts: PolicyInput) -> RuleOutcome:
        value = facts.version.tags.get(name)
        return (
            RuleOutcome(FAILED, "missing")
            if value is None
            else _outcome(value == wanted, escape_for_message(format_value(value)))
        )

    return look


def metric_within(name: str, sign: str, bound: Fraction) -> Look:
    """A metric compares with ``bound``."""

    def look(facts: PolicyInput) -> RuleOutcome:
        value = facts.version.metrics.get(name)
        exact = to_fraction(value)
        return (
            RuleOutcome(FAILED, "missing")
            if exact is None
            else _outcome(SIGNS[sign](exact, bound), format_value(value))
        )

    return look


def to_fraction(value: object) -> Fraction | None:
    """A finite number as it is written, so that 0.93 - 0.005 is 0.925; None for all else."""
    from fractions import Fraction

    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    return Fraction(repr(float(value))) if isinstance(value, float) and math.isfinite(value) else None


def has_file(pattern: str) -> Look:
    """One of the files, at least, fits ``pattern``."""

    def look(facts: PolicyInput) -> RuleOutcome:
        fitting = [path for path in facts.files if matches_path(path, pattern)]
        return _outcome(bool(fitting), _format_list(fitting) or "no such file")

    return look


def has_no_file(pattern: str) -> Look:
    """None of the files fits ``pattern``, whatever the case of its letters."""

    def look(facts: PolicyInput) -> RuleOutcome:
        fitting = [path for path in facts.files if matches_path(path.casefold(), pattern.casefold())]
        return _outcome(not fitting, _format_list(fitting) or "none")

    return look


def matches_path(path: str, pattern: str) -> bool:
    """A pattern without a slash is about the file's own name, in whatever folder it lies."""
    from fnmatch import fnmatchcase

    return fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)


def _format_list(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(escape_for_message(path) for path in paths[:_NAMED]) + more


def no_larger(most: int) -> Look:
    return lambda facts: _outcome(facts.version.size <= most, f"{format_value(facts.version.size)} bytes")


def matches_query(query: str) -> Look:
    """The version is one that the query selects."""

    def look(facts: PolicyInput) -> RuleOutcome:
        from ...query.query import parse

        parsed = parse(query)
        with parsed.bounded():
            matches = parsed.matches(facts.version, facts.now)
        return _outcome(matches, "it is so" if matches else "it is not so")

    return look


def metric_change_within(name: str, direction: str | None, most: Fraction, *, percent: bool) -> Look:
    """A metric is at most so much lower (``direction`` ``lower``), higher (``higher``), or worse (None: as the directions
    of the model's metrics have it) than that of the stage's version.
    """

    def look(facts: PolicyInput) -> RuleOutcome:
        bad = direction or {LOWER: HIGHER, HIGHER: LOWER}.get(facts.directions.direction(name) or "")
        if bad is None:  # which change is for the worse is not guessed
            return RuleOutcome(FAILED, "it is not known whether lower or higher is better: declare it under 'metrics'")
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

    return look


def format_value(value: object) -> str:
    """A value in words; a whole number of too many digits for Python to write is only told to be one."""
    try:
        return str(value)
    except ValueError:
        return "a very long number"


def is_among(names: tuple[str, ...]) -> Who:
    def who(facts: PolicyInput, approval: RecordedApproval) -> str:
        for name in names:
            if facts.people.belongs(approval.by, name[1:]) if name.startswith("@") else approval.by == name:
                return ""
        return "is no approver"

    return who


def is_author(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Who made it, and who brought it here: of a version from elsewhere these may be two."""
    if approval.by == facts.version.author:
        return "is the author"
    event = facts.version.event
    return "registered it" if event is not None and approval.by == event.by else ""


def is_unproven(facts: PolicyInput, approval: RecordedApproval) -> str:
    return facts.people.unproven(approval)


def objection(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Why somebody's approval does not count by the policy, empty if it does."""
    return next(filter(None, (who(facts, approval) for who in facts.conditions)), "")


def has_approvals(number: int) -> Look:
    """So many people approved whom nothing in the policy speaks against."""

    def look(facts: PolicyInput) -> RuleOutcome:
        given = select_in_force(facts.people.approvals, facts.stage, rejects=False)
        against = {each.by: objection(facts, each) for each in given}
        counted = [by for by, why in against.items() if not why]
        if len(counted) >= number:
            return RuleOutcome(PASSED, _format_list(counted))
        notes = [f"{escape_for_message(by)} {why}" for by, why in against.items() if why]
        lapsed = (
            each for each in facts.people.approvals if each.stage == facts.stage and each.lapsed and not each.rejects
        )
        notes += [f"lapsed: {escape_for_message(each.by)}, {each.lapsed}" for each in lapsed]
        have = f"{len(counted)} of {number}" + (f": {_format_list(counted)}" if counted else "")
        return RuleOutcome(WAITING, "; ".join([have, *notes[:_NAMED]]))

    return look


def is_signed(principal: str) -> Look:
    def look(facts: PolicyInput) -> RuleOutcome:
        why = facts.people.unsigned(principal)
        return RuleOutcome(FAILED, why) if why else RuleOutcome(PASSED, "signed")

    return look


def find_rejection(facts: PolicyInput, file: str) -> list[PolicyRule]:
    """The rule that no policy need write: nobody rejects the version for this stage. None while nobody does."""
    found = select_in_force(facts.people.approvals, facts.stage, rejects=True)
    if not found:
        return []
    words = "; ".join(
        f"by {escape_for_message(each.by)}: {escape_for_message(str(each.event.detail.get('reason', '')))}"
        for each in found[:_NAMED]
    )
    return [PolicyRule((), REJECTION, "none", SettingsSource(file), lambda _: RuleOutcome(FAILED, words))]
