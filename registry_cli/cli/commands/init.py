"""The registry as a whole, its settings, and the shell: init, info, config, completion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ... import schemas
from ...core.json_shapes import to_json
from ...errors import InvalidInput
from ...registry import Registry
from ...store.codec import DEFAULT_STAGES
from .. import completion, grammar, process
from ..command import argument, command, option
from ..formatting import escape, format_size, format_time, plural, shorten
from ..options import parse_model_name
from ..session import Output, Session


@command("init", "Get started", exits=(0, 1, 2, 4))
def init(
    cx: Session,
    folder: Annotated[str, argument("[DIR]", "The folder; created if it does not exist.")] = ".",
    shared: Annotated[
        str, option("--shared", "private|group", "Who can write: only you, or the folder's Unix group.")
    ] = "private",
    stages: Annotated[str | None, option("--stages", "A,B,C", "The stages, in order.")] = None,
) -> None:
    """Initialize a registry in a folder.

    The default stages are development, staging and production. With `--shared group`, everyone in the Unix group of DIR
    can write, whatever their umask; set that group first (`chgrp team DIR`).

    Examples:
        registry init models-registry
        registry init /shared/team/registry --shared group
        registry init . --stages dev,canary,live
    """
    named = DEFAULT_STAGES if stages is None else tuple(part.strip() for part in stages.split(","))
    folder = folder if cx.root is None or folder != "." else cx.root
    registry = Registry(Registry.init(Path(folder), shared=shared, stages=named).root, index=False)
    record = registry.admin.info()
    cx.say(f"initialized registry in {registry.root} (stages: {', '.join(registry.stages)})")
    cx.show_one("registry", record, record.root, "")


@command("info", "Get started", exits=(0, 2, 3, 6), lists=True)
def info(cx: Session) -> None:
    """Show a summary of the registry and its health.

    Health is the result of `registry verify --quick`: names, sizes, pointers and history, but not the content of files.

    Examples:
        registry info
        registry info --json
    """
    registry = cx.registry()
    record, health = registry.admin.info(), registry.admin.verify(quick=True)
    rows = [(key, ", ".join(value) if key == "stages" else value) for key, value in to_json(record).items()]
    last = [rows.pop() for _ in range(2)][::-1] if record.deployments else []
    rows = [*rows[: len(rows) if last else -2], ("problems", len(health.problems)), *last]
    problems = f"{plural(len(health.problems), 'problem')}; run 'registry verify'"
    packed = f"; {record.packed:,} of them packed in {format_size(record.packed_size)}" if record.packed else ""
    deployed = f"{plural(record.deployments, 'deployment')}"
    deployed += (
        f", {record.unhealthy_deployments} not ok: see registry deployments" if record.unhealthy_deployments else ""
    )
    text = (
        f"{escape(record.root)}\n"
        f"{plural(record.models, 'model')}, {plural(record.versions, 'version')} "
        f"({record.archived:,} archived{packed}), {format_size(record.size)}\n"
        f"stages {', '.join(record.stages)}; shared: {record.shared}; since {format_time(record.created)}\n"
        + (f"{deployed}\n" if record.deployments else "")
        + f"health: {problems if health.problems else 'nothing wrong'}"
    )
    cx.show(Output("registry", {"*": record, "health": health}, [record.root], ("key", "value"), rows, text=text))
    if not health.ok:
        raise typer.Exit(6)


@command("config", "Get started", exits=(0, 2, 3, 6), lists=True)
def config(
    cx: Session,
    action: Annotated[str, argument("show|schema", "What to print: the settings or a schema.")],
    name: Annotated[
        str | None,
        argument(
            "[NAME]", "For show: a model or group, to include its own settings. For schema: registry, group or model."
        ),
    ] = None,
) -> None:
    """Show the effective settings and their source, or their schema.

    `show` prints the effective policies and retention rules, one per line, with the file and line that set them. Errors
    in them are reported in the same way. `schema` prints the JSON Schema of registry.yaml, group.yaml or model.yaml.

    In a pipe: stage (empty for rules outside a policy), rule, wanted, file, line; separated by tabs. With `-q`,
    nothing. For a schema, its text; with `-q`, the path of its file.

    Examples:
        registry config show
        registry config show churn
        registry config show risk
        registry config schema group > group.schema.json
    """
    if action == "show":
        _show_settings(cx, name)
    elif action == "schema":
        _show_schema(cx, name or "registry")
    else:
        raise InvalidInput(f"invalid action '{action}'", "use 'registry config show' or 'registry config schema'")


def _show_settings(cx: Session, name: str | None) -> None:
    lines = cx.reader().admin.config(None if name is None else parse_model_name(name))
    rows = [(each.stage, each.name, each.wanted, each.file, each.line) for each in lines]
    shown = [
        [each.stage, each.name, shorten(each.wanted), each.file if each.line is None else f"{each.file}:{each.line}"]
        for each in lines
    ]
    columns = ("stage", "rule", "wanted", "from")
    names = ("stage", "rule", "wanted", "file", "line")
    cx.show(
        Output(
            "config", lines, [], columns, rows, shown, empty="No policies or retention rules.", names=names, wrap=True
        )
    )


def _show_schema(cx: Session, name: str) -> None:
    text, path = schemas.text(name), schemas.path(name)
    rows = [[line] for line in text.splitlines()]
    body = {"name": name, "path": str(path), "document": json.loads(text)}
    cx.show(Output("schema", body, [str(path)], ("schema",), rows, text=text.rstrip("\n")))


@command("completion", "Get started", exits=(0, 2))
def completion_(cx: Session, shell: Annotated[str, argument("bash|zsh|fish", "The shell.")]) -> None:
    """Print the completion script of a shell.

    Completes commands, options and their values, models, versions and their files, stages and aliases.

    Examples:
        registry completion bash > ~/.local/share/bash-completion/completions/registry
        eval "$(registry completion zsh)"
        registry completion fish > ~/.config/fish/completions/registry.fish
    """
    if shell not in grammar.SHELLS:
        raise InvalidInput(f"shell '{shell}' is not supported", f"use {', '.join(grammar.SHELLS)}")
    script = completion.script(shell)
    if cx.as_json:
        cx.show(Output("completion", {"shell": shell, "script": script}))
    else:
        process.write(script.rstrip("\n"))
