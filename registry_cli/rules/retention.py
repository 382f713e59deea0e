"""Decide which versions retention rules choose, from what is known of all versions of a model.

A version is kept if any rule keeps it; those that no rule keeps are chosen. Some are protected from all rules: targets
of stages and aliases, versions with the tag ``keep=yes``, the last holders of each stage and the target of a rollback,
and the parents of every version that is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from ..core import quantities
from ..core.lazy_dataclass import Record, dataclass, field, replace
from ..core.names import Reference
from ..core.records import Event, StageTable, VersionRecord
from ..core.text import escape_for_message, suggest
from ..errors import InvalidInput
from ..query import query
from .event_history import apply_event
from .metric_directions import LISTED, Directions
from .retention_rules import Best, RetentionRules
from .rollback import StageTimeline, list_targets
from .stages import ARCHIVE, DELETE, PACK


@dataclass(frozen=True)
class RetentionDecision(Record):
    """Whether a version is chosen, and the reason in words. ``freed`` are the bytes that deleting it frees, or (an
    estimate) packing it. A file that several chosen versions share counts for the newest, one that is kept not.
    """

    version: int
    chosen: bool
    reason: str
    freed: int = 0


@dataclass(frozen=True)
class Plan(Record):
    """What is to be done to a model: ``action`` is ``archive``, ``delete`` or ``pack``, ``rules`` the rules in words.

    ``verdicts`` has every version that is not deleted, the newest first; a plan to pack only those that may be packed.
    ``revision`` and ``highest`` are those of the model when the plan was made: while they are the same, the plan is
    valid. ``compress`` is the compression for packing.
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
        """The bytes that deleting, or packing, the chosen versions frees."""
        return sum(verdict.freed for verdict in self.verdicts)

    @property
    def request_id(self) -> str:
        """The id of the change, so that applying a plan again repeats the request."""
        parts = [self.model, self.action, self.revision, self.highest, self.chosen]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    def with_freed(self, freed: Mapping[int, int]) -> Plan:
        return replace(self, verdicts=tuple(replace(each, freed=freed.get(each.version, 0)) for each in self.verdicts))

    def without(self, reasons: Mapping[int, str]) -> Plan:
        """Keep some of the chosen versions, for these reasons."""
        kept = {number: reasons[number] for number in self.chosen if number in reasons}
        return replace(self, verdicts=tuple(
            replace(each, chosen=False, reason=kept[each.version]) if each.version in kept else each
            for each in self.verdicts
        ))  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class RetentionInput:
    """The facts about a model: its ``versions`` that are not deleted, in any order, and what protects them.

    ``archived_at`` has the times at which versions were archived; ``needed`` the parents of versions of other models,
    and of which; ``formerly`` earlier names of the model, whose ``model_id`` never changes; ``deployed`` the versions that
    targets run, and which.
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
    deployed: Mapping[int, Sequence[str]] = field(default_factory=dict)


def make_plan(known: RetentionInput, rules: RetentionRules, now: datetime, action: str = ARCHIVE) -> Plan:
    """Decide on every version of a model.

    Candidates are: to archive, the versions in use; to delete, the archived ones; to pack, these, and those to archive.
    """
    newest_first = sorted(known.versions, key=lambda version: version.number, reverse=True)
    rules = rules.directed(known.directions, strict=False)
    kept = find_protected(known, rules.holders)
    if action == PACK:
        # The parents of a packed version may be packed, too: they are needed no more than it is.
        needing = [version for version in newest_first if version.packed is None]
        candidates = {version.number for version in needing if version.archived}
        candidates |= set(make_plan(known, rules, now).chosen)
        why, outside = "archived", ""
    else:
        concerned = [version for version in newest_first if version.archived == (action == DELETE)]
        for reasons in _iter_kept(concerned, rules, now, known.archived_at if action == DELETE else {}):
            kept = {**reasons, **kept}
        # Archived versions may have archived parents, but none that are deleted: they can be restored.
        needing = newest_first if action == DELETE else concerned
        candidates = {version.number for version in concerned}
        why, outside = _format_reason(rules, action), "already archived" if action == ARCHIVE else "in use"
    _keep_parents(known, needing, kept, candidates)
    verdicts = [
        RetentionDecision(number, number not in kept, kept.get(number, why))
        if number in candidates
        else RetentionDecision(number, False, outside)
        for number in (version.number for version in newest_first)
        if number in candidates or action != PACK
    ]
    compress = rules.compress if action == PACK else ""
    return Plan(known.model, action, str(rules), known.table.revision, known.highest, tuple(verdicts), compress)


def find_protected(known: RetentionInput, holders: int) -> dict[int, str]:
    """Return the versions that no rule can choose, with the first reason; of each stage the last ``holders`` count."""
    table = known.table
    found = [(number, f"holds {stage}") for stage, number in table.stages.items()]
    found += [(number, f"alias {alias}") for alias, number in sorted(table.aliases.items())]
    found += [(number, f"deployed to {', '.join(names)}") for number, names in known.deployed.items()]
    for stage, line in known.chains.items():
        before = list_targets(table, stage, line)
        # The target of a rollback is kept even if no holders are.
        found += [(number, f"rollback target of {stage}") for number in before[:1]]
        found += [(number, f"held {stage} before") for number in before[: max(0, holders - (stage in table.stages))]]
    found += [(each.number, "tag keep=yes") for each in known.versions if each.tags.get("keep") == "yes"]
    found += [(number, f"parent of {child}") for number, child in known.needed.items()]
    return dict(reversed(found))


def _iter_kept(
    versions: Sequence[VersionRecord], rules: RetentionRules, now: datetime, since: Mapping[int, str]
) -> Iterator[dict[int, str]]:
    """Yield for each rule the versions that it keeps, with the reason; ``versions`` are the newest first."""
    if rules.older_than:
        yield dict(_iter_young(versions, rules.older_than, now, since))
    if rules.keep is not None:
        words = f"one of the newest {rules.keep}" if rules.keep > 1 else "the newest"
        yield {version.number: words for version in versions[: rules.keep]}
    for best in rules.best:
        yield dict(_iter_best(versions, best))
    if rules.where:
        parsed = query.parse(rules.where)
        with parsed.bounded():
            fits = {version.number for version in versions if parsed.matches(version, now)}
        yield {version.number: "does not match the query" for version in versions if version.number not in fits}


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
    """Of equal values the newest is the best. Without a direction, any version may be the best."""
    if best.lowest is None:
        words = f"the direction of {best.metric} is unknown"
        yield from ((version.number, words) for version in versions)
        return
    sign = -1 if best.lowest else 1
    measured = [version for version in versions if best.metric in version.metrics]
    measured.sort(key=lambda version: (sign * version.metrics[best.metric], version.number), reverse=True)
    words = f"one of the best {best.most} by {best.metric}" if best.most > 1 else f"the best by {best.metric}"
    yield from ((version.number, words) for version in measured[: best.most])


def _keep_parents(
    known: RetentionInput, versions: Iterable[VersionRecord], kept: dict[int, str], candidates: set[int]
) -> None:
    by_number = {version.number: version for version in versions}
    pending = [number for number in by_number if number in kept or number not in candidates]
    while pending:
        if (child := by_number.get(pending.pop())) is None:
            continue
        for reference in iter_parents(child):
            if refers_to(reference, child, known.model_id, (known.model, *known.formerly)):
                for parent in iter_referenced(reference, by_number.values()):
                    if parent in candidates and parent not in kept:
                        kept[parent] = f"parent of {known.model}@{child.number}"
                        pending.append(parent)


def iter_parents(version: VersionRecord) -> Iterator[Reference]:
    """Yield the parents in the lineage of a version; invalid references are skipped."""
    listed = version.lineage.get("parents")
    for each in listed if isinstance(listed, (list, tuple)) else ():
        text = each.get("ref") if isinstance(each, Mapping) else each
        try:
            yield Reference.parse(str(text))
        except InvalidInput:
            continue


def refers_to(reference: Reference, child: VersionRecord, model_id: str, names: Sequence[str]) -> bool:
    """Return whether a parent of ``child`` is of the model with this id, or, if none is recorded, these names."""
    identities = child.lineage.get("parent_models")
    recorded = identities.get(str(reference)) if isinstance(identities, Mapping) else None
    if recorded and model_id:
        return bool(recorded == model_id)
    return reference.model in names


def iter_referenced(reference: Reference, versions: Iterable[VersionRecord]) -> Iterator[int]:
    """Yield the versions that a reference names by number or digest. A pointer may have moved since."""
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
        words.append("matches the query")
    return ", ".join(words)


def archived_since(events: Iterable[Event]) -> dict[int, str]:
    """Return the time at which each archived version was archived; ``events`` are all of a model, oldest first.

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
    """Raise :class:`InvalidInput` for a metric that no version has: a misspelt name would choose the best versions."""
    known = {metric for version in versions for metric in version.metrics}
    for best in rules.best:
        if versions and best.metric not in known:
            names = sorted(known)
            hint = suggest(best.metric, names, 0.6) or f"available: {', '.join(names[:10]) or 'none'}"
            raise InvalidInput(f"no version of {model} has the metric '{escape_for_message(best.metric)}'", hint)
