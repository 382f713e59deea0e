"""Which versions are old enough to go: pure rules over what is known of all versions of a model.

A version is kept if any rule keeps it; what all rules let go is chosen. Some are never chosen, whatever the rules say:
what a stage or an alias points to, what has the tag ``keep=yes``, the last holders of each stage and the version that
a rollback would go to, and the parents of every version that is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from itertools import islice

from ..core import quantities
from ..core.lazy_dataclass import dataclass, field, replace
from ..core.names import Reference
from ..core.records import Event, StageTable, VersionRecord
from ..core.text import escape_for_message
from ..errors import InvalidInput
from ..query import query
from .event_history import apply_event
from .metric_directions import LISTED, Directions
from .retention_rules import Best, RetentionRules
from .rollback import StageTimeline
from .stages import ARCHIVE, DELETE, PACK


@dataclass(frozen=True)
class RetentionDecision:
    """What is to become of one version, and why in words. ``freed`` are the bytes that deleting it gives back; if it is
    to be packed, about those that packing gives back.

    A file that several of the chosen share counts once, with the newest of them; one that is kept elsewhere, never.
    """

    version: int
    chosen: bool
    reason: str
    freed: int = 0


@dataclass(frozen=True)
class Plan:
    """What is to be done to a model: ``action`` is ``archive``, ``delete`` or ``pack``, ``rules`` says which rules, in
    words.

    ``verdicts`` has every version that is not deleted, the newest first; of a plan to pack, those that may be packed. ``revision`` and ``highest`` are the model's
    when the plan was made: while both are the same, nothing that it rests on has changed. ``compress`` says how to pack.
    """

    model: str
    action: str
    rules: str
    revision: int
    highest: int
    verdicts: tuple[RetentionDecision, ...]
    compress: str = ""

    @property
    def chosen(self) -> tuple[int, ...]:
        return tuple(sorted(verdict.version for verdict in self.verdicts if verdict.chosen))

    @property
    def freed(self) -> int:
        """The bytes that deleting, or packing, all that is chosen gives back."""
        return sum(verdict.freed for verdict in self.verdicts)

    @property
    def request_id(self) -> str:
        """The name of this change: to apply a plan again is to repeat the request, not to do it twice."""
        parts = [self.model, self.action, self.revision, self.highest, self.chosen]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def with_freed(self, freed: Mapping[int, int]) -> Plan:
        return replace(self, verdicts=tuple(replace(each, freed=freed.get(each.version, 0)) for each in self.verdicts))

    def without(self, reasons: Mapping[int, str]) -> Plan:
        """The plan without some of what it chose, and why."""
        return replace(
            self,
            verdicts=tuple(
                replace(each, chosen=False, reason=reasons[each.version])
                if each.chosen and each.version in reasons
                else each
                for each in self.verdicts
            ),
        )


@dataclass(frozen=True, eq=False, repr=False)
class RetentionInput:
    """All that is known of a model when it is judged: its ``versions`` that are not deleted, in any order.

    ``archived_at`` says since when the archived ones are it; ``needed`` which of them versions of other models were
    made from, and by which; ``formerly`` are the names that it had before, ``directions`` those of its metrics, ``model_id`` what stays
    the same under every name.
    """

    model: str
    versions: Sequence[VersionRecord]
    table: StageTable
    chains: Mapping[str, StageTimeline]
    highest: int = 0
    archived_at: Mapping[int, str] = field(default_factory=dict)
    needed: Mapping[int, str] = field(default_factory=dict)
    formerly: Sequence[str] = ()
    directions: Directions = LISTED
    model_id: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What a lineage may call it: its name, and those that it had before."""
        return (self.model, *self.formerly)


def make_plan(known: RetentionInput, rules: RetentionRules, now: datetime, action: str = ARCHIVE) -> Plan:
    """Judge every version of a model. To archive is to choose among those in use, to delete among the archived, to pack
    all the archived, and those that the rules would archive first.
    """
    newest_first = sorted(known.versions, key=lambda version: version.number, reverse=True)
    rules = rules.directed(known.directions, strict=False)
    if action == PACK:
        return _packing(known, newest_first, rules, now)
    concerned = [version for version in newest_first if version.archived == (action == DELETE)]
    kept = find_protected(known, rules.holders)
    for reasons in _iter_kept(concerned, rules, now, known.archived_at if action == DELETE else {}):
        for number, reason in reasons.items():
            kept.setdefault(number, reason)
    candidates = {version.number for version in concerned}
    # What is archived may have archived parents; but none are deleted, for it may be restored.
    _keep_parents(known, newest_first if action == DELETE else concerned, kept, candidates)
    outside, why = "archived already" if action == ARCHIVE else "in use", _format_reason(rules, action)
    verdicts = [
        RetentionDecision(number, True, why)
        if number in candidates and number not in kept
        else RetentionDecision(number, False, kept[number] if number in candidates else outside)
        for number in (version.number for version in newest_first)
    ]
    return Plan(known.model, action, str(rules), known.table.revision, known.highest, tuple(verdicts))


