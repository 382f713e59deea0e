"""A POST of JSON to an address within a time limit, and the signature of what is sent."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What was meant for one address is not handed on to another."""

    def redirect_request(self, *_: object) -> None:
        return None


def signature(secret: bytes, body: bytes) -> str:
    """What stands in the header: ``sha256=`` and the HMAC of the body's bytes, in hex."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> int | str | None:
    """Send ``body`` to an http or https address.

    Returns:
        The status of the answer; the reason when there was none; None when it did not end within ``seconds``, which are
        for all of it: an answer that comes drop by drop is not waited for.
    """
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  the caller checked the scheme
    outcome: list[int | str] = []
    sender = threading.Thread(target=_send, args=(request, seconds, outcome), daemon=True)
    sender.start()
    sender.join(seconds)
    return outcome[0] if outcome else None


def _send(request: urllib.request.Request, seconds: float, outcome: list[int | str]) -> None:
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds) as answer:
            outcome.append(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            outcome.append(error.code)
    except urllib.error.URLError as error:
        outcome.append(str(getattr(error.reason, "strerror", None) or error.reason))
    except (OSError, http.client.HTTPException, ValueError) as error:
        outcome.append(getattr(error, "strerror", None) or type(error).__name__)
