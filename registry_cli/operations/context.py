"""The context that every operation takes: the registry's folder and settings, its index, who acts and when."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

from .. import store
from ..core.lazy_dataclass import dataclass, replace
from ..core.names import Reference, Selector, model_name
from ..core.progress import SILENT, Progress
from ..core.text import suggest
from ..core.times import utc_now
from ..errors import FOLDER_GONE, FOLDER_GONE_HINT, InvalidInput, NotFound
from ..rules import stages as rules
from ..store import codec, layout
from ..store.layout import Layout
from ..store.reader import ModelReader, ModelSnapshot, ensure_exists

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any, TypeVar

    from ..core.records import Event, VersionRecord
    from ..index.index import Index
    from ..lineage.process_info import Caller
    from ..rules.event_history import PastState
    from ..rules.policy.command_checks import CommandSet
    from ..store.filesystem.files import Modes

    _T = TypeVar("_T")

#: The environment variable that names the registry, when no folder is given.
HOME_VARIABLE = "REGISTRY_HOME"
#: The environment variable that names the folder of the indexes.
CACHE_VARIABLE = "REGISTRY_CACHE"
#: How long to wait for a lock, in seconds.
LOCK_TIMEOUT = 30.0
#: Called with the name of the model and the event: for each committed change, and for a promotion that a gate refused.
OnEvent = Callable[[str, "Event"], None]
#: Says whether these commands may run on this machine.
Trust = Callable[["CommandSet"], bool]


class IndexAccess:
    """The index of a registry, opened by the first question. Without a ``cache`` folder every question gets None.

    An index that others could have written is not used; ``on_warning`` gets one sentence that says so (by default a
    ``RuntimeWarning``). ``progress`` counts versions while a new index is built.
    """

    def __init__(
        self,
        layout: Layout,
        cache: Path | None = None,
        progress: Progress = SILENT,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self.cache, self.progress = cache, progress
        self._layout, self._on_warning = layout, on_warning
        self._index: Index | None = None
        self._close_index: Callable[[], object] = lambda: None

    @property
    def is_open(self) -> bool:
        return self._index is not None

    def close(self) -> None:
        """Close the index, if it is open. A later question opens it again; closing twice does no harm."""
        self._close_index()
        self._index = None

    def query(self, question: Callable[[Index], _T], *, make: bool = True) -> _T | None:
        """Return what the index answers, or None if there is none. A damaged index is rebuilt, once.

        With ``make=False`` an index is used only if it exists.
        """
        if self.cache is None:
            return None
        import sqlite3
        import weakref

        from ..index import index

        place = index.index_path(self.cache, self._layout.root)
        if self._index is None and (reason := index.find_distrust(place)):
            self.cache = None
            self._warn(f"not using the index: {reason}")
            return None
        for _ in range(2):
            try:
                if self._index is None and not make and not place.exists():
                    break
                if self._index is None:
                    self._index = index.Index(self._layout, place)
                    # Closes what a script leaves open, before the garbage collector finalizes the connection itself.
                    self._close_index = weakref.finalize(self, self._index.close)
                return question(self._index)
            except (OSError, sqlite3.OperationalError) as error:
                if "no such" not in str(error):  # held by somebody for too long, no room, no permission: do without
                    break
            except (sqlite3.Error, ValueError):
                pass
            self.close()  # what is there is damaged, or not an index
            with contextlib.suppress(OSError):
                index.delete_index(place)
        return None

    def _warn(self, text: str) -> None:
        if self._on_warning is not None:
            self._on_warning(text)
            return
        import warnings

        warnings.warn(text, RuntimeWarning, stacklevel=2)


@dataclass(frozen=True, eq=False, repr=False)
class RegistryContext:
    """What every operation takes as its first argument; see :class:`registry_cli.registry.Registry` for the fields.

    ``author`` and ``modes`` are determined when they are first needed, which is only by operations that write.
    """

    layout: Layout
    settings: codec.RegistrySettings
    index: IndexAccess
    given_author: str | None = None
    clock: Callable[[], datetime] = utc_now
    lock_timeout: float = LOCK_TIMEOUT
    on_wait: Callable[[str], None] = lambda _: None
    on_event: OnEvent | None = None
    caller: Callable[[], Caller | None] | None = None
    trust: Trust | None = None

    @cached_property
    def author(self) -> str:
        """The author of changes: the given one, else the name of the account."""
        return self.given_author if self.given_author is not None else get_account_name()

    @cached_property
    def modes(self) -> Modes:
        from ..store.filesystem.files import Modes

        return Modes.of(self.settings.shared)

    @property
    def root(self) -> Path:
        return self.layout.root

    @property
    def stages(self) -> tuple[str, ...]:
        return self.settings.stages


def create_context(
    root: str | os.PathLike[str],
    *,
    cache: Path | None = None,
    progress: Progress = SILENT,
    on_warning: Callable[[str], None] | None = None,
    **options: Any,
) -> RegistryContext:
    """The context of the registry in the folder ``root``. Raises :class:`NotFound` when there is none."""
    layout = Layout(Path(root).absolute())
    index = IndexAccess(layout, cache, progress, on_warning)
    return RegistryContext(layout, read_settings(layout, index), index, **options)


def read_settings(layout: Layout, index: IndexAccess) -> codec.RegistrySettings:
    """Read ``registry.yaml``: from the index if it has it as it is now. Raises :class:`NotFound`."""
    kept = index.query(lambda each: each.settings(), make=False)
    if kept:
        return codec.RegistrySettings(**{**kept, "stages": tuple(kept["stages"])})
    if not index.is_open:
        return codec.open_settings(layout)
    from ..index import file_stamps

    looked = time.time_ns()  # before reading: a change in between has another stamp
    stamp = file_stamps.settled(file_stamps.stamp(str(layout.config)), looked)
    settings = codec.open_settings(layout)
    index.query(lambda each: each.store_settings(vars(settings), stamp), make=False)
    return settings


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of indexes: ``$REGISTRY_CACHE``, else one in the user's cache folder, or None."""
    if given := environment.get(CACHE_VARIABLE):
        return Path(given).expanduser().absolute()
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "registry-cli"
    with contextlib.suppress(RuntimeError, OSError):
        if Path.home().is_dir():  # a home that isn't there is not made
            return Path.home() / ".cache" / "registry-cli"
    return None


