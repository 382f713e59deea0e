"""The verbs that read. None of them writes to the registry, locks, or needs write permission anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import InvalidInput
from ..lifecycle import stages as rules
from ..names import Reference
from ..outcomes import Exported
from ..progress import SILENT, Progress
from ..records import Artifact, FileEntry, VersionRecord
from ..store import layout, reader
from .clock import moment, utc_now
from .listing import OnDamage, raise_it
from .looking_back import LookingBack

if TYPE_CHECKING:
    from ..lifecycle.gate import Evaluation, PolicyLine
    from ..outcomes import Approval, Signature
    from .finding import Known
    from .people import Review


class Sink(Protocol):
    """Whatever bytes can be written to: a binary file, a socket's file, a buffer."""

    def write(self, block: bytes, /) -> object: ...


class RegistryReader(LookingBack):
    """A registry, for reading."""

    _now: Callable[[], datetime] = staticmethod(utc_now)

    def version(self, ref: str | Reference, *, as_of: str | datetime | None = None) -> VersionRecord:
        """The version that ``ref`` means, now or at a time; ``churn`` alone means ``churn@latest``.

        Raises :class:`InvalidInput` for a malformed reference, :class:`NotFound`, :class:`Damaged`.
        """
        return self._version(ref, moment(as_of))[1]

    def artifact(self, ref: str | Reference, *, as_of: str | datetime | None = None) -> Artifact:
        """A version with its folder and its files. :class:`Damaged` when its manifest is not the one that was sealed."""
        model, record = self._version(ref, moment(as_of))
        return Artifact(record, model.paths.files(record.number), model.manifest(record))

    def files(self, ref: str | Reference) -> tuple[FileEntry, ...]:
        """The files of a version and their sha256."""
        return self.artifact(ref).files

    def path(self, ref: str | Reference, file: str | None = None, *, as_of: str | datetime | None = None) -> Path:
        """Where the artifact lies, to be used in place: its folder, or one ``file`` in it.

        Before it is handed out, count and size of the files are compared with what was stored (up to 1,000 files).
        Raises :class:`Damaged` when they differ.
        """
        model, record = self._version(ref, moment(as_of))
        if record.files <= reader.QUICK_CHECK_FILES:
            model.check_size(record)
        folder = model.paths.files(record.number)
        if file is None:
            return folder
        from ..store import outgoing

        return folder / outgoing.find_file(model.manifest(record), file, record.ref).path

    def check(self, ref: str | Reference) -> VersionRecord:
        """Read every byte of a version and compare it with its manifest; :class:`Damaged` unless all is as stored."""
        from ..store import outgoing

        model, record = self._version(ref)
        model.check_size(record)
        for entry in model.manifest(record):
            outgoing.check_file(model.paths.files(record.number), entry, record.ref)
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

        model, record = self._version(ref)
        outgoing.fetch(model, record, self._outside(target), replace=replace, progress=progress)
        return record

    def _outside(self, target: str | os.PathLike[str]) -> Path:
        """``target``, if something may be written there without harm to the registry."""
        destination = Path(target).absolute()
        real, root = destination.resolve(), self.root.resolve()
        if real.is_relative_to(root / layout.MODELS) or real == root / layout.REGISTRY:
            raise InvalidInput(f"'{target}' is inside the registry", "name a place outside of it")
        if root.is_relative_to(real):  # to replace it would be to remove the registry
            raise InvalidInput(f"'{target}' has the registry in it", "name a new one")
        return destination

    def export(
        self,
        refs: Iterable[str | Reference] | None,
        target: str | os.PathLike[str] | Sink,
        *,
        replace: bool = False,
        progress: Progress = SILENT,
    ) -> Exported:
        """Write a bundle: versions, or whole models (names without a version) with their histories; all of the registry
        when ``refs`` is None.

        ``target`` is a new file, whose name ends with ``.tar.gz``, ``.tar`` or ``.tar.zst``, or what bytes can be
        written to. The same versions make the same bytes. Nothing is locked; every byte is checked on the way. Raises
        :class:`Conflict` when the file is there and ``replace`` is not set, :class:`Damaged` for what is not as stored.
        """
        from . import exporting

        place = self._outside(target) if isinstance(target, (str, os.PathLike)) else target
        return exporting.export(self, refs, place, replace=replace, progress=progress)

    def export_as(
        self,
        ref: str | Reference,
        kind: str,
        target: str | os.PathLike[str],
        *,
        flavor: str | None = None,
        replace: bool = False,
    ) -> Exported:
        """Write a version for another tool, in the format ``kind``, to a new file or folder; it appears when it is whole.

        Every byte is checked first. ``flavor`` says for MLflow what the files are, when that is not known. Raises
        :class:`Conflict` when ``target`` is there and ``replace`` is not set, and
        :class:`InvalidInput` for an unknown format.
        """
        from . import exporting

        return exporting.export_as(self, ref, kind, self._outside(target), flavor=flavor, replace=replace)

    def cat(self, ref: str | Reference, file: str | None, stream: Sink) -> None:
        """Write one file of a version to ``stream``. Raises :class:`Damaged` at the end if it is not what was stored."""
        from ..store import outgoing

        model, record = self._version(ref)
        entry = outgoing.find_file(model.manifest(record), file, record.ref)
        outgoing.check_file(model.paths.files(record.number), entry, record.ref, stream.write)

    def find(
        self,
        paths: Iterable[str | os.PathLike[str]],
        *,
        progress: Progress = SILENT,
        on_damage: OnDamage = raise_it,
    ) -> Iterator[Known]:
        """Every version that holds the content of these files, or of the files in these folders.

        A file that no version holds comes with ``version`` None. ``progress`` is told of the bytes that are read.
        Raises :class:`NotFound` for a path that isn't there.
        """
        from . import finding

        return finding.find(self, paths, progress, on_damage)

    def gate(self, ref: str | Reference, stage: str) -> Evaluation:
        """Evaluate the policy of ``stage`` on a version, as :meth:`~Moving.promote` does. Nothing is moved.

        Raises :class:`InvalidInput` for a policy that can't be read, and for an unknown stage, :class:`NotFound`,
        :class:`Conflict` for an archived version.
        """
        from . import gating

        rules.check_stage(stage, self.stages)
        model, state, number = self._resolved(ref)
        rules.in_use(state.table, model.name, number)
        return gating.evaluation(self._layout, model, state, number, stage, self._now)

    def approvals(self, ref: str | Reference) -> tuple[Approval, ...]:
        """What people said of a version for any stage, the oldest first, and whether it counts."""
        from . import people

        model, state, number = self._resolved(ref)
        return people.listed(self._layout, model, state, number, self._now)

    def signatures(self, ref: str | Reference) -> tuple[Signature, ...]:
        """Who signed a version, and whether it holds: see :meth:`verify`."""
        found, record = self._version(ref)
        if not found.mentions(record.number, b"signatures"):
            return ()
        from . import people

        model, state, number = self._resolved(record.ref)
        return people.signed(self._layout, model, state, number)

    def review(self, ref: str | Reference, stage: str) -> Review:
        """All that somebody looks at who is to say whether a version may enter ``stage``."""
        from . import comparing, people

        evaluation = self.gate(ref, stage)
        model, state, number = self._resolved(evaluation.ref)
        at = state.table.stages.get(stage)
        current = model.version(at, state) if at not in (None, number) else None
        return people.Review(
            model.version(number, state),
            evaluation,
            current,
            comparing.diff(self, current.ref, evaluation.ref) if current else None,
            people.listed(self._layout, model, state, number, self._now),
        )

    def policy(self, name: str | None = None) -> tuple[PolicyLine, ...]:
        """The policies of all stages, line by line: of the registry, or of a model with what its own document adds.

        Raises :class:`InvalidInput` for a policy that can't be read.
        """
        from ..lifecycle.gate import lines_of
        from . import gating

        return lines_of(gating.policies(self._layout, self._model(name) if name is not None else None).policies)
