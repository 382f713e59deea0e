"""What is found out of files before they become a version: what they are, whether they are safe, where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.progress import SILENT, Progress
from ..errors import Refused
from ..store import sidecars

if TYPE_CHECKING:
    from ..lifecycle.scan_rules import ScanRules
    from ..provenance.capture import Origin
    from ..provenance.safety.verdicts import Scan
    from ..store.ingest import Staging
    from ..store.modes import Modes


class Examination:
    """One look at staged files. ``lineage`` is what the version will say of them; what was given stands above all.

    ``inspect`` says whether to look what is inside, ``scan`` what is done with what is not safe, ``origin`` how to find
    out where they come from; files that are kept of that beside the version get the modes of ``modes``. ``unsafe`` is
    why something is to be registered that would be refused; then ``passed`` is what the event says of it. ``warnings``
    tell what could not be found out, in a sentence each.
    """

    def __init__(
        self,
        given: dict[str, Any],
        modes: Modes,
        *,
        inspect: bool = True,
        scan: ScanRules | None = None,
        unsafe: str = "",
        origin: Origin | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._given, self._modes = given, modes
        self._inspect, self._scan, self._unsafe = inspect, scan, unsafe
        self._origin, self._progress = origin, progress
        self.lineage: dict[str, Any] = given
        self.passed: dict[str, Any] = {}
        self.warnings: list[str] = []

    def examine(self, staging: Staging) -> None:
        """Look at the files, which are hashed and complete; not under the lock. May refuse them."""
        scan = self._scanned(staging, self._scan) if self._scan and self._scan.mode != "off" else None
        found = _contents(staging) if self._inspect else {}
        self.lineage = _under({**found, **self._traced(staging)}, self._given)
        if scan:
            self.lineage["scan"] = scan  # whatever was given: a verdict is what was found

    def _traced(self, staging: Staging) -> Mapping[str, Any]:
        """Where the files come from; the list of packages and the changes are kept beside them."""
        if self._origin is None:
            return {}
        found = self._origin.look(self._progress)
        for name in sidecars.named(_under(found.lineage, self._given)):
            staging.keep(name, found.sidecars[name], self._modes)
        self.warnings += found.warnings
        return found.lineage

    def _scanned(self, staging: Staging, rules: ScanRules) -> dict[str, Any]:
        """The verdict, and what it rests on. :class:`Refused` when the rules say so, unless it was said why not."""
        from ..provenance.scanning import scan

        found = scan({entry.path: staging.files / entry.path for entry in staging.entries}, rules.allow)
        said = found.lineage()
        if rules.lets_in(found.verdict, found.limited):
            return said
        if not self._unsafe:
            raise _refused(found, rules)
        self.passed = {"unsafe": found.verdict, "reason": self._unsafe}
        return {**said, "allowed": self._unsafe}


def _refused(found: Scan, rules: ScanRules) -> Refused:
    reasons = found.reasons(found.verdict)
    more = f" (and {len(reasons) - 1:,} more)" if len(reasons) > 1 else ""
    why = "" if found.verdict == "dangerous" else f", which the scan mode '{rules.mode}' does not let in"
    return Refused(
        f"the verdict is {found.verdict}{why}: {reasons[0] if reasons else 'no reason is known'}{more}",
        "look with 'registry scan PATH'; to register it all the same: --allow-unsafe --reason TEXT",
    )


def _contents(staging: Staging) -> dict[str, Any]:
    """Format, framework and contents."""
    from ..provenance.inspecting import inspect

    return inspect({entry.path: staging.files / entry.path for entry in staging.entries}).lineage()


def _under(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with what was given laid over it, part by part."""
    merged = {**found, **given}
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(over := given.get(name), Mapping):
            merged[name] = {**value, **over}
        elif isinstance(value, str) and value.startswith(f"{given.get(name)} "):
            merged[name] = value  # the same, and the release: 'sklearn 1.5.2' for 'sklearn'
    return merged
