"""Hooks: what a user's own folder wants done after a change: programs to be run, addresses to be told.

All of it lies in the user's folder of settings, never in a registry: ``hooks/`` holds programs that are run for every
registry, ``hooks/ID/`` those for the registry with this id, ``hooks.yaml`` the addresses. The change is made before any
of them hears of it: whatever they do, it stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ..core.lazy_dataclass import dataclass
from ..core.records import Event
from ..errors import RegistryError, explain
from .hook_settings import ALL, Limits, Settings, Wanted, read
from .user_config import HOOK_SETTINGS, HOOKS, refuse_foreign

SCHEMA = 1
#: Set for the programs that we run: what they change sets off no hooks again.
INSIDE = "REGISTRY_INSIDE_HOOK"
#: Seconds before the first, the second ... repetition.
_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: Characters of what a program said last, in a warning.
_LINE = 160


@dataclass(frozen=True)
class Place:
    """The registry in which something happened."""

    root: str
    id: str


class Failure(Exception):
    """One attempt that came to nothing; ``final`` if another would not fare better."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


class Hook(Protocol):
    """Somebody who wants to know. ``name`` has nothing secret in it."""

    @property
    def name(self) -> str: ...
    @property
    def wanted(self) -> Wanted: ...
    @property
    def limits(self) -> Limits: ...

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:
        """Tell of an event, once. Raises :class:`Failure`."""


@dataclass(frozen=True)
class Program:
    """An executable of the user's. It gets the event as JSON on its standard input."""

    path: Path
    limits: Limits
    wanted: Wanted = ALL

    @property
    def name(self) -> str:
        return str(self.path)

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:  # noqa: ARG002
        """Run it. What could have been written by others is not run."""
        from ..core import subprocesses
        from ..core.redaction import redact_text

        try:
            refuse_foreign(self.path)
            refuse_foreign(self.path.parent)
            done = subprocesses.run(
                [str(self.path)], seconds=self.limits.seconds, data=body, folder=self.path.parent, variables=variables
            )
        except RegistryError as error:
            raise Failure(f"was not run: {error}", final=True) from None
        except OSError as error:
            words = "is not executable" if isinstance(error, PermissionError) else f"can't be run: {explain(error)}"
            raise Failure(words, final=True) from None
        if done.code is None:
            raise Failure(f"took longer than {self.limits.seconds:g} s and was stopped")
        if done.code:
            ended = f"was ended by signal {-done.code}" if done.code < 0 else f"failed with exit code {done.code}"
            said = (done.errors or done.output).decode("utf-8", "replace").strip().splitlines()
            raise Failure(f"{ended}: {redact_text(said[-1])[:_LINE]}" if said else ended)


def load(folder: Path, registry: str, warn: Callable[[str], None]) -> list[Hook]:
    """The hooks of a user for a registry, by its id. What can't be used is told to ``warn``, and left out."""
    settings = _settings(folder / HOOK_SETTINGS, warn)
    found: list[Hook] = []
    for place in (folder / HOOKS, folder / HOOKS / registry):
        found += [Program(path, settings.programs) for path in _programs(place, warn)]
    if settings.webhooks:
        from .webhooks import Webhook

        found += [Webhook(each) for each in settings.webhooks if each.registry in ("", registry)]
    return found


def _settings(path: Path, warn: Callable[[str], None]) -> Settings:
    try:
        return read(path)
    except FileNotFoundError:
        return Settings()
    except RegistryError as error:
        warn(f"hooks.yaml is not followed: {error}")
    except OSError as error:
        warn(f"hooks.yaml is not followed: {explain(error)}")
    return Settings()


def _programs(folder: Path, warn: Callable[[str], None]) -> Iterator[Path]:
    """Every file of a folder but hidden ones, by name; whether it can be run is seen when it is."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        warn(f"hooks are not run: {explain(error)}")
        return
    yield from (path for path in paths if not path.name.startswith(".") and not path.is_dir())


def document(place: Place, model: str, event: Event) -> dict[str, object]:
    """What a hook is told of an event."""
    return {
        "schema": SCHEMA,
        "kind": "hook",
        "registry": {"id": place.id, "root": place.root},
        "model": model,
        "ref": model if event.version is None else f"{model}@{event.version}",
        "event": event.document(),
    }


def deliver(
    hooks: Iterable[Hook],
    place: Place,
    events: Iterable[tuple[str, Event]],
    warn: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Tell each hook of the events that it wants, one after the other. What fails is told to ``warn``, and no more."""
    listening = list(hooks)
    for model, event in events:
        said = document(place, model, event)
        body = json.dumps(said, ensure_ascii=True).encode()
        variables = {
            "REGISTRY_ACTION": event.action,
            "REGISTRY_MODEL": model,
            "REGISTRY_REF": str(said["ref"]),
            "REGISTRY_ROOT": place.root,
            "REGISTRY_HOME": place.root,
            INSIDE: "1",
        }
        for hook in listening:
            if hook.wanted.fits(model, event.action):
                _tell(hook, body, event, variables, warn, pause)


def _tell(
    hook: Hook,
    body: bytes,
    event: Event,
    variables: Mapping[str, str],
    warn: Callable[[str], None],
    pause: Callable[[float], None],
) -> None:
    for attempt in range(hook.limits.retries + 1):
        try:
            hook.attempt(body, event, variables)
            return
        except Failure as failure:
            if failure.final or attempt == hook.limits.retries:
                tries = f" ({attempt + 1} attempts)" if attempt else ""
                warn(f"hook {hook.name} {failure}{tries}; '{event.action}' is done all the same")
                return
            pause(_PAUSES[min(attempt, len(_PAUSES) - 1)])
