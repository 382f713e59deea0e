"""Measuring: commands in turn (A B, B A, …), their medians, and the row of the table that they give."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """Seconds: by the clock on the wall, and of the processor (user and system, with all child processes)."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Timing:
    """What samples come to, in seconds: the medians, and the least on the wall."""

    wall: float
    cpu: float
    least: float

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Timing:
        taken = list(samples)
        walls = [each.wall for each in taken]
        return cls(statistics.median(walls), statistics.median(each.cpu for each in taken), min(walls))


@dataclass(frozen=True)
class Row:
    """One line of the table. ``goal`` is the highest ratio allowed, None where none is set."""

    part: str
    work: str
    ours: Timing
    floor: str
    baseline: Timing
    goal: float | None = None
    note: str = ""
    sound: bool = True  # what else had to hold: nothing lost, no byte added

    @property
    def ratio(self) -> float:
        return self.ours.wall / self.baseline.wall

    @property
    def least_ratio(self) -> float:
        return self.ours.least / self.baseline.least

    @property
    def cpu_ratio(self) -> float | None:
        return self.ours.cpu / self.baseline.cpu if self.baseline.cpu > 0.001 else None

    @property
    def met(self) -> bool | None:
        if not self.sound:
            return False
        return None if self.goal is None else round(self.ratio, 2) <= self.goal


@dataclass(frozen=True)
class Bench:
    """What a part needs: a folder on the disk to be measured, whether to be quick, and how to call ``registry``."""

    folder: Path
    quick: bool

    def rounds(self, usual: int) -> int:
        return max(3, usual // 4) if self.quick else usual

    @property
    def large(self) -> int:
        """The size of a large file in bytes."""
        return (64 if self.quick else 1024) * MIB

    def registry(self, name: str, *arguments: str) -> list[str]:
        return [*registry_command(), *arguments, "-C", str(self.folder / name)]

    def fresh_registry(self, name: str) -> Path:
        """An empty registry in the place of the one that had this name."""
        remove(self.folder / name)
        run([*registry_command(), "init", str(self.folder / name)])
        return self.folder / name


def registry_command() -> list[str]:
    """The command as installed beside this Python."""
    script = Path(sys.executable).with_name("registry")
    return [str(script)] if script.exists() else [sys.executable, "-m", "registry_cli"]


def run(arguments: Sequence[str | Path], extra: Mapping[str, str] | None = None) -> Sample:
    """Run a command to its end; RuntimeError with its error output if it fails."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("REGISTRY", "_REGISTRY", "PYTHON"))
    }
    with subprocess.Popen(
        arguments, env={**environment, **(extra or {})},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        started = time.perf_counter()  # Popen returns when the command runs: what comes before is not its doing
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        ended = time.perf_counter()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: exit {process.returncode}: {errors.decode()}")
    return Sample(ended - started, used.ru_utime + used.ru_stime)


def shell(script: str, *arguments: str | Path) -> Sample:
    """Run a line of shell, which finds the arguments as ``$1`` and so on."""
    return run(["sh", "-ec", script, "sh", *map(str, arguments)])


def slower(one: Timing, other: Timing) -> Timing:
    return max(one, other, key=lambda timing: timing.wall)


def in_turn(
    rounds: int, *subjects: Callable[[], Sample], settle: Callable[[], None] = lambda: None, warm: bool = True
) -> list[Timing]:
    """The timing of each subject, measured in turn: first to last, then last to first, and so on.

    ``settle`` is called before each and is not measured. The first time of each does not count if ``warm``.
    """
    taken: list[list[Sample]] = [[] for _ in subjects]
    order = list(range(len(subjects)))
    for number in range(rounds + warm):
        for at in order:
            settle()
            sample = subjects[at]()
            if number or not warm:
                taken[at].append(sample)
        order.reverse()
    return [Timing.of(samples) for samples in taken]


def remove(path: Path) -> None:
    """Remove a file or folder, sealed or not."""
    if path.is_dir() and not path.is_symlink():
        for folder, _, _ in os.walk(path):
            os.chmod(folder, 0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def used(folder: Path) -> int:
    """The bytes that a folder takes on the disk, each file counted once."""
    blocks = {}
    for place, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(place, name))
            blocks[status.st_ino] = status.st_blocks
    return sum(blocks.values()) * 512


def room_for(bench: Bench, size: int) -> None:
    """Raise :class:`NoRoom` unless the disk has room for ``size`` bytes and a bit more."""
    free = shutil.disk_usage(bench.folder).free
    if free < size + 256 * MIB:
        raise NoRoom(f"needs {size / MIB:,.0f} MiB, but only {free / MIB:,.0f} MiB are free")


class NoRoom(Exception):
    """The disk is too small for a part of the benchmark."""


def write_random(path: Path, size: int) -> Path:
    """A file of random bytes, on the disk when this returns."""
    with path.open("wb") as stream:
        left = size
        while left:
            left -= stream.write(os.urandom(min(left, MIB)))
        stream.flush()
        os.fsync(stream.fileno())
    return path
