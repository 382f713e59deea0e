"""Webhooks: send an event to an address, as one POST of JSON that is signed with a shared key."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import urllib.error
import urllib.request

from ..core.records import Event


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: an event is for one address only."""

    def redirect_request(self, *_: object) -> None:
        return None


def post(url: str, body: bytes, event: Event, secret: bytes, seconds: float) -> int | str | None:
    """Send an event. Return the status code, the reason why there is none, or None after ``seconds`` for all of it."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "registry-cli",
        "X-Registry-Event": event.action,
        "X-Registry-Delivery": event.id,
    }
    if secret:
        headers["X-Registry-Signature"] = f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310  http or https only: see hooks
    outcome: list[int | str] = []
    sender = threading.Thread(target=_send, args=(request, seconds, outcome), daemon=True)
    sender.start()
    sender.join(seconds)
    return outcome[0] if outcome else None


def _send(request: urllib.request.Request, seconds: float, outcome: list[int | str]) -> None:
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=seconds) as answer:
            outcome.append(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            outcome.append(error.code)
    except urllib.error.URLError as error:
        outcome.append(str(getattr(error.reason, "strerror", None) or error.reason))
    except (OSError, http.client.HTTPException, ValueError) as error:
        outcome.append(getattr(error, "strerror", None) or type(error).__name__)
