"""The data that a model was made from: files and folders with their digests, outputs of DVC, addresses with a digest.

The digest of a file is its sha256. That of a folder is the sha256 of a list of its files in the format of
``sha256sum``, sorted by the bytes of their paths, so that ``find -L . -type f`` and ``sha256sum`` can verify it (see
``reproducibility``). Links are followed: what was read through them counts.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..core import redaction
from ..core.lazy_dataclass import dataclass
from ..core.progress import SILENT, Progress
from ..core.text import lazy_pattern
from ..core.yaml import documents
from ..errors import InvalidInput, NotFound
from ..store.filesystem import copying, files

#: The most files of a folder.
FILES_MOST = 10_000_000
_DIGEST = lazy_pattern(r"([a-z][a-z0-9-]{1,15}):([A-Za-z0-9+/=._-]{1,200})\Z", re.ASCII)
_SCHEME = lazy_pattern(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DVC_LIMIT = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class DataSource:
    """A source that was named: its ``document`` as far as it is known, and the ``path`` to hash, if any."""

    document: dict[str, Any]
    path: str = ""

    def measured(self, progress: Progress = SILENT) -> dict[str, Any]:
        """Return the document as a lineage stores it: path or uri, digest, size in bytes, and number of files."""
        return {**self.document, **(measure(self.path, progress) if self.path else {})}


def parse(given: Iterable[str | os.PathLike[str]]) -> list[DataSource]:
    """Parse paths and addresses. Raises :class:`NotFound`, and :class:`InvalidInput` for an address without a digest.

    Only ``.dvc`` files are read; of others it is checked that they exist.
    """
    found: list[DataSource] = []
    for each in given:
        text = os.fspath(each)
        if not text or "\0" in text:
            raise InvalidInput(f"'{text}' is not a path", "check for an empty variable")
        if _SCHEME.match(text):
            found.append(_parse_address(text))
            continue
        try:
            status = os.stat(text)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"file or folder '{to_storable_path(text)}' not found") from None
        if text.endswith(".dvc") and stat.S_ISREG(status.st_mode):
            found += _parse_dvc_file(text)
        elif not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            message = f"'{to_storable_path(text)}' is not a file or folder"
            raise InvalidInput(message, "give the data itself, not a device or pipe")
        else:
            slash = "/" if stat.S_ISDIR(status.st_mode) else ""  # which shows how the digest was made
            found.append(DataSource({"path": to_storable_path(os.path.normpath(text)).rstrip("/") + slash}, text))
    return found


def to_storable_path(path: str) -> str:
    r"""A path as text; bytes that are not UTF-8 as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _parse_address(text: str) -> DataSource:
    base, mark, digest = text.rpartition("#")
    if not mark or not _DIGEST.match(digest):
        raise InvalidInput(
            f"'{redaction.redact_url(text)}' has no digest", "append it: s3://bucket/key#sha256:… or #etag:…"
        )
    return DataSource({"uri": redaction.redact_url(base), "digest": digest})


def _parse_dvc_file(path: str) -> list[DataSource]:
    """The outputs in a ``.dvc`` file, with DVC's own digests."""
    document = documents.loads_mapping(files.read(Path(os.path.realpath(path)), _DVC_LIMIT, path), path)
    outputs = document.get("outs")
    found = []
    for out in outputs if isinstance(outputs, list) else ():
        kind = next((name for name in ("md5", "etag", "checksum") if isinstance(out, dict) and name in out), "")
        if not kind or not isinstance(out.get("path"), str) or not _DIGEST.match(f"{kind}:{out[kind]}"):
            raise InvalidInput(
                f"'{path}' has an output without a path or digest", "run 'dvc add' or 'dvc commit' first"
            )
        place = os.path.normpath(os.path.join(os.path.dirname(path), out["path"]))
        extra = {"size": out.get("size"), "files": out.get("nfiles")}
        counts = {name: count for name, count in extra.items() if type(count) is int}
        found.append(DataSource({"path": place, "digest": f"{kind}:{out[kind]}", **counts}))
    if not found:
        raise InvalidInput(f"'{path}' has no outputs", "check that it is a DVC file")
    return found


def measure(path: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Return digest, size in bytes and number of files of a file or folder. :class:`Conflict` if it changes."""
    if not os.path.isdir(path):
        size = os.stat(path).st_size
        progress.expect(size)
        digest, size = _hash_file(path, size, progress)
        return {"digest": f"sha256:{digest}", "size": size, "files": 1}
    listed = sorted(_walk(path), key=lambda entry: os.fsencode(entry[0]))
    progress.expect(sum(size for _, size in listed))
    hasher, total = hashlib.sha256(), 0
    for name, size in listed:
        digest, read = _hash_file(os.path.join(path, name), size, progress)
        hasher.update(format_checksum_line(digest, os.fsencode(name)))
        total += read
    return {"digest": f"sha256:{hasher.hexdigest()}", "size": total, "files": len(listed)}


def format_checksum_line(digest: str, name: bytes) -> bytes:
    """Format a line as ``sha256sum`` does: a name with a backslash or a line end is escaped, and the line is marked."""
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def _hash_file(path: str, size: int, progress: Progress) -> tuple[str, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = copying.file_state(descriptor)
        found = copying.copy_and_hash(descriptor, None, size, progress)
        copying.ensure_unchanged(descriptor, before, to_storable_path(path))
        return found
    finally:
        os.close(descriptor)


def _walk(root: str) -> Iterator[tuple[str, int]]:
    """Yield relative path and size of every file below a folder, following links except those to a folder around it."""
    count = 0
    pending: list[tuple[str, str, tuple[tuple[int, int], ...]]] = [(root, "", ())]
    while pending:
        folder, prefix, around = pending.pop()
        status = os.stat(folder)
        here = (status.st_dev, status.st_ino)
        if here in around:
            message = f"'{to_storable_path(folder)}' is a link to a parent folder"
            raise InvalidInput(message, "give the folders one by one")
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if entry.is_dir():
                    pending.append((entry.path, f"{name}/", (*around, here)))
                elif entry.is_file():
                    count += 1
                    if count > FILES_MOST:
                        raise InvalidInput(f"'{to_storable_path(root)}' has more than {FILES_MOST:,} files")
                    yield name, entry.stat().st_size
