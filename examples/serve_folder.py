"""Serve the model that FOLDER/current has over HTTP: python serve_folder.py FOLDER PORT

GET says which version it is; POST takes rows of features and answers with the probability that each is benign.
Only models that you trained yourself should be loaded: a joblib file can run code.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import joblib


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer({"version": int(release().name)})

    def do_POST(self) -> None:
        rows, folder = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), release()
        benign = joblib.load(folder / "model.joblib").predict_proba(rows)[:, 1].round(4).tolist()
        self.answer({"version": int(folder.name), "benign": benign})

    def answer(self, body: dict[str, object]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing for each request."""


def release() -> Path:
    return Path(sys.argv[1], "current").resolve(strict=True)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
