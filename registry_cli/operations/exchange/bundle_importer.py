"""The steps of importing one bundle: stage every version, then publish them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.lazy_dataclass import replace
from ...core.progress import Progress
from ...core.records import Checkpoint, Event, VersionRecord
from ...core.results import ImportResult
from ...errors import Conflict, RegistryError
from ...interop.bundle.bundle_manifest import BundleModel, BundleVersion, Contents
from ...interop.bundle.bundle_reader import BundleModelReader, BundleReader, BundleVersionReader, discard
from ...rules import event_history
from ...store import creation, journal, reader, registration
from ...store.filesystem import files
from ...store.layout import ModelLayout
from ...store.model_import import ContentIndex, ModelImport, write_stream
from ...store.reader import ModelReader, is_model
from ...store.staging import StagingFolder, ensure_free
from ..annotate import annotate
from ..gate import evaluate_gate
from ..register import commit_version, find_registered, make_import_analysis
from ..search import get_model
from ..transaction import ensure_not_former_name, make_event
from .import_plan import PlannedImport, after_import, expect_number, import_in_turn, repeat_import, set_pointers

if TYPE_CHECKING:
    from ..context import RegistryContext
    from ..inspection import ArtifactAnalysis
    from .import_plan import ImportOptions, OnEach


def _plan_model(context: RegistryContext, part: BundleModel, contents: Contents, choice: ImportOptions) -> str:
    """Decide what to do with a model of a bundle: ``adopt`` it whole, ``add`` its versions, or ``skip`` it.

    Raises :class:`Conflict` for a model that exists, was made by something else, and is not to be merged into.
    """
    name = choice.name or part.name
    paths = context.layout.model(name)
    creation.ensure_name_is_free(context.layout, name)
    if not reader.is_model(paths):
        return "adopt" if part.whole else "add"
    if reader.is_deleted(paths):  # the caller refuses its name unless it may be used again
        return "add"
    if part.whole and is_same(paths, part):
        return "same"
    if choice.merge or any(
        find_registered(paths, choice.version_request_id(version_key(contents, part, version.number)))
        for version in part.versions
    ):
        return "add"
    if choice.skip_existing:
        return "skip"
    raise Conflict(f"model {name} already exists", "add to it with `merge`, or choose another `name`")


def version_key(contents: Contents, part: BundleModel, number: int) -> str:
    """Return the key of a version of a bundle. Numbers are never reused, so it is the same in every registry."""
    return f"bundle:{contents.registry}/{part.name}/{number}"


def is_same(paths: ModelLayout, part: BundleModel) -> bool:
    """Return whether the model has the same history: its journal contains the last line of the bundle's."""
    known: Checkpoint | None = event_history.parse_checkpoint(part.checkpoint) if part.checkpoint else None
    if known is None or known.seq is None:
        return False
    for entry in journal.newest_first(paths.history):
        if entry.seq <= known.seq:
            return entry.hash == known.hash
    return False


