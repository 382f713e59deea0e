"""Approve, reject and sign versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import Event, VersionRecord
from ..core.results import VersionsChanged
from ..errors import Conflict, InvalidInput
from ..rules import stages as rules
from ..store.codec import Redo
from ..store.layout import FORMAT
from ..store.reader import ModelReader, State
from ..store.writer import Writer
from .transaction import make_event, run_signed, transaction

if TYPE_CHECKING:
    from .context import RegistryContext
    from .transaction import EventSigner, Key


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
    from ..rules import approvals
    from .approvals import read_ballots

    reference = Reference.parse_version(ref)
    rules.check_stage(stage, context.stages)
    if reject and not reason.strip():
        raise InvalidInput("a rejection needs a reason", "say why: --reason TEXT")
    values.line(reason, "reason")
    action = approvals.REJECTED if reject else approvals.APPROVED

    def deed(pen: EventSigner | None) -> VersionsChanged:

        with transaction(context, reference.model, request_id, action) as (writer, done):
            if done:
                return VersionsChanged(reference.model, action, (done.event.version or 0,), done.revision, False)
            model, state = ModelReader(writer.paths), State(writer.table)
            number = model.resolve(reference.or_latest(), writer.table)
            rules.check_in_use(writer.table, model.name, number)
            version, said = model.version(number, state), model.said(number, state)
            record = model.seal(number)
            about = approvals.describe_subject(version, record)
            if seen is not None and approvals.describe_subject(seen, record) != about:
                raise Conflict(f"{version.ref} was changed while it was looked at", "look again, then decide")
            event = make_event(context, action, number, request_id, stage=stage, reason=reason)
            event = replace(event, detail={"stage": stage, **about, **event.detail})
            so_already = not sign and any(
                (each.by, each.event.action, each.event.detail.get("reason", "")) == (context.author, action, reason)
                for each in read_ballots(model, version, record, said)
                if each.stage == stage and not each.lapsed
            )
            if dry_run or so_already or (pen and pen.drafts(event, model)):
                return VersionsChanged(reference.model, action, (number,), writer.table.revision, not so_already)
            event = pen.signed(event, model) if pen else event
            return _commit_annotation(
                writer, said, "approvals", approvals.add_approval(said.get("approvals"), event), event
            )

    return run_signed(deed, sign)


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

    def deed(pen: EventSigner | None) -> VersionsChanged:
        from ..trust import signatures

        with transaction(context, reference.model, request_id, "signed") as (writer, done):
            if done:
                return VersionsChanged(reference.model, "signed", (done.event.version or 0,), done.revision, False)
            model, state = ModelReader(writer.paths), State(writer.table)
            number = model.resolve(reference.or_latest(), writer.table)
            said = model.said(number, state)
            event = make_event(context, "signed", number, request_id)
            event = replace(event, detail=signatures.signature_subject(model.sealed(number), model.seal(number)))
            if pen is None or pen.drafts(event, model):
                return VersionsChanged(reference.model, "signed", (number,), writer.table.revision)
            event = pen.signed(event, model)
            return _commit_annotation(writer, said, "signatures", signatures.add_signature(said, event), event)

    return run_signed(deed, None if dry_run else key)


def _commit_annotation(
    writer: Writer, said: Mapping[str, Any], kind: str, entries: list[Any], event: Event
) -> VersionsChanged:
    """Commit the annotation of a version with these entries in place of its own."""
    number = event.version or 0
    redo = Redo(writer.paths.relative(writer.paths.annotation(number)), {"format": FORMAT, **said, kind: entries})
    table = writer.move(writer.table, event, redo)
    return VersionsChanged(writer.paths.name, event.action, (number,), table.revision)
