"""Asking whether the commands of a policy may run, and printing the output of checks, for every verb that runs them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..core import times
from ..core.accounts import config_folder
from ..rules.policy.command_checks import CommandCheck
from ..trust.trusted_commands import TrustFile
from .formatting import escape, shorten

if TYPE_CHECKING:
    from ..rules.policy.command_checks import CommandSet
    from ..rules.policy.evaluation import RuleResult
    from .session import Session

#: The number of lines shown of the output of a check; all are in ``check --json``.
_LINES = 20
QUESTION = "Trust these commands to run on this machine as you?"


def open_trust_file() -> TrustFile | None:
    folder = config_folder(os.environ)
    return TrustFile(folder) if folder else None


def is_trusted(cx: Session, commands: CommandSet) -> bool:
    """Whether commands may run. A person at a terminal is asked, and not again until they change."""
    file = open_trust_file()
    if file is None:
        return False
    if file(commands):
        return True
    if not cx.can_ask:
        return False
    known = any((each.root, each.id) == (commands.root, commands.id) for each in file.all())
    print_commands(commands, " (new or changed since you trusted it)" if known else "")
    if not cx.ask_yes_no(QUESTION):
        return False
    file.add(commands, times.format_time(times.utc_now()))
    return True


def print_commands(commands: CommandSet, why: str = "") -> None:
    """Show commands to the person who has to decide, on standard error."""
    whose = escape(commands.name or commands.root)
    what = f"The {whose}" if commands.name.startswith("target ") else f"The policy of {whose}"
    print(f"{what}{why} runs these commands on this machine:", file=sys.stderr)
    for each in commands.items:
        place = each.file if each.line is None else f"{each.file}:{each.line}"
        print(escape(f"  {each.stage}  {format_command(each.arguments)}  ({place})"), file=sys.stderr)


def format_command(arguments: tuple[str, ...]) -> str:
    return CommandCheck("", arguments).command


def report_outputs(cx: Session, rules: tuple[RuleResult, ...]) -> None:
    """Print the last lines of the output of each check that did not pass."""
    for rule in rules:
        lines = rule.output.splitlines() if rule.outcome != "passed" else []
        for line in [f"{rule.name} printed:", *(f"  {shorten(line)}" for line in lines[-_LINES:])] if lines else ():
            cx.say(line)
