"""Running the checks of a stage on a version: before any lock, in an empty folder, and only what is trusted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..core.text import escape_for_message
from ..errors import Refused, explain
from ..lifecycle.checks import Check, spoken
from ..lifecycle.policy import FAILED, PASSED, Found, Policies

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.records import VersionRecord
    from ..lifecycle.commands import Commands
    from ..store.layout import Layout

#: What a check that is still to be run counts for, where only the other rules are looked at.
NOT_YET = Found(PASSED, "is run later")
#: Says whether these commands may run on this machine.
Trust = Callable[["Commands"], bool]
#: Characters of the last line that a command printed, in the table.
_LINE = 120


def refuse_inside(layout: Layout, policies: Policies) -> None:
    """A program inside of the registry's folder is never run: who may write there could change it after it was trusted."""
    for policy in policies.values():
        for rule in policy.rules:
            for word in rule.check.arguments if rule.check else ():
                if word.startswith("/") and "{" not in word and _is_inside(word, layout.root):
                    raise rule.source.mistake(
                        rule.path,
                        f"'{escape_for_message(word)}' lies inside the registry",
                        "keep programs elsewhere: whoever may write there could change it after it was trusted",
                    )


def _is_inside(path: str, root: Path) -> bool:
    real, folder = os.path.realpath(path), os.path.realpath(root)
    return os.path.commonpath([real, folder]) == folder


def wanted(policies: Policies, stage: str) -> list[Check]:
    """The checks that a version must pass to enter a stage."""
    policy = policies.get(stage)
    return [rule.check for rule in policy.rules if rule.check] if policy else []


def commands(layout: Layout, registry_id: str, name: str, policies: Policies) -> Commands:
    """The commands of ``policies``; ``name`` is the model or group that they are of, empty for the registry."""
    from ..lifecycle.commands import Commands, commands_of

    return Commands(os.path.realpath(layout.root), registry_id, name, tuple(commands_of(policies)))


def untrusted(stage: str, name: str) -> Refused:
    """What to raise when commands would have to be run that nobody has looked at."""
    return Refused(
        f"the policy of {stage} has commands in it that you have not trusted, or that have changed since",
        f"registry trust {name} shows them, and lets them run".replace("  ", " "),
    )


def run(wanted: list[Check], version: VersionRecord, folder: Path, stage: str, layout: Layout) -> dict[Check, Found]:
    """Run each check on the files of a version in ``folder``; what each of them found."""
    said = {"path": str(folder), "ref": version.ref, "stage": stage}
    variables = {
        "REGISTRY_REF": version.ref,
        "REGISTRY_PATH": str(folder),
        "REGISTRY_STAGE": stage,
        "REGISTRY_MODEL": version.model,
        "REGISTRY_VERSION": str(version.number),
        "REGISTRY_DIGEST": f"sha256:{version.digest}",
        "REGISTRY_ROOT": str(layout.root),
        "REGISTRY_HOME": str(layout.root),
    }
    return {check: _run(check, check.filled(said), variables, layout.root) for check in wanted}


def _run(check: Check, arguments: list[str], variables: Mapping[str, str], root: Path) -> Found:
    import shutil
    import tempfile

    from ..core import subprocesses
    from ..core.redaction import redact_text

    program = shutil.which(arguments[0])
    if program and _is_inside(program, root):
        return Found(FAILED, f"was not run: {escape_for_message(program)} lies inside the registry")
    place = tempfile.mkdtemp(prefix="registry-check-")  # what lies in the folder it starts in can be loaded by it
    begun = time.monotonic()
    try:
        done = subprocesses.run(arguments, seconds=check.seconds, folder=place, variables=variables)
    except (OSError, ValueError) as error:
        words = explain(error) if isinstance(error, OSError) else str(error)
        return Found(FAILED, f"can't be run: {words}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    printed = redact_text((done.output + done.errors).decode("utf-8", "replace"))
    output = f"{printed}\n… (cut)" if done.cut else printed
    if done.code is None:
        return Found(FAILED, f"took longer than {spoken(check.seconds)}", output)
    took = time.monotonic() - begun
    if done.code == 0:
        return Found(PASSED, f"exit 0 after {took:.1f} s", output)
    ended = f"signal {-done.code}" if done.code < 0 else f"exit {done.code}"
    last = next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")
    return Found(FAILED, f"{ended}: {last[:_LINE]}" if last else ended, output)
