"""Checks: commands that must succeed before a version may enter a stage. ``operations`` runs them.

A command is a list of arguments. One that is written as text is split once, as a shell would split it; ``{path}``,
``{ref}`` and ``{stage}`` are replaced afterwards, so that their values are never split or expanded. No shell is
involved, and nothing is inserted into the code of an interpreter (``sh -c``, ``python -c``).
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...core import values
from ...core.lazy_dataclass import Record, dataclass
from ...core.quantities import parse_duration
from ...core.text import escape_for_message, suggest
from ..settings_errors import Path, SettingsSource
from .policy import FAILED, Policies, PolicyInput, RuleOutcome

#: The keys of a check that is a mapping, and the placeholders in its arguments.
KEYS = ("run", "time_limit", "name")
PLACEHOLDERS = ("path", "ref", "stage")
#: The time limit of a check in seconds: the default, and the highest.
TIME_LIMIT, LONGEST = 600.0, 86_400.0
#: The most checks of a stage in one document.
MOST = 50

NOT_TRUSTED = RuleOutcome(FAILED, "was not run: not trusted (registry trust)")

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
_BRACES = re.compile(r"\{([A-Za-z_]{2,20})\}")
#: Words that only a shell interprets.
_SHELL = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "<<"})
_CODE = re.compile(r"-[A-Za-z]*c\Z")
_EXAMPLE = "for example: python /opt/checks/smoke.py {path}"


class CommandCheck(NamedTuple):
    """A command: its arguments with their placeholders, and its time limit in seconds."""

    name: str
    arguments: tuple[str, ...]
    seconds: float = TIME_LIMIT

    @property
    def command(self) -> str:
        """The command as typed into a shell."""
        return " ".join(
            shlex.quote(each) if re.search(r"[^\w@%+=:,./{}-]", each) or not each else each for each in self.arguments
        )

    def fill(self, replacements: Mapping[str, str]) -> list[str]:
        """The arguments with the placeholders replaced."""
        return [_PLACEHOLDER.sub(lambda match: replacements[match[1]], each) for each in self.arguments]


def format_time_limit(seconds: float) -> str:
    """A time limit as policies write it: ``90s``, ``10min``."""
    for unit, size in (("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def has_succeeded(check: CommandCheck, facts: PolicyInput) -> RuleOutcome:
    return facts.checks.get(check, RuleOutcome(FAILED, "was not run"))


def parse_checks(value: Any, path: Path, source: SettingsSource, *, empty: bool) -> Iterator[tuple[CommandCheck, Path]]:
    """Parse a list of checks; yield each with its place. An ``empty`` list is valid where it overrides another one."""
    if not isinstance(value, list) or (not value and not empty):
        raise source.error(path, "must be a non-empty list", f"{_EXAMPLE}, after '- '")
    if len(value) > MOST:
        raise source.error(path, f"has {len(value):,} checks", f"the limit is {MOST}")
    names: set[str] = set()
    for at, each in enumerate(value):
        place = (*path, str(at))
        check = _parse_check(each, place, source)
        if check.name in names:
            message = f"duplicate check '{escape_for_message(check.name)}'"
            raise source.error(place, message, "give each check its own 'name'")
        names.add(check.name)
        yield check, place


def _parse_check(value: Any, path: Path, source: SettingsSource) -> CommandCheck:
    document = value if isinstance(value, Mapping) else {"run": value}
    source.check_keys(document, KEYS, path)
    if "run" not in document:
        raise source.error(path, "has no 'run'", _EXAMPLE)
    place = (*path, "run") if isinstance(value, Mapping) else path
    arguments = parse_arguments(document["run"], place, source)
    name = document.get("name", arguments[0].rpartition("/")[2])
    if not isinstance(name, str):
        raise source.error((*path, "name"), "must be text", "for example: smoke-test")
    name = source.checked((*path, "name"), values.key, name)
    return CommandCheck(name, arguments, _parse_seconds(document.get("time_limit"), (*path, "time_limit"), source))


def _parse_seconds(value: Any, path: Path, source: SettingsSource) -> float:
    if value is None:
        return TIME_LIMIT
    if not isinstance(value, str):
        raise source.error(path, "must be a duration", "for example: 30s or 10min")
    seconds: float = source.checked(path, parse_duration, value).total_seconds()
    if not 0 < seconds <= LONGEST:
        message = f"'{escape_for_message(value)}' is out of range"
        raise source.error(path, message, "use more than 0s and at most 24h")
    return seconds


def parse_arguments(value: Any, path: Path, source: SettingsSource) -> tuple[str, ...]:
    """Parse a command: a text, or a list of arguments. Raises :class:`InvalidInput`, with the line."""
    words = value
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise source.error(path, f"cannot be parsed: {error}".rstrip("."), "close the quotes") from None
        if strange := next((word for word in words if word in _SHELL), None):
            hint = "commands run without a shell: use [sh, -c, '…'] with $REGISTRY_PATH for the path"
            raise source.error(path, f"contains '{strange}', which only a shell understands", hint)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise source.error(path, "is not a command", f"{_EXAMPLE}, or a list of text")
    for word in words:
        source.checked(path, values.text, word, path[-1])
    _check_program(words[0], path, source)
    _check_placeholders(words, path, source)
    return tuple(words)


def _check_program(program: str, path: Path, source: SettingsSource) -> None:
    """Refuse a relative path: the check runs in an empty folder."""
    if not program.strip() or _PLACEHOLDER.search(program):
        raise source.error(path, "must not run a file of the artifact", "keep the program outside the registry")
    if "/" in program and not program.startswith("/"):
        hint = "use an absolute path or a name found on the PATH"
        raise source.error(path, f"'{escape_for_message(program)}' is not an absolute path", hint)


def _check_placeholders(words: list[str], path: Path, source: SettingsSource) -> None:
    for at, word in enumerate(words):
        for match in _BRACES.finditer(word):
            if match[1] not in PLACEHOLDERS and (hint := suggest(match[1], PLACEHOLDERS, 0.6)):
                raise source.error(path, f"unknown placeholder {{{match[1]}}}", hint)
        if at and _CODE.match(words[at - 1]) and _PLACEHOLDER.search(word):
            hint = "use the variables REGISTRY_PATH, REGISTRY_REF and REGISTRY_STAGE instead"
            raise source.error(path, f"inserts text into the code after {words[at - 1]}", hint)


@dataclass(frozen=True)
class Command(Record):
    """A command of a stage, and its place in a document. ``arguments`` have their placeholders."""

    stage: str
    name: str
    arguments: tuple[str, ...]
    time_limit: float
    file: str
    line: int | None = None


@dataclass(frozen=True)
class CommandSet(Record):
    """The commands of the policies in force for a registry, a group or a model.

    ``root`` is the real path of the registry's folder and ``id`` its id: trust does not extend to other registries.
    """

    root: str
    id: str
    name: str
    items: tuple[Command, ...]

    @property
    def digest(self) -> str:
        """The identity of what is trusted: every argument, time limit, name and stage, and the registry's place."""
        rows = [[each.stage, each.name, list(each.arguments), each.time_limit] for each in self.items]
        text = json.dumps([self.root, self.id, sorted(rows)], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def iter_commands(policies: Policies) -> Iterator[Command]:
    """Yield the commands of all policies, stage by stage."""
    for stage, policy in policies.items():
        for rule in policy.rules:
            if check := rule.check:
                yield Command(stage, check.name, check.arguments, check.seconds, rule.source.file, rule.line)
