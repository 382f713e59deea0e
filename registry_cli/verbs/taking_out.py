"""Reading one version: what it is, where it lies, what is in it; taking it out, every byte checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ..core import values
from ..core.names import Reference
from ..core.progress import SILENT, Progress
from ..core.records import Artifact, FileEntry, VersionRecord
from ..core.times import resolve_time, utc_now
from ..errors import Conflict, InvalidInput
from ..store import layout, reader
from .looking_back import LookingBack

if TYPE_CHECKING:
    from ..core.values import OneOrMore, PathLike
    from ..lifecycle.scan_rules import ScanRules
    from ..provenance.inspection import Inspected
    from ..provenance.safety.verdicts import Scan
    from .reading import RegistryReader


class Sink(Protocol):
    """Whatever bytes can be written to: a binary file, a socket's file, a buffer."""

    def write(self, block: bytes, /) -> object: ...


def _in_use(folder: Path) -> str:
    """What would lose its place if ``folder`` was replaced: the current folder, or the home of the user."""
    places: list[tuple[str, Path]] = []
    with contextlib.suppress(FileNotFoundError):  # it was removed
        places.append(("the current folder", Path.cwd()))
    with contextlib.suppress(RuntimeError):
        places.append(("the home folder", Path.home()))
    for what, place in places:
        for each in (place, *place.parents):
            with contextlib.suppress(OSError):
                if each.samefile(folder):
                    return what
    return ""


