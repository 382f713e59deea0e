"""What a reviewer sees before approving or rejecting a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...core.lazy_dataclass import replace
from ..formatting import escape, format_age, format_number, format_time, shorten
from ..process import write
from . import diff_view, inspection_view, lineage_view

if TYPE_CHECKING:
    from ...core.records import VersionRecord
    from ...core.results import Approval
    from ...operations.gate import Review
    from ..session import Session

#: The number of lines shown of the lineage.
_LINEAGE = 12
#: Differences of the machine, which do not matter for a review.
_MACHINE = frozenset({"run.folder", "run.host", "run.user"})
#: The length of the params, metrics and tags shown of a version that is compared with nothing.
_LONGEST = 400


def draw(cx: Session, found: Review) -> None:
    """Print the outcome of the gate, what differs from the version in the stage, the origin, the approvals."""
    version, stage = found.version, found.evaluation.stage
    write(
        f"{version.ref} for {stage}: by {escape(version.author)}, {format_time(version.created, zone=True)} ({format_age(version.created)} ago)"
    )
    if version.message:
        write(escape(shorten(version.message)))
    write(f"sha256:{version.digest}\n")
    _draw_gate(cx, found)
    write("")
    _draw_diff(cx, found)
    _draw_lineage(version)
    _draw_approvals(found.approvals)
    write("")


def _draw_diff(cx: Session, found: Review) -> None:
    """Print what differs from the version in the stage; without one, the version's own values."""
    version, stage = found.version, found.evaluation.stage
    diff = found.diff
    if diff is not None:
        diff = replace(diff, lineage=tuple(each for each in diff.lineage if each.name not in _MACHINE))
    if diff is None:
        write(f"{version.ref} is in {stage}" if stage in version.stages else f"{stage} is empty")
        for kind in ("params", "metrics", "tags"):
            texts = "  ".join(f"{name} {format_number(value)}" for name, value in getattr(version, kind).items())
            if texts:
                write(escape(shorten(f"{kind}: {texts}", _LONGEST)))
    elif diff.equal:
        write(f"no differences from {diff.before.ref}, which is in {stage}")
    else:
        diff_view.draw(diff, no_color=cx.no_color)


def _draw_lineage(version: VersionRecord) -> None:
    lines = [*_inspection_lines(version.lineage), *lineage_view.summarize_origin(version)]
    if lines:
        write("\nlineage")
    for name, value in lines[:_LINEAGE]:
        write(f"  {escape(name)}: {escape(shorten(value))}")
    if len(lines) > _LINEAGE:
        write(f"  and more: registry show {version.ref}")


def _draw_approvals(approvals: Sequence[Approval]) -> None:
    if approvals:
        write("\nearlier decisions")
    for each in approvals:
        verdict = "approved" if each.approved else "rejected"
        why = f" ({each.why})" if each.why else ""
        reason = f" “{shorten(each.reason)}”" if each.reason else ""
        write(escape(f"  {each.by} {verdict} it for {each.stage}, {each.state.replace('-', ' ')}{why}{reason}"))


def _draw_gate(cx: Session, found: Review) -> None:
    rules = [
        [shorten(each.name), shorten(each.wanted), shorten(each.found), each.outcome] for each in found.evaluation.rules
    ]
    if not rules:
        write(f"{found.evaluation.stage} has no policy")
        return
    cx.draw_rows(("rule", "wanted", "found", "outcome"), rules)


def _inspection_lines(lineage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the files are, and the verdict of the scan, also the best one."""
    texts = dict(inspection_view.format_lines(lineage))
    scan = lineage.get("scan")
    if isinstance(scan, Mapping):
        texts.setdefault("scan", str(scan.get("verdict")))
    for name in ("format", "framework", "class", "parameters", "scan"):
        if name in texts:
            yield name, texts[name]