def _packing(
    known: RetentionInput, newest_first: Sequence[VersionRecord], rules: RetentionRules, now: datetime
) -> Plan:
    archived = {version.number for version in newest_first if version.archived}
    packed = {version.number for version in newest_first if version.packed is not None}
    candidates = archived - packed | set(make_plan(known, rules, now, ARCHIVE).chosen)
    kept = find_protected(known, rules.holders)
    # What a packed version was made from may be packed too: it is needed no more than its child.
    _keep_parents(known, [each for each in newest_first if each.number not in packed], kept, candidates)
    verdicts = [
        RetentionDecision(number, number not in kept, kept.get(number, "archived"))
        for number in (version.number for version in newest_first)
        if number in candidates
    ]
    return Plan(known.model, PACK, str(rules), known.table.revision, known.highest, tuple(verdicts), rules.compress)


def find_protected(known: RetentionInput, holders: int) -> dict[int, str]:
    """The versions that no rule can choose, and why."""
    kept: dict[int, str] = {}
    for each in _PROTECTIONS:
        for number, reason in each(known, holders):
            kept.setdefault(number, reason)
    return kept


_Reasons = Iterator["tuple[int, str]"]


def _iter_pointed(known: RetentionInput, _: int) -> _Reasons:
    yield from ((number, f"holds {stage}") for stage, number in known.table.stages.items())
    yield from ((number, f"alias {alias}") for alias, number in sorted(known.table.aliases.items()))


def _iter_holders(known: RetentionInput, holders: int) -> _Reasons:
    """The last ``holders`` of each stage, and what a rollback would go to."""
    table = known.table
    for stage, line in known.chains.items():
        current = table.stages.get(stage)
        before = [number for number in dict.fromkeys(line.earlier) if number not in table.deleted]
        before = [number for number in before if number != current]
        # What 'rollback' goes to is kept even with no holders to keep.
        yield from ((number, f"rollback target of {stage}") for number in before[:1])
        yield from (
            (number, f"held {stage} before") for number in islice(before, max(0, holders - (current is not None)))
        )


def _iter_tagged(known: RetentionInput, _: int) -> _Reasons:
    yield from ((each.number, "tag keep=yes") for each in known.versions if each.tags.get("keep") == "yes")


def _iter_needed(known: RetentionInput, _: int) -> _Reasons:
    yield from ((number, f"parent of {child}") for number, child in known.needed.items())


#: Who may keep a version, whatever the rules say; the reason of the first one counts. A new protection is one more.
_PROTECTIONS: tuple[Callable[[RetentionInput, int], _Reasons], ...] = (
    _iter_pointed,
    _iter_holders,
    _iter_tagged,
    _iter_needed,
)


def _iter_kept(
    versions: Sequence[VersionRecord], rules: RetentionRules, now: datetime, since: Mapping[int, str]
) -> Iterator[dict[int, str]]:
    """For each rule, what it keeps of ``versions`` (the newest first), and why."""
    if rules.older_than:
        yield dict(_iter_young(versions, rules.older_than, now, since))
    if rules.keep is not None:
        words = f"one of the newest {rules.keep}" if rules.keep > 1 else "the newest"
        yield {version.number: words for version in versions[: rules.keep]}
    for best in rules.best:
        yield dict(_iter_best(versions, best))
    if rules.where:
        fits = _select_matching(versions, rules.where, now)
        yield {version.number: "does not fit the query" for version in versions if version.number not in fits}


def _iter_young(
    versions: Iterable[VersionRecord], older_than: str, now: datetime, since: Mapping[int, str]
) -> Iterator[tuple[int, str]]:
    limit = quantities.to_epoch(now) - quantities.parse_duration(older_than).total_seconds()
    for version in versions:
        archived = since.get(version.number)
        start = quantities.parse_epoch(archived or version.created)
        if start is None:
            yield version.number, "of unknown age"
        elif start > limit:
            yield version.number, f"archived less than {older_than} ago" if archived else f"younger than {older_than}"


