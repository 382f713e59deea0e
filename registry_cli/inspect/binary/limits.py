"""Limits on reading: why it ends early, and what may be spent on it."""

from __future__ import annotations

from typing import Protocol


class Stopped(Exception):
    """Reading ended early; the text says why. ``limit``: only a limit of ours was reached; ``ambiguous``: two readers of
    the format would continue differently; ``end``: the bytes end.
    """

    def __init__(self, why: str, *, limit: bool = False, ambiguous: bool = False, end: bool = False) -> None:
        super().__init__(why)
        self.limit, self.ambiguous, self.end = limit, ambiguous, end


class Limit(Stopped):
    """A limit of ours was reached: the file may well be as its format says."""

    def __init__(self, why: str) -> None:
        super().__init__(why, limit=True)


class Budget:
    """What may be spent on all files of an artifact together; counted down.

    ``opcodes`` of pickles; ``kept`` objects of a pickle that are remembered; ``unpacked`` bytes out of compression;
    ``members`` of archives; ``seeking`` bytes that are searched; ``work``: values that are visited again, as arguments
    of calls; ``read`` bytes that format readers read.
    """

    def __init__(
        self,
        opcodes: int = 50_000_000,
        kept: int = 2_000_000,
        unpacked: int = 4 << 30,
        members: int = 100_000,
        seeking: int = 4 << 30,
        work: int = 50_000_000,
        read: int = 64 << 20,
    ) -> None:
        self.opcodes, self.kept, self.unpacked = opcodes, kept, unpacked
        self.members, self.seeking, self.work, self.read = members, seeking, work, read


def create_pickle_budget() -> Budget:
    """What may be spent on one pickle to find out what it holds."""
    return Budget(opcodes=3_000_000, kept=1_000_000, unpacked=256 << 20)


class Stream(Protocol):
    """A source of bytes. ``read`` and ``skip`` return less than was asked for only at the end."""

    def read(self, length: int, /) -> bytes: ...

    def skip(self, length: int, /) -> int: ...
