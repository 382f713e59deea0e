"""Signals, where a step must not be cut in two."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back, for example from just before a commit until its event is in the journal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:  # a signal that came just before is still raised by the call that holds the next ones back
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
