"""Checks that the file system keeps the guarantees of the store, made in the registry itself with scratch files."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import UnixFileLock

from ...core.results import DoctorCheck
from ...errors import RegistryError, explain
from .. import layout, model_names
from ..codec import RegistrySettings
from ..filesystem import files, removal
from ..filesystem.files import Modes
from ..layout import Layout

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "lustre", "beegfs", "ceph", "gpfs", "afs", "glusterfs"}
_NO_LINKS = {"vfat", "exfat", "msdos", "fuse.exfat"}
_CONTAINER_NAME = re.compile(r"(localhost|[0-9a-f]{12})(\.|\Z)")
_LOCK_SECONDS = 30
_OTHER = "use another file system for the registry"

#: What the second process of the lock test runs: it must not get the lock.
_CONTENDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(3)
sys.exit(0)
"""


def run_checks(root: Layout, settings: RegistrySettings) -> Iterator[DoctorCheck]:
    """Run every check, in a scratch folder inside the registry that is removed again."""
    yield from _mount(root.root)
    scratch = root.root / layout.temporary_name()
    try:
        os.mkdir(scratch, 0o700)
    except OSError as error:
        message = f"cannot write here: {explain(error)}"
        yield DoctorCheck("writable", "warning", message, "reading works; ask the owner to write")
        yield from _modes(root, settings)
        return
    try:
        yield DoctorCheck("writable", "ok", "files can be created")
        for name, check in _PROOFS:
            try:
                yield DoctorCheck(name, *check(scratch))
            except (OSError, RegistryError, subprocess.SubprocessError) as error:
                message = explain(error) if isinstance(error, OSError) else str(error)
                yield DoctorCheck(name, "failed", message, _OTHER)
    finally:
        removal.discard(scratch, root.root)
    yield from _modes(root, settings)
    yield from _room(root.root)


def _lock(scratch: Path) -> tuple[str, str, str]:
    """Hold the lock while a second process tries to get it; then release it, and let that try again."""
    path = scratch / layout.LOCK
    files.write_new(path, b"", 0o600)
    with UnixFileLock(path, mode=0o600, thread_local=False).acquire(timeout=1):
        try:
            held = _contend(path)
        except OSError as error:
            return (
                "warning",
                f"cannot start a second process to test locks: {explain(error)}",
                "run it as an ordinary user",
            )
    free = _contend(path)
    if held != 3:
        advice = "NFS: mount without 'nolock' and 'local_lock', or use NFS 4; do not let two machines write"
        return "failed", "two processes acquired the same lock: locks have no effect here", advice
    if free != 0:
        return "failed", "a released lock could not be acquired again", "check the lock service of the file server"
    return "ok", "a second process is excluded while the first holds the lock", ""


