"""Sessions in text files: commands beside the exact output that they print.

A line that begins with ``$ `` is a command and is recorded; one that begins with ``% `` is a step of preparation in
bash and is not. Behind a command stand its lines on standard output (``| ``) and on standard error (``! ``), then its
exit code in brackets if it is not 0. All else is a comment. ``tty registry …`` prints to a terminal of 80 columns, and
``ask registry …`` has standard input and standard error there, too: questions are answered by ``echo y | ask registry …``.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tests.commands import Answer, run
from tests.session.world import CONDITIONS, Clock, fixed_environment, fixed_system

FOLDER = Path(__file__).parent
#: Sessions that differ in the width of the terminal only, which is their name.
CAPTURES = FOLDER.parent / "captures"
TOPICS = sorted(path.stem for path in FOLDER.glob("*.txt"))

_COMMAND = re.compile(
    r"\$ (?:\[(?P<condition>\w+) (?P<object>\S+)\] )?(?:(?P<input>(?!registry |tty |ask ).+?) \| )?"
    r"(?P<variables>(?:[A-Z_]+=(?:'[^']*'|[^' ]*) )*)(?P<terminals>tty |ask )?registry(?P<words> .*?)?(?: \| (?P<filter>.+))?"
)
_OUTPUT = re.compile(r"[|!] |[|!]$|\[\d+\]$|\\ no newline")
_HEX = re.compile(r"\b[0-9a-f]{12,64}\b")
_QUOTED = re.compile(r"'(<\d+-\d+>)'")  # YAML quotes an id that reads like a number
_REPLACEMENTS = (
    (re.compile(r"\(process \d+\)"), "(process <pid>)"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{43}"), "<fingerprint>"),
    (re.compile(r"\b3\.1\d\.\d+\b"), "<python>"),
)

_TERMINALS: dict[str, tuple[int, ...]] = {"": (), "tty ": (1,), "ask ": (0, 1, 2)}

#: Runs one command: its words, what it reads from standard input, and those of its descriptors that are terminals.
Runner = Callable[[Sequence[str], bytes, tuple[int, ...]], Answer]


@dataclass(frozen=True)
class Command:
    """One command of a session, taken apart; ``line`` is how it was written."""

    line: str
    condition: str
    object: str
    input: str
    variables: dict[str, str]
    terminals: tuple[int, ...]
    words: list[str]
    filter: str

    @staticmethod
    def parse(line: str) -> Command:
        found = _COMMAND.fullmatch(line)
        assert found, f"this is not a command of registry: {line}"
        part = {name: text or "" for name, text in found.groupdict().items()}
        variables = dict(word.split("=", 1) for word in shlex.split(part["variables"]))
        return Command(
            line, part["condition"], part["object"], part["input"], variables, _TERMINALS[part["terminals"]],
            shlex.split(part["words"]), part["filter"],
        )  # fmt: skip


def in_process(words: Sequence[str], stdin: bytes, terminals: tuple[int, ...]) -> Answer:
    """Run a command in this process. What it reads is at descriptor 0, too: ``register -`` reads there."""
    source, writer = os.pipe()
    os.write(writer, stdin)
    os.close(writer)
    saved = os.dup(0)
    os.dup2(source, 0)
    os.close(source)
    try:
        with mock.patch.object(sys, "argv", ["registry", *words]):
            return run(*words, stdin=stdin, terminals=terminals)
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def capture(text: str, folder: Path, columns: str) -> str:
    """Carry out a session in which everything is printed on a terminal of this width, without colours."""
    return play(text, folder, COLUMNS=columns, NO_COLOR="1")


def script(text: str) -> list[str]:
    """The lines of a session without what was recorded."""
    return [line for line in text.splitlines() if not _OUTPUT.match(line)]


def play(text: str, folder: Path, runner: Runner = in_process, **variables: str) -> str:
    """Carry out a session in ``folder``, which is empty; the session with what its commands print now."""
    folder = folder.resolve()
    clock, lines = Clock(), list[str]()
    slow = mock.patch("registry_cli.cli.views.progress_bar._PATIENCE", math.inf)  # no bar, however slow the machine is
    with fixed_environment(folder, **variables), fixed_system(clock), slow:
        for line in script(text):
            lines.append(line)
            if line.startswith("% "):
                _bash(line[2:])
            elif line.startswith("$ "):
                clock.tick()
                lines += _recorded(_carry_out(Command.parse(line), folder / "registry", runner), folder)
    return "".join(f"{line}\n" for line in lines)


def digests(text: str) -> set[str]:
    """The digests and ids in a session."""
    return set(_HEX.findall(text))


def number_digests(text: str, known: set[str]) -> str:
    """The session with numbers for the digests and ids that are not ``known``: they depend on chance.

    Equal ones get equal numbers, also where one is shown by its first twelve digits only.
    """
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found[0] in known:
            return found[0]
        return f"<{len(found[0])}-{numbers.setdefault(found[0][:12], len(numbers) + 1)}>"

    return _QUOTED.sub(r"\1", _HEX.sub(number, text))


def _bash(command: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(["bash", "-c", command], input=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout


def _carry_out(command: Command, root: Path, runner: Runner) -> Answer:
    stdin = _bash(command.input) if command.input else b""
    condition = CONDITIONS[command.condition](root, command.object) if command.condition else nullcontext()
    with condition, mock.patch.dict("os.environ", command.variables):
        answer = runner(command.words, stdin, command.terminals)
    if command.filter:
        return Answer(answer.code, _bash(command.filter, answer.out.encode()).decode(), answer.err)
    return answer


def _recorded(answer: Answer, folder: Path) -> Iterator[str]:
    for mark, printed in (("|", answer.out), ("!", answer.err)):
        text = printed.replace(str(folder), "<tmp>").replace("\x1b", "<ESC>").replace("\r", "<CR>")
        for pattern, placeholder in _REPLACEMENTS:
            text = pattern.sub(placeholder, text)
        for line in text.removesuffix("\n").split("\n") if text else ():
            yield f"{mark} {line}" if line else mark
        if text and not text.endswith("\n"):
            yield "\\ no newline"
    if answer.code:
        yield f"[{answer.code}]"
