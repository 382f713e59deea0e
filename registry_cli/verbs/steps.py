"""What retention is asked to do, put in order: the steps of each model, the requests that they are made under."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..core.text import replace_unprintable, shorten
from ..errors import Indeterminate, InvalidInput, RegistryError
from ..lifecycle.stages import ARCHIVE, DELETE, PACK

if TYPE_CHECKING:
    from ..lifecycle.retention import Plan
    from ..lifecycle.retention_rules import Policy, Rules

#: So many characters of the rules are kept in the history as the reason.
REASON = 500
_T = TypeVar("_T")


class Request(NamedTuple):
    """The id of a change, whether it may have been used before, and why it is made."""

    id: str
    given: bool
    reason: str

    @classmethod
    def of(cls, request_id: str | None, reason: str) -> Request:
        return cls(request_id or os.urandom(16).hex(), request_id is not None, reason)


class Step(NamedTuple):
    """One thing to do to a model. ``strict`` is whether a metric that no version has is a slip, ``policy`` whether the
    rules are those of a document: then a metric without a direction keeps every version, and is not an error.
    """

    model: str
    action: str
    rules: Rules
    strict: bool = True
    policy: bool = False


def of_policy(name: str, policy: Policy, own: str) -> Iterator[Step]:
    """A metric that not every model has is no slip in what is said for several: only in ``own``, the model's document."""
    sources = policy.sources
    if policy.prune:
        yield Step(name, DELETE, policy.prune, sources["prune"].file == own, True)
    if policy.archive:
        strict = sources["archive"].file == own
        yield Step(name, ARCHIVE, policy.archive, strict, True)
        if policy.archive.compress:
            yield Step(name, PACK, policy.archive, strict, True)


def each_of(
    steps: Iterable[Step], deed: Callable[[Step], _T], on_error: Callable[[RegistryError], None]
) -> Iterator[_T]:
    """What each step of a model gives; after one that failed the others of that model are left."""
    for step in steps:
        try:
            yield deed(step)
        except Indeterminate:
            raise
        except RegistryError as error:
            on_error(error)
            return


def revisions(plans: Iterable[Plan]) -> Iterator[tuple[Plan, int]]:
    """Each plan, and the revision that its model has when its turn comes: those before it have moved it on."""
    moves: dict[str, int] = {}
    seen = set()
    for plan in plans:
        if (plan.model, plan.action) in seen:
            raise InvalidInput(f"there are two plans to {plan.action} versions of {plan.model}", "apply one of them")
        seen.add((plan.model, plan.action))
        before = moves.get(plan.model, 0)
        yield plan, plan.revision + before
        moves[plan.model] = before + (bool(plan.chosen) if plan.action == ARCHIVE else len(plan.chosen))


def name_of(plans: Iterable[Plan]) -> str:
    """One request id for these plans, always the same: to apply them again is to repeat the request."""
    ids = [plan.request_id for plan in plans]
    return ids[0] if len(ids) == 1 else hashlib.sha256("".join(ids).encode()).hexdigest()[:32]


def plain(text: str) -> str:
    """As one line of a history: a query may have several."""
    return shorten(replace_unprintable(text), REASON)
