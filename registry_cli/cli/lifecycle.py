"""The lifecycle: promote, demote, rollback, archive, restore, delete, gc."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import InvalidInput
from ..lifecycle.stages import Holder
from ..names import version_number
from ..outcomes import Moved
from . import retention, shapes
from .command import command
from .options import (
    Best,
    DryRun,
    Expect,
    Force,
    Keep,
    KeepHolders,
    Model,
    Models,
    NoVerify,
    OlderThan,
    OnlyWhere,
    PlanFile,
    Reason,
    Ref,
    Refs,
    Stage,
    Yes,
    expected,
    references,
)
from .retention import How, changed, rules
from .session import Output, Session
from .text import plural, safe, size

_MOVES = (0, 1, 2, 3, 4, 6, 7, 8)
_GATED = (0, 1, 2, 3, 4, 5, 6, 7, 8)


@command(
    "promote",
    examples=[
        "registry promote churn@7 staging",
        'registry promote churn@7 production --expect 6 --reason "beats 6 on holdout"',
        "registry promote churn@staging production --archive-previous",
        'registry promote churn@8 production --force --reason "hotfix of INC-314"',
    ],
    exits=_GATED,
)
def promote(
    cx: Session,
    ref: Ref,
    stage: Stage,
    expect: Expect = None,
    reason: Reason = "",
    archive_previous: Annotated[
        bool, typer.Option("--archive-previous", help="Archive what the stage pointed to before.")
    ] = False,
    no_verify: NoVerify = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the policy says no, unless it forbids that; needs a --reason.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """The policy of the stage must let the version in: `registry check` says beforehand. The artifact is compared with
    its manifest first. What the stage pointed to before stays as it is; the version's other stages too. `--expect`
    makes it a compare-and-swap.
    """
    done = cx.registry().promote(
        ref, stage, expect=expected(expect), reason=reason, archive_previous=archive_previous,
        verify=not no_verify, force=force, dry_run=dry_run, request_id=cx.request_id,
    )  # fmt: skip
    _moved(cx, done, dry_run)


@command(
    "demote",
    examples=["registry demote churn staging", 'registry demote churn@7 production --reason "drifts"'],
    exits=_MOVES,
)
def demote(
    cx: Session,
    ref: Annotated[str, typer.Argument(metavar="REF", help="The model, or the version that must be there now.")],
    stage: Stage,
    expect: Expect = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """The version stays as it is; only the stage becomes empty."""
    done = cx.registry().demote(
        ref, stage, expect=expected(expect), reason=reason, dry_run=dry_run, request_id=cx.request_id
    )
    _moved(cx, done, dry_run)


@command(
    "rollback",
    examples=[
        'registry rollback churn production --reason "errors since 10:40"',
        "registry rollback churn production -n",
        "registry rollback churn production --list",
        "registry rollback churn production --to 3",
    ],
    exits=_MOVES,
)
def rollback(
    cx: Session,
    name: Model,
    stage: Stage,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Go to this one, which held the stage earlier.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only show what held the stage, the newest first.")] = False,
    expect: Expect = None,
    reason: Reason = "",
    no_verify: NoVerify = False,
    dry_run: DryRun = False,
) -> None:
    """From the history; again goes one further back. The artifact is compared with its manifest first. What was deleted
    is passed over; what is archived or damaged is refused, and the next candidate named.

    In a pipe: the reference that the stage points to now; with --list ref and state, separated by tabs.
    """
    if listed:
        if to is not None:
            raise InvalidInput("--list only shows", "leave out --to, or --list")
        _holders(cx, cx.reader().holders(name, stage), stage)
        return
    done = cx.registry().rollback(
        name, stage, to=None if to is None else _target(name, to), expect=expected(expect), reason=reason, verify=not no_verify,
        dry_run=dry_run, request_id=cx.request_id,
    )  # fmt: skip
    _moved(cx, done, dry_run)


def _target(name: str, text: str) -> int:
    """What ``--to`` was given: a number, or a reference to a version of this model by its number."""
    number = version_number(text.removeprefix(f"{name}@"))
    if number is None:
        raise InvalidInput(f"'{text}' is no version to go to", f"registry rollback {name} STAGE --list shows them")
    return number


_STATES = {"current": "holds it now", "next": "a rollback goes here"}


def _holders(cx: Session, found: Sequence[Holder], stage: str) -> None:
    rows = [(each.ref, each.state) for each in found]
    shown = [[each.ref, _STATES.get(each.state, each.state)] for each in found]
    data = shapes.items("holders", [shapes.holder(each) for each in found])
    refs = [each.ref for each in found]
    text = None if found else f"nothing held {safe(stage)} yet"
    cx.show(Output(data, refs, ("version", "state"), rows, shown, text))


def _moved(cx: Session, done: Moved, dry_run: bool) -> None:
    """What a pointer did, as a sentence; the result is where it points now."""
    after = "nothing" if done.after is None else f"{done.model}@{done.after}"
    before = "nothing" if done.before is None else f"{done.model}@{done.before}"
    if not done.changed:
        cx.say(f"{done.pointer} of {done.model} is {after} already")
    else:
        cx.say(f"{done.pointer} of {done.model} {'would be' if dry_run else 'is now'} {after} (was {before})")
    cx.show(Output(shapes.document("moved", shapes.moved(done)), [done.ref], ("ref",), [(done.ref,)], text=done.ref))


@command(
    "archive",
    examples=[
        "registry archive churn@3 churn@4",
        "registry archive churn --older-than 90d --keep 5 --best auc:3 --dry-run",
        "registry versions churn -q | tail -n +6 | registry archive -",
        "registry archive churn@5 --dry-run",
    ],
    exits=_MOVES,
)
def archive(
    cx: Session,
    refs: Refs,
    reason: Reason = "",
    force: Force = False,
    older_than: OlderThan = None,
    keep: Keep = None,
    best: Best = None,
    where: OnlyWhere = None,
    keep_holders: KeepHolders = None,
    dry_run: DryRun = False,
    plan: PlanFile = None,
) -> None:
    """They are kept and hidden, and can be restored. What a stage or alias points to is refused, and so is what a
    rollback would go to. All of a model's versions in one change, or none.

    With a model and at least one of --older-than, --keep, --best and --where, all of its versions that none of these
    keeps. Never what a stage or alias points to or held lately, what is tagged keep=yes, and the parents of what is
    kept.

    In a pipe: the references; of a dry run by rules reference, archive or keep, reason, bytes that deleting it would
    free; separated by tabs.
    """
    if given := rules(older_than, keep, best, where, keep_holders, plan):
        retention.one(cx, refs, "archive", given, How(reason, force, dry_run, plan))
        return
    done = cx.registry().archive(
        references(refs), reason=reason, force=force, dry_run=dry_run, request_id=cx.request_id
    )
    changed(cx, done, dry_run)


@command("restore", examples=["registry restore churn@3"], exits=_MOVES)
def restore(cx: Session, refs: Refs, dry_run: DryRun = False) -> None:
    """They are in use again, as they were."""
    changed(cx, cx.registry().restore(references(refs), dry_run=dry_run, request_id=cx.request_id), dry_run)


@command(
    "delete",
    examples=[
        "registry delete churn@3 --yes --reason retention",
        "registry delete churn --older-than 180d --plan plan.json",
        "registry delete churn@3 --dry-run",
    ],
    exits=_MOVES,
)
def delete(
    cx: Session,
    refs: Refs,
    reason: Reason = "",
    force: Force = False,
    older_than: OlderThan = None,
    keep: Keep = None,
    best: Best = None,
    where: OnlyWhere = None,
    keep_holders: KeepHolders = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    plan: PlanFile = None,
) -> None:
    """The files go; what was known of the version stays as a tombstone, and its number is never used again. What a
    stage or alias points to is refused, and so is what a rollback would go to.

    With a model and at least one of --older-than, --keep, --best and --where, all of its archived versions that none
    of these keeps; their age counts from when they were archived. See 'archive' for what is never chosen.

    In a pipe: the references; of a dry run by rules reference, delete or keep, reason, bytes that it would free;
    separated by tabs.
    """
    if given := rules(older_than, keep, best, where, keep_holders, plan):
        retention.one(cx, refs, "delete", given, How(reason, force, dry_run, plan, yes))
        return
    named = references(refs)
    registry = cx.registry()
    if not (yes or dry_run):
        registry.delete(named, reason=reason, force=force, dry_run=True, request_id=cx.request_id)
        cx.confirm(f"Delete {', '.join(named[:5])}{' …' if len(named) > 5 else ''} for good?")
    done = registry.delete(named, reason=reason, force=force, dry_run=dry_run, request_id=cx.request_id)
    changed(cx, done, dry_run)


_DURATION = re.compile(r"([0-9]+)(s|min|h|d|w)\Z", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def _seconds(text: str) -> float:
    match = _DURATION.match(text)
    if not match:
        raise InvalidInput(f"'{text}' is no length of time", "write it as 30min, 12h, 7d or 2w")
    return float(match[1]) * _SECONDS[match[2]]


@command(
    "gc",
    examples=["registry gc", "registry gc churn --dry-run", "registry gc --older-than 2h"],
    exits=(0, 1, 2, 3, 6, 7),
)
def gc(
    cx: Session,
    names: Models = None,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="How long a staging folder must lie untouched.")
    ] = "24h",
    dry_run: DryRun = False,
) -> None:
    """Left-over staging folders of writers that died, the files of deleted versions, contents that no version uses.
    No version is touched.

    In a pipe: what, path, size; separated by tabs.
    """
    done = cx.registry().gc(names or None, age=_seconds(older_than), dry_run=dry_run)
    total = sum(each.size for each in done)
    cx.say(
        f"{'would free' if dry_run else 'freed'} {size(total)} in {plural(len(done), 'place')}"
        if done
        else "nothing to remove"
    )
    rows = [(each.what, each.path, each.size) for each in done]
    data = shapes.items("freed", [shapes.freed(each) for each in done])
    cx.show(Output(data, [each.path for each in done], ("what", "path", "size"), rows, text=None if done else ""))
