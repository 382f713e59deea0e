"""Describe, edit and rename models, and edit the settings of the registry."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import names, values
from ..core.results import ModelChanged, ModelRenamed
from ..core.values import OneOrMore, as_list
from ..core.yaml import documents, text_edits
from ..errors import Conflict, Damaged, InvalidInput, RegistryError
from ..interop.cards import card_inputs
from ..lineage import capture
from ..rules import retention_rules, scan_policy
from ..rules.event_history import EventFilter
from ..rules.policy import policy, policy_parser
from ..rules.settings_errors import MODEL_KEYS, REGISTRY_KEYS, SettingsSource, check_unknown_keys
from ..store import codec, creation, history, layout, reader
from ..store.codec import Redo
from ..store.filesystem import files, locking, removal, replacement
from ..store.layout import Layout, ModelLayout
from ..store.writer import Writer
from . import settings
from .context import model_not_found, open_model
from .settings import SettingsScope, ensure_outside_registry
from .transaction import Transaction, ensure_not_former_name, make_event, transaction

if TYPE_CHECKING:
    from .context import RegistryContext

#: A value of a document of so many characters at most is told in the history, before and after.
_LONGEST_VALUE = 200


def describe(
    context: RegistryContext,
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
) -> ModelChanged:
    """Set the description, owner, tags and annotations of a model, which is made if it does not exist.

    Comments and all else in ``model.yaml`` stay as they are.

    Args:
        remove: Names of tags and annotations, or ``description``.
        reuse_name: Allow a new model to have a name that another one had before.

    Raises:
        InvalidInput: The document can't be changed without touching something else.
        Conflict: Another model had the name before.
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
        raise InvalidInput("nothing to change", "give a description, an owner, tags or annotations")
    creation.ensure_name_is_free(context.layout, names.model_name(name))
    first = not reader.is_model(context.layout.model(name))
    ensure_not_former_name(context, name, reuse_name)
    if first:
        if dry_run:
            return ModelChanged(name, tuple(sorted({*wanted, *_list_removed({}, remove)})), 0)
        creation.make_skeleton(context.layout, context.layout.model(name), context.modes)

    def change(text: str, document: Mapping[str, Any]) -> str:
        asked = dict(wanted)
        for key, gone in _list_removed(document, remove).items():
            asked[key] = None if gone is None else {**asked.get(key, {}), **gone}
        return text_edits.changed(text, asked, layout.MODEL)

    try:
        with transaction(context, name, request_id, "described", create=first, reuse_name=reuse_name) as found:
            return _commit_document(context, found, change, reason, dry_run, request_id)
    finally:
        if first:
            creation.remove_skeleton(context.layout, context.layout.model(name), context.modes)


def edit(
    context: RegistryContext,
    name: str | None,
    text: str,
    *,
    was: str,
    reason: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
) -> ModelChanged:
    """Replace the text of a model's ``model.yaml``, or of ``registry.yaml``, of which no history tells.

    Args:
        name: The model; None for ``registry.yaml``, which takes no reason and no request id.
        text: The new text.
        was: The text that it must still be, as :meth:`text` returned it.

    Raises:
        InvalidInput: The text is not valid; with the line of the mistake.
        Conflict: It was changed concurrently.
    """
    check_text(context, name, text)
    if name is None:
        path = context.layout.config
        if read_text(context) != was:
            raise Conflict("registry.yaml was changed concurrently", "review it and edit again")
        if text != was and not dry_run:
            removal.replace(path, text.encode(), path.stat().st_mode & 0o777)
        return ModelChanged(path.name, (), 0, changed=text != was)

    def change(now: str, _: Mapping[str, Any]) -> str:
        if now != was:
            raise Conflict(f"model.yaml of {name} was changed concurrently", "review it and edit again")
        return text

    with transaction(context, name, request_id, "described") as found:
        return _commit_document(context, found, change, reason, dry_run, request_id)


def _commit_document(
    context: RegistryContext, found: Transaction, change: Any, reason: str, dry_run: bool, request_id: str | None
) -> ModelChanged:
    writer, done = found
    model = writer.paths.name
    if done:
        return ModelChanged(model, tuple(done.event.detail.get("keys", ())), done.revision, changed=False)
    data = files.read(writer.paths.model, files.DOCUMENT_LIMIT, layout.MODEL)
    before = codec.loads(data, layout.MODEL)
    text = change(data.decode(), before)
    after = codec.loads(text.encode(), layout.MODEL)
    keys = tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
    if text == data.decode() or dry_run:
        return ModelChanged(model, keys, writer.table.revision, changed=text != data.decode())
    differences = {key: [_shorten(before.get(key)), _shorten(after.get(key))] for key in keys}
    event = make_event(context, "described", None, request_id, keys=list(keys), said=differences, reason=reason)
    return ModelChanged(model, keys, writer.move(writer.table, event, Redo(layout.MODEL, after, text)).revision)


