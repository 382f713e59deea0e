"""Settings: what is in force and where it stands, and the schemas that an editor checks them with."""

from __future__ import annotations

import json
from typing import Annotated

from ... import schemas
from ...errors import InvalidInput
from ..command import argument, command
from ..formatting import shorten
from ..options import parse_model_name
from ..session import Output, Session

_ACTIONS = ("show", "schema")


@command("config", "begin", exits=(0, 2, 3, 6))
def config(
    cx: Session,
    action: Annotated[str, argument("show|schema", "What to print: settings, or a schema.")],
    name: Annotated[
        str | None,
        argument("[NAME]", "A model or a group: with what its own documents add. A schema: registry, group or model."),
    ] = None,
) -> None:
    """Show the settings in force and where each line stands, or their schema.

    `show` prints the policies and the retention in force, a line each, with the file and line where it stands. A
    mistake in them is told in the same way. `schema` prints the JSON Schema of registry.yaml, group.yaml or model.yaml.

    In a pipe: stage (empty for what is no policy), rule, wanted, file, line; separated by tabs. With `-q`, nothing. Of a
    schema, its text; with `-q`, the path of its file.

    Examples:
        registry config show
        registry config show churn
        registry config show risk
        registry config schema group > group.schema.json
    """
    if action == "show":
        _show(cx, name)
    elif action == "schema":
        _schema(cx, name or "registry")
    else:
        raise InvalidInput(f"config can't '{action}'", f"write: registry config {' or '.join(_ACTIONS)}")


def _show(cx: Session, name: str | None) -> None:
    lines = cx.reader().policies.list(None if name is None else parse_model_name(name))
    rows = [(each.stage, each.name, each.wanted, each.file, each.line) for each in lines]
    shown = [
        [each.stage, each.name, shorten(each.wanted), each.file if each.line is None else f"{each.file}:{each.line}"]
        for each in lines
    ]
    columns = ("stage", "rule", "wanted", "from")
    cx.show(Output("config", lines, [], columns, rows, shown, empty="no policies, no retention"))


def _schema(cx: Session, name: str) -> None:
    text, path = schemas.text(name), schemas.path(name)
    rows = [[line] for line in text.splitlines()]
    body = {"name": name, "path": str(path), "document": json.loads(text)}
    cx.show(Output("schema", body, [str(path)], ("schema",), rows, text=text.rstrip("\n")))
