"""The process of a command: standard descriptors, signals, and writing the result."""

import errno
import os
import signal
import sys

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """A signal asks the process to unwind, clean up and end. ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class OutputError(Exception):
    """The result could not be written: the pipe was closed, the disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.closed_pipe = error.errno == errno.EPIPE


def keep_standard_descriptors() -> None:
    """Open closed standard descriptors, so that no file of the store gets number 0, 1 or 2."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:  # or `print` writes messages to standard output, into the result
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def install_signal_handlers() -> None:
    """Let SIGINT, SIGTERM and SIGHUP unwind the command. One that is ignored (``nohup``) stays ignored."""
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _: object) -> None:
    for each in STOPPING:  # a second signal must not interrupt the clean-up after the first
        if signal.getsignal(each) is _stop:
            signal.signal(each, _stop_no_more)
    commit_output()
    raise Terminated(number)


def commit_output() -> None:
    """Block the signals: the change is made, and no signal may alter how the command ends.

    Handlers would not do: Python removes them when it ends.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)


def _stop_no_more(number: int, _: object) -> None:
    """Not SIG_IGN: Python complains aloud when a signal that has come already is ignored after all."""


def write(text: str, end: str = "\n") -> None:
    """Write a line of the result to standard output."""
    if sys.stdout is None:
        raise OutputError(OSError(errno.EBADF, "standard output is closed"))
    try:
        sys.stdout.write(text + end)
    except OSError as error:
        raise OutputError(error) from None


class StandardOutput:
    """Standard output as a binary stream."""

    def write(self, block: bytes) -> None:
        if sys.stdout is None:
            raise OutputError(OSError(errno.EBADF, "standard output is closed"))
        try:
            sys.stdout.buffer.write(block)
        except OSError as error:
            raise OutputError(error) from None


def flush() -> None:
    """Flush the result. Only then a command has succeeded."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise OutputError(error) from None


def discard_output() -> None:
    """Send what is still buffered for a standard output that is gone nowhere, also when the process ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    try:
        return bool(isatty and isatty())
    except ValueError:
        return False