def _iter_best(versions: Iterable[VersionRecord], best: Best) -> Iterator[tuple[int, str]]:
    """Of equals the newest count as the better ones. Without a direction, any version may be the best."""
    if best.lowest is None:
        words = f"the direction of {best.metric} is not known"
        yield from ((version.number, words) for version in versions)
        return
    sign = -1 if best.lowest else 1
    measured = [version for version in versions if best.metric in version.metrics]
    measured.sort(key=lambda version: (sign * version.metrics[best.metric], version.number), reverse=True)
    words = f"one of the best {best.most} by {best.metric}" if best.most > 1 else f"the best by {best.metric}"
    yield from ((version.number, words) for version in measured[: best.most])


def _select_matching(versions: Iterable[VersionRecord], where: str, now: datetime) -> set[int]:
    parsed = query.parse(where)
    with parsed.bounded():
        return {version.number for version in versions if parsed.matches(version, now)}


def _keep_parents(
    known: RetentionInput, versions: Iterable[VersionRecord], kept: dict[int, str], candidates: set[int]
) -> None:
    """Add to ``kept`` the parents of what is kept, and theirs, and so on."""
    by_number = {version.number: version for version in versions}
    pending = [number for number in by_number if number in kept or number not in candidates]
    while pending:
        child = by_number.get(pending.pop())
        for parent in _parents_in(known, child, by_number.values()) if child else ():
            if parent in candidates and parent not in kept:
                kept[parent] = f"parent of {known.model}@{child.number if child else 0}"
                pending.append(parent)


def iter_parents(version: VersionRecord) -> Iterator[Reference]:
    """What a version was made from, as its lineage says; what can't be read is passed over."""
    listed = version.lineage.get("parents")
    for each in listed if isinstance(listed, (list, tuple)) else ():
        text = each.get("ref") if isinstance(each, Mapping) else each
        try:
            yield Reference.parse(str(text))
        except InvalidInput:
            continue


def refers_to(reference: Reference, child: VersionRecord, model_id: str, names: Sequence[str]) -> bool:
    """Whether a parent in the lineage of ``child`` is of the model with this id and these names: by the id, if it has one."""
    identities = child.lineage.get("parent_models")
    recorded = identities.get(str(reference)) if isinstance(identities, Mapping) else None
    if recorded and model_id:
        return bool(recorded == model_id)
    return reference.model in names


def _parents_in(known: RetentionInput, child: VersionRecord, versions: Iterable[VersionRecord]) -> Iterator[int]:
    for reference in iter_parents(child):
        if refers_to(reference, child, known.model_id, known.names):
            yield from iter_referenced(reference, versions)


def iter_referenced(reference: Reference, versions: Iterable[VersionRecord]) -> Iterator[int]:
    """The numbers that a reference of a lineage names: by number, or by digest. A pointer has moved since."""
    selector = reference.selector
    if selector is not None and selector.number is not None:
        yield selector.number
    elif selector is not None and selector.digest:
        yield from (version.number for version in versions if version.digest.startswith(selector.digest))


def _format_reason(rules: RetentionRules, action: str) -> str:
    words = []
    if rules.older_than:
        words.append(f"{'archived' if action == DELETE else 'made'} more than {rules.older_than} ago")
    if rules.keep is not None:
        words.append(f"not one of the newest {rules.keep}")
    words += [f"not one of the best {best.most} by {best.metric}" for best in rules.best]
    if rules.where:
        words.append("fits the query")
    return ", ".join(words)


def archived_since(events: Iterable[Event]) -> dict[int, str]:
    """Since when each archived version is it; ``events`` are all of a model, oldest first.

    Where the history was lost, the time of its repair counts: rather too young than too old.
    """
    since: dict[int, str] = {}
    table = StageTable()
    for event in events:
        after = apply_event(table, event)
        if after.archived != table.archived:
            since.update(dict.fromkeys(after.archived - table.archived, event.at))
            for number in table.archived - after.archived:
                since.pop(number, None)
        table = after
    return since


def check_metrics(rules: RetentionRules, versions: Sequence[VersionRecord], model: str) -> None:
    """:class:`InvalidInput` for a metric that no version has: a slip would let go of the best."""
    known = {metric for version in versions for metric in version.metrics}
    for best in rules.best:
        if versions and best.metric not in known:
            near = get_close_matches(best.metric, sorted(known), 1)
            hint = f"did you mean '{near[0]}'?" if near else f"they have: {', '.join(sorted(known)[:10]) or 'none'}"
            raise InvalidInput(f"no version of {model} has the metric '{escape_for_message(best.metric)}'", hint)