class BundleImporter:
    """Import one bundle. What was staged and not published is removed in the end."""

    def __init__(
        self, context: RegistryContext, choice: ImportOptions, contents: Contents, progress: Progress, on_each: OnEach
    ) -> None:
        self.context, self.choice, self.contents = context, choice, contents
        self._progress, self._on_each = progress, on_each
        self._layout, self._modes = context.layout, context.modes
        choice.ensure_one_model({part.name for part in contents.models})
        self._plans = {part.name: _plan_model(context, part, contents, choice) for part in contents.models}
        self._slots: list[ImportResult | Callable[[], ImportResult]] = []
        self._found: list[ImportResult] = []
        self._stack = contextlib.ExitStack()

    def ensure_space(self) -> None:
        """Raise :class:`Refused` unless the disk has room for what is staged; packs are unpacked for the scan."""
        needed, largest = 0, 0
        for part in self.contents.models:
            packs = [version for version in part.versions if version.pack]
            if self._plans[part.name] == "adopt":
                needed += part.packed
                largest = max([largest, *(version.size for version in packs)])
            elif self._plans[part.name] == "add":
                needed += part.packed + sum(version.size for version in packs)
        ensure_free(self._layout.models, needed + largest)

    def plan(self) -> list[ImportResult]:
        """Return what would be imported, for a dry run."""
        highest: dict[str, int] = {}
        for part in self.contents.models:
            plan = self._plans[part.name]
            if plan == "add":
                self._slots += [self._plan_version(part, version, highest) for version in part.versions]
            else:
                self._slots.append(self._model_outcome(part, plan, "planned"))
        self._publish()
        return self._found

    def run(self, opened: BundleReader, *, eager: bool) -> list[ImportResult]:
        """Stage everything, then publish it; with ``eager`` each model as soon as it is staged."""
        self._progress.expect(self.contents.size)
        with (
            import_in_turn(self._found),
            contextlib.closing(self._stack),
        ):  # which is told of no error: nothing is told twice
            for part in opened.parts():
                plan = self._plans[part.part.name]
                if plan == "add":
                    self._stage_versions(part)
                elif plan == "adopt":
                    self._stage_model(part)
                else:
                    part.drain(self._progress)
                    self._slots.append(self._model_outcome(part.part, plan, "imported"))
                if eager:
                    self._publish()
            opened.finish()
            self._publish()
        return self._found

    def _publish(self) -> None:
        while self._slots:
            slot = self._slots.pop(0)
            done = slot if isinstance(slot, ImportResult) else slot()
            self._found.append(done)
            self._on_each(done)

    def _name(self, part: BundleModel) -> str:
        return self.choice.name or part.name

    def _model_outcome(self, part: BundleModel, plan: str, status: str, **more: Any) -> ImportResult:
        name, count = self._name(part), len(part.versions)
        if plan == "skip":
            return ImportResult(part.name, "", "skipped", f"model {name} already exists", part.size, count)
        if plan == "same":
            return ImportResult(part.name, name, "skipped", "already exists", part.size, count)
        return ImportResult(part.name, name, status, size=part.size, versions=count, **more)

    def _plan_version(self, part: BundleModel, version: BundleVersion, highest: dict[str, int]) -> ImportResult:
        each = self._make_planned_import(part, version, VersionRecord(self._name(part), 0, "", "", "", 0, 0), ())
        paths = self._layout.model(each.model)
        before = find_registered(paths, self.choice.version_request_id(each.key))
        if before is not None:
            return repeat_import(self.context, each, before.number, self.choice)
        if (number := self._find_same_files(paths, version)) is not None:
            return each.outcome("skipped", registration.KNOWN, number=number)
        return each.outcome("planned", number=expect_number(self.context, each, highest))

    def _find_same_files(self, paths: ModelLayout, version: BundleVersion) -> int | None:
        """Return the version that has the same files, if ``skip_existing`` is set, or that this one was exported from."""
        if not is_model(paths):
            return None
        model = ModelReader(paths)
        table = model.state().table
        if self.choice.skip_existing:
            return model.with_digest(version.digest, table)
        own = self.contents.registry == self.context.settings.id and version.number in model.numbers(table)
        return version.number if own and model.sealed(version.number).digest == version.digest else None

    def _stage_model(self, part: BundleModelReader) -> None:
        manifest_part = part.part
        model_import = ModelImport(self._layout, self._name(manifest_part), self._modes)
        self._stack.callback(model_import.abandon)
        for document in manifest_part.documents:
            with model_import.document(document.path) as write:
                part.copy(document, write)
        known, stagings, looks, refused = ContentIndex(), [], {}, None
        for version in part.versions():
            looks[version.version.number] = look = make_import_analysis(
                self.context, version.record, self.choice.unsafe
            )
            with model_import.version(version.version.number, version.documents) as staging:
                if version.version.pack:
                    found = self._stage_pack(
                        model_import, version, version.version.pack.path, None if refused else look
                    )
                    refused = refused or found
                    continue
                write_stream(staging, version.files(), known, self._modes, self._progress, sync=False)
            refused = refused or _analyze(look, staging)
            stagings.append(staging)
        if refused is not None:
            model_import.abandon()
            self._slots.append(
                self._model_outcome(manifest_part, "adopt", "failed", why=refused.message, code=refused.exit_code)
            )
            return
        model_import.finish(stagings, manifest_part.checkpoint)
        unsafe = {number: look.passed["unsafe"] for number, look in looks.items() if look.passed}
        self._slots.append(partial(self._publish_model, model_import, manifest_part, unsafe))

    def _stage_pack(
        self, model_import: ModelImport, version: BundleVersionReader, path: str, look: ArtifactAnalysis | None
    ) -> RegistryError | None:
        """Stage a pack as it is; its files are unpacked for the comparison and the scan, and removed."""
        staging = StagingFolder.make(model_import.paths)
        try:
            with model_import.pack(path) as write:
                write_stream(staging, version.files(write), ContentIndex(), self._modes, self._progress, sync=False)
            return _analyze(look, staging) if look else None
        finally:
            staging.abandon()

    def _publish_model(self, model_import: ModelImport, part: BundleModel, unsafe: dict[int, str]) -> ImportResult:
        """Publish a staged model, unless the same one exists by now.

        Its versions are sealed, so an annotation records which of them are unsafe, and why they were imported.
        """
        name = self._name(part)
        called = {self._name(each) for each in self.contents.models}
        check = partial(ensure_not_former_name, self.context, name, self.choice.reuse_name, but=called)
        try:
            model_import.commit(self.context.lock_timeout, self.context.on_wait, check)
        except Conflict:
            if is_same(self._layout.model(name), part):
                return self._model_outcome(part, "same", "skipped")
            raise
        with after_import(name):
            for number, verdict in unsafe.items():
                annotation = {"unsafe": f"{verdict}: {self.choice.unsafe}"}
                request = self.choice.pointer_request_id(version_key(self.contents, part, number), "unsafe")
                annotate(self.context, f"{name}@{number}", annotation, request_id=request)
            return self._model_outcome(part, "adopt", "imported", lost=self._list_policy_conflicts(name))

    def _list_policy_conflicts(self, name: str) -> tuple[str, ...]:
        """Return which stages of a whole model the policies of this registry would not allow; they are kept."""
        notes = []
        for stage, number in get_model(self.context, name).stages.items():
            ref = f"{name}@{number}"
            try:
                evaluation = evaluate_gate(self.context, ref, stage)
            except RegistryError as error:
                notes.append(f"{stage} stays at {ref}: {error.message}")
                continue
            if not evaluation.passed:
                rules = ", ".join(evaluation.failed)
                notes.append(f"{stage} stays at {ref}, although its policy here would refuse it: {rules}")
        return tuple(notes)

    def _stage_versions(self, part: BundleModelReader) -> None:
        paths = self._layout.model(self._name(part.part))
        for document in part.part.documents:
            part.copy(document, discard)
        known = ContentIndex()
        for version in part.versions():
            # a field that has no place in the document of a new version: people said it of the one there
            later = ("approvals", "signatures")
            lost = tuple(
                f"its {each}" if each in later else f"unknown key '{each[:60]}'" for each in version.unknown_fields
            )
            each = self._make_planned_import(part.part, version.version, version.record, lost)
            before = find_registered(paths, self.choice.version_request_id(each.key))
            number = before.number if before else self._find_same_files(paths, version.version)
            if number is None:
                self._slots.append(self._stage_version(each, version, known))
                continue
            self._skip_version(version, paths, number, known)
            if before:
                self._slots.append(partial(repeat_import, self.context, each, number, self.choice))
            else:
                self._slots.append(each.outcome("skipped", registration.KNOWN, number=number))

    def _skip_version(self, version: BundleVersionReader, paths: ModelLayout, number: int, known: ContentIndex) -> None:
        """Read a version that is here already as ``number``; later ones may have the same files."""
        if number not in ModelReader(paths).state().table.packed:
            version.drain(self._progress)
            known.add_stored(paths.files(number), version.entries)
            return
        staging = StagingFolder.make(paths)
        self._stack.callback(staging.abandon)
        write_stream(staging, version.files(), known, self._modes, self._progress, sync=False)

    def _stage_version(
        self, each: PlannedImport, version: BundleVersionReader, known: ContentIndex
    ) -> ImportResult | Callable[[], ImportResult]:
        look = make_import_analysis(self.context, each.record, self.choice.unsafe)
        event = make_event(
            self.context, "registered", None, self.choice.version_request_id(each.key), imported=each.key
        )

        with contextlib.ExitStack() as stack:  # until the files are complete an error has to reach the staging folder
            paths = self._layout.model(each.model)
            staging = stack.enter_context(registration.open_staging(self._layout, paths, self._modes, event.id))
            write_stream(staging, version.files(), known, self._modes, self._progress)
            for name, data in version.beside.items():
                files.write_new(staging.folder / name, data, self._modes.sealed_file)
            self._stack.enter_context(stack.pop_all())
        if refused := _analyze(look, staging):  # what is laid aside stays until the end: others may have the same files
            return each.outcome("failed", refused.message, code=refused.exit_code)
        return partial(self._commit, each, staging, event, look)

    def _commit(
        self, each: PlannedImport, staging: StagingFolder, event: Event, look: ArtifactAnalysis
    ) -> ImportResult:
        outcome = commit_version(
            self.context, staging, each.record, event, look, number=each.number, if_new=self.choice.skip_existing,
            reuse_name=self.choice.reuse_name, but={self._name(part) for part in self.contents.models},
        )  # fmt: skip
        if outcome.why:
            return each.outcome("skipped", outcome.why, number=outcome.number)
        with after_import(f"{each.model}@{outcome.number}"):
            lost = set_pointers(self.context, each, outcome.number, self.choice)
        return each.outcome("imported", number=outcome.number, lost=lost)

    def _make_planned_import(
        self, part: BundleModel, version: BundleVersion, record: VersionRecord, lost: tuple[str, ...]
    ) -> PlannedImport:
        key, shown = version_key(self.contents, part, version.number), f"{part.name}@{version.number}"
        before = record.lineage.get("imported")
        before = before if isinstance(before, dict) else {}
        imported = {
            "from": "bundle",
            "key": key,
            "ref": shown,
            "digest": f"sha256:{version.digest}",
            "checkpoint": version.checkpoint,
            "stages": list(version.stages),
            "aliases": list(version.aliases),
            "before": {name: text for name, text in before.items() if isinstance(text, str)},
        }
        record = replace(
            record, model=self._name(part), number=0, digest="", size=0, files=0, event=None,
            lineage={**record.lineage, "imported": {name: value for name, value in imported.items() if value}},
        )  # fmt: skip
        if version.archived:
            lost = (*lost, "its archived state")
        return PlannedImport(
            key, record.model, record, (), version.number, version.size, version.stages, version.aliases, lost, shown=shown
        )  # fmt: skip


def _analyze(look: ArtifactAnalysis, staging: StagingFolder) -> RegistryError | None:
    """Return the error if the files are refused."""
    try:
        look.analyze(staging)
    except RegistryError as error:
        return error
    return None
