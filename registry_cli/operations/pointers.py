"""Move stages and aliases: promote, demote, roll back, set and remove an alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import names, values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import JournalEntry, StageTable
from ..core.results import PointerChange
from ..errors import Conflict, Damaged, InvalidInput, NotFound, Refused
from ..rules import rollback as rollbacks
from ..rules import stages as rules
from ..rules.rollback import StageTimeline
from ..rules.stages import ANY, Expected
from ..store.reader import ModelReader
from ..store.writer import Writer
from .context import open_model
from .transaction import make_event, resolve_target, run_signed, transaction

if TYPE_CHECKING:
    from .context import RegistryContext
    from .transaction import EventSigner, Key


def promote(
    context: RegistryContext,
    ref: str | Reference,
    stage: str,
    *,
    expect: Expected = ANY,
    reason: str = "",
    archive_previous: bool = False,
    verify: bool = True,
    force: bool = False,
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Let ``stage`` point to a version that its policy lets in, after the artifact was compared with its manifest.

    Sizes are always compared, digests unless ``verify`` is False; both before the lock is taken. ``expect`` makes
    it a compare-and-swap: a version number, or None for "nothing", that the stage must be at. What it pointed to
    before stays as it is, or is archived. ``force`` overrides rules of the policy that fail, needs a ``reason``,
    and is recorded with their names; a rejection only where the policy says ``override_rejections: true``; see :meth:`gate`. Its checks are run before the lock is taken; those that are not trusted are
    refused, or with ``force`` passed over. ``sign`` is the path of a key that signs the event.

    Raises :class:`NotFound`, :class:`Conflict`, :class:`Damaged`, :class:`Refused` by the policy, and
    :class:`InvalidInput` for a policy that can't be read.
    """
    from .gate import ensure_allowed, notify_refused, prepare_promotion

    reference = Reference.parse_version(ref)
    rules.check_stage(stage, context.stages)
    if force and not reason.strip():
        raise InvalidInput("--force needs a reason", "say why: --reason TEXT")
    if done := _find_done(context, reference.model, request_id, "promoted", stage):
        return done
    try:
        ran = prepare_promotion(context, reference, stage, force, verify)

        def change(signer: EventSigner | None) -> PointerChange:
            with transaction(context, reference.model, request_id, "promoted") as (writer, done):
                if done:
                    return _repeated(reference.model, done, stage)
                number = resolve_target(writer, reference)
                if number != ran.number:
                    raise Conflict(
                        f"{reference} became {writer.paths.name}@{number} meanwhile", "look again, then promote"
                    )
                rules.check_in_use(writer.table, reference.model, number)
                forced = ensure_allowed(context, writer, ran, stage, force)
                rules.check_expected(writer.table.stages, stage, reference.model, expect)
                table = rules.set_stage(writer.table, reference.model, stage, number, archive_previous=archive_previous)
                detail = {"archived": str(table.archived - writer.table.archived), "reason": reason, **forced}
                return _commit_pointer(
                    context, writer, table, "promoted", stage, number, request_id, dry_run, signer=signer, **detail
                )

        return run_signed(change, sign)
    except Refused as error:
        if not dry_run:
            notify_refused(context, reference.model, error, reason)
        raise


