"""What a process does to models that others rename all the time, under few names, until it is killed."""

from __future__ import annotations

import os
import random
import time
import traceback
from pathlib import Path

from registry_cli import Conflict, NotFound, Registry
from tests.concurrency.killed import Line, Log, Request

#: So few names that most were the name of some model before.
NAMES = tuple(f"m{number}" for number in range(8))


def invent(registry: Registry, dice: random.Random) -> Request:
    """Something to be done to a model that is there just now; one registration in five goes to any name there is."""
    name = dice.choice(registry.admin.model_names() or NAMES)
    verb = dice.choice(
        ["register", "register", "register", "register", "rename", "rename", "rename", "tag", "promote", "read", "gc"]
    )
    request: Request = {"verb": verb, "model": name, "reuse": dice.random() < 0.3}
    if verb == "register":
        request["content"] = f"{dice.random()} " * dice.randrange(1, 50)
        request["model"] = dice.choice(NAMES) if dice.random() < 0.2 else name
    if verb == "rename":
        request["new"] = dice.choice(NAMES) if dice.random() < 0.7 else f"n{dice.randrange(1_000_000)}"
    return request


def perform(registry: Registry, request: Request, source: Path) -> str | None:
    """Do it; of a registration, the digest of what was registered."""
    name, verb, reuse = request["model"], request["verb"], request["reuse"]
    if verb == "register":
        source.write_text(request["content"])
        return registry.register(name, [source], reuse_name=reuse).digest
    if verb == "rename":
        if name != request["new"]:
            registry.admin.rename(name, request["new"], reuse_name=reuse)
    elif verb == "tag":
        registry.tag(f"{name}@latest", {"x": str(time.time())})
    elif verb == "promote":
        registry.promote(f"{name}@latest", "staging")
    elif verb == "read":
        registry.versions(name)
        registry.history(name)
        registry.fetch(f"{name}@latest", f"{source}-out", replace=True)
    else:
        registry.admin.gc()
    return None


def live(root: str, folder: str, name: str, seconds: float) -> None:
    """Do one thing after the other, and log each before it is done and after."""
    log, dice = Log(Path(folder, f"{name}.log")), random.Random(f"{name}-{os.getpid()}")
    registry, source = Registry(root, lock_timeout=120, index=False), Path(folder, name)
    end, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turn += 1
        identity, request = f"{name}-{os.getpid()}-{turn}", invent(registry, dice)
        log.add(Line(identity, "begin", request))
        try:
            log.add(Line(identity, "done", perform(registry, request, source)))
        except (Conflict, NotFound) as error:  # it has another name by now, or the name is taken
            log.add(Line(identity, "done" if "is registered, but" in error.message else "refused", error.message))
        except BaseException:
            log.add(Line(identity, "failed", traceback.format_exc()))
            return
