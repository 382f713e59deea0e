"""A progress bar, with bytes and speed or a count, on standard error, for work that takes over half a second."""

from __future__ import annotations

import threading
import time
from typing import Any

from ...core.progress import Progress

_PATIENCE = 0.5
_PAUSE = 0.1


class Bar(Progress):
    """Draws from the thread that reports, now and then: no thread of its own that could catch a signal."""

    def __init__(self, what: str, unit: str = "", *, no_color: bool) -> None:
        self._what, self._unit, self._no_color = what, unit, no_color
        self._total = self._done = 0
        self._started = self._drawn = time.monotonic()
        self._bar: Any = None
        self._lock = threading.Lock()

    def expect(self, size: int) -> None:
        self._total += size

    def __call__(self, size: int) -> None:
        with self._lock:
            self._done += size
            now = time.monotonic()
            if now - self._started < _PATIENCE or now - self._drawn < _PAUSE:
                return
            self._drawn = now
            if self._bar is None:
                self._bar = self._begin()
            self._bar.update(self._bar.task_ids[0], completed=self._done, total=self._total, refresh=True)

    def _begin(self) -> Any:
        from rich import console, progress  # only for work that takes long

        counts: list[progress.ProgressColumn] = [progress.DownloadColumn(), progress.TransferSpeedColumn()]
        if self._unit:
            counts = [progress.MofNCompleteColumn(), progress.TextColumn(self._unit, markup=False)]
        no_color = self._no_color or None
        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            *counts,
            progress.TimeRemainingColumn(),
            console=console.Console(stderr=True, markup=False, emoji=False, highlight=False, no_color=no_color),
            auto_refresh=False,
            transient=True,
        )
        bar.add_task(self._what, total=self._total, completed=0)
        bar.start()
        return bar

    def close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
