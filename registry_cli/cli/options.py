"""The arguments and options that several commands share, each defined once."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional

from ..core import values
from ..core.names import Reference
from ..errors import InvalidInput
from ..rules.stages import ANY, Expected, parse_expected
from .command import argument, flag, option
from .formatting import escape

if TYPE_CHECKING:
    from ..core.normalization import NormalizedValues, SkippedValue
    from ..core.records import VersionRecord
    from ..query.fields import QueryField
    from ..registry import Registry
    from .session import Session

Texts = Optional[list[str]]
Ref = Annotated[str, argument("REF", "A version: churn@7, churn@production; churn alone means churn@latest.")]
#: For commands that move a pointer to a version or approve one; see ``Reference.parse_version``.
VersionRef = Annotated[str, argument("REF", "A version: churn@7, churn@staging, churn@latest; not just churn.")]
Refs = Annotated[list[str], argument("REF...", "Versions: churn@3 churn@4. '-' reads them from standard input.")]
Model = Annotated[str, argument("NAME", "A model: churn or risk/churn.")]
Models = Annotated[list[str] | None, argument("[NAME]...", "Models (default: all).")]
Stage = Annotated[str, argument("STAGE", "A stage of the registry.")]
Reason = Annotated[str, option("--reason", "TEXT", "The reason, recorded in the history.")]
AllowUnsafe = Annotated[bool, flag("--allow-unsafe", "Register even if the scan refuses; requires --reason.")]
ReuseName = Annotated[bool, flag("--reuse-name", "Allow a new model to use the former name of another.")]
Exclude = Annotated[Texts, option("--exclude", "GLOB", "Skip these files: '*.log', 'checkpoints/', '/data/**/raw'.")]
Include = Annotated[Texts, option("--include", "GLOB", "Include these files even if excluded or refused as secrets.")]
Only = Annotated[list[str] | None, option("--only", "GLOB", "Only these files: '*.safetensors', 'tokenizer/'.")]
Except = Annotated[list[str] | None, option("--exclude", "GLOB", "All files except these.")]
Expect = Annotated[
    str | None, option("--expect", "VERSION|none", "Only if it currently points to VERSION; otherwise exit 4.")
]
Where = Annotated[str | None, option("--where -w", "EXPR", "Filter: 'metrics.auc >= 0.9'.")]
AsOf = Annotated[str | None, option("--as-of", "TIME", "The state at 2026-03-03, 45d ago, 'yesterday 10:00' …")]
NoVerify = Annotated[bool, flag("--no-verify", "Compare sizes only, not the sha256 of each file.")]
Force = Annotated[bool, flag("--force", "Include rollback targets; requires --reason.")]
Sign = Annotated[
    str | None, option("--sign", "KEY", "Sign with this SSH key (private, or a public key held by an agent).")
]
Yes = Annotated[bool, flag("--yes -y", "Skip confirmation.")]
#: The number of left out values that are named.
_NAMED = 10


class MetricsOptions(NamedTuple):
    """Metrics in files."""

    metrics_file: Annotated[
        Texts,
        option("--metrics-file", "FILE", "Read metrics from JSON, YAML, TOML, a CSV log or a scikit-learn report."),
    ] = None
    metrics_only: Annotated[Texts, option("--metrics-only", "GLOB", "Only read metrics that match from the files.")] = (
        None
    )
    skip_invalid: Annotated[bool, flag("--skip-invalid", "Skip invalid params and metrics with a warning.")] = False


def parse_model_name(name: str) -> str:
    """Return the name of a model; refuse a reference to a version."""
    reference = Reference.parse(name)
    if reference.selector is not None:
        raise InvalidInput(f"'{name}' is a version; expected a model", f"use '{reference.model}'")
    return reference.model


def check_unsafe(allowed: bool, reason: str) -> None:
    if allowed != bool(reason.strip()):
        raise InvalidInput(
            "--allow-unsafe and --reason require each other", "explain with --reason why the file is safe"
        )


def warn_of_unknown_names(
    cx: Session, registry: Registry, where: str | Sequence[str], model: str | None = None, as_of: str | None = None
) -> None:
    """Warn of stages, aliases, models and groups in a query that do not exist: it may select nothing for that."""
    for text in registry.admin.unknown_names(where, model=model, as_of=as_of):
        cx.warn(text)


def list_keyed_fields(queries: Sequence[str], sort: str | None, columns: str | None) -> dict[str, QueryField]:
    """The params, metrics, tags and annotations that queries, ``--sort`` and ``--columns`` name."""
    if not (queries or sort or columns):
        return {}
    from ..query import query

    fields = [query.parse_field(name) for name in (query.parse_all(queries).fields if queries else ())]
    fields += [field for field, _ in query.parse_sort(sort).keys] if sort else []
    fields += [query.parse_field(name) for name in query.split_fields(columns)] if columns else []
    return {field.name: field for field in fields if field.key and field.family != "lineage"}


def iter_watched(versions: Iterable[VersionRecord], missing: dict[str, QueryField]) -> Iterator[VersionRecord]:
    """Yield the versions, and remove from ``missing`` the fields that one of them has."""
    for version in versions:
        for name in [name for name, field in missing.items() if field.read(version)]:
            del missing[name]
        yield version


def warn_of_missing_fields(cx: Session, registry: Registry, missing: Mapping[str, QueryField]) -> None:
    """Warn of those that no version has, if one has a field with a similar name."""
    for text in registry.admin.unknown_names((), fields=missing.values()) if missing else ():
        cx.warn(text)


def ensure_alone(option: str, others: Mapping[str, object]) -> None:
    """Refuse options that would have no effect beside ``option``; ``others`` are their names and values."""
    ignored = [name for name, given in others.items() if given not in (None, False, "", [])]
    if ignored:
        raise InvalidInput(
            f"{' and '.join(ignored)} {'has' if len(ignored) == 1 else 'have'} no effect with {option}",
            f"remove {option} or {' and '.join(ignored)}",
        )


def signing_key(cx: Session, key: str | None) -> str | None:
    """Return the key of ``--sign``; tell the person to touch it if it waits for that."""
    if key is not None:
        from ..trust import signatures

        if signatures.needs_touch(key):
            cx.say("touch the security key when it blinks")
    return key


def parse_expect(text: str | None, ref: str) -> Expected:
    """Parse ``--expect``: a version of the model that ``ref`` is about."""
    return ANY if text is None else parse_expected(text, Reference.parse(ref).model)


def read_references(given: list[str]) -> list[str]:
    """Return the references as given, or the lines of standard input when the only one is ``-``."""
    if given != ["-"]:
        return given
    if sys.stdin is None:
        raise InvalidInput("standard input is closed", "name the versions")
    try:
        return [
            line.strip() for line in sys.stdin if line.strip()
        ]  # none is not an error: a cron job may have nothing to pass
    except UnicodeDecodeError:
        raise InvalidInput("standard input is not UTF-8 text", "write one reference per line") from None


def collect_values(
    cx: Session,
    kind: str,
    files: Sequence[str] | None,
    pairs: Sequence[str] | None,
    only: Sequence[str] | None,
    skip_invalid: bool,
) -> NormalizedValues:
    """The params or metrics of files, and those that were typed, which take precedence.

    Prints which have no value and are left out, and which globs select nothing. Raises :class:`InvalidInput`, naming all
    values that are not valid, unless they are to be skipped.
    """
    from ..core.normalization import Collection, NormalizedValues

    collection = Collection(kind, tuple(only or ()))
    if files:
        from ..interop import value_files
    for path in files or ():
        found_in_file = value_files.read(path, kind, skip_invalid=skip_invalid)
        collection.add(found_in_file, path)
        if not found_in_file:
            cx.warn(f"{path} has no {kind}s")
    collection.add(values.pairs(pairs or (), lambda text, _: values.typed(text)), selected=False)
    found, skipped = collection.done(skip_invalid=skip_invalid)
    for warning in collection.warnings:
        cx.warn(warning)
    if collection.empty:
        names = ", ".join(map(escape, collection.empty[:_NAMED]))
        more = f" and {len(collection.empty) - _NAMED:,} more" if len(collection.empty) > _NAMED else ""
        cx.say(f"skipped, no value: {names}{more}")
    return NormalizedValues(found, skipped)


def warn_of_skipped(cx: Session, skipped: Sequence[SkippedValue]) -> None:
    """Name the values that were left out because they are not valid."""
    for each in skipped[:_NAMED]:
        cx.warn(f"skipped: {each}")
    if len(skipped) > _NAMED:
        cx.warn(f"skipped {len(skipped) - _NAMED:,} more invalid values")
