"""Remove secrets from everything that is recorded: command lines, addresses, settings, patches, and what other tools say.

There is one redactor for every way in. What is not certain is cut: what is cut too much makes a command a little less
exact; what is cut too little is in every backup of the registry.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .secret_names import is_secret_name, is_strong_name
from .secret_options import redact_arguments, redact_programs
from .secret_patterns import REDACTED, is_random, redact_random, redact_tokens

__all__ = ["REDACTED", "redact_command", "redact_packages", "redact_text", "redact_url", "redact_value"]

_TOGETHER, _LONGEST, _WORDS_MOST, _DEPTH = 20_000, 4_096, 512, 32
#: A value: quoted pieces, escaped characters and bare ones, in any order, as a shell joins them.
_VALUE = (
    r"""(?:\\+"(?:(?!\\*").){0,4096}\\*"|\\+'(?:(?!\\*').){0,4096}\\*'|"(?:[^"\\]|\\.){0,4096}"?"""
    r"""|'(?:[^'\\]|\\.|''){0,4096}'?|\\.|[^\s'"&;|,()\]}\\]|[,)\]}](?=\w)|\((?=\S))+"""
)
_EQUALS = r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?\]?[ \t]{0,9}(?:=>|:=|==|=)[ \t]{0,9})"
ASSIGNED = re.compile(f"{_EQUALS}({_VALUE})", re.DOTALL)
_COLON = re.compile(
    r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])?[ \t]{0,9}:(?!:|//)\s{0,80})((?:\\{1,8})?['\"]|[^\s'\"\\])", re.DOTALL
)
_FOLLOWED = re.compile(
    rf"(?<![\w-])(--?[A-Za-z][\w.-]{{0,100}})((?:['\"]?,?(?:[ \t]|\\\n){{1,40}}|['\"],\s{{0,40}}|\n[ \t]{{0,40}}-[ \t]{{1,9}}))(?!-)({_VALUE})",
    re.DOTALL,
)
_BLOCK = re.compile(r"^([ \t+-]{0,80})([\w.-]{1,128})(['\"]?[ \t]{0,9}:[ \t]{0,9}[|>][^\n]{0,9})\n", re.MULTILINE)
_SET = re.compile(rf"(?<![\w-])((?:set|setx|setenv|modify|config)(?:[ \t]+(?:--?)?[\w.-]{{1,60}}){{0,2}}[ \t]+)([\w.:/@-]{{1,128}})([ \t]+)({_VALUE})")  # fmt: skip
_NETRC = re.compile(rf"\b(login\s{{1,20}}\S{{1,200}}\s{{1,20}}password\s{{1,20}})({_VALUE})")
_HEADER = re.compile(r"((?:proxy-)?authorization|(?:set-)?cookie)", re.IGNORECASE)
BEARER = re.compile(r"\b(bearer)(\s+)[^\s'\"\\,;]{6,}", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic|apikey|negotiate|digest)(\s+)([A-Za-z0-9+/_=-]{8,})", re.IGNORECASE)
_ADDRESS = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s'\"<>|\\]+)")
_LOGIN = re.compile(r"(?<![\w/.@:%+-])[\w.+%-]{1,64}:(?!\d{1,5}@)[^\s@/:'\"=]{1,128}@(?!sha\d|[\d'\" ])(?=[\w.-]+)")
_ORACLE = re.compile(r"(:thin:)[^\s@/]{1,64}/[^\s@]{1,128}@")
#: Schemes whose user name is no secret, but where one logs in as.
_LOGINS = ("ssh://", "git+ssh://", "ssh+git://", "git://", "sftp://", "rsync://")
_WEBHOOK_HOST = re.compile(r"(?:^|\.)(?:hooks?|webhooks?)\.|webhook\.office\.com|(?:^|\.)hc-ping\.com|maker\.ifttt\.com", re.IGNORECASE)  # fmt: skip
_WEBHOOK_PATH = re.compile(r"/(?:(?:web)?hooks?(?:b2)?|incoming|bot(?=\d+:)|with/key)(?=/|\d)/?", re.IGNORECASE)
#: The token of a conda channel: ``https://host/t/TOKEN/channel``.
_CONDA_TOKEN = re.compile(r"(?<=/t/)(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{8,}(?=/|\Z)")
#: A line that states the version of a package, or opens the entry of one: a package may be called ``secrets``.
_PACKAGE = re.compile(
    r"""[ \t]{0,80}(?:
    (?:-[ \t]+['"]?|\#[ \t]*(?:conda[ ])?)?(?:[\w.-]{1,64}::)?[A-Za-z0-9][\w.-]{0,128}(?:\[[\w.,\ -]{0,200}\])?
        [ \t]{0,9}(?:===?|~=|!=|>=|<=|<|>)[ \t]{0,9}v?\d[\w.+!*-]{0,40}(?:[\s;,\#\\'"]|\Z)
    |-[ \t]+['"]?(?:[\w.-]{1,64}::)?[a-z0-9][a-z0-9_.-]{0,128}=\d[\w.]{0,24}(?:=[\w.*]{1,64})?['"]?\s*$
    |(?:\#[ ]conda[ ])?[a-z0-9][a-z0-9_.-]{0,128}=\d[\w.]{0,24}=[\w.*]{1,64}\s*$
    |[A-Za-z0-9][\w.-]{0,128}[ ]=[ ]"(?:\*|[~^<>=!]=?[ ]?\d[\w.,<>=!\ *-]{0,80})"\s*$
    |"[A-Za-z0-9][\w.-]{0,128}":[ ]\{\s*$
    |--hash=[a-z0-9]{3,10}:[0-9a-fA-F]{32,128}[ \t]*\\?\s*$
    )""",
    re.VERBOSE,
)
_PATH_PIECE = re.compile(r"[A-Za-z0-9_-]{24,}")
_QUERY_SECRETS = frozenset(("code", "signature", "sign", "x-amz-signature", "awsaccesskeyid", "googleaccessid"))
_PLAIN = re.compile(r"[\w.-]+\Z")
NOT_SECRET = re.compile(
    r"""['"\\]*(?:|\*\*\*|true|false|none|null|yes|no|\$\{?[A-Z_][A-Z0-9_]*\}?|%[sr]|%\([a-z_]+\)s|\{+[ ]?[A-Za-z_.]{0,60}[ ]?\}+|<[A-Za-z_ -]{1,40}>)['"\\,;]*\Z""",
    re.IGNORECASE,
)
_NUMBER_OR_PATH = re.compile(r"['\"]?(?:[-+]?\d{1,5}(?:\.\d*)?|(?:/|\./|\.\./|~/)[\w./@+-]*)['\"]?\Z")
#: Words behind which a name and its value follow, each as a word: ``git config github.token X``.
_SETTERS = frozenset(("set", "setx", "setenv", "modify", "config"))


