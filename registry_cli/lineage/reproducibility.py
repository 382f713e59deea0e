"""Could a version be made again here and now? Each thing that it takes is looked for; nothing is run, fetched or changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.progress import SILENT, Progress
from ..core.results import ReproducibilityCheck
from ..errors import RegistryError, explain
from ..rules import comparison
from ..store import layout
from . import data, environment, git, packages
from .process_info import Caller
from .recipe import items, part, text

HOLDS, DIFFERS, UNKNOWN = "holds", "differs", "unknown"
_NAMED = 5
_NOT_KEPT = "it was not recorded"


def conditions(
    lineage: Mapping[str, Any],
    kept: Mapping[str, bytes | str],
    caller: Caller,
    python: str | None,
    progress: Progress = SILENT,
) -> Iterator[ReproducibilityCheck]:
    """What it takes, and whether it is here: the commit, the changes, Python, the packages, data and code.

    ``kept`` are the files beside the version, each as bytes, or as a text that says why it can't be read.
    """
    here = git.Repository.around(caller.folder, caller.variables)
    yield _commit(part(lineage, "git"), here)
    yield from _changes(part(lineage, "git"), kept)
    yield from _packages(part(lineage, "environment"), kept, environment.chosen(caller, python))
    folder = _folder(lineage, caller, here)
    for name in ("data", "code"):
        for item in items(lineage, name):
            yield _measured(name, item, folder, progress)
    command = text(part(lineage, "run"), "command")
    yield ReproducibilityCheck(
        "command", HOLDS if command else UNKNOWN, command, "it is known" if command else _NOT_KEPT
    )


def _commit(said: Mapping[str, Any], here: git.Repository | None) -> ReproducibilityCheck:
    commit = text(said, "commit")
    if not git.is_commit(commit):
        return ReproducibilityCheck("commit", UNKNOWN, "", _NOT_KEPT)
    if here is None:
        return ReproducibilityCheck("commit", DIFFERS, commit, "there is no repository here")
    try:
        if git.has_commit(here, commit):
            return ReproducibilityCheck("commit", HOLDS, commit, f"it is in {here.top}")
        return ReproducibilityCheck("commit", DIFFERS, commit, f"it is not in {here.top}; git fetch may bring it")
    except git.Silent as error:
        return ReproducibilityCheck("commit", DIFFERS, commit, str(error))


def _changes(said: Mapping[str, Any], kept: Mapping[str, bytes | str]) -> Iterator[ReproducibilityCheck]:
    """The changes that were not committed are worth something only if they were kept."""
    if not said.get("dirty"):
        return
    patch = kept.get(layout.PATCH)
    wanted = text(said, "patch")
    if isinstance(patch, bytes):
        yield ReproducibilityCheck("changes", HOLDS, wanted, f"{layout.PATCH} is here")
    else:
        yield ReproducibilityCheck(
            "changes", DIFFERS, wanted, patch or "the changes that were not committed were not kept"
        )


def _packages(
    said: Mapping[str, Any], kept: Mapping[str, bytes | str], here: environment.Environment
) -> Iterator[ReproducibilityCheck]:
    wanted = text(said, "python")
    if not wanted:
        yield ReproducibilityCheck("python", UNKNOWN, "", _NOT_KEPT)
    else:
        yield ReproducibilityCheck(
            "python", HOLDS if here.python == wanted else DIFFERS, wanted, here.python or here.why
        )
    listed = kept.get(layout.ENVIRONMENT)
    digest = text(said, "digest")
    if not isinstance(listed, bytes):
        yield ReproducibilityCheck(
            "packages", DIFFERS if listed else UNKNOWN, digest, listed or text(said, "unknown") or _NOT_KEPT
        )
    elif not here.lines:
        yield ReproducibilityCheck("packages", DIFFERS, digest, here.why or "there are none")
    else:
        before = packages.listed(listed.decode("utf-8", "replace"))
        after = packages.listed("\n".join(here.lines))
        other = comparison.differences(before, after, comparison.Difference)
        words = f"all {len(before)} are the same" if not other else _told(other)
        yield ReproducibilityCheck("packages", DIFFERS if other else HOLDS, digest, words)


def _told(other: tuple[comparison.Difference, ...]) -> str:
    first = ", ".join(f"{each.name} {each.before or 'none'} is {each.after or 'none'}" for each in other[:_NAMED])
    return f"{len(other)} differ: {first}{' …' if len(other) > _NAMED else ''}"


def _folder(lineage: Mapping[str, Any], caller: Caller, here: git.Repository | None) -> str:
    """The folder from which paths count: where it was made, as far as that is here."""
    said = text(part(lineage, "run"), "folder")
    top = str(here.top) if here else caller.folder
    return os.path.join(top, said) if said else caller.folder


def _measured(kind: str, item: Mapping[str, Any], folder: str, progress: Progress) -> ReproducibilityCheck:
    path, wanted = text(item, "path"), text(item, "digest")
    name = f"{kind} {path or text(item, 'uri')}"
    algorithm = wanted.partition(":")[0]
    if not path:
        return ReproducibilityCheck(name, UNKNOWN, wanted, "an address: it is not looked at")
    place = os.path.join(folder, path)
    if not os.path.exists(place):
        return ReproducibilityCheck(name, DIFFERS, wanted, "it is not here")
    try:
        if algorithm == "md5" and os.path.isfile(place):
            found = f"md5:{_md5(place, progress)}"
        elif algorithm == "sha256":
            found = data.measured(place, progress)["digest"]
        else:
            return ReproducibilityCheck(
                name, UNKNOWN, wanted, "it is here; dvc status compares it" if algorithm == "md5" else "it is here"
            )
    except OSError as error:
        return ReproducibilityCheck(name, DIFFERS, wanted, f"it can't be read: {explain(error)}")
    except RegistryError as error:
        return ReproducibilityCheck(name, DIFFERS, wanted, error.message)
    return ReproducibilityCheck(name, HOLDS if found == wanted else DIFFERS, wanted, found)


def _md5(path: str, progress: Progress) -> str:
    """DVC's digest of a file: no proof against malice, but what it was recorded by."""
    hasher = hashlib.md5(usedforsecurity=False)
    progress.expect(os.stat(path).st_size)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
            progress(len(block))
    return hasher.hexdigest()
