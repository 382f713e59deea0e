"""What a process does to several models at random, with a log outside of the registry, until it is killed.

Each request has an id and is logged before it is made and again when it was answered. A process that takes over a log
begins with what is unanswered in it.
"""

from __future__ import annotations

import json
import os
import random
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from registry_cli import Conflict, Indeterminate, NotFound, Registry
from registry_cli.core.results import PointerChange

MODELS = ("churn", "fraud", "risk/demand")
STAGES = ("staging", "production")
#: A request: the verb and what it is given, as JSON keeps it.
Request = dict[str, Any]


class Line(NamedTuple):
    """A line of a log: a request that is about to be made, or its answer."""

    id: str
    what: str  # begin, done, refused, indeterminate, failed
    content: Any


class Log:
    """What a process asked for and was answered; it outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: Line) -> None:
        with self._path.open("ab", buffering=0) as stream:  # one write, which a killed process has made or not
            stream.write(json.dumps(line).encode() + b"\n")

    def lines(self) -> list[Line]:
        texts = self._path.read_text().splitlines() if self._path.exists() else []
        return [Line(*json.loads(text)) for text in texts]


def invent(registry: Registry, dice: random.Random, bundles: Path) -> Request:
    """Some request that fits, more or less, what is there now."""
    model = dice.choice(MODELS)
    state = registry.model(model)
    ref = f"{model}@{max(1, (state.latest or 1) + 1 - int(dice.expovariate(1 / 6)))}"
    stage = dice.choice(STAGES)
    verbs = "register register register promote promote promote rollback undo alias tag archive archive pack restore "
    verb = dice.choice((verbs + "delete delete delete merge whole repair gc verify fetch").split())
    request: Request = {"verb": verb, "model": model, "ref": ref}
    if verb == "register":
        request["content"] = f"{dice.random()} " * dice.randrange(1, 300)
    elif verb in ("promote", "rollback"):
        request.update(stage=stage, expect=state.stages.get(stage))
    elif verb == "tag":
        request["value"] = str(dice.random())
    elif verb in ("merge", "whole"):
        request["bundle"] = str(bundles / f"{verb}.tar")
        request["model"] = model if verb == "merge" else f"whole-{dice.randrange(1_000_000_000)}"
    return request


def perform(registry: Registry, request: Request, identity: str, source: Path) -> Any:
    """Make a request; what must be answered again when it is repeated, or None when nothing was recorded for it."""
    model, ref = request["model"], request["ref"]
    verb = request["verb"]
    if verb == "register":
        source.write_text(request["content"])
        registered = registry.register(model, [source], request_id=identity)
        return [registered.ref, registered.digest]
    stage, expect = request.get("stage", ""), request.get("expect")
    moves: dict[str, Callable[[], PointerChange]] = {
        "promote": lambda: registry.promote(ref, stage, expect=expect, request_id=identity),
        "rollback": lambda: registry.rollback(model, stage, expect=expect, again=True, request_id=identity),
        "undo": lambda: registry.undo(model, request_id=identity),
    }
    if verb in moves:
        moved = moves[verb]()
        return [moved.pointer, moved.before, moved.after] if moved.before != moved.after else None
    if verb in ("merge", "whole"):
        imported = registry.import_(request["bundle"], name=model, merge=verb == "merge", request_id=identity)
        return [[each.key, each.ref] for each in imported]
    changes: dict[str, Callable[[], Any]] = {
        "tag": lambda: registry.tag(ref, {"chosen": request["value"]}, request_id=identity),
        "archive": lambda: registry.archive([ref], request_id=identity),
        "pack": lambda: registry.archive([ref], compress="gzip", request_id=identity),
        "restore": lambda: registry.restore([ref], request_id=identity),
        "delete": lambda: registry.delete([ref], request_id=identity),
    }
    if verb in changes:
        done = changes[verb]()
        first = done[0] if isinstance(done, list) else done
        return [first.action, list(first.versions)] if first.changed else None
    if verb == "alias":
        moved = registry.alias(ref, "champion", request_id=identity)
        return [moved.pointer, moved.before, moved.after] if moved.changed else None
    others: dict[str, Callable[[], Any]] = {
        "repair": lambda: registry.admin.repair([model]),
        "gc": registry.admin.gc,
        "fetch": lambda: registry.fetch(ref, source.with_name(f"{source.name}-out"), replace=True),
        "verify": lambda: _require_sound(registry, model),
    }
    others[verb]()
    return None


def _require_sound(registry: Registry, model: str) -> None:
    found = [problem for problem in registry.admin.verify([model]).problems if problem.severity == "error"]
    assert not found, found


def live(root: str, folder: str, name: str, seconds: float) -> None:
    """Make requests until the time is over, and log each; one in five is a request of before, under its old id."""
    dice = random.Random(f"{name}-{os.getpid()}")
    log = Log(Path(folder, f"{name}.log"))
    registry = Registry(root, lock_timeout=120, index=False)
    source = Path(folder, name)
    end = time.monotonic() + seconds
    known = {line.id: line.content for line in log.lines() if line.what == "begin"}
    answered = {line.id for line in log.lines() if line.what in ("done", "refused")}
    unsettled = [identity for identity in known if identity not in answered]
    turn = 0
    while time.monotonic() < end:
        turn += 1
        identity = f"{name}-{os.getpid()}-{turn}"  # which no process before this one had
        if unsettled:
            identity = unsettled.pop()
        elif known and dice.random() < 0.2:
            identity = dice.choice(list(known))
        request = known.get(identity) or invent(registry, dice, Path(folder))
        if identity not in known:
            known[identity] = request
        log.add(Line(identity, "begin", request))
        try:
            log.add(Line(identity, "done", perform(registry, request, identity, source)))
        except (Conflict, NotFound) as error:  # it is gone, it moved, it is protected: whatever else is a failure
            log.add(Line(identity, "refused", str(error)))
        except Indeterminate as error:
            log.add(Line(identity, "indeterminate", str(error)))
        except BaseException:
            log.add(Line(identity, "failed", traceback.format_exc()))
            return
