"""The steps of importing one bundle: stage every version, then publish them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.lazy_dataclass import replace
from ..core.progress import Progress
from ..core.records import Checkpoint, VersionRecord
from ..core.results import ImportResult
from ..errors import Conflict, RegistryError
from ..interop.bundle.bundle_manifest import BundleModel, BundleVersion, Contents
from ..interop.bundle.bundle_reader import BundleModelReader, BundleReader, BundleVersionReader, discard
from ..store import creation, reader, registration, stream_import
from ..store.filesystem import files
from ..store.layout import ModelLayout
from ..store.model_import import Adoption
from ..store.reader import ModelReader, is_model
from ..store.registration import Wish
from ..store.staging import Intake, Staging
from ..store.stream_import import Known
from .transaction import ensure_not_former_name, make_event, open_writer

if TYPE_CHECKING:
    from ..interop.bundle.bundle_manifest import BundleModel, Contents
    from ..store.writer import Writer
    from .context import RegistryContext
    from .import_plan import Arrival, Choice
    from .import_versions import OnEach
    from .inspection import Examination


def _decide(context: RegistryContext, part: BundleModel, contents: Contents, choice: Choice) -> str:
    """What is to be done with what a bundle holds of a model: ``adopt`` it whole, ``add`` its versions, or ``skip`` it.

    :class:`Conflict` for a model that is here, made by something else, and not to be merged into.
    """
    from .register import find_registered

    name = choice.name or part.name
    paths = context.layout.model(name)
    creation.refuse_collision(context.layout, name)
    if not reader.is_model(paths):
        return "adopt" if part.whole else "add"
    if part.whole and is_same(paths, part):
        return "same"
    if choice.merge or any(
        find_registered(paths, choice.identity(key_of(contents, part, version.number))) for version in part.versions
    ):
        return "add"
    if choice.skip_existing:
        return "skip"
    raise Conflict(f"there is a model {name} already", "add to it with --merge, or choose another name with --as")


def key_of(contents: Contents, part: BundleModel, number: int) -> str:
    """What a version of a bundle is called: numbers are never used again, so it is the same wherever it goes."""
    return f"bundle:{contents.registry}/{part.name}/{number}"


def is_same(paths: ModelLayout, part: BundleModel) -> bool:
    """Whether this model came from the same history: its journal has the last line that the bundle has."""
    from ..rules import event_history
    from ..store import journal

    known: Checkpoint | None = event_history.parse_checkpoint(part.checkpoint) if part.checkpoint else None
    if known is None or known.seq is None:
        return False
    for entry in journal.newest_first(paths.history):
        if entry.seq <= known.seq:
            return entry.hash == known.hash
    return False


class Aside(NamedTuple):
    """What is complete, and only has to appear: ``appear`` lets it, and says what became of it."""

    appear: Callable[[], ImportResult]


class BundleIntake:
    """Takes a bundle in. What is laid aside is removed in the end, unless it appeared."""

    def __init__(
        self, context: RegistryContext, choice: Choice, contents: Contents, progress: Progress, on_each: OnEach
    ) -> None:
        self.context, self.choice, self.contents = context, choice, contents
        self._progress, self._on_each = progress, on_each
        self._layout, self._modes = context.layout, context.modes
        choice.refuse_several({part.name for part in contents.parts})
        self._plans = {part.name: _decide(context, part, contents, choice) for part in contents.parts}
        self._slots: list[ImportResult | Aside] = []
        self._found: list[ImportResult] = []
        self._stack = contextlib.ExitStack()

    def refuse_too_large(self) -> None:
        """:class:`Refused` when the disk has no room for what is to be laid aside; packs are unpacked to be looked at."""
        needed, largest = 0, 0
        for part in self.contents.parts:
            packs = [version for version in part.versions if version.pack]
            if self._plans[part.name] == "adopt":
                needed += part.packed
                largest = max([largest, *(version.size for version in packs)])
            elif self._plans[part.name] == "add":
                needed += part.packed + sum(version.size for version in packs)
        stream_import.room_for(needed + largest, self._layout.models)

    def planned(self) -> list[ImportResult]:
        """What would become of each version, or whole model."""
        highest: dict[str, int] = {}
        for part in self.contents.parts:
            plan = self._plans[part.name]
            if plan == "add":
                self._slots += [self._planned(part, version, highest) for version in part.versions]
            else:
                self._slots.append(self._whole(part, plan, "planned"))
        self._appear()
        return self._found

    def run(self, opened: BundleReader, *, eager: bool) -> list[ImportResult]:
        """Lay aside all that is wanted, then let it appear; with ``eager`` what there is of a model as soon as it is there."""
        from .import_versions import import_in_turn

        self._progress.expect(self.contents.size)
        with (
            import_in_turn(self._found),
            contextlib.closing(self._stack),
        ):  # which is told of no error: nothing is told twice
            for part in opened.parts():
                self._take(part)
                if eager:
                    self._appear()
            opened.finish()
            self._appear()
        return self._found

    def _appear(self) -> None:
        while self._slots:
            slot = self._slots.pop(0)
            done = slot.appear() if isinstance(slot, Aside) else slot
            self._found.append(done)
            self._on_each(done)

    def _take(self, part: BundleModelReader) -> None:
        plan = self._plans[part.part.name]
        if plan == "add":
            self._add(part)
        elif plan == "adopt":
            self._adopt(part)
        else:
            part.drain(self._progress)
            self._slots.append(self._whole(part.part, plan, "imported"))

    def _name(self, part: BundleModel) -> str:
        return self.choice.name or part.name

    def _whole(self, part: BundleModel, plan: str, status: str, **more: Any) -> ImportResult:
        """What became of a whole model, or of all that there is of it."""
        name, count = self._name(part), len(part.versions)
        if plan == "skip":
            return ImportResult(part.name, "", "skipped", f"there is a model {name} already", part.size, count)
        if plan == "same":
            return ImportResult(part.name, name, "skipped", "it is here already", part.size, count)
        return ImportResult(part.name, name, status, size=part.size, versions=count, **more)

    def _planned(self, part: BundleModel, version: BundleVersion, highest: dict[str, int]) -> ImportResult:
        from .import_versions import expect_number, repeat_import
        from .register import find_registered

        each = self._arrival(part, version, VersionRecord(self._name(part), 0, "", "", "", 0, 0), ())
        paths = self._layout.model(each.model)
        before = find_registered(paths, self.choice.identity(each.key))
        if before is not None:
            return repeat_import(self.context, each, before.number, self.choice)
        if (number := self._same_files(paths, version)) is not None:
            return each.outcome("skipped", registration.KNOWN, number=number)
        return each.outcome("planned", number=expect_number(self.context, each, highest))

    def _same_files(self, paths: ModelLayout, version: BundleVersion) -> int | None:
        """The version that has these files already, if it is to be taken instead."""
        if not self.choice.skip_existing or not is_model(paths):
            return None
        model = ModelReader(paths)
        return model.with_digest(version.digest, model.state().table)

    def _adopt(self, part: BundleModelReader) -> None:
        """Lay a whole model aside, with its history."""
        from .register import make_import_examination

        told = part.part
        adoption = Adoption(self._layout, self._name(told), self._modes)
        self._stack.callback(adoption.abandon)
        for document in told.documents:
            with adoption.document(document.path) as write:
                part.copy(document, write)
        known, stagings, looks, refused = Known(), [], {}, None
        for version in part.versions():
            looks[version.version.number] = look = make_import_examination(
                self.context, version.record, self.choice.unsafe
            )
            with adoption.version(version.version.number, version.documents) as staging:
                if version.version.pack:
                    found = self._adopt_pack(adoption, version, version.version.pack.path, None if refused else look)
                    refused = refused or found
                    continue
                stream_import.pour(staging, version.files(), known, self._modes, self._progress, sync=False)
            refused = refused or _refusal(look, staging)
            stagings.append(staging)
        if refused is not None:
            adoption.abandon()
            self._slots.append(self._whole(told, "adopt", "failed", why=refused.message, code=refused.exit_code))
            return
        adoption.finish(stagings, told.checkpoint)
        unsafe = {number: look.passed["unsafe"] for number, look in looks.items() if look.passed}
        self._slots.append(Aside(partial(self._place, adoption, told, unsafe)))

    def _adopt_pack(
        self, adoption: Adoption, version: BundleVersionReader, path: str, look: Examination | None
    ) -> RegistryError | None:
        """Lay a pack aside as it is; what is in it is compared, and looked at, in files that are then removed."""
        staging = Staging.make(adoption.paths)
        try:
            with adoption.pack(path) as write:
                stream_import.pour(staging, version.files(write), Known(), self._modes, self._progress, sync=False)
            return _refusal(look, staging) if look else None
        finally:
            staging.abandon()

    def _place(self, adoption: Adoption, part: BundleModel, unsafe: dict[int, str]) -> ImportResult:
        """Let a model that was laid aside appear, unless an equal one did meanwhile. Its versions are sealed: what of them
        is ``unsafe`` is said, and why they came in all the same, in the first changes of this registry.
        """
        from .annotate import annotate
        from .import_versions import after_import

        name = self._name(part)
        called = {self._name(each) for each in self.contents.parts}
        check = partial(ensure_not_former_name, self.context, name, self.choice.reuse_name, but=called)
        try:
            adoption.commit(self.context.lock_timeout, self.context.on_wait, check)
        except Conflict:
            if is_same(self._layout.model(name), part):
                return self._whole(part, "same", "skipped")
            raise
        with after_import(name):
            for number, verdict in unsafe.items():
                said = {"unsafe": f"{verdict}: {self.choice.unsafe}"}
                request = self.choice.pointed(key_of(self.contents, part, number), "unsafe")
                annotate(self.context, f"{name}@{number}", said, request_id=request)
            return self._whole(part, "adopt", "imported", lost=self._against_policy(name))

    def _against_policy(self, name: str) -> tuple[str, ...]:
        """What the stages of a model that came whole would not be here: they are as they were all the same."""
        from .gate import evaluate_gate
        from .search import get_model

        notes = []
        for stage, number in get_model(self.context, name).stages.items():
            ref = f"{name}@{number}"
            try:
                evaluation = evaluate_gate(self.context, ref, stage)
            except RegistryError as error:
                notes.append(f"{stage} stays at {ref}, but: {error.message}")
                continue
            if not evaluation.passed:
                rules = ", ".join(evaluation.failed)
                notes.append(f"{stage} stays at {ref}, which its policy here would not let in: {rules}")
        return tuple(notes)

    def _add(self, part: BundleModelReader) -> None:
        """Lay aside what is to become new versions of a model."""
        from .import_versions import repeat_import
        from .register import find_registered

        paths = self._layout.model(self._name(part.part))
        for document in part.part.documents:
            part.copy(document, discard)
        known = Known()
        for version in part.versions():
            lost = tuple(_left_behind(name) for name in version.strange)
            each = self._arrival(part.part, version.version, version.record, lost)
            before = find_registered(paths, self.choice.identity(each.key))
            number = before.number if before else self._same_files(paths, version.version)
            if number is None:
                self._slots.append(self._stage(each, version, known))
                continue
            self._pass_over(version, paths, number, known)
            if before:
                self._slots.append(Aside(partial(repeat_import, self.context, each, number, self.choice)))
            else:
                self._slots.append(each.outcome("skipped", registration.KNOWN, number=number))

    def _pass_over(self, version: BundleVersionReader, paths: ModelLayout, number: int, known: Known) -> None:
        """Read a version that is here already as ``number``; later ones may have the same files."""
        if number not in ModelReader(paths).state().table.packed:
            version.drain(self._progress)
            known.add_stored(paths.files(number), version.entries)
            return
        staging = Staging.make(paths)
        self._stack.callback(staging.abandon)
        stream_import.pour(staging, version.files(), known, self._modes, self._progress, sync=False)

    def _stage(self, each: Arrival, version: BundleVersionReader, known: Known) -> ImportResult | Aside:
        from .register import make_import_examination, make_wish

        look = make_import_examination(self.context, each.record, self.choice.unsafe)
        event = make_event(self.context, "registered", None, self.choice.identity(each.key), imported=each.key)

        def bring(staging: Staging, _: Intake) -> None:
            stream_import.pour(staging, version.files(), known, self._modes, self._progress)
            for name, data in version.beside.items():
                files.write_new(staging.folder / name, data, self._modes.sealed_file)

        wish = make_wish(self.context,
            each.record, event, look, number=each.number, if_new=self.choice.skip_existing, bring=bring,
            examine=lambda _: None,
        )  # fmt: skip
        staged = registration.staged(self._layout, self._layout.model(each.model), self._modes, wish)
        staging = self._stack.enter_context(staged)
        if refused := _refusal(look, staging):  # what is laid aside stays until the end: others may have the same files
            return each.outcome("failed", refused.message, code=refused.exit_code)
        return Aside(partial(self._commit, each, staging, wish))

    def _commit(self, each: Arrival, staging: Staging, wish: Wish) -> ImportResult:
        from .import_versions import after_import, set_pointers

        called = {self._name(part) for part in self.contents.parts}

        def lock(first: bool) -> AbstractContextManager[Writer]:
            return open_writer(
                self.context,
                each.model,
                create=first,
                reuse_name=self.choice.reuse_name,
                but=called,
            )

        outcome = registration.commit(staging, wish, lock)
        if outcome.why:
            return each.outcome("skipped", outcome.why, number=outcome.number)
        with after_import(f"{each.model}@{outcome.number}"):
            lost = set_pointers(self.context, each, outcome.number, self.choice)
        return each.outcome("imported", number=outcome.number, lost=lost)

    def _arrival(
        self, part: BundleModel, version: BundleVersion, record: VersionRecord, lost: tuple[str, ...]
    ) -> Arrival:
        from .import_plan import Arrival

        key, shown = key_of(self.contents, part, version.number), f"{part.name}@{version.number}"
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
        told = {name: value for name, value in imported.items() if value}
        record = replace(
            record, model=self._name(part), number=0, digest="", size=0, files=0, event=None,
            lineage={**record.lineage, "imported": told},
        )  # fmt: skip
        if version.archived:
            lost = (*lost, "that it was archived")
        return Arrival(
            key, record.model, record, {}, version.number, version.size, version.stages, version.aliases, lost, shown=shown
        )  # fmt: skip


def _left_behind(name: str) -> str:
    """A field of a document that has no place in that of a new version: people said it of the one there."""
    return f"its {name}" if name in ("approvals", "signatures") else f"what it says as '{name[:60]}'"


def _refusal(look: Examination, staging: Staging) -> RegistryError | None:
    """Why the files may not come in, if they may not."""
    try:
        look.examine(staging)
    except RegistryError as error:
        return error
    return None