def read_text(context: RegistryContext, name: str | None = None) -> str:
    """Return the text of a model's ``model.yaml``, or of ``registry.yaml``."""
    path = context.layout.config if name is None else open_model(context, name).paths.model
    return files.read(path, files.DOCUMENT_LIMIT, path.name).decode()


def check_text(context: RegistryContext, name: str | None, text: str) -> None:
    """Check a text as a ``model.yaml``, or for None as ``registry.yaml``.

    Raises:
        InvalidInput: It is not valid; with the line of the mistake.
    """
    called = layout.MODEL if name else layout.REGISTRY
    data = text.encode()
    try:
        document = codec.loads(data, called)
    except Damaged as error:
        raise InvalidInput(
            error.message.removesuffix(f"; {error.hint}"), "fix it or restore the previous text"
        ) from None

    source = SettingsSource(called, lambda: documents.lines(data))
    before = codec.load(context.layout.model(name).model if name else context.layout.config, called)
    for key in _FIXED[called]:
        if document.get(key) != before.get(key):
            raise source.error((key,), "cannot be changed", f"it was {before.get(key)}")
    if name is None:
        _check_settings(context.layout, document, source)
    else:
        _check_model(context.layout, name, document, source)


def rename(
    context: RegistryContext,
    name: str,
    new: str,
    *,
    reason: str = "",
    reuse_name: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
) -> ModelRenamed:
    """Rename a model, or move it to another group, in one step.

    The old name is kept as ``formerly``, so lineages still find the model. An interrupted call is completed by repeating it.

    Args:
        reuse_name: Allow a name that another model had before.

    Raises:
        Conflict: The name is in use, or another model had it before.
        RegistryError: The folder would cross a file system border, or may not be moved by this user.
    """
    source, target = context.layout.model(names.model_name(name)), context.layout.model(names.model_name(new))
    if name == new:
        raise InvalidInput(f"it is already named {name}", "choose another name")
    if not reader.is_model(source):
        if reader.is_model(target) and codec.former_names(open_model(context, target.name).document())[-1:] == (name,):
            return ModelRenamed(name, new, changed=False)
        raise model_not_found(context, name)
    _ensure_free(context, target, name)
    ensure_not_former_name(context, new, reuse_name, but=(name,))
    _ensure_same_file_system(context, source, target)
    moved = True
    with transaction(context, name, request_id, "renamed") as (writer, done):
        if dry_run:
            return ModelRenamed(name, new)
        with _lock_group(context, target):
            _ensure_free(context, target, name)
            recorded = _is_move_recorded(context, writer, new, repeated=done is not None)
            with creation.reserve_name(context.layout, target, name, context.modes):
                if not recorded:
                    ensure_not_former_name(context, new, reuse_name, but=(name,))  # another model may have had it since
                    _record_name(context, writer, name, new, reason, request_id)
                moved = _move_folder(context.layout, source, target)  # the folder, with its lock and all
                if not moved:
                    _record_name(context, writer, new, name, "the folder could not be moved", None, undo=True)
    if not moved:
        raise RegistryError(
            f"cannot move the folder of {name} to {new}: they are on different file systems",
            f"the model is still named {name}",
        )
    return ModelRenamed(name, new)


def transfer(
    context: RegistryContext,
    name: str,
    group: str,
    *,
    reason: str = "",
    dry_run: bool = False,
    request_id: str | None = None,
) -> ModelRenamed:
    """Deprecated: use :meth:`rename`. Move a model to another ``group`` (empty for none) under the name that it has."""
    warnings.warn("transfer is deprecated; use rename", DeprecationWarning, stacklevel=2)
    own = name.rpartition("/")[2]
    new = f"{group}/{own}" if group else own
    return rename(context, name, new, reason=reason, dry_run=dry_run, request_id=request_id)


def _is_move_recorded(context: RegistryContext, writer: Writer, new: str, *, repeated: bool) -> bool:
    """Return whether a move to this name is recorded but was not made: then the model's name is a former one.

    Other changes since do not matter; the newest rename does.
    """
    if writer.paths.name not in codec.former_names(open_model(context, writer.paths.name).document()):
        if repeated:
            raise RegistryError(
                f"this request could not move the folder of {writer.paths.name} and was rolled back",
                "use another request id to try again",
            )
        return False
    last = next(history.newest_first(writer.paths, EventFilter(actions=frozenset({"renamed"}))), None)
    return last is not None and last.event.detail.get("after") == new


def _ensure_free(context: RegistryContext, target: ModelLayout, name: str) -> None:
    if creation.reservation_holder(context.layout, target) != name:  # which an interrupted rename to this name has left
        creation.ensure_name_is_free(context.layout, target.name)
    if reader.is_model(target) and reader.is_deleted(target):
        raise Conflict(
            f"'{target.name}' is the name of a deleted model, whose version numbers are never used again",
            "choose another name",
        )
    if files.exists(target.root) and set(files.list_folder(target.root)) - {layout.RESERVATION}:
        raise Conflict(f"'{target.name}' already exists", "choose another name")


