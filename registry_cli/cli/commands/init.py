"""Beginning: make a registry, look at it as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...registry import Registry
from ..command import argument, command, option
from ..formatting import escape, format_size, plural, shorten_time
from ..session import Output, Session


@command("init", "begin", exits=(0, 1, 2, 4))
def init(
    cx: Session,
    folder: Annotated[str, argument("[DIR]", "The folder; it is made if it isn't there.")] = ".",
    shared: Annotated[
        str, option("--shared", "private|group", "Who may write: you, or the folder's Unix group.")
    ] = "private",
    stages: Annotated[str | None, option("--stages", "A,B,C", "The stages, in order.")] = None,
) -> None:
    """Make a folder a registry.

    The stages are development, staging and production unless you name others. With `--shared group`, everyone in
    the Unix group of DIR may write, whatever their umask; set that group before (`chgrp team DIR`).

    Examples:
        registry init models-registry
        registry init /shared/team/registry --shared group
        registry init . --stages dev,canary,live
    """
    options = {} if stages is None else {"stages": tuple(part.strip() for part in stages.split(","))}
    folder = folder if cx.root is None or folder != "." else cx.root
    registry = Registry.init(Path(folder), shared=shared, **options)
    record = registry.info()
    cx.say(f"made a registry in {registry.root} (stages: {', '.join(registry.stages)})")
    cx.show_one("registry", record, record.root, "")


@command("info", "begin", exits=(0, 2, 3, 6))
def info(cx: Session) -> None:
    """Show what is in the registry, and how healthy it is.

    Health is what `registry verify --quick` finds: names, sizes, pointers and history, but not every byte.

    Examples:
        registry info
        registry info --json
    """
    registry = cx.registry()
    record, health = registry.info(), registry.admin.verify(quick=True)
    rows = [
        ("root", record.root),
        ("id", record.id),
        ("format", record.format),
        ("created", record.created),
        ("shared", record.shared),
        ("stages", ", ".join(record.stages)),
        ("models", record.models),
        ("versions", record.versions),
        ("archived", record.archived),
        ("size", record.size),
        ("packed", record.packed),
        ("packed_size", record.packed_size),
        ("problems", len(health.problems)),
    ]
    state = (
        "nothing wrong" if not health.problems else f"{plural(len(health.problems), 'problem')}: see registry verify"
    )
    packed = f"; {record.packed:,} of them packed in {format_size(record.packed_size)}" if record.packed else ""
    text = (
        f"{escape(record.root)}\n"
        f"{plural(record.models, 'model')}, {plural(record.versions, 'version')} "
        f"({record.archived:,} archived{packed}), {format_size(record.size)}\n"
        f"stages {', '.join(record.stages)}; shared: {record.shared}; since {shorten_time(record.created)}\n"
        f"health: {state}"
    )
    cx.show(Output("registry", {"*": record, "health": health}, [record.root], ("key", "value"), rows, text=text))
    if not health.ok:
        raise typer.Exit(6)
