"""A scoring service that always runs what is live: a promotion or rollback needs no restart.

    python serve.py fraud@production --port 8000
    curl -d '{"amount": 900, "hour": 3, "km_from_home": 700, "payments_last_hour": 4}' localhost:8000

Before each answer it asks which version is live, which reads one small file; the model is loaded only when that
changed. Only models that you trained yourself should be loaded: a joblib file can run code.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

import joblib

from registry_cli import Registry, RegistryError

FEATURES = ("amount", "hour", "km_from_home", "payments_last_hour")


class Live:
    """The model that a reference means now."""

    def __init__(self, registry: Registry, reference: str) -> None:
        self._registry, self._reference = registry, reference
        self._loaded: tuple[str, Any] = ("", None)
        self._lock = Lock()

    def get(self) -> tuple[str, Any]:
        """Which version it is, and the model."""
        with self._lock:
            now = self._registry.version(self._reference).ref
            if now != self._loaded[0]:
                self._registry.artifacts.verify_files(now)  # every byte, once
                self._loaded = (now, joblib.load(self._registry.path(now, "model.joblib")))
            return self._loaded


def handler(live: Live) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                payment = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                row = [float(payment[name]) for name in FEATURES]
            except (ValueError, KeyError, TypeError):
                self._answer(400, {"error": f"send a JSON object with {', '.join(FEATURES)}"})
                return
            try:
                ref, model = live.get()
            except RegistryError as error:
                self._answer(503, {"error": str(error)})
                return
            self._answer(200, {"ref": ref, "fraud": round(float(model.predict_proba([row])[0, 1]), 4)})

        def _answer(self, code: int, body: dict[str, object]) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode() + b"\n")

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", help="for example fraud@production")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    options = parser.parse_args()
    live = Live(Registry.open(), options.reference)
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler(live)) as server:
        print(f"scoring on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
