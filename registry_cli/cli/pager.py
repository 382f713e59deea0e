"""The pager: what is longer than the terminal is shown one screen at a time."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping

from .process import STOPPING, is_terminal, write


class _Screen(io.StringIO):
    """Collects what is printed, as the terminal would get it."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def paged() -> Iterator[None]:
    """Collect what the ``with`` prints, and show it: in the pager if it is longer than the terminal."""
    command = find_pager(os.environ) if _is_screen() else None
    if command is None:
        yield
        return
    screen = _Screen(sys.stdout.encoding)
    try:
        with contextlib.redirect_stdout(screen):
            yield
    finally:
        text, size = screen.getvalue(), shutil.get_terminal_size()
        if text.count("\n") < size.lines or not _show(command, text):
            write(text, end="")


def find_pager(variables: Mapping[str, str]) -> list[str] | None:
    """The command of $REGISTRY_PAGER, else $PAGER, else less; None for no pager: ``cat``, or an empty text."""
    given = variables.get("REGISTRY_PAGER", variables.get("PAGER"))
    if given is None:
        return ["less"] if shutil.which("less") else None
    try:
        command = shlex.split(given)
    except ValueError:
        return None
    return None if command in ([], ["cat"]) else command


def _is_screen() -> bool:
    """Whether standard output is a terminal that can show a page."""
    try:
        return is_terminal(sys.stdout) and os.isatty(sys.stdout.fileno()) and os.environ.get("TERM", "dumb") != "dumb"
    except (OSError, ValueError):
        return False


def _show(command: list[str], text: str) -> bool:
    """Run the pager until it is left; False if it can't be started. Ctrl-C is for the pager."""
    sys.stdout.flush()
    variables = {"LESS": "FRX", "LV": "-c", **os.environ}
    try:
        pager = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=variables,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING),  # noqa: PLW1509  # one thread here
        )  # fmt: skip
    except OSError as error:
        print(f"warning: pager '{command[0]}' not started: {error.strerror}", file=sys.stderr)
        return False
    before = signal.signal(signal.SIGINT, lambda *_: None)  # set when the pager runs: it would inherit SIG_IGN
    try:
        pager.communicate(text.encode(sys.stdout.encoding, "backslashreplace"))
    finally:
        signal.signal(signal.SIGINT, before)
        pager.wait()
    return pager.returncode != 127  # a shell did not find it
