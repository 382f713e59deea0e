"""Move stages and aliases: promote, demote, roll back, set and remove an alias."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import operations
from ..core import names, values
from ..core.lazy_dataclass import replace
from ..core.names import Reference, Selector
from ..core.records import JournalEntry, StageTable
from ..core.results import PointerChange
from ..errors import Conflict, Damaged, InvalidInput, NotFound, Refused
from ..rules import rollback as rollbacks
from ..rules import stages as rules
from ..rules.stages import ANY, Expected
from ..store import history, journal
from ..store.reader import ModelReader
from ..store.writer import Writer
from .context import open_model, open_snapshot
from .transaction import make_event, open_writer, resolve_target, run_signed, take_snapshot, transaction

if TYPE_CHECKING:
    from ..core.records import Event
    from ..store.layout import ModelLayout
    from ..store.reader import ModelSnapshot
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
    """Promote a version to a stage, if the policy of the stage allows it and its files are as they were stored.

    The policy and the files are checked before the lock is taken, the policy again under it.

    Args:
        expect: The version that the stage must point to, or None for an empty stage.
        archive_previous: Archive what the stage pointed to before.
        verify: Compare the digests of the files; sizes are always compared.
        force: Override rules of the policy that fail, which are recorded; needs a ``reason``. A rejection is overridden only
            where the policy says ``override_rejections: true``. Commands that are not trusted are not run then.
        sign: The path of a key that signs the event.

    Raises:
        Conflict: The version is archived, or the stage points elsewhere than expected.
        Damaged: The files are not as they were stored.
        Refused: The policy does not allow it, or has commands that are not trusted.
        InvalidInput: The policy can't be read.
    """
    reference = Reference.parse_version(ref)
    rules.check_stage(stage, context.stages)
    if force and not reason.strip():
        raise InvalidInput("`force` requires a reason", "add `reason`")
    if done := _find_done(context, reference.model, request_id, "promoted", stage):
        return done
    try:
        ran = operations.gate.prepare_promotion(context, reference, stage, force, verify)

        def decide(writer: Writer) -> _Move:
            number = resolve_target(writer, reference)
            if number != ran.number:
                raise Conflict(
                    f"{reference} changed to {reference.model}@{number} concurrently", "check it again and retry"
                )
            rules.check_in_use(writer.table, reference.model, number)
            forced = operations.gate.ensure_allowed(context, writer, ran, stage, force)
            rules.check_expected(writer.table.stages, stage, reference.model, expect)
            table = rules.set_stage(writer.table, reference.model, stage, number, archive_previous=archive_previous)
            archived = str(table.archived - writer.table.archived)
            return _Move(table, number, {"archived": archived, "reason": reason, **forced})

        return _move(context, reference.model, "promoted", stage, decide, request_id, dry_run, sign)
    except Refused as error:
        if not dry_run:
            operations.gate.notify_refused(context, reference.model, error, reason)
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
    """Clear a stage. ``ref`` is the model, or the version that the stage must point to now.

    Raises:
        Conflict: The stage points elsewhere than expected.
    """
    rules.check_stage(stage, context.stages)
    reference = Reference.coerce(ref)

    def decide(writer: Writer) -> _Move:
        rules.check_expected(writer.table.stages, stage, reference.model, expect)
        if reference.selector is not None:
            rules.check_expected(writer.table.stages, stage, reference.model, resolve_target(writer, reference))
        return _Move(rules.clear_stage(writer.table, stage), None, {"reason": reason})

    return _move(context, reference.model, "demoted", stage, decide, request_id, dry_run, sign)


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
    """Roll a stage back to the version that held it before; its files are compared first.

    Args:
        to: Any version that ever held the stage (see :meth:`holders`), also one that it was rolled back from.
        expect: The version that the stage must point to now.
        again: Also within ten minutes of another rollback of this stage: two people who answer the same incident go back once.
        verify: Compare the digests of the files; sizes are always compared.
        sign: The path of a key that signs the event.

    Raises:
        NotFound: Nothing held the stage before, or that version was deleted.
        Conflict: That version is archived, the stage points elsewhere than expected, or it was rolled back just now.
        Refused: A person rejected that version for the stage.
        Damaged: The files are not as they were stored.
        InvalidInput: ``to`` never held the stage.
    """
    rules.check_stage(stage, context.stages)
    if done := _find_done(context, name, request_id, "rolled-back", stage):
        return done
    checked = _check_rollback(context, name, stage, to, verify, expect, again)

    def decide(writer: Writer) -> _Move:
        number = _find_target(context, take_snapshot(writer), stage, to, expect, again)
        if number != checked:
            raise Conflict(f"{stage} of {name} was changed concurrently", "check it again and retry")
        return _Move(rules.set_stage(writer.table, name, stage, number), number, {"reason": reason})

    return _move(context, name, "rolled-back", stage, decide, request_id, dry_run, sign)


def _check_rollback(
    context: RegistryContext, name: str, stage: str, to: int | None, verify: bool, expect: Expected, again: bool
) -> int:
    """Return the target of a rollback after comparing its files; the error for damaged ones names other targets."""
    snapshot = open_snapshot(context, name)
    target = _find_target(context, snapshot, stage, to, expect, again)
    try:
        operations.gate.check_artifact(snapshot, snapshot.resolve(Selector(number=target)), verify)
    except Damaged as error:
        now = open_snapshot(context, name)
        hint = rollbacks.suggest_rollback(now.table, name, stage, operations.approvals.read_chain(now, stage), target)
        raise Damaged(error.message, hint) from error
    return target


def _find_target(
    context: RegistryContext, snapshot: ModelSnapshot, stage: str, to: int | None, expect: Expected, again: bool
) -> int:
    """Return the target of a rollback, before the lock and again under it."""
    table, name, line = snapshot.table, snapshot.name, operations.approvals.read_chain(snapshot, stage)
    rules.check_expected(table.stages, stage, name, expect)
    target = rollbacks.find_rollback_target(table, name, stage, line, to)
    # whoever names the version that was promoted since does not repeat the earlier rollback
    if not (again or (line.moved_since and expect is not rules.ANY)):
        rollbacks.check_recent_rollback(line, name, stage, table.stages.get(stage), context.clock())
    return target


def alias(
    context: RegistryContext,
    ref: str | Reference,
    alias: str,
    *,
    remove: bool = False,
    expect: Expected = ANY,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Let ``alias`` point to a version, or remove it.

    Args:
        ref: The version; with ``remove`` also the model alone. A version is then what the alias must point to now.
        alias: The name, which no stage of the registry has.
        remove: Remove the alias from the model.
        expect: The version that the alias must point to, or None for an alias that is not set.

    Raises:
        NotFound: The alias to be removed does not exist.
        Conflict: The alias points elsewhere than expected.
    """
    reference = Reference.coerce(ref) if remove else Reference.parse_version(ref)
    if not remove:
        names.alias_name(alias, context.stages)
    name, action = reference.model, "unaliased" if remove else "aliased"

    def decide(writer: Writer) -> _Move:
        aliases = writer.table.aliases
        rules.check_expected(aliases, alias, name, expect)
        if remove and alias not in aliases:
            raise NotFound(f"{name} has no alias '{alias}'", f"run 'registry alias {name}'")
        number = None if reference.selector is None else resolve_target(writer, reference)
        if remove or number is None:
            if number is not None:
                rules.check_expected(aliases, alias, name, number)
            return _Move(rules.remove_alias(writer.table, alias), None, {})
        return _Move(rules.set_alias(writer.table, name, alias, number), number, {})

    return _move(context, name, action, alias, decide, request_id, dry_run)


