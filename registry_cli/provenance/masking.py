"""Secrets have no place in a lineage: they are cut out of addresses and command lines before anything is stored.

What is cut too much makes a command a little less exact; what is cut too little is in every backup of the registry.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

#: What stands in the place of a secret.
CUT = "***"
_TEXT_MOST, _LONGEST, _WORDS_MOST = 65_536, 4_096, 512
_WORDS = (
    "password|passwd|passphrase|passcode|pass|pwd|secret|secrets|token|key|apikey|accesskey|secretkey|privatekey|"
    "credential|credentials|cred|creds|auth|authorization|bearer|cookie|signature|sig|sas|dsn"
)
#: A name one of whose parts is such a word: ``--api-key``, ``HF_TOKEN``, ``awsSecretAccessKey``; not ``tokenizer``.
_NAME = re.compile(rf"(?:^|[^A-Za-z0-9])(?:{_WORDS})(?![A-Za-z])", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Each begins where a word does, so that no text takes long.
_ASSIGNED = re.compile(r"(?<![\w.-])([\w.-]+)(['\"]?[ \t]{0,9}[=:][ \t]{0,9})('[^']*'|\"[^\"]*\"|[^\s'\"&;|,)]+)")
_FOLLOWED = re.compile(r"(?<!\S)(--?[A-Za-z][\w.-]*)([ \t]+)('[^']*'|\"[^\"]*\"|[^\s'\"&;|-][^\s'\"&;|]*)")
_PLAIN = re.compile(r"[\w.-]+\Z")
_BEARER = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
#: Tokens that are known by their looks: GitHub, GitLab, Hugging Face, OpenAI, AWS, Google, Slack, JSON web tokens.
_LOOKS = re.compile(
    r"(?<![\w-])(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|sk-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|AIza[\w-]{30,}|xox[abprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,20}://)([^\s'\"<>|]+)")
_BETRAYED = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^\s/@:'\"]+:[^\s/@'\"]+@")
#: Schemes whose user name is no secret, but where one logs in as.
_LOGINS = ("ssh://", "git+ssh://", "ssh+git://", "git://", "sftp://", "rsync://")


def address(text: str) -> str:
    """An address without what logs in: user and password, and parameters that look like a key or a signature."""
    return _LOOKS.sub(CUT, _ADDRESS.sub(lambda found: found[1] + _rest(found[1].lower(), found[2]), text))


def _rest(scheme: str, rest: str) -> str:
    """What stands behind ``://``. A password may hold a slash, though it should not: the last ``@`` that can count does."""
    host, slash, path = rest.partition("/")
    if "@" not in host and ":" in host and "@" in path and not host.rpartition(":")[2].isdigit():
        host, _, path = rest.rpartition("@")
        host, (more, slash, path) = f"{host}@", path.partition("/")
        host += more
    login, at, name = host.rpartition("@")
    if at:
        user = login.partition(":")[0] if scheme in _LOGINS else ""
        host = f"{user}@{name}" if user else name
    return _without_secret_parameters(f"{host}{slash}{path}")


def _without_secret_parameters(text: str) -> str:
    base, mark, query = text.partition("?")
    if not mark:
        return text
    query, hash_, fragment = query.partition("#")
    kept = []
    for part in query.split("&"):
        name, equals, _ = part.partition("=")
        kept.append(f"{name}={CUT}" if equals and is_secret(name) else part)
    return f"{base}?{'&'.join(kept)}{hash_}{fragment}"


def is_secret(name: str) -> bool:
    """Whether a value with this name is not to be kept: ``--api-key``, ``DB_PASSWORD``, ``authToken``."""
    return bool(_NAME.search(_HUMP.sub("-", name).replace("_", "-")))


def betrays(data: bytes) -> bool:
    """Whether a text that can't be cut, for it would be another then, plainly holds a secret."""
    return bool(_BETRAYED.search(data) or _LOOKS.search(data.decode("utf-8", "replace")))


def command(words: Sequence[str]) -> str:
    """A command line as a shell reads it, with its secrets cut out; of a very long one the beginning."""
    kept, follows = [], False
    for whole in words[:_WORDS_MOST]:
        word = whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"
        name, equals, value = word.partition("=")
        is_option = word.startswith("-") and len(word) > 1 and " " not in name
        if follows and not is_option:
            kept.append(CUT)
        elif equals and value and _PLAIN.match(name) and is_secret(name):
            kept.append(f"{name}={CUT}")
        else:
            kept.append(text(word))
        follows = is_option and not equals and is_secret(word)
    return shlex.join(kept)


def text(said: str) -> str:
    """A text that may hold a command, as a person typed it, with its secrets cut out."""
    said = address(said[:_TEXT_MOST])
    said = _BEARER.sub(lambda found: f"{found[1]}{found[2]}{CUT}", said)
    for pattern in (_ASSIGNED, _FOLLOWED):
        said = pattern.sub(_cut, said)
    return said


def _cut(found: re.Match[str]) -> str:
    secret = is_secret(found[1]) and not found[3].startswith("//")
    return f"{found[1]}{found[2]}{CUT}" if secret else found[0]
