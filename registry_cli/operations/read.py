"""Read one version: its record, its files, its path, its content."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.names import Reference
from ..core.records import Artifact, FileEntry, VersionRecord
from ..core.times import resolve_time
from ..errors import InvalidInput, NotFound
from ..store import reader
from .context import open_model, read_version, resolve_version

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Protocol

    from ..core.results import Signature
    from ..core.values import OneOrMore
    from ..rules.metric_directions import Directions
    from .context import RegistryContext

    class BinaryWriter(Protocol):
        """Whatever bytes can be written to: a binary file, a socket's file, a buffer."""

        def write(self, block: bytes, /) -> object: ...


def get_version(
    context: RegistryContext, ref: str | Reference, *, as_of: str | datetime | None = None
) -> VersionRecord:
    """The version that ``ref`` means, now or at a time; ``churn`` alone means ``churn@latest``.

    Raises :class:`InvalidInput` for a malformed reference, :class:`NotFound`, :class:`Damaged`.
    """
    return read_version(context, ref, resolve_time(as_of))[1]


def get_artifact(context: RegistryContext, ref: str | Reference, *, as_of: str | datetime | None = None) -> Artifact:
    """A version with its folder and its files. :class:`Damaged` when its manifest is not the one that was sealed."""
    model, record = read_version(context, ref, resolve_time(as_of))
    return Artifact(record, model.paths.files(record.number), model.manifest(record))


@contextlib.contextmanager
def open_artifact(context: RegistryContext, ref: str | Reference) -> Iterator[Artifact]:
    """A version whose files lie in its ``folder`` to be looked into, as long as the ``with`` lasts.

    Those of a packed one are copied out, checked, and removed afterwards; of others only count and size are looked
    at. Raises :class:`Damaged` when a file is missing, :class:`NotFound` and :class:`Conflict` when the version is
    deleted or packed meanwhile.
    """
    from ..store import fetch

    model, record = read_version(context, ref)
    entries = model.manifest(record)
    with fetch.open_files(model, record) as folder:
        yield Artifact(record, folder, entries)


def list_files(
    context: RegistryContext, ref: str | Reference, *, only: OneOrMore[str] = (), exclude: OneOrMore[str] = ()
) -> tuple[FileEntry, ...]:
    """The files of a version and their sha256: all, or those that a glob of ``only`` and none of ``exclude`` matches.

    Raises :class:`NotFound` when none matches.
    """
    artifact = get_artifact(context, ref)
    chosen = select_files(artifact.files, only, exclude, artifact.version.ref)
    return artifact.files if chosen is None else tuple(chosen)


def get_path(
    context: RegistryContext, ref: str | Reference, file: str | None = None, *, as_of: str | datetime | None = None
) -> Path:
    """Where the artifact lies, to be used in place: its folder, or one ``file`` in it.

    Before it is handed out, count and size of the files are compared with what was stored (up to 1,000 files).
    Raises :class:`Damaged` when they differ, :class:`Conflict` for a version that is packed.
    """
    model, record = read_version(context, ref, resolve_time(as_of))
    if record.files <= reader.QUICK_CHECK_FILES or record.packed is not None:
        model.check_size(record)
    folder = model.paths.files(record.number)
    if file is None:
        return folder
    from ..store import manifest

    return folder / manifest.find_file(model.manifest(record), file, record.ref).path


def check_version(context: RegistryContext, ref: str | Reference) -> VersionRecord:
    """Read every byte of a version and compare it with its manifest; :class:`Damaged` unless all is as stored."""
    from ..store import fetch

    model, record = read_version(context, ref)
    fetch.check(model, record)
    return record


def cat(
    context: RegistryContext,
    ref: str | Reference,
    file: str | None,
    stream: BinaryWriter,
    *,
    only: OneOrMore[str] = (),
    exclude: OneOrMore[str] = (),
) -> None:
    """Write one file of a version to ``stream``; or, without ``file``, those that a glob of ``only`` and none of
    ``exclude`` matches, one after the other in the order of the manifest.

    Raises :class:`NotFound` when there is none, :class:`Damaged` at the end of a file that is not what was stored.
    """
    from ..store import fetch, manifest

    model, record = read_version(context, ref)
    entries = model.manifest(record)
    if file is not None and (only or exclude):
        raise InvalidInput("a file is named, and globs are given", "name the file, or select files by globs")
    chosen = select_files(entries, only, exclude, record.ref)
    if chosen is None:
        chosen = [manifest.find_file(entries, file, record.ref)]
    fetch.write(model, record, chosen, stream.write)


def select_files(
    entries: Sequence[FileEntry], only: OneOrMore[str], exclude: OneOrMore[str], ref: str
) -> list[FileEntry] | None:
    """The files that globs select; None when there are no globs."""
    from ..core import values
    from ..store import fetch

    globs = values.as_list(only, "only"), values.as_list(exclude, "exclude")
    return fetch.select(entries, *globs, ref) if any(globs) else None


def get_directions(context: RegistryContext, name: str) -> Directions:
    """Whether lower or higher values of the metrics of a model are better: as its ``model.yaml``, else the
    ``group.yaml`` of its group, else ``registry.yaml`` declares under ``metrics``, else by the list of exact names.

    Args:
        name: The model.

    Returns:
        ``directions(name).direction(metric)`` is ``lower``, ``higher``, or None where it is not known.

    Raises:
        NotFound: There is no such model.
        InvalidInput: A declaration is not valid; with its line.
    """
    from . import settings

    model = open_model(context, name).name
    return settings.load_directions(context.layout, settings.SettingsScope.for_model(model))


def read_sidecar(context: RegistryContext, ref: str | Reference, name: str) -> bytes:
    """A file that is kept beside a version: ``environment.txt`` or ``changes.patch``, its bytes checked.

    Raises :class:`NotFound` when the version has none, :class:`Damaged` when it is not what was stored.
    """
    model, record = read_version(context, ref)
    data = model.sidecar(record, name)
    if data is None:
        raise NotFound(f"{record.ref} has no {name}", f"registry lineage {record.ref} shows what is known")
    return data


def list_signatures(context: RegistryContext, ref: str | Reference) -> tuple[Signature, ...]:
    """Who signed a version, and whether it holds: see :meth:`verify`."""
    found, record = read_version(context, ref)
    if not found.mentions(record.number, b"signatures"):
        return ()
    from .approvals import describe_signatures

    model, state, number = resolve_version(context, record.ref)
    return describe_signatures(context.layout, model, state, number)
