"""Gates: whether a version satisfies what a stage asks for."""

from __future__ import annotations

import typer

from ...rules.policy.command_checks import NOT_TRUSTED
from ...rules.policy.policy import PASSED
from ..command import command
from ..formatting import plural, shorten
from ..options import Ref, Stage
from ..session import Output, Session
from ..trust_prompt import report_outputs


@command("check", "lifecycle", exits=(0, 2, 3, 4, 5, 6))
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
    done = cx.reader().policies.gate(ref, stage)
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
    cx.show(Output("evaluation", done, [done.ref] * done.passed, columns, rows, shown, empty=f"{stage} has no policy"))
    if not done.passed:
        raise typer.Exit(5)
