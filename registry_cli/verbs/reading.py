"""The verbs that read. None of them writes to the registry, locks, or needs write permission anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.results import Exported
from ..core.values import OneOrMore, PathLike
from ..errors import NotFound
from ..lifecycle import stages as rules
from .listing import OnDamage, raise_it
from .taking_out import Sink, TakingOut

if TYPE_CHECKING:
    from ..core.results import Approval, Condition, Family, Recipe, Signature
    from ..lifecycle.checks import Check
    from ..lifecycle.commands import Commands
    from ..lifecycle.directions import Directions
    from ..lifecycle.gate import Evaluation, PolicyLine
    from ..lifecycle.policy import Found, Policies
    from ..provenance.caller import Caller
    from ..provenance.cards import Card
    from ..store.reader import ModelReader, State
    from .finding import Known
    from .gating import Read
    from .people import Review


class RegistryReader(TakingOut):
    """A registry, for reading."""

    def export(
        self,
        refs: OneOrMore[str | Reference] | None,
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

    def card(
        self, ref: str | Reference, target: str | os.PathLike[str] | None = None, *, replace: bool = False
    ) -> Card:
        """The model card of a version, in Markdown with the front matter of Hugging Face, and what it lacks.

        With ``target`` it is written to that file. Raises :class:`Conflict` when it is there and ``replace`` is not
        set, :class:`InvalidInput` for a ``model.yaml`` that says something else than texts.
        """
        from . import carding

        place = None if target is None else self._outside(target)
        return carding.card(self, self.version(ref), place, replace=replace)

    def directions(self, name: str) -> Directions:
        """Whether lower or higher values of the metrics of a model are better: as its ``model.yaml``, else the
        ``group.yaml`` of its group, else ``registry.yaml`` declares under ``metrics``, else by the list of exact names.

        Args:
            name: The model.

        Returns:
            ``directions(name).of(metric)`` is ``lower``, ``higher``, or None where it is not known.

        Raises:
            NotFound: There is no such model.
            InvalidInput: A declaration is not valid; with its line.
        """
        from . import settings

        model = self._model(name).name
        return settings.directions(self._layout, settings.Scope.of_model(model))

    def find(
        self,
        paths: OneOrMore[PathLike],
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

    def lineage(self, ref: str | Reference, *, depth: int = 20, on_damage: OnDamage = raise_it) -> Family:
        """What a version was made from, and what was made from it, over at most ``depth`` steps, through all models.

        ``on_damage`` is told of versions that can't be read. A parent that is gone is in it, with a note.
        """
        from . import tracing

        return tracing.family(self, self.version(ref), depth, on_damage)

    def sidecar(self, ref: str | Reference, name: str) -> bytes:
        """A file that is kept beside a version: ``environment.txt`` or ``changes.patch``, its bytes checked.

        Raises :class:`NotFound` when the version has none, :class:`Damaged` when it is not what was stored.
        """
        model, record = self._version(ref)
        data = model.sidecar(record, name)
        if data is None:
            raise NotFound(f"{record.ref} has no {name}", f"registry lineage {record.ref} shows what is known")
        return data

    def reproduce(self, ref: str | Reference) -> Recipe:
        """How a version can be made again, in commands of a shell. Nothing is run.

        Parents are named as they are called now; one that is not here is a remark.
        """
        from ..provenance import recipe
        from . import tracing

        version = self.version(ref)
        return recipe.of(version, str(self.root), tracing.parents(self, version))

    def reproducible(
        self,
        ref: str | Reference,
        caller: Caller,
        *,
        python: str | os.PathLike[str] | None = None,
        progress: Progress = SILENT,
    ) -> tuple[Condition, ...]:
        """Which of the things that it takes to make a version again hold here and now.

        Here is the folder, the repository and the environment of ``caller``; ``python`` names another environment.
        """
        from . import tracing

        return tracing.conditions(
            self, self.version(ref), caller, None if python is None else os.fspath(python), progress
        )

    def gate(self, ref: str | Reference, stage: str) -> Evaluation:
        """Evaluate the policy of ``stage`` on a version, as :meth:`~Moving.promote` does. Nothing is moved.

        Its checks are run, if they are trusted; those that are not don't pass. Raises :class:`InvalidInput` for a policy
        that can't be read, and for an unknown stage, :class:`NotFound`, :class:`Conflict` for an archived version.
        """
        from . import gating
        from .settings import Scope

        rules.check_stage(stage, self.stages)
        model, state, number = self._resolved(ref)
        rules.in_use(state.table, model.name, number)
        read = gating.policies(self._layout, Scope.of_model(model.name))
        found, _ = self._ran(model, state, number, stage, read)
        return gating.evaluation(self._layout, model, state, number, stage, self._now, read, found)

    def _ran(
        self, model: ModelReader, state: State, number: int, stage: str, read: Read
    ) -> tuple[dict[Check, Found], bool]:
        """What the checks of a stage find of a version, and whether they were run: only if they are trusted."""
        from ..lifecycle.checks import NOT_TRUSTED
        from . import checking

        wanted = checking.wanted(read.policies, stage)
        if not wanted:
            return {}, True
        version = model.version(number, state)
        model.check_size(version)
        if not self._trusts(model.name, read.policies):
            return dict.fromkeys(wanted, NOT_TRUSTED), False
        return checking.run(wanted, version, model.paths.files(number), stage, self._layout), True

    def _trusts(self, name: str, policies: Policies) -> bool:
        from . import checking

        return self._trust is not None and self._trust(
            checking.commands(self._layout, self.settings.id, name, policies)
        )

    def commands(self, name: str | None = None) -> Commands:
        """The commands of the policies of the registry, or of those that are in force for a model or a group.

        Raises :class:`InvalidInput` for a policy that can't be read, :class:`NotFound`.
        """
        from . import checking, gating
        from .settings import Scope

        policies = gating.policies(self._layout, Scope.of(self._layout, name)).policies
        return checking.commands(self._layout, self.settings.id, name or "", policies)

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
        """What is in force, line by line: policies of stages, and retention. Of the registry, or of a model or a group
        with what its own documents add.

        Raises :class:`InvalidInput` for what can't be read, :class:`NotFound`.
        """
        from . import gating
        from .settings import Scope

        return tuple(gating.lines(self._layout, Scope.of(self._layout, name)))
