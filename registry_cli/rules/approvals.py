"""Approvals: what people said of a version for a stage, and which of it is in force. Pure rules over events.

An approval, or a rejection, is about one version, with its params, metrics and tags as they were, and one stage. It is in
force while these are so. Of what one person said for a stage the newest counts.

It stands in two places: in the history, and in the version's annotation. An approval counts when both tell it, a
rejection when the history does: whoever forges one of them only makes the gate stricter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..core import values
from ..core.lazy_dataclass import dataclass
from ..core.records import Event, VersionRecord

APPROVED, REJECTED = "approved", "rejected"
ACTIONS = frozenset({APPROVED, REJECTED})
#: What of a version a person looks at, besides its files.
_BASIS = ("params", "metrics", "tags")


@dataclass(frozen=True)
class RecordedApproval:
    """What somebody said of a version for a stage. ``lapsed`` is why it is not in force, empty while it is."""

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
    """What a gate is told of people, beside the files.

    ``belongs`` says whether an account is in a Unix group, ``unsigned`` why a version has no signature of a principal
    that counts, empty when it has one. ``unproven`` says why the signature of an approval does not prove who gave it, empty
    when it does.
    """

    approvals: Sequence[RecordedApproval] = ()
    belongs: Callable[[str, str], bool] = lambda *_: False
    unsigned: Callable[[str], str] = lambda _: "not signed"
    unproven: Callable[[RecordedApproval], str] = lambda _: "did not sign it"


NOBODY = ApprovalInput()


def describe_subject(version: VersionRecord, record: str) -> dict[str, Any]:
    """What an approval of ``version`` is about, as its event has it; ``record`` is the sha256 of ``version.yaml``."""
    basis = {name: _digest(getattr(version, name)) for name in _BASIS}
    return {"digest": f"sha256:{version.digest}", "record": f"sha256:{record}", "basis": basis}


def _digest(content: Mapping[str, Any]) -> str:
    return f"sha256:{hashlib.sha256(values.canonical(dict(content))).hexdigest()}"


def collect_approvals(
    version: VersionRecord,
    record: str,
    events: Iterable[Event],
    recorded: object,
    doubted: Mapping[str, str] | None = None,
) -> tuple[RecordedApproval, ...]:
    """What was said of ``version``, the newest of each person and stage, the oldest of these first.

    ``events`` are the events of the history that approve or reject it, the newest first; ``recorded`` is what its
    annotation lists. ``doubted`` says of approvals, by their ids, why they do not count although the history has them; what the
    same person said before then still holds.
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
            continue
        newest.setdefault((event.by, event.detail.get("stage")), event)
    found = [RecordedApproval(event, _find_lapse(event, version, record, listed)) for event in newest.values()]
    found += refused
    known = [event.document() for event in (*newest.values(), *(each.event for each in refused))]
    others = filter(None, (_parse_event(entry) for entry in listed if entry not in known))
    found += [
        RecordedApproval(other, "not the last word" if other.document() in every else "not in the history")
        for other in others
    ]
    return tuple(sorted(found, key=lambda each: each.event.at))


def _parse_event(entry: object) -> Event | None:
    try:
        event = Event.parse(entry if isinstance(entry, Mapping) else {})
    except (KeyError, TypeError):
        return None
    return event if event.action in ACTIONS else None


def _find_lapse(event: Event, version: VersionRecord, record: str, listed: Sequence[object]) -> str:
    """Why it is not in force. A rejection of which that can't be told is."""
    try:
        now = describe_subject(version, record)
        if event.detail.get("record") != now["record"] or event.detail.get("digest") != now["digest"]:
            return "about another version"
        basis = event.detail["basis"]
        if changed := [name for name in _BASIS if basis.get(name) != now["basis"][name]]:
            return f"{' and '.join(changed)} changed"
    except Exception as error:  # a document that nobody thought of
        return "" if event.action == REJECTED else f"can't be told: {type(error).__name__}"
    if event.action == APPROVED and event.document() not in listed:
        return "not in the annotation"
    return ""


def select_in_force(found: Iterable[RecordedApproval], stage: str, *, rejects: bool) -> list[RecordedApproval]:
    """The approvals of a version for ``stage`` that are in force, or its rejections."""
    return [each for each in found if each.stage == stage and each.rejects is rejects and not each.lapsed]


def add_approval(recorded: object, event: Event) -> list[Any]:
    """The list of an annotation with ``event`` in it: of each person and stage the newest only."""
    listed = recorded if isinstance(recorded, list) else []
    return [entry for entry in listed if not _is_superseded(entry, event)] + [event.document()]


def _is_superseded(entry: object, event: Event) -> bool:
    known = _parse_event(entry)
    return known is not None and (known.by, known.detail.get("stage")) == (event.by, event.detail.get("stage"))
