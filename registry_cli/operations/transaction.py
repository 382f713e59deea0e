"""Changing a model: its lock, the recovered writer, the event that records the change, its signature."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

from .. import store
from ..core import names, values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import Event, JournalEntry, StageTable
from ..core.times import format_time
from ..errors import Conflict, Damaged, Indeterminate, NotFound, RegistryError, indeterminate
from ..store import codec, layout, reader
from ..store.codec import Redo
from ..store.filesystem import files, locking, removal
from ..store.layout import FORMAT, ModelLayout
from ..store.reader import ModelReader, ModelSnapshot, ModelState
from ..store.writer import Writer
from .context import model_not_found

if TYPE_CHECKING:
    from .context import RegistryContext


def make_event(
    context: RegistryContext, action: str, version: int | None, request_id: str | None, **detail: Any
) -> Event:
    identity = names.request_id(request_id) if request_id else os.urandom(16).hex()
    kept = {name: value for name, value in detail.items() if value not in (None, "")}
    if reason := kept.get("reason"):
        kept["reason"] = values.line(reason, "reason")
    return Event(identity, format_time(context.clock()), context.author, os.uname().nodename, action, version, kept)


@contextlib.contextmanager
def open_writer(
    context: RegistryContext, name: str, *, create: bool = False, reuse_name: bool = False, but: Collection[str] = ()
) -> Iterator[Writer]:
    """The model under its lock, recovered; made first if ``create``, see :func:`ensure_not_former_name`.

    :class:`NotFound` for one that was deleted, unless ``reuse_name``.
    """
    paths = context.layout.model(names.model_name(name))
    if not create and not reader.is_model(paths):
        raise model_not_found(context, name)
    writer: Writer | None = None
    try:
        lock = locking.exclusive(paths.lock, name, context.modes.file, context.lock_timeout, context.on_wait)
        with lock, _create_if_missing(context, paths, create, reuse_name, but):
            writer = Writer.recover(paths, context.modes)
            if not reuse_name:
                reader.ensure_exists(paths, writer.table)
            yield writer
            if writer.committed:
                _add_model_id(context, paths)
    except Indeterminate:
        raise
    except BaseException as error:
        lost = isinstance(error, (FileNotFoundError, NotFound))
        if writer is None and lost and not (files.exists(paths.root) if create else reader.is_model(paths)):
            raise model_not_found(context, name) from None  # it was renamed, with its lock, while we waited
        if writer and writer.committed:
            raise indeterminate(f"the change of {name} is committed", writer.committed[-1].id, error) from error
        raise
    finally:  # without the lock, whatever comes of it: these are changes that nothing takes back
        for event in writer.committed if writer else ():
            notify(context, name, event)


class Transaction(NamedTuple):
    """A model that is locked and recovered; ``done`` is the entry of the history if this request was carried out before."""

    writer: Writer
    done: JournalEntry | None


@contextlib.contextmanager
def transaction(
    context: RegistryContext,
    model: str,
    request_id: str | None,
    action: str,
    *,
    create: bool = False,
    reuse_name: bool = False,
) -> Iterator[Transaction]:
    """Lock and recover a model for one change, ``create`` it if need be, and look whether the same request made it before.

    ``action`` is that of the event that records the change: :class:`Conflict` when the id was used for another one.
    """
    with open_writer(context, model, create=create, reuse_name=reuse_name) as writer:
        yield Transaction(writer, writer.done_before(request_id, action) if request_id else None)


def notify(context: RegistryContext, name: str, event: Event) -> None:
    """Tell ``on_event``. The change is made: a listener that fails is a warning, not a failure."""
    if context.on_event is None:
        return
    try:
        context.on_event(name, event)
    except Exception as error:
        import warnings

        warnings.warn(f"on_event failed for '{event.action}' of {name}: {error}", RuntimeWarning, stacklevel=2)


@contextlib.contextmanager
def _create_if_missing(
    context: RegistryContext, paths: ModelLayout, create: bool, reuse_name: bool, but: Collection[str]
) -> Iterator[None]:
    """Create a missing model if ``create``; remove it again if nothing is committed."""
    if files.exists(paths.model) or not create:
        if files.exists(paths.model):
            store.creation.make_folders(paths, context.modes)
        yield
        return
    ensure_not_former_name(context, paths.name, reuse_name, but)  # it may have been renamed since the caller looked
    try:
        document = {
            "format": FORMAT, "id": os.urandom(16).hex(), "created": format_time(context.clock()),
            "owner": context.author,
        }  # fmt: skip
        store.creation.make_model(context.layout, paths, context.modes, document, context.lock_timeout, context.on_wait)
        yield
    except BaseException:
        store.creation.unmake_model(context.layout, paths)
        raise


def _add_model_id(context: RegistryContext, paths: ModelLayout) -> None:
    """Give a model of an earlier release an id, under its lock, after a change.

    The id is optional: if the document can't be changed now, the next change tries again.
    """
    with contextlib.suppress(OSError, RegistryError, UnicodeError):
        data = files.read(paths.model, files.DOCUMENT_LIMIT, layout.MODEL)
        if b"\nid:" in data or data.startswith(b"id:") or codec.model_id(codec.loads(data, layout.MODEL)):
            return
        from ..core.yaml import text_edits

        text = text_edits.changed(data.decode(), {"id": os.urandom(16).hex()}, layout.MODEL)
        removal.replace(paths.model, text.encode(), context.modes.file)


def ensure_not_former_name(context: RegistryContext, name: str, reuse_name: bool, but: Collection[str] = ()) -> None:
    """:class:`Conflict` when a new model would get a name that another model, none of ``but``, had before.

    Also when that one was deleted.
    """
    paths = context.layout.model(name)
    if reuse_name:
        return
    if reader.is_model(paths):
        with contextlib.suppress(Damaged, NotFound):  # the caller meets it, or it was renamed just now
            if reader.is_deleted(paths):
                raise Conflict(
                    f"'{name}' is the name of a deleted model",
                    "choose another name, or add `reuse_name`: version numbers continue after its last one",
                )
        return
    if now := store.model_names.find_renamed_model(context.layout, name, most=None, but=but):
        raise Conflict(
            f"'{name}' is a former name of the model '{now}'",
            f"use '{now}', or add `reuse_name` to create another model with this name",
        )


def take_snapshot(writer: Writer) -> ModelSnapshot:
    """The model that is locked, as it is on the disk."""
    return ModelSnapshot(ModelReader(writer.paths), ModelState(writer.table), locked=True)


def resolve_target(writer: Writer, reference: Reference) -> int:
    return take_snapshot(writer).resolve(reference.or_latest())


def commit_annotation(writer: Writer, document: Mapping[str, Any], event: Event) -> StageTable:
    """Commit the annotation of the version that ``event`` is about, with this content."""
    path = writer.paths.relative(writer.paths.annotation(event.version or 0))
    return writer.move(writer.table, event, Redo(path, document))


#: The path of a key to sign with.
Key = Union[str, "os.PathLike[str]"]
_T = TypeVar("_T")


class EventSigner:
    """Signs the event of a change that is carried out twice: first to draft the event, then to commit the signed one.

    If the second run does not come to the same event it is a conflict, so what is committed is what was signed.
    """

    def __init__(self) -> None:
        self.draft: Event | None = None
        self._signature = ""

    def sign(self, key: Key) -> None:
        from ..trust import signatures

        if self.draft is not None:
            self._signature = signatures.sign(signatures.signed_bytes(self.draft), key)

    def keep_draft(self, event: Event, model: ModelReader) -> bool:
        """Keep ``event`` if this is the first time, when nothing is to be committed."""
        if self.draft is not None:
            return False
        self.draft = _bind_record(event, model)
        return True

    def make_signed_event(self, event: Event, model: ModelReader) -> Event:
        """Return the signed event. Raises :class:`Conflict` when it is not the drafted one."""
        draft = self.draft
        again = _bind_record(event, model)
        if draft is None or replace(again, id=draft.id, at=draft.at) != draft:
            raise Conflict(f"{model.name} was changed during signing", "check it again and retry")
        return replace(draft, detail={**draft.detail, "signature": self._signature})


def _bind_record(event: Event, model: ModelReader) -> Event:
    """Add the sha256 of the version's document to ``event``, so that it is valid for no other version."""
    if event.version is None or "record" in event.detail:
        return event
    return replace(event, detail={**event.detail, "record": f"sha256:{model.seal(event.version)}"})


def run_signed(change: Callable[[EventSigner | None], _T], key: Key | None) -> _T:
    """Do ``change``; with a key twice: see :class:`EventSigner`. One that has nothing to commit needs no signature."""
    if key is None:
        return change(None)
    signer = EventSigner()
    done = change(signer)
    if signer.draft is None:
        return done
    signer.sign(key)
    return change(signer)
