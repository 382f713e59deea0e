"""What ``fetch``, ``export`` and ``card`` write outside of a registry, with a fault at every call that changes the disk.

The target is there at each moment, as it was before or as it is to be, whole. What lies beside it is not touched, and
nothing is left there, unless the process dies or the disk answers nothing any more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from registry_cli import Registry, RegistryError
from registry_cli.store.filesystem import replacement
from tests.crash.shim import Death, Fault, Shim
from tests.crash.test_faults import FAULTS
from tests.crash.world import copied, fingerprint, opened, wiped

Deed = Callable[[Registry, Path, bool, int], Any]

DEEDS: dict[str, tuple[str, Deed]] = {
    "fetch": ("serve", lambda reg, out, replace, number: reg.fetch(f"churn@{number}", out, replace=replace)),
    "export mlflow": (
        "serve",
        lambda reg, out, replace, number: reg.export(
            f"churn@{number}", out, format="mlflow", flavor="sklearn", replace=replace
        ),
    ),
    "export hf": (
        "serve",
        lambda reg, out, replace, number: reg.export(f"churn@{number}", out, format="hf", replace=replace),
    ),
    "export cyclonedx": (
        "bom.json",
        lambda reg, out, replace, number: reg.export(f"churn@{number}", out, format="cyclonedx", replace=replace),
    ),
    "export": ("churn.tar", lambda reg, out, replace, number: reg.export([f"churn@{number}"], out, replace=replace)),
    "card": (
        "README.md",
        lambda reg, out, replace, number: reg.artifacts.card(f"churn@{number}", out, replace=replace),
    ),
}


def picture(path: Path) -> str:
    """What is at a path, without the mode of its inode; empty for nothing."""
    if path.is_dir():
        return fingerprint(path)
    return path.read_bytes().hex() if path.exists() else ""


class Place:
    """A registry with two versions, and beside it a folder into which they go."""

    def __init__(self, lab: Path, name: str, deed: Deed, *, replace: bool) -> None:
        self.lab, self.name, self.deed, self.replace = lab, name, deed, replace
        self.base = lab / "base"
        registry = Registry.init(self.base / "registry")
        registry = opened(self.base / "registry")
        for number in (1, 2):
            for path in ("model.pkl", "conf/params.json"):
                (lab / "work" / path).parent.mkdir(parents=True, exist_ok=True)
                (lab / "work" / path).write_text(f"{path} {number}")
            registry.register("churn", [lab / "work"])
        self.before = ""
        (self.base / "out").mkdir()
        if replace:
            deed(registry, self.base / "out" / name, False, 1)
            self.before = picture(self.base / "out" / name)
        (self.base / "out" / "mine").write_text("mine")
        clean = copied(self.base, lab / "clean")
        deed(opened(clean / "registry"), clean / "out" / name, replace, 2)
        self.after = picture(clean / "out" / name)
        assert self.after not in ("", self.before)
        assert sorted(path.name for path in (clean / "out").iterdir()) == sorted(["mine", name])
        wiped(clean)

    def strike(self, fault: Fault, exchange: bool) -> str | None:
        """How it ended under this fault, in one word; None when there is no such call. Raises when something is wrong."""
        root = copied(self.base, self.lab / "run")
        target = root / "out" / self.name
        told: list[warnings.WarningMessage] = []
        try:
            registry = opened(root / "registry")
            have = mock.patch.object(replacement, "renameat2", replacement.renameat2 if exchange else lambda *_: False)
            with have, Shim(root, fault) as shim, warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                outcome = self._ended(registry, target)
            if shim.struck is None:
                return None
            assert not shim.leaked, f"left open: {shim.leaked}"
            outcome = "dead" if shim.dead else outcome
            words = f"at {shim.struck.name} {shim.struck.path}, {outcome}"
            self._judge(target, outcome, fault, exchange, [str(each.message) for each in told], words)
            return outcome
        finally:
            wiped(root)

    def _ended(self, registry: Registry, target: Path) -> str:
        try:
            self.deed(registry, target, self.replace, 2)
        except Death:
            return "dead"
        except KeyboardInterrupt:
            return "interrupted"
        except (RegistryError, OSError):
            return "refused"
        return "done"

    def _judge(self, target: Path, outcome: str, fault: Fault, exchange: bool, told: list[str], words: str) -> None:
        now = picture(target)
        beside = sorted(path for path in target.parent.iterdir() if path.name not in ("mine", self.name))
        assert (target.parent / "mine").read_text() == "mine", words
        if (outcome == "dead" or fault.kind == "errors") and not exchange and not now and self.replace:
            assert self.before in [picture(path) for path in beside], f"{words}: the old one is gone"
            return
        assert now in (self.before, self.after), f"{words}: neither the old nor the new"
        if outcome == "done":
            assert now == self.after, words
            assert [each for path in beside for each in told if str(path) in each] or not beside, f"{words}: {beside}"
        elif outcome == "refused" and fault.kind not in ("lost reply", "errors"):
            assert now == self.before or "fsync" in words, words  # of a bundle's folder, after the bundle is there
        if (
            outcome in ("interrupted", "refused")
            and fault.kind != "errors"
            and "rmdir" not in words
            and "unlink" not in words
        ):
            assert not beside, f"{words}: left {beside}"


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("replace", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("verb", DEEDS)
def test_the_target_is_the_old_or_the_new_one(lab: Path, verb: str, replace: bool, exchange: bool) -> None:
    name, deed = DEEDS[verb]
    place = Place(lab, name, deed, replace=replace)
    ended: dict[str, int] = {}
    wrong = []
    for kind, number in FAULTS:
        for at in range(1, 1_000):
            try:
                outcome = place.strike(Fault(kind, at, number), exchange)
            except AssertionError as error:
                wrong.append(f"{kind} {number} {at}: {error}")
                continue
            if outcome is None:
                break
            ended[outcome] = ended.get(outcome, 0) + 1
    assert not wrong, f"{len(wrong)} went wrong:\n" + "\n".join(wrong[:12])
    assert ended.keys() >= {"refused", "dead", "interrupted"}
