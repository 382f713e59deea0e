"""Archive, pack and delete versions by rules: planned, checked again under the lock, and carried out."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.names import Reference
from ..core.records import VersionRecord
from ..core.results import VersionsChanged
from ..core.text import replace_unprintable, shorten
from ..core.values import OneOrMore, as_list
from ..core.version_ranges import VersionRanges
from ..errors import Conflict, Indeterminate, InvalidInput, NotFound, RegistryError
from ..rules import retention
from ..rules import stages as stage_rules
from ..rules.deployments import check_not_deployed, deployed_versions
from ..rules.metric_directions import LISTED
from ..rules.retention_rules import RetentionStep, iter_policy_steps
from ..rules.stages import ARCHIVE, DELETE, PACK
from ..store import codec, history
from ..store.maintenance import gc
from ..store.model_names import iter_model_names
from ..store.packs import pack_writer
from ..store.reader import ModelReader, ModelSnapshot, is_deleted
from ..store.writer import Writer
from . import settings
from .archive import commit_in_turn, delete_numbers, ensure_deletable, ensure_no_rollback_targets, make_event_id
from .context import open_model, open_snapshot
from .pack import PackRequest, find_packed, pack_versions
from .search import raise_error, search_versions
from .transaction import Transaction, make_event, take_snapshot, transaction

if TYPE_CHECKING:
    from ..rules.metric_directions import Directions
    from ..rules.retention import Plan
    from ..rules.retention_rules import RetentionRules
    from .context import RegistryContext

_EVENTS = {ARCHIVE: "archived", DELETE: "deleted", PACK: "packed"}
#: What versions were made from: a reference, and the version that names it in its lineage.
Children = list[tuple[Reference, VersionRecord]]


def plan_retention(context: RegistryContext, name: str, action: str, rules: RetentionRules) -> Plan:
    """Plan what rules would archive, delete or pack of a model; nothing is locked or changed.

    Args:
        action: ``archive`` (versions in use), ``delete`` or ``pack`` (archived ones).

    Raises:
        InvalidInput: No version has a metric of the rules.
        Damaged: A version can't be read.
    """
    return _plan_step(context, RetentionStep(name, action, rules), _list_children(context, action))


def retain(
    context: RegistryContext,
    name: str,
    action: str,
    rules: RetentionRules,
    *,
    reason: str = "",
    request_id: str | None = None,
) -> VersionsChanged:
    """Archive, delete or pack what rules choose, as :meth:`plan` returns it."""
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
    """Apply exactly these plans; what was done before, or in part, is not done twice.

    Raises:
        Conflict: A model has changed since; all are checked before the first is touched.
    """
    expected = list(_iter_revisions(plans))
    ids = [plan.request_id for plan, _ in expected]  # of these plans always the same: applied again, it is a repetition
    own = ids[0] if len(ids) == 1 else hashlib.sha256("".join(ids).encode()).hexdigest()[:32]
    request = RetentionRequest(request_id or own, True, reason)
    for plan, revision in expected:
        with transaction(
            context, plan.model, request.event_id(plan.action, plan.chosen), _EVENTS[plan.action]
        ) as found:
            _find_remaining(context, found, plan, range(plan.revision, revision + 1), request)
    with commit_in_turn(request.id, dry_run) as outcomes:
        for plan, revision in expected:
            event_id = request.event_id(plan.action, plan.chosen)
            with transaction(context, plan.model, event_id, _EVENTS[plan.action]) as found:
                due = plan.revision if dry_run else revision  # nothing was moved on
                numbers, left = _find_remaining(context, found, plan, (due,), request)
                if plan.action != PACK:
                    snapshot = take_snapshot(found.writer)
                    done, trash = _execute(context, found.writer, snapshot, plan, numbers, left, request, dry_run)
                    outcomes.append(done)
            if plan.action != PACK:
                gc.remove_trash(context.layout.model(plan.model), trash)  # slow, and needs no lock
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
    on_warning: Callable[[str], None] = lambda _: None,
) -> list[Plan]:
    """Plan what :meth:`prune` would do; the arguments are the same."""
    children = _list_children(context, DELETE)
    found: list[Plan] = []
    for snapshot, steps in _iter_steps(context, models, rules, on_error, on_warning):
        plans: list[Plan] = []
        with _reporting(on_error):
            for step in steps:
                plans += [_plan_step(context, step, children, snapshot)]
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
    on_warning: Callable[[str], None] = lambda _: None,
) -> list[VersionsChanged]:
    """Delete archived versions, and archive others, by rules or by the retention policy of each model.

    Args:
        models: Names; all models by default.
        rules: What to delete; without them the policy of each model is followed.
        on_error: Called with the error of each model that can't be done; the others are.
        on_warning: Called with a sentence for rules that keep every version, since the direction of a metric is not known.

    Raises:
        InvalidInput: ``registry.yaml`` is not valid, or a model that is named has no policy.
    """
    children = _list_children(context, DELETE)
    request = RetentionRequest.create(request_id, reason)
    with commit_in_turn(request.id, False) as outcomes:
        for snapshot, steps in _iter_steps(context, models, rules, on_error, on_warning):
            before = len(outcomes)
            with _reporting(on_error):  # a mistake in one of the steps: none is done
                plans = [_evaluate_step(context, step, children, snapshot) for step in steps]
                for step, plan in zip(steps, plans, strict=True):
                    changed = any(done.changed for done in outcomes[before:])  # by a step before
                    _retain_step(context, step, children, request, outcomes, None if changed else (snapshot, plan))
    return outcomes


def _retain_step(
    context: RegistryContext,
    step: RetentionStep,
    children: Children,
    request: RetentionRequest,
    outcomes: list[VersionsChanged],
    judged: tuple[ModelSnapshot, Plan] | None = None,
) -> None:
    """Carry out one step; ``judged`` is its plan and the snapshot that it was made from, if there is one."""
    snapshot, plan = judged or (open_snapshot(context, step.model), None)
    plan = plan or _evaluate_step(context, step, children, snapshot)  # slow, and needs no lock: looked at again below
    if step.action == PACK:
        plan = _drop_useless_packs(context, plan)
        wanted = _pack_request(plan, request)
        numbers = VersionRanges.from_numbers(plan.chosen) | find_packed(context, plan.model, wanted)
        pack_versions(context, plan.model, numbers, wanted, outcomes)
        return
    event_id = request.event_id(step.action) if request.given else None
    with transaction(context, step.model, event_id, _EVENTS[step.action]) as found:
        writer, started = found.writer, _find_started(found, step.action)
        snapshot = snapshot.under_lock(writer.table, writer.last)
        if started is None and (writer.table.revision, writer.highest) != (plan.revision, plan.highest):
            plan = _evaluate_step(context, step, children, snapshot)
        numbers, left = started or (VersionRanges.from_numbers(plan.chosen),) * 2
        done, trash = _execute(context, writer, snapshot, plan, numbers, left, request)
        outcomes.append(done)
    gc.remove_trash(context.layout.model(step.model), trash)  # slow, and needs no lock


def _plan_step(
    context: RegistryContext, step: RetentionStep, children: Children, snapshot: ModelSnapshot | None = None
) -> Plan:
    plan = _evaluate_step(context, step, children, snapshot or open_snapshot(context, step.model))
    if plan.action == PACK:
        return _drop_useless_packs(context, plan)
    return plan.with_freed(gc.freed_by(context.layout.model(plan.model), plan.chosen))


def _drop_useless_packs(context: RegistryContext, plan: Plan) -> Plan:
    """Remove from a plan to pack what would free nothing, or belongs to another user."""
    model = open_model(context, plan.model)
    owned = [number for number in plan.chosen if pack_writer.is_owned(model.paths, number)]
    found = pack_writer.select_worthwhile(model, owned)
    reasons = dict.fromkeys(plan.chosen, "belongs to another user")
    reasons |= dict.fromkeys(owned, "packing would save no space")
    return plan.without({n: why for n, why in reasons.items() if n not in found}).with_freed(found)


def _pack_request(plan: Plan, request: RetentionRequest) -> PackRequest:
    reason = request.reason or _flatten(f"retention: {plan.rules}")
    return PackRequest(plan.compress, request.id, request.given, reason)


def _evaluate_step(context: RegistryContext, step: RetentionStep, children: Children, snapshot: ModelSnapshot) -> Plan:
    name, table = snapshot.name, snapshot.table
    entries = history.read_entries(snapshot, b"" if step.action == DELETE else history.STAGE)
    highest = snapshot.highest()
    versions: list[VersionRecord] = []
    for number in snapshot.model.numbers(table, highest):
        try:
            versions.append(snapshot.version(number))
        except NotFound:  # somebody deleted it while we looked: the revision will tell
            continue
    if step.strict:
        retention.check_metrics(step.rules, versions, name)
    directions = _directions(context, step, snapshot)
    since = retention.archived_since(entry.event for entry in entries) if step.action == DELETE else {}
    document = snapshot.document()
    formerly, identity = codec.former_names(document), codec.model_id(document)
    needed = {
        number: child.ref
        for reference, child in children
        if child.model != name and retention.refers_to(reference, child, identity, (name, *formerly))
        for number in retention.iter_referenced(reference, versions)
    }
    deployments = deployed_versions(snapshot.model.deployments(snapshot.state))
    chains = history.stage_timelines(entries, dict.fromkeys((*context.stages, *table.stages)))
    known = retention.RetentionInput(
        name, versions, table, chains, highest, since, needed, formerly, directions, identity, deployments
    )
    return retention.make_plan(known, step.rules, context.clock(), step.action)


def _directions(context: RegistryContext, step: RetentionStep, snapshot: ModelSnapshot) -> Directions:
    """The directions of the model's metrics. Raises :class:`InvalidInput` where the rules need one that is not known."""
    if not step.rules.best:
        return LISTED
    found = settings.load_directions(context.layout, settings.SettingsScope.for_model(step.model, snapshot))
    step.rules.directed(found, strict=not step.policy)
    return found


