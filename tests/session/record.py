"""Record the sessions again: ``python -m tests.session.record [TOPIC...]``. What changed shows in ``git diff``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.session.script import FOLDER, TOPICS, digests, number_digests, play
from tests.session.world import remove


def record(topic: str) -> None:
    """Write a session anew. It is played twice: digests and ids that differ between the two depend on chance."""
    path = FOLDER / f"{topic}.txt"
    text = path.read_text(encoding="utf-8")
    first, second = _played(text), _played(text)
    path.write_text(number_digests(second, digests(first) & digests(second)), encoding="utf-8")


def _played(text: str) -> str:
    folder = Path(tempfile.mkdtemp(prefix="registry-session-"))
    try:
        return play(text, folder)
    finally:
        remove(folder)


if __name__ == "__main__":
    for name in sys.argv[1:] or TOPICS:
        record(name)
