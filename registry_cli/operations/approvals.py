"""The approvals and signatures of versions, and whether they count."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import JournalEntry, VersionRecord
from ..core.results import Approval, Signature, VersionsChanged
from ..errors import Conflict, Damaged, InvalidInput, NotFound, RegistryError
from ..rules import approvals
from ..rules import stages as rules
from ..rules.approvals import ApprovalInput, RecordedApproval
from ..rules.policy import policy_rules
from ..rules.policy.policy import Policies, PolicyInput, StagePolicy
from ..rules.rollback import StageTimeline
from ..store import history
from ..store.layout import FORMAT, Layout
from ..store.reader import ModelSnapshot
from ..trust import signatures
from .context import open_snapshot, resolve_version
from .settings import SettingsScope, load_policies
from .transaction import commit_annotation, make_event, run_signed, take_snapshot, transaction

if TYPE_CHECKING:
    from .context import RegistryContext
    from .transaction import EventSigner, Key


def is_member(account: str, group: str) -> bool:
    """Whether an account is in a Unix group, as the system says now; False for an account or a group it doesn't know."""
    try:
        wanted, primary = grp.getgrnam(group).gr_gid, pwd.getpwnam(account).pw_gid
    except KeyError:
        return False
    return wanted in os.getgrouplist(account, primary)


def read_people(layout: Layout, snapshot: ModelSnapshot, number: int) -> ApprovalInput:
    """What the gate needs to know of approvals and signatures of a version."""
    record = snapshot.model.seal(number)
    events = signatures.parse_signatures(snapshot.annotation(number))
    about = signatures.signature_subject(snapshot.version(number), record)
    trust = signatures.load_trust(layout)
    return ApprovalInput(
        read_ballots(snapshot, number, record),
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


def read_ballots(snapshot: ModelSnapshot, number: int, record: str) -> tuple[RecordedApproval, ...]:
    """The approvals and rejections of a version; ``record`` is the sha256 of its document."""
    entries = [
        entry
        for entry in reversed(history.read_entries(snapshot, history.STAGE))
        if entry.event.action in approvals.ACTIONS and entry.event.version == number
    ]
    doubted = {entry.event.id: why for entry in entries if (why := _find_doubt(entry, snapshot.last))}
    recorded = snapshot.annotation(number).get("approvals")
    events = (entry.event for entry in entries)
    return approvals.collect_approvals(snapshot.version(number), record, events, recorded, doubted)


def _find_doubt(entry: JournalEntry, last: JournalEntry | None) -> str:
    """Why an approval does not count although a file holds it, empty if it does: a history without it, a file of others."""
    if entry.carrier:
        return f"not given by {entry.event.by}: written by {entry.carrier}"
    return "" if last is not None and entry.seq <= last.seq else "not in the history"


def describe_approvals(context: RegistryContext, snapshot: ModelSnapshot, number: int) -> tuple[Approval, ...]:
    """The approvals of a version for any stage, and whether each counts by the policies that can be read."""
    version = snapshot.version(number)
    found = read_ballots(snapshot, number, snapshot.model.seal(number))
    if not found:
        return ()
    try:
        policies = load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot)).policies
    except InvalidInput:  # nothing is let in by it; that is not what was asked here
        policies = {}
    trust = signatures.load_trust(context.layout)
    people = ApprovalInput(found, is_member, unproven=lambda ballot: _find_unproven(ballot, trust))
    described = []
    for ballot in found:
        event, state, why = ballot.event, "in-force", ""
        if ballot.lapsed:
            state, why = "lapsed", ballot.lapsed
        elif not ballot.rejects and (why := find_exclusion(context, version, policies, ballot, people)):
            state = "excluded"
        signature = _check_signature(event, trust) if signatures.SIGNATURE in event.detail else None
        reason = str(event.detail.get("reason", ""))
        described.append(
            Approval(version.ref, ballot.stage, event.by, event.at, not ballot.rejects, reason, state, why, signature)
        )
    return tuple(described)


def find_exclusion(
    context: RegistryContext,
    version: VersionRecord,
    policies: Policies,
    ballot: RecordedApproval,
    people: ApprovalInput,
) -> str:
    """Why an approval does not count by the policy of its stage; empty if it does."""
    objections = tuple(rule.objection for rule in policies.get(ballot.stage, StagePolicy()).rules if rule.objection)
    facts = PolicyInput(ballot.stage, version, (), None, (), {}, context.clock(), people, objections)
    return policy_rules.find_objection(facts, ballot)


def find_own_exclusion(context: RegistryContext, version: VersionRecord, stage: str, policies: Policies) -> str:
    """Why an approval that the author signs now would not count; empty if it would."""
    event = make_event(context, approvals.APPROVED, version.number, None, stage=stage)
    people = ApprovalInput((), is_member, unproven=lambda _: "")
    return find_exclusion(context, version, policies, RecordedApproval(event), people)


def _check_signature(event: Any, trust: signatures.Trust) -> Signature:
    """Check a signature for a list; one that can't be checked is listed with the reason."""
    try:
        return trust.verify(event)
    except RegistryError as error:
        key = signatures.fingerprint(str(event.detail.get(signatures.SIGNATURE)))
        return Signature(event.by, event.at, key, code="unchecked", problem=str(error))


def describe_signatures(layout: Layout, snapshot: ModelSnapshot, number: int) -> tuple[Signature, ...]:
    events = signatures.parse_signatures(snapshot.annotation(number))
    if not events:
        return ()
    about = signatures.signature_subject(snapshot.sealed(number), snapshot.model.seal(number))
    trust = signatures.load_trust(layout)
    found = []
    for event in events:
        try:
            found.append(signatures.verify_version_signature(event, about, trust))
        except RegistryError:
            found.append(_check_signature(event, trust))
    return tuple(found)


