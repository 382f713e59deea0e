"""Retention: archiving and deleting by rules, plans that are written and carried out, prune."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ...core.names import model_name
from ...errors import Conflict, InvalidInput, NotFound, RegistryError
from ...rules.stages import ARCHIVE, DELETE, PACK
from .. import json_shapes
from ..command import argument, command, flag
from ..options import (
    Best,
    DryRun,
    Keep,
    KeepHolders,
    OlderThan,
    OnlyWhere,
    PlanFile,
    Reason,
    Yes,
    ensure_alone,
    parse_model_name,
    warn_of_unknown_names,
)
from ..output import Output
from ..session import Session
from ..views.text import format_size, plural

if TYPE_CHECKING:
    from ...core.results import VersionsChanged
    from ...registry import Registry
    from ...rules.retention import Plan
    from ...rules.retention_rules import RetentionRules

_EXITS = (0, 1, 2, 3, 4, 6, 7, 8)
_PLAN_LIMIT = 64 << 20
_LATER = {ARCHIVE: "deleting them would free", DELETE: "that frees", PACK: "that frees about"}


class RetentionOptions(NamedTuple):
    """What was said besides the rules."""

    reason: str
    force: bool
    dry_run: bool
    plan: str | None
    yes: bool = True


def parse_rules(
    older_than: str | None,
    keep: int | None,
    best: list[str] | None,
    where: str | None,
    keep_holders: int | None,
    plan: str | None,
    compress: str = "",
) -> RetentionRules | None:
    """The rules that were given, None if none was. What only makes sense with a rule is :class:`InvalidInput` then."""
    if older_than is None and keep is None and not best and where is None:
        if keep_holders is not None or plan is not None:
            raise InvalidInput(
                f"{'--plan' if plan is not None else '--keep-holders'} is for versions that rules choose",
                "add --older-than, --keep, --best or --where",
            )
        return None
    from ...rules.retention_rules import HOLDERS, RetentionRules

    holders = HOLDERS if keep_holders is None else keep_holders
    return RetentionRules.build(
        older_than=older_than, keep=keep, best=best or (), where=where, keep_holders=holders, compress=compress
    )


def retain_model(cx: Session, given: list[str], action: str, chosen_by: RetentionRules, how: RetentionOptions) -> None:
    """``archive`` and ``delete`` of a model by rules."""
    if how.force:
        raise InvalidInput("--force is for versions that are named", "what rules choose is never in the way")
    if how.plan is not None:  # 'apply' is given the reason: a plan has none
        ensure_alone("--plan", {"--reason": how.reason})
    if len(given) != 1:
        raise InvalidInput("rules are for one model at a time", f"name it alone: registry {action} churn …")
    name = parse_model_name(given[0])
    registry = cx.registry()
    warn_of_unknown_names(cx, registry, chosen_by.where or "", name)
    actions = [action, PACK] if chosen_by.compress else [action]
    if how.dry_run or how.plan is not None or not how.yes:
        plans = [registry.retention.plan(name, each, chosen_by) for each in actions]
        if how.dry_run or how.plan is not None:
            _show(cx, registry, plans, how.plan)
            return
        _confirm(cx, plans)
        done = registry.retention.apply(plans, reason=how.reason, request_id=cx.request_id)
    else:
        done = [
            registry.retention.retain(name, each, chosen_by, reason=how.reason, request_id=cx.request_id)
            for each in actions
        ]
    show_changed(cx, done, False)


@command("prune", "lifecycle", exits=_EXITS, writes=True)
def prune(
    cx: Session,
    names: Annotated[list[str] | None, argument("[NAME]...", "Models.")] = None,
    everything: Annotated[bool, flag("--all", "All models.")] = False,
    older_than: OlderThan = None,
    keep: Keep = None,
    best: Best = None,
    where: OnlyWhere = None,
    keep_holders: KeepHolders = None,
    reason: Reason = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    plan: PlanFile = None,
) -> None:
    """Delete archived versions by rules, or follow each model's retention policy.

    With rules, among which is --older-than, the archived versions that none of them keeps are deleted. Without
    rules, each model's policy is followed: what 'retention' in its model.yaml says, else that in registry.yaml, to
    delete (prune), to archive and to pack. A model whose policy has a slip is left as it is; the others have their turn.

    In a pipe: the references; of a dry run reference, archive, delete, pack or keep, reason, bytes that this frees;
    separated by tabs.

    Examples:
        registry prune churn --older-than 180d --dry-run
        registry prune --all --yes --quiet
        registry prune churn risk/fraud --older-than 180d --keep 10 --yes
    """
    if bool(names) == everything:
        raise InvalidInput("name the models, or say --all", "not both, and not neither")
    chosen = [parse_model_name(name) for name in names or ()] or None
    ruled = any(given is not None for given in (older_than, keep, where)) or bool(best)
    given = parse_rules(older_than, keep, best, where, keep_holders, plan if ruled else None)
    if given and older_than is None:
        raise InvalidInput("what is deleted is gone: say how old it must be", "add --older-than 180d")
    if plan is not None:
        ensure_alone("--plan", {"--reason": reason})
    registry = cx.registry()
    warn_of_unknown_names(cx, registry, where or "", chosen[0] if chosen and len(chosen) == 1 else None)
    failed: list[RegistryError] = []
    if dry_run or plan is not None or not yes:
        plans = registry.retention.prune_plans(chosen, given, on_error=failed.append, on_warning=cx.warn)
        if dry_run or plan is not None:
            if plans or not failed:
                _show(cx, registry, plans, plan)
            _raise_last(cx, failed)
            return
        _confirm(cx, plans)
        done = registry.retention.apply(plans, reason=reason, request_id=cx.request_id)
    else:
        done = registry.retention.prune(
            chosen, given, reason=reason, request_id=cx.request_id, on_error=failed.append, on_warning=cx.warn
        )
    if done or not failed:
        show_changed(cx, done, False)
    _raise_last(cx, failed)


@command("apply", "lifecycle", exits=_EXITS, writes=True)
def apply(
    cx: Session,
    file: Annotated[str, argument("PATH", "What --plan wrote; '-' is standard input.")],
    reason: Reason = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Carry out a plan of archive, delete or prune.

    Exactly what stands in the plan, or nothing: when a model has changed since, that is a conflict. To apply a plan
    again does nothing more, or what was left to do.

    In a pipe: the references, one a line.

    Examples:
        registry apply plan.json --yes
        registry apply plan.json --dry-run
    """
    registry = cx.registry()
    plans = _read_plans(file, registry.settings.id)
    if not (yes or dry_run):
        _confirm(cx, plans)
    show_changed(cx, registry.retention.apply(plans, reason=reason, dry_run=dry_run, request_id=cx.request_id), dry_run)


