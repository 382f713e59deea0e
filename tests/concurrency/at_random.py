"""What a process does to one model at random, for some seconds, while others do the same."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from registry_cli import Conflict, NotFound, Registry
from registry_cli.lifecycle.retention_rules import Rules

MODEL = "churn"
STAGES = ("development", "staging", "production")
POLICY = """
retention:
  archive: {keep: 6, best: 'auc:2', compress: true}
  prune: {older_than: 1s, keep: 2}
"""
#: Only what rules choose is deleted here, so that whatever is gone must have been free to go.
RULES = Rules.of(older_than="2s", keep=3)


class Life(NamedTuple):
    """A registry, the dice, and a file to write to."""

    registry: Registry
    dice: random.Random
    source: Path

    def some(self) -> str:
        """A version: mostly one of the newest, now and then one that was deleted or never was."""
        newest = self.registry.model(MODEL).latest or 1
        return f"{MODEL}@{max(1, newest + 1 - int(self.dice.expovariate(1 / 6)))}"

    def stage(self) -> str:
        return self.dice.choice(STAGES)


def _register(life: Life) -> None:
    life.source.write_text(f"{life.dice.random()} " * life.dice.randrange(1, 300))
    parents = [life.some() for _ in range(life.dice.randrange(3))]
    tags = {"keep": "yes"} if life.dice.random() < 0.1 else {}
    metrics = {"auc": life.dice.random()}
    life.registry.register(MODEL, [life.source], metrics=metrics, tags=tags, lineage={"parents": parents})


def _tag(life: Life) -> None:
    if life.dice.random() < 0.3:
        life.registry.tag(life.some(), {"keep": "yes"})
    else:
        life.registry.tag(life.some(), remove=["keep"])


def _take_out(life: Life) -> None:
    target = life.source.with_name(f"{life.source.name}-out")
    life.registry.fetch(life.some(), target, replace=True)


Deed = Callable[[Life], object]
#: Each deed, and how often it is done. A new verb is one more line.
DEEDS: dict[str, tuple[int, Deed]] = {
    "register": (4, _register),
    "promote": (6, lambda life: life.registry.promote(life.some(), life.stage())),
    "approve": (2, lambda life: life.registry.approve(life.some(), life.stage())),
    "demote": (1, lambda life: life.registry.demote(MODEL, life.stage())),
    "rollback": (3, lambda life: life.registry.rollback(MODEL, life.stage())),
    "alias": (1, lambda life: life.registry.set_alias(life.some(), life.dice.choice(["champion", "eu"]))),
    "tag": (2, _tag),
    "annotate": (1, lambda life: life.registry.annotate(life.some(), {"note": str(life.dice.random())})),
    "archive": (2, lambda life: life.registry.archive([life.some(), life.some()])),
    "archive --compress": (2, lambda life: life.registry.archive([life.some()], compress="gzip")),
    "archive by rules": (1, lambda life: life.registry.retain(MODEL, "archive", RULES)),
    "restore": (3, lambda life: life.registry.restore([life.some(), life.some()])),
    "prune": (2, lambda life: life.registry.prune()),
    "gc": (1, lambda life: life.registry.gc()),
    "fetch": (2, _take_out),
}


def live(root: str, source: str, seed: int, seconds: float) -> Counter[str]:
    """Do one thing after the other; how often each was done, and how often it was refused (``no NAME``)."""
    life = Life(Registry.open(root, lock_timeout=120), random.Random(seed), Path(source))
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    names = [name for name, (weight, _) in DEEDS.items() for _ in range(weight)]
    while time.monotonic() < end:
        name = life.dice.choice(names)
        try:
            DEEDS[name][1](life)
        except (Conflict, NotFound):  # it points there, it is gone, somebody was faster; whatever else is a failure
            name = f"no {name}"
        done[name] += 1
    return done


def prune(root: str) -> list[tuple[str, tuple[int, ...], bool]]:
    """What a job at night does."""
    return [(each.action, each.versions, each.changed) for each in Registry.open(root, lock_timeout=120).prune()]
