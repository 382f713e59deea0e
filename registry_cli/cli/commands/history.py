"""History: history."""

from __future__ import annotations

import errno
import select
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.json_shapes import document, dumps
from ...core.lazy_dataclass import replace
from ...core.records import JournalEntry, ModelHistoryEntry
from ...errors import InvalidInput, RegistryError
from ..command import argument, command, flag, option
from ..formatting import escape, format_numbers, format_time, shorten, time_column
from ..options import parse_model_name
from ..process import OutputError, Terminated, flush, write
from ..session import Output, Session, TableView

if TYPE_CHECKING:
    from ...registry import Registry

_POLL = 1.0
#: The names of the columns in csv.
_NAMES = ("seq", "time", "who", "action", "ref", "details")


@command("history", "Retrieve", exits=(0, 2, 3, 6, 130), lists=True)
def history(
    cx: Session,
    name: Annotated[str | None, argument("[NAME]", "A model (not with --all).")] = None,
    every: Annotated[bool, flag("--all -a", "Show all models, merged by time.")] = False,
    since: Annotated[
        str | None, option("--since", "TIME", "Since 2026-03-03, 45d ago, 'last tuesday', 10:40 …")
    ] = None,
    until: Annotated[str | None, option("--until", "TIME", "Before this time.")] = None,
    actions: Annotated[
        list[str] | None, option("--action", "ACTION", "Only these actions: promoted, registered ….")
    ] = None,
    stage: Annotated[str | None, option("--stage", "STAGE", "Only changes of this stage.")] = None,
    limit: Annotated[int | None, option("--limit", "N", "Show at most N entries.", min=1)] = None,
    follow: Annotated[
        bool, flag("--follow -f", "Print the newest 10 (or --limit N) entries, then new ones as they appear.")
    ] = False,
    utc: Annotated[bool, flag("--utc", "Show times in UTC instead of local time.")] = False,
    checkpoint: Annotated[
        bool, flag("--checkpoint", "Print a checkpoint (position and hash of the last entry) to store elsewhere.")
    ] = False,
) -> None:
    """Show the changes of a model, or of all models.

    Newest first: who changed what, when, and why. With --follow, oldest first, one line per event, until Ctrl-C; with
    --json each line is a document. Pass the output of --checkpoint to verify --checkpoint to prove that no earlier
    entry was rewritten.

    Times on a terminal are local; in a pipe and in JSON they are UTC.

    In a pipe: seq, time, who, action, ref, details; with --all, preceded by the model; with --checkpoint model, seq,
    hash; separated by tabs.

    Examples:
        registry history churn
        registry history churn --stage production --since yesterday
        registry history churn --action promoted --action rolled-back --limit 5
        registry history --all --since '7d ago'
        registry history churn --follow --json | jq --unbuffered .action
        registry history --all --checkpoint > /elsewhere/checkpoints
    """
    model = _parse_model(name, every)
    damage = cx.collect_damage()
    reader = cx.reader()
    if checkpoint:
        if follow or since or until or actions or stage or limit or utc:
            raise InvalidInput("--checkpoint cannot be combined with other options", "remove the other options")
        _show_checkpoints(cx, reader, model)
    elif follow:
        wanted: dict[str, Any] = {"since": since, "actions": actions or (), "stage": stage}
        _follow(cx, reader, model, until, utc, limit=limit or (None if since else 10), **wanted)
    else:
        wanted = {"limit": limit, "since": since, "until": until, "actions": actions or (), "stage": stage}
        if model is None:
            found = reader.iter_history(on_damage=damage, **wanted)
        else:
            found = (ModelHistoryEntry(model, entry) for entry in reader.history(model, on_damage=cx.warn_of, **wanted))
        _show_entries(cx, found, many=model is None, utc=utc)
    damage.raise_found()


def _parse_model(name: str | None, every: bool) -> str | None:
    """Return the model, None for all."""
    if every and name is not None:
        raise InvalidInput(f"--all cannot be combined with '{name}'", "remove one of them")
    if not every and name is None:
        raise InvalidInput("missing argument NAME", "give a model or --all")
    return None if name is None else parse_model_name(name)


def _show_checkpoints(cx: Session, reader: Registry, model: str | None) -> None:
    found = reader.admin.checkpoints(None if model is None else [model])
    rows = [(each.model, each.seq, each.hash) for each in found]
    text = "\n".join(" ".join(map(str, row)) for row in rows)  # one line each, however narrow the terminal is
    names = ("model", "seq", "hash")
    cx.show(Output("checkpoints", found, [str(each) for each in found], rows=rows, text=text, names=names))


def _follow(cx: Session, reader: Registry, model: str | None, until: str | None, utc: bool, **wanted: Any) -> None:
    if until is not None:
        raise InvalidInput("--follow cannot be combined with --until", "remove --until")
    if cx.form not in (None, "json", "jsonl", "tsv"):
        raise InvalidInput(f"--follow prints one line per event, not {cx.form}", "use --format tsv, json or jsonl")
    cx = replace(cx, no_pager=True)
    warned: set[str] = set()

    def warn_once(error: RegistryError) -> None:
        if error.message not in warned:
            warned.add(error.message)
            cx.warn(error.message)

    many = model is None
    entries = reader.admin.follow(model, pause=_pause, on_damage=warn_once, **wanted)
    try:
        for each in entries:
            _show_next(cx, each, many, utc)
    except Terminated as stopped:  # this is how it ends: without --json only the exit code says so
        if cx.as_json:
            raise
        raise typer.Exit(128 + stopped.number) from None


