"""Gates: what a stage asks for, and whether a version satisfies it."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InvalidInput
from ..lifecycle.policy import PASSED
from . import shapes
from .command import command
from .options import Ref, Stage, model_of
from .session import Output, Session
from .text import plural, short


@command(
    "check",
    examples=[
        "registry check churn@7 production",
        "registry check churn@latest staging && registry promote churn@latest staging",
        "registry check churn@7 production --json | jq '.rules[] | select(.outcome != \"passed\")'",
    ],
    exits=(0, 2, 3, 4, 5, 6),
)
def check(cx: Session, ref: Ref, stage: Stage) -> None:
    """Every rule of the stage's policy, with what it found; nothing is moved. `waiting` is what will pass in time.
    Exit code 5 when `promote` would be refused.

    In a pipe: rule, wanted, found, outcome; separated by tabs. With `-q`, the reference if it passes.
    """
    done = cx.reader().gate(ref, stage)
    rows = [(each.name, each.wanted, each.found, each.outcome) for each in done.rules]
    shown = [[short(cell) for cell in row] for row in rows]
    if done.passed:
        cx.say(f"{stage} lets {done.ref} in")
    else:
        missed = sum(each.outcome != PASSED for each in done.rules)
        tail = "" if done.forcible else "; --force is forbidden"
        cx.say(f"{stage} would refuse {done.ref}: {missed} of {plural(len(rows), 'rule')} not passed{tail}")
    text = None if rows else f"{stage} has no policy"
    data = shapes.document("evaluation", shapes.evaluation(done))
    cx.show(Output(data, [done.ref] * done.passed, ("rule", "wanted", "found", "outcome"), rows, shown, text))
    if not done.passed:
        raise typer.Exit(5)


@command(
    "config",
    examples=["registry config show", "registry config show churn"],
    exits=(0, 2, 3, 6),
)
def config(
    cx: Session,
    action: Annotated[str, typer.Argument(metavar="show", help="What to do: show.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model: with what its own policy adds.")
    ] = None,
) -> None:
    """The policies in force, a line each. A mistake in them is told with its file and line.

    In a pipe: stage, rule, wanted, file, line; separated by tabs. With `-q`, nothing.
    """
    if action != "show":
        raise InvalidInput(f"config can't '{action}'", "write: registry config show")
    lines = cx.reader().policy(None if name is None else model_of(name))
    rows = [(each.stage, each.name, each.wanted, each.file, each.line) for each in lines]
    shown = [
        [each.stage, each.name, short(each.wanted), each.file if each.line is None else f"{each.file}:{each.line}"]
        for each in lines
    ]
    data = shapes.items("config", [shapes.policy_line(each) for each in lines])
    columns = ("stage", "rule", "wanted", "from")
    cx.show(Output(data, [], columns, rows, shown, None if rows else "no policies"))
