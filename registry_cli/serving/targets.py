"""``targets.yaml``: the places where versions are served. People edit it."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.lazy_dataclass import Record, dataclass
from ..core.quantities import parse_duration
from ..core.text import escape_for_message, suggest
from ..errors import InvalidInput, NotFound
from ..rules.policy import command_checks
from ..rules.settings_errors import SettingsSource, check_unknown_keys
from ..store import codec
from ..store.layout import TARGETS, Layout

LAYOUTS = ("plain", "tf-serving", "triton", "mlserver", "torchserve", "mlflow", "bentoml", "fastapi")
#: The keys of the document, and of a target.
DOCUMENT_KEYS = ("format", "targets")
KEYS = (
    "layout", "path", "host", "follows", "models", "probe", "reload", "keep", "wait", "server_path", "handler",
)  # fmt: skip
#: Seconds that a server has to run a new version, and the versions that are kept in a target: the defaults.
WAIT, KEEP = 120.0, 2
#: Seconds after which the command of a target is stopped.
COMMAND_LIMIT = 600.0
NONE, API = "none", "api"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z", re.ASCII)
_URL = re.compile(r"https?://[^\s/?#]+(/[^\s#]*)?(#(/[^\s]*)?)?\Z", re.ASCII)


@dataclass(frozen=True)
class Target(Record):
    """A place where versions are served: the folder ``path`` in the ``layout`` of a server.

    ``follows`` is the stage whose version ``sync`` deploys, of the models that match ``models`` and of those that are
    deployed there. ``host`` is the machine that has the path; empty for every machine. ``probe`` is the address at which
    the server says what it runs. ``reload`` says how the server takes a new version: ``none`` (it looks by itself), ``api``,
    or a ``command``. ``keep`` versions stay in the folder. ``wait`` is in seconds. ``server_path`` is the folder as
    the server sees it.
    """

    name: str
    layout: str
    path: str
    host: str = ""
    follows: str = ""
    models: tuple[str, ...] = ()
    probe: str = ""
    reload: str = NONE
    command: tuple[str, ...] = ()
    keep: int = KEEP
    wait: float = WAIT
    server_path: str = ""
    handler: str = ""
    line: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether this machine has the path."""
        return self.host in ("", os.uname().nodename)

    def takes(self, model: str) -> bool:
        """Whether ``sync`` deploys this model also if it never was deployed here."""
        return any(fnmatch.fnmatchcase(model, pattern) for pattern in self.models)


class Targets(NamedTuple):
    """The targets by name, in the order of the document, and where its lines are."""

    by_name: Mapping[str, Target]
    source: SettingsSource

    def get(self, name: str) -> Target:
        """Return a target. Raises :class:`NotFound`."""
        if name not in self.by_name:
            hint = suggest(name, self.by_name) or "run 'registry target list', or 'registry edit --targets' to add it"
            raise NotFound(f"target '{escape_for_message(name)}' not found", hint)
        return self.by_name[name]


def load_targets(layout: Layout) -> Targets:
    """Load ``targets.yaml``. Without the file there are no targets. Raises :class:`InvalidInput`, with the line."""
    try:
        document, source = codec.load_with_lines(layout.targets, TARGETS)
    except FileNotFoundError:
        return Targets({}, SettingsSource(TARGETS))
    return parse_targets(document, source, layout)


def parse_targets(document: Mapping[str, Any], source: SettingsSource, layout: Layout) -> Targets:
    check_unknown_keys(document, DOCUMENT_KEYS, source)
    entries = document.get("targets") or {}
    if not isinstance(entries, Mapping):
        raise source.error(
            ("targets",), "is not a mapping", "write 'NAME: {layout: plain, path: /srv/models}' below it"
        )
    found: dict[str, Target] = {}
    for name, entry in entries.items():
        place = ("targets", str(name))
        if not isinstance(name, str) or not _NAME.match(name):
            raise source.error(place, "is not a valid name", "use lower-case letters, digits, '.', '_' and '-'")
        source.check_keys(entry, KEYS, place)
        found[name] = _parse_target(name, entry, place, source, layout)
    return Targets(found, source)


