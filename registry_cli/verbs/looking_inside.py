"""Looking inside files that are in no registry. Only reads, and needs no registry."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..progress import SILENT, Progress
from ..store import sources

if TYPE_CHECKING:
    from ..provenance.inspection import Inspected
    from ..provenance.safety.verdicts import Scan


def inspect(paths: Iterable[str | os.PathLike[str]]) -> Inspected:
    """What files, or a folder, are: see ``RegistryReader.inspect_files``."""
    from ..provenance import inspecting

    return inspecting.inspect(_files(paths, "inspected"))


def scan(paths: Iterable[str | os.PathLike[str]], *, allow: Iterable[str] = (), progress: Progress = SILENT) -> Scan:
    """Whether files, or a folder, are safe to load: see ``RegistryReader.scan_files``."""
    from ..lifecycle.scan_rules import check_global
    from ..provenance import scanning

    names = [check_global(name) for name in allow]
    return scanning.scan(_files(paths, "scanned"), names, progress=progress)


def _files(paths: Iterable[str | os.PathLike[str]], done: str) -> dict[str, Path]:
    given = [os.fspath(path) for path in paths]
    if sources.STDIN in given:
        raise InvalidInput(f"standard input can't be {done}", "write it to a file first")
    return {source.path: source.origin for source in sources.collect(given) if source.origin is not None}
