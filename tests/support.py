"""What several tests need: a picture of a folder, processes that start at one moment, a life without root's rights."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import stat
import tempfile
import traceback
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import filelock

from registry_cli import Registry
from registry_cli.rules.policy.policy import Policies, StagePolicy, check_circular, join_policies

#: The user that has no rights of its own, for tests that run as root.
NOBODY = 65534

#: One job of a race: a function of a module (it is imported anew in its process) and its arguments.
Job = tuple[Callable[..., Any], tuple[Any, ...]]


def locking_truncates() -> bool:
    """Whether this filelock truncates the file that it locks: the newest release for Python 3.10 does, later ones don't."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lock")
        path.write_text("content")
        with filelock.UnixFileLock(path):
            return not path.stat().st_size


_PEAK = Path("/proc/self/clear_refs")


@contextlib.contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Fail when the block takes more than ``limit`` bytes of memory at its peak.

    Where Linux counts it, the count is that of the kernel, with what C code takes: tracing Python's allocations makes a
    block several times slower, and is only done elsewhere.
    """
    try:
        _return_free_memory()
        _PEAK.write_text("5", encoding="ascii")  # the peak begins anew
    except OSError:
        tracemalloc.start()
        try:
            yield
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    else:
        before = _resident("VmRSS")
        yield
        peak = _resident("VmHWM") - before
    assert peak < limit, f"{peak:,} bytes"


def _return_free_memory() -> None:
    """Give back to the system what is free, so that taking it again counts."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident(kind: str) -> int:
    found = re.search(rf"^{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1]) << 10


#: What of a ``.lock`` may change although nothing was written.
LOCKING_TRUNCATES = locking_truncates()


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything below ``root``: kind and mode, inode, links, size, time of change, and the bytes or the link's target.

    Two of these are equal exactly when nothing was written in between; times of access don't count, nor does what
    filelock itself does to a ``.lock`` (see :data:`LOCKING_TRUNCATES`).
    """
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        for name in (".", *folders, *names):
            path = Path(folder, name)
            status = path.lstat()
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = (
                status.st_mode, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns, content,
            )  # fmt: skip
            if name == ".lock" and stat.S_ISREG(status.st_mode) and LOCKING_TRUNCATES:
                found[str(path.relative_to(root))] = (status.st_mode, status.st_ino, status.st_nlink)
    return found


def taken_out(registry: Registry, ref: str, file: str = "") -> Path:
    """A copy of a version's files outside of the registry, or of one: nothing is registered from inside of one."""
    folder = Path(tempfile.mkdtemp(dir=registry.root.parent), "files")
    registry.fetch(ref, folder)
    return folder / file


def race(jobs: Sequence[Job]) -> list[Any]:
    """Run each job in a process of its own, all set off at one moment; their results, in the order of ``jobs``.

    A job that raises makes the race raise AssertionError with its traceback. The processes are new ones, not forks:
    they share nothing with the test but the file system.
    """
    context = get_context("spawn")
    start = context.Barrier(len(jobs))
    ends = [context.Pipe(duplex=False) for _ in jobs]
    processes = [context.Process(target=_run, args=(start, end[1], *job)) for end, job in zip(ends, jobs, strict=True)]
    for process, end in zip(processes, ends, strict=True):
        process.start()
        end[1].close()
    results = []
    for end in ends:
        with contextlib.closing(end[0]):
            results.append(end[0].recv())
    for process in processes:
        process.join()
        process.close()
    for failed, result in results:
        assert not failed, result
    return [result for _, result in results]


def _run(start: Barrier, end: Connection, job: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        start.wait(60)
        end.send((False, job(*arguments)))
    except BaseException:
        end.send((True, traceback.format_exc()))
    finally:
        end.close()


@contextlib.contextmanager
def without_rights(*owned: Path) -> Iterator[None]:
    """Go on as a user who is not root and who owns ``owned``. For one who isn't root anyway, nothing changes."""
    if os.geteuid() != 0:
        yield
        return
    for root in owned:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def everything_imported() -> None:
    """Import what the library imports late: a process that gave up its rights may not be able to read it any more."""
    import importlib
    import pkgutil

    import registry_cli

    for module in pkgutil.walk_packages(registry_cli.__path__, "registry_cli."):
        if not module.name.startswith(("registry_cli.cli", "registry_cli.__main__")):
            importlib.import_module(module.name)
    for name in ("filelock", "yaml", "ctypes", "concurrent.futures.thread", "pwd", "queue"):
        importlib.import_module(name)


def merge_policies(common: Policies, own: Policies, stages: Sequence[str]) -> dict[str, StagePolicy]:
    """The policies of a registry and of a model as one; an error if no version could ever enter a stage."""
    policies = join_policies(common, own, stages)
    check_circular(policies, stages)
    return policies
