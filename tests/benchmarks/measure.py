"""Timing two things in turn, so that a busy machine slows both; the result is the ratio of their medians."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], None]


@dataclass(frozen=True)
class Figure:
    """``ours`` and ``floor`` in seconds (medians), ``goal`` as a ratio at most; ``note`` says what else was seen."""

    work: str
    ours: float
    against: str
    floor: float
    goal: float
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.floor

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal


def interleaved(ours: Work, floors: Sequence[Work], runs: int, reset: Work = lambda: None) -> tuple[float, float]:
    """Medians of ``ours`` and of the slowest of ``floors``, each run in turn; ``reset`` comes before each, untimed."""
    times: list[list[float]] = [[] for _ in range(1 + len(floors))]
    for _ in range(runs):
        for at, work in enumerate((ours, *floors)):
            reset()
            begun = time.perf_counter()
            work()
            times[at].append(time.perf_counter() - begun)
    mine, *others = (statistics.median(each) for each in times)
    return mine, max(others)


def command(*arguments: str, cpu: bool = False, environment: dict[str, str] | None = None) -> Work:
    """Run a program to its end, its output thrown away; it must succeed."""

    def run() -> None:
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env={**os.environ, **(environment or {})})  # fmt: skip

    return run


def child_seconds() -> float:
    """Processor time that children have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned lines."""
    rows = [("work", "ours", "against", "floor", "ratio", "goal", "met")]
    rows += [
        (f.work, f"{f.ours:.3f} s", f.against, f"{f.floor:.3f} s", f"{f.ratio:.2f}", f"{f.goal:.2f}",
         ("yes" if f.met else "NO") + (f"  {f.note}" if f.note else ""))
        for f in figures
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
