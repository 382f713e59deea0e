"""Plans of archive, delete and prune: showing them, and reading the files that ``--plan`` writes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ..core import json_shapes
from ..core.names import model_name
from ..errors import Conflict, InvalidInput, NotFound
from ..rules.stages import ARCHIVE, DELETE, PACK
from .formatting import format_size, plural
from .session import TableView

if TYPE_CHECKING:
    from ..rules.retention import Plan, RetentionDecision

_PLAN_LIMIT = 64 << 20
_FREES = {ARCHIVE: "deleting them would free", DELETE: "would free", PACK: "would free about"}


def summarize_plans(plans: list[Plan]) -> list[str]:
    """Say how many versions would be archived, deleted or packed, how many are kept, and what that frees."""
    lines = []
    for each in plans:
        if each.chosen:
            words = f"would {each.action} {plural(len(each.chosen), 'version')} of {each.model}"
            keeps = len(each.verdicts) - len(each.chosen)
            kept = f", keep {keeps:,}" if keeps else ""
            lines.append(f"{words}{kept}; {_FREES[each.action]} {format_size(each.freed)}")
    return lines or ["nothing to do: all versions are kept"]


def draw_plans(plans: list[Plan], limit: int | None, changes_only: bool) -> TableView:
    """The summary, and a row for the versions of a model with the same plan and reason; what changes comes first."""
    groups: dict[tuple[bool, str, str, str], list[RetentionDecision]] = {}
    for each in plans:
        for verdict in each.verdicts:
            if verdict.chosen or not changes_only:
                what = each.action if verdict.chosen else "keep"
                groups.setdefault((not verdict.chosen, each.model, what, verdict.reason), []).append(verdict)
    several = len({each.model for each in plans}) > 1  # the title names a single one
    rows = [
        [what, f"{model * several}@{_format_ranges([each.version for each in found])}", f"{len(found):,}",
         "" if kept else format_size(sum(each.freed for each in found)), reason]
        for (kept, model, what, reason), found in sorted(groups.items(), key=lambda item: item[0][0])
    ]  # fmt: skip
    title, more = "\n".join(summarize_plans(plans)), len(rows) - len(rows[:limit])
    footer = f"… and {plural(more, 'more row')}" if more else ""
    if not rows:
        return TableView(text=title)
    return TableView(("plan", "ref", "count", "frees", "reason"), rows[:limit], title=title, footer=footer, wrap=True)


def _format_ranges(numbers: list[int]) -> str:
    """Format numbers as ``1-9, 11``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)


def read_plans(file: str, registry_id: str) -> list[Plan]:
    """Read the plans of a file. :class:`InvalidInput` if it contains none, :class:`Conflict` if they are for another registry."""
    try:
        if file == "-":
            text = sys.stdin.read(_PLAN_LIMIT) if sys.stdin is not None else ""
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read(_PLAN_LIMIT)
        document = json.loads(text)
        if document["kind"] != "plans" or document["schema"] != json_shapes.SCHEMA:
            raise ValueError
        plans = [_parse_plan(each) for each in document["items"]]
    except FileNotFoundError:
        raise NotFound(f"file '{file}' not found", "write a plan with --plan FILE") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(f"'{file}' is not a plan", "write one with: registry archive NAME … --plan FILE") from None
    if document.get("registry") != registry_id:
        raise Conflict("this plan is for another registry", "write a new plan")
    return plans


def _parse_plan(item: dict[str, Any]) -> Plan:
    """Raises ValueError, KeyError or TypeError for what is not a plan."""
    from ..rules.retention import Plan, RetentionDecision

    verdicts = tuple(
        RetentionDecision(each["version"], each["chosen"], str(each["reason"]), each["freed"])
        for each in item["verdicts"]
    )
    numbers = [item["revision"], item["highest"], *(each.version for each in verdicts)]
    if any(type(number) is not int or not 0 <= number < 10**9 for number in numbers):
        raise ValueError
    compress = item.get("compress") or ""
    if (compress not in ("", "gzip", "zstd")) or bool(compress) < (item["action"] == PACK):
        raise ValueError
    if item["action"] not in _FREES or any(type(each.chosen) is not bool for each in verdicts):
        raise ValueError
    return Plan(
        model_name(item["model"]), item["action"], str(item["rules"]), numbers[0], numbers[1], verdicts, compress
    )