def _record_name(
    context: RegistryContext,
    writer: Writer,
    name: str,
    new: str,
    reason: str,
    request_id: str | None,
    *,
    undo: bool = False,
) -> None:
    if not os.access(writer.paths.root.parent, os.W_OK) or not os.access(writer.paths.root, os.W_OK):
        raise RegistryError(f"you are not permitted to move the folder of {name}", "ask its owner")
    text = files.read(writer.paths.model, files.DOCUMENT_LIMIT, layout.MODEL).decode()
    document = codec.loads(text.encode(), layout.MODEL)
    known = codec.former_names(document)
    formerly = [each for each in dict.fromkeys(known if undo else [*known, name]) if each != new]
    identity = {} if codec.model_id(document) else {"id": os.urandom(16).hex()}
    text = text_edits.changed(text, {**identity, "formerly": formerly}, layout.MODEL)
    event = make_event(context, "renamed", None, request_id, before=name, after=new, reason=reason)
    writer.move(writer.table, event, Redo(layout.MODEL, codec.loads(text.encode(), layout.MODEL), text))


@contextlib.contextmanager
def _lock_group(context: RegistryContext, target: ModelLayout) -> Any:
    """Lock the group of the target, which is made if need be, so that it can't become a model meanwhile."""
    group = context.layout.group(target.name)
    if group.name == target.name:
        yield
        return
    if files.make_folder(group.root, context.modes.folder):
        files.fsync_folder(context.layout.models)
    with locking.exclusive(
        group.lock, f"group {group.name}", context.modes.file, context.lock_timeout, context.on_wait
    ):
        yield


def _ensure_same_file_system(context: RegistryContext, source: ModelLayout, target: ModelLayout) -> None:
    """Say before anything is recorded that a folder can't move to another file system, nor one that is mounted."""
    there = next(folder for folder in (target.root.parent, context.layout.models) if files.exists(folder))
    try:
        devices = {folder.stat().st_dev for folder in (source.root, source.root.parent, there)}
    except FileNotFoundError:  # it was renamed just now, or a group went away
        if not reader.is_model(source):
            raise model_not_found(context, source.name) from None
        devices = set()  # where it goes is looked at again when it is moved
    if len(devices) > 1:
        raise RegistryError(
            f"cannot move {source.name} to {target.name}: they are on different file systems",
            "export it and import it under the new name",
        )


def _move_folder(root: Layout, source: ModelLayout, target: ModelLayout) -> bool:
    """Move the folder in the place of the reservation; False if it lies on another file system after all."""
    try:
        if replacement.exchange(source.root, target.root):
            creation.release_name(root, source)
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


def _list_removed(document: Mapping[str, Any], remove: OneOrMore[str]) -> dict[str, Any]:
    """Return the removals for :mod:`~registry_cli.core.yaml.text_edits`: None for a key, or a mapping to None."""
    found: dict[str, Any] = {}
    for name in as_list(remove, "remove"):
        if name == "description":
            found[name] = None
            continue
        for key in ("tags", "annotations"):
            if name in (document.get(key) or {}):
                found.setdefault(key, {})[name] = None
    return found


def _shorten(value: object) -> object:
    """A value as the history tells it; a long one by its beginning."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


#: What of each document no edit may change: the store relies on it.
_FIXED = {"model.yaml": ("format", "created"), "registry.yaml": ("format", "id", "created")}


def _check_settings(paths: Layout, document: Mapping[str, Any], source: SettingsSource) -> None:
    known = codec.parse_settings(document, source)
    if known.scan is not None:
        scan_policy.parse_scan_rules(known.scan, source.file)
    if (lineage := document.get("lineage")) is not None:
        capture.resolve_parts(None, lineage, source.file)
    found = policy_parser.parse_policies(policy_parser.find_policy(document, source), source, known.stages)
    policy.check_circular(found, known.stages)
    ensure_outside_registry(paths, found)
    retention_rules.RetentionPolicy.parse(document.get("retention"), source)
    settings.merge_monitor_rules([settings.SettingsDocument(document, source, REGISTRY_KEYS)])


def _check_model(paths: Layout, name: str, document: Mapping[str, Any], source: SettingsSource) -> None:
    check_unknown_keys(document, MODEL_KEYS, source)
    for key in ("owner", "description"):
        if not isinstance(document.get(key, ""), str):
            raise source.error((key,), "must be text", "put it in quotes")
    for key in ("tags", "annotations"):
        entries = document.get(key) or {}
        if not isinstance(entries, Mapping) or not all(isinstance(text, str) for text in entries.values()):
            raise source.error((key,), "must be a mapping of names to text", "use 'name: text' lines below it")
    card_inputs.fields(document, source)
    around = settings.load_documents(paths, SettingsScope(name.rpartition("/")[0]))
    levels = [*around, settings.SettingsDocument(document, source, MODEL_KEYS)]
    settings.merge_policies(paths, levels)
    policy = retention_rules.RetentionPolicy.parse(document.get("retention"), source)
    policy.check_directions(settings.merge_monitor_rules(levels)[1])
