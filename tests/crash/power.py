"""Small runs of commands, cut off by a power failure at every moment, in every way that the disk may forget."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from registry_cli import Indeterminate, Registry
from tests.crash.disk import Image, Moment, Recording
from tests.crash.scenarios import Deed, source
from tests.crash.shim import Call, Death, Fault, Shim, site
from tests.crash.world import Journals, copied, observed, opened, wiped, without

_OTHER = "other"


@dataclass(frozen=True)
class Step:
    """One command. Its process dies right after call number ``dies``; the machine goes on, and so does the next step."""

    deed: Deed
    event: str
    dies: int = 0


@dataclass(frozen=True)
class Workload:
    """Commands, one after the other, in a registry with so many versions (none: without the model), after ``before``."""

    name: str
    steps: Sequence[Step]
    versions: int = 2
    before: Deed = lambda registry, work: None


@dataclass
class Expected:
    """What may be there at a mark: one of ``states``; ``events`` are those that were acknowledged."""

    states: list[dict[str, Any]]
    events: set[str]
    retry: Step | None = None


@dataclass
class Run:
    """A recorded workload: its moments, what is expected at each mark, and where it made its disk last."""

    moments: list[Moment]
    expected: dict[str, Expected]
    sites: list[str]


_NAMES = (
    (r"^models/(churn|risk/fraud)\b", "MODEL"),
    (r"^models/risk\b", "GROUP"),
    (r"/files/.*", "/files/*"),
    (r"\.(tmp|trash)-[0-9a-f]+", r".\1"),
)


def role(path: str) -> str:
    """What a path stands for, whatever it is called in this run."""
    for pattern, name in _NAMES:
        path = re.sub(pattern, name, path)
    return path


def prepared(root: Path, work: Path, versions: int) -> set[str]:
    """A registry in which the first version is in production; the ids of its events."""
    Registry.init(root)
    registry = opened(root)
    for number in range(1, versions + 1):
        registry.register("churn", [source(work, f"content {number}")], request_id=f"base-{number}")
    if versions:
        registry.promote("churn@1", "production", request_id="base-0")
    return {f"base-{number}" for number in range(versions + 1)} if versions else set()


def pointers(root: Path) -> dict[str, dict[str, int]]:
    """What each model's ``stages.yaml`` says of the stages, to a plain reader of YAML."""
    found = {}
    for path in root.glob("models/**/stages.yaml"):
        name = str(path.parent.relative_to(root / "models"))
        found[name] = dict(yaml.safe_load(path.read_text()).get("stages") or {})
    return found


