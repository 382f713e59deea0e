"""Exchange with other registries, other tools and people: export, import, card."""

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
        argument("REF... OUT", "Versions or models (bare names), then the new file: OUT.tar.gz, OUT.tar, or '-'."),
    ],
    every: Annotated[bool, flag("--all -a", "Export the whole registry.")] = False,
    kind: Annotated[
        str, option("--format", "mlflow|hf|bentoml|cyclonedx", "Export one version for another tool.")
    ] = BUNDLE,
    flavor: Annotated[
        str | None, option("--flavor", "FLAVOR", "The MLflow flavor of the files: sklearn, xgboost, onnx …")
    ] = None,
    force: Annotated[bool, flag("--force", "Replace OUT if it is an earlier export; otherwise exit 4.")] = False,
) -> None:
    """Export versions or models to one file, or a version for another tool.

    A bundle is one file for `registry import` in another registry. It holds versions with all their metadata; a model
    name alone stands for the whole model with its history, stages and all versions. Every byte is verified on the way,
    and the same versions always produce the same bytes. OUT appears complete or not at all.

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
        raise InvalidInput(f"--all cannot be combined with '{refs[0]}'", "remove one of them")
    if not every and not refs:
        raise InvalidInput("missing argument OUT", f"for example: registry export {given[0]} OUT.tar.gz")
    if kind != BUNDLE:
        if len(refs) != 1:
            raise InvalidInput(f"--format {kind} exports exactly one version", "give one version and OUT")
        with library_warnings(cx):
            done = cx.reader().export(refs[0], out, format=kind, flavor=flavor, replace=force)
    else:
        if flavor is not None:
            raise InvalidInput("--flavor has no effect on a bundle", "add --format mlflow or remove --flavor")
        target = _open_standard_output(cx) if out == STREAM else out
        with library_warnings(cx), cx.progress(f"packing {out}") as progress:
            done = cx.reader().export(None if every else refs, target, replace=force, progress=progress)
    cx.say(
        f"exported {', '.join(done.refs[:5])}{' …' if len(done.refs) > 5 else ''} to {out}: {format_size(done.size)}"
    )
    for each in done.lost:
        cx.say(f"not exported: {each}")
    if out != STREAM or kind != BUNDLE:
        cx.show_changed("exported", done, done.path)


def _open_standard_output(cx: Session) -> StandardOutput:
    if cx.as_json:
        raise InvalidInput("a bundle cannot be written as JSON", "write it to a file")
    if is_terminal(sys.stdout):
        raise InvalidInput("refusing to write a bundle to a terminal", "write it to a file or a pipe")
    return StandardOutput()


@command("import", "Add and edit", exits=(0, 1, 2, 3, 4, 5, 6, 7, 8, 130), writes=True, dry_run=True, lists=True)
def import_(
    cx: Session,
    source: Annotated[
        str, argument("SOURCE", "A bundle ('-' is standard input), or mlflow:PATH, bentoml:PATH, hf:PATH, dvc:PATH.")
    ],
    name: Annotated[str | None, option("--as", "NAME", "The name of the model in this registry.")] = None,
    only: Annotated[
        str | None, option("--only", "MODEL", "Only import this model, by its name in the other tool.")
    ] = None,
    artifacts: Annotated[
        str | None, option("--artifacts", "DIR", "MLflow's artifact folder, if not beside its records.")
    ] = None,
    exclude: Exclude = None,
    include: Include = None,
    merge: Annotated[bool, flag("--merge", "Add versions to models that already exist.")] = False,
    skip_existing: Annotated[
        bool, flag("--skip-existing", "Skip versions (without --merge: models) that already exist.")
    ] = False,
    stages: Annotated[
        bool, flag("--stages", "Promote versions to the stages they had there, if the policy permits.")
    ] = False,
    aliases: Annotated[bool, flag("--aliases", "Set the aliases they had there.")] = False,
    reuse_name: ReuseName = False,
    allow_unsafe: AllowUnsafe = False,
    reason: Reason = "",
) -> None:
    """Import a bundle, or models from MLflow, BentoML, DVC or Hugging Face.

    A bundle is read and verified completely before anything from it appears. A whole model is restored as it was, with
    its history, numbers, stages and aliases, if no model has that name.

    A single version becomes a new version that records its origin; it keeps its number if that is higher than any used
    here. Its stages and aliases are reported, but set only with --stages and --aliases. Versions that are already
    imported are skipped, so rerun an interrupted import to resume it. A refused version does not stop the others, but
    determines the exit code. Every version is scanned as in 'register'; if a version of a whole model is refused, the
    model is not imported.

    From other tools, files are skipped and refused as in 'register'. A bundle is restored as it is.

    In a pipe: status, source, reference, size, reason, what was not imported; separated by tabs.

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
    _report(cx, found)
    if failed := [each for each in found if each.code]:
        raise typer.Exit(failed[0].code)