def demote(
    context: RegistryContext,
    ref: str | Reference,
    stage: str,
    *,
    expect: Expected = ANY,
    reason: str = "",
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Let ``stage`` point to nothing. ``ref`` is the model, or the version that must be there now."""
    rules.check_stage(stage, context.stages)
    reference = Reference.coerce(ref)

    def change(signer: EventSigner | None) -> PointerChange:
        with transaction(context, reference.model, request_id, "demoted") as (writer, done):
            if done:
                return _repeated(reference.model, done, stage)
            rules.check_expected(writer.table.stages, stage, reference.model, expect)
            if reference.selector is not None:
                number = resolve_target(writer, reference)
                rules.check_expected(writer.table.stages, stage, reference.model, number)
            table = rules.clear_stage(writer.table, stage)
            return _commit_pointer(
                context, writer, table, "demoted", stage, None, request_id, dry_run, signer=signer, reason=reason
            )

    return run_signed(change, sign)


def rollback(
    context: RegistryContext,
    name: str,
    stage: str,
    *,
    to: int | None = None,
    expect: Expected = ANY,
    again: bool = False,
    reason: str = "",
    verify: bool = True,
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Roll ``stage`` back to the version that held it before; ``again``, one further back. The artifact is verified first.

    ``to`` is any version that ever held it (see :meth:`holders`), also one that it was rolled back from: so a
    rollback is undone. ``expect`` is what the stage must point to now. Within ten minutes of another rollback of the
    stage, whoever made it, ``again`` must be set: two people who answer the same incident go back once.

    Raises :class:`NotFound` when nothing held it before or that version was deleted, :class:`Conflict` when it is
    archived, when ``expect`` differs, or for a second rollback without ``again``, :class:`Refused` when somebody
    rejected it, :class:`Damaged`, and :class:`InvalidInput` when ``to`` never held it.
    """
    rules.check_stage(stage, context.stages)
    if done := _find_done(context, name, request_id, "rolled-back", stage):
        return done
    checked = _rollback_checked(context, name, stage, to, verify, expect, again)

    def change(signer: EventSigner | None) -> PointerChange:
        with transaction(context, name, request_id, "rolled-back") as (writer, done):
            if done:
                return _repeated(name, done, stage)
            number = _rollback_target(context, name, stage, to, expect, again)
            if number != checked:
                raise Conflict(f"{stage} of {name} was moved by another process just now", "look again, then decide")
            table = rules.set_stage(writer.table, name, stage, number)
            return _commit_pointer(
                context, writer, table, "rolled-back", stage, number, request_id, dry_run, signer=signer, reason=reason
            )

    return run_signed(change, sign)


def _rollback_checked(
    context: RegistryContext, name: str, stage: str, to: int | None, verify: bool, expect: Expected, again: bool
) -> int:
    """The target of a rollback. What is damaged is not gone back to: the error names what else there is."""
    from .gate import check_artifact

    target = _rollback_target(context, name, stage, to, expect, again)
    try:
        return check_artifact(context, Reference.parse(f"{name}@{target}"), verify)
    except Damaged as error:
        table, line = _read_chain(context, name, stage)
        raise Damaged(error.message, rollbacks.suggest_rollback(table, name, stage, line, target)) from error


def _rollback_target(
    context: RegistryContext, name: str, stage: str, to: int | None, expect: Expected, again: bool
) -> int:
    """Where a rollback goes now; looked at before the lock is taken, and again under it."""
    table, line = _read_chain(context, name, stage)
    rules.check_expected(table.stages, stage, name, expect)
    target = rollbacks.find_rollback_target(table, name, stage, line, to)
    if not again:
        rollbacks.check_recent_rollback(line, name, stage, table.stages.get(stage), context.clock())
    return target


def _read_chain(context: RegistryContext, name: str, stage: str) -> tuple[StageTable, StageTimeline]:
    """The stage table, and what ``stage`` held."""
    from .approvals import read_chain

    model = open_model(context, name)
    state = model.state()
    return state.table, read_chain(model, state, stage)


def set_alias(
    context: RegistryContext,
    ref: str | Reference,
    alias: str,
    *,
    expect: Expected = ANY,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Let ``alias`` point to a version."""
    reference = Reference.parse_version(ref)
    names.alias_name(alias, context.stages)
    with transaction(context, reference.model, request_id, "aliased") as (writer, done):
        if done:
            return _repeated(reference.model, done, alias)
        rules.check_expected(writer.table.aliases, alias, reference.model, expect)
        number = resolve_target(writer, reference)
        table = rules.set_alias(writer.table, reference.model, alias, number)
        return _commit_pointer(context, writer, table, "aliased", alias, number, request_id, dry_run)


def remove_alias(
    context: RegistryContext,
    name: str | Reference,
    alias: str,
    *,
    expect: Expected = ANY,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Remove ``alias``. ``name`` is the model, or the version that the alias must point to now.

    Raises :class:`NotFound` when the model has no alias of that name, :class:`Conflict` when it points elsewhere.
    """
    reference = Reference.coerce(name)
    name = reference.model
    with transaction(context, name, request_id, "unaliased") as (writer, done):
        if done:
            return _repeated(name, done, alias)
        rules.check_expected(writer.table.aliases, alias, name, expect)
        if alias not in writer.table.aliases:
            raise NotFound(f"{name} has no alias '{alias}'", f"registry alias {name} lists them")
        if reference.selector is not None:
            rules.check_expected(writer.table.aliases, alias, name, resolve_target(writer, reference))
        table = rules.remove_alias(writer.table, alias)
        return _commit_pointer(context, writer, table, "unaliased", alias, None, request_id, dry_run)


def _commit_pointer(
    context: RegistryContext,
    writer: Writer,
    table: StageTable,
    action: str,
    pointer: str,
    after: int | None,
    request_id: str | None,
    dry_run: bool,
    *,
    signer: EventSigner | None = None,
    **detail: Any,
) -> PointerChange:
    """Commit a table in which one pointer moved; nothing is written when it was there already, or is only drafted."""
    if reason := detail.get("reason"):
        values.line(reason, "reason")
    kind = "alias" if action in ("aliased", "unaliased") else "stage"
    before = getattr(writer.table, "aliases" if kind == "alias" else "stages").get(pointer)
    model = writer.paths.name
    overridden = _list_overridden(detail)
    if table == writer.table or dry_run:
        changed = table != writer.table
        return PointerChange(model, pointer, before, after, writer.table.revision, changed, overridden=overridden)
    event = make_event(context, action, after or before, request_id, **{kind: pointer})
    moved = {"before": before, "after": after, **{name: text for name, text in detail.items() if text}}
    event = replace(event, detail={**event.detail, **moved})
    if signer and signer.keep_draft(event, ModelReader(writer.paths)):
        return PointerChange(model, pointer, before, after, writer.table.revision, overridden=overridden)
    table = writer.move(table, signer.make_signed_event(event, ModelReader(writer.paths)) if signer else event)
    return PointerChange(model, pointer, before, after, table.revision, overridden=overridden)


def _find_done(
    context: RegistryContext, name: str, request_id: str | None, action: str, pointer: str
) -> PointerChange | None:
    """The result of the same request before, for what looks at versions first: they may be gone, or others, by now."""
    if request_id is None:
        return None
    with transaction(context, name, request_id, action) as (_, done):
        return _repeated(name, done, pointer) if done else None


def _repeated(model: str, done: JournalEntry, pointer: str) -> PointerChange:
    """What this request did when it was carried out before."""
    detail = done.event.detail
    if pointer not in (detail.get("stage"), detail.get("alias")):
        raise Conflict(
            f"request {done.event.id} was used before, for another stage or alias of {model}",
            "use a request id for one request only",
        )
    return PointerChange(
        model, pointer, detail.get("before"), detail.get("after"), done.revision, False, "repeated",
        _list_overridden(detail),
    )  # fmt: skip


def _list_overridden(detail: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules that a promotion overrode, as its event names them."""
    failed = detail.get("failed")
    return tuple(map(str, failed)) if isinstance(failed, list) else ()
