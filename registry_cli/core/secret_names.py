"""Names of secrets: ``--api-key``, ``DB_PASSWORD``, ``authToken``, ``PGPASSWORD``; not ``pad_token``."""

from __future__ import annotations

from .text import lazy_pattern

_SPLIT = lazy_pattern(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: A part of a name that ends so is a secret wherever it stands: ``pgpassword``, ``clientsecret``.
_STRONG = lazy_pattern(
    r"(?:passwords?|passwd|passphrase|passcode|pwd|secrets?|credentials?|creds?|apikey|accesskey|secretkey|privatekey"
    r"|accountkey|authkey|signingkey|authtoken|accesstoken|refreshtoken|apitoken|bearertoken|sessiontoken|authorization"
    r"|connectionstring|(?:ssh|pg|db|user|root|my|ftp|smtp|mail|sudo|gpg|key|store|auth)pass|webhook|webhookurl)\Z"
)
_STRONG_WORDS = frozenset(("bearer", "dsn", "jwt", "cookie", "cookies", "sas", "sharedaccesssignature"))
#: Two parts that are a secret together, wherever they stand.
_PAIRS = frozenset(
    f"{first} {second}"
    for seconds, firsts in (
        (("key",), "api access secret private account auth signing encryption master ssh license deploy service"),
        (("token",), "api access auth refresh bearer session id bot deploy personal security oauth"),
        (("string", "str", "url", "uri"), "connection conn webhook"),
        (("id", "data"), "session"),
        (("signature",), "access amz"),
    )
    for second in seconds
    for first in firsts.split()
)
#: Secret only as the last part (``HF_TOKEN``, ``--key``), and not behind a word that makes something else of it.
_WEAK = frozenset(("key", "token", "pass", "auth", "sig", "pw", "otp"))
#: The same, but only behind another part: ``GITHUB_PAT``.
_WEAK_BEHIND = frozenset(("pat",))
#: ``-Dtoken=x`` defines ``token``, and ``-Ptoken=x`` too.
_DEFINES = lazy_pattern(r"-[DP](?=[A-Za-z])")
_AFTER = frozenset(
    ["prod", "production", "dev", "test", "staging", "live", "id", "old", "backup", "secondary", "header", "value"]
)
_BEFORE = frozenset((
    "pad", "eos", "bos", "sep", "cls", "unk", "mask", "max", "min", "num", "n", "special", "added", "image", "video",
    "audio", "per", "sort", "partition", "primary", "foreign", "group", "join", "label", "feature", "metric", "cache",
    "public", "input", "output", "prompt", "completion", "total", "stop", "start", "end", "first", "last", "dict",
    "json", "index", "row", "hash", "order", "unique", "target", "source", "lookup", "text", "decoder", "forward",
    "backward", "single", "two", "multi", "low", "high", "band", "by", "bypass", "no", "column", "col", "time", "date",
))  # fmt: skip
_FILES = frozenset(("file", "path", "dir", "folder", "stdin", "env", "prompt", "length", "policy", "manager", "name"))


def is_secret_name(name: str) -> bool:
    """Return whether a value with this name is redacted."""
    if len(name) > 200:
        name = name[-200:]
    name = _DEFINES.sub("", name, count=1) if name.startswith("-") else name
    parts = [part.lower() for part in _SPLIT.split(name) if part]
    if not parts or parts[-1] in _FILES:
        return False
    return _has_certain_part(parts) or _is_weak(parts)


def _has_certain_part(parts: list[str]) -> bool:
    for at, part in enumerate(parts):
        if _STRONG.search(part) or part in _STRONG_WORDS:
            return True
        if at and f"{parts[at - 1]} {part}" in _PAIRS:
            return True
    return False


def is_strong_name(name: str) -> bool:
    """Return whether the name can only be that of a secret (``password``); ``key`` and ``token`` may be others."""
    name = _DEFINES.sub("", name, count=1) if name.startswith("-") else name
    parts = [part.lower() for part in _SPLIT.split(name) if part]
    while len(parts) > 1 and parts[-1].isdigit():
        parts.pop()
    return is_secret_name(name) and not (_is_weak(parts) and len(parts) == 1)


def is_certain_name(name: str) -> bool:
    """Return whether a part of the name says that it is a secret (``password``, ``api key``), not just its end (``join key``)."""
    parts = [part.lower() for part in _SPLIT.split(name) if part]
    return is_secret_name(name) and _has_certain_part(parts)


def _is_weak(parts: list[str]) -> bool:
    while len(parts) > 1 and (parts[-1] in _AFTER or parts[-1].isdigit()):
        parts = parts[:-1]
    last = parts[-1].rstrip("0123456789")
    return (last in _WEAK or (last in _WEAK_BEHIND and len(parts) > 1)) and not (
        len(parts) > 1 and parts[-2] in _BEFORE
    )
