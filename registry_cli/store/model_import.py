"""Taking in a whole model: built aside under a name that nobody sees, checked as ``verify`` does, renamed into place.

The rename is the commit, and the only one: before it there is no model, after it there is all of it, with its history.
It fails when somebody made a model of that name meanwhile, since a folder with something in it is never replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import Conflict, Damaged, indeterminate
from . import codec, creation, journal, layout
from . import staging as ingest
from .filesystem import files, locking, removal
from .filesystem.files import Modes
from .filesystem.removal import uninterrupted
from .layout import Layout, ModelLayout
from .staging import StagingFolder
from .verify import verify
from .writer import Writer

_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


class ModelImport:
    """A model on its way in. ``paths`` are those of the folder aside; :meth:`commit` gives it its name.

    Its documents were checked: the names of stages in them are names, and become those of links.
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
        """What takes the blocks of a document of the model; ``path`` was checked."""
        with files.open_descriptor(self.paths.root / path, files.CREATE) as descriptor:
            yield lambda block: files.write_all(descriptor, block)
            os.fchmod(descriptor, self._modes.file)

    @contextlib.contextmanager
    def version(self, number: int, documents: dict[str, bytes]) -> Iterator[StagingFolder]:
        """The folder of a version, to be filled; then sealed."""
        folder = self.paths.version(number)
        os.mkdir(folder, 0o700)
        staging = StagingFolder(folder, removal.identity(os.lstat(folder)), self._root.root)
        yield staging
        for path, data in documents.items():
            with self.document(path) as write:
                write(data)
            if path.startswith(f"{layout.VERSIONS}/"):
                self._set_mode(self.paths.root / path, self._modes.sealed_file)
        self._set_mode(folder, self._modes.sealed_folder)

    @contextlib.contextmanager
    def pack(self, path: str) -> Iterator[Callable[[bytes], object]]:
        """What takes the blocks of a version's pack; ``path`` was checked. Then it is sealed."""
        files.make_folder(self.paths.packs, self._modes.versions)
        with self.document(path) as write:
            yield write
        self._set_mode(self.paths.root / path, self._modes.sealed_file)

    def finish(self, stagings: list[StagingFolder], checkpoint: str) -> None:
        """Make what is derived, look at all of it as ``verify`` does, bring it to the disk. :class:`Damaged` if it is not
        sound, or its history does not end with ``checkpoint``.
        """
        data = files.read(self.paths.stages, files.DOCUMENT_LIMIT, layout.STAGES)
        table, _ = codec.parse_table(codec.loads(data, layout.STAGES), layout.STAGES)
        if table.revision:
            files.write_new(self.paths.claim(table.revision), data, self._modes.file)
        last = journal.last_entry(self.paths.history)
        if last and checkpoint.rpartition(":")[2] != last.hash:
            raise Damaged(f"the history of {self.paths.name} does not end with the line that is told")
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
        """Let the model appear.

        Args:
            timeout: How long to wait for a lock, in seconds.
            on_wait: Called once, with a sentence, when another process holds it.
            check: Called under the lock of the name, while nobody else makes a model of it; it may raise.

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
            if not self._is_aside():
                raise indeterminate(f"{self._target.name} is in the registry", "", error) from error
            if isinstance(error, OSError) and error.errno in _TAKEN:
                raise Conflict(
                    f"there is a model {self._target.name} already", "repeat the import, then decide"
                ) from None
            raise

    @contextlib.contextmanager
    def _locked(self, timeout: float, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of the name, in a folder made for it, and that of its group: as who makes a model does."""
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
        """Take away what a registration that gave up left there: folders without anything in them, and a lock.

        Each step fails when somebody is at work there, whose folder is then not empty; then the rename fails too.
        """
        with contextlib.suppress(OSError):
            if files.exists(self._target.model):
                return
            for folder in self._target.folders:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(folder)
            if os.listdir(self._target.root) == [layout.LOCK]:
                os.unlink(self._target.lock)
            os.rmdir(self._target.root)

    def _is_aside(self) -> bool | None:
        """Whether it still has its temporary name; None when the disk doesn't say: then it is not ours to remove."""
        return removal.is_at(self.paths.root, self._inode)

    def abandon(self) -> None:
        """Remove what did not become a model; what did is left alone."""
        if self._is_aside():
            removal.discard(self.paths.root, self._root.root, expected=self._inode)
        if self._made_group and not files.exists(self._target.root):
            with contextlib.suppress(OSError):
                os.rmdir(self._target.root.parent)


def _sync_tree(root: Path) -> None:
    """Bring a whole tree to the disk, in one call where that is to be had."""
    if files.sync_file_system(root):
        return
    for folder, _, inside in os.walk(root, topdown=False):
        for name in inside:
            path = Path(folder, name)
            if not path.is_symlink():
                ingest.sync_file(path)
        files.fsync_folder(Path(folder))