def redact_url(text: str) -> str:
    """Return an address without login, secret parameters, and the secret path of a webhook."""
    return redact_tokens(_ADDRESS.sub(lambda found: found[1] + _without_login(found[1].lower(), found[2]), text))


def redact_text(text: str) -> str:
    """Return any text without the secrets in it: a command that a person typed, settings, a message, an error."""
    return "".join(redact_places(part, colons=True) for part in split_text(redact_url(text)))


def redact_packages(text: str) -> str:
    """Return a list of packages (requirements, a lock file, a conda environment) without the secrets in it.

    Versions and hashes stay as they are; of a line that states the version of a package, only addresses are redacted.

    Args:
        text: the list, in any format.

    Returns:
        The same text, line for line, with secrets cut out.
    """
    parts = itertools.groupby(text.splitlines(keepends=True), lambda line: _PACKAGE.match(line) is not None)
    return "".join((redact_url if are_packages else redact_text)("".join(lines)) for are_packages, lines in parts)


def redact_command(words: Sequence[str]) -> str:
    """Return a command line as a shell reads it, without secrets; of a very long one the beginning."""
    given = [word if len(word) <= _LONGEST else f"{word[:_LONGEST]}…" for word in words[:_WORDS_MOST]]
    kept, follows = [], False
    for at, (word, known) in enumerate(zip(given, redact_arguments(given), strict=True)):
        name, equals, value = word.partition("=")
        is_option = word.startswith("-") and len(word) > 1 and " " not in name
        if known is not None:
            kept.append(known)
        elif follows and not is_option:
            kept.append(word if _stays(given[at - 1], word) else REDACTED)
        elif equals and value and _PLAIN.match(name) and is_secret_name(name):
            kept.append(word if _stays(name, value) else f"{name}={REDACTED}")
        else:
            kept.append(redact_text(word))
        follows = (
            not equals and is_secret_name(word) and (is_option or not _SETTERS.isdisjoint(words[max(0, at - 3) : at]))
        )
        follows = follows or (word[-1:] in (":", "=") and is_strong_name(word))
    return shlex.join(kept)