def undo(
    context: RegistryContext,
    name: str | None = None,
    *,
    expect: Expected = ANY,
    reason: str = "",
    verify: bool = True,
    sign: Key | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> PointerChange:
    """Undo your own last move of a stage or an alias, if that pointer has not moved since.

    The pointer goes back to where it pointed before, which is recorded as a new event. As with :meth:`rollback`, the files
    are compared first, and the policy of the stage is not checked. An undo cannot be undone.

    Args:
        name: The model; None for the one with your newest move.
        expect: The version that the pointer must point to now.
        verify: Compare the digests of the files; sizes are always compared.
        sign: The path of a key that signs the event.

    Raises:
        NotFound: Nothing was moved, or the version was deleted.
        Conflict: The pointer was moved since, no move is yours, the version is archived, or the last move was an undo.
        Refused: The version is rejected for the stage.
        Damaged: The files are not as they were stored.
    """
    if name is None and request_id is not None:
        raise InvalidInput("a request id needs the name of the model", "a repeated request could find another one")
    if name is not None and request_id is not None:
        with open_writer(context, name) as writer:
            done = journal.find(writer.paths.history, request_id)
        if done and rollbacks.UNDOES in done.event.detail:
            return _repeated(name, done, str(done.event.detail.get("stage") or done.event.detail.get("alias")))
    name = name or _find_last_moved(context)
    undone = _find_own_move(context, open_model(context, name).paths)
    kind, pointer = rollbacks.get_moved_pointer(undone) or ("", "")
    before: int | None = undone.detail.get("before")
    action = _UNDO_ACTIONS[kind, before is None]
    if kind == "stage" and before is not None:
        rules.check_stage(pointer, context.stages)
        _check_rollback(context, name, pointer, before, verify, expect, again=True)

    def decide(writer: Writer) -> _Move:
        if _find_own_move(context, writer.paths).id != undone.id:
            raise Conflict(f"{pointer} of {name} was moved by another process just now", "check it again and retry")
        table, snapshot = writer.table, take_snapshot(writer)
        rules.check_expected(table.stages if kind == "stage" else table.aliases, pointer, name, expect)
        detail = {"reason": reason, rollbacks.UNDOES: undone.id}
        if before is None:
            cleared = rules.clear_stage(table, pointer) if kind == "stage" else rules.remove_alias(table, pointer)
            return _Move(cleared, None, detail)
        if kind == "alias":
            number = snapshot.resolve(Selector(number=before))
            return _Move(rules.set_alias(table, name, pointer, number), number, detail)
        number = _find_target(context, snapshot, pointer, before, expect, again=True)
        return _Move(rules.set_stage(table, name, pointer, number), number, detail)

    return _move(context, name, action, pointer, decide, request_id, dry_run, sign)


#: The action of the event that undoes a move of a stage or an alias, to nothing or to a version.
_UNDO_ACTIONS = {
    ("stage", True): "demoted",
    ("stage", False): "rolled-back",
    ("alias", True): "unaliased",
    ("alias", False): "aliased",
}


def _find_last_moved(context: RegistryContext) -> str:
    """Return the model with the newest move of the author."""
    moves = operations.history.iter_histories(context, actions=(*rules.STAGE_ACTIONS, *rules.ALIAS_ACTIONS))
    for each in moves:
        if each.entry.event.by == context.author:
            return each.model
    raise NotFound(f"there is no move by {context.author} to undo", "registry history --all shows who moved what")


def _find_own_move(context: RegistryContext, paths: ModelLayout) -> Event:
    events = (entry.event for entry in history.newest_first(paths, unbroken=True))
    return rollbacks.find_own_move(events, paths.name, context.author)


class _Move(NamedTuple):
    """The stage table after a pointer has moved, what it points to, and the details of the event."""

    table: StageTable
    number: int | None
    detail: Mapping[str, Any]


def _move(
    context: RegistryContext,
    name: str,
    action: str,
    pointer: str,
    decide: Callable[[Writer], _Move],
    request_id: str | None,
    dry_run: bool,
    sign: Key | None = None,
) -> PointerChange:
    """Commit what ``decide`` returns under the lock, unless the request was carried out before."""

    def change(signer: EventSigner | None) -> PointerChange:
        with transaction(context, name, request_id, action) as (writer, done):
            if done:
                return _repeated(name, done, pointer)
            return _commit_pointer(context, writer, decide(writer), action, pointer, request_id, dry_run, signer)

    return run_signed(change, sign)


def _commit_pointer(
    context: RegistryContext,
    writer: Writer,
    move: _Move,
    action: str,
    pointer: str,
    request_id: str | None,
    dry_run: bool,
    signer: EventSigner | None,
) -> PointerChange:
    """Commit a move; nothing is written when the pointer was there already, or the event is only drafted."""
    if reason := move.detail.get("reason"):
        values.line(reason, "reason")
    kind = "alias" if action in ("aliased", "unaliased") else "stage"
    before = (writer.table.aliases if kind == "alias" else writer.table.stages).get(pointer)
    done = PointerChange(
        writer.paths.name, pointer, before, move.number, writer.table.revision, move.table != writer.table,
        overridden=_list_overridden(move.detail),
    )  # fmt: skip
    if not done.changed or dry_run:
        return done
    moved = {"before": before, "after": move.number, **{name: text for name, text in move.detail.items() if text}}
    event = make_event(context, action, move.number or before, request_id, **{kind: pointer})
    event = replace(event, detail={**event.detail, **moved})
    model = ModelReader(writer.paths)
    if signer and signer.keep_draft(event, model):
        return done
    table = writer.move(move.table, signer.make_signed_event(event, model) if signer else event)
    return replace(done, revision=table.revision)


def _find_done(
    context: RegistryContext, name: str, request_id: str | None, action: str, pointer: str
) -> PointerChange | None:
    """Return the result of the same request before the version is looked up, which may be gone by now."""
    if request_id is None:
        return None
    with transaction(context, name, request_id, action) as (_, done):
        return _repeated(name, done, pointer) if done else None


def _repeated(model: str, done: JournalEntry, pointer: str) -> PointerChange:
    """Return the result of a request that was carried out before."""
    detail = done.event.detail
    if pointer not in (detail.get("stage"), detail.get("alias")):
        raise Conflict(
            f"request {done.event.id} was already used for another stage or alias of {model}",
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
