"""The approvals and signatures of versions, and whether they count."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import Event, JournalEntry, VersionRecord
from ..core.results import Approval, Signature, VersionsChanged
from ..errors import Conflict, Damaged, InvalidInput, NotFound, RegistryError
from ..rules import approvals
from ..rules import stages as rules
from ..rules.approvals import ApprovalInput, RecordedApproval
from ..rules.event_history import EventFilter
from ..rules.policy import policy_rules
from ..rules.policy.policy import PolicyInput
from ..rules.rollback import StageTimeline
from ..store import history, journal
from ..store.codec import Redo
from ..store.layout import FORMAT, Layout
from ..store.reader import ModelReader, ModelState
from ..store.writer import Writer
from ..trust import signatures
from .context import resolve_version
from .settings import SettingsScope, load_policies
from .transaction import make_event, run_signed, transaction

if TYPE_CHECKING:
    from .context import RegistryContext
    from .transaction import EventSigner, Key


def is_member(account: str, group: str) -> bool:
    """Whether an account is in a Unix group, as the system says now; False for an account or a group it doesn't know."""
    import grp
    import pwd

    try:
        wanted, primary = grp.getgrnam(group).gr_gid, pwd.getpwnam(account).pw_gid
    except KeyError:
        return False
    return wanted in os.getgrouplist(account, primary)


def read_people(
    layout: Layout, model: ModelReader, version: VersionRecord, annotation: Mapping[str, Any]
) -> ApprovalInput:
    """What a gate is told of people."""
    record = model.seal(version.number)
    events, about = signatures.parse_signatures(annotation), signatures.signature_subject(version, record)
    trust = signatures.load_trust(layout)
    return ApprovalInput(
        read_ballots(model, version, record, annotation),
        is_member,
        lambda principal: signatures.unsigned(events, about, trust, principal),
        lambda ballot: _find_unproven(ballot, trust),
    )


def _find_unproven(ballot: RecordedApproval, trust: signatures.Trust) -> str:
    """Why the signature of an approval does not prove that its author gave it, empty if it does."""
    if signatures.SIGNATURE not in ballot.event.detail:
        return "did not sign it"
    found = _check_signature(ballot.event, trust)
    return f"signed it, but {found.problem or 'the signature does not hold'}" if found.code else ""


def read_ballots(
    model: ModelReader, version: VersionRecord, record: str, annotation: Mapping[str, Any]
) -> tuple[RecordedApproval, ...]:
    """What people said of a version; ``record`` is the sha256 of its document, ``annotation`` its annotation."""
    entries = history.newest_first(model.paths, EventFilter(actions=approvals.ACTIONS))
    entries_of_version = [entry for entry in entries if entry.event.version == version.number]
    last = journal.last_entry(model.paths.history) if entries_of_version else None
    doubted = {entry.event.id: why for entry in entries_of_version if (why := _find_doubt(entry, last))}
    return approvals.collect_approvals(
        version, record, (entry.event for entry in entries_of_version), annotation.get("approvals"), doubted
    )


def _find_doubt(entry: JournalEntry, last: JournalEntry | None) -> str:
    """Why an approval does not count although a file holds it, empty if it does: a history without it, a file of others."""
    if entry.carrier:
        return f"not given by {entry.event.by}: written by {entry.carrier}"
    return "" if last is not None and entry.seq <= last.seq else "not in the history"


def describe_approvals(
    layout: Layout, model: ModelReader, state: ModelState, number: int, now: Callable[[], datetime]
) -> tuple[Approval, ...]:
    """What was said of a version for any stage, and whether it counts by the policies that can be read."""
    version, annotation = model.version(number, state), model.annotation(number, state)
    found = read_ballots(model, version, model.seal(number), annotation)
    if not found:
        return ()
    try:
        policies = load_policies(layout, SettingsScope.for_model(model.name)).policies
    except InvalidInput:  # nothing is let in by it; that is not what was asked here
        policies = {}
    trust, people = signatures.load_trust(layout), ApprovalInput(found, is_member)
    people = replace(people, unproven=lambda ballot: _find_unproven(ballot, trust))
    described = []
    for ballot in found:
        rules = policies[ballot.stage].rules if ballot.stage in policies else ()
        conditions = tuple(rule.who for rule in rules if rule.who)
        facts = PolicyInput(ballot.stage, version, (), None, (), {}, now(), people, conditions)
        described.append(_approval(version.ref, ballot, facts, trust))
    return tuple(described)


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


def describe_signatures(layout: Layout, model: ModelReader, state: ModelState, number: int) -> tuple[Signature, ...]:
    """The signatures of a version."""
    events = signatures.parse_signatures(model.annotation(number, state))
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


def read_chain(model: ModelReader, state: ModelState, stage: str) -> StageTimeline:
    """What ``stage`` held, and which of it somebody rejected for the stage."""
    found = history.stage_timelines(model.paths, (stage,))[stage]
    entries = history.newest_first(model.paths, EventFilter(actions=frozenset({approvals.REJECTED})))
    concerned = {entry.event.version for entry in entries if entry.event.detail.get("stage") == stage}
    rejected = {number for number in found.holders if number in concerned and _is_rejected(model, state, number, stage)}
    return replace(found, rejected=frozenset(rejected))