def show_changed(cx: Session, done: list[VersionsChanged], dry_run: bool) -> None:
    """What happened to which versions; nothing at all when there was nothing to do."""
    refs = list(dict.fromkeys(ref for each in done for ref in each.refs))
    for action in dict.fromkeys(each.action for each in done):
        some = [ref for each in done if each.action == action for ref in each.refs]
        if some:
            word = f"would be {action}" if dry_run else action
            more = f" and {len(some) - 20:,} more" if len(some) > 20 else ""
            cx.say(f"{word}: {' '.join(some[:20])}{more}{_format_freed(done, action, dry_run)}")
    if not refs:
        cx.say("nothing to do")
    if overridden := list(dict.fromkeys(name for each in done for name in each.overridden)):
        cx.warn(f"this {'would override' if dry_run else 'overrides'}: {', '.join(overridden)}")
    cx.show(Output("changed", done, refs, ("ref",), [(ref,) for ref in refs], text="\n".join(refs) if refs else ""))


def _format_freed(done: list[VersionsChanged], action: str, dry_run: bool) -> str:
    """What packing freed, in words."""
    freed = sum(each.freed for each in done if each.action == action)
    if action != "packed" or not freed:
        return ""
    about = "about " if dry_run else ""
    return f"; {about}{format_size(freed)} freed" if freed > 0 else f"; that takes {about}{format_size(-freed)} more"


