"""The cases of ``tests/bad_inputs.yaml``, the functions that play them, and those that wait for later work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry_cli.store import documents

from .conftest import World


@dataclass(frozen=True)
class Case:
    """One case. ``text`` is its ``input``, None where the fixture has none."""

    id: str
    category: str
    exit: int
    given: str
    text: str | None


Play = Callable[[World, Case], None]

#: What plays a case, by id.
SCENARIOS: dict[str, Play] = {}

_ARCHIVES = "nothing unpacks archives yet: that comes with `import`"
_REPORTS = "there are no reports yet"
_APPROVALS = "there are no policies and approvals yet"

#: Cases about what is not built yet, each with why. All others are played.
WAITING = {
    **dict.fromkeys(
        ("A-02", "A-03", "A-05", "A-06", "A-07", "A-08", "A-09", "A-10", "A-11", "A-13", "A-14", "A-15"), _ARCHIVES
    ),
    **dict.fromkeys(("H-02", "H-03", "H-06", "H-07"), _REPORTS),
    **dict.fromkeys(("G-01", "G-02", "G-03", "G-05", "G-07", "G-11"), _APPROVALS),
    "B-06": "nothing reads the headers of model files yet: that comes with inspection",
}


def scenario(*ids: str) -> Callable[[Play], Play]:
    """Let a function play these cases."""

    def register(play: Play) -> Play:
        for each in ids:
            assert each not in SCENARIOS, f"{each} has two scenarios"
            SCENARIOS[each] = play
        return play

    return register


def cases() -> list[Case]:
    """Every case of the fixture, in its order."""
    path = Path(__file__).parent.parent / "bad_inputs.yaml"
    found: list[dict[str, Any]] = documents.loads_mapping(path.read_bytes(), path.name)["cases"]
    return [Case(each["id"], each["category"], each["exit"], each["given"], each.get("input")) for each in found]
