"""What every import shares: the version that comes in, converted to a record of this registry; its outcome, its pointers."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import yaml

from ...core import names, values
from ...core.lazy_dataclass import dataclass, field, replace
from ...core.progress import Progress
from ...core.quantities import parse_timestamp
from ...core.records import StageTable, VersionRecord
from ...core.redaction import redact_text, redact_url, redact_value
from ...core.results import FileReport, ImportResult
from ...core.times import format_time
from ...core.yaml import documents
from ...errors import Indeterminate, InvalidInput, LockTimeout, RegistryError, indeterminate
from ...store import codec, manifest, reader, source_files, writer
from ...store.reader import ModelReader
from ...store.selection import FileSelection
from ...store.source_files import SourceFile
from ..archive import archive
from ..pointers import alias, promote

if TYPE_CHECKING:
    from ...interop.imported_version import ImportedVersion
    from ..context import RegistryContext

_T = TypeVar("_T")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9._:/-]{1,80}\Z", re.ASCII)
_LONGEST_ID = 128


class ImportOptions(NamedTuple):
    """The options of an import; see :func:`.imports.import_from`."""

    name: str | None = None
    merge: bool = False
    skip_existing: bool = False
    stages: bool = False
    aliases: bool = False
    dry_run: bool = False
    request_id: str | None = None
    unsafe: str = ""
    selection: FileSelection | None = None
    reuse_name: bool = False

    def ensure_one_model(self, models: Collection[str]) -> None:
        """One name is for one model."""
        if self.name is not None and len(models) > 1:
            some = ", ".join(sorted(models)[:5])
            raise InvalidInput(f"cannot give {len(models):,} models the same name {self.name}: {some}", "remove `name`")

    def version_request_id(self, key: str) -> str:
        """Return the request id of the version with this key, always the same, so it is imported once."""
        if self.request_id is None:
            return f"import:{key if _PLAIN_KEY.match(key) else _digest(key)}"
        return names.request_id(f"{self.request_id}:{_digest(key)[:16]}")

    def pointer_request_id(self, key: str, pointer: str) -> str:
        """The request id of letting a ``pointer`` (``stage:production``) point to that version."""
        identity = f"{self.version_request_id(key)}:{pointer}"
        return identity if len(identity) <= _LONGEST_ID else f"import:{_digest(identity)}"


@dataclass(frozen=True, eq=False, repr=False)
class PlannedImport:
    """A version to be imported. ``sources`` are its files, unless they come in a bundle; ``error`` says why it can't be.

    ``record`` lacks its number; ``number`` is that of the origin. ``shown`` is a shorter name for ``key``; ``report`` names
    the files that were left out.
    """

    key: str
    model: str
    record: VersionRecord
    sources: Sequence[SourceFile] = ()
    number: int | None = None
    size: int = 0
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    error: RegistryError | None = None
    shown: str = ""
    archived: bool = False
    report: FileReport = field(default_factory=FileReport)

    def outcome(
        self, status: str, why: str = "", *, number: int | None = None, lost: tuple[str, ...] = (), code: int = 0
    ) -> ImportResult:
        ref = f"{self.model}@{number}" if number is not None else ""
        report = self.report
        return ImportResult(
            self.shown or self.key, ref, status, why, self.size, 1, self.lost + lost, code, report.excluded,
            report.empty_folders, report.warnings,
        )  # fmt: skip


def plan_import(incoming: ImportedVersion, choice: ImportOptions, author: str) -> PlannedImport:
    """Convert a version of another tool, without secrets; ``lost`` names what this registry can't store."""
    incoming = _redact(incoming)
    model = names.model_name(choice.name or incoming.model)
    key = values.line(incoming.key, "key")
    lost = list(incoming.lost)
    record = VersionRecord(
        model=model, number=0, digest="", size=0, files=0,
        created=_convert_time(incoming.created, lost),
        author=_accept_text(incoming.author, values.line, "author", lost) or author,
        message=_accept_text(incoming.message, values.text, "message", lost),
        params=_accept_values(incoming.params, values.check_param, "param", lost),
        metrics=_accept_values(incoming.metrics, values.check_metric, "metric", lost),
        tags=_accept_values(incoming.tags, values.check_line, "tag", lost),
        annotations=_accept_values(incoming.annotations, values.check_text, "annotation", lost),
        lineage=_convert_lineage(incoming, lost),
    )  # fmt: skip
    found, error = [], None
    chosen = choice.selection.again() if choice.selection else FileSelection()
    try:
        if not incoming.files and not incoming.named and lost:
            raise RegistryError(lost.pop(0))
        if incoming.named:
            found = source_files.named(incoming.named, chosen)
        else:
            found = source_files.collect([(path, None) for path in incoming.files], chosen)
    except RegistryError as problem:
        error = problem
    report = chosen.report()
    collisions = manifest.find_name_collisions(source.path for source in found)
    report = replace(report, warnings=(*report.warnings, *collisions))
    return PlannedImport(
        key, model, record, found, incoming.number, sum(source.size for source in found),
        incoming.stages, incoming.aliases, tuple(lost), error, archived=incoming.archived, shown=incoming.shown,
        report=report,
    )  # fmt: skip


