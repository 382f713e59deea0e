"""Serve the pages of a report on this machine only."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import RegistryError
from . import pages

ADDRESS = "127.0.0.1"
#: How often it is looked whether the registry has changed, at most, in seconds.
_PAUSE = 1.0
_TEXT = "text/plain; charset=utf-8"
_HEADERS = (
    ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)  # fmt: skip
_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "json": "application/json"}


class Site:
    """The pages, built anew when the registry has changed.

    ``build`` makes them; ``fingerprint`` is another value after every change.
    """

    def __init__(self, build: Callable[[], Mapping[str, bytes]], fingerprint: Callable[[], Hashable]) -> None:
        self._build, self._fingerprint = build, fingerprint
        self._lock = Lock()
        self._pages: Mapping[str, bytes] = {}
        self._known: Hashable = None
        self._looked = -_PAUSE

    def pages(self) -> Mapping[str, bytes]:
        """The pages as of now."""
        with self._lock:
            if time.monotonic() - self._looked >= _PAUSE:
                now = self._fingerprint()
                if not self._pages or now != self._known:
                    self._pages, self._known = self._build(), now
                self._looked = time.monotonic()
            return self._pages


def make_server(site: Site, port: int) -> ThreadingHTTPServer:
    """A server of the pages on 127.0.0.1; port 0 takes a free one. Raises OSError for one that is in use."""
    server = ThreadingHTTPServer((ADDRESS, port), partial(_Handler, site))
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "registry-report", ""
    timeout = 30

    def __init__(self, site: Site, *rest: Any) -> None:
        self._site = site
        super().__init__(*rest)

    def do_GET(self) -> None:
        self._send(*self._find())

    def do_HEAD(self) -> None:
        self._send(*self._find(), with_body=False)

    def _find(self) -> tuple[HTTPStatus, bytes, str]:
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            # a name that leads here is that of a page of somebody else, whose script wants to read this one
            return HTTPStatus.MISDIRECTED_REQUEST, b"wrong host\n", _TEXT
        path = unquote(urlsplit(self.path).path).lstrip("/") or pages.INDEX
        try:
            content = self._site.pages().get(path)
        except (RegistryError, OSError) as error:  # the server goes on; the page says why
            return HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}\n".encode(), _TEXT
        if content is None:
            return HTTPStatus.NOT_FOUND, b"there is no such page\n", _TEXT
        return HTTPStatus.OK, content, _TYPES[path.rpartition(".")[2]]

    def _send(self, status: HTTPStatus, content: bytes, kind: str, *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(content))), *_HEADERS):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed for each request."""
