"""Archive, pack and delete versions by rules: planned, checked again under the lock, and carried out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..core.names import Reference
from ..core.records import VersionRecord
from ..core.results import VersionsChanged
from ..core.text import replace_unprintable, shorten
from ..core.values import OneOrMore, as_list
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, Indeterminate, InvalidInput, NotFound, RegistryError
from ..rules import retention
from ..rules import stages as stage_rules
from ..rules.metric_directions import LISTED
from ..rules.retention_rules import RetentionStep, iter_policy_steps
from ..rules.stages import ARCHIVE, DELETE, PACK
from ..store import codec, history, reader
from ..store.maintenance import gc
from ..store.reader import ModelReader
from ..store.writer import Writer
from . import settings
from .archive import commit_in_turn, delete_numbers, ensure_deletable, ensure_no_rollback_targets, make_event_id
from .context import open_model
from .pack import PackRequest, find_packed, pack_versions
from .search import list_model_names, raise_error, search_versions
from .transaction import make_event, open_writer

if TYPE_CHECKING:
    from ..rules.metric_directions import Directions
    from ..rules.retention import Plan
    from ..rules.retention_rules import RetentionRules
    from .context import RegistryContext

_EVENT_ACTIONS = {ARCHIVE: "archived", DELETE: "deleted", PACK: "packed"}
#: What versions were made from: a reference, and the version that names it in its lineage.
Children = list[tuple[Reference, VersionRecord]]


def ignore_warning(_: str) -> None:
    """Pass over a warning."""


class RetentionOutcome(NamedTuple):
    """What was done, and the folders that are to be removed after it, without the lock."""

    changed: VersionsChanged
    trash: list[Path]


def plan_retention(context: RegistryContext, name: str, action: str, rules: RetentionRules) -> Plan:
    """What ``rules`` would archive or delete of a model, and why; nothing is locked or changed.

    ``action`` is ``archive`` (among the versions in use), ``delete`` (among the archived) or ``pack`` (the archived).
    Raises :class:`InvalidInput` for a metric that no version has, :class:`Damaged` when a version can't be read.
    """
    return _plan_step(context, RetentionStep(name, action, rules), context.clock(), _list_children(context, action))


def retain(
    context: RegistryContext,
    name: str,
    action: str,
    rules: RetentionRules,
    *,
    reason: str = "",
    request_id: str | None = None,
) -> VersionsChanged:
    """Archive, delete or pack what ``rules`` choose, as :meth:`plan` says; nothing is changed when that is nothing."""
    request = RetentionRequest.create(request_id, reason)
    with commit_in_turn(request.id, False) as outcomes:
        _retain_step(context, RetentionStep(name, action, rules), _list_children(context, action), request, outcomes)
    return outcomes[0]


def apply_plans(
    context: RegistryContext,
    plans: Iterable[Plan],
    *,
    reason: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
) -> list[VersionsChanged]:
    """Carry out exactly these plans; what was carried out before, or in part, is not done twice.

    Raises :class:`Conflict` for a model that has changed since: all are looked at before the first is touched.
    """
    expected = list(_iter_revisions(plans))
    request = RetentionRequest(request_id or get_request_id(plan for plan, _ in expected), True, reason)
    for plan, revision in expected:
        with open_writer(context, plan.model) as writer:
            _find_remaining(context, writer, plan, range(plan.revision, revision + 1), request)
    with commit_in_turn(request.id, dry_run) as outcomes:
        for plan, revision in expected:
            with open_writer(context, plan.model) as writer:
                due = plan.revision if dry_run else revision  # nothing was moved on
                numbers, left = _find_remaining(context, writer, plan, (due,), request)
                if plan.action != PACK:
                    done = _execute(context, writer, plan, numbers, left, request, dry_run)
                    outcomes.append(done.changed)
            if plan.action != PACK:
                gc.remove_trash(context.layout.model(done.changed.model), done.trash)  # slow, and needs no lock
            elif not dry_run:
                pack_versions(context, plan.model, numbers, _pack_request(plan, request), outcomes)
            else:
                outcomes.append(VersionsChanged(plan.model, "packed", tuple(numbers), revision, bool(left), plan.freed))
    return outcomes


def plan_prune(
    context: RegistryContext,
    models: OneOrMore[str] | None = None,
    rules: RetentionRules | None = None,
    *,
    on_error: Callable[[RegistryError], None] = raise_error,
    on_warning: Callable[[str], None] = ignore_warning,
) -> list[Plan]:
    """What :meth:`prune` would do; ``on_warning`` is told of rules of a policy that keep every version."""
    children = _list_children(context, DELETE)
    found: list[Plan] = []
    for steps in _iter_steps(context, models, rules, on_error, on_warning):
        plans = list(_run_steps(steps, lambda step: _plan_step(context, step, context.clock(), children), on_error))
        gone = {number: "deleted before" for each in plans if each.action == DELETE for number in each.chosen}
        found += [each.without(gone) if each.action == PACK else each for each in plans]
    return found


def prune(
    context: RegistryContext,
    models: OneOrMore[str] | None = None,
    rules: RetentionRules | None = None,
    *,
    reason: str = "",
    request_id: str | None = None,
    on_error: Callable[[RegistryError], None] = raise_error,
    on_warning: Callable[[str], None] = ignore_warning,
) -> list[VersionsChanged]:
    """Delete the archived versions that ``rules`` choose, of some models or of all.

    Without rules each model's policy is followed: what its ``model.yaml``, else the ``group.yaml`` of its group, else
    ``registry.yaml``, says under ``retention`` to delete and to archive. ``on_error`` is told of each model that can't be done; nothing is done
    to that one, and the others have their turn. ``on_warning`` is told of rules of a policy that keep every version
    because the direction of their metric is not known. Raises :class:`InvalidInput` for a slip in ``registry.yaml``, and
    for a model that was named and has no policy.
    """
    children = _list_children(context, DELETE)
    request = RetentionRequest.create(request_id, reason)
    with commit_in_turn(request.id, False) as outcomes:
        for steps in _iter_steps(context, models, rules, on_error, on_warning):
            judged = _run_steps(steps, lambda step: _evaluate_step(context, step, context.clock(), children), on_error)
            if len(list(judged)) < len(steps):  # a slip in one of them: none is done
                continue
            for _ in _run_steps(steps, lambda step: _retain_step(context, step, children, request, outcomes), on_error):
                pass
    return outcomes


def _retain_step(
    context: RegistryContext,
    step: RetentionStep,
    children: Children,
    request: RetentionRequest,
    outcomes: list[VersionsChanged],
) -> None:
    if step.action == PACK:
        plan = _plan_step(context, step, context.clock(), children)
        wanted = _pack_request(plan, request)
        numbers = VersionRanges.from_numbers(plan.chosen) | find_packed(context, plan.model, wanted)
        pack_versions(context, plan.model, numbers, wanted, outcomes)
        return
    now = context.clock()
    plan = _evaluate_step(context, step, now, children)  # slow, and needs no lock: looked at again below
    with open_writer(context, step.model) as writer:
        started = _find_started(writer, step.action, request) if request.given else None
        if started is None and (writer.table.revision, writer.highest) != (plan.revision, plan.highest):
            plan = _evaluate_step(context, step, now, children)
        numbers, left = started or (VersionRanges.from_numbers(plan.chosen),) * 2
        done = _execute(context, writer, plan, numbers, left, request, False)
        outcomes.append(done.changed)
    gc.remove_trash(context.layout.model(done.changed.model), done.trash)  # slow, and needs no lock


def _plan_step(context: RegistryContext, step: RetentionStep, now: datetime, children: Children) -> Plan:
    plan = _evaluate_step(context, step, now, children)
    if plan.action == PACK:
        return _drop_useless_packs(context, plan)
    return plan.with_freed(gc.freed_by(context.layout.model(plan.model), plan.chosen))


def _drop_useless_packs(context: RegistryContext, plan: Plan) -> Plan:
    """A plan to pack, without what would free nothing, or is not ours to pack."""
    from ..store.packs import pack_writer

    model = open_model(context, plan.model)
    owned = [number for number in plan.chosen if pack_writer.is_owned(model.paths, number)]
    found = pack_writer.select_worthwhile(model, owned)
    reasons = dict.fromkeys(plan.chosen, "belongs to another user")
    reasons |= dict.fromkeys(owned, "to pack it would free nothing")
    return plan.without({n: why for n, why in reasons.items() if n not in found}).with_freed(found)


def _pack_request(plan: Plan, request: RetentionRequest) -> PackRequest:
    reason = request.reason or _flatten(f"retention: {plan.rules}")
    return PackRequest(plan.compress, request.id, request.given, reason)


def _evaluate_step(context: RegistryContext, step: RetentionStep, now: datetime, children: Children) -> Plan:
    model = open_model(context, step.model)
    state = model.state()
    highest = reader.highest(model.paths, state.table)
    versions: list[VersionRecord] = []
    for number in model.numbers(state.table, highest):
        try:
            versions.append(model.version(number, state))
        except NotFound:  # somebody deleted it while we looked: the revision will tell
            continue
    if step.strict:
        retention.check_metrics(step.rules, versions, model.name)
    directions = _directions(context, step)
    stages = tuple(dict.fromkeys((*context.stages, *state.table.stages)))
    since = {}
    if step.action == DELETE:
        entries = reversed(list(history.newest_first(model.paths)))
        since = retention.archived_since(entry.event for entry in entries)
    document = model.document(state)
    formerly, identity = codec.former_names(document), codec.model_id(document)
    needed = {
        number: child.ref
        for reference, child in children
        if child.model != model.name and retention.refers_to(reference, child, identity, (model.name, *formerly))
        for number in retention.iter_referenced(reference, versions)
    }
    chains = history.stage_timelines(model.paths, stages)
    known = retention.RetentionInput(
        model.name, versions, state.table, chains, highest, since, needed, formerly, directions, identity
    )
    return retention.make_plan(known, step.rules, now, step.action)


def _list_undirected(context: RegistryContext, step: RetentionStep) -> tuple[str, ...]:
    return step.rules.directed(_directions(context, step), strict=False).undirected


def _directions(context: RegistryContext, step: RetentionStep) -> Directions:
    """The directions of the model's metrics. Raises :class:`InvalidInput` where the rules need one that is not known."""
    if not step.rules.best:
        return LISTED
    found = settings.load_directions(context.layout, settings.SettingsScope.for_model(step.model))
    step.rules.directed(found, strict=not step.policy)
    return found


