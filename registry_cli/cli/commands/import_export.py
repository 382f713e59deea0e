"""To and from other registries, other tools and people: export, import, card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from ...core.results import ImportResult
from ...errors import InvalidInput, Refused
from ..command import argument, command, flag, library_warnings, option
from ..formatting import escape, format_size, plural
from ..options import AllowUnsafe, Exclude, Include, Reason, Ref, ReuseName, check_unsafe
from ..process import StandardOutput, is_terminal, write
from ..session import Output, Session

if TYPE_CHECKING:
    from ...interop.cards.model_card import Card

_MARKS = {"present": "yes", "missing": "no", "wrong": "wrong"}
BUNDLE, STREAM = "bundle", "-"
_WORDS = {"imported": "imported", "planned": "would import", "skipped": "skipped", "failed": "failed"}


@command("export", "Retrieve", exits=(0, 1, 2, 3, 4, 6, 130))
def export(
    cx: Session,
    given: Annotated[
        list[str],
        argument(
            "REF... OUT",
            "Versions, or models (names alone), and the new file that they go into: OUT.tar.gz, OUT.tar, or '-'.",
        ),
    ],
    every: Annotated[bool, flag("--all -a", "Everything in the registry.")] = False,
    kind: Annotated[
        str, option("--format", "FORMAT", "One version for another tool: mlflow, hf, bentoml or cyclonedx.")
    ] = BUNDLE,
    flavor: Annotated[
        str | None, option("--flavor", "FLAVOR", "What the files are, for MLflow: sklearn, xgboost, onnx …")
    ] = None,
    force: Annotated[bool, flag("--force", "Replace OUT if it is an earlier export; otherwise exit 4.")] = False,
) -> None:
    """Write versions, models or all to one file, or for another tool.

    A bundle is one file, for `registry import` elsewhere. A version goes with all that is known of it; a model's name
    alone is the whole model, with its history, stages and all versions. Every byte is checked on the way, and the same
    versions make the same bytes. OUT appears when it is whole, or not at all.

    In a pipe: the path of OUT; with '-' the bundle itself.

    Examples:
        registry export churn@production churn-production.tar.gz
        registry export churn risk/fraud models.tar.gz
        registry export --all registry.tar.gz
        registry export churn@production model/ --format mlflow
        registry export churn@7 churn-7.cdx.json --format cyclonedx
        registry export churn@7 - | ssh inside registry -C /srv/registry import -
    """
    *refs, out = given
    if every and refs:
        raise InvalidInput("--all means everything", f"leave out --all, or {refs[0]}")
    if not every and not refs:
        raise InvalidInput("what goes out, and where to?", f"registry export {given[0]} OUT.tar.gz")
    if kind != BUNDLE:
        if len(refs) != 1:
            raise InvalidInput(f"{kind} holds one version", "name one version, and OUT")
        with library_warnings(cx):
            done = cx.reader().export(refs[0], out, format=kind, flavor=flavor, replace=force)
    else:
        if flavor is not None:
            raise InvalidInput("--flavor has no effect on a bundle", "add --format mlflow, or leave out --flavor")
        target = _open_standard_output(cx) if out == STREAM else out
        with library_warnings(cx), cx.progress(f"packing {out}") as progress:
            done = cx.reader().export(None if every else refs, target, replace=force, progress=progress)
    cx.say(
        f"exported {', '.join(done.refs[:5])}{' …' if len(done.refs) > 5 else ''} to {out}: {format_size(done.size)}"
    )
    for each in done.lost:
        cx.say(f"not carried over: {each}")
    if out != STREAM or kind != BUNDLE:
        cx.show_changed("exported", done, done.path)


def _open_standard_output(cx: Session) -> StandardOutput:
    if cx.as_json:
        raise InvalidInput("a bundle is no JSON", "write it to a file")
    if is_terminal(sys.stdout):
        raise InvalidInput("a bundle is not for a terminal", "write it to a file, or into a pipe")
    return StandardOutput()


@command("import", "Add and edit", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8, 130), writes=True, dry_run=True, lists=True)
def import_(
    cx: Session,
    source: Annotated[
        str, argument("SOURCE", "A bundle ('-' is standard input), or mlflow:PATH, bentoml:PATH, hf:PATH, dvc:PATH.")
    ],
    name: Annotated[str | None, option("--as", "NAME", "Another name for the model.")] = None,
    only: Annotated[str | None, option("--only", "MODEL", "Only this model of the tool, by its name there.")] = None,
    artifacts: Annotated[
        str | None, option("--artifacts", "DIR", "Where MLflow's files lie, if not beside its records.")
    ] = None,
    exclude: Exclude = None,
    include: Include = None,
    merge: Annotated[bool, flag("--merge", "Add to models that are here already.")] = False,
    skip_existing: Annotated[
        bool, flag("--skip-existing", "Leave out files, or without --merge models, that are here already.")
    ] = False,
    stages: Annotated[bool, flag("--stages", "Promote what was in a stage there, if the policy lets it in.")] = False,
    aliases: Annotated[bool, flag("--aliases", "Set the aliases that it had there.")] = False,
    reuse_name: ReuseName = False,
    allow_unsafe: AllowUnsafe = False,
    reason: Reason = "",
) -> None:
    """Take in a bundle from elsewhere, or what another tool has.

    All of a bundle is read and compared before the first of it appears. A whole model comes as it was, with its
    history, numbers, stages and aliases, if there is none of that name.

    A version becomes a new version, and says where it came from; it keeps its number if that is higher than all that
    were given here. Its stages and aliases are told, and set only if you say so. What came in before is skipped: an
    import that was interrupted is gone on with by repeating it. A version that is refused does not stop the others, but
    the exit code is that of its refusal. Every version is scanned, as 'register' does it; one that is refused keeps out all
    of the model that it would have come with.

    From other tools, files are left out and refused as 'register' does it: see there. A bundle is restored as it is.

    In a pipe: status, where it came from, reference, size, why, what could not be carried over; separated by tabs.

    Examples:
        registry import churn-production.tar.gz
        registry import models.tar.gz --dry-run
        registry import churn-production.tar.gz --merge --skip-existing
        registry import model.tar.gz --as risk/churn
        registry import mlflow:/old/mlruns --dry-run
        registry import mlflow:mlflow.db --only 'Churn Model' --as churn --stages --aliases
    """
    check_unsafe(allow_unsafe, reason)
    with cx.progress("importing") as progress:
        found = cx.registry().import_(
            _open_standard_input() if source == STREAM else _expand_home(source), name=name, merge=merge, skip_existing=skip_existing,
            stages=stages, aliases=aliases, progress=progress, only=only, artifacts=artifacts, unsafe=reason,
            reuse_name=reuse_name, exclude=exclude or (), include=include or (), **cx.change,
        )  # fmt: skip
    for warning in dict.fromkeys(warning for each in found for warning in each.warnings):
        cx.warn(warning)
    counts = {status: sum(each.versions for each in found if each.status == status) for status in _WORDS}
    parts = [f"{_WORDS[status]} {plural(count, 'version')}" for status, count in counts.items() if count]
    cx.say(", ".join(parts) or "there is nothing to import")
    if left_out := [each for each in found if each.left_out and each.status in ("imported", "planned")]:
        more = f" (and from {len(left_out) - 1:,} more)" if len(left_out) > 1 else ""
        cx.say(f"{left_out[0].ref or left_out[0].key}: {left_out[0].left_out}{more}")
    rows = [(each.status, each.key, each.ref, each.size, each.why, "; ".join(each.lost)) for each in found]
    shown = [[_WORDS[each.status], each.key, each.ref, format_size(each.size), _format_notes(each)] for each in found]
    refs = [each.ref for each in found if each.ref]
    columns, names = ("what", "from", "here", "size", "notes"), ("status", "from", "ref", "size", "why", "lost")
    cx.show(Output("imported", found, refs, columns, rows, shown, names=names, wrap=True))
    if failed := [each for each in found if each.code]:
        raise typer.Exit(failed[0].code)


def _open_standard_input() -> BinaryIO:
    if sys.stdin is None or is_terminal(sys.stdin):
        raise InvalidInput("a bundle is not typed", "pipe it in: registry import - < FILE")
    return sys.stdin.buffer


def _expand_home(source: str) -> str:
    """Expand ``~`` in ``hf:~/models``: a shell does not do it behind a colon."""
    scheme, mark, place = source.partition(":")
    return f"{scheme}:{Path(place).expanduser()}" if mark and place.startswith("~") else source


def _format_notes(each: ImportResult) -> str:
    lost = [f"not carried over: {lost}" for lost in each.lost]
    return escape("\n".join(([each.why] if each.why else []) + lost), lines=True)


@command("card", "Retrieve", exits=(0, 1, 2, 3, 4, 5, 6), lists=True)
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
    model.yaml as description, intended_use, limitations, data, ethics and license. It begins with the front matter that
    Hugging Face reads. -q prints the reference, or the file that was written.

    --check looks for description, license (an SPDX identifier), intended_use, limitations and data, which are required,
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
    if cx.form not in (None, "json") and not check:
        raise InvalidInput(f"a model card can't be printed as {cx.form}", "leave out --format, or add --check")
    if force and output is None:
        raise InvalidInput("--force is for --output", "name a file with -o")
    with library_warnings(cx):
        made = cx.reader().card(ref, output, replace=force)
    if check:
        _check_card(cx, made)
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
    else:  # escaped for a terminal only
        write((made.text if cx.is_piped else escape(made.text, lines=True)).rstrip("\n"))


def _check_card(cx: Session, made: Card) -> None:
    body = {"items": made.items, "ref": made.ref}
    rows = [(item.name, "required" if item.required else "recommended", item.state, item.hint) for item in made.items]
    shown = [
        (item.field, need, _MARKS[state], escape(hint))
        for item, (_, need, state, hint) in zip(made.items, rows, strict=True)
    ]
    names = [item.name for item in made.lacking]
    columns = ("what", "need", "there", "which, or where to say it")
    fields = ("name", "need", "state", "hint")
    cx.show(Output("card-check", body, names, columns, rows, shown, names=fields, wrap=True))
    if names:
        raise Refused(
            f"the card of {made.ref} lacks {', '.join(item.field for item in made.lacking)}", "write it into model.yaml"
        )
