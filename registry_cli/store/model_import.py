"""Importing versions from a stream, and whole models: built under a temporary name, verified, renamed into place.

The rename is the only commit: before it there is no model, after it the whole model, with its history. It fails when a
model of that name was made meanwhile, since a folder that is not empty is never replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..core.lazy_dataclass import dataclass, field
from ..core.progress import Progress
from ..core.records import FileEntry
from ..errors import Conflict, Damaged, Refused, indeterminate
from . import codec, creation, journal, layout
from . import staging as ingest
from .filesystem import copying, files, locking, removal
from .filesystem.files import Modes
from .filesystem.removal import uninterrupted
from .layout import Layout, ModelLayout
from .packs.pack_reader import Readable
from .staging import StagingFolder
from .verify import verify
from .writer import Writer

_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


class StreamedFile(NamedTuple):
    """One file of a version, as it comes; ``content`` is None if an earlier file has the same content."""

    entry: FileEntry
    size: int
    content: Readable | None


@dataclass
class ContentIndex:
    """The files with contents that came before, by sha256: ``fresh`` in this bundle, or ``stored`` in the model."""

    fresh: dict[str, Path] = field(default_factory=dict)
    stored: dict[str, Path] = field(default_factory=dict)

    def add_stored(self, folder: Path, entries: Iterable[FileEntry]) -> None:
        """Add the files of a version that is here already."""
        for entry in entries:
            self.stored.setdefault(entry.sha256, folder / entry.path)

    def path(self, entry: FileEntry) -> Path:
        """A file with this content, undamaged."""
        if found := self.fresh.get(entry.sha256):
            return found
        path = self.stored.get(entry.sha256)
        if path is not None:
            with contextlib.suppress(OSError, Damaged), files.open_file(path, path.name) as descriptor:
                if copying.copy_and_hash(descriptor, None, 0)[0] == entry.sha256:
                    return path
        raise Conflict(f"the content of '{entry.path}' is missing", "run 'registry verify' for details")


def write_stream(
    staging: StagingFolder,
    streamed: Iterable[StreamedFile],
    known: ContentIndex,
    modes: Modes,
    progress: Progress,
    *,
    sync: bool = True,
) -> None:
    """Write files into the staging folder, with their final modes, and (with ``sync``) on the disk."""
    os.mkdir(staging.files, 0o700)
    folders: dict[str, Path] = {}
    for each in streamed:
        target = staging.files / each.entry.path
        try:
            ingest.make_parents(staging.files, each.entry.path, folders)
            if each.content is None:
                same = known.path(each.entry)
                if not files.link_if_possible(same, target):
                    shutil.copyfile(same, target, follow_symlinks=False)
                    removal.change_mode(target, target.parent, modes.sealed_file)
                progress(each.size)
            else:
                with files.open_descriptor(target, files.CREATE) as descriptor:
                    sha256, _ = copying.copy_and_hash(each.content, descriptor, each.size, progress)
                    os.fchmod(descriptor, modes.sealed_file)
                if sha256 != each.entry.sha256:
                    raise Damaged(f"'{each.entry.path}' does not match its sha256")
                staging.added += each.size
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
                raise
            why = f"'{each.entry.path}' has the same name as another file here"  # 'a' too, where it is the same as 'A'
            raise Refused(why, "this file system cannot store both") from None
        known.fresh.setdefault(each.entry.sha256, target)
        staging.entries.append(each.entry)
        staging.size += each.size
    for folder in (*reversed(folders.values()), staging.files):
        removal.change_mode(folder, staging.below, modes.sealed_folder)
    if sync:
        ingest.sync(staging, list(folders.values()))


class ModelImport:
    """A model that is being imported, in the temporary folder of ``paths``; :meth:`commit` gives it its name.

    Its documents were checked: the names of stages in them are valid names for links.
    """

    def __init__(self, root: Layout, name: str, modes: Modes) -> None:
        self._root, self._modes = root, modes
        self._target = root.model(name)
        group = root.group(name)
        creation.ensure_name_is_free(root, name)
        self._made_group = group.name != name and files.make_folder(group.root, modes.folder)
        if self._made_group:
            files.fsync_folder(root.models)
        self.paths = ModelLayout(name, self._target.root.parent / layout.temporary_name())
        os.mkdir(self.paths.root, 0o700)
        self._inode = removal.identity(os.lstat(self.paths.root))
        for folder in self.paths.folders:
            files.make_folder(folder, modes.versions if folder == self.paths.versions else modes.folder)

    @contextlib.contextmanager
    def document(self, path: str) -> Iterator[Callable[[bytes], object]]:
        """Write a document of the model: yields the function that writes a block. ``path`` was checked."""
        with files.open_descriptor(self.paths.root / path, files.CREATE) as descriptor:
            yield lambda block: files.write_all(descriptor, block)
            os.fchmod(descriptor, self._modes.file)

    @contextlib.contextmanager
    def version(self, number: int, documents: dict[str, bytes]) -> Iterator[StagingFolder]:
        """The folder of a version, to be filled; then sealed."""
        folder = self.paths.version(number)
        os.mkdir(folder, 0o700)
        yield StagingFolder(folder, removal.identity(os.lstat(folder)), self._root.root)
        for path, data in documents.items():
            with self.document(path) as write:
                write(data)
            if path.startswith(f"{layout.VERSIONS}/"):
                self._set_mode(self.paths.root / path, self._modes.sealed_file)
        self._set_mode(folder, self._modes.sealed_folder)

    @contextlib.contextmanager
    def pack(self, path: str) -> Iterator[Callable[[bytes], object]]:
        """Write a version's pack, like :meth:`document`, and seal it."""
        files.make_folder(self.paths.packs, self._modes.versions)
        with self.document(path) as write:
            yield write
        self._set_mode(self.paths.root / path, self._modes.sealed_file)

    def finish(self, stagings: list[StagingFolder], checkpoint: str) -> None:
        """Make the derived files, verify the model, bring it to the disk.

        :class:`Damaged` if it has an error, or its history does not end with ``checkpoint``.
        """
        data = files.read(self.paths.stages, files.DOCUMENT_LIMIT, layout.STAGES)
        table, _ = codec.parse_table(codec.loads(data, layout.STAGES), layout.STAGES)
        if table.revision:
            files.write_new(self.paths.claim(table.revision), data, self._modes.file)
        last = journal.last_entry(self.paths.history)
        if last and checkpoint.rpartition(":")[2] != last.hash:
            raise Damaged(f"the history of {self.paths.name} does not end with the recorded line")
        writer = Writer(self.paths, self._modes, table, last, 0)
        writer.refresh_links()
        for staging in stagings:
            writer.link_blobs(staging.files, staging.entries)
        self._set_mode(self.paths.root, self._modes.folder)
        verify.ensure_undamaged(self.paths)
        _sync_tree(self.paths.root)

    def _set_mode(self, path: Path, mode: int) -> None:
        removal.change_mode(path, self._root.root, mode)

    def commit(self, timeout: float, on_wait: Callable[[str], None], check: Callable[[], object]) -> None:
        """Give the model its name.

        ``timeout`` is in seconds; ``on_wait`` is called once, with a sentence, when another process holds a lock.
        ``check`` is called under the lock of the name, and may raise.

        Raises:
            Conflict: There is a model, or a group, of that name already.
            LockTimeout: Another process held the lock too long.
        """
        try:
            with self._locked(timeout, on_wait):
                creation.ensure_name_is_free(self._root, self._target.name)
                check()
                self._clear_place()
                with uninterrupted():
                    os.rename(self.paths.root, self._target.root)  # COMMIT
                    files.fsync_folder(self._target.root.parent)
        except BaseException as error:
            if not removal.is_at(self.paths.root, self._inode):
                raise indeterminate(f"{self._target.name} is imported", "", error) from error
            if isinstance(error, OSError) and error.errno in _TAKEN:
                message = f"model {self._target.name} already exists"
                raise Conflict(message, "rerun the import") from None
            raise

    @contextlib.contextmanager
    def _locked(self, timeout: float, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of the name, in a folder made for it, and that of its group, as for every new model."""
        name, mode = self._target.name, self._modes.file
        group = self._root.group(name)
        with contextlib.ExitStack() as stack:
            files.make_folder(self._target.root, self._modes.folder)
            stack.enter_context(locking.exclusive(self._target.lock, name, mode, timeout, on_wait))
            stack.callback(self._clear_place)  # still under the lock; does nothing where a model is
            if group.name != name:
                stack.enter_context(locking.exclusive(group.lock, f"group {group.name}", mode, timeout, on_wait))
            yield

    def _clear_place(self) -> None:
        """Remove empty folders and the lock that an interrupted registration left; fails at a folder with anything in it."""
        with contextlib.suppress(OSError):
            if files.exists(self._target.model):
                return
            for folder in self._target.folders:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(folder)
            if os.listdir(self._target.root) == [layout.LOCK]:
                os.unlink(self._target.lock)
            os.rmdir(self._target.root)

    def abandon(self) -> None:
        """Remove the temporary folder, unless it became the model."""
        if removal.is_at(self.paths.root, self._inode):  # when the disk doesn't say, it is not ours to remove
            removal.discard(self.paths.root, self._root.root, expected=self._inode)
        if self._made_group and not files.exists(self._target.root):
            with contextlib.suppress(OSError):
                os.rmdir(self._target.root.parent)


def _sync_tree(root: Path) -> None:
    """Bring a whole tree to the disk, in one call where the system has one."""
    if files.sync_file_system(root):
        return
    for folder, _, inside in os.walk(root, topdown=False):
        for name in inside:
            path = Path(folder, name)
            if not path.is_symlink():
                ingest.sync_file(path)
        files.fsync_folder(Path(folder))
