"""Making a registry, and making a model in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.records import StageTable
from ..core.yaml import documents
from ..errors import Conflict, InvalidInput, RegistryError
from . import codec, journal, layout, reader
from .filesystem import files, locking, removal
from .filesystem.files import SHARED, Modes
from .layout import Layout, ModelLayout

#: How long a failed registration waits for the lock to clean up, in seconds.
_PATIENCE = 5.0
#: Names of stages that a YAML reader would take for something else.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def make_registry(root: Layout, shared: str, stages: tuple[str, ...], created: str) -> None:
    """Make the folder a registry; ``registry.yaml``, which makes it one, comes last.

    Raises :class:`Conflict` when it is a registry, or has another ``models`` folder, already.
    """
    if shared not in SHARED:
        raise InvalidInput(f"invalid value '{shared}' for shared", f"use {' or '.join(SHARED)}")
    taken = Conflict(f"{root.root} is already a registry", f"see 'registry -C {root.root} info'")
    if files.exists(root.config):
        raise taken
    if files.exists(root.root) and not root.root.is_dir():
        raise InvalidInput(f"{root.root} is not a folder", "name another: registry init DIR")
    if files.list_folder(root.models):
        raise Conflict(f"{root.models} exists and is not empty", "choose another folder: registry init DIR")
    modes = Modes.of(shared)
    made = _make_parents(root.root)
    if shared == "group":
        os.chmod(root.root, modes.folder)
    files.make_folder(root.models, modes.folder)
    _write_schemas(root, modes)
    text = REGISTRY_TEMPLATE.format(
        id=os.urandom(16).hex(),
        created=created,
        shared=shared,
        stages=", ".join(map(_quoted, stages)),
        entered=FROM_TEMPLATE.format(_quoted(stages[-2])) if len(stages) > 1 else "",
        last=_quoted(stages[-1]),
    )
    temporary = root.root / layout.temporary_name()
    try:
        files.write_new(temporary, text.encode(), modes.file)
        files.publish_new(temporary, root.config)  # COMMIT: of two at once, one gets 'exists already'
    except FileExistsError:
        raise taken from None
    finally:
        removal.discard(temporary, root.root)
    for folder in (root.root, *made):
        files.fsync_folder(folder)


def _quoted(stage: str) -> str:
    return f"'{stage}'" if stage in _WORDS else stage


def _write_schemas(root: Layout, modes: Modes) -> None:
    """Write the JSON Schemas for editors; the program does not read them."""
    from .. import schemas

    files.make_folder(root.schemas, modes.folder)
    for name in schemas.NAMES:
        path = root.schemas / f"{name}.json"
        if not files.exists(path):
            removal.replace(path, schemas.text(name).encode(), modes.file, root.root)


def _make_parents(folder: Path) -> list[Path]:
    """Make ``folder`` and its missing parents; the folders with new entries, to be synced."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o755)
    return [each.parent for each in missing]


def ensure_name_is_free(root: Layout, name: str) -> None:
    """Raise :class:`Conflict` when ``name`` would turn a group into a model, or a model into a group, or is reserved."""
    if holder := reservation_holder(root, root.model(name)):
        raise Conflict(
            f"the name '{name}' is reserved for {holder}, whose rename was interrupted",
            f"finish it with 'registry rename {holder} {name}', or choose another name",
        )
    group = root.group(name)
    if group.name != name:
        if files.exists(group.model):
            raise Conflict(f"'{group.name}' is a model and cannot be a group", "choose another group")
        return
    if files.exists(group.model):
        return  # whatever else somebody put into its folder
    others = set(files.list_folder(group.root)) - {folder.name for folder in group.folders}
    if files.exists(root.group_document(name)) or any(_has_files(group.root / child) for child in others):
        raise Conflict(f"'{name}' is a group and cannot be a model", f"use {name}/NAME")


def _has_files(folder: Path) -> bool:
    """Whether this is a model, or one that is being made; the lock that an interrupted registration left does not count."""
    inside = files.list_folder(folder) if not folder.name.startswith(".") and folder.is_dir() else []
    return any(not name.startswith(".") for name in inside)


def make_skeleton(root: Layout, paths: ModelLayout, modes: Modes) -> None:
    """Make the folders of a model, which stay invisible until its ``model.yaml`` exists.

    Until then folders that are here already are synced too: the process that made them may have died before.
    """
    ensure_name_is_free(root, paths.name)
    incomplete = not files.exists(paths.model)
    above = root.models
    for folder in dict.fromkeys((root.group(paths.name).root, paths.root)):
        if files.make_folder(folder, modes.folder) or incomplete:
            files.fsync_folder(above)
        above = folder
    if make_folders(paths, modes) and not incomplete:  # in a new model they are synced with its model.yaml
        files.fsync_folder(paths.root)


