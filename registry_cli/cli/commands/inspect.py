"""Looking inside: inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from ...errors import NotFound
from ...inspect.inspection import UNKNOWN
from ...operations.inspection import inspect_files
from ..command import argument, command
from ..formatting import align, escape
from ..options import is_version
from ..session import Output, Session
from ..views import inspection_view

if TYPE_CHECKING:
    from ...inspect.inspection import Inspected, Inspection

_WHOLE = "."


@command("inspect", "put in", exits=(0, 1, 2, 3, 5, 6, 130))
def inspect(
    cx: Session, paths: Annotated[list[str], argument("PATH...|REF", "Files, or a folder; or a version: churn@7.")]
) -> None:
    """Say what files are, before or after they are registered.

    Format, framework and its version, class, parameters, inputs and outputs, names of features. Nothing is loaded or
    run. Files need no registry: it is what 'register' would find. A version is looked at anew; what was found when it
    was registered is told by 'show'. -q prints the files and folders that were recognised.

    In a pipe: path, format, framework, class, parameters, inputs, outputs, features, problem; separated by tabs. What
    nobody recognises has the format 'unknown'.

    Examples:
        registry inspect model.onnx
        registry inspect build/ --json | jq .lineage
        registry inspect churn@production
    """
    found = _inspect(cx, paths)
    known = [each.path or _WHOLE for each in found.found if each.format != UNKNOWN]
    cx.show(Output("inspected", found, known, rows=map(_format_row, found.found), text=_format_text(found)))
    if found.unseen:
        cx.say(f"{found.unseen:,} of {found.files:,} files were not looked at")


def _inspect(cx: Session, paths: list[str]) -> Inspected:
    if is_version(paths, "inspected"):
        return cx.reader().inspect(paths[0])
    try:
        return inspect_files(paths)
    except NotFound as error:
        raise NotFound(error.message, error.hint or "name a file, a folder, or a version: NAME@SELECTOR") from None


def _format_row(each: Inspection) -> tuple[Any, ...]:
    about = each.lineage().get("contents", {})
    ends = [inspection_view.format_tensors(about.get(name)) for name in ("inputs", "outputs")]
    head = (each.path or _WHOLE, each.format, each.made_by, each.class_name, each.parameters)
    return (*head, *ends, each.width, each.problem)


def _format_text(found: Inspected) -> str:
    """The primary file as a block, below a list of all if there are several."""
    if not found.primary:
        problems = [("problem", each.problem) for each in found.found if each.problem]
        unknown = "unknown: no reader recognises it"
        return align([("format", unknown), *problems[:1]]) if len(found.found) < 2 else _format_list(found)
    block = align(inspection_view.format_lines(found.primary.lineage()))
    if len(found.found) < 2:
        return block
    return f"{_format_list(found)}\n\n{escape(found.primary.path or _WHOLE)}\n\n{block}"


def _format_list(found: Inspected) -> str:
    return align(
        (each.path or _WHOLE, "  ".join(filter(None, (each.format, each.made_by, each.problem))))
        for each in found.found
    )
