"""What people said of versions, and who signed them, read from the files. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.lazy_dataclass import replace
from ..core.records import JournalEntry, VersionRecord
from ..core.results import Approval, Signature
from ..errors import Damaged, InvalidInput, NotFound, RegistryError
from ..lifecycle import approvals, policy_people
from ..lifecycle.approvals import Ballot, People
from ..lifecycle.events import Wanted
from ..lifecycle.policy import Facts
from ..lifecycle.rollback import Chain
from ..provenance import signatures, signing
from ..store import chronicle, journal
from ..store.layout import Layout
from ..store.reader import ModelReader, State
from . import gating
from .settings import Scope

if TYPE_CHECKING:
    from ..lifecycle.compare import Diff
    from ..lifecycle.gate import Evaluation


class Review(NamedTuple):
    """What a reviewer looks at: the version, what the gate says, what holds the stage and what differs from it.

    ``current`` and ``diff`` are None when the stage is empty, or the version holds it already.
    """

    version: VersionRecord
    evaluation: Evaluation
    current: VersionRecord | None
    diff: Diff | None
    approvals: tuple[Approval, ...]


def belongs(account: str, group: str) -> bool:
    """Whether an account is in a Unix group, as the system says now; False for an account or a group it doesn't know."""
    import grp
    import os
    import pwd

    try:
        wanted, primary = grp.getgrnam(group).gr_gid, pwd.getpwnam(account).pw_gid
    except KeyError:
        return False
    return wanted in os.getgrouplist(account, primary)


def told_of(layout: Layout, model: ModelReader, version: VersionRecord, said: Mapping[str, Any]) -> People:
    """What a gate is told of people."""
    record = model.seal(version.number)
    events, about = signatures.listed(said), signatures.subject(version, record)
    trust = signatures.trust_of(layout)
    return People(
        ballots(model, version, record, said),
        belongs,
        lambda principal: signatures.unsigned(events, about, trust, principal),
        lambda ballot: unproven(ballot, trust),
    )


def unproven(ballot: Ballot, trust: signing.Trust) -> str:
    """Why the signature of an approval does not prove that its author gave it, empty if it does."""
    if signing.SIGNATURE not in ballot.event.detail:
        return "did not sign it"
    found = _looked_at(ballot.event, trust)
    return f"signed it, but {found.problem or 'the signature does not hold'}" if found.code else ""


def ballots(model: ModelReader, version: VersionRecord, record: str, said: Mapping[str, Any]) -> tuple[Ballot, ...]:
    """What people said of a version; ``record`` is the sha256 of its document, ``said`` its annotation."""
    entries = chronicle.newest_first(model.paths, Wanted(actions=approvals.ACTIONS))
    told = [entry for entry in entries if entry.event.version == version.number]
    last = journal.last_entry(model.paths.history) if told else None
    doubted = {entry.event.id: why for entry in told if (why := _doubt(entry, last))}
    return approvals.ballots(version, record, (entry.event for entry in told), said.get("approvals"), doubted)


def _doubt(entry: JournalEntry, last: JournalEntry | None) -> str:
    """Why an approval does not count although a file holds it, empty if it does: a history without it, a file of others."""
    if entry.carrier:
        return f"not given by {entry.event.by}: written by {entry.carrier}"
    return "" if last is not None and entry.seq <= last.seq else "not in the history"


def listed(
    layout: Layout, model: ModelReader, state: State, number: int, now: Callable[[], datetime]
) -> tuple[Approval, ...]:
    """What was said of a version for any stage, and whether it counts by the policies that can be read."""
    version, said = model.version(number, state), model.said(number, state)
    found = ballots(model, version, model.seal(number), said)
    if not found:
        return ()
    try:
        policies = gating.policies(layout, Scope.of_model(model.name)).policies
    except InvalidInput:  # nothing is let in by it; that is not what was asked here
        policies = {}
    trust, people = signatures.trust_of(layout), People(found, belongs)
    people = replace(people, unproven=lambda ballot: unproven(ballot, trust))
    told = []
    for ballot in found:
        rules = policies[ballot.stage].rules if ballot.stage in policies else ()
        conditions = tuple(rule.who for rule in rules if rule.who)
        facts = Facts(ballot.stage, version, (), None, (), {}, now(), people, conditions)
        told.append(_approval(version.ref, ballot, facts, trust))
    return tuple(told)


def _approval(ref: str, ballot: Ballot, facts: Facts, trust: signing.Trust) -> Approval:
    event, state, why = ballot.event, "in-force", ""
    if ballot.lapsed:
        state, why = "lapsed", ballot.lapsed
    elif not ballot.rejects and (why := policy_people.objection(facts, ballot)):
        state = "excluded"
    signature = _looked_at(event, trust) if signing.SIGNATURE in event.detail else None
    reason = str(event.detail.get("reason", ""))
    return Approval(ref, ballot.stage, event.by, event.at, not ballot.rejects, reason, state, why, signature)


def _looked_at(event: Any, trust: signing.Trust) -> Signature:
    """A signature as a list tells it: where it can't be checked, that is what is told."""
    try:
        return trust.look(event)
    except RegistryError as error:
        key = signing.fingerprint(str(event.detail.get(signing.SIGNATURE)))
        return Signature(event.by, event.at, key, code="unchecked", problem=str(error))


def signed(layout: Layout, model: ModelReader, state: State, number: int) -> tuple[Signature, ...]:
    """The signatures of a version."""
    events = signatures.listed(model.said(number, state))
    if not events:
        return ()
    about = signatures.subject(model.sealed(number), model.seal(number))
    trust = signatures.trust_of(layout)
    found = []
    for event in events:
        try:
            found.append(signatures.looked_at(event, about, trust))
        except RegistryError:
            found.append(_looked_at(event, trust))
    return tuple(found)


def line(model: ModelReader, state: State, stage: str) -> Chain:
    """What ``stage`` held, and which of it somebody rejected for the stage."""
    found = chronicle.chains(model.paths, (stage,))[stage]
    entries = chronicle.newest_first(model.paths, Wanted(actions=frozenset({approvals.REJECTED})))
    concerned = {entry.event.version for entry in entries if entry.event.detail.get("stage") == stage}
    rejected = {number for number in found.holders if number in concerned and _is_rejected(model, state, number, stage)}
    return replace(found, rejected=frozenset(rejected))


def _is_rejected(model: ModelReader, state: State, number: int, stage: str) -> bool:
    if number in state.table.deleted:
        return False
    try:
        version, said = model.version(number, state), model.said(number, state)
        found = ballots(model, version, model.seal(number), said)
    except (Damaged, NotFound):
        return False  # what is damaged is not gone back to either, and that is told
    return bool(approvals.in_force(found, stage, rejects=True))
