"""Commands as a test gives them: in this process, in one of their own, on a terminal; what they said, apart."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

from registry_cli.cli.main import run as run_command

REPOSITORY = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "registry_cli")
#: The user that has no rights of its own; see :func:`as_user`.
NOBODY = 65534

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Answer:
    """What a command did: its exit code, and what went to standard output and to standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(
    *arguments: object, root: Path | None = None, stdin: bytes | None = b"", terminals: Collection[int] = ()
) -> Answer:
    """A command in this process, with streams of its own; ``root`` is given as ``-C``.

    Those of the descriptors 0, 1 and 2 that are in ``terminals`` claim to be one; its width is that of $COLUMNS.
    """
    words = [*(["-C", str(root)] if root else []), *map(str, arguments)]
    out, err = _stream(1 in terminals), _stream(2 in terminals)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    saved, sys.stdin = sys.stdin, _stream(0 in terminals, stdin) if stdin is not None else None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command(words)
    finally:
        sys.stdin = saved
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return Answer(code, _text(out), _text(err))


#: A command that tells, as the last line on standard error, the most memory that it took, in KiB. Not by getrusage:
#: that counts the process which started this one, from before the exec.
PEAK = (
    "import sys; from registry_cli.cli.main import run; code = run(sys.argv[1:]);"
    "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0];"
    "print(peak.split()[1], file=sys.stderr); sys.exit(code)"
)


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def _stream(terminal: bool, content: bytes = b"") -> io.TextIOWrapper:
    return (_Terminal if terminal else io.TextIOWrapper)(io.BytesIO(content), encoding="utf-8", newline="\n")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def environment(**changes: str | None) -> dict[str, str]:
    """What a process of ours inherits: the little it needs, and nothing of the user's. None takes a variable away."""
    found: dict[str, str | None] = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": os.environ.get("HOME", "/nonexistent"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PAGER": "cat",
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def spawn(
    *arguments: object,
    root: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    command: Sequence[str] = COMMAND,
    **options: Any,
) -> Answer:
    """A command in a process of its own. ``before`` runs in it first: limits, closed descriptors, a umask."""
    words = [*command, *(["-C", str(root)] if root else []), *map(str, arguments)]
    done = subprocess.run(
        words, input=stdin, env=environment() if env is None else dict(env), preexec_fn=before,
        capture_output=True, check=False, timeout=120, **options,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def shell(script: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Answer:
    """A line of shell in which ``registry`` is the command under test."""
    python, module = COMMAND[0], " ".join(COMMAND[1:])
    text = f'registry() {{ "{python}" {module} "$@"; }}\n{script}'
    done = subprocess.run(
        ["bash", "-c", text], env=environment() if env is None else dict(env), cwd=cwd,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def as_from_a_terminal() -> None:
    """In a child: whoever runs the tests with nohup, or behind an &, hands ignored signals down."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def begin(*arguments: object, root: Path, command: Sequence[str] = COMMAND, **options: Any) -> subprocess.Popen[bytes]:
    """A command that goes on while the test does something to it."""
    pipe = subprocess.PIPE
    options.setdefault("preexec_fn", as_from_a_terminal)
    words = [*command, "-C", str(root), *map(str, arguments)]
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment(), **options)


def ended(process: subprocess.Popen[bytes]) -> Answer:
    """Wait for a command that :func:`begin` began."""
    out, err = process.communicate(timeout=60)
    return Answer(process.returncode, out.decode(), err.decode())


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until ``condition`` holds; no test guesses how long something takes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never came to this: {what}"
        time.sleep(0.002)


def staged(root: Path, model: str = "m") -> list[Path]:
    """The staging folders of a model that hold some bytes already."""
    folders = (root / "models" / model / "versions").glob(".tmp-*")
    return [folder for folder in folders if any(_size(path) for path in (folder / "files").rglob("*"))]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def on_terminal(
    *arguments: object, root: Path | None = None, columns: int = 80, env: Mapping[str, str] | None = None
) -> Answer:
    """A command whose three streams are one terminal of this width: what appears there is its ``out``."""
    with terminal(*arguments, root=root, columns=columns, env=env) as child:
        child.expect(pexpect.EOF)
        child.wait()
        code = child.exitstatus if child.exitstatus is not None else 128 + child.signalstatus
        return Answer(code, str(child.before).replace("\r\n", "\n"), "")


@contextlib.contextmanager
def terminal(
    *arguments: object, root: Path | None = None, columns: int = 80, env: Mapping[str, str] | None = None
) -> Iterator[Any]:
    """The same, as something to talk to."""
    words = [*COMMAND[1:], *(["-C", str(root)] if root else []), *map(str, arguments)]
    variables = environment(TERM="xterm-256color") if env is None else dict(env)
    size = (50, columns)
    child = pexpect.spawn(
        COMMAND[0], words, env=variables, dimensions=size, timeout=60, encoding="utf-8", codec_errors="strict",
        preexec_fn=as_from_a_terminal,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.close(force=True)


def uncoloured(text: str) -> str:
    """``text`` without the colours that a table may have; every other control sequence stays."""
    return _COLOUR.sub("", text)


def assert_inert(text: str) -> None:
    """Nothing in ``text`` can act on a terminal or hide from a reader."""
    bad = {char for char in text if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert not bad, f"{sorted(map(hex, map(ord, bad)))} in {text!r:.400}"


def assert_refused(answer: Answer, code: int) -> None:
    """It failed as a command should: the exit code, one or two escaped lines on standard error, nothing else."""
    assert answer.code == code, answer
    assert answer.out == "", answer
    assert answer.err.startswith("error: "), answer
    assert 1 <= len(answer.err.splitlines()) <= 2, answer
    assert "Traceback" not in answer.err, answer
    assert_inert(answer.err)


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own can't be."""
    with tempfile.TemporaryDirectory(prefix="registry-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            for found, _, _ in os.walk(folder):  # sealed folders, which may be another user's
                Path(found).chmod(0o700)


#: Import all, become another user, run: a process without rights may not be able to read this Python any more.
_AS_USER = """
import contextlib, io, os, pkgutil, sys
import registry_cli
for module in pkgutil.walk_packages(registry_cli.__path__, "registry_cli."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
import concurrent.futures.thread, ctypes, difflib, filelock, fractions, pwd, queue, rich.progress, secrets, socket, sqlite3, yaml
from registry_cli.cli.command import build, find
from registry_cli.cli.main import run
with contextlib.redirect_stdout(io.StringIO()):
    build(map(find, registry_cli.cli.grammar.VERBS))(args=["list", "--help"], prog_name="registry", standalone_mode=False)
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
code = run(sys.argv[2:])
sys.stdout.flush()
os._exit(code)
"""


def as_user(user: int, *arguments: object, root: Path) -> Answer:
    """A command of another user; the test must be root."""
    return spawn(user, "-C", root, *arguments, command=(sys.executable, "-c", _AS_USER), cwd="/")
