"""Makes a cache of Hugging Face with huggingface_hub itself: ``make_hf.py FOLDER``.

The server that it asks runs in this process, and knows one model in two revisions.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags:
- sentiment
- tiny
datasets:
- reviews
model-index:
- name: tiny
  results:
  - task: {type: text-classification}
    dataset: {name: reviews, type: reviews}
    metrics:
    - {type: accuracy, value: 0.91}
---

# tiny

Says whether a review is friendly.
"""
REVISIONS = {
    "1" * 40: {"README.md": CARD, "config.json": '{"model_type": "bert"}', "onnx/model.onnx": "old weights"},
    "2" * 40: {"README.md": CARD, "config.json": '{"model_type": "bert"}', "onnx/model.onnx": "new weights"},
}
NAMES = {"main": "2" * 40, "v1": "1" * 40}


def oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def tree(sha: str) -> list[dict[str, object]]:
    files = REVISIONS[sha].items()
    return [{"type": "file", "path": path, "size": len(text), "oid": oid(text)} for path, text in files]


def about(sha: str) -> dict[str, object]:
    siblings = [{"rfilename": path} for path in REVISIONS[sha]]
    return {"id": "acme/tiny", "modelId": "acme/tiny", "sha": sha, "siblings": siblings}


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for."""

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        headers = {}
        if parts[:2] == ["api", "models"]:
            name = parts[5] if len(parts) > 5 else "main"
            sha = NAMES.get(name, name)
            headers["Content-Type"] = "application/json"
            body = json.dumps(tree(sha) if "tree" in parts else about(sha)).encode()
        else:  # acme/tiny/resolve/REVISION/PATH
            sha = NAMES.get(parts[3], parts[3])
            body = REVISIONS[sha]["/".join(parts[4:])].encode()
            headers |= {"ETag": f'"{oid(body.decode())}"', "X-Repo-Commit": sha}
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def make(folder: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(
        HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1",
        HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HOME=str(folder.absolute()), no_proxy="127.0.0.1",
    )  # fmt: skip
    from huggingface_hub import snapshot_download

    for revision in ("v1", "main"):
        snapshot_download("acme/tiny", revision=revision)
    server.shutdown()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
