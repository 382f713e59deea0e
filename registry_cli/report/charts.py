"""Charts as inline SVG, drawn with the colours of the page. Each has a label for those who can't see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .html import Markup, element

_WIDTH, _HEIGHT = 320, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 22


class Point(NamedTuple):
    """A value, and what it is of: a version, a day. ``value`` is None where there is none."""

    label: str
    value: float | None


def format_value(value: float) -> str:
    """A value with at most four significant digits."""
    text = f"{value:.4g}"
    return f"{value:,.0f}" if "e" in text and 1 <= abs(value) < 1e12 else text


def draw_line(title: str, points: Sequence[Point], lowest: float | None = None, highest: float | None = None) -> Markup:
    """The points joined by a line, with dashed lines where the bounds are.

    Args:
        title: What the values are.
        points: At least one has a value.
        lowest: The lower bound, if there is one.
        highest: The upper bound, if there is one.
    """
    known = [each.value for each in points if each.value is not None]
    bounds = [each for each in (lowest, highest) if each is not None]
    low, high = min([*known, *bounds]), max([*known, *bounds])
    span = (high - low) or abs(high) * 0.1 or 1.0
    if high == low:
        low, high = low - span / 2, high + span / 2
        span = high - low
    room = _WIDTH - _LEFT - _RIGHT
    step = room / max(len(points) - 1, 1)

    def x(at: int) -> int:
        return round(_LEFT + (at * step if len(points) > 1 else room / 2))

    def y(value: float) -> int:
        return round(_TOP + (high - value) / span * (_HEIGHT - _TOP - _BOTTOM))

    parts = [
        element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(each), y2=y(each), class_="grid") for each in (low, high)
    ]
    parts += [_text(_LEFT - 6, y(each) + 3, format_value(each), "end") for each in (low, high)]
    for bound in bounds:
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(bound), y2=y(bound), class_="bound"))
        if min(abs(y(bound) - y(each)) for each in (low, high)) > 10:
            parts.append(_text(_LEFT - 6, y(bound) + 3, format_value(bound), "end", "bound-text"))
    for run in _runs(points):
        parts.append(element("polyline", points=" ".join(f"{x(at)},{y(value)}" for at, value in run), class_="line"))
    for at, each in enumerate(points):
        if each.value is not None:
            outside = (lowest is not None and each.value < lowest) or (highest is not None and each.value > highest)
            tip = element("title", f"{each.label}: {format_value(each.value)}")
            class_ = "dot bad" if outside else "dot"
            parts.append(element("circle", tip, cx=x(at), cy=y(each.value), r=3, class_=class_))
    parts.append(_text(_LEFT, _HEIGHT - 6, points[0].label, "start"))
    if len(points) > 1:
        parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 6, points[-1].label, "end"))
    return _figure(title, parts, _describe(title, points, lowest, highest))


def _runs(points: Sequence[Point]) -> list[list[tuple[int, float]]]:
    """The stretches of points that follow each other without a gap."""
    runs: list[list[tuple[int, float]]] = [[]]
    for at, each in enumerate(points):
        if each.value is None:
            runs.append([])
        else:
            runs[-1].append((at, each.value))
    return [run for run in runs if len(run) > 1]


def _text(x: int, y: int, text: str, anchor: str, class_: str | None = None) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def _describe(title: str, points: Sequence[Point], lowest: float | None, highest: float | None) -> str:
    known = [each for each in points if each.value is not None]
    first, last = known[0], known[-1]
    words = f"{title}: {format_value(first.value or 0)} at {first.label}"
    if len(known) > 1:
        words += f", {format_value(last.value or 0)} at {last.label}"
    words += f"; at least {format_value(lowest)}" if lowest is not None else ""
    return words + (f"; at most {format_value(highest)}" if highest is not None else "")


def _figure(title: str, parts: Sequence[Markup], label: str) -> Markup:
    drawing = element("svg", parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label, class_="chart")
    return element("figure", element("figcaption", title), drawing)


def draw_spark(title: str, values: Sequence[float]) -> Markup | None:
    """The values as a line of the height of a word; None for fewer than two."""
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    places = [
        (round(2 + at * 76 / (len(values) - 1), 1), round(16 - (each - low) / span * 12, 1))
        for at, each in enumerate(values)
    ]
    line = element("polyline", points=" ".join(f"{x},{y}" for x, y in places), class_="line")
    end = element("circle", cx=places[-1][0], cy=places[-1][1], r=2.2, class_="end")
    label = f"{title}: from {format_value(values[0])} to {format_value(values[-1])}"
    return element("svg", line, end, viewBox="0 0 82 20", role="img", aria_label=label, class_="spark")


def draw_share(label: str, share: float) -> Markup:
    """A bar of a share between 0 and 1."""
    width = round(max(0.0, min(1.0, share)) * 100, 1)
    back = element("rect", x=0, y=0, width=100, height=6, rx=3, class_="track")
    bar = element("rect", x=0, y=0, width=max(width, 1), height=6, rx=3, class_="bar")
    return element(
        "svg", back, bar, viewBox="0 0 100 6", role="img", aria_label=label, class_="share", preserveAspectRatio="none"
    )
