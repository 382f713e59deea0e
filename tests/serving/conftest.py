"""A registry with targets, and stand-ins for the control APIs of model servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from registry_cli import Registry
from registry_cli.serving.server_layout import get_layout
from registry_cli.serving.target_folder import TargetFolder

Change = Callable[..., Path]


@pytest.fixture
def targets(reg: Registry, tmp_path: Path) -> Change:
    """Writes ``targets.yaml``: of each target its settings; ``path`` is a folder of its own. Returns the first folder."""

    def write(**settings: dict[str, Any]) -> Path:
        document: dict[str, Any] = {"format": 1, "targets": {}}
        for name, own in settings.items():
            folder = tmp_path / "targets" / name
            folder.mkdir(parents=True, exist_ok=True)
            document["targets"][name.replace("_", "-")] = {"path": str(folder), **own}
        (reg.root / "targets.yaml").write_text(json.dumps(document))
        return tmp_path / "targets" / next(iter(settings))

    return write


@pytest.fixture
def add(reg: Registry, tmp_path: Path) -> Callable[..., str]:
    """Registers a version of these files; its reference."""

    def register(name: str = "churn", **contents: str) -> str:
        folder = tmp_path / "work" / str(len(list(tmp_path.glob("work/*"))))
        for path, text in (contents or {"model.bin": f"weights {folder.name}"}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        reg.register(name, [folder])
        return f"{name}@{reg.version(name).number}"

    return register


class Server:
    """A server that answers as Triton, TF Serving, TorchServe or ``app.py`` do, and looks at its folder when it is told.

    ``kind`` is the layout. ``fails`` are versions that it can't load; ``deaf`` lets it ignore what it is told.
    """

    def __init__(self, kind: str, folder: Path, name: str = "churn") -> None:
        self.kind, self.folder, self.name = kind, folder, name
        self.runs: int | None = None
        self.fails: set[int] = set()
        self.asked: list[str] = []
        self.deaf = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                code, body = outer.answer(self.command, self.path)
                data = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def look(self) -> int | None:
        """The version that its folder says it is to serve."""
        return TargetFolder(str(self.folder), get_layout(self.kind), self.name).served()

    def load(self) -> int:
        number = self.look()
        if self.deaf:
            return 200
        if number in self.fails:
            return 500
        self.runs = number
        return 200

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        versions = [self.runs] if self.runs else []
        if path == "/v2/repository/index":
            return 200, [{"name": self.name, "version": str(each), "state": "READY"} for each in versions]
        if path == f"/v1/models/{self.name}":
            self.load()  # it polls models.config
            status = [{"version": str(self.runs), "state": "AVAILABLE"}]
            return (200, {"model_version_status": status}) if self.runs else (404, {})
        if path.endswith(("/load", "/reload")) or path.startswith("/models?url="):
            return self.load(), {}
        if path.endswith("/unload") or method in ("PUT", "DELETE"):
            self.runs = self.runs if method == "PUT" else None
            return 200, {}
        if path == f"/models/{self.name}":
            found = [{"modelVersion": str(each), "workers": [{"status": "READY"}]} for each in versions]
            return (200, found) if found else (404, {})
        return 200, {"version": self.runs, "model": {"version": f"v{self.runs}"}}

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server of a layout, on a folder."""
    started: list[Server] = []

    def begin(kind: str, folder: Path, name: str = "churn") -> Server:
        started.append(Server(kind, folder, name))
        return started[-1]

    yield begin
    for each in started:
        each.close()
