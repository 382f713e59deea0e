"""Trust: scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ...errors import NotFound
from ...operations.inspection import scan_files
from ...scan.verdicts import CLEAN, DANGEROUS, UNSCANNABLE, VERDICTS
from ..command import argument, command, flag, option
from ..formatting import plural
from ..json_shapes import to_json
from ..options import is_version
from ..session import Output, Session

if TYPE_CHECKING:
    from ...scan.verdicts import FileScan, Scan

#: So many files are shown to a person, whatever was found in them; of more only those of which there is something to say.
_FEW = 20
_FINDINGS = 5


@command("scan", "trust", exits=(0, 1, 2, 3, 5, 6, 130))
def scan(
    cx: Session,
    paths: Annotated[list[str], argument("PATH...|REF", "Files, or a folder; or a version: churn@7.")],
    allow: Annotated[
        Optional[list[str]], option("--allow", "GLOBAL", "Also known: package.Class, or 'package.*'.")
    ] = None,
    strict: Annotated[bool, flag("--strict", "Exit 5 for unknown-format and unknown-globals, too.")] = False,
    explain: Annotated[
        bool, flag("--explain", "List each global of the pickles: where, how it is used, and the judgement.")
    ] = False,
) -> None:
    """Say whether files are safe to load.

    Looks into pickles, archives and compressed files, whatever they are called, for what would run code when they
    are loaded. Nothing is loaded or run. From the best to the worst the verdicts are safe-format, known-globals,
    unknown-format, unknown-globals, unscannable (not read to the end), dangerous; the last two exit with 5. No scan
    proves a pickle safe. What the registry allows (`scan: {allow: …}` in registry.yaml) is known here, too. -q prints the
    files that made it exit with 5.

    In a pipe: path, verdict, kind, findings; separated by tabs. With --explain: path, byte offset, global, use, verdict,
    reason.

    Examples:
        registry scan model.pkl
        registry scan build/ --strict && registry register churn build/
        registry scan churn@production --json | jq '.items[] | select(.verdict != "safe-format")'
        registry scan model.joblib --allow 'ourpackage.*'
        registry scan model.pkl --explain
    """
    found = _scan(cx, paths, allow or [])
    bad = set(VERDICTS) - set(CLEAN) if strict else {DANGEROUS, UNSCANNABLE}
    refused = [each for each in found.files if each.verdict in bad]
    cx.say(_format_summary(found))
    cx.show((_use_output if explain else _file_output)(found, [each.path for each in refused]))
    if refused:
        raise typer.Exit(5)


def _file_output(found: Scan, refused: list[str]) -> Output:
    shown = [each for each in found.files if len(found.files) <= _FEW or each.verdict not in CLEAN]
    return Output(
        "scanned",
        {"*": found, "items": [{**to_json(each), "uses": None} for each in found.files]},
        refused,
        ("file", "verdict", "kind", "what was found"),
        [
            (each.path, each.verdict, each.kind, "; ".join(_format_findings(each, len(each.remarks))))
            for each in found.files
        ],
        [(each.path, each.verdict, each.kind, "\n".join(_format_findings(each, _FINDINGS))) for each in shown],
    )


def _use_output(found: Scan, refused: list[str]) -> Output:
    rows = [
        (f"{each.path}!{use.member}" if use.member else each.path, use.offset, use.name, use.use, use.level, use.why)
        for each in found.files
        for use in each.uses
    ]
    columns = ("file", "offset", "global", "use", "verdict", "reason")
    return Output("scanned", found, refused, columns, rows, empty="no globals")


def _scan(cx: Session, paths: list[str], allow: Sequence[str]) -> Scan:
    with cx.progress("scanning", unit="files") as progress:
        if is_version(paths, "scanned"):
            return cx.reader().scan(paths[0], allow=allow, progress=progress)
        try:
            return scan_files(paths, allow=(*_read_allowed(cx), *allow), progress=progress)
        except NotFound as error:
            raise NotFound(error.message, error.hint or "name a file, a folder, or a version: NAME@SELECTOR") from None


def _read_allowed(cx: Session) -> Sequence[str]:
    """The globals that the registry found from here allows, if there is one."""
    try:
        return cx.reader().scan_rules().allow
    except NotFound:
        if cx.root is not None:
            raise
        return ()


def _format_findings(each: FileScan, most: int) -> list[str]:
    remarks = each.worst_first()
    more = [f"and {len(remarks) - most:,} more"] if len(remarks) > most else []
    return [remark.text for remark in remarks[:most]] + more


def _format_summary(found: Scan) -> str:
    count = {verdict: sum(each.verdict == verdict for each in found.files) for verdict in VERDICTS}
    counts = ", ".join(f"{number:,} {verdict}" for verdict, number in reversed(count.items()) if number)
    return f"{plural(len(found.files), 'file')}: {counts}"
