"""Finding: list, versions, show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from ..names import Reference
from ..records import FileEntry, ModelRecord, VersionRecord
from . import shapes
from .command import command
from .options import Model, Ref, model_of
from .session import Output, Session
from .text import age, moment, number, safe, short, size

_METRICS_SHOWN = 3
_FILES_SHOWN = 20


@command(
    "list",
    examples=["registry list", "registry list -q | xargs -n1 registry versions", "registry list --json"],
    exits=(0, 2, 3, 6),
)
def list_(cx: Session) -> None:
    """One row a model: what its stages point to, its latest version, how many are in use and archived.

    In a pipe: name, versions, archived, latest, stages, aliases, owner, created; separated by tabs.
    """
    registry = cx.reader()
    models = list(registry.models())
    rows = [
        (m.name, m.versions, m.archived, m.latest, _pointers(m.stages), _pointers(m.aliases), m.owner, m.created)
        for m in models
    ]
    stages = [stage for stage in registry.stages if any(stage in model.stages for model in models)]
    shown = [_shown_model(model, stages) for model in models]
    columns = ("model", "latest", *reversed(stages), "versions", "archived", "owner", "age")
    data = shapes.items("models", [shapes.model(model) for model in models])
    text = None if models else "no models yet; registry register NAME FILE stores the first"
    cx.show(Output(data, [m.name for m in models], columns, rows, shown, text))


def _shown_model(model: ModelRecord, stages: Sequence[str]) -> list[str]:
    def at(value: int | None) -> str:
        return "-" if value is None else str(value)

    pointed = [at(model.stages.get(stage)) for stage in reversed(stages)]
    counts = [str(model.versions), str(model.archived) if model.archived else "-"]
    return [model.name, at(model.latest), *pointed, *counts, model.owner, age(model.created)]


def _pointers(pointers: Mapping[str, int]) -> str:
    return ",".join(f"{name}={at}" for name, at in pointers.items())


@command(
    "versions",
    examples=["registry versions churn", "registry versions churn --all --limit 20", "registry versions churn -q"],
    exits=(0, 2, 3, 6),
)
def versions(
    cx: Session,
    name: Model,
    every: Annotated[bool, typer.Option("--all", "-a", help="The archived ones too.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="The newest N only.")] = None,
) -> None:
    """The newest first, side by side with their metrics.

    In a pipe: ref, stages, aliases, archived, created, author, size, metrics, tags, message; separated by tabs.
    """
    found = cx.reader().versions(model_of(name), archived=every, limit=limit)
    rows = [
        (
            v.ref, ",".join(v.stages), ",".join(v.aliases), v.archived, v.created, v.author, v.size,
            _said(v.metrics), _said(v.tags), v.message,
        )
        for v in found
    ]  # fmt: skip
    metrics = _common_metrics(found)
    columns = ("version", "stage", *metrics, "size", "age", "author", "tags", "message")
    shown = [_shown_version(version, metrics) for version in found]
    data = shapes.items("versions", [shapes.version(version) for version in found])
    text = None if found else f"no versions of {safe(name)} in use; registry versions {safe(name)} --all"
    cx.show(Output(data, [v.ref for v in found], columns, rows, shown, text))


def _common_metrics(found: Iterable[VersionRecord]) -> list[str]:
    """The metrics that most versions have, in the order in which they came."""
    counts: dict[str, int] = {}
    for version in found:
        for name in version.metrics:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])[:_METRICS_SHOWN]


def _shown_version(version: VersionRecord, metrics: Sequence[str]) -> list[str]:
    where = [*reversed(version.stages), *(f"@{alias}" for alias in version.aliases)]
    where += ["archived"] if version.archived else []
    values = [number(version.metrics[name]) if name in version.metrics else "-" for name in metrics]
    tags = " ".join(f"{name}={text}" for name, text in version.tags.items())
    first_line = short(version.message.partition("\n")[0])
    return [
        str(version.number),
        " ".join(where) or "-",
        *values,
        size(version.size),
        age(version.created),
        version.author,
        tags,
        first_line,
    ]


def _said(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


@command(
    "show",
    examples=["registry show churn@production", "registry show churn", "registry show churn@7 --json | jq .metrics"],
    exits=(0, 2, 3, 6),
)
def show(cx: Session, ref: Ref) -> None:
    """A bare NAME shows the model; NAME@SELECTOR shows one version with its files.

    In a pipe: one `key<TAB>value` line each.
    """
    registry = cx.reader()
    reference = Reference.parse(ref)
    if reference.selector is None:
        _show_model(cx, registry.model(reference.model))
    else:
        artifact = registry.artifact(reference)
        _show_version(cx, artifact.version, artifact.files, str(artifact.folder))


def _show_model(cx: Session, model: ModelRecord) -> None:
    pairs: list[tuple[str, Any]] = [
        ("name", model.name),
        ("owner", model.owner),
        ("created", model.created),
        ("description", model.description),
        ("versions", model.versions),
        ("archived", model.archived),
        ("latest", model.latest),
        *((f"stages.{name}", at) for name, at in model.stages.items()),
        *((f"aliases.{name}", at) for name, at in model.aliases.items()),
        *((f"tags.{name}", text) for name, text in model.tags.items()),
        *((f"annotations.{name}", text) for name, text in model.annotations.items()),
    ]
    text = _aligned(_for_eyes(pairs, model.created))
    cx.show(Output(shapes.document("model", shapes.model(model)), [model.name], ("key", "value"), pairs, text=text))


def _show_version(cx: Session, version: VersionRecord, files: Sequence[FileEntry], path: str) -> None:
    pairs: list[tuple[str, Any]] = [
        ("ref", version.ref),
        ("stages", ", ".join(version.stages)),
        ("aliases", ", ".join(version.aliases)),
        ("archived", version.archived),
        ("created", version.created),
        ("author", version.author),
        ("message", version.message),
        ("digest", f"sha256:{version.digest}"),
        ("size", version.size),
        ("files", version.files),
        ("path", path),
        *((f"params.{name}", value) for name, value in version.params.items()),
        *((f"metrics.{name}", value) for name, value in version.metrics.items()),
        *((f"tags.{name}", text) for name, text in version.tags.items()),
        *((f"annotations.{name}", text) for name, text in version.annotations.items()),
    ]
    listed = [(f"file.{entry.path}", entry.sha256) for entry in files]
    data = {**shapes.version(version), "path": path, "manifest": [shapes.file(entry) for entry in files]}
    text = _aligned(_for_eyes(pairs, version.created, version.size)) + "\n" + _file_lines(files)
    cx.show(Output(shapes.document("version", data), [version.ref], ("key", "value"), [*pairs, *listed], text=text))


def _for_eyes(pairs: Iterable[tuple[str, Any]], created: str, total: int = 0) -> list[tuple[str, Any]]:
    shown = {"size": size(total), "created": f"{moment(created)} UTC ({age(created)} ago)"}
    return [(key, shown.get(key, value)) for key, value in pairs]


def _aligned(pairs: Iterable[tuple[str, Any]]) -> str:
    """``key  value`` lines; what is empty is left out, further lines of a text stand under its first."""
    kept = [(key, value) for key, value in pairs if value not in ("", None, False)]
    width = max(len(key) for key, _ in kept) + 2
    lines = []
    for key, value in kept:
        text = "yes" if value is True else safe(number(value), lines=True)
        lines.append(f"{safe(key):<{width}}" + ("\n" + " " * width).join(_wrapped(text.rstrip("\n"), width)))
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> Iterable[str]:
    """The lines of a text for a terminal, broken between words only: digests and paths stay whole, to be copied."""
    import shutil
    import textwrap

    room = max(shutil.get_terminal_size().columns - indent, 20)
    for line in text.split("\n"):
        if len(line) <= room:
            yield line
        else:
            yield from textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]


def _file_lines(files: Sequence[FileEntry]) -> str:
    lines = [f"  {entry.sha256[:12]}  {safe(entry.path)}" for entry in files[:_FILES_SHOWN]]
    more = len(files) - _FILES_SHOWN
    return "\n".join([*lines, f"  … and {more:,} more"] if more > 0 else lines)
