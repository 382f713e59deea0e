"""What is said of a model as a whole, and its name: ``describe``, ``rewrite``, ``rename``."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core import names, values
from ..core.results import Described, Renamed
from ..core.values import OneOrMore, as_list
from ..errors import Conflict, InvalidInput, RegistryError
from ..store import codec, creation, files, layout, locking, reader, removal, replacement, reservation
from ..store.codec import Redo
from ..store.layout import Layout, ModelLayout
from ..store.writer import Writer
from .base import RegistryBase

#: A value of a document of so many characters at most is told in the history, before and after.
_TOLD = 200


class Modelling(RegistryBase):
    """``describe``, ``rewrite``, ``rename``: the document of a model, which people edit too, and its name."""

    def describe(
        self,
        name: str,
        *,
        description: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, object] | None = None,
        annotations: Mapping[str, object] | None = None,
        remove: OneOrMore[str] = (),
        reason: str = "",
        reuse_name: bool = False,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> Described:
        """Say what a model is for, and who answers for it. The model is made if it isn't there.

        ``remove`` names tags, annotations, or ``description``. What people wrote into ``model.yaml``, their comments
        too, stays. With ``reuse_name`` a new model may get a name that another one had before. Raises :class:`InvalidInput` when its text can't be changed without touching that.
        """
        wanted: dict[str, Any] = {
            "description": values.text(description, "description") if description is not None else None,
            "owner": values.line(owner, "owner") if owner is not None else None,
            "tags": values.checked(tags, values.check_line),
            "annotations": values.checked(annotations, values.check_text),
        }
        wanted = {key: value for key, value in wanted.items() if value not in (None, {})}
        remove = as_list(remove, "remove")
        named = {"description": ..., **wanted.get("tags", {}), **wanted.get("annotations", {})}
        values.refuse_set_and_removed(named if "description" in wanted else named.keys() - {"description"}, remove)
        if not (wanted or remove):
            raise InvalidInput("nothing to say", "give a description, an owner, tags or annotations")
        creation.refuse_collision(self._layout, names.model_name(name))
        first = not reader.is_model(self._layout.model(name))
        self._refuse_former(name, reuse_name)
        if first:
            if dry_run:
                return Described(name, tuple(sorted({*wanted, *_removed({}, remove)})), 0)
            creation.make_skeleton(self._layout, self._layout.model(name), self._modes)

        def change(text: str, document: Mapping[str, Any]) -> str:
            from ..store import surgery

            asked = dict(wanted)
            for key, gone in _removed(document, remove).items():
                asked[key] = None if gone is None else {**asked.get(key, {}), **gone}
            return surgery.changed(text, asked, layout.MODEL)

        try:
            with self._writing(name, create=first, reuse_name=reuse_name) as writer:
                return self._rewritten(writer, change, reason, dry_run, request_id)
        finally:
            if first:
                creation.remove_skeleton(self._layout, self._layout.model(name), self._modes)

    def rewrite(
        self, name: str, text: str, *, was: str, reason: str = "", dry_run: bool = False, request_id: str | None = None
    ) -> Described:
        """Put ``text`` in the place of ``model.yaml``, which must still be what it ``was``.

        Raises :class:`InvalidInput` for a text that is no document of a model, :class:`Conflict` when somebody changed
        it meanwhile.
        """
        self.check_text(name, text)

        def change(now: str, _: Mapping[str, Any]) -> str:
            if now != was:
                raise Conflict(f"model.yaml of {name} was changed meanwhile", "look again, then edit")
            return text

        with self._writing(name) as writer:
            return self._rewritten(writer, change, reason, dry_run, request_id)

    def _rewritten(self, writer: Writer, change: Any, reason: str, dry_run: bool, request_id: str | None) -> Described:
        """Commit what ``change`` makes of the text of the document."""
        model = writer.paths.name
        if request_id and (done := writer.done_before(request_id, "described")):
            return Described(model, tuple(done.event.detail.get("keys", ())), done.revision, changed=False)
        data = files.read(writer.paths.model, files.DOCUMENT_LIMIT, layout.MODEL)
        before = codec.loads(data, layout.MODEL)
        text = change(data.decode(), before)
        after = codec.loads(text.encode(), layout.MODEL)
        keys = tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
        if text == data.decode() or dry_run:
            return Described(model, keys, writer.table.revision, changed=text != data.decode())
        told = {key: [_told(before.get(key)), _told(after.get(key))] for key in keys}
        event = self._event("described", None, request_id, keys=list(keys), said=told, reason=reason)
        table = writer.move(writer.table, event, Redo(layout.MODEL, after, text))
        return Described(model, keys, table.revision)

    def text(self, name: str | None = None) -> str:
        """The text of a model's ``model.yaml``, or of ``registry.yaml``."""
        path = self._layout.config if name is None else self._model(name).paths.model
        return files.read(path, files.DOCUMENT_LIMIT, path.name).decode()

    def check_text(self, name: str | None, text: str) -> None:
        """Raise what is wrong with ``text`` as a ``model.yaml``, or as ``registry.yaml``, with the line of the mistake."""
        from . import editing

        editing.check(self._layout, name, text)

    def rewrite_settings(self, text: str, *, was: str) -> Described:
        """Put ``text`` in the place of ``registry.yaml``, which must still be what it ``was``. No history tells of it.

        Raises :class:`InvalidInput` for a text that is not right, :class:`Conflict` when somebody changed it meanwhile.
        """
        self.check_text(None, text)
        path = self._layout.config
        if self.text() != was:
            raise Conflict("registry.yaml was changed meanwhile", "look again, then edit")
        if text != was:
            files.replace(path, text.encode(), path.stat().st_mode & 0o777)
        return Described(path.name, (), 0, changed=text != was)

    def rename(
        self,
        name: str,
        new: str,
        *,
        reason: str = "",
        reuse_name: bool = False,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> Renamed:
        """Give a model another name, or another group: everything of it moves in one step.

        The name that it had is kept as ``formerly`` in its document: lineages that tell of it go on finding it. First
        the change is recorded, then the folder moves; when that was interrupted, the same call again moves it.
        Raises :class:`NotFound`, and :class:`Conflict` when there is something of that name, or another model had it before
        (unless ``reuse_name``).
        """
        source, target = self._layout.model(names.model_name(name)), self._layout.model(names.model_name(new))
        if name == new:
            raise InvalidInput(f"it is called {name} already", "name another")
        if not reader.is_model(source):
            if self._was_called(target, name):
                return Renamed(name, new, changed=False)
            raise self._unknown(name)
        self._refuse_taken(target, name)
        self._refuse_former(new, reuse_name, but=(name,))
        _refuse_other_file_system(source, target, self._layout.models)
        moved = True
        with self._writing(name) as writer:
            if dry_run:
                return Renamed(name, new)
            with self._group_of(target):
                self._refuse_taken(target, name)
                begun = self._is_begun(writer, new, request_id)
                with reservation.reserved(self._layout, target, name, self._modes):
                    if not begun:
                        self._refuse_former(new, reuse_name, but=(name,))  # another model may have had it since
                        self._record_name(writer, name, new, reason, request_id)
                    moved = _moved(self._layout, source, target)  # the folder, with its lock and all
                    if not moved:
                        self._record_name(writer, new, name, "the folder could not be moved", None, undo=True)
        if not moved:
            raise RegistryError(
                f"the folder of {name} can't be moved to that of {new}: it crosses a file system border",
                f"the model is still called {name}",
            )
        return Renamed(name, new)

    def _was_called(self, target: ModelLayout, name: str) -> bool:
        """Whether a model had ``name`` last, before it got its own."""
        return reader.is_model(target) and codec.former_names(self._model(target.name).document())[-1:] == (name,)

    def _is_begun(self, writer: Writer, new: str, request_id: str | None) -> bool:
        """Whether the move to this name is recorded, and was not made: until then its own name is a former one.

        What was changed since makes no difference: the last word on the name counts.
        """
        from ..lifecycle.events import Wanted
        from ..store import chronicle

        before = writer.done_before(request_id, "renamed") if request_id else None  # Conflict for an id of another deed
        if writer.paths.name not in codec.former_names(self._model(writer.paths.name).document()):
            if before:
                raise RegistryError(
                    f"this request could not move the folder of {writer.paths.name}, and was taken back",
                    "use another request id to try again",
                )
            return False
        last = next(chronicle.newest_first(writer.paths, Wanted(actions=frozenset({"renamed"}))), None)
        return last is not None and last.event.detail.get("after") == new

    def _refuse_taken(self, target: ModelLayout, name: str) -> None:
        if reservation.holder(self._layout, target) != name:  # which an interrupted rename to this name has left
            creation.refuse_collision(self._layout, target.name)
        if files.exists(target.root) and set(files.list_folder(target.root)) - {layout.RESERVATION}:
            raise Conflict(f"there is something called '{target.name}' already", "choose another name")

    def _record_name(
        self, writer: Writer, name: str, new: str, reason: str, request_id: str | None, *, undo: bool = False
    ) -> None:
        from ..store import surgery

        if not os.access(writer.paths.root.parent, os.W_OK) or not os.access(writer.paths.root, os.W_OK):
            raise RegistryError(f"the folder of {name} may not be moved by you", "ask its owner")
        text = files.read(writer.paths.model, files.DOCUMENT_LIMIT, layout.MODEL).decode()
        known = codec.former_names(codec.loads(text.encode(), layout.MODEL))
        formerly = [each for each in dict.fromkeys(known if undo else [*known, name]) if each != new]
        document = codec.loads(text.encode(), layout.MODEL)
        identity = {} if codec.model_id(document) else {"id": os.urandom(16).hex()}
        text = surgery.changed(text, {**identity, "formerly": formerly}, layout.MODEL)
        event = self._event("renamed", None, request_id, before=name, after=new, reason=reason)
        writer.move(writer.table, event, Redo(layout.MODEL, codec.loads(text.encode(), layout.MODEL), text))

    @contextlib.contextmanager
    def _group_of(self, target: ModelLayout) -> Any:
        """Where the folder goes: its group is made, and can't become a model meanwhile."""
        group = self._layout.group(target.name)
        if group.name == target.name:
            yield
            return
        if files.make_folder(group.root, self._modes.folder):
            files.fsync_folder(self._layout.models)
        with locking.exclusive(group.lock, f"group {group.name}", self._modes.file, self._lock_timeout, self._on_wait):
            yield


def _refuse_other_file_system(source: ModelLayout, target: ModelLayout, models: Path) -> None:
    """Say before anything is recorded that a folder can't move to another file system, nor one that is mounted."""
    there = next(folder for folder in (target.root.parent, models) if files.exists(folder))
    if len({folder.stat().st_dev for folder in (source.root, source.root.parent, there)}) > 1:
        raise RegistryError(
            f"{source.name} can't be moved to {target.name}: it would cross a file system border",
            "export it, and import it under its new name",
        )


def _moved(root: Layout, source: ModelLayout, target: ModelLayout) -> bool:
    """Move the folder in the place of the reservation; False if it lies on another file system after all."""
    try:
        if replacement.exchange(source.root, target.root):
            reservation.release(root, source)
        else:
            removal.remove(target.reservation, root.root)
            removal.rename(source.root, target.root, root.root)
    except OSError as error:
        if error.errno == errno.EXDEV:  # as overlay says of a folder of its lower layer
            return False
        raise
    for parent in dict.fromkeys((target.root.parent, source.root.parent)):
        files.fsync_folder(parent)
    return True


def _removed(document: Mapping[str, Any], remove: OneOrMore[str]) -> dict[str, Any]:
    """What is to be taken away, as the surgeon wants it: None for a key, a mapping with None for what is in one."""
    found: dict[str, Any] = {}
    for name in as_list(remove, "remove"):
        if name == "description":
            found[name] = None
            continue
        homes = [key for key in ("tags", "annotations") if name in (document.get(key) or {})]
        for key in homes:
            found.setdefault(key, {})[name] = None
    return found


def _told(value: object) -> object:
    """A value as the history tells it; a long one by its beginning."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _TOLD else f"{text[:_TOLD]}…"