def _list_children(context: RegistryContext, action: str) -> Children:
    """What versions, of whichever model, say they were made from; only what is deleted is lost to them."""
    if action != DELETE:
        return []
    found = search_versions(context, archived=True)
    return [(parent, version) for version in found for parent in retention.iter_parents(version)]


def _find_started(writer: Writer, action: str, request: RetentionRequest) -> tuple[VersionRanges, VersionRanges] | None:
    """All that this request was about, and what is left of it, when it was begun before."""
    if action == PACK:
        return None
    identity = make_event_id(request.id, 1, action == DELETE)
    entry = writer.done_before(identity, _EVENT_ACTIONS[action])
    if entry is None:
        return None
    numbers = VersionRanges.parse(str(entry.event.detail.get("versions", entry.event.version or "")))
    return numbers, numbers - writer.table.deleted if action == DELETE else VersionRanges()


def _find_remaining(
    context: RegistryContext, writer: Writer, plan: Plan, revisions: Container[int], request: RetentionRequest
) -> tuple[VersionRanges, VersionRanges]:
    """What a plan is about, and what is left to do of it. :class:`Conflict` if it is out of date."""
    numbers = VersionRanges.from_numbers(plan.chosen)
    if not numbers:
        return numbers, numbers
    if started := _find_started(writer, plan.action, request):
        return started
    if plan.action == PACK and find_packed(context, plan.model, _pack_request(plan, request)):
        return numbers, numbers - writer.table.packed
    model = writer.paths.name
    if writer.table.revision not in revisions or writer.highest != plan.highest:
        raise Conflict(
            f"{model} has changed since this was planned: revision {plan.revision} and version {plan.highest} then, "
            f"revision {writer.table.revision} and version {writer.highest} now",
            "plan it again",
        )
    there = VersionRanges.from_numbers(ModelReader(writer.paths).numbers(writer.table))
    used = there - writer.table.archived
    fit = {DELETE: there - used, ARCHIVE: used, PACK: there - writer.table.packed}[plan.action]
    if wrong := numbers - fit:
        state = {DELETE: "archived", ARCHIVE: "in use", PACK: "there and unpacked"}[plan.action]
        raise Conflict(f"{model}: {wrong} can't be {_EVENT_ACTIONS[plan.action]}: not {state}", "plan it again")
    return numbers, numbers


