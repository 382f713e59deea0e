"""Comparing the marks of many files with those that are remembered, on two processors where there are.

One call to the system for each file is nearly all of the time that an answer from the index takes, and threads don't
share it: each call is too short to let another thread in. A forked child compares one half. It touches nothing of the
index, says which models changed, and ends; whatever goes wrong with it, its half is compared here.
"""

from __future__ import annotations

import contextlib
import os
import signal
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from .marks import BYTES, same

#: Files below which a child costs more than it saves.
_WORTH_A_CHILD = 5_000
#: Versions and annotations compared in one piece; a larger model is shared.
_PIECE = 4_096
#: What the head of a model weighs, in files.
_HEAD = 5


class Known(NamedTuple):
    """A model as it was when somebody looked last: its folder, its marks, and of which versions to compare them: those
    in ``shown``, or all.
    """

    name: str
    base: str
    head: bytes
    items: bytes
    shown: str | None = None


class _Piece(NamedTuple):
    """A part of a model: the items from ``start`` up to ``end``, and its head if they are the first."""

    model: int
    start: int
    end: int
    weight: int


def changed(models: Sequence[Known]) -> set[str]:
    """The names of those that are not as they were."""
    pieces = list(_pieces(models))
    total = sum(piece.weight for piece in pieces)
    if total < _WORTH_A_CHILD or not _may_fork():
        return {models[at].name for at in _compared(models, pieces)}
    middle = next(at for at, sofar in enumerate(accumulate(piece.weight for piece in pieces), 1) if sofar >= total // 2)
    return {models[at].name for at in _shared(models, pieces[:middle], pieces[middle:])}


def _pieces(models: Sequence[Known]) -> Iterator[_Piece]:
    for at, model in enumerate(models):
        if model.shown is not None:
            yield _Piece(at, 0, 0, _HEAD + model.shown.count(" "))
            continue
        most = len(model.items) // BYTES
        for start in range(0, max(most, 1), _PIECE):
            end = min(start + _PIECE, most)
            yield _Piece(at, start, end, end - start + (0 if start else _HEAD))


def _compared(models: Sequence[Known], pieces: Sequence[_Piece]) -> Iterator[int]:
    """The places of the models of which a piece is not as it was."""
    for piece in pieces:
        model = models[piece.model]
        shown = None if model.shown is None else map(int, model.shown.split())
        items = model.items if shown else model.items[piece.start * BYTES : piece.end * BYTES]
        if not same(model.base, model.head if piece.start == 0 else None, items, shown):
            yield piece.model


def _may_fork() -> bool:
    """Whether a child can be forked and is of use: another processor, and no thread that may hold a lock just now."""
    try:
        return len(os.sched_getaffinity(0)) > 1 and len(os.listdir("/proc/self/task")) == 1
    except (AttributeError, OSError):  # not on Linux
        return False


def _shared(models: Sequence[Known], mine: Sequence[_Piece], other: Sequence[_Piece]) -> set[int]:
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:  # no room for another process
        os.close(reading)
        os.close(writing)
        return set(_compared(models, [*mine, *other]))
    if child == 0:
        _answer(models, other, writing)
    os.close(writing)
    try:
        found = set(_compared(models, mine))
        told = _told(reading)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        with contextlib.suppress(ChildProcessError):  # where a program lets its children be reaped by themselves
            os.waitpid(child, 0)
    return found | (set(_compared(models, other)) if told is None else told)


def _answer(models: Sequence[Known], pieces: Sequence[_Piece], writing: int) -> None:
    """In the child: tell the changed ones, then that these were all, and end without a trace."""
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        data = array("q", [*_compared(models, pieces), -1]).tobytes()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def _told(reading: int) -> set[int] | None:
    """What the child found; None when it did not come to its end."""
    data = b""
    while more := os.read(reading, 65_536):
        data += more
    found = array("q", data[: len(data) // 8 * 8])
    return set(found[:-1]) if found and found[-1] == -1 else None
