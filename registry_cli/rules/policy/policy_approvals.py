"""The keys of a policy that are about people: who approves, how many, who signed. Each is read here, and looked at.

An approval counts when it is in force and nothing in the whole policy speaks against the one who gave it: so two
documents joined are as strict together as each alone. A rejection that is in force stops everybody, asked for or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ...core.text import escape_for_message
from ..approvals import RecordedApproval, select_in_force
from ..settings_errors import Path, SettingsSource
from .policy import FAILED, PASSED, WAITING, PolicyInput, Rule, RuleOutcome

if TYPE_CHECKING:
    from ...errors import InvalidInput
    from .policy_rules import Look

#: The keys of a stage that stand here, and those of its ``require``.
STAGE_KEYS = ("approvals", "approvers", "not_author", "signed")
REQUIRE_KEYS = ("signed_by",)

#: The value of ``signed``: approvals count only with a signature of their author.
REQUIRED = "required"
_MOST = 1_000
#: Accounts and groups of a directory service can have an ``@`` in them, and its groups a space.
_ACCOUNT = re.compile(r"[^\s@/,\"'][^\s/,\"']{0,254}\Z|@[^\s@/,\"'][^/,\"']{0,254}\Z")
_PRINCIPAL = re.compile(r"[^\s,*?!\"\x00-\x1f\x7f-\x9f]{1,254}\Z")
_NAMED = 3


class StageReader(Protocol):
    """What reads the policy of a stage; see ``policy_parser``."""

    def _texts(self, value: Any, path: Path, example: str) -> Iterator[tuple[str, Path]]: ...
    def _truth(self, value: Any, path: Path) -> bool: ...
    def _fail(self, path: Path, message: str, hint: str = "") -> InvalidInput: ...
    def _add(self, path: Path, name: str, wanted: str, look: Look, said: Path | None = None, **more: Any) -> None: ...
    def _saying(self, path: Path) -> None: ...


def _approvals(reader: StageReader, value: Any, path: Path) -> None:
    if type(value) is not int or not 1 <= value <= _MOST:
        raise reader._fail(path, "is no number of people", f"write a whole number from 1 to {_MOST:,}")
    reader._add(
        path, "approvals", f"at least {value}", _enough(value), needs=PEOPLE, scale=("approvals",), strength=value
    )


def _approvers(reader: StageReader, value: Any, path: Path) -> None:
    names = []
    for name, place in reader._texts(value, path, "alice, '@risk-team'"):
        if not _ACCOUNT.match(name):
            raise reader._fail(
                place, f"'{escape_for_message(name)}' is no account", "write alice, or '@risk-team' for a Unix group"
            )
        names.append(name)
    if names:
        allowed = tuple(dict.fromkeys(names))
        reader._add(path, "approvers", " or ".join(allowed), _enough(1), needs=PEOPLE, who=_among(allowed))


def _not_author(reader: StageReader, value: Any, path: Path) -> None:
    if reader._truth(value, path):
        reader._add(path, "not_author", "another than the author", _enough(1), needs=PEOPLE, who=_is_author)
    else:
        reader._saying(path)


def _signed_approvals(reader: StageReader, value: Any, path: Path) -> None:
    if value != REQUIRED:
        raise reader._fail(path, f"must be '{REQUIRED}'", f"write signed: {REQUIRED}, or leave the key out")
    reader._add(path, "signed", "signed approvals", _enough(1), needs=PEOPLE, who=_is_unproven)


def _signed_by(reader: StageReader, value: Any, path: Path) -> None:
    for name, place in reader._texts(value, path, "alice@example.com"):
        if not _PRINCIPAL.match(name):
            hint = "write it as in allowed_signers, without wildcards"
            raise reader._fail(place, f"'{escape_for_message(name)}' is no principal", hint)
        reader._add(place, "signed_by", name, _signed(name), path, needs=PEOPLE)


#: What rules of this module need to be told; see ``policy.Rule``.
PEOPLE = "people"
#: The name of the rule that a rejection in force adds to every policy.
REJECTION = "rejection"
READ: dict[str, Callable[[StageReader, Any, Path], None]] = {
    "approvals": _approvals,
    "approvers": _approvers,
    "not_author": _not_author,
    "signed": _signed_approvals,
    "signed_by": _signed_by,
}


def _among(names: tuple[str, ...]) -> Callable[[PolicyInput, RecordedApproval], str]:
    def who(facts: PolicyInput, approval: RecordedApproval) -> str:
        for name in names:
            if facts.people.belongs(approval.by, name[1:]) if name.startswith("@") else approval.by == name:
                return ""
        return "is no approver"

    return who


def _is_author(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Who made it, and who brought it here: of a version from elsewhere these may be two."""
    if approval.by == facts.version.author:
        return "is the author"
    event = facts.version.event
    return "registered it" if event is not None and approval.by == event.by else ""


def _is_unproven(facts: PolicyInput, approval: RecordedApproval) -> str:
    return facts.people.unproven(approval)


def objection(facts: PolicyInput, approval: RecordedApproval) -> str:
    """Why somebody's approval does not count by the policy, empty if it does."""
    return next(filter(None, (who(facts, approval) for who in facts.conditions)), "")


def _enough(number: int) -> Look:
    """So many people approved whom nothing in the policy speaks against."""

    def look(facts: PolicyInput) -> RuleOutcome:
        given = select_in_force(facts.people.approvals, facts.stage, rejects=False)
        against = {each.by: objection(facts, each) for each in given}
        counted = [by for by, why in against.items() if not why]
        if len(counted) >= number:
            return RuleOutcome(PASSED, _listed(counted))
        notes = [f"{escape_for_message(by)} {why}" for by, why in against.items() if why]
        lapsed = (
            each for each in facts.people.approvals if each.stage == facts.stage and each.lapsed and not each.rejects
        )
        notes += [f"lapsed: {escape_for_message(each.by)}, {each.lapsed}" for each in lapsed]
        have = f"{len(counted)} of {number}" + (f": {_listed(counted)}" if counted else "")
        return RuleOutcome(WAITING, "; ".join([have, *notes[:_NAMED]]))

    return look


def _listed(accounts: list[str]) -> str:
    more = f" and {len(accounts) - _NAMED} more" if len(accounts) > _NAMED else ""
    return ", ".join(escape_for_message(account) for account in accounts[:_NAMED]) + more


def _signed(principal: str) -> Look:
    def look(facts: PolicyInput) -> RuleOutcome:
        why = facts.people.unsigned(principal)
        return RuleOutcome(FAILED, why) if why else RuleOutcome(PASSED, "signed")

    return look


def rejection(facts: PolicyInput, file: str) -> list[Rule]:
    """The rule that no policy need write: nobody rejects the version for this stage. None while nobody does."""
    found = select_in_force(facts.people.approvals, facts.stage, rejects=True)
    if not found:
        return []
    words = "; ".join(
        f"by {escape_for_message(each.by)}: {escape_for_message(str(each.event.detail.get('reason', '')))}"
        for each in found[:_NAMED]
    )
    return [Rule((), REJECTION, "none", SettingsSource(file), lambda _: RuleOutcome(FAILED, words))]
