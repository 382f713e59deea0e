"""Conversion of records to JSON, in the shapes of ``docs/reference/json.md``. Keys are never renamed.

Bytes are integers, times ISO 8601 in UTC, digests ``sha256:…``; a pointer to nothing is null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

SCHEMA = 1
#: By class: the name of the shape (empty if it is documented as part of another) and its keys (by default the fields).
#: ``key=path`` is read from that attribute, or by calling that method; ``key?`` is null when it is empty, ``key-`` is
#: left out then; ``*`` stands for the keys of a mapping.
SHAPES = {
    "Approval": ("approval", ""),
    "Card": ("card", "ref text front_matter=head lacking own"),
    "VersionsChanged": ("changed", "model action refs versions revision changed freed overridden skipped"),
    "Checkpoint": ("checkpoint", ""),
    "Command": ("command", "stage check=name arguments time_limit file line"),
    "CommandSet": ("commands", "name? registry=id root digest trusted items"),
    "Comparison": ("comparison", "model? versions=refs rows"),
    "ReproducibilityCheck": ("condition", "condition=name outcome wanted found"),
    "ModelChanged": ("described", ""),
    "Diff": (
        "diff",
        "before=before.ref after=after.ref equal params metrics tags annotations message lineage signature commits"
        " more_commits packages files",
    ),
    "Deployed": ("deployed", "model target ref version before state path changed overridden why? code"),
    "Deployment": (
        "deployment",
        "model target ref version digest? follows? stage_version state at by path pending folder running why?",
    ),
    "Difference": ("difference", "name change before after"),
    "Evaluation": ("evaluation", "ref stage passed forcible rules"),
    "Event": ("event", "*"),
    "ExcludedFiles": ("", ""),
    "ExportResult": ("exported", ""),
    "LineageGraph": (
        "family",
        "ref=version.ref stages=version.stages aliases=version.aliases archived=version.archived"
        " lineage=version.lineage parents children deployments",
    ),
    "FileDifference": ("file_difference", "path=name change before after"),
    "FileEntry": ("file", ""),
    "FileMatch": ("known", "file sha256=digest path? version similar? similar_by?"),
    "FileScan": ("scanned_file", "path verdict kind? limited globals findings=worst_first uses"),
    "DoctorCheck": ("finding", "check status message advice"),
    "CleanupItem": ("freed", ""),
    "GlobalUse": ("global_use", "global=name member? offset use level why"),
    "Target": (
        "target",
        "name layout path host? follows? models probe? reload command keep wait server_path? handler?",
    ),
    "StageHolder": ("holder", "ref version=number state"),
    "ImportResult": ("imported", "key ref? status why size versions lost warnings excluded empty_folders"),
    "Inspected": ("inspected", "files unseen lineage items=found"),
    "Inspection": ("inspection", "path format framework? framework_version? certain problem? contents"),
    "CardCheck": ("card_item", "name required state hint field"),
    "RuleResult": ("judgement", "rule=name wanted found outcome file line output?"),
    "LineageNode": ("kin", "ref here note stages archived lineage kin=relatives"),
    "MetricDifference": ("metric_difference", "name change before after delta percent better"),
    "ModelRecord": (
        "model",
        "name group? description owner created versions archived latest stages aliases tags annotations revision id?"
        " formerly updated?",
    ),
    "SeriesStatus": (
        "monitored",
        "ref stages metric target? slice? outcome value samples wanted? lowest highest window trend last? since? change?"
        " file? line",
    ),
    "PointerChange": ("moved", "ref model pointer before after revision changed overridden"),
    "ModelSummary": ("", "*=model"),
    "ProfileRecorded": ("profiled", "ref rows columns digest=sha256 changed"),
    "DriftReport": ("drift", "ref rows columns recorded"),
    "ColumnDrift": ("column_drift", "column=name psi distance values=count missing_before missing=missing_share note?"),
    "Observation": ("observation", "at metric=name value samples target? slice? by? id?"),
    "ObservationsRecorded": ("observed", "ref recorded metrics first last"),
    "Plan": ("plan", "model action rules compress? revision highest refs freed verdicts"),
    "PendingApproval": ("pending_approval", ""),
    "PolicyLine": ("policy_line", "stage? rule=name wanted file line"),
    "Problem": ("problem", "code severity where message repair"),
    "Recipe": ("recipe", "ref=version.ref steps"),
    "RegisteredVersion": (
        "registered",
        "* new added why warnings excluded empty_folders not_stored updated moved skipped manifest-",
    ),
    "ReportWritten": ("report", ""),
    "RegistryRecord": (
        "registry",
        "root id format created shared stages models versions archived size packed packed_size deployments"
        " unhealthy_deployments",
    ),
    "ScanFinding": ("remark", "level global=name? why? member=where?"),
    "ModelRenamed": ("renamed", ""),
    "Row": ("comparison_row", "section name differs values best lower"),
    "Scan": ("scanned", "verdict lineage items=files"),
    "Signature": ("signature", "by at key principal? code? problem"),
    "SkippedValue": ("skipped", "kind name why file?"),
    "RecipeStep": ("step", "step=name notes commands"),
    "StoredFile": ("stored_file", ""),
    "JournalEntry": ("", "seq prev hash highest revision sealed? carrier- *=event"),
    "ModelHistoryEntry": (
        "entry",
        "model seq=entry.seq prev=entry.prev hash=entry.hash highest=entry.highest revision=entry.revision"
        " sealed=entry.sealed? carrier=entry.carrier- *=entry.event",
    ),
    "TrustedCommandSet": ("trusted", "digest root registry=id name? at commands"),
    "RetentionDecision": ("verdict", "version chosen reason freed"),
    "Verification": ("verification", "ok models versions files size problems signatures unsigned"),
    "VersionRecord": (
        "version",
        "ref model version=number created author digest size files message params metrics tags annotations lineage"
        " stages aliases archived packed event",
    ),
}
#: Values that are computed, not read from an attribute.
_COMPUTED: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("Card", "lacking"): lambda card: [item.name for item in card.lacking],
    ("CommandSet", "trusted"): lambda commands: bool(commands.items),
    ("Comparison", "rows"): lambda comparison: [
        {**to_json(row), "best": [comparison.refs[at] for at in row.best]} for row in comparison.rows
    ],
    ("Event", "*"): lambda event: event.document(),
    ("Inspection", "contents"): lambda inspection: inspection.lineage().get("contents", {}),
    ("Inspection", "path"): lambda inspection: inspection.path or ".",
    ("LineageNode", "archived"): lambda node: node.version is not None and node.version.archived,
    ("LineageNode", "here"): lambda node: node.version is not None,
    ("LineageNode", "lineage"): lambda node: node.version.lineage if node.version else {},
    ("LineageNode", "stages"): lambda node: node.version.stages if node.version else (),
    ("RegisteredVersion", "*"): lambda version: _to_json(version, type(version).__mro__[1]),
    ("Plan", "refs"): lambda plan: [f"{plan.model}@{number}" for number in plan.chosen],
}
_Reader = tuple[str, Callable[[Any], Any], str]
_READERS: dict[type, tuple[_Reader, ...]] = {}


def document(kind: str, body: Any) -> dict[str, Any]:
    """What a command prints with ``--json``: its ``kind``, the version of the shapes, and its keys.

    ``body`` is a record, a list of records, or a mapping of keys to either, in which ``*`` stands for the keys of a record.
    """
    found: dict[str, Any] = {"schema": SCHEMA, "kind": kind}
    parts = body if isinstance(body, Mapping) else {"*": body} if _is_record(body) else {"items": body}
    for key, part in parts.items():
        found.update(to_json(part) if key == "*" else {key: to_json(part)})
    return found


def dumps(value: Any, *, indent: bool = False) -> str:
    """The text of a document: ASCII, on one line unless indented."""
    return json.dumps(value, ensure_ascii=True, indent=2 if indent else None)


def error(kind: str, message: str, hint: str, exit_code: int, request_id: str = "") -> dict[str, Any]:
    """The document on standard error when a command with ``--json`` fails."""
    body: dict[str, Any] = {"error": kind, "message": message, "hint": hint, "exit_code": exit_code}
    return document("error", {**body, "request_id": request_id} if request_id else body)


def to_json(value: Any) -> Any:
    """Convert a record to a mapping, and what is in it likewise; mappings are kept."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    return _to_json(value, type(value)) if _is_record(value) else [to_json(each) for each in value]


