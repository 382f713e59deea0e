"""What every verb that writes stands on: who, when, the lock, the recovered model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..core import names, values
from ..core.names import Reference
from ..core.records import Event
from ..core.times import format_time, utc_now
from ..errors import Conflict, Indeterminate, NotFound, RegistryError, indeterminate
from ..store import codec, creation, files, layout, locking, reader
from ..store.layout import FORMAT, ModelLayout
from ..store.modes import Modes
from ..store.reader import ModelReader
from ..store.writer import Writer
from .reading import RegistryReader

if TYPE_CHECKING:
    from ..provenance.caller import Caller

LOCK_TIMEOUT = 30.0

#: Told of each change that was committed, and of gates that stayed shut: the name of the model, and the event.
OnEvent = Callable[[str, Event], None]


def account() -> str:
    """The real user's name, never what the environment says; ``uid:1234`` for one without a name."""
    from ..core.accounts import account_name

    return account_name(os.getuid())


class RegistryBase(RegistryReader):
    """A registry and who writes to it; see :class:`registry_cli.registry.Registry`."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        author: str | None = None,
        now: Callable[[], datetime] = utc_now,
        lock_timeout: float = LOCK_TIMEOUT,
        on_wait: Callable[[str], None] = lambda _: None,
        caller: Caller | None = None,
        on_event: OnEvent | None = None,
        **options: Any,
    ) -> None:
        super().__init__(root, **options)
        self._author = values.line(author, "author") if author is not None else account()
        self._now = now
        self._lock_timeout = lock_timeout
        self._on_wait = on_wait
        self._caller = caller
        self._on_event = on_event
        self._modes = Modes.of(self.settings.shared)

    def _event(self, action: str, version: int | None, request_id: str | None, **detail: Any) -> Event:
        identity = names.request_id(request_id) if request_id else os.urandom(16).hex()
        said = {name: value for name, value in detail.items() if value not in (None, "")}
        if reason := said.get("reason"):
            said["reason"] = values.line(reason, "reason")
        return Event(identity, format_time(self._now()), self._author, os.uname().nodename, action, version, said)

    @contextlib.contextmanager
    def _writing(
        self, name: str, *, create: bool = False, reuse_name: bool = False, but: Collection[str] = ()
    ) -> Iterator[Writer]:
        """The model under its lock, recovered; made first if ``create``, see :meth:`_refuse_former`."""
        paths = self._layout.model(names.model_name(name))
        if not create and not reader.is_model(paths):
            raise self._unknown(name)
        writer: Writer | None = None
        try:
            lock = locking.exclusive(paths.lock, name, self._modes.file, self._lock_timeout, self._on_wait)
            with lock, self._model_made(paths, create, reuse_name, but):
                writer = Writer.recovered(paths, self._modes)
                yield writer
                if writer.committed:
                    self._give_id(paths)
        except Indeterminate:
            raise
        except BaseException as error:
            lost = isinstance(error, (FileNotFoundError, NotFound))
            if writer is None and lost and not (files.exists(paths.root) if create else reader.is_model(paths)):
                raise self._unknown(name) from None  # it was renamed, with its lock, while we waited
            if writer and writer.done:
                raise indeterminate(f"the change of {name} is committed", writer.done.id, error) from error
            raise
        finally:  # without the lock, whatever comes of it: these are changes that nothing takes back
            for event in writer.committed if writer else ():
                self._tell(name, event)

    def _tell(self, name: str, event: Event) -> None:
        """Tell ``on_event``. The change is made: a listener that fails is a warning, not a failure."""
        if self._on_event is None:
            return
        try:
            self._on_event(name, event)
        except Exception as error:
            import warnings

            warnings.warn(f"on_event failed for '{event.action}' of {name}: {error}", RuntimeWarning, stacklevel=2)

    @contextlib.contextmanager
    def _model_made(self, paths: ModelLayout, create: bool, reuse_name: bool, but: Collection[str]) -> Iterator[None]:
        """The model is there, made if ``create``; one that was made is taken back if nothing comes of it."""
        if files.exists(paths.model) or not create:
            if files.exists(paths.model):
                creation.make_folders(paths, self._modes)
            yield
            return
        self._refuse_former(paths.name, reuse_name, but)  # it may have been renamed since the caller looked
        try:
            self._make_model(paths)
            yield
        except BaseException:
            creation.unmake_model(self._layout, paths)
            raise

    def _make_model(self, paths: ModelLayout) -> None:
        document = {
            "format": FORMAT, "id": os.urandom(16).hex(), "created": format_time(self._now()), "owner": self._author,
        }  # fmt: skip
        creation.make_model(self._layout, paths, self._modes, document, self._lock_timeout, self._on_wait)

    def _give_id(self, paths: ModelLayout) -> None:
        """Give a model of an earlier release an id; under its lock, after a change of it.

        The id is optional: where its document can't be changed now (it was renamed away, the disk is full), the next
        change tries again.
        """
        with contextlib.suppress(OSError, RegistryError, UnicodeError):
            data = files.read(paths.model, files.DOCUMENT_LIMIT, layout.MODEL)
            if b"\nid:" in data or data.startswith(b"id:") or codec.model_id(codec.loads(data, layout.MODEL)):
                return
            from ..store import surgery

            text = surgery.changed(data.decode(), {"id": os.urandom(16).hex()}, layout.MODEL)
            files.replace(paths.model, text.encode(), self._modes.file)

    def _refuse_former(self, name: str, reuse_name: bool, but: Collection[str] = ()) -> None:
        """:class:`Conflict` when a new model would get a name that another model, none of ``but``, had before."""
        if reuse_name or reader.is_model(self._layout.model(name)):
            return
        from ..store import edited

        if now := edited.renamed(self._layout, name, most=None, but=but):
            raise Conflict(
                f"'{name}' is a former name of the model '{now}'",
                f"use {now}, or add --reuse-name to make another model of that name",
            )

    def _target(self, writer: Writer, reference: Reference) -> int:
        return ModelReader(writer.paths).resolve(reference.or_latest(), writer.table)
