"""Children of this process that share its work: forked, so that they know all that it knows, and ended without a trace.

They only read and compute; what a child found it writes to a pipe. Nobody depends on one: where none can be forked, or
one dies, the parent does the work itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable

#: The most children, on however many processors: a file server answers only so many questions at once.
MOST = 4


def processors() -> int:
    """How many there are for us; 1 where a child can't be forked, as a thread may hold a lock just now."""
    try:
        return min(MOST, len(os.sched_getaffinity(0))) if len(os.listdir("/proc/self/task")) == 1 else 1
    except (AttributeError, OSError):  # not on Linux
        return 1


class Child:
    """A process that does a piece of work."""

    def __init__(self, process: int, reading: int) -> None:
        self._process, self._reading = process, reading

    @classmethod
    def start(cls, work: Callable[[Callable[[bytes], None]], None]) -> Child | None:
        """Fork a child for ``work``, which is given what to write with. None where there is no room for one."""
        reading, writing = os.pipe()
        try:
            process = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            return None
        if process == 0:
            _work(work, writing)
        os.close(writing)
        return cls(process, reading)

    def read(self, most: int) -> bytes:
        """The next ``most`` bytes that it wrote, fewer when it has ended."""
        found = bytearray()
        while len(found) < most and (more := os.read(self._reading, min(most - len(found), 1 << 20))):
            found += more
        return bytes(found)

    def stop(self) -> None:
        """End it, whatever it does just now, and forget it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.close(self._reading)
        with contextlib.suppress(ChildProcessError):  # where a program lets its children be reaped by themselves
            os.waitpid(self._process, 0)


def _work(work: Callable[[Callable[[bytes], None]], None], writing: int) -> None:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(writing, view) :]

    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        work(write)
    finally:
        os._exit(0)
