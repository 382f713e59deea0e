"""Change tags, annotations and metrics of a version after it was registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.redaction import redact_kinds
from ..core.results import VersionsChanged
from ..core.values import OneOrMore, as_list
from ..store.layout import FORMAT
from .transaction import commit_annotation, make_event, take_snapshot, transaction

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
    """Set and remove tags of a version. Secrets are replaced by ``***``, with a warning that names the tag."""
    checked = values.checked(tags, values.check_line)
    return _change_annotation(context, ref, "tags", checked, remove, dry_run, request_id)


def annotate(
    context: RegistryContext,
    ref: str | Reference,
    annotations: Mapping[str, object] | None = None,
    *,
    remove: OneOrMore[str] = (),
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Set and remove annotations of a version. Secrets are replaced by ``***``, with a warning that names the annotation."""
    checked = values.checked(annotations, values.check_text)
    return _change_annotation(context, ref, "annotations", checked, remove, dry_run, request_id)


def log_metric(
    context: RegistryContext,
    ref: str | Reference,
    metrics: Mapping[str, object],
    *,
    skip_invalid: bool = False,
    dry_run: bool = False,
    request_id: str | None = None,
) -> VersionsChanged:
    """Add or correct metrics of a version; the history keeps what was before.

    ``metrics`` and ``skip_invalid`` are as those of :meth:`Registry.register`.
    """
    from ..core.normalization import METRIC, normalize

    given = normalize(METRIC, metrics, skip_invalid=skip_invalid)
    done = _change_annotation(context, ref, "metrics", given.values, (), dry_run, request_id)
    return replace(done, warnings=given.warnings, skipped=given.skipped)


def _change_annotation(
    context: RegistryContext,
    ref: str | Reference,
    kind: str,
    changes: Mapping[str, object],
    remove: OneOrMore[str],
    dry_run: bool,
    request_id: str | None,
) -> VersionsChanged:
    warnings: tuple[str, ...] = ()
    if kind != "metrics":
        redacted, warnings = redact_kinds({kind: dict(changes)})
        changes = redacted[kind]
    remove = as_list(remove, "remove")
    values.refuse_set_and_removed(changes, remove)
    reference = Reference.coerce(ref)
    action = _ACTIONS[kind]
    with transaction(context, reference.model, request_id, action) as (writer, done):
        if done:
            versions = (done.event.version or 0,)
            return VersionsChanged(reference.model, action, versions, done.revision, False, warnings=warnings)
        snapshot = take_snapshot(writer)
        number = snapshot.resolve(reference.or_latest())
        current = getattr(snapshot.version(number), kind)
        wanted = {**current, **changes}
        for name in remove:
            wanted.pop(name, None)
        found = _describe_difference(kind, current, wanted)
        result = VersionsChanged(
            reference.model, action, (number,), writer.table.revision, wanted != current, warnings=warnings,
            values=found if isinstance(found, Mapping) else {},
        )  # fmt: skip
        if not result.changed or dry_run:
            return result
        sealed = getattr(snapshot.sealed(number), kind)
        changed = {name: value for name, value in wanted.items() if name not in sealed or sealed[name] != value}
        removed = {name: None for name in sealed if name not in wanted}  # null removes a sealed value
        document = {"format": FORMAT, **snapshot.annotation(number), kind: {**changed, **removed}}
        document = {name: value for name, value in document.items() if value != {}}
        event = replace(make_event(context, action, number, request_id), detail={kind: found})
        return replace(result, revision=commit_annotation(writer, document, event).revision)


_ACTIONS = {"tags": "tagged", "annotations": "annotated", "metrics": "measured"}


def _describe_difference(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Any:
    """Return what the event keeps of a change: values before and after; of annotations, which may be long, the names."""
    names = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
    if kind == "annotations":
        return names
    return {name: [before.get(name), after.get(name)] for name in names}