def _show(cx: Session, registry: Registry, plans: list[Plan], target: str | None) -> None:
    """Every version and what would become of it; a file that is asked for is written first."""
    body = {"registry": registry.settings.id, "items": plans}
    if target is not None:
        from ...operations import export as exporting

        exporting.save_plan(registry.context, json.dumps(json_shapes.document("plans", body), indent=2) + "\n", target)
    refs = [f"{each.model}@{number}" for each in plans for number in each.chosen]
    for each in plans:
        if each.chosen:
            later = _LATER[each.action]
            words = f"would {each.action} {plural(len(each.chosen), 'version')} of {each.model}"
            cx.say(f"{words}; {later} {format_size(each.freed)}")
    if not refs:
        cx.say("nothing to do: all are kept")
    rows = [
        (f"{each.model}@{verdict.version}", each.action if verdict.chosen else "keep", verdict.reason, verdict.freed)
        for each in plans
        for verdict in each.verdicts
    ]
    shown = [(ref, what, why, format_size(freed) if what != "keep" else "") for ref, what, why, freed in rows]
    cx.show(Output("plans", body, refs, ("ref", "plan", "reason", "frees"), rows, shown, text=None if rows else ""))


def _confirm(cx: Session, plans: list[Plan]) -> None:
    """Ask before anything is deleted. Archiving can be undone."""
    gone = [f"{each.model}@{number}" for each in plans if each.action == "delete" for number in each.chosen]
    if gone:
        cx.confirm(f"Delete {', '.join(gone[:5])}{f' and {len(gone) - 5:,} more' if len(gone) > 5 else ''} for good?")


def _raise_last(cx: Session, failed: list[RegistryError]) -> None:
    """Fail, now that the others had their turn."""
    if not failed:
        return
    for error in failed[:-1]:
        cx.warn(str(error))
    raise failed[-1]


def _read_plans(file: str, registry_id: str) -> list[Plan]:
    """The plans of a file. :class:`InvalidInput` if it holds none, :class:`Conflict` if they are another registry's."""
    try:
        if file == "-":
            text = sys.stdin.read(_PLAN_LIMIT) if sys.stdin is not None else ""
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read(_PLAN_LIMIT)
        document = json.loads(text)
        if document["kind"] != "plans" or document["schema"] != json_shapes.SCHEMA:
            raise ValueError
        plans = [_parse_plan(each) for each in document["items"]]
    except FileNotFoundError:
        raise NotFound(f"there is no file '{file}'", "--plan FILE writes one") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(f"'{file}' holds no plan", "write one with: registry archive NAME … --plan FILE") from None
    if document.get("registry") != registry_id:
        raise Conflict("this plan was made for another registry", "plan it again")
    return plans


def _parse_plan(item: dict[str, Any]) -> Plan:
    """One plan of a file. Raises ValueError, KeyError or TypeError when it is none."""
    from ...rules.retention import Plan, RetentionDecision

    verdicts = tuple(
        RetentionDecision(each["version"], each["chosen"], str(each["reason"]), each["freed"])
        for each in item["verdicts"]
    )
    numbers = [item["revision"], item["highest"], *(each.version for each in verdicts)]
    if any(type(number) is not int or not 0 <= number < 10**9 for number in numbers):
        raise ValueError
    compress = item.get("compress") or ""
    if (compress not in ("", "gzip", "zstd")) or bool(compress) < (item["action"] == PACK):
        raise ValueError
    if item["action"] not in _LATER or any(type(each.chosen) is not bool for each in verdicts):
        raise ValueError
    return Plan(
        model_name(item["model"]), item["action"], str(item["rules"]), numbers[0], numbers[1], verdicts, compress
    )
