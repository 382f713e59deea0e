"""Inspect and scan files: those of a version, those that are about to become one, and those of no registry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..errors import InvalidInput, Refused
from ..inspect import inspector
from ..rules import scan_policy
from ..scan import scanner
from ..store import codec, layout, source_files
from ..store.selection import FileSelection
from .read import open_artifact

if TYPE_CHECKING:
    from ..core.values import OneOrMore, PathLike
    from ..inspect.inspection import Inspected
    from ..lineage.capture import LineageCapture
    from ..rules.scan_policy import ScanRules
    from ..scan.verdicts import Scan
    from ..store.filesystem.files import Modes
    from ..store.staging import StagingFolder
    from .context import RegistryContext


class ArtifactAnalysis:
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
        origin: LineageCapture | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._given, self._modes = given, modes
        self._inspect, self._scan, self._unsafe = inspect, scan, unsafe
        self._origin, self._progress = origin, progress
        self.lineage: dict[str, Any] = given
        self.passed: dict[str, Any] = {}
        self.warnings: list[str] = []

    def analyze(self, staging: StagingFolder) -> None:
        """Look at the files, which are hashed and complete; not under the lock. May refuse them."""
        scan = self._scan_files(staging, self._scan) if self._scan and self._scan.mode != "off" else None
        found = _inspect_contents(staging) if self._inspect else {}
        self.lineage = _merge_lineage({**found, **self._capture_lineage(staging)}, self._given)
        if scan:
            self.lineage["scan"] = scan  # whatever was given: a verdict is what was found

    def _capture_lineage(self, staging: StagingFolder) -> Mapping[str, Any]:
        """Where the files come from; the list of packages and the changes are kept beside them."""
        if self._origin is None:
            return {}
        found = self._origin.look(self._progress)
        for name in codec.sidecar_digests(_merge_lineage(found.lineage, self._given)):
            staging.keep(name, found.sidecars[name], self._modes)
        self.warnings += found.warnings
        return found.lineage

    def _scan_files(self, staging: StagingFolder, rules: ScanRules) -> dict[str, Any]:
        """The verdict, and what it rests on. :class:`Refused` when the rules say so, unless it was said why not."""
        found = scanner.scan({entry.path: staging.files / entry.path for entry in staging.entries}, rules.allow)
        lineage = found.lineage()
        if rules.allows(found.verdict, found.limited):
            return lineage
        if not self._unsafe:
            raise _scan_refusal(found, rules)
        self.passed = {"unsafe": found.verdict, "reason": self._unsafe}
        return {**lineage, "allowed": self._unsafe}


def _scan_refusal(found: Scan, rules: ScanRules) -> Refused:
    reasons = found.reasons(found.verdict)
    more = f" (and {len(reasons) - 1:,} more)" if len(reasons) > 1 else ""
    why = "" if found.verdict == "dangerous" else f", which the scan mode '{rules.mode}' does not let in"
    return Refused(
        f"the verdict is {found.verdict}{why}: {reasons[0] if reasons else 'no reason is known'}{more}",
        "look with 'registry scan PATH'; to register it all the same: --allow-unsafe --reason TEXT",
    )


def _inspect_contents(staging: StagingFolder) -> dict[str, Any]:
    """Format, framework and contents."""
    return inspector.inspect({entry.path: staging.files / entry.path for entry in staging.entries}).lineage()


def _merge_lineage(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with what was given laid over it, part by part."""
    merged = {**found, **given}
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(over := given.get(name), Mapping):
            merged[name] = {**value, **over}
        elif isinstance(value, str) and value.startswith(f"{given.get(name)} "):
            merged[name] = value  # the same, and the release: 'sklearn 1.5.2' for 'sklearn'
    return merged


def inspect_files(paths: OneOrMore[PathLike]) -> Inspected:
    """Inspect files, or a folder, of no registry; see :meth:`Registry.inspect_files`."""
    return inspector.inspect(_collect_files(paths, "inspected"))


def scan_files(paths: OneOrMore[PathLike], *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
    """Scan files, or a folder, of no registry; see :meth:`Registry.scan_files`."""
    names = [scan_policy.check_global(name) for name in values.as_list(allow, "allow")]
    return scanner.scan(_collect_files(paths, "scanned"), names, progress=progress)


def _collect_files(paths: OneOrMore[PathLike], done: str) -> dict[str, Path]:
    given = [os.fspath(path) for path in values.as_list(paths, "paths")]
    if source_files.STDIN in given:
        raise InvalidInput(f"standard input can't be {done}", "write it to a file first")
    found = source_files.collect(given, None, FileSelection(everything=True))
    return {source.path: source.origin for source in found if source.origin is not None}


def inspect_version(context: RegistryContext, ref: str | Reference) -> Inspected:
    """What the files of a version are, looked at anew: what ``register`` found stands in its ``lineage``.

    Raises as :meth:`scan` does.
    """
    with open_artifact(context, ref) as artifact:
        return inspector.inspect({entry.path: artifact.folder / entry.path for entry in artifact.files})


def scan_version(
    context: RegistryContext, ref: str | Reference, *, allow: OneOrMore[str] = (), progress: Progress = SILENT
) -> Scan:
    """Whether the files of a version are safe to load, looked at anew; what this registry allows counts as known.

    Raises OSError when one can't be opened, :class:`Damaged` when one is missing, :class:`NotFound` and
    :class:`Conflict` when the version is deleted or packed meanwhile.
    """
    allowed = (*get_scan_rules(context).allow, *values.as_list(allow, "allow"))
    with open_artifact(context, ref) as artifact:
        files = {entry.path: artifact.folder / entry.path for entry in artifact.files}
        return scanner.scan(files, allowed, progress=progress)


def get_scan_rules(context: RegistryContext) -> ScanRules:
    """What this registry does with what is not safe: its setting ``scan``."""
    setting = context.settings.scan
    return scan_policy.ScanRules() if setting is None else scan_policy.parse_scan_rules(setting, layout.REGISTRY)