def _is_rejected(model: ModelReader, state: ModelState, number: int, stage: str) -> bool:
    if number in state.table.deleted:
        return False
    try:
        version, annotation = model.version(number, state), model.annotation(number, state)
        found = read_ballots(model, version, model.seal(number), annotation)
    except (Damaged, NotFound):
        return False  # what is damaged is not gone back to either, and that is told
    return bool(approvals.select_in_force(found, stage, rejects=True))


def list_approvals(context: RegistryContext, ref: str | Reference) -> tuple[Approval, ...]:
    """What people said of a version for any stage, the oldest first, and whether it counts."""
    model, state, number = resolve_version(context, ref)
    return describe_approvals(context.layout, model, state, number, context.clock)


def approve(
    context: RegistryContext,
    ref: str | Reference,
    stage: str,
    *,
    reject: bool = False,
    reason: str = "",
    seen: VersionRecord | None = None,
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Say that a version may enter ``stage``, or with ``reject`` that it may not, which needs a ``reason``.

    It holds for this version, as its params, metrics and tags are now. What the same account said before for this
    stage holds no more. ``seen`` is the version as it was looked at: it must be so still. ``sign`` is the path of a
    key that signs the event.

    Raises :class:`NotFound`, :class:`Conflict` for an archived version or one that is not as it was ``seen``,
    :class:`InvalidInput`.
    """
    reference = Reference.parse_version(ref)
    rules.check_stage(stage, context.stages)
    if reject and not reason.strip():
        raise InvalidInput("a rejection needs a reason", "say why: --reason TEXT")
    values.line(reason, "reason")
    action = approvals.REJECTED if reject else approvals.APPROVED

    def change(signer: EventSigner | None) -> VersionsChanged:
        with transaction(context, reference.model, request_id, action) as (writer, done):
            if done:
                return VersionsChanged(reference.model, action, (done.event.version or 0,), done.revision, False)
            model, state = ModelReader(writer.paths), ModelState(writer.table)
            number = model.resolve(reference.or_latest(), writer.table)
            rules.check_in_use(writer.table, model.name, number)
            version, annotation = model.version(number, state), model.annotation(number, state)
            record = model.seal(number)
            about = approvals.describe_subject(version, record)
            if seen is not None and approvals.describe_subject(seen, record) != about:
                raise Conflict(f"{version.ref} was changed while it was looked at", "look again, then decide")
            event = make_event(context, action, number, request_id, stage=stage, reason=reason)
            event = replace(event, detail={"stage": stage, **about, **event.detail})
            so_already = not sign and any(
                (each.by, each.event.action, each.event.detail.get("reason", "")) == (context.author, action, reason)
                for each in read_ballots(model, version, record, annotation)
                if each.stage == stage and not each.lapsed
            )
            if dry_run or so_already or (signer and signer.keep_draft(event, model)):
                return VersionsChanged(reference.model, action, (number,), writer.table.revision, not so_already)
            event = signer.make_signed_event(event, model) if signer else event
            return _commit_annotation(
                writer, annotation, "approvals", approvals.add_approval(annotation.get("approvals"), event), event
            )

    return run_signed(change, sign)


def sign(
    context: RegistryContext,
    ref: str | Reference,
    key: Key,
    *,
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Sign a version with the key at this path: its manifest, and all that was registered of it.

    An earlier signature by the same key is replaced. Raises :class:`NotFound`, :class:`InvalidInput` for a key that
    can't sign, :class:`RegistryError` where there is no OpenSSH.
    """
    reference = Reference.parse_version(ref)

    def change(signer: EventSigner | None) -> VersionsChanged:
        with transaction(context, reference.model, request_id, "signed") as (writer, done):
            if done:
                return VersionsChanged(reference.model, "signed", (done.event.version or 0,), done.revision, False)
            model, state = ModelReader(writer.paths), ModelState(writer.table)
            number = model.resolve(reference.or_latest(), writer.table)
            annotation = model.annotation(number, state)
            event = make_event(context, "signed", number, request_id)
            event = replace(event, detail=signatures.signature_subject(model.sealed(number), model.seal(number)))
            if signer is None or signer.keep_draft(event, model):
                return VersionsChanged(reference.model, "signed", (number,), writer.table.revision)
            event = signer.make_signed_event(event, model)
            return _commit_annotation(
                writer, annotation, "signatures", signatures.add_signature(annotation, event), event
            )

    return run_signed(change, None if dry_run else key)


def _commit_annotation(
    writer: Writer, annotation: Mapping[str, Any], kind: str, entries: list[Any], event: Event
) -> VersionsChanged:
    """Commit the annotation of a version with these entries in place of its own."""
    number = event.version or 0
    redo = Redo(writer.paths.relative(writer.paths.annotation(number)), {"format": FORMAT, **annotation, kind: entries})
    table = writer.move(writer.table, event, redo)
    return VersionsChanged(writer.paths.name, event.action, (number,), table.revision)
