"""Checks: commands that must succeed before a stage lets a version in. Only what is said of them: nothing is run here.

A command is a list of arguments. Written as one text it is taken apart once, as a shell would take it apart, and what
``{path}``, ``{ref}`` and ``{stage}`` stand for is put in afterwards: it is never looked at again, whatever is in it. No
shell runs it; and where a program is given code (``sh -c``, ``python -c``) nothing is put into that code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...core import values
from ...core.lazy_dataclass import dataclass
from ...core.quantities import parse_duration
from ...core.text import escape_for_message
from ...errors import InvalidInput
from ..settings_errors import Path, SettingsSource, suggest
from .policy import FAILED, Policies, PolicyInput, RuleOutcome

#: The keys of a check that is a mapping, and what stands in braces in its arguments.
KEYS = ("run", "time_limit", "name")
PLACEHOLDERS = ("path", "ref", "stage")
#: Seconds that a check has, unless it is said, and at most.
TIME_LIMIT, LONGEST = 600.0, 86_400.0
#: Most checks of a stage in one document.
MOST = 50

NOT_RUN = RuleOutcome(FAILED, "was not run")
NOT_TRUSTED = RuleOutcome(FAILED, "was not run: not trusted (registry trust)")

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")
_BRACES = re.compile(r"\{([A-Za-z_]{2,20})\}")
#: Words that only a shell understands.
_SHELL = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "<<"})
_CODE = re.compile(r"-[A-Za-z]*c\Z")
_EXAMPLE = "write it as python /opt/checks/smoke.py {path}"


class CommandCheck(NamedTuple):
    """One command: its arguments as they were written, and the seconds that it has."""

    name: str
    arguments: tuple[str, ...]
    seconds: float = TIME_LIMIT

    @property
    def command(self) -> str:
        """The command as somebody would type it."""
        return " ".join(
            shlex.quote(each) if re.search(r"[^\w@%+=:,./{}-]", each) or not each else each for each in self.arguments
        )

    @property
    def wanted(self) -> str:
        return self.command if self.seconds == TIME_LIMIT else f"{self.command} (in {format_time_limit(self.seconds)})"

    @property
    def scale(self) -> tuple[str, ...]:
        """Of two that are the same but for their time, the one with less implies the other."""
        return ("checks", self.name, *self.arguments)

    def fill(self, replacements: Mapping[str, str]) -> list[str]:
        """The arguments to run it with."""
        return [_PLACEHOLDER.sub(lambda match: replacements[match[1]], each) for each in self.arguments]


def format_time_limit(seconds: float) -> str:
    """A length of time as it is written: ``90s``, ``10min``."""
    for unit, size in (("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:g}s"


def build_check_rule(check: CommandCheck) -> Callable[[PolicyInput], RuleOutcome]:
    """What the command found, which was run before; one that was not run does not pass."""
    return lambda facts: facts.checks.get(check, NOT_RUN)


def parse_checks(
    value: Any, path: Path, source: SettingsSource, *, empty: bool = False
) -> Iterator[tuple[CommandCheck, Path]]:
    """A list of checks, each with its place. One without anything in it says something only if it overrides (``empty``)."""
    if not isinstance(value, list) or (not value and not empty):
        raise source.error(path, "is no list with something in it", f"{_EXAMPLE}, behind a '- '")
    if len(value) > MOST:
        raise source.error(path, f"has {len(value):,} checks", f"{MOST} is the most")
    names: set[str] = set()
    for at, each in enumerate(value):
        place = (*path, str(at))
        check = _parse_check(each, place, source)
        if check.name in names:
            raise source.error(
                place, f"there are two checks '{escape_for_message(check.name)}'", "give each a 'name' of its own"
            )
        names.add(check.name)
        yield check, place


def _parse_check(value: Any, path: Path, source: SettingsSource) -> CommandCheck:
    document = value if isinstance(value, Mapping) else {"run": value}
    for key in document:
        if key not in KEYS:
            hint = suggest(key, KEYS) or f"use {', '.join(KEYS)}"
            raise source.error((*path, key), f"there is no key '{escape_for_message(key)}' here", hint)
        if document[key] is None:
            raise source.error((*path, key), "says nothing", "give it a value, or leave it out")
    if "run" not in document:
        raise source.error(path, "has no 'run'", _EXAMPLE)
    place = (*path, "run") if isinstance(value, Mapping) else path
    arguments = _parse_arguments(document["run"], place, source)
    name = _parse_name(document.get("name", arguments[0].rpartition("/")[2]), (*path, "name"), source)
    return CommandCheck(name, arguments, _parse_seconds(document.get("time_limit"), (*path, "time_limit"), source))


def _parse_name(value: Any, path: Path, source: SettingsSource) -> str:
    if not isinstance(value, str):
        raise source.error(path, "is no text", "write it as smoke-test")
    try:
        return values.key(value)
    except InvalidInput as error:
        raise source.error(path, error.message, error.hint) from None


def _parse_seconds(value: Any, path: Path, source: SettingsSource) -> float:
    if value is None:
        return TIME_LIMIT
    if not isinstance(value, str):
        raise source.error(path, "is no length of time", "write it as 30s or 10min")
    try:
        seconds = parse_duration(value).total_seconds()
    except InvalidInput as error:
        raise source.error(path, error.message, error.hint) from None
    if not 0 < seconds <= LONGEST:
        raise source.error(
            path, f"'{escape_for_message(value)}' is no time that a check can have", "more than 0s, at most 24h"
        )
    return seconds


def _parse_arguments(value: Any, path: Path, source: SettingsSource) -> tuple[str, ...]:
    words = value
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise source.error(path, f"can't be taken apart: {error}".rstrip("."), "close what is quoted") from None
        if strange := next((word for word in words if word in _SHELL), None):
            hint = "no shell runs it: write [sh, -c, '…'], and $REGISTRY_PATH in it for the path"
            raise source.error(path, f"has '{strange}' in it, which only a shell understands", hint)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise source.error(path, "is no command", f"{_EXAMPLE}, or as a list of texts")
    for word in words:
        try:
            values.text(word, path[-1])
        except InvalidInput as error:
            raise source.error(path, error.message, error.hint) from None
    _check_program(words[0], path, source)
    _check_placeholders(words, path, source)
    return tuple(words)


def _check_program(program: str, path: Path, source: SettingsSource) -> None:
    """It runs in an empty folder, so a program that is looked for from there can't be meant."""
    if not program.strip() or _PLACEHOLDER.search(program):
        raise source.error(path, "names no program of yours", "what is run is never a part of the artifact")
    if "/" in program and not program.startswith("/"):
        raise source.error(
            path,
            f"'{escape_for_message(program)}' is no whole path",
            "write the path from / on, or a name that is found on the PATH",
        )


