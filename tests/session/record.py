"""Record the sessions again: ``python -m tests.session.record [TOPIC...|captures]``. What changed shows in ``git diff``."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.session.script import CAPTURES, FOLDER, TOPICS, capture, digests, number_digests, play, script
from tests.session.world import remove


def record(topic: str) -> None:
    """Write a session anew. It is played twice: digests and ids that differ between the two depend on chance."""
    _record(FOLDER / f"{topic}.txt", play)


def record_captures() -> None:
    """Record the captures of each width anew; the commands of all are those of the narrowest one."""
    paths = sorted(CAPTURES.glob("*.txt"), key=lambda path: int(path.stem))
    commands = "\n".join(script(paths[0].read_text(encoding="utf-8")))
    for path in paths:
        path.write_text(commands, encoding="utf-8")
        _record(path, functools.partial(capture, columns=path.stem))


def _record(path: Path, player: Callable[[str, Path], str]) -> None:
    text = path.read_text(encoding="utf-8")
    first, second = _played(text, player), _played(text, player)
    path.write_text(number_digests(second, digests(first) & digests(second)), encoding="utf-8")


def _played(text: str, player: Callable[[str, Path], str]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="registry-session-"))
    try:
        return player(text, folder)
    finally:
        remove(folder)


if __name__ == "__main__":
    for name in sys.argv[1:] or [*TOPICS, "captures"]:
        if name == "captures":
            record_captures()
        else:
            record(name)
