"""Redaction of secrets in everything that is recorded: command lines, addresses, settings, output of other tools.

When in doubt, a text is redacted: too much makes a command less exact, too little stays in every backup of the registry.
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
    VALUE,
    is_certain,
    is_not_secret,
    is_not_word,
    is_random,
    iter_assignments,
    redact_assignments,
    redact_random,
    redact_structures,
    redact_tokens,
)
from .secret_values import REDACTED as REDACTED  # noqa: PLC0414
from .text import lazy_pattern

_T = TypeVar("_T")
#: Characters of all texts of a version; more than a document can have.
_STORABLE = 64 << 20
_TOGETHER, _LONGEST, _WORDS_MOST, _DEPTH = 20_000, 4_096, 512, 32
_FOLLOWED = lazy_pattern(
    rf"(?<![\w-])(--?[A-Za-z][\w.-]{{0,100}})((?:['\"]?,?(?:[ \t]|\\\n){{1,40}}|['\"],\s{{0,40}}|\n[ \t]{{0,40}}-[ \t]{{1,9}}))(?![-<|>&;])({VALUE})",
    re.DOTALL,
)
#: A pair of texts in a program or a list: ``setenv("API_KEY", "x")``.
_PAIR = lazy_pattern(r"""(?<!\w)((['"])([\w.-]{1,128})\2[ \t]{0,9},\s{0,80})(['"])((?:(?!\4)[^\\\n]|\\.){1,4096})\4""")
#: ``smtp.login(user, "x")``
_LOGIN_CALL = lazy_pattern(r"""(\.login\(\s{0,80}(?:'[^'\n]{0,200}'|"[^"\n]{0,200}"|[\w.]{1,100})\s{0,9},\s{0,80})('[^'\n]{1,4096}'|"[^"\n]{1,4096}")""")  # fmt: skip
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
_BEARER = lazy_pattern(r"\b(bearer)(\s+)[^\s'\"\\,;]{6,}", re.IGNORECASE)
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
    return "".join(_redact_places(part, colons=True) for part in _split_text(redact_url(text)))


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
    """As :func:`redact_value`, for params, tags, annotations or texts that a person gave by name.

    Plain words and small numbers stay behind names that end with ``key``, ``token`` and the like, which are columns or
    symbols more often than secrets: ``key=user_id``, ``customer_key=3``.
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
    """Redact the values that a person gave for a version.

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


def _split_text(text: str) -> list[str]:
    """Split a long text at line ends into pieces of limited length."""
    found, start = [], 0
    while len(text) - start > _TOGETHER:
        end = text.rfind("\n", start, start + _TOGETHER) + 1
        found.append(text[start : end if end > start else start + _TOGETHER])
        start += len(found[-1])
    return [*found, text[start:]]


def _redact_places(text: str, *, colons: bool) -> str:
    """Redact what is a secret by its place: behind a name, an option, a login.

    A pattern is only tried on a text with the characters that it needs: most texts are one word, and to compile all
    patterns takes longer than the rest of ``tag``.
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
        text = _LOGIN_CALL.sub(rf"\1{REDACTED}", text)
        text = _PAIR.sub(lambda found: f"{found[1]}{REDACTED}" if _is_secret_pair(found) else found[0], text)
    if "=" in text:
        text = redact_assignments(text)
    if has_space or "," in text:
        text = _FOLLOWED.sub(_cut, text)
    if has_space:
        text = _PROSE.sub(lambda found: f"{found[1]}{REDACTED}" if is_not_word(found[2]) else found[0], text)
    return redact_random(redact_programs(text))


def _redact_words(text: str) -> str:
    """Redact the value behind a word and a space: ``Bearer x``, ``git config github.token x``."""
    text = _BEARER.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}", text)
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


def _is_secret_pair(found: re.Match[str]) -> bool:
    """Return whether a match of :data:`_PAIR` is the name of a secret and its value."""
    return is_strong_name(found[3]) and not NOT_SECRET.match(found[5]) and is_not_word(found[5])


def _without_login(scheme: str, rest: str) -> str:
    """The part behind ``://``. A password may have a slash, though it should not: then the last ``@`` counts."""
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


def contains_secret(data: bytes) -> bool:
    """Return whether a patch has a secret. In program code a bare word is code; in all other files it is a value."""
    text = data.decode("utf-8", "backslashreplace")
    if redact_url(text) != text or _BEARER.search(text):
        return True
    section: list[str] = []
    is_code = False
    for line in text.splitlines():
        if line.startswith("diff --git ") or (line.startswith("+++ ") and not section):
            if _has_secret(section, is_code=is_code):
                return True
            section, is_code = [], line.rstrip('"').rpartition(".")[2] in _CODE
        elif not line.startswith(("index ", "--- ", "+++ ", "@@ ", "old mode", "new mode", "similarity ", "rename ")):
            section.append(line[1:] if line[:1] in ("+", "-", " ") else line)
    return _has_secret(section, is_code=is_code)


#: Endings of files in which a bare word is code, not a value.
_CODE = frozenset((
    "py", "pyi", "pyx", "js", "ts", "jsx", "tsx", "r", "R", "jl", "go", "rs", "java", "c", "cc", "cpp", "cu", "h",
    "hpp", "scala", "rb", "kt", "swift", "lua", "m",
))  # fmt: skip
_LITERAL = lazy_pattern(r"""(?<!\\)(['"])((?:(?!\1)[^\\\n]|\\.){1,4096})\1""")


def _has_secret(lines: list[str], *, is_code: bool) -> bool:
    text = "\n".join(lines)
    if not is_code:
        return any(_redact_places(part, colons=True) != part for part in _split_text(text))
    pairs = [(name[1], value[0]) for part in _split_text(text) for name, value in iter_assignments(part)]
    pairs += [(found[1], found[3]) for found in _LITERAL_COLON.finditer(text) if is_secret_name(found[1])]
    if _LOGIN_CALL.search(text):
        return True
    if any(_is_literal(name, value) for name, value in pairs) or any(map(_is_secret_pair, _PAIR.finditer(text))):
        return True
    return any(
        _redact_places(found[2], colons=False) != found[2]
        for found in _LITERAL.finditer(text)
        if " " in found[2] or "=" in found[2]
    )


_LITERAL_COLON = lazy_pattern(
    r"(?<![\w.-])([\w.-]{1,128})((?:\\{0,8}['\"])[ \t]{0,9}:\s{0,80})((?:\\{0,8})['\"][^\n]{1,4096})"
)


def _is_literal(name: str, value: str) -> bool:
    """Whether the value in a program is a text that may be a secret."""
    quoted = value.lstrip("\\rbuf")
    if quoted[:1] not in ("'", '"') or NOT_SECRET.match(value):
        return False
    inner = quoted.strip("'\"\\,)]} ")
    return bool(inner) and (
        is_strong_name(name) or (len(inner) >= 8 and " " not in inner and any(map(str.isdigit, inner)))
    )
