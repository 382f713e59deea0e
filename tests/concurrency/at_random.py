"""What a process does to one model at random, for some seconds, while others do the same."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from registry_cli import Conflict, NotFound, Registry
from registry_cli.rules.retention_rules import RetentionRules

MODEL = "churn"
STAGES = ("development", "staging", "production")
POLICY = """
retention:
  archive: {keep: 6, best: 'auc:2', compress: true}
  prune: {older_than: 1s, keep: 2}
"""
#: Only what rules choose is deleted here, so that whatever is gone must have been free to go.
RULES = RetentionRules.build(older_than="2s", keep=3)


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
    life.registry.register(MODEL, [life.source], metrics=metrics, tags=tags, lineage={"extra": {"parents": parents}})


def _tag(life: Life) -> None:
    if life.dice.random() < 0.3:
        life.registry.tag(life.some(), {"keep": "yes"})
    else:
        life.registry.tag(life.some(), remove=["keep"])


def _take_out(life: Life) -> None:
    target = life.source.with_name(f"{life.source.name}-out")
    life.registry.fetch(life.some(), target, replace=True)


def _verify(life: Life) -> None:
    """What changes while it is looked at is no damage."""
    found = [problem for problem in life.registry.admin.verify([MODEL]).problems if problem.severity == "error"]
    assert not found, found


def _export(life: Life) -> None:
    life.registry.export([life.some()], life.source.with_suffix(".tar.gz"), replace=True)


Deed = Callable[[Life], object]
#: Each deed, and how often it is done. A new verb is one more line.
DEEDS: dict[str, tuple[int, Deed]] = {
    "register": (4, _register),
    "promote": (6, lambda life: life.registry.promote(life.some(), life.stage())),
    "approve": (2, lambda life: life.registry.approvals.approve(life.some(), life.stage())),
    "demote": (1, lambda life: life.registry.demote(MODEL, life.stage())),
    "rollback": (3, lambda life: life.registry.rollback(MODEL, life.stage(), again=True)),
    "undo": (1, lambda life: life.registry.undo(MODEL)),
    "alias": (1, lambda life: life.registry.alias(life.some(), life.dice.choice(["champion", "eu"]))),
    "tag": (2, _tag),
    "annotate": (1, lambda life: life.registry.annotate(life.some(), {"note": str(life.dice.random())})),
    "archive": (2, lambda life: life.registry.archive([life.some(), life.some()])),
    "archive --compress": (2, lambda life: life.registry.archive([life.some()], compress="gzip")),
    "archive by rules": (1, lambda life: life.registry.retention.retain(MODEL, "archive", RULES)),
    "restore": (3, lambda life: life.registry.restore([life.some(), life.some()])),
    "prune": (2, lambda life: life.registry.retention.prune()),
    "gc": (1, lambda life: life.registry.admin.gc()),
    "fetch": (2, _take_out),
    "show": (2, lambda life: life.registry.artifacts.get(life.some())),
    "show --as-of": (1, lambda life: life.registry.version(f"{MODEL}@production", as_of="2s ago")),
    "path": (2, lambda life: life.registry.path(f"{MODEL}@production")),
    "list": (1, lambda life: list(life.registry.list())),
    "versions": (1, lambda life: life.registry.versions(MODEL, archived=True)),
    "search": (1, lambda life: list(life.registry.search("metrics.auc > 0.5", archived=True, sort="metrics.auc"))),
    "find": (1, lambda life: list(life.registry.artifacts.find([life.source]))),
    "check": (1, lambda life: life.registry.policies.check(life.some(), life.stage())),
    "review": (1, lambda life: life.registry.approvals.review(life.some(), life.stage())),
    "diff": (2, lambda life: life.registry.diff(life.some(), life.some())),
    "reproduce": (1, lambda life: life.registry.lineage.reproduce(life.some())),
    "approvals": (1, lambda life: life.registry.approvals(life.some())),
    "inspect": (1, lambda life: life.registry.artifacts.inspect(life.some())),
    "log-metric": (1, lambda life: life.registry.log_metric(life.some(), {"live": life.dice.random()})),
    "describe": (1, lambda life: life.registry.admin.describe(MODEL, description=str(life.dice.random()))),
    "history": (1, lambda life: life.registry.history(MODEL)),
    "lineage": (1, lambda life: life.registry.lineage(life.some())),
    "scan": (1, lambda life: life.registry.artifacts.scan(life.some())),
    "card": (1, lambda life: life.registry.artifacts.card(life.some())),
    "plan": (1, lambda life: life.registry.retention.plan(MODEL, "delete", RULES)),
    "export": (1, _export),
    "verify": (1, _verify),
    "deploy": (3, lambda life: life.registry.deployments.deploy(life.some(), life.dice.choice("tu"))),
    "undeploy": (1, lambda life: life.registry.deployments.undeploy(MODEL, life.dice.choice("tu"))),
    "sync": (1, lambda life: life.registry.deployments.sync()),
    "deployments": (1, lambda life: life.registry.deployments(check=True)),
}


def live(root: str, source: str, seed: int, seconds: float) -> Counter[str]:
    """Do one thing after the other; how often each was done, and how often it was refused (``no NAME``)."""
    cache = Path(source).with_name("cache") if seed % 2 else None  # every other one asks an index
    life = Life(Registry(root, lock_timeout=120, cache=cache), random.Random(seed), Path(source))
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
    return [(each.action, each.versions, each.changed) for each in Registry(root, lock_timeout=120).retention.prune()]