def _redact(incoming: ImportedVersion) -> ImportedVersion:
    """Redact the secrets in command lines, addresses, tags and whatever else the tool stored."""
    lineage = redact_value(incoming.lineage)
    given = incoming.lineage.get("imported")
    if isinstance(given, Mapping) and isinstance(key := given.get("key"), str):
        lineage["imported"]["key"] = redact_url(key)  # the name of a version, though a key may be a secret elsewhere
    return replace(
        incoming,
        message=redact_text(incoming.message),
        params=redact_value(incoming.params),
        tags=redact_value(incoming.tags),
        annotations=redact_value(incoming.annotations),
        lineage=lineage,
        lost=tuple(map(redact_text, incoming.lost)),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _convert_lineage(incoming: ImportedVersion, lost: list[str]) -> dict[str, Any]:
    """Convert the lineage; what can't be stored is left out."""
    given = incoming.lineage.get("imported")
    pointers = {"stages": list(incoming.stages), "aliases": list(incoming.aliases), "archived": incoming.archived}
    imported = {
        "from": incoming.key.partition(":")[0],
        "key": incoming.key,
        **(given if isinstance(given, Mapping) else {}),
        **{name: given for name, given in pointers.items() if given},
    }
    found: dict[str, Any] = {"imported": imported}
    for name, value in incoming.lineage.items():
        if name != "imported" and _is_storable({"lineage": {name: value}}):
            found[str(name)] = value
        elif name != "imported":
            lost.append(f"unknown field {str(name)[:60]}")
    found, absent = codec.without_sidecars(found)
    lost += [f"{name}: only its digest was recorded" for name in absent]
    return (
        found if _is_storable({"lineage": found}) else {"imported": {"from": imported["from"], "key": imported["key"]}}
    )


def _is_storable(document: Mapping[str, Any]) -> bool:
    """Whether a document can be written and read again as it is."""
    try:
        return bool(documents.loads(documents.dumps(document), "lineage") == document)
    except (RegistryError, yaml.YAMLError, UnicodeError, RecursionError):
        return False


def _accept_values(
    given: Mapping[str, Any], check: Callable[[object, str], _T], kind: str, lost: list[str]
) -> dict[str, _T]:
    """Those values that can be kept as they are; of each other, ``lost`` says why it can't."""
    found: dict[str, _T] = {}
    for name, value in given.items():
        try:
            found.update(values.checked({name: value}, check))
        except InvalidInput as error:
            lost.append(error.message)  # which has its name in it
    for name in list(found)[values.ENTRIES :]:
        del found[name]
        lost.append(f"{kind} '{name}': more than {values.ENTRIES:,} of them")
    return found


def _accept_text(text: str, check: Callable[[str, str], str], what: str, lost: list[str]) -> str:
    try:
        return check(text, what)
    except InvalidInput as error:
        lost.append(f"{what}: {error.message}")
        return ""


def _convert_time(text: str, lost: list[str]) -> str:
    """A time of the origin as ours are written; empty for none, and for one that can't be read."""
    if not text:
        return ""
    if moment := parse_timestamp(text):
        return format_time(moment)
    lost.append(f"creation time: '{text[:40]}' is not a valid time")
    return ""


class ForwardingProgress(Progress):
    """Forwards the bytes of one version, whose total was announced with that of the others."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, size: int) -> None:
        self._progress(size)


#: Called with the outcome of each version, as it comes in.
OnEach = Callable[[ImportResult], None]


@contextlib.contextmanager
def import_in_turn(found: list[ImportResult]) -> Iterator[None]:
    """Collect results: after the first import, an error becomes :class:`Indeterminate`, with the hint to repeat all of it."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Indeterminate) and not any(each.status == "imported" for each in found):
            raise
        reported = (
            error if isinstance(error, Indeterminate) else indeterminate("the model is partially imported", "", error)
        )
        reported.hint, reported.request_id = (
            "rerun the import to resume it: versions that are already imported are skipped",
            "",
        )
        if reported is error:
            raise
        raise reported from error


@contextlib.contextmanager
def after_import(ref: str) -> Iterator[None]:
    """Make errors after the commit of ``ref`` say that it is in the registry."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Indeterminate):
            raise
        raise indeterminate(f"{ref} is imported", "", error) from error


def repeat_import(context: RegistryContext, each: PlannedImport, number: int, choice: ImportOptions) -> ImportResult:
    """Complete an earlier import: its pointers may not have been set."""
    if number in ModelReader(context.layout.model(each.model)).state().table.deleted:
        return each.outcome("skipped", f"already imported as {each.model}@{number}, which was deleted")
    lost = () if choice.dry_run else set_pointers(context, each, number, choice)
    return each.outcome("skipped", "already imported", number=number, lost=lost)


def expect_number(context: RegistryContext, each: PlannedImport, highest: dict[str, int]) -> int:
    """The number that a version would get."""
    if each.model not in highest:
        paths = context.layout.model(each.model)
        table = ModelReader(paths).state().table if reader.is_model(paths) else StageTable()
        highest[each.model] = reader.highest(paths, table) if reader.is_model(paths) else 0
    highest[each.model] = writer.number_for(each.number, highest[each.model])
    return highest[each.model]


def set_pointers(context: RegistryContext, each: PlannedImport, number: int, choice: ImportOptions) -> tuple[str, ...]:
    """Set the stages and aliases of the origin as far as asked for; return those that were not set."""
    ref = f"{each.model}@{number}"
    promoted = partial(promote, context, ref, reason=f"same files as {each.key}", verify=False)
    aliased = partial(alias, context, ref)
    retired = partial(archive, context, [ref], reason=f"same files as {each.key}")
    pointers: list[tuple[str, str, bool, Callable[..., object]]] = [
        *(("stage", name, choice.stages, partial(promoted, name)) for name in each.stages),
        *(("alias", name, choice.aliases, partial(aliased, name)) for name in each.aliases),
        *(("stage", "archived", choice.stages, retired) for _ in (1,) if each.archived),
    ]
    lost = []
    for kind, name, wanted, set_pointer in pointers:
        if not wanted:
            lost.append(f"{kind} {name} (only with --{'stages' if kind == 'stage' else 'aliases'})")
            continue
        try:
            set_pointer(request_id=choice.pointer_request_id(each.key, f"{kind}:{name}"))
        except (Indeterminate, LockTimeout):
            raise
        except RegistryError as error:
            lost.append(f"{kind} {name}: {error.message}")
    return tuple(lost)