def _check_placeholders(words: list[str], path: Path, source: SettingsSource) -> None:
    for at, word in enumerate(words):
        for match in _BRACES.finditer(word):
            if match[1] not in PLACEHOLDERS and (hint := suggest(match[1], PLACEHOLDERS, 0.6)):
                raise source.error(path, f"there is no {{{match[1]}}}", hint)
        if at and _CODE.match(words[at - 1]) and _PLACEHOLDER.search(word):
            hint = "use the variables REGISTRY_PATH, REGISTRY_REF and REGISTRY_STAGE there"
            raise source.error(path, f"puts something into the code behind {words[at - 1]}", hint)


@dataclass(frozen=True)
class Command:
    """One command of a stage, and where it stands. ``arguments`` are as written, ``{path}`` and all."""

    stage: str
    name: str
    arguments: tuple[str, ...]
    time_limit: float
    file: str
    line: int | None = None


@dataclass(frozen=True)
class CommandSet:
    """The commands of the policies in force for a registry, a group or a model.

    ``root`` is the real path of the registry's folder and ``id`` its id: the same commands elsewhere are others.
    """

    root: str
    id: str
    name: str
    items: tuple[Command, ...]

    @property
    def digest(self) -> str:
        """What is trusted. It changes with every argument, time limit, name and stage, and with the registry's place."""
        rows = [[each.stage, each.name, list(each.arguments), each.time_limit] for each in self.items]
        text = json.dumps([self.root, self.id, sorted(rows)], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def iter_commands(policies: Policies) -> Iterator[Command]:
    """Every command of these policies, stage by stage."""
    for stage, policy in policies.items():
        for rule in policy.rules:
            if check := rule.check:
                yield Command(stage, check.name, check.arguments, check.seconds, rule.source.file, rule.line)