def read_chain(snapshot: ModelSnapshot, stage: str) -> StageTimeline:
    """Return what ``stage`` held, and which of these versions were rejected for it."""
    entries = history.read_entries(snapshot, history.STAGE)
    found = history.stage_timelines(entries, (stage,))[stage]
    events = (entry.event for entry in entries if entry.event.action == approvals.REJECTED)
    concerned = {event.version for event in events if event.detail.get("stage") == stage}
    rejected = {number for number in found.holders if number in concerned and _is_rejected(snapshot, number, stage)}
    return replace(found, rejected=frozenset(rejected))


def _is_rejected(snapshot: ModelSnapshot, number: int, stage: str) -> bool:
    if number in snapshot.table.deleted:
        return False
    try:
        found = read_ballots(snapshot, number, snapshot.model.seal(number))
    except (Damaged, NotFound):
        return False  # what is damaged is not gone back to either, and that is told
    return bool(approvals.select_in_force(found, stage, rejects=True))


def list_approvals(context: RegistryContext, ref: str | Reference) -> tuple[Approval, ...]:
    """Return the approvals and rejections of a version, the oldest first, and whether each counts."""
    return describe_approvals(context, *resolve_version(context, ref))


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
    """Approve a version for a stage, or reject it.

    It holds for the params, metrics and tags that the version has now, and replaces what the same account said before. If it
    does not count by the policy, ``excluded`` of the result says why.

    Args:
        reject: Reject it; needs a ``reason``.
        seen: The version as it was looked at: it must still be so.
        sign: The path of a key that signs the event.

    Raises:
        Conflict: The version is archived, or is not as it was ``seen``.
    """
    reference = Reference.parse_version(ref)
    rules.check_stage(stage, context.stages)
    if reject and not reason.strip():
        raise InvalidInput("a rejection requires a reason", "add `reason`")
    values.line(reason, "reason")
    action = approvals.REJECTED if reject else approvals.APPROVED

    def change(signer: EventSigner | None) -> VersionsChanged:
        with transaction(context, reference.model, request_id, action) as (writer, done):
            if done:
                return VersionsChanged(reference.model, action, (done.event.version or 0,), done.revision, False)
            snapshot = take_snapshot(writer)
            number = snapshot.resolve(reference.or_latest())
            rules.check_in_use(writer.table, snapshot.name, number)
            version, annotation = snapshot.version(number), snapshot.annotation(number)
            record = snapshot.model.seal(number)
            about = approvals.describe_subject(version, record)
            if seen is not None and approvals.describe_subject(seen, record) != about:
                raise Conflict(f"{version.ref} was changed during the review", "check it again and retry")
            event = make_event(context, action, number, request_id, stage=stage, reason=reason)
            event = replace(event, detail={"stage": stage, **about, **event.detail})
            so_already = not sign and any(
                (each.by, each.event.action, each.event.detail.get("reason", "")) == (context.author, action, reason)
                for each in read_ballots(snapshot, number, record)
                if each.stage == stage and not each.lapsed
            )
            if dry_run or so_already or (signer and signer.keep_draft(event, snapshot.model)):
                return VersionsChanged(reference.model, action, (number,), writer.table.revision, not so_already)
            event = signer.make_signed_event(event, snapshot.model) if signer else event
            entries = approvals.add_approval(annotation.get("approvals"), event)
            table = commit_annotation(writer, {"format": FORMAT, **annotation, "approvals": entries}, event)
            return VersionsChanged(reference.model, action, (number,), table.revision)

    done = run_signed(change, sign)
    if reject:
        return done
    with suppress(RegistryError, OSError):  # it is recorded: this has not failed
        snapshot = open_snapshot(context, reference.model)
        own = (context.author, stage)
        if dry_run:
            policies = load_policies(context.layout, SettingsScope.for_model(snapshot.name, snapshot)).policies
            return replace(
                done, excluded=find_own_exclusion(context, snapshot.version(done.versions[0]), stage, policies)
            )
        described = describe_approvals(context, snapshot, done.versions[0])
        why = [each.why for each in described if (each.by, each.stage) == own and each.state == "excluded"]
        return replace(done, excluded="".join(why))
    return done


def sign(
    context: RegistryContext, ref: str | Reference, key: Key, *, dry_run: bool = False, request_id: str | None = None
) -> VersionsChanged:
    """Sign a version: its manifest, and all that was registered of it. Replaces an earlier signature by the same key.

    Args:
        key: The path of an SSH key, or of a public one whose other half an agent holds.

    Raises:
        InvalidInput: The key can't sign.
        RegistryError: OpenSSH is not installed.
    """
    reference = Reference.parse_version(ref)

    def change(signer: EventSigner | None) -> VersionsChanged:
        with transaction(context, reference.model, request_id, "signed") as (writer, done):
            if done:
                return VersionsChanged(reference.model, "signed", (done.event.version or 0,), done.revision, False)
            snapshot = take_snapshot(writer)
            model, number = snapshot.model, snapshot.resolve(reference.or_latest())
            annotation = snapshot.annotation(number)
            event = make_event(context, "signed", number, request_id)
            event = replace(event, detail=signatures.signature_subject(snapshot.sealed(number), model.seal(number)))
            if signer is None or signer.keep_draft(event, model):
                return VersionsChanged(reference.model, "signed", (number,), writer.table.revision)
            event = signer.make_signed_event(event, model)
            entries = signatures.add_signature(annotation, event)
            table = commit_annotation(writer, {"format": FORMAT, **annotation, "signatures": entries}, event)
            return VersionsChanged(reference.model, "signed", (number,), table.revision)

    return run_signed(change, None if dry_run else key)
