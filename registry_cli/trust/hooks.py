"""Hooks: programs to run and webhooks to notify after a change, from ``hooks/`` and ``hooks.yaml``.

All of it lies in the user's configuration folder, never in a registry: ``hooks/`` has programs for every registry,
``hooks/ID/`` those for the registry with this id, ``hooks.yaml`` the webhooks. A change is committed before its hooks
run: it stays, whatever they do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ..core import subprocesses
from ..core.accounts import HOOK_SETTINGS, HOOKS
from ..core.lazy_dataclass import dataclass, field
from ..core.quantities import parse_duration
from ..core.records import Event
from ..core.redaction import redact_text
from ..core.text import escape_for_message, suggest
from ..core.yaml import documents
from ..errors import RegistryError, explain
from ..rules.event_history import ACTIONS
from ..rules.settings_errors import Path as Place
from ..rules.settings_errors import SettingsSource
from ..store.filesystem import files
from .user_config import ensure_private

if TYPE_CHECKING:
    from .webhook_templates import Template

#: The keys of the document, of ``programs:`` and of each of ``webhooks:``.
KEYS = ("programs", "webhooks")
PROGRAM_KEYS = ("time_limit", "retries")
WEBHOOK_KEYS = ("url", "secret", "secret_file", "actions", "models", "registry", "template", "time_limit", "retries")
#: An event for hooks that is not part of a history.
REFUSED = "gate-refused"
LONGEST, MOST_RETRIES = 600.0, 10
_LIMIT = 1 << 20
_SECRET = 4_096
_Pause = Callable[[float], None]

SCHEMA = 1
#: Set for the programs that we run: their own changes run no hooks.
INSIDE = "REGISTRY_INSIDE_HOOK"
#: Seconds before the first, the second ... repetition.
_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: Characters of the last line that a program printed, in a warning.
_LINE = 160
#: Status codes after which another attempt may succeed, besides those from 500 on.
_RETRIABLE = frozenset({408, 425, 429})


class HookLimits(NamedTuple):
    """Seconds for each attempt, and the number of repetitions."""

    seconds: float
    retries: int


class HookFilter(NamedTuple):
    """The changes that a hook is run for; if empty, all. Models are patterns: ``risk/*``."""

    actions: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()

    def matches(self, model: str, action: str) -> bool:
        of_model = not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)
        return of_model and (not self.actions or action in self.actions)


ALL = HookFilter()
PROGRAMS, WEBHOOKS = HookLimits(30.0, 0), HookLimits(10.0, 2)


class HookError(Exception):
    """One attempt failed; ``final`` if another would fail, too."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


@dataclass(frozen=True)
class Program:
    """An executable of the user's. It gets the event as JSON on its standard input."""

    path: Path
    limits: HookLimits
    wanted: HookFilter = ALL

    @property
    def name(self) -> str:
        return str(self.path)

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:  # noqa: ARG002
        """Run it, unless others could have written it."""
        try:
            ensure_private(self.path)
            ensure_private(self.path.parent)
            done = subprocesses.run(
                [str(self.path)], seconds=self.limits.seconds, data=body, folder=self.path.parent, variables=variables
            )
        except RegistryError as error:
            raise HookError(f"was not run: {error}", final=True) from None
        except OSError as error:
            words = "is not executable" if isinstance(error, PermissionError) else f"cannot be run: {explain(error)}"
            raise HookError(words, final=True) from None
        if done.code is None:
            raise HookError(f"timed out after {self.limits.seconds:g} s")
        if done.code:
            ended = f"was killed by signal {-done.code}" if done.code < 0 else f"failed with exit code {done.code}"
            lines = (done.errors or done.output).decode("utf-8", "replace").strip().splitlines()
            raise HookError(f"{ended}: {redact_text(lines[-1])[:_LINE]}" if lines else ended)


@dataclass(frozen=True)
class Webhook:
    """An address that gets events by POST. ``secret`` is the key that signs them; it is never shown."""

    url: str
    limits: HookLimits = WEBHOOKS
    wanted: HookFilter = ALL
    registry: str = ""
    secret: bytes = field(default=b"", repr=False)
    template: Template | None = None

    @property
    def name(self) -> str:
        """Its scheme and host: a path may be as good as a password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/…"

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:  # noqa: ARG002
        from . import webhooks  # with urllib and ssl

        body = self.template.render(json.loads(body)) if self.template else body
        answer = webhooks.post(self.url, body, event, self.secret, self.limits.seconds)
        if answer is None:
            raise HookError(f"did not respond within {self.limits.seconds:g} s")
        if isinstance(answer, str):
            raise HookError(f"cannot be reached: {answer}")
        if not 200 <= answer < 300:
            raise HookError(f"answered {answer}", final=answer < 500 and answer not in _RETRIABLE)


Hook = Program | Webhook


@dataclass(frozen=True)
class HookSettings:
    """The content of ``hooks.yaml``."""

    programs: HookLimits = PROGRAMS
    webhooks: tuple[Webhook, ...] = ()


def read_settings(path: Path) -> HookSettings:
    """Read ``hooks.yaml``. Raises :class:`InvalidInput` with the line, :class:`Refused` if others can write it."""
    ensure_private(path)
    data = path.read_bytes()
    document = documents.loads(data, str(path), limit=_LIMIT) or {}
    source = SettingsSource(str(path), lambda: documents.lines(data))
    source.check_keys(document, KEYS, ())
    programs = document.get("programs", {})
    source.check_keys(programs, PROGRAM_KEYS, ("programs",))
    listed = document.get("webhooks", [])
    if not isinstance(listed, list):
        raise source.error(("webhooks",), "must be a list", "write '- url: https://…' lines below it")
    found = tuple(_parse_webhook(each, ("webhooks", str(at)), source, path.parent) for at, each in enumerate(listed))
    if any("secret" in each for each in listed):
        ensure_private(path, private=True)
    return HookSettings(_parse_limits(programs, ("programs",), source, PROGRAMS), found)


def _parse_webhook(content: Any, place: Place, source: SettingsSource, folder: Path) -> Webhook:
    source.check_keys(content, WEBHOOK_KEYS, place)
    url = content.get("url")
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        host = parts and parts.hostname
    except ValueError:
        raise source.error((*place, "url"), "cannot be read") from None
    if parts is None or parts.scheme not in ("http", "https") or not host or not url.isprintable():
        raise source.error((*place, "url"), "must be a URL", "for example: https://example.org/hook")
    if parts.username is not None:
        raise source.error((*place, "url"), "contains a user name and password", "use secret_file instead")
    registry = content.get("registry", "")
    if not isinstance(registry, str):
        raise source.error((*place, "registry"), "must be text", "use the registry id shown by 'registry info'")
    actions = _parse_texts(content, "actions", place, source)
    for action in actions:
        if action not in (*ACTIONS, REFUSED):
            hint = suggest(action, (*ACTIONS, REFUSED)) or f"available: {', '.join((*ACTIONS, REFUSED))}"
            raise source.error((*place, "actions"), f"unknown action '{escape_for_message(action)}'", hint)
    return Webhook(
        url,
        _parse_limits(content, place, source, WEBHOOKS),
        HookFilter(frozenset(actions), tuple(_parse_texts(content, "models", place, source))),
        registry,
        _read_secret(content, place, source, folder),
        _parse_template(content, place, source),
    )


def _parse_template(content: Mapping[str, Any], place: Place, source: SettingsSource) -> Template | None:
    if "template" not in content:
        return None
    from .webhook_templates import parse_template

    return parse_template(content["template"], (*place, "template"), source)


def _read_secret(content: Mapping[str, Any], place: Place, source: SettingsSource, folder: Path) -> bytes:
    if "secret" in content and "secret_file" in content:
        raise source.error((*place, "secret"), "cannot be combined with 'secret_file'", "use one of them")
    for key in ("secret", "secret_file"):
        if key in content and not (isinstance(content[key], str) and content[key].strip()):
            raise source.error((*place, key), "must be text", "put it in quotes")
    if "secret_file" not in content:
        return str(content.get("secret", "")).encode()
    path = folder / Path(content["secret_file"]).expanduser()
    try:
        ensure_private(path, private=True)
        secret = files.read(path, _SECRET, str(path)).strip()
    except OSError as error:
        raise source.error((*place, "secret_file"), explain(error)) from None
    if not secret:
        raise source.error((*place, "secret_file"), f"{path} is empty", "a signature requires a key")
    return secret


def _parse_limits(content: Mapping[str, Any], place: Place, source: SettingsSource, default: HookLimits) -> HookLimits:
    seconds, retries = default
    if "time_limit" in content:
        at = (*place, "time_limit")
        seconds = source.checked(at, parse_duration, str(content["time_limit"])).total_seconds()
        if not 0 < seconds <= LONGEST:
            raise source.error(at, "is out of range", f"use more than 0s and at most {LONGEST:g}s")
    if "retries" in content:
        retries = content["retries"]
        if type(retries) is not int or not 0 <= retries <= MOST_RETRIES:
            raise source.error((*place, "retries"), "is not a valid number of retries", f"0 to {MOST_RETRIES}")
    return HookLimits(seconds, retries)


def _parse_texts(content: Mapping[str, Any], key: str, place: Place, source: SettingsSource) -> list[str]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise source.error((*place, key), "must be a list of text", f"write it as {key}: [a, b]")
    if key in content and not value:
        raise source.error((*place, key), "is empty", "remove it to receive all events")
    return value


@dataclass(frozen=True)
class RegistryIdentity:
    """The registry in which something happened."""

    root: str
    id: str


def load_hooks(folder: Path, registry: str, warn: Callable[[str], None]) -> list[Hook]:
    """Return a user's hooks for the registry with this id. One that can't be used is left out, with a warning."""
    settings = HookSettings()
    try:
        settings = read_settings(folder / HOOK_SETTINGS)
    except FileNotFoundError:
        pass
    except (RegistryError, OSError) as error:
        warn(f"ignoring hooks.yaml: {explain(error) if isinstance(error, OSError) else error}")
    return [
        *(Program(path, settings.programs) for path in _iter_programs(folder / HOOKS, warn)),
        *(Program(path, settings.programs) for path in _iter_programs(folder / HOOKS / registry, warn)),
        *(each for each in settings.webhooks if each.registry in ("", registry)),
    ]


def _iter_programs(folder: Path, warn: Callable[[str], None]) -> Iterator[Path]:
    """Yield the files of a folder that are not hidden, by name, executable or not."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        warn(f"hooks are not run: {explain(error)}")
        return
    yield from (path for path in paths if not path.name.startswith(".") and not path.is_dir())


def deliver(
    hooks: Iterable[Hook],
    place: RegistryIdentity,
    events: Iterable[tuple[str, Event]],
    warn: Callable[[str], None],
    pause: _Pause = time.sleep,
) -> None:
    """Run each hook for the events that it wants, one after the other. A failure is a warning."""
    hooks = list(hooks)
    for model, event in events:
        body, variables = _make_message(place, model, event)
        for hook in hooks:
            if hook.wanted.matches(model, event.action):
                _run(hook, partial(hook.attempt, body, event, variables), event.action, warn, pause)


def _make_message(place: RegistryIdentity, model: str, event: Event) -> tuple[bytes, dict[str, str]]:
    """The JSON of an event, and the variables of a program that gets it."""
    ref = model if event.version is None else f"{model}@{event.version}"
    payload = {
        "schema": SCHEMA,
        "kind": "hook",
        "registry": {"id": place.id, "root": place.root},
        "model": model,
        "ref": ref,
        "event": event.document(),
    }
    variables = {
        "REGISTRY_ACTION": event.action,
        "REGISTRY_MODEL": model,
        "REGISTRY_REF": ref,
        "REGISTRY_ROOT": place.root,
        "REGISTRY_HOME": place.root,
        INSIDE: "1",
    }
    return json.dumps(payload, ensure_ascii=True).encode(), variables


def ping(hooks: Iterable[Hook], place: RegistryIdentity, event: Event) -> Iterator[tuple[Hook, str]]:
    """Run each hook once with ``event``, whatever events it wants; yield it and why it failed, empty if it did not."""
    body, variables = _make_message(place, "example", event)
    for hook in hooks:
        try:
            hook.attempt(body, event, variables)
        except HookError as failure:
            yield hook, str(failure)
        else:
            yield hook, ""


def _run(hook: Hook, attempt: Callable[[], None], action: str, warn: Callable[[str], None], pause: _Pause) -> None:
    for number in range(hook.limits.retries + 1):
        try:
            attempt()
            return
        except HookError as failure:
            if failure.final or number == hook.limits.retries:
                tries = f" ({number + 1} attempts)" if number else ""
                warn(f"hook {hook.name} {failure}{tries}; the change '{action}' was made")
                return
            pause(_PAUSES[min(number, len(_PAUSES) - 1)])
