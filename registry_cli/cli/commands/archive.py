"""The lifecycle: archive, restore, delete, gc."""

from __future__ import annotations

import re
from typing import Annotated

from ...errors import InvalidInput
from ..command import command, option
from ..options import (
    Best,
    Compress,
    DryRun,
    Force,
    Keep,
    KeepHolders,
    Models,
    OlderThan,
    OnlyWhere,
    PlanFile,
    Reason,
    Refs,
    Yes,
    Zstd,
    read_references,
)
from ..output import Output
from ..session import Session
from ..views.text import format_size, plural
from . import retention
from .retention import RetentionOptions, parse_rules, show_changed

_MOVES = (0, 1, 2, 3, 4, 6, 7, 8)


@command("archive", "lifecycle", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8), writes=True)
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
    compress: Compress = False,
    zstd: Zstd = False,
    dry_run: DryRun = False,
    plan: PlanFile = None,
) -> None:
    """Take versions out of use.

    They are kept and hidden, and can be restored. What a stage or alias points to is refused, and so is what a
    rollback would go to. All of a model's versions in one change, or none.

    With a model and at least one of --older-than, --keep, --best and --where, all of its versions that none of these
    keeps. Never what a stage or alias points to or held lately, what is tagged keep=yes, and the parents of what is
    kept.

    With --compress each is packed: its files become one compressed file, until it is restored; `fetch` and `cat` read
    it all the same. By rules, whatever of the model is archived is packed, where that frees something.

    In a pipe: the references; of a dry run by rules reference, archive, pack or keep, reason, bytes that deleting it
    would free, or that packing it frees; separated by tabs.

    Examples:
        registry archive churn@3 churn@4
        registry archive churn --older-than 90d --keep 5 --best auc:3 --dry-run
        registry versions churn -q | tail -n +6 | registry archive -
        registry archive churn@5 --compress
        registry archive churn@5 --dry-run
    """
    kind = "zstd" if zstd else "gzip" if compress else ""
    if given := parse_rules(older_than, keep, best, where, keep_holders, plan, kind):
        retention.retain_model(cx, refs, "archive", given, RetentionOptions(reason, force, dry_run, plan))
        return
    with cx.progress("packing") as progress:
        done = cx.registry().archive(
            read_references(refs), reason=reason, force=force, compress=kind, dry_run=dry_run, request_id=cx.request_id,
            progress=progress,
        )  # fmt: skip
    show_changed(cx, done, dry_run)


@command("restore", "lifecycle", exits=_MOVES, writes=True)
def restore(cx: Session, refs: Refs, dry_run: DryRun = False) -> None:
    """Bring archived versions back.

    They are in use again, as they were. One that is packed is unpacked, every byte compared with its sha256.

    Examples:
        registry restore churn@3
    """
    with cx.progress("unpacking") as progress:
        done = cx.registry().restore(
            read_references(refs), dry_run=dry_run, request_id=cx.request_id, progress=progress
        )
    show_changed(cx, done, dry_run)


@command("delete", "lifecycle", exits=_MOVES, writes=True)
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
    """Remove versions for good.

    The files go; what was known of the version stays as a tombstone, and its number is never used again. What a
    stage or alias points to is refused, and so is what a rollback would go to.

    With a model and at least one of --older-than, --keep, --best and --where, all of its archived versions that none
    of these keeps; their age counts from when they were archived. See 'archive' for what is never chosen.

    In a pipe: the references; of a dry run by rules reference, delete or keep, reason, bytes that it would free;
    separated by tabs.

    Examples:
        registry delete churn@3 --yes --reason retention
        registry delete churn --older-than 180d --plan plan.json
        registry delete churn@3 --dry-run
    """
    if given := parse_rules(older_than, keep, best, where, keep_holders, plan):
        retention.retain_model(cx, refs, "delete", given, RetentionOptions(reason, force, dry_run, plan, yes))
        return
    named = read_references(refs)
    registry = cx.registry()
    if not (yes or dry_run):
        registry.delete(named, reason=reason, force=force, dry_run=True, request_id=cx.request_id)
        cx.confirm(f"Delete {', '.join(named[:5])}{' …' if len(named) > 5 else ''} for good?")
    done = registry.delete(named, reason=reason, force=force, dry_run=dry_run, request_id=cx.request_id)
    show_changed(cx, done, dry_run)


_DURATION = re.compile(r"([0-9]+)(s|min|h|d|w)\Z", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def _parse_duration(text: str) -> float:
    match = _DURATION.match(text)
    if not match:
        raise InvalidInput(f"'{text}' is no length of time", "write it as 30min, 12h, 7d or 2w")
    return float(match[1]) * _SECONDS[match[2]]


@command("gc", "lifecycle", exits=(0, 1, 2, 3, 6, 7), writes=True)
def gc(
    cx: Session,
    names: Models = None,
    older_than: Annotated[str, option("--older-than", "TIME", "How long a staging folder must lie untouched.")] = "24h",
    dry_run: DryRun = False,
) -> None:
    """Remove what nobody needs any more.

    Left-over staging folders of writers that died, the files of deleted versions, contents that no version uses.
    No version is touched.

    In a pipe: what, path, size; separated by tabs.

    Examples:
        registry gc
        registry gc churn --dry-run
        registry gc --older-than 2h
    """
    done = cx.registry().admin.gc(names or None, age=_parse_duration(older_than), dry_run=dry_run)
    total = sum(each.size for each in done)
    cx.say(
        f"{'would free' if dry_run else 'freed'} {format_size(total)} in {plural(len(done), 'place')}"
        if done
        else "nothing to remove"
    )
    rows = [(each.what, each.path, each.size) for each in done]
    cx.show(
        Output("freed", done, [each.path for each in done], ("what", "path", "size"), rows, text=None if done else "")
    )
