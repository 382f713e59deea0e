"""Approvals and rejections of versions for stages, and which of them are in force.

An approval or rejection is about one stage and one version, with its params, metrics and tags. It lapses when they
change; of one person and stage, the newest counts.

It is stored twice: in the history, and in the version's annotation. An approval counts if it is in both, a rejection if
it is in the history: forging one of them can only make the gate stricter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..core import values
from ..core.lazy_dataclass import dataclass
from ..core.records import Event, VersionRecord

APPROVED, REJECTED = "approved", "rejected"
ACTIONS = frozenset({APPROVED, REJECTED})
#: What an approval is about, besides the files.
_BASIS = ("params", "metrics", "tags")


@dataclass(frozen=True)
class RecordedApproval:
    """An approval or rejection. ``lapsed`` is the reason why it is not in force, empty while it is."""

    event: Event
    lapsed: str = ""

    @property
    def by(self) -> str:
        return self.event.by

    @property
    def stage(self) -> str:
        return str(self.event.detail.get("stage"))

    @property
    def rejects(self) -> bool:
        return self.event.action == REJECTED


@dataclass(frozen=True, eq=False, repr=False)
class ApprovalInput:
    """The approvals of a version, and what a gate needs to judge them.

    ``belongs`` says whether an account is in a Unix group, ``unsigned`` why a version has no valid signature of a
    principal, ``unproven`` why an approval has no valid signature of its author; empty if it has one.
    """

    approvals: Sequence[RecordedApproval] = ()
    belongs: Callable[[str, str], bool] = lambda *_: False
    unsigned: Callable[[str], str] = lambda _: "not signed"
    unproven: Callable[[RecordedApproval], str] = lambda _: "did not sign it"


NOBODY = ApprovalInput()


def describe_subject(version: VersionRecord, record: str) -> dict[str, Any]:
    """Return the details of an event that approves ``version``; ``record`` is the sha256 of ``version.yaml`` in hex."""
    contents = {name: values.canonical(dict(getattr(version, name))) for name in _BASIS}
    basis = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in contents.items()}
    return {"digest": f"sha256:{version.digest}", "record": f"sha256:{record}", "basis": basis}


def collect_approvals(
    version: VersionRecord,
    record: str,
    events: Iterable[Event],
    recorded: object,
    doubted: Mapping[str, str] | None = None,
) -> tuple[RecordedApproval, ...]:
    """Collect the approvals and rejections of a version: the newest of each person and stage, the oldest first.

    ``record`` is the sha256 of its ``version.yaml``; ``events`` are those of the history that approve or reject it,
    newest first; ``recorded`` is the list in its annotation. ``doubted`` has reasons, by event id, why approvals in the
    history do not count; an earlier one of the same person counts then.
    """
    doubted = doubted or {}
    listed = recorded if isinstance(recorded, list) else []
    newest: dict[tuple[str, object], Event] = {}
    every = []
    refused: list[RecordedApproval] = []
    for event in events:
        every.append(event.document())
        if event.action == APPROVED and event.id in doubted:
            refused.append(RecordedApproval(event, doubted[event.id]))
        else:
            newest.setdefault((event.by, event.detail.get("stage")), event)
    found = [RecordedApproval(event, _find_lapse(event, version, record, listed)) for event in newest.values()]
    found += refused
    known = [each.event.document() for each in found]
    for other in parse_events((entry for entry in listed if entry not in known), ACTIONS):
        why = "superseded" if other.document() in every else "not in the history"
        found.append(RecordedApproval(other, why))
    return tuple(sorted(found, key=lambda each: each.event.at))


def parse_events(entries: Iterable[object], actions: Container[str]) -> Iterator[Event]:
    """Yield the events with these actions in the list of an annotation; invalid entries are left to ``verify``."""
    for entry in entries:
        with suppress(KeyError, TypeError):
            event = Event.parse(entry if isinstance(entry, Mapping) else {})
            if event.action in actions:
                yield event


def _find_lapse(event: Event, version: VersionRecord, record: str, listed: Sequence[object]) -> str:
    """Why an approval or rejection is not in force. A rejection that can't be compared is."""
    try:
        now = describe_subject(version, record)
        if event.detail.get("record") != now["record"] or event.detail.get("digest") != now["digest"]:
            return "for another version"
        basis = event.detail["basis"]
        if changed := [name for name in _BASIS if basis.get(name) != now["basis"][name]]:
            return f"{' and '.join(changed)} changed"
    except Exception as error:  # an unforeseen document
        return "" if event.action == REJECTED else f"cannot be evaluated: {type(error).__name__}"
    if event.action == APPROVED and event.document() not in listed:
        return "not in the annotation"
    return ""


def select_in_force(found: Iterable[RecordedApproval], stage: str, *, rejects: bool) -> list[RecordedApproval]:
    """Select the approvals (or rejections) for ``stage`` that are in force."""
    return [each for each in found if each.stage == stage and each.rejects is rejects and not each.lapsed]


def add_approval(recorded: object, event: Event) -> list[Any]:
    """Return the list of an annotation with ``event`` in place of an earlier one of the same person and stage."""
    listed = recorded if isinstance(recorded, list) else []
    about = event.by, event.detail.get("stage")
    superseded = [
        entry
        for entry in listed
        for each in parse_events([entry], ACTIONS)
        if (each.by, each.detail.get("stage")) == about
    ]
    return [*(entry for entry in listed if entry not in superseded), event.document()]
