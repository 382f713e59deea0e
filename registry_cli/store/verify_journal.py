"""Checking the journal of a model: its chain, and that it tells the same story as what is on the disk."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, RegistryError
from ..numbers import Numbers
from ..records import StageTable
from . import codec
from .layout import ModelLayout

if TYPE_CHECKING:
    from .verify import Findings

_HASHED = re.compile(rb'(\{.*),"hash":"([0-9a-f]{64})"\}\Z', re.DOTALL)


@dataclass
class Story:
    """What the journal says the model looks like: replayed line by line."""

    stages: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    archived: Numbers = field(default_factory=Numbers)
    deleted: set[int] = field(default_factory=set)
    registered: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    revision: int = 0
    highest: int = 0

    def take(self, line: dict[str, Any]) -> None:
        action, version = line.get("action"), line.get("version")
        after = line.get("after")
        pointers, name = (self.aliases, "alias") if action in ("aliased", "unaliased") else (self.stages, "stage")
        if action == "registered":
            self.registered[int(version or 0)] = str(line.get("id"))
        elif action == "deleted":
            self.deleted.add(int(version or 0))
            self.archived = self.archived - Numbers.of([int(version or 0)])
        elif action == "archived":
            self.archived = self.archived | Numbers.parse(str(line.get("versions", "")))
        elif action == "restored":
            self.archived = self.archived - Numbers.parse(str(line.get("versions", "")))
        elif isinstance(line.get(name), str):
            pointers.pop(line[name], None)
            if after is not None:
                pointers[line[name]] = after
            self.archived = self.archived | Numbers.parse(str(line.get("archived", "")))
        self.revision, self.highest = line["revision"], line["highest"]


def check_journal(paths: ModelLayout, table: StageTable, listed: list[int], found: Findings) -> None:
    """The chain of hashes, then the story against the stage table and the versions."""
    try:
        data = paths.history.read_bytes()
    except FileNotFoundError:
        if listed or table.revision:
            found.error("journal-missing", paths.name, "history.jsonl is missing", repair=True)
        return
    except OSError as error:
        found.error("journal-missing", paths.name, f"history.jsonl can't be read: {error.strerror}")
        return
    story = _replay(data, paths.name, found)
    if story is not None:
        _compare(paths, table, listed, story, found)


def _replay(data: bytes, name: str, found: Findings) -> Story | None:
    story, prev, seq = Story(), "0" * 64, 0
    lines = data.split(b"\n")
    for number, raw in enumerate(lines, 1):
        last = number == len(lines)
        if not raw and last:
            continue
        line = _line(raw)
        if line is None:
            torn = "the last line is torn" if last else f"line {number} is torn or was changed"
            found.warning("journal-torn", name, f"{torn}; readers skip it", repair=last)
            continue
        if line["prev"] != prev or line["seq"] != seq + 1:
            found.error(
                "journal-chain", name, f"line {number} does not follow the line before: one was changed or is missing"
            )
        prev, seq = line["hash"], line["seq"]
        if story.ids.setdefault(str(line.get("id")), seq) != seq:
            found.error("journal-chain", name, f"line {number} tells the event {line.get('id')} a second time")
        try:
            story.take(line)
        except (InvalidInput, KeyError, TypeError, ValueError):
            found.error("journal-chain", name, f"line {number} tells no event that can be read")
            return None
    return story


def _line(raw: bytes) -> dict[str, Any] | None:
    match = _HASHED.match(raw)
    if match is None or hashlib.sha256(match[1] + b"}").hexdigest() != match[2].decode():
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(line, dict) and all(type(line.get(key)) is int for key in ("seq", "highest", "revision"))
    return line if whole else None


def _compare(paths: ModelLayout, table: StageTable, listed: list[int], story: Story, found: Findings) -> None:
    name = paths.name
    if story.revision > table.revision:
        found.error(
            "journal-ahead",
            name,
            f"stages.yaml is older than its journal: revision {table.revision}, not {story.revision}",
        )
    elif story.revision < table.revision:
        pending = table.revision == story.revision + 1 and table.changed is not None
        report = found.warning if pending else found.error
        report("journal-behind", name, "the newest change of the stages is not in the journal", repair=True)
    else:
        _compare_table(name, table, story, found)
    for number in listed:
        if number not in story.registered:
            pending = number == listed[-1] and number == story.highest + 1
            report = found.warning if pending else found.error
            report("unrecorded-version", f"{name}@{number}", "is not in the journal", repair=True)
        elif (sealed := _sealed_id(paths, number)) not in (None, story.registered[number]):
            found.error(
                "journal-chain", f"{name}@{number}", f"was sealed by event {sealed}, which the journal does not tell"
            )
    for number in sorted(set(story.registered) - set(listed)):
        if number not in table.deleted:
            found.error("missing-version", f"{name}@{number}", "is in the journal, but its folder is gone")


def _compare_table(name: str, table: StageTable, story: Story, found: Findings) -> None:
    told = {
        "stages": (dict(table.stages), story.stages),
        "aliases": (dict(table.aliases), story.aliases),
        "archived": (str(table.archived), str(story.archived)),
        "deleted": (str(table.deleted), str(Numbers.of(story.deleted))),
    }
    for key, (here, journal) in told.items():
        if here != journal:
            found.error(
                "pointer-journal",
                name,
                f"{key} in stages.yaml ({here or 'none'}) are not what the journal tells ({journal or 'none'})",
            )
    if table.changed and table.changed.id not in story.ids:
        found.error("pointer-journal", name, "the newest change in stages.yaml is not in the journal")


def _sealed_id(paths: ModelLayout, number: int) -> str | None:
    """The event that a version carries; None when it can't be read, which is told elsewhere."""
    try:
        event = codec.load(paths.version_document(number), "version.yaml").get("event")
    except (RegistryError, OSError):
        return None
    return str(event.get("id")) if isinstance(event, dict) else None
