"""Looking back: history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from ..records import JournalEntry
from . import shapes
from .command import command
from .options import Model, model_of
from .session import Output, Session
from .text import moment, number, short


@command(
    "history",
    examples=[
        "registry history churn",
        "registry history churn --limit 5",
        "registry history churn --json | jq '.items[0]'",
    ],
    exits=(0, 2, 3, 6),
)
def history(
    cx: Session,
    name: Model,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="The newest N only.")] = None,
) -> None:
    """The newest first: who changed what, when, and why.

    In a pipe: seq, time, who, action, ref, details; separated by tabs.
    """
    model = model_of(name)
    entries = cx.reader().history(model, limit=limit)
    rows = [
        (entry.seq, entry.event.at, entry.event.by, entry.event.action, _ref(model, entry), _details(entry, str))
        for entry in entries
    ]
    shown = [
        [str(row[0]), moment(row[1]), *row[2:5], short(_details(entry, number))]
        for row, entry in zip(rows, entries, strict=True)
    ]
    columns = ("#", "time (utc)", "who", "action", "version", "details")
    data = shapes.items("history", [shapes.entry(entry) for entry in entries])
    cx.show(Output(data, [ref for *_, ref, _ in rows if ref], columns, rows, shown, None if rows else "no history yet"))


def _ref(model: str, entry: JournalEntry) -> str:
    event = entry.event
    if event.version is not None:
        return f"{model}@{event.version}"
    return f"{model}@{event.detail['versions']}" if "versions" in event.detail else ""


def _details(entry: JournalEntry, said: Callable[[object], str]) -> str:
    """What happened, in a few words: ``production: 6 → 7``; each value as ``said`` has it."""
    detail = entry.event.detail
    parts = []
    pointer = detail.get("stage") or detail.get("alias")
    if pointer:
        before, after = detail.get("before"), detail.get("after")
        parts.append(f"{pointer}: {before or 'nothing'} → {after or 'nothing'}")
    if detail.get("archived"):
        parts.append(f"archived {detail['archived']}")
    for kind in ("tags", "metrics"):
        if isinstance(detail.get(kind), Mapping):
            parts += [_change(name, before, after, said) for name, (before, after) in detail[kind].items()]
    if detail.get("annotations"):
        parts.append(f"about {', '.join(detail['annotations'])}")
    if detail.get("forced"):
        failed = detail.get("failed")
        parts.append(f"FORCED past {', '.join(map(str, failed))}" if isinstance(failed, list) else "FORCED")
    if detail.get("reason"):
        parts.append(f"“{detail['reason']}”")
    return "; ".join(parts)


def _change(name: str, before: Any, after: Any, said: Callable[[object], str]) -> str:
    if after is None:
        return f"-{name}"
    return f"{name}={said(after)}" if before is None else f"{name}: {said(before)} → {said(after)}"