def redact_value(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a document (mappings, lists, texts, numbers) without secrets: texts, and what secret names stand for."""
    if isinstance(value, str):
        return REDACTED if is_secret_name(name) and not _stays(name, value) else redact_text(value)
    if isinstance(value, (Mapping, list, tuple)) and depth > _DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return {key: redact_value(item, str(key), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _redact_list(value, name, depth)
    if isinstance(value, int) and not isinstance(value, bool) and value > 99_999 and is_secret_name(name):
        return REDACTED
    return value


def _redact_list(items: Sequence[Any], name: str, depth: int) -> Any:
    if all(isinstance(each, str) for each in items) and any(each.startswith("-") for each in items):  # a command
        return shlex.split(redact_command(items))
    return [redact_value(item, name, depth + 1) for item in items]


def split_text(text: str) -> list[str]:
    """A long text in pieces that end with a line, each short enough to be looked at."""
    found, start = [], 0
    while len(text) - start > _TOGETHER:
        end = text.rfind("\n", start, start + _TOGETHER) + 1
        found.append(text[start : end if end > start else start + _TOGETHER])
        start += len(found[-1])
    return [*found, text[start:]]


def redact_places(text: str, *, colons: bool) -> str:
    """Cut what is a secret by its place: behind a name, an option, a login."""
    text = _NETRC.sub(rf"\1{REDACTED}", text)
    text = _ORACLE.sub(rf"\1{REDACTED}@", text)
    text = _LOGIN.sub(f"{REDACTED}@", text)
    if colons:
        text = _without_colons(_without_blocks(text))
    text = BEARER.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}", text)
    text = _BASIC.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}" if _is_basic(found[3]) else found[0], text)
    text = _SET.sub(
        lambda found: f"{found[1]}{found[2]}{found[3]}{REDACTED}" if is_secret_name(found[2]) else found[0], text
    )
    for pattern in (ASSIGNED, _FOLLOWED):
        text = pattern.sub(_cut, text)
    return redact_random(redact_programs(text))


def _without_login(scheme: str, rest: str) -> str:
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
    if _WEBHOOK_HOST.search(name) and path:
        return f"{host}/{REDACTED}"
    if hook := _WEBHOOK_PATH.search(slash + path):
        return f"{host}{(slash + path)[: hook.end()]}{REDACTED}"
    base, mark, query = f"{slash}{path}".partition("?")
    base = _CONDA_TOKEN.sub(REDACTED, base)
    base = _PATH_PIECE.sub(lambda found: REDACTED if is_random(found[0], 24) else found[0], base)
    return f"{host}{base}{mark}{_without_secret_parameters(query)}"


def _without_secret_parameters(text: str) -> str:
    query, hash_, fragment = text.partition("#")
    if "=" in fragment:
        fragment = _without_secret_parameters(fragment)
    kept = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        secret = is_secret_name(name) or name.lower() in _QUERY_SECRETS or is_random(value, 24)
        kept.append(f"{name}={REDACTED}" if equals and value and secret else part)
    return f"{'&'.join(kept)}{hash_}{fragment}"


def _without_blocks(text: str) -> str:
    """YAML: a block of lines (``password: |``) below a secret name is cut whole."""
    found, start = [], 0
    for match in _BLOCK.finditer(text):
        if match.start() < start or not is_secret_name(match[2]):
            continue
        depth = len(match[1].lstrip("+"))
        end = match.end()
        while end < len(text):
            stop = text.find("\n", end)
            line = text[end : stop if stop >= 0 else len(text)]
            bare = line.lstrip("+")
            if bare.strip() and len(bare) - len(bare.lstrip()) <= depth:
                break
            end = stop + 1 if stop >= 0 else len(text)
        found += [text[start : match.start()], match[1], match[2], f": {REDACTED}\n"]
        start = end
    return "".join(found) + text[start:]


def _without_colons(text: str) -> str:
    """``name: value``. A bare value ends with its line, or with the quotes around all of it; a quoted one with its quotes."""
    found, start = [], 0
    at = 0
    while match := _COLON.search(text, at):
        at = match.end(2)
        if not (is_secret_name(match[1]) or _HEADER.search(match[1])):
            continue
        if text.startswith(REDACTED, match.start(3)):
            continue
        end = _end_of_value(text, match)
        if _stays(match[1], text[match.start(3) : end]):
            continue
        if "\n" in match[2] and match[2].rpartition("\n")[2] == "" and match[3][:1] not in "\\'\"":
            continue  # an empty value, and the next line
        found += [text[start : match.start(3)], REDACTED]
        start = at = max(end, match.end(3))
    return "".join(found) + text[start:]


_QUOTED = re.compile(
    r"""\\+"(?:(?!\\*").)*\\*"|\\+'(?:(?!\\*').)*\\*'|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.|'')*'?""", re.DOTALL
)


def _end_of_value(text: str, match: re.Match[str]) -> int:
    start = match.start(3)
    if match[3][-1] in "'\"" and (quoted := _QUOTED.match(text, start)):
        return quoted.end()
    line = text.rfind("\n", 0, match.start()) + 1
    stop = text.find("\n", start)
    stop = len(text) if stop < 0 else stop
    for quote in ('"', "'"):
        if text.count(quote, line, match.start()) % 2:
            inner = text.find(quote, start, stop)
            return inner if inner >= 0 else stop
    if match[2].rstrip(" \t") == match[2] and (bare := re.compile(_VALUE, re.DOTALL).match(text, start)):
        return bare.end()
    return stop


def _is_basic(text: str) -> bool:
    return any(each.isdigit() or each == "=" for each in text) or (text.lower() != text and not text.istitle())


def _cut(found: re.Match[str]) -> str:
    if not is_secret_name(found[1]) or found[3].startswith("//") or _stays(found[1], found[3]):
        return found[0]
    return f"{found[1]}{found[2]}{REDACTED}"


def _stays(name: str, value: str) -> bool:
    """Whether what stands behind a secret name is none: nothing, a variable, a placeholder; a number or path of a key."""
    if NOT_SECRET.match(value):
        return True
    return bool(not is_strong_name(name) and _NUMBER_OR_PATH.match(value) and not is_random(value, 16))