def _contend(path: Path) -> int:
    command = [sys.executable, "-I", "-S", "-c", _CONTENDER, str(path)]
    done = subprocess.run(command, timeout=_LOCK_SECONDS, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode


def _rename(scratch: Path) -> tuple[str, str, str]:
    """A folder can't be renamed over one that is not empty: two versions can't get the same number."""
    for name in ("a", "b"):
        os.mkdir(scratch / name)
        files.write_new(scratch / name / "x", name.encode(), 0o600)
    with contextlib.suppress(OSError):
        os.rename(scratch / "a", scratch / "b")
        return "failed", "a folder was renamed over another that was not empty", _OTHER
    os.rename(scratch / "a", scratch / "c")
    if not (scratch / "c" / "x").exists():
        return "failed", "a renamed folder lost its file", _OTHER
    return "ok", "a version can't be renamed over another", ""


def _link(scratch: Path) -> tuple[str, str, str]:
    """A hard link can't be made over a file: a lost update becomes a conflict."""
    files.write_new(scratch / "claim", b"1", 0o600)
    try:
        os.link(scratch / "claim", scratch / "claim-1")
    except OSError as error:
        if error.errno in files.NO_LINKS:
            advice = "the registry works, but identical files are stored twice, and only the lock separates two writers"
            return "warning", "this file system has no hard links", advice
        raise
    with contextlib.suppress(FileExistsError):
        os.link(scratch / "claim", scratch / "claim-1")
        return "failed", "a hard link was made over a file that exists", _OTHER
    if os.lstat(scratch / "claim").st_nlink != 2:
        return "warning", "this file system does not count hard links", "gc cannot detect which blobs are in use"
    return "ok", "hard links are exclusive; identical files are stored once", ""


def _symlink(scratch: Path) -> tuple[str, str, str]:
    try:
        os.symlink("claim", scratch / "link")
    except OSError as error:
        message = f"no symbolic links here: {explain(error)}"
        return "warning", message, "the links in stages/ will be missing; 'registry path' works anyway"
    return "ok", "the links in stages/ can be created", ""


def _sync(scratch: Path) -> tuple[str, str, str]:
    files.write_new(scratch / "synced", b"x" * 4096, 0o600)
    files.fsync_folder(scratch)
    return "ok", "files and folders can be synced to disk", ""


def _seal(scratch: Path) -> tuple[str, str, str]:
    """No file can be added to a sealed folder (except by root), and it can still be renamed."""
    folder = scratch / "sealed"
    os.mkdir(folder)
    os.chmod(folder, 0o555)
    mode = stat.S_IMODE(os.lstat(folder).st_mode)
    os.rename(folder, scratch / "renamed")
    os.chmod(scratch / "renamed", 0o700)
    if mode != 0o555:
        return "warning", f"permissions are not stored (0555 became {mode:04o})", "versions can't be made read-only"
    return "ok", "versions can be sealed", ""


_PROOFS: tuple[tuple[str, Callable[[Path], tuple[str, str, str]]], ...] = (
    ("locks", _lock),
    ("rename", _rename),
    ("hard links", _link),
    ("symbolic links", _symlink),
    ("sync", _sync),
    ("modes", _seal),
)


def _mount(root: Path) -> Iterator[DoctorCheck]:
    """Check the file system that holds the registry, as ``/proc/self/mountinfo`` describes it."""
    found = mount_of(root)
    if found is None:
        yield DoctorCheck("mount", "warning", "cannot determine how the folder is mounted")
        return
    kind, options = found
    status, message, advice = "ok", f"{kind} ({','.join(sorted(options))})"[:160], ""
    broken = sorted(option for option in options if option in ("nolock", "local_lock=all", "local_lock=flock"))
    if kind.startswith("nfs") and broken:
        status, message = "failed", f"mounted with {', '.join(broken)}: each machine has its own locks"
        advice = "remount without these options; until then write from one machine only"
    elif kind in _NO_LINKS:
        status, message = "warning", f"{message}: no hard links, no modes"
        advice = "use a Unix file system for more than one person"
    elif kind in _NETWORK:
        message = f"{message}: a network file system"
    elif kind == "overlay":
        status, message = "warning", "overlay: files in an image layer cannot be renamed"
        advice = "keep the registry on a volume"
    yield DoctorCheck("mount", status, message, advice)
    if kind == "nfs4" and not broken:
        yield from _client_names()


def _client_names() -> Iterator[DoctorCheck]:
    """Two NFS 4 clients of one name are one client to the server: it lets both have a lock."""
    identifier, name = Path("/sys/fs/nfs/net/nfs_client/identifier"), os.uname().nodename
    with contextlib.suppress(OSError):
        if identifier.read_text().strip() not in ("", "(null)"):
            return
    if _CONTAINER_NAME.match(name):
        message = f"NFS 4, and this machine is named '{name}'"
        advice = "give each client its own nfs4_unique_id: machines with the same name share their locks"
        yield DoctorCheck("client name", "warning", message, advice)


def mount_of(path: Path, table: str | None = None) -> tuple[str, frozenset[str]] | None:
    """Type and options of the mount that holds ``path``; ``table`` is the text of a mountinfo file."""
    if table is None:
        try:
            table = Path("/proc/self/mountinfo").read_text()
        except OSError:
            return None
    best: tuple[int, str, frozenset[str]] | None = None
    real = path.resolve()
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(types) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        if real.is_relative_to(point) and (best is None or len(point) >= best[0]):
            best = (len(point), types[0], frozenset(f"{fields[5]},{types[2]}".split(",")))
    return best[1:] if best else None


def _modes(root: Layout, settings: RegistrySettings) -> Iterator[DoctorCheck]:
    """Check that the folders have the modes that the sharing needs."""
    modes = Modes.of(settings.shared)
    wrong = []
    for path, need in _places(root, modes):
        mode, name = stat.S_IMODE(os.lstat(path).st_mode), path.relative_to(root.root)
        if settings.shared == "group" and mode & need != need:
            wrong.append(f"{name} has {mode:04o}, needs {need:04o}")
        elif mode & 0o002:
            wrong.append(f"{name} is writable for everyone ({mode:04o})")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        advice = (
            f"chmod {modes.folder:04o} the folders, {modes.versions:04o} each versions/, {modes.file:04o} the files"
        )
        yield DoctorCheck("sharing", "failed", f"shared: {settings.shared}, but {wrong[0]}{more}", advice)
    else:
        yield DoctorCheck(
            "sharing", "ok", f"shared: {settings.shared}; the permissions of {root.models.name}/ are correct"
        )
    owner = os.lstat(root.root).st_uid
    if owner not in (0, os.geteuid()) and settings.shared == "private":
        message = f"this registry belongs to another user (uid {owner})"
        yield DoctorCheck("owner", "warning", message, "reading is safe: nothing in it is executed")


def _places(root: Layout, modes: Modes) -> Iterator[tuple[Path, int]]:
    """What several people write to, with the mode that it needs."""
    yield root.root, 0  # everything in it is made when the registry is
    yield root.models, modes.folder
    for group in sorted({root.group(name).root for name in model_names.iter_model_names(root) if "/" in name}):
        yield group, modes.folder
    for name in model_names.iter_model_names(root):
        paths = root.model(name)
        needs = {paths.root: modes.folder, **dict.fromkeys(paths.folders, modes.folder)}
        needs |= {paths.versions: modes.versions, paths.packs: modes.versions}
        needs |= {paths.lock: modes.file, paths.history: modes.file}
        yield from ((path, need) for path, need in needs.items() if files.exists(path))


def _room(root: Path) -> Iterator[DoctorCheck]:
    room = os.statvfs(root)
    free, total = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    inodes = room.f_favail if room.f_files else 1_000_000
    if total and (free < total // 50 or free < 1 << 30 or inodes < 10_000):
        message = f"{free:,} bytes and {inodes:,} files are left"
        yield DoctorCheck("room", "warning", message, "free space with 'registry gc' or delete archived versions")
    else:
        yield DoctorCheck("room", "ok", f"{free:,} bytes free")
