"""Every example runs, for real, as its page says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from registry_cli import Registry

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = str(Path(sys.executable).parent)

pytest.importorskip("sklearn", reason="the examples train with scikit-learn: pip install '.[demo]'")


def run(*command: str, cwd: Path, expect: int = 0, **environment: str) -> str:
    """Run a command with our environment's programs first; what it printed."""
    variables = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(cwd), **environment}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Registry:
    return Registry.init(tmp_path / "registry")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A copy of the examples, to be worked in."""
    return shutil.copytree(EXAMPLES, tmp_path / "work")


def test_quickstart_twice(work: Path) -> None:
    for _ in range(2):
        printed = run("bash", "quickstart.sh", "demo", cwd=work)
        assert "production of cancer is now" not in printed  # that is talk, on standard error
        assert printed.count("cancer@3\n") == 2
        assert "truth: malignant" in printed
    registry = Registry.open(work / "demo" / "models-registry")
    assert registry.version("cancer@production").number == 2
    assert [entry.event.action for entry in registry.history("cancer", limit=1)] == ["rolled-back"]
    assert registry.verify().problems == ()


def test_the_makefile_twice(work: Path, home: Registry) -> None:
    for _ in range(2):
        printed = run("make", cwd=work, REGISTRY_HOME=str(home.root))
        assert "ok     auc" in printed
    assert [version.number for version in home.versions("recommender")] == [1]
    assert home.version("recommender@production").stages == ("staging", "production")
    assert "benign with probability" in run("make", "serve", cwd=work, REGISTRY_HOME=str(home.root))
    assert home.verify().problems == ()


def test_the_gate_says_no(work: Path, home: Registry) -> None:
    home.register("recommender", [work / "gate.py"], metrics={"auc": 0.5})
    printed = run("python", "gate.py", "recommender@1", "auc>=0.9", cwd=work, expect=1, REGISTRY_HOME=str(home.root))
    assert "FAILED auc = 0.5" in printed


def test_training_with_the_api(work: Path, home: Registry) -> None:
    first = run("python", "train_with_api.py", "--trees", "2", cwd=work, REGISTRY_HOME=str(home.root))
    second = run("python", "train_with_api.py", "--trees", "60", cwd=work, REGISTRY_HOME=str(home.root))
    assert "risk/progression@1 is staged" in first
    assert "registered risk/progression@2" in second
    assert home.version("risk/progression@2").annotations["special_considerations"]
    assert home.verify().problems == ()


def test_the_crontab(work: Path, home: Registry, tmp_path: Path) -> None:
    """Each line's command, as cron would run it: an empty environment and /bin/sh."""
    source = tmp_path / "model.bin"
    for number in range(34):
        source.write_text(f"forecast {number}")
        home.register("demand", [source])
    home.promote("demand@1", "production")
    home.promote("demand@2", "production")
    lines = [line for line in (work / "crontab").read_text().splitlines() if line and line[0].isdigit()]
    commands = [line.split(maxsplit=5)[5] for line in lines]
    assert len(commands) == 2
    for command in commands:
        here = command.replace("/opt/registry/examples", str(work)).replace("/srv/models", str(home.root))
        done = subprocess.run(["env", "-i", f"PATH={BIN}:/usr/bin:/bin", "/bin/sh", "-c", here],
                              cwd="/", capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done
    assert home.model("demand").archived == 2  # 4 were too many; 2 is in production, 1 is what a rollback would need
    again = subprocess.run([str(work / "archive-old.sh"), str(home.root), "30"], env={"PATH": f"{BIN}:{os.defpath}"},
                           capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert home.verify().problems == ()
