"""An open registry: where it is, what it says of itself, and the index of its documents."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..core.lazy_dataclass import replace
from ..core.names import Reference, Selector, model_name
from ..core.progress import SILENT, Progress
from ..core.records import StageTable, VersionRecord
from ..errors import FOLDER_GONE, FOLDER_GONE_HINT, InvalidInput, NotFound
from ..lifecycle import stages as rules
from ..store import codec, edited, layout
from ..store.layout import Layout
from ..store.reader import ModelReader, State

if TYPE_CHECKING:
    from ..index.index import Index
    from .checking import Trust

#: The environment variable that names the registry, when no folder is given.
HOME_VARIABLE = "REGISTRY_HOME"
#: The environment variable that names the folder of the indexes.
CACHE_VARIABLE = "REGISTRY_CACHE"
_T = TypeVar("_T")
_R = TypeVar("_R", bound="OpenRegistry")


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where indexes are kept: ``$REGISTRY_CACHE``, else in the user's cache folder; None if there is none."""
    if given := environment.get(CACHE_VARIABLE):
        return Path(given).expanduser().absolute()
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "registry-cli"
    with contextlib.suppress(RuntimeError, OSError):
        if Path.home().is_dir():  # a home that isn't there is not made
            return Path.home() / ".cache" / "registry-cli"
    return None


def find_root(start: str | os.PathLike[str] | None = None, home: str | None = None, config: Path | None = None) -> Path:
    """Return the registry's folder: ``start`` if given, else ``home``, else the nearest one upward from here.

    Nothing in that folder is run: a ``registry.yaml`` is data. One that was found by walking upward must be trusted all
    the same, or anybody could put one into a folder above (see ``automation.trusted_registries``).

    Args:
        start: the folder that was named; always accepted.
        home: the folder that ``$REGISTRY_HOME`` names; always accepted.
        config: the user's own folder of settings, for ``trusted_registries``.

    Raises:
        NotFound: there is no registry here or in a folder above, or the current folder was removed.
        Refused: the registry that was found belongs to another user, and is not trusted.
    """
    given = os.fspath(start) if start is not None else home
    if given is not None:
        if not given.strip() or "\n" in given or "\0" in given:
            raise InvalidInput(
                "the registry's folder has an empty or broken name", f"set -C or ${HOME_VARIABLE} to a folder"
            )
        return Path(given).expanduser() if start is None else Path(given)
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise NotFound(FOLDER_GONE, FOLDER_GONE_HINT) from None
    for folder in (here, *here.parents):
        if (folder / layout.REGISTRY).is_file():
            if os.lstat(folder / layout.REGISTRY).st_uid not in (0, os.geteuid()):
                from ..automation import trusted_registries

                trusted_registries.refuse_untrusted(folder, config)
            return folder
    raise NotFound(
        "there is no registry here or in a folder above",
        f"make one with 'registry init DIR', or name one with -C DIR or ${HOME_VARIABLE}",
    )


