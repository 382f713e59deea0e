"""``deploy``, ``sync`` and ``undeploy``, with a fault at every call that changes the disk, of the registry or of the target.

At each moment the target serves a complete version, what somebody else put there is untouched, and the registry is sound.
Afterwards ``sync`` brings it to what the stage says, and nothing is left over.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Indeterminate, Refused, Registry, RegistryError
from registry_cli.serving import targets
from registry_cli.serving.server_layout import get_layout
from registry_cli.serving.target_folder import TargetFolder
from tests.crash.shim import Death, Fault, Shim
from tests.crash.test_faults import FAULTS
from tests.crash.world import copied, opened, wiped

Deed = Callable[[Registry], object]
FILES = {1: {"model.onnx": "one", "deep/vocabulary.txt": "a"}, 2: {"model.onnx": "two", "deep/vocabulary.txt": "b"}}


def deploy(registry: Registry) -> object:
    return registry.deployments.deploy("churn@2", "t", request_id="request-1")


def sync(registry: Registry) -> object:
    (done,) = registry.deployments.sync("t")
    if done.why:
        raise Refused(done.why)
    return done


def undeploy(registry: Registry) -> object:
    return registry.deployments.undeploy("churn", "t")


#: What is done, the layout, and whether version 1 is deployed before.
DEEDS: dict[str, tuple[Deed, str, bool]] = {
    "first deploy, plain": (deploy, "plain", False),
    "first deploy, triton": (deploy, "triton", False),
    "deploy, plain": (deploy, "plain", True),
    "deploy, torchserve": (deploy, "torchserve", True),
    "deploy, tf-serving": (deploy, "tf-serving", True),
    "sync, triton": (sync, "triton", True),
    "undeploy, plain": (undeploy, "plain", True),
    "undeploy, mlserver": (undeploy, "mlserver", True),
}


class Place:
    """A registry with two versions, and a target."""

    def __init__(self, lab: Path, name: str) -> None:
        self.lab = lab
        self.deed, self.layout, self.first = DEEDS[name]
        self.base = lab / "base"
        Registry.init(self.base / "registry")
        registry = opened(self.base / "registry")
        for number, contents in FILES.items():
            for path, text in (contents | self._more()).items():
                (lab / "work" / str(number) / path).parent.mkdir(parents=True, exist_ok=True)
                (lab / "work" / str(number) / path).write_text(text)
            registry.register("churn", [lab / "work" / str(number)])
        registry.promote("churn@2", "production")
        (self.base / "srv").mkdir()
        self.calls = 0

    def _more(self) -> dict[str, str]:
        return {
            "torchserve": {"handler.py": "pass"},
            "tf-serving": {"saved_model.pb": "graph"},
            "mlserver": {"model.joblib": "x"},
        }.get(self.layout, {})

    def strike(self, fault: Fault) -> bool:
        """Whether there is such a call. Raises when something is wrong."""
        root = copied(self.base, self.lab / "run")
        try:
            path = root / "srv"
            settings = f"{{layout: {self.layout}, path: {path}, follows: production, models: [churn]}}"
            (root / "registry/targets.yaml").write_text(f"format: 1\ntargets:\n  t: {settings}\n")
            if self.first:
                opened(root / "registry").deployments.deploy("churn@1", "t")
            (path / "mine").mkdir()
            (path / "mine" / "model.onnx").write_text("mine")
            before = self.served(path)
            with Shim(root, fault, first=10_000) as shim:
                outcome = self._ended(root)
            if shim.struck is None:
                return False
            words = f"at {shim.struck.name} {shim.struck.path} ({fault}): {'dead' if shim.dead else outcome}"
            assert not shim.leaked or shim.dead, f"{words}: left open {shim.leaked}"
            self._judge(root, before, "dead" if shim.dead else outcome, words)
            return True
        finally:
            wiped(root)

    def _ended(self, root: Path) -> str:
        try:
            self.deed(opened(root / "registry"))
        except Death:
            return "dead"
        except KeyboardInterrupt:
            return "interrupted"
        except Indeterminate:
            return "unknown"
        except (RegistryError, OSError):
            return "refused"
        return "done"

    def served(self, path: Path) -> int | None:
        """The version that the target serves, after looking whether it is complete."""
        folder = TargetFolder(str(path), get_layout(self.layout), "churn")
        number = folder.served()
        if number is not None:
            placed = folder.placed(number)
            assert placed is not None
            assert folder.find_damage(number, placed.digest) == ""
        return number

    def _judge(self, root: Path, before: int | None, outcome: str, words: str) -> None:
        path, registry = root / "srv", opened(root / "registry")
        assert (path / "mine/model.onnx").read_text() == "mine", words
        ends = self.deed is undeploy
        now = None if ends and not self._is_switched(path) else self.served(path)
        assert now in (before, None if ends else 2), f"{words}: serves {now}"
        if outcome == "done":
            assert now == (None if ends else 2), words
        if outcome == "refused":
            assert now == before or "lost reply" in words or "errors" in words or ends, f"{words}: serves {now}"
        assert not [each for each in registry.admin.verify().problems if each.severity == "error"], words
        (done,) = registry.deployments.sync("t")
        assert not done.why, f"{words}: sync: {done.why}"
        assert self.served(path) == 2, words
        (found,) = registry.deployments(check=True)
        assert (found.state, found.version, found.pending) == ("ok", 2, None), f"{words}: {found}"
        registry.tag("churn@2", {"a": "b"})  # what was pending is in the history now
        assert {each.code for each in registry.admin.verify().problems} <= {"journal-torn"}, words
        assert not [each for each in (path / ".registry").iterdir() if each.name.startswith((".tmp-", ".trash-"))], (
            words
        )

    def _is_switched(self, path: Path) -> bool:
        return TargetFolder(str(path), get_layout(self.layout), "churn").read_switch() is not None


@pytest.mark.parametrize("name", ["deploy, plain", "first deploy, triton"])
def test_a_death_at_any_call_leaves_a_complete_version(lab: Path, name: str) -> None:
    place, at = Place(lab, name), 1
    while place.strike(Fault("dead after", at)):
        at += 1
    assert at > 30


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEDS)
def test_every_call_may_fail(lab: Path, name: str) -> None:
    place, wrong, runs = Place(lab, name), [], 0
    for kind, number in FAULTS:
        at = 1
        while True:
            try:
                if not place.strike(Fault(kind, at, number or errno.EIO)):
                    break
            except AssertionError as error:
                wrong.append(str(error).splitlines()[0])
            at, runs = at + 1, runs + 1
    print(f"{name}: {runs} faults")
    assert not wrong, f"{len(wrong)} of {runs} went wrong:\n" + "\n".join(wrong[:12])


def test_the_layouts_of_the_deeds_are_known() -> None:
    assert {layout for _, layout, _ in DEEDS.values()} <= set(targets.LAYOUTS)