def _show_next(cx: Session, entry: ModelHistoryEntry, many: bool, utc: bool) -> None:
    if cx.as_json:  # on one line, also on a terminal
        write(dumps(document("event", entry)))
    else:
        line = escape("  ".join(filter(None, _format_cells(entry, many, utc, whole_ref=True))))
        body = iter([entry]) if cx.form else entry
        cx.show(Output("event", body, filter(None, [_reference(entry)]), rows=[_format_row(entry, many)], text=line))
    flush()


def _pause() -> None:
    """Wait; raise :class:`OutputError` as soon as the reader of standard output has closed it."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # no standard output, or one without a descriptor
        time.sleep(_POLL)
        return
    watched = select.poll()
    watched.register(descriptor, 0)
    if watched.poll(_POLL * 1000):
        raise OutputError(OSError(errno.EPIPE, "the reader closed the pipe"))


def _show_entries(cx: Session, entries: Iterable[ModelHistoryEntry], *, many: bool, utc: bool) -> None:
    """Print entries; the model is a column of its own if there are ``many``."""
    found = iter(entries)
    columns = (*(("model",) if many else ()), "#", time_column(utc=utc), "who", "action", "version", "details")

    cx.show(
        Output(
            "history", found, filter(None, map(_reference, found)), rows=(_format_row(each, many) for each in found),
            draw=lambda: TableView(columns, [_format_cells(each, many, utc) for each in found]), empty="No events.",
            names=("model", *_NAMES) if many else _NAMES,
        )
    )  # fmt: skip


def _format_row(recorded: ModelHistoryEntry, many: bool) -> tuple[object, ...]:
    event = recorded.entry.event
    model = (recorded.model,) if many else ()
    details = _format_details(recorded.entry, lambda values: list(map(str, values)))
    return (*model, recorded.entry.seq, event.at, event.by, event.action, _reference(recorded), details)


def _format_cells(recorded: ModelHistoryEntry, many: bool, utc: bool, *, whole_ref: bool = False) -> list[str]:
    *model, seq, at, by, action, ref, _ = map(str, _format_row(recorded, many))
    if not whole_ref:  # the model is in the command, or in the first column
        ref = ref.rpartition("@")[2]
    details = shorten(_format_details(recorded.entry, format_numbers))
    return [*model, seq, format_time(at, utc=utc), by, action, ref, details]


def _reference(recorded: ModelHistoryEntry) -> str:
    event = recorded.entry.event
    if event.version is not None:
        return f"{recorded.model}@{event.version}"
    return f"{recorded.model}@{event.detail['versions']}" if "versions" in event.detail else ""


def _format_details(entry: JournalEntry, format_values: Callable[[Sequence[object]], list[str]]) -> str:
    """Format the details of an event, as ``production: 6 → 7``, the values with ``format_values``."""
    detail = entry.event.detail
    parts = [f"about {', '.join(map(str, detail['keys']))}"] if isinstance(detail.get("keys"), list) else []
    if entry.event.action == "renamed":
        parts = [f"{detail.get('before')} → {detail.get('after')}"]
    pointer = detail.get("stage") or detail.get("alias")
    if pointer and "after" not in detail:
        parts.append(str(pointer))
    elif pointer:
        before, after = detail.get("before"), detail.get("after")
        parts.append(f"{pointer}: {before or 'nothing'} → {after or 'nothing'}")
    parts += [
        f"{words} {detail[key]}" for key, words in (("imported", "from"), ("archived", "archived")) if detail.get(key)
    ]
    for kind in ("tags", "metrics"):
        if isinstance(detail.get(kind), Mapping):
            parts += [
                _format_change(name, before, after, format_values) for name, (before, after) in detail[kind].items()
            ]
    parts += _format_deployment(entry) + _format_monitoring(entry, format_values)
    if detail.get("annotations"):
        parts.append(f"about {', '.join(detail['annotations'])}")
    if detail.get("forced"):
        failed = detail.get("failed")
        parts.append(f"FORCED past {', '.join(map(str, failed))}" if isinstance(failed, list) else "FORCED")
    parts += ["undo"] * bool(detail.get("undoes"))
    if detail.get("reason"):
        parts.append(f"“{detail['reason']}”")
    if detail.get("signature") and entry.event.action != "signed":
        parts.append("signed")
    return "; ".join(parts)


def _format_deployment(entry: JournalEntry) -> list[str]:
    """Where a version was deployed, or what became of it there: ``eu-1: ok → drifted (the server runs 6)``."""
    detail, action = entry.event.detail, entry.event.action
    if action not in ("deploying", "deployed", "deploy-failed", "undeployed", "deployment-changed"):
        return []
    why = f" ({detail['why']})" if detail.get("why") else ""
    states = f": {detail.get('before')} → {detail.get('after')}" if action == "deployment-changed" else ""
    return [f"{detail.get('target')}{states}{why}"]


def _format_monitoring(entry: JournalEntry, format_values: Callable[[Sequence[object]], list[str]]) -> list[str]:
    """What was found of a version in use: ``auc 0.862, wanted >= 0.9``."""
    detail = entry.event.detail
    if entry.event.action in ("alerted", "recovered"):
        names = " ".join(str(detail[key]) for key in ("metric", "target", "slice") if detail.get(key))
        value = f" {format_values([detail['value']])[0]}" if detail.get("value") is not None else ""
        return [f"{names}{value}, wanted {detail.get('wanted')}"]
    if entry.event.action == "observations-closed":
        return [f"observations of {detail.get('month')}"]
    return [f"{detail.get('rows'):,} rows"] if entry.event.action == "profiled" and detail.get("rows") else []


def _format_change(name: str, before: Any, after: Any, format_values: Callable[[Sequence[object]], list[str]]) -> str:
    if after is None:
        return f"-{name}"
    return (
        f"{name}={format_values([after])[0]}"
        if before is None
        else f"{name}: {' → '.join(format_values([before, after]))}"
    )
