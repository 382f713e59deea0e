"""Checking the records of a model: names, pointers, claims, annotations, links, blobs.

All of this is read without the lock, while others may write. The checks are made again until nothing changed
meanwhile, and only problems that are found each time are reported.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ...core.records import StageTable
from ...core.results import Problem
from ...errors import RegistryError
from .. import codec, layout, reader
from ..filesystem import files
from ..layout import ModelLayout
from ..reader import ModelState
from .verify_journal import ProblemCollector, check_journal, error_message

#: How long a staging folder may stand before it is called left over, in seconds.
FRESH = 24 * 3600.0
#: What a writer leaves for a moment, between its commit and its last step: when it is there, wait, and look again.
_PASSING = frozenset({"journal-behind", "journal-torn", "unrecorded-version", "leftover", "link"})
_PAUSES = (0.02, 0.08, 0.2, 0.0)


def check_records(paths: ModelLayout, found: ProblemCollector, only: Collection[int] | None = None) -> list[int] | None:
    """Check everything but the versions themselves; the numbers of these, or None without a readable stage table.

    With ``only``, the documents of other versions are not compared with the journal, nor are their numbers returned.
    """
    attempts: list[list[Problem]] = []
    for pause in _PAUSES:
        before, each = _moment(paths), type(found)(paths.name)
        listed = _look(paths, each, only)
        attempts.append(each.problems)
        if _moment(paths) == before and not any(problem.code in _PASSING for problem in each.problems):
            attempts = attempts[-1:]
            break
        time.sleep(pause)
    lasting = set(attempts[-1]).intersection(*attempts)
    found.problems += [problem for problem in attempts[-1] if problem in lasting]
    return listed


def _moment(paths: ModelLayout) -> list[tuple[int, ...] | None]:
    """What differs when something of the model was written."""
    return [files.identity(str(path)) for path in (paths.root, paths.stages, paths.history, paths.versions)]


def _look(paths: ModelLayout, found: ProblemCollector, only: Collection[int] | None) -> list[int] | None:
    check_document(paths.model, f"{paths.name}: model.yaml", found)
    try:
        state = reader.read_state(paths)
    except (RegistryError, OSError) as error:
        found.error("document", f"{paths.name}/{layout.STAGES}", error_message(error), repair=True)
        return None
    check_types(paths, found)
    listed = _check_names(paths, state, found)
    _check_pointers(paths, state, listed, found)
    _check_annotations(paths, state, listed, found)
    if only is not None:
        listed = [number for number in listed if number in only]
    _check_claim(paths, state, check_journal(paths, state.table, listed, found), found)
    _check_rename(paths, state, found)
    _check_links(paths, state, found)
    _check_blobs(paths, state.table, found)
    _check_packs(paths, state.table, found)
    return listed


def _check_names(paths: ModelLayout, state: ModelState, found: ProblemCollector) -> list[int]:
    """The numbers of the versions that are here, in order; every other name in ``versions/`` is reported."""
    numbers = []
    for name in sorted(os.listdir(paths.versions)) if _is_folder(paths.versions) else ():
        where = f"{paths.name}/versions/{name}"
        number = layout.version_of(name)
        if number is not None and number in state.table.deleted:
            found.warning("leftover", where, "the folder of a deleted version; 'registry gc' removes it", repair=True)
        elif number is not None:
            numbers.append(number)
        elif layout.is_trash(name):
            found.warning("leftover", where, "remains of a deleted version; 'registry gc' removes them", repair=True)
        elif layout.is_temporary(name):
            if _is_stale(paths.versions / name):
                problem = "an abandoned staging folder; 'registry gc' removes it"
                found.warning("leftover", where, problem, repair=True)
        else:
            found.warning("unknown-name", where, "not a name used by the registry; ignored")
    pending = state.redo.path if state.redo else ""
    for number in state.table.deleted:
        path = paths.tombstone(number)
        if not files.exists(path) and paths.relative(path) != pending:
            found.error("tombstone", f"{paths.name}@{number}", "deleted, but its tombstone is missing")
    return sorted(numbers)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_stale(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > FRESH
    except OSError:
        return False


def _check_pointers(paths: ModelLayout, state: ModelState, listed: list[int], found: ProblemCollector) -> None:
    here, table = set(listed), state.table
    for kind, pointers in (("stage", table.stages), ("alias", table.aliases)):
        for name, number in pointers.items():
            if number not in here:
                found.error("pointer", paths.name, f"{kind} {name} points to version {number}, which is missing")
            elif number in table.archived:
                found.error("pointer", paths.name, f"{kind} {name} points to version {number}, which is archived")
    for number in table.archived:
        if number not in here:
            found.error("missing-version", f"{paths.name}@{number}", "archived, but its folder is missing")


def _check_annotations(paths: ModelLayout, state: ModelState, listed: list[int], found: ProblemCollector) -> None:
    """Check that each annotation can be read, and belongs to a version."""
    for name in sorted(os.listdir(paths.annotations)) if _is_folder(paths.annotations) else ():
        number = layout.version_of(name.removesuffix(".yaml"))
        if number is None or number in state.table.deleted:
            continue
        if number not in listed:
            found.warning("annotation", paths.name, f"annotations/{name} belongs to no version")
        where = f"{paths.name}@{number}" if number in listed else paths.name
        check_document(paths.annotations / name, f"{paths.name}: annotations/{name}", found, where)


def check_document(path: Path, what: str, found: ProblemCollector, where: str = "") -> None:
    try:
        codec.load(path, what)
    except (RegistryError, OSError) as error:
        found.error("document", where or found.model, error_message(error))


def _check_claim(paths: ModelLayout, state: ModelState, recorded: int, found: ProblemCollector) -> None:
    """Check that ``stages.yaml`` is as new as the claims that are ``recorded``, and equal to the newest, its only copy."""
    revision = state.table.revision
    try:
        table = reader.load_state(paths.stages, layout.STAGES).table
    except (RegistryError, OSError):
        return  # reported by the caller
    if table.revision < revision <= recorded:
        problem = f"stages.yaml has revision {table.revision}; readers follow its claims to {revision}"
        found.warning("stages-behind", paths.name, problem, repair=True)
    if revision and not _is_copy(paths, state):
        name = paths.claim(revision).name
        found.warning("claim", paths.name, f"{name} differs from stages.yaml: its only copy is lost", repair=True)
    for path, _ in stray_claims(paths, revision):
        problem = "a claim without a change: the next change would fail"
        found.error("claim", f"{paths.name}/{path.name}", problem, repair=True)


def stray_claims(paths: ModelLayout, revision: int) -> Iterator[tuple[Path, int]]:
    """Claims named after a later revision that hold an earlier table, with its revision; no commit made these."""
    for name in sorted(os.listdir(paths.root)):
        if (layout.revision_of(name) or 0) > revision:
            with contextlib.suppress(RegistryError, OSError):
                table = reader.load_state(paths.root / name, name).table
                if table.revision <= revision:
                    yield paths.root / name, table.revision


def _check_rename(paths: ModelLayout, state: ModelState, found: ProblemCollector) -> None:
    """Report an interrupted rename: until the folder moves, its own name is one of the former ones."""
    try:
        renaming = paths.name in codec.former_names(reader.ModelReader(paths).document(state))
    except (RegistryError, OSError):
        return  # reported already
    changed = state.table.changed
    if renaming:
        after = changed.detail.get("after") if changed and changed.action == "renamed" else "NEW"
        problem = f"a rename was interrupted; finish it with 'registry rename {paths.name} {after}'"
        found.warning("rename", paths.name, problem)


def _is_copy(paths: ModelLayout, state: ModelState) -> bool:
    claim = paths.claim(state.table.revision)
    try:
        found = reader.load_state(claim, claim.name)
        redo = found.redo
        edited = redo is not None and redo.path == layout.MODEL  # by people, since: that is what it is for
        if redo and not state.redo and not edited and codec.load(paths.root / redo.path, redo.path) != redo.document:
            return False
    except (RegistryError, OSError):
        return False
    return found.table == state.table


def _check_links(paths: ModelLayout, state: ModelState, found: ProblemCollector) -> None:
    """Check the links in ``stages/``: derived, but people and other programs follow them."""
    here: dict[str, str] = {}
    if _is_folder(paths.links):
        for path in paths.links.iterdir():
            if not path.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    here[path.name] = os.readlink(path) if path.is_symlink() else "no link"
    wanted = {stage: f"../versions/{number}" for stage, number in state.table.stages.items()}
    for name in sorted(here.keys() | wanted.keys()):
        if here.get(name) != wanted.get(name):
            to = wanted.get(name, "nothing")
            found.warning("link", f"{paths.name}/stages/{name}", f"stages.yaml points to {to}", repair=True)


def _digests_in_manifests(paths: ModelLayout, table: StageTable) -> frozenset[str]:
    """Every sha256 in the manifests of versions that are not packed: the blob of a missing file is its last copy."""
    found: set[str] = set()
    for manifest in paths.versions.glob(f"[1-9]*/{layout.MANIFEST}"):
        number = layout.version_of(manifest.parent.name)
        if number in table.packed and reader.pack_path(paths, number or 0):
            continue
        with contextlib.suppress(OSError):
            found.update(line[:64].decode("ascii", "replace") for line in manifest.read_bytes().split(b"\n"))
    return frozenset(found)


def _check_blobs(paths: ModelLayout, table: StageTable, found: ProblemCollector) -> None:
    if not _is_folder(paths.blobs):
        return
    blobs = list(iter_files(paths.blobs))
    lone = any(status.st_nlink == 1 for _, status in blobs)
    named = _digests_in_manifests(paths, table) if lone else frozenset()
    for name, status in blobs:
        prefix, _, digest = name.partition("/")
        where = f"{paths.name}/blobs/{name}"
        if not (layout.is_digest(digest) and digest.startswith(prefix)) or not stat.S_ISREG(status.st_mode):
            found.warning("unknown-name", where, "not a name used by the registry; ignored")
        elif status.st_nlink == 1 and digest not in named:
            found.warning("leftover", where, "no version uses this blob; 'registry gc' removes it", repair=True)


def iter_files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below ``root`` that is not a folder, by its path with slashes; what goes away meanwhile is left out."""
    start = len(f"{root}/")
    for path, status in files.iter_tree(root):
        if not stat.S_ISDIR(status.st_mode):
            yield path[start:], status


