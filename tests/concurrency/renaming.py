"""What a process does to models that others rename all the time, for some seconds."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from registry_cli import Conflict, NotFound, Registry

Deed = Callable[[Registry, str, random.Random, Path], object]


def _register(registry: Registry, name: str, dice: random.Random, source: Path) -> None:
    source.write_text(f"{dice.random()} " * dice.randrange(1, 50))
    registry.register(name, [source])


def _rename(registry: Registry, name: str, dice: random.Random, _: Path) -> None:
    registry.rename(name, f"m{dice.randrange(1_000_000)}")


#: Each deed, and how often it is done.
DEEDS: dict[str, tuple[int, Deed]] = {
    "register": (4, _register),
    "rename": (3, _rename),
    "tag": (1, lambda registry, name, dice, _: registry.tag(f"{name}@latest", {"x": str(dice.random())})),
    "promote": (1, lambda registry, name, *_: registry.promote(f"{name}@latest", "staging")),
    "versions": (1, lambda registry, name, *_: registry.versions(name)),
    "fetch": (1, lambda registry, name, _, out: registry.fetch(f"{name}@latest", f"{out}-out", replace=True)),
    "history": (1, lambda registry, name, *_: registry.history(name)),
    "gc": (1, lambda registry, *_: registry.gc()),
}


def live(root: str, source: str, seed: int, seconds: float) -> Counter[str]:
    """Do one thing after the other to a model that is there just now; how often each was done."""
    registry, dice = Registry.open(root, lock_timeout=120, cache=None), random.Random(seed)
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    kinds = [kind for kind, (weight, _) in DEEDS.items() for _ in range(weight)]
    while time.monotonic() < end:
        kind = dice.choice(kinds)
        name = dice.choice(registry.model_names() or ["m0"])
        try:
            DEEDS[kind][1](registry, name, dice, Path(source))
        except (Conflict, NotFound) as error:  # it has another name by now; whatever else is a failure
            kind = kind if "is registered, but" in error.message else f"no {kind}"
        done[kind] += 1
    return done