def find_root(start: str | os.PathLike[str] | None = None, environment: Mapping[str, str] = {}) -> Path:
    """The registry's folder: ``start``, else ``$REGISTRY_HOME``, else the nearest one upward from here.

    The first two are always accepted. A ``registry.yaml`` that was found by walking upward must be trusted, or anybody
    could put one into a folder above; ``environment`` also names the user's own settings, with ``trusted_registries``.
    Raises :class:`NotFound`, and :class:`Refused` for one of another user that is not trusted.
    """
    given = os.fspath(start) if start is not None else environment.get(HOME_VARIABLE)
    if given is not None:
        if not given.strip() or "\n" in given or "\0" in given:
            raise InvalidInput("invalid or empty registry folder name", f"set `root` or ${HOME_VARIABLE} to a folder")
        return Path(given).expanduser() if start is None else Path(given)
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise NotFound(FOLDER_GONE, FOLDER_GONE_HINT) from None
    for folder in (here, *here.parents):
        if (folder / layout.REGISTRY).is_file():
            if os.lstat(folder / layout.REGISTRY).st_uid not in (0, os.geteuid()):
                from ..core.accounts import config_folder
                from ..trust import user_config

                user_config.ensure_trusted(folder, config_folder(environment))
            return folder
    raise NotFound(
        "no registry found here or in any parent folder",
        f"create one with 'registry init DIR', or select one with `root` or ${HOME_VARIABLE}",
    )


def open_model(context: RegistryContext, name: str) -> ModelReader:
    paths = context.layout.model(model_name(name))
    try:
        return ModelReader(paths)
    except NotFound as error:
        raise model_not_found(context, name) from error


def model_not_found(context: RegistryContext, name: str) -> NotFound:
    """Return the error for a missing model; its hint names the new name of one that was renamed."""
    if now := store.model_names.find_renamed_model(context.layout, name):
        return NotFound(f"model '{name}' not found", f"it was renamed to '{now}'")
    near = suggest(name, store.model_names.iter_model_names(context.layout))
    return NotFound(f"model '{name}' not found", near or "run 'registry list'")


def open_snapshot(context: RegistryContext, name: str, *, deleted: bool = False) -> ModelSnapshot:
    """A model as it is now. Raises :class:`NotFound`, also for one that was deleted, unless ``deleted``."""
    snapshot = ModelSnapshot(open_model(context, name))
    if not deleted:
        ensure_exists(snapshot.paths, snapshot.table)
    return snapshot


def load_past(snapshot: ModelSnapshot, as_of: str) -> tuple[PastState, ModelSnapshot] | None:
    """A model as it was at a time, as events write it; None when it was not there."""
    from ..rules.event_history import replay
    from ..store import history

    past = replay(history.read_entries(snapshot), as_of)
    if past is None:
        return None
    # What was deleted since can't be shown, and files lie where they do now.
    deleted, packed = past.table.deleted | snapshot.table.deleted, snapshot.table.packed
    table = past.table.with_(deleted=deleted, packed=packed)
    return past, ModelSnapshot(snapshot.model, replace(snapshot.state, table=table))


def resolve_version(
    context: RegistryContext, ref: str | Reference, as_of: str | None = None
) -> tuple[ModelSnapshot, int]:
    """The version that a reference means, now or ``as_of`` a time as events write it."""
    reference = Reference.coerce(ref)
    snapshot = open_snapshot(context, reference.model, deleted=as_of is not None)
    selector = reference.or_latest()
    if as_of is None:
        return snapshot, snapshot.resolve(selector)
    found = load_past(snapshot, as_of)
    if found is None:
        ensure_exists(snapshot.paths, snapshot.table)
        raise NotFound(f"model '{snapshot.name}' did not exist at {as_of}")
    past, then = found
    if selector.latest:
        number = past.latest()
        if number is None:
            raise NotFound(f"{snapshot.name} had no active version at {as_of}")
    elif selector.digest:
        number = snapshot.resolve(selector)
    else:
        number = rules.resolve_selector(past.table, snapshot.name, selector)
    if number > past.highest:
        raise NotFound(f"{snapshot.name}@{number} did not exist at {as_of}")
    snapshot.resolve(Selector(number=number))
    return then, number


def read_version(
    context: RegistryContext, ref: str | Reference, as_of: str | None = None
) -> tuple[ModelReader, VersionRecord]:
    """A version and its model: from the index when one is there, and has the files as they are now."""
    reference = Reference.coerce(ref)
    if as_of is None:
        selector = reference.or_latest()
        record = context.index.query(lambda index: index.find_version(reference.model, selector), make=False)
        if record is not None:
            return open_model(context, reference.model), record
    snapshot, number = resolve_version(context, ref, as_of)
    return snapshot.model, snapshot.version(number)


def get_account_name() -> str:
    """Return the name of the real user, whatever the environment says; ``uid:1234`` without a name."""
    from ..core.accounts import account_name

    return account_name(os.getuid())
