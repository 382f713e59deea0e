"""Read one version: its record, its files, its path, its content."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import operations
from ..core.names import Reference
from ..core.records import Artifact, FileEntry, VersionRecord
from ..core.times import resolve_time
from ..errors import InvalidInput, NotFound
from ..store import reader
from .context import open_model, read_version, resolve_version

TYPE_CHECKING = False  # as typing's, without importing typing
if TYPE_CHECKING:
    from datetime import datetime
    from typing import BinaryIO, Protocol

    from ..core.records import ModelRecord
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
    """Return a version, now or at a time; ``churn`` alone means ``churn@latest``."""
    return read_version(context, ref, resolve_time(as_of, context.clock))[1]


def show(
    context: RegistryContext, ref: str | Reference, *, as_of: str | datetime | None = None
) -> ModelRecord | Artifact:
    """Return a model for a bare name, else a version with its folder and files; now or at a time."""
    reference = Reference.coerce(ref)
    if reference.selector is not None:
        return get_artifact(context, reference, as_of=as_of)
    return operations.search.get_model(context, reference.model, as_of=as_of)


def get_artifact(context: RegistryContext, ref: str | Reference, *, as_of: str | datetime | None = None) -> Artifact:
    """Return a version with its folder and the list of its files.

    Raises:
        Damaged: The manifest is not the one that was stored.
    """
    model, record = read_version(context, ref, resolve_time(as_of, context.clock))
    return Artifact(record, model.paths.files(record.number), model.manifest(record))


@contextlib.contextmanager
def open_artifact(context: RegistryContext, ref: str | Reference) -> Iterator[Artifact]:
    """A version whose files lie in its ``folder``; see :meth:`registry_cli.registry.ArtifactOperations.open`."""
    from ..store import fetch

    model, record = read_version(context, ref)
    entries = model.manifest(record)
    with fetch.open_files(model, record) as folder:
        yield Artifact(record, folder, entries)


def list_files(
    context: RegistryContext, ref: str | Reference, *, only: OneOrMore[str] = (), exclude: OneOrMore[str] = ()
) -> tuple[FileEntry, ...]:
    """Return the files of a version with their sha256.

    Args:
        only: Globs; a file must match one of them.
        exclude: Globs of files to leave out.

    Raises:
        NotFound: No file matches.
    """
    artifact = get_artifact(context, ref)
    chosen = select_files(artifact.files, only, exclude, artifact.version.ref)
    return artifact.files if chosen is None else tuple(chosen)


def get_path(
    context: RegistryContext, ref: str | Reference, file: str | None = None, *, as_of: str | datetime | None = None
) -> Path:
    """Return the path of a version's folder, or of one file in it, to be used in place.

    The number of files and their size are compared with what was stored first (up to 1,000 files).

    Raises:
        Damaged: They differ.
        Conflict: The version is packed.
    """
    model, record = read_version(context, ref, resolve_time(as_of, context.clock))
    if record.files <= reader.QUICK_CHECK_FILES or record.packed is not None:
        model.check_size(record)
    folder = model.paths.files(record.number)
    if file is None:
        return folder
    from ..store import manifest

    return folder / manifest.find_file(model.manifest(record), file, record.ref).path


def check_version(context: RegistryContext, ref: str | Reference) -> VersionRecord:
    """Read every byte of a version and compare it with the manifest.

    Raises:
        Damaged: A file is not as it was stored.
    """
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
    """Write one file of a version to a stream; without ``file``, those that globs select, in the order of the manifest.

    Args:
        file: The path in the version; None for the only file, or with globs.
        stream: What the bytes are written to.
        only: Globs; a file must match one of them.
        exclude: Globs of files to leave out.

    Raises:
        NotFound: No file matches.
        Damaged: The file is not as it was stored; raised after its last byte.
    """
    from ..store import fetch, manifest

    model, record = read_version(context, ref)
    entries = model.manifest(record)
    if file is not None and (only or exclude):
        raise InvalidInput("a file cannot be combined with globs", "give a file or globs")
    chosen = select_files(entries, only, exclude, record.ref)
    if chosen is None:
        chosen = [manifest.find_file(entries, file, record.ref)]
    fetch.write(model, record, chosen, stream.write)


def open_file(
    context: RegistryContext, ref: str | Reference, file: str | None = None, *, as_of: str | datetime | None = None
) -> BinaryIO:
    """Open a file of a version for reading: ``with reg.open_file("churn@production") as f: model = joblib.load(f)``.

    All of its bytes are compared with what was stored before the first is handed out.

    Args:
        file: The path in the version; None for the only file.

    Raises:
        NotFound: The version has no such file, or several.
        Damaged: The file is not as it was stored.
    """
    from ..store import fetch, manifest

    model, record = read_version(context, ref, resolve_time(as_of, context.clock))
    return fetch.open_file(model, record, manifest.find_file(model.manifest(record), file, record.ref))


def select_files(
    entries: Sequence[FileEntry], only: OneOrMore[str], exclude: OneOrMore[str], ref: str
) -> list[FileEntry] | None:
    """The files that globs select; None when there are no globs."""
    from ..core import values
    from ..store import fetch

    globs = values.as_list(only, "only"), values.as_list(exclude, "exclude")
    return fetch.select(entries, *globs, ref) if any(globs) else None


def get_directions(context: RegistryContext, name: str) -> Directions:
    """Return whether lower or higher values of a model's metrics are better.

    The nearest of ``model.yaml``, ``group.yaml`` and ``registry.yaml`` that declares a metric counts, else a list of names.

    Returns:
        ``directions.direction(metric)`` is ``lower``, ``higher``, or None where it is not known.

    Raises:
        InvalidInput: A declaration is not valid; with its line.
    """
    model = open_model(context, name).name
    return operations.settings.load_directions(context.layout, operations.settings.SettingsScope.for_model(model))


def read_sidecar(context: RegistryContext, ref: str | Reference, name: str) -> bytes:
    """Return a file that is kept beside a version, its bytes checked.

    Args:
        name: ``environment.txt`` or ``changes.patch``.

    Raises:
        NotFound: The version has no such file.
        Damaged: The file is not as it was stored.
    """
    model, record = read_version(context, ref)
    data = model.sidecar(record, name)
    if data is None:
        raise NotFound(f"{record.ref} has no {name}", f"run 'registry lineage {record.ref}'")
    return data


def list_signatures(context: RegistryContext, ref: str | Reference) -> tuple[Signature, ...]:
    """Return the signatures of a version, and whether each is valid."""
    found, record = read_version(context, ref)
    if not found.mentions(record.number, b"signatures"):
        return ()
    return operations.approvals.describe_signatures(context.layout, *resolve_version(context, record.ref))
