"""Gates of stages: check, approve, approvals, sign."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core.names import Reference
from ...errors import InvalidInput
from ...rules.policy.command_checks import NOT_TRUSTED
from ...rules.policy.policy import PASSED
from ..command import command, flag, option
from ..formatting import escape, format_time, plural, shorten, time_column
from ..options import Reason, Ref, Sign, Stage, VersionRef, Yes, ensure_alone, signing_key
from ..session import Output, Session
from ..trust_prompt import report_outputs


@command("approve", "Release", exits=(0, 1, 2, 3, 4, 6, 7, 8), writes=True, dry_run=True)
def approve(
    cx: Session,
    ref: VersionRef,
    stage: Stage,
    reject: Annotated[bool, flag("--reject", "Reject it: the stage refuses it while the rejection holds.")] = False,
    reason: Reason = "",
    review: Annotated[
        bool, flag("--review", "Show first what there is to look at, and ask; also with a --reason.")
    ] = False,
    yes: Yes = False,
    sign: Sign = None,
) -> None:
    """Say that a version may enter a stage, or that it may not.

    On a terminal, without --reason or --yes, what the gate says, what differs from what holds the stage, where the
    version came from and who approved it already are shown, and you are asked. Elsewhere nothing is asked: say why.

    It holds for this version and this stage, while its params, metrics and tags are as they are now. What you said
    before for this stage holds no more. Whose approval counts, and how many there must be, the policy says. A rejection
    stops promote and rollback; `promote --force` overrides it only where the policy says `override_rejections: true`.

    Examples:
        registry approve churn@7 production
        registry approve churn@7 production --reason "cohort of 2025 reviewed, no drift"
        registry approve churn@7 production --reject --reason "worse for patients over 80"
        registry approve churn@7 production --reason reviewed --sign ~/.ssh/id_ed25519
    """
    Reference.parse_version(ref)
    registry, seen = cx.registry(), None
    if review:
        ensure_alone("--review", {"--yes": yes})
    if review or not (reason or yes or cx.dry_run):
        if not (cx.has_viewer and (cx.dry_run or cx.can_ask)):
            raise InvalidInput("there is nobody to ask", "say why: --reason TEXT, or --yes")
        from ..views import review_view

        found = registry.approvals.review(ref, stage)
        review_view.draw(cx, found)
        seen = found.version
        if not cx.dry_run:
            reject, reason = _ask_verdict(cx, seen.ref, stage, reject=reject, reason=reason)
    done = registry.approvals.approve(
        seen.ref if seen else ref, stage, reject=reject, reason=reason, seen=seen, sign=signing_key(cx, sign), **cx.change
    )  # fmt: skip
    word = done.action if done.changed else f"{done.action} already"
    cx.say(f"{done.refs[0]}: {'would be ' if cx.dry_run else ''}{word} for {stage}")
    cx.show_changed("changed", done, done.refs[0])


def _ask_verdict(cx: Session, ref: str, stage: str, *, reject: bool, reason: str) -> tuple[bool, str]:
    """Ask whether to reject it, and why."""
    if reject:
        cx.confirm(f"Reject {ref} for {stage}?")
    else:
        answer = cx.ask(f"Approve {ref} for {stage}? [y/N, r to reject it]").lower()
        if answer not in ("y", "yes", "r", "reject"):
            raise InvalidInput("nothing was said", "answer y or r")
        reject = answer.startswith("r")
    return reject, reason or cx.ask("Why?")


@command("approvals", "Release", exits=(0, 2, 3, 6), lists=True)
def approvals(cx: Session, ref: Ref) -> None:
    """Show who approved or rejected a version.

    Of each person and stage the newest. An approval, or a rejection, is in force until what it was based on changes:
    the params, metrics or tags of the version. One that the policy does not count is told as excluded.

    In a pipe: stage, who, approved or rejected, time, state, why, signed by, reason; separated by tabs. With `-q`, the
    accounts whose approval is in force.

    Examples:
        registry approvals churn@7
        registry approvals churn@7 --json | jq '.items[] | select(.state == "in-force")'
    """
    found = cx.reader().approvals(ref)
    rows = [
        (each.stage, each.by, "approved" if each.approved else "rejected", each.at, each.state, each.why,
         (each.signature.principal or each.signature.code) if each.signature else "", each.reason)
        for each in found
    ]  # fmt: skip
    shown = [
        (stage, by, verdict, format_time(at), escape(": ".join(filter(None, (state.replace("-", " "), why)))),
         escape(signer or "-"), escape(shorten(reason)))
        for stage, by, verdict, at, state, why, signer, reason in rows
    ]  # fmt: skip
    accounts = list(dict.fromkeys(each.by for each in found if each.approved and each.state == "in-force"))
    columns = ("stage", "who", "said", time_column(), "state", "signed by", "reason")
    names = ("stage", "who", "decision", "time", "state", "why", "signed_by", "reason")
    cx.show(
        Output("approvals", found, accounts, columns, rows, shown, empty="nobody said anything", names=names, wrap=True)
    )


@command("sign", "Release", exits=(0, 1, 2, 3, 4, 6, 7, 8), writes=True, dry_run=True)
def sign(
    cx: Session,
    ref: VersionRef,
    key: Annotated[str, option("--key", "KEY", "The path of an SSH key, or of a public one an agent holds.")],
) -> None:
    """Sign a version.

    `ssh-keygen -Y sign` signs the digest of its files and all that was registered of it. Agents and security keys
    work. Whose keys count stands in `allowed_signers`, in the registry's folder; `verify --signatures` looks.

    In a pipe: the reference.

    Examples:
        registry sign churn@7 --key ~/.ssh/id_ed25519
        registry sign churn@production --key ~/.ssh/id_ed25519_sk.pub
        registry verify churn --signatures
    """
    done = cx.registry().approvals.sign(ref, signing_key(cx, key) or key, **cx.change)
    cx.say(f"{done.refs[0]}: {'would be signed' if cx.dry_run else 'signed' if done.changed else 'was signed already'}")
    cx.show_changed("changed", done, done.refs[0])


@command("check", "Release", exits=(0, 2, 3, 4, 5, 6), lists=True)
def check(cx: Session, ref: Ref, stage: Stage) -> None:
    """Say whether a stage would let a version in, and why.

    Every rule of the stage's policy, with what it found; nothing is moved. `waiting` is what will pass in time. Checks
    are run, if you trust them (`registry trust`). Exit code 5 when `promote` would be refused.

    In a pipe: rule, wanted, found, outcome; separated by tabs. With `-q`, the reference if it passes.

    Examples:
        registry check churn@7 production
        registry check churn@latest staging && registry promote churn@latest staging
        registry check churn@7 production --json | jq '.rules[] | select(.outcome != "passed")'
    """
    done = cx.reader().policies.check(ref, stage)
    rows = [(each.name, each.wanted, each.found, each.outcome) for each in done.rules]
    shown = [[shorten(cell) for cell in row] for row in rows]
    if done.passed:
        cx.say(f"{stage} lets {done.ref} in")
    else:
        missed = sum(each.outcome != PASSED for each in done.rules)
        tail = "" if done.forcible else "; --force is forbidden"
        cx.say(f"{stage} would refuse {done.ref}: {missed} of {plural(len(rows), 'rule')} not passed{tail}")
        report_outputs(cx, done.rules)
        if any(each.found == NOT_TRUSTED.words for each in done.rules):
            model = done.ref.rpartition("@")[0]
            cx.say(f"its commands are not trusted: registry trust {model} shows them, and lets them run")
    columns = ("rule", "wanted", "found", "outcome")
    nothing = f"{stage} has no policy"
    cx.show(Output("evaluation", done, [done.ref] * done.passed, columns, rows, shown, empty=nothing, wrap=True))
    if not done.passed:
        raise typer.Exit(5)
