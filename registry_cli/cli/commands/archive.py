"""The lifecycle of versions: archive, restore and delete by hand or by rules; prune, apply."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ... import operations
from ...core import json_shapes
from ...errors import InvalidInput, RegistryError
from ...rules.stages import PACK
from ..command import DryRun, argument, command, flag, option
from ..formatting import format_size, plural
from ..options import Force, Reason, Refs, Yes, ensure_alone, parse_model_name, read_references, warn_of_unknown_names
from ..plans import draw_plans, read_plans, summarize_plans
from ..session import Output, Session

if TYPE_CHECKING:
    from ...core.results import VersionsChanged
    from ...registry import Registry
    from ...rules.retention import Plan
    from ...rules.retention_rules import RetentionRules

_MOVES = (0, 1, 2, 3, 4, 6, 7, 8)


Limit = Annotated[int | None, option("--limit", "N", "With --dry-run or --plan: print N rows at most.", min=1)]
ChangesOnly = Annotated[
    bool, flag("--changes-only", "With --dry-run or --plan: leave out the rows of versions that are kept.")
]


class RetentionOptions(NamedTuple):
    """The rules that select versions."""

    older_than: Annotated[
        str | None,
        option("--older-than", "TIME", "Keep versions younger than 90d, 12w, 1y (since archiving, if archived)."),
    ] = None
    keep: Annotated[int | None, option("--keep", "N", "Keep the newest N versions.", min=1)] = None
    best: Annotated[
        list[str] | None,
        option(
            "--best", "METRIC:N", "Keep the N best: auc:3 or drift:3:max (highest), -loss:3 or loss:3:min (lowest)."
        ),
    ] = None
    where: Annotated[str | None, option("--where -w", "EXPR", "Keep versions that do not match the query.")] = None
    keep_holders: Annotated[
        int | None, option("--keep-holders", "N", "Keep the last N holders of each stage (default: 3).", min=0)
    ] = None

    @property
    def given(self) -> bool:
        """Whether there is a rule; ``--keep-holders`` only adds to others."""
        return bool(self.best) or any(each is not None for each in (self.older_than, self.keep, self.where))

    def parse(self, plan: str | None, compress: str = "") -> RetentionRules | None:
        """Return the rules, None if none is given; raise :class:`InvalidInput` for options that require a rule."""
        if not self.given:
            if self.keep_holders is not None or plan is not None:
                raise InvalidInput(
                    f"{'--plan' if plan is not None else '--keep-holders'} requires rules that select versions",
                    "add --older-than, --keep, --best or --where",
                )
            return None
        from ...rules.retention_rules import HOLDERS, RetentionRules

        holders = HOLDERS if self.keep_holders is None else self.keep_holders
        chosen = self._replace(best=self.best or [], keep_holders=holders)._asdict()
        return RetentionRules.build(**chosen, compress=compress)


class PlanOptions(NamedTuple):
    """How to show or store a plan instead of applying it."""

    dry_run: DryRun = False
    plan: Annotated[str | None, option("--plan", "FILE", "Write a plan for 'apply' without changing anything.")] = None
    limit: Limit = None
    changes_only: ChangesOnly = False

    @property
    def given(self) -> bool:
        return self.dry_run or self.plan is not None

    def ensure_shown(self) -> None:
        """Refuse options about rows where no rows are printed."""
        if not self.given:
            _ensure_dry_run(self.limit, self.changes_only)


def _ensure_dry_run(limit: int | None, changes_only: bool) -> None:
    if limit is not None or changes_only:
        name = "--limit" if limit is not None else "--changes-only"
        raise InvalidInput(f"{name} has no effect without --dry-run", "add --dry-run")


@command("archive", "Maintain", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8), writes=True, lists=True)
def archive(
    cx: Session,
    refs: Refs,
    *,
    reason: Reason = "",
    force: Force = False,
    chosen_by: RetentionOptions,
    compress: Annotated[
        bool, flag("--compress", "Also pack each version with gzip, even if already archived.")
    ] = False,
    zstd: Annotated[
        bool, flag("--zstd", "Like --compress, with zstd: faster and smaller (Python 3.14 or newer).")
    ] = False,
    how: PlanOptions,
) -> None:
    """Archive versions.

    Archived versions are kept but hidden, and can be restored. A version is refused while a stage or alias points to it
    or a rollback would return to it. Several versions are archived in one change per model: all or none.

    With a model and at least one of --older-than, --keep, --best and --where, archive every version that none of these
    rules keeps. Never selected: versions that a stage or alias points to or that recently held a stage, versions tagged
    keep=yes, and parents of versions that are kept.

    --compress also packs each version into one compressed file until it is restored; `fetch` and `cat` read packed
    versions as usual. With rules, versions that are already archived are packed too, where that saves space.

    In a pipe: the references. A dry run with rules prints reference, archive, pack or keep, reason, and the bytes that
    deleting or packing would free; separated by tabs.

    Examples:
        registry archive churn@3 churn@4
        registry archive churn --older-than 90d --keep 5 --best auc:3 --dry-run
        registry versions churn -q | tail -n +6 | registry archive -
        registry archive churn@5 --compress
        registry archive churn@5 --dry-run
    """
    how.ensure_shown()
    kind = "zstd" if zstd else "gzip" if compress else ""
    if rules := chosen_by.parse(how.plan, kind):
        _retain_model(cx, refs, "archive", rules, reason, force, how)
        return
    with cx.progress("packing") as progress:
        done = cx.registry().archive(
            read_references(refs), reason=reason, force=force, compress=kind, dry_run=how.dry_run,
            request_id=cx.request_id, progress=progress,
        )  # fmt: skip
    _show_changed(cx, done, how.dry_run)


@command("restore", "Maintain", exits=_MOVES, writes=True, dry_run=True)
def restore(cx: Session, refs: Refs) -> None:
    """Restore archived versions.

    They become visible again, unchanged. A packed version is unpacked, and every file is compared with its sha256.

    Examples:
        registry restore churn@3
    """
    with cx.progress("unpacking") as progress:
        done = cx.registry().restore(read_references(refs), **cx.change, progress=progress)
    _show_changed(cx, done, cx.dry_run)


@command("delete", "Maintain", exits=_MOVES, writes=True, lists=True)
def delete(
    cx: Session,
    refs: Annotated[
        list[str], argument("REF...", "Versions: churn@3 churn@4; with --model, models. '-' reads standard input.")
    ],
    *,
    model: Annotated[bool, flag("--model", "Delete whole models, with all of their versions.")] = False,
    reason: Reason = "",
    force: Force = False,
    chosen_by: RetentionOptions,
    yes: Yes = False,
    how: PlanOptions,
) -> None:
    """Delete versions permanently.

    The files are removed; a tombstone keeps the version's metadata, and its number is never reused. A version is
    refused while a stage or alias points to it or a rollback would return to it.

    With a model and at least one of --older-than, --keep, --best and --where, delete every archived version that none
    of these rules keeps. Age counts from the time of archiving. See 'archive' for what is never selected.

    With --model, delete whole models. On a terminal, type the name to confirm. A model with versions that other models
    were derived from is refused without --force. Its history is kept: see 'history NAME'. The name can only be reused
    with --reuse-name; version numbers then continue, and the description, owner and policy in its model.yaml still
    apply.

    In a pipe: the references, with --model the models. A dry run with rules prints reference, delete or keep, reason,
    and the bytes it would free; separated by tabs.

    Examples:
        registry delete churn@3 --yes --reason retention
        registry delete churn --model --dry-run
        registry delete churn --older-than 180d --plan plan.json
        registry delete churn@3 --dry-run
    """
    rules = chosen_by.parse(how.plan)
    if model:
        if rules:
            raise InvalidInput("--model deletes all versions; rules select some of them", "use one of them")
        _delete_models(cx, read_references(refs), reason, force, yes, how.dry_run)
        return
    if rules:
        _retain_model(cx, refs, "delete", rules, reason, force, how, yes=yes)
        return
    named = read_references(refs)
    registry = cx.registry()
    if not (yes or how.dry_run):
        registry.delete(named, reason=reason, force=force, dry_run=True, request_id=cx.request_id)
        cx.confirm(f"Delete {', '.join(named[:5])}{' …' if len(named) > 5 else ''} permanently?")
    done = registry.delete(named, reason=reason, force=force, dry_run=how.dry_run, request_id=cx.request_id)
    _show_changed(cx, done, how.dry_run)


def _delete_models(cx: Session, names: list[str], reason: str, force: bool, yes: bool, dry_run: bool) -> None:
    """Delete whole models, after a person has typed the name of each."""
    models, registry = [parse_model_name(name) for name in names], cx.registry()
    change: dict[str, Any] = {"model": True, "reason": reason, "force": force, "request_id": cx.request_id}
    if not (yes or dry_run):
        if not cx.can_ask:
            raise InvalidInput("deleting a model cannot be undone", "add --yes")
        for each in registry.delete(models, **{**change, "dry_run": True}):
            cx.say(f"This deletes the model {each.model} and its {plural(len(each.versions), 'version')} permanently.")
            _report_overridden(cx, [each], True)
            if cx.ask("Type its name to confirm:") != each.model:
                raise InvalidInput("nothing was changed", f"type {each.model} or add --yes")
    done = registry.delete(models, **change, dry_run=dry_run)
    for each in done:
        what = "would be deleted" if dry_run else "deleted" if each.changed else "already deleted"
        cx.say(f"{what}: model {each.model}, {plural(len(each.versions), 'version')}")
    _report_overridden(cx, done, dry_run)
    deleted = [each.model for each in done]
    cx.show(Output("changed", done, deleted, rows=[(name,) for name in deleted], text=""))


def _retain_model(
    cx: Session,
    given: list[str],
    action: str,
    rules: RetentionRules,
    reason: str,
    force: bool,
    how: PlanOptions,
    *,
    yes: bool = True,
) -> None:
    """Archive or delete versions of a model by rules."""
    if force:
        raise InvalidInput("--force only applies to named versions", "rules never select versions that need it")
    if how.plan is not None:  # 'apply' takes the reason: a plan has none
        ensure_alone("--plan", {"--reason": reason})
    if len(given) != 1:
        raise InvalidInput("rules apply to one model at a time", f"give one model: registry {action} NAME …")
    name = parse_model_name(given[0])
    registry = cx.registry()
    warn_of_unknown_names(cx, registry, rules.where or "", name)
    actions = [action, PACK] if rules.compress else [action]
    if how.given or not yes:
        plans = [registry.retention.plan(name, each, rules) for each in actions]
        if how.given:
            _show_plans(cx, registry, plans, how)
            return
        _confirm(cx, plans)
        done = registry.retention.apply(plans, reason=reason, request_id=cx.request_id)
    else:
        done = [
            registry.retention.retain(name, each, rules, reason=reason, request_id=cx.request_id) for each in actions
        ]
    _show_changed(cx, done, False)


@command("prune", "Maintain", exits=_MOVES, writes=True, lists=True)
def prune(
    cx: Session,
    names: Annotated[list[str] | None, argument("[NAME]...", "Models.")] = None,
    everything: Annotated[bool, flag("--all", "Every model.")] = False,
    *,
    chosen_by: RetentionOptions,
    reason: Reason = "",
    yes: Yes = False,
    how: PlanOptions,
) -> None:
    """Delete archived versions by rules, or apply each model's retention policy.

    With rules, which must include --older-than, delete the archived versions that none of the rules keeps. Without
    rules, apply each model's retention policy (`retention` in its model.yaml, or else in registry.yaml): delete,
    archive and pack. A model with an invalid policy is left unchanged; the other models are still processed.

    In a pipe: the references. A dry run prints reference, archive, delete, pack or keep, reason, and the bytes it would
    free; separated by tabs.

    Examples:
        registry prune churn --older-than 180d --dry-run
        registry prune --all --yes --quiet
        registry prune churn risk/fraud --older-than 180d --keep 10 --yes
    """
    how.ensure_shown()
    if bool(names) == everything:
        raise InvalidInput("missing argument NAME", "specify models or --all, not both")
    models = [parse_model_name(name) for name in names or ()] or None
    rules = chosen_by.parse(how.plan if chosen_by.given else None)
    if rules and chosen_by.older_than is None:
        raise InvalidInput("deleting by rules requires a minimum age", "add --older-than, for example 180d")
    if how.plan is not None:
        ensure_alone("--plan", {"--reason": reason})
    registry = cx.registry()
    warn_of_unknown_names(cx, registry, chosen_by.where or "", models[0] if models and len(models) == 1 else None)
    failed: list[RegistryError] = []
    if how.given or not yes:
        plans = registry.retention.prune_plans(models, rules, on_error=failed.append, on_warning=cx.warn)
        if how.given:
            if plans or not failed:
                _show_plans(cx, registry, plans, how)
            _raise_last(cx, failed)
            return
        _confirm(cx, plans)
        done = registry.retention.apply(plans, reason=reason, request_id=cx.request_id)
    else:
        done = registry.retention.prune(
            models, rules, reason=reason, request_id=cx.request_id, on_error=failed.append, on_warning=cx.warn
        )
    if done or not failed:
        _show_changed(cx, done, False)
    _raise_last(cx, failed)


@command("apply", "Maintain", exits=_MOVES, writes=True, dry_run=True, lists=True)
def apply(
    cx: Session,
    file: Annotated[str, argument("PATH", "A file written by --plan; '-' is standard input.")],
    reason: Reason = "",
    yes: Yes = False,
    limit: Limit = None,
    changes_only: ChangesOnly = False,
) -> None:
    """Apply a plan written by archive, delete or prune.

    Applies exactly what the plan lists, or nothing: if a model has changed since, that is a conflict. Applying a plan
    again is safe: it does only what is left to do.

    In a pipe: the references, one per line.

    Examples:
        registry apply plan.json --yes
        registry apply plan.json --dry-run
    """
    if not cx.dry_run:
        _ensure_dry_run(limit, changes_only)
    registry = cx.registry()
    plans = read_plans(file, registry.admin.settings.id)
    if not (yes or cx.dry_run):
        _confirm(cx, plans)
    done = registry.retention.apply(plans, reason=reason, **cx.change)
    if cx.dry_run and cx.has_viewer:
        cx.show(Output("changed", done, draw=lambda: draw_plans(plans, limit, changes_only)))
    else:
        _show_changed(cx, done, cx.dry_run)


def _show_changed(cx: Session, done: list[VersionsChanged], dry_run: bool) -> None:
    """Print the changed versions by action."""
    refs = list(dict.fromkeys(ref for each in done for ref in each.refs))
    for action in dict.fromkeys(each.action for each in done):
        some = [ref for each in done if each.action == action for ref in each.refs]
        if some:
            word = f"would be {action}" if dry_run else action
            more = f" and {len(some) - 20:,} more" if len(some) > 20 else ""
            cx.say(f"{word}: {' '.join(some[:20])}{more}{_format_freed(done, action, dry_run)}")
    if not refs:
        cx.say("nothing to do")
    _report_overridden(cx, done, dry_run)
    cx.show(
        Output(
            "changed",
            done,
            refs,
            rows=[(ref,) for ref in refs],
            text=cx.text_for_script("\n".join(refs)),
            names=["ref"],
        )
    )


def _report_overridden(cx: Session, done: list[VersionsChanged], dry_run: bool) -> None:
    if overridden := list(dict.fromkeys(name for each in done for name in each.overridden)):
        cx.warn(f"this {'would override' if dry_run else 'overrides'}: {', '.join(overridden)}")


def _format_freed(done: list[VersionsChanged], action: str, dry_run: bool) -> str:
    freed = sum(each.freed for each in done if each.action == action)
    if action != "packed" or not freed:
        return ""
    about = "about " if dry_run else ""
    return f"; {about}{format_size(freed)} freed" if freed > 0 else f"; uses {about}{format_size(-freed)} more"


def _show_plans(cx: Session, registry: Registry, plans: list[Plan], how: PlanOptions) -> None:
    """Print the decision for every version; write the plan file first if requested."""
    body = {"registry": registry.admin.settings.id, "items": plans}
    if how.plan is not None:
        operations.export.save_plan(
            registry.context, json.dumps(json_shapes.document("plans", body), indent=2) + "\n", how.plan
        )
    if not cx.has_viewer:
        for line in summarize_plans(plans):
            cx.say(line)
    refs = [f"{each.model}@{number}" for each in plans for number in each.chosen]
    rows = [
        (f"{each.model}@{verdict.version}", each.action if verdict.chosen else "keep", verdict.reason, verdict.freed)
        for each in plans
        for verdict in each.verdicts
        if verdict.chosen or not how.changes_only
    ]
    names, draw = ("ref", "action", "reason", "frees"), lambda: draw_plans(plans, how.limit, how.changes_only)
    cx.show(Output("plans", body, dict.fromkeys(refs), rows=rows[: how.limit], draw=draw, names=names))


def _confirm(cx: Session, plans: list[Plan]) -> None:
    """Ask before anything is deleted. Archiving can be undone."""
    gone = [f"{each.model}@{number}" for each in plans if each.action == "delete" for number in each.chosen]
    if gone:
        cx.confirm(
            f"Delete {', '.join(gone[:5])}{f' and {len(gone) - 5:,} more' if len(gone) > 5 else ''} permanently?"
        )


def _raise_last(cx: Session, failed: list[RegistryError]) -> None:
    """Raise the last error after the other models were processed."""
    if not failed:
        return
    for error in failed[:-1]:
        cx.warn(str(error))
    raise failed[-1]
