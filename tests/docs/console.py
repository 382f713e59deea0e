"""Runs what a document shows: the ``console run`` blocks of a Markdown file, in one shell, on a terminal of its own.

A line that begins with ``$ `` is a command, a line that begins with ``> `` right behind it goes on with it, all others
are what it printed. ``...`` stands for any text, and alone on a line for any lines. Times, ages, digests, ids and the
account's name differ from run to run and are not compared; neither is the width of columns.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_cli.operations.context import get_account_name

FENCE = re.compile(r"^```console run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COLUMNS = "100"
_MARK = "@@end-of-command@@"
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_HOME = "/home/alice"
_NORMAL = (
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z?)?"), "TIME"),
    (re.compile(r"\b\d+ (s|min|h)\b"), "AGE"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Step:
    """One command of a document, and the lines that it is said to print."""

    command: str
    expected: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """The steps of all blocks that are to be run, in order."""
    found: list[tuple[list[str], list[str]]] = []
    for block in FENCE.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif line.startswith("> ") and not found[-1][1]:
                found[-1][0].append(line[2:])
            else:
                found[-1][1].append(line)
    return [Step("\n".join(command), tuple(printed)) for command, printed in found]


def run(commands: Sequence[str], home: Path) -> list[list[str]]:
    """What each command printed, one after the other in one shell that starts in ``home``."""
    after = f"_code=$?; printf '%s\\n' '{_MARK}'; (exit $_code)"
    script = "".join(f"{command}\n{after}\n" for command in commands)
    (home / ".session").write_text(script)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "COLUMNS": COLUMNS,
        "TERM": "xterm",
        "NO_COLOR": "1",
        "PAGER": "cat",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    for variable in ("PYTHONPATH", "COVERAGE_PROCESS_START"):
        if variable in os.environ:
            environment[variable] = os.environ[variable]
    reading, writing = pty.openpty()
    with subprocess.Popen(
        ["bash", "--norc", home / ".session"],
        cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, start_new_session=True,
    ):  # fmt: skip
        os.close(writing)
        printed = _read(reading)
    pieces = _CONTROLS.sub("", printed).replace("\r\n", "\n").split(f"{_MARK}\n")
    assert pieces[-1] == "", f"the session ended early: {pieces[-1]}"
    return [piece.splitlines() for piece in pieces[:-1]]


def _read(descriptor: int) -> str:
    blocks = []
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        try:
            while block := stream.read(65_536):
                blocks.append(block)
        except OSError:  # EIO is how a terminal says that nobody writes to it any more
            pass
    return b"".join(blocks).decode()


def normal(lines: Sequence[str], home: Path | None = None) -> list[str]:
    """Lines without what differs from run to run."""
    found = []
    for line in lines:
        text = line.replace(str(home), _HOME) if home else line
        text = re.sub(rf"\b{re.escape(get_account_name())}\b", "alice", text)
        for pattern, word in _NORMAL:
            text = pattern.sub(word, text)
        found.append(text.strip())
    return found


def fits(expected: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether ``printed`` is what ``expected``, with its wildcards, says. Both are normal."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed)) is not None
