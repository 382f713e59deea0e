"""Taking versions out of use, bringing them back, and deleting them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidInput
from ..lifecycle import stages as rules
from ..names import Reference
from ..numbers import Numbers
from ..outcomes import Changed
from ..store import chronicle, collect, tombstones
from ..store.writer import Writer
from .base import RegistryBase

References = Iterable["str | Reference"]


class Archiving(RegistryBase):
    """``archive``, ``restore``, ``delete``: each takes one reference or many, of one model or many."""

    def archive(
        self,
        refs: References,
        *,
        reason: str = "",
        force: bool = False,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> list[Changed]:
        """Take versions out of use: kept, hidden, restorable. One change a model; what is archived already stays so.

        Raises :class:`Conflict` for a version that a stage or alias points to, or that a rollback would go to. The
        latter can be overridden with ``force`` and a ``reason``.
        """
        _check_force(force, reason)
        outcomes = []
        for name, references in _by_model(refs).items():
            with self._writing(name) as writer:
                numbers = self._numbers(writer, references) - writer.table.archived
                if not force:
                    self._refuse_rollback_targets(writer, numbers)
                table = rules.archive(writer.table, name, numbers)
                event = self._event(
                    "archived", None, request_id, versions=str(numbers), reason=reason, forced=force or None
                )
                if numbers and not dry_run and not writer.done_before(event.id, "archived"):
                    table = writer.move(table, event)
                outcomes.append(Changed(name, "archived", tuple(numbers), table.revision, bool(numbers)))
        return outcomes

    def restore(self, refs: References, *, dry_run: bool = False, request_id: str | None = None) -> list[Changed]:
        """Bring archived versions back into use."""
        outcomes = []
        for name, references in _by_model(refs).items():
            with self._writing(name) as writer:
                table = writer.table
                numbers = self._numbers(writer, references)
                numbers = numbers - (numbers - table.archived)
                event = self._event("restored", None, request_id, versions=str(numbers))
                if numbers and not dry_run and not writer.done_before(event.id, "restored"):
                    table = writer.move(rules.restore(table, numbers), event)
                outcomes.append(Changed(name, "restored", tuple(numbers), table.revision, bool(numbers)))
        return outcomes

    def delete(
        self,
        refs: References,
        *,
        reason: str = "",
        force: bool = False,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> list[Changed]:
        """Remove the files of versions for good; what was known of each stays as a tombstone, its number is not reused.

        All are checked before the first is deleted; each is a change of its own. Raises as :meth:`archive` does.
        """
        _check_force(force, reason)
        outcomes = []
        for name, references in _by_model(refs).items():
            trash: list[Path] = []
            with self._writing(name) as writer:
                done = self._deleted_before(writer, references, request_id)
                numbers = self._numbers(writer, [ref for at, ref in enumerate(references) if at not in done])
                self._check_deletable(writer, numbers, force)
                if not dry_run:
                    trash = self._delete(writer, numbers, reason, force, request_id, several=len(references) > 1)
                every = tuple(numbers | Numbers.of(done.values()))
                outcomes.append(Changed(name, "deleted", every, writer.table.revision, bool(numbers)))
            collect.remove_trash(self._layout.model(name), trash)  # slow, and needs no lock
        return outcomes

    def _check_deletable(self, writer: Writer, numbers: Numbers, force: bool) -> None:
        if not force:
            self._refuse_rollback_targets(writer, numbers)
        table = writer.table
        for number in numbers:
            table = rules.delete(table, writer.paths.name, number)
            writer.refuse_unremovable(number)

    def _delete(
        self, writer: Writer, numbers: Numbers, reason: str, force: bool, request_id: str | None, *, several: bool
    ) -> list[Path]:
        """Leave tombstones, the oldest first; what is returned is to be removed."""
        trash = []
        for number in numbers:
            identity = f"{request_id}:{number}" if request_id and several else request_id
            event = self._event("deleted", number, identity, reason=reason, forced=force or None)
            redo = tombstones.redo(writer, number, event)
            writer.move(rules.delete(writer.table, writer.paths.name, number), event, redo)
            if folder := writer.bury(number):
                trash.append(folder)
        return trash

    def _deleted_before(self, writer: Writer, refs: list[Reference], request_id: str | None) -> dict[int, int]:
        """Positions in ``refs`` whose deletion this request carried out before, and the numbers."""
        done: dict[int, int] = {}
        for at, ref in enumerate(refs if request_id else ()):
            number = ref.selector.number if ref.selector else None
            identity = f"{request_id}:{number}" if len(refs) > 1 else str(request_id)
            entry = writer.done_before(identity, "deleted")
            if entry and entry.event.version is not None:
                done[at] = entry.event.version
        return done

    def _numbers(self, writer: Writer, refs: list[Reference]) -> Numbers:
        return Numbers.of(self._target(writer, ref) for ref in refs)

    def _refuse_rollback_targets(self, writer: Writer, numbers: Numbers) -> None:
        chains = chronicle.chains(writer.paths, self.stages)
        rules.refuse_rollback_targets(writer.table, writer.paths.name, numbers, chains)


def _by_model(refs: References) -> dict[str, list[Reference]]:
    """The references of each model. What takes versions away never guesses one: a bare name is refused."""
    grouped: dict[str, list[Reference]] = {}
    for ref in refs:
        reference = Reference.of(ref)
        if reference.selector is None:
            raise InvalidInput(f"'{reference}' names no version", f"name it: {reference}@7, or {reference}@latest")
        grouped.setdefault(reference.model, []).append(reference)
    return grouped


def _check_force(force: bool, reason: str) -> None:
    if force and not reason:
        raise InvalidInput("--force needs a --reason", "say why: it is kept in the history")