def _execute(
    context: RegistryContext,
    writer: Writer,
    plan: Plan,
    numbers: VersionRanges,
    left: VersionRanges,
    request: RetentionRequest,
    dry_run: bool,
) -> RetentionOutcome:
    """One change of the stage table to archive, one a version to delete, the oldest first."""
    reason = request.reason or _flatten(f"retention: {plan.rules}")
    trash = []
    if plan.action == DELETE:
        ensure_deletable(context, writer, left, False)
        if left and not dry_run:
            trash = delete_numbers(
                context, writer, numbers, left, request.id, {"reason": reason, "versions": str(numbers)}
            )
    else:
        ensure_no_rollback_targets(context, writer, left)
        table = stage_rules.archive(writer.table, plan.model, left)
        if left and not dry_run:
            writer.move(table, make_event(context, "archived", None, request.id, versions=str(numbers), reason=reason))
    done = VersionsChanged(plan.model, _EVENT_ACTIONS[plan.action], tuple(numbers), writer.table.revision, bool(left))
    return RetentionOutcome(done, trash)


def _iter_steps(
    context: RegistryContext,
    models: OneOrMore[str] | None,
    rules: RetentionRules | None,
    on_error: Callable[[RegistryError], None],
    on_warning: Callable[[str], None],
) -> Iterator[list[RetentionStep]]:
    """What is to be done, model by model: first to delete, so that what is archived now has its time."""
    chosen = (
        list_model_names(context)
        if models is None
        else [open_model(context, name).name for name in dict.fromkeys(as_list(models, "models"))]
    )
    if rules:
        yield from ([RetentionStep(name, DELETE, rules)] for name in chosen)
        return
    retention = settings.RetentionPolicies(context.layout)
    for name in chosen:
        try:
            model = open_model(context, name)
            own = str(model.paths.model.relative_to(context.root))
            steps = list(iter_policy_steps(name, retention.for_scope(settings.SettingsScope.for_model(name)), own))
            if not steps and models is not None:
                raise InvalidInput(
                    f"{name} has no retention policy",
                    "say how old (--older-than 90d), or write 'retention' into its model.yaml",
                )
            for metric in dict.fromkeys(each for step in steps for each in _list_undirected(context, step)):
                on_warning(
                    f"{name}: the direction of metric '{metric}' is not known, so its retention policy keeps every "
                    f"version; write {metric}:N:min or {metric}:N:max, or declare 'metrics: {{{metric}: lower}}'"
                )
        except RegistryError as error:
            on_error(error)
        else:
            yield steps


