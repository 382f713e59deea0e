"""Checking the journal of a model: its chain of hashes, and that the documents on the disk agree with it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.lazy_dataclass import dataclass, field
from ...core.records import Checkpoint, StageTable
from ...core.results import Problem
from ...core.version_ranges import VersionRanges
from ...errors import InvalidInput, RegistryError, explain
from .. import codec, layout
from ..filesystem import files
from ..layout import ModelLayout

GENESIS = "0" * 64
#: Actions after which a stage or an alias points elsewhere; others may speak of a stage, too.
_POINTING = frozenset({"promoted", "demoted", "rolled-back", "aliased", "unaliased"})
_MOST_DELETED = 10_000_000
_HASHED = re.compile(rb'(\{.*),"hash":"([0-9a-f]{64})"\}\Z', re.DOTALL)


@dataclass
class ProblemCollector:
    """What was found so far of one model, and how much was looked at."""

    model: str
    problems: list[Problem] = field(default_factory=list)
    versions: int = 0
    files: int = 0
    size: int = 0

    def error(self, code: str, where: str, message: str, *, repair: bool = False) -> None:
        self.problems.append(Problem(code, "error", where, message, repair))

    def warning(self, code: str, where: str, message: str, *, repair: bool = False) -> None:
        self.problems.append(Problem(code, "warning", where, message, repair))


def read(path: Path) -> bytes:
    """All of a regular file; OSError for anything else."""
    with files.open_descriptor(path, files.READ) as descriptor:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read()


def error_message(error: Any) -> str:
    return explain(error) if isinstance(error, OSError) else str(error)


@dataclass
class JournalReplay:
    """The state of a model according to its journal, replayed line by line."""

    stages: dict[str, int] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    archived: VersionRanges = field(default_factory=VersionRanges)
    deleted: set[int] = field(default_factory=set)
    packed: VersionRanges = field(default_factory=VersionRanges)
    registered: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict)
    voices: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Lines of approvals and rejections that recovery found in a file of another account.
    carried: list[dict[str, Any]] = field(default_factory=list)
    newest: dict[str, Any] = field(default_factory=dict)
    rebuilt: bool = False
    revision: int = 0
    highest: int = 0

    def take(self, line: dict[str, Any]) -> None:
        action, version = str(line.get("action")), line.get("version")
        after = line.get("after")
        pointers, name = (self.aliases, "alias") if action in ("aliased", "unaliased") else (self.stages, "stage")
        if isinstance(version, int) and (document := layout.document_path(action, version)):
            self.sealed[document] = str(line.get("sealed", ""))
        if action in VOICES:
            self.voices[str(line.get("id"))] = event_of(line)
            if line.get("carrier"):
                self.carried.append(line)
        if action == "registered":
            self.registered[int(version or 0)] = str(line.get("id"))
        elif action == "repaired":
            self._start_anew(line)
        elif action in ("deleted", "archived", "packed", "restored"):
            self._take_numbers(action, line)
        elif action in _POINTING and isinstance(line.get(name), str):
            pointers.pop(line[name], None)
            if after is not None:
                pointers[line[name]] = after
            self.archived = self.archived | VersionRanges.parse(str(line.get("archived", "")))
        if line["revision"] > self.revision:
            self.newest = line
        self.revision, self.highest = line["revision"], line["highest"]

    def _take_numbers(self, action: str, line: dict[str, Any]) -> None:
        versions = VersionRanges.parse(str(line.get("versions", "")))
        one = VersionRanges.from_numbers([int(line.get("version") or 0)])
        if action == "archived":
            self.archived = self.archived | versions
        elif action == "restored":
            self.archived = self.archived - versions
            self.packed = self.packed - VersionRanges.parse(str(line.get("packed", "")))
        elif action == "packed":
            self.packed = self.packed | one
        else:
            self.deleted |= set(one)
            self.archived, self.packed = self.archived - one, self.packed - one

    def _start_anew(self, line: dict[str, Any]) -> None:
        """A repair records the whole stage table, because the lines that led to it are lost."""
        self.stages, self.aliases = dict(line["stages"]), dict(line["aliases"])
        self.archived = VersionRanges.parse(line["archived"])
        deleted = VersionRanges.parse(line["deleted"])
        if len(deleted) > _MOST_DELETED:
            raise ValueError("it lists more deleted versions than possible")
        self.deleted = set(deleted)
        self.packed = VersionRanges.parse(line.get("packed", ""))
        self.rebuilt = True

    def differences(self, table: StageTable) -> dict[str, tuple[str, str]]:
        """Which parts of the stage table differ from the journal: the value there, and in the journal."""
        pairs = {
            "stages": (dict(table.stages), self.stages),
            "aliases": (dict(table.aliases), self.aliases),
            "archived": (str(table.archived), str(self.archived)),
            "deleted": (str(table.deleted), str(VersionRanges.from_numbers(self.deleted))),
            "packed": (str(table.packed), str(self.packed)),
        }
        return {
            key: (str(here or "none"), str(there or "none")) for key, (here, there) in pairs.items() if here != there
        }


def check_journal(paths: ModelLayout, table: StageTable, listed: list[int], found: ProblemCollector) -> int:
    """Check the chain of hashes, then the stage table and the versions against it; the revision of its last line."""
    try:
        data = read(paths.history)
    except FileNotFoundError:
        if listed or table.revision:
            # a first writer that died leaves just this
            interrupted = table.revision <= 1 and max(listed, default=0) <= 1
            report = found.warning if interrupted else found.error
            report("journal-missing", paths.name, "history.jsonl is missing", repair=True)
        return 0
    except OSError as error:
        found.error("journal-missing", paths.name, f"history.jsonl cannot be read: {error.strerror}")
        return 0
    story = replay(data, paths.name, found)
    if story is None:
        return 0
    _compare(paths, table, listed, story, found)
    _check_documents(paths, table, listed, story, found)
    if not story.rebuilt:
        # the next writer adds it to the journal
        pending = {table.changed.id: table.changed.document()} if table.changed else {}
        check_approvals(paths, listed, {**pending, **story.voices}, found)
    for line in story.carried:
        problem = f"an approval by {line.get('by')!r} was written by {line['carrier']!r} and does not count"
        found.warning("foreign-approval", f"{paths.name}@{line.get('version')}", problem)
    return story.revision


def _check_documents(
    paths: ModelLayout, table: StageTable, listed: list[int], story: JournalReplay, found: ProblemCollector
) -> None:
    """Check that every document is, byte for byte, what an event wrote."""
    pending = table.changed if story.revision < table.revision else None
    documents = [(number, paths.version_document(number)) for number in listed]
    documents += [(number, paths.annotation(number)) for number in listed]
    documents += [(number, paths.tombstone(number)) for number in table.deleted]
    documents += [(0, paths.deployments)]
    for number, path in documents:
        name, ref = paths.relative(path), f"{paths.name}@{number}" if number else paths.name
        if pending and path == paths.document_of(pending.action, pending.version):
            continue  # the next writer adds it to the journal
        try:
            here = hashlib.sha256(read(path)).hexdigest()
        except FileNotFoundError:
            here = ""
        except OSError as error:
            found.error("document", ref, f"{name} cannot be read: {explain(error)}")
            continue
        recorded = story.sealed.get(name, "")
        if recorded and here != recorded and (here or name.startswith("annotations/") or not number):
            # with its digest, a document that is written while it is verified is not the same problem twice
            changed = "not what was recorded" + (f" (sha256:{here[:12]})" if not number else "")
            found.error("changed-document", ref, f"{name} is {changed if here else 'missing'}")
        elif here and not recorded and not story.rebuilt and (path.parent == paths.annotations or not number):
            found.error("changed-document", ref, f"{name} was not written by any recorded change")


def replay(data: bytes, name: str, found: ProblemCollector) -> JournalReplay | None:
    story, prev, seq = JournalReplay(), GENESIS, 0
    lines = data.split(b"\n")
    for number, raw in enumerate(lines, 1):
        last = number == len(lines)
        if not raw and last:
            continue
        line = _line(raw)
        if line is None:
            torn = "the last line is incomplete" if last else f"line {number} is incomplete or was changed"
            found.warning("journal-torn", name, f"{torn}; readers skip it", repair=last)
            continue
        if line["prev"] != prev or line["seq"] != seq + 1:
            problem = f"line {number} does not follow the previous line: a line was changed or is missing"
            found.error("journal-chain", name, problem)
        prev, seq = line["hash"], line["seq"]
        if story.ids.setdefault(str(line.get("id")), seq) != seq:
            found.error("journal-chain", name, f"line {number} repeats event {line.get('id')}")
        try:
            story.take(line)
        except (InvalidInput, KeyError, TypeError, ValueError):
            found.error("journal-chain", name, f"line {number} has no readable event")
            return None
    return story


def check_checkpoints(paths: ModelLayout, checkpoints: Sequence[Checkpoint], found: ProblemCollector) -> None:
    """Check that the journal still has exactly these lines, and the unbroken chain of lines before each."""
    try:
        raw = read(paths.history).split(b"\n")
    except (FileNotFoundError, NotADirectoryError):
        raw = []
    except OSError as error:
        found.error("journal-rewritten", paths.name, f"the known history cannot be read: {explain(error)}")
        return
    lines: dict[str, tuple[int, dict[str, Any]]] = {}
    for place, each in enumerate(raw, 1):
        if line := _line(each):
            lines.setdefault(line["hash"], (place, line))
    for checkpoint in checkpoints:
        if problem := _broken(checkpoint, lines):
            found.error("journal-rewritten", paths.name, problem)


def _broken(checkpoint: Checkpoint, lines: Mapping[str, tuple[int, dict[str, Any]]]) -> str:
    """Why a checkpoint does not hold, empty if it does; ``lines`` are the whole lines by hash, each with its place."""
    wanted, seq = checkpoint.hash, checkpoint.seq
    known = f"the line {wanted[:12]}…" if seq is None else f"line {seq}"
    if wanted == GENESIS and not seq:
        return ""
    if wanted not in lines or seq not in (None, lines[wanted][1]["seq"]):
        count = max((line["seq"] for _, line in lines.values()), default=0)
        if seq is not None and count < seq:
            return f"{known} is missing, the history ends at {count}: it was truncated or replaced"
        return f"{known} has changed: the history was rewritten"
    below, seq = lines[wanted][0] + 1, lines[wanted][1]["seq"]
    while wanted != GENESIS:
        place, line = lines.get(wanted, (below, {}))
        if line.get("seq") != seq or place >= below:
            return f"{known} is present, but the lines before it were rewritten"
        wanted, seq, below = line["prev"], line["seq"] - 1, place
    return f"{known} is present, but lines before it are missing" if seq else ""


def _line(raw: bytes) -> dict[str, Any] | None:
    match = _HASHED.match(raw)
    if match is None or hashlib.sha256(match[1] + b"}").hexdigest() != match[2].decode():
        return None
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or not isinstance(line.get("prev"), str):
        return None
    return line if all(type(line.get(key)) is int for key in ("seq", "highest", "revision")) else None


def _compare(
    paths: ModelLayout, table: StageTable, listed: list[int], story: JournalReplay, found: ProblemCollector
) -> None:
    name = paths.name
    if story.revision > table.revision:
        problem = f"stages.yaml is older than its journal: revision {table.revision}, not {story.revision}"
        found.error("journal-ahead", name, problem)
    elif story.revision < table.revision:
        pending = table.revision == story.revision + 1 and table.changed is not None
        report = found.warning if pending else found.error
        problem = f"revision {table.revision} of the stages is not in the journal"
        report("journal-behind", name, problem, repair=True)
    else:
        for key, (here, recorded) in story.differences(table).items():
            problem = f"{key} in stages.yaml ({here}) differ from the journal ({recorded})"
            found.error("pointer-journal", name, problem)
        if table.revision and not is_recorded(table, story):
            found.error("pointer-journal", name, "the latest change in stages.yaml differs from the journal")
    for number in listed:
        if number not in story.registered:
            pending = number == listed[-1] and number == story.highest + 1
            report = found.warning if pending else found.error
            report("unrecorded-version", f"{name}@{number}", "is not in the journal", repair=True)
        elif (sealed := _sealed_id(paths, number)) not in (None, story.registered[number]):
            problem = f"was sealed by event {sealed}, which is not in the journal"
            found.error("journal-chain", f"{name}@{number}", problem)
    for number in sorted(set(story.registered) - set(listed)):
        if number not in table.deleted:
            found.error("missing-version", f"{name}@{number}", "is in the journal, but its folder is missing")


def is_recorded(table: StageTable, story: JournalReplay) -> bool:
    """Whether the newest event of the table is, in full, the one that the journal has for its revision."""
    return table.changed is not None and table.changed.document() == event_of(story.newest)


def _sealed_id(paths: ModelLayout, number: int) -> str | None:
    """The id of a version's event; None when it can't be read, which is reported elsewhere."""
    try:
        event = codec.load(paths.version_document(number), "version.yaml").get("event")
    except (RegistryError, OSError):
        return None
    return str(event.get("id")) if isinstance(event, dict) else None


#: The actions whose events stand in an annotation in full.
VOICES = frozenset({"approved", "rejected"})
#: What a line of the journal has beside its event.
_PLACE = frozenset({"seq", "prev", "highest", "revision", "sealed", "carrier", "hash"})


def event_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """The event that a line of the journal tells."""
    return {key: value for key, value in line.items() if key not in _PLACE}


def check_approvals(
    paths: ModelLayout, listed: Iterable[int], recorded: Mapping[str, Mapping[str, Any]], found: ProblemCollector
) -> None:
    """Check that each approval and rejection is one of the ``recorded`` events, which are given by their ids."""
    for number in listed:
        name = f"annotations/{number}.yaml"
        try:
            entries = codec.load(paths.annotation(number), name).get("approvals", [])
        except (RegistryError, OSError):
            continue  # there is none, or it is damaged, which is reported elsewhere
        for entry in entries if isinstance(entries, list) else [entries]:
            known = recorded.get(str(entry.get("id"))) if isinstance(entry, Mapping) else None
            if known is None or known != entry or known.get("version") != number:
                who = entry.get("by") if isinstance(entry, Mapping) else None
                problem = f"{name} has an approval by {who!r} that is not in the history"
                found.error("unrecorded-approval", f"{paths.name}@{number}", problem)
