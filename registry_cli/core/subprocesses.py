"""Run other programs with a limit on their time and output, and stop them with everything that they started.

Git has one way in, :func:`run_git`: it gets a minimal environment, so that neither a hook that called us (``GIT_DIR``,
``GIT_INDEX_FILE``) nor a variable of the user points it to another repository, and it cannot ask, page, fetch or lock.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from .lazy_dataclass import dataclass

#: Bytes kept of each stream; the rest is read and thrown away, so that a program that prints a lot is not held up.
KEPT = 64 << 10
#: Seconds that a program has to end after it was asked to.
GRACE = 2.0

#: The variables that git inherits: where programs and the user's own settings are. Every ``GIT_*`` is dropped.
_GIT_INHERITS = ("PATH", "HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "TMPDIR", "SUDO_UID")
_GIT_VARIABLES = {
    "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_ASKPASS": "", "SSH_ASKPASS": "",
}  # fmt: skip
_GIT_SETTINGS = (
    "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "core.pager=cat",
    "core.sshCommand=false", "core.gitProxy=false", "credential.helper=",
    "protocol.allow=never", "log.showSignature=false", "color.ui=false", "submodule.recurse=false",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """How a program ended. ``code`` is its exit code, minus the signal that ended it; None when its time was over.

    ``output`` and ``errors`` are the first :data:`KEPT` bytes of what it printed; ``cut`` says that there was more.
    """

    code: int | None
    output: bytes
    errors: bytes
    cut: bool = False


class _Drain(threading.Thread):
    def __init__(self, stream: IO[bytes], most: int, on_output: Callable[[bytes], object] | None = None) -> None:
        super().__init__(daemon=True)
        self._stream, self._most, self._on_output = stream, most, on_output
        self.kept, self.cut = b"", False

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._stream:
            while data := os.read(self._stream.fileno(), 65_536):
                if self._on_output:
                    self._on_output(data)
                room = self._most - len(self.kept)
                self.kept += data[:room]
                self.cut |= len(data) > room
            self._stream.close()


class _Start(threading.Thread):
    """Starts a program in a thread, which no signal interrupts: an interrupted start would leave a program running."""

    def __init__(self, arguments: Sequence[str], **options: Any) -> None:
        super().__init__(daemon=True)
        self._arguments, self._options = list(arguments), options
        self.over = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        pipe = subprocess.PIPE
        try:
            self.child = subprocess.Popen(
                self._arguments, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, **self._options
            )
        except Exception as error:
            self.error = error
        finally:
            self.over.set()


def run(  # noqa: PLR0913
    arguments: Sequence[str],
    *,
    seconds: float,
    data: bytes = b"",
    folder: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    most: int = KEPT,
    on_output: Callable[[bytes], object] | None = None,
    grace: float = GRACE,
) -> Finished:
    """Run a program and stop it after ``seconds``, or on an interrupt, with everything that it started.

    Args:
        arguments: The program and its arguments.
        seconds: How long it may run.
        data: Its standard input.
        folder: Its working directory.
        environment: Its environment (default: that of this process).
        variables: Further variables.
        most: How many bytes are kept of each stream.
        on_output: Called with each block of its standard output, also of what is not kept.
        grace: How many seconds it has to end after it was asked to.

    Raises:
        OSError: It can't be started.
    """
    inherited = environment if environment is not None else os.environ
    start = _Start(arguments, cwd=folder, env={**inherited, **(variables or {})})
    threads: list[threading.Thread] = []
    code: int | None = None
    try:
        start.start()
        start.over.wait()
        if start.error:
            raise start.error
        child = start.child
        assert child and child.stdin and child.stdout and child.stderr  # noqa: S101  for the type checker
        drains = _Drain(child.stdout, most, on_output), _Drain(child.stderr, most)
        for thread in (*drains, threading.Thread(target=_feed, args=(child.stdin, data), daemon=True)):
            thread.start()
            threads.append(thread)
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = child.wait(seconds)
    finally:
        start.over.wait(GRACE)
        if start.child:
            _stop(start.child, grace)
        for thread in threads:
            thread.join(grace)  # one that left its session may hold our pipes open: it is not waited for
    return Finished(code, drains[0].kept, drains[1].kept, any(drain.cut or drain.is_alive() for drain in drains))


def git_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which git is run: what it needs of ``variables``, and nothing that redirects it."""
    environment = {**{name: variables[name] for name in _GIT_INHERITS if name in variables}, **_GIT_VARIABLES}
    if "PATH" in environment:  # "." would be the folder of the repository
        folders = environment["PATH"].split(os.pathsep)
        environment["PATH"] = os.pathsep.join(folder for folder in folders if folder.startswith("/"))
    return environment


def run_git(
    arguments: Sequence[str],
    *,
    folder: str | os.PathLike[str],
    variables: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
    **limits: Any,
) -> Finished:
    """Run one git command in ``folder``, without pager, prompts, hooks, locks and network.

    Settings cannot switch off a filter or an external diff for every repository: pass plumbing commands that run none
    (``cat-file``, ``ls-files``, ``ls-tree``, ``rev-parse``, ``rev-list``, ``for-each-ref``, ``config``, ``check-attr``).

    Args:
        arguments: the command and its arguments, without ``git``.
        folder: the working directory; git looks for the repository from here.
        variables: the caller's environment (default: that of this process); see :func:`git_environment`.
        more: further variables for git, such as ``GIT_DIR`` of a repository of our own.
        limits: the limits of :func:`run`: ``seconds`` (required), ``most``, ``data``, ``on_output``, ``grace``.

    Returns:
        How it ended, with its output as bytes.

    Raises:
        OSError: git is not installed or cannot be started.
    """
    environment = {**git_environment(os.environ if variables is None else variables), **(more or {})}
    settings = [word for setting in _GIT_SETTINGS for word in ("-c", setting)]
    return run(["git", "--no-pager", *settings, *arguments], folder=folder, environment=environment, **limits)


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError), stream:  # it may have ended without reading
        stream.write(data)


def _stop(child: subprocess.Popen[bytes], grace: float) -> None:
    """End the program and its group: asked first, then without asking."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace)
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)  # one that became another user's can't be stopped: it is not waited for either
