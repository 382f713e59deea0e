"""The gate before a stage, on the way in: what is slow comes before the lock, what counts is the look under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.names import Reference
from ..errors import Conflict, Refused
from ..lifecycle import stages as rules
from ..store.reader import ModelReader, State
from ..store.writer import Writer
from .base import RegistryBase

if TYPE_CHECKING:
    from ..lifecycle.checks import Check
    from ..lifecycle.policy import Found


class Ran(NamedTuple):
    """What the checks found of version ``number``, whose files have this ``digest``, before the lock was taken."""

    number: int
    digest: str
    found: Mapping[Check, Found]


class Guarding(RegistryBase):
    """What ``promote`` and ``register --stage`` ask of a policy."""

    def _tell_refused(self, name: str, error: Refused, reason: str) -> None:
        """A gate that stayed shut is told as an event, too; no history has it, since nothing has changed."""
        evaluation = getattr(error, "evaluation", None)
        if evaluation is not None:
            number = Reference.parse(evaluation.ref).or_latest().number
            failed = list(evaluation.failed)
            self._tell(
                name, self._event("gate-refused", number, None, stage=evaluation.stage, failed=failed, reason=reason)
            )

    def _before(self, reference: Reference, stage: str, force: bool, whole: bool) -> Ran:
        """All that is slow, before the lock: the artifact is compared, then the checks of the stage are run on it.

        Neither is done for what the policy refuses anyway; what counts is the look under the lock.
        """
        from ..lifecycle import gate
        from . import checking, gating
        from .settings import Scope

        model, state, number = self._resolved(reference)
        rules.in_use(state.table, model.name, number)
        self._complete_approval(model, state)
        read = gating.policies(self._layout, Scope.of_model(model.name))
        passed = dict.fromkeys(checking.wanted(read.policies, stage), checking.NOT_YET)
        early = gating.evaluation(self._layout, model, state, number, stage, self._now, read, passed)
        gate.refuse(early, force=force)
        self._checked(Reference.parse(f"{model.name}@{number}"), whole)
        found, trusted = self._ran(model, state, number, stage, read)
        if not trusted and not (force and early.forcible):
            raise checking.untrusted(stage, model.name)
        return Ran(number, model.version(number, state).digest if found else "", found)

    def _complete_approval(self, model: ModelReader, state: State) -> None:
        """Recover a model whose last writer died between an approval and its line of the history: only then it counts."""
        from ..lifecycle import approvals
        from ..store import journal

        changed = state.table.changed
        if changed is None or changed.action not in approvals.ACTIONS:
            return
        last = journal.last_entry(model.paths.history)
        if last is None or last.revision < state.table.revision:
            with self._writing(model.name):
                pass  # opening it for writing recovers it

    def _refuse_gate(self, name: str, stage: str) -> None:
        """Before a version is there at all: raise for a policy that can't be read, and for checks that are not trusted."""
        from . import checking, gating
        from .settings import Scope

        policies = gating.policies(self._layout, Scope.to_be(self._layout, name)).policies
        if checking.wanted(policies, stage) and not self._trusts(name, policies):
            raise checking.untrusted(stage, name)

    def _let_in(self, writer: Writer, ran: Ran, stage: str, force: bool) -> dict[str, Any]:
        """Raise :class:`Refused` unless the policy lets the version in; what the event says of rules passed over.

        What the checks found counts for the files and the commands that they were run with, and no others.
        """
        from ..lifecycle import gate
        from . import checking, gating
        from .settings import Scope

        model, state = ModelReader(writer.paths), State(writer.table)
        read = gating.policies(self._layout, Scope.of_model(model.name))
        wanted = checking.wanted(read.policies, stage)
        if not ran.found.keys() >= set(wanted):
            raise Conflict(f"the checks of {stage} were changed while they ran", "look again, then promote")
        if wanted and model.version(ran.number, state).digest != ran.digest:
            raise Conflict(f"{model.name}@{ran.number} is not what was checked any more", "look again, then promote")
        evaluation = gating.evaluation(self._layout, model, state, ran.number, stage, self._now, read, ran.found)
        gate.refuse(evaluation, force=force)
        return {} if evaluation.passed else {"forced": True, "failed": list(evaluation.failed)}

    def _checked(self, reference: Reference, verify: bool) -> int:
        if verify:
            return self.check(reference).number
        model, state, number = self._resolved(reference)
        model.check_size(model.version(number, state))
        return number
