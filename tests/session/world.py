"""A world that is the same for every run of a session: its clock, its host and user, its environment and its faults."""

from __future__ import annotations

import contextlib
import datetime as datetime_module
import errno
import fcntl
import os
import pwd
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from unittest import mock

#: The time of the first command; each later one runs a minute after the one before.
START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
USER, HOST = "alice", "workstation"

_real_datetime = datetime


class _AnyDatetime(type):
    """Makes ``isinstance(moment, datetime)`` true for every moment while the class is replaced."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_datetime)


class Clock:
    """The time of a session: it changes between commands only, so no output depends on how fast a machine is."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def tick(self) -> None:
        self.moment += timedelta(minutes=1)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Replace ``datetime`` in the standard library and wherever the product has imported it already."""
        clock = self

        class FixedDatetime(datetime, metaclass=_AnyDatetime):
            def __new__(cls, *arguments: Any, **named: Any) -> Any:
                return _real_datetime(*arguments, **named)

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return clock.moment.astimezone(tz) if tz else clock.moment.replace(tzinfo=None)

        _replace_in_modules(_real_datetime, FixedDatetime)
        try:
            yield
        finally:
            _replace_in_modules(FixedDatetime, _real_datetime)


def _replace_in_modules(old: type, new: type) -> None:
    for name, module in list(sys.modules.items()):
        if module is datetime_module or name.split(".")[0] == "registry_cli":
            for attribute in [key for key, value in vars(module).items() if value is old]:
                setattr(module, attribute, new)


@contextlib.contextmanager
def fixed_environment(folder: Path, **more: str) -> Iterator[None]:
    """Work in ``folder/work`` with an environment of our own, whose registry is ``folder/registry``.

    ``more`` are further variables.
    """
    variables = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder / "home"),
        "REGISTRY_HOME": str(folder / "registry"),
        "REGISTRY_CACHE": str(folder / "cache"),
        "GIT_AUTHOR_DATE": START.isoformat(),
        "GIT_COMMITTER_DATE": START.isoformat(),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        "LINES": "50",
        "TZ": "UTC",
        **more,
    }
    for name in ("work", "home"):
        (folder / name).mkdir()
    before, umask = Path.cwd(), os.umask(0o022)
    os.chdir(folder / "work")
    try:
        with mock.patch.dict(os.environ, variables, clear=True):
            time.tzset()
            yield
    finally:
        time.tzset()
        os.umask(umask)
        os.chdir(before)


@contextlib.contextmanager
def fixed_system(clock: Clock) -> Iterator[None]:
    """Be ``alice`` on ``workstation``, at the time that ``clock`` shows."""
    system = os.uname_result(("Linux", HOST, "6.1.0", "#1", "x86_64"))
    account = pwd.struct_passwd((USER, "x", os.getuid(), os.getgid(), "", os.environ["HOME"], "/bin/sh"))
    with (
        mock.patch.object(os, "uname", lambda: system),
        mock.patch.object(pwd, "getpwuid", lambda _: account),
        clock.running(),
    ):
        yield


@contextlib.contextmanager
def locked(root: Path, model: str) -> Iterator[None]:
    """Hold the lock of a model, as another process would."""
    with (root / "models" / model / ".lock").open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def unsynced(_: Path, name: str) -> Iterator[None]:
    """Let every sync of files of this name fail, as on a disk that is breaking."""

    def fail(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with _before_each_sync(fail):
        yield


@contextlib.contextmanager
def interrupted(_: Path, name: str) -> Iterator[None]:
    """Press Ctrl-C when a file of this name is brought to the disk: one that the main thread writes, which is stopped."""

    def stop(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name == name:
            assert threading.current_thread() is threading.main_thread()
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run behind an &
    try:
        with _before_each_sync(stop):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _before_each_sync(action: Callable[[int], None]) -> Iterator[None]:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        action(descriptor)
        real(descriptor)

    with mock.patch.object(os, "fsync", fsync):
        yield


def remove(folder: Path) -> None:
    """Remove a folder with sealed folders in it."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder)


#: What ``$ [NAME ARGUMENT] registry ...`` does to the command behind it.
CONDITIONS = {"locked": locked, "unsynced": unsynced, "interrupted": interrupted}