def _parse_target(
    name: str, entry: Mapping[str, Any], place: tuple[str, ...], source: SettingsSource, layout: Layout
) -> Target:
    texts: dict[str, Any] = {}
    for key in ("layout", "path", "host", "follows", "probe", "server_path", "handler"):
        value = entry.get(key, "")
        if not isinstance(value, str) or (key in entry and not value.strip()):
            raise source.error((*place, key), "is not text", "write it in quotes")
        texts[key] = value
    if texts["layout"] not in LAYOUTS:
        hint = suggest(texts["layout"], LAYOUTS) or f"use {', '.join(LAYOUTS)}"
        raise source.error((*place, "layout"), f"'{escape_for_message(texts['layout'])}' is not a layout", hint)
    _check_path(texts["path"], (*place, "path"), source, layout)
    if texts["probe"] and not _URL.match(texts["probe"]):
        raise source.error((*place, "probe"), "is not an HTTP address", "write it as http://127.0.0.1:8000")
    models = entry.get("models", [])
    if not isinstance(models, list) or not all(isinstance(each, str) and each for each in models):
        raise source.error((*place, "models"), "is not a list of names", "write it as [churn, 'risk/*']")
    keep = entry.get("keep", KEEP)
    if type(keep) is not int or not 1 <= keep <= 1_000:
        raise source.error((*place, "keep"), "is not a number from 1 to 1000", f"{KEEP} if left out")
    return Target(
        name, **texts, models=tuple(models), **_parse_reload(entry, place, source, layout), keep=keep,
        wait=_parse_wait(entry, place, source), line=source.line(place),
    )  # fmt: skip


def _parse_wait(entry: Mapping[str, Any], place: tuple[str, ...], source: SettingsSource) -> float:
    if "wait" not in entry:
        return WAIT
    if not isinstance(entry["wait"], str):
        raise source.error((*place, "wait"), "is not a duration", "write it as 30s or 5min")
    seconds: float = source.checked((*place, "wait"), parse_duration, entry["wait"]).total_seconds()
    if seconds > 86_400:
        raise source.error((*place, "wait"), "is longer than a day", "write it as 30s or 5min")
    return seconds


def _parse_reload(
    entry: Mapping[str, Any], place: tuple[str, ...], source: SettingsSource, layout: Layout
) -> dict[str, Any]:
    value, path = entry.get("reload", NONE), (*place, "reload")
    if value in (NONE, API):
        if value == API and "probe" not in entry:
            raise source.error(path, "needs 'probe', the address of the server", "write it as http://127.0.0.1:8000")
        if value == API and entry["layout"] in ("plain", "mlflow", "bentoml", "tf-serving"):
            raise source.error(
                path, f"servers of layout {entry['layout']} have no API for it", "use none, or a command"
            )
        return {"reload": value}
    command = command_checks.parse_arguments(value, path, source)
    for word in command:
        if word.startswith("/") and "{" not in word and is_inside(word, str(layout.root)):
            raise source.error(path, f"'{escape_for_message(word)}' is inside the registry", "keep programs elsewhere")
    return {"reload": "command", "command": command}


def _check_path(path: str, place: tuple[str, ...], source: SettingsSource, layout: Layout) -> None:
    if not path.startswith("/") or os.path.normpath(path) in ("/", "//"):
        raise source.error(place, f"'{escape_for_message(path)}' is not an absolute path", "write it as /srv/models")
    if "\0" in path or "\n" in path or ".." in path.split("/"):
        raise source.error(place, "is not a plain path", "leave out '..'")
    if is_inside(path, str(layout.root)) or is_inside(str(layout.root), path):
        raise source.error(place, "is inside the registry, or the registry inside it", "choose another folder")


def is_inside(path: str, folder: str) -> bool:
    """Return whether ``path``, with all links resolved, is ``folder`` or something in it."""
    real, around = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([real, around]) == around


def ensure_outside(target: Target, layout: Layout) -> None:
    """Raise :class:`InvalidInput` if the path leads into the registry by now: a link may have changed."""
    if is_inside(target.path, str(layout.root)) or is_inside(str(layout.root), target.path):
        raise InvalidInput(f"the path of target {target.name} is inside the registry, or the registry inside it")
