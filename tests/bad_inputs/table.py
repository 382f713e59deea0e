"""The cases of ``tests/bad_inputs.yaml``, the functions that play them, and those that wait for later work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from registry_cli.core.yaml import documents
from tests.bad_inputs.conftest import World


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


class OpenWork(NamedTuple):
    """An open issue that a case waits for, by its number and its title."""

    issue: int
    title: str


_REPORT = OpenWork(13, "Deployment tracking, monitoring and report")

#: Cases about what is not built yet, each with the open work that it waits for. All others are played.
WAITING: dict[str, OpenWork] = dict.fromkeys(("H-02", "H-03", "H-06", "H-07"), _REPORT)


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
