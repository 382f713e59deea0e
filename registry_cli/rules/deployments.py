"""Which target runs which version: ``deployments.yaml`` of a model, folded from the events of its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.records import Event
from ..core.version_ranges import VersionRanges
from ..errors import Conflict

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from typing import Any

#: The actions of events that change ``deployments.yaml``.
ACTIONS = frozenset({"deploying", "deployed", "deploy-failed", "undeployed", "deployment-changed"})
#: What an entry takes from the details of the event that made it.
_FIELDS = ("digest", "placed", "name", "layout", "path", "state")

#: The states of a deployment that was checked, the worst last.
OK, UNKNOWN, BEHIND, UNREACHABLE, DRIFTED, DAMAGED = "ok", "unknown", "behind", "unreachable", "drifted", "damaged"

#: The entries of ``deployments.yaml``, by target.
Deployments = Mapping[str, Mapping[str, "Any"]]


def apply_event(deployments: Deployments, event: Event) -> Deployments:
    """Return the entries after an event."""
    detail, target = event.detail, event.detail.get("target")
    if event.action == "repaired":  # the history before it is lost
        kept = detail.get("deployments")
        return kept if isinstance(kept, Mapping) else {}
    if event.action not in ACTIONS or not isinstance(target, str):
        return deployments
    entry = _apply_to_entry(deployments.get(target, {}), event)
    others = {name: each for name, each in deployments.items() if name != target}
    return {**others, target: entry} if entry else others


def _apply_to_entry(before: Mapping[str, Any], event: Event) -> Mapping[str, Any]:
    """The entry of a target after an event; empty for none."""
    detail, action = event.detail, event.action
    if action == "undeployed":
        return {}
    if action == "deploying":
        return {**before, **_pick(detail, ("name", "layout", "path")), "pending": event.version}
    if action == "deployment-changed":
        return {**before, "check": detail.get("after")}
    if action == "deployed" or detail.get("state"):  # a failed one that was kept
        return {"version": event.version, **_pick(detail, _FIELDS), "at": event.at, "by": event.by, "event": event.id}
    return {key: value for key, value in before.items() if key != "pending"} if before.get("version") else {}


def _pick(detail: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: detail[key] for key in keys if key in detail}


def replay(events: Iterable[Event], until: str | None = None) -> Deployments:
    """Return the entries after events, the oldest first; what comes behind the last one of the time ``until`` is left out.

    Clocks of different writers may disagree: all that is before an event of that time counts.
    """
    past = list(events)
    while until is not None and past and past[-1].at > until:
        past.pop()
    found: Deployments = {}
    for event in past:
        found = apply_event(found, event)
    return found


def deployed_versions(deployments: Deployments) -> dict[int, list[str]]:
    """Return the versions that targets run, or are about to run, with the targets."""
    found: dict[int, list[str]] = {}
    for target, entry in sorted(deployments.items()):
        for number in {entry.get("version"), entry.get("pending")}:
            if type(number) is int:
                found.setdefault(number, []).append(target)
    return found


def check_not_deployed(deployments: Deployments, model: str, numbers: VersionRanges, action: str) -> None:
    """Raise :class:`Conflict` for a version that a target runs; ``action`` is a participle for the message."""
    for number, targets in deployed_versions(deployments).items():
        if number in numbers:
            raise Conflict(
                f"{model}@{number} can't be {action}: it is deployed to {', '.join(targets)}",
                f"deploy another version, or run 'registry undeploy {model} --from {targets[0]}'",
            )