class TakingOut(LookingBack):
    """A registry, for reading its versions."""

    _now: Callable[[], datetime] = staticmethod(utc_now)

    def version(self, ref: str | Reference, *, as_of: str | datetime | None = None) -> VersionRecord:
        """The version that ``ref`` means, now or at a time; ``churn`` alone means ``churn@latest``.

        Raises :class:`InvalidInput` for a malformed reference, :class:`NotFound`, :class:`Damaged`.
        """
        return self._version(ref, resolve_time(as_of))[1]

    def artifact(self, ref: str | Reference, *, as_of: str | datetime | None = None) -> Artifact:
        """A version with its folder and its files. :class:`Damaged` when its manifest is not the one that was sealed."""
        model, record = self._version(ref, resolve_time(as_of))
        return Artifact(record, model.paths.files(record.number), model.manifest(record))

    @contextlib.contextmanager
    def laid_out(self, ref: str | Reference) -> Iterator[Artifact]:
        """A version whose files lie in its ``folder`` to be looked into, as long as the ``with`` lasts.

        Those of a packed one are copied out, checked, and removed afterwards; of others only count and size are looked
        at. Raises :class:`Damaged` when a file is missing, :class:`NotFound` and :class:`Conflict` when the version is
        deleted or packed meanwhile.
        """
        from ..store import outgoing

        model, record = self._version(ref)
        entries = model.manifest(record)
        with outgoing.laid_out(model, record) as folder:
            yield Artifact(record, folder, entries)

    def inspect(self, ref: str | Reference) -> Inspected:
        """What the files of a version are, looked at anew: what ``register`` found stands in its ``lineage``.

        Raises as :meth:`scan` does.
        """
        from ..provenance.inspecting import inspect

        with self.laid_out(ref) as artifact:
            return inspect({entry.path: artifact.folder / entry.path for entry in artifact.files})

    @staticmethod
    def inspect_files(paths: OneOrMore[PathLike]) -> Inspected:
        """What files that are in no registry are, as :meth:`register` would find it. Nothing in them is loaded or run.

        ``paths`` are files, or a folder. Raises :class:`NotFound`, :class:`InvalidInput`, :class:`Refused`; OSError when
        one can't be opened.
        """
        from . import looking_inside

        return looking_inside.inspect(paths)

    def scan(self, ref: str | Reference, *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
        """Whether the files of a version are safe to load, looked at anew; what this registry allows counts as known.

        Raises OSError when one can't be opened, :class:`Damaged` when one is missing, :class:`NotFound` and
        :class:`Conflict` when the version is deleted or packed meanwhile.
        """
        from ..provenance.scanning import scan

        allowed = (*self.scan_rules().allow, *values.as_list(allow, "allow"))
        with self.laid_out(ref) as artifact:
            files = {entry.path: artifact.folder / entry.path for entry in artifact.files}
            return scan(files, allowed, progress=progress)

    @staticmethod
    def scan_files(paths: OneOrMore[PathLike], *, allow: OneOrMore[str] = (), progress: Progress = SILENT) -> Scan:
        """Whether files that are in no registry are safe to load, as :meth:`register` would find it.

        ``paths`` are files, or a folder; ``allow`` are globals that are known besides the usual ones:
        ``package.Class``, or ``package.*``. Raises :class:`NotFound`, :class:`InvalidInput`, :class:`Refused`; OSError
        when one can't be opened.
        """
        from . import looking_inside

        return looking_inside.scan(paths, allow=allow, progress=progress)

    def scan_rules(self) -> ScanRules:
        """What this registry does with what is not safe: its setting ``scan``."""
        from ..lifecycle import scan_rules

        said = self.settings.scan
        return scan_rules.ScanRules() if said is None else scan_rules.parse(said, layout.REGISTRY)

    def files(
        self, ref: str | Reference, *, only: OneOrMore[str] = (), exclude: OneOrMore[str] = ()
    ) -> tuple[FileEntry, ...]:
        """The files of a version and their sha256: all, or those that a glob of ``only`` and none of ``exclude`` matches.

        Raises :class:`NotFound` when none matches.
        """
        artifact = self.artifact(ref)
        chosen = _chosen(artifact.files, only, exclude, artifact.version.ref)
        return artifact.files if chosen is None else tuple(chosen)

    def path(self, ref: str | Reference, file: str | None = None, *, as_of: str | datetime | None = None) -> Path:
        """Where the artifact lies, to be used in place: its folder, or one ``file`` in it.

        Before it is handed out, count and size of the files are compared with what was stored (up to 1,000 files).
        Raises :class:`Damaged` when they differ, :class:`Conflict` for a version that is packed.
        """
        model, record = self._version(ref, resolve_time(as_of))
        if record.files <= reader.QUICK_CHECK_FILES or record.packed is not None:
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
        outgoing.check(model, record)
        return record

    def fetch(
        self,
        ref: str | Reference,
        target: str | os.PathLike[str],
        *,
        only: OneOrMore[str] = (),
        exclude: OneOrMore[str] = (),
        replace: bool = False,
        progress: Progress = SILENT,
    ) -> VersionRecord:
        """Copy a version to the new folder ``target``, each byte checked on the way; it appears whole or not at all.

        With ``only`` and ``exclude`` (globs, or one), only the files that a glob of the first matches and none of the
        second. With ``replace`` it takes the place of an earlier copy: a folder in which each file is one that a version
        of this registry has, or that an export writes. Raises :class:`Conflict` for anything else that is there,
        :class:`NotFound` when no file matches.
        """
        from ..store import outgoing
        from . import exporting

        model, record = self._version(ref)
        chosen = _chosen(model.manifest(record), only, exclude, record.ref) if only or exclude else None
        place = self._outside(target)
        existing = exporting.replaceable(cast("RegistryReader", self), place, model.name, replace=replace)
        outgoing.fetch(model, record, place, progress=progress, existing=existing, chosen=chosen)
        return record

    def _outside(self, target: str | os.PathLike[str]) -> Path:
        """``target``, if something may be written there without harm to a registry: to this one, or another."""
        from ..store.containment import RegistryBoundary

        destination = Path(target).absolute()
        real, root = destination.resolve(), self.root.resolve()
        if inside := RegistryBoundary(root).registry_of(real):
            raise InvalidInput(f"'{target}' is inside the registry '{inside}'", "name a place outside of it")
        if root.is_relative_to(real):  # to replace it would be to remove the registry
            raise InvalidInput(f"'{target}' has the registry in it", "name a new one")
        if what := _in_use(real):
            raise Conflict(f"'{target}' is {what}, or has it in it", "name a new folder")
        return destination

    def cat(
        self,
        ref: str | Reference,
        file: str | None,
        stream: Sink,
        *,
        only: OneOrMore[str] = (),
        exclude: OneOrMore[str] = (),
    ) -> None:
        """Write one file of a version to ``stream``; or, without ``file``, those that a glob of ``only`` and none of
        ``exclude`` matches, one after the other in the order of the manifest.

        Raises :class:`NotFound` when there is none, :class:`Damaged` at the end of a file that is not what was stored.
        """
        from ..store import outgoing

        model, record = self._version(ref)
        entries = model.manifest(record)
        if file is not None and (only or exclude):
            raise InvalidInput("a file is named, and globs are given", "name the file, or select files by globs")
        chosen = _chosen(entries, only, exclude, record.ref)
        if chosen is None:
            chosen = [outgoing.find_file(entries, file, record.ref)]
        outgoing.write(model, record, chosen, stream.write)


def _chosen(
    entries: Sequence[FileEntry], only: OneOrMore[str], exclude: OneOrMore[str], ref: str
) -> list[FileEntry] | None:
    """The files that globs select; None when there are no globs."""
    from ..store import outgoing

    globs = values.as_list(only, "only"), values.as_list(exclude, "exclude")
    return outgoing.select(entries, *globs, ref) if any(globs) else None
