"""The folder of a target on the disk: staging, the switch, and removal of what the registry placed there.

Everything is opened from the folder of the target downwards, and no link is followed. ``.registry/`` in it has the lock,
what is being staged, and for each model ``owner.json`` and one ``N.json`` for each release: what it consists of and its
inode. Only what has that inode is ever removed or replaced.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..core.progress import Progress
from ..errors import Conflict, Damaged, NotFound
from ..store import layout as store_layout
from ..store.filesystem import copying, files, locking, removal, replacement
from ..store.packs.pack_reader import VerifiedStream
from .server_layout import Plan, ServerLayout

_OWN = ".registry"
_LIMIT = 256 << 20
#: So many files are brought to the disk in one call.
_MANY = 32


class Placed(NamedTuple):
    """A release in a target: its files (the sha256 by path; of an archive its own, with an empty path), and its inode."""

    files: Mapping[str, str]
    inode: int

    @property
    def digest(self) -> str:
        """The sha256 of the list of its files, as ``sha256sum`` writes it."""
        lines = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


class Staged(NamedTuple):
    """A release that is complete and not yet in its place. With ``whole`` ``folder`` is the home of the model."""

    folder: Path
    placed: Placed
    whole: bool


class TargetFolder:
    """The folder of a target, for one model that is called ``name`` there."""

    def __init__(self, root: str, layout: ServerLayout, name: str) -> None:
        self.root, self.layout, self.name = Path(os.path.realpath(root)), layout, name
        self._own = self.root / _OWN / name
        try:
            os.close(files.open_folder(self.root))
        except FileNotFoundError:
            raise NotFound(f"folder '{root}' not found", f"make it first: mkdir -p {root}") from None
        except NotADirectoryError:
            raise Conflict(f"'{root}' is not a folder", "correct 'path' in targets.yaml") from None

    @contextlib.contextmanager
    def lock(self, timeout: float, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of the target; then what an interrupted deployment left in ``.registry/`` is removed."""
        with self._refusing_links():
            self._make_folder(self.root / _OWN)
            path = self.root / _OWN / "lock"
        with locking.exclusive(path, f"target {self.root}", 0o666 & ~_umask(), timeout, on_wait):
            for each in files.list_folder(self.root / _OWN):
                if store_layout.is_temporary(each) or store_layout.is_trash(each):
                    removal.discard(self.root / _OWN / each, self.root)
            for number in self.numbers():  # its inode may be given to something else by now
                if (placed := self.placed(number)) and _inode(self.release_path(number)) != placed.inode:
                    removal.remove(self._own / f"{number}.json", self.root)
            yield

    def claim(self, owner: Mapping[str, str]) -> None:
        """Make the name in this target that of a model. Raises :class:`Conflict` if it is another's, or has other files."""
        with self._refusing_links():
            known = self.read_owner()
            if known is not None:
                if self.is_owner(owner):
                    return
                whose = f"model {known.get('model')} of registry {known.get('registry')}"
                raise Conflict(f"'{self.name}' in '{self.root}' is {whose}", "use another folder")
            for path in {self._path("home"), self._path("switch")} - {self.root / self.layout.switch, self.root}:
                if files.exists(path) and not _is_empty_tree(path):
                    raise Conflict(f"'{path}' was not made by the registry", "move it away, or use another folder")
            self._make_folder(self._own)
            removal.replace(self._own / "owner.json", json.dumps(owner).encode(), 0o666 & ~_umask(), self.root)

    def read_owner(self) -> Mapping[str, str] | None:
        data = self._read(self._own / "owner.json")
        return json.loads(data) if data else None

    def is_owner(self, owner: Mapping[str, str]) -> bool:
        """Whether the name in this target is that model's: by its id, as long as it has none by its name."""
        known = self.read_owner() or {}
        key = "id" if known.get("id") and owner["id"] else "model"
        return known.get("registry") == owner["registry"] and known.get(key) == owner[key]

    def is_locked(self) -> bool:
        """Whether a deployment to this target is under way."""
        try:
            with files.open_descriptor(self.root / _OWN / "lock", files.READ) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def read_switch(self) -> bytes | None:
        """The bytes of the switch, or the target of the link; None if there is none. :class:`Conflict` for anything else."""
        path = self._path("switch")
        try:
            with removal.open_parent(path, self.root) as parent:
                if self.layout.is_link:
                    return os.fsencode(os.readlink(path.name, dir_fd=parent))
                with files.open_descriptor(path.name, files.READ, folder=parent) as descriptor:
                    return os.read(descriptor, files.DOCUMENT_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.EINVAL, errno.ENOTDIR, errno.EISDIR):
                raise Conflict(
                    f"'{path}' is not what the registry made", "move it away, or use another folder"
                ) from None
            raise

    def served(self) -> int | None:
        """The version that the switch names."""
        switch = self.read_switch()
        return None if switch is None else self.layout.served(switch, self.name)

    def stage(
        self, number: int, plan: Plan, content: Callable[[set[str]], Iterator[tuple[str, VerifiedStream]]],
        progress: Progress,
    ) -> Staged:  # fmt: skip
        """Write a release below a temporary name, each byte checked, and bring it to the disk.

        ``content`` yields the given files of the artifact. A model that is new in the target is staged with its switch.
        """
        temporary = self.root / _OWN / store_layout.temporary_name()
        home, switch = self._path("home"), self._path("switch")
        whole = bool(self.layout.home) and not files.exists(home)
        with self._refusing_links(), self._discarding(temporary):
            self._make_folder(temporary, mode=0o700)
            release = temporary / (self._path("release", number).relative_to(home) if whole else "release")
            placed = self._write_archive(release, plan, content, progress) if plan.archive else self._write_files(
                release, plan, content, progress
            )  # fmt: skip
            if whole and switch.is_relative_to(home):
                self._write_switch(temporary / switch.relative_to(home), plan.switch)
            self._sync(temporary, len(placed))
            removal.change_mode(temporary, self.root, 0o777 & ~_umask())
            inode = os.lstat(release).st_ino
        return Staged(temporary if whole else release, Placed(placed, inode), whole)

    @contextlib.contextmanager
    def _discarding(self, temporary: Path) -> Iterator[None]:
        try:
            yield
        except BaseException:
            removal.discard(temporary, self.root)
            raise

    def discard(self, staged: Staged) -> None:
        """Remove a staged release that is not published."""
        removal.discard(staged.folder if staged.whole else staged.folder.parent, self.root)

    def ensure_free(self, number: int) -> None:
        """Raise :class:`Conflict` if something that the registry did not make has the name of a release, or around it."""
        release, placed = self.release_path(number), self.placed(number)
        with self._refusing_links(), contextlib.suppress(FileNotFoundError):
            with removal.open_parent(release, self.root) as parent:
                inode = os.lstat(release.name, dir_fd=parent).st_ino
            if placed is None or placed.inode != inode:
                raise Conflict(f"'{release}' was not made by the registry", "move it away, then deploy again")

    def publish(self, number: int, staged: Staged) -> None:
        """Give a staged release its name. Raises :class:`Conflict` if something that the registry did not make has it."""
        release, home = self._path("release", number), self._path("home")
        goal = home if staged.whole else release
        self.ensure_free(number)
        with self._refusing_links():
            mine = files.exists(release)
            self._make_folder(goal.parent)
            marker = json.dumps({"inode": staged.placed.inode, "files": dict(staged.placed.files)}).encode()
            with removal.uninterrupted():
                if mine:  # it is damaged: a server may be reading it, so it is replaced as a whole
                    if not replacement.exchange(staged.folder, release):
                        removal.rename(release, self.root / _OWN / store_layout.trash_name(), self.root)
                        removal.rename(staged.folder, release, self.root)
                    removal.replace(self._own / f"{number}.json", marker, 0o666 & ~_umask(), self.root)
                else:
                    removal.replace(self._own / f"{number}.json", marker, 0o666 & ~_umask(), self.root)
                    removal.rename(staged.folder, goal, self.root)
                files.fsync_folder(goal.parent)
            if not staged.whole:
                removal.discard(staged.folder.parent, self.root)

    def switch(self, content: bytes | None) -> None:
        """Let the server use what ``content`` says, in one rename; None removes the switch."""
        path = self._path("switch")
        with self._refusing_links():
            if content is None:
                trash = self.root / _OWN / store_layout.trash_name()
                with contextlib.suppress(FileNotFoundError):
                    removal.rename(path, trash, self.root)
                    files.fsync_folder(path.parent)
                removal.discard(trash, self.root)
            elif self.read_switch() != content:
                temporary = self.root / _OWN / store_layout.temporary_name()
                self._write_switch(temporary, content)
                removal.rename(temporary, path, self.root)
                files.fsync_folder(path.parent)

    def placed(self, number: int) -> Placed | None:
        """What the registry placed for a version; None if it placed nothing."""
        data = self._read(self._own / f"{number}.json")
        if data is None:
            return None
        try:
            document = json.loads(data)
            found = Placed({str(path): str(sha256) for path, sha256 in document["files"].items()}, document["inode"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Damaged(f"'{self._own / f'{number}.json'}' can't be read", "deploy the version again") from None
        return found

    def find_damage(self, number: int, digest: str) -> str:
        """Why a release is not as it was placed, ``digest`` being that of its list of files; empty if it is."""
        try:
            placed = self.placed(number)
            if placed is None or placed.digest != digest:
                return "the list of what was placed is missing" if placed is None else "the list of files was changed"
            base = self._path("release", number).relative_to(self.root).as_posix()
            for path, sha256 in placed.files.items():
                with files.open_beneath(self.root, f"{base}/{path}" if path else base) as descriptor:
                    size = os.fstat(descriptor).st_size
                    if copying.copy_and_hash(descriptor, None, size)[0] != sha256:
                        return f"'{path or base}' was changed"
        except NotFound:
            return f"'{path or base}' is missing"
        except (Damaged, OSError) as error:
            return getattr(error, "message", "") or str(error)
        return ""

    def numbers(self) -> list[int]:
        """The versions that the registry has placed, in order."""
        found = (store_layout.version_of(each.removesuffix(".json")) for each in files.list_folder(self._own))
        return sorted(number for number in found if number)

    def remove_release(self, number: int) -> None:
        """Remove what the registry placed for a version, renamed first; anything else under its name stays."""
        placed, path = self.placed(number), self._path("release", number)
        with self._refusing_links():
            if placed is not None and _inode(path) == placed.inode:
                trash = self.root / _OWN / store_layout.trash_name()
                removal.rename(path, trash, self.root)
                files.fsync_folder(path.parent)
                removal.discard(trash, self.root)
            removal.remove(self._own / f"{number}.json", self.root)

    def withdraw(self) -> None:
        """Remove the switch and all releases of the model: what the registry made, and nothing else."""
        if (switch := self.read_switch()) is not None and self.layout.served(switch, self.name) is not None:
            self.switch(self.layout.without(switch, self.name))
        for number in self.numbers():
            self.remove_release(number)
        release = self._path("release", 1)
        for folder in (release.parent, self._path("home")):
            if folder != self.root and self.layout.home:
                with contextlib.suppress(OSError), removal.open_parent(folder, self.root) as parent:
                    os.rmdir(folder.name, dir_fd=parent)  # not if somebody put something there
        removal.discard(self._own, self.root)

    def _path(self, kind: str, number: int = 0) -> Path:
        text = {"home": self.layout.home, "release": self.layout.release, "switch": self.layout.switch}[kind]
        return self.root / text.format(name=self.name, number=number)

    def release_path(self, number: int) -> Path:
        return self._path("release", number)

    def _write_files(
        self, release: Path, plan: Plan, content: Callable[[set[str]], Iterator[tuple[str, VerifiedStream]]],
        progress: Progress,
    ) -> dict[str, str]:  # fmt: skip
        origins: dict[str, list[str]] = {}
        for path, origin in plan.copies.items():
            origins.setdefault(origin, []).append(path)
        placed = {}
        self._make_folder(release)
        for origin, stream in content(set(origins)):
            (path,) = origins[origin]
            with self._new_file(release / path) as descriptor:
                placed[path] = _copy(stream, descriptor, progress)
        for path, data in plan.written.items():
            with self._new_file(release / path) as descriptor:
                files.write_all(descriptor, data)
            placed[path] = hashlib.sha256(data).hexdigest()
        return placed

    def _write_archive(
        self, release: Path, plan: Plan, content: Callable[[set[str]], Iterator[tuple[str, VerifiedStream]]],
        progress: Progress,
    ) -> dict[str, str]:  # fmt: skip
        """A zip with the same bytes each time: nothing is compressed, and all times are the first that a zip can have."""
        names = {origin: path for path, origin in plan.copies.items()}
        with self._new_file(release) as descriptor, os.fdopen(os.dup(descriptor), "w+b") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
                for path, data in sorted(plan.written.items()):
                    archive.writestr(zipfile.ZipInfo(path), data)
                for origin, source in content(set(names)):
                    info = zipfile.ZipInfo(names[origin])
                    info.external_attr = 0o644 << 16
                    with archive.open(info, "w", force_zip64=True) as member:
                        while block := source.read(files.BLOCK):
                            member.write(block)
                            progress(len(block))
            stream.flush()
            os.lseek(descriptor, 0, os.SEEK_SET)
            return {"": copying.copy_and_hash(descriptor, None, os.fstat(descriptor).st_size)[0]}

    @contextlib.contextmanager
    def _new_file(self, path: Path) -> Iterator[int]:
        for folder in reversed(path.relative_to(self.root).parents):
            if folder.parts[2:]:  # below .registry/TEMPORARY
                self._make_folder(self.root / folder)
        with (
            removal.open_parent(path, self.root) as parent,
            files.open_descriptor(path.name, files.CREATE_READABLE, 0o666, folder=parent) as descriptor,
        ):
            yield descriptor

    def _write_switch(self, path: Path, content: bytes) -> None:
        with removal.open_parent(path, self.root) as parent:
            if self.layout.is_link:
                os.symlink(content, path.name, dir_fd=parent)
            else:
                files.write_new(path, content, 0o666 & ~_umask(), folder=parent)

    def _make_folder(self, path: Path, mode: int = 0o777) -> None:
        """Make a folder, and those around it, in the target."""
        if path == self.root:
            return
        for folder in (*reversed(path.relative_to(self.root).parents[:-1]), path.relative_to(self.root)):
            with contextlib.suppress(FileExistsError), removal.open_parent(self.root / folder, self.root) as parent:
                os.mkdir(folder.name, mode, dir_fd=parent)
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))

    def _sync(self, folder: Path, count: int) -> None:
        """Bring what was staged to the disk."""
        if count >= _MANY and files.sync_file_system(folder):
            return
        for each, status in [*files.iter_tree(folder)][::-1]:
            if not stat.S_ISLNK(status.st_mode):
                with files.open_descriptor(each, files.READ) as descriptor:
                    os.fsync(descriptor)
        files.fsync_folder(folder)

    def _read(self, path: Path) -> bytes | None:
        """A file in ``.registry/``; None if it is not there."""
        try:
            with files.open_beneath(self.root, path.relative_to(self.root).as_posix()) as descriptor:
                return b"".join(iter(lambda: os.read(descriptor, files.BLOCK), b""))[:_LIMIT]
        except NotFound:
            return None

    @contextlib.contextmanager
    def _refusing_links(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR):
                where = error.filename or self.root
                raise Conflict(f"'{where}' is a link or a file, where a folder should be", "remove it") from None
            raise


def _copy(stream: VerifiedStream, target: int, progress: Progress) -> str:
    """Copy a file, its blocks shared where the file system can; return its sha256. :class:`Damaged` if it differs."""
    if isinstance(stream.raw, int) and copying.clone(stream.raw, target):
        sha256, size = copying.copy_and_hash(target, None, stream.size)
        progress(size)
        stream.check(sha256)
        return sha256
    stream.copy(target, progress)
    return stream.sha256


def _is_empty_tree(path: Path) -> bool:
    """Whether there are only folders: those may be left of a deployment that was ended."""
    status = os.lstat(path)
    return stat.S_ISDIR(status.st_mode) and all(stat.S_ISDIR(each.st_mode) for _, each in files.iter_tree(path))


def _inode(path: Path) -> int | None:
    try:
        return os.lstat(path).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
