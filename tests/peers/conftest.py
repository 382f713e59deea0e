"""Other tools, each run in a process of its own: their imports take long, warn, and change the process they are in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent.parent / "interop" / "data"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true", "DVC_NO_ANALYTICS": "1",
    "BENTOML_DO_NOT_TRACK": "True", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONWARNINGS": "ignore",
}  # fmt: skip


class Tools:
    """Runs the programs of this environment; ``home`` is theirs."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *command: object, **variables: str) -> str:
        """Standard output of a program that must succeed; ``python`` is the one with the tools."""
        words = [str(sys.executable) if word == "python" else str(word) for word in command]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **_QUIET, "PATH": path, "HOME": str(self.home), "LOGNAME": "alice", **variables}
        ended = subprocess.run(
            words, env=environment, cwd=self.home, capture_output=True, text=True, timeout=240, check=False
        )
        assert ended.returncode == 0, f"{words}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
        return ended.stdout

    def told(self, *command: object, **variables: str) -> Any:
        """The JSON in the last line that a program prints."""
        return json.loads(self.run(*command, **variables).strip().splitlines()[-1])


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("tools"))