def _list_children(context: RegistryContext, action: str) -> Children:
    """Return the versions of all models with their parents, for steps that delete."""
    if action != DELETE:
        return []
    found = search_versions(context, archived=True)
    return [(parent, version) for version in found for parent in retention.iter_parents(version)]


def _find_started(found: Transaction, action: str) -> tuple[VersionRanges, VersionRanges] | None:
    """Return all versions of a request that was begun before, and those that are left."""
    if found.done is None:
        return None
    event = found.done.event
    numbers = VersionRanges.parse(str(event.detail.get("versions", event.version or "")))
    return numbers, numbers - found.writer.table.deleted if action == DELETE else VersionRanges()


def _find_remaining(
    context: RegistryContext, found: Transaction, plan: Plan, revisions: Container[int], request: RetentionRequest
) -> tuple[VersionRanges, VersionRanges]:
    """Return the versions of a plan, and those that are left. Raises :class:`Conflict` if it is out of date."""
    writer, numbers = found.writer, VersionRanges.from_numbers(plan.chosen)
    if not numbers:
        return numbers, numbers
    if started := _find_started(found, plan.action):
        return started
    if plan.action == PACK and find_packed(context, plan.model, _pack_request(plan, request)):
        return numbers, numbers - writer.table.packed
    model = writer.paths.name
    if writer.table.revision not in revisions or writer.highest != plan.highest:
        raise Conflict(
            f"{model} has changed since the plan was created:  revision {plan.revision} and version {plan.highest} then, "
            f"revision {writer.table.revision} and version {writer.highest} now",
            "create a new plan",
        )
    there = VersionRanges.from_numbers(ModelReader(writer.paths).numbers(writer.table))
    used = there - writer.table.archived
    fit = {DELETE: there - used, ARCHIVE: used, PACK: there - writer.table.packed}[plan.action]
    if wrong := numbers - fit:
        state = {DELETE: "archived", ARCHIVE: "in use", PACK: "present and unpacked"}[plan.action]
        raise Conflict(f"{model}: cannot be {_EVENTS[plan.action]}: {wrong} (not {state})", "create a new plan")
    return numbers, numbers


