"""Whether an artifact is safe to load: a verdict for each file and for the whole, without loading anything.

No verdict proves that a file is safe: see ``docs/explanation/scanning.md``. What could not be read to its end is never
called clean.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.progress import SILENT, Progress
from ..inspect.binary.limits import Budget
from ..inspect.binary.sources import InFile
from .pickle.allowed_globals import Allowed
from .scanner import Scanner
from .verdicts import FileScan, Scan

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def scan(
    files: Mapping[str, Path], allow: Iterable[str] = (), budget: Budget | None = None, progress: Progress = SILENT
) -> Scan:
    """Look into the ``files`` of an artifact, by their paths in it.

    ``allow`` are globals that are known besides: ``package.Class``, or ``package.*`` for all of a package but what is
    denied. ``budget`` is what may be spent on all of them together; ``progress`` is told of files. Raises OSError when
    one can't be opened.
    """
    scanner = Scanner(Allowed(allow), budget or Budget())
    progress.expect(len(files))
    found = []
    for name in sorted(files):
        found.append(_scanned(scanner, name, files[name]))
        progress(1)
    return Scan(tuple(found))


def _scanned(scanner: Scanner, name: str, path: Path) -> FileScan:
    descriptor = os.open(path, _READ)
    try:
        return scanner.file(name, InFile(descriptor))
    finally:
        os.close(descriptor)
