"""The real Triton and MLServer, each from an environment of its own: versions are switched while clients ask.

``make test-servers`` makes the environments ``.venv-triton`` and ``.venv-mlserver``; without them these tests are skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from tests.serving.conftest import Change
from tests.serving.conftest import targets as targets  # noqa: PLC0414 - the fixture

pytestmark = pytest.mark.peers
ROOT = Path(__file__).parents[2]
SWITCHES = (1, 2, 3, 2, 1, 3, 1, 2, 3, 1)

MODEL = """import numpy
import triton_python_backend_utils as utils


class TritonPythonModel:
    def execute(self, requests):
        return [utils.InferenceResponse([utils.Tensor("VERSION", numpy.array([%d], dtype=numpy.int32))]) for _ in requests]
"""
CONFIG = """backend: "python"
max_batch_size: 0
input [ { name: "X" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "VERSION" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU } ]
"""


def environment(name: str) -> Path:
    """The folder of a virtual environment with a server."""
    folder = Path(os.environ.get(f"TEST_{name.upper()}", ROOT / f".venv-{name}"))
    if not (folder / "bin/python").exists():
        pytest.skip(f"no {folder.name}: make test-servers")
    return folder


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path, **variables: str) -> Iterator[None]:
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, stdout=stream, stderr=stream, env={**os.environ, **variables}, cwd=log.parent
        )
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/v2/health/ready", timeout=2).close()
                break
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.3)
        yield
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def ask(url: str, datatype: str) -> int:
    """The version that answers."""
    inputs = [{"name": "X", "shape": [1] if datatype == "INT32" else [1, 1], "datatype": datatype, "data": [1]}]
    request = urllib.request.Request(f"{url}/v2/models/churn/infer", json.dumps({"inputs": inputs}).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as response:
        return int(json.load(response)["outputs"][0]["data"][0])


class Client(threading.Thread):
    """Asks without a pause, and keeps what went wrong."""

    def __init__(self, url: str, datatype: str) -> None:
        super().__init__(daemon=True)
        self.url, self.datatype = url, datatype
        self.answers, self.failed, self.over = 0, list[str](), threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                assert ask(self.url, self.datatype) in (1, 2, 3)
                self.answers += 1
            except Exception as error:
                self.failed.append(repr(error))


def switch(reg: Registry, url: str, datatype: str) -> None:
    """Ten switches under load; the right version answers after each."""
    reg.deployments.deploy("churn@1", "t")
    client = Client(url, datatype)
    client.start()
    try:
        for number in SWITCHES[1:]:
            assert reg.deployments.deploy(f"churn@{number}", "t").state == "running"
            assert ask(url, datatype) == number
            (found,) = reg.deployments(check=True)
            assert (found.state, number in (found.running or ())) == ("ok", True), found
    finally:
        client.over.set()
        client.join(60)
    print(f"{client.answers} answers, {len(client.failed)} failed")
    assert client.failed == []
    assert client.answers > 10


@pytest.mark.parametrize("mode", ["explicit", "poll"])
def test_triton(reg: Registry, targets: Change, tmp_path: Path, port: int, mode: str) -> None:
    venv, url = environment("triton"), f"http://127.0.0.1:{port}"
    site = next(venv.glob("lib/python3*/site-packages"))
    for number in (1, 2, 3):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        (folder / "model.py").write_text(MODEL % number)
        (folder / "config.pbtxt").write_text(CONFIG)
        reg.register("churn", [folder])
    settings: dict[str, Any] = {"layout": "triton", "probe": url, "reload": "api" if mode == "explicit" else "none"}
    folder = targets(t=settings)
    (folder / "models").mkdir()
    triton, backend = site / "pytriton/tritonserver", tmp_path / "backends/python"
    backend.mkdir(parents=True)
    release = site.parent.name.removeprefix("python")
    stub = triton / "python_backend_stubs" / release / "triton_python_backend_stub"
    for path in (*(triton / "backends/python").glob("*.*"), stub):
        (backend / path.name).symlink_to(path)
    libraries = subprocess.run(
        [venv / "bin/python", "-c", "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    command = [
        str(triton / "bin/tritonserver"), f"--model-repository={folder / 'models'}", f"--backend-directory={backend.parent}",
        "--http-address=127.0.0.1", f"--http-port={port}", "--allow-grpc=false", "--allow-metrics=false",
        f"--model-control-mode={mode}", "--repository-poll-secs=1", "--exit-on-error=false",
    ]  # fmt: skip
    paths = {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(site),
        "LD_LIBRARY_PATH": f"{libraries}:{site / 'nvidia_pytriton.libs'}",
    }  # fmt: skip
    with running(command, url, tmp_path / "log", **paths):
        switch(reg, url, "INT32")


def test_mlserver(reg: Registry, targets: Change, tmp_path: Path, port: int) -> None:
    venv, url = environment("mlserver"), f"http://127.0.0.1:{port}"
    code = (
        "import joblib, numpy, sys; from sklearn.dummy import DummyRegressor\n"
        "joblib.dump(DummyRegressor(strategy='constant', constant=float(sys.argv[1])).fit([[0]], [0]), sys.argv[2])"
    )
    for number in (1, 2, 3):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        subprocess.run([venv / "bin/python", "-c", code, str(number), folder / "model.joblib"], check=True)
        reg.register("churn", [folder])
    folder = targets(t={"layout": "mlserver", "probe": url, "reload": "api", "wait": "60s"})
    variables = {
        "MLSERVER_HTTP_PORT": str(port), "MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_GRPC_PORT": str(port + 1), "MLSERVER_METRICS_PORT": str(port + 2), "MLSERVER_LOAD_MODELS_AT_STARTUP": "true",
    }  # fmt: skip
    with running([str(venv / "bin/mlserver"), "start", str(folder)], url, tmp_path / "log", **variables):
        switch(reg, url, "FP64")
