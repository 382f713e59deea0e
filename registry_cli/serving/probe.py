"""Asking a server which version of a model it runs, and telling it to load another one."""

from __future__ import annotations

import contextlib
import http.client
import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import quote

from .server_layout import ServerLayout
from .targets import Target

#: Seconds for one answer to a question, and to a request to load a model; bytes of an answer that are read.
_ANSWER, _LOAD, _MOST = 5.0, 300.0, 4 << 20


class ServerState(NamedTuple):
    """What a server says of a model: the versions that it runs; ``None`` if it does not say which. ``problem`` says why
    it can't be asked.
    """

    versions: tuple[int, ...] | None = ()
    problem: str = ""

    def runs(self, number: int) -> bool:
        """Whether a model at this version is ready; of a server that does not name versions, whether it is ready."""
        return not self.problem and (self.versions is None or number in self.versions)


class _Failed(Exception):
    """A request had no answer that can be used; ``code`` is the HTTP status, 0 without one."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: the address in ``targets.yaml`` is the server."""


def read_state(target: Target, layout: ServerLayout, name: str) -> ServerState:
    """Ask the server of a target, which has a probe, what it runs of a model."""
    base, _, pointer = target.probe.partition("#")
    try:
        if layout.server == "v2":
            return ServerState(_read_repository(base, name))
        if layout.server == "tf-serving":
            return ServerState(_read_tf_serving(base, name))
        if layout.server == "torchserve":
            return ServerState(_read_torchserve(base, name))
        if not pointer and layout.probe:
            path, _, pointer = layout.probe.partition("#")
            base = base.rstrip("/") + path
        answer = _ask(base.replace("{name}", quote(name)), "GET")
        return ServerState(_resolve_pointer(answer, pointer) if pointer else None)
    except _Failed as error:
        return ServerState((), str(error))


def load(target: Target, layout: ServerLayout, name: str, number: int, release: str) -> str:
    """Load a version through the API of a server. Returns why it failed; empty if it did not."""
    base = target.probe.partition("#")[0].rstrip("/")
    try:
        if layout.server == "v2":
            _ask(f"{base}/v2/repository/models/{quote(name)}/load", "POST", {})
        elif layout.server == "torchserve":
            with contextlib.suppress(_Conflict):
                _ask(f"{base}/models?url={quote(release)}&initial_workers=1&synchronous=true", "POST")
            _ask(f"{base}/models/{quote(name)}/{number}/set-default", "PUT")
        else:
            _ask(f"{base}/reload", "POST")
    except _Failed as error:
        return str(error)
    return ""


def unload(target: Target, layout: ServerLayout, name: str, number: int) -> str:
    """Unload a version through the API of a server that has one (of a ``v2`` server: the model)."""
    base = target.probe.partition("#")[0].rstrip("/")
    try:
        if layout.server == "v2":
            _ask(f"{base}/v2/repository/models/{quote(name)}/unload", "POST", {})
        elif layout.server == "torchserve":
            _ask(f"{base}/models/{quote(name)}/{number}", "DELETE")
    except _Failed as error:
        return "" if error.code == 404 else str(error)
    return ""


class _Conflict(_Failed):
    """The server has it already."""


def _read_repository(base: str, name: str) -> tuple[int, ...]:
    """Triton, MLServer, KServe: the versions that are READY."""
    answer = _ask(f"{base.rstrip('/')}/v2/repository/index", "POST", {})
    entries = answer if isinstance(answer, list) else []
    ready = (each for each in entries if isinstance(each, dict) and each.get("name") == name)
    return tuple(sorted({n for each in ready if each.get("state") == "READY" and (n := _number(each.get("version")))}))


def _read_tf_serving(base: str, name: str) -> tuple[int, ...]:
    try:
        answer = _ask(f"{base.rstrip('/')}/v1/models/{quote(name)}", "GET")
    except _Failed as error:
        if error.code == 404:
            return ()
        raise
    found = answer.get("model_version_status", []) if isinstance(answer, dict) else []
    return tuple(
        sorted({n for each in found if each.get("state") == "AVAILABLE" and (n := _number(each.get("version")))})
    )


def _read_torchserve(base: str, name: str) -> tuple[int, ...]:
    """The default version, if one of its workers is ready."""
    try:
        answer = _ask(f"{base.rstrip('/')}/models/{quote(name)}", "GET")
    except _Failed as error:
        if error.code == 404:
            return ()
        raise
    for each in answer if isinstance(answer, list) else ():
        if any(worker.get("status") == "READY" for worker in each.get("workers", ())):
            number = _number(each.get("modelVersion"))
            return (number,) if number else ()
    return ()


def _resolve_pointer(answer: Any, pointer: str) -> tuple[int, ...]:
    """The number at a JSON pointer."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            answer = answer[int(key)] if isinstance(answer, list) else answer[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise _Failed(f"the answer of the server has nothing at {pointer}") from None
    number = _number(answer)
    return (number,) if number else ()


def _number(value: Any) -> int | None:
    text = str(value).removeprefix("v")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 else None


def _ask(url: str, method: str, body: Any = None) -> Any:
    """The JSON answer to a request; None for an empty one, the text for one that is not JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - the scheme was checked
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(request, timeout=_LOAD if method != "GET" and "index" not in url else _ANSWER) as response:
            content = response.read(_MOST)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(500).decode("utf-8", "replace").strip()
        kind = _Conflict if error.code == 409 else _Failed
        raise kind(f"{method} {url}: {error.code} {text[:200]}".strip(), error.code) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Failed(f"{method} {url}: {reason}") from None
    try:
        return json.loads(content) if content.strip() else None
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")
