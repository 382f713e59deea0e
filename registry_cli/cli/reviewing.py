"""What a reviewer looks at before saying yes or no, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import differences, tables
from .process import write
from .text import age, moment, number, safe, short

if TYPE_CHECKING:
    from ..outcomes import Approval
    from ..records import VersionRecord
    from ..verbs.people import Review
    from .session import Session

#: So many lines of where a version came from.
_LINEAGE = 12
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
    if found.diff is None:
        write(f"{version.ref} holds {stage}" if stage in version.stages else f"{stage} is empty")
        for kind in ("params", "metrics", "tags"):
            said = "  ".join(f"{name} {number(value)}" for name, value in getattr(version, kind).items())
            if said:
                write(safe(short(f"{kind}: {said}", _LONGEST)))
    elif found.diff.equal:
        write(f"nothing differs from {found.diff.before.ref}, which holds {stage}")
    else:
        differences.draw(found.diff, no_color=cx.no_color)


def _lineage(version: VersionRecord) -> None:
    lines = list(_lines(version.lineage))
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


def _lines(lineage: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Where a version came from, a line each, with dotted names."""
    for name, value in lineage.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)
