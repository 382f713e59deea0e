"""The verbs that read. None of them writes, locks, or needs write permission anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ..errors import InvalidInput, NotFound
from ..lifecycle import stages as rules
from ..names import Reference, model_name
from ..progress import SILENT, Progress
from ..records import Artifact, FileEntry, JournalEntry, ModelRecord, RegistryRecord, VersionRecord
from ..store import codec, layout, reader
from ..store.layout import Layout
from ..store.reader import ModelReader, State

#: The environment variable that names the registry, when no folder is given.
HOME_VARIABLE = "REGISTRY_HOME"


class Sink(Protocol):
    """Whatever bytes can be written to: a binary file, a socket's file, a buffer."""

    def write(self, block: bytes, /) -> object: ...


def find_root(start: str | os.PathLike[str] | None = None, home: str | None = None) -> Path:
    """The registry's folder: ``start`` if given, else ``home``, else the nearest one upward from here.

    Nothing in that folder is run or trusted: a ``registry.yaml`` is data. Raises :class:`NotFound`.
    """
    given = os.fspath(start) if start is not None else home
    if given is not None:
        if not given.strip() or "\n" in given or "\0" in given:
            raise InvalidInput(
                "the registry's folder has an empty or broken name", f"set -C or ${HOME_VARIABLE} to a folder"
            )
        return Path(given).expanduser() if start is None else Path(given)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / layout.REGISTRY).is_file():
            return folder
    raise NotFound(
        "there is no registry here or in a folder above",
        f"make one with 'registry init DIR', or name one with -C DIR or ${HOME_VARIABLE}",
    )


