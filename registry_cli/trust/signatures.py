"""The signatures of a model: on its versions, and on the events of its history. Only looks; ``signing`` does the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.lazy_dataclass import dataclass, field
from ..core.records import Event, VersionRecord
from ..core.results import Problem, Signature
from ..errors import RegistryError
from ..store import history
from ..store.layout import Layout, ModelLayout
from ..store.reader import ModelReader
from .ssh_signing import SIGNATURE, Trust, fingerprint

SIGNED = "signed"
MISPLACED = "signature-misplaced"


def trust_of(layout: Layout) -> Trust:
    """Whose signatures count in a registry."""
    return Trust(layout.allowed_signers, layout.revoked_signers)


def listed(said: Mapping[str, Any]) -> list[Event]:
    """The signatures that the annotation of a version has, each as the event that made it."""
    found = []
    entries = said.get("signatures")
    for entry in entries if isinstance(entries, list) else ():
        try:
            event = Event.parse(entry if isinstance(entry, Mapping) else {})
        except (KeyError, TypeError):
            continue  # it is no signature of anybody; ``verify`` compares the document with the history
        if event.action == SIGNED:
            found.append(event)
    return found


def with_signature(said: Mapping[str, Any], event: Event) -> list[Any]:
    """The list of an annotation with ``event`` in it: of each key the newest only."""
    entries = said.get("signatures")
    kept = [entry for entry in (entries if isinstance(entries, list) else []) if _key(entry) != _key(event.document())]
    return [*kept, event.document()]


def _key(entry: object) -> str:
    signature = entry.get(SIGNATURE) if isinstance(entry, Mapping) else None
    return fingerprint(signature) if isinstance(signature, str) else ""


def subject(version: VersionRecord, record: str) -> dict[str, str]:
    """What a signature of ``version`` is about, as its event has it; ``record`` is the sha256 of ``version.yaml``."""
    return {"digest": f"sha256:{version.digest}", "record": f"sha256:{record}"}


def looked_at(event: Event, about: Mapping[str, str], trust: Trust) -> Signature:
    """A signature of a version: whether it holds, and is about just this version."""
    found = trust.look(event)
    if not found.code and any(event.detail.get(name) != value for name, value in about.items()):
        problem = "it is the signature of another version"
        return Signature(found.by, found.at, found.key, code=MISPLACED, problem=problem)
    return found


def unsigned(events: list[Event], about: Mapping[str, str], trust: Trust, principal: str) -> str:
    """Why a version has no signature of ``principal`` that holds; empty when it has one."""
    ours = [event for event in events if all(event.detail.get(name) == value for name, value in about.items())]
    if any(trust.signed_by(event, principal) for event in ours):
        return ""
    if not trust.allowed.is_file():
        return f"there is no {trust.allowed.name} in the registry"
    others = len(events) - len(ours)
    return "no signature of theirs holds" if ours else "not signed" if not others else "signed for another version"


@dataclass
class Checked:
    """What was found in one model: the problems, how many signatures were checked, and how many versions have none."""

    problems: list[Problem] = field(default_factory=list)
    signatures: int = 0
    unsigned: int = 0

    def take(self, where: str, what: str, found: Signature) -> None:
        self.signatures += 1
        if found.code:
            self.problems.append(Problem(found.code, "error", where, f"{what}: {found.problem}"))


def check(paths: ModelLayout, trust: Trust) -> Checked:
    """Every signature of a model. What can't be read is no signature: that it is damaged, ``verify`` tells."""
    done = Checked()
    try:
        model = ModelReader(paths)
        state = model.state()
        numbers = model.numbers(state.table)
    except (RegistryError, OSError):
        return done
    told: set[tuple[str, str]] = set()
    for number in numbers:
        try:
            about = subject(model.sealed(number), model.seal(number))
            events = listed(model.said(number, state))
        except (RegistryError, OSError):
            continue
        good = 0
        for event in events:
            found = looked_at(event, about, trust)
            good += not found.code
            done.take(f"{paths.name}@{number}", f"signed by {event.by}", found)
            told.add((event.id, str(event.detail.get(SIGNATURE))))
        done.unsigned += not good
    for event in _signed_events(paths):
        if (event.id, str(event.detail.get(SIGNATURE))) not in told:
            done.take(*_named(paths, event), _of_event(model, event, trust))
    return done


def _signed_events(paths: ModelLayout) -> Iterator[Event]:
    """The events of the history that carry a signature, the oldest first."""
    entries = history.newest_first(paths)
    return reversed([entry.event for entry in entries if SIGNATURE in entry.event.detail])


def _named(paths: ModelLayout, event: Event) -> tuple[str, str]:
    where = paths.name if event.version is None else f"{paths.name}@{event.version}"
    return where, f"{event.action} by {event.by} at {event.at}"


def _of_event(model: ModelReader, event: Event, trust: Trust) -> Signature:
    """The signature of an event, which names the version it is about by the sha256 of its document."""
    found = trust.look(event)
    if found.code or event.version is None:
        return found
    try:
        record = model.seal(event.version)
    except (RegistryError, OSError):
        return found  # deleted since, or damaged
    if event.detail.get("record") != f"sha256:{record}":
        problem = "it was signed for a version of another model, or registry"
        return Signature(found.by, found.at, found.key, code=MISPLACED, problem=problem)
    return found