#: So many characters of the rules are kept in the history as the reason.
REASON = 500
_T = TypeVar("_T")


class RetentionRequest(NamedTuple):
    """The id of a change, whether it may have been used before, and why it is made."""

    id: str
    given: bool
    reason: str

    @classmethod
    def create(cls, request_id: str | None, reason: str) -> RetentionRequest:
        return cls(request_id or os.urandom(16).hex(), request_id is not None, reason)


def _run_steps(
    steps: Iterable[RetentionStep], operate: Callable[[RetentionStep], _T], on_error: Callable[[RegistryError], None]
) -> Iterator[_T]:
    """What each step of a model gives; after one that failed the others of that model are left."""
    for step in steps:
        try:
            yield operate(step)
        except Indeterminate:
            raise
        except RegistryError as error:
            on_error(error)
            return


def _iter_revisions(plans: Iterable[Plan]) -> Iterator[tuple[Plan, int]]:
    """Each plan, and the revision that its model has when its turn comes: those before it have moved it on."""
    moves: dict[str, int] = {}
    seen = set()
    for plan in plans:
        if (plan.model, plan.action) in seen:
            raise InvalidInput(f"there are two plans to {plan.action} versions of {plan.model}", "apply one of them")
        seen.add((plan.model, plan.action))
        before = moves.get(plan.model, 0)
        yield plan, plan.revision + before
        moves[plan.model] = before + (bool(plan.chosen) if plan.action == ARCHIVE else len(plan.chosen))


def get_request_id(plans: Iterable[Plan]) -> str:
    """One request id for these plans, always the same: to apply them again is to repeat the request."""
    ids = [plan.request_id for plan in plans]
    return ids[0] if len(ids) == 1 else hashlib.sha256("".join(ids).encode()).hexdigest()[:32]


def _flatten(text: str) -> str:
    """As one line of a history: a query may have several."""
    return shorten(replace_unprintable(text), REASON)