def _to_json(value: Any, record: type) -> dict[str, Any]:
    """Convert a record as an instance of the class ``record``."""
    found: dict[str, Any] = {}
    for key, read, empty in _readers(record):
        part = read(value)
        part = to_json(part() if callable(part) else part)
        if key == "*":
            found.update(part)
        elif key == "digest":
            found[key] = f"sha256:{part}"
        elif part or not empty:
            found[key] = part
        elif empty == "?":
            found[key] = None
    return found


def _is_record(value: object) -> bool:
    return type(value).__name__ in SHAPES


def keys(record: type) -> list[str]:
    """The keys of a record's shape without ``*``."""
    return [key for key, _, _ in _readers(record) if key != "*"]


def _readers(record: type) -> tuple[_Reader, ...]:
    """For each key of a record how to read its value, and the mark of what happens when that is empty."""
    if record not in _READERS:
        _READERS[record] = tuple(_parse(record))
    return _READERS[record]


def _parse(record: type) -> Iterator[_Reader]:
    listed = SHAPES[record.__name__][1].split()
    for text in listed or record.__match_args__:  # type: ignore[attr-defined]  # the fields, in their order
        empty = text[-1] if text[-1] in "?-" else ""
        key, _, path = text.rstrip("?-").partition("=")
        yield key, _COMPUTED.get((record.__name__, key)) or attrgetter(path or key), empty
