"""Records as JSON: the shapes that ``docs/reference/json.md`` documents. Keys are never renamed.

Bytes are integers, times ISO 8601 in UTC, digests ``sha256:…``; a pointer to nothing is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.normalization import Skipped
    from ...core.records import Checkpoint, Event, FileEntry, ModelRecord, RegistryRecord, Told, VersionRecord
    from ...core.results import Changed, Finding, Freed, Moved, Problem, Verification
    from ...lifecycle.compare import Comparison, Diff, Difference, FileDifference, MetricDifference, Row, StoredFile
    from ...lifecycle.gate import Evaluation, Judgement, PolicyLine
    from ...lifecycle.retention import Plan, Verdict
    from ...lifecycle.rollback import Holder
    from ...verbs.finding import Known

SCHEMA = 1


def document(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """What a command prints with ``--json``: its ``kind``, the version of the shapes, and its keys."""
    return {"schema": SCHEMA, "kind": kind, **body}


def error(kind: str, message: str, hint: str, exit_code: int, request_id: str = "") -> dict[str, Any]:
    """What goes to standard error when a command with ``--json`` fails."""
    body: dict[str, Any] = {"error": kind, "message": message, "hint": hint, "exit_code": exit_code}
    return document("error", {**body, "request_id": request_id} if request_id else body)


def items(kind: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    return document(kind, {"items": listed})


def event(record: Event) -> dict[str, Any]:
    return dict(record.document())


def version(record: VersionRecord) -> dict[str, Any]:
    return {
        "ref": record.ref,
        "model": record.model,
        "version": record.number,
        "created": record.created,
        "author": record.author,
        "digest": f"sha256:{record.digest}",
        "size": record.size,
        "files": record.files,
        "message": record.message,
        "params": dict(record.params),
        "metrics": dict(record.metrics),
        "tags": dict(record.tags),
        "annotations": dict(record.annotations),
        "lineage": dict(record.lineage),
        "stages": list(record.stages),
        "aliases": list(record.aliases),
        "archived": record.archived,
        "packed": record.packed,
        "event": event(record.event) if record.event else None,
    }


def file(record: FileEntry) -> dict[str, Any]:
    return {"path": record.path, "sha256": record.sha256}


def model(record: ModelRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "group": record.group or None,
        "description": record.description,
        "owner": record.owner,
        "created": record.created,
        "versions": record.versions,
        "archived": record.archived,
        "latest": record.latest,
        "stages": dict(record.stages),
        "aliases": dict(record.aliases),
        "tags": dict(record.tags),
        "annotations": dict(record.annotations),
        "revision": record.revision,
        "id": record.id or None,
        "formerly": list(record.formerly),
    }


def registry(record: RegistryRecord) -> dict[str, Any]:
    return {
        "root": record.root,
        "id": record.id,
        "format": record.format,
        "created": record.created,
        "shared": record.shared,
        "stages": list(record.stages),
        "models": record.models,
        "versions": record.versions,
        "archived": record.archived,
        "size": record.size,
        "packed": record.packed,
        "packed_size": record.packed_size,
    }


def skipped(record: Skipped) -> dict[str, Any]:
    return {"kind": record.kind, "name": record.name, "why": record.why, "file": record.file or None}


def moved(record: Moved) -> dict[str, Any]:
    return {
        "ref": record.ref,
        "model": record.model,
        "pointer": record.pointer,
        "before": record.before,
        "after": record.after,
        "revision": record.revision,
        "changed": record.changed,
        "overridden": list(record.overridden),
    }


def changed(record: Changed) -> dict[str, Any]:
    return {
        "model": record.model,
        "action": record.action,
        "refs": list(record.refs),
        "versions": list(record.versions),
        "revision": record.revision,
        "changed": record.changed,
        "freed": record.freed,
        "overridden": list(record.overridden),
        "skipped": [skipped(each) for each in record.skipped],
    }


def plan(record: Plan) -> dict[str, Any]:
    return {
        "model": record.model,
        "action": record.action,
        "rules": record.rules,
        "compress": record.compress or None,
        "revision": record.revision,
        "highest": record.highest,
        "refs": [f"{record.model}@{number}" for number in record.chosen],
        "freed": record.freed,
        "verdicts": [verdict(each) for each in record.verdicts],
    }


def verdict(record: Verdict) -> dict[str, Any]:
    return {
        "version": record.version,
        "chosen": record.chosen,
        "reason": record.reason,
        "freed": record.freed,
    }


def entry(told: Told) -> dict[str, Any]:
    record = told.entry
    return {
        "model": told.model,
        "seq": record.seq,
        "prev": record.prev,
        "hash": record.hash,
        "highest": record.highest,
        "revision": record.revision,
        "sealed": record.sealed or None,
        **({"carrier": record.carrier} if record.carrier else {}),
        **event(record.event),
    }


def holder(record: Holder) -> dict[str, Any]:
    return {"ref": record.ref, "version": record.number, "state": record.state}


def checkpoint(record: Checkpoint) -> dict[str, Any]:
    return {"model": record.model, "seq": record.seq, "hash": record.hash}


def known(record: Known) -> dict[str, Any]:
    return {
        "file": record.file,
        "sha256": record.digest,
        "path": record.path or None,
        "version": version(record.version) if record.version else None,
        "similar": record.similar or None,
    }


def problem(record: Problem) -> dict[str, Any]:
    return {
        "code": record.code,
        "severity": record.severity,
        "where": record.where,
        "message": record.message,
        "repair": record.repair,
    }


def verification(record: Verification) -> dict[str, Any]:
    return {
        "ok": record.ok,
        "models": record.models,
        "versions": record.versions,
        "files": record.files,
        "size": record.size,
        "problems": [problem(each) for each in record.problems],
        "signatures": record.signatures,
        "unsigned": record.unsigned,
    }


def finding(record: Finding) -> dict[str, Any]:
    return {"check": record.check, "status": record.status, "message": record.message, "advice": record.advice}


def freed(record: Freed) -> dict[str, Any]:
    return {"what": record.what, "path": record.path, "size": record.size}


def diff(record: Diff) -> dict[str, Any]:
    return {
        "before": record.before.ref,
        "after": record.after.ref,
        "equal": record.equal,
        "params": [difference(each) for each in record.params],
        "metrics": [metric_difference(each) for each in record.metrics],
        "tags": [difference(each) for each in record.tags],
        "annotations": [difference(each) for each in record.annotations],
        "message": [difference(each) for each in record.message],
        "lineage": [difference(each) for each in record.lineage],
        "signature": [difference(each) for each in record.signature],
        "commits": [difference(each) for each in record.commits],
        "more_commits": record.more_commits,
        "packages": [difference(each) for each in record.packages],
        "files": [file_difference(each) for each in record.files],
    }


def evaluation(record: Evaluation) -> dict[str, Any]:
    return {
        "ref": record.ref,
        "stage": record.stage,
        "passed": record.passed,
        "forcible": record.forcible,
        "rules": [judgement(each) for each in record.rules],
    }


def judgement(record: Judgement) -> dict[str, Any]:
    return {
        "rule": record.name,
        "wanted": record.wanted,
        "found": record.found,
        "outcome": record.outcome,
        "file": record.file,
        "line": record.line,
        "output": record.output or None,
    }


def policy_line(record: PolicyLine) -> dict[str, Any]:
    return {
        "stage": record.stage or None,
        "rule": record.name,
        "wanted": record.wanted,
        "file": record.file,
        "line": record.line,
    }


def difference(record: Difference) -> dict[str, Any]:
    return {"name": record.name, "change": record.change, "before": record.before, "after": record.after}


def metric_difference(record: MetricDifference) -> dict[str, Any]:
    return {**difference(record), "delta": record.delta, "percent": record.percent, "better": record.better}


def file_difference(record: FileDifference) -> dict[str, Any]:
    return {
        "path": record.name,
        "change": record.change,
        "before": stored_file(record.before) if record.before else None,
        "after": stored_file(record.after) if record.after else None,
    }


def stored_file(record: StoredFile) -> dict[str, Any]:
    return {"sha256": record.sha256, "size": record.size}


def comparison(record: Comparison) -> dict[str, Any]:
    return {
        "model": record.model or None,
        "versions": list(record.refs),
        "rows": [comparison_row(row, record.refs) for row in record.rows],
    }


def comparison_row(record: Row, refs: Sequence[str]) -> dict[str, Any]:
    return {
        "section": record.section,
        "name": record.name,
        "differs": record.differs,
        "values": list(record.values),
        "best": [refs[at] for at in record.best],
        "lower": record.lower,
    }
