"""Checking files of observations and profiles of data against the digests that the journal has of them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ...errors import RegistryError, explain
from ..filesystem import files
from ..layout import ModelLayout
from .verify_journal import ProblemCollector, read

_ACTIONS = (b'"action":"observations-closed"', b'"action":"profiled"')


def check_observations(paths: ModelLayout, found: ProblemCollector) -> None:
    """Each closed month begins with what it had when it was closed; the newest profile of a version is unchanged.

    A file that is not here is a warning: bundles leave observations out.
    """
    profiles: dict[int, dict[str, Any]] = {}
    for line in _read_lines(paths):
        number = line["version"]
        if line["action"] == "profiled":
            profiles[number] = line
        else:
            path = paths.observations(number) / f"{line['month']}.jsonl"
            _check(path, int(line["size"]), line["sha256"], paths, number, found)
    for number, line in profiles.items():
        path = paths.observations(number) / f"profile-{line['sha256'][:16]}.json"
        _check(path, None, line["sha256"], paths, number, found)


def _read_lines(paths: ModelLayout) -> list[dict[str, Any]]:
    try:
        data = read(paths.history)
    except OSError:  # which the check of the journal reports
        return []
    found = []
    for raw in data.split(b"\n"):
        if any(action in raw for action in _ACTIONS):
            try:
                line = json.loads(raw)
                if isinstance(line["version"], int) and isinstance(line["sha256"], str):
                    found.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # which the check of the journal reports
    return found


def _check(path: Path, size: int | None, sha256: str, paths: ModelLayout, number: int, found: ProblemCollector) -> None:
    """Compare the first ``size`` bytes of a file, or all of them."""
    name, ref = paths.relative(path), f"{paths.name}@{number}"
    try:
        with files.open_file(path, name) as descriptor:
            left, digest, position = size if size is not None else 1 << 62, hashlib.sha256(), 0
            while left > 0 and (block := os.pread(descriptor, min(files.BLOCK, left), position)):
                digest.update(block)
                position, left = position + len(block), left - len(block)
    except (FileNotFoundError, NotADirectoryError):
        found.warning("observations-missing", ref, f"{name} is missing")
        return
    except (OSError, RegistryError) as error:
        problem = explain(error) if isinstance(error, OSError) else error.message
        found.error("changed-observations", ref, f"{name} can't be read: {problem}")
        return
    if digest.hexdigest() != sha256:
        found.error("changed-observations", ref, f"{name} is not what was recorded")
