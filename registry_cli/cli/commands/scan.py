"""The contents of files, before or after registration: inspect, scan."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.json_shapes import to_json
from ...errors import InvalidInput, NotFound
from ...inspect.inspection import UNKNOWN
from ...operations.inspection import inspect_files, scan_files
from ...scan.verdicts import CLEAN, DANGEROUS, UNSCANNABLE, VERDICTS
from ..command import argument, command, flag, option
from ..formatting import align, escape, plural
from ..options import Texts
from ..session import Output, Session
from ..views import inspection_view

if TYPE_CHECKING:
    from ...inspect.inspection import Inspected, Inspection
    from ...scan.verdicts import FileScan, Scan

Paths = Annotated[list[str], argument("PATH...|REF", "Files, a folder, or a version (churn@7).")]
_WHOLE = "."
#: The names of the columns of inspect in csv.
_NAMES = ("path", "format", "framework", "class", "parameters", "inputs", "outputs", "features", "problem")
#: Of more files than this, a terminal shows only those with findings.
_FEW = 20
_FINDINGS = 5


@command("inspect", "Retrieve", exits=(0, 1, 2, 3, 5, 6, 130), lists=True)
def inspect(cx: Session, paths: Paths) -> None:
    """Inspect model files (format, framework, signature).

    Shows format, framework and its version, class, parameters, inputs, outputs and feature names. Nothing is loaded or
    run. Files need no registry: the result is what 'register' would record. A version is inspected again; 'show' prints
    what was recorded at registration. -q prints the files and folders that were recognized.

    In a pipe: path, format, framework, class, parameters, inputs, outputs, features, problem; separated by tabs.
    Unrecognized files have the format 'unknown'.

    Examples:
        registry inspect model.onnx
        registry inspect build/ --json | jq .lineage
        registry inspect churn@production
    """
    if _is_version(paths, "inspected"):
        found = cx.reader().artifacts.inspect(paths[0])
    else:
        with _suggest_references():
            found = inspect_files(paths)
    known = [each.path or _WHOLE for each in found.found if each.format != UNKNOWN]
    rows = map(_format_inspection, found.found)
    cx.show(Output("inspected", found, known, rows=rows, text=_format_text(found), names=_NAMES))
    if found.unseen:
        cx.say(f"{found.unseen:,} of {found.files:,} files were not inspected")


def _format_inspection(each: Inspection) -> tuple[Any, ...]:
    about = each.lineage().get("contents", {})
    ends = [inspection_view.format_tensors(about.get(name)) for name in ("inputs", "outputs")]
    head = (each.path or _WHOLE, each.format, each.made_by, each.class_name, each.parameters)
    return (*head, *ends, each.width, each.problem)


def _format_text(found: Inspected) -> str:
    """The primary file as a block, below a list of all if there are several."""
    if not found.primary:
        problems = [("problem", each.problem) for each in found.found if each.problem]
        unknown = "unknown"
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


@command("scan", "Maintain", exits=(0, 1, 2, 3, 5, 6, 130), lists=True)
def scan(
    cx: Session,
    paths: Paths,
    allow: Annotated[Texts, option("--allow", "GLOBAL", "Treat as known: package.Class or 'package.*'.")] = None,
    strict: Annotated[bool, flag("--strict", "Also exit 5 for unknown-format and unknown-globals.")] = False,
    explain: Annotated[bool, flag("--explain", "List every global in pickles: position, use and verdict.")] = False,
) -> None:
    """Check whether files are safe to load.

    Looks into pickles, archives and compressed files, whatever their names, for code that would run on loading. Nothing
    is loaded or run. The verdicts, from best to worst, are safe-format, known-globals, unknown-format, unknown-globals,
    unscannable (could not be read completely), dangerous; the last two exit with 5. No scan can prove that a pickle is
    safe. Globals allowed by the registry (`scan: {allow: …}` in registry.yaml) count as known here, too. -q prints the
    files that caused exit code 5.

    In a pipe: path, verdict, kind, findings; separated by tabs. With --explain: path, byte offset, global, use,
    verdict, reason.

    Examples:
        registry scan model.pkl
        registry scan build/ --strict && registry register churn build/
        registry scan churn@production --json | jq '.items[] | select(.verdict != "safe-format")'
        registry scan model.joblib --allow 'ourpackage.*'
        registry scan model.pkl --explain
    """
    allowed = allow or []
    with cx.progress("scanning", unit="files") as progress:
        if _is_version(paths, "scanned"):
            found = cx.reader().artifacts.scan(paths[0], allow=allowed, progress=progress)
        else:
            with _suggest_references():
                found = scan_files(paths, allow=(*_read_allowed(cx), *allowed), progress=progress)
    bad = set(VERDICTS) - set(CLEAN) if strict else {DANGEROUS, UNSCANNABLE}
    refused = [each for each in found.files if each.verdict in bad]
    count = {verdict: sum(each.verdict == verdict for each in found.files) for verdict in VERDICTS}
    counts = ", ".join(f"{number:,} {verdict}" for verdict, number in reversed(count.items()) if number)
    cx.say(f"{plural(len(found.files), 'file')}: {counts}")
    cx.show((_use_output if explain else _file_output)(found, [each.path for each in refused]))
    if refused:
        raise typer.Exit(5)


def _file_output(found: Scan, refused: list[str]) -> Output:
    shown = [each for each in found.files if len(found.files) <= _FEW or each.verdict not in CLEAN]
    return Output(
        "scanned",
        {"*": found, "items": [{**to_json(each), "uses": None} for each in found.files]},
        refused,
        ("file", "verdict", "kind", "findings"),
        [
            (each.path, each.verdict, each.kind, "; ".join(_format_findings(each, len(each.remarks))))
            for each in found.files
        ],
        [(each.path, each.verdict, each.kind, "\n".join(_format_findings(each, _FINDINGS))) for each in shown],
        names=("path", "verdict", "kind", "findings"),
        wrap=True,
    )


def _use_output(found: Scan, refused: list[str]) -> Output:
    rows = [
        (f"{each.path}!{use.member}" if use.member else each.path, use.offset, use.name, use.use, use.level, use.why)
        for each in found.files
        for use in each.uses
    ]
    columns = ("file", "offset", "global", "use", "verdict", "reason")
    return Output("scanned", found, refused, columns, rows, empty="No globals.", wrap=True)


def _read_allowed(cx: Session) -> Sequence[str]:
    """Return the globals allowed by the registry in the current folder, if there is one."""
    try:
        return cx.reader().policies.scan_rules().allow
    except NotFound:
        if cx.root is not None:
            raise
        return ()


def _format_findings(each: FileScan, most: int) -> list[str]:
    remarks = each.worst_first()
    more = [f"and {len(remarks) - most:,} more"] if len(remarks) > most else []
    return [remark.text for remark in remarks[:most]] + more


def _is_version(paths: Sequence[str], done: str) -> bool:
    """Whether a version is named; an existing path is a file. ``done`` is the verb in the error."""
    if not any("@" in path and not os.path.lexists(path) for path in paths):
        return False
    if len(paths) > 1:
        raise InvalidInput(f"only one version can be {done} at a time", "give one version or files")
    return True


@contextlib.contextmanager
def _suggest_references() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise NotFound(error.message, error.hint or "give a file, a folder, or a version (NAME@SELECTOR)") from None
