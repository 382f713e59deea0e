"""The approvals and signatures of versions, and whether they count."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import JournalEntry, VersionRecord
from ..core.results import Approval, Signature
from ..errors import Damaged, InvalidInput, NotFound, RegistryError
from ..rules import approvals
from ..rules.approvals import ApprovalInput, RecordedApproval
from ..rules.event_history import EventFilter
from ..rules.policy import policy_rules
from ..rules.policy.policy import PolicyInput
from ..rules.rollback import StageTimeline
from ..store import history, journal
from ..store.layout import Layout
from ..store.reader import ModelReader, State
from ..trust import signatures
from .context import resolve_version
from .settings import Scope

if TYPE_CHECKING:
    from ..core.results import Approval, Signature
    from .context import RegistryContext


def is_member(account: str, group: str) -> bool:
    """Whether an account is in a Unix group, as the system says now; False for an account or a group it doesn't know."""
    import grp
    import pwd

    try:
        wanted, primary = grp.getgrnam(group).gr_gid, pwd.getpwnam(account).pw_gid
    except KeyError:
        return False
    return wanted in os.getgrouplist(account, primary)


def read_people(layout: Layout, model: ModelReader, version: VersionRecord, said: Mapping[str, Any]) -> ApprovalInput:
    """What a gate is told of people."""
    record = model.seal(version.number)
    events, about = signatures.parse_signatures(said), signatures.signature_subject(version, record)
    trust = signatures.load_trust(layout)
    return ApprovalInput(
        read_ballots(model, version, record, said),
        is_member,
        lambda principal: signatures.unsigned(events, about, trust, principal),
        lambda ballot: _unproven(ballot, trust),
    )


def _unproven(ballot: RecordedApproval, trust: signatures.Trust) -> str:
    """Why the signature of an approval does not prove that its author gave it, empty if it does."""
    if signatures.SIGNATURE not in ballot.event.detail:
        return "did not sign it"
    found = _check_signature(ballot.event, trust)
    return f"signed it, but {found.problem or 'the signature does not hold'}" if found.code else ""


def read_ballots(
    model: ModelReader, version: VersionRecord, record: str, said: Mapping[str, Any]
) -> tuple[RecordedApproval, ...]:
    """What people said of a version; ``record`` is the sha256 of its document, ``said`` its annotation."""
    entries = history.newest_first(model.paths, EventFilter(actions=approvals.ACTIONS))
    told = [entry for entry in entries if entry.event.version == version.number]
    last = journal.last_entry(model.paths.history) if told else None
    doubted = {entry.event.id: why for entry in told if (why := _doubt(entry, last))}
    return approvals.collect_approvals(version, record, (entry.event for entry in told), said.get("approvals"), doubted)


def _doubt(entry: JournalEntry, last: JournalEntry | None) -> str:
    """Why an approval does not count although a file holds it, empty if it does: a history without it, a file of others."""
    if entry.carrier:
        return f"not given by {entry.event.by}: written by {entry.carrier}"
    return "" if last is not None and entry.seq <= last.seq else "not in the history"


def describe_approvals(
    layout: Layout, model: ModelReader, state: State, number: int, now: Callable[[], datetime]
) -> tuple[Approval, ...]:
    """What was said of a version for any stage, and whether it counts by the policies that can be read."""
    from .policies import load_policies

    version, said = model.version(number, state), model.said(number, state)
    found = read_ballots(model, version, model.seal(number), said)
    if not found:
        return ()
    try:
        policies = load_policies(layout, Scope.of_model(model.name)).policies
    except InvalidInput:  # nothing is let in by it; that is not what was asked here
        policies = {}
    trust, people = signatures.load_trust(layout), ApprovalInput(found, is_member)
    people = replace(people, unproven=lambda ballot: _unproven(ballot, trust))
    told = []
    for ballot in found:
        rules = policies[ballot.stage].rules if ballot.stage in policies else ()
        conditions = tuple(rule.who for rule in rules if rule.who)
        facts = PolicyInput(ballot.stage, version, (), None, (), {}, now(), people, conditions)
        told.append(_approval(version.ref, ballot, facts, trust))
    return tuple(told)


def _approval(ref: str, ballot: RecordedApproval, facts: PolicyInput, trust: signatures.Trust) -> Approval:
    event, state, why = ballot.event, "in-force", ""
    if ballot.lapsed:
        state, why = "lapsed", ballot.lapsed
    elif not ballot.rejects and (why := policy_rules.objection(facts, ballot)):
        state = "excluded"
    signature = _check_signature(event, trust) if signatures.SIGNATURE in event.detail else None
    reason = str(event.detail.get("reason", ""))
    return Approval(ref, ballot.stage, event.by, event.at, not ballot.rejects, reason, state, why, signature)


def _check_signature(event: Any, trust: signatures.Trust) -> Signature:
    """A signature as a list tells it: where it can't be checked, that is what is told."""
    try:
        return trust.look(event)
    except RegistryError as error:
        key = signatures.fingerprint(str(event.detail.get(signatures.SIGNATURE)))
        return Signature(event.by, event.at, key, code="unchecked", problem=str(error))


def describe_signatures(layout: Layout, model: ModelReader, state: State, number: int) -> tuple[Signature, ...]:
    """The signatures of a version."""
    events = signatures.parse_signatures(model.said(number, state))
    if not events:
        return ()
    about = signatures.signature_subject(model.sealed(number), model.seal(number))
    trust = signatures.load_trust(layout)
    found = []
    for event in events:
        try:
            found.append(signatures.verify_version_signature(event, about, trust))
        except RegistryError:
            found.append(_check_signature(event, trust))
    return tuple(found)


def read_chain(model: ModelReader, state: State, stage: str) -> StageTimeline:
    """What ``stage`` held, and which of it somebody rejected for the stage."""
    found = history.chains(model.paths, (stage,))[stage]
    entries = history.newest_first(model.paths, EventFilter(actions=frozenset({approvals.REJECTED})))
    concerned = {entry.event.version for entry in entries if entry.event.detail.get("stage") == stage}
    rejected = {number for number in found.holders if number in concerned and _is_rejected(model, state, number, stage)}
    return replace(found, rejected=frozenset(rejected))


def _is_rejected(model: ModelReader, state: State, number: int, stage: str) -> bool:
    if number in state.table.deleted:
        return False
    try:
        version, said = model.version(number, state), model.said(number, state)
        found = read_ballots(model, version, model.seal(number), said)
    except (Damaged, NotFound):
        return False  # what is damaged is not gone back to either, and that is told
    return bool(approvals.select_in_force(found, stage, rejects=True))


def list_approvals(context: RegistryContext, ref: str | Reference) -> tuple[Approval, ...]:
    """What people said of a version for any stage, the oldest first, and whether it counts."""
    model, state, number = resolve_version(context, ref)
    return describe_approvals(context.layout, model, state, number, context.clock)
