"""Looking inside files that are in no registry. Only reads, and needs no registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import values
from ..core.progress import SILENT, Progress
from ..errors import InvalidInput
from ..store import sources
from ..store.selection import FileSelection

if TYPE_CHECKING:
    from ..core.values import OneOrMore, PathLike
    from ..provenance.inspection import Inspected
    from ..provenance.safety.verdicts import Scan


def inspect(paths: OneOrMore[PathLike]) -> Inspected:
    """What files, or a folder, are: see ``RegistryReader.inspect_files``."""
    from ..provenance import inspecting

    return inspecting.inspect(_files(paths, "inspected"))


def scan(paths: OneOrMore[PathLike], *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
    """Whether files, or a folder, are safe to load: see ``RegistryReader.scan_files``."""
    from ..lifecycle.scan_rules import check_global
    from ..provenance import scanning

    names = [check_global(name) for name in values.as_list(allow, "allow")]
    return scanning.scan(_files(paths, "scanned"), names, progress=progress)


def _files(paths: OneOrMore[PathLike], done: str) -> dict[str, Path]:
    given = [os.fspath(path) for path in values.as_list(paths, "paths")]
    if sources.STDIN in given:
        raise InvalidInput(f"standard input can't be {done}", "write it to a file first")
    found = sources.collect(given, None, FileSelection(everything=True))
    return {source.path: source.origin for source in found if source.origin is not None}