class OpenRegistry:
    """A registry in the folder ``root``; ``settings`` is what its ``registry.yaml`` says.

    ``cache`` is the folder in which an index may be kept; without one every question is answered from the files.
    ``progress`` is told of versions when a new index takes long. ``trust`` is asked whether the commands of policies may
    run on this machine, before any of them does (see :class:`~registry_cli.lifecycle.commands.Commands`); without it
    none ever does. ``on_warning`` gets, in a sentence, what the user must see although the call goes on (by default a
    ``RuntimeWarning``): an index that others could have written is not used. It is a context manager: ``with Registry.open() as reg`` closes the index at the end.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        cache: Path | None = None,
        progress: Progress = SILENT,
        trust: Trust | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self._layout = Layout(Path(root).absolute())
        self._cache, self._progress, self._trust = cache, progress, trust
        self._on_warning = on_warning
        self._index: Index | None = None
        self.settings: codec.Settings = self._read_settings()

    def close(self) -> None:
        """Close the index, if it is open. A registry that is used again opens it again; closing twice does no harm."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def __enter__(self: _R) -> _R:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Close what a script or a notebook leaves open; SQLite warns of a connection that nobody closed."""
        if getattr(self, "_index", None) is not None:
            with contextlib.suppress(Exception):
                self.close()

    @property
    def root(self) -> Path:
        """The folder of the registry, absolute."""
        return self._layout.root

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the registry, in order."""
        return self.settings.stages

    def _read_settings(self) -> codec.Settings:
        kept = self._asked(lambda index: index.settings(), make=False)
        if kept:
            return codec.Settings(**{**kept, "stages": tuple(kept["stages"])})
        if self._index is None:
            return edited.open_settings(self._layout)
        from ..index import file_stamps

        looked = time.time_ns()  # before reading: a change in between has another stamp
        stamp = file_stamps.settled(file_stamps.stamp(str(self._layout.config)), looked)
        settings = edited.open_settings(self._layout)
        self._asked(lambda index: index.store_settings(vars(settings), stamp), make=False)
        return settings

    def _asked(self, question: Callable[[Index], _T], *, make: bool = True) -> _T | None:
        """What the index answers; None when there is none that can. One that is damaged is made anew, once.

        With ``make=False`` an index is used only if it is there already.
        """
        if self._cache is None:
            return None
        import sqlite3

        from ..index import index

        place = index.index_path(self._cache, self._layout.root)
        if self._index is None and (reason := index.find_distrust(place)):
            self._cache = None
            self._warn(f"the index is not used: {reason}")
            return None
        for _ in range(2):
            try:
                if self._index is None and not make and not place.exists():
                    break
                self._index = self._index or index.Index(self._layout, place)
                return question(self._index)
            except (OSError, sqlite3.OperationalError) as error:
                if "no such" not in str(error):  # held by somebody for too long, no room, no permission: do without
                    break
                self._forget_index(place)
            except (sqlite3.Error, ValueError):
                self._forget_index(place)
        return None

    def _warn(self, text: str) -> None:
        if self._on_warning is not None:
            self._on_warning(text)
            return
        import warnings

        warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _forget_index(self, place: Path) -> None:
        """What is there is none of ours, or damaged."""
        from ..index import index

        self.close()
        with contextlib.suppress(OSError):
            index.delete_index(place)

    def _model(self, name: str) -> ModelReader:
        paths = self._layout.model(model_name(name))
        try:
            return ModelReader(paths)
        except NotFound as error:
            raise self._unknown(name) from error

    def _unknown(self, name: str) -> NotFound:
        """What to raise for a model that isn't there; one that was renamed is told by the name that it has now."""
        from ..store import edited

        if now := edited.renamed(self._layout, name):
            return NotFound(f"there is no model '{name}'", f"it is called {now} now")
        return NotFound(f"there is no model '{name}'", "registry list shows the models that are here")

    def _resolved(self, ref: str | Reference, as_of: str | None = None) -> tuple[ModelReader, State, int]:
        """The version that a reference means, now or ``as_of`` a time as events write it."""
        reference = Reference.of(ref)
        model = self._model(reference.model)
        state = model.state()
        if as_of is None:
            return model, state, model.resolve(reference.or_latest(), state.table)
        from ..store import chronicle

        past = chronicle.past(model.paths, as_of)
        if past is None:
            raise NotFound(f"there was no model '{model.name}' yet at {as_of}")
        selector = reference.or_latest()
        if selector.latest:
            number = past.latest()
            if number is None:
                raise NotFound(f"{model.name} had no version that was not archived at {as_of}")
        elif selector.digest:
            number = model.resolve(selector, state.table)
        else:
            number = rules.resolve(past.table, model.name, selector)
        if number > past.highest:
            raise NotFound(f"{model.name}@{number} was not there yet at {as_of}")
        model.resolve(Selector(number=number), state.table)
        return model, replace(state, table=as_it_was(past.table, state.table)), number

    def _version(self, ref: str | Reference, as_of: str | None = None) -> tuple[ModelReader, VersionRecord]:
        """A version and its model: from the index when one is there, and has the files as they are now."""
        reference = Reference.of(ref)
        if as_of is None:
            selector = reference.or_latest()
            record = self._asked(lambda index: index.find_version(reference.model, selector), make=False)
            if record is not None:
                return self._model(reference.model), record
        model, state, number = self._resolved(ref, as_of)
        return model, model.version(number, state)


def as_it_was(past: StageTable, now: StageTable) -> StageTable:
    """The pointers and the archive as they were; what was deleted since can't be shown, and files lie where they do now."""
    return past.with_(deleted=past.deleted | now.deleted, packed=now.packed)
