"""One scenario under many faults: what must hold after each of them."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_cli import Indeterminate, Registry, RegistryError
from tests.crash.scenarios import BASE_EVENTS, Scenario, common, source, summary
from tests.crash.shim import Death, Fault, Shim
from tests.crash.world import Journals, copied, fingerprint, observed, opened, wiped, without

_OTHER = "other"


@dataclass
class Trial:
    """A scenario, the states it may leave behind, and the disks that were found sound already."""

    scenario: Scenario
    lab: Path
    base: Path = field(init=False)
    states: list[dict[str, Any]] = field(init=False)
    result: Any = field(init=False)
    runs: int = 0
    calls: int = 0
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lab.mkdir(exist_ok=True)
        self.base = self.lab / "base"
        work = self._work()
        registry = Registry.init(self.base)
        registry = opened(self.base)
        if not self.scenario.empty:
            common(registry, work)
        self.scenario.prepare(registry, work)
        self.states = [observed(self.base)]
        for deed in (*self.scenario.stations, self.scenario.deed):
            root = copied(self.base, self.lab / "clean")
            with Shim(root) as shim:
                self.result = summary(deed(opened(root), self._work()))
            self.calls = shim.count
            self.states.append(observed(root))
            assert opened(root).admin.verify().ok
            wiped(root)

    def _work(self) -> Path:
        work = self.lab / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    @property
    def ids(self) -> set[str]:
        return set(self.scenario.events) | (set() if self.scenario.empty else set(BASE_EVENTS))

    def every(self, kind: str, errno: int, *, looking: bool = False) -> list[str]:
        """Let the fault strike at each call in turn; what went wrong, in words."""
        wrong: list[str] = []
        at = 0
        while True:
            at += 1
            fault = Fault(kind, at, errno)
            try:
                if not self.strike(fault, looking):
                    return wrong
            except Exception as error:
                if len(wrong) > 30:
                    return wrong
                wrong.append(f"{self.scenario.name}: {fault}: {type(error).__name__}: {str(error)[:600]}")

    def strike(self, fault: Fault, looking: bool = False) -> bool:
        """Do the deed under this fault, then look at everything. False when there is no such call."""
        root = copied(self.base, self.lab / "run")
        try:
            registry, work = opened(root), self._work()
            with Shim(root, fault, looking=looking) as shim:
                outcome = self._do(registry, work)
            outcome = "dead" if shim.dead else outcome  # whatever the store made of it: nobody is there to hear it
            if shim.struck is None:
                return False
            self.runs += 1
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, []), "signals are still held back"
            assert not shim.leaked, f"left open after {shim.struck.name} {shim.struck.path}: {shim.leaked}"
            try:
                if outcome.startswith(("refused", "interrupted")) and fault.kind != "errors":  # those go on for good
                    assert opened(root).admin.model_names() == opened(self.base).admin.model_names(), (
                        "an empty model is left"
                    )
                self.judge(root, outcome)
            except Exception as error:
                error.args = (f"at {shim.struck.name} {shim.struck.path}, {outcome}: {error}",)
                raise
            return True
        finally:
            wiped(root)

    def _do(self, registry: Registry, work: Path) -> str:
        """Do the deed; how it ended, in one word."""
        try:
            result = summary(self.scenario.deed(registry, work))
        except Death:
            return "dead"
        except Indeterminate as error:
            assert error.exit_code == 8
            return "indeterminate"
        except KeyboardInterrupt:
            return "interrupted"
        except (RegistryError, OSError) as error:
            if isinstance(error, RegistryError) and "is registered, but" in error.message:
                return "indeterminate"  # the class says why the rest was refused, the words what is there
            return f"refused ({type(error).__name__}: {error})"
        assert result == self.result, f"it gave {result}"
        return "done"

    def judge(self, root: Path, outcome: str) -> None:
        """What must hold, whatever happened. The same disk is looked at only once."""
        key = fingerprint(root)
        known = key in self.seen
        state = self.seen[key] if known else observed(root)
        assert state in self.states, f"neither before nor after: {state}\n not {self.states[0]}\n nor {self.states[-1]}"
        if outcome == "done":
            assert state == self.states[-1], "it returned, but the change is not there"
        elif outcome not in ("dead", "indeterminate"):
            assert state == self.states[0], "the change is there, but the error says it is not"
        if known:
            return
        self._require_sound(root)
        assert fingerprint(root) == key, "reading wrote something"
        for go_on in (self._retry_first, self._other_first):
            twin = copied(root, self.lab / "twin")
            try:
                go_on(twin, state)
            except Exception as error:
                error.args = (f"{go_on.__name__}: {type(error).__name__}: {error}",)
                raise
            finally:
                wiped(twin)
        self.seen[key] = state

    def _require_sound(self, root: Path) -> None:
        errors = [problem for problem in opened(root).admin.verify().problems if problem.severity == "error"]
        assert not errors, f"verify: {errors}"

    def _retry_first(self, root: Path, _: dict[str, Any]) -> None:
        """The same request again gives the one result; other commands work; repair and gc leave nothing to tell."""
        result = summary(self.scenario.deed(opened(root), self._work()))
        assert result == self.result, f"the same request gave {result}, not {self.result}"
        now = observed(root)
        assert now == self.states[-1], f"after the same request: {now}, not {self.states[-1]}"
        self._other(root, now)
        Journals.of(root).require(self.ids)
        before = observed(root)
        opened(root).admin.repair()
        opened(root).admin.gc(age=-1)
        left = [problem for problem in opened(root).admin.verify().problems if problem.code != "journal-torn"]
        assert not left, f"after repair and gc: {left}"  # a line that was torn stays, and is skipped
        assert observed(root) == before, "repair or gc changed what can be seen"

    def _other_first(self, root: Path, state: dict[str, Any]) -> None:
        """Other commands work first; the same request then still gives the one result, if it had come through."""
        self._other(root, state)
        result = summary(self.scenario.deed(opened(root), self._work()))
        if state == self.states[-1]:
            assert result == self.result, f"the same request gave {result}, not {self.result}"
            now = without(observed(root), _OTHER, _OTHER)
            assert now == state, f"after the same request: {now}, not {state}"
        self._require_sound(root)
        Journals.of(root).require(self.ids)

    def _other(self, root: Path, state: dict[str, Any]) -> None:
        """Two other changes, which leave everything else as it is; no number is given twice."""
        registry, name = opened(root), self.scenario.model
        used = max(state[name][0], default=0) if name in state else 0
        made = registry.register(name, [source(self._work(), "quite another")], message=_OTHER)
        assert made.new
        assert made.number > used
        registry.tag(made.ref if self.scenario.empty else f"{name}@1", {_OTHER: "yes"})
        now = without(observed(root), _OTHER, _OTHER)
        assert now == state, f"another command changed {state} to {now}"
