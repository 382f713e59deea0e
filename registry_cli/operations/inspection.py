"""Inspect and scan files: those of a version, those that are about to become one, and those of no registry."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
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
    """The analysis of staged files: inspection, scan, capture of the lineage.

    ``lineage`` is the result; given values take precedence over found ones. ``unsafe`` is the reason to register what the
    scan refuses; ``passed`` is then what the event records. ``warnings`` are sentences about what was not found out.
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
        paths = {entry.path: staging.files / entry.path for entry in staging.entries}
        self.analyze_files(paths, lambda name, data: staging.keep(name, data, self._modes))

    def analyze_files(self, paths: Mapping[str, Path], keep: Callable[[str, bytes], object]) -> None:
        """Look at files by their names in the artifact; ``keep`` stores what is kept beside them."""
        scan = self._scan_files(paths, self._scan) if self._scan and self._scan.mode != "off" else None
        found = inspector.inspect(paths).lineage() if self._inspect else {}
        self.lineage = _merge_lineage({**found, **self._capture_lineage(keep)}, self._given)
        if scan:
            self.lineage["scan"] = scan  # whatever was given: a verdict is what was found

    def _capture_lineage(self, keep: Callable[[str, bytes], object]) -> Mapping[str, Any]:
        """Where the files come from; the list of packages and the changes are kept beside them."""
        if self._origin is None:
            return {}
        found = self._origin.capture(self._progress)
        for name in codec.sidecar_digests(_merge_lineage(found.lineage, self._given)):
            keep(name, found.sidecars[name])
        self.warnings += found.warnings
        return found.lineage

    def _scan_files(self, paths: Mapping[str, Path], rules: ScanRules) -> dict[str, Any]:
        """Return the verdict and its reasons. Raises :class:`Refused` by the rules, unless there is a reason to allow it."""
        found = scanner.scan(paths, rules.allow)
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
    why = "" if found.verdict == "dangerous" else f", which scan mode '{rules.mode}' refuses"
    return Refused(
        f"scan verdict: {found.verdict}{why}: {reasons[0] if reasons else 'no reason recorded'}{more}",
        "run 'registry scan PATH'; use `unsafe` to register it anyway",
    )


def _merge_lineage(found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge found and given values, part by part; given ones take precedence."""
    merged = {**found, **given}
    for name, value in found.items():
        if isinstance(value, Mapping) and isinstance(over := given.get(name), Mapping):
            merged[name] = {**value, **over}
        elif isinstance(value, str) and value.startswith(f"{given.get(name)} "):
            merged[name] = value  # the same, and the release: 'sklearn 1.5.2' for 'sklearn'
    return merged


def inspect_files(paths: OneOrMore[PathLike]) -> Inspected:
    """Inspect files that are in no registry, as :meth:`Registry.register` would. Nothing in them is loaded or run.

    Args:
        paths: Files, or a folder.

    Raises:
        NotFound: A path does not exist.
        InvalidInput: A path is not a file or a folder, or is standard input.
        Refused: A link leads out of the folder, or a file is not a regular one.
        OSError: A file can't be opened.
    """
    return inspector.inspect(_collect_files(paths, "inspected"))


def scan_files(paths: OneOrMore[PathLike], *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
    """Scan files that are in no registry, as :meth:`Registry.register` would: whether they are safe to load.

    Args:
        paths: Files, or a folder.
        allow: Globals that are known besides the usual ones: ``package.Class``, or ``package.*``.
        progress: Called with the number of bytes that were read.

    Raises:
        NotFound: A path does not exist.
        InvalidInput: A path is not a file or a folder, or is standard input.
        Refused: A link leads out of the folder, or a file is not a regular one.
        OSError: A file can't be opened.
    """
    names = [scan_policy.check_global(name) for name in values.as_list(allow, "allow")]
    return scanner.scan(_collect_files(paths, "scanned"), names, progress=progress)


def _collect_files(paths: OneOrMore[PathLike], done: str) -> dict[str, Path]:
    given = [os.fspath(path) for path in values.as_list(paths, "paths")]
    if source_files.STDIN in given:
        raise InvalidInput(f"standard input cannot be {done}", "write it to a file first")
    found = source_files.collect([(path, None) for path in given], FileSelection(everything=True))
    return {source.path: source.origin for source in found if source.origin is not None}


def inspect_version(context: RegistryContext, ref: str | Reference) -> Inspected:
    """Inspect the files of a version anew; what :meth:`register` found is in its ``lineage``. Nothing is loaded or run.

    Raises:
        Damaged: A file is missing.
        Conflict: The version is packed meanwhile.
    """
    with open_artifact(context, ref) as artifact:
        return inspector.inspect({entry.path: artifact.folder / entry.path for entry in artifact.files})


def scan_version(
    context: RegistryContext, ref: str | Reference, *, allow: OneOrMore[str] = (), progress: Progress = SILENT
) -> Scan:
    """Scan the files of a version anew: whether they are safe to load.

    Args:
        allow: Globals that are known besides those that the registry allows: ``package.Class``, or ``package.*``.
        progress: Called with the number of bytes that were read.

    Raises:
        Damaged: A file is missing.
        Conflict: The version is packed meanwhile.
    """
    allowed = (*get_scan_rules(context).allow, *values.as_list(allow, "allow"))
    with open_artifact(context, ref) as artifact:
        files = {entry.path: artifact.folder / entry.path for entry in artifact.files}
        return scanner.scan(files, allowed, progress=progress)


def get_scan_rules(context: RegistryContext) -> ScanRules:
    """Return what this registry does with unsafe files: its setting ``scan``."""
    setting = context.settings.scan
    return scan_policy.ScanRules() if setting is None else scan_policy.parse_scan_rules(setting, layout.REGISTRY)
