"""Describing a version to others: card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ...errors import InvalidInput, Refused
from .. import process
from ..command import command, flag, library_warnings, option
from ..formatting import escape
from ..options import Ref
from ..session import Output, Session

if TYPE_CHECKING:
    from ...interop.cards.model_card import Card

_MARKS = {"present": "yes", "missing": "no", "wrong": "wrong"}


@command("card", "describe", exits=(0, 1, 2, 3, 4, 5, 6))
def card(
    cx: Session,
    ref: Ref,
    check: Annotated[
        bool, flag("--check", "Say what it has and what it lacks; exit 5 if something required is missing.")
    ] = False,
    output: Annotated[str | None, option("--output -o", "FILE", "Write it to this file.")] = None,
    force: Annotated[
        bool,
        flag(
            "--force", "Replace FILE if it is a card of this registry, including edits made by hand; otherwise exit 4."
        ),
    ] = False,
) -> None:
    """Print the model card of a version, in Markdown.

    Made from what is known: params, metrics, tags, annotations, lineage, stages, approvals, and what people wrote into
    model.yaml as description, intended_use, limitations, data, ethics and licence. It begins with the front matter that
    Hugging Face reads. -q prints the reference, or the file that was written.

    --check looks for description, licence (an SPDX identifier), intended_use, limitations and data, which are required,
    and for more. -q prints what is required and missing.

    In a pipe: the card; with -o the file; with --check: name, required or recommended, state (present, missing, wrong),
    what there is or where to say it; separated by tabs.

    Examples:
        registry card churn@production > README.md
        registry card churn@7 --check
        registry card churn@7 -o build/README.md --force
    """
    if check and output is not None:
        raise InvalidInput("--check writes no file", "leave out --output")
    if force and output is None:
        raise InvalidInput("--force is for --output", "name a file with -o")
    with library_warnings(cx):
        made = cx.reader().card(ref, output, replace=force)
    if check:
        _check(cx, made)
        return
    if made.own:
        cx.say(f"{made.ref} has a README.md among its files, which export keeps: registry cat {made.ref} README.md")
    for item in made.items:
        if item.state == "wrong":
            cx.say(f"warning: {item.name}: {item.hint}")
    if output is not None:
        cx.show(Output("card", made, [output], ("file",), [(output,)]))
    elif cx.as_json or cx.quiet:
        cx.show(Output("card", made, [made.ref]))
    else:  # a terminal acts on some characters; a file keeps them
        process.write((made.text if cx.is_piped else escape(made.text, lines=True)).rstrip("\n"))


def _check(cx: Session, made: Card) -> None:
    body = {"items": made.items, "ref": made.ref}
    rows = [(item.name, "required" if item.required else "recommended", item.state, item.hint) for item in made.items]
    shown = [(name, need, _MARKS[state], escape(hint)) for name, need, state, hint in rows]
    names = [item.name for item in made.lacking]
    cx.show(Output("card-check", body, names, ("what", "need", "there", "which, or where to say it"), rows, shown))
    if names:
        raise Refused(f"the card of {made.ref} lacks {', '.join(names)}", "write it into model.yaml")