class PowerLab:
    """Records workloads, cuts their power, and looks at what is left. What was looked at once is remembered."""

    def __init__(self, lab: Path) -> None:
        self.lab = lab
        self.states = 0
        self.checked = 0
        self._known: dict[Any, str] = {}

    def record(self, workload: Workload, without_site: str = "") -> Run:
        """Carry out a workload, as if the code at one site did not sync."""
        root = self.lab / "live"
        events = prepared(root, self._work(), workload.versions)
        workload.before(opened(root), self._work())
        run = Run([], {}, [])
        recording = Recording(root, run.moments)

        def skip(call: Call) -> bool:
            if call.name in ("fsync", "syncfs"):
                run.sites.append(f"{site()}: {role(call.path)}")
                return run.sites[-1] == without_site
            return False

        states = [observed(root)]
        for place, step in enumerate(workload.steps):
            states = [*states, self._rehearsed(root, step)]
            run.expected[f"{place} begun"] = Expected(states, set(events), step)
            recording.mark(f"{place} begun")
            fault = Fault("dead after", step.dies) if step.dies else None
            with Shim(root, fault, watcher=recording, skip=skip, first=1 + 1000 * place):
                self._carry_out(root, step)
            now = observed(root)
            if step.dies:  # what it did may be lost, or not, until somebody builds upon it
                states = [states[0], now]
                continue
            events.add(step.event)
            states = [now]
            run.expected[f"{place} done"] = Expected(states, set(events))
            recording.mark(f"{place} done")
        wiped(root)
        return run

    def dying(self, workload: Workload, name: str, occurrence: int) -> Workload:
        """``workload``, its first step dying right after the n-th call of this name."""
        call = [call for call in self.calls(workload) if call.name == name][occurrence - 1]
        return self.dying_at(workload, call)

    def dying_at(self, workload: Workload, call: Call) -> Workload:
        first, *others = workload.steps
        name = f"{workload.name} (at {call.number}, {call.name})"
        return replace(workload, name=name, steps=[replace(first, dies=call.number), *others])

    def calls(self, workload: Workload) -> list[Call]:
        """The calls that its first step makes when nothing happens to it."""
        root, found = self.lab / "live", list[Call]()
        prepared(root, self._work(), workload.versions)
        workload.before(opened(root), self._work())
        with Shim(root, watcher=lambda call, _: found.append(call)):
            workload.steps[0].deed(opened(root), self._work())
        wiped(root)
        return found

    def _work(self) -> Path:
        work = self.lab / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    def _rehearsed(self, root: Path, step: Step) -> dict[str, Any]:
        """What the registry looks like when a step comes through."""
        twin = copied(root, self.lab / "rehearsal")
        step.deed(opened(twin), self._work())
        state = observed(twin)
        wiped(twin)
        return state

    def _carry_out(self, root: Path, step: Step) -> None:
        try:
            step.deed(opened(root), self._work())
        except (Death, Indeterminate):
            assert step.dies
            return
        assert not step.dies

    def violations(self, workload: Workload, run: Run, *, extremes: bool = False, stride: int = 1) -> Iterator[str]:
        """What is wrong, in words, on each disk that a power cut may leave: at every moment, exhaustively.

        With ``extremes`` only on the disks that lost, or kept, one thing or everything; of the moments only each
        ``stride``-th from the end, where most is at stake, backward.
        """
        dice = random.Random(7)
        seen: set[Any] = set()
        for moment in run.moments[::-stride]:
            for image in moment.outcomes(dice, extremes=extremes):
                key = (workload.name, moment.mark, hash(image.listing()))
                if key in seen:
                    continue
                seen.add(key)
                self.states += 1
                if key not in self._known:
                    self._known[key] = self._looked_at(image, run.expected[moment.mark])
                if self._known[key]:
                    yield f"{workload.name}, {moment.mark}: {self._known[key]}"

    def _looked_at(self, image: Image, expected: Expected) -> str:
        """Build the disk and look at it; empty when all is well."""
        self.checked += 1
        root = self.lab / "found"
        image.build(root)
        try:
            self._require(root, expected)
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:500]}"
        finally:
            wiped(root)
        return ""

    def _require(self, root: Path, expected: Expected) -> None:
        state = observed(root)
        assert state in expected.states, f"there is {state}, not one of {expected.states}"
        self._require_sound(root)
        if not expected.retry:  # acknowledged: who reads the pointer file without this tool sees it too
            told = pointers(root)
            assert all(told[name] == model[1][0] for name, model in state.items()), f"stages.yaml says {told}"
        registry = opened(root)
        made = registry.register("churn", [source(self._work(), "quite another")], message=_OTHER)
        registry.tag(made.ref, {_OTHER: "yes"})
        now = without(observed(root), _OTHER, _OTHER)
        assert now == state, f"another command changed {state} to {now}"
        if expected.retry:
            expected.retry.deed(opened(root), self._work())
        self._require_sound(root)
        Journals.of(root).require(expected.events | ({expected.retry.event} if expected.retry else set()))

    def _require_sound(self, root: Path) -> None:
        errors = [problem for problem in opened(root).admin.verify().problems if problem.severity == "error"]
        assert not errors, f"verify: {errors}"
