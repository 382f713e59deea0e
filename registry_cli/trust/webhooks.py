"""Telling an address of a change: one POST of JSON, signed with a key that both sides know."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..core.lazy_dataclass import dataclass
from ..core.records import Event
from .hooks import HookError, HookFilter, HookLimits, WebhookSettings

SIGNATURE = "X-Registry-Signature"
#: Answers after which another attempt may fare better, besides those from 500 on.
_AGAIN = frozenset({408, 425, 429})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What was meant for one address is not handed on to another."""

    def redirect_request(self, *_: object) -> None:
        return None


def signature(secret: bytes, body: bytes) -> str:
    """What stands in the header: ``sha256=`` and the HMAC of the body's bytes, in hex."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True)
class Webhook:
    """An address that is told of changes."""

    settings: WebhookSettings

    @property
    def name(self) -> str:
        """Its scheme and host: a path may be as good as a password."""
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.netloc}/…"

    @property
    def wanted(self) -> HookFilter:
        return self.settings.wanted

    @property
    def limits(self) -> HookLimits:
        return self.settings.limits

    def attempt(self, body: bytes, event: Event, variables: Mapping[str, str]) -> None:  # noqa: ARG002
        """Send it. The time limit is for all of it: an answer that comes drop by drop is not waited for."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "registry-cli",
            "X-Registry-Event": event.action,
            "X-Registry-Delivery": event.id,
        }
        if self.settings.secret:
            headers[SIGNATURE] = signature(self.settings.secret, body)
        request = urllib.request.Request(self.settings.url, body, headers, method="POST")  # noqa: S310  http or https only: see hooks
        outcome: list[int | str] = []
        sender = threading.Thread(target=self._send, args=(request, outcome), daemon=True)
        sender.start()
        sender.join(self.limits.seconds)
        if not outcome:
            raise HookError(f"gave no answer within {self.limits.seconds:g} s")
        answer = outcome[0]
        if isinstance(answer, str):
            raise HookError(f"can't be reached: {answer}")
        if not 200 <= answer < 300:
            raise HookError(f"answered {answer}", final=answer < 500 and answer not in _AGAIN)

    def _send(self, request: urllib.request.Request, outcome: list[int | str]) -> None:
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self.limits.seconds) as answer:
                outcome.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                outcome.append(error.code)
        except urllib.error.URLError as error:
            outcome.append(str(getattr(error.reason, "strerror", None) or error.reason))
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome.append(getattr(error, "strerror", None) or type(error).__name__)
