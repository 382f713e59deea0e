"""Checking the files beside ``version.yaml`` that the lineage of a version names."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ...core.records import VersionRecord
from .. import sidecars
from ..layout import ModelLayout
from .verify_contents import File

if TYPE_CHECKING:
    from .verify import Findings


def check_sidecars(paths: ModelLayout, record: VersionRecord, found: Findings) -> list[File]:
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
        jobs.append(File(record.ref, name, path, sha256, (status.st_dev, status.st_ino), status.st_size))
    return jobs
