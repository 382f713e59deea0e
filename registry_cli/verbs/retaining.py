"""Archiving, packing and deleting by rules: which versions go is planned, looked at again under the lock, and carried out."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core.names import Reference
from ..core.records import VersionRecord
from ..core.results import Changed
from ..core.values import OneOrMore, as_list
from ..core.version_ranges import Numbers
from ..errors import Conflict, InvalidInput, NotFound, RegistryError
from ..lifecycle import stages as stage_rules
from ..lifecycle.stages import ARCHIVE, DELETE, PACK
from ..store import chronicle, codec, collect, reader
from ..store.reader import ModelReader
from ..store.writer import Writer
from .archiving import Archiving, _identity, _in_turn
from .listing import raise_it
from .packing import Wanted
from .steps import Request, Step, each_of, name_of, of_policy, plain, revisions

if TYPE_CHECKING:  # every command that writes imports this module, and hardly any has rules
    from ..lifecycle.directions import Directions
    from ..lifecycle.retention import Plan
    from ..lifecycle.retention_rules import Rules

_DEEDS = {ARCHIVE: "archived", DELETE: "deleted", PACK: "packed"}


#: What versions were made from: a reference, and the version that names it in its lineage.
Children = list[tuple[Reference, VersionRecord]]


def ignore(_: str) -> None:
    """Pass over a warning."""


class Carried(NamedTuple):
    """What was done, and the folders that are to be removed after it, without the lock."""

    changed: Changed
    trash: list[Path]


class Retaining(Archiving):
    """``plan`` says what rules would do, ``retain`` does it, ``apply`` does what was planned, ``prune`` all of it."""

    def plan(self, name: str, action: str, rules: Rules) -> Plan:
        """What ``rules`` would archive or delete of a model, and why; nothing is locked or changed.

        ``action`` is ``archive`` (among the versions in use), ``delete`` (among the archived) or ``pack`` (what is
        archived, or would be, as ``rules.compress`` says, where that frees something). Raises
        :class:`InvalidInput` for a metric that no version has, :class:`Damaged` when a version can't be read.
        """
        return self._plan(Step(name, action, rules), self._now(), self._children(action))

    def retain(
        self, name: str, action: str, rules: Rules, *, reason: str = "", request_id: str | None = None
    ) -> Changed:
        """Archive, delete or pack what ``rules`` choose, as :meth:`plan` says; nothing is changed when that is nothing."""
        request = Request.of(request_id, reason)
        with _in_turn(request.id, False) as outcomes:
            self._retain(Step(name, action, rules), self._children(action), request, outcomes)
        return outcomes[0]

    def apply(
        self, plans: Iterable[Plan], *, reason: str = "", dry_run: bool = False, request_id: str | None = None
    ) -> list[Changed]:
        """Carry out exactly these plans; what was carried out before, or in part, is not done twice.

        Raises :class:`Conflict` for a model that has changed since: all are looked at before the first is touched.
        """
        expected = list(revisions(plans))
        request = Request(request_id or name_of(plan for plan, _ in expected), True, reason)
        for plan, revision in expected:
            with self._writing(plan.model) as writer:
                self._left(writer, plan, range(plan.revision, revision + 1), request)
        with _in_turn(request.id, dry_run) as outcomes:
            for plan, revision in expected:
                with self._writing(plan.model) as writer:
                    due = plan.revision if dry_run else revision  # nothing was moved on
                    numbers, left = self._left(writer, plan, (due,), request)
                    if plan.action != PACK:
                        done = self._carry_out(writer, plan, numbers, left, request, dry_run)
                        outcomes.append(done.changed)
                if plan.action != PACK:
                    self._clean(done)
                elif not dry_run:
                    self._pack(plan.model, numbers, self._wanted(plan, request), outcomes)
                else:
                    outcomes.append(Changed(plan.model, "packed", tuple(numbers), revision, bool(left), plan.freed))
        return outcomes

    def prune_plans(
        self,
        models: OneOrMore[str] | None = None,
        rules: Rules | None = None,
        *,
        on_error: Callable[[RegistryError], None] = raise_it,
        on_warning: Callable[[str], None] = ignore,
    ) -> list[Plan]:
        """What :meth:`prune` would do; ``on_warning`` is told of rules of a policy that keep every version."""
        children = self._children(DELETE)
        found: list[Plan] = []
        for steps in self._steps(models, rules, on_error, on_warning):
            plans = list(each_of(steps, lambda step: self._plan(step, self._now(), children), on_error))
            gone = {number: "deleted before" for each in plans if each.action == DELETE for number in each.chosen}
            found += [each.without(gone) if each.action == PACK else each for each in plans]
        return found

    def prune(
        self,
        models: OneOrMore[str] | None = None,
        rules: Rules | None = None,
        *,
        reason: str = "",
        request_id: str | None = None,
        on_error: Callable[[RegistryError], None] = raise_it,
        on_warning: Callable[[str], None] = ignore,
    ) -> list[Changed]:
        """Delete the archived versions that ``rules`` choose, of some models or of all.

        Without rules each model's policy is followed: what its ``model.yaml``, else the ``group.yaml`` of its group, else
        ``registry.yaml``, says under ``retention`` to delete and to archive. ``on_error`` is told of each model that can't be done; nothing is done
        to that one, and the others have their turn. ``on_warning`` is told of rules of a policy that keep every version
        because the direction of their metric is not known. Raises :class:`InvalidInput` for a slip in ``registry.yaml``, and
        for a model that was named and has no policy.
        """
        children = self._children(DELETE)
        request = Request.of(request_id, reason)
        with _in_turn(request.id, False) as outcomes:
            for steps in self._steps(models, rules, on_error, on_warning):
                judged = each_of(steps, lambda step: self._judged(step, self._now(), children), on_error)
                if len(list(judged)) < len(steps):  # a slip in one of them: none is done
                    continue
                for _ in each_of(steps, lambda step: self._retain(step, children, request, outcomes), on_error):
                    pass
        return outcomes

    def _retain(self, step: Step, children: Children, request: Request, outcomes: list[Changed]) -> None:
        if step.action == PACK:
            plan = self._plan(step, self._now(), children)
            wanted = self._wanted(plan, request)
            numbers = Numbers.of(plan.chosen) | self._packed_before(plan.model, wanted)
            self._pack(plan.model, numbers, wanted, outcomes)
            return
        now = self._now()
        plan = self._judged(step, now, children)  # slow, and needs no lock: looked at again below
        with self._writing(step.model) as writer:
            begun = self._begun(writer, step.action, request) if request.given else None
            if begun is None and (writer.table.revision, writer.highest) != (plan.revision, plan.highest):
                plan = self._judged(step, now, children)
            numbers, left = begun or (Numbers.of(plan.chosen),) * 2
            done = self._carry_out(writer, plan, numbers, left, request, False)
            outcomes.append(done.changed)
        self._clean(done)

    def _plan(self, step: Step, now: datetime, children: Children) -> Plan:
        plan = self._judged(step, now, children)
        if plan.action == PACK:
            return self._worthwhile(plan)
        return plan.with_freed(collect.freed_by(self._layout.model(plan.model), plan.chosen))

    def _worthwhile(self, plan: Plan) -> Plan:
        """A plan to pack, without what would free nothing, or is not ours to pack."""
        from ..store import packing

        model = self._model(plan.model)
        owned = [number for number in plan.chosen if packing.is_owned(model.paths, number)]
        found = packing.worthwhile(model, owned)
        reasons = dict.fromkeys(plan.chosen, "belongs to another user")
        reasons |= dict.fromkeys(owned, "to pack it would free nothing")
        return plan.without({n: why for n, why in reasons.items() if n not in found}).with_freed(found)

    def _wanted(self, plan: Plan, request: Request) -> Wanted:
        reason = request.reason or plain(f"retention: {plan.rules}")
        return Wanted(plan.compress, request.id, request.given, reason)

    def _judged(self, step: Step, now: datetime, children: Children) -> Plan:
        from ..lifecycle import retention

        model = self._model(step.model)
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
        directions = self._directions(step)
        stages = tuple(dict.fromkeys((*self.stages, *state.table.stages)))
        since = {}
        if step.action == DELETE:
            entries = reversed(list(chronicle.newest_first(model.paths)))
            since = retention.archived_since(entry.event for entry in entries)
        document = model.document(state)
        formerly, identity = codec.former_names(document), codec.model_id(document)
        needed = {
            number: child.ref
            for reference, child in children
            if child.model != model.name and retention.means(reference, child, identity, (model.name, *formerly))
            for number in retention.named(reference, versions)
        }
        chains = chronicle.chains(model.paths, stages)
        known = retention.Known(
            model.name, versions, state.table, chains, highest, since, needed, formerly, directions, identity
        )
        return retention.plan(known, step.rules, now, step.action)

    def _undirected(self, step: Step) -> tuple[str, ...]:
        return step.rules.directed(self._directions(step), strict=False).undirected

    def _directions(self, step: Step) -> Directions:
        """The directions of the model's metrics. Raises :class:`InvalidInput` where the rules need one that is not known."""
        from ..lifecycle.directions import LISTED

        if not step.rules.best:
            return LISTED
        from . import settings

        found = settings.directions(self._layout, settings.Scope.of_model(step.model))
        step.rules.directed(found, strict=not step.policy)
        return found

    def _children(self, action: str) -> Children:
        """What versions, of whichever model, say they were made from; only what is deleted is lost to them."""
        from ..lifecycle import retention

        if action != DELETE:
            return []
        return [(parent, child) for child in self.search(archived=True) for parent in retention.parents(child)]

    def _begun(self, writer: Writer, action: str, request: Request) -> tuple[Numbers, Numbers] | None:
        """All that this request was about, and what is left of it, when it was begun before."""
        if action == PACK:
            return None
        identity = _identity(request.id, 1, action == DELETE)
        entry = writer.done_before(identity, _DEEDS[action])
        if entry is None:
            return None
        numbers = Numbers.parse(str(entry.event.detail.get("versions", entry.event.version or "")))
        return numbers, numbers - writer.table.deleted if action == DELETE else Numbers()

    def _left(self, writer: Writer, plan: Plan, revisions: Container[int], request: Request) -> tuple[Numbers, Numbers]:
        """What a plan is about, and what is left to do of it. :class:`Conflict` if it is out of date."""
        numbers = Numbers.of(plan.chosen)
        if not numbers:
            return numbers, numbers
        if begun := self._begun(writer, plan.action, request):
            return begun
        if plan.action == PACK and self._packed_before(plan.model, self._wanted(plan, request)):
            return numbers, numbers - writer.table.packed
        model = writer.paths.name
        if writer.table.revision not in revisions or writer.highest != plan.highest:
            raise Conflict(
                f"{model} has changed since this was planned: revision {plan.revision} and version {plan.highest} then, "
                f"revision {writer.table.revision} and version {writer.highest} now",
                "plan it again",
            )
        there = Numbers.of(ModelReader(writer.paths).numbers(writer.table))
        used = there - writer.table.archived
        fit = {DELETE: there - used, ARCHIVE: used, PACK: there - writer.table.packed}[plan.action]
        if wrong := numbers - fit:
            state = {DELETE: "archived", ARCHIVE: "in use", PACK: "there and unpacked"}[plan.action]
            raise Conflict(f"{model}: {wrong} can't be {_DEEDS[plan.action]}: not {state}", "plan it again")
        return numbers, numbers

    def _carry_out(
        self, writer: Writer, plan: Plan, numbers: Numbers, left: Numbers, request: Request, dry_run: bool
    ) -> Carried:
        """One change of the stage table to archive, one a version to delete, the oldest first."""
        reason = request.reason or plain(f"retention: {plan.rules}")
        trash = []
        if plan.action == DELETE:
            self._check_deletable(writer, left, False)
            if left and not dry_run:
                trash = self._delete(writer, numbers, left, request.id, {"reason": reason, "versions": str(numbers)})
        else:
            self._refuse_rollback_targets(writer, left)
            table = stage_rules.archive(writer.table, plan.model, left)
            if left and not dry_run:
                writer.move(table, self._event("archived", None, request.id, versions=str(numbers), reason=reason))
        done = Changed(plan.model, _DEEDS[plan.action], tuple(numbers), writer.table.revision, bool(left))
        return Carried(done, trash)

    def _clean(self, done: Carried) -> None:
        """Slow, and needs no lock."""
        collect.remove_trash(self._layout.model(done.changed.model), done.trash)

    def _steps(
        self,
        models: OneOrMore[str] | None,
        rules: Rules | None,
        on_error: Callable[[RegistryError], None],
        on_warning: Callable[[str], None],
    ) -> Iterator[list[Step]]:
        """What is to be done, model by model: first to delete, so that what is archived now has its time."""
        chosen = (
            self.model_names()
            if models is None
            else [self._model(name).name for name in dict.fromkeys(as_list(models, "models"))]
        )
        if rules:
            yield from ([Step(name, DELETE, rules)] for name in chosen)
            return
        from . import settings
        from .keeping_rules import Retention

        retention = Retention(self._layout)
        for name in chosen:
            try:
                model = self._model(name)
                own = str(model.paths.model.relative_to(self.root))
                steps = list(of_policy(name, retention.of(settings.Scope.of_model(name)), own))
                if not steps and models is not None:
                    raise InvalidInput(
                        f"{name} has no retention policy",
                        "say how old (--older-than 90d), or write 'retention' into its model.yaml",
                    )
                for metric in dict.fromkeys(each for step in steps for each in self._undirected(step)):
                    on_warning(
                        f"{name}: the direction of metric '{metric}' is not known, so its retention policy keeps every "
                        f"version; write {metric}:N:min or {metric}:N:max, or declare 'metrics: {{{metric}: lower}}'"
                    )
            except RegistryError as error:
                on_error(error)
            else:
                yield steps
