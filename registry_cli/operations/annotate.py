"""Change tags, annotations and metrics of a version after it was registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.records import Event
from ..core.redaction import redact_kinds
from ..core.results import VersionsChanged
from ..core.values import OneOrMore, as_list
from ..store.codec import Redo
from ..store.layout import FORMAT
from ..store.reader import ModelReader, ModelState
from .transaction import make_event, transaction

if TYPE_CHECKING:
    from .context import RegistryContext


def tag(
    context: RegistryContext,
    ref: str | Reference,
    tags: Mapping[str, object] | None = None,
    *,
    remove: OneOrMore[str] = (),
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Set and remove tags of a version. A secret in a tag is replaced by ``***``, and a warning names the tag."""
    checked = values.checked(tags, values.check_line)
    return _change_without_secrets(context, ref, "tags", checked, remove, dry_run, request_id)


def annotate(
    context: RegistryContext,
    ref: str | Reference,
    annotations: Mapping[str, object] | None = None,
    *,
    remove: OneOrMore[str] = (),
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Set and remove annotations of a version: purpose, training data, special considerations, anything.

    A secret in one is replaced by ``***``, and a warning names the annotation.
    """
    checked = values.checked(annotations, values.check_text)
    return _change_without_secrets(context, ref, "annotations", checked, remove, dry_run, request_id)


def log_metric(
    context: RegistryContext,
    ref: str | Reference,
    metrics: Mapping[str, object],
    *,
    metrics_only: OneOrMore[str] = (),
    skip_invalid: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Add metrics that were measured after registration, or correct some; the journal keeps what was before.

    ``metrics``, ``metrics_only`` and ``skip_invalid`` are as those of :meth:`Registry.register`.
    """
    from ..core.normalization import METRIC, normalize

    given = normalize(METRIC, metrics, only=metrics_only, skip_invalid=skip_invalid)
    done = _change_annotation(context, ref, "metrics", given.values, (), dry_run, request_id)
    return replace(done, warnings=given.warnings, skipped=given.skipped)


def _change_without_secrets(
    context: RegistryContext,
    ref: str | Reference,
    kind: str,
    changes: Mapping[str, Any],
    remove: OneOrMore[str],
    dry_run: bool,
    request_id: str | None,
) -> VersionsChanged:
    given, warnings = redact_kinds({kind: changes})
    done = _change_annotation(context, ref, kind, given[kind], remove, dry_run, request_id)
    return replace(done, warnings=warnings)


def _change_annotation(
    context: RegistryContext,
    ref: str | Reference,
    kind: str,
    changes: Mapping[str, object],
    remove: OneOrMore[str],
    dry_run: bool,
    request_id: str | None,
) -> VersionsChanged:
    remove = as_list(remove, "remove")
    values.refuse_set_and_removed(changes, remove)
    reference = Reference.coerce(ref)
    action = _ACTIONS[kind]
    with transaction(context, reference.model, request_id, action) as (writer, done):
        if done:
            return VersionsChanged(reference.model, action, (done.event.version or 0,), done.revision, False)
        model, state = ModelReader(writer.paths), ModelState(writer.table)
        number = model.resolve(reference.or_latest(), writer.table)
        current = getattr(model.version(number, state), kind)
        wanted = {**current, **changes}
        for name in remove:
            wanted.pop(name, None)
        found = _describe_difference(kind, current, wanted)
        changed = found if isinstance(found, Mapping) else {}
        if wanted == current or dry_run:
            revision = writer.table.revision
            return VersionsChanged(reference.model, action, (number,), revision, wanted != current, values=changed)
        document = _overlay(getattr(model.sealed(number), kind), wanted, kind, model.annotation(number, state))
        event = make_event(context, action, number, request_id)
        event = Event(**{**vars(event), "detail": {kind: found}})
        redo = Redo(writer.paths.relative(writer.paths.annotation(number)), document)
        table = writer.move(writer.table, event, redo)
        return VersionsChanged(reference.model, action, (number,), table.revision, values=changed)


_ACTIONS = {"tags": "tagged", "annotations": "annotated", "metrics": "measured"}


def _overlay(
    sealed: Mapping[str, Any], wanted: Mapping[str, Any], kind: str, annotation: Mapping[str, Any]
) -> dict[str, Any]:
    """``annotations/N.yaml`` that turns ``sealed`` into ``wanted``: null takes a sealed value away."""
    changed = {name: value for name, value in wanted.items() if name not in sealed or sealed[name] != value}
    removed = {name: None for name in sealed if name not in wanted}
    document = {"format": FORMAT, **annotation, kind: {**changed, **removed}}
    return {name: value for name, value in document.items() if value != {}}


def _describe_difference(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Any:
    """What an event keeps of a change: value before and after; of annotations, which may be long, the names."""
    names = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
    if kind == "annotations":
        return names
    return {name: [before.get(name), after.get(name)] for name in names}
