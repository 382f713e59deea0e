"""What a reviewer looks at before saying yes or no, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...core.lazy_dataclass import replace
from ..process import write
from . import diff_view, inspection_view, lineage_view, tables
from .text import age, moment, number, safe, short

if TYPE_CHECKING:
    from ...core.records import VersionRecord
    from ...core.results import Approval
    from ...lifecycle.compare import Diff
    from ...verbs.people import Review
    from ..session import Session

#: So many lines of where a version came from.
_LINEAGE = 12
#: On whose machine it was made says nothing of what was made.
_MACHINE = frozenset({"run.folder", "run.host", "run.user"})
#: So many characters of what is said of a version that can't be compared.
_LONGEST = 400


def draw(cx: Session, found: Review) -> None:
    """Print what the gate says, what differs from what holds the stage, where the version came from, who approved it."""
    version, stage = found.version, found.evaluation.stage
    write(
        f"{version.ref} for {stage}: by {safe(version.author)}, {moment(version.created)} UTC ({age(version.created)} ago)"
    )
    if version.message:
        write(safe(short(version.message)))
    write(f"sha256:{version.digest}\n")
    _gate(cx, found)
    write("")
    _compared(cx, found)
    _lineage(version)
    _said_before(found.approvals)
    write("")


def _compared(cx: Session, found: Review) -> None:
    """What differs from what holds the stage; where there is nothing to compare with, what is said of the version."""
    version, stage = found.version, found.evaluation.stage
    diff = found.diff and _without_machine(found.diff)
    if diff is None:
        write(f"{version.ref} holds {stage}" if stage in version.stages else f"{stage} is empty")
        for kind in ("params", "metrics", "tags"):
            said = "  ".join(f"{name} {number(value)}" for name, value in getattr(version, kind).items())
            if said:
                write(safe(short(f"{kind}: {said}", _LONGEST)))
    elif diff.equal:
        write(f"nothing differs from {diff.before.ref}, which holds {stage}")
    else:
        diff_view.draw(diff, no_color=cx.no_color)


def _without_machine(diff: Diff) -> Diff:
    """The same without where the programs ran, which 'diff' tells."""
    return replace(diff, lineage=tuple(each for each in diff.lineage if each.name not in _MACHINE))


def _lineage(version: VersionRecord) -> None:
    lines = [*_inside(version.lineage), *lineage_view.origin(version)]
    if lines:
        write("\nlineage")
    for name, value in lines[:_LINEAGE]:
        write(f"  {safe(name)}: {safe(short(value))}")
    if len(lines) > _LINEAGE:
        write(f"  and more: registry show {version.ref}")


def _said_before(approvals: Sequence[Approval]) -> None:
    if approvals:
        write("\nsaid before")
    for each in approvals:
        said = "approved" if each.approved else "rejected"
        why = f" ({each.why})" if each.why else ""
        reason = f" “{short(each.reason)}”" if each.reason else ""
        write(safe(f"  {each.by} {said} it for {each.stage}, {each.state.replace('-', ' ')}{why}{reason}"))


def _gate(cx: Session, found: Review) -> None:
    rules = [[short(each.name), short(each.wanted), short(each.found), each.outcome] for each in found.evaluation.rules]
    if not rules:
        write(f"{found.evaluation.stage} has no policy")
        return
    tables.draw(("rule", "wanted", "found", "outcome"), rules, no_color=cx.no_color)


def _inside(lineage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the files are, and the verdict of the scan, also when it is the best."""
    said = dict(inspection_view.lines(lineage))
    scan = lineage.get("scan")
    if isinstance(scan, Mapping):
        said.setdefault("scan", str(scan.get("verdict")))
    for name in ("format", "framework", "class", "parameters", "scan"):
        if name in said:
            yield name, said[name]
