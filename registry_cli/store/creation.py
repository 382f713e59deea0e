"""Making a registry, and making a model in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ..core.records import StageTable
from ..core.yaml import documents
from ..errors import Conflict, InvalidInput, RegistryError
from . import codec, journal, layout, reservation, template
from .filesystem import files, locking, removal
from .filesystem.modes import SHARED, Modes
from .layout import Layout, ModelLayout

#: How long one who gave up waits for the lock, in seconds, to tidy up behind himself.
_PATIENCE = 5.0
#: Names of stages that a YAML reader would take for something else.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def make_registry(root: Layout, shared: str, stages: tuple[str, ...], created: str) -> None:
    """Make the folder a registry. ``registry.yaml`` comes last: before it is there, this is none.

    Raises :class:`Conflict` when there is one, or a ``models`` folder that isn't ours, already.
    """
    if shared not in SHARED:
        raise InvalidInput(f"a registry can't be shared '{shared}'", f"use {' or '.join(SHARED)}")
    if files.exists(root.config):
        raise Conflict(f"{root.root} is a registry already", f"registry -C {root.root} info shows it")
    if files.list_folder(root.models):
        raise Conflict(f"{root.models} exists and is not empty", "name another folder: registry init DIR")
    modes = Modes.of(shared)
    made = _make_parents(root.root)
    if shared == "group":
        os.chmod(root.root, modes.folder)
    files.make_folder(root.models, modes.folder)
    _write_schemas(root, modes)
    text = template.REGISTRY.format(
        id=os.urandom(16).hex(),
        created=created,
        shared=shared,
        stages=", ".join(map(_quoted, stages)),
        entered=template.ENTERED.format(_quoted(stages[-2])) if len(stages) > 1 else "",
        last=_quoted(stages[-1]),
    )
    temporary = root.root / layout.temporary_name()
    try:
        files.write_new(temporary, text.encode(), modes.file)
        files.publish_new(temporary, root.config)  # COMMIT: of two at once, one gets 'exists already'
    except FileExistsError:
        raise Conflict(f"{root.root} is a registry already", f"registry -C {root.root} info shows it") from None
    finally:
        removal.discard(temporary, root.root)
    for folder in (root.root, *made):
        files.fsync_folder(folder)


def _quoted(stage: str) -> str:
    return f"'{stage}'" if stage in _WORDS else stage


def _write_schemas(root: Layout, modes: Modes) -> None:
    """For editors only: nothing reads them here, and they may be removed, or written anew by a later release."""
    from .. import schemas

    files.make_folder(root.schemas, modes.folder)
    for name in schemas.NAMES:
        path = root.schemas / f"{name}.json"
        if not files.exists(path):
            files.replace(path, schemas.text(name).encode(), modes.file, root.root)


def _make_parents(folder: Path) -> list[Path]:
    """Make ``folder`` and what is missing above it; the folders whose entries changed, to be synced."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o755)
    return [each.parent for each in missing]


def refuse_collision(root: Layout, name: str) -> None:
    """:class:`Conflict` when ``name`` would make a model of a group, or a group of a model, or is reserved."""
    reservation.refuse_reserved(root, root.model(name))
    group = root.group(name)
    if group.name != name:
        if files.exists(group.model):
            raise Conflict(f"'{group.name}' is a model, so it can't be a group", "choose another group")
        return
    if files.exists(group.model):
        return  # whatever else somebody put into its folder
    own = {folder.name for folder in group.folders}
    if files.exists(root.group_document(name)) or any(
        _has_something(group.root / child) for child in files.list_folder(group.root) if child not in own
    ):
        raise Conflict(f"'{name}' is a group, so it can't be a model", f"use {name}/NAME")


def _has_something(folder: Path) -> bool:
    """Whether this is a model, or one in the making; what a registration that gave up left, a lock, is not."""
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    return any(not name.startswith(".") for name in files.list_folder(folder))


def make_skeleton(root: Layout, paths: ModelLayout, modes: Modes) -> None:
    """Make the folders of a model. Without its ``model.yaml`` it is none yet, and nobody sees it.

    Until it is one, folders that are here already are synced too: who made them may have died before.
    """
    refuse_collision(root, paths.name)
    begun = not files.exists(paths.model)
    above = root.models
    for folder in dict.fromkeys((root.group(paths.name).root, paths.root)):
        if files.make_folder(folder, modes.folder) or begun:
            files.fsync_folder(above)
        above = folder
    if make_folders(paths, modes) and not begun:  # in a new model the coming of its model.yaml makes them last
        files.fsync_folder(paths.root)


def remove_skeleton(root: Layout, paths: ModelLayout, modes: Modes) -> None:
    """Take back what :func:`make_skeleton` made for a model that did not come to be.

    Where there is a lock, under it, so that nobody makes it a model meanwhile; the lock itself stays, for who waits.
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
    """Whether the folder is a model, or somebody has begun to put something into it."""
    return files.exists(paths.model) or any(files.list_folder(folder) for folder in paths.folders)


def make_folders(paths: ModelLayout, modes: Modes) -> bool:
    """Make those folders of a model that are missing: git and some copies leave empty ones out. Whether any was."""
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
    """Make the folder a model; only under its lock. Its ``model.yaml`` comes last: it is what makes it one.

    The folder of a group has a lock too, so that ``risk`` can't become a model while ``risk/churn`` does.
    """
    group = root.group(paths.name)
    guard: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if group.name != paths.name:
        guard = locking.exclusive(group.lock, f"group {group.name}", modes.file, timeout, on_wait)
    with guard:
        refuse_collision(root, paths.name)
        make_folders(paths, modes)  # who gave up before us may have taken them away
        if not files.exists(paths.stages):
            files.replace(paths.stages, documents.dumps(codec.table_document(StageTable())), modes.file, root.root)
        files.replace(paths.model, documents.dumps(document), modes.file, root.root)


def unmake_model(root: Layout, paths: ModelLayout) -> None:
    """Take back :func:`make_model` after a failure, while its lock is still held, unless something was committed.

    Whatever the disk does not say stays as it is.
    """
    with contextlib.suppress(OSError):
        told = any(entry.event.action != "passed-over" for entry in journal.oldest_first(paths.history))
        if told or any(map(layout.version_of, files.list_folder(paths.versions))) or files.exists(paths.claim(1)):
            return
        for path in (paths.model, paths.stages, paths.history):
            removal.remove(path, root.root)
