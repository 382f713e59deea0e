"""Putting in: the verb ``register``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..core import names, values
from ..core.lazy_dataclass import replace
from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.records import Event, VersionRecord
from ..core.results import FileReport, Registered
from ..errors import Indeterminate, InvalidInput, Refused, RegistryError, indeterminate
from ..lifecycle import stages as rules
from ..store import codec, creation, files, sidecars
from ..store.layout import ModelLayout
from .base import account
from .describing import Describing
from .examining import Examination
from .moving import Moving

if TYPE_CHECKING:
    from ..core.values import OneOrMore, PathLike
    from ..provenance.capture import Origin
    from ..store.registration import Outcome, Wish
    from ..store.selection import FileSelection
    from ..store.sources import Source
    from .unstored import Unstored


class Registering(Moving, Describing):
    """``register``: files become a version, and a stage or alias may point to it at once."""

    def register(
        self,
        name: str,
        paths: OneOrMore[PathLike],
        *,
        exclude: OneOrMore[str] = (),
        include: OneOrMore[str] = (),
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
        annotations: Mapping[str, object] | None = None,
        params_only: OneOrMore[str] = (),
        metrics_only: OneOrMore[str] = (),
        skip_invalid: bool = False,
        lineage: Mapping[str, object] | None = None,
        inspect: bool = True,
        scan: str | None = None,
        unsafe: str = "",
        parents: OneOrMore[str | Reference] = (),
        data: OneOrMore[PathLike] = (),
        code: OneOrMore[PathLike] = (),
        command: str = "",
        environment: str | os.PathLike[str] | None = None,
        python: str | os.PathLike[str] | None = None,
        capture: OneOrMore[str] | None = None,
        message: str = "",
        stage: str | None = None,
        alias: str | None = None,
        if_changed: bool = False,
        update: bool = False,
        how: str = "copy",
        stdin_name: str | None = None,
        reuse_name: bool = False,
        request_id: str | None = None,
        progress: Progress = SILENT,
    ) -> Registered:
        """Store files as the next version of model ``name``, which is made if it isn't there.

        ``paths`` are files, a folder (its contents), or ``-`` for standard input, stored as ``stdin_name``. Of a folder,
        what the globs of ``exclude`` match, the lines of its ``.registryignore``, and by default ``.git/``,
        ``__pycache__/`` and the like are left out; ``include`` takes files back. What looks like a secret is refused
        unless it is included. Nothing is taken from inside a registry. ``how`` is
        ``copy``, ``link`` (hard links to your files, which must not be changed afterwards) or ``move``. With
        ``if_changed``, files equal to the latest version's give that version back; the result names what was given and it
        does not have. With ``update`` as well, metrics, tags and annotations of these are stored, as ``log_metric``,
        ``tag`` and ``annotate`` do; params, message and lineage of a version can't be changed. ``lineage`` is what is known already of
        where the files come from; what is found out of itself is laid under it: with ``inspect``, what the files are.
        ``scan`` is a mode stricter than the registry's own: ``warn``, ``refuse-dangerous``, ``allowlist``; ``unsafe``
        says why files are to be registered that the scan would refuse, and is recorded. ``progress`` is told how many
        more bytes are done.

        ``params`` and ``metrics`` may be nested: names get dots, None is left out, scalars and arrays of NumPy and its like
        are read (see ``docs/reference/metrics.md``). ``params_only`` and ``metrics_only`` are globs for the names that are
        wanted. A value that is not valid is refused, with all others, or with ``skip_invalid`` left out and returned in
        ``skipped``.

        Where it comes from: ``parents`` are versions that it was made from, ``data`` and ``code`` files, folders, ``.dvc``
        files, or addresses with a digest (``s3://bucket/key#sha256:…``), ``command`` is what made it, ``environment`` a
        file that lists packages, ``python`` an interpreter or the folder of an environment. ``capture`` are the parts
        that are found out of themselves, of ``git``, ``patch``, ``run`` and ``environment``: what ``registry.yaml`` says
        if it is not given, none if it is empty. They are known only of a ``caller``: see :meth:`Registry.open`.

        A new model gets no name that another one had before, unless ``reuse_name``: references and lineages may mean that one.

        Raises :class:`InvalidInput`, :class:`NotFound`, :class:`Refused` or :class:`Conflict` with nothing written;
        :class:`Indeterminate` when the version is there, or may be.
        """
        from ..core.normalization import METRIC, PARAM, collected
        from ..store import ingest

        names.model_name(name)
        given = [
            collected(PARAM, params, only=params_only, skip_invalid=skip_invalid),
            collected(METRIC, metrics, only=metrics_only, skip_invalid=skip_invalid),
        ]
        if how not in ingest.HOW:
            raise InvalidInput(f"files can't be taken by '{how}'", f"use {', '.join(ingest.HOW)}")
        paths = values.as_list(paths, "paths")
        if how != "copy" and "-" in paths:
            raise InvalidInput(f"standard input can't be taken by '{how}'", "leave out --link and --move")
        if update and not if_changed:
            raise InvalidInput(
                "update has no effect without if_changed", "set both: a new version has all that is given"
            )
        self._check_pointers(name, stage, alias, request_id)
        if lineage:
            from ..core.redaction import redact_value

            lineage = cast("Mapping[str, object]", redact_value(lineage))
        if update and request_id:
            names.request_id(f"{request_id}:annotations")  # as for those of the pointers
        scan_rules = self.scan_rules().with_mode(scan)
        unsafe = values.line(unsafe, "reason") if unsafe else ""
        record = VersionRecord(
            model=name, number=0, created="", author=self._author, digest="", size=0, files=0,
            message=values.text(message, "message"),
            params=given[0].values, metrics=given[1].values,
            tags=values.checked(tags, values.check_line),
            annotations=values.checked(annotations, values.check_text),
        )  # fmt: skip
        event = self._event("registered", None, request_id)
        layout = self._layout.model(name)
        outcome = self._registered_before(layout, event.id) if request_id else None
        if outcome is None:
            self._refuse_former(name, reuse_name)
        look: Examination | None = None
        report = FileReport()
        origin: Origin | None = None
        if outcome is None:
            said = {
                "parents": values.as_list(parents, "parents"), "data": values.as_list(data, "data"),
                "code": values.as_list(code, "code"), "command": command,
            }  # fmt: skip
            found, report = self._collect(paths, stdin_name, exclude, include)
            origin = self._origin({**said, "environment": environment, "python": python}, capture, lineage or {})
            look = Examination(
                dict(lineage or {}), self._modes, inspect=inspect, scan=scan_rules, unsafe=unsafe, origin=origin,
                progress=progress,
            )  # fmt: skip
            outcome = self._store(
                record, event, look, sources=found,
                repeatable=request_id is not None, if_changed=if_changed, how=how, progress=progress,
                reuse_name=reuse_name,
            )  # fmt: skip
        ref = f"{name}@{outcome.number}"
        with _registered(ref, event.id):  # each pointer is a commit of its own: a repetition finishes what is missing
            left = self._unstored(outcome, record, lineage or {}, origin, progress)
            updated = self._update(ref, left, event.id) if update and left else ()
            moved = []
            if stage:
                moved.append(self.promote(ref, stage, request_id=f"{event.id}:stage", verify=False))
            if alias:
                moved.append(self.set_alias(ref, alias, request_id=f"{event.id}:alias"))
            warnings = (
                *given[0].warnings,
                *given[1].warnings,
                *report.warnings,
                *(look.warnings if look else ()),
                *outcome.warnings,
            )
            not_stored = tuple(name for name in left.names if name not in updated) if left else ()
            return Registered(
                self.version(ref), not outcome.why, outcome.added, outcome.why, warnings, report.excluded,
                report.empty_folders, not_stored, updated, (*given[0].skipped, *given[1].skipped), tuple(moved),
            )  # fmt: skip

    def _collect(
        self, paths: list[Any], stdin_name: str | None, exclude: OneOrMore[str], include: OneOrMore[str]
    ) -> tuple[list[Source], FileReport]:
        """The files to store, and what is left out of the folders that were named."""
        from ..store import name_collisions, sources

        choice = self._selection(exclude, include)
        found = sources.collect(paths, stdin_name, choice)
        report = choice.report()
        collisions = name_collisions.find_name_collisions(source.path for source in found) if len(found) > 1 else []
        return found, replace(report, warnings=(*report.warnings, *collisions, *choice.unused()))

    def _selection(self, exclude: OneOrMore[str], include: OneOrMore[str]) -> FileSelection:
        """Which files come in: nothing of a registry, no secrets, and not what these globs exclude."""
        from ..store.containment import RegistryBoundary
        from ..store.selection import FileSelection

        globs = values.as_list(exclude, "exclude"), values.as_list(include, "include")
        return FileSelection(*globs, boundary=RegistryBoundary(self.root))

    def _unstored(
        self,
        outcome: Outcome,
        record: VersionRecord,
        lineage: Mapping[str, object],
        origin: Origin | None,
        progress: Progress,
    ) -> Unstored | None:
        """What was given and an unchanged version does not have; None for a version that has all of it."""
        from ..store.registration import UNCHANGED

        if outcome.why != UNCHANGED:
            return None
        from . import unstored

        said = {**(origin.look_at_said(progress) if origin else {}), **lineage}
        return unstored.unstored(record, self.version(f"{record.model}@{outcome.number}"), said)

    def _update(self, ref: str, left: Unstored, request_id: str) -> tuple[str, ...]:
        """Store what can be stored later, each kind as a change of its own; the names of what was stored."""
        updated: list[str] = []
        for kind, given in left.later.items():
            identity = f"{request_id}:{kind}"
            if kind == "metrics":
                done = self.log_metric(ref, given, request_id=identity)
            elif kind == "tags":
                done = self.tag(ref, given, request_id=identity)
            else:
                done = self.annotate(ref, given, request_id=identity)
            updated += [f"{kind}.{name}" for name in given if done.changed]
        return tuple(updated)

    def _origin(
        self, said: dict[str, Any], capture: OneOrMore[str] | None, given: Mapping[str, object]
    ) -> Origin | None:
        """What is to be found out of where a version comes from; what was said of it is checked now. None for nothing."""
        if claimed := sidecars.claimed(given, {}):
            raise InvalidInput(
                f"the lineage names the digest of {claimed}, which is no file yet", "leave the digest out"
            )
        if capture is not None:
            capture = values.as_list(capture, "capture")
        if capture and self._caller is None:
            raise InvalidInput("nothing is known of the program that registers", "use Registry.open(), or give caller=")
        said = {name: os.fspath(each) if isinstance(each, os.PathLike) else each for name, each in said.items()}
        parents = {version.ref: model for model, version in map(self._version, said["parents"])}
        identities = {ref: codec.model_id(model.document()) for ref, model in parents.items()}
        said |= {"parents": list(parents), "parent_models": {ref: each for ref, each in identities.items() if each}}
        if self._caller is None and not any(said.values()):
            return None
        from ..provenance import capture as capturing

        setting = self.settings.extra.get("lineage")
        parts = capturing.parts(capture, setting, str(self._layout.config))
        return capturing.Origin(capturing.Said(**said), self._caller, parts, account())

    def _store(
        self, record: VersionRecord, event: Event, look: Examination, *, reuse_name: bool, **wanted: Any
    ) -> Outcome:
        """Make a version of what is ``wanted`` (see :class:`~registry_cli.store.registration.Wish`)."""
        from ..store import registration

        wish = self._wish(record, event, look, **wanted)
        locked: registration.Locked = lambda first: self._writing(  # noqa: E731
            record.model, create=first, reuse_name=reuse_name
        )
        return registration.register(self._layout, self._layout.model(record.model), self._modes, wish, locked)

    def _arriving(self, record: VersionRecord, unsafe: str) -> Examination:
        """The look at files that were made elsewhere: what this program, or its folder, is has nothing to do with them."""
        return Examination(dict(record.lineage), self._modes, scan=self.scan_rules(), unsafe=unsafe)

    def _wish(self, record: VersionRecord, event: Event, look: Examination, **wanted: Any) -> Wish:
        """What is ``wanted``, as a wish; the record of the version is made of what ``look`` found."""
        from ..store import registration

        creation.refuse_collision(self._layout, record.model)

        def describe(number: int) -> VersionRecord:
            return _numbered(replace(record, lineage=look.lineage), number, event, look.passed)

        return registration.Wish(describe=describe, request_id=event.id, **{"examine": look.examine, **wanted})

    def _check_pointers(self, name: str, stage: str | None, alias: str | None, request_id: str | None) -> None:
        if stage:
            rules.check_stage(stage, self.stages)
            self._refuse_gate(name, stage)
        if alias:
            names.alias_name(alias, self.stages)
        if request_id and (stage or alias):
            names.request_id(f"{request_id}:stage")  # theirs are made from it: say now that there is no room

    def _registered_before(self, paths: ModelLayout, event_id: str) -> Outcome | None:
        """The outcome of the same request, if it was carried out: then not a byte need be copied again."""
        from ..store import journal, registration

        entry = journal.find(paths.history, event_id) if files.exists(paths.history) else None
        if entry is None or entry.event.action != "registered" or entry.event.version is None:
            return None
        return registration.Outcome(entry.event.version, registration.REPEATED)


@contextlib.contextmanager
def _registered(ref: str, request_id: str) -> Iterator[None]:
    """What is inside comes after the registration: whatever stops it says that the version is there."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, RegistryError) and not isinstance(error, Indeterminate):
            error.message = f"{ref} is registered, but: {error.message}"
            if isinstance(error, Refused):  # by the policy of the stage: to repeat it would not help
                raise
            error.hint = f"retry with --request-id {request_id}"
            raise
        raise indeterminate(f"{ref} is registered", request_id, error) from error


def _numbered(record: VersionRecord, number: int, event: Event, passed: Mapping[str, str]) -> VersionRecord:
    """``record`` as version ``number``, created by ``event`` if not somewhere else before; ``event`` tells what was
    ``passed`` over.
    """
    event = replace(event, version=number, detail={**event.detail, **passed})
    return replace(record, number=number, created=record.created or event.at, event=event)