_KINDS = {
    stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


def check_types(paths: ModelLayout, found: ProblemCollector) -> None:
    """Check what no other check of ``verify`` opens: the lock, claims, tombstones, and the folders themselves."""
    for folder in (*paths.folders, paths.packs):
        _check_type(paths, folder, stat.S_IFDIR, found)
    _check_type(
        paths, paths.lock, stat.S_IFREG, found, repair=not _listed(paths.lock)
    )  # repair removes no folder with files
    for name in _listed(paths.root):
        if name.startswith(layout.CLAIM):
            _check_type(paths, paths.root / name, stat.S_IFREG, found)
    for name in _listed(paths.tombstones):
        _check_type(paths, paths.tombstones / name, stat.S_IFREG, found)


def _listed(path: Path) -> list[str]:
    """The names in a folder; none if it is something else."""
    try:
        return [] if path.is_symlink() else sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _check_type(paths: ModelLayout, path: Path, wanted: int, found: ProblemCollector, *, repair: bool = False) -> None:
    try:
        kind = stat.S_IFMT(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if kind != wanted:
        where = f"{paths.name}/{paths.relative(path)}"
        found.error("file-type", where, f"is {_KINDS[kind]}, not {_KINDS[wanted]}", repair=repair)


def _check_packs(paths: ModelLayout, table: StageTable, found: ProblemCollector) -> None:
    """Check for what does not belong to the packs, and for what an interrupted packing or restoring left."""
    for name in sorted(files.list_folder(paths.packs)) if _is_folder(paths.packs) else ():
        where = f"{paths.name}/{layout.PACKS}/{name}"
        number = layout.packed_version_of(name)
        if number is not None and number in table.packed:
            continue
        if number is not None or layout.is_trash(name):
            found.warning("leftover", where, "an unused pack; 'registry gc' removes it", repair=True)
        elif not layout.is_temporary(name):
            found.warning("unknown-name", where, "not a name used by the registry; ignored")
        elif _is_stale(paths.packs / name):
            found.warning("leftover", where, "an abandoned pack; 'registry gc' removes it", repair=True)
    for number in table.packed:
        if files.exists(paths.files(number)) and reader.pack_path(paths, number):
            where = f"{paths.name}/versions/{number}/{layout.FILES}"
            found.warning("leftover", where, "the files of a packed version; 'registry gc' removes them", repair=True)
