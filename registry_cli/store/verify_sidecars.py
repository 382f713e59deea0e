"""Checking the files beside ``version.yaml`` that the lineage of a version names."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..records import VersionRecord
from . import sidecars
from .layout import ModelLayout

if TYPE_CHECKING:
    from .verify import Findings


@dataclass(frozen=True)
class StoredFile:
    """One file whose digest is to be compared."""

    ref: str
    name: str
    path: Path
    sha256: str
    inode: tuple[int, int]
    size: int


def check_sidecars(paths: ModelLayout, record: VersionRecord, found: Findings) -> list[StoredFile]:
    """The files beside the document that its lineage names."""
    jobs = []
    for name, sha256 in sidecars.named(record.lineage).items():
        path = paths.version(record.number) / name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            found.error("missing-file", record.ref, f"'{name}' is missing")
            continue
        if not stat.S_ISREG(status.st_mode):
            found.error("changed-file", record.ref, f"'{name}' is no regular file any more")
            continue
        if status.st_mode & 0o222:
            found.warning("mode", record.ref, f"'{name}' is writable", repair=True)
        jobs.append(StoredFile(record.ref, name, path, sha256, (status.st_dev, status.st_ino), status.st_size))
    return jobs
