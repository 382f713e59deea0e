"""Running an example as a person would: in a folder of its own, with little in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from registry_cli import Registry

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Where ``registry`` and ``python`` are.
BIN = Path(sys.executable).parent

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, reg: Registry) -> Run:
    """Run a command in the folder ``work``, with the registry of the test in ``$REGISTRY_HOME``."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)

    def run(
        *arguments: str | Path, cwd: Path = work, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        if environment is None:
            environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": os.environ["HOME"], "REGISTRY_HOME": str(reg.root)}
        return subprocess.run(
            arguments, cwd=cwd, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )

    return run


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Callable[..., list[str]]:
    """Run a training script; the arguments that ``registry register`` takes for what it wrote."""

    def train(script: str, *arguments: str) -> list[str]:
        pytest.importorskip("sklearn", reason="needs the extra [demo]")
        done = run("python", EXAMPLES / script, "out", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return ["out/model.joblib", "--metrics-file", "out/metrics.json", "--params-file", "out/params.yaml"]

    return train


def lines(text: str, starting: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line.startswith(starting)]
