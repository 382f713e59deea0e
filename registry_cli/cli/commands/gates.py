"""Stage policies: check, approve, approvals, sign."""

from __future__ import annotations

from typing import Annotated

import typer

from ...core.names import Reference
from ...errors import InvalidInput
from ...rules.policy.command_checks import NOT_TRUSTED
from ...rules.policy.policy import PASSED
from ..command import argument, command, flag, option
from ..formatting import escape, format_age, format_time, plural, shorten, time_column
from ..options import Reason, Ref, Sign, Stage, VersionRef, Yes, ensure_alone, signing_key
from ..session import Output, Session
from ..trust_prompt import report_outputs


@command("approve", "Release", exits=(0, 1, 2, 3, 4, 6, 7, 8), writes=True, dry_run=True)
def approve(
    cx: Session,
    ref: VersionRef,
    stage: Stage,
    reject: Annotated[
        bool, flag("--reject", "Reject the version: the stage refuses it while the rejection is in force.")
    ] = False,
    reason: Reason = "",
    review: Annotated[bool, flag("--review", "Show the review and ask, even with --reason.")] = False,
    yes: Yes = False,
    sign: Sign = None,
) -> None:
    """Approve or reject a version for a stage.

    On a terminal, without --reason or --yes, the policy result, the differences from the version now in the stage, the
    lineage and existing approvals are shown before you are asked. Otherwise nothing is asked: give a --reason.

    An approval holds for this version and stage while the version's params, metrics and tags stay unchanged. It
    replaces your earlier approval or rejection for the same stage. The policy decides whose approvals count and how
    many are needed. A rejection blocks promote and rollback; `promote --force` overrides it only if the policy has
    `override_rejections: true`.

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
            raise InvalidInput("no terminal: cannot prompt", "add --reason TEXT or --yes")
        from ..views import review_view

        found = registry.approvals.review(ref, stage)
        review_view.draw(cx, found)
        seen = found.version
        if not cx.dry_run:
            reject, reason = _ask_verdict(cx, seen.ref, stage, reject=reject, reason=reason)
    done = registry.approvals.approve(
        seen.ref if seen else ref, stage, reject=reject, reason=reason, seen=seen, sign=signing_key(cx, sign), **cx.change
    )  # fmt: skip
    word = done.action if done.changed else f"already {done.action}"
    cx.say(f"{done.refs[0]}: {'would be ' if cx.dry_run else ''}{word} for {stage}")
    if done.excluded:
        cx.warn(f"this approval does not count: {registry.context.author} {done.excluded}")
    body = {"*": done, "counts": not done.excluded, "reason": done.excluded or None}
    cx.show_changed("changed", body, done.refs[0])


def _ask_verdict(cx: Session, ref: str, stage: str, *, reject: bool, reason: str) -> tuple[bool, str]:
    """Ask whether to approve or reject, and for a reason."""
    if reject:
        cx.confirm(f"Reject {ref} for {stage}?")
    else:
        answer = cx.ask(f"Approve {ref} for {stage}? [y/N, r to reject]").lower()
        if answer not in ("y", "yes", "r", "reject"):
            raise InvalidInput("no decision was made", "answer y or r")
        reject = answer.startswith("r")
    return reject, reason or cx.ask("Why?")


@command("approvals", "Release", exits=(0, 2, 3, 6), lists=True)
def approvals(
    cx: Session,
    ref: Annotated[str | None, argument("[REF]", "A version: churn@7, churn@production; none with --pending.")] = None,
    pending: Annotated[bool, flag("--pending", "List the versions of all models that wait for approval.")] = False,
    mine: Annotated[bool, flag("--mine", "With --pending: only those that you may approve and have not.")] = False,
) -> None:
    """List the approvals and rejections of a version.

    Shows the latest decision per person and stage. It stays in force until the version's params, metrics or tags
    change. A decision that the policy does not count is shown as excluded.

    With --pending, lists the versions that only approvals keep out of a stage: newer than what is there, and passing all
    other rules of its policy, except commands, which are not run.

    In a pipe: stage, account, approved or rejected, time, state, why, signed by, reason; with --pending ref, stage,
    wanted, found, author, created; separated by tabs. With `-q`, the accounts whose approval is in force; with --pending
    references.

    Examples:
        registry approvals churn@7
        registry approvals --pending --mine
        registry approvals churn@7 --json | jq '.items[] | select(.state == "in-force")'
    """
    if pending:
        _show_pending(cx, ref, mine)
        return
    if mine or ref is None:
        raise InvalidInput(
            "--mine is for --pending" if mine else "missing argument REF",
            "registry approvals --pending lists what waits for approval",
        )
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
        Output("approvals", found, accounts, columns, rows, shown, empty="No approvals yet.", names=names, wrap=True)
    )


def _show_pending(cx: Session, ref: str | None, mine: bool) -> None:
    if ref is not None:
        raise InvalidInput("--pending is about all models", f"leave out {ref}, or --pending")
    damage = cx.collect_damage()
    found = cx.reader().approvals.pending(mine=mine, on_damage=damage)
    rows = [(each.ref, each.stage, "; ".join(each.wanted), each.found, each.author, each.created) for each in found]
    shown = [
        (ref, stage, escape(wanted), escape(shorten(words)), escape(author), format_age(created))
        for ref, stage, wanted, words, author, created in rows
    ]
    nothing = "No versions wait for your approval." if mine else "No versions wait for approval."
    columns = ("version", "stage", "wanted", "found", "author", "age")
    names = ("ref", "stage", "wanted", "found", "author", "created")
    refs = dict.fromkeys(each.ref for each in found)
    cx.show(Output("pending", found, refs, columns, rows, shown, empty=nothing, names=names))
    damage.raise_found()


@command("sign", "Release", exits=(0, 1, 2, 3, 4, 6, 7, 8), writes=True, dry_run=True)
def sign(
    cx: Session,
    ref: VersionRef,
    key: Annotated[str, option("--key", "KEY", "The path of a private SSH key, or of a public key held by an agent.")],
) -> None:
    """Sign a version.

    Signs the digest of the version's files and registered metadata with `ssh-keygen -Y sign`. SSH agents and security
    keys work. The accepted keys are listed in `allowed_signers` in the registry's folder; run `verify --signatures` to
    check signatures.

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
    """Check whether a version passes a stage's policy.

    Shows the result of every rule in the policy without moving anything. `waiting` means that the rule will pass after
    some time. Policy commands are run if you trust them (`registry trust`). Exit code 5 if `promote` would be refused.

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
        cx.say(f"{done.ref} passes the policy of {stage}")
    else:
        missed = sum(each.outcome != PASSED for each in done.rules)
        tail = "" if done.forcible else "; overrides are forbidden"
        cx.say(f"{done.ref} does not pass the policy of {stage}: {missed} of {plural(len(rows), 'rule')} failed{tail}")
        report_outputs(cx, done.rules)
        if any(each.found == NOT_TRUSTED.words for each in done.rules):
            model = done.ref.rpartition("@")[0]
            cx.say(f"policy commands are not trusted; review them with 'registry trust {model}'")
    columns = ("rule", "wanted", "found", "outcome")
    nothing = f"{stage} has no policy"
    cx.show(Output("evaluation", done, [done.ref] * done.passed, columns, rows, shown, empty=nothing, wrap=True))
    if not done.passed:
        raise typer.Exit(5)
