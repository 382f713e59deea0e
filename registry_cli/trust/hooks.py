"""Hooks: programs to run and addresses to notify after a change, from ``hooks/`` and ``hooks.yaml``.

All of it lies in the user's folder of settings, never in a registry: ``hooks/`` holds programs that are run for every
registry, ``hooks/ID/`` those for the registry with this id, ``hooks.yaml`` the addresses. The change is made before any
of them hears of it: whatever they do, it stays.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from ..core.accounts import HOOK_SETTINGS, HOOKS
from ..core.lazy_dataclass import dataclass, field
from ..core.quantities import parse_duration
from ..core.records import Event
from ..core.text import escape_for_message
from ..core.yaml import documents
from ..errors import InvalidInput, RegistryError, explain
from ..rules.event_history import ACTIONS
from ..rules.settings_errors import Path as Place
from ..rules.settings_errors import SettingsSource, suggest
from ..store.filesystem import files
from .user_config import ensure_private

#: The keys of the document, of ``programs:`` and of each of ``webhooks:``.
KEYS = ("programs", "webhooks")
PROGRAM_KEYS = ("time_limit", "retries")
WEBHOOK_KEYS = ("url", "secret", "secret_file", "actions", "models", "registry", "time_limit", "retries")
#: What is told besides what a history has.
REFUSED = "gate-refused"
LONGEST, MOST_RETRIES = 600.0, 10
_LIMIT = 1 << 20
_SECRET = 4_096
_T = TypeVar("_T")


class HookLimits(NamedTuple):
    """Seconds for each attempt, and how often it is repeated."""

    seconds: float
    retries: int


class HookFilter(NamedTuple):
    """Of which changes somebody wants to know: all, where nothing is said. Models are patterns: ``risk/*``."""

    actions: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()

    def fits(self, model: str, action: str) -> bool:
        of_model = not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)
        return of_model and (not self.actions or action in self.actions)


ALL = HookFilter()
PROGRAMS, WEBHOOKS = HookLimits(30.0, 0), HookLimits(10.0, 2)


@dataclass(frozen=True)
class WebhookSettings:
    """One address. ``secret`` is the key that what is sent is signed with; it is never shown."""

    url: str
    limits: HookLimits = WEBHOOKS
    wanted: HookFilter = ALL
    registry: str = ""
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class HookSettings:
    """What ``hooks.yaml`` says."""

    programs: HookLimits = PROGRAMS
    webhooks: tuple[WebhookSettings, ...] = ()


def read_settings(path: Path) -> HookSettings:
    """The settings in a file. :class:`InvalidInput` for a slip, with its line; :class:`Refused` for what others can write."""
    ensure_private(path)
    data = path.read_bytes()
    document = documents.loads(data, str(path), limit=_LIMIT) or {}
    source = SettingsSource(str(path), lambda: documents.lines(data))
    _check_keys(document, KEYS, (), source)
    programs = document.get("programs", {})
    _check_keys(programs, PROGRAM_KEYS, ("programs",), source)
    said = document.get("webhooks", [])
    if not isinstance(said, list):
        raise source.error(("webhooks",), "is no list", "write '- url: https://…' lines below it")
    found = tuple(_parse_webhook(each, ("webhooks", str(at)), source, path.parent) for at, each in enumerate(said))
    if any("secret" in each for each in said):
        ensure_private(path, private=True)
    return HookSettings(_parse_limits(programs, ("programs",), source, PROGRAMS), found)


def _parse_webhook(said: Any, place: Place, source: SettingsSource, folder: Path) -> WebhookSettings:
    _check_keys(said, WEBHOOK_KEYS, place, source)
    url = said.get("url")
    parts = _parse_value(lambda: urlsplit(url), (*place, "url"), source) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or not str(url).isprintable():
        raise source.error((*place, "url"), "is no address", "write it as https://example.org/hook")
    if parts.username is not None:
        raise source.error((*place, "url"), "has a name and a password in it", "use secret_file instead")
    registry = said.get("registry", "")
    if not isinstance(registry, str):
        raise source.error((*place, "registry"), "is no text", "it is the id of a registry: registry info shows it")
    actions = _parse_texts(said, "actions", place, source)
    for action in actions:
        if action not in (*ACTIONS, REFUSED):
            hint = suggest(action, (*ACTIONS, REFUSED)) or f"there are {', '.join((*ACTIONS, REFUSED))}"
            raise source.error((*place, "actions"), f"there is no action '{escape_for_message(action)}'", hint)
    return WebhookSettings(
        str(url),
        _parse_limits(said, place, source, WEBHOOKS),
        HookFilter(frozenset(actions), tuple(_parse_texts(said, "models", place, source))),
        registry,
        _read_secret(said, place, source, folder),
    )


def _read_secret(said: Mapping[str, Any], place: Place, source: SettingsSource, folder: Path) -> bytes:
    if "secret" in said and "secret_file" in said:
        raise source.error((*place, "secret"), "stands beside 'secret_file'", "say one of them")
    for key in ("secret", "secret_file"):
        if key in said and not (isinstance(said[key], str) and said[key].strip()):
            raise source.error((*place, key), "is no text", "write it in quotes")
    if "secret" in said:
        return str(said["secret"]).encode()
    if "secret_file" not in said:
        return b""
    path = folder / Path(said["secret_file"]).expanduser()
    try:
        ensure_private(path, private=True)
        secret = files.read(path, _SECRET, str(path)).strip()
    except OSError as error:
        raise source.error((*place, "secret_file"), explain(error)) from None
    if not secret:
        raise source.error((*place, "secret_file"), f"{path} is empty", "a signature with no key says nothing")
    return secret


def _parse_limits(said: Mapping[str, Any], place: Place, source: SettingsSource, default: HookLimits) -> HookLimits:
    seconds, retries = default
    if "time_limit" in said:
        at = (*place, "time_limit")
        seconds = _parse_value(lambda: parse_duration(str(said["time_limit"])).total_seconds(), at, source)
        if not 0 < seconds <= LONGEST:
            raise source.error(at, "is no time that a hook can have", f"more than 0s, at most {LONGEST:g}s")
    if "retries" in said:
        retries = said["retries"]
        if type(retries) is not int or not 0 <= retries <= MOST_RETRIES:
            raise source.error((*place, "retries"), "is no number of repetitions", f"0 to {MOST_RETRIES}")
    return HookLimits(seconds, retries)


def _parse_texts(said: Mapping[str, Any], key: str, place: Place, source: SettingsSource) -> list[str]:
    value = said.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value) or value != said.get(key, value):
        raise source.error((*place, key), "is no list of texts", f"write it as {key}: [a, b]")
    if key in said and not value:
        raise source.error((*place, key), "has nothing in it", "leave it out to be told of all")
    return value


def _check_keys(said: Any, known: tuple[str, ...], place: Place, source: SettingsSource) -> None:
    if not isinstance(said, dict):
        raise source.error(place, "is no mapping", f"use {', '.join(known)}")
    for key, value in said.items():
        if key not in known:
            hint = suggest(key, known) or f"use {', '.join(known)}"
            raise source.error((*place, key), f"there is no key '{escape_for_message(key)}' here", hint)
        if value is None:
            raise source.error((*place, key), "says nothing", "give it a value, or leave it out")


def _parse_value(value: Callable[[], _T], place: Place, source: SettingsSource) -> _T:
    try:
        return value()
    except InvalidInput as error:
        raise source.error(place, error.message, error.hint) from None
    except ValueError:
        raise source.error(place, "can't be read") from None


SCHEMA = 1
#: Set for the programs that we run: what they change sets off no hooks again.
INSIDE = "REGISTRY_INSIDE_HOOK"
#: Seconds before the first, the second ... repetition.
_PAUSES = (0.5, 1.0, 2.0, 4.0)
#: The header of a webhook that has a secret.
SIGNATURE = "X-Registry-Signature"
#: Answers after which another attempt may fare better, besides those from 500 on.
_AGAIN = frozenset({408, 425, 429})
#: Characters of what a program said last, in a warning.
_LINE = 160


@dataclass(frozen=True)
class RegistryIdentity:
    """The registry in which something happened."""

    root: str
    id: str


class HookError(Exception):
    """One attempt that came to nothing; ``final`` if another would not fare better."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


class Hook(Protocol):
    """Somebody who wants to know. ``name`` has nothing secret in it."""

    @property
    def name(self) -> str: ...
    @property
    def wanted(self) -> HookFilter: ...
    @property
    def limits(self) -> HookLimits: ...

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:
        """Tell of an event, once. Raises :class:`HookError`."""


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
        """Run it. What could have been written by others is not run."""
        from ..core import subprocesses
        from ..core.redaction import redact_text

        try:
            ensure_private(self.path)
            ensure_private(self.path.parent)
            done = subprocesses.run(
                [str(self.path)], seconds=self.limits.seconds, data=body, folder=self.path.parent, variables=variables
            )
        except RegistryError as error:
            raise HookError(f"was not run: {error}", final=True) from None
        except OSError as error:
            words = "is not executable" if isinstance(error, PermissionError) else f"can't be run: {explain(error)}"
            raise HookError(words, final=True) from None
        if done.code is None:
            raise HookError(f"took longer than {self.limits.seconds:g} s and was stopped")
        if done.code:
            ended = f"was ended by signal {-done.code}" if done.code < 0 else f"failed with exit code {done.code}"
            said = (done.errors or done.output).decode("utf-8", "replace").strip().splitlines()
            raise HookError(f"{ended}: {redact_text(said[-1])[:_LINE]}" if said else ended)


@dataclass(frozen=True)
class Webhook:
    """An address that is notified of changes."""

    settings: WebhookSettings

    @property
    def name(self) -> str:
        """Its scheme and host: a path may be as good as a password."""
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.netloc}/…"

    @property
    def wanted(self) -> HookFilter:
        return self.settings.wanted

    @property
    def limits(self) -> HookLimits:
        return self.settings.limits

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:  # noqa: ARG002
        """Send it, signed if there is a secret."""
        from . import webhooks  # with urllib, which programs do without

        headers = {
            "Content-Type": "application/json",
            "User-Agent": "registry-cli",
            "X-Registry-Event": event.action,
            "X-Registry-Delivery": event.id,
        }
        if self.settings.secret:
            headers[SIGNATURE] = webhooks.signature(self.settings.secret, body)
        answer = webhooks.post(self.settings.url, body, headers, self.limits.seconds)
        if answer is None:
            raise HookError(f"gave no answer within {self.limits.seconds:g} s")
        if isinstance(answer, str):
            raise HookError(f"can't be reached: {answer}")
        if not 200 <= answer < 300:
            raise HookError(f"answered {answer}", final=answer < 500 and answer not in _AGAIN)


def load_hooks(folder: Path, registry: str, warn: Callable[[str], None]) -> list[Hook]:
    """The hooks of a user for a registry, by its id. What can't be used is told to ``warn``, and left out."""
    settings = _settings(folder / HOOK_SETTINGS, warn)
    found: list[Hook] = []
    for place in (folder / HOOKS, folder / HOOKS / registry):
        found += [Program(path, settings.programs) for path in _programs(place, warn)]
    return found + [Webhook(each) for each in settings.webhooks if each.registry in ("", registry)]


def _settings(path: Path, warn: Callable[[str], None]) -> HookSettings:
    try:
        return read_settings(path)
    except FileNotFoundError:
        return HookSettings()
    except RegistryError as error:
        warn(f"hooks.yaml is not followed: {error}")
    except OSError as error:
        warn(f"hooks.yaml is not followed: {explain(error)}")
    return HookSettings()


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


def make_payload(place: RegistryIdentity, model: str, event: Event) -> dict[str, object]:
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
    place: RegistryIdentity,
    events: Iterable[tuple[str, Event]],
    warn: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Tell each hook of the events that it wants, one after the other. What fails is told to ``warn``, and no more."""
    listening = list(hooks)
    for model, event in events:
        said = make_payload(place, model, event)
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
                _notify(hook, body, event, variables, warn, pause)


def _notify(
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
        except HookError as failure:
            if failure.final or attempt == hook.limits.retries:
                tries = f" ({attempt + 1} attempts)" if attempt else ""
                warn(f"hook {hook.name} {failure}{tries}; '{event.action}' is done all the same")
                return
            pause(_PAUSES[min(attempt, len(_PAUSES) - 1)])
