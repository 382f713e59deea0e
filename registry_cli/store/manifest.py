"""The manifest of an artifact: the output of ``sha256sum``, so that ``sha256sum -c`` can check it without this program.

One line per file, ``<64 hex>  <path>``, sorted by the bytes of the path, each ended by a newline. Names that need an
escape in that format are refused at registration. The sha256 of the manifest is the digest of the version.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.records import FileEntry
from ..errors import Damaged, InvalidInput, NotFound
from . import layout

PATH_LENGTH = 1_024
PATH_DEPTH = 64
LIMIT = 256 << 20


def check_path(path: str) -> str:
    """Return ``path`` if a file of an artifact may have this name; raise :class:`InvalidInput` otherwise."""
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise InvalidInput(f"the file name '{shown}' is not UTF-8", "rename it first") from None
    if any(ord(char) < 32 or ord(char) == 127 for char in path) or "\\" in path:
        raise InvalidInput(f"the file name '{path}' has a control character or a backslash", "rename it first")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidInput(
            f"'{path}' is not a valid path inside an artifact", "use names without '.', '..' and a leading '/'"
        )
    if length > PATH_LENGTH or len(parts) > PATH_DEPTH or any(len(part.encode()) > 255 for part in parts):
        raise InvalidInput(
            f"the path '{path[:60]}…' is too long", f"the limit is {PATH_LENGTH:,} bytes and {PATH_DEPTH} levels"
        )
    return path


def dumps(entries: Iterable[FileEntry]) -> bytes:
    """The manifest of these files."""
    ordered = sorted(entries, key=lambda entry: entry.path.encode())
    return b"".join(f"{entry.sha256}  {entry.path}\n".encode() for entry in ordered)


def loads(data: bytes, what: str) -> tuple[FileEntry, ...]:
    """The files in a manifest, none of which is outside the artifact. :class:`Damaged` if it is not valid."""
    if not data.endswith(b"\n"):
        raise Damaged(f"{what} does not end with a newline")
    entries = []
    try:
        for line in data[:-1].decode("utf-8").split("\n"):
            sha256, space, path = line[:64], line[64:66], line[66:]
            if space != "  " or not layout.is_digest(sha256):
                raise Damaged(f"{what} has a line that is not 'sha256  path'")
            entries.append(FileEntry(check_path(path), sha256))
    except (UnicodeDecodeError, InvalidInput) as error:
        raise Damaged(f"{what}: {error}") from None
    if len({entry.path for entry in entries}) < len(entries):
        raise Damaged(f"{what} lists a file twice")
    return tuple(entries)


def digest(data: bytes) -> str:
    """The sha256 of a document; that of a manifest is the digest of its version."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def find_file(entries: Iterable[FileEntry], path: str | None, ref: str) -> FileEntry:
    """The file with this ``path``; without one, the only file."""
    listed = [entry for entry in entries if path in (None, entry.path)]
    if path is None and len(listed) != 1:
        raise InvalidInput(f"{ref} has {len(listed):,} files", f"choose one; run 'registry show {ref}' to list them")
    if not listed:
        raise NotFound(f"{ref} has no file '{path}'", f"run 'registry show {ref}' to list files")
    return listed[0]


def find_name_collisions(paths: Iterable[str]) -> list[str]:
    """A warning for names that differ only in case or Unicode form: many file systems can't hold both."""
    found: dict[str, str] = {}
    collisions: list[tuple[str, str]] = []
    for path in paths:
        parts = path.split("/")
        for depth in range(len(parts), 0, -1):
            name = "/".join(parts[:depth])
            key = name.lower()
            if not name.isascii():
                import unicodedata

                key = unicodedata.normalize("NFC", name).casefold()
            first = found.get(key)
            if first == name:
                break  # the folders above were compared with it
            if first is None:
                found[key] = name
            else:
                collisions.append((first, name))
    if not collisions:
        return []
    more = f", and {len(collisions) - 1:,} more such names" if len(collisions) > 1 else ""
    return [
        f"'{collisions[0][0]}' and '{collisions[0][1]}' differ only in case or Unicode form{more}: "
        "they cannot be fetched together on macOS or Windows"
    ]
