"""Moving pointers: promote, demote, rollback, undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from ...core.names import version_number
from ...core.results import PointerChange
from ...errors import InvalidInput
from ...rules.rollback import RecentRollback, StageHolder
from ...rules.stages import ANY, Expected
from ..command import argument, command, flag, option
from ..formatting import escape
from ..options import (
    Expect,
    Model,
    NoVerify,
    Reason,
    Sign,
    Stage,
    VersionRef,
    Yes,
    ensure_alone,
    parse_expect,
    signing_key,
)
from ..session import Output, Session

_MOVES = (0, 1, 2, 3, 4, 6, 7, 8)
_GATED = (0, 1, 2, 3, 4, 5, 6, 7, 8)


@command("promote", "Release", exits=_GATED, writes=True, dry_run=True)
def promote(
    cx: Session,
    ref: VersionRef,
    stage: Stage,
    expect: Expect = None,
    reason: Reason = "",
    archive_previous: Annotated[
        bool, flag("--archive-previous", "Also archive the version previously in the stage.")
    ] = False,
    no_verify: NoVerify = False,
    force: Annotated[
        bool, flag("--force", "Override the policy (unless it forbids overrides); requires --reason.")
    ] = False,
    sign: Sign = None,
) -> None:
    """Promote a version to a stage.

    The version must pass the policy of the stage; `registry check` shows whether it does. Policy commands are run
    before the lock is taken, if you trust them. The artifact is verified against its manifest first. The version
    previously in the stage and the version's other stages stay unchanged. `--expect` makes this a compare-and-swap.
    `--force` reports every rule that it overrides; it overrides a rejection only if the policy has
    `override_rejections: true`.

    Examples:
        registry promote churn@7 staging
        registry promote churn@7 production --expect 6 --reason "beats 6 on holdout"
        registry promote churn@staging production --archive-previous
        registry promote churn@8 production --force --reason "hotfix of INC-314"
    """
    done = cx.registry().promote(
        ref, stage, expect=parse_expect(expect, ref), reason=reason, archive_previous=archive_previous,
        verify=not no_verify, force=force, sign=signing_key(cx, sign), **cx.change,
    )  # fmt: skip
    cx.show_pointer(done)


@command("demote", "Release", exits=_MOVES, writes=True, dry_run=True)
def demote(
    cx: Session,
    ref: Annotated[str, argument("REF", "The model, or the version that must be in the stage.")],
    stage: Stage,
    expect: Expect = None,
    reason: Reason = "",
    sign: Sign = None,
) -> None:
    """Clear a stage.

    The version stays unchanged; only the stage becomes empty.

    Examples:
        registry demote churn staging
        registry demote churn@7 production --reason "drifts"
    """
    done = cx.registry().demote(
        ref, stage, expect=parse_expect(expect, ref), reason=reason, sign=signing_key(cx, sign), **cx.change
    )
    cx.show_pointer(done)


RollbackTarget = Annotated[
    str | None, option("--to", "VERSION", "Roll back to this version: any that ever held the stage.")
]
Sync = Annotated[bool, flag("--sync", "Then deploy it to the targets on this machine that follow the stage.")]


@command("rollback", "Release", exits=_GATED, writes=True, dry_run=True, lists=True)
def rollback(
    cx: Session,
    name: Model,
    stage: Stage,
    to: RollbackTarget = None,
    listed: Annotated[bool, flag("--list", "Only list the versions that held the stage, newest first.")] = False,
    expect: Expect = None,
    again: Annotated[bool, flag("--again", "Allow it within ten minutes of another rollback of the stage.")] = False,
    reason: Reason = "",
    no_verify: NoVerify = False,
    sync: Sync = False,
    sign: Sign = None,
) -> None:
    """Roll a stage back to its previous version.

    The previous version is taken from the history. With --expect, naming the version that is live and should be rolled
    back, two people who do this at the same time roll back once: the second gets exit 4. A second rollback of the stage
    within ten minutes, by anyone, needs confirmation on a terminal and fails with exit 4 elsewhere, unless --again is
    given, or --expect names a version that was promoted since. --to selects any version that ever held the stage, including later ones, so that a rollback can be undone.
    The artifact is verified against its manifest first; the policy is not checked. Deleted versions are skipped; a
    version that is archived, damaged, or rejected for the stage is refused, and the next candidate is suggested.

    In a pipe: the reference that the stage points to now; with --list ref and state, separated by tabs.

    Examples:
        registry rollback churn production --expect 7 --reason "errors since 10:40"
        registry rollback churn production -n
        registry rollback churn production --list
        registry rollback churn production --to 3 --expect churn@7
        registry rollback churn production --again --expect 6
        registry rollback churn production --expect 7 --sync
    """
    if listed:
        ensure_alone("--list", {
            "--to": to, "--expect": expect, "--again": again, "--reason": reason, "--no-verify": no_verify, "--sign": sign,
            "--sync": sync,
        })  # fmt: skip
        _show_holders(cx, cx.reader().admin.holders(name, stage), stage)
        return
    registry, key = cx.registry(), signing_key(cx, sign)
    target = None if to is None else _parse_target(name, to)

    def move(again: bool, expect: Expected) -> PointerChange:
        return registry.rollback(
            name, stage, to=target, expect=expect, again=again, reason=reason, verify=not no_verify, sign=key, **cx.change
        )  # fmt: skip

    try:
        done = move(again, parse_expect(expect, name))
    except RecentRollback as recent:
        _confirm_second(cx, recent)
        # roll back what was asked about, not what another process made current meanwhile
        done = move(True, recent.current if expect is None else parse_expect(expect, name))
    cx.show_pointer(done)
    if sync and not cx.dry_run:
        from .deployments import sync_stage

        sync_stage(cx, registry, name, stage)


def _confirm_second(cx: Session, recent: RecentRollback) -> None:
    """Ask whether to roll back once more; where no one can be asked, the refusal stands."""
    if not cx.can_ask:
        raise recent
    if cx.dry_run:
        cx.warn(f"{recent.message}; without --dry-run, confirmation is required")
    elif not cx.ask_yes_no(f"{recent.message}. Roll it back once more?"):
        raise InvalidInput("nothing was changed", "answer y, or add --again") from None


@command("undo", "Release", exits=_GATED, writes=True, dry_run=True)
def undo(
    cx: Session,
    name: Annotated[str | None, argument("[NAME]", "A model (default: the one with your latest move).")] = None,
    expect: Expect = None,
    reason: Reason = "",
    no_verify: NoVerify = False,
    yes: Yes = False,
    sign: Sign = None,
) -> None:
    """Undo your own last move of a stage or alias.

    Reverts your last `promote`, `demote`, `rollback` or `alias` if the stage or alias has not moved since; otherwise
    exit 4. The pointer returns to its previous version, and the history records this as a new move. As with rollback,
    the artifact is verified against its manifest first, and the policy is not checked. An undo cannot be undone.

    Without NAME, the move is shown for confirmation, or --yes is required.

    In a pipe: the reference that the stage or alias points to now.

    Examples:
        registry undo churn --dry-run
        registry undo churn --reason "wrong model"
        registry undo
    """
    registry, key = cx.registry(), signing_key(cx, sign)
    expected = parse_expect(expect, name) if name else ANY
    if name is None:
        if expect is not None:
            raise InvalidInput("--expect requires a model", "use: registry undo NAME")
        planned = registry.undo(verify=False, dry_run=True)
        name, expected = planned.model, planned.before
        if not (cx.dry_run or yes):
            before, after = (f"{name}@{at}" if at else "empty" for at in (planned.before, planned.after))
            cx.confirm(
                f"Move {planned.pointer} of {name} back from {before} to {after}?",
                "undo without a model requires confirmation",
            )
    done = registry.undo(name, expect=expected, reason=reason, verify=not no_verify, sign=key, **cx.change)
    cx.show_pointer(done)


def _parse_target(name: str, text: str) -> int:
    number = version_number(text.removeprefix(f"{name}@"))
    if number is None:
        raise InvalidInput(f"'{text}' is not a version", f"run 'registry rollback {name} STAGE --list'")
    return number


_STATES = {"current": "current", "next": "next rollback target", "rolled-back": "rolled back; return with --to"}


def _show_holders(cx: Session, found: Sequence[StageHolder], stage: str) -> None:
    rows = [(each.ref, each.state) for each in found]
    shown = [(ref, _STATES.get(state, state)) for ref, state in rows]
    nothing = f"No version has held {escape(stage)} yet."
    cx.show(Output("holders", found, [ref for ref, _ in rows], ("ref", "state"), rows, shown, empty=nothing))