def remove_skeleton(root: Layout, paths: ModelLayout, modes: Modes) -> None:
    """Remove what :func:`make_skeleton` made for a model that was never completed.

    Under its lock, if there is one, so that the model is not created meanwhile; the lock stays, for those who wait.
    """
    with contextlib.suppress(OSError, RegistryError), contextlib.ExitStack() as stack:
        if _is_wanted(paths):
            return
        if files.exists(paths.lock):
            stack.enter_context(locking.exclusive(paths.lock, paths.name, modes.file, _PATIENCE, lambda _: None))
            if _is_wanted(paths):
                return
        for folder in paths.folders:
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(folder)
        os.rmdir(paths.root)
        if paths.root.parent != root.models:
            os.rmdir(paths.root.parent)


def _is_wanted(paths: ModelLayout) -> bool:
    """Whether the folder is a model, or a process has begun to write into it."""
    return files.exists(paths.model) or any(files.list_folder(folder) for folder in paths.folders)


def make_folders(paths: ModelLayout, modes: Modes) -> bool:
    """Make the missing folders of a model: git and some copies leave empty ones out. Whether any was missing."""
    missing = [folder for folder in paths.folders if not files.exists(folder)]
    for folder in missing:
        files.make_folder(folder, modes.versions if folder == paths.versions else modes.folder)
    return bool(missing)


def make_model(
    root: Layout,
    paths: ModelLayout,
    modes: Modes,
    document: dict[str, object],
    timeout: float,
    on_wait: Callable[[str], None],
) -> None:
    """Make the folder a model, under its lock; ``model.yaml``, which makes it one, comes last.

    The folder of a group has a lock too, so that ``risk`` can't become a model while ``risk/churn`` does.
    """
    group = root.group(paths.name)
    guard: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if group.name != paths.name:
        guard = locking.exclusive(group.lock, f"group {group.name}", modes.file, timeout, on_wait)
    with guard:
        ensure_name_is_free(root, paths.name)
        make_folders(paths, modes)  # a failed registration may have removed them
        if not files.exists(paths.stages):
            removal.replace(paths.stages, codec.dump_table(StageTable()), modes.file, root.root)
        removal.replace(paths.model, documents.dumps(document), modes.file, root.root)


def unmake_model(root: Layout, paths: ModelLayout) -> None:
    """Undo :func:`make_model` after a failure, while its lock is still held, unless something was committed.

    After an error of the disk everything stays as it is.
    """
    with contextlib.suppress(OSError):
        recorded = any(entry.event.action != "passed-over" for entry in journal.oldest_first(paths.history))
        if recorded or any(map(layout.version_of, files.list_folder(paths.versions))) or files.exists(paths.claim(1)):
            return
        for path in (paths.model, paths.stages, paths.history):
            removal.remove(path, root.root)


_RESERVATION_LIMIT = 1_000


def reservation_holder(root: Layout, paths: ModelLayout) -> str | None:
    """The model that is being renamed to the name of ``paths``; None if there is none."""
    if not files.exists(paths.reservation):
        return None
    with contextlib.suppress(RegistryError, OSError, UnicodeDecodeError):
        name = files.read(paths.reservation, _RESERVATION_LIMIT, layout.RESERVATION).decode().strip()
        return name if name in codec.former_names(reader.ModelReader(root.model(name)).document()) else None
    return None


@contextlib.contextmanager
def reserve_name(root: Layout, target: ModelLayout, name: str, modes: Modes) -> Iterator[None]:
    """Reserve the name of ``target`` for the model ``name``; a failure before anything is recorded releases it."""
    made = files.make_folder(target.root, modes.folder)
    removal.remove(target.reservation, root.root)
    files.write_new(target.reservation, f"{name}\n".encode(), modes.file)  # one that is torn reserves nothing
    if made:
        files.fsync_folder(target.root.parent)
    try:
        yield
    finally:
        if files.exists(target.reservation) and not reservation_holder(root, target):
            release_name(root, target)


def release_name(root: Layout, paths: ModelLayout) -> None:
    """Remove a reservation, and its folder if nothing else is in it."""
    removal.discard(paths.reservation, root.root)
    with contextlib.suppress(OSError):
        os.rmdir(paths.root)


