"""The crontab, run as cron would run it, and the script that it calls."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registry_cli import Registry
from registry_cli.store.filesystem import locking
from tests.examples.conftest import BIN, EXAMPLES, Run
from tests.support import snapshot

SCRIPT = EXAMPLES / "archive-old.sh"
FIELD = re.compile(r"(\*|[0-9]+)(/[0-9]+)?")


@pytest.fixture
def demand(reg: Registry, make_file: Callable[..., Path]) -> Registry:
    """Eight versions; 2 is live, 1 was live before it, 3 has an alias."""
    for number in range(8):
        reg.register("demand/weekly", [make_file(f"model {number}")], metrics={"mape": 0.1})
    reg.promote("demand/weekly@1", "production")
    reg.promote("demand/weekly@2", "production")
    reg.alias("demand/weekly@3", "champion")
    reg.register("other", [make_file("another")])
    return reg


def in_use(registry: Registry) -> list[int]:
    return sorted(version.number for version in registry.versions("demand/weekly"))


class Cron:
    """What cron does with a crontab: its assignments are the environment, a command goes to ``/bin/sh``."""

    def __init__(self, text: str, home: Path) -> None:
        self.environment = {"SHELL": "/bin/sh", "LOGNAME": "models", "HOME": str(home)}
        self.jobs: list[tuple[list[str], str]] = []
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            if assigned := re.match(r"(\w+)\s*=\s*(.*)", line):
                self.environment[assigned[1]] = assigned[2]
            else:
                *when, command = line.split(None, 5)
                self.jobs.append((when, command))

    def run(self, at: int, folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/env", "-i", *(f"{name}={text}" for name, text in self.environment.items()),
             "/bin/sh", "-c", self.jobs[at][1]],
            cwd=folder, env={}, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip


@pytest.fixture
def cron(tmp_path: Path, reg: Registry) -> Cron:
    """The crontab, with its places put where things are here."""
    opt = tmp_path / "opt"
    opt.mkdir()
    (opt / "bin").symlink_to(BIN)
    (opt / "examples").symlink_to(EXAMPLES)
    text = (EXAMPLES / "crontab").read_text()
    assert "/opt/registry" in text
    assert "/srv/models" in text
    return Cron(text.replace("/opt/registry", str(opt)).replace("/srv/models", str(reg.root)), tmp_path / "nobody")


@pytest.fixture
def ruled(demand: Registry) -> Registry:
    """The same, with rules for every model."""
    with (demand.root / "registry.yaml").open("a") as stream:
        stream.write("retention:\n  archive: {keep: 3, keep_holders: 3}\n")
    return demand


class TestCrontab:
    def test_is_one(self) -> None:
        text = (EXAMPLES / "crontab").read_text()
        assert text.endswith("\n"), "cron ignores a last line without its end"
        cron = Cron(text, Path("/"))
        assert len(cron.jobs) == 3
        assert "MAILTO" in cron.environment
        for when, command in cron.jobs:
            assert len(when) == 5
            assert all(FIELD.fullmatch(field) for field in when), when
            assert not re.search(r"(?<!\\)%", command), "% ends a command"

    def test_prunes_at_night_says_nothing_and_writes_it_down(self, cron: Cron, ruled: Registry, tmp_path: Path) -> None:
        done = cron.run(0, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert in_use(ruled) == [1, 2, 3, 6, 7, 8]
        log = Path(f"{ruled.root}-retention.log")
        assert [line.split()[1] for line in log.read_text().splitlines()] == ["demand/weekly@4", "demand/weekly@5"]
        before = snapshot(ruled.root)
        done = cron.run(0, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert snapshot(ruled.root) == before
        assert len(log.read_text().splitlines()) == 2

    def test_checks_every_byte_on_sundays(self, cron: Cron, demand: Registry, tmp_path: Path) -> None:
        done = cron.run(1, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        file = demand.path("demand/weekly@5", "model.pkl")
        content = file.read_bytes()
        os.chmod(file, 0o644)
        file.write_bytes(b"MODEL 4")
        os.chmod(file, 0o444)
        done = cron.run(1, tmp_path)
        assert "the model registry is damaged" in done.stderr
        os.chmod(file, 0o644)
        file.write_bytes(content)
        os.chmod(file, 0o444)

    def test_sweeps_on_sundays(self, cron: Cron, demand: Registry, tmp_path: Path) -> None:
        done = cron.run(2, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert in_use(demand) == list(range(1, 9))

    def test_the_line_of_the_page_does_the_same(self, cron: Cron, ruled: Registry, tmp_path: Path) -> None:
        page = (EXAMPLES.parent / "docs/how-to/cron.md").read_text()
        line = next(line.strip() for line in page.splitlines() if "prune --all --yes" in line)
        cron.jobs = [([], line.split(None, 5)[5].replace("/srv/models", str(ruled.root)))]
        done = cron.run(0, tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert in_use(ruled) == [1, 2, 3, 6, 7, 8]


class TestArchiveOld:
    def test_without_rules_nothing_is_done(self, run: Run, demand: Registry) -> None:
        before = snapshot(demand.root)
        done = run(SCRIPT, demand.root)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert snapshot(demand.root) == before

    def test_a_busy_model_is_for_the_next_run(self, run: Run, ruled: Registry) -> None:
        environment = {"PATH": f"{BIN}:/usr/bin:/bin", "LOCK_TIMEOUT": "0.2"}
        lock = ruled.root / "models" / "demand" / "weekly" / ".lock"
        with locking.exclusive(lock, "demand/weekly", 0o644, 5, lambda _: None):
            done = run(SCRIPT, ruled.root, environment=environment)
        assert (done.returncode, done.stdout, done.stderr) == (75, "", "")
        assert in_use(ruled) == list(range(1, 9))

    def test_a_slip_in_one_model_does_not_keep_the_others_from_their_turn(self, run: Run, ruled: Registry) -> None:
        with (ruled.root / "models" / "other" / "model.yaml").open("a") as stream:
            stream.write("retention: {archive: {kepe: 3}}\n")
        done = run(SCRIPT, ruled.root)
        assert (done.returncode, done.stdout) == (2, "")
        assert "keep" in done.stderr
        assert in_use(ruled) == [1, 2, 3, 6, 7, 8]

    def test_no_registry(self, run: Run, tmp_path: Path) -> None:
        done = run(SCRIPT, tmp_path / "nowhere")
        assert (done.returncode, done.stdout) == (3, "")
        assert "no registry in" in done.stderr

    @pytest.mark.parametrize("arguments", [[], ["/srv/models", "log", "3"]])
    def test_wrong_arguments(self, run: Run, arguments: list[str]) -> None:
        done = run(SCRIPT, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("usage: archive-old.sh REGISTRY [LOG]")
