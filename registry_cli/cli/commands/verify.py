"""Maintenance: verify, repair, doctor, gc."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from ...core.names import Reference
from ...core.quantities import parse_duration
from ...core.records import Checkpoint
from ...core.results import Verification
from ...errors import InvalidInput, NotFound, RegistryError
from ...rules import event_history
from ..command import argument, command, flag, option
from ..formatting import escape, format_size, plural
from ..options import Models
from ..session import Output, Session, TableView


@command("verify", "Maintain", exits=(0, 2, 3, 6, 130), lists=True)
def verify(
    cx: Session,
    names: Annotated[
        list[str] | None,
        argument("[NAME|REF]...", "Models, or versions: churn@7, churn@production; default: all models."),
    ] = None,
    quick: Annotated[
        bool, flag("--quick", "Check names, sizes, pointers and history, but not the content of files.")
    ] = False,
    checkpoint: Annotated[
        str | None,
        option(
            "--checkpoint",
            "FILE|CHECKPOINT",
            "Also that the history is still the one that was known: what history --checkpoint wrote, or one of "
            "it as NAME:SEQ:HASH, or the HASH alone behind a NAME.",
        ),
    ] = None,
    signatures: Annotated[bool, flag("--signatures", "Also verify the signatures of versions and changes.")] = False,
    allowed_signers: Annotated[
        str | None,
        option("--allowed-signers", "FILE", "With --signatures: use this file instead of the registry's own."),
    ] = None,
) -> None:
    """Verify that everything is present and unchanged.

    Checks in both directions: records without files, files without records; every sha256; pointers; the hash chain of
    the history. Problems are printed with a stable code; exit 6 if one of them is an error. --signatures checks every
    signature against the registry's `allowed_signers` with `ssh-keygen`; an unsigned version is reported, but is not an
    error.

    In a pipe: severity, code, where, message; separated by tabs.

    Examples:
        registry verify
        registry verify churn --quick
        registry verify churn@production
        registry verify --json | jq .problems
        registry verify --checkpoint /elsewhere/checkpoints
        registry verify --signatures
    """
    models = [Reference.parse(name).model for name in names or []]
    known = _read_checkpoints(checkpoint, models) if checkpoint is not None else ()
    with cx.progress("verifying") as progress:
        found = cx.registry().admin.verify(
            names or None,
            quick=quick,
            progress=progress,
            checkpoints=known,
            signatures=signatures or allowed_signers is not None,
            allowed_signers=allowed_signers,
        )
    _report(cx, found)
    columns = ("severity", "code", "where", "message")
    rows = [(each.severity, each.code, each.where, each.message) for each in found.problems]
    cx.show(Output("verification", found, [each.where for each in found.problems], columns, rows, wrap=True))
    if not found.ok:
        raise typer.Exit(6)


def _report(cx: Session, found: Verification) -> None:
    looked = f"{plural(found.models, 'model')}, {plural(found.versions, 'version')}, {plural(found.files, 'file')}, {format_size(found.size)}"
    if found.problems:
        cx.say(f"{plural(len(found.problems), 'problem')} in {looked}")
        if any(each.repair for each in found.problems):
            cx.say("some problems can be fixed with 'registry repair'")
    else:
        cx.say(f"OK: {looked} verified")
    if found.signatures is not None:
        cx.say(f"{plural(found.signatures, 'signature')} checked; {plural(found.unsigned or 0, 'unsigned version')}")


def _check_models(names: list[str] | None, verb: str) -> list[str] | None:
    """Return the named models, None for all; refuse references to versions."""
    for name in names or ():
        if "@" in name:
            model = name.partition("@")[0]
            raise InvalidInput(f"'{name}' is a version; {verb} expects a model", f"run 'registry {verb} {model}'")
    return names or None


def _read_checkpoints(given: str, names: list[str]) -> list[Checkpoint]:
    """Parse a checkpoint, or read a file of them."""
    if event_history.is_entry_hash(given):
        if len(names) != 1:
            raise InvalidInput("a bare hash needs a model", "use: registry verify NAME --checkpoint HASH")
        return [Checkpoint(names[0], None, given)]
    if one := event_history.parse_checkpoint(given):
        return [one]
    try:
        with open(given, encoding="utf-8") as stream:
            return event_history.parse_checkpoint_file(stream.read(), given)
    except FileNotFoundError:
        raise NotFound(f"'{given}' is not a checkpoint or a file", "give a file or NAME:SEQ:HASH") from None
    except (UnicodeDecodeError, ValueError):
        raise InvalidInput(f"'{given}' is not a checkpoint file") from None


@command("repair", "Maintain", exits=(0, 1, 2, 3, 6, 7), writes=True, dry_run=True, lists=True)
def repair(
    cx: Session,
    names: Models = None,
    from_blobs: Annotated[
        bool, flag("--from-blobs", "Restore missing and damaged files whose content the model still has.")
    ] = False,
) -> None:
    """Repair what can be repaired safely.

    Repairs links, an incomplete last line of the history, a damaged line of it whose event is in another file, missing
    history events, a damaged stages.yaml (from its newest claim), and permissions, and removes leftovers. Artifacts are
    not touched: damage that needs a backup is still reported by `verify`.

    With --from-blobs, every file of the models is read. A file that is missing or does not match its recorded sha256 is
    restored if its content is still in blobs/ or in another version of the model. Only the owner of a version can
    restore its files.

    In a pipe: action, path; separated by tabs.

    Examples:
        registry repair
        registry repair churn --dry-run
        registry repair churn --from-blobs
    """
    registry, models = cx.registry(), _check_models(names, "repair")
    damaged: list[RegistryError] = []
    with cx.progress("reading files") as progress:
        done = registry.admin.repair(
            models, from_blobs=from_blobs, dry_run=cx.dry_run, progress=progress, on_damage=damaged.append
        )
    for error in damaged:
        cx.warn(f"{error.message}; {error.hint}")
    cx.say(
        f"{'would repair' if cx.dry_run else 'repaired'} {plural(len(done), 'thing')}" if done else "nothing to repair"
    )
    if not from_blobs and (missing := registry.admin.restorable(models)):
        cx.say(f"{plural(missing, 'missing file')} can be restored with 'registry repair --from-blobs'")
    rows = [(each.what, each.path) for each in done]
    cx.show(Output("repaired", done, [each.path for each in done], ("what", "path"), rows, wrap=True))


@command("doctor", "Maintain", exits=(0, 1, 2, 3), lists=True)
def doctor(cx: Session) -> None:
    """Check that the file system is suitable.

    Creates temporary files inside the registry and removes them: two processes compete for a lock, folders are renamed,
    files are linked and synced. Run it once on each machine that will write; exit 1 if a check fails.

    In a pipe: status, check, message, advice; separated by tabs.

    Examples:
        registry doctor
        registry -C /mnt/nfs/registry doctor
    """
    found = cx.registry().admin.doctor()
    rows = [(each.status, each.check, each.message, each.advice) for each in found]
    shown = [
        [each.status, each.check, escape(each.message) + (f"\n→ {escape(each.advice)}" if each.advice else "")]
        for each in found
    ]
    bad = [each.check for each in found if each.status == "failed"]
    columns, names = ("status", "check", "result"), ("status", "check", "message", "advice")
    cx.show(Output("doctor", found, bad, columns, rows, shown, names=names, wrap=True))
    if bad:
        raise typer.Exit(1)


@command("gc", "Maintain", exits=(0, 1, 2, 3, 6, 7), writes=True, dry_run=True, lists=True)
def gc(
    cx: Session,
    names: Models = None,
    older_than: Annotated[str, option("--older-than", "TIME", "Minimum age of a staging folder.")] = "24h",
    limit: Annotated[int | None, option("--limit", "N", "Print N rows at most.", min=1)] = None,
) -> None:
    """Remove leftover and unreferenced files.

    Removes staging folders of interrupted writers, files of deleted versions, and content that no version uses.
    Versions are not touched.

    In a pipe: what, path, size; separated by tabs.

    Examples:
        registry gc
        registry gc churn --dry-run
        registry gc --older-than 2h
    """
    done = cx.registry().admin.gc(names or None, age=parse_duration(older_than).total_seconds(), dry_run=cx.dry_run)
    total, would = sum(each.size for each in done), "would free" if cx.dry_run else "freed"
    cx.say(f"{would} {format_size(total)} in {plural(len(done), 'place')}" if done else "nothing to remove")
    rows = [(each.what, each.path, each.size) for each in done]
    columns, kinds = ("what", "path", "size"), Counter(each.what for each in done)
    counts = ", ".join(f"{count:,} {what}" for what, count in kinds.most_common())
    more = f"… and {len(rows) - limit:,} more" if limit is not None and len(rows) > limit else ""

    def draw() -> TableView:
        shown = [[what, path, format_size(size)] for what, path, size in rows[:limit]]
        return TableView(columns, shown, title=counts if len(rows) > 1 else "", footer=more, wrap=True)

    cx.show(Output("freed", done, [each.path for each in done], columns, rows[:limit], draw=draw))