#: What a registry with more than one stage has besides.
FROM_TEMPLATE = """\
# It is or was in one of these stages:
#    from: [{}]
"""

#: ``id``, ``created``, ``shared`` and ``stages`` are filled in.
REGISTRY_TEMPLATE = """\
# yaml-language-server: $schema=.schemas/registry.json
#
# A model registry: one folder, no server. Made by `registry init`; edit it as you like. `registry config show` prints
# the effective settings and where they are set, and reports errors with their line.
#
# Below, each line that starts with # and no space is an optional setting: uncomment it to use it. All of them are
# explained by `registry help policy` and `registry help retention`, the format by `registry help format`.
#
# 'policy' and 'retention' can also be set in models/GROUP/group.yaml, for the models of a group, and in the
# model.yaml of a model. A policy there is added to the one here.
format: 1
id: '{id}'
created: '{created}'

# Who may write: 'private' (the owner) or 'group' (everyone in the Unix group of this folder).
# Set it with `registry init --shared group`, which also sets the permissions of the folders.
shared: {shared}

# The stages a version can be promoted to, in order. Names: a-z, 0-9, '_', '-'.
stages: [{stages}]

# What registration refuses, by what loading the files would run: off, warn, refuse-dangerous (the default) or
# allowlist; and which globals are known in addition (see `registry scan`).
#scan:
#  mode: allowlist
#  allow: ['ourpackage.*']

# Which lineage is recorded automatically; all of it by default.
#lineage: [git, patch, run, environment]

# Whether lower or higher values of a metric are better, for names that are not in the list of `registry help metrics`:
#metrics:
#  drift: lower

# What a version must satisfy to be promoted to a stage. Every rule must pass.
#policy:
#  {last}:
{entered}#    require:
# Fields that must not be empty. 'description' and 'owner' belong to the model, all others to the version:
#      fields: [description, message, annotations.training_data]
# Tags with exactly this text, in quotes:
#      tags: {{reviewed: 'yes'}}
# Bounds on metrics, in quotes:
#      metrics: {{auc: '>= 0.90', latency_ms: '<= 50'}}
# Patterns that must each match a file, and patterns that must not match any:
#      files: ['model.*']
#      forbid: ['*.csv']
# The maximum total size of the files:
#      max_size: 5GB
# A query that must match the version (see `registry search`):
#      where: not params.depth > 12
# Bounds on metrics recorded in use, for example in another stage (`registry observe`):
#      monitor: {{auc: {{min: 0.9, window: 7d}}}}
# One of these must have signed it (`registry sign`):
#      signed_by: [alice@example.com]
# How long it must have been in a stage of 'from':
#      min_age_in_stage: 2d
# How much worse it may be than the version now in the stage, as a number or in percent:
#    against_current:
#      auc: {{max_drop: 0.005}}
#      logloss: {{max_rise: 1%}}
#      f1: {{max_worse: 0.01}}
# Commands that must exit with code 0. They run on the machine of whoever promotes, after that person has trusted
# them (`registry trust`). {{path}}, {{ref}} and {{stage}} are replaced; no shell is used. Default time limit: 10 minutes.
#    checks:
#      - python /opt/checks/smoke.py {{path}}
#      - {{run: [/opt/checks/latency, --model, '{{path}}'], time_limit: 30s, name: latency}}
# How many accounts must approve it (`registry approve`), whose approvals count, and whether the author is excluded:
#    approvals: 2
#    approvers: [alice, '@risk-team']
#    not_author: true
# Approvals only count with a signature by a key in allowed_signers (`registry approve --sign KEY`):
#    signed: required
# Whether `promote --force --reason` may override failed rules (default: true) and rejections (default: false):
#    force: false
#    override_rejections: false

# What the metrics recorded while a version is in use must satisfy (`registry observe`, `registry monitor`):
#monitor:
#  auc: {{min: 0.90, window: 7d, at_least: 500}}
# Alert if nothing was recorded for this long:
#  stale: 2d

# Which versions `registry prune --all` archives and deletes. A version stays if any rule keeps it.
#retention:
# Archive (hide, can be restored) versions older than this, not among the newest or best, and matching the query:
#  archive:
#    older_than: 90d
#    keep: 30
#    best: [auc:3]
#    where: not tags.audit = wanted
# Always keep the last N holders of each stage (default: 3):
#    keep_holders: 3
# Also pack archived versions:
#    compress: true
# Delete versions archived longer ago than this:
#  prune:
#    older_than: 180d
"""