def _execute(
    context: RegistryContext,
    writer: Writer,
    snapshot: ModelSnapshot,
    plan: Plan,
    numbers: VersionRanges,
    left: VersionRanges,
    request: RetentionRequest,
    dry_run: bool = False,
) -> tuple[VersionsChanged, list[Path]]:
    """One change of the stage table to archive, one per version to delete, the oldest first.

    Returns what was done, and the folders that are to be removed after it, without the lock.
    """
    detail = {"versions": str(numbers), "reason": request.reason or _flatten(f"retention: {plan.rules}")}
    trash = []
    if plan.action == DELETE:
        ensure_deletable(context, writer, snapshot, left, False)
        if left and not dry_run:
            trash = delete_numbers(context, writer, numbers, left, request.id, detail)
    else:
        ensure_no_rollback_targets(context, snapshot, left)
        check_not_deployed(snapshot.model.deployments(snapshot.state), plan.model, left, "archived")
        table = stage_rules.archive(writer.table, plan.model, left)
        if left and not dry_run:
            writer.move(table, make_event(context, "archived", None, request.id, **detail))
    return VersionsChanged(plan.model, _EVENTS[plan.action], tuple(numbers), writer.table.revision, bool(left)), trash


def _iter_steps(
    context: RegistryContext,
    models: OneOrMore[str] | None,
    rules: RetentionRules | None,
    on_error: Callable[[RegistryError], None],
    on_warning: Callable[[str], None],
) -> Iterator[tuple[ModelSnapshot, list[RetentionStep]]]:
    """Iterate over models and their steps: deletions first, so that what is archived now is not deleted yet."""
    chosen = (
        iter_model_names(context.layout)
        if models is None
        else [open_model(context, name).name for name in dict.fromkeys(as_list(models, "models"))]
    )
    policies = None if rules else settings.RetentionPolicies(context.layout)
    for name in chosen:
        try:
            snapshot = open_snapshot(context, name, deleted=models is None)
            if models is None and is_deleted(snapshot.paths, snapshot.table):
                continue
            if policies:
                steps = _list_policy_steps(context, snapshot, policies, on_warning)
            else:
                steps = [RetentionStep(name, DELETE, rules)] if rules else []
            if not steps and models is not None:
                raise InvalidInput(
                    f"{name} has no retention policy",
                    "use `older_than`, for example 90d, or add 'retention' to its model.yaml",
                )
        except RegistryError as error:
            on_error(error)
        else:
            yield snapshot, steps