class RegistryReader:
    """A registry, for reading. ``root`` is its folder; ``settings`` is what its ``registry.yaml`` says."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._layout = Layout(Path(root).absolute())
        self.settings: codec.Settings = reader.open_settings(self._layout)

    @property
    def root(self) -> Path:
        """The folder of the registry, absolute."""
        return self._layout.root

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of the registry, in order."""
        return self.settings.stages

    def _model(self, name: str) -> ModelReader:
        return ModelReader(self._layout.model(model_name(name)))

    def _resolved(self, ref: str | Reference) -> tuple[ModelReader, State, int]:
        reference = Reference.of(ref)
        model = self._model(reference.model)
        state = model.state()
        return model, state, model.resolve(reference.or_latest(), state.table)

    def info(self) -> RegistryRecord:
        """The registry as a whole. ``size`` is what its versions add up to in bytes, shared files counted each time."""
        models = versions = archived = size = 0
        for name in reader.model_names(self._layout):
            model = self._model(name)
            state = model.state()
            numbers = model.numbers(state.table)
            models += 1
            versions += len(numbers)
            archived += sum(number in state.table.archived for number in numbers)
            size += sum(version.size for version in _still_there(model, numbers, state))
        settings = self.settings
        return RegistryRecord(
            str(self.root), settings.id, layout.FORMAT, settings.shared, settings.stages, settings.created,
            models, versions, archived, size,
        )  # fmt: skip

    def model_names(self) -> list[str]:
        """The names of all models, in order."""
        return list(reader.model_names(self._layout))

    def models(self) -> Iterator[ModelRecord]:
        """Every model, in the order of names."""
        return (self._model(name).record() for name in reader.model_names(self._layout))

    def model(self, name: str) -> ModelRecord:
        """One model. Raises :class:`NotFound`."""
        return self._model(name).record()

    def versions(self, name: str, *, archived: bool = False, limit: int | None = None) -> list[VersionRecord]:
        """The versions of a model, the newest first, at most ``limit``; the archived ones too if asked for."""
        model = self._model(name)
        state = model.state()
        numbers = [n for n in model.numbers(state.table) if archived or n not in state.table.archived]
        return list(_still_there(model, numbers[::-1][:limit], state))

    def version(self, ref: str | Reference) -> VersionRecord:
        """The version that ``ref`` means; ``churn`` alone means ``churn@latest``.

        Raises :class:`InvalidInput` for a malformed reference, :class:`NotFound`, :class:`Damaged`.
        """
        model, state, number = self._resolved(ref)
        return model.version(number, state)

    def artifact(self, ref: str | Reference) -> Artifact:
        """A version with its folder and its files. :class:`Damaged` when its manifest is not the one that was sealed."""
        model, state, number = self._resolved(ref)
        record = model.version(number, state)
        return Artifact(record, model.paths.files(number), model.manifest(record))

    def files(self, ref: str | Reference) -> tuple[FileEntry, ...]:
        """The files of a version and their sha256."""
        return self.artifact(ref).files

    def path(self, ref: str | Reference, file: str | None = None) -> Path:
        """Where the artifact lies, to be used in place: its folder, or one ``file`` in it.

        Before it is handed out, count and size of the files are compared with what was stored (up to 1,000 files).
        Raises :class:`Damaged` when they differ.
        """
        model, state, number = self._resolved(ref)
        record = model.version(number, state)
        if record.files <= reader.QUICK_CHECK_FILES:
            model.check_size(record)
        folder = model.paths.files(number)
        if file is None:
            return folder
        from ..store import outgoing

        return folder / outgoing.find_file(model.manifest(record), file, record.ref).path

    def check(self, ref: str | Reference) -> VersionRecord:
        """Read every byte of a version and compare it with its manifest; :class:`Damaged` unless all is as stored."""
        from ..store import outgoing

        model, state, number = self._resolved(ref)
        record = model.version(number, state)
        model.check_size(record)
        for entry in model.manifest(record):
            outgoing.check_file(model.paths.files(number), entry, record.ref)
        return record

    def fetch(
        self,
        ref: str | Reference,
        target: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Progress = SILENT,
    ) -> VersionRecord:
        """Copy a version to the new folder ``target``, each byte checked on the way; it appears whole or not at all.

        Raises :class:`Conflict` when ``target`` is there already and ``replace`` is not set.
        """
        from ..store import outgoing

        model, state, number = self._resolved(ref)
        record = model.version(number, state)
        destination = Path(target).absolute()
        real, root = destination.resolve(), self.root.resolve()
        if real.is_relative_to(root / layout.MODELS) or real == root / layout.REGISTRY:
            raise InvalidInput(f"'{target}' is inside the registry", "name a folder outside of it")
        if root.is_relative_to(real):  # to replace it would be to remove the registry
            raise InvalidInput(f"'{target}' has the registry in it", "name a new folder")
        outgoing.fetch(model, record, destination, replace=replace, progress=progress)
        return record

    def cat(self, ref: str | Reference, file: str | None, stream: Sink) -> None:
        """Write one file of a version to ``stream``. Raises :class:`Damaged` at the end if it is not what was stored."""
        from ..store import outgoing

        model, state, number = self._resolved(ref)
        record = model.version(number, state)
        entry = outgoing.find_file(model.manifest(record), file, record.ref)
        outgoing.check_file(model.paths.files(number), entry, record.ref, stream.write)

    def history(self, name: str, *, limit: int | None = None) -> list[JournalEntry]:
        """The history of a model, the newest entry first, at most ``limit`` of them."""
        from ..store import chronicle

        return chronicle.newest_first(self._model(name).paths, limit)

    def earlier_holders(self, name: str, stage: str) -> tuple[int, ...]:
        """The versions that a rollback of ``stage`` can go to, the nearest first."""
        rules.check_stage(stage, self.stages)
        from ..store import chronicle

        return chronicle.chains(self._model(name).paths, (stage,))[stage].earlier


def _still_there(model: ModelReader, numbers: Iterable[int], state: State) -> Iterator[VersionRecord]:
    """The versions with these numbers, but for those that somebody deletes while we look."""
    for number in numbers:
        try:
            yield model.version(number, state)
        except NotFound:
            continue