def _report(cx: Session, found: list[ImportResult]) -> None:
    for warning in dict.fromkeys(warning for each in found for warning in each.warnings):
        cx.warn(warning)
    counts = {status: sum(each.versions for each in found if each.status == status) for status in _WORDS}
    parts = [f"{_WORDS[status]} {plural(count, 'version')}" for status, count in counts.items() if count]
    cx.say(", ".join(parts) or "nothing to import")
    if left_out := [each for each in found if each.left_out and each.status in ("imported", "planned")]:
        more = f" (and from {len(left_out) - 1:,} more)" if len(left_out) > 1 else ""
        cx.say(f"{left_out[0].ref or left_out[0].key}: {left_out[0].left_out}{more}")
    rows = [(each.status, each.key, each.ref, each.size, each.why, "; ".join(each.lost)) for each in found]
    shown = [[_WORDS[each.status], each.key, each.ref, format_size(each.size), _format_notes(each)] for each in found]
    refs = [each.ref for each in found if each.ref]
    columns, names = ("status", "source", "version", "size", "notes"), ("status", "from", "ref", "size", "why", "lost")
    cx.show(Output("imported", found, refs, columns, rows, shown, names=names, wrap=True))


def _open_standard_input() -> BinaryIO:
    if sys.stdin is None or is_terminal(sys.stdin):
        raise InvalidInput("cannot read a bundle from a terminal", "use a pipe: registry import - < FILE")
    return sys.stdin.buffer


def _expand_home(source: str) -> str:
    """Expand ``~`` in ``hf:~/models``: a shell does not expand it after a colon."""
    scheme, mark, place = source.partition(":")
    return f"{scheme}:{Path(place).expanduser()}" if mark and place.startswith("~") else source


def _format_notes(each: ImportResult) -> str:
    lost = [f"not imported: {lost}" for lost in each.lost]
    return escape("\n".join(([each.why] if each.why else []) + lost), lines=True)


@command("card", "Retrieve", exits=(0, 1, 2, 3, 4, 5, 6), lists=True)
def card(
    cx: Session,
    ref: Ref,
    check: Annotated[
        bool, flag("--check", "Check the card for completeness; exit 5 if a required field is missing.")
    ] = False,
    output: Annotated[str | None, option("--output -o", "FILE", "Write the card to this file.")] = None,
    force: Annotated[
        bool,
        flag(
            "--force", "Replace FILE if it is a card of this registry, including edits made by hand; otherwise exit 4."
        ),
    ] = False,
) -> None:
    """Print the model card of a version, in Markdown.

    The card is generated from params, metrics, tags, annotations, lineage, stages, approvals, and the fields
    description, intended_use, limitations, data, ethics and license of model.yaml. It starts with the metadata block
    that Hugging Face reads. -q prints the reference, or the file that was written.

    --check looks for description, license (an SPDX identifier), intended_use, limitations and data, which are required,
    and for recommended fields. -q then prints the required fields that are missing.

    In a pipe: the card; with -o the file; with --check: name, required or recommended, state (present, missing, wrong),
    value or where to set it; separated by tabs.

    Examples:
        registry card churn@production > README.md
        registry card churn@7 --check
        registry card churn@7 -o build/README.md --force
    """
    if check and output is not None:
        raise InvalidInput("--check cannot be combined with --output", "remove one of them")
    if cx.form not in (None, "json") and not check:
        raise InvalidInput(f"a model card can't be printed as {cx.form}", "remove --format, or add --check")
    if force and output is None:
        raise InvalidInput("--force requires --output", "add -o FILE")
    with library_warnings(cx):
        made = cx.reader().artifacts.card(ref, output, replace=force)
    if check:
        _check_card(cx, made)
        return
    if made.own:
        cx.say(f"{made.ref} contains its own README.md, which export keeps; see 'registry cat {made.ref} README.md'")
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
    columns = ("field", "need", "status", "value or where to set it")
    fields = ("name", "need", "state", "hint")
    cx.show(Output("card-check", body, names, columns, rows, shown, names=fields, wrap=True))
    if names:
        raise Refused(
            f"the card of {made.ref} lacks {', '.join(item.field for item in made.lacking)}",
            "add the missing fields to model.yaml",
        )