def _list_policy_steps(
    context: RegistryContext,
    snapshot: ModelSnapshot,
    policies: settings.RetentionPolicies,
    on_warning: Callable[[str], None],
) -> list[RetentionStep]:
    """The steps of the policy of a model, with a warning for each metric whose direction is not known."""
    name = snapshot.name
    own = str(snapshot.paths.model.relative_to(context.root))
    policy = policies.for_scope(settings.SettingsScope.for_model(name, snapshot))
    steps = list(iter_policy_steps(name, policy, own))
    undirected = (
        metric
        for step in steps
        for metric in step.rules.directed(_directions(context, step, snapshot), strict=False).undirected
    )
    for metric in dict.fromkeys(undirected):
        on_warning(
            f"{name}: the direction of metric '{metric}' is unknown, so its retention policy keeps every "
            f"version; write {metric}:N:min or {metric}:N:max, or declare 'metrics: {{{metric}: lower}}'"
        )
    return steps


#: So many characters of the rules are kept in the history as the reason.
REASON = 500


class RetentionRequest(NamedTuple):
    """The id of a change, whether it may have been used before, and why it is made."""

    id: str
    given: bool
    reason: str

    @classmethod
    def create(cls, request_id: str | None, reason: str) -> RetentionRequest:
        return cls(request_id or os.urandom(16).hex(), request_id is not None, reason)

    def event_id(self, action: str, chosen: Sequence[int] | None = None) -> str | None:
        """The id of the first event of a step, None if it has none: versions are packed under ids of their own."""
        return None if action == PACK or chosen == () else make_event_id(self.id, 1, action == DELETE)


@contextlib.contextmanager
def _reporting(on_error: Callable[[RegistryError], None]) -> Iterator[None]:
    """After an error in one step of a model the others of that model are left out; the next model has its turn."""
    try:
        yield
    except Indeterminate:
        raise
    except RegistryError as error:
        on_error(error)


def _iter_revisions(plans: Iterable[Plan]) -> Iterator[tuple[Plan, int]]:
    """Each plan, and the revision that its model has when its turn comes: those before it have moved it on."""
    moves: dict[str, int] = {}
    seen = set()
    for plan in plans:
        if (plan.model, plan.action) in seen:
            raise InvalidInput(
                f"the file contains two plans to {plan.action} versions of {plan.model}", "apply one of them"
            )
        seen.add((plan.model, plan.action))
        before = moves.get(plan.model, 0)
        yield plan, plan.revision + before
        moves[plan.model] = before + (bool(plan.chosen) if plan.action == ARCHIVE else len(plan.chosen))


def _flatten(text: str) -> str:
    """As one line of a history: a query may have several."""
    return shorten(replace_unprintable(text), REASON)
