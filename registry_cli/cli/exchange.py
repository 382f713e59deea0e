"""To and from other registries and other tools: export, import."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InvalidInput
from ..outcomes import Imported
from . import shapes
from .command import command
from .options import DryRun
from .session import Output, Session
from .shapes import exchange
from .text import plural, safe, size

_WORDS = {"imported": "imported", "planned": "would import", "skipped": "skipped", "failed": "failed"}


@command(
    "export",
    examples=["registry export churn@production model/ --format mlflow"],
    exits=(0, 1, 2, 3, 4, 6, 130),
)
def export(
    cx: Session,
    given: Annotated[
        list[str], typer.Argument(metavar="REF... OUT", help="Versions, and the new file or folder that they go into.")
    ],
    every: Annotated[bool, typer.Option("--all", "-a", help="Everything in the registry.")] = False,
    kind: Annotated[str, typer.Option("--format", metavar="FORMAT", help="For another tool.")] = "bundle",
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is there.")] = False,
) -> None:
    """OUT appears when it is whole, or not at all. What the format has no place for is told.

    In a pipe: the path of OUT.
    """
    *refs, out = given
    if not refs and not every:
        raise InvalidInput("what goes out, and where to?", "registry export REF OUT")
    if len(refs) != 1 or every:
        raise InvalidInput(f"{kind} holds one version", "name one version, and OUT")
    done = cx.reader().export_as(refs[0], kind, out, replace=force)
    cx.say(f"exported {plural(len(done.refs), 'version')} to {done.path}: {size(done.size)}")
    for each in done.lost:
        cx.say(f"not carried over: {each}")
    data = shapes.document("exported", exchange.exported(done))
    cx.show(Output(data, [done.path], ("path",), [(done.path,)], text=safe(done.path)))


@command(
    "import",
    examples=["registry import mlflow:/old/mlruns --dry-run"],
    exits=(0, 1, 2, 3, 4, 5, 6, 7, 8, 130),
)
def import_(
    cx: Session,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What another tool has: scheme:PATH.")],
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Another name for the model.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Add to models that are here already.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out files, or without --merge models, that are here already.")
    ] = False,
    stages: Annotated[
        bool, typer.Option("--stages", help="Promote what was in a stage there, if the policy lets it in.")
    ] = False,
    aliases: Annotated[bool, typer.Option("--aliases", help="Set the aliases that it had there.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Each version becomes a new version here, and says where it came from; it keeps its number if that is higher than
    all that were given here. What came in before is skipped: an import that was interrupted is gone on with by
    repeating it. A version that is refused does not stop the others, but the exit code is that of its refusal.

    In a pipe: status, where it came from, reference, size, why, what could not be carried over; separated by tabs.
    """
    with cx.progress("importing") as progress:
        found = cx.registry().import_from(
            source, name=name, merge=merge, skip_existing=skip_existing, stages=stages, aliases=aliases,
            dry_run=dry_run, request_id=cx.request_id, progress=progress,
        )  # fmt: skip
    cx.say(_summary(found))
    rows = [(each.status, each.key, each.ref, each.size, each.why, "; ".join(each.lost)) for each in found]
    shown = [[_WORDS[each.status], each.key, each.ref, size(each.size), _notes(each)] for each in found]
    data = shapes.items("imported", [exchange.imported(each) for each in found])
    refs = [each.ref for each in found if each.ref]
    cx.show(Output(data, refs, ("what", "from", "here", "size", "notes"), rows, shown, None if found else ""))
    if failed := [each for each in found if each.code]:
        raise typer.Exit(failed[0].code)


def _notes(each: Imported) -> str:
    lost = [f"not carried over: {lost}" for lost in each.lost]
    return safe("\n".join(([each.why] if each.why else []) + lost), lines=True)


def _summary(found: list[Imported]) -> str:
    """How many of which: ``imported 3 versions, skipped 1``."""
    counts = {status: sum(each.status == status for each in found) for status in _WORDS}
    told = [f"{_WORDS[status]} {plural(count, 'version')}" for status, count in counts.items() if count]
    return ", ".join(told) or "there is nothing to import"
