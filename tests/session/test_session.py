"""The command line prints what it printed when the sessions were recorded: see :mod:`tests.session.script`."""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from registry_cli.cli import grammar
from tests.commands import REPOSITORY, Answer
from tests.session.script import CAPTURES, FOLDER, TOPICS, Command, capture, digests, number_digests, play
from tests.session.world import remove

#: How a command is run in a process of its own, at the time of the session.
_PROGRAM = """
import datetime, os
from tests.session.world import Clock, fixed_system
from registry_cli.__main__ import main
with fixed_system(Clock(datetime.datetime.fromisoformat(os.environ.pop("SESSION_TIME")))):
    main()
"""
_AGAIN = "if this change of the output is intended: python -m tests.session.record"


def read(topic: str) -> str:
    return (FOLDER / f"{topic}.txt").read_text(encoding="utf-8")


@cache
def recorded() -> tuple[tuple[Command, int, str], ...]:
    """Every command of all sessions, its exit code, and the lines that it printed."""
    return tuple(found for topic in TOPICS for found in _recorded(read(topic)))


def _recorded(text: str) -> Iterator[tuple[Command, int, str]]:
    for found in re.finditer(r"^(\$ .+)\n((?:[|!\\].*\n)*)(?:\[(\d+)\]\n)?", text, re.MULTILINE):
        yield Command.parse(found[1]), int(found[3] or 0), found[2]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "s"
    made.mkdir()
    yield made
    remove(made)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_session_prints_what_was_recorded(topic: str, folder: Path) -> None:
    text = read(topic)
    assert number_digests(play(text, folder), digests(text)) == text, _AGAIN


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_everyday_verbs_look_as_captured(columns: str, folder: Path) -> None:
    text = (CAPTURES / f"{columns}.txt").read_text(encoding="utf-8")
    assert number_digests(capture(text, folder, columns), digests(text)) == text, _AGAIN


def test_a_session_prints_the_same_in_processes_of_their_own(folder: Path) -> None:
    """Through the entry point of the program, and on a real terminal where there is one."""
    text = read("streams")
    assert number_digests(play(text, folder, in_processes), digests(text)) == text


def in_processes(words: Sequence[str], stdin: bytes, terminals: tuple[int, ...]) -> Answer:
    """Run a command in a process of its own; its standard output is a terminal if it should be."""
    moment = datetime.datetime.now(datetime.timezone.utc)
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SESSION_TIME": moment.isoformat()}
    ours, theirs = os.openpty() if 1 in terminals else os.pipe()
    if 1 in terminals:
        del variables["COLUMNS"], variables["LINES"]
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words], env=variables, stdin=subprocess.PIPE, stdout=theirs,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdin
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None
    out = b"".join(iter(lambda: _block(ours), b""))
    os.close(ours)
    _, err = process.communicate(timeout=60)
    return Answer(process.returncode, out.decode().replace("\r\n", "\n"), err.decode())


def _block(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end of a terminal is closed
        return b""


@pytest.mark.parametrize("verb", grammar.VERBS)
def test_every_verb_succeeds_and_fails_in_a_session(verb: str) -> None:
    codes = {code for command, code, _ in recorded() if verb in command.words}
    assert 0 in codes
    assert codes - {0}


@pytest.mark.parametrize("code", [code for code in grammar.EXIT_CODES if code])
def test_every_exit_code_is_in_a_session(code: int) -> None:
    assert code in {found for _, found, _ in recorded()}


def test_the_sessions_are_what_they_should_be() -> None:
    """Many commands in every form of output, no traceback, files of a size that one can read."""
    assert len(recorded()) >= 500
    forms = [tuple(command.words).count for command, _, _ in recorded()]
    assert min(sum(count("--json") for count in forms), sum(count("-q") for count in forms)) >= 60
    assert sum(bool(command.terminals) for command, _, _ in recorded()) >= 35
    assert [topic for topic in TOPICS if "Traceback" in read(topic) or len(read(topic)) > 60_000] == []
