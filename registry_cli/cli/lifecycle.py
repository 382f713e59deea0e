"""The lifecycle: promote, demote, rollback, archive, restore, delete, gc."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ..errors import InvalidInput
from ..outcomes import Changed, Moved
from . import shapes
from .command import command
from .options import DryRun, Expect, Force, Model, Models, NoVerify, Reason, Ref, Refs, Stage, expected, references
from .session import Output, Session
from .text import plural, size

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
    ],
    exits=_MOVES,
)
def rollback(
    cx: Session,
    name: Model,
    stage: Stage,
    expect: Expect = None,
    reason: Reason = "",
    no_verify: NoVerify = False,
    dry_run: DryRun = False,
) -> None:
    """From the history; again goes one further back. The artifact is compared with its manifest first."""
    done = cx.registry().rollback(
        name, stage, expect=expected(expect), reason=reason, verify=not no_verify,
        dry_run=dry_run, request_id=cx.request_id,
    )  # fmt: skip
    _moved(cx, done, dry_run)


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
        "registry versions churn -q | tail -n +6 | registry archive -",
        "registry archive churn@5 --dry-run",
    ],
    exits=_MOVES,
)
def archive(cx: Session, refs: Refs, reason: Reason = "", force: Force = False, dry_run: DryRun = False) -> None:
    """They are kept and hidden, and can be restored. What a stage or alias points to is refused, and so is what a
    rollback would go to. All of a model's versions in one change, or none.
    """
    done = cx.registry().archive(
        references(refs), reason=reason, force=force, dry_run=dry_run, request_id=cx.request_id
    )
    _changed(cx, done, dry_run)


@command("restore", examples=["registry restore churn@3"], exits=_MOVES)
def restore(cx: Session, refs: Refs, dry_run: DryRun = False) -> None:
    """They are in use again, as they were."""
    _changed(cx, cx.registry().restore(references(refs), dry_run=dry_run, request_id=cx.request_id), dry_run)


@command(
    "delete",
    examples=["registry delete churn@3 --yes --reason retention", "registry delete churn@3 --dry-run"],
    exits=_MOVES,
)
def delete(
    cx: Session,
    refs: Refs,
    reason: Reason = "",
    force: Force = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    dry_run: DryRun = False,
) -> None:
    """The files go; what was known of the version stays as a tombstone, and its number is never used again. What a
    stage or alias points to is refused, and so is what a rollback would go to.
    """
    named = references(refs)
    registry = cx.registry()
    if not (yes or dry_run):
        registry.delete(named, reason=reason, force=force, dry_run=True, request_id=cx.request_id)
        cx.confirm(f"Delete {', '.join(named[:5])}{' …' if len(named) > 5 else ''} for good?")
    done = registry.delete(named, reason=reason, force=force, dry_run=dry_run, request_id=cx.request_id)
    _changed(cx, done, dry_run)


def _changed(cx: Session, done: list[Changed], dry_run: bool) -> None:
    """What happened to which versions; nothing at all when there was nothing to do."""
    refs = [ref for each in done for ref in each.refs]
    if refs:
        word = f"would be {done[0].action}" if dry_run else done[0].action
        cx.say(f"{word}: {' '.join(refs[:20])}{f' and {len(refs) - 20:,} more' if len(refs) > 20 else ''}")
    else:
        cx.say("nothing to do")
    data = shapes.items("changed", [shapes.changed(each) for each in done])
    cx.show(Output(data, refs, ("ref",), [(ref,) for ref in refs], text="\n".join(refs) if refs else ""))


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
