"""Remove secrets from everything that is recorded: command lines, addresses, settings, patches, and what other tools say.

There is one redactor for every way in. What is not certain is cut: what is cut too much makes a command a little less
exact; what is cut too little is in every backup of the registry.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .secret_names import is_certain_name, is_secret_name, is_strong_name
from .secret_options import redact_arguments, redact_programs
from .secret_values import (
    NOT_SECRET,
    REDACTED,
    VALUE,
    is_certain,
    is_not_secret,
    is_not_word,
    is_random,
    redact_assignments,
    redact_random,
    redact_structures,
    redact_tokens,
)
from .text import lazy_pattern

__all__ = [
    "REDACTED",
    "redact_command",
    "redact_given",
    "redact_kinds",
    "redact_packages",
    "redact_text",
    "redact_url",
    "redact_value",
]

_T = TypeVar("_T")
#: Characters of all texts of a version; more than a document can have.
_STORABLE = 64 << 20
_TOGETHER, _LONGEST, _WORDS_MOST, _DEPTH = 20_000, 4_096, 512, 32
_FOLLOWED = lazy_pattern(
    rf"(?<![\w-])(--?[A-Za-z][\w.-]{{0,100}})((?:['\"]?,?(?:[ \t]|\\\n){{1,40}}|['\"],\s{{0,40}}|\n[ \t]{{0,40}}-[ \t]{{1,9}}))(?![-<|>&;])({VALUE})",
    re.DOTALL,
)
#: A pair of texts in a program or a list: ``setenv("API_KEY", "x")``.
PAIR = lazy_pattern(r"""(?<!\w)((['"])([\w.-]{1,128})\2[ \t]{0,9},\s{0,80})(['"])((?:(?!\4)[^\\\n]|\\.){1,4096})\4""")
#: ``smtp.login(user, "x")``
LOGIN_CALL = lazy_pattern(r"""(\.login\(\s{0,80}(?:'[^'\n]{0,200}'|"[^"\n]{0,200}"|[\w.]{1,100})\s{0,9},\s{0,80})('[^'\n]{1,4096}'|"[^"\n]{1,4096}")""")  # fmt: skip
#: In prose and SQL: ``IDENTIFIED BY 'x'``, ``the password is x1``.
_PROSE = lazy_pattern(
    r"""(?<![\w-])((?:password|passwd|passphrase|pwd|secret|token|identified[ \t]{1,9}by|api[ _-]?key)(?:[ \t]{1,9}(?:is|was|to))?[ \t]{1,9}(?:(?:->|\|)[ \t]{1,9})?)"""
    r"""('[^'\n]{1,4096}'|"[^"\n]{1,4096}"|[^\s'"<>()|]{4,4096})""",
    re.IGNORECASE,
)
_SET = lazy_pattern(r"(?<![\w-])(?:set|setx|setenv|modify|config|-[pr]|--parameters)(?=[ \t])")
_SET_WORD = lazy_pattern(r"[ \t]{1,40}([^\s'\"]{1,128})")
_SET_VALUE = lazy_pattern(rf"([ \t]{{1,40}}(?:to[ \t]{{1,40}})?)({VALUE})", re.DOTALL)
_SET_WORDS = 5
_NETRC = lazy_pattern(rf"\b(login\s{{1,20}}\S{{1,200}}\s{{1,20}}password\s{{1,20}})({VALUE})")
BEARER = lazy_pattern(r"\b(bearer)(\s+)[^\s'\"\\,;]{6,}", re.IGNORECASE)
_BASIC = lazy_pattern(r"\b(basic|apikey|negotiate|digest)(\s+)([A-Za-z0-9+/_=-]{8,})", re.IGNORECASE)
_ADDRESS = lazy_pattern(r"\b([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s'\"<>|\\]+)")
_LOGIN = lazy_pattern(
    r"(?<![\w/.@:%+-])[\w.+%-]{1,64}:(?!\d{1,5}@)[^\s@/:'\"=][^\s@/'\"=]{0,127}@(?!sha\d|[\d'\" ])(?=[\w.-]+)"
)
_ORACLE = lazy_pattern(r"(:thin:)[^\s@/]{1,64}/[^\s@]{1,128}@")
#: Schemes whose user name is no secret, but where one logs in as.
_LOGINS = ("ssh://", "git+ssh://", "ssh+git://", "git://", "sftp://", "rsync://")
_WEBHOOK_HOST = lazy_pattern(r"(?:^|\.)(?:hooks?|webhooks?)\.|webhook\.office\.com|(?:^|\.)hc-ping\.com|maker\.ifttt\.com", re.IGNORECASE)  # fmt: skip
_WEBHOOK_PATH = lazy_pattern(r"/(?:(?:web)?hooks?(?:b2)?|incoming|bot(?=\d+:)|with/key)(?=/|\d)/?", re.IGNORECASE)
#: The token of a conda channel: ``https://host/t/TOKEN/channel``.
_CONDA_TOKEN = lazy_pattern(r"(?<=/t/)(?=[A-Za-z_-]{0,64}\d)[A-Za-z0-9_-]{8,}(?=/|\Z)")
#: A line that states the version of a package, or opens the entry of one: a package may be called ``secrets``.
_PACKAGE = lazy_pattern(
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
_PATH_PIECE = lazy_pattern(r"[A-Za-z0-9_-]{24,}")
_QUERY_SECRETS = frozenset(("code", "signature", "sign", "x-amz-signature", "awsaccesskeyid", "googleaccessid"))
_ESCAPE = lazy_pattern("%([0-7][0-9A-Fa-f])")
_PLAIN = lazy_pattern(r"[\w.-]+\Z")
#: Words behind which a name and its value follow, each as a word: ``git config github.token X``.
_SETTERS = frozenset(("set", "setx", "setenv", "modify", "config", "-p", "-r", "--parameters"))


def redact_url(text: str) -> str:
    """Return an address without login, secret parameters, and the secret path of a webhook."""
    if "://" in text:
        text = _ADDRESS.sub(lambda found: found[1] + _without_login(found[1].lower(), found[2]), text)
    return redact_tokens(text)


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
            announced = given[at - 1][:1] == "-" or given[at - 1][-1:] in ":=" or is_certain(given[at - 1], word)
            kept.append(REDACTED if announced and not is_not_secret(given[at - 1], word) else word)
        elif equals and value and _PLAIN.match(name) and is_secret_name(name):
            kept.append(word if is_not_secret(name, value) else f"{name}={REDACTED}")
        elif equals and " " in value and _PLAIN.match(name):  # a text of its own: a command, a message
            kept.append(redact_text(f"{name}={redact_text(value)}"))
        else:
            kept.append(redact_text(word))
        before = words[:at] if is_strong_name(word) else words[max(0, at - 3) : at]
        follows = not equals and is_secret_name(word) and (is_option or not _SETTERS.isdisjoint(before))
        follows = follows or (word[-1:] in (":", "=") and is_strong_name(word))
    return shlex.join(kept)


def redact_value(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a document (mappings, lists, texts, numbers) without secrets: texts, and what secret names stand for."""
    if isinstance(value, str):
        return REDACTED if is_secret_name(name) and not is_not_secret(name, value) else redact_text(value)
    if isinstance(value, (Mapping, list, tuple)) and depth > _DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        return _redact_mapping(value, name if is_strong_name(name) else "", depth)
    if isinstance(value, (list, tuple)):
        return _redact_list(value, name, depth)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and is_secret_name(name):
        return REDACTED if value > 99_999 or is_strong_name(name) else value
    return value


def redact_given(values: Mapping[str, _T]) -> dict[str, _T]:
    """Return params, tags, annotations or texts that a person gave by name, without the secrets in them.

    As :func:`redact_value`, except that plain words and small numbers stay behind names that end with ``key``, ``token`` and
    the like, which are columns or symbols more often than secrets: ``key=user_id``, ``customer_key=3``.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        if is_certain_name(name):
            found[name] = redact_value(value, name)
        elif isinstance(value, str) and (" " in value.strip() or not is_not_word(value)):
            found[name] = redact_text(value)
        else:
            found[name] = redact_value(value, "key" if is_secret_name(name) else name)
    return found


def redact_kinds(kinds: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Replace secrets in what a person says of a version.

    Args:
        kinds: values by name, by kind (``params``, ``tags`` ...); those of the kind ``""`` are known by their name alone.

    Returns:
        The same without secrets, and a warning for each value that was changed, without the value.
    """
    given = {kind: dict(named) for kind, named in kinds.items()}
    if sum(len(text) for named in kinds.values() for text in named.values() if isinstance(text, str)) > _STORABLE:
        return given, ()  # too long to be stored: refused later
    warnings = []
    for kind, named in kinds.items():
        given[kind] = redact_given(named)
        for name, value in named.items():
            if given[kind][name] != value:
                warnings.append(f"{kind}{'.' if kind else ''}{name}: a secret was replaced by '{REDACTED}'")
    return given, tuple(warnings)


def _redact_mapping(value: Mapping[Any, Any], name: str, depth: int) -> dict[Any, Any]:
    """A mapping; in one with a secret ``name`` every value is one, and in ``{name: DB_PASSWORD, value: x}`` the value."""
    named = next((value[key] for key in ("name", "Name", "key", "Key") if isinstance(value.get(key), str)), "")
    found = {}
    for key, item in value.items():
        is_named = key in ("value", "Value") and is_secret_name(named)
        is_name = item is named and key in ("name", "Name", "key", "Key") and not name
        inner = "" if is_name else named if is_named else str(key) if is_secret_name(str(key)) else name
        found[redact_text(key) if isinstance(key, str) else key] = redact_value(item, inner, depth + 1)
    return found


def _redact_list(items: Sequence[Any], name: str, depth: int) -> Any:
    if all(isinstance(each, str) for each in items) and any(each.startswith("-") for each in items):  # a command
        return shlex.split(redact_command(items))
    if len(items) == 2 and all(isinstance(each, str) for each in items) and is_strong_name(items[0]):
        return [items[0], redact_value(items[1], items[0], depth + 1)]
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
    """Cut what is a secret by its place: behind a name, an option, a login.

    A pattern is only tried on a text with the characters that it needs: most texts are a word, and to compile all the
    patterns takes longer than all else that ``tag`` does.
    """
    has_space = any(map(str.isspace, text))
    if has_space:
        text = _NETRC.sub(rf"\1{REDACTED}", text)
    if "@" in text:
        text = _ORACLE.sub(rf"\1{REDACTED}@", text)
        text = _LOGIN.sub(f"{REDACTED}@", text)
    if colons:
        text = redact_structures(text)
    if has_space:
        text = _redact_words(text)
    if "," in text:
        text = LOGIN_CALL.sub(rf"\1{REDACTED}", text)
        text = PAIR.sub(lambda found: f"{found[1]}{REDACTED}" if is_secret_pair(found) else found[0], text)
    if "=" in text:
        text = redact_assignments(text)
    if has_space or "," in text:
        text = _FOLLOWED.sub(_cut, text)
    if has_space:
        text = _PROSE.sub(lambda found: f"{found[1]}{REDACTED}" if is_not_word(found[2]) else found[0], text)
    return redact_random(redact_programs(text))


def _redact_words(text: str) -> str:
    """Cut what stands behind a word and a space: ``Bearer x``, ``git config github.token x``."""
    text = BEARER.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}", text)
    text = _BASIC.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}" if _is_basic(found[3]) else found[0], text)
    return _without_settings(text)


def _without_settings(text: str) -> str:
    """``git config github.token x``, ``dvc remote modify r password x``: a name, and its value as the next word."""
    parts, start = [], 0
    for setter in _SET.finditer(text):
        at = max(setter.end(), start)
        for _ in range(_SET_WORDS):
            word = _SET_WORD.match(text, at)
            if word is None:
                break
            at = word.end()
            value = _SET_VALUE.match(text, at) if "=" not in word[1] and is_secret_name(word[1]) else None
            if value and not is_not_secret(word[1], value[2]) and is_certain(word[1], value[2]):
                parts += [text[start : value.start(2)], REDACTED]
                start = value.end()
                break
    return "".join(parts) + text[start:]


def is_secret_pair(found: re.Match[str]) -> bool:
    """Return whether a match of :data:`PAIR` is the name of a secret and its value."""
    return is_strong_name(found[3]) and not NOT_SECRET.match(found[5]) and is_not_word(found[5])


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
        if "%" in value and not secret:  # a whole connection string as one value
            plain = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value)
            secret = redact_assignments(plain) != plain
        kept.append(f"{name}={REDACTED}" if equals and value and secret else part)
    return f"{'&'.join(kept)}{hash_}{fragment}"


def _is_basic(text: str) -> bool:
    return any(each.isdigit() or each == "=" for each in text) or (text.lower() != text and not text.istitle())


def _cut(found: re.Match[str]) -> str:
    if not is_secret_name(found[1]) or found[3] == "//" or is_not_secret(found[1], found[3]):
        return found[0]
    return f"{found[1]}{found[2]}{REDACTED}"
