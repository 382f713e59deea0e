"""Observations in a terminal: a trend in one cell, and a plot with the bounds of its rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..formatting import escape, format_number, supports_unicode

if TYPE_CHECKING:
    from ...rules.monitor_evaluation import SeriesStatus

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=*#"
_HEIGHT = 8


def draw_trend(values: Sequence[float | None]) -> str:
    """The values as one character each; a space where there is none."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    marks = _BLOCKS if supports_unicode() else _ASCII
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    cells = [" " if each is None else marks[round((each - low) / span * (len(marks) - 1))] for each in values]
    return "".join(cells).lstrip()


def draw_plot(status: SeriesStatus) -> str:
    """The means of the newest windows as columns of points, with a line where a bound is. Empty for a single mean."""
    values = status.trend
    known = [each for each in values if each is not None]
    if len(known) < 2:
        return ""
    bounds = [each for each in (status.lowest, status.highest) if each is not None and math.isfinite(each)]
    low, high = min([*known, *bounds]), max([*known, *bounds])
    span = (high - low) or 1.0
    point, line = ("●", "─") if supports_unicode() else ("*", "-")

    def row_of(value: float) -> int:
        return round((high - value) / span * (_HEIGHT - 1))

    limits = {row_of(each) for each in bounds}
    labels = {row_of(each): format_number(each) for each in (high, low, *bounds)}
    width = max(map(len, labels.values()))
    lines = []
    for row in range(_HEIGHT):
        fill = line if row in limits else " "
        cells = (point if each is not None and row_of(each) == row else fill for each in values)
        lines.append(
            f"{labels.get(row, ''):>{width}} {fill}{fill.join(f'{fill}{cell}{fill}' for cell in cells)}".rstrip()
        )
    names = [status.ref, status.metric, *filter(None, (status.target, status.slice))]
    return "\n".join([escape("  ".join(names)), *lines])
